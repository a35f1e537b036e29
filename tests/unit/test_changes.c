/*
 * test_changes.c - what the store refuses, and what its statements change: policies, deletes and drops of series, measurements and shards.
 */
#include "tests/run_suite.h"
#include "tests/store_rows.h"

#define WEEK_NS ((int64_t)604800 * 1000000000)

static void setup(void)
{
    make_folder();
    open_plain_store();
}

static void create(void)
{
    struct silt_error err;
    must(silt_storage_create_database(storage, SILT_STR("d"), SILT_STR(""), NULL, &err), &err);
}

static struct silt_write_report write_line(const char *series, const char *field, enum silt_type type, silt_time time,
                                           const char *rp, struct silt_arena *arena)
{
    struct silt_field f = {silt_str_from(field), type};
    struct silt_layout layout = {{series, strcspn(series, ",")}, &f, 1};
    struct silt_row row = {silt_str_from(series), silt_hash(series, strlen(series)), time, 0, 17, 0};
    union silt_value value = {.u64 = 0};
    if (type == SILT_TYPE_STRING)
        value.string = silt_arena_bytes_copy(arena, SILT_STR("text"));
    struct silt_batch batch = {&layout, 1, &row, 1, &value, 0};
    return write_batch(&batch, rp, arena);
}

static void rejected(struct silt_write_report report, enum silt_reject why, const char *detail)
{
    ck_assert_uint_eq(report.written, 0);
    ck_assert_uint_eq(report.rejection_count, 1);
    ck_assert_int_eq(report.rejections[0].why, why);
    ck_assert_uint_eq(report.rejections[0].line, 17);
    ck_assert_msg(silt_str_equal(report.rejections[0].detail, silt_str_from(detail)), "%.*s",
                  SILT_FMT(report.rejections[0].detail));
}

START_TEST(rejections)
{
    struct silt_error err;
    struct silt_arena *arena = silt_arena_create(NULL);
    create();
    ck_assert_uint_eq(write_line("m,a=b", "v", SILT_TYPE_FLOAT, 1, "", arena).written, 1);
    rejected(write_line("m,a=b", "v", SILT_TYPE_INTEGER, 2, "", arena), SILT_REJECT_CONFLICT,
             "field type conflict: input field \"v\" on measurement \"m\" is type integer, already exists as type float");
    rejected(write_line("m,a=", "v", SILT_TYPE_FLOAT, 1, "", arena), SILT_REJECT_SERIES, "missing tag value");
    rejected(write_line("m,time=1", "v", SILT_TYPE_FLOAT, 1, "", arena), SILT_REJECT_KEY,
             "invalid tag key: input tag \"time\" on measurement \"m\" is invalid");
    rejected(write_line("m,a=b", "time", SILT_TYPE_FLOAT, 1, "", arena), SILT_REJECT_KEY,
             "invalid field name: input field \"time\" on measurement \"m\" is invalid");
    /* Another shard may have another type; DROP SERIES keeps the types, DROP MEASUREMENT does not. */
    ck_assert_uint_eq(write_line("m,a=b", "v", SILT_TYPE_INTEGER, 5 * WEEK_NS, "", arena).written, 1);
    must(silt_storage_drop_series(storage, SILT_STR("d"), &(struct silt_series_choice){SILT_STR("m"), NULL}, 1, &err), &err);
    rejected(write_line("m,a=b", "v", SILT_TYPE_INTEGER, 2, "", arena), SILT_REJECT_CONFLICT,
             "field type conflict: input field \"v\" on measurement \"m\" is type integer, already exists as type float");
    must(silt_storage_drop_measurement(storage, SILT_STR("d"), SILT_STR("m"), &err), &err);
    ck_assert_uint_eq(write_line("m,a=b", "v", SILT_TYPE_STRING, 2, "", arena).written, 1);
    close_store(false);
    open_plain_store();
    rejected(write_line("m,a=b", "v", SILT_TYPE_INTEGER, 2, "", arena), SILT_REJECT_CONFLICT,
             "field type conflict: input field \"v\" on measurement \"m\" is type integer, already exists as type string");

    struct silt_policy_change change = {.has_duration = true, .duration_ns = (int64_t)3600 * 1000000000};
    must(silt_storage_create_policy(storage, SILT_STR("d"), SILT_STR("short"), &change, &err), &err);
    rejected(write_line("m,a=b", "v", SILT_TYPE_INTEGER, 2, "short", arena), SILT_REJECT_RETENTION,
             "points beyond retention policy");
    silt_arena_destroy(arena);
}
END_TEST

static unsigned measurement_count(void)
{
    struct silt_error err;
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_source *source = silt_storage_source(storage);
    struct silt_reader *reader;
    struct silt_str *names;
    size_t count;
    must(source->open(source, SILT_STR("d"), SILT_STR(""), SILT_TIME_MIN, SILT_TIME_MAX, &reader, &err), &err);
    must(reader->ops->measurements(reader, arena, &names, &count, &err), &err);
    reader->ops->release(reader);
    silt_arena_destroy(arena);
    return (unsigned)count;
}

