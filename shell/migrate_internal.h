/*
 * migrate_internal.h - the parts of a migration, and what they share.
 *
 *     migrate.c              command line, the order of things, the last words
 *     migrate_definitions.c  databases and policies first; continuous queries and durations last
 *     migrate_users.c        users and what they may do
 *     migrate_units.c        what is there: a unit for each measurement of each shard group
 *     migrate_plan.c         a unit is counted by the old server, and cut into slices
 *     migrate_slice.c        a slice is read: into the target as line protocol, or only into sums
 *     migrate_work.c         workers take slices; a unit that is copied is read back and judged
 *     migrate_state.c        the journal: what is planned and done
 *     migrate_report.c       a line per field and day
 *
 *     unit   (database, policy, measurement, a shard group's time range)
 *              count(*) by day ----------------> counted       what the old server says it has
 *              slices --SELECT--> line protocol > copied       what came from it
 *              read back from the target -------> found        what the target has
 *     A unit is equal when the three agree for each field and day, the last two by checksum, too.
 *
 * Within a shard group InfluxDB holds a field in one type only, and MessagePack tells an integer from a float: so types
 * are kept even where they differ between shards. Points are written once more after a kill, never lost: a point
 * written twice is the same point.
 *
 * Memory: a worker holds one batch of lines, and what the old server sends waits in its socket; the plan of a few units
 * at a time; names of measurements and fields.
 */
#ifndef SHELL_MIGRATE_INTERNAL_H
#define SHELL_MIGRATE_INTERNAL_H

#include "shell/day_sums.h"
#include "shell/journal.h"
#include "shell/migrate.h"
#include "shell/progress.h"
#include "shell/rate.h"
#include "shell/schema.h"
#include "shell/write_points.h"

#define MIGRATE_FIELDS_PER_QUERY 100
#define MIGRATE_TRIES 3 /* of a unit whose counts do not agree: the old server may have been written to */

enum slice_stage { SLICE_WAITING, SLICE_BUSY, SLICE_DONE };

struct slice {
    silt_time start, end;                 /* end not included */
    uint64_t series_offset, series_limit; /* limit 0: to the last series */
    uint32_t field_first, field_count;
    enum slice_stage stage;
};

struct unit_field {
    struct silt_str name;
    bool is_unsigned; /* MessagePack does not tell small ones from signed ones */
};

/* A measurement of a policy. */
struct table {
    struct silt_str database, policy, measurement;
    struct unit_field *fields;
    size_t field_count;
    bool series_known;
    uint64_t series;  /* in the whole database */
    silt_time oldest; /* what is older is past its retention in the target */
};

enum unit_stage { UNIT_NEW, UNIT_PLANNING, UNIT_COPYING, UNIT_VERIFYING, UNIT_DONE };

struct unit {
    uint64_t id; /* its place in the array of units, from 0 */
    struct table *table;
    silt_time start, end; /* end not included */
    bool promised;        /* older than the migration's start */
    bool differs;
    enum unit_stage stage;
    unsigned tries;
    uint64_t values;
    /* While it is worked on: */
    struct unit_field *fields;
    size_t field_count;
    struct slice *slices; /* of copying, then of reading back */
    size_t slice_count, slices_done;
    struct day_sums counted, copied, found;
};

struct migrate {
    struct session *target;
    struct session source;
    const struct options *options;
    const char *url;
    silt_time since, until; /* until not included */
    silt_time began;        /* the first run: later points are not promised */
    double patience_seconds;
    uint64_t slice_values;
    struct rate rate;
    struct silt_arena *arena; /* names; main thread, before the workers start */

    struct silt_str *databases;
    size_t database_count;
    struct table **tables;
    size_t table_count, table_capacity;
    struct unit **units;
    size_t unit_count, unit_capacity;

    _Atomic bool stopping; /* also what cancels requests */
    pthread_mutex_t lock;  /* guards what follows, and units' stages, slices and sums */
    pthread_cond_t changed;
    struct migrate_state *state;
    struct migrate_report *report;
    size_t units_done, units_differing;
    size_t next_unit;
    uint64_t rows_written, values_equal, values_newer;
    size_t complaints;
    char stop_text[600];
    struct progress progress;
};

/* migrate.c: the first reason counts. */
void migrate_stop(struct migrate *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool migrate_stopped(void *context);
/* A line on standard error, not in the middle of the progress line. */
void migrate_say(struct migrate *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "\"db\".\"rp\".\"m\"" */
void migrate_table_name(struct silt_buffer *out, const struct table *table);

/* migrate_definitions.c. false: stopped. */
bool migrate_find_databases(struct migrate *m);
bool migrate_make_databases(struct migrate *m);
bool migrate_finish_definitions(struct migrate *m);
/* A statement to one of the two; what it may not do is said with `what`. */
bool migrate_statement(struct migrate *m, struct session *at, struct silt_str text);

/* migrate_users.c */
bool migrate_check_users(struct migrate *m); /* whether passwords can be had, before anything is done */
bool migrate_users(struct migrate *m);

/* migrate_units.c */
bool migrate_find_units(struct migrate *m);

/* migrate_plan.c: on a worker, without the lock; the unit is its own. false: session->failure. */
bool migrate_plan(struct migrate *m, struct session *source, struct unit *unit);
/* Slices of reading back: the same times, all fields and series. */
void migrate_plan_reading(struct unit *unit);
void unit_clear(struct unit *unit); /* what is there while it is worked on */

/* migrate_slice.c */
struct slice_reader;
struct slice_reader *slice_reader_create(struct migrate *m, const struct client_config *target);
void slice_reader_destroy(struct slice_reader *reader);
/* Reads a slice from `source`, and writes it if `copies`. *sums is cleared first. false: source->failure, or stopped.
 */
bool slice_read(struct slice_reader *reader, struct session *source, const struct unit *unit, const struct slice *slice,
                bool copies, struct day_sums *sums);

/* migrate_work.c */
void migrate_work(struct migrate *m);

/* migrate_state.c: the caller holds the lock while workers run. false: stopped. */
bool migrate_state_open(struct migrate *m, const char *path);
void migrate_state_close(struct migrate *m);
uint64_t migrate_state_report_bytes(const struct migrate *m); /* of the report when the last unit was done */
/* What the journal has of this unit goes into it. */
void migrate_state_resume(struct migrate *m, struct unit *unit);
bool migrate_state_plan(struct migrate *m, const struct unit *unit);
bool migrate_state_copied(struct migrate *m, const struct unit *unit, size_t slice, const struct day_sums *sums);
bool migrate_state_done(struct migrate *m, const struct unit *unit);
bool migrate_state_unlimited(struct migrate *m, struct silt_str database, struct silt_str policy);
bool migrate_state_is_unlimited(const struct migrate *m, struct silt_str database, struct silt_str policy);

/* migrate_report.c: the caller holds the lock while workers run. */
bool migrate_report_open(struct migrate *m, const char *path, uint64_t bytes);
void migrate_report_close(struct migrate *m);
/* Judges: true if the unit's sums agree. Lines are written when `writes`. */
bool migrate_judge(struct migrate *m, const struct unit *unit, bool writes);
uint64_t migrate_report_bytes(const struct migrate *m);
const char *migrate_report_path(const struct migrate *m);

#endif
