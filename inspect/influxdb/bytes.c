/*
 * bytes.c - see bytes.h.
 */
#include "inspect/influxdb/bytes.h"

#include "silt/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <snappy-c.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SNAPPY_GROWTH_MAX 22u /* a 3-byte copy gives at most 64 bytes */

void influx_damaged(struct influx_log *log, const char *path, uint64_t offset, const char *format, ...)
{
    char text[512];
    va_list args;

    log->damaged++;
    if (log->quiet)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "DAMAGED %s at byte %" PRIu64 ": %s\n", path, offset, text);
}

bool influx_split_key(struct silt_str key, struct silt_str *series, struct silt_str *field)
{
    const struct silt_str separator = SILT_STR("#!~#");
    const char *at = memmem(key.p, key.len, separator.p, separator.len);
    if (!at || at + separator.len == key.p + key.len)
        return false;
    *series = (struct silt_str){key.p, (size_t)(at - key.p)};
    *field = (struct silt_str){at + separator.len, key.len - series->len - separator.len};
    return true;
}

enum silt_status influx_map(const char *path, const uint8_t **bytes, size_t *len, struct silt_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return silt_fail_errno(err, errno, "%s: open", path);
    *bytes = NULL;
    *len = 0;
    enum silt_status rc = SILT_OK;
    if (fstat(fd, &st) != 0) {
        rc = silt_fail_errno(err, errno, "%s: stat", path);
    } else if (st.st_size > 0) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            rc = silt_fail_errno(err, errno, "%s: mmap", path);
        } else {
            *bytes = map;
            *len = (size_t)st.st_size;
        }
    }
    close(fd);
    return rc;
}

void influx_unmap(const uint8_t *bytes, size_t len)
{
    if (len)
        munmap((void *)(uintptr_t)bytes, len);
}

const char *influx_unsnappy(struct silt_str packed, struct silt_buffer *out)
{
    size_t len;

    out->len = 0;
    if (snappy_uncompressed_length(packed.p, packed.len, &len) != SNAPPY_OK || len > packed.len * SNAPPY_GROWTH_MAX)
        return "a snappy stream with an impossible length";
    silt_buffer_reserve(out, len + 1);
    if (snappy_uncompress(packed.p, packed.len, out->p, &len) != SNAPPY_OK)
        return "a damaged snappy stream";
    out->len = len;
    return NULL;
}
