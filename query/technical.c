/* technical.c - implements technical.h. The order of operations is the imitated server's, for its digits. */
#include "query/technical.h"
#include "query/go_math.h"

#include <math.h>
#include <stdlib.h>

enum warm_up { WARM_NONE, WARM_EXPONENTIAL, WARM_SIMPLE };

/* ---------------------------------------------------------------- moving averages */

/* While fewer points than the period were seen, each weighs as if the period were their number. */
struct ema {
    int64_t period, count; /* count stays at the period */
    double alpha, last;
    enum warm_up warm_up;
};

static struct ema ema_make(int64_t period, enum warm_up warm_up)
{
    return (struct ema){.period = period, .alpha = 2 / (double)(period + 1), .warm_up = warm_up};
}

static bool ema_ready(const struct ema *ema) /* for another average to be taken of it */
{
    return ema->warm_up == WARM_EXPONENTIAL || ema->count == ema->period;
}

static double ema_add(struct ema *ema, double v)
{
    if (ema->count == 0)
        ema->last = v;
    else if (ema->count == ema->period)
        ema->last = (v - ema->last) * ema->alpha + ema->last;
    else if (ema->warm_up == WARM_SIMPLE)
        ema->last = (ema->last * (double)ema->count + v) / (double)(ema->count + 1);
    else
        ema->last = (v - ema->last) * (2 / (double)(ema->count + 2)) + ema->last;
    ema->count += ema->count < ema->period;
    return ema->last;
}

/* ---------------------------------------------------------------- moves over a ring of prices */

struct ring_entry {
    double price, move;
};

struct ring {
    struct ring_entry *entries; /* zero before points come */
    size_t size, newest, count;
};

static size_t ring_oldest(const struct ring *ring)
{
    return ring->newest + 1 == ring->size ? 0 : ring->newest + 1;
}

static void ring_push(struct ring *ring, size_t at, double price, double move)
{
    ring->entries[at] = (struct ring_entry){price, move};
    ring->newest = at;
    ring->count++;
}

/* ---------------------------------------------------------------- an indicator */

struct indicator {
    enum function_id id;
    enum warm_up warm_up;
    int64_t hold;
    struct ema average[3];
    struct ring ring;
    double previous;    /* price, or value of the rate's average */
    double up, down;    /* chande */
    double noise, last; /* kaufman */
};

/* How much of the way from start to end was progress. */
static double efficiency(struct indicator *ind, double v)
{
    struct ring *ring = &ind->ring;
    size_t oldest = ring_oldest(ring);
    double signal = fabs(v - ring->entries[oldest].price);
    double move = fabs(v - ring->entries[ring->newest].price);

    ind->noise -= ring->entries[oldest].move;
    ind->noise += move;
    ring_push(ring, oldest, v, move);
    return signal == 0 || ind->noise == 0 ? 0 : signal / ind->noise;
}

static double adaptive_average(struct indicator *ind, double v)
{
    const double fast = 56.0 / 93.0, slow = 2.0 / 31.0; /* 2/3 - 2/31, rounded once */

    if (ind->ring.count <= ind->ring.size)
        ind->last = ind->ring.entries[ind->ring.newest].price;
    double weight = efficiency(ind, v) * fast + slow;
    ind->last += weight * weight * (v - ind->last);
    return ind->last;
}

static double momentum(struct indicator *ind, double v)
{
    struct ring *ring = &ind->ring;
    size_t oldest = ring_oldest(ring);
    double move = ring->count ? v - ring->entries[ring->newest].price : 0;
    double out = 0;

    if (move > 0)
        ind->up += move;
    else if (move < 0) /* from or to what is no number counts as none */
        ind->down -= move;
    if (ind->up != 0 || ind->down != 0)
        out = 100.0 * ((ind->up - ind->down) / (ind->up + ind->down));
    if (ring->entries[oldest].move > 0)
        ind->up -= ring->entries[oldest].move;
    else if (ring->entries[oldest].move < 0)
        ind->down += ring->entries[oldest].move;
    ring_push(ring, oldest, v, move);
    return out;
}

/* Averages of the moves up and down; the first move is from 0. */
static double strength(struct indicator *ind, double v)
{
    double up = v > ind->previous ? v - ind->previous : 0, down = v < ind->previous ? ind->previous - v : 0;

    ind->previous = v;
    up = ema_add(&ind->average[0], up);
    down = ema_add(&ind->average[1], down);
    if (ind->id == FN_CMO)
        return 100.0 * ((up - down) / (up + down));
    return 100.0 - 100.0 / (1.0 + up / down);
}

