/*
 * test_line_protocol.c - values, times, layouts, InfluxDB's error texts, and the two parsers against each other.
 *
 * The error texts are held against exchanges recorded from InfluxDB (tests/vectors); what its storage would have said
 * is left out.
 */
#include "tests/line_protocol_compare.h"
#include "tests/run_suite.h"

#include <check.h>
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static const struct lp_options nanoseconds = {.now = 1700000000123456789, .precision_ns = 1};

static struct silt_arena *arena;
static struct silt_batch batch;
static struct lp_errors errors;

static void make_arena(void)
{
    arena = silt_arena_create(NULL);
}

static void drop_arena(void)
{
    silt_arena_destroy(arena);
}

static void parse_with(const char *text, size_t len, const struct lp_options *options)
{
    struct silt_error err;
    const char *different = compare_parsers(text, len, options);
    ck_assert_msg(!different, "%s: %.*s", different, (int)(len < 500 ? len : 500), text);
    ck_assert_int_eq(lp_parse(text, len, options, arena, &batch, &errors, &err), SILT_OK);
}

static void parse(const char *text)
{
    parse_with(text, strlen(text), &nanoseconds);
}

static const struct silt_field *field_of(size_t row, uint32_t field)
{
    ck_assert_uint_lt(row, batch.row_count);
    const struct silt_layout *layout = &batch.layouts[batch.rows[row].layout];
    ck_assert_uint_lt(field, layout->field_count);
    return &layout->fields[field];
}

static union silt_value value_of(size_t row, uint32_t field, enum silt_type type)
{
    ck_assert_int_eq(field_of(row, field)->type, type);
    return batch.values[batch.rows[row].value_offset + field];
}

static void assert_str(struct silt_str str, const char *expected)
{
    ck_assert_msg(silt_str_equal(str, silt_str_from(expected)), "\"%.*s\" is not \"%s\"", SILT_FMT(str), expected);
}

static struct silt_str lp_error_text(const struct lp_error *error)
{
    return silt_arena_printf(arena, "unable to parse '%.*s': %.*s", SILT_FMT(error->line), SILT_FMT(error->reason));
}

static void assert_reason(const char *line, const char *reason)
{
    parse(line);
    ck_assert_msg(errors.total == 1 && batch.row_count == 0, "%s", line);
    assert_str(errors.items[0].line, line);
    assert_str(errors.items[0].reason, reason);
}

/* ---------------------------------------------------------------- what is read */

START_TEST(field_values)
{
    parse("cpu,host=a v=1,i=-3i,t=t,f=FALSE,s=\"a,b=c d\",e=-1.5e-3,z=0 12\n");
    ck_assert_uint_eq(batch.row_count, 1);
    ck_assert_uint_eq(errors.total, 0);
    assert_str(batch.rows[0].series, "cpu,host=a");
    assert_str(batch.layouts[0].measurement, "cpu");
    ck_assert_int_eq(batch.rows[0].time, 12);
    ck_assert(value_of(0, 0, SILT_TYPE_FLOAT).f64 == 1.0);
    ck_assert(value_of(0, 1, SILT_TYPE_INTEGER).i64 == -3);
    ck_assert(value_of(0, 2, SILT_TYPE_BOOLEAN).boolean);
    ck_assert(!value_of(0, 3, SILT_TYPE_BOOLEAN).boolean);
    assert_str(silt_bytes_str(value_of(0, 4, SILT_TYPE_STRING).string), "a,b=c d");
    ck_assert(value_of(0, 5, SILT_TYPE_FLOAT).f64 == -1.5e-3);
    assert_str(field_of(0, 6)->name, "z");
}
END_TEST

