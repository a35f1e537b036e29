/*
 * import.c - one reader, several senders.
 *
 *     file --> reader (main thread) --> queue of batches --> senders, a connection each --> POST /write
 *
 * A batch that the server refuses is halved until the lines at fault are known; each is reported as FILE:LINE, the
 * others are written (points written twice are the same points). A server that does not answer is asked again for a
 * while; if it does not come back, or the user presses Ctrl-C, the import ends and says from which line it has to go
 * on: all lines before that one are written or reported.
 *
 * Threads: the queue and the counts are behind one lock; a sender owns its client and the batch it works on.
 */
#include "shell/import.h"

#include "shell/import_read.h"
#include "shell/json_answer.h"
#include "shell/progress.h"
#include "shell/words.h"
#include "shell/write_points.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SENDERS_DEFAULT 4
#define SENDERS_MAX 32
#define QUEUE_BATCHES 4
#define REPORTED_MAX 20
#define REPORTED_BYTES_MAX 1000
#define HALVINGS_MAX 5000 /* requests spent on finding lines at fault, for the whole import */
#define PATIENCE_SECONDS 60

struct import {
    struct session *session;
    const char *path;
    const char *precision, *consistency;
    bool from_input;  /* the file is standard input */
    bool like_influx; /* -import: that shell's words */
    double points_per_second;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct import_batch queue[QUEUE_BATCHES];
    size_t queued; /* in queue[0 ..] in order */
    bool no_more, stopped;
    uint64_t written, refused, reported, commands, command_failures;
    uint64_t go_on_line; /* once stopped: the first line that was not settled */
    size_t halvings;
    char stop_text[512];
    struct progress progress;
};

struct sender {
    struct import *import;
    struct client *client;
    pthread_t thread;
    struct import_batch batch;
    struct write_points points;
};

static _Atomic bool interrupted;

static void on_interrupt(int number)
{
    interrupted = true;
}

/* ---------------------------------------------------------------- stopping and reporting */

static void stop(struct import *import, uint64_t line, const char *text)
{
    pthread_mutex_lock(&import->lock);
    if (!import->stopped)
        snprintf(import->stop_text, sizeof import->stop_text, "%s", text);
    if (!import->go_on_line || line < import->go_on_line)
        import->go_on_line = line;
    import->stopped = true;
    pthread_cond_broadcast(&import->changed);
    pthread_mutex_unlock(&import->lock);
}

/* A row of CSV that is no point. */
static void complain(void *context, uint64_t line, const char *text)
{
    struct import *import = context;
    pthread_mutex_lock(&import->lock);
    import->refused++;
    if (import->reported++ < REPORTED_MAX) {
        progress_clear(&import->progress);
        fprintf(stderr, "%s:%llu: %s\n", import->path, (unsigned long long)line, text);
    }
    pthread_mutex_unlock(&import->lock);
}

static void report(struct sender *sender, uint64_t line, uint64_t last_line, size_t points)
{
    struct import *import = sender->import;
    struct silt_buffer told = {0}, text = {0};
    answer_error(&told, &sender->points.answer);
    words_harmless(&text, words_view(&told), REPORTED_BYTES_MAX); /* it holds the file's own bytes */
    silt_buffer_free(&told);
    pthread_mutex_lock(&import->lock);
    import->refused += points;
    if (import->reported++ < REPORTED_MAX) {
        progress_clear(&import->progress);
        if (line == last_line)
            fprintf(stderr, "%s:%llu: %.*s\n", import->path, (unsigned long long)line, SILT_FMT(words_view(&text)));
        else
            fprintf(stderr, "%s:%llu-%llu: %.*s\n", import->path, (unsigned long long)line,
                    (unsigned long long)last_line, SILT_FMT(words_view(&text)));
    }
    pthread_mutex_unlock(&import->lock);
    silt_buffer_free(&text);
}

/* ---------------------------------------------------------------- sending */

static bool is_stopped(void *context)
{
    struct import *import = context;
    pthread_mutex_lock(&import->lock);
    bool stopped = import->stopped;
    pthread_mutex_unlock(&import->lock);
    return stopped || interrupted;
}

static enum write_verdict send_lines(struct sender *sender, struct silt_str lines, uint64_t line)
{
    struct import *import = sender->import;
    struct write_points *points = &sender->points;
    points->database = words_view(&sender->batch.database);
    points->policy = words_view(&sender->batch.policy);
    points->precision = import->precision;
    points->consistency = import->consistency;
    points->patience_seconds = PATIENCE_SECONDS;
    points->stopped = is_stopped;
    points->context = import;
    enum write_verdict verdict = write_points(points, sender->client, lines);
    if (verdict == WRITE_UNREACHABLE)
        stop(import, line, points->why);
    return verdict;
}

