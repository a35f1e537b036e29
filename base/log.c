/*
 * log.c - one structured line per event on stderr; lines of any log into where it leads.
 *
 *     ts=2026-01-02T03:04:05.678901Z lvl=info msg="Listening" addr=127.0.0.1:8086
 *
 * A line is put together on the stack and leaves in one write(2), so that lines of different threads never mix.
 *
 * A log may lead into a pipe or a socket, and its reader may stand still: then a write(2) waits, for ever maybe, and with it an
 * event loop and all its clients. So there a piece is written only when there is room for it; what finds none is left out and
 * counted, and the next line that gets through is preceded by one that tells how many are missing.
 */
#include "silt/text.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 2048
#define PIECE_BYTES 4096 /* that fit, where poll(2) says that there is room: PIPE_BUF */

static _Atomic int lowest_level = SILT_LOG_INFO;
static pthread_mutex_t room_lock = PTHREAD_MUTEX_INITIALIZER; /* from poll to write: nobody else takes the room */
static _Atomic uint64_t lost_lines, lost_untold;
static const char *const level_names[] = {"debug", "info", "warn", "error"};

void silt_log_set_level(enum silt_log_level level)
{
    atomic_store_explicit(&lowest_level, (int)level, memory_order_relaxed);
}

/* A line is one line: control characters of foreign texts become blanks. */
static void flatten(char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F)
            line[i] = ' ';
}

/* ---------------------------------------------------------------- where lines go */

static size_t count_lines(const char *p, size_t len)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++)
        count += p[i] == '\n';
    return count;
}

static bool write_all(int fd, const char *p, size_t len)
{
    while (len) {
        ssize_t put = write(fd, p, len);
        if (put <= 0)
            return false;
        p += put;
        len -= (size_t)put;
    }
    return true;
}

/* As many whole lines as a piece holds; of a longer line a part. */
static size_t piece_of(const char *p, size_t len)
{
    const char *end = len > PIECE_BYTES ? memrchr(p, '\n', PIECE_BYTES) : NULL;

    return end ? (size_t)(end + 1 - p) : len < PIECE_BYTES ? len : PIECE_BYTES;
}

/* How much was written. */
static size_t write_into_room(int fd, const char *p, size_t len)
{
    size_t done = 0;

    pthread_mutex_lock(&room_lock);
    while (done < len) {
        struct pollfd look = {fd, POLLOUT, 0};
        size_t piece = piece_of(p + done, len - done);
        if (poll(&look, 1, 0) != 1 || !(look.revents & POLLOUT) || !write_all(fd, p + done, piece))
            break;
        done += piece;
    }
    pthread_mutex_unlock(&room_lock);
    return done;
}

/* How many lines were not written. */
static size_t put_lines(int fd, const char *p, size_t len)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return write_all(fd, p, len) ? 0 : count_lines(p, len);
    size_t done = write_into_room(fd, p, len);
    return count_lines(p + done, len - done);
}

void silt_log_lines(int fd, const char *lines, size_t len)
{
    size_t lost = put_lines(fd, lines, len);

    atomic_fetch_add_explicit(&lost_lines, lost, memory_order_relaxed);
    atomic_fetch_add_explicit(&lost_untold, lost, memory_order_relaxed);
}

uint64_t silt_log_lost(void)
{
    return atomic_load_explicit(&lost_lines, memory_order_relaxed);
}

/* ---------------------------------------------------------------- lines */

static size_t put_head(char *line, enum silt_log_level level, const char *message)
{
    struct timespec ts;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    int len = snprintf(line, LINE_BYTES_MAX, "ts=%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ lvl=%s msg=\"%.1000s\"",
                       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                       ts.tv_nsec / 1000, level_names[level], message);
    return len < 0 ? 0 : (size_t)len;
}

static void tell_lost(void)
{
    char line[LINE_BYTES_MAX];
    uint64_t count = atomic_exchange_explicit(&lost_untold, 0, memory_order_relaxed);

    if (count == 0)
        return;
    size_t len = put_head(line, SILT_LOG_WARN, "lines of the log are missing, nobody read them");
    len += (size_t)snprintf(line + len, sizeof(line) - len, " lines=%llu\n", (unsigned long long)count);
    if (put_lines(STDERR_FILENO, line, len) > 0)
        atomic_fetch_add_explicit(&lost_untold, count, memory_order_relaxed);
}

void silt_log(enum silt_log_level level, const char *message, const char *fields_format, ...)
{
    char line[LINE_BYTES_MAX];

    if ((int)level < atomic_load_explicit(&lowest_level, memory_order_relaxed))
        return;
    tell_lost();
    size_t len = put_head(line, level, message);
    if (fields_format && len > 0 && len < sizeof(line) - 2) {
        va_list args;
        line[len++] = ' ';
        va_start(args, fields_format);
        int more = vsnprintf(line + len, sizeof(line) - len - 1, fields_format, args);
        va_end(args);
        if (more > 0)
            len += (size_t)more;
    }
    size_t total = len > sizeof(line) - 2 ? sizeof(line) - 2 : len;
    flatten(line, total);
    line[total++] = '\n';
    silt_log_lines(STDERR_FILENO, line, total);
}
