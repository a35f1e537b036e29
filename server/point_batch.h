/*
 * point_batch.h - points that outlive the text they came in: a batch that owns all it refers to.
 *
 *     datagram -> parsed batch --add--+
 *     datagram -> parsed batch --add--+--> batch, for the store or for a sender
 *
 * The batches of the parser borrow from the body of a request. Where points are gathered before they are written, or
 * wait for a sender after that, they are copied into one of these.
 */
#ifndef SERVER_POINT_BATCH_H
#define SERVER_POINT_BATCH_H

#include "silt/storage.h"

struct point_batch {
    struct silt_arena *arena;
    struct silt_layout *layouts;
    struct silt_row *rows;
    union silt_value *values;
    size_t layout_count, layout_capacity, row_count, row_capacity, value_count, value_capacity;
};

void point_batch_init(struct point_batch *points, struct silt_budget *budget); /* budget NULL: unbounded */
void point_batch_deinit(struct point_batch *points);
void point_batch_reset(struct point_batch *points);

/* Rows behind those there are; of report (may be NULL) the rejected ones are left out. SILT_LIMIT: over budget, and
 * only good for reset and deinit. */
enum silt_status point_batch_add(struct point_batch *points, const struct silt_batch *batch,
                                 const struct silt_write_report *report);
/* Valid until the next add. */
struct silt_batch point_batch_view(const struct point_batch *points);

#endif
