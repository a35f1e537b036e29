/*
 * series_reclaim.c - memory that removed series leave behind, taken back a slice at a time.
 *
 *     series removed -> its record is retired -> record and values that nobody has any more: to the heap's free pieces, codes to be
 *                                                given again; pages of ids without a live one: freed
 *
 * Readers follow numbers and codes without a lock while they hold a body. Holding begins under the lock, so whoever has it exclusively
 * and finds nobody holding knows that no number is in anybody's hands. Selections take milliseconds: such a moment comes.
 * While there are holders new values get new codes, for a pattern may have been tried on the old ones.
 */
#include "storage/series_measurement.h"

#include <stdlib.h>

void index_note_dead_page(struct series_index *index, uint32_t page)
{
    if (index->dead_page_count == index->dead_page_room) {
        index->dead_page_room = index->dead_page_room ? 2 * index->dead_page_room : 16;
        index->dead_pages = silt_realloc(index->dead_pages, index->dead_page_room * sizeof(*index->dead_pages));
    }
    index->dead_pages[index->dead_page_count++] = page;
}

/* Those whose ids have all been given; the last page may have come to life again, and is noted again when it is dead. */
static void free_pages(struct series_index *index)
{
    for (uint32_t i = 0; i < index->dead_page_count; i++) {
        uint32_t number = index->dead_pages[i];
        _Atomic(struct id_page *) *middle = atomic_load_explicit(&index->ids.top[number / ID_MIDDLE], memory_order_relaxed);
        struct id_page *page = atomic_load_explicit(&middle[number % ID_MIDDLE], memory_order_relaxed);
        if (!page || page->live > 0 || index->last_id / ID_PAGE <= number)
            continue;
        atomic_store_explicit(&middle[number % ID_MIDDLE], NULL, memory_order_relaxed);
        index->account -= sizeof(*page);
        free(page);
    }
    index->dead_page_count = 0;
}

static void reclaim(struct series_index *index, uint32_t most)
{
    uint32_t left = most, measurements = string_set_count(&index->names);
    for (uint32_t looked = 0; looked < most && left > 0 && index->retired > 0; looked++) {
        if (index->reclaim_at == 0 || index->reclaim_at > measurements)
            index->reclaim_at = 1;
        struct series_body *body = index_measurement(index, index->reclaim_at)->body;
        if (body && body->retired_count > 0) {
            index_post_body(index, body, UINT32_MAX);
            index_take_out(index, body);
            left -= body_reclaim(body, left);
            index_put_in(index, body);
        }
        if (!body || body->retired_count == 0)
            index->reclaim_at++;
    }
}

bool series_index_reclaim(struct series_index *index, uint32_t most)
{
    pthread_mutex_lock(&index->create_lock);
    bool wanted = index->retired > 0 || index->dead_page_count > 0;
    if (wanted && atomic_load_explicit(&index->holders, memory_order_acquire) == 0) {
        pthread_rwlock_wrlock(&index->lock);
        if (atomic_load_explicit(&index->holders, memory_order_acquire) == 0) {
            reclaim(index, most);
            free_pages(index);
        }
        pthread_rwlock_unlock(&index->lock);
        (void)index_settle(index, NULL); /* gives back; nothing is asked for */
    }
    bool more = index->retired > 0;
    pthread_mutex_unlock(&index->create_lock);
    return more;
}
