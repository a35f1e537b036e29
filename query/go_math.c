/* go_math.c - implements go_math.h. Where an order of operations looks odd, it is the one that gives the digits. */
#include "query/go_math.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static double from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static uint64_t to_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

/* ---------------------------------------------------------------- circular functions */

#define QUARTER_PI (M_PI / 4)
#define HUGE_ANGLE 536870912.0 /* 2^29: from here on three parts of pi/4 are not enough */

/* 4/pi in binary, the 1 before the point first. */
static const uint64_t four_over_pi[] = {
    0x0000000000000001, 0x45f306dc9c882a53, 0xf84eafa3ea69bb81, 0xb6c52b3278872083, 0xfca2c757bd778ac3,
    0x6e48dc74849ba5c0, 0x0c925dd413a32439, 0xfc3bd63962534e7d, 0xd1046bea5d768909, 0xd338e04d68befc82,
    0x7323ac7306a673e9, 0x3908bf177bf25076, 0x3ff12fffbc0b301f, 0xde5e2316b414da3e, 0xda6cfd9e4f96136e,
    0x9e8c7ecd3cbfd45a, 0xea4f758fd7cbe2f6, 0x7a0e73ef14a525d4, 0xd7f6bf623f1aba10, 0xac06608df8f6d757,
};

struct angle {
    unsigned octant; /* even: 0, 2, 4, 6 */
    double rest;     /* -pi/4 .. pi/4 */
};

static uint64_t digits_at(size_t digit, unsigned shift)
{
    return shift ? four_over_pi[digit] << shift | four_over_pi[digit + 1] >> (64 - shift) : four_over_pi[digit];
}

/* Payne and Hanek: only those digits of 4/pi matter that do not make whole turns. */
static struct angle reduce_huge(double x)
{
    uint64_t bits = to_bits(x);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023 - 52;
    uint64_t fraction = (bits & 0xfffffffffffffULL) | 1ULL << 52;
    size_t digit = (size_t)(exponent + 61) / 64;
    unsigned shift = (unsigned)(exponent + 61) % 64;
    unsigned __int128 product = (unsigned __int128)(digits_at(digit, shift) * fraction) << 64;

    product += (unsigned __int128)digits_at(digit + 1, shift) * fraction;
    product += (uint64_t)((unsigned __int128)digits_at(digit + 2, shift) * fraction >> 64);

    struct angle angle = {.octant = (unsigned)(product >> 125)};
    uint64_t high = (uint64_t)(product << 3 >> 64), low = (uint64_t)product;
    unsigned zeros = high ? (unsigned)__builtin_clzll(high) : 64;
    if (zeros + 1 < 64)
        high = high << (zeros + 1) | low >> (64 - (zeros + 1));
    else
        high = low; /* does not happen: no double is that close to a multiple */
    angle.rest = from_bits(high >> 12 | (uint64_t)(1023 - (zeros + 1)) << 52);
    if (angle.octant & 1) {
        angle.octant = (angle.octant + 1) & 7;
        angle.rest -= 1;
    }
    angle.rest *= QUARTER_PI;
    return angle;
}

/* x >= 0. */
static struct angle reduce(double x)
{
    const double part1 = 7.85398125648498535156e-1, part2 = 3.77489470793079817668e-8, part3 = 2.69515142907905952645e-15;

    if (x >= HUGE_ANGLE)
        return reduce_huge(x);
    uint64_t octants = (uint64_t)(x * (4 / M_PI));
    octants += octants & 1;
    double n = (double)octants;
    return (struct angle){.octant = (unsigned)(octants & 7), .rest = ((x - n * part1) - n * part2) - n * part3};
}

/* Cephes: x + x^3 P(x^2) and 1 - x^2/2 + x^4 Q(x^2). */
static double small_sin(double x)
{
    double z = x * x;
    double p = 1.58962301576546568060e-10 * z + -2.50507477628578072866e-8;
    p = p * z + 2.75573136213857245213e-6;
    p = p * z + -1.98412698295895385996e-4;
    p = p * z + 8.33333333332211858878e-3;
    p = p * z + -1.66666666666666307295e-1;
    return x + x * z * p;
}

static double small_cos(double x)
{
    double z = x * x;
    double q = -1.13585365213876817300e-11 * z + 2.08757008419747316778e-9;
    q = q * z + -2.75573141792967388112e-7;
    q = q * z + 2.48015872888517045348e-5;
    q = q * z + -1.38888888888730564116e-3;
    q = q * z + 4.16666666666665929218e-2;
    return 1.0 - 0.5 * z + z * z * q;
}

