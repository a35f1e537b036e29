/*
 * log_item.c - a record on its way: built by a writer, numbered by the log, made durable by the log's thread, and where
 * it defines something, put into SQLite by the index thread.
 */
#include "storage/storage_internal.h"
#include "storage/write_op.h"

#include <stdlib.h>

static void settle(struct wal_entry *entry, enum silt_status status, const struct silt_error *err)
{
    struct log_item *item = (struct log_item *)(void *)entry;
    struct index_thread *index = &item->storage->index;
    struct write_op *op = item->op;
    pthread_mutex_lock(&index->lock);
    item->settled = true;
    item->status = status;
    pthread_cond_broadcast(&index->cond);
    pthread_mutex_unlock(&index->lock);
    if (op)
        write_op_settle(op, status, err);
    log_item_release(item);
}

static void stall(struct wal_entry *entry, const struct silt_error *err)
{
    struct log_item *item = (struct log_item *)(void *)entry;
    struct index_thread *index = &item->storage->index;
    pthread_mutex_lock(&index->lock);
    item->stalled = true;
    item->status = err->status;
    pthread_cond_broadcast(&index->cond);
    pthread_mutex_unlock(&index->lock);
    if (item->op)
        write_op_stall(item->op, err);
}

struct log_item *log_item_create(struct silt_storage *storage, enum record_kind kind)
{
    struct log_item *item = silt_calloc(1, sizeof(*item));
    atomic_init(&item->references, 1);
    item->storage = storage;
    item->entry.kind = (uint8_t)kind;
    item->entry.done = settle;
    item->entry.stalled = stall;
    return item;
}

struct log_item *log_item_acquire(struct log_item *item)
{
    atomic_fetch_add_explicit(&item->references, 1, memory_order_relaxed);
    return item;
}

void log_item_release(struct log_item *item)
{
    if (!item || atomic_fetch_sub_explicit(&item->references, 1, memory_order_acq_rel) != 1)
        return;
    silt_buffer_free(&item->payload);
    free(item);
}

uint64_t log_item_enqueue_locked(struct log_item *item)
{
    log_item_acquire(item);
    item->entry.payload = item->payload.p;
    item->entry.payload_bytes = item->payload.len;
    item->seq = wal_next_seq_locked(item->storage->wal);
    if (item->for_index)
        index_push_locked(item->storage, log_item_acquire(item));
    uint64_t seq = wal_enqueue_locked(item->storage->wal, &item->entry);
    silt_assert(seq == item->seq);
    return seq;
}

enum silt_status log_item_wait(struct log_item *item, struct silt_error *err)
{
    struct index_thread *index = &item->storage->index;
    pthread_mutex_lock(&index->lock);
    while (!item->settled && !item->stalled)
        pthread_cond_wait(&index->cond, &index->lock);
    enum silt_status status = item->status;
    pthread_mutex_unlock(&index->lock);
    if (status == SILT_OK)
        return SILT_OK;
    enum silt_status rc = wal_check(item->storage->wal, err);
    return rc != SILT_OK ? rc : silt_fail(err, status, "the log cannot be written");
}
