/*
 * wal.c - see wal.h. The entries, after snappy:
 *
 *     write (1)         | type 1 | key length 2 | key | count 4 | time 8, value | time 8, value ... | type 1 ...
 *     delete (2)        keys, with newlines between
 *     delete range (3)  | first time 8 | last time 8 | key length 4 | key | key length 4 ...
 *
 *     types    1 float, 8    2 integer, 8    3 boolean, 1    4 string: length 4, bytes    5 unsigned, 8
 *
 * Nothing here has a checksum, and a flipped bit that snappy lets through can make anything of a number or a name. What InfluxDB
 * cannot have written is told as damage and left out by itself: where the lengths hold, the rest of the entry is read.
 */
#include "inspect/influxdb/wal.h"

#include "silt/storage.h"

#include <inttypes.h>
#include <stdlib.h>

enum { WRITE = 1, DELETE = 2, DELETE_RANGE = 3 };
#define SLOTS_MIN 1024u

static const enum silt_type types[] = {SILT_TYPE_NONE,    SILT_TYPE_FLOAT,  SILT_TYPE_INTEGER,
                                       SILT_TYPE_BOOLEAN, SILT_TYPE_STRING, SILT_TYPE_UNSIGNED};

/* Of an entry, for what is told of it. */
struct place {
    struct influx_log *log;
    const char *path;
    uint64_t offset;
};

void influx_wal_init(struct influx_wal *wal, silt_time start, silt_time end, struct silt_budget *budget)
{
    *wal = (struct influx_wal){.start = start,
                               .end = end,
                               .arena = silt_arena_create(budget),
                               .parsed = silt_arena_create(NULL),
                               .slot_count = SLOTS_MIN};
    wal->slots = silt_calloc(wal->slot_count, sizeof(*wal->slots));
}

static void free_values(struct influx_wal *wal, struct influx_wal_key *key)
{
    struct silt_budget *budget = silt_arena_budget(wal->arena);
    if (budget)
        silt_budget_release(budget, key->capacity * (sizeof(*key->times) + sizeof(*key->values)));
    free(key->times);
    free(key->values);
}

void influx_wal_free(struct influx_wal *wal)
{
    for (size_t i = 0; i < wal->count; i++)
        free_values(wal, &wal->keys[i]);
    free(wal->keys);
    free(wal->slots);
    silt_buffer_free(&wal->plain);
    silt_arena_destroy(wal->arena);
    silt_arena_destroy(wal->parsed);
    *wal = (struct influx_wal){0};
}

/* ---------------------------------------------------------------- keys */

static uint32_t *find_slot(const struct influx_wal *wal, struct silt_str key)
{
    size_t mask = wal->slot_count - 1, at = silt_hash(key.p, key.len) & mask;
    while (wal->slots[at] && !silt_str_equal(wal->keys[wal->slots[at] - 1].key, key))
        at = (at + 1) & mask;
    return &wal->slots[at];
}

static void grow_slots(struct influx_wal *wal)
{
    free(wal->slots);
    wal->slot_count *= 2;
    wal->slots = silt_calloc(wal->slot_count, sizeof(*wal->slots));
    for (size_t i = 0; i < wal->count; i++)
        *find_slot(wal, wal->keys[i].key) = (uint32_t)i + 1;
}

static struct influx_wal_key *find_key(struct influx_wal *wal, struct silt_str key)
{
    uint32_t index = *find_slot(wal, key);
    return index ? &wal->keys[index - 1] : NULL;
}

static struct influx_wal_key *make_key(struct influx_wal *wal, struct silt_str key, const struct place *place)
{
    uint32_t *slot = find_slot(wal, key);
    if (*slot)
        return &wal->keys[*slot - 1];
    if (wal->count == wal->capacity) {
        wal->capacity = wal->capacity ? wal->capacity * 2 : SLOTS_MIN / 2;
        wal->keys = silt_realloc(wal->keys, wal->capacity * sizeof(*wal->keys));
    }
    wal->keys[wal->count] = (struct influx_wal_key){
        .key = silt_arena_str(wal->arena, key), .path = place->path, .offset = place->offset};
    *slot = (uint32_t)++wal->count;
    if (wal->count * 2 > wal->slot_count)
        grow_slots(wal);
    return &wal->keys[wal->count - 1];
}

