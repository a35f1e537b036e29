/*
 * schedule.c - when a continuous query runs, and over which range (silt_schedule_due of query.h).
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

bool silt_schedule_due(const struct silt_schedule *schedule, struct silt_schedule_state *state, silt_time now,
                       silt_time *start, silt_time *end)
{
    int64_t interval = schedule->interval_ns, every = schedule->every_ns ? schedule->every_ns : interval;
    int64_t span = schedule->for_ns ? schedule->for_ns : every > interval ? every : interval;
    silt_time next = now;

    if (interval <= 0)
        return false;
    if (state->has_run && (next = next_run(schedule, state->last, every)) > now)
        return false;
    state->last = cut(schedule, now - schedule->offset_ns, every) + schedule->offset_ns;
    state->has_run = true;
    if (every > interval)
        every = interval;
    *start = cut(schedule, next + interval - span - schedule->offset_ns - 1, interval) + schedule->offset_ns;
    *end = cut(schedule, now + interval - every - schedule->offset_ns, interval) + schedule->offset_ns;
    return *end > *start;
}
