/*
 * test_series_key.c - series text to canonical key: recorded cases, and random parts there and back.
 */
#include "silt/storage.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct {
    const char *text, *key, *reason; /* one of key and reason */
} cases[] = {
    {"m", "m", NULL},
    {"m,b=1,a=2", "m,a=2,b=1", NULL},
    {"m,a=1\\=2", "m,a=1\\=2", NULL},
    {"m,a=b\\ c", "m,a=b\\ c", NULL},
    {"m,a\\ b=c", "m,a\\ b=c", NULL},
    {"m\\ x", "m\\ x", NULL},
    {"m\\,x", "m\\,x", NULL},
    {"m=x", "m=x", NULL},
    {"m\\=x", "m=x", NULL},
    {"m\\\\=x", "m\\\\=x", NULL},
    {"m,a=\"xy\"", "m,a=\"xy\"", NULL},
    {"m,a=b\\nc", "m,a=b\\nc", NULL},
    {"m\\n", "m\\n", NULL},
    {"\xc3\xa9,\xc3\xbc=\xe2\x98\x83", "\xc3\xa9,\xc3\xbc=\xe2\x98\x83", NULL},
    {"m,time=1", "m,time=1", NULL},
    {"m;x", "m;x", NULL},
    {"m,#a=1", "m,#a=1", NULL},
    {"m,a==b", "m,a=\\=b", NULL},
    {"", NULL, "missing measurement"},
    {",a=1", NULL, "missing measurement"},
    {"m,", NULL, "missing tag key"},
    {"m,=1", NULL, "missing tag key"},
    {"m,,a=1", NULL, "missing tag key"},
    {"m,a=1,", NULL, "missing tag key"},
    {"m,a", NULL, "missing tag value"},
    {"m,a=", NULL, "missing tag value"},
    {"m,a=,b=1", NULL, "missing tag value"},
    {"m,a,b=1", NULL, "missing tag value"},
    {"m,a=1=2", NULL, "invalid tag format"},
    {"m,a=b\\ v=1", NULL, "invalid tag format"},
    {"m,a=b\\\\ v=1", NULL, "invalid tag format"},
    {"m,a=b\\\\,c=d", NULL, "invalid tag format"},
    {"m,a=b\\", NULL, "invalid tag format"},
    {"m,a=b c", NULL, "invalid tag format"},
    {"m,a=1,a=2", NULL, "duplicate tags"},
    {"m,b=1,a=2,b=3", NULL, "duplicate tags"},
};

START_TEST(recorded_cases)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct silt_str key, measurement;
        struct silt_tag *tags;
        size_t count;
        const char *reason =
            silt_series_key_parse(silt_str_from(cases[i].text), arena, &key, &measurement, &tags, &count);
        if (cases[i].reason) {
            ck_assert_msg(reason != NULL, "'%s' was accepted", cases[i].text);
            ck_assert_str_eq(reason, cases[i].reason);
            continue;
        }
        ck_assert_msg(!reason, "'%s': %s", cases[i].text, reason);
        ck_assert_msg(silt_str_equal(key, silt_str_from(cases[i].key)), "'%s' gave '%.*s'", cases[i].text,
                      SILT_FMT(key));
    }
    silt_arena_destroy(arena);
}
END_TEST

static struct silt_str random_text(struct silt_arena *arena, bool may_be_empty)
{
    static const char letters[] = "ab,= \\xyz\"#\n\t0";
    size_t len = (size_t)rand() % 6 + !may_be_empty;
    char *text = silt_arena_alloc(arena, len + 1);
    for (size_t i = 0; i < len; i++)
        text[i] = letters[(size_t)rand() % (sizeof(letters) - 1)];
    while (len && text[len - 1] == '\\') /* not to be written in line protocol */
        text[len - 1] = 'q';
    return (struct silt_str){text, len};
}

