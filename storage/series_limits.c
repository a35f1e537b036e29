/*
 * series_limits.c - implements series_limits.h.
 *
 *     partial write: max-values-per-tag limit exceeded (100/100): measurement="m" tag="id" value="x" dropped=1     as InfluxDB
 *     partial write: max-series-per-database limit exceeded: (1000) dropped=1                                      as InfluxDB
 *     partial write: memory of the series index is used up (...): tag "id" of measurement "m" has 9000000 values dropped=1
 *
 * A dictionary keeps the values of series that are gone. They do not count: they are looked for when series were removed since
 * the last look and the bound seems reached, so that making series costs nothing beside it.
 */
#include "storage/series_limits.h"

#include <inttypes.h>

/* All series are in the postings first, so that a value without any is one without series. */
static uint32_t count_dead(struct series_index *index, struct series_body *body, struct tag_key *key)
{
    uint32_t dead = 0;

    pthread_rwlock_wrlock(&index->lock);
    index_post_body(index, body, UINT32_MAX);
    for (uint32_t code = 0; code < string_set_count(&key->values); code++)
        dead += string_set_has(&key->values, code) && (code >= key->postings_capacity || key->postings[code] == 0);
    pthread_rwlock_unlock(&index->lock);
    return dead;
}

/* Values that series have. One that was dead and came back is still left out until the next look: a few more than the bound. */
static uint32_t live_values(struct series_index *index, struct series_body *body, struct tag_key *key, size_t bound)
{
    uint32_t all = string_set_strings(&key->values);

    if (all >= bound && key->removals_seen != body->removals) {
        key->dead_values = count_dead(index, body, key);
        key->removals_seen = body->removals;
    }
    return all > key->dead_values ? all - key->dead_values : 0;
}

static struct series_body *find_body(struct series_index *index, struct silt_str measurement)
{
    uint32_t code = string_set_find(&index->names, &index->heap, measurement);
    return code == STRINGS_NONE ? NULL : index_measurement(index, code + 1)->body;
}

static enum silt_status check_values(struct series_index *index, const struct series_parts *parts, struct silt_error *err)
{
    struct series_body *body = find_body(index, parts->measurement);
    size_t bound = index->limits.tag_values;

    for (size_t i = 0; body && i < parts->tag_count; i++) {
        const struct silt_tag *tag = &parts->tags[i];
        struct tag_key *key = body_find_key(body, tag->key);
        if (!key || string_set_find(&key->values, &body->heap, tag->value) != STRINGS_NONE)
            continue;
        uint32_t count = live_values(index, body, key, bound);
        if (count >= bound)
            return silt_fail(err, SILT_LIMIT,
                             "max-values-per-tag limit exceeded (%" PRIu32 "/%zu): measurement=\"%.*s\" tag=\"%.*s\" value=\"%.*s\"",
                             count, bound, SILT_FMT(parts->measurement), SILT_FMT(tag->key), SILT_FMT(tag->value));
    }
    return SILT_OK;
}

/* The tag with the most values, of all measurements; NULL: no series has tags. */
static const struct tag_key *largest_key(struct series_index *index, uint32_t *measurement, const struct series_body **body)
{
    const struct tag_key *largest = NULL;

    for (uint32_t m = 1; m <= string_set_count(&index->names); m++) {
        const struct series_body *at = index_measurement(index, m)->body;
        for (uint32_t k = 0; at && k < string_set_count(&at->key_names); k++) {
            const struct tag_key *key = body_key(at, k);
            if (largest && string_set_strings(&key->values) <= string_set_strings(&largest->values))
                continue;
            largest = key;
            *body = at;
            *measurement = m;
        }
    }
    return largest;
}

static enum silt_status memory_used_up(struct series_index *index, struct silt_error *err)
{
    const struct silt_budget *budget = index->budget;
    uint32_t measurement = 0;
    const struct series_body *body = NULL;
    const struct tag_key *key = largest_key(index, &measurement, &body);
    size_t used = atomic_load_explicit(&budget->used_bytes, memory_order_relaxed);
    size_t limit = atomic_load_explicit(&budget->limit_bytes, memory_order_relaxed);

    if (!key)
        return silt_fail(err, SILT_LIMIT, "memory of the series index is used up (%zu of %zu bytes)", used, limit);
    return silt_fail(err, SILT_LIMIT,
                     "memory of the series index is used up (%zu of %zu bytes): tag \"%.*s\" of measurement \"%.*s\" has %" PRIu32 " values",
                     used, limit, SILT_FMT(body_key_name(body, key)), SILT_FMT(series_index_measurement_name(index, measurement)),
                     string_set_strings(&key->values));
}

enum silt_status series_limits_check(struct series_index *index, const struct series_parts *parts, struct silt_error *err)
{
    size_t series = atomic_load_explicit(&index->series_count, memory_order_relaxed);
    enum silt_status rc = SILT_OK;

    if (index->limits.tag_values && (rc = check_values(index, parts, err)) != SILT_OK)
        return rc;
    if (index->limits.series && series >= index->limits.series)
        return silt_fail(err, SILT_LIMIT, "max-series-per-database limit exceeded: (%zu)", index->limits.series);
    return index_settle(index, NULL) == SILT_OK ? SILT_OK : memory_used_up(index, err);
}
