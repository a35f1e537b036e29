/*
 * test_params.c - query strings, forms and multipart bodies against small expectations and a dull decoder.
 */
#include "server/params.h"
#include "server/auth_read.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct silt_arena *arena;
static struct params params;
static struct silt_error err;

static void setup(void)
{
    arena = silt_arena_create(NULL);
    params = (struct params){0};
}

static void teardown(void)
{
    silt_arena_destroy(arena);
}

static void check_str(struct silt_str got, const char *want)
{
    ck_assert_msg(silt_str_equal(got, silt_str_from(want)), "got '%.*s', want '%s'", SILT_FMT(got), want);
}

static void add_url(const char *text)
{
    ck_assert_int_eq(params_add_urlencoded(&params, silt_str_from(text), PARAM_URL, arena, &err), SILT_OK);
}

START_TEST(test_urlencoded)
{
    add_url("q=SELECT+1%3B&db=d%20b&empty=&flag&=x&&db=second&%71%32=y");
    check_str(params_get(&params, "q"), "SELECT 1;");
    check_str(params_get(&params, "db"), "d b");
    check_str(params_get(&params, "empty"), "");
    check_str(params_get(&params, "flag"), "");
    check_str(params_get(&params, "q2"), "y");
    check_str(params_get(&params, "none"), "");
    check_str(params_get(&params, ""), "x");
}
END_TEST

START_TEST(test_bad_pairs_are_left_out)
{
    add_url("a=%zz&b=%4&c=%&d=1;e=2&f=ok&%g=1");
    check_str(params_get(&params, "a"), "");
    check_str(params_get(&params, "d"), "");
    check_str(params_get(&params, "f"), "ok");
    ck_assert_uint_eq(params.count, 1);
}
END_TEST

START_TEST(test_form_before_url)
{
    add_url("q=url&db=url");
    ck_assert_int_eq(params_add_body(&params, SILT_STR("application/x-www-form-urlencoded; charset=utf-8"),
                                     SILT_STR("q=form"), arena, &err),
                     SILT_OK);
    check_str(params_get(&params, "q"), "form");
    check_str(params_get_url(&params, "q"), "url");
    check_str(params_get(&params, "db"), "url");
    ck_assert_int_eq(params_add_body(&params, SILT_STR("text/plain"), SILT_STR("db=body"), arena, &err), SILT_OK);
    check_str(params_get(&params, "db"), "url");
}
END_TEST

START_TEST(test_multipart)
{
    static const char body[] = "preamble\r\n--B\r\nContent-Disposition: form-data; name=\"db\"\r\n\r\nd\r\n"
                               "--B\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; filename=\"a;b\"; name=q\r\n\r\n"
                               "SHOW\r\nDATABASES\r\n--B--\r\nepilogue";
    ck_assert_int_eq(params_add_body(&params, SILT_STR("multipart/form-data; charset=x; boundary=\"B\""),
                                     SILT_STR(body), arena, &err),
                     SILT_OK);
    check_str(params_get(&params, "db"), "d");
    check_str(params_get(&params, "q"), "");
    check_str(params_get_file(&params, "q"), "SHOW\r\nDATABASES");
}
END_TEST

START_TEST(test_precedence)
{
    add_url("a=url&b=url&d=url");
    ck_assert_int_eq(params_add_body(&params, SILT_STR("application/x-www-form-urlencoded"), SILT_STR("a=form"), arena, &err),
                     SILT_OK);
    ck_assert_int_eq(params_add_body(&params, SILT_STR("multipart/form-data; boundary=B"),
                                     SILT_STR("--B\r\nContent-Disposition: form-data; name=b\r\n\r\npart\r\n"
                                              "--B\r\nContent-Disposition: form-data; name=c\r\n\r\npart\r\n"
                                              "--B\r\nContent-Disposition: form-data; name=e; filename=x\r\n\r\n\r\n--B--"),
                                     arena, &err),
                     SILT_OK);
    check_str(params_get(&params, "a"), "form");
    check_str(params_get(&params, "b"), "url");
    check_str(params_get(&params, "c"), "part");
    check_str(params_get(&params, "d"), "url");
    ck_assert(params_get_file(&params, "e").p && params_get_file(&params, "e").len == 0);
    ck_assert(!params_get_file(&params, "c").p);
}
END_TEST

