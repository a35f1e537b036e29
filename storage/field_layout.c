/*
 * field_layout.c - implements field_layout.h.
 */
#include "storage/field_layout.h"

#include "silt/text.h"

#include <pthread.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- types of one shard */

struct measurement_types {
    uint8_t *types; /* [field_id], enum silt_type */
    uint32_t capacity;
};

struct field_types {
    struct silt_budget *budget;
    size_t charged;
    pthread_mutex_t lock;                   /* guards this group: */
    struct measurement_types *measurements; /* [measurement] */
    uint32_t measurement_capacity;
};

struct field_types *field_types_create(struct silt_budget *budget)
{
    struct field_types *types = silt_calloc(1, sizeof(*types));
    types->budget = budget;
    pthread_mutex_init(&types->lock, NULL);
    return types;
}

void field_types_destroy(struct field_types *types)
{
    if (!types)
        return;
    for (uint32_t i = 0; i < types->measurement_capacity; i++)
        free(types->measurements[i].types);
    free(types->measurements);
    if (types->budget && types->charged)
        silt_budget_release(types->budget, types->charged);
    pthread_mutex_destroy(&types->lock);
    free(types);
}

static enum silt_type get_type(const struct field_types *types, uint32_t measurement, uint32_t field_id)
{
    if (measurement >= types->measurement_capacity || field_id >= types->measurements[measurement].capacity)
        return SILT_TYPE_NONE;
    return types->measurements[measurement].types[field_id];
}

enum silt_type field_types_get(struct field_types *types, uint32_t measurement, uint32_t field_id)
{
    pthread_mutex_lock(&types->lock);
    enum silt_type type = get_type(types, measurement, field_id);
    pthread_mutex_unlock(&types->lock);
    return type;
}

bool field_types_are_none(struct field_types *types)
{
    bool none = true;

    pthread_mutex_lock(&types->lock);
    for (uint32_t m = 0; m < types->measurement_capacity && none; m++)
        for (uint32_t i = 0; i < types->measurements[m].capacity && none; i++)
            none = types->measurements[m].types[i] == SILT_TYPE_NONE;
    pthread_mutex_unlock(&types->lock);
    return none;
}

/* A place for the field's type. With lock. */
static enum silt_status reserve_type(struct field_types *types, uint32_t measurement, uint32_t field_id,
                                     struct silt_error *err)
{
    enum silt_status rc;
    uint32_t old = types->measurement_capacity, capacity = old ? old : 8;
    while (capacity <= measurement)
        capacity *= 2;
    if (capacity > old) {
        size_t more = (capacity - old) * sizeof(*types->measurements);
        if (types->budget && (rc = silt_budget_charge(types->budget, more, err)) != SILT_OK)
            return rc;
        types->charged += more;
        types->measurements = silt_realloc(types->measurements, capacity * sizeof(*types->measurements));
        memset(types->measurements + old, 0, more);
        types->measurement_capacity = capacity;
    }
    struct measurement_types *entry = &types->measurements[measurement];
    old = entry->capacity;
    capacity = old ? old : 16;
    while (capacity <= field_id)
        capacity *= 2;
    if (capacity > old) {
        if (types->budget && (rc = silt_budget_charge(types->budget, capacity - old, err)) != SILT_OK)
            return rc;
        types->charged += capacity - old;
        entry->types = silt_realloc(entry->types, capacity);
        memset(entry->types + old, SILT_TYPE_NONE, capacity - old);
        entry->capacity = capacity;
    }
    return SILT_OK;
}

#define IDS_MAX ((uint32_t)1 << 30)

enum silt_status field_types_set(struct field_types *types, uint32_t measurement, uint32_t field_id,
                                 enum silt_type type, struct silt_error *err)
{
    if (measurement >= IDS_MAX || field_id >= IDS_MAX)
        return silt_fail(err, SILT_CORRUPT, "field types: measurement %u, field %u", measurement, field_id);
    pthread_mutex_lock(&types->lock);
    enum silt_status rc = reserve_type(types, measurement, field_id, err);
    if (rc == SILT_OK && types->measurements[measurement].types[field_id] == SILT_TYPE_NONE)
        types->measurements[measurement].types[field_id] = (uint8_t)type;
    pthread_mutex_unlock(&types->lock);
    return rc;
}

