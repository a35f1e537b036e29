/*
 * forward_batch.h - a write on its way to subscribers: line protocol with the times that the points were given.
 *
 *     on the writer's thread   the body is copied, and where in it each stored point begins, with its time
 *     on a sender's thread     from these the text that is sent, once for all destinations:
 *
 *     cpu,host=a,dc=x usage=3i,idle=97.5 1451606400000000000\n
 *     ----------------                                            sorted by tag key
 *                      ------------------                         as it was sent
 *
 * Lines that were not stored are left out. Counted: each subscription that has it in its queue holds a reference.
 */
#ifndef SERVER_FORWARD_BATCH_H
#define SERVER_FORWARD_BATCH_H

#include "silt/storage.h"
#include "silt/text.h"

struct forward_batch;

/* text: what the batch was read from; NULL: its points are written as text. NULL: the budget is used up, or there are
 * no points left. *dropped tells which. The caller holds a reference. */
struct forward_batch *forward_batch_create(struct silt_budget *budget, struct silt_str text,
                                           const struct silt_batch *batch, const struct silt_write_report *report,
                                           bool *dropped);
void forward_batch_acquire(struct forward_batch *batch);
void forward_batch_release(struct forward_batch *batch);

/* These from any thread that holds a reference. */
struct silt_str forward_batch_body(struct forward_batch *batch);
size_t forward_batch_points(const struct forward_batch *batch);
/* A line of the body that the caller has asked for before, without its newline. */
struct silt_str forward_batch_line(const struct forward_batch *batch, size_t index);

#endif
