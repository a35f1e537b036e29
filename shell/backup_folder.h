/*
 * backup_folder.h - the folder that backups lie in, side by side, and the files of the one that is being made.
 *
 *     FOLDER/20261121T144309Z/        complete: has backup.sums. A file that a store never changes is one file on the disk,
 *     FOLDER/20261122T030000Z/        named in every backup that has it (a hard link)
 *     FOLDER/20261123T030000Z.part/   cut short: the next run removes it
 */
#ifndef SHELL_BACKUP_FOLDER_H
#define SHELL_BACKUP_FOLDER_H

#include "silt/backup_list.h"
#include "silt/text.h"

#define BACKUP_STAMP_BYTES 17 /* 20261121T144309Z and a NUL */

/* Makes FOLDER when it is missing, removes what was cut short, and finds the latest complete one: *latest "" when there is none. */
enum silt_status backup_folder_prepare(const char *folder, char *latest, struct silt_error *err);
/* Removes complete ones but for the newest `keep`. */
enum silt_status backup_folder_trim(const char *folder, size_t keep, size_t *removed, struct silt_error *err);
/* One of its lists, whole. */
enum silt_status backup_folder_read(const char *folder, const char *stamp, const char *name, struct silt_buffer *out,
                                    struct silt_error *err);

/* PATH/NAME with the folders it needs; -1: err says why. */
int backup_folder_create(const char *path, const char *name, struct silt_error *err);
enum silt_status backup_folder_link(const char *from, const char *to, const char *name, struct silt_error *err);
/* What is in it is on the disk, and it has its name. */
enum silt_status backup_folder_finish(const char *part_path, const char *path, struct silt_error *err);

#endif
