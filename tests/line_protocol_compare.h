/*
 * line_protocol_compare.h - holds lp_parse against lp_parse_strict on the same text, for the unit test and the fuzzer.
 *
 * The fast parser leaves series texts to storage; here they are checked after it, as storage would, and a row refused
 * then counts as an error in its place.
 */
#ifndef SILT_TESTS_LINE_PROTOCOL_COMPARE_H
#define SILT_TESTS_LINE_PROTOCOL_COMPARE_H

#include "server/line_protocol.h"
#include "silt/text.h"

#include <stdio.h>

struct compare_errors {
    struct lp_error *items;
    size_t count, capacity;
};

static inline void compare_add(struct compare_errors *errors, struct silt_arena *arena, struct lp_error error)
{
    errors->items = silt_arena_grow(arena, errors->items, &errors->capacity, errors->count + 1, sizeof(error));
    errors->items[errors->count++] = error;
}

static inline bool compare_values(enum silt_type type, union silt_value a, union silt_value b)
{
    if (type == SILT_TYPE_STRING)
        return silt_str_equal(silt_bytes_str(a.string), silt_bytes_str(b.string));
    return a.u64 == b.u64;
}

static inline const char *compare_rows(const struct silt_batch *fast, const struct silt_row *a,
                                       const struct silt_batch *strict, const struct silt_row *b)
{
    const struct silt_layout *la = &fast->layouts[a->layout], *lb = &strict->layouts[b->layout];
    if (a->series.p != b->series.p || a->series.len != b->series.len || a->series_hash != b->series_hash)
        return "series differ";
    if (a->series_hash != silt_hash(a->series.p, a->series.len))
        return "hash is wrong";
    if (a->time != b->time)
        return "times differ";
    if (!silt_str_equal(la->measurement, lb->measurement))
        return "measurements differ";
    if (la->field_count != lb->field_count)
        return "field counts differ";
    for (uint32_t i = 0; i < la->field_count; i++) {
        if (!silt_str_equal(la->fields[i].name, lb->fields[i].name) || la->fields[i].type != lb->fields[i].type)
            return "fields differ";
        if (!compare_values(la->fields[i].type, fast->values[a->value_offset + i], strict->values[b->value_offset + i]))
            return "values differ";
    }
    return NULL;
}

static inline const char *compare_error_lists(const struct compare_errors *fast, const struct lp_errors *strict)
{
    if (fast->count < strict->count)
        return "error counts differ";
    for (size_t i = 0; i < strict->count; i++) {
        const struct lp_error *a = &fast->items[i], *b = &strict->items[i];
        if (a->line.p != b->line.p || a->line.len != b->line.len)
            return "error lines differ";
        if (!silt_str_equal(a->reason, b->reason))
            return "reasons differ";
    }
    return NULL;
}

/* NULL when both parsers agree, else what they do not agree on. */
static inline const char *compare_parsers(const char *text, size_t len, const struct lp_options *options)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_batch fast, strict;
    struct lp_errors fast_errors, strict_errors;
    struct compare_errors merged = {0};
    struct silt_error err;
    const char *different = NULL;
    size_t at = 0, error_at = 0, refused = 0;

    if (lp_parse(text, len, options, arena, &fast, &fast_errors, &err) != SILT_OK ||
        lp_parse_strict(text, len, options, arena, &strict, &strict_errors, &err) != SILT_OK)
        different = "a parser failed";

    for (size_t i = 0; !different && i < fast.row_count; i++) {
        const struct silt_row *row = &fast.rows[i];
        struct silt_str key, measurement;
        struct silt_tag *tags;
        size_t tag_count;
        if (row->line != i)
            different = "row numbers are wrong";
        while (error_at < fast_errors.count && fast_errors.items[error_at].line.p < row->series.p)
            compare_add(&merged, arena, fast_errors.items[error_at++]);
        const char *reason = silt_series_key_parse(row->series, arena, &key, &measurement, &tags, &tag_count);
        if (reason) {
            struct lp_error error = {lp_row_line(text, len, row), silt_str_from(reason)};
            compare_add(&merged, arena, error);
            refused++;
        } else if (!silt_str_equal(measurement, fast.layouts[row->layout].measurement)) {
            different = "the layout's measurement is not the series'";
        } else if (at == strict.row_count) {
            different = "the fast parser has more rows";
        } else {
            different = compare_rows(&fast, row, &strict, &strict.rows[at++]);
        }
    }
    while (error_at < fast_errors.count)
        compare_add(&merged, arena, fast_errors.items[error_at++]);
    if (!different && at != strict.row_count)
        different = "the strict parser has more rows";
    if (!different && fast_errors.total + refused != strict_errors.total)
        different = "error totals differ";
    if (!different && fast_errors.total <= LP_ERRORS_KEPT_MAX)
        different = compare_error_lists(&merged, &strict_errors);
    silt_arena_destroy(arena);
    return different;
}

#endif
