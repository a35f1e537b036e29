/*
 * series_select.c - tag filters to sets of series, and the distinct values of a tag.
 *
 * In three steps, so that a slow pattern keeps nobody waiting: series that are not in the postings yet are put there (few,
 * where series_index_post is called now and then); patterns are run over the dictionaries without a lock, which only
 * grow; bitmaps are combined under the shared lock and the ids copied out. Values that came in between are matched in the
 * last step; series that came in between are left out.
 */
#include "storage/series_measurement.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- patterns over dictionaries */

struct leaf { /* a MATCH or NOT_MATCH */
    const struct silt_tag_filter *filter;
    struct tag_key *key; /* NULL: no series ever had it */
    uint32_t tested;     /* codes below it are in matched */
    uint32_t matched_count;
    uint64_t *matched;
    bool matches_empty;
};

struct selection {
    struct series_index *index;
    struct series_body *body;
    struct leaf *leaves;
    size_t leaf_count, leaf_capacity;
};

/* Leaves are listed in the order that evaluate meets them. With lock. */
static void list_leaves(struct selection *selection, const struct silt_tag_filter *filter)
{
    for (; filter->op == SILT_TAG_AND || filter->op == SILT_TAG_OR; filter = filter->right)
        list_leaves(selection, filter->left);
    if (filter->op == SILT_TAG_TRUE || filter->op == SILT_TAG_FALSE)
        return;
    struct tag_key *key = body_find_key(selection->body, filter->key);
    if (filter->op != SILT_TAG_MATCH && filter->op != SILT_TAG_NOT_MATCH)
        return;
    if (selection->leaf_count == selection->leaf_capacity) {
        selection->leaf_capacity = selection->leaf_capacity ? 2 * selection->leaf_capacity : 4;
        selection->leaves = silt_realloc(selection->leaves, selection->leaf_capacity * sizeof(*selection->leaves));
    }
    selection->leaves[selection->leaf_count++] =
        (struct leaf){.filter = filter, .key = key, .tested = key ? string_set_count(&key->values) : 0};
}

static void run_patterns(struct selection *selection)
{
    for (size_t i = 0; i < selection->leaf_count; i++) {
        struct leaf *leaf = &selection->leaves[i];
        const struct silt_tag_filter *filter = leaf->filter;
        leaf->matches_empty = filter->match(filter->match_arg, SILT_STR(""));
        leaf->matched = silt_calloc(leaf->tested / 64 + 1, sizeof(uint64_t));
        for (uint32_t code = 0; code < leaf->tested; code++) {
            if (filter->match(filter->match_arg, body_value(selection->body, leaf->key, code))) {
                leaf->matched[code / 64] |= (uint64_t)1 << code % 64;
                leaf->matched_count++;
            }
        }
    }
}

/* ---------------------------------------------------------------- bitmaps */

static roaring_bitmap_t *checked(roaring_bitmap_t *bitmap)
{
    silt_assert(bitmap); /* out of memory */
    return bitmap;
}

static roaring_bitmap_t *posting_bitmap(const struct tag_key *key, uint32_t code)
{
    series_posting posting = code < key->postings_capacity ? key->postings[code] : 0;
    if (posting == 0)
        return checked(roaring_bitmap_create());
    if (!(posting & 1))
        return checked(roaring_bitmap_copy((const roaring_bitmap_t *)(uintptr_t)posting));
    roaring_bitmap_t *bitmap = checked(roaring_bitmap_create());
    roaring_bitmap_add(bitmap, (uint32_t)(posting >> 1));
    return bitmap;
}

/* All series that are in the postings. */
static roaring_bitmap_t *all_posted(const struct series_body *body)
{
    roaring_bitmap_t *all = checked(roaring_bitmap_copy(body->all));
    if (body->unposted)
        roaring_bitmap_remove_range_closed(all, body->posted_below, UINT32_MAX);
    return all;
}

/* Those that lack the key. */
static roaring_bitmap_t *series_without(const struct series_body *body, const struct tag_key *key)
{
    roaring_bitmap_t *missing = all_posted(body);
    if (key && key->present)
        roaring_bitmap_andnot_inplace(missing, key->present);
    return missing;
}

/* All of them without what is in out, in place of out. */
static void complement(const struct series_body *body, roaring_bitmap_t **out)
{
    roaring_bitmap_t *rest = all_posted(body);
    roaring_bitmap_andnot_inplace(rest, *out);
    roaring_bitmap_free(*out);
    *out = rest;
}