double go_sin(double x)
{
    if (x == 0 || isnan(x))
        return x;
    if (isinf(x))
        return NAN;
    struct angle angle = reduce(fabs(x));
    double y = angle.octant & 2 ? small_cos(angle.rest) : small_sin(angle.rest);
    return (angle.octant > 3) != (x < 0) ? -y : y;
}

double go_cos(double x)
{
    if (isnan(x) || isinf(x))
        return NAN;
    struct angle angle = reduce(fabs(x));
    double y = angle.octant & 2 ? small_sin(angle.rest) : small_cos(angle.rest);
    return angle.octant == 2 || angle.octant == 4 ? -y : y;
}

double go_tan(double x)
{
    if (x == 0 || isnan(x))
        return x;
    if (isinf(x))
        return NAN;
    struct angle angle = reduce(fabs(x));
    double z = angle.rest * angle.rest, y = angle.rest;
    if (z > 1e-14) {
        double p = (-1.30936939181383777646e4 * z + 1.15351664838587416140e6) * z + -1.79565251976484877988e7;
        double q = (((z + 1.36812963470692954678e4) * z + -1.32089234440210967447e6) * z + 2.50083801823357915839e7) * z +
                   -5.38695755929454629881e7;
        y = angle.rest + angle.rest * (z * p / q);
    }
    if (angle.octant & 2)
        y = -1 / y;
    return x < 0 ? -y : y;
}

/* 0 .. 0.66: x + x^3 P(x^2) / Q(x^2) */
static double small_atan(double x)
{
    double z = x * x;
    double p = -8.750608600031904122785e-01 * z + -1.615753718733365076637e+01;
    p = p * z + -7.500855792314704667340e+01;
    p = p * z + -1.228866684490136173410e+02;
    p = p * z + -6.485021904942025371773e+01;
    double q = z + 2.485846490142306297962e+01;
    q = q * z + 1.650270098316988542046e+02;
    q = q * z + 4.328810604912902668951e+02;
    q = q * z + 4.853903996359136964868e+02;
    q = q * z + 1.945506571482613964425e+02;
    z = z * p / q;
    return x * z + x;
}

/* x >= 0 */
static double positive_atan(double x)
{
    const double more = 6.123233995736765886130e-17; /* pi/2 beyond M_PI_2 */

    if (x <= 0.66)
        return small_atan(x);
    if (x > 2.41421356237309504880)
        return M_PI_2 - small_atan(1 / x) + more;
    return QUARTER_PI + small_atan((x - 1) / (x + 1)) + 0.5 * more;
}

double go_atan(double x)
{
    if (x == 0)
        return x;
    return x > 0 ? positive_atan(x) : -positive_atan(-x);
}

double go_atan2(double y, double x)
{
    if (isnan(y) || isnan(x))
        return NAN;
    if (y == 0)
        return x > 0 || (x == 0 && !signbit(x)) ? copysign(0, y) : copysign(M_PI, y);
    if (x == 0)
        return copysign(M_PI_2, y);
    if (isinf(x)) {
        if (isinf(y))
            return copysign(x > 0 ? QUARTER_PI : 3 * M_PI / 4, y);
        return copysign(x > 0 ? 0 : M_PI, y);
    }
    if (isinf(y))
        return copysign(M_PI_2, y);
    double angle = go_atan(y / x);
    if (x < 0)
        return angle <= 0 ? angle + M_PI : angle - M_PI;
    return angle;
}

double go_asin(double x)
{
    double v = fabs(x);

    if (x == 0)
        return x;
    if (!(v <= 1))
        return NAN;
    double other = sqrt(1 - v * v);
    double y = v > 0.7 ? M_PI_2 - positive_atan(other / v) : positive_atan(v / other);
    return x < 0 ? -y : y;
}

double go_acos(double x)
{
    return M_PI_2 - go_asin(x);
}

/* ---------------------------------------------------------------- exponential and logarithm */

static double scale_exp(double fraction, int exponent)
{
    if (exponent >= 1024)
        return INFINITY;
    if (exponent > -1023)
        return fraction * from_bits((uint64_t)(exponent + 1023) << 52);
    if (exponent < -1075)
        return 0;
    return ldexp(fraction, exponent);
}

