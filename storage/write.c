/*
 * write.c - a batch: series ids, field types, split by shard, log, memtables.
 *
 * Rows are looked at once, in their order. As long as everything in them is known (the usual batch), no lock but the
 * read side of meta_lock is taken. At the first new series or field the writer takes the database's define_lock and keeps
 * it until a record with all the new definitions is in the log's queue: so no other row can use a definition that might
 * be lost.
 *
 *     rows -> (shard, layout of the store) -> per shard: one record, one memtable
 */
#include "storage/storage_internal.h"
#include "storage/write_op.h"

#include "silt/text.h"

#include <stdlib.h>
#include <time.h>

#define KEY_BYTES_MAX 65535u
#define NO_SLOT UINT32_MAX
#define LIMIT_LOG_MS 60000u
#define PACE_NS 2000.0 /* a row's pause when a generation of twice GENERATION_BYTES_MIN waits for the one before it */
#define PACE_NS_MAX 20000.0
#define PAUSE_NS_MAX 100000000.0
#define NEW_AT_ONCE 256 /* series, or measurements and fields, of a write that may not wait: each takes some 10 us to make */
#define PAUSE_NS_MIN 100000u /* shorter pauses are not worth the way to a worker */
#define FRESH_LOOKS_MAX 10000000u

void write_op_settle(struct write_op *op, enum silt_status status, const struct silt_error *err)
{
    if (status != SILT_OK) {
        atomic_store(&op->status, (int)status);
        if (err)
            op->err = *err; /* the log's thread alone */
    }
    if (atomic_fetch_sub_explicit(&op->remaining, 1, memory_order_acq_rel) != 1)
        return;
    enum silt_status outcome = (enum silt_status)atomic_load(&op->status);
    if (!atomic_load(&op->told))
        op->done(op->done_arg, outcome, outcome == SILT_OK ? NULL : &op->err);
    free(op);
}

void write_op_stall(struct write_op *op, const struct silt_error *err)
{
    if (!atomic_exchange(&op->told, true))
        op->done(op->done_arg, err->status, err);
}

/* A layout of the batch as the store takes it: without the field "time", which cannot be stored. */
struct known_layout {
    struct silt_layout layout;
    uint32_t *places; /* of its fields in the row; NULL: the same */
    uint32_t measurement;
    uint32_t name_bytes_max;
    bool only_time;
};

enum pair_state { PAIR_UNKNOWN, PAIR_READY, PAIR_CONFLICT, PAIR_OVER_LIMIT };

struct pair { /* a layout in a shard */
    enum pair_state state;
    uint32_t number; /* among the maps of the shard's record */
    uint32_t rows;
    struct layout_map map;
    struct silt_str reason; /* of a conflict, or which limit */
};

struct map_place { /* of a map's rows in the record */
    uint32_t measurement; /* its number in the index */
    uint32_t layout;
    uint32_t leader; /* the first map of the measurement ... */
    size_t next;     /* ... has the place of the next row of it */
};

struct slot { /* a shard of the batch */
    struct shard *shard;
    struct pair *pairs; /* by layout */
    struct layout_map *maps;
    struct silt_str *measurements;
    struct map_place *places; /* by map */
    uint32_t map_count;
    size_t row_count, row_begin;
    uint32_t series_created;
    bool met, was_empty; /* whether it had no field before this batch is known; and it had none */
    size_t settled;      /* of the fresh types, those that count since the first conflict with one; 0: there was none */
    bool refused;        /* as a whole, see refuse_slots */
    struct log_item *item;
    struct generation *generation;
};

struct fresh_type { /* that a field got from this batch, in order */
    const struct shard *shard;
    uint32_t measurement, field_id;
};

struct write {
    struct silt_storage *storage;
    const struct silt_batch *batch;
    struct silt_arena *arena;
    struct database *database;
    struct policy *policy;
    silt_time oldest; /* rows before it are refused */
    silt_time first;  /* of the rows' times */
    struct known_layout *layouts;
    silt_series_id *ids;
    uint32_t *row_slot, *row_map;
    struct slot *slots;
    size_t slot_count, slot_room;
    struct silt_write_report *report;
    size_t rejection_room;