void field_types_drop(struct field_types *types, uint32_t measurement)
{
    pthread_mutex_lock(&types->lock);
    if (measurement < types->measurement_capacity && types->measurements[measurement].capacity)
        memset(types->measurements[measurement].types, SILT_TYPE_NONE, types->measurements[measurement].capacity);
    pthread_mutex_unlock(&types->lock);
}

enum silt_status field_types_list(struct field_types *types, uint32_t measurement, struct silt_arena *arena,
                                  struct field_ref **fields, size_t *count, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    *fields = NULL;
    *count = 0;
    pthread_mutex_lock(&types->lock);
    uint32_t capacity = measurement < types->measurement_capacity ? types->measurements[measurement].capacity : 0;
    size_t n = 0;
    for (uint32_t i = 0; i < capacity; i++)
        n += types->measurements[measurement].types[i] != SILT_TYPE_NONE;
    struct field_ref *list = silt_arena_try_alloc(arena, (n + 1) * sizeof(*list));
    if (!list)
        rc = silt_fail(err, SILT_LIMIT, "query memory: %zu fields", n);
    n = 0;
    for (uint32_t i = 0; list && i < capacity; i++)
        if (types->measurements[measurement].types[i] != SILT_TYPE_NONE)
            list[n++] = (struct field_ref){i, types->measurements[measurement].types[i]};
    pthread_mutex_unlock(&types->lock);
    *fields = list;
    *count = list ? n : 0;
    return rc;
}

/* ---------------------------------------------------------------- names */

struct name_slot {
    uint32_t hash, id; /* 0: empty */
};

struct measurement_fields {
    struct silt_str *names; /* [field_id] */
    struct name_slot *slots;
    uint32_t count; /* highest id */
    uint32_t name_capacity, mask;
};

struct field_dict {
    struct silt_budget *budget;
    size_t charged;
    pthread_mutex_t lock;                    /* guards this group: */
    struct silt_arena *arena;                /* names and layouts */
    struct measurement_fields *measurements; /* [measurement] */
    uint32_t measurement_capacity;
    const struct field_layout **layouts; /* open addressing */
    uint32_t layout_mask, layout_count;
};

struct field_dict *field_dict_create(struct silt_budget *budget)
{
    struct field_dict *dict = silt_calloc(1, sizeof(*dict));
    dict->budget = budget;
    dict->arena = silt_arena_create(budget);
    pthread_mutex_init(&dict->lock, NULL);
    return dict;
}

void field_dict_destroy(struct field_dict *dict)
{
    if (!dict)
        return;
    for (uint32_t i = 0; i < dict->measurement_capacity; i++) {
        free(dict->measurements[i].names);
        free(dict->measurements[i].slots);
    }
    free(dict->measurements);
    free(dict->layouts);
    silt_arena_destroy(dict->arena);
    if (dict->budget && dict->charged)
        silt_budget_release(dict->budget, dict->charged);
    pthread_mutex_destroy(&dict->lock);
    free(dict);
}

static enum silt_status charge(struct field_dict *dict, size_t bytes, struct silt_error *err)
{
    enum silt_status rc = dict->budget ? silt_budget_charge(dict->budget, bytes, err) : SILT_OK;
    if (rc == SILT_OK && dict->budget)
        dict->charged += bytes;
    return rc;
}

static uint32_t hash_name(struct silt_str name)
{
    return (uint32_t)(silt_hash(name.p, name.len) >> 32);
}

static uint32_t find_field(const struct field_dict *dict, uint32_t measurement, struct silt_str name)
{
    if (measurement >= dict->measurement_capacity || !dict->measurements[measurement].slots)
        return 0;
    const struct measurement_fields *fields = &dict->measurements[measurement];
    uint32_t hash = hash_name(name);
    for (uint32_t i = hash & fields->mask;; i = (i + 1) & fields->mask) {
        const struct name_slot *slot = &fields->slots[i];
        if (slot->id == 0 || (slot->hash == hash && silt_str_equal(fields->names[slot->id], name)))
            return slot->id;
    }
}

