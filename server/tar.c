/*
 * tar.c - implements tar.h. The header is that of POSIX.1-1988, "ustar Interchange Format".
 */
#include "server/tar.h"

#include <stdio.h>
#include <string.h>

#define BLOCK 512u

struct header {
    char name[TAR_NAME_BYTES_MAX], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], unused[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "as the format has it");

/* Octal digits with a NUL behind; what is too large for them in binary with the top bit set. */
static void put_number(char *field, size_t room, uint64_t value)
{
    if (value >> (3 * (room - 1)) == 0) {
        snprintf(field, room, "%0*llo", (int)room - 1, (unsigned long long)value);
        return;
    }
    for (size_t i = room; i-- > 0; value >>= 8)
        field[i] = (char)value;
    field[0] |= (char)0x80;
}

enum silt_status tar_begin_file(struct output *output, const char *name, uint64_t bytes, int64_t modified_s)
{
    struct header header = {.type = '0', .magic = "ustar", .version = {'0', '0'}};
    unsigned sum = 0;

    silt_assert(strlen(name) < sizeof(header.name));
    memcpy(header.name, name, strlen(name));
    put_number(header.mode, sizeof(header.mode), 0640);
    put_number(header.uid, sizeof(header.uid), 0);
    put_number(header.gid, sizeof(header.gid), 0);
    put_number(header.size, sizeof(header.size), bytes);
    put_number(header.mtime, sizeof(header.mtime), modified_s > 0 ? (uint64_t)modified_s : 0);
    memset(header.checksum, ' ', sizeof(header.checksum)); /* it counts as blanks */
    for (size_t i = 0; i < sizeof(header); i++)
        sum += ((const unsigned char *)&header)[i];
    snprintf(header.checksum, sizeof(header.checksum), "%06o", sum);
    return output_write(output, (const char *)&header, sizeof(header));
}

enum silt_status tar_end_file(struct output *output, uint64_t bytes)
{
    static const char zeros[BLOCK];

    return output_write(output, zeros, (size_t)(-bytes % BLOCK));
}

enum silt_status tar_file(struct output *output, const char *name, struct silt_str text, int64_t modified_s)
{
    enum silt_status rc = tar_begin_file(output, name, text.len, modified_s);

    if (rc == SILT_OK)
        rc = output_write(output, text.p, text.len);
    return rc == SILT_OK ? tar_end_file(output, text.len) : rc;
}

enum silt_status tar_end(struct output *output)
{
    static const char zeros[2 * BLOCK];

    return output_write(output, zeros, sizeof(zeros));
}
