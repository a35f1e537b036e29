/*
 * test_schedule.c - when continuous queries are due, against what a real influxd 1.6.7 did on a simulated clock:
 * tests/continuous/schedule.txt, written by record.py beside it.
 */
#include "silt/query.h"
#include "silt/text.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S 1000000000LL
#define QUERIES_MAX 64

struct one {
    char name[16];
    struct silt_continuous parsed;
    struct silt_schedule_state state;
};

static struct one queries[QUERIES_MAX];
static size_t query_count;

/* `query NAME TEXT` */
static void read_query(char *line, struct silt_arena *arena)
{
    struct one *one = &queries[query_count++];
    struct silt_error err;
    int text = 0;

    ck_assert_uint_le(query_count, QUERIES_MAX);
    ck_assert_int_eq(sscanf(line, "query %15s %n", one->name, &text), 1);
    struct silt_str create = silt_arena_str(arena, silt_str_from(line + text));
    ck_assert_msg(silt_query_parse_continuous(create, arena, &one->parsed, &err) == SILT_OK, "%s: %s", line, err.text);
}

/* `SECONDS NAME START END ...`: what is due at that instant, as such a line. */
static size_t replay(const char *line)
{
    long long at = atoll(line);
    char ours[8192];
    size_t runs = 0;
    int len = snprintf(ours, sizeof(ours), "%lld", at);

    for (size_t i = 0; i < query_count; i++) {
        silt_time start, end;
        if (!silt_schedule_due(&queries[i].parsed.schedule, &queries[i].state, at * S, &start, &end))
            continue;
        ck_assert_int_eq(start % S, 0);
        ck_assert_int_eq(end % S, 0);
        len += snprintf(ours + len, sizeof(ours) - (size_t)len, " %s %lld %lld", queries[i].name,
                        (long long)(start / S) - at, (long long)(end / S) - at);
        ck_assert_int_lt(len, (int)sizeof(ours));
        runs++;
    }
    ck_assert_str_eq(ours, line);
    return runs;
}

START_TEST(as_recorded)
{
    FILE *file = fopen("tests/continuous/schedule.txt", "re");
    struct silt_arena *arena = silt_arena_create(NULL);
    static char line[8192];
    size_t runs = 0, instants = 0;

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "query ", 6) == 0)
            read_query(line, arena);
        else if (line[0] != '#')
            runs += replay(line), instants++;
    }
    ck_assert_uint_ge(query_count, 30);
    ck_assert_uint_ge(instants, 300);
    ck_assert_uint_ge(runs, 3000);
    fclose(file);
    silt_arena_destroy(arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tcase = tcase_create("influxd");
    tcase_add_test(tcase, as_recorded);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
