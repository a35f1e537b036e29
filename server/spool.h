/*
 * spool.h - an output that holds a document back until the counts in front of its lists are known.
 *
 *     written:   aaaaaa[hole]bbbbbbbbbbb[hole]cccc        first in the buffer, then in a file without a name
 *     replayed:  aaaaaa XX   bbbbbbbbbbb YYY  cccc        into another output, each hole filled
 *
 * Memory is one buffer and what the holes take, which is charged to a budget; the rest lies in a file in `folder`, up
 * to SPOOL_BYTES_MAX. One thread.
 */
#ifndef SERVER_SPOOL_H
#define SERVER_SPOOL_H

#include "server/output.h"
#include "silt/text.h"

#define SPOOL_BYTES_MAX (UINT64_C(8) << 30)

struct spool_hole {
    uint64_t position;
    size_t fill_at; /* in spool->fills */
    size_t fill_len;
};

struct spool {
    struct output output; /* to write to */
    const char *folder;
    struct silt_budget *budget;
    enum silt_status lost; /* the first failure: there is nothing to replay after it */
    int file;              /* -1: none yet */
    uint64_t file_bytes;
    struct spool_hole *holes;
    size_t hole_count, hole_capacity;
    struct silt_buffer fills;
    size_t charged_bytes;
    char buffer[OUTPUT_BUFFER_BYTES];
};

/* A place to go back to. */
struct spool_mark {
    uint64_t position;
    size_t hole_count, fill_bytes;
};

void spool_init(struct spool *spool, const char *folder, struct silt_budget *budget);
void spool_deinit(struct spool *spool);

struct spool_mark spool_mark(const struct spool *spool);
/* Forget what was written since. */
void spool_rewind(struct spool *spool, struct spool_mark mark);

/* SILT_LIMIT: the budget is used up. */
enum silt_status spool_open_hole(struct spool *spool, size_t *hole);
enum silt_status spool_fill_hole(struct spool *spool, size_t hole, const void *bytes, size_t len);

/* Everything into `to`, and begin anew. */
enum silt_status spool_replay(struct spool *spool, struct output *to);

#endif