static roaring_bitmap_t *series_equal(const struct series_body *body, struct silt_str name, struct silt_str value)
{
    const struct tag_key *key = body_find_key(body, name);
    if (value.len == 0)
        return series_without(body, key);
    uint32_t code = key ? string_set_find(&key->values, &body->heap, value) : STRINGS_NONE;
    return code == STRINGS_NONE ? checked(roaring_bitmap_create()) : posting_bitmap(key, code);
}

static bool leaf_matches(const struct series_body *body, const struct leaf *leaf, uint32_t code)
{
    if (code < leaf->tested)
        return leaf->matched[code / 64] >> code % 64 & 1;
    return leaf->filter->match(leaf->filter->match_arg, body_value(body, leaf->key, code));
}

/* Series whose value has `wanted` as the pattern's outcome. */
static roaring_bitmap_t *series_of_values(const struct series_body *body, const struct leaf *leaf, bool wanted)
{
    enum { LONE_MAX = 1024 };
    uint32_t lone[LONE_MAX], lone_count = 0, count = string_set_count(&leaf->key->values);
    roaring_bitmap_t *out = checked(roaring_bitmap_create());
    for (uint32_t code = 0; code < count && code < leaf->key->postings_capacity; code++) {
        series_posting posting = leaf->key->postings[code];
        if (posting == 0 || leaf_matches(body, leaf, code) != wanted)
            continue;
        if (!(posting & 1)) {
            roaring_bitmap_or_inplace(out, (const roaring_bitmap_t *)(uintptr_t)posting);
            continue;
        }
        lone[lone_count++] = (uint32_t)(posting >> 1);
        if (lone_count == LONE_MAX) {
            roaring_bitmap_add_many(out, lone_count, lone);
            lone_count = 0;
        }
    }
    if (lone_count)
        roaring_bitmap_add_many(out, lone_count, lone);
    return out;
}

static roaring_bitmap_t *series_matching(const struct series_body *body, const struct leaf *leaf)
{
    roaring_bitmap_t *out;
    if (!leaf->key)
        return leaf->matches_empty ? all_posted(body) : checked(roaring_bitmap_create());
    if (leaf->matched_count > leaf->tested / 2) { /* fewer the other way round */
        if (leaf->matches_empty)
            out = all_posted(body);
        else
            out = checked(leaf->key->present ? roaring_bitmap_copy(leaf->key->present) : roaring_bitmap_create());
        roaring_bitmap_t *others = series_of_values(body, leaf, false);
        roaring_bitmap_andnot_inplace(out, others);
        roaring_bitmap_free(others);
        return out;
    }
    out = series_of_values(body, leaf, true);
    if (leaf->matches_empty) {
        roaring_bitmap_t *missing = series_without(body, leaf->key);
        roaring_bitmap_or_inplace(out, missing);
        roaring_bitmap_free(missing);
    }
    return out;
}

/* *leaf: the next of the listed ones. With lock. */
static roaring_bitmap_t *evaluate(const struct selection *selection, const struct silt_tag_filter *filter, size_t *leaf)
{
    const struct series_body *body = selection->body;
    roaring_bitmap_t *out, *right;
    switch (filter->op) {
    case SILT_TAG_AND:
        out = evaluate(selection, filter->left, leaf);
        right = evaluate(selection, filter->right, leaf);
        roaring_bitmap_and_inplace(out, right);
        roaring_bitmap_free(right);
        return out;
    case SILT_TAG_OR:
        out = evaluate(selection, filter->left, leaf);
        right = evaluate(selection, filter->right, leaf);
        roaring_bitmap_or_inplace(out, right);
        roaring_bitmap_free(right);
        return out;
    case SILT_TAG_EQ:
    case SILT_TAG_NE:
        out = series_equal(body, filter->key, filter->value);
        if (filter->op == SILT_TAG_NE)
            complement(body, &out);
        return out;
    case SILT_TAG_MATCH:
    case SILT_TAG_NOT_MATCH:
        out = series_matching(body, &selection->leaves[(*leaf)++]);
        if (filter->op == SILT_TAG_NOT_MATCH)
            complement(body, &out);
        return out;
    case SILT_TAG_TRUE:
        return all_posted(body);
    case SILT_TAG_FALSE:
        break;
    }
    return checked(roaring_bitmap_create());
}

/* ---------------------------------------------------------------- select */

