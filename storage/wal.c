/*
 * wal.c - implements wal.h: the queue, the log thread, segments coming and going.
 *
 *     spare (old, to be recycled) -> live segments, oldest first -> current -> next (being made ready)
 *
 * The log thread copies all queued records into one buffer, writes it, syncs, and only then calls back. A second thread
 * makes the next segment before it is needed, for filling 64 MiB takes longer than a sync. It ends after the log thread,
 * which may still need segments for what is queued. Replay is in wal_replay.c.
 *
 * When an operation fails the log thread waits, with all that is queued, and tries again (wal_wait.c). What a failed write or sync
 * has left in a segment is unknown: the segment is abandoned as of the last record that is known to be durable, its records above
 * that are written once more into a new one, and the new one's header says so. Nothing is ever tried again in place.
 *
 * Files go from the oldest on, so that what is left is always a run of numbers without holes: a hole is damage. So no
 * file is removed while a spare is being renamed, nor the other way round, and none before one that cannot be removed is.
 */
#include "storage/wal_internal.h"

#include "silt/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FIRST_SEGMENTS 16u /* a start makes a segment of a part of the usual size, for it waits until its zeros are on the disk */
#define GROUP_BYTES_MAX ((size_t)8 << 20)

void wal_segment_name(uint64_t number, char *name)
{
    snprintf(name, VFS_NAME_BYTES_MAX, WAL_FOLDER "/%016llx.wal", (unsigned long long)number);
}

/* ---------------------------------------------------------------- open */

static void note_name(void *arg, const char *name)
{
    struct wal *wal = arg;
    unsigned long long number;
    char tail[8] = "";
    if (strlen(name) != 20 || sscanf(name, "%16llx%7s", &number, tail) != 2 || strcmp(tail, ".wal") != 0)
        return;
    wal_add_live(wal, (struct wal_live){.number = number});
}

