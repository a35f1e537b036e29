/*
 * shard_types.c - see shard_types.h.
 *
 *     "cpu,host=a#!~#v"  ──>  slot of ("cpu", "v"): how many values of each type the log has, and as what files have it
 */
#include "inspect/influxdb/shard_types.h"

#include "silt/storage.h"

#include <stdlib.h>

#define TYPES ((unsigned)SILT_TYPE_BOOLEAN + 1)

struct slot {
    struct silt_str measurement, field; /* as written; a field without a name: free */
    enum silt_type type;                /* of files, or of most of the log's values */
    bool in_files;
    uint64_t logged[TYPES];
};

struct table {
    struct slot *slots;
    size_t count; /* a power of two, at least half of them free */
};

static bool split(struct silt_str key, struct silt_str *measurement, struct silt_str *field)
{
    struct silt_str series;
    if (!influx_split_key(key, &series, field))
        return false;
    *measurement = silt_series_key_measurement(series);
    return true;
}

/* The field's slot, or the free one where it would be. */
static struct slot *find(const struct table *table, struct silt_str measurement, struct silt_str field)
{
    size_t at = silt_hash(measurement.p, measurement.len) * 31 + silt_hash(field.p, field.len);
    for (;; at++) {
        struct slot *slot = &table->slots[at & (table->count - 1)];
        if (slot->field.len == 0 ||
            (silt_str_equal(slot->measurement, measurement) && silt_str_equal(slot->field, field)))
            return slot;
    }
}

static void count_log(const struct influx_wal *wal, struct table *table)
{
    struct silt_str measurement, field;
    for (size_t i = 0; i < wal->count; i++) {
        const struct influx_wal_key *key = &wal->keys[i];
        if (!split(key->key, &measurement, &field))
            continue;
        struct slot *slot = find(table, measurement, field);
        slot->measurement = measurement;
        slot->field = field;
        slot->logged[key->type] += key->count;
        if (slot->logged[key->type] > slot->logged[slot->type])
            slot->type = key->type;
    }
}

/* Files have checksums: what they say holds. But a key of which something was deleted may have had another type before. */
static void look_up_files(const struct influx_shard *shard, const struct table *table)
{
    struct silt_str measurement, field;
    struct influx_key key;
    size_t deleted;

    for (size_t i = 0; i < shard->file_count; i++) {
        const struct influx_tsm *file = shard->files[i];
        for (size_t at = file->index; at < file->index_end && !influx_tsm_key(file, at, &key); at = key.next) {
            if (!split(key.key, &measurement, &field))
                continue;
            struct slot *slot = find(table, measurement, field);
            if (slot->field.len == 0 || slot->in_files || influx_tombstones_find(&file->tombstones, key.key, &deleted))
                continue;
            slot->type = key.type;
            slot->in_files = true;
        }
    }
}

void influx_shard_check_types(struct influx_shard *shard, struct influx_log *log)
{
    struct influx_wal *wal = &shard->wal;
    struct table table = {.count = 2};
    struct silt_str measurement, field;

    if (wal->count == 0)
        return;
    while (table.count < wal->count * 2)
        table.count *= 2;
    table.slots = silt_calloc(table.count, sizeof(*table.slots));
    count_log(wal, &table);
    look_up_files(shard, &table);
    for (size_t i = 0; i < wal->count; i++) {
        struct influx_wal_key *key = &wal->keys[i];
        if (!split(key->key, &measurement, &field))
            continue;
        enum silt_type type = find(&table, measurement, field)->type;
        if (key->type == type)
            continue;
        influx_damaged(log, key->path, key->offset, "values of type %s for %.*s, a field of type %s; they are left out",
                       silt_type_name(key->type), SILT_FMT(key->key), silt_type_name(type));
        key->count = 0;
    }
    free(table.slots);
    influx_wal_finish(wal);
}
