/*
 * write_op.h - who waits for a write: its completion is called once all its records are durable and its rows applied.
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
    struct silt_error err;
    silt_written_fn done;
    void *done_arg;
};

/* One of the things waited for has come. The last one calls back and frees op. */
void write_op_settle(struct write_op *op, enum silt_status status, const struct silt_error *err);

#endif
