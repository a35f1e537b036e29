/*
 * rate.c - what is taken moves the moment from which on more may be taken.
 */
#include "shell/rate.h"
#include "silt/text.h"

#define PAUSE_NS_MAX 100000000u

enum silt_status rate_init(struct rate *rate, const char *text, struct silt_error *err)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}};
    *rate = (struct rate){.lock = PTHREAD_MUTEX_INITIALIZER};
    size_t len = strlen(text);
    if (!len)
        return SILT_OK;
    double factor = 1;
    for (size_t i = 0; i < sizeof units / sizeof *units && !rate->of_bytes; i++) {
        size_t unit = strlen(units[i].unit);
        if (len > unit && strcmp(text + len - unit, units[i].unit) == 0) {
            rate->of_bytes = true;
            factor = units[i].factor;
            len -= unit;
        }
    }
    if (!silt_parse_double(text, len, &rate->per_second) || !(rate->per_second > 0))
        return silt_fail(err, SILT_INVALID, "-rate %s is neither rows a second, as 20000, nor bytes, as 5MB", text);
    rate->per_second *= factor;
    return SILT_OK;
}

void rate_take(struct rate *rate, uint64_t rows, uint64_t bytes, bool (*stopped)(void *context), void *context)
{
    if (!(rate->per_second > 0))
        return;
    uint64_t cost = (uint64_t)((double)(rate->of_bytes ? bytes : rows) / rate->per_second * 1e9);
    pthread_mutex_lock(&rate->lock);
    uint64_t now = silt_clock_monotonic_ns();
    rate->free_at_ns = (rate->free_at_ns > now ? rate->free_at_ns : now) + cost;
    uint64_t due = rate->free_at_ns;
    pthread_mutex_unlock(&rate->lock);
    for (; (now = silt_clock_monotonic_ns()) < due && !stopped(context);) {
        uint64_t rest = due - now < PAUSE_NS_MAX ? due - now : PAUSE_NS_MAX;
        nanosleep(&(struct timespec){0, (long)rest}, NULL);
    }
}
