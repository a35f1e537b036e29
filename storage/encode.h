/*
 * encode.h - one run of values to bytes and back: the codecs of the TSM file's blocks.
 *
 * A run is 1..ENCODE_ROWS_MAX values without gaps. The encoder looks at the run, picks the codec that makes it
 * smallest and says which; the decoder is told codec and count, which stand in the file's index. What the payload of each
 * codec looks like is drawn in docs/format/tsm.md and above the functions that write it.
 *
 * Decoders trust nothing: any bytes give SILT_OK or SILT_CORRUPT, never a read or write out of bounds. Everything
 * round-trips bit for bit, NaN payloads and negative zero included.
 *
 * Threads: no state; any thread.
 */
#ifndef STORAGE_ENCODE_H
#define STORAGE_ENCODE_H

#include "silt/base.h"
#include "silt/text.h"

#define ENCODE_ROWS_MAX 1024u
#define ENCODE_VALID_WORDS (ENCODE_ROWS_MAX / 64)
/* No numeric, time or boolean payload is longer: eight bytes a value and a header. */
#define ENCODE_NUMERIC_BYTES_MAX (8 * ENCODE_ROWS_MAX + 256)

enum encode_codec { /* on disk: never renumber */
    ENCODE_CONSTANT = 0,  /* every type: the value once */
    ENCODE_FOR = 1,       /* integers: distance from a reference, bit-packed */
    ENCODE_DELTA = 2,     /* integers: differences of neighbours, bit-packed */
    ENCODE_DELTA2 = 3,    /* integers: differences of differences, bit-packed */
    ENCODE_STEP = 4,      /* times: first time and one step */
    ENCODE_SCALED = 5,    /* times: first time, common divisor, quotients as integers */
    ENCODE_DECIMAL = 6,   /* floats: integers over a power of ten, others verbatim */
    ENCODE_SPLIT = 7,     /* floats: dictionary of front bits, the rest as it is */
    ENCODE_BITS = 8,      /* floats: their bits as integers */
    ENCODE_RAW = 9,       /* floats: 8 bytes each; strings: lengths and bytes */
    ENCODE_BITMAP = 10,   /* booleans: a bit each */
    ENCODE_RUNS = 11,     /* booleans: lengths of runs */
    ENCODE_DICTIONARY = 12, /* strings: distinct strings, and a code each */
    ENCODE_TREND = 13,      /* times: as SCALED, less a step for every row */
    ENCODE_TEMPLATE = 14,   /* strings: text around numbers, the numbers as integers */
    ENCODE_RANKS = 15,      /* integers: the distinct ones, and places among them */
    ENCODE_NEAR = 16,       /* floats: decimals, some moved by an ulp or two */
    ENCODE_CODEC_COUNT
};

/* Each appends the payload to `out` and returns its codec. count is 1..ENCODE_ROWS_MAX (asserted). */
enum encode_codec encode_ints(const int64_t *values, unsigned count, struct silt_buffer *out);
enum encode_codec encode_times(const silt_time *times, unsigned count, struct silt_buffer *out); /* rising strictly */
enum encode_codec encode_floats(const double *values, unsigned count, struct silt_buffer *out);
enum encode_codec encode_bools(const uint8_t *values, unsigned count, struct silt_buffer *out); /* 0 or 1 */
enum encode_codec encode_strings(const struct silt_str *values, unsigned count, struct silt_buffer *out);

/* Each reads exactly `len` bytes and fills out[0..count-1]; SILT_CORRUPT when they are not such a payload (out may be
 * half filled then). decode_times: rising strictly, or SILT_CORRUPT. */
enum silt_status decode_ints(unsigned codec, const void *bytes, size_t len, unsigned count, int64_t *out);
enum silt_status decode_times(unsigned codec, const void *bytes, size_t len, unsigned count, silt_time *out);
enum silt_status decode_floats(unsigned codec, const void *bytes, size_t len, unsigned count, double *out);
enum silt_status decode_bools(unsigned codec, const void *bytes, size_t len, unsigned count, uint8_t *out);
/* The text is copied into the arena. SILT_LIMIT: the arena's budget refuses. */
enum silt_status decode_strings(unsigned codec, const void *bytes, size_t len, unsigned count, struct silt_arena *arena,
                                struct silt_str *out);

/* ---------------------------------------------------------------- between the encode_*.c files */

/* Integers inside another payload: the codec byte, then its payload. *consumed: how many bytes that was. */
void encode_nested_ints(const int64_t *values, unsigned count, struct silt_buffer *out);
enum silt_status decode_nested_ints(const void *bytes, size_t len, unsigned count, int64_t *out, size_t *consumed);
/* decode_nested_ints for values that must be 0..limit. */
enum silt_status decode_nested_counts(const void *bytes, size_t len, unsigned count, int64_t limit, int64_t *out,
                                      size_t *consumed);
/* Packed one after the other, lowest bit first, encode_packed_bytes long. */
void encode_put_packed(struct silt_buffer *out, const uint64_t *values, unsigned count, unsigned width);
void decode_packed(const uint8_t *in, unsigned count, unsigned width, uint64_t *out);
static inline size_t encode_packed_bytes(unsigned count, unsigned width)
{
    return ((size_t)count * width + 7) / 8;
}

#define ENCODE_POWER_MAX 22u /* 10^22 is the last that a double holds exactly */
extern const double encode_powers[ENCODE_POWER_MAX + 1];
/* True when value is (double)*out / 10^power, to the bit. */
bool encode_as_decimal(double value, unsigned power, int64_t *out);

/* LEB128; signed numbers zigzag first. A reader's `at` becomes NULL when the bytes run out or are not a number. */
struct encode_cursor {
    const uint8_t *at, *end;
};
void encode_put_varint(struct silt_buffer *out, uint64_t value);
size_t encode_write_varint(uint8_t *out, uint64_t value); /* at most 10 bytes */
uint64_t encode_get_varint_slow(struct encode_cursor *cursor);

static inline uint64_t encode_get_varint(struct encode_cursor *cursor)
{
    const uint8_t *at = cursor->at;
    if (at && at < cursor->end && *at < 0x80) {
        cursor->at = at + 1;
        return *at;
    }
    if (at && cursor->end - at >= 2 && at[1] < 0x80) {
        cursor->at = at + 2;
        return (at[0] & 0x7fu) | (uint64_t)at[1] << 7;
    }
    return encode_get_varint_slow(cursor);
}
static inline uint64_t encode_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}
static inline int64_t encode_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}
static inline void encode_put_signed(struct silt_buffer *out, int64_t value)
{
    encode_put_varint(out, encode_zigzag(value));
}
static inline int64_t encode_get_signed(struct encode_cursor *cursor)
{
    return encode_unzigzag(encode_get_varint(cursor));
}
/* Bits needed for value: 0 for 0. */
static inline unsigned encode_width(uint64_t value)
{
    return value ? 64u - (unsigned)__builtin_clzll(value) : 0;
}

#endif