struct span {
    size_t start; /* of a point in the batch's text */
    uint64_t line;
};

static void count_written(struct import *import, size_t points)
{
    pthread_mutex_lock(&import->lock);
    import->written += points;
    pthread_mutex_unlock(&import->lock);
}

static bool may_halve(struct import *import)
{
    pthread_mutex_lock(&import->lock);
    bool may = import->halvings < HALVINGS_MAX;
    import->halvings += may;
    pthread_mutex_unlock(&import->lock);
    return may;
}

/* Points spans[from .. to), which the server refused together. false: stopped. */
static bool settle(struct sender *sender, const struct span *spans, size_t from, size_t to, bool too_large)
{
    if (to - from == 1 || (!too_large && !may_halve(sender->import))) {
        report(sender, spans[from].line, to - from == 1 ? spans[from].line : spans[to].line - 1, to - from);
        return true;
    }
    size_t parts[] = {from, from + (to - from) / 2, to};
    for (size_t i = 0; i < 2; i++) {
        struct silt_str lines = {sender->batch.text.p + spans[parts[i]].start,
                                 spans[parts[i + 1]].start - spans[parts[i]].start};
        enum write_verdict verdict = send_lines(sender, lines, spans[parts[i]].line);
        if (verdict == WRITE_UNREACHABLE)
            return false;
        if (verdict == WRITE_DONE)
            count_written(sender->import, parts[i + 1] - parts[i]);
        else if (!settle(sender, spans, parts[i], parts[i + 1], verdict == WRITE_TOO_LARGE))
            return false;
    }
    return true;
}

/* Where its points are, with one more entry for the end. */
static struct span *find_points(const struct import_batch *batch, size_t *count)
{
    size_t capacity = batch->points + 2, at = 0;
    struct span *spans = silt_malloc(capacity * sizeof *spans);
    uint64_t line = batch->first_line;
    *count = 0;
    while (at < batch->text.len) {
        size_t lines, len = import_point_length((struct silt_str){batch->text.p + at, batch->text.len - at}, &lines);
        if (*count + 2 > capacity)
            spans = silt_realloc(spans, (capacity *= 2) * sizeof *spans);
        /* Comments before a point belong to its piece of text, not to its line's number. */
        struct silt_str piece = {batch->text.p + at, len};
        uint64_t point_line = line;
        for (const char *end; (end = memchr(piece.p, '\n', piece.len));) {
            struct silt_str first = words_trim((struct silt_str){piece.p, (size_t)(end - piece.p)});
            if (first.len && first.p[0] != '#')
                break;
            piece.len -= (size_t)(end + 1 - piece.p);
            piece.p = end + 1;
            point_line++;
        }
        spans[(*count)++] = (struct span){at, point_line};
        at += len;
        line += lines;
    }
    for (size_t i = 0; batch->point_lines && i < *count && i < batch->points; i++)
        spans[i].line = batch->point_lines[i];
    if (batch->point_lines && *count)
        line = spans[*count - 1].line + 1;
    spans[*count] = (struct span){batch->text.len, line};
    return spans;
}

static bool send_batch(struct sender *sender)
{
    struct import_batch *batch = &sender->batch;
    enum write_verdict verdict = send_lines(sender, words_view(&batch->text), batch->first_line);
    if (verdict == WRITE_DONE)
        count_written(sender->import, batch->points);
    if (verdict == WRITE_DONE || verdict == WRITE_UNREACHABLE)
        return verdict == WRITE_DONE;
    size_t count;
    struct span *spans = find_points(batch, &count);
    bool ok = settle(sender, spans, 0, count, verdict == WRITE_TOO_LARGE);
    free(spans);
    return ok;
}

static void *sender_main(void *argument)
{
    struct sender *sender = argument;
    struct import *import = sender->import;
    pthread_mutex_lock(&import->lock);
    for (;;) {
        while (!import->queued && !import->no_more && !import->stopped)
            pthread_cond_wait(&import->changed, &import->lock);
        if (!import->queued || import->stopped)
            break;
        struct import_batch taken = import->queue[0];
        memmove(import->queue, import->queue + 1, (QUEUE_BATCHES - 1) * sizeof *import->queue);
        import->queue[QUEUE_BATCHES - 1] = sender->batch; /* its memory is used again */
        sender->batch = taken;
        import->queued--;
        pthread_cond_broadcast(&import->changed);
        pthread_mutex_unlock(&import->lock);
        (void)send_batch(sender); /* stop() was called when it could not be settled */
        pthread_mutex_lock(&import->lock);
    }
    pthread_mutex_unlock(&import->lock);
    return NULL;
}

