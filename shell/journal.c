/*
 * journal.c - lines with a checksum in front.
 */
#include "shell/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define CRC_DIGITS 8

struct journal {
    int fd;
    char *path;
    struct silt_buffer added; /* not written yet */
};

static void put_escaped(struct silt_buffer *out, struct silt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        const char *letter = c == '\t' ? "t" : c == '\n' ? "n" : c == '\r' ? "r" : c == '\\' ? "\\" : NULL;
        if (letter)
            silt_buffer_char(out, '\\');
        silt_buffer_char(out, letter ? *letter : c);
    }
}

/* In place. */
static struct silt_str unescape(char *text, size_t len)
{
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\\' && i + 1 < len) {
            c = text[++i];
            c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
        }
        text[to++] = c;
    }
    return (struct silt_str){text, to};
}

/* A line without its end; false: it is not what was written. */
static bool read_line(char *line, size_t len, journal_record_fn record, void *context)
{
    char digits[CRC_DIGITS + 1], *end;
    if (len <= CRC_DIGITS || line[CRC_DIGITS] != '\t')
        return false;
    memcpy(digits, line, CRC_DIGITS);
    digits[CRC_DIGITS] = 0;
    char *body = line + CRC_DIGITS + 1;
    len -= CRC_DIGITS + 1;
    if (strtoul(digits, &end, 16) != silt_crc32c(0, body, len) || *end)
        return false;

    struct silt_str fields[JOURNAL_FIELDS_MAX];
    size_t count = 0;
    for (size_t start = 0; start <= len && count < JOURNAL_FIELDS_MAX;) {
        char *tab = memchr(body + start, '\t', len - start);
        size_t stop = tab ? (size_t)(tab - body) : len;
        fields[count++] = unescape(body + start, stop - start);
        start = stop + 1;
    }
    record(context, fields, count);
    return true;
}

static enum silt_status read_all(struct journal *j, journal_record_fn record, void *context, struct silt_error *err)
{
    FILE *file = fdopen(dup(j->fd), "re");
    if (!file)
        return silt_fail_errno(err, errno, "%s", j->path);
    char *line = NULL;
    size_t capacity = 0;
    off_t good = 0;
    for (ssize_t len; (len = getline(&line, &capacity, file)) > 0;) {
        if (line[len - 1] != '\n' || !read_line(line, (size_t)len - 1, record, context))
            break;
        good += len;
    }
    bool failed = ferror(file);
    free(line);
    fclose(file);
    if (failed || ftruncate(j->fd, good) != 0 || lseek(j->fd, good, SEEK_SET) < 0)
        return silt_fail_errno(err, errno, "%s", j->path);
    return SILT_OK;
}

enum silt_status journal_open(struct journal **out, const char *path, journal_record_fn record, void *context,
                              struct silt_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return silt_fail_errno(err, errno, "%s", path);
    struct journal *j = silt_calloc(1, sizeof *j);
    *j = (struct journal){.fd = fd, .path = silt_strdup(silt_str_from(path))};
    enum silt_status status;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK ? silt_fail(err, SILT_CONFLICT, "%s is in use by another process", path)
                                      : silt_fail_errno(err, errno, "%s", path);
    else
        status = read_all(j, record, context, err);
    if (status != SILT_OK) {
        journal_close(j);
        return status;
    }
    *out = j;
    return SILT_OK;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    close(j->fd);
    free(j->path);
    silt_buffer_free(&j->added);
    free(j);
}

void journal_add(struct journal *j, const struct silt_str *fields, size_t count)
{
    silt_assert(count && count <= JOURNAL_FIELDS_MAX);
    size_t start = j->added.len;
    char head[CRC_DIGITS + 2];
    silt_buffer_append(&j->added, "00000000\t", CRC_DIGITS + 1);
    for (size_t i = 0; i < count; i++) {
        if (i)
            silt_buffer_char(&j->added, '\t');
        put_escaped(&j->added, fields[i]);
    }
    char *body = j->added.p + start + CRC_DIGITS + 1;
    snprintf(head, sizeof head, "%08x\t", silt_crc32c(0, body, j->added.len - start - CRC_DIGITS - 1));
    memcpy(j->added.p + start, head, CRC_DIGITS + 1);
    silt_buffer_char(&j->added, '\n');
}

void journal_addf(struct journal *j, const char *kind, const char *format, ...)
{
    struct silt_str fields[JOURNAL_FIELDS_MAX] = {silt_str_from(kind)};
    char numbers[JOURNAL_FIELDS_MAX][24];
    size_t count = 1;
    va_list args;
    va_start(args, format);
    for (const char *at = format; *at; at += 2, count++) {
        silt_assert(at[0] == '%' && count < JOURNAL_FIELDS_MAX);
        if (at[1] == 'S') {
            fields[count] = va_arg(args, struct silt_str);
        } else if (at[1] == 's') {
            fields[count] = silt_str_from(va_arg(args, const char *));
        } else {
            char *to = numbers[count];
            size_t len =
                at[1] == 'd' ? silt_write_int(to, va_arg(args, int64_t)) : silt_write_uint(to, va_arg(args, uint64_t));
            fields[count] = (struct silt_str){to, len};
        }
    }
    va_end(args);
    journal_add(j, fields, count);
}

enum silt_status journal_commit(struct journal *j, bool sync, struct silt_error *err)
{
    for (size_t at = 0; at < j->added.len;) {
        ssize_t n = write(j->fd, j->added.p + at, j->added.len - at);
        if (n < 0 && errno != EINTR)
            return silt_fail_errno(err, errno, "%s", j->path);
        at += n > 0 ? (size_t)n : 0;
    }
    j->added.len = 0;
    if (sync && fdatasync(j->fd) != 0)
        return silt_fail_errno(err, errno, "%s", j->path);
    return SILT_OK;
}
