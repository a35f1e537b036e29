/*
 * encode_float.c - doubles. Most were decimals before they were doubles: then they are small integers over a power of
 * ten.
 *
 *     CONSTANT  | 8 bytes |
 *     DECIMAL   | power 0..22, 1 | exception count varint | place 2, bits 8, each | integers nested |
 *     NEAR      | power 0..12, 1 | integers nested: ulps | integers nested: decimals |
 *     SPLIT     | right bits 48..63, 1 | entries 1..8, 1 | entry 2, each | exception count varint
 *               | place 2, left 2, each | codes packed | right parts packed |
 *     BITS      | the doubles' bits as integers nested |
 *     RAW       | 8 bytes each |
 *
 * DECIMAL decodes as (double)integer / 10^power: one correctly rounded division, so every decimal of up to 15 digits
 * comes back, and the encoder checks that each value does, bit for bit; those that do not are exceptions. Power 0 is
 * "all integers". NEAR is for decimals that arithmetic has moved by an ulp or two, as 0.1 + 0.2 is 0.30000000000000004:
 * value i is the double (double)decimal / 10^power whose bits, as an integer, then get ulps[i] added. SPLIT is for
 * values with all their digits: front bits repeat, so they become codes into a dictionary; a code has just enough bits
 * for the entries.
 */
#include "storage/encode.h"
#include "storage/encode_kernels.h"

#include <math.h>
#include <stdlib.h>

#define NEAR_POWER_MAX 12u /* with more digits every double is near to some decimal */
#define NEAR_ULPS 4
#define RIGHT_BITS_MIN 48u
#define RIGHT_BITS_MAX 63u
#define ENTRIES_MAX 8u
#define SAMPLE_MAX 128u

const double encode_powers[ENCODE_POWER_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static inline uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
}

/* True when the value is *out / power, to the bit. */
static inline bool as_decimal(double value, double power, int64_t *out)
{
    double scaled = value * power, size = fabs(scaled);
    if (!(size < 0x1p62)) /* NaN too */
        return false;
    *out = (int64_t)(size < 0x1p52 ? scaled + copysign(0.5, scaled) : scaled);
    return bits_of((double)*out / power) == bits_of(value);
}

bool encode_as_decimal(double value, unsigned power, int64_t *out)
{
    return as_decimal(value, encode_powers[power], out);
}

/* ---------------------------------------------------------------- DECIMAL */

/* The power that suits a sample best, or -1 when hardly any value is a short decimal. */
static int choose_power(const double *values, unsigned count)
{
    unsigned needs[ENCODE_POWER_MAX + 2] = {0}, sampled = count < 32 ? count : 32, most = 0, before = 0;
    for (unsigned i = 0; i < sampled; i++) {
        double value = values[(size_t)i * count / sampled];
        int64_t ignored;
        unsigned power = before; /* neighbours need the same: look there first, then for a smaller one */
        if (as_decimal(value, encode_powers[power], &ignored)) {
            while (power > 0 && as_decimal(value, encode_powers[power - 1], &ignored))
                power--;
        } else {
            for (power = 0; power <= ENCODE_POWER_MAX && !as_decimal(value, encode_powers[power], &ignored); power++)
                ;
        }
        needs[power]++;
        before = power > ENCODE_POWER_MAX ? 0 : power;
        most = power > most ? power : most;
    }
    size_t best_bits = (size_t)sampled * 60;
    int best = -1;
    unsigned covered = 0;
    for (unsigned power = 0; power <= most && power <= ENCODE_POWER_MAX; power++) {
        covered += needs[power];
        size_t bits = (size_t)(sampled - covered) * 90 + (size_t)covered * power * 10 / 3;
        if (needs[power] && bits < best_bits) {
            best_bits = bits;
            best = (int)power;
        }
    }
    return best;
}

/* Appends the payload; false, with nothing appended, when too few values are decimals. *plain: they are short ones, and
 * hardly any is none. */
static bool put_decimals(const double *values, unsigned count, struct silt_buffer *out, bool *plain)
{
    *plain = false;
    int power = choose_power(values, count);
    if (power < 0)
        return false;
    int64_t ints[ENCODE_ROWS_MAX];
    uint16_t places[ENCODE_ROWS_MAX];
    unsigned exceptions = 0, good = count;
    for (unsigned i = 0; i < count; i++) {
        if (as_decimal(values[i], encode_powers[power], &ints[i]))
            good = good == count ? i : good;
        else
            places[exceptions++] = (uint16_t)i;
    }
    if (exceptions > count / 2)
        return false;
    for (unsigned k = 0; k < exceptions; k++) /* stand-ins that cost nothing */
        ints[places[k]] = places[k] < good ? ints[good] : ints[places[k] - 1];
    silt_buffer_char(out, (char)power);
    encode_put_varint(out, exceptions);
    for (unsigned k = 0; k < exceptions; k++) {
        silt_buffer_append(out, &places[k], 2);
        silt_buffer_append(out, &values[places[k]], 8);
    }
    encode_nested_ints(ints, count, out);
    *plain = exceptions <= count / 64 && power <= (int)NEAR_POWER_MAX;
    return true;
}