static enum silt_status copy_ids(const roaring_bitmap_t *bitmap, struct silt_arena *arena, struct silt_series_set *out,
                                 struct silt_error *err)
{
    size_t count = roaring_bitmap_get_cardinality(bitmap);
    out->ids = silt_arena_try_alloc(arena, (count + 1) * sizeof(*out->ids));
    if (!out->ids)
        return silt_fail(err, SILT_LIMIT, "query memory: %zu series", count);
    roaring_bitmap_to_uint32_array(bitmap, out->ids);
    out->count = count;
    return SILT_OK;
}

static bool is_everything(const struct silt_tag_filter *filter)
{
    return !filter || filter->op == SILT_TAG_TRUE;
}

/* The caller frees it. */
static roaring_bitmap_t *select_some(struct series_index *index, struct series_body *body, const struct silt_tag_filter *filter)
{
    struct selection selection = {.index = index, .body = body};
    size_t leaf = 0;

    for (;;) { /* once, unless a key's first series ever comes in between */
        pthread_rwlock_rdlock(&index->lock);
        selection.leaf_count = 0;
        list_leaves(&selection, filter);
        bool lacks_postings = body->unposted > 0;
        pthread_rwlock_unlock(&index->lock);
        if (lacks_postings) {
            pthread_rwlock_wrlock(&index->lock);
            index_post_body(index, body, UINT32_MAX);
            pthread_rwlock_unlock(&index->lock);
        }
        run_patterns(&selection);
        pthread_rwlock_rdlock(&index->lock);
        /* Leaves do not know keys that are new since then: look again. */
        struct selection again = {.index = index, .body = body};
        list_leaves(&again, filter);
        bool same = again.leaf_count == selection.leaf_count;
        for (size_t i = 0; same && i < again.leaf_count; i++)
            same = again.leaves[i].key == selection.leaves[i].key;
        free(again.leaves);
        if (same)
            break;
        pthread_rwlock_unlock(&index->lock);
        for (size_t i = 0; i < selection.leaf_count; i++)
            free(selection.leaves[i].matched);
    }
    roaring_bitmap_t *bitmap = evaluate(&selection, filter, &leaf);
    pthread_rwlock_unlock(&index->lock);
    for (size_t i = 0; i < selection.leaf_count; i++)
        free(selection.leaves[i].matched);
    free(selection.leaves);
    return bitmap;
}

static enum silt_status select_in(struct series_index *index, struct series_body *body,
                                  const struct silt_tag_filter *filter, struct silt_arena *arena,
                                  struct silt_series_set *out, struct silt_error *err)
{
    enum silt_status rc;
    if (is_everything(filter)) {
        pthread_rwlock_rdlock(&index->lock);
        rc = copy_ids(body->all, arena, out, err);
        pthread_rwlock_unlock(&index->lock);
        return rc;
    }
    roaring_bitmap_t *bitmap = select_some(index, body, filter);
    rc = copy_ids(bitmap, arena, out, err);
    roaring_bitmap_free(bitmap);
    return rc;
}

void series_index_add_to(struct series_index *index, uint32_t measurement, const struct silt_tag_filter *filter,
                         roaring_bitmap_t *out)
{
    struct series_body *body = index_hold_body(index, measurement);
    if (!body)
        return;
    if (is_everything(filter)) {
        pthread_rwlock_rdlock(&index->lock);
        roaring_bitmap_or_inplace(out, body->all);
        pthread_rwlock_unlock(&index->lock);
    } else {
        roaring_bitmap_t *some = select_some(index, body, filter);
        roaring_bitmap_or_inplace(out, some);
        roaring_bitmap_free(some);
    }
    index_let_go(index, body);
}

enum silt_status series_index_select(struct series_index *index, uint32_t measurement,
                                     const struct silt_tag_filter *filter, enum series_order order,
                                     struct silt_arena *arena, struct silt_series_set *out, struct silt_error *err)
{
    struct series_body *body = index_hold_body(index, measurement);
    *out = (struct silt_series_set){0};
    if (!body)
        return SILT_OK;
    enum silt_status rc = select_in(index, body, filter, arena, out, err);
    if (rc == SILT_OK && order == SERIES_BY_KEY)
        rc = series_sort_by_key(&index->ids, body, measurement, silt_arena_budget(arena), out->ids, &out->count, err);
    index_let_go(index, body);
    return rc;
}

/* ---------------------------------------------------------------- how much a selection takes */