/* A field that is not there yet gets its id. With lock. */
static enum silt_status add_field(struct field_dict *dict, uint32_t measurement, uint32_t field_id,
                                  struct silt_str name, struct silt_error *err)
{
    enum silt_status rc;
    uint32_t capacity = dict->measurement_capacity ? dict->measurement_capacity : 8;
    while (capacity <= measurement)
        capacity *= 2;
    if (capacity > dict->measurement_capacity) {
        size_t more = (capacity - dict->measurement_capacity) * sizeof(*dict->measurements);
        if ((rc = charge(dict, more, err)) != SILT_OK)
            return rc;
        dict->measurements = silt_realloc(dict->measurements, capacity * sizeof(*dict->measurements));
        memset(dict->measurements + dict->measurement_capacity, 0, more);
        dict->measurement_capacity = capacity;
    }
    struct measurement_fields *fields = &dict->measurements[measurement];
    capacity = fields->name_capacity ? fields->name_capacity : 16;
    while (capacity <= field_id)
        capacity *= 2;
    if (capacity > fields->name_capacity) { /* names, and slots for twice as many */
        size_t more = (capacity - fields->name_capacity) * (sizeof(*fields->names) + 2 * sizeof(*fields->slots));
        if ((rc = charge(dict, more, err)) != SILT_OK)
            return rc;
        fields->names = silt_realloc(fields->names, capacity * sizeof(*fields->names));
        memset(fields->names + fields->name_capacity, 0, (capacity - fields->name_capacity) * sizeof(*fields->names));
        fields->name_capacity = capacity;
        free(fields->slots);
        fields->slots = silt_calloc(2 * (size_t)capacity, sizeof(*fields->slots));
        fields->mask = 2 * capacity - 1;
        for (uint32_t id = 1; id <= fields->count; id++) {
            if (!fields->names[id].p)
                continue;
            uint32_t hash = hash_name(fields->names[id]), at = hash & fields->mask;
            while (fields->slots[at].id)
                at = (at + 1) & fields->mask;
            fields->slots[at] = (struct name_slot){hash, id};
        }
    }
    char *copy = silt_arena_try_alloc(dict->arena, name.len + 1);
    if (!copy)
        return silt_fail(err, SILT_LIMIT, "memory: field names");
    memcpy(copy, name.p, name.len);
    copy[name.len] = '\0';
    fields->names[field_id] = (struct silt_str){copy, name.len};
    if (field_id > fields->count)
        fields->count = field_id;
    uint32_t hash = hash_name(name), at = hash & fields->mask;
    while (fields->slots[at].id)
        at = (at + 1) & fields->mask;
    fields->slots[at] = (struct name_slot){hash, field_id};
    return SILT_OK;
}

enum silt_status field_dict_load(struct field_dict *dict, uint32_t measurement, uint32_t field_id, struct silt_str name,
                                 struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    if (field_id == 0 || field_id >= IDS_MAX || measurement == 0 || measurement >= IDS_MAX || name.len == 0)
        return silt_fail(err, SILT_CORRUPT, "field definition: measurement %u, field %u \"%.*s\"", measurement,
                         field_id, SILT_FMT(name));
    pthread_mutex_lock(&dict->lock);
    uint32_t known = find_field(dict, measurement, name);
    const struct measurement_fields *fields =
        measurement < dict->measurement_capacity ? &dict->measurements[measurement] : NULL;
    if (known == field_id)
        ;
    else if (known || (fields && field_id <= fields->count && fields->names[field_id].p))
        rc = silt_fail(err, SILT_CORRUPT, "field definition: field %u \"%.*s\" contradicts an earlier one", field_id,
                       SILT_FMT(name));
    else
        rc = add_field(dict, measurement, field_id, name, err);
    pthread_mutex_unlock(&dict->lock);
    return rc;
}

uint32_t field_dict_find(struct field_dict *dict, uint32_t measurement, struct silt_str name)
{
    pthread_mutex_lock(&dict->lock);
    uint32_t id = find_field(dict, measurement, name);
    pthread_mutex_unlock(&dict->lock);
    return id;
}

