/*
 * test_collectd.c - types.db, the file of users, packets, and the points they become.
 */
#include "server/collectd_points.h"
#include "tests/run_suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct silt_arena *arena;
static struct collectd_types *types;
static struct collectd_users *users;
static struct silt_error err;
static char users_path[] = "/tmp/silt-users-XXXXXX";

/* plugin "p", type "gauge", time 5 s, gauge 1.5 */
#define PARTS                                                                                                          \
    "\0\2\0\6p\0"                                                                                                      \
    "\0\4\0\12gauge\0"                                                                                                 \
    "\0\1\0\14\0\0\0\0\0\0\0\5"                                                                                        \
    "\0\6\0\17\0\1\1\0\0\0\0\0\0\xf8\x3f"
/* What alice puts before them to sign them, and the same encrypted, made with another implementation. */
#define SIGNATURE                                                                                                      \
    "\x02\x00\x00\x29\x6b\xc8\x08\x8a\xe2\x25\xde\x9a\xf6\xeb\xa0\xdd\xd9\x49\xa1\xe3\x1c\x63\x14\x85\x07\xce\xc8\x73" \
    "\xa1\xea\x9e\x2d\x36\xa7\xf9\x45\x61\x6c\x69\x63\x65"
#define ENCRYPTED                                                                                                      \
    "\x02\x10\x00\x5a\x00\x05\x61\x6c\x69\x63\x65\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\xf8" \
    "\x86\xbb\x81\x40\x48\x29\x30\x79\xd5\x9a\x1f\xdd\xe7\x2f\x79\xfa\x6c\xe7\x0d\x12\x1e\x8e\x26\x33\xc4\xe7\xa9\x18" \
    "\x54\x40\x6b\x9c\x74\x88\xef\xc6\x87\xeb\x93\x9f\xa0\x83\x1c\xf8\x98\x0d\x31\x93\x1a\x9c\x44\x42\x1b\x0e\x34\x87" \
    "\xec\xa1\xf3\x62\x5e\x0b"

