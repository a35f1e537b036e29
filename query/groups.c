/*
 * groups.c - the series that a plan reads, and their groups (scan_make of scan.h).
 *
 * One pass gives each series the number of its group, a second puts them in group order. Within a group series stand by key, so
 * they have to come from the reader like that, which sorts them. That is of no use where each group has one series of a source, as
 * with GROUP BY host: so any order is tried first, and given up as soon as a group gets a second one. SLIMIT and SOFFSET count
 * groups within every measurement and shard by the key of the tags present.
 */
#include "query/scan.h"

#include <stdlib.h>

struct raw_series {
    struct scan_series series;
    uint32_t group;
};

struct group_map {
    uint32_t *slots; /* group number + 1 */
    size_t capacity;
};

struct building {
    struct silt_str key; /* name, then every value, each closed by a zero byte */
    struct scan_group group;
    uint32_t number;
    uint32_t last_source; /* of its last series, + 1 */
    uint64_t hash;
};

struct silt_str series_tag(const struct scan_series *series, struct silt_str key)
{
    for (size_t i = 0; i < series->tag_count; i++)
        if (silt_str_equal(series->tags[i].key, key))
            return series->tags[i].value;
    return (struct silt_str){0};
}

bool series_passes(const struct slot *test, const struct plan_source *source, const struct scan_series *series)
{
    struct silt_str value = series_tag(series, test->name);

    if (!source->in_memory) { /* InfluxDB's own names, of which only the first says anything of data */
        if (silt_str_equal(test->name, SILT_STR("_name")))
            value = source->name;
        else if (silt_str_equal(test->name, SILT_STR("_tagKey")) || silt_str_equal(test->name, SILT_STR("_seriesKey")))
            return silt_str_equal(test->name, SILT_STR("_tagKey"));
    }
    if (!value.p)
        value = SILT_STR("");
    if (test->regex)
        return (test->op == OP_MATCH || test->op == OP_NOT_MATCH) &&
               silt_regex_match(test->regex, value) == (test->op == OP_MATCH);
    if (test->against_tag) { /* tags that are not there are equal to none */
        struct silt_str other = series_tag(series, test->value);
        bool equal = (value.len || source->in_memory) && silt_str_equal(value, other);
        return (test->op == OP_EQ && equal) || (test->op == OP_NE && !equal);
    }
    struct silt_str other = test->value;
    return (test->op == OP_EQ || test->op == OP_NE) && silt_str_equal(value, other) == (test->op == OP_EQ);
}

enum verdict { VERDICT_NO, VERDICT_YES, VERDICT_ROWS };

/* What the filter says of a series as a whole. */
static enum verdict series_verdict(const struct plan *plan, const struct eval *eval, const struct plan_source *source,
                                   const struct scan_series *series)
{
    if (eval->kind == EVAL_LITERAL)
        return eval->literal.kind == SILT_CELL_BOOLEAN && eval->literal.boolean ? VERDICT_YES : VERDICT_NO;
    if (eval->kind == EVAL_SLOT) {
        const struct slot *slot = &plan->slots[eval->slot];
        if (slot->kind == SLOT_TAG_TEST)
            return series_passes(slot, source, series) ? VERDICT_YES : VERDICT_NO;
        return VERDICT_ROWS;
    }
    if (eval->kind == EVAL_BINARY && (eval->op == OP_AND || eval->op == OP_OR)) {
        enum verdict left = series_verdict(plan, eval->left, source, series);
        enum verdict decides = eval->op == OP_AND ? VERDICT_NO : VERDICT_YES;
        if (left == decides)
            return decides;
        enum verdict right = series_verdict(plan, eval->right, source, series);
        if (right == decides)
            return decides;
        return left == VERDICT_ROWS || right == VERDICT_ROWS ? VERDICT_ROWS : left;
    }
    return VERDICT_ROWS;
}

static void map_fill(struct group_map *map, const struct building *groups, size_t count)
{
    memset(map->slots, 0, map->capacity * sizeof(*map->slots));
    for (size_t i = 0; i < count; i++) {
        size_t at = groups[i].hash & (map->capacity - 1);
        while (map->slots[at])
            at = (at + 1) & (map->capacity - 1);
        map->slots[at] = (uint32_t)i + 1;
    }
}

static enum silt_status map_grow(struct group_map *map, const struct building *groups, size_t count,
                                 struct exec *exec, struct silt_error *err)
{
    size_t capacity = map->capacity ? map->capacity * 2 : 64;
    enum silt_status rc = exec_alloc(exec, capacity, sizeof(*map->slots), &map->slots, err);

