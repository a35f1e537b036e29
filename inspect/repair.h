/*
 * repair.h - silt-inspect repair, from inside: what is damaged is set aside, and what is sound in it is kept.
 *
 *     repair.c        the order of things, the quarantine
 *     repair_log.c    a damaged log: records that hold are kept, in a log without holes
 *     repair_known.c  which series, fields and types are defined
 *     repair_shard.c  a damaged manifest or list of tombstones
 *     repair_file.c   a damaged TSM file: written anew with what holds
 *
 *     DIR/quarantine/20260131T120000Z/wal/0000000000000007.wal      a damaged file, under its name from DIR
 *
 * A file is first linked into the quarantine, then what replaces it is made durable, then it leaves its place: a crash at any
 * step leaves either the old state or the new one, and the damaged file in both.
 */
#ifndef INSPECT_REPAIR_H
#define INSPECT_REPAIR_H

#include "inspect/inspect.h"

struct repair {
    struct inspect_store store;
    const char *directory;
    char quarantine[64];   /* named from the directory; empty: nothing is there yet */
    uint64_t epoch;        /* 0: nothing was written yet, see repair_epoch */
    uint64_t log_end;      /* all records of the log, and those that SQLite knows of, have lower numbers */
    uint64_t lost_from, lost_to; /* of the log: [from, to); equal: none */
    uint64_t repaired, failed;
};

/* "REPAIRED where: what" or "FAILED ...", and counts. */
void repair_done(struct repair *repair, const char *where, const char *what);
void repair_failed(struct repair *repair, const char *where, const struct silt_error *err);
/* Of the manifests and files that are written. */
enum silt_status repair_epoch(struct repair *repair, uint64_t *epoch, struct silt_error *err);
/* A file named from the directory gets its second name in the quarantine. One that is missing is fine. */
enum silt_status repair_keep(struct repair *repair, const char *name, struct silt_error *err);
/* One of the directory's files takes another's place, or a name of its own; durable. */
enum silt_status repair_rename(struct repair *repair, const char *from, const char *to, struct silt_error *err);
/* DIR/name, in path[REPAIR_PATH_BYTES]. */
#define REPAIR_PATH_BYTES 4096
enum silt_status repair_path(const struct repair *repair, const char *name, char *path, struct silt_error *err);
/* "database d, policy p, shard 7 (from to to)" */
void repair_print_shard(const struct repair *repair, const struct catalog_shard *shard);

/* What is defined (repair_known.c). */
struct repair_known;
struct repair_known *repair_known_create(const struct inspect_store *store);
void repair_known_destroy(struct repair_known *known);
enum silt_status repair_known_load(struct repair_known *known, struct silt_error *err); /* what SQLite has */
/* A record of definitions. */
enum silt_status repair_known_define(struct repair_known *known, const void *payload, size_t bytes, struct silt_error *err);
/* A record of rows: whether all it speaks of is known, and how many rows it has. */
enum silt_status repair_known_rows(struct repair_known *known, const void *payload, size_t bytes, bool *all, uint64_t *count,
                                   struct silt_error *err);

void repair_log(struct repair *repair);
void repair_shard(struct repair *repair, const struct catalog_shard *shard);
/* The file manifest->files[index], if it is damaged: it leaves the manifest, what holds of it comes in its place. */
void repair_file(struct repair *repair, const struct catalog_shard *shard, struct manifest *manifest, size_t index,
                 bool *gone);

#endif