double go_exp(double x)
{
    const double ln2_high = 0.69314718055966295651160180568695068359375;
    const double ln2_low = 0.28235290563031577122588448175013436025525412068e-12;
    static const double taylor[] = {1.9841269841269841270e-4, 1.3888888888888888889e-3, 8.3333333333333333333e-3,
                                    4.1666666666666666667e-2, 1.6666666666666666667e-1, 0.5, 1.0};

    if (isnan(x) || x == INFINITY)
        return x;
    if (x > 7.09782712893384e+02)
        return INFINITY;
    if (x < -800)
        return 0;
    int exponent = (int)nearbyint(x * 1.4426950408889634073599246810018920);
    double n = exponent;
    double r = fma(-n, ln2_low, fma(-n, ln2_high, x)) * 0.0625;
    double p = 2.4801587301587301587e-5;
    for (size_t i = 0; i < sizeof(taylor) / sizeof(taylor[0]); i++)
        p = fma(p, r, taylor[i]);
    r *= p; /* e^r - 1, then four times (y + 1)^2 - 1 = y (y + 2) */
    r *= r + 2;
    r *= r + 2;
    r *= r + 2;
    return scale_exp(fma(r + 2, r, 1), exponent);
}

double go_log(double x)
{
    const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;

    if (x == 0)
        return -INFINITY;
    if (x < 0)
        return NAN;
    if (isnan(x) || isinf(x))
        return x;
    /* the fraction's exponent is taken from its bits: of a denormal number they say too little, as they do there */
    uint64_t bits = to_bits(x);
    double f = from_bits((bits & 0xfffffffffffffULL) | 0x3fe0000000000000ULL);
    double k = (double)((int)(bits >> 52) - 0x3fe);
    if (f < 7.07106781186547524401e-01) {
        k -= 1;
        f *= 2;
    }
    f -= 1;
    double s = f / (2 + f), s2 = s * s, s4 = s2 * s2;
    double t1 = s2 * (6.666666666666735130e-01 +
                      s4 * (2.857142874366239149e-01 + s4 * (1.818357216161805012e-01 + s4 * 1.479819860510918591e-01)));
    double t2 = s4 * (3.999999999940941908e-01 + s4 * (2.222219843214978396e-01 + s4 * 1.531383769920937332e-01));
    double half = 0.5 * f * f;
    return k * ln2_high - ((half - (s * (half + (t1 + t2)) + k * ln2_low)) - f);
}

double go_log2(double x)
{
    int exponent = 0;
    double fraction = isfinite(x) ? frexp(x, &exponent) : x;

    if (fraction == 0.5)
        return exponent - 1;
    return go_log(fraction) * (1 / M_LN2) + (double)exponent;
}

double go_log10(double x)
{
    return go_log(x) * 0.43429448190325182765; /* 1 / ln 10 */
}

/* ---------------------------------------------------------------- power */

static bool is_odd(double x)
{
    return fabs(x) < 9007199254740992.0 && x == trunc(x) && ((int64_t)x & 1);
}

/* x or y is zero, infinite or not a number, or x is 1. */
static bool special_pow(double x, double y, double *out)
{
    if (y == 0 || x == 1)
        *out = 1;
    else if (y == 1)
        *out = x;
    else if (isnan(x) || isnan(y))
        *out = NAN;
    else if (x == 0 && y < 0)
        *out = is_odd(y) ? copysign(INFINITY, x) : INFINITY;
    else if (x == 0)
        *out = is_odd(y) ? x : 0;
    else if (isinf(y))
        *out = x == -1 ? 1 : (fabs(x) < 1) == (y > 0) ? 0 : INFINITY;
    else if (x == -INFINITY)
        *out = y > 0 ? (is_odd(y) ? -INFINITY : INFINITY) : is_odd(y) ? -0.0 : 0.0;
    else if (x == INFINITY)
        *out = y < 0 ? 0 : INFINITY;
    else
        return false;
    return true;
}

double go_pow(double x, double y)
{
    double whole, rest, product = 1, special;
    int64_t exponent = 0;
    int shift;

    if (special_pow(x, y, &special))
        return special;
    if (y == 0.5)
        return sqrt(x);
    if (y == -0.5)
        return 1 / sqrt(x);
    rest = modf(fabs(y), &whole);
    if (rest != 0 && x < 0)
        return NAN;
    if (whole >= 9223372036854775808.0) /* an even number large enough to decide everything */
        return x == -1 ? 1 : (fabs(x) < 1) == (y > 0) ? 0 : INFINITY;
    if (rest != 0) {
        if (rest > 0.5) {
            rest--;
            whole++;
        }
        product = go_exp(rest * go_log(x));
    }
    double square = frexp(x, &shift);
    int64_t power = shift;
    for (int64_t i = (int64_t)whole; i != 0; i >>= 1) {
        if (power < -4096 || power > 4096) { /* out of any double's range already */
            exponent += power;
            break;
        }
        if (i & 1) {
            product *= square;
            exponent += power;
        }
        square *= square;
        power *= 2;
        if (square < .5) {
            square += square;
            power--;
        }
    }
    if (y < 0) {
        product = 1 / product;
        exponent = -exponent;
    }
    return ldexp(product, (int)exponent);
}
