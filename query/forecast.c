/*
 * forecast.c - implements forecast.h: triple exponential smoothing with a damped trend, after Holt and Winters.
 *
 * The windows' values become an evenly spaced series; from 16 starts the parameters are sought that follow it best.
 *
 *     parameters:  alpha | beta | gamma | phi | first level | first trend | a factor per place in the season ...
 *
 * Each step goes on from the value that was forecast before, not from the one observed; the seasonal factors are a
 * ring that a run leaves changed. Both make the numbers what they are on the server imitated here.
 */
#include "query/forecast.h"
#include "query/go_math.h"
#include "query/minimise.h"

#include <math.h>
#include <stdlib.h>

#define SMOOTHING 6 /* parameters before the seasonal ones */
#define TOLERANCE 1e-4
#define GUESS_COUNT 2
#define CHECK_STEPS 100000 /* forecast steps between two looks at whether to stop */

static const double guesses[GUESS_COUNT] = {0.3, 0.7};

struct forecast {
    const struct plan *plan;
    const struct point *first, *last; /* with a value */
    int64_t interval;
    size_t season; /* 0: none */
    double *series; /* evenly spaced; NaN where a window had no value */
    size_t count;
    size_t steps;
    enum silt_status status;
    struct silt_error *err;
};

/* ---------------------------------------------------------------- the series */

static int64_t rounded(int64_t time, int64_t interval)
{
    int64_t whole = time / interval;
    return (time % interval > interval / 2 ? whole + 1 : whole) * interval;
}

/* The places that the points take; 0: too few. */
static size_t count_places(const struct forecast *forecast)
{
    int64_t first = rounded(forecast->first->time, forecast->interval);
    int64_t last = rounded(forecast->last->time, forecast->interval);

    return last <= first ? 0 : (size_t)(((uint64_t)last - (uint64_t)first) / (uint64_t)forecast->interval) + 1;
}

static void fill_series(struct forecast *forecast)
{
    int64_t start = rounded(forecast->first->time, forecast->interval);
    size_t next = 0;

    for (const struct point *point = forecast->first; point <= forecast->last; point++) {
        int64_t time = rounded(point->time, forecast->interval);
        size_t place = (size_t)(((uint64_t)time - (uint64_t)start) / (uint64_t)forecast->interval);
        if (point->value.kind == SILT_CELL_NULL || time < start || place < next)
            continue; /* the first of a place counts */
        while (next < place)
            forecast->series[next++] = NAN;
        forecast->series[next++] = point_float(point);
    }
    forecast->count = next;
}

/* ---------------------------------------------------------------- smoothing */

static double within_unit(double x)
{
    return x > 1 ? 1 : x < 0 ? 0 : x;
}

/* Fills out[0, count + ahead) and brings the parameters within their bounds. */
static void follow(struct forecast *forecast, double *parameters, size_t ahead, double *out)
{
    size_t season = forecast->season, count = forecast->count + ahead, at = season ? season - 1 : 0;
    double *factors = parameters + SMOOTHING;

    for (size_t i = 0; i < 4; i++)
        parameters[i] = within_unit(parameters[i]);
    double alpha = parameters[0], beta = parameters[1], gamma = parameters[2], phi = parameters[3], damping = phi;
    double level = parameters[4], trend = parameters[5], value = forecast->series[0];

    out[0] = value;
    for (size_t t = 1; t < count; t++) {
        double divisor = 1, factor = 1;
        if (season) {
            divisor = factors[(t + at) % season];
            factor = factors[(t + t % season + at) % season];
        }
        double before = level, expected = level + phi * trend;
        level = alpha * (value / divisor) + (1 - alpha) * expected;
        trend = beta * (level - before) + (1 - beta) * phi * trend;
        double changed = gamma * (value / expected) + (1 - gamma) * divisor;
        value = (level + damping * trend) * factor;
        damping += go_pow(phi, (double)t);
        if (season) {
            factors[(t + at) % season] = changed;
            at++;
        }
        out[t] = value;
    }
}

struct fit {
    struct forecast *forecast;
    double *followed;
};

static double squared_error(void *arg, double *parameters)
{
    struct fit *fit = arg;
    const struct forecast *forecast = fit->forecast;
    double sum = 0;

    follow(fit->forecast, parameters, 0, fit->followed);
    for (size_t i = 0; i < forecast->count; i++) {
        if (isnan(forecast->series[i]))
            continue;
        if (isnan(fit->followed[i]))
            return INFINITY;
        double difference = fit->followed[i] - forecast->series[i];
        sum += difference * difference;
    }
    fit->forecast->steps += forecast->count;
    return sum;
}

static bool go_on(void *arg)
{
    struct forecast *forecast = ((struct fit *)arg)->forecast;

    if (forecast->status == SILT_OK && forecast->steps >= CHECK_STEPS) {
        forecast->steps = 0;
        forecast->status = exec_check(forecast->plan->exec, forecast->err);
    }
    return forecast->status == SILT_OK;
}

