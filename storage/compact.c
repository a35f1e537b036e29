/*
 * compact.c - carries out a merge that compact_plan chose.
 *
 * Series by series the inputs run through merge.h, tombstones applied. Whole row groups of at least COPY_ROWS_MIN rows that
 * nothing overlaps are copied as they are; what else comes out is gathered to row groups of up to 1024 rows. The new file
 * takes the inputs' place in one step of the manifest; it is as old as its youngest input.
 *
 * A tombstone is done with when every file that it may hide something in has been merged with it in force. Where more than half
 * of a shard is hidden, all of it is merged at once: it comes out smaller than what is won.
 */
#include "storage/compact_plan.h"
#include "storage/storage_internal.h"
#include "storage/tsm_write.h"

#include <stdlib.h>

#define COPY_ROWS_MIN 512u
#define TOMBSTONES_MAX 64u
#define ROOM_KEPT_BYTES ((uint64_t)64 << 20) /* of the disk, for the log */
#define PAUSE_MS_MIN ((uint64_t)10 * 1000)
#define PAUSE_MS_MAX ((uint64_t)600 * 1000)

struct pending { /* rows that wait to become a row group */
    uint32_t count;
    silt_time times[TSM_GROUP_ROWS_MAX];
    union silt_value *values; /* [field][TSM_GROUP_ROWS_MAX] */
    uint64_t *valid;          /* [field][ENCODE_VALID_WORDS] */
    size_t field_room;
    struct silt_arena *texts;
    struct tsm_column *columns;
};

struct compaction {
    struct shard *shard;
    struct version *version;
    struct compact_choice choice;
    struct tsm_writer *writer;
    struct merge *merge;
    struct silt_arena *arena; /* of a series */
    struct field_ref *fields;
    size_t field_count;
    struct pending pending;
};

/* ---------------------------------------------------------------- gathering rows */

static void pending_fields(struct pending *p, size_t count)
{
    if (count <= p->field_room)
        return;
    free(p->values);
    free(p->valid);
    free(p->columns);
    p->values = silt_malloc(count * TSM_GROUP_ROWS_MAX * sizeof(*p->values));
    p->valid = silt_malloc(count * ENCODE_VALID_WORDS * sizeof(*p->valid));
    p->columns = silt_malloc(count * sizeof(*p->columns));
    p->field_room = count;
}

static enum silt_status write_pending(struct compaction *c, silt_series_id series, struct silt_error *err)
{
    struct pending *p = &c->pending;
    if (p->count == 0)
        return SILT_OK;
    for (size_t f = 0; f < c->field_count; f++)
        p->columns[f] = (struct tsm_column){c->fields[f].field_id, c->fields[f].type, p->valid + f * ENCODE_VALID_WORDS,
                                            p->values + f * TSM_GROUP_ROWS_MAX};
    enum silt_status rc = tsm_writer_row_group(c->writer, series, p->times, p->count, p->columns,
                                               (uint32_t)c->field_count, err);
    p->count = 0;
    silt_arena_reset(p->texts);
    return rc;
}

/* Rows [begin, begin + count) of the merge's batch. */
static enum silt_status add_rows(struct compaction *c, uint32_t begin, uint32_t count, struct silt_error *err)
{
    struct pending *p = &c->pending;
    const silt_time *times;
    enum silt_status rc = merge_times(c->merge, &times, err);
    if (rc != SILT_OK)
        return rc;
    memcpy(p->times + p->count, times + begin, count * sizeof(*times));
    if (p->count == 0)
        memset(p->valid, 0, c->field_count * ENCODE_VALID_WORDS * sizeof(*p->valid));
    for (size_t f = 0; f < c->field_count; f++) {
        struct silt_column column;
        union silt_value *values = p->values + f * TSM_GROUP_ROWS_MAX;
        uint64_t *valid = p->valid + f * ENCODE_VALID_WORDS;
        if ((rc = merge_column(c->merge, f, &column, err)) != SILT_OK)
            return rc;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t to = p->count + i;
            if (column.type == SILT_TYPE_NONE || !merge_bit(column.valid, begin + i))
                continue;
            valid[to / 64] |= (uint64_t)1 << (to % 64);
            if (column.type == SILT_TYPE_STRING)
                values[to].string = silt_arena_bytes_copy(p->texts, column.string[begin + i]);
            else if (column.type == SILT_TYPE_BOOLEAN)
                values[to].u64 = column.boolean[begin + i];
            else
                values[to].u64 = column.u64[begin + i];
        }
    }
    p->count += count;
    return SILT_OK;
}

