/*
 * test_auth.c - log-ins that are remembered, log-ins that wait, tokens of every shape; and which privileges a statement
 * needs. What clients see of it is tested over HTTP (tests/access, tests/http/test_access.py).
 */
#include "server/auth_cache.h"
#include "server/jwt.h"
#include "server/login_throttle.h"
#include "silt/query.h"
#include "silt/text.h"
#include "tests/run_suite.h"

#include <check.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define MS 1000000ull

static struct auth_mark mark_of(const struct auth_cache *cache, const char *user, const char *password, const char *hash)
{
    return auth_cache_mark(cache, silt_str_from(user), silt_str_from(password), silt_str_from(hash));
}

START_TEST(test_cache)
{
    struct auth_cache *cache, *other;
    char name[32];
    size_t kept = 0;

    ck_assert_int_eq(auth_cache_create(&cache, NULL), SILT_OK);
    ck_assert_int_eq(auth_cache_create(&other, NULL), SILT_OK);
    struct auth_mark mark = mark_of(cache, "bob", "secret", "$2b$1");
    ck_assert(!auth_cache_has(cache, &mark));
    auth_cache_add(cache, &mark);
    auth_cache_add(cache, &mark);
    ck_assert(auth_cache_has(cache, &mark));
    const char *others[][3] = {{"bobs", "ecret", "$2b$1"}, {"bob", "secret", "$2b$2"}, {"bob", "secret$", "2b$1"},
                               {"bob", "", "secret$2b$1"}, {"", "bobsecret", "$2b$1"}, {"bob", "Secret", "$2b$1"}};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct auth_mark differs = mark_of(cache, others[i][0], others[i][1], others[i][2]);
        ck_assert(!auth_cache_has(cache, &differs));
    }
    struct auth_mark elsewhere = mark_of(other, "bob", "secret", "$2b$1"); /* another key */
    ck_assert(memcmp(elsewhere.bytes, mark.bytes, AUTH_MARK_BYTES) != 0);

    for (int i = 0; i < 10000; i++) { /* bounded: the newest is always there, most of the oldest are not */
        snprintf(name, sizeof(name), "user%d", i);
        mark = mark_of(cache, name, "p", "h");
        auth_cache_add(cache, &mark);
        ck_assert(auth_cache_has(cache, &mark));
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "user%d", i);
        mark = mark_of(cache, name, "p", "h");
        kept += auth_cache_has(cache, &mark);
    }
    ck_assert_uint_le(kept, 1024);
    ck_assert_uint_ge(kept, 900);
    auth_cache_destroy(cache);
    auth_cache_destroy(other);
    auth_cache_destroy(NULL);
}
END_TEST

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage out = {0};

    if (strchr(text, ':')) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out;
        v6->sin6_family = AF_INET6;
        ck_assert_int_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    } else {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&out;
        v4->sin_family = AF_INET;
        ck_assert_int_eq(inet_pton(AF_INET, text, &v4->sin_addr), 1);
    }
    return out;
}

static unsigned place_of(const struct login_throttle *throttle, const char *text)
{
    struct sockaddr_storage peer = address(text);

    return login_throttle_place(throttle, &peer);
}

START_TEST(test_throttle)
{
    struct login_throttle *throttle = login_throttle_create(42);
    unsigned place = place_of(throttle, "10.0.0.1");
    uint64_t now = 1000000 * MS, due;

    ck_assert_uint_eq(place, place_of(throttle, "::ffff:10.0.0.1"));
    ck_assert_uint_eq(place_of(throttle, "2001:db8::1"), place_of(throttle, "2001:db8::ffff:2"));
    ck_assert_uint_ne(place, place_of(throttle, "10.0.0.2"));
    for (int i = 0; i < 6; i++) {
        ck_assert(login_throttle_turn(throttle, place, 1000, now, &due));
        ck_assert_uint_eq(due, now);
        login_throttle_failed(throttle, place, now);
    }
    /* turns, one behind the other */
    static const uint64_t waits_ms[] = {0, 100, 200, 300};
    for (int i = 0; i < 4; i++) {
        ck_assert(login_throttle_turn(throttle, place, 1000, now, &due));
        ck_assert_uint_eq(due, now + waits_ms[i] * MS);
    }
    ck_assert(login_throttle_turn(throttle, place, 0, now, &due)); /* switched off */
    ck_assert_uint_eq(due, now);
    ck_assert(login_throttle_turn(throttle, place_of(throttle, "10.0.0.2"), 1000, now, &due));
    ck_assert_uint_eq(due, now);
    /* each failure doubles, up to the limit; and not too many wait */
    for (int i = 0; i < 100; i++)
        login_throttle_failed(throttle, place, now);
    int granted = 0;
    while (login_throttle_turn(throttle, place, 1000, now, &due))
        ck_assert_int_lt(++granted, 100);
    ck_assert_int_ge(granted, 16);
    now += 59000 * MS;
    ck_assert(login_throttle_turn(throttle, place, 1000, now, &due));
    ck_assert(login_throttle_turn(throttle, place, 1000, now, &due));
    ck_assert_uint_eq(due, now + 1000 * MS);
    now += 2000 * MS; /* a minute without a failure */
    ck_assert(login_throttle_turn(throttle, place, 1000, now, &due));
    ck_assert(login_throttle_turn(throttle, place, 1000, now, &due));
    ck_assert_uint_eq(due, now);
    login_throttle_destroy(throttle);
    login_throttle_destroy(NULL);
}
END_TEST

