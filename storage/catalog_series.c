/*
 * catalog_series.c - series in SQLite: blocks of up to 4,096 (series_block.h), a row each.
 *
 *     series_block   id = database id * 2^32 + base   |  block     a block has the series from its base up to the next one's base
 *
 * What a batch puts waits here and becomes blocks when there is enough for one, and at the commit. The last block of a database takes
 * more in while it is small; a larger one stays as it is. Series that come out of order, or again, are merged into the block that has
 * their place.
 */
#include "storage/catalog_internal.h"

#include "silt/text.h"
#include "storage/series_block.h"

#include <stdlib.h>

#define GROW_BYTES 8192    /* a block of less takes what comes next: as much is written for each of single new series */
#define DROP_CHUNK_ROWS 64 /* blocks of a dropped database in one transaction */

enum statement { BLOCKS_OF, BLOCK_AT, BLOCK_BEHIND, PUT_BLOCK, DROP_BLOCK, DROP_BLOCKS_CHUNK, FIRST_BLOCK_FROM, IS_DATABASE,
                 NOTE_LAST_SERIES, STATEMENTS };

static const char *const statement_texts[STATEMENTS] = {
    [BLOCKS_OF] = "SELECT id, block FROM series_block WHERE id >= ?1 AND id < ?2 ORDER BY id",
    [BLOCK_AT] = "SELECT id, block FROM series_block WHERE id >= ?1 AND id <= ?2 ORDER BY id DESC LIMIT 1",
    [BLOCK_BEHIND] = "SELECT id FROM series_block WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT 1",
    [PUT_BLOCK] = "INSERT OR REPLACE INTO series_block VALUES(?1, ?2)",
    [DROP_BLOCK] = "DELETE FROM series_block WHERE id = ?1",
    [DROP_BLOCKS_CHUNK] = "DELETE FROM series_block WHERE id IN"
                          " (SELECT id FROM series_block WHERE id >= ?1 AND id < ?2 LIMIT ?3)",
    [FIRST_BLOCK_FROM] = "SELECT id FROM series_block WHERE id >= ?1 ORDER BY id LIMIT 1",
    [IS_DATABASE] = "SELECT 1 FROM database WHERE id = ?1",
    [NOTE_LAST_SERIES] = "UPDATE database SET last_series = max(last_series, ?2) WHERE id = ?1",
};

struct items {
    struct series_block_item *items;
    size_t count, room;
    struct silt_arena *keys; /* theirs; NULL: none yet */
};

struct catalog_series {
    sqlite3_stmt *statements[STATEMENTS];
    /* of the batch under way: */
    uint32_t database_id; /* whose series wait */
    struct items puts;
    size_t put_bytes;            /* of their keys */
    struct items merged;         /* with those of a block that is written anew */
    struct silt_arena *scratch;
    struct silt_buffer block;
};

static int64_t row_id(uint32_t database_id, silt_series_id base)
{
    return (int64_t)((uint64_t)database_id << 32 | base);
}

static int64_t end_of(uint32_t database_id)
{
    return (int64_t)(((uint64_t)database_id + 1) << 32);
}

/* The outcome of a query's step; *found: there is a row. It is the caller's to reset. */
static enum silt_status look(struct catalog *catalog, sqlite3_stmt *query, bool *found, struct silt_error *err)
{
    int code = sqlite3_step(query);
    *found = code == SQLITE_ROW;
    return *found || code == SQLITE_DONE ? SILT_OK : catalog_fail(catalog, sqlite3_sql(query), err);
}

/* ---------------------------------------------------------------- items */

static struct silt_arena *arena_of(struct items *list)
{
    if (!list->keys)
        list->keys = silt_arena_create(NULL);
    return list->keys;
}

static void add_item(struct items *list, silt_series_id id, struct silt_str key)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 64;
        list->items = silt_realloc(list->items, list->room * sizeof(*list->items));
    }
    list->items[list->count++] = (struct series_block_item){id, silt_arena_str(arena_of(list), key)};
}

static void clear_items(struct items *list)
{
    list->count = 0;
    if (list->keys)
        silt_arena_reset(list->keys);
}

static void free_items(struct items *list)
{
    silt_arena_destroy(list->keys);
    free(list->items);
    *list = (struct items){0};
}

/* By id, of several with the same the one that came last. They mostly are in order already. */
static void sort_items(struct items *list)
{
    size_t rising = 1;
    while (rising < list->count && list->items[rising - 1].id < list->items[rising].id)
        rising++;
    for (size_t i = rising; i < list->count; i++) {
        struct series_block_item item = list->items[i];
        size_t low = 0, high = rising;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (list->items[middle].id < item.id)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == rising || list->items[low].id != item.id) {
            memmove(list->items + low + 1, list->items + low, (rising - low) * sizeof(item));
            rising++;
        }
        list->items[low] = item;
    }
    list->count = rising < list->count ? rising : list->count;
}

