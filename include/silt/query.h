/*
 * query.h - InfluxQL: parse a text, run its statements against a source, push the answers into a sink.
 *
 * Data is read only through reader.h; what changes things goes through silt_admin, which server/ implements.
 */
#ifndef SILT_QUERY_H
#define SILT_QUERY_H

#include "silt/base.h"
#include "silt/definitions.h"
#include "silt/pool.h"
#include "silt/reader.h"

/* ---------------------------------------------------------------- results */

/* Cells carry their own kind, for columns may mix them (a selected field of a schema table, a filled window). */
enum silt_cell_kind {
    SILT_CELL_NULL = 0,
    SILT_CELL_FLOAT,
    SILT_CELL_INTEGER,
    SILT_CELL_UNSIGNED,
    SILT_CELL_STRING,
    SILT_CELL_BOOLEAN,
    SILT_CELL_TIME,   /* i64 holds ns */
    SILT_CELL_STRINGS, /* a list of strings (SHOW SUBSCRIPTIONS) */
};

struct silt_cell {
    enum silt_cell_kind kind;
    union {
        double f64;
        int64_t i64;
        uint64_t u64;
        bool boolean;
        struct silt_str string;
        struct {
            const struct silt_str *items;
            size_t count;
        } strings;
    };
};

struct silt_series_head {
    struct silt_str name;         /* empty: none */
    const struct silt_tag *tags;  /* sorted by key */
    size_t tag_count;
    const struct silt_str *columns;
    size_t column_count;
};

/* How a chunked answer is cut into documents. */
enum silt_chunking {
    SILT_CHUNK_ROWS,      /* after so many rows, and at each series, marked as partial */
    SILT_CHUNK_SERIES,    /* at each series, not marked */
    SILT_CHUNK_STATEMENT, /* not at all */
};

/* A column of many rows; its values have one kind. */
struct silt_batch_column {
    enum silt_cell_kind kind;
    bool is_tag;           /* no values here: silt_row_batch.tag */
    const uint64_t *valid; /* bit i: row i has a value. NULL: every row has */
    union {
        const double *f64;
        const int64_t *i64;
        const uint64_t *u64; /* also booleans: 0 or 1 */
        const struct silt_str *string;
    };
};

static inline struct silt_cell silt_batch_cell(const struct silt_batch_column *column, size_t row)
{
    struct silt_cell cell = {.kind = column->kind};

    if (column->valid && !(column->valid[row / 64] >> (row % 64) & 1))
        cell.kind = SILT_CELL_NULL;
    else if (column->kind == SILT_CELL_STRING)
        cell.string = column->string[row];
    else
        cell.u64 = column->u64[row];
    if (cell.kind == SILT_CELL_BOOLEAN)
        cell.boolean = column->u64[row] != 0;
    return cell;
}

/* Stored rows by column, of one series or merged from many. */
struct silt_row_batch {
    size_t row_count, column_count;
    const struct silt_batch_column *columns; /* the first is times */
    const uint32_t *series;                  /* per row, as far as the tags are concerned */
    /* The text that rows of a series have in a column, until the answer's series ends; p NULL: none. */
    struct silt_str (*tag)(const struct silt_row_batch *batch, uint32_t series, size_t column);
};

#define SILT_STATEMENT_NONE UINT32_MAX

/*
 * Where answers go, in this order, per statement:
 *
 *     begin (series rows*)* [message]* [error] end
 *
 * statement_id SILT_STATEMENT_NONE is shown as -1: an error of the request as a whole.
 * rows come row-major: row r, column c is cells[r * column_count + c]; borrowed during the call. A call that returns
 * not SILT_OK (SILT_CANCELLED: the client left) ends the query. rows may block while a slow client catches up.
 * All calls of one query come from one thread at a time.
 */
