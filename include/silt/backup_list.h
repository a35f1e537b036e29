/*
 * backup_list.h - what a backup holds, as its two lists say. A backup is a folder with the files that POST /backup sends:
 *
 *     20261121T144309Z/backup.files           silt backup 1 5f0c3b2a99d01e47
 *                                             blob 1048576 shards/7/000000000000000c.tsm
 *                                             register 240 shards/7/MANIFEST
 *                                             catalog 65536 meta.sqlite
 *                      backup.sums            SHA-256 of each, as sha256sum has it
 *                      shards/7/...  meta.sqlite
 */
#ifndef SILT_BACKUP_LIST_H
#define SILT_BACKUP_LIST_H

#include "silt/digest.h"
#include "silt/text.h"

#define SILT_BACKUP_FILES "backup.files"
#define SILT_BACKUP_SUMS "backup.sums"
#define SILT_BACKUP_STORE_BYTES 17

enum silt_backup_kind {
    SILT_BACKUP_BLOB,     /* written once */
    SILT_BACKUP_REGISTER, /* small, replaced */
    SILT_BACKUP_CATALOG,  /* the SQLite file */
};
#define SILT_BACKUP_KINDS 3

struct silt_backup_file {
    enum silt_backup_kind kind;
    uint64_t bytes;
    struct silt_str name;            /* relative, without "..", ends with a NUL behind it */
    bool had;                        /* left out of an archive: the client has it */
    char sum[SILT_DIGEST_TEXT_BYTES]; /* "": not in the sums */
};

struct silt_backup_list {
    uint64_t store_id; /* of the store that it is of */
    struct silt_backup_file *files; /* by name */
    size_t count;
};

/* The list as text, line by line. */
void silt_backup_put_head(struct silt_buffer *out, uint64_t store_id);
void silt_backup_put_file(struct silt_buffer *out, enum silt_backup_kind kind, uint64_t bytes, const char *name, bool had);
/* The number in the first line, as text with a NUL; out[SILT_BACKUP_STORE_BYTES]. */
void silt_backup_store_text(uint64_t store_id, char *out);

/* Texts are copied to the arena. SILT_CORRUPT: not such a list, or a name that leads elsewhere. */
enum silt_status silt_backup_read_files(struct silt_str text, struct silt_arena *arena, struct silt_backup_list *out,
                                        struct silt_error *err);
/* Fills in the sums; names that are not in the list are passed over. SILT_CORRUPT: no such text. */
enum silt_status silt_backup_read_sums(struct silt_str text, struct silt_backup_list *list, struct silt_error *err);
struct silt_backup_file *silt_backup_find(const struct silt_backup_list *list, struct silt_str name); /* NULL: none */

#endif