/* ---------------------------------------------------------------- open, close */

enum silt_status catalog_series_open(struct catalog *catalog, struct silt_error *err)
{
    struct catalog_series *series = catalog->series = silt_calloc(1, sizeof(*series));
    for (int i = 0; i < STATEMENTS; i++)
        if (sqlite3_prepare_v3(catalog->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &series->statements[i],
                               NULL) != SQLITE_OK)
            return catalog_fail(catalog, statement_texts[i], err);
    return SILT_OK;
}

void catalog_series_forget(struct catalog *catalog)
{
    struct catalog_series *series = catalog->series;
    free_items(&series->puts);
    free_items(&series->merged);
    silt_arena_destroy(series->scratch);
    silt_buffer_free(&series->block);
    series->scratch = NULL;
    series->block = (struct silt_buffer){0};
    series->put_bytes = 0;
    series->database_id = 0;
}

void catalog_series_close(struct catalog *catalog)
{
    if (!catalog->series)
        return;
    catalog_series_forget(catalog);
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(catalog->series->statements[i]);
    free(catalog->series);
    catalog->series = NULL;
}

/* ---------------------------------------------------------------- reading */

struct each_series {
    catalog_series_fn each;
    void *arg;
    uint32_t database_id;
};

static enum silt_status pass_on(void *arg, silt_series_id id, struct silt_str key, struct silt_error *err)
{
    struct each_series *each = arg;
    return each->each(each->arg, each->database_id, id, key, err);
}

enum silt_status catalog_series(struct catalog *catalog, uint32_t database_id, catalog_series_fn each, void *arg,
                                struct silt_error *err)
{
    struct each_series through = {each, arg, database_id};
    struct silt_arena *scratch = silt_arena_create(NULL);
    enum silt_status rc = SILT_OK;
    bool found = true;
    pthread_mutex_lock(&catalog->lock);
    sqlite3_stmt *query = catalog->series->statements[BLOCKS_OF];
    CATALOG_BIND(query, row_id(database_id, 0), end_of(database_id));
    while (rc == SILT_OK && (rc = look(catalog, query, &found, err)) == SILT_OK && found) {
        silt_series_id base = (silt_series_id)sqlite3_column_int64(query, 0);
        rc = series_block_decode(catalog_column_text(query, 1), base, scratch, pass_on, &through, err);
        silt_arena_reset(scratch);
    }
    sqlite3_reset(query);
    pthread_mutex_unlock(&catalog->lock);
    silt_arena_destroy(scratch);
    return rc;
}

/* ---------------------------------------------------------------- writing blocks */

/* The base of the next block behind an id's place; one past the last id where there is none. */
static enum silt_status next_base(struct catalog *catalog, silt_series_id id, uint64_t *base, struct silt_error *err)
{
    sqlite3_stmt *query = catalog->series->statements[BLOCK_BEHIND];
    uint32_t database_id = catalog->series->database_id;
    bool found;
    CATALOG_BIND(query, row_id(database_id, id), end_of(database_id));
    enum silt_status rc = look(catalog, query, &found, err);
    *base = found ? (silt_series_id)sqlite3_column_int64(query, 0) : (uint64_t)UINT32_MAX + 1;
    sqlite3_reset(query);
    return rc;
}

/* As blocks, the first with that base. */
static enum silt_status put_blocks(struct catalog *catalog, silt_series_id base, const struct series_block_item *items, size_t count,
                                   struct silt_error *err)
{
    struct catalog_series *series = catalog->series;
    sqlite3_stmt *put = series->statements[PUT_BLOCK];
    enum silt_status rc = SILT_OK;
    if (!series->scratch)
        series->scratch = silt_arena_create(NULL);
    for (size_t at = 0, n; rc == SILT_OK && at < count; at += n) {
        n = series_block_fit(items + at, count - at);
        if (at > 0)
            base = items[at].id;
        series->block.len = 0;
        series_block_encode(base, items + at, n, series->scratch, &series->block);
        silt_arena_reset(series->scratch);
        CATALOG_BIND(put, row_id(series->database_id, base));
        sqlite3_bind_blob64(put, 2, series->block.p, series->block.len, SQLITE_STATIC);
        rc = catalog_step(catalog, put, err);
    }
    return rc;
}

struct merge {
    struct items *into;
    const struct series_block_item *next, *end;
};

static enum silt_status merge_item(void *arg, silt_series_id id, struct silt_str key, struct silt_error *err)
{
    struct merge *merge = arg;
    (void)err;
    while (merge->next < merge->end && merge->next->id < id) {
        add_item(merge->into, merge->next->id, merge->next->key);
        merge->next++;
    }
    if (merge->next == merge->end || merge->next->id != id) /* else it is put anew */
        add_item(merge->into, id, key);
    return SILT_OK;
}

