/*
 * file_writer.h - files written to the disk behind the back of who makes their bytes.
 *
 *     add --copy--> [1 MiB][1 MiB][1 MiB][1 MiB] --a thread--> the disk, past the page cache where the file system lets it
 *          waits when all are full <-- given back when written
 *
 * Gigabytes that nobody reads soon would push out of the page cache what a server on the same machine reads, and its log's
 * syncs would queue behind them. So never more than these buffers are on their way to the disk.
 *
 * Threads: one user.
 */
#ifndef SHELL_FILE_WRITER_H
#define SHELL_FILE_WRITER_H

#include <stddef.h>

struct file_writer;

struct file_writer *file_writer_create(void);
/* A file that was not ended is closed as it is. NULL is fine. */
void file_writer_destroy(struct file_writer *writer);

/* Takes an empty file, open for writing; the one before has to be ended. */
void file_writer_begin(struct file_writer *writer, int fd);
/* Both: 0 or an errno. Of add, it may be that of bytes added before. */
int file_writer_add(struct file_writer *writer, const char *bytes, size_t len);
/* All of it is written, durable and closed, or why not. */
int file_writer_end(struct file_writer *writer);

#endif
