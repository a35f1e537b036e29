/*
 * shard_scan.c - see shard_scan.h.
 */
#include "inspect/influxdb/shard_scan.h"

#include "inspect/influxdb/shard_types.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- the files */

static bool ends_in(const char *name, const char *suffix)
{
    size_t len = strlen(name), suffix_len = strlen(suffix);
    return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Paths of a folder's files with such an ending, by name; to be freed. A folder that is not there has none. */
static enum silt_status list(const char *folder, const char *suffix, char ***paths, size_t *count,
                             struct silt_error *err)
{
    *paths = NULL;
    *count = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return errno == ENOENT ? SILT_OK : silt_fail_errno(err, errno, "%s", folder);
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        char path[PATH_MAX];
        if (!ends_in(entry->d_name, suffix))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        *paths = silt_realloc(*paths, (*count + 1) * sizeof(**paths));
        (*paths)[(*count)++] = silt_strdup(silt_str_from(path));
    }
    closedir(dir);
    if (*count)
        qsort(*paths, *count, sizeof(**paths), by_name);
    return SILT_OK;
}

static void free_paths(char **paths, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
}

static enum silt_status open_files(struct influx_shard *shard, const char *folder, struct influx_log *log,
                                   struct silt_error *err)
{
    char **paths;
    size_t count;
    enum silt_status rc = list(folder, ".tsm", &paths, &count, err);
    shard->files = silt_calloc(count ? count : 1, sizeof(*shard->files));
    for (size_t i = 0; i < count && rc == SILT_OK; i++) {
        rc = influx_tsm_open(paths[i], log, &shard->files[shard->file_count], err);
        if (rc == SILT_OK)
            shard->file_count++;
        if (rc == SILT_CORRUPT) {
            influx_damaged(log, paths[i], 0, "%s; the file is left out", err->text);
            rc = SILT_OK;
        }
    }
    free_paths(paths, count);
    return rc;
}

static enum silt_status read_log(struct influx_shard *shard, const char *folder, struct influx_log *log,
                                 struct silt_error *err)
{
    char **paths;
    size_t count, len;
    enum silt_status rc = list(folder, ".wal", &paths, &count, err);
    for (size_t i = 0; i < count && rc == SILT_OK; i++) {
        const uint8_t *bytes;
        rc = influx_map(paths[i], &bytes, &len, err);
        if (rc != SILT_OK)
            break;
        rc = influx_wal_add(&shard->wal, paths[i], bytes, len, i + 1 == count, log, err);
        influx_unmap(bytes, len);
    }
    influx_wal_finish(&shard->wal);
    free_paths(paths, count);
    return rc;
}

enum silt_status influx_shard_open(const char *data_folder, const char *wal_folder, const struct influx_shard_info *info,
                                   struct silt_budget *budget, struct influx_log *log, struct influx_shard *out,
                                   struct silt_error *err)
{
    *out = (struct influx_shard){0};
    influx_wal_init(&out->wal, info->start, info->end, budget);
    enum silt_status rc = open_files(out, data_folder, log, err);
    if (rc == SILT_OK)
        rc = read_log(out, wal_folder, log, err);
    if (rc == SILT_OK)
        influx_shard_check_types(out, log);
    if (rc != SILT_OK)
        influx_shard_close(out);
    return rc;
}

void influx_shard_close(struct influx_shard *shard)
{
    for (size_t i = 0; i < shard->file_count; i++)
        influx_tsm_close(shard->files[i]);
    free(shard->files);
    influx_wal_free(&shard->wal);
    *shard = (struct influx_shard){0};
}

/* ---------------------------------------------------------------- the series */

void influx_scan_free(struct influx_scan *scan)
{
    for (size_t i = 0; i < scan->field_capacity; i++)
        influx_field_free(&scan->fields[i]);
    free(scan->fields);
    free(scan->offsets);
    free(scan->keys);
    free(scan->at_end);
    *scan = (struct influx_scan){0};
}

