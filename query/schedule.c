/*
 * schedule.c - when a continuous query runs, and over which range (silt_schedule_* of query.h).
 *
 *     interval 10s, every 5s, now 12:00:05           [12:00:00, 12:00:10)    the window so far
 *                             now 12:00:10           [12:00:00, 12:00:10)    the finished one
 *     interval 10s, for 30s,  now 12:00:10           [11:59:40, 12:00:10)    and those before it
 *
 * Times are cut to multiples of the interval since 1970 in the query's zone; InfluxDB 1.6's rules, which are those of its
 * documentation as far as that goes. Pure: the clock is the caller's.
 */
#include "silt/query.h"
#include "silt/text.h"

#define NS_PER_S 1000000000LL

static int64_t zone_ns(const struct silt_schedule *schedule, silt_time time)
{
    return schedule->zone ? silt_zone_offset(schedule->zone, time) * NS_PER_S : 0;
}

/* Down to a multiple of `step` of the zone's civil time. */
static silt_time cut(const struct silt_schedule *schedule, silt_time time, int64_t step)
{
    int64_t offset = zone_ns(schedule, time), rest = (time + offset) % step;
    silt_time result = time - (rest < 0 ? rest + step : rest);
    int64_t change = offset - zone_ns(schedule, result);

    return change > -step && change < step ? result + change : result;
}

static silt_time next_run(const struct silt_schedule *schedule, silt_time last, int64_t every)
{
    silt_time next = last + every;
    int64_t change = zone_ns(schedule, last - 1) - zone_ns(schedule, next - 1);

    return change > -every && change < every ? next + change : next;
}

static int64_t every_of(const struct silt_schedule *schedule)
{
    return schedule->every_ns ? schedule->every_ns : schedule->interval_ns;
}

silt_time silt_schedule_last(const struct silt_schedule *schedule, silt_time time)
{
    return cut(schedule, time - schedule->offset_ns, every_of(schedule)) + schedule->offset_ns;
}

silt_time silt_schedule_window(const struct silt_schedule *schedule, silt_time time)
{
    return cut(schedule, time - schedule->offset_ns, schedule->interval_ns) + schedule->offset_ns;
}

silt_time silt_schedule_window_end(const struct silt_schedule *schedule, silt_time time)
{
    silt_time end = next_run(schedule, silt_schedule_window(schedule, time), schedule->interval_ns);
    silt_time aligned = silt_schedule_window(schedule, end);

    return aligned > time ? aligned : end;
}

bool silt_schedule_range(const struct silt_schedule *schedule, silt_time next, silt_time now, silt_time *start,
                         silt_time *end)
{
    int64_t interval = schedule->interval_ns, every = every_of(schedule);
    int64_t span = schedule->for_ns ? schedule->for_ns : every > interval ? every : interval;

    *start = silt_schedule_window(schedule, next + interval - span - 1);
    *end = silt_schedule_window(schedule, every < interval ? now + interval - every : now);
    return *end > *start;
}

bool silt_schedule_due(const struct silt_schedule *schedule, struct silt_schedule_state *state, silt_time now,
                       silt_time *start, silt_time *end)
{
    silt_time next = now;

    if (schedule->interval_ns <= 0)
        return false;
    if (state->has_run && (next = next_run(schedule, state->last, every_of(schedule))) > now)
        return false;
    state->last = silt_schedule_last(schedule, now);
    state->has_run = true;
    return silt_schedule_range(schedule, next, now, start, end);
}
