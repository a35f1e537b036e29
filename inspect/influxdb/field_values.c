/*
 * field_values.c - see field_values.h.
 */
#include "inspect/influxdb/field_values.h"

#include <stdlib.h>

void influx_field_free(struct influx_field *field)
{
    for (size_t i = 0; i < field->capacity; i++)
        influx_block_free(&field->sources[i].block);
    free(field->sources);
    *field = (struct influx_field){0};
}

void influx_field_begin(struct influx_field *field, struct silt_str name)
{
    field->name = name;
    field->source_count = 0;
    field->other_types = 0;
}

static struct influx_source *add_source(struct influx_field *field)
{
    if (field->source_count == field->capacity) {
        size_t capacity = field->capacity ? field->capacity * 2 : 4;
        field->sources = silt_realloc(field->sources, capacity * sizeof(*field->sources));
        memset(field->sources + field->capacity, 0, (capacity - field->capacity) * sizeof(*field->sources));
        field->capacity = capacity;
    }
    struct influx_source *source = &field->sources[field->source_count++];
    *source = (struct influx_source){.block = source->block};
    return source;
}

static bool all_deleted(const struct influx_source *source, const struct influx_entry *entry)
{
    for (size_t i = 0; i < source->deleted_count; i++)
        if (source->deleted[i].min <= entry->min && source->deleted[i].max >= entry->max)
            return true;
    return false;
}

/* Blocks of a key follow each other in time. Should some not, they are a source of their own, and the later one wins. */
void influx_field_add_file(struct influx_field *field, const struct influx_tsm *file, const struct influx_key *key)
{
    size_t deleted_count;
    const struct influx_tombstone *deleted = influx_tombstones_find(&file->tombstones, key->key, &deleted_count);
    struct influx_source *source = NULL;
    silt_time last = 0;

    for (uint32_t i = 0; i < key->entry_count; i++) {
        struct influx_entry entry = influx_tsm_entry(key, i);
        if (!source || entry.min <= last) {
            if (source)
                source->end_entry = i;
            source = add_source(field);
            source->file = file;
            source->key = *key;
            source->deleted = deleted;
            source->deleted_count = deleted_count;
            source->next_entry = i;
        }
        silt_time end = entry.max > entry.min ? entry.max : entry.min; /* of a damaged entry, too */
        last = source->next_entry == i || end > last ? end : last;
    }
    if (source)
        source->end_entry = key->entry_count;
}

void influx_field_add_log(struct influx_field *field, const struct influx_wal_key *key)
{
    struct influx_source *source = add_source(field);
    source->key.type = key->type;
    source->times = key->times;
    source->values = key->values;
    source->count = key->count;
}

/* Blocks that are deleted as a whole are passed over. False: nothing is left. */
static bool skip_deleted(struct influx_source *source)
{
    for (; source->at == source->count && source->next_entry < source->end_entry; source->next_entry++) {
        struct influx_entry entry = influx_tsm_entry(&source->key, source->next_entry);
        if (!all_deleted(source, &entry))
            return true;
    }
    return source->at < source->count;
}

/* A field that was dropped and made again may have another type now: the old blocks are deleted, but still there. */
void influx_field_start(struct influx_field *field)
{
    size_t kept = 0;
    for (size_t i = 0; i < field->source_count; i++) {
        if (!skip_deleted(&field->sources[i]))
            continue;
        struct influx_source swapped = field->sources[kept]; /* each keeps its block's memory */
        field->sources[kept++] = field->sources[i];
        if (kept - 1 != i)
            field->sources[i] = swapped;
    }
    field->source_count = kept;
    field->type = kept ? field->sources[kept - 1].key.type : SILT_TYPE_NONE;
    for (size_t i = 0; i < kept; i++) {
        struct influx_source *source = &field->sources[i];
        if (source->key.type == field->type)
            continue;
        source->at = source->count = 0;
        source->next_entry = source->end_entry = 0;
        field->other_types++;
    }
}

static void leave_out(struct influx_block *block, silt_time min, silt_time max)
{
    size_t kept = 0;
    for (size_t i = 0; i < block->count; i++) {
        if (block->times[i] >= min && block->times[i] <= max)
            continue;
        block->times[kept] = block->times[i];
        block->values[kept++] = block->values[i];
    }
    block->count = kept;
}

static void leave_out_deleted(struct influx_source *source, const struct influx_entry *entry)
{
    for (size_t i = 0; i < source->deleted_count; i++)
        if (source->deleted[i].max >= entry->min && source->deleted[i].min <= entry->max)
            leave_out(&source->block, source->deleted[i].min, source->deleted[i].max);
}

/* Decodes the block whose turn it is; nothing may be left of it. */
static void load(struct influx_source *source, struct influx_log *log)
{
    struct influx_entry entry = influx_tsm_entry(&source->key, source->next_entry++);
    const char *wrong = influx_tsm_block(source->file, &entry, &source->block);
    if (!wrong && source->block.type != source->key.type)
        wrong = "a block of another type than the index tells";
    if (wrong) {
        influx_damaged(log, source->file->path, entry.offset, "%s, of %.*s", wrong, SILT_FMT(source->key.key));
        source->block.count = 0;
    } else if (source->deleted_count) {
        leave_out_deleted(source, &entry);
    }
    source->times = source->block.times;
    source->values = source->block.values;
    source->at = 0;
    source->count = source->block.count;
}

/* The first time that the source may have; false: it is at its end. */
static bool bound(struct influx_source *source, silt_time *time)
{
    if (source->at < source->count)
        *time = source->times[source->at];
    else if (skip_deleted(source))
        *time = influx_tsm_entry(&source->key, source->next_entry).min;
    else
        return false;
    return true;
}

/* The rest of what is decoded, up to but without limit. */
static size_t run_length(const struct influx_source *source, silt_time limit)
{
    if (source->times[source->count - 1] < limit)
        return source->count - source->at;
    size_t end = source->at;
    while (source->times[end] < limit)
        end++;
    return end - source->at;
}

/* Others may begin at the same time: those that do lose their value for it. */
static void lose_to(struct influx_field *field, const struct influx_source *best, silt_time first,
                    struct influx_log *log)
{
    silt_time time;
    for (size_t i = 0; i < field->source_count; i++) {
        struct influx_source *source = &field->sources[i];
        if (source == best || !bound(source, &time) || time != first)
            continue;
        if (source->at == source->count)
            load(source, log);
        if (source->at < source->count && source->times[source->at] == first)
            source->at++;
    }
}

struct influx_run influx_field_next(struct influx_field *field, struct influx_log *log)
{
    for (;;) {
        struct influx_source *best = NULL;
        silt_time first = 0, limit = 0, time;
        bool has_limit = false;
        for (size_t i = 0; i < field->source_count; i++) {
            struct influx_source *source = &field->sources[i];
            if (!bound(source, &time))
                continue;
            if (!best || time <= first) { /* on equal times, the newest */
                if (best) {
                    limit = first;
                    has_limit = true;
                }
                best = source;
                first = time;
            } else if (!has_limit || time < limit) {
                limit = time;
                has_limit = true;
            }
        }
        if (!best)
            return (struct influx_run){0};
        if (best->at == best->count) {
            load(best, log);
            continue;
        }
        if (has_limit && limit == first) {
            lose_to(field, best, first, log);
            continue;
        }
        size_t count = has_limit ? run_length(best, limit) : best->count - best->at;
        struct influx_run run = {best->times + best->at, best->values + best->at, count};
        best->at += count;
        return run;
    }
}
