/*
 * series_index.h - the series of one database, in memory: text -> id, id -> text, tag filter -> ids.
 *
 *     raw text as sent --(keyed 64-bit hash + 32 bits of the sender's hash)--> 16-byte slot --> id
 *     id --> (measurement, record)         record: tag set shape, then one dictionary code a tag
 *     measurement --> its series; tag keys --> value dictionary --> postings (series having the value), made behind writing
 *
 * A text is recognised by 96 bits of hash, 64 of them under a secret key of the process; the text itself is not kept,
 * it is put together from the dictionaries when asked for. Texts that name a series in another way than its canonical
 * key (unsorted tags) are aliases; beyond a bound they are not remembered, which only costs the slow way each time.
 *
 * Measurement ids are the index's own: dense from 1, for the life of the process, kept when a measurement loses its
 * last series (it is not listed then). Nothing here touches a disk.
 *
 * Threads: every call from any thread, except load_* (at start-up, by one thread, which one of the index's own helps; beside
 * load itself only series_index_measurement is allowed). The lookup takes one shared lock a batch and
 * waits only for insertions of a few slots. Creating is serialised inside; see "pending" for the order towards a log.
 */
#ifndef STORAGE_SERIES_INDEX_H
#define STORAGE_SERIES_INDEX_H

#include "silt/base.h"
#include "silt/reader.h"
#include "silt/storage.h"

#include <roaring/roaring.h>

#define SERIES_INDEX_ID_MAX 0x7fffffffu

struct series_index;

struct series_index *series_index_create(struct silt_budget *budget); /* NULL: not charged */

struct series_limits { /* 0: none */
    size_t series;
    size_t tag_values; /* of a key of a measurement */
};
/* For series made from now on. Before other threads have the index. */
void series_index_limit(struct series_index *index, struct series_limits limits);
void series_index_destroy(struct series_index *index);                /* no call may be under way; NULL is fine */

/* ---------------------------------------------------------------- writing */

/* ids[i] of rows[i].series, 0 where it is not known. Returns how many are 0. */
size_t series_index_lookup(struct series_index *index, const struct silt_row *rows, size_t count, silt_series_id *ids);

/* What silt_series_key_parse gives. */
struct series_parts {
    struct silt_str key, measurement;
    const struct silt_tag *tags; /* sorted by key, no key twice */
    size_t tag_count;
};

struct series_wanted {
    struct series_parts parts;
    struct silt_str raw; /* the text as sent; raw_hash: silt_hash of it */
    uint64_t raw_hash;
    silt_series_id id; /* this and the next are what comes of it */
    bool created;
};
#define SERIES_WANTED_MAX 16u
/*
 * The series of the canonical keys, in their order, made where there is none (created), and the raw texts remembered for
 * them. Several at once are faster: what one touches is fetched while another is made. With `pending` a series made here (and
 * its texts) stays hidden from lookup, though not from resolve, until publish: so its definition can be logged before anybody
 * else's row with it. The caller then holds a lock of its own from resolve to publish.
 * Gives how many were resolved. Fewer than count: the next one would be new, and the budget, a limit or the number of ids is
 * used up (SILT_LIMIT); err says which.
 */
size_t series_index_resolve(struct series_index *index, struct series_wanted *list, size_t count, bool pending,
                            struct silt_error *err);
void series_index_publish(struct series_index *index); /* all that is pending */

/* Series are gone from lookup, measurements and postings; unknown ids are passed over. */
void series_index_remove(struct series_index *index, const silt_series_id *ids, size_t count);

/* Up to `most` series more into the postings, under the lock that keeps readers and creators waiting meanwhile; false:
 * nothing is left. Whoever asks with a filter first does what is left of its measurement. */
bool series_index_post(struct series_index *index, uint32_t most);

/* What removed series left behind, of up to `most` of them, under the lock that keeps readers and creators waiting meanwhile, if nobody is
 * in the middle of a select or the like; false: nothing is left. Ids are not given again. */
bool series_index_reclaim(struct series_index *index, uint32_t most);

/* Start-up, one thread, before anything else: series in rising id with their canonical keys. A thread of the index's own helps where
 * they are many, so a series is there, or its fault told, at the latest when load_wait or load_end returns. expected: a guess. */
