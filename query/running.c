/* running.c - implements running.h. The order of operations is the imitated server's, for its digits. */
#include "query/running.h"

#include <stdlib.h>

struct running {
    struct exec *exec;
    enum function_id id;
    enum data_type type; /* of what comes in */
    int64_t argument;    /* unit; n of moving_average */
    double unit;         /* negative where times fall */
    bool any;
    silt_time time; /* of the number before */
    uint64_t value; /* the number before; the sum so far */
    uint64_t *ring; /* moving_average: the last n numbers, or as many as there were */
    size_t held, next, ring_room;
};

static inline double as_float(uint64_t bits)
{
    return (union silt_value){.u64 = bits}.f64;
}

static inline uint64_t bits_of(double value)
{
    return (union silt_value){.f64 = value}.u64;
}

bool running_is(const struct plan_call *call)
{
    switch (call->function->id) {
    case FN_DERIVATIVE:
    case FN_NON_NEGATIVE_DERIVATIVE:
    case FN_DIFFERENCE:
    case FN_NON_NEGATIVE_DIFFERENCE:
    case FN_ELAPSED:
    case FN_CUMULATIVE_SUM:
    case FN_MOVING_AVERAGE: return true;
    default: return false;
    }
}

enum silt_status running_create(const struct plan *plan, const struct plan_call *call, struct running **out,
                                struct silt_error *err)
{
    enum silt_status rc = silt_budget_charge(&plan->exec->budget, sizeof(**out), err);

    *out = NULL;
    if (rc != SILT_OK)
        return rc;
    *out = silt_calloc(1, sizeof(**out));
    **out = (struct running){.exec = plan->exec, .id = call->function->id, .type = call->in,
                             .argument = call->count_argument,
                             .unit = plan->compiled->descending ? -(double)call->count_argument : (double)call->count_argument};
    return SILT_OK;
}

void running_destroy(struct running *r)
{
    if (!r)
        return;
    silt_budget_release(&r->exec->budget, sizeof(*r) + r->ring_room * sizeof(*r->ring));
    free(r->ring);
    free(r);
}

/* ---------------------------------------------------------------- neighbours */

/* What a number gives, seen from the one before. false: nothing. */
static inline bool pair(enum function_id id, enum data_type type, double unit, int64_t argument, int64_t elapsed,
                        uint64_t before, uint64_t value, uint64_t *out)
{
    if (id == FN_ELAPSED) {
        *out = (uint64_t)(elapsed / argument);
        return true;
    }
    if (id == FN_DERIVATIVE || id == FN_NON_NEGATIVE_DERIVATIVE) {
        double change = type == DATA_INTEGER ? (double)(int64_t)(value - before)
                        : type == DATA_FLOAT ? as_float(value) - as_float(before)
                        : value > before     ? (double)(value - before)
                                             : -(double)(before - value);
        /* time may go back where points of several sources follow each other: the change decides what is negative */
        *out = bits_of(change / ((double)elapsed / unit));
        return id == FN_DERIVATIVE || !(change < 0);
    }
    *out = type == DATA_FLOAT ? bits_of(as_float(value) - as_float(before)) : value - before;
    return id == FN_DIFFERENCE || !(type == DATA_FLOAT     ? as_float(*out) < 0
                                    : type == DATA_INTEGER ? (int64_t)*out < 0
                                                           : value < before);
}

/* Of equal times the second is dropped, but elapsed shows its 0. */
static inline __attribute__((always_inline)) size_t walk_pairs(struct running *r, enum function_id id, enum data_type type,
                                                               const silt_time *times, const uint64_t *values,
                                                               size_t count, silt_time *times_out, uint64_t *values_out)
{
    silt_time before = r->time;
    uint64_t value_before = r->value;
    double unit = r->unit;
    int64_t argument = r->argument;
    size_t given = 0, i = 0;

    if (!r->any && count) {
        before = times[0];
        value_before = values[0];
        r->any = true;
        i = 1;
    }
    for (; i < count; i++) {
        silt_time time = times[i];
        uint64_t value = values[i];
        if (id != FN_ELAPSED && time == before)
            continue;
        times_out[given] = time;
        given += pair(id, type, unit, argument, time - before, value_before, value, &values_out[given]);
        before = time;
        value_before = value;
    }
    r->time = before;
    r->value = value_before;
    return given;
}