struct silt_str field_dict_name(struct field_dict *dict, uint32_t measurement, uint32_t field_id)
{
    struct silt_str name = SILT_STR("");
    pthread_mutex_lock(&dict->lock);
    if (measurement < dict->measurement_capacity && field_id <= dict->measurements[measurement].count &&
        dict->measurements[measurement].names && dict->measurements[measurement].names[field_id].p)
        name = dict->measurements[measurement].names[field_id];
    pthread_mutex_unlock(&dict->lock);
    return name;
}

uint32_t field_dict_count(struct field_dict *dict, uint32_t measurement)
{
    pthread_mutex_lock(&dict->lock);
    uint32_t count = measurement < dict->measurement_capacity ? dict->measurements[measurement].count : 0;
    pthread_mutex_unlock(&dict->lock);
    return count;
}

/* ---------------------------------------------------------------- layouts */

/* Field by field, because a column has bytes that mean nothing. */
static uint32_t hash_layout(uint32_t measurement, const struct field_ref *columns, uint32_t count)
{
    uint64_t hash = measurement * 0x9e3779b97f4a7c15u + count;
    for (uint32_t i = 0; i < count; i++) {
        hash ^= (uint64_t)columns[i].field_id << 3 | columns[i].type;
        hash *= 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    return (uint32_t)hash;
}

static bool is_layout(const struct field_layout *layout, uint32_t measurement, const struct field_ref *columns,
                      uint32_t count)
{
    if (layout->measurement != measurement || layout->column_count != count)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (layout->columns[i].field_id != columns[i].field_id || layout->columns[i].type != columns[i].type)
            return false;
    return true;
}

static const struct field_layout **probe_layout(const struct field_dict *dict, uint32_t measurement,
                                                const struct field_ref *columns, uint32_t count)
{
    uint32_t at = hash_layout(measurement, columns, count) & dict->layout_mask;
    while (dict->layouts[at] && !is_layout(dict->layouts[at], measurement, columns, count))
        at = (at + 1) & dict->layout_mask;
    return &dict->layouts[at];
}

/* So many are made though the budget refuses: rows with fields that exist are written, after a start above the bound too. */
#define FREE_LAYOUTS 16384u

/* With lock. NULL: not there and not to be made, or the budget refuses. */
static const struct field_layout *intern(struct field_dict *dict, uint32_t measurement, const struct field_ref *columns,
                                         uint32_t count, bool make)
{
    const struct field_layout **slot = NULL;
    if (dict->layouts) {
        slot = probe_layout(dict, measurement, columns, count);
        if (*slot)
            return *slot;
    }
    if (!make)
        return NULL;
    if (!dict->layouts || dict->layout_count >= (dict->layout_mask + 1) / 4 * 3) {
        uint32_t old_count = dict->layouts ? dict->layout_mask + 1 : 0, slot_count = old_count ? 2 * old_count : 16;
        const struct field_layout **old = dict->layouts;
        if (charge(dict, (slot_count - old_count) * sizeof(*old), NULL) != SILT_OK && dict->layout_count >= FREE_LAYOUTS)
            return NULL;
        dict->layouts = silt_calloc(slot_count, sizeof(*old));
        dict->layout_mask = slot_count - 1;
        for (uint32_t i = 0; i < old_count; i++)
            if (old[i])
                *probe_layout(dict, old[i]->measurement, old[i]->columns, old[i]->column_count) = old[i];
        free(old);
        slot = probe_layout(dict, measurement, columns, count);
    }
    size_t bytes = sizeof(struct field_layout) + count * sizeof(*columns);
    struct field_layout *layout =
        dict->layout_count < FREE_LAYOUTS ? silt_arena_alloc(dict->arena, bytes) : silt_arena_try_alloc(dict->arena, bytes);
    if (!layout)
        return NULL;
    layout->measurement = measurement;
    layout->column_count = count;
    layout->number = dict->layout_count++;
    memcpy(layout->columns, columns, count * sizeof(*columns));
    *slot = layout;
    return layout;
}

const struct field_layout *field_dict_intern(struct field_dict *dict, uint32_t measurement,
                                             const struct field_ref *columns, uint32_t column_count)
{
    for (uint32_t i = 1; i < column_count; i++)
        silt_assert(columns[i - 1].field_id < columns[i].field_id);
    pthread_mutex_lock(&dict->lock);
    const struct field_layout *layout = intern(dict, measurement, columns, column_count, true);
    pthread_mutex_unlock(&dict->lock);
    return layout;
}

const struct field_layout *field_dict_union(struct field_dict *dict, const struct field_layout *a,
                                            const struct field_layout *b)
{
    silt_assert(a->measurement == b->measurement);
    struct field_ref few[64];
    size_t most = (size_t)a->column_count + b->column_count;
    struct field_ref *columns = most <= 64 ? few : silt_malloc(most * sizeof(*columns));
    uint32_t i = 0, j = 0, n = 0;
    while (i < a->column_count || j < b->column_count) {
        if (j == b->column_count || (i < a->column_count && a->columns[i].field_id < b->columns[j].field_id)) {
            columns[n++] = a->columns[i++];
            continue;
        }
        if (i < a->column_count && a->columns[i].field_id == b->columns[j].field_id)
            i++;
        columns[n++] = b->columns[j++];
    }
    const struct field_layout *layout = field_dict_intern(dict, a->measurement, columns, n);
    if (columns != few)
        free(columns);
    return layout;
}

/* ---------------------------------------------------------------- resolving batch layouts */

struct place {
    struct field_ref ref;
    uint32_t slot;
};

static int compare_places(const void *a, const void *b)
{
    uint32_t left = ((const struct place *)a)->ref.field_id, right = ((const struct place *)b)->ref.field_id;
    return left < right ? -1 : left > right;
}

/* Everything about the places is known: sort them, intern, write the map. With lock. */
static bool finish_map(struct field_dict *dict, uint32_t measurement, struct place *places, uint32_t count, bool make,
                       struct silt_arena *arena, struct layout_map *map)
{
    bool sorted = true;
    for (uint32_t i = 1; i < count && sorted; i++)
        sorted = places[i - 1].ref.field_id < places[i].ref.field_id;
    if (!sorted)
        qsort(places, count, sizeof(*places), compare_places);
    struct field_ref *columns = silt_arena_try_alloc(arena, count * sizeof(*columns));
    uint32_t *slots = silt_arena_try_alloc(arena, count * sizeof(*slots));
    if (!columns || !slots)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        silt_assert(i == 0 || columns[i - 1].field_id < places[i].ref.field_id); /* no name twice */
        columns[i] = places[i].ref;
        slots[i] = places[i].slot;
    }
    map->layout = intern(dict, measurement, columns, count, make);
    map->slots = slots;
    return map->layout != NULL;
}

