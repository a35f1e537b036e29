/*
 * continuous.c - a kept CREATE CONTINUOUS QUERY as something to run (query.h): its SELECT, and when that is due.
 *
 * What is asked of the text is what InfluxDB asks of it before each run: whether it can run at all. That its SELECT is
 * refused for another reason shows when it runs.
 */
#include "query/functions.h"
#include "query/parser.h"

static const char *offset_of(const struct select *select, int64_t interval, int64_t *offset)
{
    *offset = 0;
    for (size_t i = 0; i < select->dimension_count; i++) {
        const struct expr *dimension = select->dimensions[i];
        if (dimension->kind != EXPR_CALL || dimension->call.arg_count != 2 ||
            !silt_str_equal(dimension->call.name, SILT_STR("time")))
            continue;
        if (dimension->call.args[1]->kind != EXPR_DURATION)
            return "invalid time dimension offset";
        *offset = dimension->call.args[1]->integer % interval;
        return NULL;
    }
    return NULL;
}

static enum silt_status read_schedule(const struct continuous_query_statement *statement, struct silt_schedule *out,
                                      struct silt_error *err)
{
    const struct select *select = statement->select;
    const char *wrong = select_interval(select, &out->interval_ns);

    if (wrong)
        return silt_fail(err, SILT_INVALID, "%s", wrong);
    if (out->interval_ns <= 0)
        return SILT_OK;
    if ((wrong = offset_of(select, out->interval_ns, &out->offset_ns)))
        return silt_fail(err, SILT_INVALID, "%s", wrong);
    if (select_is_raw(select))
        return silt_fail(err, SILT_INVALID, "continuous queries must be aggregate queries");
    out->every_ns = statement->resample_every_ns;
    out->for_ns = statement->resample_for_ns;
    out->zone = select->zone;
    return SILT_OK;
}

/* ---------------------------------------------------------------- what it reads */

static size_t count_sources(const struct select *select)
{
    size_t count = 0;

    for (size_t i = 0; i < select->source_count; i++)
        count += select->sources[i].kind == SOURCE_SUBQUERY ? count_sources(select->sources[i].subquery) : 1;
    return count;
}

static void list_sources(const struct select *select, struct silt_continuous *out)
{
    for (size_t i = 0; i < select->source_count; i++) {
        const struct source *source = &select->sources[i];
        if (source->kind == SOURCE_SUBQUERY)
            list_sources(source->subquery, out);
        else
            out->sources[out->source_count++] =
                (struct silt_continuous_source){source->database, source->rp, source->is_regex ? SILT_STR("") : source->name};
    }
}

/* ---------------------------------------------------------------- whether windows depend on each other */

static bool looks_at_neighbours(const struct expr *expr)
{
    const struct function *function;

    switch (expr->kind) {
    case EXPR_CALL:
        function = function_find(expr->call.name);
        if (function && function->class == CLASS_TRANSFORM)
            return true;
        for (size_t i = 0; i < expr->call.arg_count; i++)
            if (looks_at_neighbours(expr->call.args[i]))
                return true;
        return false;
    case EXPR_BINARY: return looks_at_neighbours(expr->binary.left) || looks_at_neighbours(expr->binary.right);
    case EXPR_PAREN: return looks_at_neighbours(expr->paren);
    default: return false;
    }
}

/* Subqueries may have windows of their own: those are not looked into. Nulls are not written. */
static bool windows_are_alone(const struct select *select)
{
    if ((select->fill != FILL_NULL && select->fill != FILL_NONE) || select->limit || select->offset || select->slimit ||
        select->soffset)
        return false;
    for (size_t i = 0; i < select->source_count; i++)
        if (select->sources[i].kind == SOURCE_SUBQUERY)
            return false;
    for (size_t i = 0; i < select->field_count; i++)
        if (looks_at_neighbours(select->fields[i].expr))
            return false;
    return true;
}

/* ---------------------------------------------------------------- the whole */

enum silt_status silt_query_parse_continuous(struct silt_str text, struct silt_arena *arena,
                                             struct silt_continuous *out, struct silt_error *err)
{
    struct silt_query *query;
    enum silt_status rc = silt_query_parse(text, NULL, 0, arena, &query, err);

    if (rc != SILT_OK)
        return rc;
    if (query->statement_count != 1 || query->statements[0].kind != STATEMENT_CREATE_CONTINUOUS_QUERY)
        return silt_fail(err, SILT_INVALID, "not a continuous query");
    const struct continuous_query_statement *statement = &query->statements[0].continuous_query;
    struct statement *select = silt_arena_zalloc(arena, sizeof(*select));
    *select = (struct statement){.kind = STATEMENT_SELECT, .select = statement->select};
    struct silt_query *run = silt_arena_zalloc(arena, sizeof(*run));
    *run = (struct silt_query){.text = text, .statements = select, .statement_count = 1};
    *out = (struct silt_continuous){.query = run, .windows_alone = windows_are_alone(statement->select)};
    out->sources = silt_arena_alloc(arena, (count_sources(statement->select) + 1) * sizeof(*out->sources));
    list_sources(statement->select, out);
    return read_schedule(statement, &out->schedule, err);
}
