/*
 * tar.h - an archive as POSIX has it (ustar), written front to back into an output.
 *
 *     | header 512 | bytes of the file, zeros up to a multiple of 512 | header ... | 1024 zeros |
 *
 * Sizes from 8 GiB on stand in binary, as GNU's and BSD's tar read and write them.
 */
#ifndef SERVER_TAR_H
#define SERVER_TAR_H

#include "server/output.h"

#define TAR_NAME_BYTES_MAX 100

/* What follows is `bytes` of output_write, then tar_end_file. name: shorter than TAR_NAME_BYTES_MAX. */
enum silt_status tar_begin_file(struct output *output, const char *name, uint64_t bytes, int64_t modified_s);
enum silt_status tar_end_file(struct output *output, uint64_t bytes);
/* A small file at once. */
enum silt_status tar_file(struct output *output, const char *name, struct silt_str text, int64_t modified_s);
/* Behind the last file. */
enum silt_status tar_end(struct output *output);

#endif
