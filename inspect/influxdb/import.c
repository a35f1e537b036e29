/*
 * import.c - silt-inspect import-influxdb: a stopped InfluxDB's directory into one of siltd's.
 *
 *     meta.db ──> databases, policies
 *     shards  ──> scan ──> rows ──> store     every so many values: flush, and note how far it is (progress.h)
 *     meta.db ──> durations, queries, users
 *     both are read again and compared (compare.h); then the note of progress goes
 */
#include "inspect/inspect.h"

#include "inspect/influxdb/compare.h"
#include "inspect/influxdb/definitions.h"
#include "inspect/influxdb/progress.h"
#include "inspect/influxdb/row_writer.h"
#include "silt/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHECKPOINT_VALUES ((uint64_t)50000000)
#define TELL_EVERY_NS ((uint64_t)500000000)

struct import {
    const char *from, *into;
    const char **only; /* --database */
    size_t only_count;
    bool unverified;
    uint64_t checkpoint_values;
    struct influx_source_dir source;
    struct silt_storage *storage;
    struct influx_writer *writer;
    struct influx_progress *progress;
    struct influx_log log;
    uint64_t fingerprint;
    uint64_t shards;
    uint64_t *through; /* shards that were read to their end since the last checkpoint: many small ones share one */
    size_t through_count;
    uint64_t checkpointed; /* values at the last checkpoint */
    bool terminal;         /* stderr: how far it is is told there */
    uint64_t began_ns, told_ns;
};

/* ---------------------------------------------------------------- which databases */

static bool wanted(const struct import *import, struct silt_str name)
{
    for (size_t i = 0; i < import->only_count; i++)
        if (silt_str_equal(silt_str_from(import->only[i]), name))
            return true;
    return import->only_count == 0 &&
           !silt_str_equal(name, SILT_STR("_internal")); /* InfluxDB's statistics of itself */
}

static enum silt_status check_wanted(const struct import *import, struct silt_error *err)
{
    for (size_t i = 0; i < import->only_count; i++) {
        bool found = false;
        for (size_t d = 0; d < import->source.meta.database_count && !found; d++)
            found = silt_str_equal(import->source.meta.databases[d].name, silt_str_from(import->only[i]));
        if (!found)
            return silt_fail(err, SILT_NOT_FOUND, "%s has no database \"%s\"", import->from, import->only[i]);
    }
    return SILT_OK;
}

/* What is imported would be mixed with what is there, and nobody could tell it apart again. */
static enum silt_status check_free(const struct import *import, struct silt_error *err)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct silt_source *target = silt_storage_source(import->storage);
    struct silt_str *names;
    size_t count;
    enum silt_status rc = target->databases(target, arena, &names, &count);
    for (size_t i = 0; rc == SILT_OK && i < count; i++)
        for (size_t d = 0; rc == SILT_OK && d < import->source.meta.database_count; d++)
            if (silt_str_equal(import->source.meta.databases[d].name, names[i]) && wanted(import, names[i]))
                rc = silt_fail(err, SILT_CONFLICT,
                               "database \"%.*s\" is in %s already: choose others with --database, or drop it",
                               SILT_FMT(names[i]), import->into);
    silt_arena_destroy(arena);
    return rc;
}

/* ---------------------------------------------------------------- shards */

static double seconds_since(uint64_t ns)
{
    return (double)(silt_clock_monotonic_ns() - ns) / 1e9;
}

/* On a terminal, a line that is written over. */
static void tell(struct import *import, const struct influx_database *database, const struct influx_policy *policy,
                 uint64_t shard)
{
    uint64_t now = silt_clock_monotonic_ns();
    if (!import->terminal || now - import->told_ns < TELL_EVERY_NS)
        return;
    import->told_ns = now;
    uint64_t values = influx_writer_counts(import->writer)->values;
    fprintf(stderr, "\r%" PRIu64 " values, %.1f million a second; %.*s.%.*s shard %" PRIu64 "\033[K", values,
            (double)values / seconds_since(import->began_ns) / 1e6, SILT_FMT(database->name), SILT_FMT(policy->name),
            shard);
}

/* All that was written is made safe and put down: shards that are through, and so many series of another one, if any. */
static enum silt_status checkpoint(struct import *import, uint64_t shard, uint64_t series, struct silt_error *err)
{
    enum silt_status rc = influx_writer_flush(import->writer, err);
    if (rc == SILT_OK)
        rc = silt_storage_flush(import->storage, err);
    if (rc == SILT_OK)
        rc = influx_writer_flush(import->writer, err); /* nothing is left to write: what became of it on its way */
    for (size_t i = 0; i < import->through_count && rc == SILT_OK; i++)
        rc = influx_progress_note(import->progress, import->through[i], INFLUX_SHARD_DONE, err);
    if (rc == SILT_OK && series)
        rc = influx_progress_note(import->progress, shard, series, err);
    import->through_count = 0;
    import->checkpointed = influx_writer_counts(import->writer)->values;
    return rc;
}

