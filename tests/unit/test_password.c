/*
 * test_password.c - hashes match their password and no other; destinations as Go's net/url takes them.
 */
#include "server/password.h"
#include "server/subscription_url.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdlib.h>

START_TEST(a_hash_matches_its_password_only)
{
    char first[PASSWORD_HASH_MAX], second[PASSWORD_HASH_MAX];
    struct silt_error err;
    ck_assert_int_eq(password_hash(SILT_STR("secret"), first, &err), SILT_OK);
    ck_assert_int_eq(password_hash(SILT_STR("secret"), second, &err), SILT_OK);
    ck_assert_str_ne(first, second); /* salted */
    ck_assert_int_eq(strncmp(first, "$2b$10$", 7), 0);
    ck_assert(password_matches(SILT_STR("secret"), silt_str_from(first)));
    ck_assert(password_matches(SILT_STR("secret"), silt_str_from(second)));
    ck_assert(!password_matches(SILT_STR("secreT"), silt_str_from(first)));
    ck_assert(!password_matches(SILT_STR(""), silt_str_from(first)));
    ck_assert_ptr_null(strstr(first, "secret"));
}
END_TEST

/* InfluxDB writes the older letter, $2a$ (this one is a test vector of crypt_blowfish). */
START_TEST(hashes_of_influxdb_match)
{
    ck_assert(password_matches(SILT_STR("U*U"), SILT_STR("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")));
    ck_assert(!password_matches(SILT_STR("U*V"), SILT_STR("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")));
}
END_TEST

START_TEST(what_is_no_hash_matches_nothing)
{
    char out[PASSWORD_HASH_MAX], text[400];
    struct silt_error err;
    memset(text, 'x', sizeof(text));
    ck_assert(!password_matches(SILT_STR("a"), SILT_STR("")));
    ck_assert(!password_matches(SILT_STR("a"), SILT_STR("a")));
    ck_assert(!password_matches(SILT_STR("a"), SILT_STR("$2b$10$short")));
    ck_assert(!password_matches(SILT_STR("a"), (struct silt_str){text, sizeof(text)}));
    ck_assert(!password_matches(SILT_STR("a\0b"), SILT_STR("$2b$10$short")));
    ck_assert_int_eq(password_hash(SILT_STR("a\0b"), out, &err), SILT_INVALID);
    /* Longer than the 72 bytes that bcrypt looks at, and empty. */
    ck_assert_int_eq(password_hash((struct silt_str){text, sizeof(text)}, out, &err), SILT_OK);
    ck_assert(password_matches((struct silt_str){text, sizeof(text)}, silt_str_from(out)));
    ck_assert_int_eq(password_hash(SILT_STR(""), out, &err), SILT_OK);
    ck_assert(password_matches(SILT_STR(""), silt_str_from(out)));
}
END_TEST

START_TEST(destinations)
{
    static const char *const good[] = {"udp://h:1", "UDP://127.0.0.1:1", "http://:80", "http://[::1]:80",
                                       "http://user:p@ss@h:80/path?x=y#z", "https://h:80?q", "http://h:80/a b",
                                       "http://a%C3b:1", "http://[::1%25en0]:80", "http://a%25b:1", "http://h:80#f"};
    static const char *const bad[] = {"",  "x",  "/x", "udp:", "udp:/", "udp://", "udp://h", "udp://h:", "ftp://h:1",
                                      "localhost:80", "http:/x:80", "http://h:port", "http://::1:80", "http://h h:80",
                                      "http://h:80/%zz", "http://h:80/%4", "http://h%41:80", " http://h:80",
                                      "http://h:80 ", "http://[::1]80", "http://[::1]", "http://u\"r@h:1",
                                      "http://a%20b:1", "http://a[b]:80", "http://[::1:80", "http://[]]:80",
                                      "http://h:1/\n", "http://u%@h:1", "http://h:80#%", "http://[", "http://%"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(subscription_url_is_valid(silt_str_from(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        /* at the end of its memory, so that a sanitizer sees a step too far */
        size_t len = strlen(bad[i]);
        char *copy = malloc(len ? len : 1);
        memcpy(copy, bad[i], len);
        ck_assert_msg(!subscription_url_is_valid((struct silt_str){copy, len}), "%s", bad[i]);
        free(copy);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("password");
    TCase *tcase = tcase_create("password");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_hash_matches_its_password_only);
    tcase_add_test(tcase, hashes_of_influxdb_match);
    tcase_add_test(tcase, what_is_no_hash_matches_nothing);
    tcase_add_test(tcase, destinations);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