    if (rc != SILT_OK)
        return rc;
    map->capacity = capacity;
    map_fill(map, groups, count);
    return SILT_OK;
}

struct build {
    const struct plan *plan;
    struct raw_series *raw;
    size_t raw_count, raw_capacity;
    struct building *groups;
    size_t group_count, group_capacity;
    struct group_map map;
    struct silt_buffer key, order;
    bool limits; /* SLIMIT or SOFFSET counts groups */
};

/* SLIMIT and SOFFSET; subqueries add those of the outer ones. */
static void group_limits(const struct plan *plan, uint64_t *slimit, uint64_t *soffset)
{
    *slimit = *soffset = 0;
    for (const struct compiled *c = plan->compiled; c; c = c->parent) {
        *slimit += (uint64_t)c->select->slimit;
        *soffset += (uint64_t)c->select->soffset;
    }
}

/* Within a subquery SLIMIT counts by what the outermost statement groups by. */
static bool counts(const struct plan *plan, struct silt_str dimension)
{
    const struct plan *by = plan->outermost;

    for (size_t i = 0; by && i < by->dimension_count; i++)
        if (silt_str_equal(by->dimensions[i], dimension))
            return true;
    return !by;
}

static enum silt_status group_of(struct build *build, const struct plan_source *source, const struct scan_series *series,
                                 uint32_t *out, struct silt_error *err)
{
    const struct plan *plan = build->plan;
    struct exec *exec = plan->exec;
    enum silt_status rc;

    build->key.len = build->order.len = 0;
    silt_buffer_str(&build->key, source->name);
    silt_buffer_char(&build->key, 0);
    for (size_t i = 0; i < plan->dimension_count; i++) {
        silt_buffer_str(&build->key, series_tag(series, plan->dimensions[i]));
        silt_buffer_char(&build->key, 0);
    }
    struct silt_str key = {build->key.p, build->key.len};
    uint64_t hash = silt_hash(key.p, key.len);
    if ((build->group_count + 1) * 2 > build->map.capacity &&
        (rc = map_grow(&build->map, build->groups, build->group_count, exec, err)) != SILT_OK)
        return rc;
    size_t at = hash & (build->map.capacity - 1);
    while (build->map.slots[at]) {
        const struct building *group = &build->groups[build->map.slots[at] - 1];
        if (group->hash == hash && silt_str_equal(group->key, key)) {
            *out = build->map.slots[at] - 1;
            return SILT_OK;
        }
        at = (at + 1) & (build->map.capacity - 1);
    }
    if (build->group_count == build->group_capacity) {
        size_t capacity = build->group_capacity ? build->group_capacity * 2 : 64;
        struct building *groups;
        if ((rc = exec_alloc(exec, capacity, sizeof(*groups), &groups, err)) != SILT_OK)
            return rc;
        if (build->group_count)
            memcpy(groups, build->groups, build->group_count * sizeof(*groups));
        build->groups = groups;
        build->group_capacity = capacity;
    }
    struct silt_tag *tags;
    if ((rc = exec_alloc(exec, plan->dimension_count + 1, sizeof(*tags), &tags, err)) != SILT_OK)
        return rc;
    /* order: the key as InfluxDB writes it: names of the tags that are there, then their values */
    for (size_t i = 0; i < plan->dimension_count; i++) {
        struct silt_str value = series_tag(series, plan->dimensions[i]);
        tags[i] = (struct silt_tag){plan->dimensions[i], value.len ? value : SILT_STR("")};
    }
    for (int pass = 0; build->limits && pass < 2; pass++)
        for (size_t i = 0; i < plan->dimension_count; i++) {
            struct silt_str value = tags[i].value;
            if (!value.len || !counts(plan, plan->dimensions[i]))
                continue;
            if (build->order.len)
                silt_buffer_char(&build->order, '|');
            silt_buffer_str(&build->order, pass ? value : plan->dimensions[i]);
        }
    struct building *group = &build->groups[build->group_count];
    *group = (struct building){
        .key = silt_arena_str(exec->arena, key),
        .hash = hash,
        .number = (uint32_t)build->group_count,
        .group = {.name = source->name,
                  .tags = tags,
                  .order_key = silt_arena_str(exec->arena, (struct silt_str){build->order.p, build->order.len})},
    };
    build->map.slots[at] = (uint32_t)build->group_count + 1;
    *out = (uint32_t)build->group_count++;
    return SILT_OK;
}