#define OF_TYPE(id, type) return walk_pairs(r, id, type, times, values, count, times_out, values_out)
#define OF_EACH_TYPE(id)                                                                                               \
    do {                                                                                                               \
        if (r->type == DATA_FLOAT)                                                                                     \
            OF_TYPE(id, DATA_FLOAT);                                                                                   \
        if (r->type == DATA_INTEGER)                                                                                   \
            OF_TYPE(id, DATA_INTEGER);                                                                                 \
        OF_TYPE(id, DATA_UNSIGNED);                                                                                    \
    } while (0)

static size_t neighbours(struct running *r, const silt_time *times, const uint64_t *values, size_t count,
                         silt_time *times_out, uint64_t *values_out)
{
    switch (r->id) {
    case FN_DERIVATIVE: OF_EACH_TYPE(FN_DERIVATIVE);
    case FN_NON_NEGATIVE_DERIVATIVE: OF_EACH_TYPE(FN_NON_NEGATIVE_DERIVATIVE);
    case FN_DIFFERENCE: OF_EACH_TYPE(FN_DIFFERENCE);
    case FN_NON_NEGATIVE_DIFFERENCE: OF_EACH_TYPE(FN_NON_NEGATIVE_DIFFERENCE);
    default: OF_TYPE(FN_ELAPSED, DATA_INTEGER);
    }
}

#undef OF_EACH_TYPE
#undef OF_TYPE

/* ---------------------------------------------------------------- sums */

static inline uint64_t add(enum data_type type, uint64_t sum, uint64_t value)
{
    return type == DATA_FLOAT ? bits_of(as_float(sum) + as_float(value)) : sum + value;
}

static size_t cumulative_sum(struct running *r, const silt_time *times, const uint64_t *values, size_t count,
                             silt_time *times_out, uint64_t *values_out)
{
    for (size_t i = 0; i < count; i++) {
        r->value = add(r->type, r->any ? r->value : 0, values[i]); /* from 0, which -0 leaves as it is */
        r->any = true;
        times_out[i] = times[i];
        values_out[i] = r->value;
    }
    return count;
}

/* Room for the numbers to come, which n alone, as somebody wrote it, must not decide. */
static enum silt_status grow_ring(struct running *r, size_t count, struct silt_error *err)
{
    size_t n = (size_t)r->argument, need = n - r->held < count ? n : r->held + count;

    if (need <= r->ring_room)
        return SILT_OK;
    size_t room = need < r->ring_room * 2 ? r->ring_room * 2 : need;
    room = room > n ? n : room;
    enum silt_status rc = silt_budget_charge(&r->exec->budget, (room - r->ring_room) * sizeof(*r->ring), err);
    if (rc != SILT_OK)
        return rc;
    r->ring = silt_realloc(r->ring, room * sizeof(*r->ring));
    r->ring_room = room;
    return SILT_OK;
}

static size_t moving_average(struct running *r, const silt_time *times, const uint64_t *values, size_t count,
                             silt_time *times_out, uint64_t *values_out)
{
    size_t n = (size_t)r->argument, given = 0;

    for (size_t i = 0; i < count; i++) {
        silt_time time = times[i];
        uint64_t value = values[i];
        if (r->held == n)
            r->value = r->type == DATA_FLOAT ? bits_of(as_float(r->value) - as_float(r->ring[r->next])) : r->value - r->ring[r->next];
        else
            r->held++;
        r->value = add(r->type, r->value, value);
        r->ring[r->next] = value;
        r->next = r->next + 1 == n ? 0 : r->next + 1;
        if (r->held < n)
            continue;
        double total = r->type == DATA_FLOAT     ? as_float(r->value)
                       : r->type == DATA_INTEGER ? (double)(int64_t)r->value
                                                 : (double)r->value;
        times_out[given] = time;
        values_out[given++] = bits_of(total / (double)n);
    }
    return given;
}

enum silt_status running_feed(struct running *r, const silt_time *times, const uint64_t *values, size_t count,
                              silt_time *times_out, uint64_t *values_out, size_t *given, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    if (r->id == FN_CUMULATIVE_SUM)
        *given = cumulative_sum(r, times, values, count, times_out, values_out);
    else if (r->id != FN_MOVING_AVERAGE)
        *given = neighbours(r, times, values, count, times_out, values_out);
    else if ((rc = grow_ring(r, count, err)) == SILT_OK)
        *given = moving_average(r, times, values, count, times_out, values_out);
    return rc;
}
