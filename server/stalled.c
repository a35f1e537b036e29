/*
 * stalled.c - see stalled.h.
 */
#include "server/stalled.h"

#include "silt/text.h"

void stalled_list_init(struct stalled_list *list, struct silt_pool *pool, const struct silt_budget *memory, size_t max)
{
    *list = (struct stalled_list){.pool = pool, .memory = memory, .max = max};
    pthread_mutex_init(&list->lock, NULL);
    list->last = &list->first;
}

void stalled_list_deinit(struct stalled_list *list)
{
    silt_assert(list->count == 0);
    pthread_mutex_destroy(&list->lock);
}

static void remove_locked(struct stalled_list *list, struct stalled *stalled)
{
    *stalled->previous = stalled->next;
    if (stalled->next)
        stalled->next->previous = stalled->previous;
    else
        list->last = stalled->previous;
    stalled->previous = NULL;
    list->count--;
}

static bool make_room_locked(struct stalled_list *list, uint64_t now)
{
    struct stalled *longest = list->first;

    if (list->count < list->max && atomic_load(&list->memory->used_bytes) <= list->memory->limit_bytes / 2)
        return true;
    if (!longest || now - longest->since_ns < STALLED_NS)
        return false;
    silt_log(SILT_LOG_WARN, "an answer was broken off for its client does not read, and too many others do not either",
             "waited_s=%llu waiting=%zu", (unsigned long long)((now - longest->since_ns) / 1000000000), list->count);
    remove_locked(list, longest);
    longest->break_off(longest);
    return true;
}

bool stalled_begin(struct stalled_list *list, struct stalled *stalled)
{
    pthread_mutex_lock(&list->lock);
    uint64_t now = silt_clock_monotonic_ns(); /* under the lock: the list is by time */
    bool room = make_room_locked(list, now);
    if (room) {
        stalled->since_ns = now;
        stalled->next = NULL;
        stalled->previous = list->last;
        *list->last = stalled;
        list->last = &stalled->next;
        list->count++;
    }
    pthread_mutex_unlock(&list->lock);
    if (room)
        silt_pool_wait_begin(list->pool);
    return room;
}

void stalled_end(struct stalled_list *list, struct stalled *stalled)
{
    pthread_mutex_lock(&list->lock);
    if (stalled->previous)
        remove_locked(list, stalled);
    pthread_mutex_unlock(&list->lock);
    silt_pool_wait_end(list->pool);
}