static enum silt_status get_decimals(struct encode_cursor cursor, unsigned count, double *out)
{
    if (cursor.end - cursor.at < 2 || *cursor.at > ENCODE_POWER_MAX)
        return SILT_CORRUPT;
    double power = encode_powers[*cursor.at++];
    uint64_t exceptions = encode_get_varint(&cursor);
    if (!cursor.at || exceptions > count || (size_t)(cursor.end - cursor.at) < exceptions * 10)
        return SILT_CORRUPT;
    const uint8_t *exception = cursor.at;
    cursor.at += exceptions * 10;
    int64_t ints[ENCODE_ROWS_MAX];
    size_t left = (size_t)(cursor.end - cursor.at), consumed;
    if (decode_nested_ints(cursor.at, left, count, ints, &consumed) != SILT_OK || consumed != left)
        return SILT_CORRUPT;
    encode_kernels()->decimals(ints, count, power, out);
    for (; exceptions; exceptions--, exception += 10) {
        uint16_t place;
        memcpy(&place, exception, 2);
        if (place >= count)
            return SILT_CORRUPT;
        memcpy(&out[place], exception + 2, 8);
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- NEAR */

static inline double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

/* The decimal next to value, and by how much its bits are off; false: there is none in range. */
static inline bool near_decimal(double value, double power, int64_t *decimal, int64_t *ulps)
{
    double scaled = value * power;
    if (!(fabs(scaled) < 0x1p52)) /* NaN too */
        return false;
    *decimal = (int64_t)(scaled + copysign(0.5, scaled));
    *ulps = (int64_t)(bits_of(value) - bits_of((double)*decimal / power));
    return true;
}

/* The smallest power over which most of a sample are nearly decimals; -1: none. */
static int choose_near_power(const double *values, unsigned count)
{
    unsigned sampled = count < 32 ? count : 32;
    for (unsigned power = 0; power <= NEAR_POWER_MAX; power++) {
        unsigned far = 0;
        for (unsigned i = 0; i < sampled && far <= sampled / 4; i++) {
            int64_t decimal, ulps = 0;
            far += !near_decimal(values[(size_t)i * count / sampled], encode_powers[power], &decimal, &ulps) ||
                   ulps > NEAR_ULPS || ulps < -NEAR_ULPS;
        }
        if (far <= sampled / 4)
            return (int)power;
    }
    return -1;
}

static bool put_near(const double *values, unsigned count, struct silt_buffer *out)
{
    int power = choose_near_power(values, count);
    if (power < 0)
        return false;
    int64_t decimals[ENCODE_ROWS_MAX], ulps[ENCODE_ROWS_MAX], before = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!near_decimal(values[i], encode_powers[power], &decimals[i], &ulps[i])) {
            decimals[i] = before;
            ulps[i] = (int64_t)(bits_of(values[i]) - bits_of((double)before / encode_powers[power]));
        }
        before = decimals[i];
    }
    silt_buffer_char(out, (char)power);
    encode_nested_ints(ulps, count, out);
    encode_nested_ints(decimals, count, out);
    return true;
}

static enum silt_status get_near(struct encode_cursor cursor, unsigned count, double *out)
{
    int64_t decimals[ENCODE_ROWS_MAX], ulps[ENCODE_ROWS_MAX];
    size_t consumed, left = (size_t)(cursor.end - cursor.at) - 1;
    unsigned power = *cursor.at++;
    if (power > NEAR_POWER_MAX || decode_nested_ints(cursor.at, left, count, ulps, &consumed) != SILT_OK)
        return SILT_CORRUPT;
    cursor.at += consumed;
    left -= consumed;
    if (decode_nested_ints(cursor.at, left, count, decimals, &consumed) != SILT_OK || consumed != left)
        return SILT_CORRUPT;
    encode_kernels()->decimals(decimals, count, encode_powers[power], out);
    for (unsigned i = 0; i < count; i++)
        out[i] = from_bits(bits_of(out[i]) + (uint64_t)ulps[i]);
    return SILT_OK;
}

