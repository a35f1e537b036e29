/*
 * ranges.c - see ranges.h.
 */
#include "server/ranges.h"

#include <string.h>

static void remove_items(struct ranges *ranges, size_t first, size_t count)
{
    memmove(ranges->items + first, ranges->items + first + count,
            (ranges->count - first - count) * sizeof(*ranges->items));
    ranges->count -= count;
}

static void join_closest(struct ranges *ranges)
{
    uint64_t least = UINT64_MAX;
    size_t which = 0;

    for (size_t i = 0; i + 1 < ranges->count; i++) {
        uint64_t gap = (uint64_t)ranges->items[i + 1].start - (uint64_t)ranges->items[i].end;
        if (gap < least) {
            least = gap;
            which = i;
        }
    }
    ranges->items[which].end = ranges->items[which + 1].end;
    remove_items(ranges, which + 1, 1);
}

void ranges_add(struct ranges *ranges, silt_time start, silt_time end)
{
    struct range *items = ranges->items;
    size_t first = 0, last;

    if (start >= end)
        return;
    while (first < ranges->count && items[first].end < start)
        first++;
    for (last = first; last < ranges->count && items[last].start <= end; last++) {
        start = items[last].start < start ? items[last].start : start;
        end = items[last].end > end ? items[last].end : end;
    }
    if (last > first) {
        items[first] = (struct range){start, end};
        remove_items(ranges, first + 1, last - first - 1);
        return;
    }
    if (ranges->count == RANGES_MAX) {
        join_closest(ranges);
        ranges_add(ranges, start, end); /* it may lie in what was a gap */
        return;
    }
    memmove(items + first + 1, items + first, (ranges->count - first) * sizeof(*items));
    items[first] = (struct range){start, end};
    ranges->count++;
}

void ranges_remove_before(struct ranges *ranges, silt_time time)
{
    size_t gone = 0;

    while (gone < ranges->count && ranges->items[gone].end <= time)
        gone++;
    remove_items(ranges, 0, gone);
    if (ranges->count && ranges->items[0].start < time)
        ranges->items[0].start = time;
}

void ranges_remove_from(struct ranges *ranges, silt_time time)
{
    while (ranges->count && ranges->items[ranges->count - 1].start >= time)
        ranges->count--;
    if (ranges->count && ranges->items[ranges->count - 1].end > time)
        ranges->items[ranges->count - 1].end = time;
}
