/*
 * msgpack_write.h - MessagePack's bytes, in the smallest form, as the Go library in InfluxDB chooses it.
 *
 *     c0 nil   c2 c3 false true   00-7f e0-ff d0 d1 d2 d3 signed   cc cd ce cf unsigned   cb double
 *     a0-bf d9 da db string   90-9f dc dd array   80-8f de df map   c7 0c 05 time: int64 s, int32 ns
 *
 * Each writes at `to` and returns the end; MSGPACK_BYTES_MAX are enough for any of them.
 */
#ifndef SERVER_MSGPACK_WRITE_H
#define SERVER_MSGPACK_WRITE_H

#include "silt/base.h"

#define MSGPACK_BYTES_MAX 16

static inline char *msgpack_tagged(char *to, uint8_t tag, uint64_t value, unsigned bytes)
{
    *to++ = (char)tag;
    for (unsigned i = bytes; i-- > 0;)
        *to++ = (char)(value >> (8 * i));
    return to;
}

static inline char *msgpack_int(char *to, int64_t value)
{
    if (value >= -32 && value <= INT8_MAX) {
        *to = (char)value;
        return to + 1;
    }
    if (value >= INT8_MIN && value <= INT8_MAX)
        return msgpack_tagged(to, 0xd0, (uint64_t)value, 1);
    if (value >= INT16_MIN && value <= INT16_MAX)
        return msgpack_tagged(to, 0xd1, (uint64_t)value, 2);
    if (value >= INT32_MIN && value <= INT32_MAX)
        return msgpack_tagged(to, 0xd2, (uint64_t)value, 4);
    return msgpack_tagged(to, 0xd3, (uint64_t)value, 8);
}

static inline char *msgpack_uint(char *to, uint64_t value)
{
    if (value <= INT8_MAX) {
        *to = (char)value;
        return to + 1;
    }
    if (value <= UINT8_MAX)
        return msgpack_tagged(to, 0xcc, value, 1);
    if (value <= UINT16_MAX)
        return msgpack_tagged(to, 0xcd, value, 2);
    if (value <= UINT32_MAX)
        return msgpack_tagged(to, 0xce, value, 4);
    return msgpack_tagged(to, 0xcf, value, 8);
}

static inline char *msgpack_double(char *to, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return msgpack_tagged(to, 0xcb, bits, 8);
}

static inline char *msgpack_time(char *to, silt_time time)
{
    int64_t seconds = time / 1000000000, ns = time % 1000000000;

    if (ns < 0) {
        ns += 1000000000;
        seconds--;
    }
    *to++ = (char)0xc7;
    *to++ = 12;
    to = msgpack_tagged(to, 5, (uint64_t)seconds, 8);
    for (unsigned i = 4; i-- > 0;)
        *to++ = (char)(ns >> (8 * i));
    return to;
}

/* Of an array (fix 0x90, wide 0xdc) or a map (0x80, 0xde). */
static inline char *msgpack_count(char *to, uint8_t fix, uint8_t wide, size_t count)
{
    if (count <= 15) {
        *to = (char)(fix | count);
        return to + 1;
    }
    if (count <= UINT16_MAX)
        return msgpack_tagged(to, wide, count, 2);
    return msgpack_tagged(to, (uint8_t)(wide + 1), count, 4);
}

static inline char *msgpack_array(char *to, size_t count)
{
    return msgpack_count(to, 0x90, 0xdc, count);
}

static inline char *msgpack_map(char *to, size_t count)
{
    return msgpack_count(to, 0x80, 0xde, count);
}

/* What stands in front of a string's bytes. */
static inline char *msgpack_string_head(char *to, size_t len)
{
    if (len <= 31) {
        *to = (char)(0xa0 | len);
        return to + 1;
    }
    if (len <= UINT8_MAX)
        return msgpack_tagged(to, 0xd9, len, 1);
    if (len <= UINT16_MAX)
        return msgpack_tagged(to, 0xda, len, 2);
    return msgpack_tagged(to, 0xdb, len, 4);
}

#endif
