/*
 * test_field_layout.c - field ids, types per shard, interned layouts.
 */
#include "storage/field_layout.h"
#include "tests/run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct silt_layout make_layout(const char *measurement, const struct silt_field *fields, uint32_t count)
{
    return (struct silt_layout){silt_str_from(measurement), fields, count};
}

#define FIELD(text, kind)                                                                                              \
    {                                                                                                                  \
        SILT_STR(text), SILT_TYPE_##kind                                                                               \
    }

START_TEST(first_write_defines)
{
    struct silt_budget budget;
    silt_budget_init(&budget, "fields", SIZE_MAX, NULL);
    struct field_dict *dict = field_dict_create(&budget);
    struct field_types *types = field_types_create(&budget), *other = field_types_create(&budget);
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_field fields[] = {FIELD("user", INTEGER), FIELD("idle", FLOAT)};
    struct silt_field turned[] = {FIELD("idle", FLOAT), FIELD("user", INTEGER)};
    struct silt_layout layout = make_layout("cpu", fields, 2), swapped = make_layout("cpu", turned, 2);
    struct field_definitions defined = {0};
    struct layout_map map, map2;

    ck_assert(!field_dict_peek(dict, types, 1, &layout, arena, &map));
    ck_assert_int_eq(field_dict_resolve(dict, types, 1, &layout, arena, &map, &defined, NULL), SILT_OK);
    ck_assert_uint_eq(defined.count, 2);
    ck_assert(defined.items[0].new_name && defined.items[0].new_type && defined.items[0].field_id == 1);
    ck_assert(silt_str_equal(defined.items[0].name, SILT_STR("user")));
    ck_assert_uint_eq(map.layout->column_count, 2);
    ck_assert_uint_eq(map.layout->columns[0].field_id, 1);
    ck_assert_int_eq(map.layout->columns[1].type, SILT_TYPE_FLOAT);
    ck_assert_uint_eq(map.slots[0], 0);

    defined.count = 0;
    ck_assert_int_eq(field_dict_resolve(dict, types, 1, &swapped, arena, &map2, &defined, NULL), SILT_OK);
    ck_assert_uint_eq(defined.count, 0);
    ck_assert_ptr_eq(map.layout, map2.layout);
    ck_assert_uint_eq(map2.slots[0], 1);
    ck_assert_uint_eq(map2.slots[1], 0);
    ck_assert(field_dict_peek(dict, types, 1, &swapped, arena, &map2));

    /* Another shard: known names, new types; another measurement: ids of its own. */
    ck_assert(!field_dict_peek(dict, other, 1, &layout, arena, &map2));
    ck_assert_int_eq(field_dict_resolve(dict, other, 1, &layout, arena, &map2, &defined, NULL), SILT_OK);
    ck_assert_uint_eq(defined.count, 2);
    ck_assert(!defined.items[0].new_name && defined.items[0].new_type);
    ck_assert_ptr_eq(map.layout, map2.layout);
    ck_assert_int_eq(field_dict_resolve(dict, types, 9, &layout, arena, &map2, &defined, NULL), SILT_OK);
    ck_assert_ptr_ne(map.layout, map2.layout);
    ck_assert_uint_eq(field_dict_find(dict, 9, SILT_STR("user")), 1);
    ck_assert_uint_eq(field_dict_find(dict, 9, SILT_STR("nosuch")), 0);
    ck_assert_uint_eq(field_dict_count(dict, 1), 2);
    ck_assert(silt_str_equal(field_dict_name(dict, 1, 2), SILT_STR("idle")));
    ck_assert_uint_eq(field_dict_name(dict, 77, 2).len, 0);

    field_types_destroy(types);
    field_types_destroy(other);
    field_dict_destroy(dict);
    ck_assert_uint_eq(atomic_load(&budget.used_bytes), 0);
    silt_arena_destroy(arena);
}
END_TEST

