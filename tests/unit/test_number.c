/*
 * test_number.c - numbers as text, against the C library and against exact arithmetic.
 */
#include "base/number_powers.h"
#include "silt/text.h"
#include "tests/run_suite.h"

#include <check.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ck_assert tells the parent process about every success: too slow for millions. */
#define expect(condition, ...) ((condition) ? (void)0 : ck_abort_msg(__VA_ARGS__))

static uint64_t seed = 20240229, state;

static uint64_t random_bits(void)
{
    state += 0x9E3779B97F4A7C15u;
    uint64_t z = state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

static bool same(double a, double b)
{
    return memcmp(&a, &b, 8) == 0;
}

/* Finite doubles of all the kinds that matter: any bits, decimals, whole numbers, powers of two and neighbours. */
static double random_double(void)
{
    uint64_t bits = random_bits();
    double value;
    switch (random_bits() % 8) {
    case 0:
        value = (double)(int64_t)(bits >> (bits & 63));
        break;
    case 1:
        value = (double)(bits % 10000000) / 100.0;
        break;
    case 2:
        value = (double)(int64_t)(bits % 2000000001 - 1000000000) / 1000.0;
        break;
    case 3:
        value = double_of((bits % 2047 << 52) + bits / 4096 % 3 - (bits % 2047 != 0));
        break;
    case 4:
        value = (double)(bits >> 11) * 0x1p-53;
        break;
    case 5:
        value = (double)(bits % 100000) / 360.0;
        break;
    case 6:
        value = double_of(bits & 0x000FFFFFFFFFFFFF); /* subnormal */
        break;
    default:
        value = double_of(bits);
    }
    return isfinite(value) ? value : 1.5;
}

static const char *text_of(size_t (*write)(char *, double), double value)
{
    static char text[SILT_NUMBER_TEXT_MAX + 1];
    size_t len = write(text, value);
    expect(len <= SILT_NUMBER_TEXT_MAX, "%zu bytes", len);
    text[len] = '\0';
    return text;
}

/* ---------------------------------------------------------------- the table */

#define BIG_LIMBS 64

static void big_multiply(uint32_t *big, uint32_t factor)
{
    uint64_t carry = 0;
    for (int i = 0; i < BIG_LIMBS; i++) {
        carry += (uint64_t)big[i] * factor;
        big[i] = (uint32_t)carry;
        carry >>= 32;
    }
    expect(carry == 0, "too few limbs");
}

static int big_bits(const uint32_t *big)
{
    for (int i = BIG_LIMBS; i-- > 0;)
        if (big[i])
            return 32 * i + 32 - __builtin_clz(big[i]);
    return 0;
}

static void big_set_bit(uint32_t *big, int bit)
{
    big[bit / 32] |= (uint32_t)1 << bit % 32;
}

static uint64_t big_word(const uint32_t *big, int from_bit)
{
    uint64_t word = 0;
    for (int i = 0; i < 64; i++)
        if (from_bit + i >= 0)
            word |= (uint64_t)(big[(from_bit + i) / 32] >> (from_bit + i) % 32 & 1) << i;
    return word;
}

static int big_order(const uint32_t *a, const uint32_t *b)
{
    for (int i = BIG_LIMBS; i-- > 0;)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

START_TEST(powers_are_exact)
{
    uint32_t five[BIG_LIMBS] = {1};
    for (int q = 0; q <= POWER_OF_FIVE_MAX; q++, big_multiply(five, 5)) {
        int low = big_bits(five) - 128;
        struct power_of_five entry = powers_of_five[q - POWER_OF_FIVE_MIN];
        ck_assert_uint_eq(entry.hi, big_word(five, low + 64));
        ck_assert_uint_eq(entry.lo, big_word(five, low));
        ck_assert(q > POWER_OF_FIVE_EXACT_MAX || low <= 0);
    }
    /* For 5^-n: entry * 5^n <= 2^b < (entry + 1) * 5^n, with b such that the entry has its top bit set. */
    for (int n = 1; n <= -POWER_OF_FIVE_MIN; n++) {
        struct power_of_five entry = powers_of_five[-n - POWER_OF_FIVE_MIN];
        uint32_t below[BIG_LIMBS] = {(uint32_t)entry.lo, (uint32_t)(entry.lo >> 32), (uint32_t)entry.hi,
                                     (uint32_t)(entry.hi >> 32)};
        uint32_t above[BIG_LIMBS], power[BIG_LIMBS] = {0};
        ck_assert(entry.hi >> 63);
        memcpy(above, below, sizeof(above));
        for (int i = 0; ++above[i] == 0; i++)
            ;
        for (int i = 0; i < n; i++) {
            big_multiply(below, 5);
            big_multiply(above, 5);
        }
        big_set_bit(power, big_bits(below));
        ck_assert_int_le(big_order(below, power), 0);
        ck_assert_int_lt(big_order(power, above), 0);
    }
}
END_TEST

/* ---------------------------------------------------------------- writing */

START_TEST(integers)
{
    char text[32], expected[32];
    for (int i = 0; i < 2000000; i++) {
        uint64_t value = random_bits() >> (random_bits() & 63);
        value = i < 1000 ? (uint64_t)i : value;
        size_t len = silt_write_uint(text, value);
        text[len] = '\0';
        snprintf(expected, sizeof(expected), "%" PRIu64, value);
        expect(strcmp(text, expected) == 0, "%s is not %s", text, expected);
        len = silt_write_int(text, (int64_t)value);
        text[len] = '\0';
        snprintf(expected, sizeof(expected), "%" PRId64, (int64_t)value);
        expect(strcmp(text, expected) == 0, "%s is not %s", text, expected);
        int64_t back;
        expect(silt_parse_int(text, len, &back, NULL) && back == (int64_t)value, "%s", text);
    }
    static const uint64_t edges[] = {0,
                                     9,
                                     10,
                                     99,
                                     100,
                                     99999999,
                                     100000000,
                                     9999999999999999,
                                     10000000000000000,
                                     INT64_MAX,
                                     (uint64_t)INT64_MAX + 1,
                                     UINT64_MAX};
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        text[silt_write_uint(text, edges[i])] = '\0';
        snprintf(expected, sizeof(expected), "%" PRIu64, edges[i]);
        ck_assert_str_eq(text, expected);
    }
}
END_TEST

START_TEST(doubles_as_json)
{
    static const struct {
        double value;
        const char *json, *plain;
    } cases[] = {
        {0.0, "0", "0"},
        {-0.0, "-0", "-0"},
        {3.0, "3", "3"},
        {1e6, "1000000", "1000000"},
        {1e20, "100000000000000000000", "100000000000000000000"},
        {1e21, "1e+21", "1000000000000000000000"},
        {1.5e22, "1.5e+22", "15000000000000000000000"},
        {-1e23, "-1e+23", "-100000000000000000000000"},
        {0.000001, "0.000001", "0.000001"},
        {1e-7, "1e-7", "0.0000001"},
        {9e-7, "9e-7", "0.0000009"},
        {-1.25e-10, "-1.25e-10", "-0.000000000125"},
        {0.1, "0.1", "0.1"},
        {0.3, "0.3", "0.3"},
        {0.30000000000000004, "0.30000000000000004", "0.30000000000000004"},
        {123456789012345678901.0, "123456789012345680000", "123456789012345680000"},
        {9007199254740993.0, "9007199254740992", "9007199254740992"},
        {1234.5, "1234.5", "1234.5"},
        {-99.125, "-99.125", "-99.125"},
        {100.05, "100.05", "100.05"},
        {0.001, "0.001", "0.001"},
        {5e-324, "5e-324", NULL},
        {1e-323, "1e-323", NULL},
        {2.2250738585072014e-308, "2.2250738585072014e-308", NULL},
        {DBL_MAX, "1.7976931348623157e+308", NULL},
        {2e-44, "2e-44", NULL},
        {9.5367431640625e-7, "9.5367431640625e-7", "0.00000095367431640625"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_str_eq(text_of(silt_write_double_json, cases[i].value), cases[i].json);
        if (cases[i].plain)
            ck_assert_str_eq(text_of(silt_write_double_plain, cases[i].value), cases[i].plain);
    }
    ck_assert_uint_eq(strlen(text_of(silt_write_double_plain, DBL_MAX)), 309);
    ck_assert_uint_eq(strlen(text_of(silt_write_double_plain, -5e-324)), 327);
}
END_TEST

START_TEST(doubles_read_back)
{
    for (int i = 0; i < 4000000; i++) {
        double value = random_double(), back;
        const char *text = text_of(silt_write_double_json, value);
        size_t len = strlen(text);
        bool parsed = silt_parse_double(text, len, &back);
        expect(parsed && same(back, value), "seed %" PRIu64 ": %s is not %.17g", seed, text, value);
        if (i % 8 == 0) {
            expect(same(strtod(text, NULL), value), "%s is not %.17g", text, value);
            text = text_of(silt_write_double_plain, value);
            expect(strpbrk(text, "eE") == NULL, "%s", text);
            expect(silt_parse_double(text, strlen(text), &back) && same(back, value), "%s", text);
        }
    }
}
END_TEST

/* The significant digits of a number's text. */
static size_t significant_digits(const char *text, char *digits)
{
    size_t count = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (count || *text != '0'))
            digits[count++] = *text;
    while (count && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
    return count;
}

START_TEST(doubles_are_shortest)
{
    for (int i = 0; i < 200000; i++) {
        double value = random_double();
        char printed[64], digits[400], expected[400];
        int precision = 0;
        for (;; precision++) {
            snprintf(printed, sizeof(printed), "%.*e", precision, value);
            if (same(strtod(printed, NULL), value))
                break;
        }
        size_t expected_count = significant_digits(printed, expected);
        size_t count = significant_digits(text_of(silt_write_double_json, value), digits);
        expect(count <= expected_count, "seed %" PRIu64 ": %s for %s", seed, digits, printed);
        if (count == expected_count) /* and of the shortest ones the nearest */
            expect(strcmp(digits, expected) == 0, "seed %" PRIu64 ": %s for %s", seed, digits, printed);
    }
}
END_TEST

START_TEST(doubles_with_three_decimals)
{
    static const double cases[] = {0.0005, 0.0015,  0.0625, 0.1875,   2.5,        1e22,   1e23,         DBL_MAX,
                                   5e-324, -0.0001, 0.9995, 999.9995, 1e15 + 0.5, 0x1p53, 0x1p52 + 0.5, 0x1p-11};
    char expected[SILT_NUMBER_TEXT_MAX];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(expected, sizeof(expected), "%.3f", cases[i]);
        ck_assert_str_eq(text_of(silt_write_double_fixed3, cases[i]), expected);
    }
    for (int i = 0; i < 500000; i++) {
        double value = random_double();
        snprintf(expected, sizeof(expected), "%.3f", value);
        const char *text = text_of(silt_write_double_fixed3, value);
        expect(strcmp(text, expected) == 0, "seed %" PRIu64 ": %s is not %s", seed, text, expected);
    }
}
END_TEST

/* ---------------------------------------------------------------- reading */

static void reads_as_strtod(const char *text)
{
    double value = 0, expected = strtod(text, NULL);
    bool parsed = silt_parse_double(text, strlen(text), &value);
    if (isinf(expected))
        expect(!parsed, "seed %" PRIu64 ": %s is too large", seed, text);
    else
        expect(parsed && same(value, expected), "seed %" PRIu64 ": %s is %.17g, not %.17g", seed, text, expected,
               value);
}

START_TEST(parse_accepts_and_refuses)
{
    static const char *good[] = {"1",
                                 "-1.5",
                                 "1.",
                                 ".5",
                                 "-.5",
                                 "1e6",
                                 "1E5",
                                 "1e+06",
                                 "1.e3",
                                 "00012",
                                 "0e400",
                                 "1e-400",
                                 "-0",
                                 "0.0e-0",
                                 "5e-324",
                                 "2e-324",
                                 "3e-324",
                                 "2.4703282292062327e-324",
                                 "2.4703282292062328e-324",
                                 "2.4703282292062327208e-324",
                                 "1.7976931348623157e308",
                                 "9007199254740993",
                                 "9007199254740992.99999999999",
                                 "179769313486231580793728971405301e276",
                                 "1000000000000000000000000000000000000000000000000e-48",
                                 "0.000000000000000000000000000000000000000000000000001e51",
                                 "123456789012345678901234567890e-10000",
                                 "8.98846567431158e307",
                                 "2.2250738585072011e-308",
                                 "2.2250738585072012e-308",
                                 "18446744073709551615",
                                 "99999999999999999999999",
                                 "7.2057594037927933e16",
                                 "1e23",
                                 "8.5e22"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        reads_as_strtod(good[i]);
    static const char *bad[] = {"",
                                "-",
                                ".",
                                "-.",
                                "+1",
                                "1e",
                                "1e+",
                                "1e5.5",
                                "1.1.1",
                                "0x10",
                                "1_0",
                                "Inf",
                                "nan",
                                "1 ",
                                " 1",
                                "--1",
                                "1e400",
                                "-1e400",
                                "e5",
                                ".e5",
                                "1e-",
                                "1.5i",
                                "inf",
                                "1e99999999999999999999",
                                "1.7976931348623159e308"};
    double value;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect(!silt_parse_double(bad[i], strlen(bad[i]), &value), "%s", bad[i]);
    ck_assert(silt_parse_double("1e-99999999999999999999", 23, &value) && same(value, 0.0));

    /* The exponent cancels a long row of zeros. */
    char text[4096] = "0.";
    memset(text + 2, '0', 2000);
    strcpy(text + 2002, "123e2003");
    reads_as_strtod(text);
    memset(text, '0', 2000);
    text[0] = '7';
    strcpy(text + 2000, "e-1999");
    reads_as_strtod(text);
}
END_TEST

START_TEST(parse_random_text)
{
    char text[128];
    for (int i = 0; i < 1000000; i++) {
        size_t len = 0;
        unsigned digits = 1 + random_bits() % (i % 4 == 0 ? 40 : 20), point = random_bits() % 24;
        if (random_bits() % 4 == 0)
            text[len++] = '-';
        for (unsigned d = 0; d < digits; d++) {
            if (d == point)
                text[len++] = '.';
            text[len++] = (char)('0' + random_bits() % 10);
        }
        text[len] = '\0';
        if (random_bits() % 2)
            sprintf(text + len, "e%d", (int)(random_bits() % (i % 3 ? 60 : 700)) - (i % 3 ? 30 : 350));
        reads_as_strtod(text);
    }
    for (int i = 0; i < 1000000; i++) {
        snprintf(text, sizeof(text), i % 2 ? "%.17g" : "%.16e", random_double());
        reads_as_strtod(text);
    }
}
END_TEST

/* Half-way between two doubles, and a hair above and below: only all of the digits can tell. */
START_TEST(parse_half_way)
{
    char text[1600];
    for (int i = 0; i < 3000; i++) {
        double value = fabs(random_double());
        uint64_t bits;
        memcpy(&bits, &value, 8);
        long double half = ((long double)value + (long double)double_of(bits + 1)) / 2; /* exact: 64 bits */
        if (LDBL_MANT_DIG < 54 || !isfinite(double_of(bits + 1)))
            continue;
        snprintf(text, sizeof(text), "%.1100Lf", half);
        if (half < 1e-290L)
            continue;
        reads_as_strtod(text);
        strcat(text, "1");
        reads_as_strtod(text);
        char *last = text + strlen(text) - 2;
        while (last > text && (*last == '0' || *last == '.'))
            last--;
        (*last)--;
        reads_as_strtod(text);
    }
}
END_TEST

START_TEST(parse_integers)
{
    int64_t value;
    bool overflow;
    ck_assert(silt_parse_int("-9223372036854775808", 20, &value, &overflow) && value == INT64_MIN);
    ck_assert(silt_parse_int("9223372036854775807", 19, &value, &overflow) && value == INT64_MAX);
    ck_assert(silt_parse_int("-0", 2, &value, NULL) && value == 0);
    ck_assert(silt_parse_int("0000000000000000000000012", 25, &value, NULL) && value == 12);
    ck_assert(!silt_parse_int("9223372036854775808", 19, &value, &overflow) && overflow);
    ck_assert(!silt_parse_int("-9223372036854775809", 20, &value, &overflow) && overflow);
    ck_assert(!silt_parse_int("99999999999999999999999", 23, &value, &overflow) && overflow);
    ck_assert(!silt_parse_int("9999999999999999999999x", 23, &value, &overflow) && !overflow);
    ck_assert(!silt_parse_int("-", 1, &value, &overflow) && !overflow);
    ck_assert(!silt_parse_int("", 0, &value, NULL));
    ck_assert(!silt_parse_int("+1", 2, &value, NULL));
    ck_assert(!silt_parse_int("1.0", 3, &value, NULL));
}
END_TEST

int main(void)
{
    if (getenv("SILT_SEED"))
        seed = strtoull(getenv("SILT_SEED"), NULL, 10);
    state = seed;
    printf("seed %" PRIu64 "\n", seed);

    Suite *suite = suite_create("number");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, powers_are_exact);
    tcase_add_test(tests, integers);
    tcase_add_test(tests, doubles_as_json);
    tcase_add_test(tests, doubles_read_back);
    tcase_add_test(tests, doubles_are_shortest);
    tcase_add_test(tests, doubles_with_three_decimals);
    tcase_add_test(tests, parse_accepts_and_refuses);
    tcase_add_test(tests, parse_random_text);
    tcase_add_test(tests, parse_half_way);
    tcase_add_test(tests, parse_integers);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
