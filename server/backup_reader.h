/*
 * backup_reader.h - the files of a backup, read by a thread a few pieces ahead of who hashes and sends them.
 *
 *     disk -> | piece | piece | piece | piece | -> backup_reader_next
 *
 * Threads: one user. The snapshot is the reader's until it is destroyed.
 */
#ifndef SERVER_BACKUP_READER_H
#define SERVER_BACKUP_READER_H

#include "silt/snapshot.h"

#define BACKUP_PIECE_BYTES ((size_t)1 << 20)

struct backup_reader;

/* had[i]: file i is left out. All of it is borrowed. */
enum silt_status backup_reader_create(struct silt_snapshot *snapshot, const struct silt_snapshot_file *files, const bool *had,
                                      size_t count, struct backup_reader **out, struct silt_error *err);
void backup_reader_destroy(struct backup_reader *reader); /* NULL is fine */
/* The next piece: files in their order, each in pieces of BACKUP_PIECE_BYTES and a shorter last one, an empty file in none. Valid
 * until the next call. */
enum silt_status backup_reader_next(struct backup_reader *reader, const char **piece, size_t *len, struct silt_error *err);

#endif