#define SHORT_COST ((uint64_t)1 << 18) /* series in the bitmaps that are copied on the way */
#define SHORT_UNPOSTED 256

/* The most series that a filter can match; adds up those of its leaves. With lock. */
static uint64_t most_series(const struct series_body *body, const struct silt_tag_filter *filter, uint64_t *cost)
{
    uint64_t left, right, count = body->series_count;
    switch (filter->op) {
    case SILT_TAG_AND:
        left = most_series(body, filter->left, cost);
        right = most_series(body, filter->right, cost);
        return left < right ? left : right;
    case SILT_TAG_OR:
        left = most_series(body, filter->left, cost);
        return left + most_series(body, filter->right, cost);
    case SILT_TAG_EQ:
        if (filter->value.len) {
            const struct tag_key *key = body_find_key(body, filter->key);
            uint32_t code = key ? string_set_find(&key->values, &body->heap, filter->value) : STRINGS_NONE;
            series_posting posting = code != STRINGS_NONE && code < key->postings_capacity ? key->postings[code] : 0;
            count = posting & 1 || !posting ? 1 : roaring_bitmap_get_cardinality((const roaring_bitmap_t *)(uintptr_t)posting);
        }
        break;
    case SILT_TAG_MATCH:
    case SILT_TAG_NOT_MATCH: {
        const struct tag_key *key = body_find_key(body, filter->key);
        uint64_t values = key ? string_set_count(&key->values) : 0; /* the pattern is run over them all */
        *cost += filter->match_cost > SHORT_COST ? SHORT_COST + 1 : 64 * values * (filter->match_cost ? filter->match_cost : 1);
        break;
    }
    default: break;
    }
    *cost += count;
    return count;
}

bool series_index_select_is_short(struct series_index *index, uint32_t measurement, const struct silt_tag_filter *filter,
                                  uint32_t most)
{
    struct series_body *body = index_hold_body(index, measurement);
    uint64_t cost = 0;
    if (!body)
        return true;
    pthread_rwlock_rdlock(&index->lock);
    uint64_t count = filter ? most_series(body, filter, &cost) : body->series_count;
    bool is_short = count <= most && cost <= SHORT_COST && (!filter || body->unposted <= SHORT_UNPOSTED);
    pthread_rwlock_unlock(&index->lock);
    index_let_go(index, body);
    return is_short;
}

/* ---------------------------------------------------------------- tag keys and values */

static int compare_strs(const void *a, const void *b)
{
    return silt_str_compare(*(const struct silt_str *)a, *(const struct silt_str *)b);
}

uint32_t series_index_tag_key_count(struct series_index *index, uint32_t measurement)
{
    struct series_body *body = index_hold_body(index, measurement);
    uint32_t count = 0;
    if (!body)
        return count;
    pthread_rwlock_rdlock(&index->lock);
    count = string_set_count(&body->key_names);
    pthread_rwlock_unlock(&index->lock);
    index_let_go(index, body);
    return count;
}

enum silt_status series_index_tag_keys(struct series_index *index, uint32_t measurement, struct silt_arena *arena,
                                       struct silt_str **keys, size_t *count, struct silt_error *err)
{
    struct series_body *body = index_hold_body(index, measurement);
    enum silt_status rc = SILT_OK;
    *keys = NULL;
    *count = 0;
    if (!body)
        return SILT_OK;
    pthread_rwlock_rdlock(&index->lock);
    uint32_t most = string_set_count(&body->key_names);
    *keys = silt_arena_try_alloc(arena, (most + 1) * sizeof(**keys));
    if (!*keys)
        rc = silt_fail(err, SILT_LIMIT, "query memory: %u tag keys", most);
    for (uint32_t i = 0; *keys && i < most; i++)
        if (body_key(body, i)->series_count)
            (*keys)[(*count)++] = silt_arena_str(arena, body_key_name(body, body_key(body, i)));
    pthread_rwlock_unlock(&index->lock);
    index_let_go(index, body);
    if (*count)
        qsort(*keys, *count, sizeof(**keys), compare_strs);
    return rc;
}

