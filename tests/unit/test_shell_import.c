/*
 * test_shell_import.c - files of points cut into batches: forms, contexts, points over several lines, line numbers; and
 * the progress line.
 */
#include "shell/import_read.h"
#include "shell/progress.h"
#include "shell/words.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

static char path[] = "/tmp/silt-import-XXXXXX";

static void write_file(struct silt_str text, bool packed)
{
    gzFile file = gzopen(path, packed ? "wb" : "wbT");
    ck_assert(file && gzwrite(file, text.p, (unsigned)text.len) == (int)text.len);
    gzclose(file);
}

/* What a reader gives, as text: S line: statement; B line database/policy points: text. */
static char *read_all(uint64_t from_line)
{
    struct import_reader *reader;
    struct import_batch batch = {.points = 0};
    struct silt_buffer told = {0};
    struct silt_error err = {0};
    enum import_item item;
    ck_assert_msg(import_reader_open(&reader, path, from_line, &err) == SILT_OK, "%s", err.text);
    for (;;) {
        ck_assert_msg(import_reader_next(reader, &batch, &item, &err) == SILT_OK, "%s", err.text);
        if (item == IMPORT_END)
            break;
        silt_buffer_printf(&told, "%c %llu %.*s/%.*s %zu: %.*s|", item == IMPORT_STATEMENT ? 'S' : 'B',
                           (unsigned long long)batch.first_line, SILT_FMT(words_view(&batch.database)),
                           SILT_FMT(words_view(&batch.policy)), batch.points, SILT_FMT(words_view(&batch.text)));
    }
    import_batch_free(&batch);
    import_reader_close(reader);
    silt_buffer_char(&told, 0);
    return told.p;
}

static void check(const char *text, uint64_t from_line, const char *want)
{
    for (int packed = 0; packed < 2; packed++) {
        write_file(silt_str_from(text), packed);
        char *got = read_all(from_line);
        ck_assert_str_eq(got, want);
        free(got);
    }
}

START_TEST(forms)
{
    check("", 1, "");
    check("\n# a comment\n", 1, "");
    check("a v=1\nb v=2", 1, "B 1 / 2: a v=1\nb v=2|");
    check("# a comment\na v=1\n", 1, "B 1 / 1: # a comment\na v=1\n|");
    check("# DDL\nCREATE DATABASE d\n\n# DML\n# CONTEXT-DATABASE: d\n# CONTEXT-RETENTION-POLICY:r p\na v=1\n\nb v=2\n"
          "# CONTEXT-RETENTION-POLICY:q\nc v=3\n",
          1, "S 2 / 0: CREATE DATABASE d|B 7 d/r p 2: a v=1\n\nb v=2\n|B 11 d/q 1: c v=3\n|");
    check("# INFLUXDB EXPORT: 1 - 2\n# DDL\nCREATE DATABASE d\n# DML\n# CONTEXT-DATABASE:d\na v=1\n# writing wal "
          "data\nb v=2\n",
          1, "S 3 / 0: CREATE DATABASE d|B 6 d/ 2: a v=1\n# writing wal data\nb v=2\n|");
    /* Going on from a line: contexts before it count, statements do not. */
    check("# DDL\nCREATE DATABASE d\n# DML\n# CONTEXT-DATABASE:d\na v=1\nb v=2\nc v=3\n", 6,
          "B 6 d/ 2: b v=2\nc v=3\n|");
    /* A point of three lines; a quote that is none; a quote that nothing closes. */
    check("a s=\"x\ny\nz\" 1\nb\",t=\" v=1\nc v=3", 1, "B 1 / 3: a s=\"x\ny\nz\" 1\nb\",t=\" v=1\nc v=3|");
}
END_TEST