/* One statement over many measurements is one change: one record, one rotation, however many there are. */
START_TEST(deletes_over_many_measurements_are_one_change)
{
    enum { MANY = 300 };
    struct silt_error err;
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_series_choice choices[MANY];
    struct silt_storage_stats before, after;
    bool did;
    create();
    for (int i = 0; i < MANY; i++) {
        choices[i] = (struct silt_series_choice){silt_arena_printf(arena, "m%03d", i), NULL};
        struct silt_str series = silt_arena_printf(arena, "m%03d,a=b", i);
        ck_assert_uint_eq(write_line(series.p, "v", SILT_TYPE_FLOAT, 1 + i % 2, "", arena).written, 1);
    }
    silt_storage_stats(storage, &before);
    must(silt_storage_delete(storage, SILT_STR("d"), choices, MANY - 100, 2, 2, &err), &err);
    silt_storage_stats(storage, &after);
    ck_assert_uint_le(after.wal_syncs - before.wal_syncs, 4);
    must(silt_storage_step(storage, &did, &err), &err);
    ck_assert_uint_eq(measurement_count(), MANY - 100);
    close_store(false);
    open_plain_store();
    ck_assert_uint_eq(measurement_count(), MANY - 100);
    must(silt_storage_drop_series(storage, SILT_STR("d"), choices + 100, MANY - 100, &err), &err);
    ck_assert_uint_eq(measurement_count(), 50);
    must(silt_storage_delete(storage, SILT_STR("d"), NULL, 0, 0, 10, &err), &err);
    must(silt_storage_step(storage, &did, &err), &err);
    close_store(true);
    open_plain_store();
    ck_assert_uint_eq(measurement_count(), 50);
    silt_arena_destroy(arena);
}
END_TEST

/* A query holds a set of series while one of them is dropped: it must not become a series without tags. */
START_TEST(series_dropped_under_a_reader_has_no_key)
{
    struct silt_error err;
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_reader *reader;
    struct silt_series_set set;
    struct silt_source *source = silt_storage_source(storage);
    create();
    ck_assert_uint_eq(write_line("m,a=b", "v", SILT_TYPE_FLOAT, 1, "", arena).written, 1);
    must(source->open(source, SILT_STR("d"), SILT_STR(""), SILT_TIME_MIN, SILT_TIME_MAX, &reader, &err), &err);
    must(reader->ops->series(reader, SILT_STR("m"), NULL, arena, &set, &err), &err);
    ck_assert_uint_eq(set.count, 1);
    struct silt_str key;
    struct silt_tag *tags;
    size_t count;
    reader->ops->series_tags(reader, set.ids[0], arena, &key, &tags, &count);
    ck_assert_uint_eq(count, 1);
    must(silt_storage_drop_series(storage, SILT_STR("d"), &(struct silt_series_choice){SILT_STR("m"), NULL}, 1, &err), &err);
    reader->ops->series_tags(reader, set.ids[0], arena, &key, &tags, &count);
    ck_assert_ptr_null(key.p);
    ck_assert_uint_eq(count, 0);
    reader->ops->release(reader);
    silt_arena_destroy(arena);
}
END_TEST

static void fails(enum silt_status rc, const struct silt_error *err, const char *text)
{
    ck_assert_int_ne(rc, SILT_OK);
    ck_assert_str_eq(err->text, text);
}

