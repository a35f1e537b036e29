/*
 * import_read.c - zlib reads, which passes plain files through; lines are looked at once each.
 */
#include "shell/import_read.h"

#include "shell/words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define READ_BYTES (1u << 20)

struct import_reader {
    const char *path;
    gzFile file;
    uint64_t file_bytes; /* 0: not known */
    struct silt_buffer buffer;
    size_t at;                /* in buffer: what is before it has been given */
    uint64_t line, from_line; /* line: of buffer.p[at] */
    struct silt_buffer database, policy;
    bool ended, known_form, in_definitions;
    struct csv_map *map; /* NULL: no CSV */
    bool has_head;
    void (*complain)(void *context, uint64_t line, const char *text);
    void *context;
};

/* ---------------------------------------------------------------- lines and points */

/* Where in a point its reading is; lines of it are fed one after another. */
struct point_scan {
    bool in_fields; /* behind the series; in it quotes mean nothing */
    bool open;      /* within a string */
    bool value;     /* behind an equals sign: only there a string begins */
    bool escaped;
};

static void scan_point(struct point_scan *scan, struct silt_str text)
{
    for (size_t at = 0; at < text.len; at++) {
        char c = text.p[at];
        if (scan->escaped) {
            scan->escaped = false;
        } else if (c == '\\') {
            scan->escaped = true;
            scan->value = false;
        } else if (!scan->in_fields) {
            scan->in_fields = c == ' ';
        } else if (c == '"' && (scan->open || scan->value)) {
            scan->open = !scan->open;
            scan->value = false;
        } else {
            scan->value = c == '=' && !scan->open;
        }
    }
}

static size_t line_length(struct silt_str text)
{
    const char *end = memchr(text.p, '\n', text.len);
    return end ? (size_t)(end - text.p) + 1 : text.len;
}

static bool is_comment_or_blank(struct silt_str line)
{
    struct silt_str text = words_trim(line);
    return !text.len || text.p[0] == '#';
}

size_t import_point_length(struct silt_str text, size_t *lines)
{
    size_t len = 0;
    *lines = 0;
    while (len < text.len) {
        struct silt_str rest = {text.p + len, text.len - len};
        size_t next = line_length(rest);
        struct silt_str line = {rest.p, next};
        len += next;
        *lines += 1;
        if (is_comment_or_blank(line))
            continue;
        /* A quote that nothing closes is the fault of its own line. */
        size_t whole = len, whole_lines = *lines;
        struct point_scan scan = {0};
        scan_point(&scan, line);
        while (scan.open && len < text.len) {
            struct silt_str more = {text.p + len, text.len - len};
            more.len = line_length(more);
            scan_point(&scan, more);
            len += more.len;
            *lines += 1;
        }
        if (scan.open)
            len = whole, *lines = whole_lines;
        break;
    }
    return len;
}

/* ---------------------------------------------------------------- reading */

enum silt_status import_reader_open(struct import_reader **out, const char *path, uint64_t from_line,
                                    struct silt_error *err)
{
    bool is_input = strcmp(path, "-") == 0;
    int fd = is_input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat facts;
    if (fd < 0)
        return silt_fail_errno(err, errno, "%s", path);
    if (fstat(fd, &facts) == 0 && S_ISDIR(facts.st_mode)) {
        close(fd);
        return silt_fail(err, SILT_INVALID, "%s is a directory", path);
    }
    struct import_reader *r = silt_calloc(1, sizeof *r);
    r->path = is_input ? "standard input" : path;
    r->file = gzdopen(fd, "rb");
    silt_assert(r->file);
    gzbuffer(r->file, 256 << 10);
    r->file_bytes = S_ISREG(facts.st_mode) ? (uint64_t)facts.st_size : 0;
    r->line = 1;
    r->from_line = from_line;
    *out = r;
    return SILT_OK;
}

void import_reader_csv(struct import_reader *r, struct csv_map *map,
                       void (*complain)(void *context, uint64_t line, const char *text), void *context)
{
    r->map = map;
    r->complain = complain;
    r->context = context;
}

void import_reader_close(struct import_reader *r)
{
    if (!r)
        return;
    csv_map_free(r->map);
    gzclose(r->file);
    silt_buffer_free(&r->buffer);
    silt_buffer_free(&r->database);
    silt_buffer_free(&r->policy);
    free(r);
}

double import_reader_share(const struct import_reader *r)
{
    return r->file_bytes ? (double)gzoffset(r->file) / (double)r->file_bytes : -1;
}

void import_batch_free(struct import_batch *batch)
{
    silt_buffer_free(&batch->text);
    silt_buffer_free(&batch->database);
    silt_buffer_free(&batch->policy);
    free(batch->point_lines);
}

