/*
 * series_sort.c - series in the order of their key text, without making the texts.
 *
 * Series of one shape have the same keys at the same places, so their texts compare as their values do, place by place.
 * The distinct values of each place are sorted once and numbered; a series is then the numbers of its values packed
 * into as few machine words as they need (one, mostly), and those are sorted by radix. Several shapes are sorted each
 * by itself and merged by text, of which only the heads exist.
 *
 * A value is followed by a comma in the text, or by the end when its key is the last, and characters below the comma
 * exist: so it is compared with what follows it, and escaped as it stands in the text.
 */
#include "storage/series_measurement.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- sorting by words */

struct item {
    uint64_t word;
    uint32_t index;
};

static int compare_items(const void *a, const void *b)
{
    uint64_t left = ((const struct item *)a)->word, right = ((const struct item *)b)->word;
    return left < right ? -1 : left > right;
}

/* By word; spare has room for as many. */
static void sort_items(struct item *items, struct item *spare, size_t count)
{
    if (count < 512) {
        bool sorted = true;
        for (size_t i = 1; i < count && sorted; i++)
            sorted = items[i - 1].word <= items[i].word;
        if (!sorted)
            qsort(items, count, sizeof(*items), compare_items);
        return;
    }
    uint64_t all_or = 0, all_and = UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        all_or |= items[i].word;
        all_and &= items[i].word;
    }
    struct item *from = items, *to = spare;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if (((all_or ^ all_and) >> shift & 255) == 0) /* the same everywhere */
            continue;
        size_t at[256] = {0}, sum = 0;
        for (size_t i = 0; i < count; i++)
            at[from[i].word >> shift & 255]++;
        for (unsigned i = 0; i < 256; i++) {
            size_t n = at[i];
            at[i] = sum;
            sum += n;
        }
        for (size_t i = 0; i < count; i++)
            to[at[from[i].word >> shift & 255]++] = from[i];
        struct item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, count * sizeof(*items));
}

/* ---------------------------------------------------------------- sorting texts */

/* Byte at `at` of a text that `end` follows: 0 past it all, else the byte + 1. */
static inline unsigned byte_at(struct silt_str text, size_t at, char end)
{
    if (at < text.len)
        return (unsigned char)text.p[at] + 1u;
    return at == text.len && end ? (unsigned char)end + 1u : 0;
}

/* Seven characters, so that past-the-end has a value of its own: 9 bits each. */
#define WORD_CHARS 7u

static uint64_t word_at(struct silt_str text, size_t at, char end)
{
    uint64_t word = 0;
    for (size_t i = 0; i < WORD_CHARS; i++)
        word = word << 9 | byte_at(text, at + i, end);
    return word;
}

/* Items whose texts agree on the first `from` characters. end: what follows a text, 0 for nothing. */
static void sort_texts(struct item *items, struct item *spare, size_t count, const struct silt_str *texts, size_t from,
                       char end)
{
    while (count > 1) {
        /* Skip what all have in common. */
        struct silt_str first = texts[items[0].index];
        size_t common = first.len > from ? first.len - from : 0;
        for (size_t i = 1; i < count && common; i++) {
            struct silt_str text = texts[items[i].index];
            size_t most = text.len > from ? text.len - from : 0, same = 0;
            if (most > common)
                most = common;
            while (same < most && text.p[from + same] == first.p[from + same])
                same++;
            common = same;
        }
        from += common;
        for (size_t i = 0; i < count; i++)
            items[i].word = word_at(texts[items[i].index], from, end);
        sort_items(items, spare, count);
        from += WORD_CHARS;
        /* Runs that still agree go deeper; the longest of them without recursion. */
        size_t start = 0, long_start = 0, long_count = 0;
        for (size_t i = 1; i <= count; i++) {
            if (i < count && items[i].word == items[start].word)
                continue;
            bool longer = (items[start].word & 511) != 0; /* not ended yet */
            if (i - start > 1 && longer) {
                size_t other_start = start, other_count = i - start;
                if (other_count > long_count) {
                    other_start = long_start;
                    other_count = long_count;
                    long_start = start;
                    long_count = i - start;
                }
                sort_texts(items + other_start, spare, other_count, texts, from, end);
            }
            start = i;
        }
        items += long_start;
        count = long_count;
    }
}

