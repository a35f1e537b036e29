/*
 * query.c - silt_query_run: the statements of a request in order, each with memory of its own.
 *
 * After a statement that failed, the ones behind it are not run; InfluxDB answers for them with the numbers from the
 * failed one on, one answer less than there are statements, and so does this.
 */
#include "query/into.h"
#include "query/statements.h"

static enum silt_status sink_failed(struct exec *exec, enum silt_status rc)
{
    if (rc != SILT_OK && !exec->sink_failed) {
        exec->sink_failed = true;
        exec->sink_status = rc;
    }
    return rc;
}

enum silt_status silt_query_goes_on(const struct silt_query_options *options, struct silt_error *err)
{
    if ((options->cancelled && atomic_load_explicit(options->cancelled, memory_order_relaxed)) ||
        (options->killed && atomic_load_explicit(options->killed, memory_order_relaxed)))
        return silt_fail(err, SILT_CANCELLED, "query interrupted");
    if (options->deadline_monotonic_ns && silt_clock_monotonic_ns() > options->deadline_monotonic_ns)
        return silt_fail(err, SILT_CANCELLED, "query-timeout limit exceeded");
    return SILT_OK;
}

enum silt_status exec_check(const struct exec *exec, struct silt_error *err)
{
    return silt_query_goes_on(exec->options, err);
}

enum silt_status exec_note_points(struct exec *exec, uint64_t count, struct silt_error *err)
{
    uint64_t limit = exec->options->limits.select_points;

    if (limit == 0)
        return SILT_OK;
    uint64_t read = atomic_fetch_add_explicit(&exec->points_read, count, memory_order_relaxed) + count;
    if (read <= limit)
        return SILT_OK;
    return silt_fail(err, SILT_LIMIT, "max-select-point limit exceeed: (%llu/%llu)", (unsigned long long)read,
                     (unsigned long long)limit); /* InfluxDB's spelling */
}

const struct silt_regex *exec_regex(struct exec *exec, struct silt_str pattern)
{
    struct exec_regex *entry;

    for (entry = exec->regexes; entry; entry = entry->next)
        if (silt_str_equal(silt_regex_pattern(entry->regex), pattern))
            return entry->regex;
    entry = silt_arena_zalloc(exec->arena, sizeof(*entry));
    if (silt_regex_compile(pattern, &entry->regex, NULL) != SILT_OK)
        return NULL;
    entry->next = exec->regexes;
    exec->regexes = entry;
    return entry->regex;
}

enum silt_status exec_alloc(struct exec *exec, size_t count, size_t item_bytes, void *out, struct silt_error *err)
{
    size_t bytes;
    void *p = NULL;

    if (!__builtin_mul_overflow(count, item_bytes, &bytes))
        p = silt_arena_try_alloc(exec->arena, bytes ? bytes : 1);
    memcpy(out, &p, sizeof(p));
    return p ? SILT_OK : silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
}

enum silt_status exec_series(struct exec *exec, const struct silt_series_head *head)
{
    return sink_failed(exec, exec->sink->series(exec->sink, head));
}

enum silt_status exec_rows(struct exec *exec, const struct silt_cell *cells, size_t row_count)
{
    return sink_failed(exec, exec->sink->rows(exec->sink, cells, row_count));
}

enum silt_status exec_batch(struct exec *exec, const struct silt_row_batch *batch)
{
    return sink_failed(exec, exec->sink->batch(exec->sink, batch));
}

static enum silt_status run_statement(struct exec *exec, const struct statement *statement, struct silt_error *err)
{
    enum silt_status rc = exec_check(exec, err);

