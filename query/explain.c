/*
 * explain.c - EXPLAIN: what a SELECT would read, from indexes alone; EXPLAIN ANALYZE: what it did read and how long it took.
 *
 *     QUERY PLAN                      EXPLAIN ANALYZE
 *     EXPRESSION: mean(v::float)      .
 *     NUMBER OF SHARDS: 1             └── select
 *     NUMBER OF SERIES: 2                 ├── execution_time: 66.829µs
 *     CACHED VALUES: 2                    ├── ...
 *     NUMBER OF FILES: 0                  └── peak_memory_bytes: 65536
 *     NUMBER OF BLOCKS: 0             (an empty line)
 *     SIZE OF BLOCKS: 0
 *
 * A line is a row. The plan has a part for every call and measurement, an empty line between two; without calls, one for
 * every measurement. Files are counted once for every series that lies in them, as InfluxDB counts. Of a subquery the
 * parts are shown, not the statement around it, which reads no files. The figures of ANALYZE are siltd's own, for the two
 * servers do different things; rows are made and thrown away, and INTO writes nothing.
 */
#include "query/statements.h"
#include "silt/text.h"

struct lines {
    struct exec *exec;
    struct silt_buffer text;
    bool any;
};

static const struct silt_str plan_column[] = {{"QUERY PLAN", 10}}, analyze_column[] = {{"EXPLAIN ANALYZE", 15}};

static enum silt_status send_head(struct exec *exec, const struct silt_str *column)
{
    return exec_series(exec, &(struct silt_series_head){.columns = column, .column_count = 1});
}

/* The line in the buffer becomes a row. */
static enum silt_status send_line(struct lines *lines)
{
    struct silt_cell cell = cell_string((struct silt_str){lines->text.p ? lines->text.p : "", lines->text.len});
    enum silt_status rc = exec_rows(lines->exec, &cell, 1);

    lines->text.len = 0;
    lines->any = true;
    return rc;
}

#define LINE(lines, ...) (silt_buffer_printf(&(lines)->text, __VA_ARGS__), send_line(lines))

/* ---------------------------------------------------------------- the plan */

struct part {
    const struct expr *expr; /* NULL: rows as they are */
    struct silt_field *fields;
    size_t field_count;
};

static void add_field(struct part *part, const struct plan *plan, uint32_t slot)
{
    if (plan->slots[slot].kind != SLOT_FIELD)
        return;
    struct silt_str name = plan->slots[slot].name;
    for (size_t i = 0; i < part->field_count; i++)
        if (silt_str_equal(part->fields[i].name, name))
            return;
    part->fields[part->field_count++] = (struct silt_field){name, SILT_TYPE_NONE};
}

static void add_operands(struct part *part, const struct plan *plan, const struct eval *eval)
{
    if (!eval)
        return;
    if (eval->kind == EVAL_SLOT) {
        add_field(part, plan, eval->slot);
        return;
    }
    add_operands(part, plan, eval->left);
    add_operands(part, plan, eval->right);
}

static bool source_has(const struct plan_source *source, const struct part *part)
{
    for (size_t i = 0; i < part->field_count; i++)
        if (plan_source_has_field(source, part->fields[i].name))
            return true;
    return false;
}

static enum silt_status cost_of(const struct plan *plan, const struct plan_source *source, const struct part *part,
                                size_t *series, struct silt_read_cost *cost, struct silt_error *err)
{
    struct silt_reader *reader = source->reader;
    struct silt_arena *arena = silt_arena_create(&plan->exec->budget), *scratch = silt_arena_create(&plan->exec->budget);
    struct silt_series_set set = {0};
    enum silt_status rc = SILT_OK;

    if (source_has(source, part))
        rc = reader->ops->series(reader, source->name, plan->tag_filter, arena, &set, err);
    for (size_t i = 0; rc == SILT_OK && i < set.count && reader->ops->series_cost; i++) {
        silt_arena_reset(scratch);
        if (i % 1024 == 0)
            rc = exec_check(plan->exec, err);
        if (rc == SILT_OK)
            rc = reader->ops->series_cost(reader, source->name, set.ids[i], part->fields, part->field_count,
                                          plan->scan_min, plan->scan_max, scratch, cost, err);
    }
    *series = set.count;
    silt_arena_destroy(arena);
    silt_arena_destroy(scratch);
    return rc;
}

