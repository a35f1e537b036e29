/*
 * direct_read.h - reading a file once, front to back, without filling the page cache with it.
 *
 * Gigabytes read through the page cache push out of it what queries read again and again, and finding pages for them costs
 * more than the reading. What is in the page cache already is taken from there.
 */
#ifndef STORAGE_DIRECT_READ_H
#define STORAGE_DIRECT_READ_H

#include <stddef.h>
#include <stdint.h>

/* Where the memory and the offsets of direct reads begin. */
#define DIRECT_BLOCK_BYTES ((size_t)4096)

/* A second descriptor of the file behind fd, for direct reads; -1: there is no such thing here. */
int direct_open(int fd);
/* Reads a front part of [offset, offset + len) and tells how much: the rest, maybe all, is to be read as ever. map: the whole
 * file in memory, or NULL. */
size_t direct_read(int direct, const char *map, uint64_t offset, char *out, size_t len);

#endif