/* ---------------------------------------------------------------- SPLIT */

struct split {
    unsigned right_bits, entry_count;
    uint16_t entries[ENTRIES_MAX];
    size_t bits; /* estimate for the sample */
};

static int compare_bits(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Where to cut. The sample is sorted, so equal front bits stand together whatever their number. */
static struct split choose_split(const double *values, unsigned count)
{
    uint64_t sample[SAMPLE_MAX];
    unsigned sampled = count < SAMPLE_MAX ? count : SAMPLE_MAX;
    struct split best = {.bits = SIZE_MAX};
    for (unsigned i = 0; i < sampled; i++)
        sample[i] = bits_of(values[(size_t)i * count / sampled]);
    qsort(sample, sampled, sizeof(sample[0]), compare_bits);
    for (unsigned right = RIGHT_BITS_MIN; right <= RIGHT_BITS_MAX; right++) {
        struct split trial = {.right_bits = right};
        unsigned often[ENTRIES_MAX] = {0}, covered = 0;
        for (unsigned i = 0, end; i < sampled; i = end) {
            for (end = i + 1; end < sampled && sample[end] >> right == sample[i] >> right; end++)
                ;
            unsigned at = trial.entry_count < ENTRIES_MAX ? trial.entry_count++ : ENTRIES_MAX;
            for (; at > 0 && often[at - 1] < end - i; at--) /* the most frequent stay */
                if (at < ENTRIES_MAX) {
                    often[at] = often[at - 1];
                    trial.entries[at] = trial.entries[at - 1];
                }
            if (at < ENTRIES_MAX) {
                often[at] = end - i;
                trial.entries[at] = (uint16_t)(sample[i] >> right);
            }
        }
        for (unsigned k = 0; k < trial.entry_count; k++)
            covered += often[k];
        trial.bits = (size_t)sampled * (right + encode_width(trial.entry_count - 1)) +
                     (size_t)(sampled - covered) * 32 + (size_t)trial.entry_count * 16 * sampled / count;
        if (trial.bits < best.bits)
            best = trial;
    }
    return best;
}

static void put_split(const double *values, unsigned count, struct silt_buffer *out)
{
    struct split split = choose_split(values, count);
    uint64_t codes[ENCODE_ROWS_MAX], rights[ENCODE_ROWS_MAX], mask = ((uint64_t)1 << split.right_bits) - 1;
    uint16_t exceptions[ENCODE_ROWS_MAX][2];
    unsigned exception_count = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t bits = bits_of(values[i]);
        uint16_t left = (uint16_t)(bits >> split.right_bits);
        unsigned code = 0;
        while (code < split.entry_count && split.entries[code] != left)
            code++;
        if (code == split.entry_count) {
            exceptions[exception_count][0] = (uint16_t)i;
            exceptions[exception_count++][1] = left;
            code = 0;
        }
        codes[i] = code;
        rights[i] = bits & mask;
    }
    silt_buffer_char(out, (char)split.right_bits);
    silt_buffer_char(out, (char)split.entry_count);
    silt_buffer_append(out, split.entries, split.entry_count * sizeof(split.entries[0]));
    encode_put_varint(out, exception_count);
    silt_buffer_append(out, exceptions, exception_count * sizeof(exceptions[0]));
    encode_put_packed(out, codes, count, encode_width(split.entry_count - 1));
    encode_put_packed(out, rights, count, split.right_bits);
}