/* Those that wait from *at on and belong to one block's place. */
static enum silt_status write_some(struct catalog *catalog, size_t *at, struct silt_error *err)
{
    struct catalog_series *series = catalog->series;
    const struct series_block_item *items = series->puts.items + *at;
    silt_series_id base = items[0].id;
    size_t count = 0;
    uint64_t end;
    bool found = false;
    enum silt_status rc = next_base(catalog, items[0].id, &end, err);
    if (rc != SILT_OK)
        return rc;
    while (*at + count < series->puts.count && items[count].id < end)
        count++;
    *at += count;

    sqlite3_stmt *query = series->statements[BLOCK_AT];
    CATALOG_BIND(query, row_id(series->database_id, 0), row_id(series->database_id, items[0].id));
    rc = look(catalog, query, &found, err);
    if (rc == SILT_OK && found) {
        silt_series_id block_base = (silt_series_id)sqlite3_column_int64(query, 0);
        struct silt_str block = catalog_column_text(query, 1);
        struct series_block_span span;
        rc = series_block_span(block, block_base, &span, err);
        if (rc == SILT_OK &&
            (items[0].id <= span.last || (block.len < GROW_BYTES && span.count + count <= SERIES_BLOCK_MAX))) {
            struct merge merge = {&series->merged, items, items + count};
            clear_items(&series->merged);
            rc = series_block_decode(block, block_base, arena_of(&series->merged), merge_item, &merge, err);
            for (; merge.next < merge.end; merge.next++)
                add_item(&series->merged, merge.next->id, merge.next->key);
            base = block_base;
            items = series->merged.items;
            count = series->merged.count;
        }
    }
    sqlite3_reset(query);
    return rc == SILT_OK ? put_blocks(catalog, base, items, count, err) : rc;
}

enum silt_status catalog_series_flush(struct catalog *catalog, struct silt_error *err)
{
    struct catalog_series *series = catalog->series;
    enum silt_status rc = SILT_OK;
    if (series->puts.count == 0)
        return SILT_OK;
    sort_items(&series->puts);
    silt_series_id last = series->puts.items[series->puts.count - 1].id;
    for (size_t at = 0; rc == SILT_OK && at < series->puts.count;)
        rc = write_some(catalog, &at, err);
    clear_items(&series->puts);
    series->put_bytes = 0;
    if (rc != SILT_OK)
        return rc;
    CATALOG_BIND(series->statements[NOTE_LAST_SERIES], series->database_id, last);
    return catalog_step(catalog, series->statements[NOTE_LAST_SERIES], err);
}

/* What waits is of this database from now on. */
static enum silt_status turn_to(struct catalog *catalog, uint32_t database_id, struct silt_error *err)
{
    if (catalog->series->database_id == database_id)
        return SILT_OK;
    enum silt_status rc = catalog_series_flush(catalog, err);
    catalog->series->database_id = database_id;
    return rc;
}

enum silt_status catalog_put_series(struct catalog *catalog, uint32_t database_id, silt_series_id id, struct silt_str key,
                                    struct silt_error *err)
{
    struct catalog_series *series = catalog->series;
    enum silt_status rc = turn_to(catalog, database_id, err);
    if (rc == SILT_OK && key.len > SERIES_BLOCK_TEXT_MAX)
        rc = silt_fail(err, SILT_LIMIT, "catalog: a series key of %zu bytes", key.len);
    if (rc == SILT_OK && (series->puts.count == SERIES_BLOCK_MAX || series->put_bytes + key.len > SERIES_BLOCK_TEXT_MAX))
        rc = catalog_series_flush(catalog, err);
    if (rc != SILT_OK)
        return rc;
    add_item(&series->puts, id, key);
    series->put_bytes += key.len;
    return SILT_OK;
}

/* ---------------------------------------------------------------- dropping */

struct keep {
    struct items *into;
    const roaring_bitmap_t *gone;
};

static enum silt_status keep_item(void *arg, silt_series_id id, struct silt_str key, struct silt_error *err)
{
    struct keep *keep = arg;
    (void)err;
    if (!roaring_bitmap_contains(keep->gone, id))
        add_item(keep->into, id, key);
    return SILT_OK;
}