static int compare_live(const void *a, const void *b)
{
    const struct wal_live *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

void wal_add_live(struct wal *wal, struct wal_live live)
{
    if (wal->live_count == wal->live_capacity) {
        wal->live_capacity = wal->live_capacity ? wal->live_capacity * 2 : 16;
        wal->live = silt_realloc(wal->live, wal->live_capacity * sizeof(*wal->live));
    }
    wal->live[wal->live_count++] = live;
}

enum silt_status wal_open(struct vfs *vfs, const struct wal_options *options, struct wal **out, struct silt_error *err)
{
    struct wal *wal = silt_calloc(1, sizeof(*wal));
    wal->vfs = vfs;
    wal->options = *options;
    if (!wal->options.segment_bytes)
        wal->options.segment_bytes = WAL_SEGMENT_BYTES;
    if (!wal->options.spare_segments)
        wal->options.spare_segments = 4;
    wal->next_seq = 1;
    wal->tail = &wal->head;
    pthread_mutex_init(&wal->lock, NULL);
    pthread_mutex_init(&wal->files_lock, NULL);
    silt_cond_init(&wal->wake);
    silt_cond_init(&wal->files_changed);
    enum silt_status rc = vfs->ops->list(vfs, WAL_FOLDER, note_name, wal, err);
    if (rc != SILT_OK && rc != SILT_NOT_FOUND) {
        wal_close(wal);
        return rc;
    }
    if (wal->live_count)
        qsort(wal->live, wal->live_count, sizeof(*wal->live), compare_live);
    *out = wal;
    return SILT_OK;
}

/* ---------------------------------------------------------------- the next segment */

/* The oldest spare segment's number, taken off the list; 0: none. files_lock is held. */
static uint64_t take_spare_locked(struct wal *wal)
{
    if (!wal->spare_count)
        return 0;
    uint64_t number = wal->spares[0];
    memmove(wal->spares, wal->spares + 1, --wal->spare_count * sizeof(*wal->spares));
    return number;
}

static void give_back_spare_locked(struct wal *wal, uint64_t number)
{
    silt_assert(wal->spare_count <= WAL_SPARES_MAX);
    memmove(wal->spares + 1, wal->spares, wal->spare_count++ * sizeof(*wal->spares));
    wal->spares[0] = number;
}

static void *prepare(void *arg)
{
    struct wal *wal = arg;
    pthread_mutex_lock(&wal->files_lock);
    for (;;) {
        while ((!wal->next_wanted || wal->removing) && !wal->prepare_ending)
            pthread_cond_wait(&wal->files_changed, &wal->files_lock);
        if (wal->prepare_ending)
            break;
        char name[VFS_NAME_BYTES_MAX], old[VFS_NAME_BYTES_MAX];
        uint64_t spare = take_spare_locked(wal);
        wal->spare_in_use = spare != 0;
        wal_segment_name(wal->next_number, name);
        wal_segment_name(spare, old);
        pthread_mutex_unlock(&wal->files_lock);
        struct vfs_segment *segment = NULL;
        struct silt_error err;
        enum silt_status rc = vfs_segment_create(wal->vfs, name, wal->options.segment_bytes, spare ? old : NULL,
                                                 &segment, &err);
        pthread_mutex_lock(&wal->files_lock);
        wal->spare_in_use = false;
        if (rc != SILT_OK && spare) /* it may still be there under its old name */
            give_back_spare_locked(wal, spare);
        wal->next = segment;
        wal->next_status = rc;
        if (rc != SILT_OK)
            wal->next_error = err;
        wal->next_wanted = false;
        wal->next_ready = true;
        pthread_cond_broadcast(&wal->files_changed);
    }
    pthread_mutex_unlock(&wal->files_lock);
    return NULL;
}

static void want_next_locked(struct wal *wal, uint64_t number)
{
    wal->next_number = number;
    wal->next_wanted = true;
    wal->next_ready = false;
    pthread_cond_broadcast(&wal->files_changed);
}

static enum silt_status sync_current(struct wal *wal, struct silt_error *err)
{
    enum silt_status rc = vfs_segment_sync(wal->current, err);
    if (rc != SILT_OK)
        return rc;
    wal->durable_seq = wal->written_seq;
    wal->last_sync_ns = silt_clock_monotonic_ns();
    wal->unsynced = false;
    atomic_fetch_add_explicit(&wal->syncs, 1, memory_order_relaxed);
    return SILT_OK;
}

/* A segment of the next number that was made, and cannot be used as it is. */
static enum silt_status remove_unfit(struct wal *wal, struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    if (!wal->unfit)
        return SILT_OK;
    wal_segment_name(wal->next_number, name);
    enum silt_status rc = vfs_segment_remove(wal->vfs, name, err);
    wal->unfit = rc != SILT_OK;
    return rc;
}

/* One that could not be made may be there all the same, where it could not be removed either. */
static void note_unfit(struct wal *wal)
{
    pthread_mutex_lock(&wal->files_lock);
    while (wal->next_wanted)
        pthread_cond_wait(&wal->files_changed, &wal->files_lock);
    wal->unfit = wal->unfit || (wal->next_ready && wal->next_status != SILT_OK);
    pthread_mutex_unlock(&wal->files_lock);
}

/* A segment of a size of its own; what was made ready would come after it, so it is made anew. */
static enum silt_status make_odd_segment(struct wal *wal, uint64_t bytes, struct silt_error *err)
{
    char name[VFS_NAME_BYTES_MAX];
    pthread_mutex_lock(&wal->files_lock);
    while (wal->next_wanted)
        pthread_cond_wait(&wal->files_changed, &wal->files_lock);
    struct vfs_segment *unused = wal->next;
    wal->next = NULL;
    wal->next_ready = false;
    wal_segment_name(wal->next_number, name);
    pthread_mutex_unlock(&wal->files_lock);
    if (unused) {
        vfs_segment_close(unused);
        wal->unfit = true;
        enum silt_status rc = remove_unfit(wal, err);
        if (rc != SILT_OK)
            return rc;
    }
    return vfs_segment_create(wal->vfs, name, bytes, NULL, &wal->current, err);
}

/* 0: the usual. */
static uint64_t odd_bytes(const struct wal *wal, uint64_t room)
{
    uint64_t usual = wal->options.segment_bytes, bytes = room > usual ? room : wal->started ? 0 : usual / FIRST_SEGMENTS;
    return (bytes + 4095) & ~(uint64_t)4095;
}

/* What was made ready, or made now when it was not. */
static enum silt_status take_next_segment(struct wal *wal, struct silt_error *err)
{
    pthread_mutex_lock(&wal->files_lock);
    while (wal->next_wanted)
        pthread_cond_wait(&wal->files_changed, &wal->files_lock);
    if (!wal->next_ready || wal->next_status != SILT_OK) { /* the first one, or try again after an error */
        want_next_locked(wal, wal->next_number);
        while (wal->next_wanted)
            pthread_cond_wait(&wal->files_changed, &wal->files_lock);
    }
    enum silt_status rc = wal->next_status;
    if (rc != SILT_OK && err)
        *err = wal->next_error;
    wal->current = wal->next;
    wal->next = NULL;
    wal->next_ready = false;
    pthread_mutex_unlock(&wal->files_lock);
    return rc;
}

/* What is in it above the durable records, nobody knows: they are the last that count. */
static void abandon_segment(struct wal *wal)
{
    vfs_segment_close(wal->current);
    wal->current = NULL;
    wal->group.len = 0;
    wal->appended_seq = wal->written_seq;
    wal->unsynced = false;
}

static enum silt_status write_header(struct wal *wal, uint64_t number, uint64_t first_seq, struct silt_error *err)
{
    struct wal_segment_header header = {.number = number,
                                        .epoch = wal->options.epoch,
                                        .first_seq = first_seq,
                                        .prev_seq = wal->durable_seq + 1};
    memcpy(header.magic, WAL_MAGIC, sizeof(header.magic));
    header.crc = silt_crc32c(0, &header, offsetof(struct wal_segment_header, crc));
    enum silt_status rc = vfs_segment_write(wal->current, 0, &header, sizeof(header), err);
    /* Synced before any record, so that a later segment never stands alone. */
    return rc == SILT_OK ? vfs_segment_sync(wal->current, err) : rc;
}

/* Ends the current segment (synced, whatever the mode: a hole before a later segment would be damage) and begins one
 * with room for `needed` bytes. Log thread, or wal_start. */
static enum silt_status begin_segment(struct wal *wal, uint64_t first_seq, size_t needed, struct silt_error *err)
{
    enum silt_status rc;
    if (wal->current && (rc = sync_current(wal, err)) != SILT_OK)
        return rc;
    vfs_segment_close(wal->current);
    wal->current = NULL;
    note_unfit(wal);
    if ((rc = remove_unfit(wal, err)) != SILT_OK)
        return rc;
    uint64_t odd = odd_bytes(wal, sizeof(struct wal_segment_header) + needed), number = wal->next_number; /* nobody changes it now */
    rc = odd == 0 ? take_next_segment(wal, err) : make_odd_segment(wal, odd, err);
    if (rc != SILT_OK) {
        wal->unfit = true;
        return rc;
    }
    if ((rc = write_header(wal, number, first_seq, err)) != SILT_OK) {
        wal->unfit = true;
        abandon_segment(wal);
        return rc;
    }
    wal->current_number = number;
    wal->current_bytes = vfs_segment_bytes(wal->current);
    wal->offset = sizeof(struct wal_segment_header);
    pthread_mutex_lock(&wal->files_lock);
    if (wal->live_count)
        wal->live[wal->live_count - 1].end_seq = first_seq;
    wal_add_live(wal, (struct wal_live){.number = number, .first_seq = first_seq, .end_seq = UINT64_MAX, .bytes = wal->current_bytes});
    want_next_locked(wal, number + 1); /* only now: a segment without a header must be the last one */
    pthread_mutex_unlock(&wal->files_lock);
    return SILT_OK;
}

/* ---------------------------------------------------------------- the log thread */

static enum silt_status flush_group(struct wal *wal, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    if (wal->group.len)
        rc = vfs_segment_write(wal->current, wal->offset, wal->group.p, wal->group.len, err);
    wal->offset += wal->group.len;
    wal->group.len = 0;
    if (wal->group.capacity > 8 * GROUP_BYTES_MAX) /* one large record must not keep its room for ever */
        silt_buffer_free(&wal->group);
    if (rc == SILT_OK)
        wal->written_seq = wal->appended_seq;
    return rc;
}

static void append_record(struct wal *wal, const struct wal_entry *entry)
{
    size_t bytes = wal_record_bytes(entry->payload_bytes);
    struct wal_record_header header = {.payload_bytes = (uint32_t)entry->payload_bytes,
                                       .number = wal->current_number,
                                       .seq = entry->seq,
                                       .durable_seq = wal->durable_seq,
                                       .kind = entry->kind};
    uint32_t crc = silt_crc32c(0, &header.number, sizeof(header) - offsetof(struct wal_record_header, number));
    header.crc = silt_crc32c(crc, entry->payload, entry->payload_bytes);
    silt_buffer_reserve(&wal->group, bytes);
    char *at = wal->group.p + wal->group.len;
    memcpy(at, &header, sizeof(header));
    if (entry->payload_bytes)
        memcpy(at + sizeof(header), entry->payload, entry->payload_bytes);
    memset(at + sizeof(header) + entry->payload_bytes, 0, bytes - sizeof(header) - entry->payload_bytes);
    wal->group.len += bytes;
    wal->appended_seq = entry->seq;
}

/* Write a run of entries; synced when the mode says so. */
static enum silt_status write_entries(struct wal *wal, const struct wal_entry *first, struct silt_error *err)
{
    enum silt_status rc;
    for (const struct wal_entry *entry = first; entry; entry = entry->next) {
        size_t bytes = wal_record_bytes(entry->payload_bytes);
        if (!wal->current || wal->offset + wal->group.len + bytes > wal->current_bytes) {
            if ((rc = flush_group(wal, err)) != SILT_OK || (rc = begin_segment(wal, entry->seq, bytes, err)) != SILT_OK)
                return rc;
        } else if (wal->group.len >= GROUP_BYTES_MAX && (rc = flush_group(wal, err)) != SILT_OK) {
            return rc;
        }
        append_record(wal, entry);
    }
    if ((rc = flush_group(wal, err)) != SILT_OK)
        return rc;
    wal->unsynced = true;
    uint64_t now = silt_clock_monotonic_ns();
    bool due = wal->options.sync_mode == SILT_SYNC_FSYNC ||
               (wal->options.sync_mode == SILT_SYNC_INTERVAL &&
                now - wal->last_sync_ns >= (uint64_t)wal->options.sync_interval_ms * 1000000);
    return due ? sync_current(wal, err) : SILT_OK;
}

static void forget_oldest_live_locked(struct wal *wal)
{
    memmove(wal->live, wal->live + 1, --wal->live_count * sizeof(*wal->live));
}

enum trim_step { TRIM_DONE, TRIM_AGAIN, TRIM_REMOVE_SPARE, TRIM_REMOVE_LIVE };

/* Keeps the oldest live segment as a spare if it is not needed any more and there is room, or tells what has to go
 * first: *number. A segment of another size is never kept, and all spares are older than it. */
static enum trim_step trim_step_locked(struct wal *wal, uint64_t *number)
{
    const struct wal_live *oldest = wal->live;
    if (wal->live_count <= 1 || oldest->end_seq > atomic_load(&wal->trim_below))
        return TRIM_DONE;
    if (oldest->bytes == wal->options.segment_bytes && wal->spare_count < wal->options.spare_segments &&
        wal->spare_count < WAL_SPARES_MAX) {
        wal->spares[wal->spare_count++] = oldest->number;
        forget_oldest_live_locked(wal);
        return TRIM_AGAIN;
    }
    if (wal->spare_in_use)
        return TRIM_DONE; /* the next round comes soon */
    wal->removing = true;
    *number = take_spare_locked(wal);
    if (*number)
        return TRIM_REMOVE_SPARE;
    *number = oldest->number;
    return TRIM_REMOVE_LIVE;
}

/* Segments that are wholly below the mark become spare, or go. Log thread. */
static void trim(struct wal *wal)
{
    enum trim_step step;
    do {
        char name[VFS_NAME_BYTES_MAX];
        uint64_t number = 0;
        pthread_mutex_lock(&wal->files_lock);
        step = trim_step_locked(wal, &number);
        pthread_mutex_unlock(&wal->files_lock);
        if (step != TRIM_REMOVE_SPARE && step != TRIM_REMOVE_LIVE)
            continue;
        struct silt_error err;
        wal_segment_name(number, name);
        enum silt_status rc = vfs_segment_remove(wal->vfs, name, &err);
        pthread_mutex_lock(&wal->files_lock);
        wal->removing = false;
        if (rc == SILT_OK && step == TRIM_REMOVE_LIVE)
            forget_oldest_live_locked(wal);
        else if (rc != SILT_OK && step == TRIM_REMOVE_SPARE)
            give_back_spare_locked(wal, number);
        pthread_cond_broadcast(&wal->files_changed);
        pthread_mutex_unlock(&wal->files_lock);
        if (rc != SILT_OK && !wal->trim_failed)
            silt_log(SILT_LOG_WARN, "Log segment not removed", "error=\"%s\"", err.text);
        wal->trim_failed = rc != SILT_OK;
        if (rc != SILT_OK)
            step = TRIM_DONE; /* older files go first: it is tried again at a later round */
    } while (step != TRIM_DONE);
}

static bool trim_is_due(struct wal *wal)
{
    pthread_mutex_lock(&wal->files_lock);
    bool due = wal->live_count > 1 && wal->live[0].end_seq <= atomic_load(&wal->trim_below);
    pthread_mutex_unlock(&wal->files_lock);
    return due;
}

/* The round, or what else is due without one: the first segment, or the next after a failed sync; a sync. However long the disk
 * does not let it, unless the log ends. */
static enum silt_status do_round(struct wal *wal, struct silt_error *err)
{
    uint64_t pause_ns = 0;
    for (;;) {
        const struct wal_entry *first = wal->round;
        while (first && first->seq <= wal->durable_seq) /* a segment ended between them */
            first = first->next;
        enum silt_status rc = first           ? write_entries(wal, first, err)
                              : !wal->current ? begin_segment(wal, wal->written_seq + 1, 0, err)
                              : wal->unsynced ? sync_current(wal, err)
                                              : SILT_OK;
        if (rc == SILT_OK)
            return SILT_OK;
        abandon_segment(wal);
        if (trim_is_due(wal)) /* which is room */
            trim(wal);
        if (!wal_wait(wal, err, &pause_ns))
            return rc;
    }
}

static void finish_entries(struct wal *wal, struct wal_entry *first, enum silt_status status,
                           const struct silt_error *err)
{
    while (first) {
        struct wal_entry *entry = first;
        first = first->next;
        atomic_fetch_sub_explicit(&wal->queued_bytes, entry->payload_bytes, memory_order_relaxed);
        atomic_fetch_add_explicit(&wal->entries, 1, memory_order_relaxed);
        entry->done(entry, status, err);
    }
}

/* In interval mode: sync what was written once the interval is over and nothing new came. lock is held. */
static void wait_for_work_locked(struct wal *wal)
{
    while (!wal->head && !wal->ending && !wal->trim_asked && wal->current) {
        if (!wal->unsynced || wal->options.sync_mode != SILT_SYNC_INTERVAL) {
            pthread_cond_wait(&wal->wake, &wal->lock);
            continue;
        }
        struct timespec until = silt_clock_in((uint64_t)wal->options.sync_interval_ms * 1000000);
        if (pthread_cond_timedwait(&wal->wake, &wal->lock, &until) == ETIMEDOUT)
            return;
    }
}

static void *run(void *arg)
{
    struct wal *wal = arg;
    struct silt_error err = {0};

    pthread_mutex_lock(&wal->lock);
    for (;;) {
        wait_for_work_locked(wal);
        wal->round = wal->head;
        wal->head = NULL;
        wal->tail = &wal->head;
        wal->trim_asked = false;
        bool ending = wal->ending;
        pthread_mutex_unlock(&wal->lock);
        enum silt_status status = do_round(wal, &err);
        if (status == SILT_OK)
            wal_end_refusing(wal);
        finish_entries(wal, wal->round, status, &err);
        wal->round = NULL;
        if (status == SILT_OK && trim_is_due(wal))
            trim(wal);
        pthread_mutex_lock(&wal->lock);
        if (status != SILT_OK || (ending && !wal->head && !wal->unsynced)) /* it gives up at the end alone */
            break;
    }
    pthread_mutex_unlock(&wal->lock);
    return NULL;
}

/* A process that was killed may have written records that it never synced, in the last segment or in one that it left. They were
 * replayed, and the new segment's header will say that they are there: so they have to be durable before it. */
static enum silt_status sync_replayed(struct wal *wal, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;
    for (size_t i = 0; i < wal->live_count && rc == SILT_OK; i++) {
        char name[VFS_NAME_BYTES_MAX];
        struct vfs_segment *segment;
        if (wal->live[i].sure_seq >= wal->live[i].end_seq)
            continue;
        wal_segment_name(wal->live[i].number, name);
        if ((rc = vfs_segment_open(wal->vfs, name, &segment, err)) != SILT_OK)
            break;
        rc = vfs_segment_sync(segment, err);
        vfs_segment_close(segment);
    }
    return rc;
}

enum silt_status wal_start(struct wal *wal, uint64_t next_seq_min, struct silt_error *err)
{
    uint64_t replayed = wal->next_seq;
    enum silt_status rc = sync_replayed(wal, err);
    if (rc != SILT_OK)
        return rc;
    if (next_seq_min > wal->next_seq)
        wal->next_seq = next_seq_min;
    wal->appended_seq = wal->written_seq = wal->next_seq - 1;
    wal->durable_seq = wal->live_count ? replayed - 1 : wal->written_seq;
    wal->next_number = wal->live_count ? wal->live[wal->live_count - 1].number + 1 : 1;
    if (pthread_create(&wal->prepare_thread, NULL, prepare, wal) != 0)
        return silt_fail(err, SILT_LIMIT, "log: no thread can be started");
    wal->prepare_started = true;
    rc = begin_segment(wal, wal->next_seq, 0, err);
    if (rc == SILT_NO_SPACE) /* what is there can be read, and the log thread will find room when there is some */
        wal_begin_refusing(wal, err);
    else if (rc != SILT_OK)
        return rc;
    wal->last_sync_ns = silt_clock_monotonic_ns();
    wal->started = true; /* the thread asks */
    if (pthread_create(&wal->thread, NULL, run, wal) != 0) {
        wal->started = false;
        return silt_fail(err, SILT_LIMIT, "log: no thread can be started");
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- the queue */

void wal_lock(struct wal *wal)
{
    pthread_mutex_lock(&wal->lock);
}

/* The log's thread is woken behind the lock, not under it: it would only wait for the lock next. */
void wal_unlock(struct wal *wal)
{
    bool wakes = wal->wakes;
    wal->wakes = false;
    pthread_mutex_unlock(&wal->lock);
    if (wakes)
        pthread_cond_signal(&wal->wake);
}

uint64_t wal_enqueue_locked(struct wal *wal, struct wal_entry *entry)
{
    silt_assert(wal->started && !wal->ending);
    silt_assert(entry->payload_bytes <= WAL_PAYLOAD_BYTES_MAX);
    bool idle = wal->head == NULL;
    entry->seq = wal->next_seq++;
    entry->next = NULL;
    entry->told = false;
    *wal->tail = entry;
    wal->tail = &entry->next;
    atomic_fetch_add_explicit(&wal->queued_bytes, entry->payload_bytes, memory_order_relaxed);
    wal->wakes |= idle;
    return entry->seq;
}

uint64_t wal_next_seq_locked(struct wal *wal)
{
    return wal->next_seq;
}

void wal_trim(struct wal *wal, uint64_t below_seq)
{
    uint64_t old = atomic_load(&wal->trim_below);
    while (below_seq > old && !atomic_compare_exchange_weak(&wal->trim_below, &old, below_seq))
        ;
    if (below_seq > old && trim_is_due(wal)) {
        pthread_mutex_lock(&wal->lock);
        wal->trim_asked = true;
        pthread_cond_signal(&wal->wake);
        pthread_mutex_unlock(&wal->lock);
    }
}

uint64_t wal_seq_behind(struct wal *wal, uint32_t segments)
{
    pthread_mutex_lock(&wal->files_lock);
    uint64_t seq = wal->live_count > segments ? wal->live[wal->live_count - segments].first_seq : 0;
    pthread_mutex_unlock(&wal->files_lock);
    return seq;
}

uint64_t wal_durable_seq(struct wal *wal)
{
    return atomic_load(&wal->durable_seq);
}

void wal_stats(struct wal *wal, struct wal_stats *out)
{
    *out = (struct wal_stats){.syncs = atomic_load(&wal->syncs),
                              .entries = atomic_load(&wal->entries),
                              .queued_bytes = atomic_load(&wal->queued_bytes)};
    pthread_mutex_lock(&wal->files_lock);
    for (size_t i = 0; i < wal->live_count; i++)
        out->bytes += wal->live[i].bytes;
    out->bytes += wal->spare_count * wal->options.segment_bytes;
    out->oldest_seq = wal->live_count ? wal->live[0].first_seq : 0;
    pthread_mutex_unlock(&wal->files_lock);
}

/* What was made ready and not used. If it stays, the next start finds out that it is empty, by reading it. */
static void remove_next(struct wal *wal)
{
    char name[VFS_NAME_BYTES_MAX];
    struct silt_error err;
    if (!wal->next)
        return;
    vfs_segment_close(wal->next);
    wal_segment_name(wal->next_number, name);
    if (vfs_segment_remove(wal->vfs, name, &err) != SILT_OK)
        silt_log(SILT_LOG_WARN, "Log segment not removed", "error=\"%s\"", err.text);
}

void wal_close(struct wal *wal)
{
    if (!wal)
        return;
    pthread_mutex_lock(&wal->lock);
    wal->ending = true;
    pthread_cond_signal(&wal->wake);
    pthread_mutex_unlock(&wal->lock);
    if (wal->started)
        pthread_join(wal->thread, NULL);
    pthread_mutex_lock(&wal->files_lock);
    wal->prepare_ending = true;
    pthread_cond_broadcast(&wal->files_changed);
    pthread_mutex_unlock(&wal->files_lock);
    if (wal->prepare_started)
        pthread_join(wal->prepare_thread, NULL);
    vfs_segment_close(wal->current);
    remove_next(wal);
    silt_buffer_free(&wal->group);
    pthread_cond_destroy(&wal->wake);
    pthread_cond_destroy(&wal->files_changed);
    pthread_mutex_destroy(&wal->lock);
    pthread_mutex_destroy(&wal->files_lock);
    free(wal->live);
    free(wal);
}
