/*
 * test_select.c - the cases of tests/query against the fake reader, which needs no storage.
 *
 * Every case runs with batches of one row, of a few and of many, alone and with worker threads: none of that may show
 * in an answer. And statements over so many fields that a step for every two of them would not end in time.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "silt/text.h"
#include "tests/fake_reader.h"
#include "tests/run_suite.h"

static const char *const files[] = {"select", "group", "functions", "floats", "many_names"};
static const uint32_t batch_sizes[] = {1, 3, 4096};

static char *read_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "tests/query/%s.test", name);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "cannot open %s: run from the source folder", path);
    struct silt_buffer text = {0};
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        silt_buffer_append(&text, chunk, n);
    fclose(f);
    silt_buffer_char(&text, 0);
    return text.p;
}

static char *next_line(char **text)
{
    char *line = *text, *end = strchr(line, '\n');
    if (end) {
        *end = 0;
        *text = end + 1;
    } else {
        *text = line + strlen(line);
    }
    return line;
}

static void run_file(const char *name, uint32_t batch_rows, struct silt_pool *pool)
{
    char *content = read_file(name), *text = content;
    struct fake_source *fake = fake_source_create(SILT_STR("record"), batch_rows);
    size_t cases = 0;

    while (*text) {
        char *line = next_line(&text);
        if (strcmp(line, "write") == 0) {
            struct silt_buffer lines = {0};
            fake_source_destroy(fake);
            fake = fake_source_create(SILT_STR("record"), batch_rows);
            while (strcmp(line = next_line(&text), "----") != 0)
                silt_buffer_printf(&lines, "%s\n", line);
            silt_buffer_char(&lines, 0);
            fake_source_write(fake, lines.p);
            silt_buffer_free(&lines);
        } else if (strncmp(line, "query: ", 7) == 0) {
            struct silt_buffer got = fake_query(fake, line + 7, pool);
            const char *want = next_line(&text);
            ck_assert_msg(strcmp(got.p, want) == 0, "%s (batches of %u)\nwant %s\ngot  %s", line, batch_rows, want, got.p);
            silt_buffer_free(&got);
            cases++;
        }
    }
    ck_assert_uint_gt(cases, 0);
    fake_source_destroy(fake);
    free(content);
}

START_TEST(test_cases)
{
    struct silt_pool *pool = silt_pool_create(2, 0);
    for (size_t i = 0; i < sizeof(batch_sizes) / sizeof(batch_sizes[0]); i++) {
        run_file(files[_i], batch_sizes[i], NULL);
        run_file(files[_i], batch_sizes[i], pool);
    }
    silt_pool_destroy(pool);
}
END_TEST

#define WIDE_ROWS 160
#define WIDE_ROW_FIELDS 64 /* which is what the fake reader takes */

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;

    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        count++;
    }
    return count;
}

START_TEST(test_many_fields)
{
    static const struct {
        const char *query, *column;
    } asked[] = {
        {"SELECT mean(*) FROM m", "\"mean_f"},
        {"SELECT * FROM m LIMIT 1", "\"f"},
        {"SELECT max(*) FROM (SELECT * FROM m)", "\"max_f"},
        {"SELECT * FROM (SELECT first(*) FROM m)", "\"first_f"},
    };
    struct fake_source *fake = fake_source_create(SILT_STR("record"), 4096);
    struct silt_buffer lines = {0};

    for (unsigned row = 0; row < WIDE_ROWS; row++) {
        for (unsigned i = 0; i < WIDE_ROW_FIELDS; i++)
            silt_buffer_printf(&lines, "%sf%u=%u", i ? "," : "m ", row * WIDE_ROW_FIELDS + i, i);
        silt_buffer_printf(&lines, " %u\n", row + 1);
    }
    silt_buffer_char(&lines, 0);
    fake_source_write(fake, lines.p);
    silt_buffer_free(&lines);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        struct silt_buffer got = fake_query(fake, asked[i].query, NULL);
        ck_assert_msg(count_of(got.p, asked[i].column) == WIDE_ROWS * WIDE_ROW_FIELDS, "%s: %.200s", asked[i].query, got.p);
        silt_buffer_free(&got);
    }
    fake_source_destroy(fake);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("select");
    TCase *tcase = tcase_create("cases");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_cases, 0, sizeof(files) / sizeof(files[0]));
    tcase_add_test(tcase, test_many_fields);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