/* A group and the characters of its key behind those that all keys have in common, as a number. */
struct ranked {
    uint64_t rank;
    const struct building *group;
};

static int by_key(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return silt_str_compare(x->group->key, y->group->key);
}

static size_t common_length(struct silt_str a, struct silt_str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len, same = 0;

    while (same < shorter && a.p[same] == b.p[same])
        same++;
    return same;
}

/* Eight characters from `at` on; past its end a text has zeros. */
static uint64_t rank_at(struct silt_str text, size_t at)
{
    uint64_t rank = 0;

    memcpy(&rank, text.p + at, text.len - at < sizeof(rank) ? text.len - at : sizeof(rank));
    return __builtin_bswap64(rank);
}

/* In order of their keys. */
static void rank_groups(const struct building *groups, size_t count, struct ranked *out)
{
    size_t common = count ? groups[0].key.len : 0;

    for (size_t i = 1; i < count && common; i++)
        common = common_length((struct silt_str){groups[i].key.p, groups[i].key.len < common ? groups[i].key.len : common},
                               groups[0].key);
    for (size_t i = 0; i < count; i++)
        out[i] = (struct ranked){rank_at(groups[i].key, common), &groups[i]};
    if (count > 1)
        qsort(out, count, sizeof(*out), by_key);
}

#define SERIES_AT_ONCE 1024

static void want_tag(struct silt_str *keys, size_t *count, struct silt_str key)
{
    for (size_t i = 0; i < *count; i++)
        if (silt_str_equal(keys[i], key))
            return;
    keys[(*count)++] = key;
}

/* The tags that anything of the plan asks of a series. */
static enum silt_status wanted_tags(const struct plan *plan, struct silt_str **keys, size_t *count, struct silt_error *err)
{
    enum silt_status rc = exec_alloc(plan->exec, plan->dimension_count + 2 * plan->slot_count + 1, sizeof(**keys), keys, err);

    bool tests = plan->filter && !plan->filter_is_exact;

    *count = 0;
    if (rc != SILT_OK)
        return rc;
    for (size_t i = 0; i < plan->dimension_count; i++)
        want_tag(*keys, count, plan->dimensions[i]);
    for (size_t i = 0; i < plan->slot_count; i++) {
        const struct slot *slot = &plan->slots[i];
        if (slot->kind == SLOT_TAG || slot->or_tag || (slot->kind == SLOT_TAG_TEST && tests))
            want_tag(*keys, count, slot->name);
        if (slot->against_tag && tests)
            want_tag(*keys, count, slot->value);
    }
    return SILT_OK;
}

/* by_key_text false: series may come in any order; *again: they may not, for some group has two. */
static enum silt_status take_series(struct build *build, uint32_t source_index, const struct silt_str *keys, size_t key_count,
                                    bool by_key_text, bool *again, struct silt_error *err)
{
    const struct plan *plan = build->plan;
    struct exec *exec = plan->exec;
    const struct plan_source *source = &plan->sources[source_index];
    struct silt_series_set set;
    uint32_t only_group = UINT32_MAX, tag_counts[SERIES_AT_ONCE];
    struct silt_tag *tags = NULL;
    enum silt_status rc;

    rc = (by_key_text ? source->reader->ops->series : source->reader->ops->series_unsorted)(source->reader, source->name,
                                                                                          plan->tag_filter, exec->arena, &set, err);
    if (rc != SILT_OK)
        return rc;
    if (set.count == 0)
        return SILT_OK;
    if (build->raw_count + set.count > build->raw_capacity) {
        size_t capacity = build->raw_count + set.count;
        struct raw_series *raw;
        if ((rc = exec_alloc(exec, capacity, sizeof(*raw), &raw, err)) != SILT_OK)
            return rc;
        if (build->raw_count)
            memcpy(raw, build->raw, build->raw_count * sizeof(*raw));
        build->raw = raw;
        build->raw_capacity = capacity;
    }
    for (size_t i = 0; i < set.count; i++) {
        struct raw_series *raw = &build->raw[build->raw_count];
        size_t place = i % SERIES_AT_ONCE;
        *raw = (struct raw_series){.series = {.source = source_index, .id = set.ids[i]}};
        if (place == 0 && (rc = exec_check(exec, err)) != SILT_OK)
            return rc;
        if (place == 0 && key_count) {
            size_t count = set.count - i < SERIES_AT_ONCE ? set.count - i : SERIES_AT_ONCE;
            if ((rc = exec_alloc(exec, count * key_count, sizeof(*tags), &tags, err)) != SILT_OK)
                return rc;
            source->reader->ops->series_values(source->reader, set.ids + i, count, keys, key_count, exec->arena, tags, tag_counts);
        }
        if (key_count) {
            if (tag_counts[place] == UINT32_MAX) /* deleted meanwhile: it must not pass for one without tags */
                continue;
            raw->series.tags = tags + place * key_count;
            raw->series.tag_count = tag_counts[place];
        }
        if (plan->filter && !plan->filter_is_exact) {
            enum verdict verdict = series_verdict(plan, plan->filter, source, &raw->series);
            if (verdict == VERDICT_NO)
                continue;
            raw->series.filtered = verdict == VERDICT_ROWS;
        }
        if (plan->dimension_count == 0 && only_group != UINT32_MAX) {
            raw->group = only_group;
        } else {
            if ((rc = group_of(build, source, &raw->series, &raw->group, err)) != SILT_OK)
                return rc;
            only_group = raw->group;
        }
        struct building *group = &build->groups[raw->group];
        if (!by_key_text && group->last_source == source_index + 1) {
            *again = true;
            return SILT_OK;
        }
        group->last_source = source_index + 1;
        build->raw_count++;
    }
    return silt_arena_exceeded(exec->arena) ? silt_fail(err, SILT_LIMIT, "query memory limit exceeded") : SILT_OK;
}