/* ---------------------------------------------------------------- reading */

/* Hands the batch over; false: stopped. */
static bool enqueue(struct import *import, struct import_batch *batch, const struct import_reader *reader)
{
    pthread_mutex_lock(&import->lock);
    while (import->queued == QUEUE_BATCHES && !import->stopped && !interrupted) {
        struct timespec until = silt_clock_in(100000000);
        pthread_cond_timedwait(&import->changed, &import->lock, &until);
        progress_draw(&import->progress, "", import_reader_share(reader), import->written);
    }
    bool ok = !import->stopped && !interrupted;
    if (ok) {
        struct import_batch spare = import->queue[import->queued];
        import->queue[import->queued++] = *batch;
        *batch = spare;
        pthread_cond_broadcast(&import->changed);
    }
    progress_draw(&import->progress, "", import_reader_share(reader), import->written);
    pthread_mutex_unlock(&import->lock);
    return ok;
}

static void run_statement(struct import *import, const struct import_batch *batch)
{
    static const struct answer_events events = {0};
    struct session *s = import->session;
    import->commands++;
    if (session_ask(s, words_view(&batch->text), words_view(&batch->database), &events, NULL))
        return;
    import->command_failures++;
    fprintf(stderr, "%s:%llu: %.*s\n", import->path, (unsigned long long)batch->first_line,
            SILT_FMT(words_view(&s->failure)));
}

/* Waits until so many points may have been sent. */
static void throttle(struct import *import, uint64_t points)
{
    double due = import->points_per_second > 0 ? (double)points / import->points_per_second : 0;
    for (double now; !interrupted && (now = progress_seconds(&import->progress)) < due;) {
        double rest = due - now < 0.2 ? due - now : 0.2;
        struct timespec pause = {0, (long)(rest * 1e9)};
        nanosleep(&pause, NULL);
    }
}

static void read_all(struct import *import, struct import_reader *reader)
{
    struct import_batch batch = {.points = 0};
    struct silt_error err;
    enum import_item item = IMPORT_END;
    uint64_t points = 0;
    for (;;) {
        if (import_reader_next(reader, &batch, &item, &err) != SILT_OK) {
            stop(import, batch.first_line, err.text);
            break;
        }
        if (item == IMPORT_END)
            break;
        if (item == IMPORT_STATEMENT) {
            run_statement(import, &batch);
            continue;
        }
        if (!batch.database.len)
            silt_buffer_str(&batch.database, words_view(&import->session->database));
        if (!batch.policy.len)
            silt_buffer_str(&batch.policy, words_view(&import->session->policy));
        if (!batch.database.len) {
            stop(import, batch.first_line, "the file names no database; use -database");
            break;
        }
        if (!enqueue(import, &batch, reader)) {
            stop(import, batch.first_line, "interrupted");
            break;
        }
        points += IMPORT_BATCH_POINTS;
        throttle(import, points);
    }
    import_batch_free(&batch);
}

/* ---------------------------------------------------------------- the whole */

static void print_like_influx(const struct import *import)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm tm;
    localtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y/%m/%d %H:%M:%S", &tm);
    if (import->written || import->refused) {
        printf("%s Processed %llu commands\n", stamp, (unsigned long long)import->commands);
        printf("%s Processed %llu inserts\n", stamp, (unsigned long long)import->written);
        printf("%s Failed %llu inserts\n", stamp, (unsigned long long)import->refused);
    }
    fflush(stdout);
    if (import->refused)
        fprintf(stderr, "ERROR: %llu point%s not inserted\n", (unsigned long long)import->refused,
                import->refused == 1 ? " was" : "s were");
}

static void print_summary(const struct import *import, double seconds)
{
    struct silt_buffer text = {0};
    progress_number(&text, import->written);
    silt_buffer_printf(&text, " points written in %.1f s (", seconds);
    progress_number(&text, (uint64_t)((double)import->written / (seconds > 1e-3 ? seconds : 1e-3)));
    silt_buffer_str(&text, SILT_STR(" a second)"));
    if (import->refused) {
        silt_buffer_str(&text, SILT_STR(", "));
        progress_number(&text, import->refused);
        silt_buffer_str(&text, SILT_STR(" refused"));
    }
    printf("%.*s\n", SILT_FMT(words_view(&text)));
    fflush(stdout);
    silt_buffer_free(&text);
}

