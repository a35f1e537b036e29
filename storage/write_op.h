/*
 * write_op.h - who waits for a write: its completion is called once all its records are durable and its rows applied, or
 * when the disk does not take it and that will take its time.
 *
 * Threads: the writer and the log's thread.
 */
#ifndef STORAGE_WRITE_OP_H
#define STORAGE_WRITE_OP_H

#include "silt/base.h"
#include "silt/storage.h"

struct write_op {
    _Atomic uint32_t remaining;
    _Atomic int status;
    _Atomic bool told; /* done was called: the disk does not take it, and the writer does not wait for that */
    struct silt_error err;
    silt_written_fn done;
    void *done_arg;
};

/* One of the things waited for has come. The last one calls back and frees op. */
void write_op_settle(struct write_op *op, enum silt_status status, const struct silt_error *err);

/* One of them will take its time: calls back with err, unless that was done. The log's thread. */
void write_op_stall(struct write_op *op, const struct silt_error *err);

#endif