static enum silt_status add_source(struct build *build, uint32_t source_index, const struct silt_str *keys,
                                   size_t key_count, struct silt_error *err)
{
    size_t raw_count = build->raw_count, group_count = build->group_count;
    const struct plan_source *source = &build->plan->sources[source_index];
    bool again = false;

    if (build->plan->dimension_count == 0 || source->in_memory)
        return take_series(build, source_index, keys, key_count, true, &again, err);
    enum silt_status rc = take_series(build, source_index, keys, key_count, false, &again, err);
    if (rc != SILT_OK || !again)
        return rc;
    build->raw_count = raw_count;
    build->group_count = group_count;
    map_fill(&build->map, build->groups, group_count);
    return take_series(build, source_index, keys, key_count, true, &again, err);
}

static int by_order_key(const void *a, const void *b)
{
    const struct scan_group *x = *(struct scan_group *const *)a, *y = *(struct scan_group *const *)b;
    return silt_str_compare(x->order_key, y->order_key);
}

static bool group_in_shard(const struct scan *scan, const struct scan_group *group, uint32_t source, uint32_t shard)
{
    struct silt_reader *reader = scan->plan->sources[source].reader;

    for (size_t i = group->first; i < group->first + group->count; i++)
        if (scan->series[i].source == source && (scan->plan->sources[source].in_memory ||
                                                 reader->ops->shard_has_series(reader, shard, scan->series[i].id)))
            return true;
    return false;
}

/* Gives every source of a measurement its place in the bitmaps of the groups [first, next); gives the bits in all. */
static size_t place_sources(struct scan *scan, struct silt_str name)
{
    size_t bits = 0;

    for (size_t i = 0; i < scan->plan->source_count; i++) {
        const struct plan_source *source = &scan->plan->sources[i];
        if (!silt_str_equal(source->name, name))
            continue;
        scan->shard_base[i] = bits;
        bits += source->in_memory ? 1 : source->reader->ops->shard_count(source->reader);
    }
    return bits;
}

/* Marks, per measurement, source and shard, the groups that SLIMIT and SOFFSET leave: all that are in memory. */
static enum silt_status limit_groups(struct scan *scan, struct silt_error *err)
{
    struct exec *exec = scan->plan->exec;
    struct scan_group **sorted;
    uint64_t slimit, soffset;
    enum silt_status rc;