/* order[i]: which text is the i-th. */
static void order_texts(const struct silt_str *texts, size_t count, char end, uint32_t *order,
                        struct silt_arena *scratch)
{
    size_t bytes = 2 * (count + 1) * sizeof(struct item);
    struct item *items = silt_arena_alloc(scratch, bytes);
    for (size_t i = 0; i < count; i++)
        items[i].index = (uint32_t)i;
    sort_texts(items, items + count, count, texts, 0, end);
    for (size_t i = 0; i < count; i++)
        order[i] = items[i].index;
    silt_arena_give_back(scratch, items, bytes);
}

void series_sort_values(const struct series_body *body, const struct tag_key *key, uint32_t *codes, size_t count)
{
    if (count < 2)
        return;
    struct silt_arena *scratch = silt_arena_create(NULL);
    struct silt_str *texts = silt_arena_alloc(scratch, (count + 1) * sizeof(*texts));
    uint32_t *order = silt_arena_alloc(scratch, 2 * (count + 1) * sizeof(*order)), *sorted = order + count;
    for (size_t i = 0; i < count; i++)
        texts[i] = body_value(body, key, codes[i]);
    order_texts(texts, count, 0, order, scratch);
    for (size_t i = 0; i < count; i++)
        sorted[i] = codes[order[i]];
    memcpy(codes, sorted, count * sizeof(*codes));
    silt_arena_destroy(scratch);
}

/* ---------------------------------------------------------------- one shape */

struct entry {
    uint32_t id, record, shape;
};

/* The value as it stands in a key; the escaped form is in the arena. */
static struct silt_str escaped(struct silt_str value, struct silt_arena **arena)
{
    size_t special = 0;
    for (size_t i = 0; i < value.len; i++)
        special += value.p[i] == ',' || value.p[i] == ' ' || value.p[i] == '=';
    if (!special)
        return value;
    if (!*arena)
        *arena = silt_arena_create(NULL);
    char *out = silt_arena_alloc(*arena, value.len + special);
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] == ',' || value.p[i] == ' ' || value.p[i] == '=')
            out[len++] = '\\';
        out[len++] = value.p[i];
    }
    return (struct silt_str){out, len};
}

/* codes[0..count) become the ranks of their texts among each other; returns how many distinct ones there are. */
static uint32_t rank_codes(const struct series_body *body, const struct tag_key *key, uint32_t *codes, size_t count,
                           bool last, struct silt_arena *scratch)
{
    uint32_t first = codes[0];
    size_t i = 1;
    while (i < count && codes[i] == first)
        i++;
    if (i == count) {
        memset(codes, 0, count * sizeof(*codes));
        return 1;
    }
    uint32_t limit = string_set_count(&key->values), distinct = 0;
    uint32_t *rank = silt_calloc(limit, sizeof(*rank)); /* untouched pages cost nothing */
    size_t capacity = count < limit ? count : limit;
    size_t used_bytes = 2 * capacity * sizeof(uint32_t);
    uint32_t *used = silt_arena_alloc(scratch, used_bytes), *order = used + capacity;
    for (i = 0; i < count; i++) {
        if (rank[codes[i]] == 0) {
            rank[codes[i]] = 1;
            used[distinct++] = codes[i];
        }
    }
    struct silt_arena *arena = NULL;
    struct silt_str *texts = silt_arena_alloc(scratch, distinct * sizeof(*texts));
    for (i = 0; i < distinct; i++)
        texts[i] = escaped(body_value(body, key, used[i]), &arena);
    order_texts(texts, distinct, last ? 0 : ',', order, scratch);
    for (i = 0; i < distinct; i++)
        rank[used[order[i]]] = (uint32_t)i;
    for (i = 0; i < count; i++)
        codes[i] = rank[codes[i]];
    silt_arena_give_back(scratch, texts, distinct * sizeof(*texts));
    silt_arena_give_back(scratch, used, used_bytes);
    silt_arena_destroy(arena);
    free(rank);
    return distinct;
}