    bool defining; /* define_lock is held */
    struct log_item *definitions;
    struct field_definitions fields;
    struct fresh_type *fresh;
    size_t fresh_count, fresh_room, fresh_looks;
    bool any_refused;
    size_t series_ahead; /* as many are made at once, behind the row whose series is wanted; 1 once one could not be made */
};

static void reject(struct write *w, size_t row, enum silt_reject why, struct silt_str detail)
{
    struct silt_write_report *report = w->report;
    report->rejections = silt_arena_grow(w->arena, report->rejections, &w->rejection_room, report->rejection_count + 1,
                                         sizeof(*report->rejections));
    report->rejections[report->rejection_count++] = (struct silt_rejection){w->batch->rows[row].line, why, detail};
    w->row_slot[row] = NO_SLOT;
}

/* The row would have made a series or a field too many: an operator should hear of it, though not for each row. */
static void reject_over_limit(struct write *w, size_t row, struct silt_str reason)
{
    struct silt_storage *storage = w->storage;
    uint64_t now_ms = silt_clock_monotonic_ns() / 1000000, told_ms = atomic_load(&storage->limit_told_ms);

    reject(w, row, SILT_REJECT_LIMIT, reason);
    atomic_fetch_add_explicit(&storage->rows_over_limits, 1, memory_order_relaxed);
    if ((told_ms == 0 || now_ms - told_ms > LIMIT_LOG_MS) &&
        atomic_compare_exchange_strong(&storage->limit_told_ms, &told_ms, now_ms))
        silt_log(SILT_LOG_WARN, "points of new series or fields are refused", "database=\"%s\" reason=\"%.*s\"",
                 w->database->name, SILT_FMT(reason));
}

/* ---------------------------------------------------------------- before the rows */

static void know_layouts(struct write *w)
{
    const struct silt_batch *batch = w->batch;
    w->layouts = silt_arena_zalloc(w->arena, batch->layout_count * sizeof(*w->layouts));
    for (uint32_t i = 0; i < batch->layout_count; i++) {
        struct known_layout *known = &w->layouts[i];
        known->layout = batch->layouts[i];
        uint32_t times = 0;
        for (uint32_t f = 0; f < known->layout.field_count; f++) {
            struct silt_str name = known->layout.fields[f].name;
            if (name.len > known->name_bytes_max)
                known->name_bytes_max = (uint32_t)(name.len < UINT32_MAX / 2 ? name.len : UINT32_MAX / 2);
            times += name.len == 4 && memcmp(name.p, "time", 4) == 0;
        }
        if (times == 0)
            continue;
        known->only_time = times == known->layout.field_count;
        struct silt_field *fields = silt_arena_alloc(w->arena, known->layout.field_count * sizeof(*fields));
        known->places = silt_arena_alloc(w->arena, known->layout.field_count * sizeof(*known->places));
        uint32_t kept = 0;
        for (uint32_t f = 0; f < known->layout.field_count; f++) {
            if (silt_str_equal(known->layout.fields[f].name, SILT_STR("time")))
                continue;
            fields[kept] = known->layout.fields[f];
            known->places[kept++] = f;
        }
        known->layout.fields = fields;
        known->layout.field_count = kept;
    }
}

static struct slot *slot_of(struct write *w, struct shard *shard, uint32_t *number)
{
    for (size_t i = 0; i < w->slot_count; i++) {
        if (w->slots[i].shard == shard) {
            *number = (uint32_t)i;
            return &w->slots[i];
        }
    }
    w->slots = silt_arena_grow(w->arena, w->slots, &w->slot_room, w->slot_count + 1, sizeof(*w->slots));
    *number = (uint32_t)w->slot_count;
    struct slot *slot = &w->slots[w->slot_count++];
    memset(slot, 0, sizeof(*slot));
    slot->shard = shard;
    slot->pairs = silt_arena_zalloc(w->arena, w->batch->layout_count * sizeof(*slot->pairs));
    slot->maps = silt_arena_alloc(w->arena, w->batch->layout_count * sizeof(*slot->maps));
    slot->measurements = silt_arena_alloc(w->arena, w->batch->layout_count * sizeof(*slot->measurements));
    slot->places = silt_arena_alloc(w->arena, w->batch->layout_count * sizeof(*slot->places));
    return slot;
}

