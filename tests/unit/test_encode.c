/*
 * test_encode.c - every codec gives back what went in, bit for bit; whatever bytes a decoder gets, it stays in bounds;
 * all builds of the kernels agree; the sizes that the formats promise are kept.
 */
#include "silt/kernels.h"
#include "storage/encode.h"
#include "storage/encode_kernels.h"
#include "tests/run_suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t seed, state;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545F4914F6CDD1Dull;
}

static double uniform(void)
{
    return (double)(next_random() >> 11) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform() + 1e-15)) * cos(6.283185307179586 * uniform());
}

static void setup(void)
{
    const char *given = getenv("SILT_TEST_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    state = seed * 2654435761u + 88172645463325252ull;
    printf("seed %llu (SILT_TEST_SEED)\n", (unsigned long long)seed);
}

/* ---------------------------------------------------------------- round trips */

static size_t check_ints(const int64_t *values, unsigned count)
{
    struct silt_buffer out = {0};
    int64_t back[ENCODE_ROWS_MAX];
    enum encode_codec codec = encode_ints(values, count, &out);
    ck_assert_uint_le(out.len, ENCODE_NUMERIC_BYTES_MAX);
    ck_assert_int_eq(decode_ints(codec, out.p, out.len, count, back), SILT_OK);
    ck_assert_mem_eq(values, back, count * sizeof(*values));
    ck_assert_int_eq(decode_ints(codec, out.p, out.len - 1, count, back), SILT_CORRUPT);
    size_t bytes = out.len;
    silt_buffer_free(&out);
    return bytes;
}

static size_t check_times(const silt_time *times, unsigned count)
{
    struct silt_buffer out = {0};
    silt_time back[ENCODE_ROWS_MAX];
    enum encode_codec codec = encode_times(times, count, &out);
    ck_assert_uint_le(out.len, ENCODE_NUMERIC_BYTES_MAX);
    ck_assert_int_eq(decode_times(codec, out.p, out.len, count, back), SILT_OK);
    ck_assert_mem_eq(times, back, count * sizeof(*times));
    size_t bytes = out.len;
    silt_buffer_free(&out);
    return bytes;
}

static size_t check_floats(const double *values, unsigned count)
{
    struct silt_buffer out = {0};
    double back[ENCODE_ROWS_MAX];
    enum encode_codec codec = encode_floats(values, count, &out);
    ck_assert_uint_le(out.len, (size_t)count * 8 + 16);
    ck_assert_int_eq(decode_floats(codec, out.p, out.len, count, back), SILT_OK);
    ck_assert_mem_eq(values, back, count * sizeof(*values));
    ck_assert_int_eq(decode_floats(codec, out.p, out.len - 1, count, back), SILT_CORRUPT);
    size_t bytes = out.len;
    silt_buffer_free(&out);
    return bytes;
}

static size_t check_bools(const uint8_t *values, unsigned count)
{
    struct silt_buffer out = {0};
    uint8_t back[ENCODE_ROWS_MAX];
    enum encode_codec codec = encode_bools(values, count, &out);
    ck_assert_int_eq(decode_bools(codec, out.p, out.len, count, back), SILT_OK);
    ck_assert_mem_eq(values, back, count);
    size_t bytes = out.len;
    silt_buffer_free(&out);
    return bytes;
}

static size_t check_strings(const struct silt_str *values, unsigned count)
{
    struct silt_buffer out = {0};
    struct silt_str back[ENCODE_ROWS_MAX];
    struct silt_arena *arena = silt_arena_create(NULL);
    enum encode_codec codec = encode_strings(values, count, &out);
    /* a copy of exact size, so that a sanitizer sees each byte past the end */
    char *exact = malloc(out.len ? out.len : 1);
    if (out.len)
        memcpy(exact, out.p, out.len);
    ck_assert_int_eq(decode_strings(codec, exact, out.len, count, arena, back), SILT_OK);
    for (unsigned i = 0; i < count; i++)
        ck_assert(silt_str_equal(values[i], back[i]));
    size_t bytes = out.len;
    free(exact);
    silt_arena_destroy(arena);
    silt_buffer_free(&out);
    return bytes;
}

START_TEST(test_int_lengths_and_widths)
{
    int64_t values[ENCODE_ROWS_MAX];
    for (unsigned count = 1; count <= ENCODE_ROWS_MAX; count++) {
        unsigned width = (unsigned)(next_random() % 65), kind = (unsigned)(next_random() % 5);
        uint64_t mask = width == 64 ? ~0ull : (1ull << width) - 1, at = next_random(), step = next_random() >> 40;
        for (unsigned i = 0; i < count; i++) {
            uint64_t noise = next_random() & mask;
            switch (kind) {
            case 0:
                values[i] = (int64_t)noise;
                break;
            case 1:
                values[i] = (int64_t)(at += noise);
                break;
            case 2:
                values[i] = (int64_t)(at += step += noise);
                break;
            case 3:
                values[i] = (int64_t)(at += noise - mask / 2);
                break;
            default:
                values[i] = next_random() % 20 ? (int64_t)noise : (int64_t)next_random();
            }
        }
        check_ints(values, count);
    }
    for (unsigned width = 0; width <= 64; width++) /* whole blocks of each width and order */
        for (unsigned order = 0; order < 3; order++) {
            uint64_t mask = width == 64 ? ~0ull : (1ull << width) - 1, at = next_random(), step = next_random();
            for (unsigned i = 0; i < ENCODE_ROWS_MAX; i++) {
                uint64_t noise = next_random() & mask;
                step = order == 2 ? step + noise - mask / 2 : noise - mask / 2;
                at = order == 0 ? noise : at + step;
                values[i] = (int64_t)at;
            }
            check_ints(values, ENCODE_ROWS_MAX);
            check_ints(values, ENCODE_ROWS_MAX - 1);
        }
}
END_TEST

START_TEST(test_ranks)
{
    int64_t values[ENCODE_ROWS_MAX], levels[ENCODE_ROWS_MAX];
    for (unsigned round = 0; round < 1500; round++) {
        unsigned count = 1 + (unsigned)(next_random() % ENCODE_ROWS_MAX), shift = (unsigned)(next_random() % 64);
        unsigned distinct = 1 + (unsigned)(next_random() % (1u << next_random() % 11));
        int64_t offset = (int64_t)next_random();
        for (unsigned k = 0; k < distinct; k++)
            levels[k] = (int64_t)((uint64_t)offset + (next_random() >> shift));
        unsigned at = 0;
        for (unsigned i = 0; i < count; i++) {
            at = round % 2 ? (unsigned)(next_random() % distinct) : (at + (unsigned)(next_random() % 3)) % distinct;
            values[i] = levels[at];
        }
        check_ints(values, count);
    }
    struct silt_buffer out = {0};
    for (unsigned i = 0; i < ENCODE_ROWS_MAX; i++) /* 16 levels, far apart: 4 bits each, and their table */
        values[i] = (int64_t)(((uint64_t)1 << 63) + next_random() % 16 * 1000000007000000007u);
    ck_assert_int_eq(encode_ints(values, ENCODE_ROWS_MAX, &out), ENCODE_RANKS);
    ck_assert_uint_le(out.len, 4 * 128 + 16 * 8 + 32);
    out.p[0] = 15; /* one level fewer than there are */
    ck_assert_int_eq(decode_ints(ENCODE_RANKS, out.p, out.len, ENCODE_ROWS_MAX, values), SILT_CORRUPT);
    silt_buffer_free(&out);
}
END_TEST

START_TEST(test_int_corners)
{
    static const int64_t corners[] = {0, 1, -1, INT64_MIN, INT64_MAX, INT64_MIN + 1, 1ll << 52, -(1ll << 52), 255, 256};
    int64_t values[ENCODE_ROWS_MAX];
    for (unsigned round = 0; round < 400; round++) {
        unsigned count = round % 4 == 0 ? ENCODE_ROWS_MAX : 1 + (unsigned)(next_random() % ENCODE_ROWS_MAX);
        unsigned rare = 1u << (next_random() % 11);
        int64_t usual = corners[next_random() % 10];
        for (unsigned i = 0; i < count; i++)
            values[i] = next_random() % rare ? usual : corners[next_random() % 10];
        check_ints(values, count);
    }
    for (unsigned place = 0; place < ENCODE_ROWS_MAX; place += 7) { /* one that stands out, anywhere */
        memset(values, 0, sizeof(values));
        values[place] = INT64_MIN;
        ck_assert_uint_le(check_ints(values, ENCODE_ROWS_MAX), 200);
    }
}
END_TEST

START_TEST(test_int_sizes)
{
    int64_t values[ENCODE_ROWS_MAX];
    size_t total = 0;
    for (unsigned block = 0; block < 200; block++) {
        double x = 50;
        for (unsigned i = 0; i < ENCODE_ROWS_MAX; i++) {
            x += normal();
            x = x < 0 ? 0 : x > 100 ? 100 : x;
            values[i] = (int64_t)x;
        }
        total += check_ints(values, ENCODE_ROWS_MAX);
    }
    ck_assert_double_le((double)total / (200.0 * ENCODE_ROWS_MAX), 0.35);
    for (unsigned i = 0; i < ENCODE_ROWS_MAX; i++) /* a counter, with a reset */
        values[i] = i < 500 ? 1000000 + 1000 * (int64_t)i : 1000 * (int64_t)(i - 500);
    ck_assert_uint_le(check_ints(values, ENCODE_ROWS_MAX), 40);
    ck_assert_uint_le(check_ints(values, 10), 12); /* small blocks are small */
    for (unsigned i = 0; i < 10; i++)
        values[i] = 50 + (int64_t)(next_random() % 8);
    ck_assert_uint_le(check_ints(values, 10), 8);
}
END_TEST

START_TEST(test_times)
{
    silt_time times[ENCODE_ROWS_MAX];
    for (unsigned count = 1; count <= ENCODE_ROWS_MAX; count++) {
        static const int64_t units[] = {1, 1000, 1000000, 1000000000, 10000000000, 7};
        int64_t unit = units[next_random() % 6], at = (int64_t)(next_random() >> 3);
        unsigned kind = (unsigned)(next_random() % 3);
        for (unsigned i = 0; i < count; i++) {
            at += kind == 0 ? unit : unit * (1 + (int64_t)(next_random() % (kind == 1 ? 3 : 1000)));
            times[i] = at;
        }
        check_times(times, count);
    }
    times[0] = SILT_TIME_MIN; /* as far apart as can be */
    times[1] = 0;
    times[2] = SILT_TIME_MAX;
    check_times(times, 3);
    check_times(times, 2);
    times[1] = SILT_TIME_MAX - 1;
    check_times(times, 3);
    for (unsigned i = 0; i < ENCODE_ROWS_MAX; i++)
        times[i] = 1700000000000000000 + (int64_t)i * 10000000000;
    ck_assert_uint_le(check_times(times, ENCODE_ROWS_MAX), 16);
    for (unsigned count = 3; count <= ENCODE_ROWS_MAX; count += 1 + count / 9) /* even ones, each late by up to 15 ms */
        for (int64_t unit = 1; unit <= 1000000; unit *= 1000) {
            for (unsigned i = 0; i < count; i++)
                times[i] = 1700000000000000000 + ((int64_t)i * 10000 + (int64_t)(next_random() % 16)) * unit;
            ck_assert_uint_le(check_times(times, count), count / 2 + 40);
        }
    uint8_t bytes[2] = {0, 0}; /* step 0 is not rising */
    ck_assert_int_eq(decode_times(ENCODE_STEP, bytes, 2, 2, times), SILT_CORRUPT);
}
END_TEST

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

START_TEST(test_floats)
{
    static const double corners[] = {-0.0, 0.0,  INFINITY, -INFINITY, 5e-324, 1.7976931348623157e308,
                                     0.1,  1e22, 1e23,     -1};
    double values[ENCODE_ROWS_MAX];
    for (unsigned round = 0; round < 3000; round++) {
        unsigned count = round <= ENCODE_ROWS_MAX && round ? round : 1 + (unsigned)(next_random() % ENCODE_ROWS_MAX);
        unsigned kind = (unsigned)(next_random() % 9), digits = (unsigned)(next_random() % 18);
        double scale = pow(10, digits), x = 50, slope = uniform();
        for (unsigned i = 0; i < count; i++) {
            x += normal();
            switch (kind) {
            case 0:
                values[i] = from_bits(next_random());
                break;
            case 1:
                values[i] = rint(x * scale) / scale;
                break;
            case 2:
                values[i] = x;
                break;
            case 3:
                values[i] = floor(x * 1000);
                break;
            case 4:
                values[i] = next_random() % 30 ? rint(x * 100) / 100 : from_bits(next_random());
                break;
            case 5:
                values[i] = from_bits(0x7ff0000000000000ull | next_random() >> (next_random() % 64));
                break;
            case 6:
                values[i] = next_random() % 2 ? -0.0 : 0.0;
                break;
            case 7: /* decimals moved by an ulp here and there */
                values[i] = next_random() % 100 ? rint(x * scale) / scale * 1.1 : corners[next_random() % 10];
                break;
            default:
                values[i] = slope * i;
            }
        }
        check_floats(values, count);
    }
    for (unsigned round = 0; round < 500; round++) {
        unsigned rare = 1u << (next_random() % 11), usual = (unsigned)(next_random() % 10);
        for (unsigned i = 0; i < ENCODE_ROWS_MAX; i++)
            values[i] = corners[next_random() % rare ? usual : next_random() % 10];
        check_floats(values, ENCODE_ROWS_MAX);
    }
    for (unsigned i = 0; i < ENCODE_ROWS_MAX;
         i++) /* two decimals of 0..100: 14 bits, and no more than a byte of head */
        values[i] = (double)(next_random() % 10000) / 100;
    ck_assert_uint_le(check_floats(values, ENCODE_ROWS_MAX), 14 * 128 + 16);
    for (unsigned i = 0; i < ENCODE_ROWS_MAX; i++) /* the same, moved by at most an ulp: two bits more */
        values[i] = (double)(next_random() % 10000) / 1000 * 10;
    ck_assert_uint_le(check_floats(values, ENCODE_ROWS_MAX), 16 * 128 + 40);
    for (unsigned i = 0; i < ENCODE_ROWS_MAX; i++)
        values[i] = 1 + uniform();
    ck_assert_uint_le(check_floats(values, ENCODE_ROWS_MAX), 53 * 128);
}
END_TEST

START_TEST(test_bools)
{
    uint8_t values[ENCODE_ROWS_MAX];
    for (unsigned count = 1; count <= ENCODE_ROWS_MAX; count++) {
        unsigned rare = 1u << (next_random() % 12);
        uint8_t value = next_random() & 1;
        for (unsigned i = 0; i < count; i++)
            values[i] = value ^= next_random() % rare == 0;
        check_bools(values, count);
    }
    memset(values, 1, sizeof(values));
    ck_assert_uint_eq(check_bools(values, ENCODE_ROWS_MAX), 1);
    memset(values, 0, 300);
    ck_assert_uint_eq(check_bools(values, ENCODE_ROWS_MAX), 3);
    check_bools(values, 1);
}
END_TEST

START_TEST(test_strings)
{
    static char text[ENCODE_ROWS_MAX * 64];
    struct silt_str values[ENCODE_ROWS_MAX];
    for (unsigned round = 0; round < 600; round++) {
        unsigned count = 1 + (unsigned)(next_random() % ENCODE_ROWS_MAX),
                 distinct = 1 + (unsigned)(next_random() % 1500);
        unsigned longest = 1 + (unsigned)(next_random() % 64), alphabet = 1 + (unsigned)(next_random() % 256);
        for (unsigned i = 0; i < count; i++) {
            if (i && next_random() % 1500 >= distinct) {
                values[i] = values[next_random() % i];
                continue;
            }
            values[i] = (struct silt_str){text + i * 64, next_random() % longest};
            for (size_t k = 0; k < values[i].len; k++)
                text[i * 64 + k] = (char)(next_random() % alphabet);
        }
        check_strings(values, count);
    }
    for (unsigned i = 0; i < ENCODE_ROWS_MAX; i++)
        values[i] = (struct silt_str){NULL, 0};
    ck_assert_uint_eq(check_strings(values, ENCODE_ROWS_MAX), 0);
    static const char *const levels[] = {"info", "warn", "error", "debug"};
    for (unsigned i = 0; i < ENCODE_ROWS_MAX; i++)
        values[i] = silt_str_from(levels[next_random() % 4]);
    ck_assert_uint_le(check_strings(values, ENCODE_ROWS_MAX), 256 + 40);
}
END_TEST

/* A string of one of `shapes` templates: literals and numbers, `wild` of a hundred of them odd. */
static struct silt_str templated(struct silt_arena *texts, uint64_t shape, unsigned wild)
{
    struct silt_buffer out = {0};
    unsigned parts = (unsigned)(shape % 5);
    for (unsigned part = 0; part <= parts; part++) {
        uint64_t number = next_random() >> (shape >> part * 6) % 64 % 60, kind = shape >> part * 4 & 15;
        if (next_random() % 100 < wild)
            number = next_random(); /* up to 20 digits: not a number of a template */
        silt_buffer_printf(&out, "%.*s", (int)(shape >> part * 3 & 7), ":key = / ");
        if (kind == 0)
            silt_buffer_printf(&out, "%06llu", (unsigned long long)number % 1000000);
        else if (kind == 1) /* zeros in front, and not as many digits each time */
            silt_buffer_printf(&out, "%0*llu", (int)(next_random() % 4), (unsigned long long)number % 50);
        else if (kind == 2)
            silt_buffer_append(&out, "\0\xff", 2);
        else
            silt_buffer_printf(&out, "%llu", (unsigned long long)number);
    }
    struct silt_str text = silt_bytes_str(silt_arena_bytes_copy(texts, (struct silt_str){out.p, out.len}));
    silt_buffer_free(&out);
    return text;
}

START_TEST(test_templates)
{
    struct silt_str values[ENCODE_ROWS_MAX];
    unsigned chosen = 0;
    for (unsigned round = 0; round < 600; round++) {
        struct silt_arena *texts = silt_arena_create(NULL);
        unsigned count = 1 + (unsigned)(next_random() % ENCODE_ROWS_MAX),
                 shapes = 1u << next_random() % 8 % (1 + round % 8);
        unsigned wild = next_random() % 3 ? 0 : (unsigned)(next_random() % 4);
        uint64_t shape[128];
        for (unsigned k = 0; k < shapes; k++)
            shape[k] = next_random();
        for (unsigned i = 0; i < count; i++)
            values[i] = templated(texts, shape[next_random() % shapes], wild);
        struct silt_buffer out = {0};
        chosen += encode_strings(values, count, &out) == ENCODE_TEMPLATE;
        silt_buffer_free(&out);
        check_strings(values, count);
        silt_arena_destroy(texts);
    }
    ck_assert_uint_ge(chosen, 10);

    /* 10 and 7 bits of numbers; fixed digits with zeros in front; 18 digits, and 19, which no template holds */
    static const char *const formats[] = {"took %llu ms", "%02llu:00", "id %018llu.", "id %019llu."};
    static const uint64_t limits[] = {1000, 60, 1000000000000000000u, UINT64_MAX};
    static const size_t bytes[] = {10 * 128 + 40, 6 * 128 + 40, 60 * 128 + 40, 0};
    for (unsigned f = 0; f < 4; f++) {
        struct silt_arena *texts = silt_arena_create(NULL);
        for (unsigned i = 0; i < ENCODE_ROWS_MAX; i++)
            values[i] = silt_arena_printf(texts, formats[f], (unsigned long long)(next_random() % limits[f]));
        size_t took = check_strings(values, ENCODE_ROWS_MAX);
        ck_assert(bytes[f] ? took <= bytes[f] : took > 8 * ENCODE_ROWS_MAX);
        silt_arena_destroy(texts);
    }
}
END_TEST

/* ---------------------------------------------------------------- hostile bytes */

static void feed(const uint8_t *bytes, size_t len, unsigned count)
{
    static int64_t ints[ENCODE_ROWS_MAX];
    static double floats[ENCODE_ROWS_MAX];
    static uint8_t bools[ENCODE_ROWS_MAX];
    static struct silt_str strings[ENCODE_ROWS_MAX];
    struct silt_arena *arena = silt_arena_create(NULL);
    for (unsigned codec = 0; codec <= ENCODE_CODEC_COUNT; codec++) {
        decode_ints(codec, bytes, len, count, ints);
        decode_times(codec, bytes, len, count, ints);
        decode_floats(codec, bytes, len, count, floats);
        decode_bools(codec, bytes, len, count, bools);
        if (decode_strings(codec, bytes, len, count, arena, strings) == SILT_OK)
            for (unsigned i = 0; i < count; i++)
                ck_assert_uint_eq(silt_hash(strings[i].p, strings[i].len), silt_hash(strings[i].p, strings[i].len));
    }
    silt_arena_destroy(arena);
}

START_TEST(test_hostile)
{
    for (unsigned round = 0; round < 3000; round++) {
        unsigned count = round % 3 ? 1 + (unsigned)(next_random() % ENCODE_ROWS_MAX) : ENCODE_ROWS_MAX;
        struct silt_buffer out = {0};
        if (round % 2) { /* something real, then broken */
            int64_t values[ENCODE_ROWS_MAX];
            double floats[ENCODE_ROWS_MAX];
            for (unsigned i = 0; i < count; i++) {
                values[i] = next_random() % 40 ? (int64_t)(next_random() % 16) : (int64_t)next_random();
                floats[i] = (double)values[i] / 10;
            }
            if (round % 8 == 1) {
                encode_ints(values, count, &out);
            } else if (round % 8 == 3) {
                struct silt_arena *texts = silt_arena_create(NULL);
                struct silt_str strings[ENCODE_ROWS_MAX];
                for (unsigned i = 0; i < count; i++)
                    strings[i] = silt_arena_printf(texts, "%s %03u, %d s", i % 3 ? "up" : "down", (unsigned)i % 1000,
                                                   (int)(next_random() % 999));
                encode_strings(strings, count, &out);
                silt_arena_destroy(texts);
            } else if (round % 8 == 5) {
                silt_time at = 0;
                for (unsigned i = 0; i < count; i++)
                    values[i] = (at += 1000) + (silt_time)(next_random() % 100);
                encode_times(values, count, &out);
            } else {
                encode_floats(floats, count, &out);
            }
            for (unsigned k = 0; k < 3; k++)
                out.p[next_random() % out.len % (k ? 16 : SIZE_MAX)] ^= (char)(1 << next_random() % 8);
        } else {
            size_t len = next_random() % 300;
            silt_buffer_reserve(&out, len + 1);
            for (; out.len < len;)
                silt_buffer_char(&out, (char)(next_random() >> (next_random() % 60)));
        }
        uint8_t *exact = malloc(out.len ? out.len : 1);
        if (out.len)
            memcpy(exact, out.p, out.len);
        feed(exact, out.len, count);
        free(exact);
        silt_buffer_free(&out);
    }
}
END_TEST

/* ---------------------------------------------------------------- kernels */

START_TEST(test_builds_agree)
{
    const struct encode_kernels *plain = encode_kernels_build(0);
    for (unsigned number = 1; encode_kernels_build(number); number++) {
        const struct encode_kernels *build = encode_kernels_build(number);
        printf("build %s\n", build->name);
        for (unsigned width = 0; width <= 64; width++) {
            uint64_t slots[LANE_SLOTS], words[2][LANE_SLOTS + LANES], out[2][LANE_SLOTS], used[LANE_SLOTS];
            memset(words, 0, sizeof(words));
            for (unsigned i = 0; i < LANE_SLOTS; i++)
                slots[i] = width ? next_random() >> (64 - width) : 0;
            if (width) {
                plain->pack(slots, width, words[0]);
                build->pack(slots, width, words[1]);
                ck_assert_mem_eq(words[0], words[1], sizeof(words[0]));
            }
            plain->unpack(words[0], width, out[0]);
            build->unpack(words[0], width, out[1]);
            ck_assert_mem_eq(out[0], slots, sizeof(slots));
            ck_assert_mem_eq(out[1], slots, sizeof(slots));
            for (unsigned form = 0; form <= FORM_FROM_REF; form++) {
                uint64_t ref = next_random(), before = next_random(), step = next_random();
                const struct encode_kernels *both[2] = {plain, build};
                for (unsigned b = 0; b < 2; b++)
                    both[b]->restore0(slots, form, ref, out[b]);
                ck_assert_mem_eq(out[0], out[1], sizeof(out[0]));
                for (unsigned b = 0; b < 2; b++) {
                    memcpy(used, slots, sizeof(used));
                    both[b]->restore1(used, form, ref, before, out[b]);
                }
                ck_assert_mem_eq(out[0], out[1], sizeof(out[0]));
                for (unsigned b = 0; b < 2; b++) {
                    memcpy(used, slots, sizeof(used));
                    both[b]->restore2(used, form, ref, before, step, out[b]);
                }
                ck_assert_mem_eq(out[0], out[1], sizeof(out[0]));
            }
            double doubles[2][LANE_SLOTS];
            plain->decimals((const int64_t *)slots, 1001, 1000, doubles[0]);
            build->decimals((const int64_t *)slots, 1001, 1000, doubles[1]);
            ck_assert_mem_eq(doubles[0], doubles[1], 1001 * sizeof(double));
        }
    }
}
END_TEST

START_TEST(test_weighing)
{
    uint64_t x[LANE_SLOTS];
    for (unsigned round = 0; round < 2000; round++) {
        unsigned count = 1 + (unsigned)(next_random() % LANE_SLOTS), shift = (unsigned)(next_random() % 64);
        unsigned spread = 1 + (unsigned)(next_random() % 64), form = round % 3, expected[65] = {0}, found[65];
        uint64_t ref = form == FORM_ZIGZAG ? 0 : next_random() >> next_random() % 64;
        for (unsigned i = 0; i < count; i++) {
            uint64_t u = next_random() % 50 ? next_random() >> shift >> next_random() % spread : 0;
            u = next_random() % 100 ? u : UINT64_MAX;
            x[i] = (form == FORM_FROM_REF ? u : (uint64_t)encode_unzigzag(u)) + ref;
            expected[encode_width(u)]++;
        }
        for (unsigned number = 0; encode_kernels_build(number); number++) {
            unsigned top = encode_kernels_build(number)->weigh(x, count, form, ref, found);
            ck_assert_mem_eq(found, expected, (top + 1) * sizeof(*found));
            for (unsigned width = top; width <= 64; width++)
                ck_assert((width == top) == (expected[width] != 0 || width == 0));
        }
    }
}
END_TEST

START_TEST(test_aggregates)
{
    int64_t values[1500], min, max;
    uint64_t umin, umax;
    double floats[1500], fmin, fmax;
    for (size_t count = 0; count <= 1500; count += count < 70 ? 1 : 61) {
        uint64_t sum = 0, model_umin = UINT64_MAX, model_umax = 0;
        int64_t model_min = INT64_MAX, model_max = INT64_MIN;
        double model_fmin = INFINITY, model_fmax = -INFINITY, fsum = 0.5;
        for (size_t i = 0; i < count; i++) {
            values[i] = (int64_t)(next_random() >> next_random() % 64);
            floats[i] = normal() * 1e9;
            sum += (uint64_t)values[i];
            model_umin = (uint64_t)values[i] < model_umin ? (uint64_t)values[i] : model_umin;
            model_umax = (uint64_t)values[i] > model_umax ? (uint64_t)values[i] : model_umax;
            model_min = values[i] < model_min ? values[i] : model_min;
            model_max = values[i] > model_max ? values[i] : model_max;
            model_fmin = floats[i] < model_fmin ? floats[i] : model_fmin;
            model_fmax = floats[i] > model_fmax ? floats[i] : model_fmax;
            fsum += floats[i];
        }
        ck_assert_int_eq(silt_sum_i64(values, count), (int64_t)sum);
        silt_minmax_i64(values, count, &min, &max);
        silt_minmax_u64((const uint64_t *)values, count, &umin, &umax);
        silt_minmax_f64(floats, count, &fmin, &fmax);
        ck_assert(min == model_min && max == model_max && umin == model_umin && umax == model_umax);
        ck_assert(fmin == model_fmin && fmax == model_fmax);
        ck_assert(silt_sum_f64(0.5, floats, count) == fsum);
        size_t bits = 0;
        for (size_t i = 0; i < count; i++)
            bits += (uint64_t)values[i / 64] >> i % 64 & 1;
        ck_assert_uint_eq(silt_count_valid((const uint64_t *)values, count), bits);
    }
    floats[0] = floats[20] = NAN;
    floats[1] = 3;
    silt_minmax_f64(floats, 2, &fmin, &fmax);
    ck_assert(fmin == 3 && fmax == 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("encode");
    TCase *tests = tcase_create("encode");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_int_lengths_and_widths);
    tcase_add_test(tests, test_int_corners);
    tcase_add_test(tests, test_ranks);
    tcase_add_test(tests, test_int_sizes);
    tcase_add_test(tests, test_times);
    tcase_add_test(tests, test_floats);
    tcase_add_test(tests, test_bools);
    tcase_add_test(tests, test_strings);
    tcase_add_test(tests, test_templates);
    tcase_add_test(tests, test_hostile);
    tcase_add_test(tests, test_builds_agree);
    tcase_add_test(tests, test_weighing);
    tcase_add_test(tests, test_aggregates);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