    if (rc != SILT_OK)
        return rc;
    switch (statement->kind) {
    case STATEMENT_SELECT: return select_run(exec, statement->select, err);
    case STATEMENT_EXPLAIN: return explain_run(exec, &statement->explain, err);
    case STATEMENT_SHOW_MEASUREMENTS:
    case STATEMENT_SHOW_SERIES:
    case STATEMENT_SHOW_TAG_KEYS:
    case STATEMENT_SHOW_TAG_VALUES:
    case STATEMENT_SHOW_FIELD_KEYS:
    case STATEMENT_SHOW_SERIES_CARDINALITY:
    case STATEMENT_SHOW_MEASUREMENT_CARDINALITY:
    case STATEMENT_SHOW_TAG_KEY_CARDINALITY:
    case STATEMENT_SHOW_TAG_VALUES_CARDINALITY:
    case STATEMENT_SHOW_FIELD_KEY_CARDINALITY: return show_run(exec, statement, err);
    case STATEMENT_SHOW_DATABASES:
    case STATEMENT_SHOW_RETENTION_POLICIES:
    case STATEMENT_SHOW_SHARDS:
    case STATEMENT_SHOW_SHARD_GROUPS: return show_catalog_run(exec, statement, err);
    case STATEMENT_SHOW_CONTINUOUS_QUERIES:
    case STATEMENT_SHOW_SUBSCRIPTIONS:
    case STATEMENT_SHOW_USERS:
    case STATEMENT_SHOW_GRANTS:
    case STATEMENT_SHOW_QUERIES:
    case STATEMENT_SHOW_STATS:
    case STATEMENT_SHOW_DIAGNOSTICS: return show_server_run(exec, statement, err);
    default: return change_run(exec, statement, err);
    }
}

/* What InfluxDB finds wrong while it rewrites a statement; it then forgets the statement's number. */
static enum silt_status refuse(const struct statement *statement, struct silt_error *err)
{
    if (statement->kind == STATEMENT_SELECT)
        return sources_check_names(statement->select, err);
    return show_check(statement, err);
}

static const struct silt_zone *zone_of(const struct statement *statement)
{
    return statement->kind == STATEMENT_SELECT ? statement->select->zone : NULL;
}

static void warn_read_only(struct exec *exec, const struct statement *statement)
{
    struct silt_str text = statement_text(statement, exec->arena);
    struct silt_str warning = silt_arena_printf(
        exec->arena, "deprecated use of '%.*s' in a read only context, please use a POST request instead", SILT_FMT(text));

    exec->sink->message(exec->sink, SILT_STR("warning"), warning);
}

/* As InfluxDB's statements hand over their results: in a stream, measurement by measurement, or at once. */
static enum silt_chunking chunking_of(const struct statement *statement)
{
    switch (statement->kind) {
    case STATEMENT_SHOW_TAG_KEYS:
    case STATEMENT_SHOW_TAG_VALUES:
        return SILT_CHUNK_SERIES;
    case STATEMENT_SHOW_DATABASES:
    case STATEMENT_SHOW_MEASUREMENTS:
    case STATEMENT_SHOW_RETENTION_POLICIES:
    case STATEMENT_SHOW_CONTINUOUS_QUERIES:
    case STATEMENT_SHOW_SUBSCRIPTIONS:
    case STATEMENT_SHOW_USERS:
    case STATEMENT_SHOW_GRANTS:
    case STATEMENT_SHOW_QUERIES:
    case STATEMENT_SHOW_STATS:
    case STATEMENT_SHOW_DIAGNOSTICS:
    case STATEMENT_SHOW_SHARDS:
    case STATEMENT_SHOW_SHARD_GROUPS:
    case STATEMENT_EXPLAIN:
        return SILT_CHUNK_STATEMENT;
    default:
        return SILT_CHUNK_ROWS;
    }
}

static bool writes_into(const struct statement *statement)
{
    return statement->kind == STATEMENT_SELECT && statement->select->into;
}

/* The names that a statement leaves open are filled in first where its text is shown or kept. */
static enum silt_status normalise(struct exec *exec, struct statement *statement, struct silt_error *err)
{
    if (statement->kind == STATEMENT_CREATE_CONTINUOUS_QUERY)
        return continuous_query_normalise(exec, &statement->continuous_query, err);
    return writes_into(statement) ? select_normalise(exec, &statement->select, err) : SILT_OK;
}

/*
 * Where Go's run time stops a statement, InfluxDB answers for the request: its whole text, with names filled in as far
 * as it had come, and what stopped it.
 */
