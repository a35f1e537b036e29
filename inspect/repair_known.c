/*
 * repair_known.c - which series, fields and types are defined, by SQLite or by what is left of the log: rows that speak of others
 * would belong to whatever gets those numbers next.
 */
#include "inspect/hash_set.h"
#include "inspect/repair.h"

#include "storage/record.h"

#include <stdlib.h>

struct repair_known {
    const struct inspect_store *store;
    roaring_bitmap_t **series; /* as store->databases */
    struct hash_set seen;      /* fields and types */
    struct silt_arena *arena;
};

/* type NONE: of a field of a database, else of its type in a shard. */
static uint64_t hash_of(uint64_t owner, struct silt_str measurement, uint32_t field_id, enum silt_type type)
{
    uint64_t parts[4] = {owner, silt_hash(measurement.p, measurement.len), field_id, (uint64_t)type};
    uint64_t hash = silt_hash(parts, sizeof(parts));
    return hash ? hash : 1;
}

struct repair_known *repair_known_create(const struct inspect_store *store)
{
    struct repair_known *known = silt_calloc(1, sizeof(*known));
    known->store = store;
    known->arena = silt_arena_create(NULL);
    known->series = silt_calloc(store->database_count + 1, sizeof(*known->series));
    for (size_t d = 0; d < store->database_count; d++)
        known->series[d] = roaring_bitmap_create();
    return known;
}

void repair_known_destroy(struct repair_known *known)
{
    for (size_t d = 0; d < known->store->database_count; d++)
        roaring_bitmap_free(known->series[d]);
    free(known->series);
    hash_set_deinit(&known->seen);
    silt_arena_destroy(known->arena);
    free(known);
}

/* ---------------------------------------------------------------- definitions */

static enum silt_status note_series(void *arg, uint32_t database_id, silt_series_id id, struct silt_str key,
                                    struct silt_error *err)
{
    roaring_bitmap_add(arg, id);
    return SILT_OK;
}

static enum silt_status note_type(void *arg, uint64_t shard_id, uint32_t measurement, uint32_t field_id, enum silt_type type,
                                  struct silt_error *err)
{
    struct repair_known *known = arg;
    const struct catalog_shard *shard = inspect_shard(known->store, shard_id);
    const struct inspect_database *database = shard ? inspect_database(known->store, shard->database_id) : NULL;
    if (database && measurement < database->measurement_count)
        hash_set_add(&known->seen, hash_of(shard_id, database->measurements[measurement].name, field_id, type));
    return SILT_OK;
}

enum silt_status repair_known_load(struct repair_known *known, struct silt_error *err)
{
    enum silt_status rc = catalog_types(known->store->catalog, note_type, known, err);
    for (size_t d = 0; d < known->store->database_count && rc == SILT_OK; d++) {
        const struct inspect_database *database = &known->store->databases[d];
        for (uint32_t m = 0; m < database->measurement_count; m++)
            for (uint32_t f = 0; f < database->measurements[m].field_count; f++)
                if (database->measurements[m].fields[f].p)
                    hash_set_add(&known->seen, hash_of(database->facts.id, database->measurements[m].name, f, SILT_TYPE_NONE));
        rc = inspect_each_series(known->store, database, note_series, known->series[d], err);
    }
    return rc;
}

static enum silt_status note_definition(void *arg, uint32_t database_id, const struct record_definition *definition,
                                        struct silt_error *err)
{
    struct repair_known *known = arg;
    const struct inspect_database *database = inspect_database(known->store, database_id);
    if (!database)
        return SILT_OK;
    if (definition->what == 'S')
        roaring_bitmap_add(known->series[database - known->store->databases], definition->series);
    else if (definition->what == 'F')
        hash_set_add(&known->seen, hash_of(database_id, definition->measurement, definition->field_id, SILT_TYPE_NONE));
    else
        hash_set_add(&known->seen, hash_of(definition->shard, definition->measurement, definition->field_id, definition->type));
    return SILT_OK;
}

enum silt_status repair_known_define(struct repair_known *known, const void *payload, size_t bytes, struct silt_error *err)
{
    return record_each_definition(payload, bytes, note_definition, known, err);
}

/* ---------------------------------------------------------------- rows */

static bool are_fields_known(const struct repair_known *known, const struct record_rows *record, uint32_t database_id)
{
    for (uint32_t i = 0; i < record->layout_count; i++)
        for (uint32_t c = 0; c < record->layouts[i].column_count; c++) {
            const struct field_ref *column = &record->layouts[i].columns[c];
            struct silt_str measurement = record->layouts[i].measurement;
            if (!hash_set_has(&known->seen, hash_of(database_id, measurement, column->field_id, SILT_TYPE_NONE)) ||
                !hash_set_has(&known->seen,
                              hash_of(record->shard, measurement, column->field_id, (enum silt_type)column->type)))
                return false;
        }
    return true;
}

enum silt_status repair_known_rows(struct repair_known *known, const void *payload, size_t bytes, bool *all, uint64_t *count,
                                   struct silt_error *err)
{
    struct memtable_row rows[RECORD_BLOCK_ROWS];
    struct record_rows record;
    size_t some = 1;
    silt_arena_reset(known->arena);
    *all = true;
    *count = 0;
    enum silt_status rc = record_open_rows(payload, bytes, known->arena, &record, err);
    if (rc != SILT_OK)
        return rc;
    const struct catalog_shard *shard = inspect_shard(known->store, record.shard);
    const struct inspect_database *database = shard ? inspect_database(known->store, shard->database_id) : NULL;
    if (!database) /* of one that was dropped: a start passes over it */
        return SILT_OK;
    const roaring_bitmap_t *series = known->series[database - known->store->databases];
    *all = are_fields_known(known, &record, database->facts.id);
    while (rc == SILT_OK && some > 0 && (rc = record_next_rows(&record, known->arena, rows, &some, err)) == SILT_OK) {
        *count += some;
        for (size_t i = 0; i < some; i++)
            *all = *all && roaring_bitmap_contains(series, rows[i].series);
    }
    return rc;
}
