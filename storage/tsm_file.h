/*
 * tsm_file.h - an open TSM file from inside: shared by tsm_read.c (index), tsm_block.c (blocks) and tsm_verify.c.
 */
#ifndef STORAGE_TSM_FILE_H
#define STORAGE_TSM_FILE_H

#include "storage/tsm_read.h"
#include "storage/vfs.h"

#include <stdatomic.h>

struct tsm_file { /* immutable once open, but for what is noted of pages */
    char *name;
    struct vfs_blob *blob;
    const uint8_t *map; /* the whole file, or NULL: read by range */
    const _Atomic uint32_t *faults; /* of the map */
    uint64_t size, index_offset, directory_offset, top_offset;
    uint64_t base; /* time that the index counts from */
    struct tsm_summary summary;
    uint64_t page_count;
    silt_series_id *firsts;    /* of each directory page */
    _Atomic bool *page_checked; /* its CRC was right; only for mapped files */
    _Atomic bool *page_ahead;   /* its index entries were asked for */
};

/* To be asked before a look at the map, for tsm_seen behind it. */
static inline uint32_t tsm_faults(const struct tsm_file *file)
{
    return file->map ? atomic_load_explicit(file->faults, memory_order_acquire) : 0;
}
/* What was seen in the map since tsm_faults gave `before`: rc, or SILT_IO if some of it could not be read. */
enum silt_status tsm_seen(const struct tsm_file *file, uint32_t before, enum silt_status rc, struct silt_error *err);
/* SILT_CORRUPT with a text that names the file, the fault and the place. */
enum silt_status tsm_damaged(const struct tsm_file *file, struct silt_error *err, const char *what, uint64_t offset);
/* Bytes of the file, in the mapping or read into the scratch: borrowed until the scratch is used again. */
enum silt_status tsm_look_scratch(struct tsm_file *file, uint64_t offset, size_t len, struct tsm_scratch *scratch,
                                  const uint8_t **out, struct silt_error *err);
/* Where the index entries of a directory page begin and end, from the index offset. */
enum silt_status tsm_page_range(struct tsm_file *file, uint64_t page, uint64_t *start, uint64_t *end,
                                struct silt_error *err);

#endif
