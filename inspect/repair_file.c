/*
 * repair_file.c - a damaged TSM file: the blocks that hold go to a new file, what does not is told by series, field and time.
 *
 * A row group whose blocks all hold is copied as it is; one with a damaged column is written anew without it; one whose times
 * are damaged goes. A damaged index entry takes its series' rows, a damaged page of the directory those of up to 256
 * series, and a damaged header or footer the whole file: then nobody knows where its blocks are.
 */
#include "inspect/repair.h"

#include "silt/storage.h"
#include "silt/text.h"
#include "storage/tsm_read.h"
#include "storage/tsm_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Values of one field of a series, in groups that follow each other; field_id 0: rows. */
struct loss {
    silt_series_id series;
    uint32_t field_id;
    uint64_t count;
    silt_time min, max; /* min above max: not known */
};

struct rewrite {
    struct repair *repair;
    struct tsm_file *from;
    struct tsm_writer *to;
    struct silt_arena *entries, *values;
    struct tsm_scratch scratch;
    struct loss *losses; /* by series */
    size_t loss_count, loss_room;
    uint64_t rows_seen, groups;
};

static void note_loss(struct rewrite *rewrite, struct loss loss)
{
    for (size_t i = rewrite->loss_count; i-- > 0 && rewrite->losses[i].series == loss.series;) {
        struct loss *before = &rewrite->losses[i];
        if (before->field_id != loss.field_id)
            continue;
        before->count += loss.count;
        before->min = loss.min < before->min ? loss.min : before->min;
        before->max = loss.max > before->max ? loss.max : before->max;
        return;
    }
    if (rewrite->loss_count == rewrite->loss_room) {
        rewrite->loss_room = rewrite->loss_room * 2 + 16;
        rewrite->losses = silt_realloc(rewrite->losses, rewrite->loss_room * sizeof(*rewrite->losses));
    }
    rewrite->losses[rewrite->loss_count++] = loss;
}

/* ---------------------------------------------------------------- blocks */

/* A column as the writer wants it. */
static enum silt_status read_column(struct rewrite *rewrite, const struct tsm_group *group, uint32_t index,
                                    struct tsm_column *column, struct silt_error *err)
{
    const struct tsm_field *field = &group->fields[index];
    struct silt_arena *arena = rewrite->values;
    /* Room for what takes most a row: texts. */
    void *read = silt_arena_alloc(arena, group->rows * sizeof(struct silt_str));
    union silt_value *values = silt_arena_alloc(arena, group->rows * sizeof(*values));
    uint64_t *valid = silt_arena_alloc(arena, ENCODE_VALID_WORDS * sizeof(*valid));
    rewrite->scratch.arena = arena;
    enum silt_status rc = tsm_read_column(rewrite->from, group, index, &rewrite->scratch, read, valid, err);
    if (rc != SILT_OK)
        return rc;
    for (uint32_t row = 0; row < group->rows; row++) {
        if (field->type == SILT_TYPE_BOOLEAN) {
            values[row].u64 = ((const uint8_t *)read)[row];
        } else if (field->type == SILT_TYPE_STRING) {
            struct silt_str text = ((const struct silt_str *)read)[row];
            struct silt_bytes *bytes = silt_arena_alloc(arena, sizeof(*bytes) + text.len);
            bytes->len = (uint32_t)text.len;
            if (text.len)
                memcpy(bytes->p, text.p, text.len);
            values[row].string = bytes;
        } else {
            values[row].u64 = ((const uint64_t *)read)[row];
        }
    }
    *column = (struct tsm_column){field->field_id, (enum silt_type)field->type, field->gaps ? valid : NULL, values};
    return SILT_OK;
}

/* One with damage. */
static enum silt_status save_group(struct rewrite *rewrite, silt_series_id series, const struct tsm_group *group,
                                   struct silt_error *err)
{
    silt_time times[TSM_GROUP_ROWS_MAX];
    struct silt_error ignored;
    uint32_t kept = 0;
    silt_arena_reset(rewrite->values);
    if (tsm_read_times(rewrite->from, group, &rewrite->scratch, times, &ignored) != SILT_OK) {
        note_loss(rewrite, (struct loss){series, 0, group->rows, group->min, group->max});
        return SILT_OK;
    }
    struct tsm_column *columns = silt_arena_alloc(rewrite->values, group->field_count * sizeof(*columns));
    for (uint32_t i = 0; i < group->field_count; i++) {
        if (read_column(rewrite, group, i, &columns[kept], &ignored) == SILT_OK)
            kept++;
        else
            note_loss(rewrite, (struct loss){series, group->fields[i].field_id, group->fields[i].count, group->min, group->max});
    }
    if (kept == 0)
        return SILT_OK;
    rewrite->groups++;
    return tsm_writer_row_group(rewrite->to, series, times, group->rows, columns, kept, err);
}