/* The codes, sorted by text, copied out. */
static enum silt_status copy_values(const struct series_body *body, const struct tag_key *key, uint32_t *codes,
                                    size_t code_count, struct silt_arena *arena, struct silt_str **values,
                                    size_t *count, struct silt_error *err)
{
    size_t bytes = 0;
    series_sort_values(body, key, codes, code_count);
    for (size_t i = 0; i < code_count; i++)
        bytes += body_value(body, key, codes[i]).len;
    struct silt_str *list = silt_arena_try_alloc(arena, (code_count + 1) * sizeof(*list));
    char *at = list ? silt_arena_try_alloc(arena, bytes + 1) : NULL;
    if (!at)
        return silt_fail(err, SILT_LIMIT, "query memory: %zu tag values", code_count);
    for (size_t i = 0; i < code_count; i++) {
        struct silt_str value = body_value(body, key, codes[i]);
        memcpy(at, value.p, value.len);
        list[i] = (struct silt_str){at, value.len};
        at += value.len;
    }
    *values = list;
    *count = code_count;
    return SILT_OK;
}

/* Records never change: no lock is needed while the body is held. */
static enum silt_status values_of(struct series_index *index, const struct series_body *body, uint32_t measurement,
                                  const struct tag_key *key, const silt_series_id *ids, size_t id_count,
                                  struct silt_arena *arena, struct silt_str **values, size_t *count,
                                  struct silt_error *err)
{
    size_t limit = (size_t)string_set_count(&key->values) + 1, capacity = 0, n = 0;
    uint64_t *seen = silt_calloc(limit / 64 + 1, sizeof(*seen));
    uint32_t *codes = NULL, last_shape = UINT32_MAX, place = 0;
    for (size_t i = 0; i < id_count; i++) {
        uint64_t entry = id_table_get(&index->ids, ids[i]);
        if (!entry || entry >> 32 != measurement)
            continue;
        uint32_t shape_index, code = 0;
        const uint8_t *p = read_varint(heap_at(&body->heap, (uint32_t)entry), &shape_index);
        const struct tag_shape *shape = body_shape(body, shape_index);
        if (shape_index != last_shape) {
            last_shape = shape_index;
            for (place = 0; place < shape->key_count && shape->keys[place] != key; place++)
                ;
        }
        if (place == shape->key_count)
            continue;
        for (uint32_t k = 0; k <= place; k++)
            p = read_varint(p, &code);
        if (code >= limit || seen[code / 64] >> code % 64 & 1)
            continue;
        seen[code / 64] |= (uint64_t)1 << code % 64;
        if (n == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            codes = silt_realloc(codes, capacity * sizeof(*codes));
        }
        codes[n++] = code;
    }
    enum silt_status rc = copy_values(body, key, codes, n, arena, values, count, err);
    free(codes);
    free(seen);
    return rc;
}

/* The body, held, and its key; false: there is nothing to list. */
static bool hold_key(struct series_index *index, uint32_t measurement, struct silt_str name, struct series_body **body,
                     struct tag_key **key, bool *exact)
{
    *body = index_hold_body(index, measurement);
    if (!*body)
        return false;
    pthread_rwlock_rdlock(&index->lock);
    *key = body_find_key(*body, name);
    *exact = body_is_exact(*body);
    pthread_rwlock_unlock(&index->lock);
    if (*key)
        return true;
    index_let_go(index, *body);
    return false;
}

enum silt_status series_index_tag_values(struct series_index *index, uint32_t measurement, struct silt_str key_name,
                                         const struct silt_tag_filter *filter, struct silt_arena *arena,
                                         struct silt_str **values, size_t *count, struct silt_error *err)
{
    struct series_body *body;
    struct tag_key *key;
    bool exact;
    enum silt_status rc;
    *values = NULL;
    *count = 0;
    if (!hold_key(index, measurement, key_name, &body, &key, &exact))
        return SILT_OK;
    if (!filter && exact) {
        uint32_t all = string_set_count(&key->values), n = 0;
        uint32_t *codes = silt_malloc(((size_t)all + 1) * sizeof(*codes));
        for (uint32_t i = 0; i < all; i++)
            if (string_set_has(&key->values, i))
                codes[n++] = i;
        rc = copy_values(body, key, codes, n, arena, values, count, err);
        free(codes);
    } else {
        struct silt_series_set set = {0};
        struct silt_arena *scratch = silt_arena_create(silt_arena_budget(arena));
        rc = select_in(index, body, filter, scratch, &set, err);
        if (rc == SILT_OK)
            rc = values_of(index, body, measurement, key, set.ids, set.count, arena, values, count, err);
        silt_arena_destroy(scratch);
    }
    index_let_go(index, body);
    return rc;
}