START_TEST(test_multipart_damaged)
{
    static const char whole[] = "--B\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\nx\r\n--B--";
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        char *copy = malloc(len + 1);
        memcpy(copy, whole, len);
        struct silt_str body = {copy, len};
        ck_assert_int_eq(params_add_body(&params, SILT_STR("multipart/form-data; boundary=B"), body, arena, &err),
                         SILT_INVALID);
        free(copy);
    }
    ck_assert_int_eq(params_add_body(&params, SILT_STR("multipart/form-data"), SILT_STR(whole), arena, &err),
                     SILT_INVALID);
    ck_assert_int_eq(params_add_body(&params, SILT_STR("multipart/form-data; boundary="), SILT_STR(whole), arena, &err),
                     SILT_INVALID);
    ck_assert_int_eq(params_add_body(&params, SILT_STR("multipart/form-data; boundary=B"), SILT_STR(whole), arena, &err),
                     SILT_OK);
}
END_TEST

START_TEST(test_bound)
{
    char text[PARAMS_COUNT_MAX * 4 + 16];
    size_t len = 0;
    for (int i = 0; i <= PARAMS_COUNT_MAX; i++)
        len += (size_t)sprintf(text + len, "a=1&");
    ck_assert_int_eq(params_add_urlencoded(&params, (struct silt_str){text, len}, PARAM_URL, arena, &err), SILT_LIMIT);
}
END_TEST

/* Encode random bytes in a random way; decoding gives them back. */
START_TEST(test_random_round_trip)
{
    unsigned seed = (unsigned)time(NULL);
    printf("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 2000; round++) {
        char plain[64], coded[64 * 3 + 1];
        size_t plain_len = (size_t)rand() % 64, len = 0;
        for (size_t i = 0; i < plain_len; i++) {
            plain[i] = (char)rand();
            if (plain[i] == ' ' && rand() % 2)
                coded[len++] = '+';
            else if (((plain[i] | 0x20) >= 'a' && (plain[i] | 0x20) <= 'z') && rand() % 2)
                coded[len++] = plain[i];
            else
                len += (size_t)sprintf(coded + len, rand() % 2 ? "%%%02x" : "%%%02X", (unsigned char)plain[i]);
        }
        struct silt_str out;
        ck_assert(params_decode((struct silt_str){coded, len}, arena, &out));
        ck_assert(silt_str_equal(out, (struct silt_str){plain, plain_len}));
        silt_arena_reset(arena);
    }
}
END_TEST

START_TEST(test_auth)
{
    struct auth auth;
    struct silt_str none = {NULL, 0};

    auth_read(&auth, none, none, none, arena);
    ck_assert_int_eq(auth.kind, AUTH_NONE);
    auth_read(&auth, SILT_STR("u"), SILT_STR("p"), SILT_STR("Basic bm90OnVzZWQ="), arena);
    ck_assert_int_eq(auth.kind, AUTH_USER);
    check_str(auth.user, "u");
    check_str(auth.password, "p");
    auth_read(&auth, SILT_STR("u"), none, SILT_STR("basic cm9vdDpyb290"), arena);
    ck_assert_int_eq(auth.kind, AUTH_USER);
    check_str(auth.user, "root");
    check_str(auth.password, "root");
    auth_read(&auth, none, none, SILT_STR("Basic YTpiOmM="), arena);
    check_str(auth.user, "a");
    check_str(auth.password, "b:c");
    auth_read(&auth, none, none, SILT_STR("Token root:secret"), arena);
    check_str(auth.user, "root");
    check_str(auth.password, "secret");
    auth_read(&auth, none, none, SILT_STR("Bearer a.b.c"), arena);
    ck_assert_int_eq(auth.kind, AUTH_BEARER);
    check_str(auth.token, "a.b.c");
    static const char *const bad[] = {"Basic", "Basic x", "Basic cm9v", "Basic ====", "Basic cm9vd!==", "Digest x", "Token x",
                                      "Bearer", "Bearer "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        auth_read(&auth, none, none, silt_str_from(bad[i]), arena);
        ck_assert_msg(auth.kind == AUTH_UNREADABLE, "%s", bad[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("params");
    TCase *tests = tcase_create("params");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_urlencoded);
    tcase_add_test(tests, test_bad_pairs_are_left_out);
    tcase_add_test(tests, test_form_before_url);
    tcase_add_test(tests, test_multipart);
    tcase_add_test(tests, test_precedence);
    tcase_add_test(tests, test_multipart_damaged);
    tcase_add_test(tests, test_bound);
    tcase_add_test(tests, test_random_round_trip);
    tcase_add_test(tests, test_auth);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
