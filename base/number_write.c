/*
 * number_write.c - integers and doubles as text.
 *
 * A double goes through the first of these that fits:
 *
 *     a whole number below 2^53     its digits
 *     up to three decimals          n / 1000 with n below 10^15: fifteen digits name one double only, so when the
 *                                   division gives the double back, n is its shortest text
 *     the rest                      Schubfach (Giulietti, "The Schubfach way to render doubles"): one 128-bit
 *                                   multiplication for each end of the interval that rounds to the double
 */
#include "base/number_powers.h"
#include "silt/text.h"

#define DIGITS_MAX 24 /* three groups of eight */
#define SIGNIFICAND_BITS 52
#define EXPONENT_BIAS 1075 /* of the significand taken as a whole number */
#define HIDDEN_BIT ((uint64_t)1 << SIGNIFICAND_BITS)

const uint64_t silt_powers_of_ten[SILT_POWERS_OF_TEN] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    1000000000000000000u,
    10000000000000000000u,
};

/* ---------------------------------------------------------------- integers */

unsigned silt_digits(uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    unsigned guess = bits * 1233 >> 12; /* bits * log10(2) */
    return guess + (value >= silt_powers_of_ten[guess] || value == 0);
}

/* The digits of value at the end of text[]; returns where they start. */
static const char *format_digits(char text[DIGITS_MAX], uint64_t value, size_t *count)
{
    uint64_t low = value % 100000000u, rest = value / 100000000u, group;
    *count = silt_digits(value);
    group = silt_eight_digits(low);
    memcpy(text + 16, &group, 8);
    if (rest) {
        group = silt_eight_digits(rest % 100000000u);
        memcpy(text + 8, &group, 8);
        group = silt_eight_digits(rest / 100000000u);
        memcpy(text, &group, 8);
    }
    return text + DIGITS_MAX - *count;
}

/* value < 10^8, without zeros in front: no more bytes are touched than it has digits. */
static size_t write_up_to_eight(char *out, uint64_t value)
{
    unsigned count = silt_digits(value);
    uint64_t group = silt_eight_digits(value) >> (64 - 8 * count);

    if (count == 8) {
        memcpy(out, &group, 8);
        return 8;
    }
    if (count & 4) {
        memcpy(out, &group, 4);
        out += 4;
        group >>= 32;
    }
    if (count & 2) {
        memcpy(out, &group, 2);
        out += 2;
        group >>= 16;
    }
    if (count & 1)
        *out = (char)group;
    return count;
}

static void write_eight(char *out, uint64_t value)
{
    uint64_t group = silt_eight_digits(value);
    memcpy(out, &group, 8);
}

size_t silt_write_uint(char *out, uint64_t value)
{
    const uint64_t eight = 100000000;
    size_t count;

    if (value < eight)
        return write_up_to_eight(out, value);
    if (value < eight * eight) {
        count = write_up_to_eight(out, value / eight);
    } else {
        count = write_up_to_eight(out, value / (eight * eight));
        write_eight(out + count, value / eight % eight);
        count += 8;
    }
    write_eight(out + count, value % eight);
    return count + 8;
}

size_t silt_write_int(char *out, int64_t value)
{
    if (value >= 0)
        return silt_write_uint(out, (uint64_t)value);
    *out = '-';
    return 1 + silt_write_uint(out + 1, 0 - (uint64_t)value);
}

/* ---------------------------------------------------------------- shortest decimal of a double */

struct decimal {
    uint64_t digits; /* value = digits * 10^exponent */
    int exponent;
};

/* floor(e * log2(10)), for |e| <= 1233. */
static int floor_log2_pow10(int e)
{
    return (e * 1741647) >> 19;
}

/* power * multiplier / 2^128, cut off, with the lowest bit set when anything was lost: order is kept even against
 * numbers whose lowest bit is clear. */