static enum silt_status make_room(struct influx_wal *wal, struct influx_wal_key *key, size_t more,
                                  struct silt_error *err)
{
    if (key->capacity - key->count >= more)
        return SILT_OK;
    size_t capacity = (key->count + more) * 2;
    struct silt_budget *budget = silt_arena_budget(wal->arena);
    if (budget) {
        enum silt_status rc =
            silt_budget_charge(budget, (capacity - key->capacity) * (sizeof(*key->times) + sizeof(*key->values)), err);
        if (rc != SILT_OK)
            return rc;
    }
    key->times = silt_realloc(key->times, capacity * sizeof(*key->times));
    key->values = silt_realloc(key->values, capacity * sizeof(*key->values));
    key->capacity = capacity;
    return SILT_OK;
}

/* ---------------------------------------------------------------- entries */

static union silt_value take_value(struct influx_wal *wal, enum silt_type type, struct influx_bytes *in)
{
    union silt_value value = {.u64 = 0};
    if (type == SILT_TYPE_BOOLEAN)
        value.u64 = influx_take8(in) != 0;
    else if (type == SILT_TYPE_STRING)
        value.string = silt_arena_bytes_copy(wal->arena, influx_take_str(in, influx_take32(in)));
    else
        value.u64 = influx_take64(in);
    return value;
}

/* NULL, or why no write can have made such a key. */
static const char *check_name(struct influx_wal *wal, struct silt_str name)
{
    struct silt_str series, field, key, measurement;
    struct silt_tag *tags;
    size_t tag_count;

    if (!influx_split_key(name, &series, &field))
        return "a key without a field";
    silt_arena_reset(wal->parsed);
    return silt_series_key_parse(series, wal->parsed, &key, &measurement, &tags, &tag_count);
}

static const char *check_key(struct influx_wal *wal, struct silt_str name, enum silt_type type)
{
    const struct influx_wal_key *key = find_key(wal, name);
    if (!key)
        return check_name(wal, name);
    return key->count && key->type != type ? "values of two types for one field" : NULL;
}

/* So many values of a key; NULL: they are read over. */
static void add_values(struct influx_wal *wal, struct influx_wal_key *key, enum silt_type type, uint32_t count,
                       struct influx_bytes *in, const struct place *place)
{
    uint32_t strays = 0;
    for (uint32_t i = 0; i < count && !in->short_of; i++) {
        silt_time time = (silt_time)influx_take64(in);
        union silt_value value = take_value(wal, type, in);
        bool inside = time >= wal->start && time < wal->end;
        strays += !inside;
        if (!key || !inside || in->short_of)
            continue;
        key->times[key->count] = time;
        key->values[key->count++] = value;
    }
    if (key && strays && !in->short_of)
        influx_damaged(place->log, place->path, place->offset,
                       "%" PRIu32 " of %" PRIu32 " values of %.*s have times that are not this shard's; they are left out",
                       strays, count, SILT_FMT(key->key));
}

/* *wrong stays NULL if all of it was understood. */
static enum silt_status add_write(struct influx_wal *wal, struct influx_bytes *in, const struct place *place,
                                  const char **wrong, struct silt_error *err)
{
    while (influx_left(in)) {
        uint8_t number = influx_take8(in);
        enum silt_type type = number < sizeof(types) / sizeof(types[0]) ? types[number] : SILT_TYPE_NONE;
        struct silt_str name = influx_take_str(in, influx_take16(in));
        uint32_t count = influx_take32(in);
        if (in->short_of || type == SILT_TYPE_NONE ||
            count > influx_left(in) / 9) { /* a value takes 9 bytes at least */
            *wrong = "a write that makes no sense";
            return SILT_OK;
        }
        struct influx_wal_key *key = NULL;
        const char *unfit = check_key(wal, name, type);
        if (unfit) {
            influx_damaged(place->log, place->path, place->offset, "%s: %.*s; its values are left out", unfit,
                           SILT_FMT(name));
        } else {
            key = make_key(wal, name, place);
            key->type = type;
            enum silt_status rc = make_room(wal, key, count, err);
            if (rc != SILT_OK)
                return rc;
        }
        add_values(wal, key, type, count, in, place);
        if (in->short_of) {
            *wrong = "a write cut short";
            return SILT_OK;
        }
        if (silt_arena_exceeded(wal->arena))
            return silt_fail(err, SILT_LIMIT, "more text than may be kept in memory");
    }
    return SILT_OK;
}

static void delete_range(struct influx_wal *wal, struct silt_str name, silt_time min, silt_time max)
{
    struct influx_wal_key *key = find_key(wal, name);
    size_t kept = 0;
    for (size_t i = 0; key && i < key->count; i++) {
        if (key->times[i] >= min && key->times[i] <= max)
            continue;
        key->times[kept] = key->times[i];
        key->values[kept++] = key->values[i];
    }
    if (key)
        key->count = kept;
}