/* Which shard each row goes to; rows without one are counted, for their groups have to be made first. */
static size_t place_rows(struct write *w)
{
    struct shard *shard = NULL;
    uint32_t number = 0;
    size_t homeless = 0;
    w->first = INT64_MAX;
    for (size_t i = 0; i < w->batch->row_count; i++) {
        silt_time time = w->batch->rows[i].time;
        w->first = time < w->first ? time : w->first;
        if (time < w->oldest) {
            w->row_slot[i] = NO_SLOT;
            continue;
        }
        if (!shard || time < shard->start || time >= shard->end || w->policy->overlapping) {
            struct shard *found = policy_shard_at(w->policy, time);
            if (!found) {
                homeless++;
                continue;
            }
            if (found != shard) {
                shard = found;
                slot_of(w, shard, &number);
            }
        }
        w->row_slot[i] = number;
    }
    return homeless;
}

/* ---------------------------------------------------------------- what is new */

static void begin_defining(struct write *w)
{
    if (w->defining)
        return;
    pthread_mutex_lock(&w->database->define_lock);
    atomic_store(&w->database->defining, true);
    w->defining = true;
    w->definitions = log_item_create(w->storage, RECORD_DEFINE);
    w->definitions->for_index = true;
    record_begin_define(&w->definitions->payload, w->database->id);
}

static void end_defining(struct write *w)
{
    if (!w->defining)
        return;
    struct series_index *index = w->database->index;
    for (size_t i = 0; i < w->fields.count; i++) {
        const struct field_definition *field = &w->fields.items[i];
        struct silt_str measurement = series_index_measurement_name(index, field->measurement);
        if (field->new_name)
            record_put_field(&w->definitions->payload, measurement, field->field_id, field->name);
    }
    if (w->definitions->payload.len > 5) {
        wal_lock(w->storage->wal);
        log_item_enqueue_locked(w->definitions);
        wal_unlock(w->storage->wal);
    }
    series_index_publish(index);
    atomic_store(&w->database->defining, false);
    pthread_mutex_unlock(&w->database->define_lock);
    log_item_release(w->definitions);
    w->defining = false;
}

static bool key_is_too_long(const struct write *w, size_t row)
{
    const struct silt_row *what = &w->batch->rows[row];
    return what->series.len + 4 + w->layouts[what->layout].name_bytes_max > KEY_BYTES_MAX;
}

/* The parts of a row's series. NULL, or why it has none. */
static const char *take_apart(struct write *w, size_t row, struct series_parts *parts, enum silt_reject *why)
{
    struct silt_tag *tags;
    const char *reason = silt_series_key_parse(w->batch->rows[row].series, w->arena, &parts->key, &parts->measurement, &tags,
                                               &parts->tag_count);
    *why = SILT_REJECT_SERIES;
    if (reason)
        return reason;
    parts->tags = tags;
    for (size_t t = 0; t < parts->tag_count; t++) {
        if (silt_str_equal(tags[t].key, SILT_STR("time"))) {
            *why = SILT_REJECT_KEY;
            return silt_arena_printf(w->arena, "invalid tag key: input tag \"time\" on measurement \"%.*s\" is invalid",
                                     SILT_FMT(parts->measurement)).p;
        }
    }
    return NULL;
}

/* Rows from `row` up to `end` that still have no series, as far as each could be given one; *end becomes where they end. */
static size_t want_series(struct write *w, size_t row, size_t *end, struct series_wanted *wanted, size_t *rows)
{
    const struct silt_row *all = w->batch->rows;
    size_t count = 0, i = row;
    for (; i < *end && count < w->series_ahead; i++) {
        enum silt_reject why;
        if (w->ids[i] || w->row_slot[i] == NO_SLOT || key_is_too_long(w, i) ||
            (count > 0 && silt_str_equal(all[i].series, wanted[count - 1].raw)))
            continue;
        const char *reason = take_apart(w, i, &wanted[count].parts, &why);
        if (reason) {
            if (count == 0)
                reject(w, i, why, silt_str_from(reason));
            break; /* another row has its turn when it comes */
        }
        wanted[count].raw = all[i].series;
        wanted[count].raw_hash = all[i].series_hash;
        rows[count++] = i;
    }
    *end = i;
    return count;
}