static uint64_t scale_to_odd(struct power_of_five power, uint64_t multiplier)
{
    unsigned __int128 low = (unsigned __int128)power.lo * multiplier;
    unsigned __int128 high = (unsigned __int128)power.hi * multiplier + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* For finite values that are not 0. bits: without the sign. */
static struct decimal shortest(uint64_t bits)
{
    uint64_t fraction = bits & (HIDDEN_BIT - 1);
    int biased = (int)(bits >> SIGNIFICAND_BITS);
    uint64_t c = biased ? fraction | HIDDEN_BIT : fraction;
    int q = (biased ? biased : 1) - EXPONENT_BIAS;
    bool narrow_below = fraction == 0 && biased > 1; /* the double below is only half as far away */
    uint64_t closed = (c & 1) == 0;                  /* ties go to even: the ends of the interval belong to it */

    /* 10^k is the largest power of ten not above the width of the interval. */
    int k = (q * 1262611 - (narrow_below ? 524031 : 0)) >> 22;
    int shift = q + floor_log2_pow10(-k) + 1;
    struct power_of_five power = powers_of_five[-k - POWER_OF_FIVE_MIN];
    if (-k < 0 || -k > POWER_OF_FIVE_EXACT_MAX) /* the method wants it rounded up */
        power.hi += ++power.lo == 0;

    /* Four times the value and the ends of its interval, in units of 10^k. */
    uint64_t value = scale_to_odd(power, 4 * c << shift);
    uint64_t lowest = scale_to_odd(power, (4 * c - 2 + narrow_below) << shift) + !closed;
    uint64_t highest = scale_to_odd(power, (4 * c + 2) << shift) - !closed;

    uint64_t units = value / 4;
    if (units >= 10) { /* is there a text one digit shorter? */
        uint64_t tens = units / 10;
        bool below_fits = lowest <= 40 * tens;
        bool above_fits = 40 * tens + 40 <= highest;
        if (below_fits != above_fits)
            return (struct decimal){tens + above_fits, k + 1};
    }
    bool below_fits = lowest <= 4 * units;
    bool above_fits = 4 * units + 4 <= highest;
    if (below_fits != above_fits)
        return (struct decimal){units + above_fits, k};
    uint64_t middle = 4 * units + 2;
    bool up = value > middle || (value == middle && (units & 1));
    return (struct decimal){units + up, k};
}

/* ---------------------------------------------------------------- layout */

static size_t write_plain(char *out, const char *digits, size_t count, int exponent)
{
    char *at = out;
    int before = (int)count + exponent; /* digits before the point */
    if (exponent >= 0) {
        memcpy(at, digits, count);
        memset(at + count, '0', (size_t)exponent);
        return count + (size_t)exponent;
    }
    if (before > 0) {
        memcpy(at, digits, (size_t)before);
        at += before;
        *at++ = '.';
        memcpy(at, digits + before, count - (size_t)before);
        return (size_t)(at - out) + count - (size_t)before;
    }
    *at++ = '0';
    *at++ = '.';
    memset(at, '0', (size_t)-before);
    at += -before;
    memcpy(at, digits, count);
    return (size_t)(at - out) + count;
}

static size_t write_scientific(char *out, const char *digits, size_t count, int exponent)
{
    char *at = out;
    *at++ = digits[0];
    if (count > 1) {
        *at++ = '.';
        memcpy(at, digits + 1, count - 1);
        at += count - 1;
    }
    exponent += (int)count - 1;
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    at += silt_write_uint(at, (uint64_t)(exponent < 0 ? -exponent : exponent));
    return (size_t)(at - out);
}

/* n / 1000, without trailing zeros. */
static size_t write_thousandths(char *out, uint64_t n)
{
    size_t len = silt_write_uint(out, n / 1000);
    unsigned fraction = (unsigned)(n % 1000);
    out[len] = '.';
    out[len + 1] = (char)('0' + fraction / 100);
    out[len + 2] = (char)('0' + fraction / 10 % 10);
    out[len + 3] = (char)('0' + fraction % 10);
    return len + (fraction % 10 ? 4 : fraction % 100 ? 3 : 2);
}

static size_t write_double(char *out, double value, bool scientific_allowed)
{
    uint64_t bits;
    size_t sign = 0;
    memcpy(&bits, &value, 8);
    silt_assert((bits >> SIGNIFICAND_BITS & 0x7FF) != 0x7FF);
    if (bits >> 63) {
        *out++ = '-';
        sign = 1;
        value = -value;
        bits &= ~((uint64_t)1 << 63);
    }
    if (value < 0x1p53) {
        uint64_t whole = (uint64_t)value;
        if ((double)whole == value)
            return sign + silt_write_uint(out, whole);
    }
    if (value < 1e12 && value > 1e-3) {
        double scaled = value * 1000.0;
        uint64_t n = (uint64_t)(scaled + 0.5);
        double off = scaled - (double)n;
        if (off <= scaled * 0x1p-51 && -off <= scaled * 0x1p-51 && (double)n / 1000.0 == value)
            return sign + write_thousandths(out, n);
    }

    char text[DIGITS_MAX];
    size_t count;
    struct decimal decimal = shortest(bits);
    const char *digits = format_digits(text, decimal.digits, &count);
    while (digits[count - 1] == '0') {
        count--;
        decimal.exponent++;
    }
    if (scientific_allowed && (value < 1e-6 || value >= 1e21))
        return sign + write_scientific(out, digits, count, decimal.exponent);
    return sign + write_plain(out, digits, count, decimal.exponent);
}

size_t silt_write_double_json(char *out, double value)
{
    return write_double(out, value, true);
}

size_t silt_write_double_plain(char *out, double value)
{
    return write_double(out, value, false);
}

/* ---------------------------------------------------------------- three decimals */

#define LIMB_BASE 1000000000u /* a limb holds nine digits */
#define LIMBS_MAX 36          /* 324 digits; 2^1024 has 309 */

/* All digits of c * 2^q, q >= 0. */
static size_t write_exact_integer(char *out, uint64_t c, int q)
{
    uint32_t limbs[LIMBS_MAX] = {(uint32_t)(c % LIMB_BASE), (uint32_t)(c / LIMB_BASE)}; /* c < 2^53 */
    size_t limb_count = limbs[1] ? 2 : 1;
    while (q > 0) {
        int step = q < 29 ? q : 29;
        uint64_t carry = 0;
        for (size_t i = 0; i < limb_count; i++) {
            uint64_t limb = ((uint64_t)limbs[i] << step) + carry;
            limbs[i] = (uint32_t)(limb % LIMB_BASE);
            carry = limb / LIMB_BASE;
        }
        if (carry)
            limbs[limb_count++] = (uint32_t)carry; /* carry < 2^30 < LIMB_BASE after the division */
        silt_assert(limb_count < LIMBS_MAX);
        q -= step;
    }
    size_t len = silt_write_uint(out, limbs[limb_count - 1]);
    for (size_t i = limb_count - 1; i-- > 0;) {
        uint32_t limb = limbs[i];
        for (int digit = 8; digit >= 0; digit--, limb /= 10)
            out[len + (size_t)digit] = (char)('0' + limb % 10);
        len += 9;
    }
    return len;
}

size_t silt_write_double_fixed3(char *out, double value)
{
    uint64_t bits;
    size_t len = 0;
    memcpy(&bits, &value, 8);
    silt_assert((bits >> SIGNIFICAND_BITS & 0x7FF) != 0x7FF);
    if (bits >> 63)
        out[len++] = '-';
    uint64_t fraction = bits & (HIDDEN_BIT - 1);
    int biased = (int)(bits >> SIGNIFICAND_BITS & 0x7FF);
    uint64_t c = biased ? fraction | HIDDEN_BIT : fraction;
    int q = (biased ? biased : 1) - EXPONENT_BIAS;

    uint64_t thousandths = 0; /* of what is after the point */
    if (q >= 0) {
        len += write_exact_integer(out + len, c, q);
    } else {
        uint64_t n = 0;
        if (q > -64) { /* below, all is less than half a thousandth: 1000 * 2^53 < 2^63 */
            uint64_t exact = c * 1000, half = (uint64_t)1 << (-q - 1);
            uint64_t rest = exact & (half * 2 - 1);
            n = exact >> -q;
            n += rest > half || (rest == half && (n & 1));
        }
        len += silt_write_uint(out + len, n / 1000);
        thousandths = n % 1000;
    }
    out[len++] = '.';
    out[len++] = (char)('0' + thousandths / 100);
    out[len++] = (char)('0' + thousandths / 10 % 10);
    out[len++] = (char)('0' + thousandths % 10);
    return len;
}