/* More bytes behind what is not given yet; *got 0 at the end. */
static enum silt_status refill(struct import_reader *r, size_t *got, struct silt_error *err)
{
    if (r->at) {
        memmove(r->buffer.p, r->buffer.p + r->at, r->buffer.len - r->at);
        r->buffer.len -= r->at;
        r->at = 0;
    }
    silt_buffer_reserve(&r->buffer, READ_BYTES);
    int n = gzread(r->file, r->buffer.p + r->buffer.len, READ_BYTES);
    int code = Z_OK;
    const char *text = gzerror(r->file, &code);
    if (n < 0 || code == Z_BUF_ERROR)
        return silt_fail(err, SILT_IO, "%s: %s", r->path,
                         code == Z_ERRNO ? strerror(errno)
                         : *text         ? text
                                         : "cannot be read");
    *got = (size_t)n;
    r->buffer.len += (size_t)n;
    return SILT_OK;
}

/* The next line with its end, empty at the end of the file. */
static enum silt_status peek_line(struct import_reader *r, struct silt_str *line, struct silt_error *err)
{
    for (size_t seen = 0;;) {
        struct silt_str rest = {r->buffer.p + r->at, r->buffer.len - r->at};
        const char *end = rest.len > seen ? memchr(rest.p + seen, '\n', rest.len - seen) : NULL;
        if (end || r->ended) {
            *line = (struct silt_str){rest.p, end ? (size_t)(end - rest.p) + 1 : rest.len};
            return SILT_OK;
        }
        if (rest.len > IMPORT_LINE_BYTES_MAX)
            return silt_fail(err, SILT_LIMIT, "%s:%llu: a line is longer than %u MB", r->path,
                             (unsigned long long)r->line, IMPORT_LINE_BYTES_MAX >> 20);
        seen = rest.len;
        size_t got = 0;
        if (refill(r, &got, err) != SILT_OK)
            return err->status;
        r->ended = got == 0;
    }
}

static void skip_line(struct import_reader *r, size_t len)
{
    r->at += len;
    r->line++;
}

/* ---------------------------------------------------------------- what lines mean */

static bool take_context(struct silt_str line, struct silt_str mark, struct silt_buffer *to)
{
    if (line.len < mark.len || memcmp(line.p, mark.p, mark.len) != 0)
        return false;
    struct silt_str value = words_trim((struct silt_str){line.p + mark.len, line.len - mark.len});
    to->len = 0;
    silt_buffer_str(to, value);
    return true;
}

static bool starts(struct silt_str line, const char *text)
{
    return line.len >= strlen(text) && memcmp(line.p, text, strlen(text)) == 0;
}

/* The form of the file shows in its first line that is not blank. */
static void find_form(struct import_reader *r, struct silt_str line)
{
    if (r->known_form || !words_trim(line).len)
        return;
    r->known_form = true;
    r->in_definitions = starts(line, "# DDL") || starts(line, "# INFLUXDB EXPORT");
}

static void begin_batch(struct import_reader *r, struct import_batch *batch)
{
    batch->text.len = batch->database.len = batch->policy.len = 0;
    batch->points = 0;
    batch->first_line = r->line;
    silt_buffer_str(&batch->database, words_view(&r->database));
    silt_buffer_str(&batch->policy, words_view(&r->policy));
}

/* A statement of the first section; false: the line is none. */
static bool take_statement(struct import_reader *r, struct silt_str line, struct import_batch *batch)
{
    if (starts(line, "# DML"))
        r->in_definitions = false;
    if (is_comment_or_blank(line) || r->line < r->from_line)
        return false;
    begin_batch(r, batch);
    silt_buffer_str(&batch->text, words_trim(line));
    return true;
}