static enum silt_status auxiliary_line(struct lines *lines, const struct plan *plan)
{
    silt_buffer_printf(&lines->text, "AUXILIARY FIELDS: ");
    for (size_t i = 0; i < plan->aux_count; i++) {
        const struct slot *slot = &plan->slots[plan->aux[i]];
        silt_buffer_printf(&lines->text, "%s", i ? ", " : "");
        ident_print(&lines->text, slot->name);
        silt_buffer_printf(&lines->text, "::%s", data_type_name(slot->kind == SLOT_TAG ? DATA_TAG : slot->type));
    }
    return send_line(lines);
}

static enum silt_status explain_part(struct lines *lines, const struct plan *plan, const struct plan_source *source,
                                     const struct part *part, struct silt_error *err)
{
    struct silt_read_cost cost = {0};
    struct silt_str text = part->expr ? expr_text(part->expr, plan->exec->arena) : SILT_STR("<nil>");
    size_t series;
    enum silt_status rc = cost_of(plan, source, part, &series, &cost, err);

    if (rc != SILT_OK)
        return rc;
    if (lines->any && (rc = send_line(lines)) != SILT_OK)
        return rc;
    if ((rc = LINE(lines, "EXPRESSION: %.*s", SILT_FMT(text))) != SILT_OK ||
        (plan->aux_count && (rc = auxiliary_line(lines, plan)) != SILT_OK) ||
        (rc = LINE(lines, "NUMBER OF SHARDS: %u", source->reader->ops->shard_count(source->reader))) != SILT_OK ||
        (rc = LINE(lines, "NUMBER OF SERIES: %zu", series)) != SILT_OK ||
        (rc = LINE(lines, "CACHED VALUES: %llu", (unsigned long long)cost.cached_values)) != SILT_OK ||
        (rc = LINE(lines, "NUMBER OF FILES: %llu", (unsigned long long)cost.files)) != SILT_OK ||
        (rc = LINE(lines, "NUMBER OF BLOCKS: %llu", (unsigned long long)cost.blocks)) != SILT_OK)
        return rc;
    return LINE(lines, "SIZE OF BLOCKS: %llu", (unsigned long long)cost.block_bytes);
}

static enum silt_status explain_plan(struct lines *lines, const struct plan *plan, struct silt_error *err)
{
    struct part part = {0};
    enum silt_status rc = exec_alloc(plan->exec, plan->slot_count + 1, sizeof(*part.fields), &part.fields, err);

    for (size_t i = 0; rc == SILT_OK && i < plan->source_count; i++)
        if (plan->sources[i].pending)
            rc = explain_plan(lines, plan->sources[i].pending, err);
    for (size_t c = 0; rc == SILT_OK && c < (plan->call_count ? plan->call_count : 1); c++) {
        const struct plan_call *call = plan->call_count ? plan->calls[c] : NULL;
        part.expr = call ? call->expr : NULL;
        part.field_count = 0;
        while (call && call->inner)
            call = call->inner;
        if (call && call->in != DATA_UNKNOWN) {
            add_field(&part, plan, call->slot);
            for (size_t i = 0; i < call->dimension_slot_count; i++)
                add_field(&part, plan, call->dimension_slots[i]);
        }
        for (size_t i = 0; i < plan->aux_count; i++)
            add_field(&part, plan, plan->aux[i]);
        add_operands(&part, plan, plan->filter);
        for (size_t i = 0; rc == SILT_OK && i < plan->source_count; i++)
            if (!plan->sources[i].pending && part.field_count)
                rc = explain_part(lines, plan, &plan->sources[i], &part, err);
    }
    return rc;
}

/* ---------------------------------------------------------------- the run */

struct discard { /* a sink that counts */
    struct silt_sink sink;
    uint64_t series, rows;
};

