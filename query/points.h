/*
 * points.h - what a call gives for one group: points in output order, and the calls that make points of points.
 */
#ifndef QUERY_POINTS_H
#define QUERY_POINTS_H

#include "query/scan.h"

struct point {
    silt_time time;
    struct silt_cell value; /* NULL kind: a window filled with nothing */
    uint32_t series;        /* of a selected point */
    silt_time origin;       /* its own time */
    bool selected;          /* series and origin hold: companions can be fetched */
};

struct points {
    struct exec *exec;
    struct point *items;
    size_t count, capacity;
    enum data_type type;
    struct silt_arena *strings; /* made when first needed */
};

void points_init(struct points *points, struct exec *exec, enum data_type type);
void points_free(struct points *points);
void points_clear(struct points *points, enum data_type type); /* empty, memory kept */
enum silt_status points_add(struct points *points, const struct point *point, struct silt_error *err);
/* The string is copied. */
enum silt_status points_add_copy(struct points *points, const struct point *point, struct silt_error *err);

/* Of the type that the points have. */
enum silt_status points_add_numbers(struct points *points, const silt_time *times, const uint64_t *values, size_t count,
                                    struct silt_error *err);

/* window_calls.c: median, mode, stddev, distinct, percentile, sample, top, bottom over the points of each window;
 * keys[i] is the combination of names of a top(v, name, n) that point i belongs to (NULL: none). Points keep their
 * own time where keep_times says so, else they get the window's. */
enum silt_status points_window_call(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                    const uint32_t *keys, bool keep_times, struct points *out, struct silt_error *err);
/* Of the one or two values in the middle; and which of `count` sorted values a percentile is (false: none). */
struct silt_cell median_of(const struct silt_cell *low, const struct silt_cell *high);
bool percentile_index(double percentile, size_t count, size_t *index);
/* Notes what points_window_call would have: every window with points gave some, which are in out. */
void points_window_all_gave(const struct plan *plan, const struct plan_call *call, const struct points *out);
/*
 * column_calls.c: median, percentile, distinct, top, bottom over the stored numbers of a group without making points of
 * them first, where the answer does not depend on how series are merged (column_call_fits). *fits false: the values turn
 * out to be such that it does, out is empty, points_window_call has to do it.
 */
struct column_scan;
enum silt_status column_scan_create(const struct scan *scan, struct column_scan **out, struct silt_error *err);
void column_scan_destroy(struct column_scan *columns); /* NULL is fine */
bool column_call_fits(const struct scan *scan, const struct plan_call *call, bool keep_time);
enum silt_status column_call(struct column_scan *columns, const struct plan_call *call, const struct scan_group *group,
                             struct points *out, bool *fits, struct silt_error *err);
/*
 * merged_calls.c: stddev, mode, percentile and the calls of running.h over the stored numbers of a group, as they come out of
 * merged.h. merged_call makes points of all, with the meaning of keep_time and *fits as above; a merged_walk, for calls of
 * running.h alone, gives numbers as they come.
 */
bool merged_call_fits(const struct scan *scan, const struct plan_call *call, const struct scan_group *group);
enum silt_status merged_call(const struct scan *scan, const struct plan_call *call, const struct scan_group *group,
                             bool keep_time, struct points *out, bool *fits, struct silt_error *err);
struct merged_walk;
enum silt_status merged_walk_open(const struct scan *scan, const struct plan_call *call, const struct scan_group *group,
                                  struct merged_walk **out, struct silt_error *err);
/* Numbers of type call->out, borrowed until the next call; *more false: there are none, and that was all. */
enum silt_status merged_walk_next(struct merged_walk *walk, const silt_time **times, const uint64_t **values, size_t *count,
                                  bool *more, struct silt_error *err);
void merged_walk_close(struct merged_walk *walk); /* NULL is fine */
/* A number as a cell. */
static inline struct silt_cell number_cell(enum data_type type, uint64_t bits)
{
    return (struct silt_cell){.kind = type == DATA_FLOAT     ? SILT_CELL_FLOAT
                                      : type == DATA_INTEGER ? SILT_CELL_INTEGER
                                                             : SILT_CELL_UNSIGNED,
                              .u64 = bits};
}
/* transforms.c */
enum silt_status points_transform(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                  struct points *out, struct silt_error *err);
/* fill.c: a point for every window of the range; those without a value only where they are asked for. */
enum silt_status points_fill(const struct plan *plan, const struct plan_call *call, bool with_nulls,
                             const struct points *in, struct points *out, struct silt_error *err);
/* A fill value as a type shows it: numbers convert, others stay as they are. */
struct silt_cell fill_cast(struct silt_cell value, enum data_type type);
struct silt_cell fill_value(const struct plan *plan);

static inline double point_float(const struct point *point)
{
    switch (point->value.kind) {
    case SILT_CELL_FLOAT: return point->value.f64;
    case SILT_CELL_INTEGER: return (double)point->value.i64;
    case SILT_CELL_UNSIGNED: return (double)point->value.u64;
    default: return 0;
    }
}
/* A window, or a group, of the call has been done. Beside other calls an end does not show. */
static inline void call_stream_note(const struct plan *plan, const struct plan_call *call, bool gave)
{
    struct call_stream *stream = call->stream;

    stream->ended = !gave && !stream->pending && plan->call_count == 1;
    stream->pending = gave;
}
int cell_compare(const struct silt_cell *a, const struct silt_cell *b); /* of one kind */

#endif
