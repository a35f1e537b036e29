/*
 * progress.h - how far a continuous query has come, and what of it is to be calculated again: as text, for the next start.
 *
 *     windows  | | | | |x|x| | | |x| | | | |
 *                       pending     ^        ^ done: those before it have been calculated, but for the pending ones
 *
 * Pending are windows that were missed while the server was down, and those that a late write or a delete has touched.
 * They are taken from the newest to the oldest, in pieces.
 *
 * Threads: as the memory it lies in.
 */
#ifndef SERVER_PROGRESS_H
#define SERVER_PROGRESS_H

#include "server/ranges.h"
#include "silt/query.h"

struct progress {
    silt_time done;        /* the start of a window */
    struct ranges pending; /* of whole windows */
};

struct progress_piece {
    silt_time start, end; /* what is to be run */
    silt_time from;       /* what is pending from there on is settled by it */
};

/* False: not a text of progress_write. */
bool progress_read(struct progress *progress, struct silt_str text);
struct silt_str progress_write(const struct progress *progress, struct silt_arena *arena);

/* The windows before `done` that these ranges touch are pending from now on. */
void progress_touch(struct progress *progress, const struct silt_schedule *schedule, const struct ranges *touched);
/* Only whole windows from there on are. */
void progress_limit(struct progress *progress, const struct silt_schedule *schedule, silt_time oldest);

/* The newest piece, of at most so many windows; false: nothing is pending. last: when its last run was due. */
bool progress_next(struct progress *progress, const struct silt_continuous *query, silt_time last, uint64_t windows_max,
                   struct progress_piece *out);
void progress_settle(struct progress *progress, const struct progress_piece *piece);

#endif