    group_limits(scan->plan, &slimit, &soffset);
    if (slimit == 0 && soffset == 0)
        return SILT_OK;
    if ((rc = exec_alloc(exec, scan->group_count + 1, sizeof(struct scan_group *), &sorted, err)) != SILT_OK ||
        (rc = exec_alloc(exec, scan->plan->source_count + 1, sizeof(*scan->shard_base), &scan->shard_base, err)) != SILT_OK)
        return rc;
    for (size_t first = 0, next; first < scan->group_count; first = next) {
        for (next = first; next < scan->group_count; next++)
            if (!silt_str_equal(scan->groups[next].name, scan->groups[first].name))
                break;
        size_t words = place_sources(scan, scan->groups[first].name) / 64 + 1;
        for (size_t i = first; i < next; i++) {
            if ((rc = exec_alloc(exec, words, 8, &scan->groups[i].shards, err)) != SILT_OK)
                return rc;
            memset(scan->groups[i].shards, 0, words * 8);
            scan->groups[i].shard_words = words;
        }
        for (uint32_t source = 0; source < scan->plan->source_count; source++) {
            const struct plan_source *from = &scan->plan->sources[source];
            if (!silt_str_equal(from->name, scan->groups[first].name))
                continue;
            uint32_t shards = from->in_memory ? 1 : from->reader->ops->shard_count(from->reader);
            for (uint32_t shard = 0; shard < shards; shard++) {
                size_t count = 0, bit = scan->shard_base[source] + shard;
                for (size_t i = first; i < next; i++)
                    if (group_in_shard(scan, &scan->groups[i], source, shard))
                        sorted[count++] = &scan->groups[i];
                if (count > 1)
                    qsort(sorted, count, sizeof(*sorted), by_order_key);
                uint64_t number = 0; /* groups that count as one have the same */
                for (size_t i = 0; i < count; i++) {
                    number += i > 0 && by_order_key(&sorted[i - 1], &sorted[i]) != 0;
                    if (from->in_memory || (number >= soffset && number < soffset + slimit))
                        sorted[i]->shards[bit / 64] |= (uint64_t)1 << (bit % 64);
                }
            }
        }
    }
    return SILT_OK;
}

static enum silt_status arrange(struct build *build, struct scan *scan, struct silt_error *err)
{
    struct exec *exec = build->plan->exec;
    struct ranked *order;
    uint32_t *place;
    enum silt_status rc;

    if ((rc = exec_alloc(exec, build->group_count + 1, sizeof(*order), &order, err)) != SILT_OK ||
        (rc = exec_alloc(exec, build->group_count + 1, sizeof(*scan->groups), &scan->groups, err)) != SILT_OK ||
        (rc = exec_alloc(exec, build->raw_count + 1, sizeof(*scan->series), &scan->series, err)) != SILT_OK ||
        (rc = exec_alloc(exec, build->group_count + 1, sizeof(*place), &place, err)) != SILT_OK)
        return rc;
    rank_groups(build->groups, build->group_count, order);
    for (size_t i = 0; i < build->group_count; i++) {
        scan->groups[i] = order[i].group->group;
        place[order[i].group->number] = (uint32_t)i;
    }
    for (size_t i = 0; i < build->raw_count; i++)
        scan->groups[place[build->raw[i].group]].count++;
    for (size_t i = 0, first = 0; i < build->group_count; i++) {
        scan->groups[i].first = first;
        first += scan->groups[i].count;
        scan->groups[i].count = 0;
    }
    for (size_t i = 0; i < build->raw_count; i++) {
        struct scan_group *group = &scan->groups[place[build->raw[i].group]];
        scan->series[group->first + group->count++] = build->raw[i].series;
    }
    scan->group_count = build->group_count;
    scan->series_count = build->raw_count;
    return limit_groups(scan, err);
}

enum silt_status scan_make(const struct plan *plan, struct scan **out, struct silt_error *err)
{
    struct build build = {.plan = plan};
    struct scan *scan = silt_arena_zalloc(plan->exec->arena, sizeof(*scan));
    struct silt_str *keys;
    size_t key_count;
    enum silt_status rc = wanted_tags(plan, &keys, &key_count, err);

    uint64_t slimit, soffset;

    *out = scan;
    scan->plan = plan;
    group_limits(plan, &slimit, &soffset);
    build.limits = slimit || soffset;
    uint64_t limit = plan->exec->options->limits.select_series; /* of each measurement by itself */
    for (size_t i = 0; rc == SILT_OK && i < plan->source_count; i++) {
        size_t before = build.raw_count;
        rc = add_source(&build, (uint32_t)i, keys, key_count, err);
        if (rc == SILT_OK && limit && build.raw_count - before > limit)
            rc = silt_fail(err, SILT_LIMIT, "max-select-series limit exceeded: (%zu/%llu)", build.raw_count - before,
                           (unsigned long long)limit);
    }
    if (rc == SILT_OK)
        rc = arrange(&build, scan, err);
    silt_buffer_free(&build.key);
    silt_buffer_free(&build.order);
    return rc;
}
