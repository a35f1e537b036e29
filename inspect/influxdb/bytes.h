/*
 * bytes.h - reading InfluxDB's files with an eye on their ends: big-endian numbers, varints, and where damage is told.
 *
 * A reader that runs past its end stays there and says so at the end: callers check once, not at each number.
 */
#ifndef INSPECT_INFLUXDB_BYTES_H
#define INSPECT_INFLUXDB_BYTES_H

#include "silt/base.h"

/* A key is a series key, #!~# and the field's name. False: it has no field. */
bool influx_split_key(struct silt_str key, struct silt_str *series, struct silt_str *field);

struct influx_bytes {
    const uint8_t *p, *end;
    bool short_of; /* something was asked for that is not there */
};

static inline struct influx_bytes influx_bytes_from(const void *p, size_t len)
{
    return (struct influx_bytes){p, (const uint8_t *)p + len, false};
}
static inline size_t influx_left(const struct influx_bytes *in)
{
    return (size_t)(in->end - in->p);
}
/* len bytes, or NULL. */
static inline const uint8_t *influx_take(struct influx_bytes *in, size_t len)
{
    if (influx_left(in) < len) {
        in->p = in->end;
        in->short_of = true;
        return NULL;
    }
    in->p += len;
    return in->p - len;
}
static inline uint64_t influx_load64(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, 8);
    return __builtin_bswap64(value);
}
static inline uint32_t influx_load32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, 4);
    return __builtin_bswap32(value);
}
static inline uint16_t influx_load16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint64_t influx_take64(struct influx_bytes *in)
{
    const uint8_t *p = influx_take(in, 8);
    return p ? influx_load64(p) : 0;
}
static inline uint32_t influx_take32(struct influx_bytes *in)
{
    const uint8_t *p = influx_take(in, 4);
    return p ? influx_load32(p) : 0;
}
static inline uint16_t influx_take16(struct influx_bytes *in)
{
    const uint8_t *p = influx_take(in, 2);
    return p ? influx_load16(p) : 0;
}
static inline uint8_t influx_take8(struct influx_bytes *in)
{
    const uint8_t *p = influx_take(in, 1);
    return p ? *p : 0;
}
static inline struct silt_str influx_take_str(struct influx_bytes *in, size_t len)
{
    const uint8_t *p = influx_take(in, len);
    return p ? (struct silt_str){(const char *)p, len} : (struct silt_str){"", 0};
}
/* Seven bits a byte, lowest first; ten bytes at most. */
static inline uint64_t influx_take_varint(struct influx_bytes *in)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = influx_take8(in);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    in->short_of = true;
    return 0;
}
static inline int64_t influx_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* Where damage is told: a line each on stderr, and counted. Threads: one. */
struct influx_log {
    uint64_t damaged;
    bool quiet; /* the same files are read a second time */
};
void influx_damaged(struct influx_log *log, const char *path, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A whole file in memory until unmapped; an empty one is NULL and 0. */
enum silt_status influx_map(const char *path, const uint8_t **bytes, size_t *len, struct silt_error *err);
void influx_unmap(const uint8_t *bytes, size_t len);

/* What a snappy stream expands to, appended to nothing: out's content is replaced. NULL, or what is wrong. */
struct silt_buffer;
const char *influx_unsnappy(struct silt_str packed, struct silt_buffer *out);

#endif