START_TEST(strings)
{
    static const struct {
        const char *raw, *value;
    } cases[] = {{"\"\"", ""},         {"\"a\\\"b\"", "a\"b"},   {"\"a\\\\\"", "a\\"},
                 {"\"a\\n\"", "a\\n"}, {"\"a\nb\"", "a\nb"},     {"\"#\"", "#"},
                 {"\"a\"b", "a\""},    {"\"a\"\"b\"", "a\"\"b"}, {"\"a\\\nb\"", "a\\\nb"},
                 {"\"é☃\"", "é☃"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        parse(silt_arena_printf(arena, "m v=%s,w=1 1", cases[i].raw).p);
        ck_assert_msg(batch.row_count == 1 && errors.total == 0, "%s", cases[i].raw);
        assert_str(silt_bytes_str(value_of(0, 0, SILT_TYPE_STRING).string), cases[i].value);
    }
}
END_TEST

START_TEST(names_are_unescaped)
{
    parse("m\\ x\\,y\\=z,a=b\\ c v\\ w=1,v\\,w=2,v\\=w=3,a\\nb=4,\"q\"=5 1");
    ck_assert_uint_eq(batch.row_count, 1);
    assert_str(batch.layouts[0].measurement, "m x,y=z");
    assert_str(batch.rows[0].series, "m\\ x\\,y\\=z,a=b\\ c");
    assert_str(field_of(0, 0)->name, "v w");
    assert_str(field_of(0, 1)->name, "v,w");
    assert_str(field_of(0, 2)->name, "v=w");
    assert_str(field_of(0, 3)->name, "a\\nb");
    assert_str(field_of(0, 4)->name, "\"q\"");
}
END_TEST

START_TEST(last_of_a_name_wins)
{
    parse("m v=1,b=2,v=3i 1");
    ck_assert_uint_eq(batch.layouts[0].field_count, 2);
    ck_assert(value_of(0, 0, SILT_TYPE_INTEGER).i64 == 3);
    ck_assert(value_of(0, 1, SILT_TYPE_FLOAT).f64 == 2);

    struct silt_buffer text = {0}; /* enough for the hash table, and a small line after it */
    silt_buffer_str(&text, SILT_STR("m "));
    for (int i = 0; i < 5000; i++)
        silt_buffer_printf(&text, "%sf%d=%di", i ? "," : "", i % 2000, i);
    silt_buffer_str(&text, SILT_STR("\nm f1=7i\nm "));
    for (int i = 0; i < 40; i++)
        silt_buffer_printf(&text, "%sg%d=%di", i ? "," : "", i % 18, i);
    parse_with(text.p, text.len, &nanoseconds);
    ck_assert_uint_eq(batch.row_count, 3);
    ck_assert_uint_eq(batch.layouts[batch.rows[0].layout].field_count, 2000);
    ck_assert(value_of(0, 999, SILT_TYPE_INTEGER).i64 == 4999);
    ck_assert(value_of(0, 1000, SILT_TYPE_INTEGER).i64 == 3000);
    ck_assert(value_of(1, 0, SILT_TYPE_INTEGER).i64 == 7);
    ck_assert_uint_eq(batch.layouts[batch.rows[2].layout].field_count, 18);
    ck_assert(value_of(2, 3, SILT_TYPE_INTEGER).i64 == 39);
    silt_buffer_free(&text);
}
END_TEST

START_TEST(field_named_time)
{
    parse("m time=1,v=2 1\nm v=1,time=2 2\nm time=1 3\n");
    ck_assert_uint_eq(batch.row_count, 3);
    ck_assert_uint_eq(batch.layout_count, 2);
    assert_str(field_of(1, 0)->name, "v");
    assert_str(field_of(2, 0)->name, "time"); /* alone: the store makes the series and refuses the point */
    ck_assert_uint_eq(errors.total, 0);
}
END_TEST

START_TEST(row_times)
{
    static const int64_t units[] = {1, 1000, 1000000, 1000000000, 60000000000, 3600000000000};
    for (size_t i = 0; i < 6; i++) {
        struct lp_options options = {.now = 1700000000123456789, .precision_ns = units[i]};
        static const char text[] = "m v=1\nm v=1 -5\nm  v=1  7  \nm v=1 0\nm v=1\n";
        parse_with(text, sizeof(text) - 1, &options);
        ck_assert_uint_eq(batch.row_count, 5);
        ck_assert_int_eq(batch.rows[0].time, options.now - options.now % units[i]);
        ck_assert_int_eq(batch.rows[1].time, -5 * units[i]);
        ck_assert_int_eq(batch.rows[2].time, 7 * units[i]);
        ck_assert_int_eq(batch.rows[3].time, 0);
        ck_assert_int_eq(batch.rows[4].time, batch.rows[0].time);
    }
    static const char outside[] = "m v=1 9223372037\nm v=1 -9223372037\nm v=1 9223372036\n";
    struct lp_options seconds = {.now = 0, .precision_ns = 1000000000};
    parse_with(outside, sizeof(outside) - 1, &seconds);
    ck_assert_uint_eq(batch.row_count, 1);
    ck_assert_uint_eq(errors.total, 2);
    assert_str(errors.items[1].reason, "time outside range -9223372036854775806 - 9223372036854775806");
}
END_TEST

START_TEST(blank_lines_and_comments)
{
    parse("");
    ck_assert_uint_eq(batch.row_count + errors.total, 0);
    parse("\n\n# a=\"b\n \t#x\n\t m v=1 1\n\n   \n#m v=1");
    ck_assert_uint_eq(batch.row_count, 1);
    ck_assert_uint_eq(errors.total, 0);
    assert_str(lp_row_line("m v=\"\n\" 1\nx", 11, &(struct silt_row){.series = {"m v=\"\n\" 1\nx", 1}}),
               "m v=\"\n\" 1");
}
END_TEST

START_TEST(layouts_are_shared)
{
    struct silt_buffer text = {0};
    for (int i = 0; i < 3000; i++)
        silt_buffer_printf(&text, "cpu,host=h%d user=%di,idle=%d.5 %d\ndisk,host=h%d free=%di,path=\"/p%d\",ok=%s %d\n",
                           i, i, i, i, i, i, i, i % 2 ? "true" : "f", i);
    parse_with(text.p, text.len, &nanoseconds);
    ck_assert_uint_eq(batch.row_count, 6000);
    ck_assert_uint_eq(batch.layout_count, 2);
    for (size_t i = 0; i < 3000; i++) {
        ck_assert(value_of(2 * i, 0, SILT_TYPE_INTEGER).i64 == (int64_t)i);
        ck_assert(value_of(2 * i, 1, SILT_TYPE_FLOAT).f64 == (double)i + 0.5);
        ck_assert(value_of(2 * i + 1, 2, SILT_TYPE_BOOLEAN).boolean == i % 2);
        ck_assert_int_eq(batch.rows[2 * i].time, (int64_t)i);
        ck_assert_uint_eq(batch.rows[2 * i].line, 2 * i);
    }
    assert_str(silt_bytes_str(value_of(5999, 1, SILT_TYPE_STRING).string), "/p2999");
    silt_buffer_free(&text);

    for (int i = 0; i < 2000; i++) /* as many layouts as lines */
        silt_buffer_printf(&text, "m%d f%d=1 1\n", i % 50, i);
    parse_with(text.p, text.len, &nanoseconds);
    ck_assert_uint_eq(batch.layout_count, 2000);
    silt_buffer_free(&text);
}
END_TEST

/* ---------------------------------------------------------------- what is refused */

START_TEST(reasons)
{
    static const char *cases[][2] = {
        {"m", "missing fields"},
        {"m,a=1", "missing fields"},
        {"m,a=1,a=2", "missing fields"},
        {"m,a", "missing tag value"},
        {"m ", "invalid field format"},
        {"m,a=b\\ v=1 1", "invalid tag format"},
        {"m,a= v= x", "missing tag value"},
        {"m,a=1,a=2 v=x", "duplicate tags"},
        {"m v", "invalid field format"},
        {"m v=1,,w=2", "invalid field format"},
        {"m ,v=1", "invalid field format"},
        {"m v=\"a\"=1", "invalid field format"},
        {"m v=1,=2", "missing field key"},
        {"m v=", "missing field value"},
        {"m v=tr\xFFue", "invalid boolean"},
        {"m v=.", "invalid number"},
        {"m v=-.i", "invalid number"},
        {"m v=-e", "invalid float"},
        {"m v=1 - 2", "strconv.ParseInt: parsing \"-\": invalid syntax"},
        {"m v=1 1\t", "bad timestamp"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_reason(cases[i][0], cases[i][1]);
}
END_TEST

START_TEST(long_keys)
{
    struct silt_buffer text = {0};
    for (size_t size = 65520; size < 65560; size++) {
        text.len = 0;
        silt_buffer_str(&text, SILT_STR("m v1=1 1\nm,t="));
        while (text.len < 9 + size)
            silt_buffer_char(&text, 'x');
        silt_buffer_str(&text, SILT_STR(" v1=1 1\nm v1=1 1\nm v1=1 1\n# the end is far enough away, and that is all "
                                        "of the purpose of this comment, so that the row before is parsed fast"));
        parse_with(text.p, text.len, &nanoseconds);
        size_t key = size > LP_KEY_BYTES_MAX ? size : size + 4 + 2;
        ck_assert_uint_eq(errors.total, key > LP_KEY_BYTES_MAX);
        if (errors.total)
            assert_str(errors.items[0].reason, silt_arena_printf(arena, "max key length exceeded: %zu > 65535", key).p);
    }
    silt_buffer_free(&text);
}
END_TEST

START_TEST(many_errors_are_counted)
{
    struct silt_buffer text = {0};
    for (int i = 0; i < 5000; i++)
        silt_buffer_str(&text, SILT_STR("bad\nm v=1 1\n"));
    parse_with(text.p, text.len, &nanoseconds);
    ck_assert_uint_eq(batch.row_count, 5000);
    ck_assert_uint_eq(errors.count, LP_ERRORS_KEPT_MAX);
    ck_assert_uint_eq(errors.total, 5000);
    silt_buffer_free(&text);
}
END_TEST

/* Whatever the bound, a text that does not fit it is refused and not parsed in half unnoticed. */
START_TEST(memory_is_bounded)
{
    struct silt_buffer text = {0};
    for (int i = 0; i < 3000; i++)
        silt_buffer_printf(&text, "m%d,t=a v=1,w=\"%*d\" %d\n", i % 100, i % 300, i, i);
    silt_buffer_str(&text, SILT_STR("m "));
    for (int i = 0; i < 3000; i++)
        silt_buffer_printf(&text, "%sv\\ %d=1", i ? "," : "", i);
    bool fitted = false;
    for (size_t limit = 1024; !fitted; limit *= 2) {
        struct silt_budget budget;
        struct silt_error err = {0};
        silt_budget_init(&budget, "request", limit, NULL);
        struct silt_arena *bounded = silt_arena_create(&budget);
        enum silt_status rc = lp_parse(text.p, text.len, &nanoseconds, bounded, &batch, &errors, &err);
        ck_assert(rc == SILT_OK || rc == SILT_LIMIT);
        fitted = rc == SILT_OK;
        ck_assert(fitted ? batch.row_count == 3001 && errors.total == 0 : err.text[0] != '\0');
        ck_assert_uint_le(silt_arena_bytes(bounded), 4 * limit + (1 << 20));
        silt_arena_destroy(bounded);
        ck_assert_uint_lt(limit, 64 << 20);
    }
    silt_buffer_free(&text);
}
END_TEST

/* ---------------------------------------------------------------- recorded exchanges */

/* The JSON string after `"name": `, unescaped. p is NULL when there is none. */
static struct silt_str json_member(struct silt_str json, const char *name)
{
    struct silt_str mark = silt_arena_printf(arena, "\"%s\":", name);
    const char *at = memmem(json.p, json.len, mark.p, mark.len), *end = json.p + json.len;
    if (!at)
        return (struct silt_str){0};
    at += mark.len;
    at += *at == ' ';
    if (*at++ != '"')
        return (struct silt_str){0};
    char *out = silt_arena_alloc(arena, (size_t)(end - at) + 4);
    size_t len = 0;
    for (; at < end && *at != '"'; at++) {
        if (*at != '\\') {
            out[len++] = *at;
            continue;
        }
        at++;
        if (*at == 'u') {
            unsigned code = (unsigned)strtoul(silt_arena_str(arena, (struct silt_str){at + 1, 4}).p, NULL, 16);
            at += 4;
            if (code < 0x80) {
                out[len++] = (char)code;
            } else if (code < 0x800) {
                out[len++] = (char)(0xC0 | code >> 6);
                out[len++] = (char)(0x80 | (code & 63));
            } else {
                out[len++] = (char)(0xE0 | code >> 12);
                out[len++] = (char)(0x80 | (code >> 6 & 63));
                out[len++] = (char)(0x80 | (code & 63));
            }
        } else {
            out[len++] = *at == 'n' ? '\n' : *at == 't' ? '\t' : *at == 'r' ? '\r' : *at == 'b' ? '\b' : *at;
        }
    }
    return (struct silt_str){out, len};
}

static struct silt_str answer(void)
{
    struct silt_buffer text = {0};
    if (batch.row_count == 1 && silt_str_equal(field_of(0, 0)->name, SILT_STR("time"))) { /* the store's answer */
        silt_buffer_printf(&text, "partial write: invalid field name: input field \"time\" on measurement \"%.*s\" is "
                                  "invalid dropped=1", SILT_FMT(batch.layouts[0].measurement));
    } else if (errors.total) {
        silt_buffer_printf(&text, "%s", batch.row_count ? "partial write: " : "");
        for (size_t i = 0; i < errors.count; i++) {
            silt_buffer_printf(&text, "%s", i ? "\n" : "");
            silt_buffer_str(&text, lp_error_text(&errors.items[i]));
        }
        silt_buffer_printf(&text, "%s", batch.row_count ? " dropped=0" : "");
    }
    struct silt_str copy = silt_arena_str(arena, (struct silt_str){text.p, text.len});
    silt_buffer_free(&text);
    return copy;
}

static int64_t precision_of(struct silt_str name)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"u", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (name.p && silt_str_equal(name, silt_str_from(units[i].name)))
            return units[i].ns;
    return 1;
}

static bool is_from_storage(struct silt_str text)
{
    static const char *const marks[] = {
        "field type conflict",       "beyond retention policy", "invalid tag key", "limit exceeded", "database",
        "retention policy not found"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (text.len && memmem(text.p, text.len, marks[i], strlen(marks[i])))
            return true;
    return false;
}

/* Returns whether the line was an exchange to compare. */
static bool replay(struct silt_str exchange)
{
    if (!silt_str_equal(json_member(exchange, "path"), SILT_STR("/write")))
        return false;
    struct silt_str body = json_member(exchange, "body"), response = json_member(exchange, "response");
    struct silt_str error = json_member(response, "error");
    if (!body.p || is_from_storage(error))
        return false;
    struct lp_options options = {.now = 1700000000000000000,
                                 .precision_ns = precision_of(json_member(exchange, "precision"))};
    const char *different = compare_parsers(body.p, body.len, &options);
    ck_assert_msg(!different, "%s: %.*s", different, SILT_FMT(body));
    struct silt_error err;
    ck_assert_int_eq(lp_parse_strict(body.p, body.len, &options, arena, &batch, &errors, &err), SILT_OK);
    ck_assert_msg(silt_str_equal(answer(), error), "%.*s\n  expected: %.*s\n  answered: %.*s", SILT_FMT(body),
                  SILT_FMT(error), SILT_FMT(answer()));
    return true;
}

START_TEST(recorded_exchanges)
{
    DIR *folder = opendir("tests/vectors");
    ck_assert_msg(folder != NULL, "run from the top of the source tree");
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!strstr(entry->d_name, ".jsonl"))
            continue;
        FILE *file = fopen(silt_arena_printf(arena, "tests/vectors/%s", entry->d_name).p, "r");
        char *line = NULL;
        size_t capacity = 0;
        ssize_t len;
        while ((len = getline(&line, &capacity, file)) > 0)
            count += replay((struct silt_str){line, (size_t)len});
        free(line);
        fclose(file);
    }
    closedir(folder);
    printf("%u recorded writes\n", count);
    ck_assert_uint_gt(count, 150);
}
END_TEST

/* ---------------------------------------------------------------- both parsers on made-up text */

static uint64_t seed = 4711, state;

static uint64_t random_below(uint64_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % bound;
}

#define PICK(list) list[random_below(sizeof(list) / sizeof(list[0]))]

static void put_value(struct silt_buffer *text, unsigned kind)
{
    static const char *const odd[] = {"1e400",
                                      "1.5i",
                                      "tRUE",
                                      "\"",
                                      "\"a\\\"b\"",
                                      "",
                                      "-",
                                      "99999999999999999999i",
                                      "1e5",
                                      "NaN",
                                      "12345678901234567890.5",
                                      "\"x\"y",
                                      "1.",
                                      ".5",
                                      "-.5e-7",
                                      "\"\n\"",
                                      "-9223372036854775808i",
                                      "9223372036854775807i",
                                      "0.1234567890123456789",
                                      "123456789012345678901234567",
                                      "1234567890123456789",
                                      "\"a\nb,c=d e\"",
                                      "00.10",
                                      "-0",
                                      "-0i",
                                      "18446744073709551616i",
                                      "9223372036854775808i",
                                      "T",
                                      "false",
                                      "1 "};
    switch (kind) {
    case 0:
        silt_buffer_printf(text, "%di", (int)random_below(2000000000) - 1000000000);
        break;
    case 1:
        silt_buffer_printf(text, "%.*f", (int)random_below(18), (double)random_below(1000000) / 1000 - 300);
        break;
    case 2:
        silt_buffer_printf(text, "%.17g", (double)random_below(UINT64_C(1) << 53) / 9e15);
        break;
    case 3:
        silt_buffer_printf(text, "\"text %*d\"", (int)random_below(40), (int)random_below(100));
        break;
    case 4:
        silt_buffer_printf(text, "%s", random_below(2) ? "true" : "f");
        break;
    default:
        silt_buffer_printf(text, "%s", PICK(odd));
    }
}

static void put_line(struct silt_buffer *text, bool odd)
{
    static const char *const series[] = {"cpu,host=a,region=eu",
                                         "cpu,host=b,region=eu",
                                         "mem",
                                         "mem,host=a\\ b",
                                         "disk\\,x,path=/var\\=1",
                                         "cpu,x",
                                         "cpu,a=1,a=2",
                                         ",a=b",
                                         "mem,a=\"b",
                                         "cpu\\\\",
                                         "#cpu",
                                         "é,ü=☃",
                                         "cpu,host=a,",
                                         "cpu,a==",
                                         "\\",
                                         "cpu,a=b\\"};
    static const char *const names[] = {"usage_user",
                                        "u",
                                        "usage_guest_nice",
                                        "a\\ b",
                                        "time",
                                        "f\\,g",
                                        "x\\=y",
                                        "a_very_long_field_name_beyond_thirty_two_bytes",
                                        "",
                                        "n\\",
                                        "\"q",
                                        "a,b"};
    static const char *const times[] = {" 1451606400000000000",  " 1", "",     " -5",
                                        " 9223372036854775807",  " x", " 1 ",  "  1",
                                        " 12345678901234567890", " -", " 1\t", " 00000000000000000000000001"};
    silt_buffer_printf(text, "%s ", series[random_below(odd ? sizeof(series) / sizeof(series[0]) : 5)]);
    unsigned shape = (unsigned)random_below(6), count = 1 + shape % 3 * 2;
    for (unsigned i = 0; i < count; i++) {
        bool strange = odd && random_below(10) == 0;
        size_t name = strange ? random_below(sizeof(names) / sizeof(names[0])) : (shape + i) % 4;
        silt_buffer_printf(text, "%s%s=", i ? "," : "", names[name]);
        put_value(text, strange ? 5 : (shape * 3 + i) % 5);
    }
    silt_buffer_printf(text, "%s\n", times[odd && random_below(6) == 0 ? random_below(12) : random_below(4)]);
}

START_TEST(parsers_agree)
{
    static const char replacements[] = " ,=\\\"\n#i.-e0tTx\t\0\r";
    struct silt_buffer text = {0};
    for (int round = 0; round < 6000; round++) {
        text.len = 0;
        unsigned lines = 1 + (unsigned)random_below(40);
        for (unsigned i = 0; i < lines; i++)
            put_line(&text, round % 3 != 0);
        if (round % 3 == 2)
            for (uint64_t i = random_below(8); i > 0; i--)
                text.p[random_below(text.len)] = replacements[random_below(sizeof(replacements) - 1)];
        size_t len = random_below(4) ? text.len : random_below(text.len);
        char *exact = malloc(len ? len : 1);
        memcpy(exact, text.p, len);
        struct lp_options options = {.now = -1234567, .precision_ns = round % 5 ? 1 : 1000000};
        const char *different = compare_parsers(exact, len, &options);
        ck_assert_msg(!different, "seed %" PRIu64 " round %d: %s in\n%.*s", seed, round, different, (int)len, exact);
        free(exact);
    }
    silt_buffer_free(&text);
}
END_TEST

int main(void)
{
    if (getenv("SILT_SEED"))
        seed = strtoull(getenv("SILT_SEED"), NULL, 10);
    state = seed;
    printf("seed %" PRIu64 "\n", seed);

    Suite *suite = suite_create("line_protocol");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, make_arena, drop_arena);
    tcase_add_test(tests, field_values);
    tcase_add_test(tests, strings);
    tcase_add_test(tests, names_are_unescaped);
    tcase_add_test(tests, last_of_a_name_wins);
    tcase_add_test(tests, field_named_time);
    tcase_add_test(tests, row_times);
    tcase_add_test(tests, blank_lines_and_comments);
    tcase_add_test(tests, layouts_are_shared);
    tcase_add_test(tests, reasons);
    tcase_add_test(tests, long_keys);
    tcase_add_test(tests, many_errors_are_counted);
    tcase_add_test(tests, memory_is_bounded);
    tcase_add_test(tests, recorded_exchanges);
    tcase_add_test(tests, parsers_agree);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
