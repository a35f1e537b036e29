/*
 * make_series.h - for tests: one series of an index by its text.
 */
#ifndef TESTS_MAKE_SERIES_H
#define TESTS_MAKE_SERIES_H

#include "silt/storage.h"
#include "storage/series_index.h"

/* Its id; 0: err tells why it cannot be made. created may be NULL. */
static inline silt_series_id make_series(struct series_index *index, struct silt_str text, bool pending, bool *created,
                                         struct silt_error *err)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct series_wanted wanted = {.raw = text, .raw_hash = silt_hash(text.p, text.len)};
    struct silt_tag *tags;
    const char *reason = silt_series_key_parse(text, arena, &wanted.parts.key, &wanted.parts.measurement, &tags, &wanted.parts.tag_count);
    silt_assert(!reason);
    wanted.parts.tags = tags;
    size_t done = series_index_resolve(index, &wanted, 1, pending, err);
    silt_arena_destroy(arena);
    if (created)
        *created = done && wanted.created;
    return done ? wanted.id : 0;
}

/* 0: not known. */
static inline silt_series_id find_series(struct series_index *index, struct silt_str text)
{
    struct silt_row row = {.series = text, .series_hash = silt_hash(text.p, text.len)};
    silt_series_id id;
    series_index_lookup(index, &row, 1, &id);
    return id;
}

#endif