/* Sort by words[word][index], then by the next ones. */
static void sort_words(struct item *items, struct item *spare, size_t count, uint64_t *const *words, size_t word,
                       size_t word_count)
{
    for (size_t i = 0; i < count; i++)
        items[i].word = words[word][items[i].index];
    sort_items(items, spare, count);
    if (word + 1 >= word_count)
        return;
    for (size_t start = 0, i = 1; i <= count; i++) {
        if (i < count && items[i].word == items[start].word)
            continue;
        if (i - start > 1)
            sort_words(items + start, spare, i - start, words, word + 1, word_count);
        start = i;
    }
}

#define PLACES_MAX 16u

/* Of series whose shapes have up to `keys` keys: entries, codes, places in the records, words; then, at one time, a
 * value's rank, use, text and item, or two items and an entry. */
static size_t sort_bytes(size_t count, uint32_t keys)
{
    size_t codes = (keys < PLACES_MAX ? keys : PLACES_MAX) * sizeof(uint32_t), words = (keys + 1) / 2 * sizeof(uint64_t);
    size_t ranking = 3 * sizeof(uint32_t) + sizeof(struct silt_str) + 2 * sizeof(struct item);
    return count * (sizeof(struct entry) + codes + sizeof(uint8_t *) + words + ranking);
}

static void sort_shape(const struct series_body *body, struct entry *entries, size_t count, struct silt_arena *scratch)
{
    const struct tag_shape *shape = body_shape(body, entries[0].shape);
    size_t word_count = 0;
    unsigned bits_left = 0;
    if (count < 2)
        return;
    /* All codes, place by place; records are read once for a few places at a time. */
    uint32_t places = shape->key_count < PLACES_MAX ? shape->key_count : PLACES_MAX;
    size_t codes_bytes = (count * places + 1) * sizeof(uint32_t), at_bytes = count * sizeof(uint8_t *);
    uint32_t *codes = silt_arena_alloc(scratch, codes_bytes);
    const uint8_t **at = silt_arena_alloc(scratch, at_bytes);
    uint64_t **words = silt_arena_alloc(scratch, (shape->key_count + 1) * sizeof(*words));
    for (size_t i = 0; i < count; i++) {
        uint32_t skip;
        at[i] = read_varint(heap_at(&body->heap, entries[i].record), &skip);
    }
    for (uint32_t from = 0; from < shape->key_count; from += PLACES_MAX) {
        uint32_t n = shape->key_count - from < PLACES_MAX ? shape->key_count - from : PLACES_MAX;
        for (size_t i = 0; i < count; i++)
            for (uint32_t k = 0; k < n; k++)
                at[i] = read_varint(at[i], &codes[k * count + i]);
        for (uint32_t k = 0; k < n; k++) {
            uint32_t *place = codes + k * count;
            uint32_t distinct = rank_codes(body, shape->keys[from + k], place, count, from + k + 1 == shape->key_count,
                                           scratch);
            if (distinct == 1)
                continue;
            unsigned bits = 32 - (unsigned)__builtin_clz(distinct - 1);
            if (bits > bits_left) {
                words[word_count++] = silt_arena_zalloc(scratch, count * sizeof(uint64_t));
                bits_left = 64;
            }
            bits_left -= bits;
            uint64_t *word = words[word_count - 1];
            for (size_t i = 0; i < count; i++)
                word[i] |= (uint64_t)place[i] << bits_left;
        }
    }
    if (word_count) {
        size_t items_bytes = 2 * count * sizeof(struct item), sorted_bytes = count * sizeof(struct entry);
        struct item *items = silt_arena_alloc(scratch, items_bytes);
        struct entry *sorted = silt_arena_alloc(scratch, sorted_bytes);
        for (size_t i = 0; i < count; i++)
            items[i].index = (uint32_t)i;
        sort_words(items, items + count, count, words, 0, word_count);
        for (size_t i = 0; i < count; i++)
            sorted[i] = entries[items[i].index];
        memcpy(entries, sorted, count * sizeof(*sorted));
        silt_arena_give_back(scratch, sorted, sorted_bytes);
        silt_arena_give_back(scratch, items, items_bytes);
    }
    for (size_t i = 0; i < word_count; i++)
        silt_arena_give_back(scratch, words[i], count * sizeof(uint64_t));
    silt_arena_give_back(scratch, at, at_bytes);
    silt_arena_give_back(scratch, codes, codes_bytes);
}