START_TEST(policies)
{
    struct silt_error err;
    const int64_t h = (int64_t)3600 * 1000000000;
    struct silt_policy_change change = {.has_duration = true, .duration_ns = 72 * h, .has_shard_duration = true,
                                        .shard_duration_ns = h, .has_replication = true, .replication = 1};
    struct silt_str r = SILT_STR("r"), myrp = SILT_STR("myrp");
    must(silt_storage_create_database(storage, r, myrp, &change, &err), &err);
    must(silt_storage_create_database(storage, r, SILT_STR(""), NULL, &err), &err);
    must(silt_storage_create_database(storage, r, myrp, &change, &err), &err);
    change.duration_ns = 96 * h;
    fails(silt_storage_create_database(storage, r, myrp, &change, &err), &err,
          "retention policy conflicts with an existing policy");
    fails(silt_storage_create_database(storage, r, SILT_STR("other"), &change, &err), &err,
          "retention policy conflicts with an existing policy");
    change.duration_ns = h / 2;
    fails(silt_storage_create_database(storage, SILT_STR("r4"), SILT_STR(""), &change, &err), &err,
          "retention policy duration must be at least 1h0m0s");
    change.duration_ns = 24 * h;
    change.shard_duration_ns = 48 * h;
    fails(silt_storage_create_database(storage, SILT_STR("r7"), SILT_STR(""), &change, &err), &err,
          "retention policy duration must be greater than the shard duration");
    fails(silt_storage_create_database(storage, SILT_STR("a/b"), SILT_STR(""), NULL, &err), &err, "invalid name");

    static const struct {
        int64_t duration, shard;
    } defaults[] = {{47, 1}, {48, 24}, {179 * 24, 24}, {180 * 24, 168}, {0, 168}, {1, 1}};
    struct silt_arena *arena = silt_arena_create(NULL);
    for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        struct silt_policy_change want = {.has_duration = true, .duration_ns = defaults[i].duration * h,
                                          .has_replication = true, .replication = 1};
        struct silt_str name = silt_arena_printf(arena, "p%zu", i);
        must(silt_storage_create_policy(storage, r, name, &want, &err), &err);
        must(silt_storage_create_policy(storage, r, name, &want, &err), &err);
        struct silt_policy *list;
        size_t count;
        struct silt_source *source = silt_storage_source(storage);
        must(source->policies(source, r, arena, &list, &count, &err), &err);
        ck_assert_uint_eq(count, i + 2);
        ck_assert_int_eq(list[i + 1].shard_duration_ns, defaults[i].shard * h);
        want.make_default = true;
        fails(silt_storage_create_policy(storage, r, name, &want, &err), &err,
              "retention policy conflicts with an existing policy");
        want.replication = 2;
        fails(silt_storage_create_policy(storage, r, name, &want, &err), &err, "retention policy already exists");
    }
    struct silt_policy_change alter = {.has_duration = true, .duration_ns = h};
    fails(silt_storage_alter_policy(storage, r, SILT_STR("p1"), &alter, &err), &err,
          "retention policy duration must be greater than the shard duration");
    fails(silt_storage_alter_policy(storage, r, SILT_STR("nosuch"), &alter, &err), &err, "retention policy not found: nosuch");
    fails(silt_storage_alter_policy(storage, SILT_STR("nodb"), SILT_STR("p1"), &alter, &err), &err, "database not found: nodb");
    must(silt_storage_drop_policy(storage, r, myrp, &err), &err);
    must(silt_storage_drop_policy(storage, r, myrp, &err), &err);
    must(silt_storage_drop_policy(storage, SILT_STR("nodb"), myrp, &err), &err);
    struct silt_reader *reader;
    struct silt_source *source = silt_storage_source(storage);
    fails(source->open(source, r, SILT_STR(""), 0, 1, &reader, &err), &err, "retention policy not found: myrp");
    fails(source->open(source, SILT_STR("nodb"), SILT_STR(""), 0, 1, &reader, &err), &err, "database not found: nodb");
    close_store(true);
    open_plain_store();
    struct silt_policy *list;
    size_t count;
    source = silt_storage_source(storage);
    must(source->policies(source, r, arena, &list, &count, &err), &err);
    ck_assert_uint_eq(count, 6);
    must(silt_storage_drop_database(storage, r, &err), &err);
    must(silt_storage_drop_database(storage, r, &err), &err);
    silt_arena_destroy(arena);
}
END_TEST

START_TEST(dropped_shards_take_their_series)
{
    struct silt_error err;
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_source *source = silt_storage_source(storage);
    struct silt_shard_info *shards;
    size_t count;
    create();
    write_line("m,a=old", "v", SILT_TYPE_FLOAT, 1, "", arena);
    write_line("m,a=both", "v", SILT_TYPE_FLOAT, 1, "", arena);
    write_line("m,a=both", "v", SILT_TYPE_FLOAT, 9 * WEEK_NS, "", arena);
    must(source->shards(source, arena, &shards, &count), &err);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(shards[0].start, -(int64_t)3 * 86400 * 1000000000); /* weeks begin on Mondays */
    ck_assert_int_eq(shards[0].end - shards[0].start, WEEK_NS);
    must(silt_storage_drop_shard(storage, shards[0].id, &err), &err);
    must(silt_storage_drop_shard(storage, shards[0].id, &err), &err);
    struct silt_storage_stats stats;
    bool did;
    must(silt_storage_step(storage, &did, &err), &err);
    silt_storage_stats(storage, &stats);
    ck_assert_uint_eq(stats.series_count, 1);
    ck_assert_uint_eq(stats.shard_count, 1);
    close_store(false);
    open_plain_store();
    silt_storage_stats(storage, &stats);
    ck_assert_uint_eq(stats.series_count, 1);
    silt_arena_destroy(arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("changes");
    TCase *tc = tcase_create("changes");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, remove_folder);
    tcase_add_test(tc, rejections);
    tcase_add_test(tc, deletes_over_many_measurements_are_one_change);
    tcase_add_test(tc, series_dropped_under_a_reader_has_no_key);
    tcase_add_test(tc, policies);
    tcase_add_test(tc, dropped_shards_take_their_series);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