START_TEST(conflict_defines_nothing)
{
    struct field_dict *dict = field_dict_create(NULL);
    struct field_types *types = field_types_create(NULL);
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_field first[] = {FIELD("v", FLOAT)}, second[] = {FIELD("w", FLOAT), FIELD("v", INTEGER)};
    struct silt_layout a = make_layout("m", first, 1), b = make_layout("m", second, 2);
    struct field_definitions defined = {0};
    struct layout_map map;
    struct silt_error err;
    ck_assert_int_eq(field_dict_resolve(dict, types, 1, &a, arena, &map, &defined, NULL), SILT_OK);
    ck_assert_int_eq(field_dict_resolve(dict, types, 1, &b, arena, &map, &defined, &err), SILT_CONFLICT);
    ck_assert_str_eq(err.text, "field type conflict: input field \"v\" on measurement \"m\" is type integer, already "
                               "exists as type float");
    ck_assert_uint_eq(defined.count, 1);
    ck_assert_uint_eq(field_dict_find(dict, 1, SILT_STR("w")), 0);
    /* DROP MEASUREMENT frees the types. */
    field_types_drop(types, 1);
    ck_assert_int_eq(field_dict_resolve(dict, types, 1, &b, arena, &map, &defined, &err), SILT_OK);
    ck_assert_int_eq(field_types_get(types, 1, 1), SILT_TYPE_INTEGER);
    field_types_destroy(types);
    field_dict_destroy(dict);
    silt_arena_destroy(arena);
}
END_TEST

