/*
 * number_parse.c - text to integers and doubles, correctly rounded, whatever the locale.
 *
 * Digits are gathered into a 64-bit mantissa (nineteen at most) and a power of ten. Then the first that can tell:
 *
 *     Clinger       both are exact doubles: one multiplication or division
 *     Eisel-Lemire  mantissa times a 128-bit power of five; tells, all but always, how the true product rounds
 *     exact         with more than nineteen digits, when the mantissa and its successor round apart: the digits
 *                   are compared as a big number with the points half-way between doubles
 */
#include "base/number_powers.h"
#include "silt/text.h"

#define SIGNIFICAND_BITS 52
#define HIDDEN_BIT ((uint64_t)1 << SIGNIFICAND_BITS)
#define INFINITY_BITS ((uint64_t)0x7FF << SIGNIFICAND_BITS)
#define MANTISSA_DIGITS_MAX 19
#define EXPONENT_MAX 100000000 /* a larger one changes nothing, and sums stay in range */

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

/* ---------------------------------------------------------------- Eisel-Lemire */

/* The double nearest to mantissa * 10^exponent, as bits. *sure is false when it may be off by one. */
static uint64_t eisel_lemire(uint64_t mantissa, int64_t exponent, bool *sure)
{
    *sure = true;
    if (mantissa == 0 || exponent < POWER_OF_FIVE_MIN)
        return 0;
    if (exponent > 308)
        return INFINITY_BITS;
    int q = (int)exponent;
    int zeros = __builtin_clzll(mantissa);
    mantissa <<= zeros;
    struct power_of_five power = powers_of_five[q - POWER_OF_FIVE_MIN];
    if (q < 0 && q >= -27) /* the proof wants these rounded up */
        power.hi += ++power.lo == 0;

    unsigned __int128 product = (unsigned __int128)mantissa * power.hi;
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if ((high & 0x1FF) == 0x1FF) { /* the bits cut off might carry into those that count */
        uint64_t more = (uint64_t)((unsigned __int128)mantissa * power.lo >> 64);
        low += more;
        high += low < more;
    }
    if (low == UINT64_MAX && (q < -27 || q > 55))
        *sure = false;

    int top = (int)(high >> 63);
    int cut = top + 64 - SIGNIFICAND_BITS - 3;
    uint64_t significand = high >> cut; /* 54 bits: one for rounding */
    int biased = ((217706 * q) >> 16) + 63 + top - zeros + 1023;
    if (biased <= 0) { /* subnormal */
        if (-biased + 1 >= 64)
            return 0;
        significand >>= -biased + 1;
        significand += significand & 1;
        return significand >> 1; /* may become the smallest normal one */
    }
    if (low <= 1 && q >= -4 && q <= 23 && (significand & 3) == 1 && significand << cut == high)
        significand &= ~(uint64_t)1; /* a true tie goes to even */
    significand += significand & 1;
    significand >>= 1;
    if (significand >= 2 * HIDDEN_BIT) {
        significand = HIDDEN_BIT;
        biased++;
    }
    if (biased >= 0x7FF)
        return INFINITY_BITS;
    return (uint64_t)biased << SIGNIFICAND_BITS | (significand & (HIDDEN_BIT - 1));
}

/* ---------------------------------------------------------------- exact */

#define LIMBS_MAX 192        /* 6144 bits */
#define EXACT_DIGITS_MAX 800 /* no half-way point has more than 767 */

struct big { /* little-endian, no leading zero limbs */
    uint32_t limbs[LIMBS_MAX];
    size_t count;
};

static void big_multiply_add(struct big *big, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;
    for (size_t i = 0; i < big->count; i++) {
        carry += (uint64_t)big->limbs[i] * factor;
        big->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) {
        silt_assert(big->count < LIMBS_MAX);
        big->limbs[big->count++] = (uint32_t)carry;
    }
}

static void big_multiply_pow5(struct big *big, int64_t power)
{
    for (; power >= 13; power -= 13)
        big_multiply_add(big, 1220703125u, 0); /* 5^13 */
    for (; power > 0; power--)
        big_multiply_add(big, 5, 0);
}

static void big_shift_left(struct big *big, int64_t bits)
{
    size_t whole = (size_t)bits / 32;
    if (bits % 32)
        big_multiply_add(big, (uint32_t)1 << bits % 32, 0);
    silt_assert(big->count + whole <= LIMBS_MAX);
    memmove(big->limbs + whole, big->limbs, big->count * sizeof(big->limbs[0]));
    memset(big->limbs, 0, whole * sizeof(big->limbs[0]));
    big->count += whole;
}

static int big_compare(const struct big *a, const struct big *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (size_t i = a->count; i-- > 0;)
        if (a->limbs[i] != b->limbs[i])
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
    return 0;
}

/* digits * 10^exponent against the point half-way between the double with these bits and the next larger one. */
static int compare_to_half_way(const struct big *digits, int64_t exponent, uint64_t bits)
{
    int biased = (int)(bits >> SIGNIFICAND_BITS);
    uint64_t fraction = bits & (HIDDEN_BIT - 1);
    uint64_t half_way = 2 * (biased ? fraction | HIDDEN_BIT : fraction) + 1;
    int64_t twos = (biased ? biased : 1) - 1075 - 1 - exponent; /* of the right side, less those of the left */
    struct big left = *digits;
    struct big right = {.limbs = {(uint32_t)half_way, (uint32_t)(half_way >> 32)}, .count = half_way >> 32 ? 2 : 1};

    big_multiply_pow5(exponent > 0 ? &left : &right, exponent > 0 ? exponent : -exponent);
    big_shift_left(twos > 0 ? &right : &left, twos > 0 ? twos : -twos);
    return big_compare(&left, &right);
}