/* ---------------------------------------------------------------- a series, all series */

static int compare_refs(const void *a, const void *b)
{
    const struct field_ref *x = a, *y = b;
    if (x->field_id != y->field_id)
        return x->field_id < y->field_id ? -1 : 1;
    return (int)x->type - (int)y->type;
}

/* Every (field, type) that an input has of the series. */
static enum silt_status gather_fields(struct compaction *c, silt_series_id series, struct silt_error *err)
{
    size_t room = 0;
    c->fields = NULL;
    c->field_count = 0;
    for (size_t i = 0; i < c->choice.count; i++) {
        struct tsm_entry entry;
        enum silt_status rc = tsm_find_series(c->version->files[c->choice.begin + i]->tsm, series, INT64_MIN, INT64_MAX,
                                              c->arena, &entry, err);
        if (rc != SILT_OK)
            return rc;
        for (size_t g = 0; g < entry.group_count; g++) {
            const struct tsm_group *group = &entry.groups[g];
            size_t at = 0; /* fields of a group rise: go on where the last was found */
            for (uint32_t f = 0; f < group->field_count; f++) {
                struct field_ref ref = {group->fields[f].field_id, (enum silt_type)group->fields[f].type};
                while (at < c->field_count && compare_refs(&c->fields[at], &ref) < 0)
                    at++;
                if (at < c->field_count && compare_refs(&c->fields[at], &ref) == 0)
                    continue;
                c->fields = silt_arena_grow(c->arena, c->fields, &room, c->field_count + 1, sizeof(*c->fields));
                memmove(c->fields + at + 1, c->fields + at, (c->field_count - at) * sizeof(*c->fields));
                c->fields[at] = ref;
                c->field_count++;
            }
        }
    }
    return SILT_OK;
}

static enum silt_status merge_series(struct compaction *c, silt_series_id series, struct silt_error *err)
{
    enum silt_status rc = gather_fields(c, series, err);
    pending_fields(&c->pending, c->field_count);
    if (rc == SILT_OK)
        rc = merge_start(c->merge, series, c->fields, c->field_count, INT64_MIN, INT64_MAX, false, err);
    for (size_t i = 0; i < c->choice.count && rc == SILT_OK; i++) {
        const struct data_file *file = c->version->files[c->choice.begin + i];
        struct merge_source source = {file->tsm, NULL, file->facts.seq};
        rc = merge_add(c->merge, &source, c->version->tombstones, c->version->tombstone_count, err);
    }
    while (rc == SILT_OK) {
        struct merge_batch batch;
        if ((rc = merge_next(c->merge, &batch, err)) != SILT_OK || batch.count == 0)
            break;
        if (batch.whole && batch.count >= COPY_ROWS_MIN) {
            rc = write_pending(c, series, err);
            if (rc == SILT_OK)
                rc = tsm_writer_copy(c->writer, series, batch.file, batch.whole, err);
            continue;
        }
        for (uint32_t begin = 0; begin < batch.count && rc == SILT_OK;) {
            uint32_t count = TSM_GROUP_ROWS_MAX - c->pending.count;
            if (count > batch.count - begin)
                count = batch.count - begin;
            rc = add_rows(c, begin, count, err);
            begin += count;
            if (rc == SILT_OK && c->pending.count == TSM_GROUP_ROWS_MAX)
                rc = write_pending(c, series, err);
        }
    }
    return rc == SILT_OK ? write_pending(c, series, err) : rc;
}