/* The id of a series not seen before; 0: the row was rejected. Rows behind it get theirs as well. */
static silt_series_id define_series(struct write *w, size_t row)
{
    struct series_wanted wanted[SERIES_WANTED_MAX];
    size_t rows[SERIES_WANTED_MAX], left = w->batch->row_count - row;
    size_t end = row + (left < 4 * w->series_ahead ? left : 4 * w->series_ahead);
    silt_series_id known[4 * SERIES_WANTED_MAX];
    struct silt_error err;

    begin_defining(w);
    /* Somebody else may have made some of them before our turn to define came. */
    series_index_lookup(w->database->index, w->batch->rows + row, end - row, known);
    for (size_t i = row; i < end; i++)
        w->ids[i] = w->ids[i] ? w->ids[i] : known[i - row];
    if (w->ids[row])
        return w->ids[row];
    size_t count = want_series(w, row, &end, wanted, rows);
    if (count == 0)
        return 0;
    size_t done = series_index_resolve(w->database->index, wanted, count, true, &err);
    for (size_t i = 0; i < done; i++) {
        w->ids[rows[i]] = wanted[i].id;
        if (!wanted[i].created)
            continue;
        record_put_series(&w->definitions->payload, wanted[i].id, wanted[i].parts.key);
        w->slots[w->row_slot[rows[i]]].series_created++;
    }
    for (size_t i = row + 1; i < end; i++) /* lines of one series mostly stand together */
        if (w->ids[i] == 0 && w->ids[i - 1] && silt_str_equal(w->batch->rows[i].series, w->batch->rows[i - 1].series))
            w->ids[i] = w->ids[i - 1];
    if (done < count)
        w->series_ahead = 1;
    if (done == 0)
        reject_over_limit(w, row, silt_arena_str(w->arena, silt_error_text(&err)));
    return w->ids[row];
}

static void finish_pair(struct write *w, struct slot *slot, uint32_t layout)
{
    struct pair *pair = &slot->pairs[layout];
    const struct known_layout *known = &w->layouts[layout];
    if (known->places) {
        uint32_t *slots = silt_arena_alloc(w->arena, pair->map.layout->column_count * sizeof(*slots));
        for (uint32_t c = 0; c < pair->map.layout->column_count; c++)
            slots[c] = known->places[pair->map.slots[c]];
        pair->map.slots = slots;
    }
    pair->state = PAIR_READY;
    pair->number = slot->map_count;
    slot->maps[slot->map_count] = pair->map;
    slot->places[slot->map_count] = (struct map_place){.measurement = known->measurement, .layout = layout};
    slot->measurements[slot->map_count++] = known->layout.measurement;
}

/* Of the fresh types the first that contradicts the layout, from 1; 0: what contradicts it was there before. */
static size_t fresh_conflict(struct write *w, const struct shard *shard, const struct known_layout *known)
{
    size_t first = 0;

    for (uint32_t f = 0; f < known->layout.field_count; f++) {
        const uint32_t id = field_dict_find(w->database->dict, known->measurement, known->layout.fields[f].name);
        const enum silt_type type = id ? field_types_get(shard->types, known->measurement, id) : SILT_TYPE_NONE;
        if (type == SILT_TYPE_NONE || type == known->layout.fields[f].type)
            continue;
        for (size_t i = 0, end = first ? first - 1 : w->fresh_count; i < end; i++, w->fresh_looks++)
            if (w->fresh[i].shard == shard && w->fresh[i].measurement == known->measurement && w->fresh[i].field_id == id) {
                first = i + 1;
                break;
            }
    }
    return first;
}

/*
 * A field comes with two types in the batch that first brings it: which is meant? InfluxDB tries a batch twice, where the shard is
 * new once; a try ends at such a conflict, and what it defined before counts for the next. So the first conflict settles the
 * types before it, in a shard that had fields; any other is the end. So it is where finding that out would take too long.
 */
static void note_conflict(struct write *w, struct slot *slot, const struct known_layout *known)
{
    bool refused = slot->was_empty || w->fresh_looks > FRESH_LOOKS_MAX;
    size_t conflict = refused ? 0 : fresh_conflict(w, slot->shard, known);

    if (refused || (slot->settled && conflict > slot->settled))
        slot->refused = w->any_refused = true;
    else if (conflict && !slot->settled)
        slot->settled = w->fresh_count;
}