/* The rest of a point whose first line is at the end of the batch. */
static enum silt_status take_rest_of_point(struct import_reader *r, struct import_batch *batch, size_t point_at,
                                           struct silt_error *err)
{
    struct point_scan scan = {0};
    scan_point(&scan, (struct silt_str){batch->text.p + point_at, batch->text.len - point_at});
    while (scan.open) {
        struct silt_str line;
        if (peek_line(r, &line, err) != SILT_OK)
            return err->status;
        if (!line.len || batch->text.len - point_at > IMPORT_BATCH_BYTES)
            return SILT_OK; /* nothing closes the quote; the server says so, and import_point_length takes the lines
                               apart */
        silt_buffer_str(&batch->text, line);
        scan_point(&scan, line);
        skip_line(r, line.len);
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- CSV */

static void note_line(struct import_batch *batch, uint64_t line)
{
    if (batch->points == batch->point_lines_capacity) {
        batch->point_lines_capacity = batch->points ? batch->points * 2 : 1024;
        batch->point_lines = silt_realloc(batch->point_lines, batch->point_lines_capacity * sizeof *batch->point_lines);
    }
    batch->point_lines[batch->points++] = line;
}

/* A whole record in the map; *len 0 at the end of the file. */
static enum silt_status next_record(struct import_reader *r, size_t *len, size_t *lines, struct silt_error *err)
{
    for (size_t seen = 0;;) {
        struct silt_str rest = {r->buffer.p ? r->buffer.p + r->at : "", r->buffer.len - r->at};
        /* A record that is not whole is looked at again when there is twice as much of it: not byte by byte. */
        if (rest.len >= 2 * seen || r->ended) {
            *len = csv_map_record(r->map, rest, r->ended, lines);
            seen = rest.len;
            if (*len || r->ended)
                return SILT_OK;
        }
        if (rest.len > IMPORT_LINE_BYTES_MAX)
            return silt_fail(err, SILT_LIMIT, "%s:%llu: a record is longer than %u MB", r->path,
                             (unsigned long long)r->line, IMPORT_LINE_BYTES_MAX >> 20);
        size_t got = 0;
        if (refill(r, &got, err) != SILT_OK)
            return err->status;
        r->ended = got == 0;
    }
}

static enum silt_status next_csv(struct import_reader *r, struct import_batch *batch, enum import_item *item,
                                 struct silt_error *err)
{
    begin_batch(r, batch);
    *item = IMPORT_END;
    while (batch->points < IMPORT_BATCH_POINTS && batch->text.len < IMPORT_BATCH_BYTES) {
        size_t len, lines;
        struct silt_error fault;
        if (next_record(r, &len, &lines, err) != SILT_OK)
            return err->status;
        if (!len)
            break;
        uint64_t line = r->line;
        r->at += len;
        r->line += lines;
        if (!r->has_head) {
            r->has_head = true;
            if (csv_map_head(r->map, &fault) != SILT_OK)
                return silt_fail(err, SILT_INVALID, "%s: %s", r->path, fault.text);
            continue;
        }
        if (line < r->from_line)
            continue;
        enum silt_status status = csv_map_row(r->map, &batch->text, &fault);
        if (status == SILT_OK)
            note_line(batch, line);
        else if (status != SILT_NOT_FOUND)
            r->complain(r->context, line, fault.text);
    }
    if (batch->points) {
        *item = IMPORT_BATCH;
        batch->first_line = batch->point_lines[0];
    }
    return SILT_OK;
}

enum silt_status import_reader_next(struct import_reader *r, struct import_batch *batch, enum import_item *item,
                                    struct silt_error *err)
{
    if (r->map)
        return next_csv(r, batch, item, err);
    begin_batch(r, batch);
    for (;;) {
        struct silt_str line;
        if (peek_line(r, &line, err) != SILT_OK)
            return err->status;
        if (!line.len)
            break;
        find_form(r, line);
        if (r->in_definitions) {
            bool is_statement = take_statement(r, line, batch);
            skip_line(r, line.len);
            *item = IMPORT_STATEMENT;
            if (is_statement)
                return SILT_OK;
            begin_batch(r, batch);
            continue;
        }
        bool is_comment = line.p[0] == '#';
        if (is_comment && (starts(line, "# CONTEXT-DATABASE:") || starts(line, "# CONTEXT-RETENTION-POLICY:"))) {
            if (batch->points)
                break; /* the line is looked at again for the next batch */
            (void)take_context(line, SILT_STR("# CONTEXT-DATABASE:"), &r->database);
            (void)take_context(line, SILT_STR("# CONTEXT-RETENTION-POLICY:"), &r->policy);
            skip_line(r, line.len);
            begin_batch(r, batch);
            continue;
        }
        if (r->line < r->from_line) {
            skip_line(r, line.len);
            begin_batch(r, batch);
            continue;
        }
        size_t point_at = batch->text.len;
        bool is_point = !is_comment && words_trim(line).len;
        silt_buffer_str(&batch->text, line);
        skip_line(r, line.len);
        if (is_point) {
            batch->points++;
            if (memchr(batch->text.p + point_at, '"', batch->text.len - point_at) &&
                take_rest_of_point(r, batch, point_at, err) != SILT_OK)
                return err->status;
        }
        if (!batch->points && batch->text.len >= IMPORT_BATCH_BYTES) /* megabytes of comments */
            begin_batch(r, batch);
        if (batch->points >= IMPORT_BATCH_POINTS || batch->text.len >= IMPORT_BATCH_BYTES)
            break;
    }
    *item = batch->points ? IMPORT_BATCH : IMPORT_END;
    return SILT_OK;
}