static enum silt_status discard_series(struct silt_sink *sink, const struct silt_series_head *head)
{
    (void)head;
    ((struct discard *)(void *)sink)->series++;
    return SILT_OK;
}

static enum silt_status discard_rows(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count)
{
    (void)cells;
    ((struct discard *)(void *)sink)->rows += row_count;
    return SILT_OK;
}

static enum silt_status duration_line(struct lines *lines, const char *name, uint64_t ns)
{
    char text[64];
    size_t length = silt_write_duration_go(text, (int64_t)ns);

    return LINE(lines, "    ├── %s: %.*s", name, (int)length, text);
}

static enum silt_status analyze_lines(struct lines *lines, const struct select *select, const struct discard *sink,
                                      uint64_t planning_ns, uint64_t execution_ns, size_t peak_bytes)
{
    const struct exec_reads *reads = lines->exec->reads;
    const struct figure {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"series_read", reads->series},           {"blocks_decoded", reads->blocks},
        {"blocks_size_bytes", reads->block_bytes}, {"blocks_from_statistics", reads->stats_blocks},
        {"memtable_rows", reads->memtable_rows},  {"series_returned", sink->series},
        {"rows_returned", sink->rows},
    };
    struct silt_str text = select_text(select, lines->exec->arena);
    enum silt_status rc;

    if ((rc = LINE(lines, ".")) != SILT_OK || (rc = LINE(lines, "└── select")) != SILT_OK ||
        (rc = duration_line(lines, "execution_time", execution_ns)) != SILT_OK ||
        (rc = duration_line(lines, "planning_time", planning_ns)) != SILT_OK ||
        (rc = duration_line(lines, "total_time", planning_ns + execution_ns)) != SILT_OK ||
        (rc = LINE(lines, "    ├── statement: %.*s", SILT_FMT(text))) != SILT_OK)
        return rc;
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
        if ((rc = LINE(lines, "    ├── %s: %llu", figures[i].name, (unsigned long long)figures[i].value)) != SILT_OK)
            return rc;
    rc = LINE(lines, "    └── peak_memory_bytes: %zu", peak_bytes);
    return rc == SILT_OK ? send_line(lines) : rc;
}

/* ---------------------------------------------------------------- the statement */

enum silt_status explain_run(struct exec *exec, const struct explain_statement *explain, struct silt_error *err)
{
    struct lines lines = {.exec = exec};
    struct discard discard = {.sink = {.series = discard_series, .rows = discard_rows}};
    struct exec_reads reads = {0};
    struct compiled *compiled;
    struct plan *plan = NULL;
    uint64_t begin = silt_clock_monotonic_ns();
    enum silt_status rc = sources_check(exec, explain->select, err);

    atomic_store(&exec->budget.peak_bytes, atomic_load(&exec->budget.used_bytes));
    if (rc == SILT_OK)
        rc = select_compile(exec, explain->select, NULL, &compiled, err);
    if (rc == SILT_OK)
        rc = plan_make(exec, compiled, NULL, 0, &plan, err);
    uint64_t planned = silt_clock_monotonic_ns();

    if (rc == SILT_OK && explain->analyze) {
        struct silt_sink *sink = exec->sink;
        exec->sink = &discard.sink;
        exec->reads = &reads;
        rc = plan_run(plan, err);
        exec->sink = sink;
        uint64_t end = silt_clock_monotonic_ns();
        size_t peak_bytes = atomic_load(&exec->budget.peak_bytes);
        if (rc == SILT_OK)
            rc = send_head(exec, analyze_column);
        if (rc == SILT_OK)
            rc = analyze_lines(&lines, explain->select, &discard, planned - begin, end - planned, peak_bytes);
        exec->reads = NULL;
    } else if (rc == SILT_OK) {
        rc = send_head(exec, plan_column);
        if (rc == SILT_OK)
            rc = explain_plan(&lines, plan, err);
        if (rc == SILT_OK && !lines.any)
            rc = send_line(&lines);
    }
    plan_destroy(plan);
    silt_buffer_free(&lines.text);
    return rc;
}
