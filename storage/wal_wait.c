/*
 * wal_wait.c - a log that cannot go on: who waits is told, who comes is refused with the reason, and the log thread tries again.
 *
 *     an operation fails -> refusing: all that is queued is told once -> pause, 1 ms to seconds -> again -> written: go on
 *
 * The reason is the last failed operation's; what the disk is short of, people read in words of their own.
 */
#include "storage/wal_internal.h"

#include "silt/text.h"

#include <errno.h>
#include <time.h>

#define PAUSE_NS_MIN ((uint64_t)1000000)
#define ROOM_PAUSE_NS_MAX ((uint64_t)256 * 1000000)
#define FAULT_PAUSE_NS_MAX ((uint64_t)4000 * 1000000) /* each try makes a segment, on a disk that may be at its end */

enum silt_status wal_refuse(const struct silt_error *why, struct silt_error *err)
{
    if (why->status == SILT_NO_SPACE)
        return silt_fail(err, SILT_NO_SPACE, "the disk is full, writes are refused until there is room: %.300s", why->text);
    if (why->sys_errno == EMFILE || why->sys_errno == ENFILE)
        return silt_fail(err, SILT_IO, "too many files are open, writes are refused until some are closed: %.300s", why->text);
    if (why->sys_errno == EROFS)
        return silt_fail(err, SILT_IO, "the disk is read-only, writes are refused until it can be written: %.300s", why->text);
    return silt_fail(err, SILT_IO, "the disk fails, writes are refused until it can be written: %.300s", why->text);
}

enum silt_status wal_check(struct wal *wal, struct silt_error *err)
{
    if (!atomic_load(&wal->refusing))
        return SILT_OK;
    pthread_mutex_lock(&wal->lock);
    struct silt_error why = wal->why;
    pthread_mutex_unlock(&wal->lock);
    return wal_refuse(&why, err);
}

void wal_begin_refusing(struct wal *wal, const struct silt_error *why)
{
    bool news = !atomic_load(&wal->refusing) || wal->why.sys_errno != why->sys_errno || wal->why.status != why->status;
    pthread_mutex_lock(&wal->lock);
    wal->why = *why;
    pthread_mutex_unlock(&wal->lock);
    atomic_store(&wal->refusing, true);
    if (news)
        silt_log(SILT_LOG_ERROR, "The log cannot go on: writes are refused until it can", "error=\"%s\"", why->text);
}

void wal_end_refusing(struct wal *wal)
{
    if (atomic_exchange(&wal->refusing, false))
        silt_log(SILT_LOG_INFO, "The log goes on: writes are taken again", "durable_seq=%llu", (unsigned long long)wal->durable_seq);
}

/* What came meanwhile joins the round, at its end. */
static void join_round_locked(struct wal *wal)
{
    struct wal_entry **end = &wal->round;
    while (*end)
        end = &(*end)->next;
    *end = wal->head;
    wal->head = NULL;
    wal->tail = &wal->head;
}

static void tell_stalled(struct wal_entry *entry, const struct silt_error *err)
{
    for (; entry; entry = entry->next)
        if (!entry->told) {
            entry->told = true;
            if (entry->stalled)
                entry->stalled(entry, err);
        }
}

bool wal_wait(struct wal *wal, const struct silt_error *why, uint64_t *pause_ns)
{
    struct silt_error told;
    uint64_t most = why->status == SILT_NO_SPACE ? ROOM_PAUSE_NS_MAX : FAULT_PAUSE_NS_MAX;
    wal_begin_refusing(wal, why);
    wal_refuse(why, &told);
    *pause_ns = *pause_ns == 0 ? PAUSE_NS_MIN : *pause_ns * 2 < most ? *pause_ns * 2 : most;
    struct timespec until = silt_clock_in(*pause_ns);
    int rc = 0;
    pthread_mutex_lock(&wal->lock);
    while (rc != ETIMEDOUT && !wal->ending) {
        join_round_locked(wal);
        pthread_mutex_unlock(&wal->lock);
        tell_stalled(wal->round, &told);
        pthread_mutex_lock(&wal->lock);
        if (!wal->head && !wal->ending)
            rc = pthread_cond_timedwait(&wal->wake, &wal->lock, &until);
    }
    join_round_locked(wal);
    bool again = !wal->ending;
    pthread_mutex_unlock(&wal->lock);
    return again;
}