static enum silt_status merge_all(struct compaction *c, struct silt_error *err)
{
    struct version inputs = {.files = c->version->files + c->choice.begin, .file_count = c->choice.count};
    roaring_bitmap_t *series = roaring_bitmap_create();
    enum silt_status rc = version_series(&inputs, series, err);
    roaring_uint32_iterator_t *it = roaring_create_iterator(series);
    for (; rc == SILT_OK && it->has_value; roaring_advance_uint32_iterator(it)) {
        rc = merge_series(c, it->current_value, err);
        silt_arena_reset(c->arena);
        if (atomic_load_explicit(&c->shard->dropped, memory_order_relaxed))
            rc = silt_fail(err, SILT_CANCELLED, "the shard was dropped");
    }
    roaring_free_uint32_iterator(it);
    roaring_bitmap_free(series);
    return rc;
}

/* ---------------------------------------------------------------- one merge */

/* Up to which age tombstones have nothing left to hide once the inputs are replaced; 0: none. */
static uint64_t tombstones_done(const struct compaction *c)
{
    const struct version *version = c->version;
    uint64_t done = 0;
    if (c->choice.begin != 0)
        return 0;
    size_t end = c->choice.count;
    for (size_t i = 0; i < version->tombstone_count; i++) {
        uint64_t seq = version->tombstones[i]->seq;
        bool is_done = end == version->file_count || version->files[end]->facts.seq > seq;
        for (size_t g = 0; g + 1 < version->generation_count; g++)
            is_done = is_done && version->generations[g]->boundary > seq;
        if (is_done && seq > done)
            done = seq;
    }
    /* Ages are a line: what is done up to here must not leave an older one behind, and does not. */
    return done;
}

static enum silt_status carry_out(struct compaction *c, struct data_file **out, struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    struct tsm_summary summary;
    struct manifest_file facts = {.file_id = shard_next_file_id(c->shard)};
    *out = NULL;
    manifest_file_name(&c->shard->manifest, facts.file_id, name);
    enum silt_status rc = tsm_writer_open(c->shard->vfs, name, facts.file_id, c->shard->epoch, &c->writer, err);
    if (rc != SILT_OK)
        return rc;
    rc = merge_all(c, err);
    if (rc != SILT_OK) {
        tsm_writer_abort(c->writer);
        return rc;
    }
    rc = tsm_writer_finish(c->writer, &summary, err);
    if (rc == SILT_INVALID) /* tombstones left nothing */
        return SILT_OK;
    if (rc != SILT_OK)
        return rc;
    for (size_t i = 0; i < c->choice.count; i++) {
        const struct manifest_file *input = &c->version->files[c->choice.begin + i]->facts;
        facts.seq = input->seq > facts.seq ? input->seq : facts.seq;
        facts.level = input->level >= facts.level ? input->level + 1 : facts.level;
    }
    facts.bytes = summary.bytes;
    facts.rows = summary.rows;
    facts.min = summary.min;
    facts.max = summary.max;
    return data_file_open(c->shard, &facts, out, err);
}

static enum silt_status replace(struct compaction *c, struct data_file *file, struct silt_error *err)
{
    uint64_t *ids = silt_malloc(c->choice.count * sizeof(*ids));
    for (size_t i = 0; i < c->choice.count; i++)
        ids[i] = c->version->files[c->choice.begin + i]->facts.file_id;
    struct manifest_edit edit = {.remove = ids, .remove_count = c->choice.count};
    struct version_change change = {.add = file,
                                    .remove = c->version->files + c->choice.begin,
                                    .remove_count = c->choice.count,
                                    .drop_tombstones_to = tombstones_done(c)};
    change.drop_tombstones = change.drop_tombstones_to > 0;
    if (file) {
        edit.add = &file->facts;
        edit.add_count = 1;
    }
    enum silt_status rc = commit_change(c->shard, &edit, &change, err);
    if (rc != SILT_OK)
        data_file_release(file);
    free(ids);
    return rc;
}