START_TEST(one_point)
{
    static const struct {
        const char *text;
        size_t len, lines;
    } cases[] = {
        {"a v=1\nb v=2\n", 6, 1},
        {"a v=1", 5, 1},
        {"# c\n\na v=1\nb", 11, 3},
        {"a s=\"x\ny\"\nb", 10, 2},
        {"a s=\"x\nb v=1\n", 7, 1},
        {"# only\n", 7, 1},
        {"a s=\"\\\"\n\"\nb", 10, 2},
        {"a\\ \" v=1\nb", 9, 1},
        {"a s=\"x=\\\\\",t=\"\n\"\nb", 17, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t lines, len = import_point_length(silt_str_from(cases[i].text), &lines);
        ck_assert_msg(len == cases[i].len && lines == cases[i].lines, "%s: %zu bytes, %zu lines", cases[i].text, len,
                      lines);
    }
}
END_TEST

/* Many points, some of several lines, are cut only between points, and all are there. */
START_TEST(batches)
{
    unsigned seed = (unsigned)silt_clock_now();
    printf("seed %u\n", seed);
    struct silt_buffer text = {0};
    size_t points = 35000;
    for (size_t i = 0; i < points; i++) {
        switch (rand_r(&seed) % 4) {
        case 0:
            silt_buffer_printf(&text, "m,k=%u v=%zu\n", rand_r(&seed) % 10, i);
            break;
        case 1:
            silt_buffer_printf(&text, "m\",k=a\\ b s=\"line\nm v=1\\\"\nend %zu\"\n", i);
            break;
        case 2:
            silt_buffer_printf(&text, "\n# \"comment\nm v=1,s=\"%*s\"\n", (int)(rand_r(&seed) % 200), "\n");
            break;
        default:
            silt_buffer_printf(&text, "m s=\"\" %zu\n", i);
        }
    }
    write_file(words_view(&text), true);
    struct import_reader *reader;
    struct import_batch batch = {.points = 0};
    struct silt_error err;
    enum import_item item;
    struct silt_buffer joined = {0};
    size_t seen = 0;
    uint64_t line = 1;
    ck_assert(import_reader_open(&reader, path, 1, &err) == SILT_OK);
    while (import_reader_next(reader, &batch, &item, &err) == SILT_OK && item == IMPORT_BATCH) {
        ck_assert_uint_eq(batch.first_line, line);
        ck_assert_uint_le(batch.points, IMPORT_BATCH_POINTS);
        for (size_t at = 0; at < batch.text.len;) {
            size_t lines;
            at += import_point_length((struct silt_str){batch.text.p + at, batch.text.len - at}, &lines);
            line += lines;
        }
        seen += batch.points;
        silt_buffer_str(&joined, words_view(&batch.text));
    }
    ck_assert_int_eq(item, IMPORT_END);
    ck_assert_uint_eq(seen, points);
    ck_assert(silt_str_equal(words_view(&joined), words_view(&text)));
    import_batch_free(&batch);
    import_reader_close(reader);
    silt_buffer_free(&text);
    silt_buffer_free(&joined);
}
END_TEST

/* ---------------------------------------------------------------- CSV */

static const struct {
    const char *mapping, *text, *want; /* E: the mapping's error; else points, and ! before the text of a fault */
} tables[] = {
    {"measurement=cpu tags=host,dc fields=usage,cores:integer,note:string time=ts:s",
     "host,dc,usage,cores,note,ts,other\nweb1,\"a,b\",12.5,8,\"say \"\"hi\"\"\",1577836800,x\r\n\n\"web "
     "2\",,,,\"two\nlines\",1\n",
     "cpu,host=web1,dc=a\\,b usage=12.5,cores=8i,note=\"say \\\"hi\\\"\" 1577836800000000000\n"
     "cpu,host=web\\ 2 note=\"two\nlines\" 1000000000\n"},
    {"measurement=@name time=time",
     "name,time,a,b,c\nm n,1,1,true,x\nk,2020-01-01T00:00:00Z,2,FALSE,\nk,2020-01-01 00:00:01.5,2e3,,\n",
     "m\\ n a=1,b=true,c=\"x\" 1\nk a=2,b=false 1577836800000000000\nk a=2e3 1577836801500000000\n"},
    {"measurement=m time=t:ms separator=; fields=\"the value\":unsigned", "t;the value\n5;7\n6;-1\nx;1\n7;\n;2\n8;1;9",
     "m the\\ value=7u 5000000\n!the\\ value: \"-1\" is no unsigned\n!\"x\" is no time\n!no time\n!more values than "
     "columns\n"},
    {"measurement=m time=t separator=tab", "t\tv\n1\t2\n1\tx\n", "m v=2 1\n!v: \"x\" is no float\n"},
    {"measurement=m time=t tags=k", "k,t,v\n\"a\nb\",1,2\n",
     "!k: line protocol has no tag with the end of a line in it or a \\ at its end\n"},
    {"measurement=m time=t", "x,v\n", "!there is no column \"t\"\n"},
    {"measurement=m", "", "Emapping: time= is missing"},
    {"time=t", "", "Emapping: measurement= is missing"},
    {"measurement=m time=t fields=a:int", "", "Emapping: int is no type"},
    {"measurement=m time=t:y", "", "Emapping: y is no unit of time"},
    {"measurement=m time=t nonsense=1", "", "Emapping: nonsense is not known"},
    {"measurement=m time=t,x", "", "Emapping: a blank is missing before ,x"},
    {"measurement", "", "Emapping: = is missing behind measurement"},
    {"measurement=m tags=", "", "Emapping: a column's name is missing"},
};

START_TEST(csv)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct csv_map *map;
        struct silt_error err;
        struct silt_buffer got = {0};
        if (csv_map_parse(&map, silt_str_from(tables[i].mapping), &err) != SILT_OK) {
            silt_buffer_printf(&got, "E%s", err.text);
        } else {
            struct silt_str rest = silt_str_from(tables[i].text);
            bool has_head = false;
            while (rest.len) {
                size_t lines, len = 0;
                /* As it would come byte by byte: not whole until it is. */
                for (size_t seen = 1; seen <= rest.len && !len; seen++) {
                    char *copy = malloc(seen);
                    memcpy(copy, rest.p, seen);
                    len = csv_map_record(map, (struct silt_str){copy, seen}, seen == rest.len, &lines);
                    free(copy);
                }
                ck_assert_uint_gt(len, 0);
                enum silt_status status = has_head ? csv_map_row(map, &got, &err) : csv_map_head(map, &err);
                if (status != SILT_OK && (status != SILT_NOT_FOUND || !has_head))
                    silt_buffer_printf(&got, "!%s\n", err.text);
                has_head = true;
                rest.p += len, rest.len -= len;
            }
            csv_map_free(map);
        }
        silt_buffer_char(&got, 0);
        ck_assert_str_eq(got.p, tables[i].want);
        silt_buffer_free(&got);
    }
}
END_TEST

START_TEST(progress_lines)
{
    static const struct {
        double share, seconds;
        uint64_t lines;
        const char *want;
    } cases[] = {
        {-1, 0, 0, "x: 0 lines"},
        {-1, 2, 1234567, "x: 1,234,567 lines  617,283/s"},
        {0.4, 10, 4000000, "[############------------------]  40%  x: 4,000,000 lines  400,000/s  15 s left"},
        {0.01, 100, 100, "[------------------------------]   1%  x: 100 lines  1/s  2 h 45 min left"},
        {1, 10, 1000, "[##############################] 100%  x: 1,000 lines  100/s"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct silt_buffer got = {0};
        progress_line(&got, "x: ", cases[i].share, cases[i].lines, cases[i].seconds);
        silt_buffer_char(&got, 0);
        ck_assert_str_eq(got.p, cases[i].want);
        silt_buffer_free(&got);
    }
}
END_TEST

int main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    Suite *suite = suite_create("shell import");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, forms);
    tcase_add_test(tests, one_point);
    tcase_add_test(tests, batches);
    tcase_add_test(tests, csv);
    tcase_add_test(tests, progress_lines);
    suite_add_tcase(suite, tests);
    int failed = run_suite(suite);
    unlink(path);
    return failed;
}