static void setup(void)
{
    static const char text[] = "# x: y\nalice: w0nder\nbob : one\nbob: two ";

    arena = silt_arena_create(NULL);
    types = collectd_types_parse(SILT_STR("# comment\n\ngauge value:GAUGE:U:U\nload short:GAUGE:0:5000, long:GAUGE:0:5e3,\n"
                                          "gauge2 value:GAUGE:x:U\ngauge3 value:NONE:U:U\n two a:GAUGE:U:U\ttwo:DERIVE:U:U\r\n"
                                          "load shortterm:GAUGE:0:1 longterm:COUNTER:0:1\nsame v:GAUGE:U:U, v:GAUGE:U:U\n"
                                          "gauge4 value:GAUGE:U\nlast value:ABSOLUTE:0:U"));
    memcpy(users_path + sizeof(users_path) - 7, "XXXXXX", 6);
    int fd = mkstemp(users_path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    users = collectd_users_create(users_path);
}

static void teardown(void)
{
    collectd_types_free(types);
    collectd_users_destroy(users);
    unlink(users_path);
    silt_arena_destroy(arena);
}

static enum silt_status read_packet(struct silt_str packet, enum silt_collectd_security level,
                                    struct collectd_lists *lists)
{
    struct collectd_reader reader = {types, users, level};
    char *copy = malloc(packet.len + 1); /* at its very end: the sanitizer sees who reads on */

    memcpy(copy + 1, packet.p, packet.len);
    enum silt_status rc =
        collectd_read_packet(&reader, (struct silt_str){copy + 1, packet.len}, arena, lists, &err);
    if (rc != SILT_OK)
        lists->count = 0;
    for (size_t i = 0; i < lists->count; i++) { /* borrowed */
        lists->items[i].host = silt_arena_str(arena, lists->items[i].host);
        lists->items[i].plugin = silt_arena_str(arena, lists->items[i].plugin);
        lists->items[i].plugin_instance = silt_arena_str(arena, lists->items[i].plugin_instance);
        lists->items[i].type_name = silt_arena_str(arena, lists->items[i].type_name);
        lists->items[i].type_instance = silt_arena_str(arena, lists->items[i].type_instance);
    }
    free(copy);
    return rc;
}

static void check_str(struct silt_str got, const char *want)
{
    ck_assert_msg(silt_str_equal(got, silt_str_from(want)), "got '%.*s', want '%s'", SILT_FMT(got), want);
}

START_TEST(test_types)
{
    static const char *const absent[] = {"gauge2", "gauge3", "gauge4", "#", "", "loa", "loads"};
    const struct collectd_type *type = collectd_types_find(types, SILT_STR("load"));

    ck_assert_ptr_nonnull(type);
    ck_assert_uint_eq(type->source_count, 2);
    check_str(type->sources[0].name, "shortterm"); /* of the later line */
    check_str(type->sources[1].name, "longterm");
    ck_assert_int_eq(type->sources[1].kind, COLLECTD_COUNTER);
    type = collectd_types_find(types, SILT_STR("two"));
    ck_assert_uint_eq(type->source_count, 2);
    check_str(type->sources[1].name, "two");
    type = collectd_types_find(types, SILT_STR("same"));
    ck_assert(type->sources[0].hidden && !type->sources[1].hidden);
    ck_assert_int_eq(collectd_types_find(types, SILT_STR("last"))->sources[0].kind, COLLECTD_ABSOLUTE);
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        ck_assert_ptr_null(collectd_types_find(types, silt_str_from(absent[i])));
}
END_TEST

START_TEST(test_plain)
{
    struct collectd_lists lists;

    ck_assert_int_eq(read_packet(SILT_STR(PARTS), SILT_COLLECTD_NONE, &lists), SILT_OK);
    ck_assert_uint_eq(lists.count, 1);
    check_str(lists.items[0].plugin, "p");
    check_str(lists.items[0].host, "");
    ck_assert(lists.items[0].has_time);
    ck_assert_int_eq(lists.items[0].time, 5000000000);
    ck_assert_double_eq(lists.items[0].values[0], 1.5);
    ck_assert_int_eq(read_packet(SILT_STR(PARTS), SILT_COLLECTD_SIGN, &lists), SILT_OK);
    ck_assert_uint_eq(lists.count, 0);
}
END_TEST

/* Cut off anywhere but between two parts it is refused, and nothing behind its end is looked at. */
START_TEST(test_cut)
{
    struct silt_str whole = SILT_STR(PARTS);
    struct collectd_lists lists;

    for (size_t len = 0; len < whole.len; len++) {
        bool between = len == 0 || len == 6 || len == 16 || len == 28;
        enum silt_status rc = read_packet((struct silt_str){whole.p, len}, SILT_COLLECTD_NONE, &lists);
        ck_assert_msg((rc == SILT_OK) == between, "%zu bytes", len);
        ck_assert_uint_eq(lists.count, 0);
    }
    whole = SILT_STR(ENCRYPTED);
    for (size_t len = 1; len < whole.len; len++)
        ck_assert_int_eq(read_packet((struct silt_str){whole.p, len}, SILT_COLLECTD_NONE, &lists), SILT_INVALID);
}
END_TEST

START_TEST(test_signed)
{
    struct collectd_lists lists;
    char changed[] = SIGNATURE PARTS;

    ck_assert_int_eq(read_packet(SILT_STR(SIGNATURE PARTS), SILT_COLLECTD_SIGN, &lists), SILT_OK);
    ck_assert_uint_eq(lists.count, 1);
    ck_assert_int_eq(read_packet(SILT_STR(SIGNATURE PARTS), SILT_COLLECTD_ENCRYPT, &lists), SILT_OK);
    ck_assert_uint_eq(lists.count, 0);
    for (size_t i = 4; i < sizeof(changed) - 1; i++) { /* no byte of signature, name and parts may differ */
        changed[i] ^= 1;
        ck_assert_int_eq(read_packet((struct silt_str){changed, sizeof(changed) - 1}, SILT_COLLECTD_NONE, &lists),
                         SILT_INVALID);
        changed[i] ^= 1;
    }
}
END_TEST

START_TEST(test_encrypted)
{
    struct collectd_lists lists;
    char changed[] = ENCRYPTED;

    ck_assert_int_eq(read_packet(SILT_STR(ENCRYPTED PARTS), SILT_COLLECTD_ENCRYPT, &lists), SILT_OK);
    ck_assert_uint_eq(lists.count, 1); /* not what is behind it */
    ck_assert_double_eq(lists.items[0].values[0], 1.5);
    for (size_t i = 4; i < sizeof(changed) - 1; i++) {
        changed[i] ^= 1;
        ck_assert_int_eq(read_packet((struct silt_str){changed, sizeof(changed) - 1}, SILT_COLLECTD_NONE, &lists),
                         SILT_INVALID);
        changed[i] ^= 1;
    }
}
END_TEST

START_TEST(test_users)
{
    struct silt_str plain;
    const char zero[64] = "";

    ck_assert_int_eq(collectd_verify(users, SILT_STR("nobody"), zero, SILT_STR("x"), &err), SILT_INVALID);
    ck_assert_str_eq(err.text, "user \"nobody\" is not in the auth-file");
    ck_assert_int_eq(collectd_verify(users, SILT_STR("# x"), zero, SILT_STR("x"), &err), SILT_INVALID);
    ck_assert_str_eq(err.text, "user \"# x\" is not in the auth-file");
    ck_assert_int_eq(collectd_verify(users, SILT_STR("bob"), zero, SILT_STR("x"), &err), SILT_INVALID);
    ck_assert_str_eq(err.text, "the signature is not the user's");
    ck_assert_int_eq(collectd_decrypt(users, SILT_STR("bob"), zero, (struct silt_str){zero, 64}, arena, &plain, &err),
                     SILT_INVALID);
    struct collectd_users *none = collectd_users_create("/nonexistent/users");
    ck_assert_int_ne(collectd_users_check(none, &err), SILT_OK);
    ck_assert_int_ne(collectd_verify(none, SILT_STR("alice"), zero, SILT_STR("x"), &err), SILT_OK);
    collectd_users_destroy(none);
}
END_TEST

/* A list of the type, with its values, and the points made of it. */
static struct datagram_points points_of(const char *type, enum silt_collectd_values form, double first, double second)
{
    double *values = silt_arena_alloc(arena, 2 * sizeof(*values));
    struct collectd_list *list = silt_arena_zalloc(arena, sizeof(*list));
    struct datagram_points out;

    values[0] = first;
    values[1] = second;
    *list = (struct collectd_list){.host = SILT_STR("h 1"), .plugin = SILT_STR("p\\"), .plugin_instance = SILT_STR("C:\\"),
                                   .type_name = silt_str_from(type), .time = 7, .has_time = true,
                                   .type = collectd_types_find(types, silt_str_from(type)), .values = values};
    collectd_make_points(&(struct collectd_lists){.items = list, .count = 1}, form, arena, &out);
    return out;
}

START_TEST(test_points)
{
    struct datagram_points points = points_of("load", SILT_COLLECTD_SPLIT, 1, 2);

    ck_assert_uint_eq(points.batch.row_count, 2);
    check_str(points.batch.rows[0].series, "p\\_shortterm,host=h\\ 1,instance=C:,type=load");
    check_str(points.batch.layouts[points.batch.rows[1].layout].measurement, "p\\_longterm");
    check_str(points.batch.layouts[0].fields[0].name, "value");
    ck_assert_double_eq(points.batch.values[points.batch.rows[1].value_offset].f64, 2);

    points = points_of("load", SILT_COLLECTD_JOIN, 1, 2);
    ck_assert_uint_eq(points.batch.row_count, 1);
    check_str(points.batch.rows[0].series, "p,host=h\\ 1,instance=C:,type=load");
    ck_assert_uint_eq(points.batch.layouts[0].field_count, 2);
    check_str(points.batch.layouts[0].fields[1].name, "longterm");

    points = points_of("same", SILT_COLLECTD_JOIN, 1, 2);
    ck_assert_uint_eq(points.batch.layouts[0].field_count, 1);
    ck_assert_double_eq(points.batch.values[0].f64, 2);

    points = points_of("load", SILT_COLLECTD_SPLIT, NAN, 2);
    ck_assert_uint_eq(points.batch.row_count, 1);
    ck_assert_uint_eq(points.dropped, 1);
    points = points_of("load", SILT_COLLECTD_JOIN, 1, INFINITY);
    ck_assert_uint_eq(points.batch.row_count, 0);
    ck_assert_uint_eq(points.dropped, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("collectd");
    TCase *tests = tcase_create("collectd");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, test_types);
    tcase_add_test(tests, test_plain);
    tcase_add_test(tests, test_cut);
    tcase_add_test(tests, test_signed);
    tcase_add_test(tests, test_encrypted);
    tcase_add_test(tests, test_users);
    tcase_add_test(tests, test_points);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
