/*
 * journal.h - a text file of records that only grows, so that long work can go on after a kill.
 *
 *     1c291ca3<TAB>slice<TAB>7<TAB>a\tname\n     CRC-32C of what follows it, then fields; \t \n \r \\ are escaped in
 * them
 *
 * Records added together are written by one write(2). A torn or damaged end is cut off when the file is opened; what
 * stands behind it was never reported as done. One process at a time (flock). One thread, or the owner's lock.
 */
#ifndef SHELL_JOURNAL_H
#define SHELL_JOURNAL_H

#include "silt/text.h"

#define JOURNAL_FIELDS_MAX 16

struct journal;

/* A record; fields[0] tells its kind. Borrowed for the call. */
typedef void (*journal_record_fn)(void *context, const struct silt_str *fields, size_t count);

/* Makes the file, mode 0600, or reads it. SILT_CONFLICT: another process has it open. */
enum silt_status journal_open(struct journal **out, const char *path, journal_record_fn record, void *context,
                              struct silt_error *err);
void journal_close(struct journal *journal);

void journal_add(struct journal *journal, const struct silt_str *fields, size_t count);
/* A record from a format of %s (const char *), %S (struct silt_str), %d (int64_t) and %u (uint64_t), a field each. */
void journal_addf(struct journal *journal, const char *kind, const char *format, ...);
/* Writes what was added; with sync it outlives the machine, too. */
enum silt_status journal_commit(struct journal *journal, bool sync, struct silt_error *err);

#endif