START_TEST(loading)
{
    struct field_dict *dict = field_dict_create(NULL);
    struct field_types *types = field_types_create(NULL);
    struct silt_arena *arena = silt_arena_create(NULL);
    ck_assert_int_eq(field_dict_load(dict, 3, 40, SILT_STR("b"), NULL), SILT_OK);
    ck_assert_int_eq(field_dict_load(dict, 3, 2, SILT_STR("a"), NULL), SILT_OK);
    ck_assert_int_eq(field_dict_load(dict, 3, 2, SILT_STR("a"), NULL), SILT_OK);
    ck_assert_int_eq(field_dict_load(dict, 3, 2, SILT_STR("c"), NULL), SILT_CORRUPT);
    ck_assert_int_eq(field_dict_load(dict, 3, 5, SILT_STR("a"), NULL), SILT_CORRUPT);
    ck_assert_int_eq(field_dict_load(dict, 3, 0, SILT_STR("x"), NULL), SILT_CORRUPT);
    ck_assert_uint_eq(field_dict_find(dict, 3, SILT_STR("b")), 40);
    ck_assert_int_eq(field_types_set(types, 3, 40, SILT_TYPE_STRING, NULL), SILT_OK);
    ck_assert_int_eq(field_types_set(types, 3, 40, SILT_TYPE_FLOAT, NULL), SILT_OK);
    ck_assert_int_eq(field_types_set(types, 3, 2, SILT_TYPE_BOOLEAN, NULL), SILT_OK);
    struct field_ref *list;
    size_t count;
    ck_assert_int_eq(field_types_list(types, 3, arena, &list, &count, NULL), SILT_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert(list[0].field_id == 2 && list[0].type == SILT_TYPE_BOOLEAN);
    ck_assert(list[1].field_id == 40 && list[1].type == SILT_TYPE_STRING);
    struct silt_field fields[] = {FIELD("new", FLOAT)};
    struct silt_layout layout = make_layout("m", fields, 1);
    struct field_definitions defined = {0};
    struct layout_map map;
    ck_assert_int_eq(field_dict_resolve(dict, types, 3, &layout, arena, &map, &defined, NULL), SILT_OK);
    ck_assert_uint_eq(defined.items[0].field_id, 41);
    field_types_destroy(types);
    field_dict_destroy(dict);
    silt_arena_destroy(arena);
}
END_TEST

START_TEST(random_layouts_are_interned)
{
    unsigned seed = (unsigned)time(NULL);
    printf("field layout seed %u\n", seed);
    srand(seed);
    enum { N = 3000, WIDTH = 40 };
    struct field_dict *dict = field_dict_create(NULL);
    const struct field_layout *made[N];
    uint64_t masks[N];
    for (int i = 0; i < N; i++) {
        struct field_ref columns[WIDTH];
        uint32_t n = 0;
        masks[i] = (uint64_t)rand() & (uint64_t)rand() & (((uint64_t)1 << WIDTH) - 1);
        if (masks[i] == 0)
            masks[i] = 1;
        for (uint32_t f = 0; f < WIDTH; f++)
            if (masks[i] >> f & 1)
                columns[n++] = (struct field_ref){f + 1, SILT_TYPE_FLOAT};
        made[i] = field_dict_intern(dict, 1, columns, n);
    }
    for (int i = 0; i < N; i++) {
        int j = rand() % N;
        ck_assert((made[i] == made[j]) == (masks[i] == masks[j]));
        const struct field_layout *both = field_dict_union(dict, made[i], made[j]);
        ck_assert_uint_eq(both->column_count, __builtin_popcountll(masks[i] | masks[j]));
        for (uint32_t c = 0; c < both->column_count; c++)
            ck_assert((masks[i] | masks[j]) >> (both->columns[c].field_id - 1) & 1);
    }
    /* Where types differ, the second's. */
    struct field_ref a = {1, SILT_TYPE_FLOAT}, b = {1, SILT_TYPE_STRING};
    ck_assert_ptr_eq(field_dict_union(dict, field_dict_intern(dict, 1, &a, 1), field_dict_intern(dict, 1, &b, 1)),
                     field_dict_intern(dict, 1, &b, 1));
    field_dict_destroy(dict);
}
END_TEST

START_TEST(budget_refuses)
{
    struct silt_budget budget;
    silt_budget_init(&budget, "fields", 20000, NULL);
    struct field_dict *dict = field_dict_create(&budget);
    struct field_types *types = field_types_create(&budget);
    struct silt_arena *arena = silt_arena_create(NULL);
    enum silt_status rc = SILT_OK;
    struct silt_error err;
    int i = 0;
    for (; i < 100000 && rc == SILT_OK; i++) {
        struct silt_field field = {silt_arena_printf(arena, "f%d", i), SILT_TYPE_FLOAT};
        struct silt_layout layout = make_layout("m", &field, 1);
        struct field_definitions defined = {0};
        struct layout_map map;
        rc = field_dict_resolve(dict, types, 1, &layout, arena, &map, &defined, &err);
    }
    ck_assert_int_eq(rc, SILT_LIMIT);
    ck_assert_int_gt(i, 50);
    char text[200];
    snprintf(text, sizeof(text), "memory of the series index is used up (%zu of 20000 bytes): measurement \"m\" has %u fields, "
             "points with new ones are refused", (size_t)atomic_load(&budget.used_bytes), field_dict_count(dict, 1));
    ck_assert_str_eq(err.text, text);
    struct silt_field known = {SILT_STR("f3"), SILT_TYPE_FLOAT};
    struct silt_layout layout = make_layout("m", &known, 1);
    struct field_definitions defined = {0};
    struct layout_map map;
    ck_assert_int_eq(field_dict_resolve(dict, types, 1, &layout, arena, &map, &defined, NULL), SILT_OK);
    ck_assert_uint_eq(defined.count, 0);
    field_types_destroy(types);
    field_dict_destroy(dict);
    ck_assert_uint_eq(atomic_load(&budget.used_bytes), 0);
    silt_arena_destroy(arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("field_layout");
    TCase *tcase = tcase_create("field_layout");
    tcase_add_test(tcase, first_write_defines);
    tcase_add_test(tcase, conflict_defines_nothing);
    tcase_add_test(tcase, loading);
    tcase_add_test(tcase, random_layouts_are_interned);
    tcase_add_test(tcase, budget_refuses);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