/* ---------------------------------------------------------------- all shapes */

struct head { /* of one shape's sorted run */
    const struct entry *at, *end;
    struct silt_arena *arena;
    struct silt_str text; /* the tags' part of the key: the measurement is the same everywhere */
};

static struct silt_str make_text(const struct series_body *body, const struct entry *entry, struct silt_arena *arena)
{
    const struct tag_shape *shape = body_shape(body, entry->shape);
    struct silt_tag *tags = silt_arena_alloc(arena, (shape->key_count + 1) * sizeof(*tags));
    body_decode(body, entry->record, tags);
    return silt_series_key_make(SILT_STR(""), tags, shape->key_count, arena);
}

static void load_head(const struct series_body *body, struct head *head)
{
    silt_arena_reset(head->arena);
    head->text = make_text(body, head->at, head->arena);
}

static void sift_down(struct head **heap, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && silt_str_compare(heap[child + 1]->text, heap[child]->text) < 0)
            child++;
        if (silt_str_compare(heap[at]->text, heap[child]->text) <= 0)
            return;
        struct head *swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
        at = child;
    }
}

static void merge_runs(const struct series_body *body, struct head *heads, size_t head_count, silt_series_id *ids)
{
    struct head **heap = silt_malloc(head_count * sizeof(*heap));
    size_t live = head_count, n = 0;
    for (size_t i = 0; i < head_count; i++) {
        heads[i].arena = silt_arena_create(NULL);
        load_head(body, &heads[i]);
        heap[i] = &heads[i];
    }
    for (size_t i = head_count / 2; i-- > 0;)
        sift_down(heap, live, i);
    while (live) {
        struct head *head = heap[0];
        ids[n++] = head->at->id;
        if (++head->at < head->end)
            load_head(body, head);
        else
            heap[0] = heap[--live];
        sift_down(heap, live, 0);
    }
    for (size_t i = 0; i < head_count; i++)
        silt_arena_destroy(heads[i].arena);
    free(heap);
}

/* Few series, or many shapes: by the texts themselves. */
static enum silt_status sort_by_text(const struct series_body *body, const struct entry *entries, size_t count,
                                     struct silt_budget *budget, silt_series_id *ids)
{
    struct silt_arena *arena = silt_arena_create(budget);
    struct silt_str *texts = silt_arena_alloc(arena, (count + 1) * sizeof(*texts));
    uint32_t *order = silt_arena_alloc(arena, (count + 1) * sizeof(*order));
    for (size_t i = 0; i < count && !silt_arena_exceeded(arena); i++)
        texts[i] = make_text(body, &entries[i], arena);
    bool exceeded = silt_arena_exceeded(arena);
    if (!exceeded) {
        order_texts(texts, count, 0, order, arena);
        for (size_t i = 0; i < count; i++)
            ids[i] = entries[order[i]].id;
    }
    silt_arena_destroy(arena);
    return exceeded ? SILT_LIMIT : SILT_OK;
}

