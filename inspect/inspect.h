/*
 * inspect.h - silt-inspect: what can be told about a data directory while no server runs on it.
 *
 *     main -> store (SQLite's facts, read once) -> verify | report | dump | repair
 *          -> export
 *          -> restore
 *          -> influxdb/import
 *
 * Each command prints to stdout and gives the exit status: 0 all is well, 1 damage was found, 2 it could not be done.
 * Nothing is changed, but by a repair, a restore or an import, and for what any start tidies up: files that a crash left unfinished.
 *
 * Threads: one; an import has those of the store, too.
 */
#ifndef INSPECT_INSPECT_H
#define INSPECT_INSPECT_H

#include "silt/base.h"
#include "silt/text.h"
#include "storage/catalog.h"
#include "storage/manifest.h"
#include "storage/vfs.h"

enum {
    INSPECT_FINE = 0,
    INSPECT_DAMAGED = 1,
    INSPECT_FAILED = 2,
    INSPECT_USAGE = 3, /* for main.c alone: the command line makes no sense */
};

struct inspect_measurement {
    struct silt_str name;
    struct silt_str *fields; /* by field id, from 1 */
    uint32_t field_count;
};

struct inspect_database {
    struct catalog_database facts;
    struct inspect_measurement *measurements; /* by SQLite's number, from 1 */
    uint32_t measurement_count;
    uint64_t series_count;
};

/* A data directory's facts, texts in the arena. */
struct inspect_store {
    struct vfs *vfs;
    struct catalog *catalog;
    struct silt_arena *arena;
    struct inspect_database *databases; /* by id */
    size_t database_count;
    struct catalog_policy *policies; /* by id */
    size_t policy_count;
    struct catalog_shard *shards; /* by id */
    size_t shard_count;
    uint64_t *folders; /* numbers of shards that have had a folder, rising */
    size_t folder_count;
    struct catalog_manifests manifests; /* of shards at rest */
};

/* SILT_NOT_FOUND: no data directory. SILT_BUSY: a server runs on it. */
enum silt_status inspect_open(const char *directory, struct inspect_store *out, struct silt_error *err);
void inspect_close(struct inspect_store *store);

/* NULL: none of that number. */
struct inspect_database *inspect_database(const struct inspect_store *store, uint32_t id);
const struct catalog_policy *inspect_policy(const struct inspect_store *store, uint32_t id);
const struct catalog_shard *inspect_shard(const struct inspect_store *store, uint64_t id);
/* Every series of a database, by id. */
enum silt_status inspect_each_series(const struct inspect_store *store, const struct inspect_database *database,
                                     catalog_series_fn each, void *arg, struct silt_error *err);
/* The manifest of a shard; free with manifest_deinit. */
enum silt_status inspect_manifest(const struct inspect_store *store, const struct catalog_shard *shard,
                                  struct manifest *out, struct silt_error *err);
/* SILT_OK: its list of tombstones can be read, or it has none. */
enum silt_status inspect_tombstones(const struct inspect_store *store, const struct manifest *manifest, struct silt_error *err);

/* verify.c: every file of every kind: checksums, formats, order, and each against what the others say of it. */
int inspect_verify(const char *directory);
/* repair.c: damaged files go to DIR/quarantine, what is sound in them stays. */
int inspect_repair(const char *directory);
/* export.c: a database's points as line protocol, to stdout; argv is what follows the command. */
int inspect_export(int argc, char **argv);
/* report.c: databases, policies, shards, files, bytes a value by type and codec, the tags with most values. */
int inspect_report(const char *directory);
/* dump.c: what stands in one file, as text. name: relative to the directory. */
int inspect_dump(const char *directory, const char *name);
/* restore.c: a backup's folder into a data directory that is not there yet, each file against its sum, then verified. */
int inspect_restore(const char *backup, const char *directory);
/* influxdb/import.c: a stopped InfluxDB's directory into one of siltd's; argv is what follows the command. */
int inspect_import_influxdb(int argc, char **argv);

/* "error: ..." on stderr; INSPECT_FAILED. */
int inspect_fail(const struct silt_error *err);
/* 12.3 MiB; out[INSPECT_BYTES_TEXT_MAX]. */
#define INSPECT_BYTES_TEXT_MAX 32
const char *inspect_bytes(uint64_t bytes, char *out);
/* RFC 3339; out[SILT_TIME_TEXT_MAX + 1]. */
const char *inspect_time(silt_time time, char *out);
/* storage/encode.h's name of a codec. */
const char *inspect_codec(unsigned codec);

#endif
