/*
 * exec.h - what every part of a running query shares: options, memory, the sink, and whether to go on.
 *
 * Threads: `arena` belongs to the thread that runs the query; workers use arenas and budgets of their own, charged
 * to `budget`. They change nothing else but the counters; what becomes of the sink, and `written`, is the query's thread's alone,
 * which makes rows while they work.
 */
#ifndef QUERY_EXEC_H
#define QUERY_EXEC_H

#include "query/ast.h"
#include "silt/query.h"
#include "silt/text.h"

struct exec_regex {
    struct exec_regex *next;
    struct silt_regex *regex;
};

/* What a statement read, for EXPLAIN ANALYZE; lanes add to it at their end. */
struct exec_reads {
    _Atomic uint64_t series, blocks, block_bytes, stats_blocks, memtable_rows;
};

struct exec {
    const struct silt_query_options *options;
    struct silt_budget budget; /* of the whole query */
    struct silt_arena *arena;  /* of the statement */
    struct silt_sink *sink;
    struct exec_regex *regexes; /* compiled by this statement, freed at its end */
    struct exec_reads *reads;   /* NULL: nobody asks */
    bool goes_on;               /* the statement's error does not keep the next ones from running */
    bool sink_failed;           /* the client left: nothing more may be sent */
    bool panicked;              /* the error is one that stops InfluxDB's Go code, and is told as such */
    uint64_t written;           /* points, by SELECT INTO */
    _Atomic uint64_t points_read; /* by the statement, from the store; counted only where there is a limit to it */
    enum silt_status sink_status;
};

/* SILT_CANCELLED with the statement's error when the query was stopped or ran out of time. Any thread. */
enum silt_status exec_check(const struct exec *exec, struct silt_error *err);

/* Points just read; SILT_LIMIT when the statement has read more than it may. Any thread. */
enum silt_status exec_note_points(struct exec *exec, uint64_t count, struct silt_error *err);

/* Compiled for as long as the statement runs; NULL (never, for parsed patterns) when it does not compile. */
const struct silt_regex *exec_regex(struct exec *exec, struct silt_str pattern);

/* Memory from the statement's arena, refused over budget. */
enum silt_status exec_alloc(struct exec *exec, size_t count, size_t item_bytes, void *out, struct silt_error *err);

/* To the sink, remembering its failure. */
enum silt_status exec_series(struct exec *exec, const struct silt_series_head *head);
enum silt_status exec_rows(struct exec *exec, const struct silt_cell *cells, size_t row_count);
enum silt_status exec_batch(struct exec *exec, const struct silt_row_batch *batch);

/* In place of its SELECT a copy with every database and policy filled in; they have to exist (normalise.c). */
enum silt_status continuous_query_normalise(struct exec *exec, struct continuous_query_statement *query,
                                            struct silt_error *err);

/* In place of a SELECT a copy with its databases and policies filled in; the databases have to exist. */
enum silt_status select_normalise(struct exec *exec, struct select **select, struct silt_error *err);

/* "KIND is not supported". */
enum silt_status not_supported(const struct statement *statement, struct silt_error *err);

/* One statement each (select_run.c, explain.c, show*.c, statements.c). The error, if any, is the statement's. */
enum silt_status select_run(struct exec *exec, const struct select *select, struct silt_error *err);
enum silt_status explain_run(struct exec *exec, const struct explain_statement *explain, struct silt_error *err);
enum silt_status show_run(struct exec *exec, const struct statement *statement, struct silt_error *err);
enum silt_status show_catalog_run(struct exec *exec, const struct statement *statement, struct silt_error *err);
enum silt_status show_server_run(struct exec *exec, const struct statement *statement, struct silt_error *err);
enum silt_status change_run(struct exec *exec, const struct statement *statement, struct silt_error *err);

static inline struct silt_cell cell_null(void)
{
    return (struct silt_cell){.kind = SILT_CELL_NULL};
}
static inline struct silt_cell cell_string(struct silt_str text)
{
    return (struct silt_cell){.kind = SILT_CELL_STRING, .string = text};
}
static inline struct silt_cell cell_integer(int64_t value)
{
    return (struct silt_cell){.kind = SILT_CELL_INTEGER, .i64 = value};
}

#endif