static void resolve_pair(struct write *w, struct slot *slot, uint32_t layout)
{
    struct pair *pair = &slot->pairs[layout];
    struct known_layout *known = &w->layouts[layout];
    struct silt_error err;
    if (known->measurement == 0)
        known->measurement = series_index_measurement_make(w->database->index, known->layout.measurement);
    if (known->measurement == 0) {
        pair->state = PAIR_OVER_LIMIT;
        pair->reason = SILT_STR("memory of the series index is used up");
        return;
    }
    if (field_dict_peek(w->database->dict, slot->shard->types, known->measurement, &known->layout, w->arena, &pair->map)) {
        finish_pair(w, slot, layout);
        return;
    }
    begin_defining(w);
    size_t before = w->fields.count;
    if (!slot->met) {
        slot->met = true;
        slot->was_empty = field_types_are_none(slot->shard->types);
    }
    enum silt_status rc = field_dict_resolve(w->database->dict, slot->shard->types, known->measurement, &known->layout,
                                             w->arena, &pair->map, &w->fields, &err);
    for (size_t i = before; i < w->fields.count; i++)
        if (w->fields.items[i].new_type) {
            record_put_type(&w->definitions->payload, slot->shard->id, known->layout.measurement, w->fields.items[i].field_id,
                            w->fields.items[i].type);
            shard_count(&slot->shard->counters.fields_created, 1);
            w->fresh = silt_arena_grow(w->arena, w->fresh, &w->fresh_room, w->fresh_count + 1, sizeof(*w->fresh));
            w->fresh[w->fresh_count++] = (struct fresh_type){slot->shard, known->measurement, w->fields.items[i].field_id};
        }
    if (rc == SILT_OK) {
        finish_pair(w, slot, layout);
        return;
    }
    if (rc == SILT_CONFLICT)
        note_conflict(w, slot, known);
    pair->state = rc == SILT_LIMIT ? PAIR_OVER_LIMIT : PAIR_CONFLICT;
    pair->reason = silt_arena_str(w->arena, silt_str_from(err.text));
}

/* ---------------------------------------------------------------- the rows */

static int by_line(const void *a, const void *b)
{
    const struct silt_rejection *left = a, *right = b;

    return (left->line > right->line) - (left->line < right->line);
}

/* Nothing of the batch goes into these shards; what it defined there before the conflict stands. */
static void refuse_slots(struct write *w)
{
    struct silt_write_report *report = w->report;

    for (size_t i = 0; i < w->batch->row_count; i++)
        if (w->row_slot[i] != NO_SLOT && w->slots[w->row_slot[i]].refused)
            reject(w, i, SILT_REJECT_BATCH, SILT_STR("field type conflict"));
    for (size_t s = 0; s < w->slot_count; s++)
        if (w->slots[s].refused)
            w->slots[s].row_count = 0;
    qsort(report->rejections, report->rejection_count, sizeof(*report->rejections), by_line);
}

static void check_rows(struct write *w)
{
    for (size_t i = 0; i < w->batch->row_count; i++) {
        const struct silt_row *row = &w->batch->rows[i];
        if (w->row_slot[i] == NO_SLOT) {
            reject(w, i, SILT_REJECT_RETENTION, SILT_STR("points beyond retention policy"));
            continue;
        }
        const struct known_layout *known = &w->layouts[row->layout];
        if (key_is_too_long(w, i)) {
            reject(w, i, SILT_REJECT_KEY, silt_arena_printf(w->arena, "max key length exceeded: %zu > %u",
                                                            row->series.len + 4 + known->name_bytes_max, KEY_BYTES_MAX));
            continue;
        }
        if (w->ids[i] == 0 && (w->ids[i] = define_series(w, i)) == 0)
            continue;
        if (known->only_time) {
            reject(w, i, SILT_REJECT_KEY,
                   silt_arena_printf(w->arena, "invalid field name: input field \"time\" on measurement \"%.*s\" is invalid",
                                     SILT_FMT(known->layout.measurement)));
            continue;
        }
        struct slot *slot = &w->slots[w->row_slot[i]];
        struct pair *pair = &slot->pairs[row->layout];
        if (slot->refused)
            continue;
        if (pair->state == PAIR_UNKNOWN)
            resolve_pair(w, slot, row->layout);
        if (slot->refused)
            continue;
        if (pair->state == PAIR_CONFLICT) {
            reject(w, i, SILT_REJECT_CONFLICT, pair->reason);
            continue;
        }
        if (pair->state == PAIR_OVER_LIMIT) {
            reject_over_limit(w, i, pair->reason);
            continue;
        }
        w->row_map[i] = pair->number;
        pair->rows++;
        slot->row_count++;
    }
    if (w->any_refused)
        refuse_slots(w);
}

