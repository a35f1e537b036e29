/*
 * bench_index.c - how fast the series index and the memtable are, and how large.
 *
 * Series are TSBS's cpu: ten tags, one of them unique. For each number of series: creation, loading as at start-up, raw
 * lookup in batches of 5,000 rows in random order, sorting and filtering, and applying rows of ten fields.
 */
#include "silt/text.h"
#include "storage/memtable.h"
#include "storage/series_index.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static double seconds(uint64_t since)
{
    return (double)(silt_clock_monotonic_ns() - since) / 1e9;
}

static size_t resident(void)
{
    size_t total = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%zu %zu", &total, &pages) != 2)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static uint64_t state = 88172645463325252u;
static uint64_t random_u64(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static struct silt_str make_key(struct silt_arena *arena, size_t i)
{
    static const char *regions[] = {"us-east-1",      "us-west-1",      "us-west-2",      "eu-west-1", "eu-central-1",
                                    "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "sa-east-1"};
    static const char *systems[] = {"Ubuntu15.10", "Ubuntu16.10", "Ubuntu16.04LTS"};
    static const char *teams[] = {"SF", "NYC", "LON", "CHI"};
    uint64_t r = i * 0x9e3779b97f4a7c15u;
    const char *region = regions[(r >> 40) % 9];
    return silt_arena_printf(arena,
                             "cpu,arch=%s,datacenter=%s%c,hostname=host_%zu,os=%s,rack=%d,region=%s,service=%d,"
                             "service_environment=%s,service_version=%d,team=%s",
                             (r >> 20) & 1 ? "x64" : "x86", region, 'a' + (int)((r >> 22) % 3), i,
                             systems[(r >> 24) % 3], (int)((r >> 26) % 100), region, (int)((r >> 33) % 20),
                             (r >> 38) & 1 ? "production" : "staging", (int)((r >> 39) & 1), teams[(r >> 50) % 4]);
}

static bool ends_with_7(const void *arg, struct silt_str value)
{
    (void)arg;
    return value.len && value.p[value.len - 1] == '7';
}

static void bench(size_t series_count)
{
    struct silt_arena *arena = silt_arena_create(NULL), *scratch = silt_arena_create(NULL);
    struct silt_str *keys = calloc(series_count, sizeof(*keys));
    uint64_t *hashes = malloc(series_count * sizeof(*hashes));
    for (size_t i = 0; i < series_count; i++) {
        keys[i] = make_key(arena, i);
        hashes[i] = silt_hash(keys[i].p, keys[i].len);
    }
    printf("%zu series of %zu bytes\n", series_count, keys[0].len);

    malloc_trim(0);
    size_t before = resident();
    struct series_index *index = series_index_create(NULL);
    uint64_t start = silt_clock_monotonic_ns();
    for (size_t i = 0; i < series_count; i++) {
        struct series_wanted wanted = {.raw = keys[i], .raw_hash = hashes[i]};
        struct silt_tag *tags;
        silt_arena_reset(scratch);
        if (silt_series_key_parse(keys[i], scratch, &wanted.parts.key, &wanted.parts.measurement, &tags, &wanted.parts.tag_count))
            abort();
        wanted.parts.tags = tags;
        if (series_index_resolve(index, &wanted, 1, false, NULL) != 1)
            abort();
    }
    double took = seconds(start);
    struct series_index_stats stats;
    series_index_stats(index, &stats);
    printf("  create        %8.0f ns a series, %.2f M/s; %zu B accounted, %zu B resident a series\n",
           took * 1e9 / (double)series_count, (double)series_count / took / 1e6, stats.bytes / series_count,
           (resident() - before) / series_count);

    struct series_index *loaded = series_index_create(NULL);
    start = silt_clock_monotonic_ns();
    series_index_load_begin(loaded, series_count);
    for (size_t i = 0; i < series_count; i++)
        if (series_index_load(loaded, (silt_series_id)i + 1, keys[i], NULL) != SILT_OK)
            abort();
    if (series_index_load_end(loaded, 0, NULL) != SILT_OK)
        abort();
    took = seconds(start);
    printf("  load          %8.0f ns a series, %.2f M/s\n", took * 1e9 / (double)series_count,
           (double)series_count / took / 1e6);
    start = silt_clock_monotonic_ns();
    while (series_index_post(loaded, 2048))
        ;
    printf("  postings      %8.0f ns a series\n", seconds(start) * 1e9 / (double)series_count);
    series_index_destroy(loaded);

    /* Texts stand behind each other in a request's body, so they are copied there first. */
    enum { BATCH = 5000, BATCHES = 200 };
    struct silt_row *rows = calloc(BATCH, sizeof(*rows));
    silt_series_id *ids = malloc(BATCH * sizeof(*ids));
    char *body = malloc(BATCH * 512);
    double looking = 0;
    for (int b = 0; b < BATCHES; b++) {
        char *at = body;
        for (int i = 0; i < BATCH; i++) {
            size_t s = series_count <= 4000 ? (size_t)(b * BATCH + i) % series_count : random_u64() % series_count;
            memcpy(at, keys[s].p, keys[s].len);
            rows[i].series = (struct silt_str){at, keys[s].len};
            rows[i].series_hash = hashes[s];
            at += keys[s].len;
        }
        start = silt_clock_monotonic_ns();
        if (series_index_lookup(index, rows, BATCH, ids) != 0)
            abort();
        looking += seconds(start);
    }
    printf("  lookup        %8.1f ns a row\n", looking * 1e9 / BATCH / BATCHES);

    uint32_t cpu = series_index_measurement(index, SILT_STR("cpu"));
    struct silt_tag_filter region = {.op = SILT_TAG_EQ, .key = SILT_STR("region"), .value = SILT_STR("eu-west-1")};
    struct silt_tag_filter host = {.op = SILT_TAG_MATCH, .key = SILT_STR("hostname"), .match = ends_with_7};
    struct silt_tag_filter both = {.op = SILT_TAG_AND, .left = &region, .right = &host};
    struct {
        const char *name;
        const struct silt_tag_filter *filter;
        enum series_order order;
    } queries[] = {{"all by id", NULL, SERIES_BY_ID},      {"all by key", NULL, SERIES_BY_KEY},
                   {"postings", &both, SERIES_BY_KEY},     {"region", &region, SERIES_BY_KEY},
                   {"host pattern", &host, SERIES_BY_KEY}, {"both", &both, SERIES_BY_KEY}};
    for (size_t q = 0; q < sizeof(queries) / sizeof(queries[0]); q++) {
        struct silt_series_set set;
        silt_arena_reset(scratch);
        start = silt_clock_monotonic_ns();
        if (series_index_select(index, cpu, queries[q].filter, queries[q].order, scratch, &set, NULL) != SILT_OK)
            abort();
        printf("  %-13s %8.3f ms, %zu series\n", queries[q].name, seconds(start) * 1e3, set.count);
    }
    series_index_stats(index, &stats);
    printf("  with postings %8zu B accounted, %zu B resident a series\n", stats.bytes / series_count,
           (resident() - before) / series_count);
    series_index_destroy(index);

    /* Rows of ten fields, all series in turn, as a fleet of agents writes them. */
    struct field_dict *dict = field_dict_create(NULL);
    struct field_ref columns[10];
    uint32_t slots[10];
    for (uint32_t i = 0; i < 10; i++) {
        columns[i] = (struct field_ref){i + 1, SILT_TYPE_INTEGER};
        slots[i] = i;
    }
    struct layout_map map = {field_dict_intern(dict, 1, columns, 10), slots};
    union silt_value *values = calloc(BATCH * 10, sizeof(*values));
    struct memtable_row *mt_rows = malloc(BATCH * sizeof(*mt_rows));
    size_t total = series_count < 200000 ? 2000000 : series_count, passes = total / series_count;
    struct memtable *mt = memtable_create(NULL, NULL, dict);
    double applying = 0;
    for (size_t done = 0; done < passes * series_count; done += BATCH) {
        size_t n = passes * series_count - done < BATCH ? passes * series_count - done : BATCH;
        for (size_t i = 0; i < n; i++)
            mt_rows[i] = (struct memtable_row){(silt_series_id)((done + i) % series_count) + 1, 0,
                                               (silt_time)((done + i) / series_count) * 10000000000, values + i * 10};
        silt_arena_reset(scratch);
        start = silt_clock_monotonic_ns();
        memtable_apply(mt, mt_rows, n, &map, scratch);
        applying += seconds(start);
    }
    struct memtable_stats mt_stats;
    memtable_stats(mt, &mt_stats);
    printf("  apply         %8.1f ns a row of 10 fields, %zu rows a series, %zu B a row\n",
           applying * 1e9 / (double)(passes * series_count), passes, (size_t)(mt_stats.bytes / mt_stats.rows));
    start = silt_clock_monotonic_ns();
    size_t read = 0;
    for (silt_series_id id = 0; (id = memtable_next_series(mt, id)) != 0;) {
        struct memtable_rows out;
        silt_arena_reset(scratch);
        if (memtable_collect(mt, id, INT64_MIN, INT64_MAX, columns, 10, scratch, &out, NULL) != SILT_OK)
            abort();
        read += out.count;
    }
    printf("  collect       %8.1f ns a row\n", seconds(start) * 1e9 / (double)read);
    memtable_destroy(mt);
    field_dict_destroy(dict);
    free(mt_rows);
    free(values);
    free(body);
    free(ids);
    free(rows);
    free(hashes);
    free(keys);
    silt_arena_destroy(scratch);
    silt_arena_destroy(arena);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        bench((size_t)strtoull(argv[i], NULL, 10));
    if (argc > 1)
        return 0;
    bench(4000);
    bench(100000);
    bench(1000000);
    return 0;
}