static bool checkpoint_due(const struct import *import)
{
    return influx_writer_counts(import->writer)->values - import->checkpointed >= import->checkpoint_values;
}

static enum silt_status import_shard(struct import *import, const struct influx_database *database,
                                     const struct influx_policy *policy, const struct influx_shard_info *shard,
                                     struct silt_error *err)
{
    struct influx_shard files;
    uint64_t series = 0, skipped = influx_progress_of(import->progress, shard->id);
    if (skipped == INFLUX_SHARD_DONE)
        return SILT_OK;
    enum silt_status rc = influx_source_shard(&import->source, database, policy, shard, &import->log, &files, err);
    if (rc != SILT_OK)
        return rc;
    struct influx_scan scan = {.shard = &files, .log = &import->log};
    influx_writer_target(import->writer, database->name, policy->name);
    while (rc == SILT_OK && influx_scan_next(&scan)) {
        if (series++ < skipped)
            continue;
        rc = influx_writer_add(import->writer, &scan, err);
        if (rc == SILT_OK && checkpoint_due(import))
            rc = checkpoint(import, shard->id, series, err);
        tell(import, database, policy, shard->id);
    }
    if (rc == SILT_OK)
        rc = influx_writer_flush(import->writer, err); /* its texts are the files' */
    influx_scan_free(&scan);
    influx_shard_close(&files);
    import->shards++;
    import->through = silt_realloc(import->through, (import->through_count + 1) * sizeof(*import->through));
    import->through[import->through_count++] = shard->id;
    return rc;
}

static enum silt_status import_shards(struct import *import, struct silt_error *err)
{
    const struct influx_meta *meta = &import->source.meta;
    enum silt_status rc = SILT_OK;

    for (size_t d = 0; d < meta->database_count; d++) {
        const struct influx_database *database = &meta->databases[d];
        for (size_t p = 0; p < database->policy_count && wanted(import, database->name); p++) {
            const struct influx_policy *policy = &database->policies[p];
            for (size_t s = 0; s < policy->shard_count && rc == SILT_OK; s++) {
                rc = import_shard(import, database, policy, &policy->shards[s], err);
                if (rc == SILT_OK && checkpoint_due(import))
                    rc = checkpoint(import, 0, 0, err);
            }
        }
    }
    if (rc == SILT_OK)
        rc = checkpoint(import, 0, 0, err);
    if (import->terminal)
        fputs("\r\033[K", stderr);
    return rc;
}

/* ---------------------------------------------------------------- the whole */

static enum silt_status each_database(struct import *import,
                                      enum silt_status (*fn)(struct silt_storage *storage,
                                                             const struct influx_database *database,
                                                             struct silt_error *err),
                                      struct silt_error *err)
{
    const struct influx_meta *meta = &import->source.meta;
    enum silt_status rc = SILT_OK;
    for (size_t d = 0; d < meta->database_count && rc == SILT_OK; d++)
        if (wanted(import, meta->databases[d].name))
            rc = fn(import->storage, &meta->databases[d], err);
    return rc;
}

static enum silt_status open_both(struct import *import, struct silt_error *err)
{
    struct silt_storage_options options;
    bool resumed = false;
    enum silt_status rc = influx_source_open(import->from, &import->source, err);
    if (rc == SILT_OK)
        rc = check_wanted(import, err);
    if (rc == SILT_OK)
        rc = influx_source_fingerprint(&import->source, &import->fingerprint, err);
    if (rc != SILT_OK)
        return rc;
    silt_storage_options_init(&options);
    options.data_dir = import->into;
    options.sync_mode = SILT_SYNC_OFF; /* checkpoints flush, and files are synced */
    options.retention_off = true;
    rc = silt_storage_open(&options, &import->storage, err);
    if (rc == SILT_OK)
        rc = influx_progress_open(import->into, import->fingerprint, &import->progress, &resumed, err);
    if (rc == SILT_OK && !resumed) {
        struct silt_error ignored; /* the reason is in err */
        rc = check_free(import, err);
        if (rc != SILT_OK)
            influx_progress_finish(import->progress, &ignored);
    }
    if (rc == SILT_OK && resumed)
        puts("going on with the import that was begun here");
    return rc;
}