static bool covers(const struct tombstone *tombstone, const struct manifest_file *facts)
{
    return tombstone->seq >= facts->seq && tombstone->min <= facts->min && tombstone->max >= facts->max;
}

/* The part of its series of which nothing is left, in bytes. Looked at once for each new tombstone; a file that cannot be read hides
 * nothing here, and says so when it is merged. */
static uint64_t hidden_bytes(const struct version *version, struct data_file *file)
{
    uint64_t youngest = 0;
    for (size_t t = 0; t < version->tombstone_count; t++)
        if (version->tombstones[t]->seq > youngest && covers(version->tombstones[t], &file->facts))
            youngest = version->tombstones[t]->seq;
    if (youngest == 0 || youngest == file->hidden_seq)
        return youngest ? file->hidden_bytes : 0;
    struct version alone = {.files = &file, .file_count = 1};
    roaring_bitmap_t *series = roaring_bitmap_create();
    struct silt_error err;
    bool known = version_series(&alone, series, &err) == SILT_OK;
    uint64_t all = roaring_bitmap_get_cardinality(series);
    for (size_t t = 0; t < version->tombstone_count; t++)
        if (covers(version->tombstones[t], &file->facts))
            roaring_bitmap_andnot_inplace(series, version->tombstones[t]->series);
    uint64_t left = roaring_bitmap_get_cardinality(series);
    roaring_bitmap_free(series);
    file->hidden_seq = youngest;
    file->hidden_bytes = known && all ? (uint64_t)((double)file->facts.bytes * (double)(all - left) / (double)all) : 0;
    return file->hidden_bytes;
}

static bool choose(struct silt_storage *storage, struct shard *shard, const struct version *version, bool full,
                   struct compact_choice *choice)
{
    struct compact_file *files = silt_calloc(version->file_count + 1, sizeof(*files));
    uint64_t bytes = 0, hidden = 0;
    for (size_t i = 0; i < version->file_count; i++) {
        const struct manifest_file *facts = &version->files[i]->facts;
        files[i] = (struct compact_file){.bytes = facts->bytes, .min = facts->min, .max = facts->max, .merged = facts->level > 0};
        bytes += facts->bytes;
        hidden += hidden_bytes(version, version->files[i]);
        for (size_t t = 0; t < version->tombstone_count; t++)
            if (version->tombstones[t]->seq >= facts->seq && version->tombstones[t]->min <= facts->max
                && version->tombstones[t]->max >= facts->min)
                files[i].masked = true;
    }
    uint64_t idle_ms = silt_clock_monotonic_ns() / 1000000 - atomic_load_explicit(&shard->changed_ms, memory_order_relaxed);
    double rest = shard_oldest_seq(shard) == 0 ? (double)idle_ms / (double)storage->options.compact_rest_ms : 0;
    if (full || hidden > bytes / 2 || version->tombstone_count > TOMBSTONES_MAX)
        rest = COMPACT_ANY;
    bool worth = compact_plan(files, version->file_count, storage->options.compact_files_min, rest, choice);
    free(files);
    return worth;
}

/* What a merge leaves out for a tombstone is gone for good: so the delete has to be, too. What the manifest says is flushed is. */
static enum silt_status wait_for_deletes(struct silt_storage *storage, const struct compaction *c, struct silt_error *err)
{
    pthread_mutex_lock(&c->shard->manifest_lock);
    uint64_t flushed = c->shard->manifest.flushed_seq;
    pthread_mutex_unlock(&c->shard->manifest_lock);
    for (size_t i = 0; i < c->version->tombstone_count; i++)
        if (c->version->tombstones[i]->seq > flushed)
            return log_wait_durable(storage, err);
    return SILT_OK;
}