static double averages(struct indicator *ind, double v)
{
    struct ema *average = ind->average;
    double a = ema_add(&average[0], v), b = a, c;

    if (ind->id == FN_EMA)
        return a;
    if (ema_ready(&average[0]))
        b = ema_add(&average[1], a);
    if (ind->id == FN_DEMA)
        return 2 * a - b;
    c = b;
    if (ema_ready(&average[0]) && ema_ready(&average[1]))
        c = ema_add(&average[2], b);
    if (ind->id == FN_TEMA)
        return 3 * a - 3 * b + c;
    double rate = (c / ind->previous - 1) * 100;
    ind->previous = c;
    return rate;
}

static double indicate(struct indicator *ind, double v)
{
    switch (ind->id) {
    case FN_KER: return efficiency(ind, v);
    case FN_KAMA: return adaptive_average(ind, v);
    case FN_CMO: return ind->warm_up == WARM_NONE ? momentum(ind, v) : strength(ind, v);
    case FN_RSI: return strength(ind, v);
    default: return averages(ind, v);
    }
}

/* Points until the indicator has all it averages. */
static int64_t warm_count(enum function_id id, int64_t period, enum warm_up warm_up)
{
    int64_t rounds = warm_up == WARM_SIMPLE ? 3 : 1;

    switch (id) {
    case FN_EMA: return period - 1;
    case FN_DEMA: return warm_up == WARM_SIMPLE ? 2 * (period - 1) : period - 1;
    case FN_TEMA: return rounds * (period - 1);
    case FN_TRIX: return rounds * (period - 1) + 1;
    case FN_CMO: return warm_up == WARM_NONE ? period - 1 : period;
    default: return period;
    }
}

static void indicator_init(struct indicator *ind, const struct plan_call *call)
{
    struct expr *const *args = call->expr->call.args;
    size_t count = call->expr->call.arg_count;
    int64_t period = args[1]->integer;

    *ind = (struct indicator){.id = call->function->id};
    ind->warm_up = ind->id == FN_CMO ? WARM_NONE : WARM_EXPONENTIAL;
    if (count >= 4)
        ind->warm_up = silt_str_equal(args[3]->string, SILT_STR("simple"))        ? WARM_SIMPLE
                       : silt_str_equal(args[3]->string, SILT_STR("exponential")) ? WARM_EXPONENTIAL
                                                                                  : WARM_NONE;
    ind->hold = count >= 3 && args[2]->integer != -1 ? args[2]->integer : warm_count(ind->id, period, ind->warm_up);
    for (size_t i = 0; i < 3; i++)
        ind->average[i] = ema_make(period, ind->warm_up);
    if (ind->id == FN_RSI || ind->id == FN_CMO)
        for (size_t i = 0; i < 2; i++) {
            ind->average[i].period = period + 1;
            ind->average[i].alpha = 1 / (double)period;
        }
    if (ind->id == FN_KER || ind->id == FN_KAMA)
        ind->ring.size = (size_t)period;
    else if (ind->id == FN_CMO && ind->warm_up == WARM_NONE)
        ind->ring.size = (size_t)period - 1;
}

enum silt_status points_technical(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                  struct points *out, struct silt_error *err)
{
    struct indicator ind;
    int64_t seen = 0;
    enum silt_status rc = SILT_OK;

    indicator_init(&ind, call);
    if (ind.id == FN_CMO && ind.warm_up == WARM_NONE && ind.ring.size == 0)
        return silt_fail(err, SILT_INVALID, "%s period must be greater than or equal to 2 without a warmup type",
                         call->function->name);
    if (ind.ring.size) {
        if (ind.ring.size > in->count + 1) /* entries beyond the points are only ever seen as zeros */
            ind.ring.size = in->count + 2;
        if ((rc = silt_budget_charge(&plan->exec->budget, ind.ring.size * sizeof(*ind.ring.entries), err)) != SILT_OK)
            return rc;
        ind.ring.entries = silt_calloc(ind.ring.size, sizeof(*ind.ring.entries));
    }
    for (size_t i = 0; rc == SILT_OK && i < in->count; i++) {
        const struct point *point = &in->items[i];
        if (point->value.kind == SILT_CELL_NULL)
            continue;
        double value = indicate(&ind, point_float(point));
        if (++seen <= ind.hold || (ind.id == FN_TRIX && isinf(value)))
            continue;
        struct point made = {.time = point->time, .value = {.kind = SILT_CELL_FLOAT, .f64 = value}};
        rc = points_add(out, &made, err);
    }
    if (ind.ring.size)
        silt_budget_release(&plan->exec->budget, ind.ring.size * sizeof(*ind.ring.entries));
    free(ind.ring.entries);
    return rc;
}