/* From a guess that is near to the double that is nearest to digits * 10^exponent. */
static uint64_t round_exact(const struct big *digits, int64_t exponent, uint64_t guess)
{
    if (guess >= INFINITY_BITS)
        guess = INFINITY_BITS - 1;
    for (;;) {
        int order = compare_to_half_way(digits, exponent, guess);
        if (order > 0 || (order == 0 && (guess & 1))) {
            guess++;
            if (guess == INFINITY_BITS)
                return guess;
            continue;
        }
        if (guess == 0)
            return guess;
        order = compare_to_half_way(digits, exponent, guess - 1);
        if (order > 0 || (order == 0 && !(guess & 1)))
            return guess;
        guess--;
    }
}

double silt_scale_decimal(uint64_t mantissa, int64_t exponent)
{
    static const double exact_tens[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                          1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool sure;
    if (mantissa <= 2 * HIDDEN_BIT && exponent >= -22 && exponent <= 22)
        return exponent < 0 ? (double)mantissa / exact_tens[-exponent] : (double)mantissa * exact_tens[exponent];
    uint64_t bits = eisel_lemire(mantissa, exponent, &sure);
    if (!sure) {
        struct big digits = {.limbs = {(uint32_t)mantissa, (uint32_t)(mantissa >> 32)},
                             .count = mantissa >> 32 ? 2 : 1};
        bits = round_exact(&digits, exponent, bits);
    }
    return from_bits(bits);
}

/* ---------------------------------------------------------------- text */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* More digits than a mantissa holds: text is digits with at most one point, the last of them worth 10^exponent. */
static uint64_t parse_long(const char *text, size_t len, int64_t exponent, uint64_t guess)
{
    struct big digits = {.count = 0};
    size_t used = 0;
    bool lost = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.')
            continue;
        if (used < EXACT_DIGITS_MAX) {
            big_multiply_add(&digits, 10, (uint32_t)(text[i] - '0'));
            used += digits.count != 0;
        } else {
            exponent++;
            lost |= text[i] != '0';
        }
    }
    if (lost) { /* only that there is something matters */
        big_multiply_add(&digits, 10, 1);
        exponent--;
    }
    return round_exact(&digits, exponent, guess);
}

bool silt_parse_double(const char *text, size_t len, double *out)
{
    const char *at = text, *end = text + len;
    bool negative = at < end && *at == '-';
    at += negative;

    const char *first = at;
    uint64_t mantissa = 0;
    int64_t exponent = 0;      /* of the mantissa */
    int64_t last_exponent = 0; /* of the last digit written */
    unsigned used = 0;
    size_t digit_count = 0;
    bool point = false;
    for (; at < end; at++) {
        if (*at == '.' && !point) {
            point = true;
            continue;
        }
        if (!is_digit(*at))
            break;
        digit_count++;
        last_exponent -= point;
        if (used < MANTISSA_DIGITS_MAX) {
            mantissa = mantissa * 10 + (uint64_t)(*at - '0');
            used += mantissa != 0;
            exponent -= point;
        } else {
            exponent += !point;
            used++;
        }
    }
    if (digit_count == 0)
        return false;
    size_t digits_len = (size_t)(at - first);

    if (at < end) {
        if (*at != 'e' && *at != 'E')
            return false;
        at++;
        bool exponent_negative = at < end && *at == '-';
        if (at < end && (*at == '-' || *at == '+'))
            at++;
        if (at == end)
            return false;
        int64_t written = 0;
        for (; at < end; at++) {
            if (!is_digit(*at))
                return false;
            if (written < EXPONENT_MAX)
                written = written * 10 + (*at - '0');
        }
        exponent += exponent_negative ? -written : written;
        last_exponent += exponent_negative ? -written : written;
    }

    double value = silt_scale_decimal(mantissa, exponent);
    if (used > MANTISSA_DIGITS_MAX) {
        bool sure, next_sure;
        uint64_t bits = eisel_lemire(mantissa, exponent, &sure);
        if (!sure || bits != eisel_lemire(mantissa + 1, exponent, &next_sure) || !next_sure)
            bits = parse_long(first, digits_len, last_exponent, bits);
        value = from_bits(bits);
    }
    if (value == from_bits(INFINITY_BITS))
        return false;
    *out = negative ? -value : value;
    return true;
}

bool silt_parse_int(const char *text, size_t len, int64_t *out, bool *overflow)
{
    const char *at = text, *end = text + len;
    bool negative = at < end && *at == '-';
    at += negative;
    if (overflow)
        *overflow = false;
    if (at == end)
        return false;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, value = 0;
    bool fits = true;
    for (; at < end; at++) {
        if (!is_digit(*at))
            return false;
        uint64_t digit = (uint64_t)(*at - '0');
        fits = fits && value <= (limit - digit) / 10;
        if (fits)
            value = value * 10 + digit;
    }
    if (!fits) {
        if (overflow)
            *overflow = true;
        return false;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}