struct silt_sink {
    enum silt_status (*begin)(struct silt_sink *sink, uint32_t statement_id);
    enum silt_status (*series)(struct silt_sink *sink, const struct silt_series_head *head);
    enum silt_status (*rows)(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count);
    void (*message)(struct silt_sink *sink, struct silt_str level, struct silt_str text);
    void (*error)(struct silt_sink *sink, struct silt_str text);
    enum silt_status (*end)(struct silt_sink *sink);
    /* In place of `rows`, where the engine has rows by column; NULL: the sink wants cells. */
    enum silt_status (*batch)(struct silt_sink *sink, const struct silt_row_batch *batch);
    /* Set by the engine before `begin`: */
    const struct silt_zone *zone;  /* of the statement's tz(); else NULL */
    enum silt_chunking chunking;
};

/* ---------------------------------------------------------------- what the server shows of itself */

enum silt_show {
    SILT_SHOW_CONTINUOUS_QUERIES,
    SILT_SHOW_SUBSCRIPTIONS,
    SILT_SHOW_USERS,
    SILT_SHOW_GRANTS, /* of a user */
    SILT_SHOW_QUERIES,
    SILT_SHOW_STATS, /* of a module, or of all */
    SILT_SHOW_DIAGNOSTICS,
};

/* A series of an answer, whole. */
struct silt_table {
    struct silt_series_head head;
    const struct silt_cell *cells; /* row-major */
    size_t row_count;
};

/* ---------------------------------------------------------------- statements that change things */

/* All may wait. Return SILT_OK or fill err with the statement's error text. NULL member: the statement answers
 * with an honest "not supported" error that names it. */
struct silt_admin {
    enum silt_status (*create_database)(struct silt_admin *admin, struct silt_str name, struct silt_str policy_name,
                                        const struct silt_policy_change *with, struct silt_error *err);
    enum silt_status (*drop_database)(struct silt_admin *admin, struct silt_str name, struct silt_error *err);
    enum silt_status (*create_policy)(struct silt_admin *admin, struct silt_str database, struct silt_str name,
                                      const struct silt_policy_change *policy, struct silt_error *err);
    enum silt_status (*alter_policy)(struct silt_admin *admin, struct silt_str database, struct silt_str name,
                                     const struct silt_policy_change *change, struct silt_error *err);
    enum silt_status (*drop_policy)(struct silt_admin *admin, struct silt_str database, struct silt_str name,
                                    struct silt_error *err);
    enum silt_status (*drop_shard)(struct silt_admin *admin, uint64_t shard_id, struct silt_error *err);
    enum silt_status (*drop_measurement)(struct silt_admin *admin, struct silt_str database, struct silt_str name,
                                         struct silt_error *err);
    enum silt_status (*drop_series)(struct silt_admin *admin, struct silt_str database,
                                    const struct silt_series_choice *choices, size_t count, struct silt_error *err);
    enum silt_status (*delete_points)(struct silt_admin *admin, struct silt_str database,
                                      const struct silt_series_choice *choices, size_t count, silt_time min,
                                      silt_time max, struct silt_error *err);
    enum silt_status (*create_continuous_query)(struct silt_admin *admin, const struct silt_continuous_query *query,
                                                struct silt_error *err);
    enum silt_status (*drop_continuous_query)(struct silt_admin *admin, struct silt_str database, struct silt_str name,
                                              struct silt_error *err);
    enum silt_status (*create_subscription)(struct silt_admin *admin, const struct silt_subscription *subscription,
                                            struct silt_error *err);
    enum silt_status (*drop_subscription)(struct silt_admin *admin, struct silt_str database, struct silt_str policy,
                                          struct silt_str name, struct silt_error *err);
    enum silt_status (*create_user)(struct silt_admin *admin, struct silt_str name, struct silt_str password,
                                    bool is_admin, struct silt_error *err);
    enum silt_status (*drop_user)(struct silt_admin *admin, struct silt_str name, struct silt_error *err);
    enum silt_status (*set_password)(struct silt_admin *admin, struct silt_str name, struct silt_str password,
                                     struct silt_error *err);
    enum silt_status (*set_admin)(struct silt_admin *admin, struct silt_str user, bool is_admin, struct silt_error *err);
    enum silt_status (*grant)(struct silt_admin *admin, struct silt_str user, struct silt_str database,
                              enum silt_privilege privilege, struct silt_error *err);
    enum silt_status (*revoke)(struct silt_admin *admin, struct silt_str user, struct silt_str database,
                               enum silt_privilege privilege, struct silt_error *err);
    enum silt_status (*kill_query)(struct silt_admin *admin, uint64_t id, struct silt_error *err);
    /* name: of the user or module; may be empty. Tables and all in them are in the arena. */
    enum silt_status (*show)(struct silt_admin *admin, enum silt_show what, struct silt_str name,
                             struct silt_arena *arena, struct silt_table **tables, size_t *count,
                             struct silt_error *err);
    /* SELECT INTO: rows to write. */
    enum silt_status (*write)(struct silt_admin *admin, struct silt_str database, struct silt_str rp,
                              const struct silt_batch *batch, struct silt_error *err);
};