void series_index_load_begin(struct series_index *index, size_t expected);
/* SILT_CORRUPT: not a canonical series key, or ids not rising. */
enum silt_status series_index_load(struct series_index *index, silt_series_id id, struct silt_str key,
                                   struct silt_error *err);
enum silt_status series_index_load_wait(struct series_index *index, struct silt_error *err);
/* last_id: the highest id ever given (ids of removed series are not used again); 0: the highest loaded. */
enum silt_status series_index_load_end(struct series_index *index, silt_series_id last_id, struct silt_error *err);

/* ---------------------------------------------------------------- measurements */

/* 0: never seen. */
uint32_t series_index_measurement(struct series_index *index, struct silt_str name);
/* The same, made when it is new (it has no series then). 0 only when the budget refuses. */
uint32_t series_index_measurement_make(struct series_index *index, struct silt_str name);
/* Borrowed until the index is destroyed. */
struct silt_str series_index_measurement_name(struct series_index *index, uint32_t measurement);
/* Series of it now. */
size_t series_index_measurement_series(struct series_index *index, uint32_t measurement);
/* Measurements that have series, sorted by name. ids may be NULL. SILT_LIMIT: the arena's budget. */
enum silt_status series_index_measurements(struct series_index *index, struct silt_arena *arena,
                                           struct silt_str **names, uint32_t **ids, size_t *count,
                                           struct silt_error *err);

/* ---------------------------------------------------------------- reading (all results in the arena) */

/* The series' canonical key, measurement and sorted tags; any out pointer may be NULL. false: no such series. */
bool series_index_series(struct series_index *index, silt_series_id id, struct silt_arena *arena, struct silt_str *key,
                         uint32_t *measurement, struct silt_tag **tags, size_t *tag_count);
/* Of each series the tags with these keys that it has, sorted, from tags[i * key_count] on; tag_counts[i] UINT32_MAX: no such
 * series. Values are copied into the arena, keys are not. */
void series_index_values(struct series_index *index, const silt_series_id *ids, size_t count, const struct silt_str *keys,
                         size_t key_count, struct silt_arena *arena, struct silt_tag *tags, uint32_t *tag_counts);
/* 0: no such series. */
uint32_t series_index_measurement_of(struct series_index *index, silt_series_id id);

enum series_order {
    SERIES_BY_ID,
    SERIES_BY_KEY, /* rising by canonical key text */
};
/* Series of a measurement that match filter (NULL: all). An unknown measurement has none. SILT_LIMIT: arena's budget.
 */
enum silt_status series_index_select(struct series_index *index, uint32_t measurement,
                                     const struct silt_tag_filter *filter, enum series_order order,
                                     struct silt_arena *arena, struct silt_series_set *out, struct silt_error *err);
/* The same into a set, which a million of them cost next to nothing. */
void series_index_add_to(struct series_index *index, uint32_t measurement, const struct silt_tag_filter *filter,
                         roaring_bitmap_t *out);
/* Whether a selection is work for a moment and gives at most `most` series. */
bool series_index_select_is_short(struct series_index *index, uint32_t measurement, const struct silt_tag_filter *filter,
                                  uint32_t most);
/* How many tag keys some series has or had. */
uint32_t series_index_tag_key_count(struct series_index *index, uint32_t measurement);
/* Tag keys that some series has, sorted. */
enum silt_status series_index_tag_keys(struct series_index *index, uint32_t measurement, struct silt_arena *arena,
                                       struct silt_str **keys, size_t *count, struct silt_error *err);
/* Distinct values of a key over the series matching filter (NULL: all), sorted; the missing tag is not listed. */
enum silt_status series_index_tag_values(struct series_index *index, uint32_t measurement, struct silt_str key,
                                         const struct silt_tag_filter *filter, struct silt_arena *arena,
                                         struct silt_str **values, size_t *count, struct silt_error *err);

struct series_index_stats {
    size_t series, measurements, aliases, bytes;
    silt_series_id last_id;
};
void series_index_stats(struct series_index *index, struct series_index_stats *out);

#endif
