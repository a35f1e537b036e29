/*
 * test_shell_chart.c - drawings of known lines, and of random ones: never wider than asked for.
 */
#include "shell/chart.h"
#include "shell/words.h"
#include "tests/run_suite.h"

#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* clang-format off */
#define WANT_TWO_LINES \
    "100 ┤   ⡠⠒⠉⠒⠢⡀               ⢀⠤⠒⠉⠒⣤⡠⠤⠒⠒⠉\n" \
    "    │ ⢠⠊     ⠑⢄             ⣰⣁⠤⠤⠒⠉ ⠱⡀\n" \
    "    │⢠⠃       ⠈⠢⡀      ⣀⠤⠒⠊⡝⠁       ⠈⢆\n" \
    " 50 ┤⠁          ⢱⣀⠤⠤⠒⠊⠉  ⢀⠎           ⠱⡀\n" \
    "    │     ⢀⡠⠤⠒⠊⠉⠁⠑⢄     ⢠⠃             ⠱\n" \
    "  0 ┤⣀⠤⠔⠒⠊⠁        ⠑⢄   ⠁\n" \
    "    └┬────────────────┬─────────────────\n" \
    "     00:00          00:10\n" \
    "── cpu host=a usage  min 0  max 100  last 100\n" \
    "── cpu host=b usage  min 1.12349  max 99.8747  last 22.7989\n"
#define WANT_ONE_POINT \
    "    │\n" \
    "3.0 ┤            ⠠\n" \
    "    │\n" \
    "    └────────────┬────────────\n" \
    "                 5\n" \
    "── one  min 3  max 3  last 3\n"
/* clang-format on */

static char *draw(const struct chart *chart)
{
    struct silt_buffer out = {0};
    chart_draw(&out, chart);
    silt_buffer_char(&out, 0);
    return out.p;
}

START_TEST(two_lines)
{
    double x[21], up[21], wave[21];
    for (int i = 0; i < 21; i++) {
        x[i] = 1577836800 + i * 60;
        up[i] = i * 5;
        wave[i] = i == 10 ? NAN : 50 + 50 * sin(i * 0.5);
    }
    const struct chart_line lines[] = {{SILT_STR("cpu host=a usage"), x, up, 21}, {SILT_STR("cpu host=b usage"), x, wave, 21}};
    struct chart chart = {.lines = lines, .line_count = 2, .width = 40, .height = 6, .x_is_time = true, .unicode = true};
    char *got = draw(&chart);
    ck_assert_str_eq(got, WANT_TWO_LINES);
    free(got);
    chart.unicode = false;
    got = draw(&chart);
    for (const char *p = got; *p; p++)
        ck_assert_msg((unsigned char)*p < 0x80, "%s", got);
    free(got);
}
END_TEST

START_TEST(little_to_draw)
{
    double x[] = {5}, y[] = {3}, none[] = {NAN};
    struct chart_line line = {SILT_STR("one"), x, y, 1};
    struct chart chart = {.lines = &line, .line_count = 1, .width = 30, .height = 3, .unicode = true};
    char *got = draw(&chart);
    ck_assert_str_eq(got, WANT_ONE_POINT);
    free(got);
    line.y = none;
    got = draw(&chart);
    ck_assert_str_eq(got, "nothing to draw\n");
    free(got);
    chart.line_count = 0;
    got = draw(&chart);
    ck_assert_str_eq(got, "nothing to draw\n");
    free(got);
}
END_TEST

START_TEST(steps)
{
    ck_assert_double_eq(chart_step(0, 100, 5), 20);
    ck_assert_double_eq(chart_step(0, 1, 4), 0.5);
    ck_assert_double_eq(chart_step(-3, 4, 7), 1);
    ck_assert_double_eq(chart_step(5, 5, 7), 1);
    ck_assert_double_eq(chart_time_step(0, 3600, 4), 900);
    ck_assert_double_eq(chart_time_step(0, 86400 * 3, 5), 86400);
    ck_assert_double_eq(chart_time_step(0, 1, 5), 0.2);
}
END_TEST

/* Numbers of every size, times of every span, with gaps. */
START_TEST(anything)
{
    unsigned seed = (unsigned)silt_clock_now();
    printf("seed %u\n", seed);
    for (int round = 0; round < 2000; round++) {
        double x[50], y[2][50], scale = pow(10, (double)(rand_r(&seed) % 600) - 300), at = rand_r(&seed);
        double gap = pow(10, rand_r(&seed) % 12 - 3.0);
        for (int i = 0; i < 50; i++) {
            x[i] = at += gap * (rand_r(&seed) % 10);
            for (int n = 0; n < 2; n++)
                y[n][i] = rand_r(&seed) % 7 == 0 ? NAN : ((double)rand_r(&seed) / RAND_MAX - 0.5) * scale;
        }
        size_t count = (size_t)rand_r(&seed) % 51;
        const struct chart_line lines[] = {{SILT_STR("a"), x, y[0], count}, {SILT_STR("b"), x, y[1], count}};
        struct chart chart = {.lines = lines, .line_count = 2, .width = 40 + (unsigned)rand_r(&seed) % 100,
                              .height = (unsigned)rand_r(&seed) % 30, .x_is_time = rand_r(&seed) % 2, .unicode = true};
        char *got = draw(&chart);
        for (char *save, *line = strtok_r(got, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
            if (line[0] == ' ')
                ck_assert_msg(words_width(silt_str_from(line)) <= chart.width, "round %d: %zu wide, not %u: %s", round,
                              words_width(silt_str_from(line)), chart.width, line);
        free(got);
    }
}
END_TEST

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    Suite *suite = suite_create("shell chart");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, two_lines);
    tcase_add_test(tests, little_to_draw);
    tcase_add_test(tests, steps);
    tcase_add_test(tests, anything);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