/* ---------------------------------------------------------------- parse and run */

struct silt_query; /* the parsed statements */

/* A bound parameter, already typed (server/ reads the JSON). */
enum silt_param_kind {
    SILT_PARAM_STRING, SILT_PARAM_INTEGER, SILT_PARAM_FLOAT, SILT_PARAM_BOOLEAN, SILT_PARAM_DURATION,
    SILT_PARAM_REGEX, SILT_PARAM_IDENTIFIER,
    SILT_PARAM_BAD_DURATION, /* text is no duration: an error where one is wanted */
    SILT_PARAM_ERROR, /* text is what is wrong, said behind "missing parameter: " where it is used */
};
struct silt_param {
    struct silt_str name, text; /* text: string, regex, identifier, error */
    enum silt_param_kind kind;
    union {
        int64_t integer; /* also durations, ns */
        double number;
        bool boolean;
    };
};

/* Parse the whole text. Statements and everything in them live in the arena; text must outlive it. SILT_INVALID:
 * err->text is InfluxDB's, without the "error parsing query: " in front. */
enum silt_status silt_query_parse(struct silt_str text, const struct silt_param *params, size_t param_count,
                                  struct silt_arena *arena, struct silt_query **out, struct silt_error *err);
size_t silt_query_statement_count(const struct silt_query *query);
/* The statement as normalised InfluxQL (passwords as [REDACTED]). In the arena. */
struct silt_str silt_query_statement_text(const struct silt_query *query, size_t index, struct silt_arena *arena);
/* True for statements that change things: sent by GET they get the deprecation warning. */
bool silt_query_statement_changes(const struct silt_query *query, size_t index);
/* Whether it is worth trying to run them with an allowance, and with which: plain SELECTs, whose work depends on what they find. */
#define SILT_SHORT_ANSWER_BYTES 65536u /* more than that has to be run without one */
bool silt_query_may_be_short(const struct silt_query *query, struct silt_read_allowance *allowance);

struct silt_needed {
    bool admin;                  /* else: */
    struct silt_str database;    /* empty: the request's own */
    enum silt_privilege privilege;
};
/* What a user must have to run the statement, in the order in which InfluxDB asks. In the arena. */
void silt_query_privileges(const struct silt_query *query, size_t index, struct silt_arena *arena,
                           struct silt_needed **needed, size_t *count);
/* CREATE USER ... WITH ALL PRIVILEGES comes first. */
bool silt_query_creates_admin(const struct silt_query *query);

/* Who asks, for what shows only what they may see. */
struct silt_viewer {
    bool (*may_see)(const struct silt_viewer *viewer, struct silt_str database);
};

struct silt_query_limits {
    size_t memory_bytes;     /* per query; 0: none */
    uint64_t select_points;  /* max-select-point; 0: none */
    uint64_t select_series, select_buckets;
};