/* One that fails for a damaged file has read and written all that came before it: it is tried again ever more seldom. */
static void note_end(struct shard *shard, bool failed)
{
    uint64_t pause_ms = shard->merge_pause_ms * 2;
    pause_ms = pause_ms < PAUSE_MS_MIN ? PAUSE_MS_MIN : pause_ms > PAUSE_MS_MAX ? PAUSE_MS_MAX : pause_ms;
    shard->merge_pause_ms = failed ? pause_ms : 0;
    shard->merge_after_ms = failed ? silt_clock_monotonic_ns() / 1000000 + pause_ms : 0;
}

/* A merge that ends for want of room has taken what there was, and writes are refused meanwhile: so it does not begin. */
static enum silt_status check_room(const struct compaction *c, struct silt_error *err)
{
    uint64_t bytes = ROOM_KEPT_BYTES, room = vfs_room(c->shard->vfs);
    for (size_t i = 0; i < c->choice.count; i++) {
        struct data_file *file = c->version->files[c->choice.begin + i];
        bytes += file->facts.bytes - hidden_bytes(c->version, file);
    }
    if (bytes <= room)
        return SILT_OK;
    return silt_fail(err, SILT_NO_SPACE, "a merge of %zu files waits for room: it takes %llu MB, and there are %llu", c->choice.count,
                     (unsigned long long)(bytes >> 20), (unsigned long long)(room >> 20));
}

enum silt_status compact_shard(struct silt_storage *storage, struct shard *shard, bool full, bool *did,
                               struct silt_error *err)
{
    struct compaction c = {.shard = shard};
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&shard->compact_lock);
    c.version = shard_pin(shard);
    bool may = full || silt_clock_monotonic_ns() / 1000000 >= shard->merge_after_ms;
    if (may && !atomic_load(&shard->dropped) && choose(storage, shard, c.version, full, &c.choice)) {
        struct data_file *file = NULL;
        uint64_t begun_ns = silt_clock_monotonic_ns();
        atomic_store(&shard->counters.merging, true);
        c.merge = merge_create(NULL, NULL);
        c.arena = silt_arena_create(NULL);
        c.pending.texts = silt_arena_create(NULL);
        rc = check_room(&c, err);
        if (rc == SILT_OK)
            rc = wait_for_deletes(storage, &c, err);
        if (rc == SILT_OK)
            rc = carry_out(&c, &file, err);
        if (rc == SILT_OK)
            rc = replace(&c, file, err);
        merge_destroy(c.merge);
        silt_arena_destroy(c.arena);
        silt_arena_destroy(c.pending.texts);
        free(c.pending.values);
        free(c.pending.valid);
        free(c.pending.columns);
        atomic_store(&shard->counters.merging, false);
        shard_count(&shard->counters.merge_ns, silt_clock_monotonic_ns() - begun_ns);
        note_end(shard, rc != SILT_OK);
        shard_count(rc == SILT_OK ? &shard->counters.merges : &shard->counters.merge_errors, 1);
        if (rc == SILT_OK) {
            *did = true;
            atomic_fetch_add(&storage->compactions, 1);
        }
    }
    version_release(c.version);
    pthread_mutex_unlock(&shard->compact_lock);
    return atomic_load(&shard->dropped) ? SILT_OK : rc;
}

enum silt_status compact_step(struct silt_storage *storage, bool *did, struct silt_error *err)
{
    struct shard **shards;
    enum silt_status rc = SILT_OK;
    size_t count = all_shards(storage, &shards);
    for (size_t i = 0; i < count; i++) { /* one with a damaged file must not keep the others waiting */
        struct silt_error why;
        enum silt_status status = compact_shard(storage, shards[i], false, did, &why);
        if (status != SILT_OK && rc == SILT_OK) {
            rc = status;
            *err = why;
        }
        shard_release(shards[i]);
    }
    free(shards);
    return rc;
}