static void want_flush(struct silt_storage *storage)
{
    if (atomic_load_explicit(&storage->flush_wanted, memory_order_relaxed) || atomic_exchange(&storage->flush_wanted, true))
        return;
    upkeep_kick(storage, UPKEEP_FLUSH);
}

/* While a generation is flushed the next one grows. Beyond the size at which it may be flushed itself writers pause, a
 * little at first: so memory is bounded by what the disk takes, long before the bounds that make writes wait or fail. */
static void keep_pace(struct silt_storage *storage, struct shard *shard, const struct generation *generation)
{
    size_t bytes = memtable_bytes(generation->mt);
    if (bytes <= GENERATION_BYTES_MIN)
        return;
    if (atomic_load_explicit(&shard->counters.flushing, memory_order_relaxed)) {
        double pace = PACE_NS * (double)(bytes - GENERATION_BYTES_MIN) / (double)GENERATION_BYTES_MIN;
        atomic_store_explicit(&storage->pace_ns, (uint32_t)(pace < PACE_NS_MAX ? pace : PACE_NS_MAX), memory_order_relaxed);
    }
    if (generation_is_full(generation))
        want_flush(storage);
}

static int by_measurement(const void *a, const void *b, void *places)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const struct map_place *left = (struct map_place *)places + x, *right = (struct map_place *)places + y;
    if (left->measurement != right->measurement)
        return left->measurement < right->measurement ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* Where the slot's rows go: those of a measurement together, in their order, so that the log's blocks and the memtable's
 * stripes meet one layout for long. Rows of different measurements have no order that matters. */
static void lay_out(struct write *w, struct slot *slot, size_t begin)
{
    uint32_t *order = silt_arena_alloc(w->arena, (slot->map_count + 1) * sizeof(*order));
    struct map_place *leader = NULL;
    for (uint32_t m = 0; m < slot->map_count; m++)
        order[m] = m;
    if (slot->map_count > 1)
        qsort_r(order, slot->map_count, sizeof(*order), by_measurement, slot->places);
    for (uint32_t k = 0; k < slot->map_count; k++) {
        struct map_place *place = &slot->places[order[k]];
        if (!leader || leader->measurement != place->measurement) {
            leader = place;
            leader->next = begin;
        }
        place->leader = (uint32_t)(leader - slot->places);
        begin += slot->pairs[place->layout].rows;
    }
}