START_TEST(parts_survive_the_way_through_a_key)
{
    unsigned seed = (unsigned)time(NULL);
    printf("series key seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 20000; round++) {
        struct silt_arena *arena = silt_arena_create(NULL);
        struct silt_str measurement = random_text(arena, false), key, again, name;
        struct silt_tag tags[100], *parsed;
        size_t count = 0, parsed_count, wanted = round % 50 == 0 ? 100 : (size_t)(rand() % 6);
        for (size_t i = 0; i < wanted; i++) {
            struct silt_tag tag = {random_text(arena, false), random_text(arena, false)};
            bool known = false;
            for (size_t j = 0; j < count; j++)
                known |= silt_str_equal(tags[j].key, tag.key);
            if (!known)
                tags[count++] = tag;
        }
        /* Unsorted text in, so that parsing has to sort. */
        struct silt_str text = silt_series_key_make(measurement, tags, count, arena);
        const char *reason = silt_series_key_parse(text, arena, &key, &name, &parsed, &parsed_count);
        ck_assert_msg(!reason, "'%.*s': %s", SILT_FMT(text), reason);
        ck_assert(silt_str_equal(name, measurement));
        ck_assert_uint_eq(parsed_count, count);
        for (size_t i = 0; i < count; i++) {
            ck_assert(i == 0 || silt_str_compare(parsed[i - 1].key, parsed[i].key) < 0);
            bool found = false;
            for (size_t j = 0; j < count; j++)
                found |= silt_str_equal(parsed[i].key, tags[j].key) && silt_str_equal(parsed[i].value, tags[j].value);
            ck_assert_msg(found, "a tag of '%.*s' was lost", SILT_FMT(text));
        }
        again = silt_series_key_make(name, parsed, parsed_count, arena);
        ck_assert(silt_str_equal(again, key));
        ck_assert_ptr_null(silt_series_key_parse(key, arena, &again, &name, &parsed, &parsed_count));
        ck_assert(silt_str_equal(again, key));
        silt_arena_destroy(arena);
    }
}
END_TEST

/* Whatever is accepted must be a fixed point. */
/* Wherever it stands: keys are written several bytes at a time. */
START_TEST(each_place_is_escaped)
{
    static const char plain[] = "-abcdefg.ijklmnop!rstuvwx\xac\xa0\xbd+<-"; /* what differs in a bit from a comma, a blank, an equals sign */
    struct silt_arena *arena = silt_arena_create(NULL);

    for (size_t len = 1; len < sizeof(plain); len++)
        for (size_t at = 0; at <= len; at++) {
            char value[sizeof(plain)], want[2 * sizeof(plain)] = "m,k=";
            size_t written = 4;
            memcpy(value, plain, len);
            if (at < len)
                value[at] = ", ="[(at + len) % 3];
            for (size_t i = 0; i < len; i++) {
                if (i == at)
                    want[written++] = '\\';
                want[written++] = value[i];
            }
            struct silt_tag tag = {SILT_STR("k"), {value, len}};
            struct silt_str key = silt_series_key_make(SILT_STR("m"), &tag, 1, arena);
            ck_assert_uint_eq(key.len, written);
            ck_assert_mem_eq(key.p, want, written);
        }
    silt_arena_destroy(arena);
}
END_TEST

START_TEST(any_text_is_refused_or_becomes_canonical)
{
    unsigned seed = (unsigned)time(NULL) * 3;
    printf("series key text seed %u\n", seed);
    srand(seed);
    static const char letters[] = "ab,,== \\\\";
    for (int round = 0; round < 200000; round++) {
        struct silt_arena *arena = silt_arena_create(NULL);
        char text[20];
        size_t len = (size_t)rand() % sizeof(text);
        for (size_t i = 0; i < len; i++)
            text[i] = letters[(size_t)rand() % (sizeof(letters) - 1)];
        struct silt_str key, again, measurement;
        struct silt_tag *tags;
        size_t count, count_again;
        if (!silt_series_key_parse((struct silt_str){text, len}, arena, &key, &measurement, &tags, &count)) {
            ck_assert_msg(!silt_series_key_parse(key, arena, &again, &measurement, &tags, &count_again),
                          "'%.*s' gave '%.*s'", (int)len, text, SILT_FMT(key));
            ck_assert_msg(silt_str_equal(key, again) && count == count_again, "'%.*s' gave '%.*s', '%.*s'", (int)len,
                          text, SILT_FMT(key), SILT_FMT(again));
        }
        silt_arena_destroy(arena);
    }
}
END_TEST

START_TEST(empty_tags_are_left_out)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_tag tags[] = {{SILT_STR("a"), SILT_STR("")}, {SILT_STR("b"), SILT_STR("1")}};
    ck_assert(silt_str_equal(silt_series_key_make(SILT_STR("m"), tags, 2, arena), SILT_STR("m,b=1")));
    silt_arena_destroy(arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("series_key");
    TCase *tcase = tcase_create("series_key");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, recorded_cases);
    tcase_add_test(tcase, parts_survive_the_way_through_a_key);
    tcase_add_test(tcase, each_place_is_escaped);
    tcase_add_test(tcase, any_text_is_refused_or_becomes_canonical);
    tcase_add_test(tcase, empty_tags_are_left_out);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