static enum silt_status get_split(struct encode_cursor cursor, unsigned count, double *out)
{
    if (cursor.end - cursor.at < 2)
        return SILT_CORRUPT;
    unsigned right_bits = cursor.at[0], entry_count = cursor.at[1];
    uint64_t lefts[ENTRIES_MAX] = {0};
    cursor.at += 2;
    if (right_bits < RIGHT_BITS_MIN || right_bits > RIGHT_BITS_MAX || entry_count < 1 || entry_count > ENTRIES_MAX ||
        (size_t)(cursor.end - cursor.at) < entry_count * 2)
        return SILT_CORRUPT;
    for (unsigned k = 0; k < entry_count; k++, cursor.at += 2)
        lefts[k] = (uint64_t)(cursor.at[0] | cursor.at[1] << 8) << right_bits;
    uint64_t exceptions = encode_get_varint(&cursor);
    unsigned code_bits = encode_width(entry_count - 1);
    size_t codes_bytes = encode_packed_bytes(count, code_bits);
    if (!cursor.at || exceptions > count ||
        (size_t)(cursor.end - cursor.at) != exceptions * 4 + codes_bytes + encode_packed_bytes(count, right_bits))
        return SILT_CORRUPT;
    const uint8_t *exception = cursor.at;
    uint64_t codes[ENCODE_ROWS_MAX], rights[ENCODE_ROWS_MAX];
    cursor.at += exceptions * 4;
    decode_packed(cursor.at, count, code_bits, codes);
    decode_packed(cursor.at + codes_bytes, count, right_bits, rights);
    for (unsigned i = 0; i < count; i++) {
        uint64_t bits = lefts[codes[i]] | rights[i]; /* a code has at most three bits: within lefts */
        memcpy(&out[i], &bits, 8);
    }
    for (; exceptions; exceptions--, exception += 4) {
        unsigned place = exception[0] | (unsigned)exception[1] << 8;
        uint64_t left = exception[2] | (uint64_t)exception[3] << 8;
        if (place >= count)
            return SILT_CORRUPT;
        uint64_t bits = left << right_bits | rights[place];
        memcpy(&out[place], &bits, 8);
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- */

/* What was tried so far: the smallest stands at `start`, but for RAW, which is written when it is the last one left. */
struct attempts {
    size_t start, bytes;
    enum encode_codec codec;
};

/* The attempt from `at` to the end of `out`: kept if it is smaller, cut off if not. */
static void keep_smaller(struct attempts *best, enum encode_codec codec, size_t at, struct silt_buffer *out)
{
    size_t bytes = out->len - at;
    out->len = at;
    if (bytes >= best->bytes)
        return;
    memmove(out->p + best->start, out->p + at, bytes);
    out->len = best->start + bytes;
    best->bytes = bytes;
    best->codec = codec;
}

enum encode_codec encode_floats(const double *values, unsigned count, struct silt_buffer *out)
{
    silt_assert(count >= 1 && count <= ENCODE_ROWS_MAX);
    bool constant = true;
    for (unsigned i = 1; i < count && constant; i++)
        constant = bits_of(values[i]) == bits_of(values[0]);
    if (constant) {
        silt_buffer_append(out, values, 8);
        return ENCODE_CONSTANT;
    }
    struct attempts best = {out->len, (size_t)count * 8, ENCODE_RAW};
    bool plain;
    if (put_decimals(values, count, out, &plain))
        keep_smaller(&best, ENCODE_DECIMAL, best.start, out);
    if (plain && best.bytes <= (size_t)count * 4)
        return best.codec;
    /* Digits beyond those that a decimal needs: try what else there is, keep the smallest. */
    size_t at = out->len;
    if (put_near(values, count, out))
        keep_smaller(&best, ENCODE_NEAR, at, out);
    if (best.bytes <= (size_t)count * 4)
        return best.codec;
    at = out->len;
    put_split(values, count, out);
    keep_smaller(&best, ENCODE_SPLIT, at, out);
    at = out->len;
    int64_t bits[ENCODE_ROWS_MAX];
    memcpy(bits, values, (size_t)count * 8);
    encode_nested_ints(bits, count, out);
    keep_smaller(&best, ENCODE_BITS, at, out);
    if (best.codec == ENCODE_RAW)
        silt_buffer_append(out, values, best.bytes);
    return best.codec;
}

enum silt_status decode_floats(unsigned codec, const void *bytes, size_t len, unsigned count, double *out)
{
    silt_assert(count >= 1 && count <= ENCODE_ROWS_MAX);
    struct encode_cursor cursor = {bytes, (const uint8_t *)bytes + len};
    size_t consumed;
    switch (codec) {
    case ENCODE_CONSTANT:
        if (len != 8)
            return SILT_CORRUPT;
        for (unsigned i = 0; i < count; i++)
            memcpy(&out[i], bytes, 8);
        return SILT_OK;
    case ENCODE_DECIMAL:
        return len ? get_decimals(cursor, count, out) : SILT_CORRUPT;
    case ENCODE_NEAR:
        return len ? get_near(cursor, count, out) : SILT_CORRUPT;
    case ENCODE_SPLIT:
        return len ? get_split(cursor, count, out) : SILT_CORRUPT;
    case ENCODE_BITS: {
        int64_t bits[ENCODE_ROWS_MAX];
        if (decode_nested_ints(bytes, len, count, bits, &consumed) != SILT_OK || consumed != len)
            return SILT_CORRUPT;
        memcpy(out, bits, (size_t)count * 8);
        return SILT_OK;
    }
    case ENCODE_RAW:
        if (len != (size_t)count * 8)
            return SILT_CORRUPT;
        memcpy(out, bytes, len);
        return SILT_OK;
    default:
        return SILT_CORRUPT;
    }
}