static struct silt_str panic_text(struct exec *exec, const struct silt_query *query, size_t index,
                                  const struct silt_error *err)
{
    struct silt_buffer text = {0};

    for (size_t i = 0; i < query->statement_count; i++) {
        struct statement statement = query->statements[i];
        struct silt_error ignored; /* it ran before: its names are known */
        if (statement.kind == STATEMENT_SELECT && i <= index &&
            select_normalise(exec, &statement.select, &ignored) != SILT_OK)
            statement = query->statements[i];
        if (i)
            silt_buffer_append(&text, ";\n", 2);
        statement_print(&text, &statement);
    }
    silt_buffer_printf(&text, " [panic:%s]", silt_error_text(err).p);
    struct silt_str result = silt_arena_str(exec->arena, (struct silt_str){text.p, text.len});
    silt_buffer_free(&text);
    return result;
}

static void tell_error(struct exec *exec, const struct silt_query *query, size_t index, enum silt_status rc,
                       const struct silt_error *err)
{
    struct silt_str text = err->text[0] ? silt_error_text(err) : silt_str_from(silt_status_name(rc));

    exec->sink->error(exec->sink, exec->panicked ? panic_text(exec, query, index, err) : text);
}

/* The answer to one statement; what is returned is how the statement went. exec->sink_failed: nothing more can be said. */
static enum silt_status answer_statement(struct exec *exec, const struct silt_query *query, size_t index)
{
    struct statement statement = query->statements[index];
    struct silt_sink *sink = exec->sink;
    struct silt_error err = {0};
    bool into = writes_into(&statement); /* has nothing to say before it is over, not even its number */
    enum silt_status rc;

    enum silt_status refused = refuse(&statement, &err);
    uint32_t number = refused == SILT_OK ? (uint32_t)index : 0;

    exec->goes_on = false;
    sink->zone = into ? NULL : zone_of(&statement);
    sink->chunking = chunking_of(&statement);
    if (!into && (rc = sink_failed(exec, sink->begin(sink, number))) != SILT_OK)
        return rc;
    rc = refused;
    if (rc == SILT_OK && (rc = normalise(exec, &statement, &err)) == SILT_OK)
        rc = run_statement(exec, &statement, &err);
    if (exec->sink_failed)
        return rc;
    if (into && sink_failed(exec, sink->begin(sink, exec->panicked ? SILT_STATEMENT_NONE : number)) != SILT_OK)
        return exec->sink_status;
    if (into && rc == SILT_OK && into_answer(exec) != SILT_OK)
        return exec->sink_status;
    if (rc == SILT_OK && exec->options->read_only_request && silt_query_statement_changes(query, index))
        warn_read_only(exec, &statement);
    if (rc != SILT_OK)
        tell_error(exec, query, index, rc, &err);
    sink_failed(exec, sink->end(sink));
    return rc;
}

enum silt_status silt_query_run(const struct silt_query *query, const struct silt_query_options *options,
                                struct silt_sink *sink)
{
    struct exec exec = {.options = options, .sink = sink};
    size_t count = query->statement_count;

    silt_budget_init(&exec.budget, "query memory", options->limits.memory_bytes ? options->limits.memory_bytes : SIZE_MAX,
                     options->budget);
    for (size_t i = 0; i < count; i++) {
        exec.arena = silt_arena_create(&exec.budget);
        atomic_store_explicit(&exec.points_read, 0, memory_order_relaxed);
        enum silt_status rc = answer_statement(&exec, query, i);
        for (struct exec_regex *entry = exec.regexes; entry; entry = entry->next)
            silt_regex_free(entry->regex);
        exec.regexes = NULL;
        silt_arena_destroy(exec.arena);
        sink->zone = NULL;
        if (exec.sink_failed)
            return exec.sink_status;
        if (rc == SILT_OK || exec.goes_on)
            continue;
        /* One marker for each statement left, all under the number of the one that failed, as InfluxDB does. */
        for (size_t left = exec.panicked ? 0 : count - 1 - i; left; left--) {
            if (sink_failed(&exec, sink->begin(sink, (uint32_t)i)) != SILT_OK)
                return exec.sink_status;
            sink->error(sink, SILT_STR("not executed"));
            if (sink_failed(&exec, sink->end(sink)) != SILT_OK)
                return exec.sink_status;
        }
        break;
    }
    return SILT_OK;
}
