/*
 * file_reaper.h - gives the space of large removed files back piece by piece.
 *
 * Freeing half a gigabyte at once keeps a file system's journal busy for a tenth of a second, and with it every sync of
 * the log. A file without a name that nobody else has open is cut from its end instead, with pauses, by a thread.
 */
#ifndef STORAGE_FILE_REAPER_H
#define STORAGE_FILE_REAPER_H

#include <stdint.h>

struct file_reaper;

struct file_reaper *file_reaper_create(void);
void file_reaper_destroy(struct file_reaper *reaper); /* what is left goes at once; NULL is fine */
/* The file, open for writing, is the reaper's from now on. Waits when very many are there already. */
void file_reaper_take(struct file_reaper *reaper, int fd, uint64_t bytes);

#endif