static void store_rows(struct write *w, silt_written_fn done, void *done_arg)
{
    struct silt_storage *storage = w->storage;
    const struct silt_batch *batch = w->batch;
    size_t written = 0, values = 0;
    for (size_t s = 0; s < w->slot_count; s++) {
        w->slots[s].row_begin = written;
        lay_out(w, &w->slots[s], written);
        written += w->slots[s].row_count;
    }
    struct memtable_row *rows = silt_arena_alloc(w->arena, (written ? written : 1) * sizeof(*rows));
    for (size_t i = 0; i < batch->row_count; i++) {
        if (w->row_slot[i] == NO_SLOT)
            continue;
        struct slot *slot = &w->slots[w->row_slot[i]];
        rows[slot->places[slot->places[w->row_map[i]].leader].next++] = (struct memtable_row){
            w->ids[i], w->row_map[i], batch->rows[i].time, batch->values + batch->rows[i].value_offset};
        values += slot->maps[w->row_map[i]].layout->column_count;
    }
    struct write_op *op = silt_calloc(1, sizeof(*op));
    op->done = done;
    op->done_arg = done_arg;
    uint32_t records = 0;
    for (size_t s = 0; s < w->slot_count; s++) {
        struct slot *slot = &w->slots[s];
        if (slot->row_count == 0)
            continue;
        records++;
        slot->item = log_item_create(storage, RECORD_ROWS);
        slot->item->op = op;
        record_put_rows(&slot->item->payload, slot->shard->id, rows + slot->row_begin, slot->row_count, slot->maps,
                        slot->measurements, slot->map_count);
    }
    atomic_init(&op->remaining, records + 1);
    /* Fields found by peeking may have been defined by a writer whose record is not in the queue yet. */
    if (atomic_load(&w->database->defining)) {
        pthread_mutex_lock(&w->database->define_lock);
        pthread_mutex_unlock(&w->database->define_lock);
    }
    wal_lock(storage->wal);
    for (size_t s = 0; s < w->slot_count; s++)
        if (w->slots[s].item)
            w->slots[s].generation = shard_enter_locked(w->slots[s].shard, log_item_enqueue_locked(w->slots[s].item));
    wal_unlock(storage->wal);
    uint64_t now_ms = silt_clock_monotonic_ns() / 1000000;
    for (size_t s = 0; s < w->slot_count; s++) {
        struct slot *slot = &w->slots[s];
        shard_count(&slot->shard->counters.series_created, slot->series_created);
        if (!slot->item)
            continue;
        memtable_apply(slot->generation->mt, rows + slot->row_begin, slot->row_count, slot->maps, w->arena);
        keep_pace(storage, slot->shard, slot->generation);
        generation_leave(slot->generation);
        atomic_store_explicit(&slot->shard->changed_ms, now_ms, memory_order_relaxed);
        shard_count(&slot->shard->counters.writes, 1);
        shard_count(&slot->shard->counters.rows, slot->row_count);
        shard_count(&slot->shard->counters.log_bytes, slot->item->payload.len);
        log_item_release(slot->item);
    }
    w->report->written = written;
    atomic_fetch_add_explicit(&storage->rows_written, written, memory_order_relaxed);
    atomic_fetch_add_explicit(&storage->values_written, values, memory_order_relaxed);
    atomic_fetch_add_explicit(&storage->rows_rejected, w->report->rejection_count, memory_order_relaxed);
    atomic_fetch_add_explicit(&storage->wal_batches, 1, memory_order_relaxed);
    write_op_settle(op, SILT_OK, NULL);
}

/* ---------------------------------------------------------------- the call */

static size_t waiting_bytes(struct silt_storage *storage)
{
    struct wal_stats stats;
    wal_stats(storage->wal, &stats);
    return atomic_load_explicit(&storage->memtable_budget.used_bytes, memory_order_relaxed) + stats.queued_bytes;
}

static enum silt_status check_room(struct silt_storage *storage, size_t used, struct silt_error *err)
{
    enum silt_status rc = wal_check(storage->wal, err);
    if (rc != SILT_OK || used <= storage->hard_bytes)
        return rc;
    pthread_mutex_lock(&storage->upkeep_mutex);
    struct silt_error why = storage->flush_error;
    pthread_mutex_unlock(&storage->upkeep_mutex);
    if (why.status == SILT_NO_SPACE || why.status == SILT_IO)
        return wal_refuse(&why, err);
    return silt_fail(err, SILT_BUSY, "memory for recent points is used up: %zu of %zu bytes wait to be flushed", used,
                     storage->hard_bytes);
}

enum silt_status check_writable(struct silt_storage *storage, struct silt_error *err)
{
    return check_room(storage, waiting_bytes(storage), err);
}

static enum silt_status check_pressure(struct silt_storage *storage, size_t rows, bool may_wait, struct silt_error *err)
{
    size_t used = waiting_bytes(storage);
    if (used > storage->soft_bytes / 4)
        want_flush(storage);
    enum silt_status rc = check_room(storage, used, err);
    if (rc != SILT_OK)
        return rc;
    double pause_ns = (double)rows * atomic_load_explicit(&storage->pace_ns, memory_order_relaxed);
    if (used > storage->soft_bytes) {
        size_t over = used - storage->soft_bytes, room = storage->hard_bytes - storage->soft_bytes + 1;
        pause_ns += 1000000 + 50000000.0 * (double)over / (double)room;
    }
    if (pause_ns < PAUSE_NS_MIN)
        return SILT_OK;
    if (!may_wait)
        return silt_fail(err, SILT_BUSY, "flushing is behind: the write has to wait");
    struct timespec pause = {0, (long)(pause_ns < PAUSE_NS_MAX ? pause_ns : PAUSE_NS_MAX)};
    nanosleep(&pause, NULL);
    return SILT_OK;
}