struct silt_query_options {
    struct silt_source *source;
    struct silt_admin *admin;      /* NULL: read only */
    struct silt_pool *pool;        /* NULL: run in the caller's thread alone */
    /* Of statements that silt_query_may_be_short: gives up, and answers rubbish, with is_exceeded set, where they are not. */
    struct silt_read_allowance *allowance; /* NULL: they take what they take */
    const struct silt_viewer *viewer; /* NULL: sees everything */
    struct silt_budget *budget;    /* parent of the query's own */
    struct silt_query_limits limits;
    struct silt_str database, rp;  /* defaults of the request; may be empty */
    bool read_only_request;        /* GET: changing statements still run, with InfluxDB's warning message */
    silt_time now;                 /* one instant for the whole request */
    uint64_t deadline_monotonic_ns; /* 0: none; past it: `query-timeout limit exceeded` */
    /* A continuous query's run: [min, max] in place of what the outermost WHERE says of time. */
    bool replaces_range;
    silt_time range_min, range_max;
    int64_t origin_ns; /* of what it writes: struct silt_batch */
    const _Atomic bool *cancelled; /* any thread may set it: `query interrupted`; may be NULL */
    const _Atomic bool *killed;    /* the same for KILL QUERY: the client is still there and gets the error */
};

/* Whether what runs with these options may go on: else SILT_CANCELLED with the text for the client. Any thread. */
enum silt_status silt_query_goes_on(const struct silt_query_options *options, struct silt_error *err);

/* Run every statement in order; after one that failed, the others are answered as InfluxDB does ("not executed").
 * Statement errors go to the sink; the return value is only about the sink: SILT_OK or why it ended. May wait. */
enum silt_status silt_query_run(const struct silt_query *query, const struct silt_query_options *options,
                                struct silt_sink *sink);

/* ---------------------------------------------------------------- continuous queries */

struct silt_zone;

struct silt_schedule {              /* of a continuous query */
    int64_t interval_ns, offset_ns; /* of its windows; interval 0: it is never due */
    int64_t every_ns, for_ns;       /* RESAMPLE; 0: not given */
    const struct silt_zone *zone;   /* NULL: UTC */
};

struct silt_schedule_state { /* zero at first */
    bool has_run;
    silt_time last; /* where the last run was due */
};

struct silt_continuous_source { /* a measurement that is read, subqueries' too */
    struct silt_str database, policy;
    struct silt_str measurement; /* empty: those of a pattern */
};

struct silt_continuous {
    struct silt_query *query; /* its SELECT ... INTO alone, for silt_query_run with replaces_range */
    struct silt_schedule schedule;
    struct silt_continuous_source *sources;
    size_t source_count;
    bool windows_alone; /* what a window gives does not depend on how many are calculated with it */
};

/* Of the text of one CREATE CONTINUOUS QUERY, which outlives the arena's content. SILT_INVALID: it can never run. */
enum silt_status silt_query_parse_continuous(struct silt_str text, struct silt_arena *arena,
                                             struct silt_continuous *out, struct silt_error *err);
/* Whether there is something to run now, and the range [start, end) of it. Pure but for *state. */
bool silt_schedule_due(const struct silt_schedule *schedule, struct silt_schedule_state *state, silt_time now,
                       silt_time *start, silt_time *end);
/* The range of the run that was due at `next` and runs now; false: there is nothing in it. */
bool silt_schedule_range(const struct silt_schedule *schedule, silt_time next, silt_time now, silt_time *start,
                         silt_time *end);
/* The last instant that is not after `time` at which a run is due. */
silt_time silt_schedule_last(const struct silt_schedule *schedule, silt_time time);
/* The window that `time` is in; its end is the start of the next one. */
silt_time silt_schedule_window(const struct silt_schedule *schedule, silt_time time);
silt_time silt_schedule_window_end(const struct silt_schedule *schedule, silt_time time);

#endif
