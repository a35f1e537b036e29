/*
 * test_settled.c - which statements wait until series without points are out of the lists: those whose answer tells of them.
 */
#include "silt/text.h"
#include "tests/fake_reader.h"
#include "tests/run_suite.h"

#include <check.h>

#define TURNS 3 /* calls until it is settled */

static unsigned calls;

static bool settled(struct silt_source *source, struct silt_str database, uint64_t *ticket, uint32_t wait_ms)
{
    (void)source;
    ck_assert_uint_gt(wait_ms, 0);
    ck_assert(silt_str_equal(database, SILT_STR("d")));
    if (calls == TURNS) /* asked again, from another source of the statement */
        return true;
    ck_assert_uint_eq(*ticket, calls ? 7 : 0);
    *ticket = 7;
    return ++calls == TURNS;
}

START_TEST(who_waits)
{
    static const struct {
        const char *query;
        bool waits;
    } cases[] = {{"SELECT v FROM m", false},
                 {"SELECT mean(v) FROM m GROUP BY h", false},
                 {"SELECT v FROM m WHERE h =~ /a/", false},
                 {"SELECT * FROM m", true},
                 {"SELECT /v/ FROM m", true},
                 {"SELECT mean(*) FROM m", true},
                 {"SELECT v FROM m GROUP BY *", true},
                 {"SELECT v FROM /m/", true},
                 {"SELECT v FROM (SELECT * FROM m)", true},
                 {"SELECT v FROM (SELECT v FROM m) GROUP BY *", true},
                 {"SHOW SERIES", true},
                 {"SHOW MEASUREMENTS", true},
                 {"SHOW TAG VALUES WITH KEY = h", true},
                 {"SHOW SERIES EXACT CARDINALITY", true}};
    struct fake_source *fake = fake_source_create(SILT_STR("d"), 4096);
    fake_source_write(fake, "m,h=a v=1 1");
    fake_source_of(fake)->settled = settled;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        calls = 0;
        struct silt_buffer got = fake_query(fake, cases[i].query, NULL);
        ck_assert_msg(calls == (cases[i].waits ? TURNS : 0), "%s: %u calls: %s", cases[i].query, calls, got.p);
        ck_assert_msg(!strstr(got.p, "error"), "%s: %s", cases[i].query, got.p);
        silt_buffer_free(&got);
    }
    fake_source_destroy(fake);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settled");
    TCase *tc = tcase_create("settled");
    tcase_add_test(tc, who_waits);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
