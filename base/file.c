/*
 * file.c - a small file as a whole: settings, lists of names.
 */
#include "silt/text.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define READ_BYTES 65536

enum silt_status silt_buffer_read_file(struct silt_buffer *buffer, const char *path, size_t bytes_max,
                                       struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    size_t start = buffer->len;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return silt_fail_errno(err, errno, "%s", path);
    for (;;) {
        silt_buffer_reserve(buffer, READ_BYTES);
        ssize_t got = read(fd, buffer->p + buffer->len, READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = silt_fail_errno(err, errno, "%s", path);
        if (got <= 0)
            break;
        buffer->len += (size_t)got;
        if (buffer->len - start > bytes_max) {
            rc = silt_fail(err, SILT_LIMIT, "%s: larger than %zu bytes", path, bytes_max);
            break;
        }
    }
    close(fd);
    return rc;
}
