/*
 * bench_encode.c - the codecs: bytes a value, and nanoseconds of one core to encode it, to decode it, to decode and add
 * it up.
 *
 *     bench_encode [blocks, default 400] [part of a name: only such data]
 *
 * Blocks of 1024 values from a fixed seed; best of five passes over all blocks. Then the same for a whole TSM index:
 * how long finding a series and parsing its row groups takes.
 */
#include "silt/kernels.h"
#include "storage/encode.h"
#include "storage/encode_kernels.h"
#include "storage/tsm_read.h"
#include "tests/memory_blobs.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#define ROWS ENCODE_ROWS_MAX
#define PASSES 5

static uint64_t state = 88172645463325252ull;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545F4914F6CDD1Dull;
}

static double normal(void)
{
    double u = ((double)(next_random() >> 11) + 1) / 9007199254740993.0,
           v = (double)(next_random() >> 11) / 9007199254740992.0;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static double walk(double *at)
{
    *at += normal();
    *at = *at < 0 ? 0 : *at > 100 ? 100 : *at;
    return *at;
}

/* ---------------------------------------------------------------- the data */

static struct silt_arena *string_arena;

static void tsbs_ints(int64_t *out)
{
    double x = 50;
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = (int64_t)walk(&x);
}
static void counter(int64_t *out)
{
    int64_t at = (int64_t)(next_random() % 1000000000);
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = at += 900 + (int64_t)(next_random() % 200);
}
static void random_ints(int64_t *out)
{
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = (int64_t)(next_random() % 1000);
}
static void coarse_ints(int64_t *out)
{
    double x = 50;
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = (int64_t)(walk(&x) / 2) * 1666;
}
static void even_times(int64_t *out)
{
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = 1700000000000000000 + (int64_t)i * 10000000000;
}
static void jittered_times(int64_t *out)
{
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = 1700000000000000000 + (int64_t)i * 10000000000 + (int64_t)(next_random() % 1000) * 1000000;
}
static void decimals(double *out)
{
    double x = 50;
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = rint(walk(&x) * 100) / 100;
}
static void moved_decimals(double *out)
{
    double x = 50;
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = rint(walk(&x) * 10) / 10 * 1.1;
}
static void full_floats(double *out)
{
    double x = 50;
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = walk(&x);
}
static void integer_floats(double *out)
{
    double x = 50;
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = floor(walk(&x));
}
static void flags(uint8_t *out)
{
    uint8_t value = 0;
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = value ^= next_random() % 50 == 0;
}
static void levels(struct silt_str *out)
{
    static const char *const texts[] = {"ok", "warning", "critical", "unknown"};
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = silt_str_from(texts[next_random() % 4]);
}
static void messages(struct silt_str *out)
{
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = silt_arena_printf(string_arena, "GET /api/items/%u took %u ms", (unsigned)(next_random() % 100000),
                                   (unsigned)(next_random() % 1000));
}
static void users(struct silt_str *out)
{
    for (unsigned i = 0; i < ROWS; i++)
        out[i] = silt_arena_printf(string_arena, "user%u", (unsigned)(next_random() % 500));
}
static void words(struct silt_str *out)
{
    static const char *const some[] = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"};
    for (unsigned i = 0; i < ROWS; i++) {
        uint64_t random = next_random();
        out[i] = silt_arena_printf(string_arena, "%s %s %s-%c%c%c", some[random % 8], some[random >> 8 & 7],
                                   some[random >> 16 & 7], (char)('a' + (random >> 24) % 26),
                                   (char)('a' + (random >> 32) % 26), (char)('a' + (random >> 40) % 26));
    }
}

/* ---------------------------------------------------------------- measuring */

/* Of this thread alone: what else the machine does is not counted. */
static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

union block {
    int64_t ints[ROWS];
    double floats[ROWS];
    uint8_t bools[ROWS];
    struct silt_str strings[ROWS];
};

enum shape { INTS, TIMES, FLOATS, BOOLS, STRINGS };

struct set {
    const char *name;
    enum shape shape;
    void (*fill)();
};

static unsigned encode(enum shape shape, const union block *in, struct silt_buffer *out)
{
    switch (shape) {
    case INTS:
        return encode_ints(in->ints, ROWS, out);
    case TIMES:
        return encode_times(in->ints, ROWS, out);
    case FLOATS:
        return encode_floats(in->floats, ROWS, out);
    case BOOLS:
        return encode_bools(in->bools, ROWS, out);
    case STRINGS:
        break;
    }
    return encode_strings(in->strings, ROWS, out);
}

static enum silt_status decode(enum shape shape, unsigned codec, const char *p, size_t len, struct silt_arena *arena,
                               union block *out)
{
    switch (shape) {
    case INTS:
        return decode_ints(codec, p, len, ROWS, out->ints);
    case TIMES:
        return decode_times(codec, p, len, ROWS, out->ints);
    case FLOATS:
        return decode_floats(codec, p, len, ROWS, out->floats);
    case BOOLS:
        return decode_bools(codec, p, len, ROWS, out->bools);
    case STRINGS:
        break;
    }
    return decode_strings(codec, p, len, ROWS, arena, out->strings);
}

static void measure(const struct set *set, size_t blocks)
{
    union block *in = silt_malloc(blocks * sizeof(*in)), *out = silt_malloc(sizeof(*out));
    size_t *ends = silt_malloc(blocks * sizeof(*ends));
    uint8_t *codecs = silt_malloc(blocks);
    struct silt_buffer bytes = {0};
    struct silt_arena *arena = silt_arena_create(NULL);
    double values = (double)blocks * ROWS, encode_ns = 1e18, decode_ns[2] = {1e18, 1e18};
    volatile double keep = 0; /* so that the sums are made */
    for (size_t b = 0; b < blocks; b++)
        set->fill(&in[b]);
    for (unsigned pass = 0; pass < PASSES; pass++) {
        bytes.len = 0;
        uint64_t start = cpu_ns();
        for (size_t b = 0; b < blocks; b++) {
            codecs[b] = (uint8_t)encode(set->shape, &in[b], &bytes);
            ends[b] = bytes.len;
        }
        double ns = (double)(cpu_ns() - start);
        encode_ns = ns < encode_ns ? ns : encode_ns;
        for (unsigned adding = 0; adding < 2; adding++) {
            start = cpu_ns();
            for (size_t b = 0; b < blocks; b++) {
                size_t at = b ? ends[b - 1] : 0;
                silt_assert(decode(set->shape, codecs[b], bytes.p + at, ends[b] - at, arena, out) == SILT_OK);
                if (set->shape == STRINGS)
                    silt_arena_reset(arena);
                if (adding && set->shape == INTS)
                    keep += (double)silt_sum_i64(out->ints, ROWS);
                if (adding && set->shape == FLOATS)
                    keep += silt_sum_f64(0, out->floats, ROWS);
            }
            ns = (double)(cpu_ns() - start);
            decode_ns[adding] = ns < decode_ns[adding] ? ns : decode_ns[adding];
        }
    }
    printf("| %s | %u | %.3f | %.1f | %.2f | ", set->name, codecs[blocks - 1], (double)bytes.len / values,
           encode_ns / values, decode_ns[0] / values);
    if (set->shape == INTS || set->shape == FLOATS)
        printf("%.2f |\n", decode_ns[1] / values);
    else
        printf("- |\n");
    silt_arena_destroy(arena);
    silt_buffer_free(&bytes);
    free(codecs);
    free(ends);
    free(out);
    free(in);
}

static void measure_kernels(void)
{
    static int64_t ints[ROWS];
    static double floats[ROWS];
    int64_t min, max, sum = 0;
    double fmin, fmax;
    uint64_t start;
    tsbs_ints(ints);
    full_floats(floats);
    const unsigned rounds = 100000;
    start = cpu_ns();
    for (unsigned i = 0; i < rounds; i++) {
        ints[i % ROWS]++;
        sum += silt_sum_i64(ints, ROWS);
    }
    printf("sum of integers      %6.2f G/s\n", rounds * (double)ROWS / (double)(cpu_ns() - start));
    start = cpu_ns();
    for (unsigned i = 0; i < rounds; i++) {
        ints[i % ROWS]++;
        silt_minmax_i64(ints, ROWS, &min, &max);
        sum += min;
    }
    printf("min, max of integers %6.2f G/s\n", rounds * (double)ROWS / (double)(cpu_ns() - start));
    start = cpu_ns();
    for (unsigned i = 0; i < rounds; i++) {
        floats[i % ROWS]++;
        silt_minmax_f64(floats, ROWS, &fmin, &fmax);
        sum += (int64_t)fmin;
    }
    printf("min, max of floats   %6.2f G/s  (%d)\n", rounds * (double)ROWS / (double)(cpu_ns() - start),
           (int)(sum & 1));
}

static void measure_index(void)
{
    enum { SERIES = 2000, GROUPS = 26, FIELDS = 10 };
    static union silt_value values[FIELDS][ROWS];
    static silt_time times[ROWS];
    struct silt_error err;
    struct tsm_writer *writer;
    struct tsm_file *file;
    struct tsm_summary summary;
    struct vfs *vfs = memory_blobs_create();
    struct tsm_column columns[FIELDS];
    for (uint32_t f = 0; f < FIELDS; f++) {
        tsbs_ints(&values[f][0].i64);
        columns[f] = (struct tsm_column){f + 1, SILT_TYPE_INTEGER, NULL, values[f]};
    }
    silt_assert(tsm_writer_open(vfs, "file", 1, 1, &writer, &err) == SILT_OK);
    uint64_t start = cpu_ns();
    for (silt_series_id series = 1; series <= SERIES / 10; series++)
        for (unsigned g = 0; g < GROUPS; g++) {
            for (unsigned i = 0; i < ROWS; i++)
                times[i] = (int64_t)(g * ROWS + i) * 10000000000;
            silt_assert(tsm_writer_row_group(writer, series, times, ROWS, columns, FIELDS, &err) == SILT_OK);
        }
    silt_assert(tsm_writer_finish(writer, &summary, &err) == SILT_OK);
    double ns = (double)(cpu_ns() - start);
    printf("write a file         %6.3f G/s, %.4f bytes/value all in\n", (double)summary.values / ns,
           (double)summary.bytes / (double)summary.values);
    silt_assert(tsm_open(vfs, "file", &file, &err) == SILT_OK);
    struct silt_arena *arena = silt_arena_create(NULL);
    struct tsm_entry entry;
    struct silt_block_stats stats;
    int64_t sum = 0;
    start = cpu_ns();
    for (silt_series_id series = 1; series <= SERIES; series++) {
        silt_arena_reset(arena);
        silt_assert(tsm_find_series(file, 1 + series % (SERIES / 10), INT64_MIN, INT64_MAX, arena, &entry, &err) ==
                    SILT_OK);
        sum += (int64_t)entry.group_count;
    }
    printf("find a series        %6.1f ns a row group of %d fields\n",
           (double)(cpu_ns() - start) / ((double)SERIES * GROUPS), FIELDS);
    start = cpu_ns();
    for (unsigned round = 0; round < SERIES; round++)
        for (size_t g = 0; g < entry.group_count; g++)
            sum += tsm_field_stats(&entry.groups[g].fields[round % FIELDS], &stats) ? stats.max.i64 : 0;
    printf("statistics           %6.1f ns a field  (%d)\n", (double)(cpu_ns() - start) / ((double)SERIES * GROUPS),
           (int)(sum & 1));
    struct tsm_scratch scratch = {.arena = arena};
    static int64_t out[ROWS];
    start = cpu_ns();
    for (unsigned round = 0; round < SERIES; round++)
        for (size_t g = 0; g < entry.group_count; g++)
            silt_assert(tsm_read_column(file, &entry.groups[g], round % FIELDS, &scratch, out, NULL, &err) == SILT_OK);
    printf("read a column        %6.3f G/s, checksum included\n",
           (double)SERIES * GROUPS * ROWS / (double)(cpu_ns() - start));
    tsm_scratch_deinit(&scratch);
    silt_arena_destroy(arena);
    tsm_close(file);
    vfs_close(vfs);
}

int main(int argc, char **argv)
{
    static const struct set sets[] = {
        {"TSBS integers", INTS, tsbs_ints},
        {"counters", INTS, counter},
        {"random 0..999", INTS, random_ints},
        {"coarse integers", INTS, coarse_ints},
        {"even times", TIMES, even_times},
        {"jittered times", TIMES, jittered_times},
        {"2-decimal floats", FLOATS, decimals},
        {"integer floats", FLOATS, integer_floats},
        {"decimals * 1.1", FLOATS, moved_decimals},
        {"full floats", FLOATS, full_floats},
        {"booleans", BOOLS, flags},
        {"4 strings", STRINGS, levels},
        {"log lines", STRINGS, messages},
        {"500 users", STRINGS, users},
        {"words", STRINGS, words},
    };
    size_t blocks = argc > 1 ? strtoull(argv[1], NULL, 10) : 400;
    string_arena = silt_arena_create(NULL);
    printf("kernels: %s\n\n| data | codec | bytes | encode, ns | decode, ns | decode and add, ns "
           "|\n|---|---:|---:|---:|---:|---:|\n",
           encode_kernels()->name);
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
        if (argc < 3 || strstr(sets[i].name, argv[2]))
            measure(&sets[i], blocks ? blocks : 1);
    if (argc < 3) {
        measure_kernels();
        measure_index();
    }
    silt_arena_destroy(string_arena);
    return 0;
}