static enum silt_status copy_entry(struct rewrite *rewrite, const struct tsm_entry *entry, struct silt_error *err)
{
    const uint8_t *blocks;
    struct silt_error ignored;
    enum silt_status rc = SILT_OK;
    for (size_t g = 0; g < entry->group_count && rc == SILT_OK; g++) {
        const struct tsm_group *group = &entry->groups[g];
        rewrite->rows_seen += group->rows;
        if (tsm_read_blocks(rewrite->from, group, &rewrite->scratch, &blocks, &ignored) == SILT_OK) {
            rewrite->groups++;
            rc = tsm_writer_copy(rewrite->to, entry->series, rewrite->from, group, err);
        } else {
            rc = save_group(rewrite, entry->series, group, err);
        }
    }
    return rc;
}

static enum silt_status copy_file(struct rewrite *rewrite, struct silt_error *err)
{
    const struct tsm_summary *summary = tsm_summary(rewrite->from);
    enum silt_status rc = SILT_OK;
    silt_series_id before = 0;
    for (uint64_t i = 0; i < summary->series && rc == SILT_OK; i++) {
        struct tsm_entry entry = {0};
        struct silt_error ignored;
        silt_arena_reset(rewrite->entries);
        if (tsm_series_at(rewrite->from, i, INT64_MIN, INT64_MAX, rewrite->entries, &entry, &ignored) != SILT_OK) {
            note_loss(rewrite, (struct loss){entry.series, 0, 0, INT64_MAX, INT64_MIN});
        } else if (entry.series > before) {
            before = entry.series;
            rc = copy_entry(rewrite, &entry, err);
        }
    }
    return rc;
}

/* ---------------------------------------------------------------- what is lost */

struct telling {
    const struct rewrite *rewrite;
    const struct inspect_database *database;
    struct silt_arena *arena;
    size_t next; /* of the losses */
};

static struct silt_str field_name(const struct telling *telling, struct silt_str measurement, uint32_t field_id)
{
    for (uint32_t m = 0; telling->database && m < telling->database->measurement_count; m++) {
        const struct inspect_measurement *at = &telling->database->measurements[m];
        if (at->name.p && silt_str_equal(at->name, measurement) && field_id < at->field_count && at->fields[field_id].p)
            return at->fields[field_id];
    }
    return (struct silt_str){NULL, 0};
}

static void print_loss(const struct telling *telling, const struct loss *loss, struct silt_str text)
{
    char min[SILT_TIME_TEXT_MAX + 1], max[SILT_TIME_TEXT_MAX + 1];
    struct silt_str key, measurement = {NULL, 0}, name;
    struct silt_tag *tags;
    size_t count;
    silt_arena_reset(telling->arena);
    if (text.p)
        silt_series_key_parse(text, telling->arena, &key, &measurement, &tags, &count);
    printf("         lost: ");
    if (text.p)
        printf("%.*s", SILT_FMT(text));
    else
        printf("series %u, which the catalog does not name", loss->series);
    if (loss->field_id) {
        name = field_name(telling, measurement, loss->field_id);
        if (name.p)
            printf(", field %.*s", SILT_FMT(name));
        else
            printf(", field %u", loss->field_id);
    }
    if (loss->min <= loss->max)
        printf(": %" PRIu64 " %s, %s to %s\n", loss->count, loss->field_id ? "values" : "rows", inspect_time(loss->min, min),
               inspect_time(loss->max, max));
    else
        printf(": all its rows in this file\n");
}

static enum silt_status print_named(void *arg, uint32_t database_id, silt_series_id id, struct silt_str key,
                                    struct silt_error *err)
{
    struct telling *telling = arg;
    const struct rewrite *rewrite = telling->rewrite;
    for (; telling->next < rewrite->loss_count && rewrite->losses[telling->next].series <= id; telling->next++) {
        const struct loss *loss = &rewrite->losses[telling->next];
        print_loss(telling, loss, loss->series == id ? key : (struct silt_str){NULL, 0});
    }
    return SILT_OK;
}

static void print_losses(struct rewrite *rewrite, const struct catalog_shard *shard)
{
    struct telling telling = {.rewrite = rewrite, .database = inspect_database(&rewrite->repair->store, shard->database_id),
                              .arena = silt_arena_create(NULL)};
    const struct tsm_summary *summary = tsm_summary(rewrite->from);
    struct silt_error err;
    size_t unnamed = 0, kept = 0;
    for (size_t i = 0; i < rewrite->loss_count; i++) /* of a page of the directory: not even their numbers are known */
        if (rewrite->losses[i].series == 0)
            unnamed++;
        else
            rewrite->losses[kept++] = rewrite->losses[i];
    rewrite->loss_count = kept;
    if (telling.database && kept &&
        inspect_each_series(&rewrite->repair->store, telling.database, print_named, &telling, &err) != SILT_OK)
        printf("         the names of series cannot be read: %s\n", err.text);
    for (; telling.next < rewrite->loss_count; telling.next++)
        print_loss(&telling, &rewrite->losses[telling.next], (struct silt_str){NULL, 0});
    if (unnamed)
        printf("         lost: all rows of series that stood in a damaged page of the directory\n");
    if (summary->rows > rewrite->rows_seen)
        printf("         lost: %" PRIu64 " rows of series without an index entry that holds\n",
               summary->rows - rewrite->rows_seen);
    silt_arena_destroy(telling.arena);
}

