/*
 * test_tag_texts.c - texts of tag columns, kept or made again, are always those of the series asked for.
 */
#include "server/tag_texts.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static size_t pad; /* how long a tag is, about */

static struct silt_str tag_of(const struct silt_row_batch *batch, uint32_t series, size_t column)
{
    static char text[8192];

    if ((series + column) % 7 == 0)
        return (struct silt_str){0};
    int len = snprintf(text, sizeof(text), "%u.%zu%*s", series, column, (int)(series % (pad + 1)), "");
    return (struct silt_str){text, (size_t)len};
}

static void put(struct silt_buffer *to, struct silt_str text, bool first)
{
    silt_buffer_char(to, first ? '<' : '|');
    silt_buffer_str(to, text.p ? text : SILT_STR("none"));
}

/* time, tag, tag, number, tag */
static const struct silt_batch_column columns[] = {{.kind = SILT_CELL_TIME},
                                                   {.kind = SILT_CELL_STRING, .is_tag = true},
                                                   {.kind = SILT_CELL_STRING, .is_tag = true},
                                                   {.kind = SILT_CELL_INTEGER},
                                                   {.kind = SILT_CELL_STRING, .is_tag = true}};
static const struct silt_row_batch batch = {.column_count = 5, .columns = columns, .tag = tag_of};

static bool right(struct tag_texts *texts, uint32_t series)
{
    struct silt_buffer runs[2] = {{0}, {0}};
    bool same = true;

    put(&runs[0], tag_of(&batch, series, 1), true);
    put(&runs[0], tag_of(&batch, series, 2), false);
    put(&runs[1], tag_of(&batch, series, 4), true);
    const struct tag_text *text = tag_texts_of(texts, &batch, series, put);
    for (size_t run = 0; run < 2; run++) {
        same = same && silt_str_equal(tag_texts_run(texts, text, run), (struct silt_str){runs[run].p, runs[run].len});
        silt_buffer_free(&runs[run]);
    }
    return same;
}

START_TEST(of_the_series_asked_for)
{
    static const struct {
        uint32_t series;
        size_t pad;
    } cases[] = {{1, 0}, {17, 3}, {100, 10}, {20000, 5}, {3000, 4000}};

    ck_assert_uint_eq(tag_run_end(&batch, 1), 3);
    ck_assert_uint_eq(tag_run_end(&batch, 4), 5);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tag_texts texts = {0};
        size_t wrong = 0, most = 0;
        pad = cases[i].pad;
        for (int round = 0; round < 3; round++) {
            tag_texts_start(&texts, &batch);
            for (uint32_t series = 0; series < cases[i].series; series++) {
                wrong += !right(&texts, 5000 + series * (round == 2 ? 3 : 1)) || !right(&texts, 5000);
                most = texts.bytes > most ? texts.bytes : most;
            }
        }
        ck_assert_uint_eq(wrong, 0);
        ck_assert_uint_lt(most, (size_t)5 << 20);
        tag_texts_reset(&texts);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tag_texts");
    TCase *tcase = tcase_create("tag_texts");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, of_the_series_asked_for);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