static enum silt_status run(struct import *import, struct silt_error *err)
{
    uint64_t fingerprint;
    enum silt_status rc = open_both(import, err);
    if (rc != SILT_OK)
        return rc;
    import->writer = influx_writer_create(import->storage);
    import->began_ns = silt_clock_monotonic_ns();
    rc = each_database(import, influx_define_database, err);
    if (rc == SILT_OK)
        rc = import_shards(import, err);
    if (rc == SILT_OK)
        rc = each_database(import, influx_finish_database, err);
    if (rc == SILT_OK)
        rc = influx_define_users(import->storage, &import->source.meta, err);
    if (rc == SILT_OK)
        rc = influx_source_fingerprint(&import->source, &fingerprint, err);
    if (rc == SILT_OK && fingerprint != import->fingerprint)
        rc = silt_fail(err, SILT_CONFLICT,
                       "%s: files changed while they were read: stop influxd, remove the target, begin again",
                       import->from);
    if (rc == SILT_OK) {
        const struct influx_writer_counts *counts = influx_writer_counts(import->writer);
        double seconds = seconds_since(import->began_ns);
        printf("imported %" PRIu64 " values in %" PRIu64 " rows of %" PRIu64
               " shards in %.1f s, %.2f million a second\n",
               counts->values, counts->rows, import->shards, seconds,
               (double)counts->values / (seconds > 0 ? seconds : 1) / 1e6);
    }
    return rc;
}

static enum silt_status verify(struct import *import, struct influx_comparison *found, struct silt_error *err)
{
    const struct influx_meta *meta = &import->source.meta;
    uint64_t began = silt_clock_monotonic_ns();
    enum silt_status rc = SILT_OK;
    for (size_t d = 0; d < meta->database_count; d++)
        for (size_t p = 0;
             p < meta->databases[d].policy_count && wanted(import, meta->databases[d].name) && rc == SILT_OK; p++)
            rc = influx_compare(&import->source, &meta->databases[d], &meta->databases[d].policies[p], import->storage,
                                found, err);
    if (rc == SILT_OK)
        printf("verified %" PRIu64 " values in %.1f s: %s\n", found->values, seconds_since(began),
               found->differs ? "NOT EQUAL" : "equal");
    return rc;
}

static int finish(struct import *import, enum silt_status rc, struct silt_error *err)
{
    struct influx_comparison found = {0};
    int status = INSPECT_FINE;
    if (rc == SILT_OK && !import->unverified)
        rc = verify(import, &found, err);
    if (rc == SILT_OK) {
        const struct influx_writer_counts *counts = influx_writer_counts(import->writer);
        if (counts->rejected)
            fprintf(stderr, "%" PRIu64 " rows were refused\n", counts->rejected);
        if (counts->left_out)
            fprintf(stderr,
                    "%" PRIu64 " pieces of fields were left out: their values have another type than the newest\n",
                    counts->left_out);
        /* An import that went on has not seen what it did before: the comparison has read it all. */
        uint64_t damaged = import->unverified ? import->log.damaged : found.damaged;
        if (damaged)
            fprintf(stderr, "%" PRIu64 " damaged places in %s were left out\n", damaged, import->from);
        if (counts->rejected || counts->left_out || damaged || found.differs)
            status = INSPECT_DAMAGED;
        rc = influx_progress_finish(import->progress, err);
    }
    struct silt_error close_err;
    if (import->storage) {
        enum silt_status closed = silt_storage_close(import->storage, true, &close_err);
        if (rc == SILT_OK && closed != SILT_OK) {
            rc = closed;
            *err = close_err;
        }
    }
    influx_writer_destroy(import->writer);
    influx_progress_close(import->progress);
    influx_source_close(&import->source);
    return rc == SILT_OK ? status : inspect_fail(err);
}

int inspect_import_influxdb(int argc, char **argv)
{
    struct import import = {.checkpoint_values = CHECKPOINT_VALUES, .terminal = isatty(STDERR_FILENO)};
    struct silt_error err;
    int64_t number;
    bool good = true;

    import.only = silt_calloc((size_t)argc + 1, sizeof(*import.only));
    for (int i = 0; i < argc && good; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--no-verify") == 0) {
            import.unverified = true;
        } else if (argv[i][0] != '-') {
            good = !import.from;
            import.from = argv[i];
        } else if (!value) {
            good = false;
        } else if (strcmp(argv[i], "--into") == 0) {
            import.into = argv[++i];
        } else if (strcmp(argv[i], "--database") == 0) {
            import.only[import.only_count++] = argv[++i];
        } else if (strcmp(argv[i], "--checkpoint") == 0) {
            good = silt_parse_int(value, strlen(value), &number, NULL) && number > 0;
            import.checkpoint_values = (uint64_t)number;
            i++;
        } else {
            good = false;
        }
    }
    int status = INSPECT_USAGE;
    if (good && import.from && import.into) {
        enum silt_status rc = run(&import, &err);
        status = finish(&import, rc, &err);
    }
    free(import.only);
    free(import.through);
    return status;
}