/* ---------------------------------------------------------------- the file */

static enum silt_status is_sound(struct repair *repair, const char *name, const struct manifest_file *facts,
                                 struct tsm_file **file, struct silt_error *err)
{
    enum silt_status rc = tsm_open(repair->store.vfs, name, file, err);
    if (rc != SILT_OK)
        return rc;
    const struct tsm_summary *summary = tsm_summary(*file);
    if (summary->file_id != facts->file_id || summary->bytes != facts->bytes || summary->rows != facts->rows ||
        summary->min != facts->min || summary->max != facts->max)
        return silt_fail(err, SILT_CORRUPT, "%s: it is not the file that the manifest describes", name);
    return tsm_verify(*file, err);
}

/* What holds of it as a new file; *rows 0: nothing does, there is none. */
static enum silt_status write_anew(struct rewrite *rewrite, struct manifest *manifest, const struct manifest_file *old,
                                   struct manifest_file *facts, struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    struct vfs *vfs = rewrite->repair->store.vfs;
    struct tsm_summary summary = {0};
    struct tsm_file *file = NULL;
    uint64_t id = manifest->next_file_id++;
    manifest_file_name(manifest, id, name);
    enum silt_status rc = tsm_writer_open(vfs, name, id, manifest->epoch, &rewrite->to, err);
    if (rc != SILT_OK)
        return rc;
    rc = copy_file(rewrite, err);
    *facts = (struct manifest_file){0};
    if (rc != SILT_OK || rewrite->groups == 0) {
        tsm_writer_abort(rewrite->to);
        return rc;
    }
    rc = tsm_writer_finish(rewrite->to, &summary, err);
    if (rc == SILT_OK)
        rc = tsm_open(vfs, name, &file, err);
    if (rc == SILT_OK)
        rc = tsm_verify(file, err);
    tsm_close(file);
    *facts = (struct manifest_file){.file_id = id, .seq = old->seq, .bytes = summary.bytes, .rows = summary.rows,
                                    .min = summary.min, .max = summary.max, .level = old->level};
    return rc;
}

static void begin(struct rewrite *rewrite, struct repair *repair, struct tsm_file *file)
{
    *rewrite = (struct rewrite){.repair = repair, .from = file, .entries = silt_arena_create(NULL),
                                .values = silt_arena_create(NULL)};
}

static void end(struct rewrite *rewrite)
{
    tsm_scratch_deinit(&rewrite->scratch);
    silt_arena_destroy(rewrite->entries);
    silt_arena_destroy(rewrite->values);
    free(rewrite->losses);
}

void repair_file(struct repair *repair, const struct catalog_shard *shard, struct manifest *manifest, size_t index, bool *gone)
{
    const struct manifest_file old = manifest->files[index];
    struct manifest_file new = {0};
    struct tsm_file *file = NULL;
    struct rewrite rewrite;
    struct silt_error damage, err;
    char name[VFS_NAME_BYTES_MAX], what[sizeof(damage.text) + 100], min[SILT_TIME_TEXT_MAX + 1], max[SILT_TIME_TEXT_MAX + 1];
    *gone = false;
    manifest_file_name(manifest, old.file_id, name);
    enum silt_status rc = is_sound(repair, name, &old, &file, &damage);
    if (rc == SILT_OK) {
        tsm_close(file);
        return;
    }
    begin(&rewrite, repair, file);
    rc = repair_epoch(repair, &manifest->epoch, &err);
    if (rc == SILT_OK)
        rc = repair_keep(repair, name, &err);
    if (rc == SILT_OK && file)
        rc = write_anew(&rewrite, manifest, &old, &new, &err);
    if (rc == SILT_OK) {
        struct manifest_edit edit = {.add = &new, .add_count = new.rows > 0, .remove = &old.file_id, .remove_count = 1};
        rc = manifest_apply(manifest, &edit, &err);
    }
    if (rc == SILT_OK)
        rc = vfs_blob_remove(repair->store.vfs, name, &err);
    if (rc != SILT_OK) {
        repair_failed(repair, name, &err);
    } else {
        snprintf(what, sizeof(what), new.rows ? "%s; what holds is in %016" PRIx64 ".tsm" : "%s; nothing of it is left",
                 strncmp(damage.text, name, strlen(name)) == 0 ? damage.text + strlen(name) + 2 : damage.text, new.file_id);
        repair_done(repair, name, what);
        repair_print_shard(repair, shard);
        if (file)
            print_losses(&rewrite, shard);
        else
            printf("         lost: %" PRIu64 " rows, %s to %s, of series that only the file knew\n", old.rows,
                   inspect_time(old.min, min), inspect_time(old.max, max));
        *gone = new.rows == 0;
    }
    end(&rewrite);
    tsm_close(file);
}