/* The fields' ids (0: new) and whether all names and types are known. SILT_CONFLICT: a type differs. With both locks.
 */
static enum silt_status look_up(struct field_dict *dict, struct field_types *types, uint32_t measurement,
                                const struct silt_layout *layout, struct place *places, bool *complete,
                                struct silt_error *err)
{
    *complete = true;
    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct silt_field *field = &layout->fields[i];
        uint32_t id = find_field(dict, measurement, field->name);
        enum silt_type known = id ? get_type(types, measurement, id) : SILT_TYPE_NONE;
        places[i] = (struct place){{id, field->type}, i};
        if (known == SILT_TYPE_NONE)
            *complete = false;
        else if (known != field->type)
            return silt_fail(
                err, SILT_CONFLICT,
                "field type conflict: input field \"%.*s\" on measurement \"%.*s\" is type %s, already exists "
                "as type %s",
                SILT_FMT(field->name), SILT_FMT(layout->measurement), silt_type_name(field->type),
                silt_type_name(known));
    }
    return SILT_OK;
}

/* No room for a name or for a layout. With lock. */
static enum silt_status memory_used_up(const struct field_dict *dict, uint32_t measurement, const struct silt_layout *layout,
                                       struct silt_error *err)
{
    uint32_t count = measurement < dict->measurement_capacity ? dict->measurements[measurement].count : 0;
    size_t used = dict->budget ? atomic_load_explicit(&dict->budget->used_bytes, memory_order_relaxed) : 0;
    size_t limit = dict->budget ? atomic_load_explicit(&dict->budget->limit_bytes, memory_order_relaxed) : 0;

