/*
 * forward_sender.h - one subscription: its queue, and the thread that sends what is in it.
 *
 *     writers --push--> [batch|batch|batch] --> thread --> ALL: each destination
 *                       at most buffer-size                ANY: one, in turn; the next one if that fails
 *
 * A batch for which there is no room is dropped, and so is one that could not be sent: nothing is tried again. Up to
 * `concurrency` batches are under way at once, so that they may arrive in another order, as InfluxDB's do.
 *
 * Threads: push, stop and the numbers from any; create and destroy by one.
 */
#ifndef SERVER_FORWARD_SENDER_H
#define SERVER_FORWARD_SENDER_H

#include "server/forward_batch.h"
#include "server/forward_http.h"
#include "silt/definitions.h"

struct forward_sender;

struct forward_settings { /* of all senders */
    struct forward_http_options http;
    size_t concurrency, buffer_batches;
};

struct forward_totals { /* of all senders; never reset */
    _Atomic uint64_t points_written, write_failures, create_failures;
};

struct forward_destination { /* for people: the URL without its password */
    struct silt_str shown;
    uint64_t points_written, write_failures;
};

/* Copies the definition. settings and totals outlive it. */
enum silt_status forward_sender_create(const struct silt_subscription *definition,
                                       const struct forward_settings *settings, struct forward_totals *totals,
                                       struct forward_sender **out, struct silt_error *err);
/* Ends the thread: what is queued is sent for so long at most; 0: what is under way is given up. */
void forward_sender_destroy(struct forward_sender *sender, uint64_t drain_ms);

const struct silt_subscription *forward_sender_definition(const struct forward_sender *sender);
/* Takes a reference of its own; or none, where the queue is full: counted and logged here. */
void forward_sender_push(struct forward_sender *sender, struct forward_batch *batch);
/* One for each of the definition's destinations. */
void forward_sender_destination(const struct forward_sender *sender, size_t index, struct forward_destination *out);

#endif
