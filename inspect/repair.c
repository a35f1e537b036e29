/*
 * repair.c - silt-inspect repair: sets aside what is damaged, so that the server starts and serves the rest.
 *
 * What it cannot make sound again is the catalog, which alone knows what series are called.
 */
#include "inspect/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---------------------------------------------------------------- what the other files need */

void repair_done(struct repair *repair, const char *where, const char *what)
{
    repair->repaired++;
    printf("REPAIRED %s: %s\n", where, what);
}

void repair_failed(struct repair *repair, const char *where, const struct silt_error *err)
{
    repair->failed++;
    printf("FAILED   %s: %s\n", where, err->text);
}

enum silt_status repair_epoch(struct repair *repair, uint64_t *epoch, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    if (repair->epoch == 0)
        rc = catalog_next_epoch(repair->store.catalog, &repair->epoch, err);
    *epoch = repair->epoch;
    return rc;
}

void repair_print_shard(const struct repair *repair, const struct catalog_shard *shard)
{
    const struct inspect_database *database = inspect_database(&repair->store, shard->database_id);
    const struct catalog_policy *policy = inspect_policy(&repair->store, shard->policy_id);
    char start[SILT_TIME_TEXT_MAX + 1], end[SILT_TIME_TEXT_MAX + 1];
    struct silt_str unknown = silt_str_from("?");
    printf("         database %.*s, policy %.*s, shard %" PRIu64 " (%s to %s)\n",
           SILT_FMT(database ? database->facts.name : unknown), SILT_FMT(policy ? policy->name : unknown), shard->id,
           inspect_time(shard->start, start), inspect_time(shard->end, end));
}

/* ---------------------------------------------------------------- files */

enum silt_status repair_path(const struct repair *repair, const char *name, char *path, struct silt_error *err)
{
    if (snprintf(path, REPAIR_PATH_BYTES, "%s/%s", repair->directory, name) >= REPAIR_PATH_BYTES)
        return silt_fail(err, SILT_INVALID, "name too long: %.100s", name);
    return SILT_OK;
}

/* The folder that the path is in, its entries durable. */
static enum silt_status sync_folder(const char *path, struct silt_error *err)
{
    char folder[REPAIR_PATH_BYTES];
    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return failed ? silt_fail_errno(err, failed, "sync %s", folder) : SILT_OK;
}

/* The folders of a name from the directory on. */
static enum silt_status make_folders(const struct repair *repair, char *path, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    for (char *slash = strchr(path + strlen(repair->directory) + 1, '/'); slash && rc == SILT_OK; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        rc = mkdir(path, 0750) == 0 || errno == EEXIST ? sync_folder(path, err) : silt_fail_errno(err, errno, "mkdir %s", path);
        *slash = '/';
    }
    return rc;
}

/* A folder that no earlier repair has used. */
static enum silt_status begin_quarantine(struct repair *repair, struct silt_error *err)
{
    char path[REPAIR_PATH_BYTES], second[32];
    time_t now = time(NULL);
    struct tm at;
    if (repair->quarantine[0])
        return SILT_OK;
    strftime(second, sizeof(second), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &at));
    for (unsigned i = 0; i < 100; i++) {
        snprintf(repair->quarantine, sizeof(repair->quarantine), i ? "quarantine/%s-%u" : "quarantine/%s", second, i);
        enum silt_status rc = repair_path(repair, repair->quarantine, path, err);
        if (rc == SILT_OK)
            rc = make_folders(repair, path, err);
        if (rc != SILT_OK)
            return rc;
        if (mkdir(path, 0750) == 0)
            return sync_folder(path, err);
        if (errno != EEXIST)
            return silt_fail_errno(err, errno, "mkdir %s", path);
    }
    return silt_fail(err, SILT_CONFLICT, "%s: in use", repair->quarantine);
}

enum silt_status repair_keep(struct repair *repair, const char *name, struct silt_error *err)
{
    char from[REPAIR_PATH_BYTES], to[REPAIR_PATH_BYTES], kept[VFS_NAME_BYTES_MAX + 80];
    enum silt_status rc = begin_quarantine(repair, err);
    if (rc != SILT_OK)
        return rc;
    snprintf(kept, sizeof(kept), "%s/%s", repair->quarantine, name);
    if ((rc = repair_path(repair, name, from, err)) != SILT_OK || (rc = repair_path(repair, kept, to, err)) != SILT_OK ||
        (rc = make_folders(repair, to, err)) != SILT_OK)
        return rc;
    if (link(from, to) != 0 && errno != ENOENT)
        return silt_fail_errno(err, errno, "link %s to %s", from, to);
    return sync_folder(to, err);
}

enum silt_status repair_rename(struct repair *repair, const char *from, const char *to, struct silt_error *err)
{
    char old[REPAIR_PATH_BYTES], new[REPAIR_PATH_BYTES];
    enum silt_status rc = repair_path(repair, from, old, err);
    if (rc == SILT_OK)
        rc = repair_path(repair, to, new, err);
    if (rc == SILT_OK)
        rc = make_folders(repair, new, err);
    if (rc != SILT_OK)
        return rc;
    if (rename(old, new) != 0)
        return silt_fail_errno(err, errno, "rename %s to %s", old, new);
    return sync_folder(new, err);
}

/* ---------------------------------------------------------------- all of it */

/* Which shards may have lost points with the log's records: those whose files do not reach beyond them. */
static void print_lost_records(const struct repair *repair)
{
    if (repair->lost_from == repair->lost_to)
        return;
    printf("         records from %" PRIu64 " to %" PRIu64 " of the log are lost, or some of them. Deletes among them did not take"
           " place.\n         Points among them that were not in files yet belong to:\n",
           repair->lost_from, repair->lost_to - 1);
    for (size_t s = 0; s < repair->store.shard_count; s++) {
        struct manifest manifest;
        struct silt_error ignored;
        if (inspect_manifest(&repair->store, &repair->store.shards[s], &manifest, &ignored) != SILT_OK)
            continue;
        if (manifest.flushed_seq < repair->lost_to)
            repair_print_shard(repair, &repair->store.shards[s]);
        manifest_deinit(&manifest);
    }
}

static int fail_catalog(const struct silt_error *err)
{
    printf("FAILED   meta.sqlite: %s\n         It alone knows what series are called: restore a backup.\n", err->text);
    return INSPECT_FAILED;
}

int inspect_repair(const char *directory)
{
    struct repair repair = {.directory = directory};
    struct silt_error err;
    enum silt_status rc = inspect_open(directory, &repair.store, &err);
    if (rc == SILT_CORRUPT)
        return fail_catalog(&err);
    if (rc != SILT_OK)
        return inspect_fail(&err);
    int status = INSPECT_FINE;
    if (catalog_check(repair.store.catalog, &err) != SILT_OK) {
        status = fail_catalog(&err);
    } else {
        repair_log(&repair);
        for (size_t s = 0; s < repair.store.shard_count; s++)
            repair_shard(&repair, &repair.store.shards[s]);
        print_lost_records(&repair);
        status = repair.failed ? INSPECT_FAILED : repair.repaired ? INSPECT_DAMAGED : INSPECT_FINE;
    }
    if (repair.quarantine[0])
        printf("what was damaged is in %s/%s\n", directory, repair.quarantine);
    if (status == INSPECT_FINE)
        printf("no damage found\n");
    inspect_close(&repair.store);
    return status;
}