static void first_parameters(const struct forecast *forecast, double *parameters)
{
    const double *y = forecast->series;
    size_t m = forecast->season;
    double level = 0, trend = 0;

    if (!m) {
        parameters[4] = 0.5 * y[0];
        parameters[5] = isnan(y[1]) ? 0 : 0.5 * (y[1] - y[0]);
        return;
    }
    for (size_t i = 0; i < m; i++)
        if (!isnan(y[i]))
            level += 1 / (double)m * y[i];
    for (size_t i = 0; i < m && m + i < forecast->count; i++)
        if (!isnan(y[i]) && !isnan(y[m + i]))
            trend += 1 / (double)(m * m) * (y[m + i] - y[i]);
    parameters[4] = level;
    parameters[5] = trend;
    for (size_t i = 0; i < m; i++)
        parameters[SMOOTHING + i] = isnan(y[i]) ? 0 : y[i] / level;
}

/* best: the parameters that follow the series best; start, other: room for as many. */
static void search(struct forecast *forecast, double *followed, double *space, double *start, double *other, double *best)
{
    struct fit fit = {.forecast = forecast, .followed = followed};
    struct minimise minimise = {.value = squared_error, .go_on = go_on, .arg = &fit,
                                .dimensions = SMOOTHING + forecast->season, .tolerance = TOLERANCE};
    double least = INFINITY;

    first_parameters(forecast, start);
    for (size_t i = 0; i < GUESS_COUNT * GUESS_COUNT * GUESS_COUNT * GUESS_COUNT && go_on(&fit); i++) {
        start[0] = guesses[i >> 3 & 1];
        start[1] = guesses[i >> 2 & 1];
        start[2] = guesses[i >> 1 & 1];
        start[3] = guesses[i & 1];
        double error = minimise_run(&minimise, start, space, other);
        if (error < least || i == 0) {
            least = error;
            memcpy(best, other, minimise.dimensions * sizeof(*best));
        }
    }
}

static enum silt_status give(const struct forecast *forecast, bool with_fit, const double *followed, size_t ahead,
                             struct points *out)
{
    size_t from = with_fit ? 0 : forecast->count;
    uint64_t start = (uint64_t)(with_fit ? forecast->first->time : forecast->last->time);
    enum silt_status rc = SILT_OK;

    for (size_t i = from; rc == SILT_OK && i < forecast->count + ahead; i++) {
        struct point point = {.value = {.kind = SILT_CELL_FLOAT, .f64 = followed[i]}};
        uint64_t steps = with_fit ? i : i - from + 1;
        point.time = (silt_time)(start + steps * (uint64_t)forecast->interval);
        if (!isnan(followed[i]))
            rc = points_add(out, &point, forecast->err);
    }
    return rc;
}

/* The first and last point with a value, and how many have one. */
static size_t find_ends(struct forecast *forecast, const struct points *in)
{
    size_t known = 0;

    for (size_t i = 0; i < in->count; i++) {
        if (in->items[i].value.kind == SILT_CELL_NULL)
            continue;
        if (known++ == 0)
            forecast->first = &in->items[i];
        forecast->last = &in->items[i];
    }
    return known;
}

enum silt_status points_forecast(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                 struct points *out, struct silt_error *err)
{
    struct forecast forecast = {.plan = plan, .interval = plan->compiled->windows.interval, .err = err};
    struct expr *const *args = call->expr->call.args;
    size_t ahead = (size_t)args[1]->integer;

    forecast.season = args[2]->integer >= 2 ? (size_t)args[2]->integer : 0;
    size_t known = find_ends(&forecast, in);
    if (known == 0)
        return SILT_OK;
    size_t places = count_places(&forecast), n = SMOOTHING + forecast.season, numbers, bytes;
    if (known < 2 || known < forecast.season || places == 0) {
        call_stream_note(plan, call, false);
        return SILT_OK;
    }
    /* series, followed, three sets of parameters, the simplex */
    if (__builtin_add_overflow(2 * places + 3 * n + minimise_space(n), ahead, &numbers) ||
        __builtin_mul_overflow(numbers, sizeof(double), &bytes))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    enum silt_status rc = silt_budget_charge(&plan->exec->budget, bytes, err);
    if (rc != SILT_OK)
        return rc;
    double *room = silt_calloc(numbers, sizeof(*room));
    double *followed = room + places, *best = followed + places + ahead, *start = best + n, *other = start + n;
    forecast.series = room;
    fill_series(&forecast);
    search(&forecast, followed, other + n, start, other, best);
    rc = forecast.status;
    if (rc == SILT_OK) {
        follow(&forecast, best, ahead, followed);
        rc = give(&forecast, call->function->id == FN_HOLT_WINTERS_WITH_FIT, followed, ahead, out);
        call_stream_note(plan, call, out->count > 0);
    }
    free(room);
    silt_budget_release(&plan->exec->budget, bytes);
    return rc;
}
