/*
 * forward.h - subscriptions at work: what is written to a policy goes on to its subscribers.
 *
 *     write -> forward_write -> for each subscription of database and policy: its queue -> its thread
 * (forward_sender.h)
 *
 * A write is never held up: it is copied once, and dropped where memory or a queue is full. What is sent is what was
 * stored: points that were refused are left out.
 *
 * Threads: any. A write takes the read side of one lock, which nobody holds while waiting.
 */
#ifndef SERVER_FORWARD_H
#define SERVER_FORWARD_H

#include "silt/server.h"

struct forward;

/* SILT_INVALID: ca-certs cannot be read. Switched off: *out is NULL, which all calls take. */
enum silt_status forward_create(const struct silt_server_options *options, struct silt_storage *storage,
                                struct forward **out, struct silt_error *err);
/* What is queued is still sent, for a moment. */
void forward_destroy(struct forward *forward);

/* The definitions have changed: what is no more is not sent to any longer when this returns, what is new is. May wait.
 */
void forward_refresh(struct forward *forward);

enum forward_outcome { FORWARD_OFF, FORWARD_OK, FORWARD_DROPPED };

/* Of a batch that the store took. text: what it was read from; empty: there is none. */
enum forward_outcome forward_write(struct forward *forward, struct silt_str database, struct silt_str text,
                                   const struct silt_batch *batch, const struct silt_write_report *report);

struct forward_counts {
    uint64_t points_written, write_failures, create_failures;
};

struct forward_report { /* of one destination; texts in the arena */
    struct silt_str database, policy, name, destination;
    bool any;
    uint64_t points_written, write_failures;
};

void forward_counts(struct forward *forward, struct forward_counts *out);
void forward_reports(struct forward *forward, struct silt_arena *arena, struct forward_report **reports, size_t *count);

#endif
