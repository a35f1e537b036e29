/*
 * log.c - one structured line per event on stderr.
 *
 *     ts=2026-01-02T03:04:05.678901Z lvl=info msg="Listening" addr=127.0.0.1:8086
 *
 * A line is put together on the stack and leaves in one write(2), so that lines of different threads never mix.
 */
#include "silt/text.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 2048

static _Atomic int lowest_level = SILT_LOG_INFO;
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

void silt_log(enum silt_log_level level, const char *message, const char *fields_format, ...)
{
    char line[LINE_BYTES_MAX];
    struct timespec ts;
    struct tm tm;

    if ((int)level < atomic_load_explicit(&lowest_level, memory_order_relaxed))
        return;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    int len = snprintf(line, sizeof(line), "ts=%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ lvl=%s msg=\"%.1000s\"",
                       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                       ts.tv_nsec / 1000, level_names[level], message);
    if (fields_format && len > 0 && (size_t)len < sizeof(line) - 2) {
        va_list args;
        line[len++] = ' ';
        va_start(args, fields_format);
        int more = vsnprintf(line + len, sizeof(line) - (size_t)len - 1, fields_format, args);
        va_end(args);
        if (more > 0)
            len += more;
    }
    size_t total = len < 0 ? 0 : (size_t)len > sizeof(line) - 2 ? sizeof(line) - 2 : (size_t)len;
    flatten(line, total);
    line[total++] = '\n';
    if (write(STDERR_FILENO, line, total) < 0) {
        /* Nobody is left to tell. */
    }
}
