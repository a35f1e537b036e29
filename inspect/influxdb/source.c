/*
 * source.c - see source.h.
 */
#include "inspect/influxdb/source.h"

#include "silt/text.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The log of a shard is bounded by InfluxDB's cache-max-memory-size, a gigabyte; this is room for a few of those. */
#define LOG_BYTES_MAX ((size_t)8 << 30)

static struct silt_budget log_budget = {.name = "a shard's log", .limit_bytes = LOG_BYTES_MAX};

/* InfluxDB makes folders of names, and refuses those that could not be one. */
static bool is_folder_name(struct silt_str name)
{
    return name.len && name.len <= NAME_MAX && !memchr(name.p, '/', name.len) && !memchr(name.p, '\0', name.len) &&
           !silt_str_equal(name, SILT_STR(".")) && !silt_str_equal(name, SILT_STR(".."));
}

static enum silt_status check_names(const struct influx_meta *meta, struct silt_error *err)
{
    for (size_t d = 0; d < meta->database_count; d++) {
        const struct influx_database *database = &meta->databases[d];
        bool good = is_folder_name(database->name);
        for (size_t p = 0; p < database->policy_count && good; p++)
            good = is_folder_name(database->policies[p].name);
        if (!good)
            return silt_fail(err, SILT_CORRUPT,
                             "database \"%.*s\" or a policy of it has a name that no folder can have",
                             SILT_FMT(database->name));
    }
    return SILT_OK;
}

enum silt_status influx_source_open(const char *path, struct influx_source_dir *out, struct silt_error *err)
{
    static const char *const parts[] = {"data", "wal",
                                        "meta/meta.db"}; /* without a log, the newest points would be missed */
    char name[PATH_MAX];
    const uint8_t *bytes;
    size_t len;

    *out = (struct influx_source_dir){.path = path};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (snprintf(name, sizeof(name), "%s/%s", path, parts[i]) >= (int)sizeof(name) || access(name, F_OK) != 0)
            return silt_fail(err, SILT_NOT_FOUND, "%s: not InfluxDB's directory: it has no %s", path, parts[i]);
    enum silt_status rc = influx_map(name, &bytes, &len, err);
    if (rc != SILT_OK)
        return rc;
    out->arena = silt_arena_create(NULL);
    rc = influx_meta_parse(bytes, len, out->arena, &out->meta, err);
    influx_unmap(bytes, len);
    if (rc == SILT_OK)
        rc = check_names(&out->meta, err);
    if (rc != SILT_OK) {
        struct silt_error inner = *err;
        silt_fail(err, rc, "%s: %s", name, inner.text);
        influx_source_close(out);
    }
    return rc;
}

void influx_source_close(struct influx_source_dir *source)
{
    silt_arena_destroy(source->arena);
    *source = (struct influx_source_dir){0};
}

enum silt_status influx_source_shard(const struct influx_source_dir *source, const struct influx_database *database,
                                     const struct influx_policy *policy, const struct influx_shard_info *shard,
                                     struct influx_log *log, struct influx_shard *out, struct silt_error *err)
{
    char folders[2][PATH_MAX];
    static const char *const roots[] = {"data", "wal"};
    for (size_t i = 0; i < 2; i++) {
        int len = snprintf(folders[i], PATH_MAX, "%s/%s/%.*s/%.*s/%llu", source->path, roots[i],
                           SILT_FMT(database->name), SILT_FMT(policy->name), (unsigned long long)shard->id);
        if (len >= PATH_MAX)
            return silt_fail(err, SILT_INVALID, "%s: the path is too long", source->path);
    }
    return influx_shard_open(folders[0], folders[1], shard, &log_budget, log, out, err);
}

enum silt_status influx_source_fingerprint(const struct influx_source_dir *source, uint64_t *out,
                                           struct silt_error *err)
{
    char *path = silt_strdup(silt_str_from(source->path));
    char *paths[] = {path, NULL};
    uint64_t sum = 0;
    enum silt_status rc = SILT_OK;
    FTS *walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    const FTSENT *entry;

    errno = walk ? 0 : errno;
    while (walk && (entry = fts_read(walk))) {
        if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR || entry->fts_info == FTS_NS) {
            rc = silt_fail_errno(err, entry->fts_errno, "%s", entry->fts_path);
            break;
        }
        if (entry->fts_info != FTS_F)
            continue;
        const struct stat *st = entry->fts_statp;
        const uint64_t facts[] = {silt_hash(entry->fts_path + strlen(path), entry->fts_pathlen - strlen(path)),
                                  (uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec};
        sum += silt_hash(facts, sizeof(facts)); /* in whatever order they are listed */
    }
    if (rc == SILT_OK && errno != 0)
        rc = silt_fail_errno(err, errno, "%s", source->path);
    if (walk)
        fts_close(walk);
    free(path);
    *out = sum;
    return rc;
}