/* {"alg":"HS256","typ":"JWT"} . {"username":"root","exp":4000000000}, secret "k" */
#define GOOD                                                                                                           \
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VybmFtZSI6InJvb3QiLCJleHAiOjQwMDAwMDAwMDB9."                           \
    "Bh9SdD3Hv2XKxD_ZJGHQRrnNR4Q6jo_zGQgkhxCyM20"

START_TEST(test_token)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_error err;
    struct silt_str name;
    char text[sizeof(GOOD)];

    ck_assert_int_eq(jwt_verify(SILT_STR(GOOD), SILT_STR("k"), 1700000000, arena, &name, &err), SILT_OK);
    ck_assert(silt_str_equal(name, SILT_STR("root")));
    ck_assert_int_eq(jwt_verify(SILT_STR(GOOD), SILT_STR("k"), 4000000000, arena, &name, &err), SILT_OK);
    ck_assert_int_eq(jwt_verify(SILT_STR(GOOD), SILT_STR("k"), 4000000001, arena, &name, &err), SILT_INVALID);
    ck_assert_str_eq(err.text, "Token is expired");
    ck_assert_int_eq(jwt_verify(SILT_STR(GOOD), SILT_STR("K"), 1700000000, arena, &name, &err), SILT_INVALID);
    ck_assert_str_eq(err.text, "signature is invalid");
    /* cut anywhere, and with any byte changed: never taken. The last digit holds two bits that nobody reads. */
    for (size_t len = 0; len < sizeof(GOOD) - 1; len++) {
        memcpy(text, GOOD, len);
        ck_assert_int_ne(jwt_verify((struct silt_str){text, len}, SILT_STR("k"), 1700000000, arena, &name, &err), SILT_OK);
    }
    for (size_t at = 0; at < sizeof(GOOD) - 2; at++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(text, GOOD, sizeof(GOOD));
            if (text[at] == (char)byte)
                continue;
            text[at] = (char)byte;
            struct silt_str token = {text, sizeof(GOOD) - 1};
            ck_assert_int_ne(jwt_verify(token, SILT_STR("k"), 1700000000, arena, &name, &err), SILT_OK);
        }
    silt_arena_destroy(arena);
}
END_TEST

static const struct {
    const char *text, *needs; /* "a": admin, "r", "w": on the database behind it */
} statements[] = {
    {"SELECT a FROM m", "r."},
    {"SELECT a FROM d1..m, (SELECT b FROM d2.rp.m, d3..n)", "rd1 rd2 rd3"},
    {"SELECT a INTO x FROM d1..m", "rd1 w."},
    {"SELECT a INTO d2.rp.:MEASUREMENT FROM /x/", "r. wd2"},
    {"EXPLAIN ANALYZE SELECT a FROM d1..m", "rd1"},
    {"SHOW DATABASES", ""},
    {"SHOW SERIES ON d1", "rd1"},
    {"SHOW TAG VALUES CARDINALITY FROM d2..m WITH KEY = k", "rd2"},
    {"SHOW TAG KEY CARDINALITY ON d1", "rd1"},
    {"SHOW SERIES CARDINALITY ON d1 FROM d2..m", "rd1"},
    {"DELETE FROM m", "w."},
    {"DROP MEASUREMENT m", "a"},
    {"DROP RETENTION POLICY p ON d1", "wd1"},
    {"CREATE CONTINUOUS QUERY c ON d1 BEGIN SELECT mean(v) INTO d2..o FROM m GROUP BY time(1m) END", "rd1 wd2"},
    {"SET PASSWORD FOR bob = 'x'", "a"},
    {"SHOW QUERIES", "r."},
    {"KILL QUERY 1", "a"},
};

START_TEST(test_privileges)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_buffer told = {0};
    struct silt_needed *needed;
    struct silt_query *query;
    size_t count;

    ck_assert_int_eq(silt_query_parse(silt_str_from(statements[_i].text), NULL, 0, arena, &query, NULL), SILT_OK);
    silt_query_privileges(query, 0, arena, &needed, &count);
    for (size_t i = 0; i < count; i++) {
        silt_buffer_printf(&told, "%s%s", i ? " " : "", needed[i].admin                                ? "a"
                                                        : needed[i].privilege == SILT_PRIVILEGE_READ ? "r"
                                                                                                     : "w");
        if (!needed[i].admin)
            silt_buffer_printf(&told, "%.*s", (int)(needed[i].database.len ? needed[i].database.len : 1),
                               needed[i].database.len ? needed[i].database.p : ".");
    }
    silt_buffer_char(&told, '\0');
    ck_assert_str_eq(told.p, statements[_i].needs);
    silt_buffer_free(&told);
    silt_arena_destroy(arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("auth");
    TCase *tc = tcase_create("auth");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_cache);
    tcase_add_test(tc, test_throttle);
    tcase_add_test(tc, test_token);
    tcase_add_loop_test(tc, test_privileges, 0, sizeof(statements) / sizeof(statements[0]));
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
