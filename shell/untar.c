/*
 * untar.c - implements untar.h.
 *
 *     header 512: name at 0, 100 bytes | size at 124, 12 bytes | checksum at 148, 8 bytes | type at 156
 *     the file, and zeros up to a multiple of 512; two headers of zeros are the end
 */
#include "shell/untar.h"

#include <string.h>

#define BLOCK 512u

/* Octal digits, or binary when the top bit is set. */
static bool read_number(const char *field, size_t len, uint64_t *out)
{
    *out = 0;
    if (field[0] & (char)0x80) {
        for (size_t i = 0; i < len; i++) {
            if (*out >> 56)
                return false;
            *out = *out << 8 | ((unsigned char)field[i] & (i == 0 ? 0x7f : 0xff));
        }
        return true;
    }
    for (size_t i = 0; i < len && field[i] != '\0' && field[i] != ' '; i++) {
        if (field[i] < '0' || field[i] > '7')
            return false;
        *out = *out << 3 | (uint64_t)(field[i] - '0');
    }
    return true;
}

static bool checksum_fits(const char *header)
{
    uint64_t said;
    unsigned sum = 0;

    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : (unsigned char)header[i];
    return read_number(header + 148, 8, &said) && said == sum;
}

static enum silt_status take_header(struct untar *untar, struct silt_error *err)
{
    static const char zeros[BLOCK];
    const char *header = untar->header;

    untar->header_bytes = 0;
    if (memcmp(header, zeros, BLOCK) == 0) {
        untar->ended = true;
        return SILT_OK;
    }
    if (!checksum_fits(header) || (header[156] != '0' && header[156] != '\0') || !read_number(header + 124, 12, &untar->left))
        return silt_fail(err, SILT_CORRUPT, "not an archive of plain files");
    untar->padding = -untar->left % BLOCK;
    untar->in_file = true;
    return untar->events->begin(untar->context, (struct silt_str){header, strnlen(header, 100)}, untar->left, err);
}

static size_t least(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

enum silt_status untar_feed(struct untar *untar, const char *bytes, size_t len, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    while (rc == SILT_OK && !untar->ended) {
        if (untar->in_file && untar->left == 0 && untar->padding == 0) {
            untar->in_file = false;
            rc = untar->events->end(untar->context, err);
            continue;
        }
        if (len == 0)
            break;
        size_t part;
        if (untar->in_file && untar->left) {
            part = least(untar->left, len);
            rc = untar->events->data(untar->context, bytes, part, err);
            untar->left -= part;
        } else if (untar->in_file) {
            part = least(untar->padding, len);
            untar->padding -= part;
        } else {
            part = least(BLOCK - untar->header_bytes, len);
            memcpy(untar->header + untar->header_bytes, bytes, part);
            untar->header_bytes += part;
            if (untar->header_bytes == BLOCK)
                rc = take_header(untar, err);
        }
        bytes += part;
        len -= part;
    }
    return rc;
}