    return silt_fail(err, SILT_LIMIT,
                     "memory of the series index is used up (%zu of %zu bytes): measurement \"%.*s\" has %u fields, points with new ones are refused",
                     used, limit, SILT_FMT(layout->measurement), count);
}

static enum silt_status define(struct field_dict *dict, struct field_types *types, uint32_t measurement,
                               const struct silt_layout *layout, struct place *places, struct silt_arena *arena,
                               struct field_definitions *defined, struct silt_error *err)
{
    enum silt_status rc;
    for (uint32_t i = 0; i < layout->field_count; i++) {
        struct field_ref *ref = &places[i].ref;
        bool new_name = ref->field_id == 0;
        if (new_name) {
            uint32_t id = measurement < dict->measurement_capacity ? dict->measurements[measurement].count + 1 : 1;
            if (id >= IDS_MAX)
                return silt_fail(err, SILT_LIMIT, "too many fields in a measurement");
            if (add_field(dict, measurement, id, layout->fields[i].name, NULL) != SILT_OK)
                return memory_used_up(dict, measurement, layout, err);
            ref->field_id = id;
        }
        bool new_type = get_type(types, measurement, ref->field_id) == SILT_TYPE_NONE;
        if (new_name || new_type) {
            defined->items =
                silt_arena_grow(arena, defined->items, &defined->capacity, defined->count + 1, sizeof(*defined->items));
            struct field_definition *item = &defined->items[defined->count++];
            *item = (struct field_definition){measurement, ref->field_id,
                                              ref->type,   new_name,
                                              false,       dict->measurements[measurement].names[ref->field_id]};
            if ((rc = reserve_type(types, measurement, ref->field_id, err)) != SILT_OK)
                return rc;
            types->measurements[measurement].types[ref->field_id] = (uint8_t)ref->type;
            item->new_type = new_type;
        }
    }
    return SILT_OK;
}

enum silt_status field_dict_resolve(struct field_dict *dict, struct field_types *types, uint32_t measurement,
                                    const struct silt_layout *layout, struct silt_arena *arena, struct layout_map *map,
                                    struct field_definitions *defined, struct silt_error *err)
{
    bool complete;
    enum silt_status rc;
    struct place *places = silt_arena_try_alloc(arena, layout->field_count * sizeof(*places));
    silt_assert(measurement != 0 && measurement < IDS_MAX && layout->field_count != 0);
    if (!places)
        return silt_fail(err, SILT_LIMIT, "memory: layout of %u fields", layout->field_count);
    pthread_mutex_lock(&dict->lock);
    pthread_mutex_lock(&types->lock);
    rc = look_up(dict, types, measurement, layout, places, &complete, err);
    if (rc == SILT_OK && !complete)
        rc = define(dict, types, measurement, layout, places, arena, defined, err);
    pthread_mutex_unlock(&types->lock);
    if (rc == SILT_OK && !finish_map(dict, measurement, places, layout->field_count, true, arena, map))
        rc = memory_used_up(dict, measurement, layout, err);
    pthread_mutex_unlock(&dict->lock);
    return rc;
}

bool field_dict_peek(struct field_dict *dict, struct field_types *types, uint32_t measurement,
                     const struct silt_layout *layout, struct silt_arena *arena, struct layout_map *map)
{
    bool complete = false;
    struct place *places = silt_arena_try_alloc(arena, layout->field_count * sizeof(*places));
    if (!places || measurement == 0)
        return false;
    pthread_mutex_lock(&dict->lock);
    pthread_mutex_lock(&types->lock);
    bool known = look_up(dict, types, measurement, layout, places, &complete, NULL) == SILT_OK && complete;
    pthread_mutex_unlock(&types->lock);
    known = known && finish_map(dict, measurement, places, layout->field_count, false, arena, map);
    pthread_mutex_unlock(&dict->lock);
    return known;
}
