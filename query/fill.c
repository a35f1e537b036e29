/*
 * fill.c - a point for every window (points_fill of points.h).
 *
 * Without a lower bound the windows begin with the group's first point. Linear positions are counted in whole
 * intervals, truncated, as the imitated server counts them.
 */
#include "query/points.h"

struct silt_cell fill_value(const struct plan *plan)
{
    const struct select *select = plan->compiled->select;

    if (plan->compiled->fill != FILL_NUMBER)
        return cell_null();
    return select->fill_is_integer ? cell_integer(select->fill_integer)
                                   : (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = select->fill_number};
}

struct silt_cell fill_cast(struct silt_cell value, enum data_type type)
{
    double number;

    if (value.kind == SILT_CELL_INTEGER)
        number = (double)value.i64;
    else if (value.kind == SILT_CELL_FLOAT)
        number = value.f64;
    else
        return value;
    switch (type) {
    case DATA_FLOAT: return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = number};
    case DATA_INTEGER: return value.kind == SILT_CELL_INTEGER ? value : cell_integer((int64_t)number);
    case DATA_UNSIGNED:
        return (struct silt_cell){.kind = SILT_CELL_UNSIGNED,
                                  .u64 = value.kind == SILT_CELL_INTEGER ? (uint64_t)value.i64 : (uint64_t)number};
    default: return value;
    }
}

/* The number as the call itself fills it: strings become empty, booleans false. */
static struct silt_cell fill_number(struct silt_cell value, enum data_type type)
{
    if (type == DATA_STRING)
        return cell_string(SILT_STR(""));
    if (type == DATA_BOOLEAN)
        return (struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = false};
    return fill_cast(value, type);
}

static struct silt_cell interpolate(const struct windows *windows, silt_time at, const struct point *previous,
                                    const struct point *next, enum data_type type)
{
    int64_t x = at / windows->interval, x0 = previous->time / windows->interval, x1 = next->time / windows->interval;
    double y0 = point_float(previous), y1 = point_float(next);
    double slope = (y1 - y0) / (double)(x1 - x0);
    double value = slope * (double)(x - x0) + y0;

    switch (type) {
    case DATA_FLOAT: return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = value};
    case DATA_INTEGER: return cell_integer((int64_t)value);
    case DATA_UNSIGNED: return (struct silt_cell){.kind = SILT_CELL_UNSIGNED, .u64 = (uint64_t)value};
    default: return cell_null();
    }
}

enum silt_status points_fill(const struct plan *plan, const struct plan_call *call, bool with_nulls,
                             const struct points *in, struct points *out, struct silt_error *err)
{
    struct windows windows = plan->compiled->windows;
    bool descending = plan->compiled->descending;
    enum fill_kind fill = plan->compiled->fill;
    struct silt_cell number = fill_value(plan);
    const struct point *previous = NULL;
    silt_time at, last, end;
    enum silt_status rc;

    if (fill == FILL_NULL && call->function->id == FN_COUNT) {
        fill = FILL_NUMBER;
        number = cell_integer(0);
    }
    if (in->count == 0)
        return SILT_OK;
    silt_time from, to;
    warm_up_range(plan->compiled, call->warm, &from, &to);
    windows_of(&windows, descending ? to : from, &at, &end);
    windows_of(&windows, descending ? from : to, &last, &end);
    if ((descending ? to : from) == (descending ? SILT_TIME_MAX : SILT_TIME_MIN))
        at = in->items[0].time;
    bool to_the_end = !descending || from != SILT_TIME_MIN;
    int64_t zone = windows_zone_offset(&windows, at);

    for (size_t i = 0, n = 0;; n++) {
        struct point point = {.time = at};
        if ((n & 1023) == 0 && (rc = exec_check(plan->exec, err)) != SILT_OK)
            return rc;
        if (i < in->count && (descending ? in->items[i].time >= at : in->items[i].time <= at)) {
            point = in->items[i++];
            previous = &in->items[i - 1];
        } else {
            bool inside = descending ? at >= last && to_the_end : at <= last;
            if (i == in->count && !inside)
                return SILT_OK;
            switch (fill) {
            case FILL_NUMBER: point.value = fill_number(number, call->out); break;
            case FILL_PREVIOUS: point.value = previous ? previous->value : cell_null(); break;
            case FILL_LINEAR:
                if (previous && i < in->count)
                    point.value = interpolate(&windows, at, previous, &in->items[i], call->out);
                break;
            default: break;
            }
        }
        if ((with_nulls || point.value.kind != SILT_CELL_NULL) && (rc = points_add(out, &point, err)) != SILT_OK)
            return rc;
        silt_time next = windows_step(&windows, at, descending, &zone);
        if (next == at)
            return SILT_OK;
        at = next;
    }
}