static int compare_shapes(const void *a, const void *b)
{
    uint32_t left = ((const struct entry *)a)->shape, right = ((const struct entry *)b)->shape;
    return left < right ? -1 : left > right;
}

#define TEXT_SORT_MAX 64u

/* Entries of the ids that are there, in order of their shapes; keys: of the shape that has most. */
static size_t make_entries(const struct id_table *table, const struct series_body *body, uint32_t measurement,
                           const silt_series_id *ids, size_t count, struct entry *entries, uint32_t *keys)
{
    bool shapes_in_order = true;
    size_t n = 0;
    *keys = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t found = id_table_get(table, ids[i]);
        if (found >> 32 != measurement || !found)
            continue;
        struct entry *entry = &entries[n++];
        *entry = (struct entry){.id = ids[i], .record = (uint32_t)found};
        read_varint(heap_at(&body->heap, entry->record), &entry->shape);
        if (n > 1 && entry[-1].shape == entry->shape)
            continue;
        uint32_t key_count = body_shape(body, entry->shape)->key_count;
        if (key_count > *keys)
            *keys = key_count;
        if (n > 1 && entry[-1].shape > entry->shape)
            shapes_in_order = false;
    }
    if (!shapes_in_order)
        qsort(entries, n, sizeof(*entries), compare_shapes);
    return n;
}

static enum silt_status sort_entries(const struct series_body *body, struct entry *entries, size_t n,
                                     struct silt_budget *budget, struct silt_arena *scratch, silt_series_id *ids)
{
    size_t shape_count = 1, head_count = 0;
    for (size_t i = 1; i < n; i++)
        shape_count += entries[i].shape != entries[i - 1].shape;
    if (n <= TEXT_SORT_MAX || (shape_count > n / 16 && shape_count > 1))
        return sort_by_text(body, entries, n, budget, ids);
    struct head *heads = silt_malloc(shape_count * sizeof(*heads));
    for (size_t start = 0, i = 1; i <= n; i++) {
        if (i < n && entries[i].shape == entries[start].shape)
            continue;
        sort_shape(body, entries + start, i - start, scratch);
        heads[head_count++] = (struct head){.at = entries + start, .end = entries + i};
        start = i;
    }
    if (head_count == 1)
        for (size_t i = 0; i < n; i++)
            ids[i] = entries[i].id;
    else
        merge_runs(body, heads, head_count, ids);
    free(heads);
    return SILT_OK;
}

enum silt_status series_sort_by_key(const struct id_table *table, const struct series_body *body, uint32_t measurement,
                                    struct silt_budget *budget, silt_series_id *ids, size_t *count,
                                    struct silt_error *err)
{
    size_t charged = (*count + 1) * sizeof(struct entry);
    uint32_t keys;

    if (budget && silt_budget_charge(budget, charged, NULL) != SILT_OK)
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    /* Charged here for all it may come to; in an arena, for its large pieces do not stay with this thread. */
    struct silt_arena *scratch = silt_arena_create(NULL);
    struct entry *entries = silt_arena_alloc(scratch, charged);
    size_t n = make_entries(table, body, measurement, ids, *count, entries, &keys);
    enum silt_status rc = SILT_OK;
    size_t working = n > TEXT_SORT_MAX ? sort_bytes(n, keys) - n * sizeof(struct entry) : 0;
    if (budget && (rc = silt_budget_charge(budget, working, NULL)) == SILT_OK)
        charged += working;
    if (rc == SILT_OK)
        rc = sort_entries(body, entries, n, budget, scratch, ids);
    silt_arena_destroy(scratch);
    if (budget)
        silt_budget_release(budget, charged);
    *count = n;
    return rc == SILT_OK ? SILT_OK : silt_fail(err, rc, "query memory limit exceeded");
}