/* Of the block that has the place of the id. *next: the first that may be in another one. */
static enum silt_status drop_some(struct catalog *catalog, silt_series_id id, const roaring_bitmap_t *gone, uint64_t *next,
                                  struct silt_error *err)
{
    struct catalog_series *series = catalog->series;
    sqlite3_stmt *query = series->statements[BLOCK_AT];
    struct series_block_span span = {0};
    silt_series_id base = 0;
    bool found;
    clear_items(&series->merged);
    CATALOG_BIND(query, row_id(series->database_id, 0), row_id(series->database_id, id));
    enum silt_status rc = look(catalog, query, &found, err);
    if (rc == SILT_OK && found) {
        struct silt_str block = catalog_column_text(query, 1);
        base = (silt_series_id)sqlite3_column_int64(query, 0);
        struct keep keep = {&series->merged, gone};
        rc = series_block_span(block, base, &span, err);
        if (rc == SILT_OK && id <= span.last)
            rc = series_block_decode(block, base, arena_of(&series->merged), keep_item, &keep, err);
    }
    sqlite3_reset(query);
    if (rc == SILT_OK && found && id <= span.last) {
        if (series->merged.count)
            rc = put_blocks(catalog, base, series->merged.items, series->merged.count, err);
        else
            rc = catalog_step(catalog, CATALOG_BIND(series->statements[DROP_BLOCK], row_id(series->database_id, base)), err);
    }
    return rc == SILT_OK ? next_base(catalog, id, next, err) : rc;
}

enum silt_status catalog_drop_series(struct catalog *catalog, uint32_t database_id, const roaring_bitmap_t *ids,
                                     struct silt_error *err)
{
    enum silt_status rc = turn_to(catalog, database_id, err);
    if (rc == SILT_OK)
        rc = catalog_series_flush(catalog, err);
    roaring_uint32_iterator_t *it = roaring_create_iterator(ids);
    while (rc == SILT_OK && it->has_value) {
        uint64_t next;
        rc = drop_some(catalog, it->current_value, ids, &next, err);
        if (rc != SILT_OK || next > UINT32_MAX)
            break;
        roaring_move_uint32_iterator_equalorlarger(it, (uint32_t)next);
    }
    roaring_free_uint32_iterator(it);
    return rc;
}

/* In bounded steps, so that no other call waits for long. */
enum silt_status catalog_drop_rest(struct catalog *catalog, uint32_t id, bool *more, struct silt_error *err)
{
    enum silt_status rc = catalog_change_begin(catalog, err);
    if (rc != SILT_OK)
        return rc;
    sqlite3_stmt *drop = catalog->series->statements[DROP_BLOCKS_CHUNK];
    rc = catalog_step(catalog, CATALOG_BIND(drop, row_id(id, 0), end_of(id), DROP_CHUNK_ROWS), err);
    *more = sqlite3_changes(catalog->db) > 0;
    return catalog_change_end(catalog, rc, err);
}

enum silt_status catalog_series_drop_leftover(struct catalog *catalog, struct silt_error *err)
{
    sqlite3_stmt *first = catalog->series->statements[FIRST_BLOCK_FROM], *is_database = catalog->series->statements[IS_DATABASE];
    enum silt_status rc = SILT_OK;
    uint64_t from = 0;
    bool found = true, known = true;
    while (rc == SILT_OK && from <= INT64_MAX) {
        CATALOG_BIND(first, (int64_t)from);
        rc = look(catalog, first, &found, err);
        uint64_t database_id = found ? (uint64_t)sqlite3_column_int64(first, 0) >> 32 : 0;
        sqlite3_reset(first);
        if (rc != SILT_OK || !found)
            break;
        CATALOG_BIND(is_database, (int64_t)database_id);
        rc = look(catalog, is_database, &known, err);
        sqlite3_reset(is_database);
        bool more = !known;
        while (rc == SILT_OK && more)
            rc = catalog_drop_rest(catalog, (uint32_t)database_id, &more, err);
        from = (database_id + 1) << 32;
    }
    return rc;
}

/* ---------------------------------------------------------------- a row for each series, as up to version 4 */

static enum silt_status move_rows(struct catalog *catalog, struct silt_error *err)
{
    sqlite3_stmt *query;
    bool found = true;
    if (sqlite3_prepare_v2(catalog->db, "SELECT id, key FROM series ORDER BY id", -1, &query, NULL) != SQLITE_OK)
        return catalog_fail(catalog, "series of an older version", err);
    enum silt_status rc = SILT_OK;
    while (rc == SILT_OK && (rc = look(catalog, query, &found, err)) == SILT_OK && found) {
        uint64_t id = (uint64_t)sqlite3_column_int64(query, 0);
        rc = catalog_put_series(catalog, (uint32_t)(id >> 32), (silt_series_id)id, catalog_column_text(query, 1), err);
    }
    sqlite3_finalize(query);
    return rc == SILT_OK ? catalog_series_flush(catalog, err) : rc;
}

enum silt_status catalog_series_convert(struct catalog *catalog, struct silt_error *err)
{
    enum silt_status rc = move_rows(catalog, err);
    catalog_series_forget(catalog);
    if (rc == SILT_OK && sqlite3_exec(catalog->db, "DROP TABLE series", NULL, NULL, NULL) != SQLITE_OK)
        rc = catalog_fail(catalog, "series of an older version", err);
    return rc;
}