static void print_end(struct import *import, double seconds)
{
    progress_clear(&import->progress);
    if (import->reported > REPORTED_MAX)
        fprintf(stderr, "%s: ... and %llu more\n", import->path, (unsigned long long)(import->reported - REPORTED_MAX));
    if (import->like_influx)
        print_like_influx(import);
    else
        print_summary(import, seconds);
    if (!import->stopped)
        return;
    unsigned long long line = import->go_on_line;
    fprintf(stderr, "%s:%llu: stopped: %s\nAll lines before it are done. ", import->path, line, import->stop_text);
    if (import->from_input)
        fprintf(stderr, "To go on, give it the same input with -from-line %llu\n", line);
    else
        fprintf(stderr, "To go on: silt import %s -from-line %llu\n", import->path, line);
}

static size_t sender_count(const struct options *options)
{
    int64_t jobs = 0;
    if (!silt_parse_int(options->jobs, strlen(options->jobs), &jobs, NULL) || jobs < 1)
        jobs = SENDERS_DEFAULT;
    return jobs > SENDERS_MAX ? SENDERS_MAX : (size_t)jobs;
}

static void run_senders(struct import *import, struct import_reader *reader, size_t count)
{
    struct client_config config = session_client_config(import->session);
    struct sender *senders = silt_calloc(count, sizeof *senders);
    for (size_t i = 0; i < count; i++) {
        senders[i].import = import;
        senders[i].client = client_create(&config);
        int error = pthread_create(&senders[i].thread, NULL, sender_main, &senders[i]);
        silt_assert(error == 0);
    }
    read_all(import, reader);
    pthread_mutex_lock(&import->lock);
    import->no_more = true;
    pthread_cond_broadcast(&import->changed);
    pthread_mutex_unlock(&import->lock);
    for (size_t i = 0; i < count; i++) {
        pthread_join(senders[i].thread, NULL);
        client_destroy(senders[i].client);
        import_batch_free(&senders[i].batch);
        silt_buffer_free(&senders[i].points.answer);
    }
    /* What nobody took any more. */
    for (size_t i = 0; i < import->queued; i++)
        stop(import, import->queue[i].first_line, "interrupted");
    free(senders);
}

int import_run(struct session *s, const struct options *options, const char *path)
{
    struct import import = {.session = s,
                            .path = path,
                            .precision = s->precision.p,
                            .consistency = s->consistency.p,
                            .like_influx = options->import,
                            .lock = PTHREAD_MUTEX_INITIALIZER};
    struct import_reader *reader;
    struct silt_error err;
    int64_t from_line = 1;
    silt_cond_init(&import.changed);
    if (*options->from_line &&
        (!silt_parse_int(options->from_line, strlen(options->from_line), &from_line, NULL) || from_line < 1)) {
        fprintf(stderr, "-from-line %s is no line\n", options->from_line);
        return 1;
    }
    if (*options->pps && !silt_parse_double(options->pps, strlen(options->pps), &import.points_per_second)) {
        fprintf(stderr, "-pps %s is no number\n", options->pps);
        return 1;
    }
    if (import_reader_open(&reader, path, (uint64_t)from_line, &err) != SILT_OK) {
        fprintf(stderr, options->import ? "ERROR: %s\n" : "%s\n", err.text);
        return 1;
    }
    if (*options->csv) {
        struct csv_map *map;
        if (csv_map_parse(&map, silt_str_from(options->csv), &err) != SILT_OK) {
            fprintf(stderr, "-csv: %s\n", err.text);
            import_reader_close(reader);
            return 1;
        }
        import_reader_csv(reader, map, complain, &import);
        import.precision = "ns";
    }
    import.from_input = strcmp(path, "-") == 0;
    if (import.from_input)
        import.path = "standard input";
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    progress_begin(&import.progress, stderr);
    run_senders(&import, reader, sender_count(options));
    print_end(&import, progress_seconds(&import.progress));
    import_reader_close(reader);
    for (size_t i = 0; i < QUEUE_BATCHES; i++)
        import_batch_free(&import.queue[i]);
    return import.refused || import.stopped || (import.command_failures && !import.like_influx) ? 1 : 0;
}