static void add_delete(struct influx_wal *wal, struct silt_str names)
{
    while (names.len) {
        const char *end = memchr(names.p, '\n', names.len);
        size_t len = end ? (size_t)(end - names.p) : names.len;
        delete_range(wal, (struct silt_str){names.p, len}, INT64_MIN, INT64_MAX);
        len += end ? 1 : 0;
        names = (struct silt_str){names.p + len, names.len - len};
    }
}

static const char *add_delete_range(struct influx_wal *wal, struct influx_bytes *in)
{
    silt_time min = (silt_time)influx_take64(in), max = (silt_time)influx_take64(in);
    if (min > max)
        return "a delete that makes no sense";
    while (influx_left(in)) {
        struct silt_str name = influx_take_str(in, influx_take32(in));
        if (in->short_of)
            break;
        delete_range(wal, name, min, max);
    }
    return in->short_of ? "a delete cut short" : NULL;
}

static enum silt_status add_entry(struct influx_wal *wal, uint8_t kind, struct silt_str packed,
                                  const struct place *place, const char **wrong, struct silt_error *err)
{
    if ((*wrong = influx_unsnappy(packed, &wal->plain)))
        return SILT_OK;
    struct influx_bytes in = influx_bytes_from(wal->plain.p, wal->plain.len);
    if (kind == WRITE)
        return add_write(wal, &in, place, wrong, err);
    if (kind == DELETE)
        add_delete(wal, (struct silt_str){wal->plain.p, wal->plain.len});
    else if (kind == DELETE_RANGE)
        *wrong = add_delete_range(wal, &in);
    else
        *wrong = "an entry of an unknown kind";
    return SILT_OK;
}

enum silt_status influx_wal_add(struct influx_wal *wal, const char *path, const uint8_t *bytes, size_t len, bool last,
                                struct influx_log *log, struct silt_error *err)
{
    struct influx_bytes in = influx_bytes_from(bytes, len);
    path = silt_arena_str(wal->arena, (struct silt_str){path, strlen(path) + 1}).p; /* keys refer to it */
    while (influx_left(&in)) {
        const struct place place = {log, path, (uint64_t)(in.p - bytes)};
        uint8_t kind = influx_take8(&in);
        struct silt_str packed = influx_take_str(&in, influx_take32(&in));
        const char *wrong = NULL;
        if (in.short_of) { /* the write that was under way at a crash; nobody was told that it is there */
            if (!last)
                influx_damaged(log, path, place.offset, "an entry cut short");
            return SILT_OK;
        }
        enum silt_status rc = add_entry(wal, kind, packed, &place, &wrong, err);
        if (rc != SILT_OK)
            return rc;
        if (wrong) {
            influx_damaged(log, path, place.offset, "%s; what follows in this file is left out", wrong);
            return SILT_OK;
        }
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- order */

struct ranked {
    silt_time time;
    size_t rank; /* the later write of a time wins */
    union silt_value value;
};

static int by_time(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->time != right->time)
        return left->time < right->time ? -1 : 1;
    return left->rank < right->rank ? -1 : left->rank > right->rank;
}

static void sort_values(struct influx_wal_key *key)
{
    bool rising = true;
    for (size_t i = 1; i < key->count && rising; i++)
        rising = key->times[i - 1] < key->times[i];
    if (rising)
        return;
    struct ranked *all = silt_malloc(key->count * sizeof(*all));
    for (size_t i = 0; i < key->count; i++)
        all[i] = (struct ranked){key->times[i], i, key->values[i]};
    qsort(all, key->count, sizeof(*all), by_time);
    size_t kept = 0;
    for (size_t i = 0; i < key->count; i++) {
        if (i + 1 < key->count && all[i + 1].time == all[i].time)
            continue;
        key->times[kept] = all[i].time;
        key->values[kept++] = all[i].value;
    }
    key->count = kept;
    free(all);
}

static int by_key(const void *a, const void *b)
{
    const struct influx_wal_key *left = a, *right = b;
    return silt_str_compare(left->key, right->key);
}

void influx_wal_finish(struct influx_wal *wal)
{
    size_t kept = 0;
    for (size_t i = 0; i < wal->count; i++) {
        if (wal->keys[i].count == 0) {
            free_values(wal, &wal->keys[i]);
            continue;
        }
        sort_values(&wal->keys[i]);
        wal->keys[kept++] = wal->keys[i];
    }
    wal->count = kept;
    memset(wal->slots, 0, wal->slot_count * sizeof(*wal->slots));
    if (kept)
        qsort(wal->keys, kept, sizeof(*wal->keys), by_key);
}