/* SILT_BUSY with *homeless: groups have to be made. */
static enum silt_status write_once(struct write *w, struct silt_str database, struct silt_str rp, bool may_wait, bool *homeless,
                                   silt_written_fn done, void *done_arg, struct silt_error *err)
{
    w->database = find_database(w->storage, database);
    if (!w->database)
        return silt_fail(err, SILT_NOT_FOUND, "database not found: \"%.*s\"", SILT_FMT(database)); /* quoted here only */
    w->policy = find_policy(w->database, rp);
    if (!w->policy)
        return policy_not_found(w->database, rp, err);
    w->report->policy = silt_arena_str(w->arena, silt_str_from(w->policy->name));
    w->oldest = INT64_MIN;
    if (w->policy->duration_ns != 0)
        w->oldest = storage_now(w->storage) - w->policy->duration_ns;
    w->slot_count = 0;
    *homeless = place_rows(w) > 0;
    if (*homeless)
        return silt_fail(err, SILT_BUSY, "a shard group has to be made first");
    size_t unknown = series_index_lookup(w->database->index, w->batch->rows, w->batch->row_count, w->ids);
    if (!may_wait && unknown > NEW_AT_ONCE)
        return silt_fail(err, SILT_BUSY, "many series have to be made: the write has to wait");
    check_rows(w);
    end_defining(w);
    store_rows(w, done, done_arg);
    struct silt_watcher *watcher = w->storage->watcher;
    /* Read by changing it: either it is raised already and these rows are told, or whoever raises it sees them. */
    if (watcher && w->first < atomic_fetch_add(&watcher->before, 0))
        watcher->written(watcher, silt_str_from(w->database->name), silt_str_from(w->policy->name), w->batch);
    return SILT_OK;
}

/* All that the batch lacks, at once. */
static enum silt_status make_groups(struct write *w, struct silt_str database, struct silt_str rp, struct silt_error *err)
{
    silt_time *times = silt_arena_alloc(w->arena, (w->batch->row_count + 1) * sizeof(*times)), start = 0, end = 0;
    size_t count = 0;
    pthread_rwlock_rdlock(&w->storage->meta_lock);
    struct database *found = find_database(w->storage, database);
    struct policy *policy = found ? find_policy(found, rp) : NULL;
    for (size_t i = 0; policy && i < w->batch->row_count; i++) {
        silt_time time = w->batch->rows[i].time;
        if (time < w->oldest || (time >= start && time < end) || policy_shard_at(policy, time))
            continue;
        group_range(policy, time, &start, &end);
        times[count++] = time;
    }
    pthread_rwlock_unlock(&w->storage->meta_lock);
    return ensure_shards(w->storage, database, rp, times, count, err);
}

enum silt_status silt_storage_write(struct silt_storage *storage, struct silt_str database, struct silt_str rp,
                                    const struct silt_batch *batch, bool may_wait, struct silt_arena *arena,
                                    struct silt_write_report *report, silt_written_fn done, void *done_arg,
                                    struct silt_error *err)
{
    struct write w = {.storage = storage, .batch = batch, .arena = arena, .report = report, .series_ahead = SERIES_WANTED_MAX};
    memset(report, 0, sizeof(*report));
    enum silt_status rc = check_pressure(storage, batch->row_count, may_wait, err);
    if (rc != SILT_OK)
        return rc;
    if (!may_wait && batch->layout_count > NEW_AT_ONCE)
        return silt_fail(err, SILT_BUSY, "many measurements and fields: the write has to wait");
    size_t rows = batch->row_count ? batch->row_count : 1;
    w.ids = silt_arena_alloc(arena, rows * sizeof(*w.ids));
    w.row_slot = silt_arena_alloc(arena, rows * sizeof(*w.row_slot));
    w.row_map = silt_arena_alloc(arena, rows * sizeof(*w.row_map));
    know_layouts(&w);
    for (;;) {
        bool homeless = false;
        if (!may_wait) {
            if (pthread_rwlock_tryrdlock(&storage->meta_lock) != 0)
                return silt_fail(err, SILT_BUSY, "a change of the schema is under way: the write has to wait");
        } else {
            pthread_rwlock_rdlock(&storage->meta_lock);
        }
        rc = write_once(&w, database, rp, may_wait, &homeless, done, done_arg, err);
        pthread_rwlock_unlock(&storage->meta_lock);
        if (!homeless || !may_wait)
            return rc;
        if ((rc = make_groups(&w, database, rp, err)) != SILT_OK)
            return rc;
    }
}
