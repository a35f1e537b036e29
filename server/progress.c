/*
 * progress.c - see progress.h. The text: `1 DONE START END START END ...`, nanoseconds since 1970.
 */
#include "server/progress.h"

#include "silt/text.h"

#include <inttypes.h>

/* ---------------------------------------------------------------- text */

static bool take_number(struct silt_str *rest, int64_t *out)
{
    size_t len = 0;

    while (rest->len && rest->p[0] == ' ')
        *rest = (struct silt_str){rest->p + 1, rest->len - 1};
    while (len < rest->len && rest->p[len] != ' ')
        len++;
    if (!silt_parse_int(rest->p, len, out, NULL))
        return false;
    *rest = (struct silt_str){rest->p + len, rest->len - len};
    return true;
}

bool progress_read(struct progress *progress, struct silt_str text)
{
    int64_t version, start, end;

    *progress = (struct progress){0};
    if (!take_number(&text, &version) || version != 1 || !take_number(&text, &progress->done))
        return false;
    while (text.len) {
        if (!take_number(&text, &start) || !take_number(&text, &end) || start >= end)
            return false;
        ranges_add(&progress->pending, start, end);
    }
    return true;
}

struct silt_str progress_write(const struct progress *progress, struct silt_arena *arena)
{
    struct silt_buffer text = {0};

    silt_buffer_printf(&text, "1 %" PRId64, progress->done);
    for (size_t i = 0; i < progress->pending.count; i++)
        silt_buffer_printf(&text, " %" PRId64 " %" PRId64, progress->pending.items[i].start, progress->pending.items[i].end);
    struct silt_str result = silt_arena_str(arena, (struct silt_str){text.p, text.len});
    silt_buffer_free(&text);
    return result;
}

/* ---------------------------------------------------------------- what is pending */

/* Away from both ends of time, so that a few windows more or less are times as well. */
static silt_time clamp(const struct silt_schedule *schedule, silt_time time)
{
    int64_t edge = 4 * (schedule->interval_ns < SILT_TIME_MAX / 16 ? schedule->interval_ns : SILT_TIME_MAX / 16);

    if (time < SILT_TIME_MIN + edge)
        return SILT_TIME_MIN + edge;
    return time > SILT_TIME_MAX - edge ? SILT_TIME_MAX - edge : time;
}

void progress_touch(struct progress *progress, const struct silt_schedule *schedule, const struct ranges *touched)
{
    for (size_t i = 0; i < touched->count; i++) {
        silt_time start = silt_schedule_window(schedule, clamp(schedule, touched->items[i].start));
        silt_time end = silt_schedule_window_end(schedule, clamp(schedule, touched->items[i].end - 1));
        ranges_add(&progress->pending, start, end < progress->done ? end : progress->done);
    }
}

void progress_limit(struct progress *progress, const struct silt_schedule *schedule, silt_time oldest)
{
    if (progress->pending.count && progress->pending.items[0].start < oldest)
        ranges_remove_before(&progress->pending, silt_schedule_window_end(schedule, clamp(schedule, oldest - 1)));
}

/* A window is settled as by the schedule's own run of it, with those before it that this run would look at. */
static bool scheduled_piece(const struct silt_schedule *schedule, const struct range *newest, silt_time last,
                            struct progress_piece *out)
{
    int64_t every = schedule->every_ns > schedule->interval_ns ? schedule->every_ns : 0;
    silt_time due = newest->end;

    out->from = silt_schedule_window(schedule, newest->end - 1);
    if (every) {
        due = silt_schedule_last(schedule, newest->end - 1) + every;
        out->from = due - every;
    }
    out->from = out->from > newest->start ? out->from : newest->start;
    return due <= last && silt_schedule_range(schedule, due, due, &out->start, &out->end);
}

bool progress_next(struct progress *progress, const struct silt_continuous *query, silt_time last, uint64_t windows_max,
                   struct progress_piece *out)
{
    const struct silt_schedule *schedule = &query->schedule;
    int64_t span;

    while (progress->pending.count) {
        const struct range *newest = &progress->pending.items[progress->pending.count - 1];
        if (!query->windows_alone) {
            if (scheduled_piece(schedule, newest, last, out))
                return true;
            progress_settle(progress, out); /* its run is still to come */
            continue;
        }
        out->end = newest->end;
        out->from = newest->start;
        if (!__builtin_mul_overflow((int64_t)windows_max, schedule->interval_ns, &span) && newest->end - newest->start > span)
            out->from = silt_schedule_window(schedule, newest->end - span);
        out->start = out->from;
        return true;
    }
    return false;
}

void progress_settle(struct progress *progress, const struct progress_piece *piece)
{
    ranges_remove_from(&progress->pending, piece->from);
}