/* The file's next key into keys[index]; what is wrong with the index ends the file. */
static void advance(struct influx_scan *scan, size_t index)
{
    const struct influx_tsm *file = scan->shard->files[index];
    struct influx_key *key = &scan->keys[index];
    struct silt_str before = key->key, series, field;
    for (;;) {
        size_t offset = scan->offsets[index];
        if (offset >= file->index_end) {
            scan->at_end[index] = true;
            return;
        }
        const char *wrong = influx_tsm_key(file, offset, key);
        if (!wrong && before.p && silt_str_compare(before, key->key) >= 0)
            wrong = "keys that do not rise";
        if (wrong) {
            influx_damaged(scan->log, file->path, offset, "%s; the keys from here on are left out", wrong);
            scan->at_end[index] = true;
            return;
        }
        scan->offsets[index] = key->next;
        if (influx_split_key(key->key, &series, &field))
            return;
        influx_damaged(scan->log, file->path, offset, "a key without a field: %.*s", SILT_FMT(key->key));
        before = key->key;
    }
}

static void begin(struct influx_scan *scan)
{
    size_t count = scan->shard->file_count ? scan->shard->file_count : 1;
    scan->begun = true;
    scan->offsets = silt_calloc(count, sizeof(*scan->offsets));
    scan->keys = silt_calloc(count, sizeof(*scan->keys));
    scan->at_end = silt_calloc(count, sizeof(*scan->at_end));
    for (size_t i = 0; i < scan->shard->file_count; i++) {
        scan->offsets[i] = scan->shard->files[i]->index;
        advance(scan, i);
    }
}

/* The least key that is left; false: none. */
static bool least(struct influx_scan *scan, struct silt_str *out)
{
    const struct influx_wal *wal = &scan->shard->wal;
    struct silt_str series, field;
    bool found = false;
    for (size_t i = 0; i < scan->shard->file_count; i++) {
        if (scan->at_end[i] || (found && silt_str_compare(scan->keys[i].key, *out) >= 0))
            continue;
        *out = scan->keys[i].key;
        found = true;
    }
    while (scan->wal_at < wal->count && !influx_split_key(wal->keys[scan->wal_at].key, &series, &field))
        scan->wal_at++;
    if (scan->wal_at < wal->count && (!found || silt_str_compare(wal->keys[scan->wal_at].key, *out) < 0)) {
        *out = wal->keys[scan->wal_at].key;
        found = true;
    }
    return found;
}

static struct influx_field *add_field(struct influx_scan *scan, struct silt_str name)
{
    if (scan->field_count == scan->field_capacity) {
        size_t capacity = scan->field_capacity ? scan->field_capacity * 2 : 16;
        scan->fields = silt_realloc(scan->fields, capacity * sizeof(*scan->fields));
        memset(scan->fields + scan->field_capacity, 0, (capacity - scan->field_capacity) * sizeof(*scan->fields));
        scan->field_capacity = capacity;
    }
    struct influx_field *field = &scan->fields[scan->field_count++];
    influx_field_begin(field, name);
    return field;
}

/* All that has this key, from the oldest to the newest. */
static void add_sources(struct influx_scan *scan, struct silt_str key, struct influx_field *field)
{
    const struct influx_wal *wal = &scan->shard->wal;
    for (size_t i = 0; i < scan->shard->file_count; i++) {
        if (scan->at_end[i] || !silt_str_equal(scan->keys[i].key, key))
            continue;
        influx_field_add_file(field, scan->shard->files[i], &scan->keys[i]);
        advance(scan, i);
    }
    if (scan->wal_at < wal->count && silt_str_equal(wal->keys[scan->wal_at].key, key))
        influx_field_add_log(field, &wal->keys[scan->wal_at++]);
}

/* The keys of a series follow each other: they begin alike, and end in the fields' names. */
bool influx_scan_next(struct influx_scan *scan)
{
    struct silt_str key, series, name;
    if (!scan->begun)
        begin(scan);
    scan->field_count = 0;
    while (least(scan, &key)) {
        influx_split_key(key, &series, &name);
        if (scan->field_count == 0)
            scan->series = series;
        else if (!silt_str_equal(scan->series, series))
            break;
        struct influx_field *field = add_field(scan, name);
        add_sources(scan, key, field);
        influx_field_start(field);
        if (field->source_count == 0)
            scan->field_count--; /* all of it was deleted */
    }
    return scan->field_count > 0;
}
