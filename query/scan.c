/* scan.c - lanes: reading a series batch by batch (see scan.h). */
#include "query/scan.h"

#include "silt/kernels.h"

struct lane_cursor {
    struct silt_reader *reader;
    struct silt_cursor *cursor;
};

struct slot_column {
    bool loaded;
    bool one_type; /* the source stores this field in the slot's type alone: block statistics can be used */
    bool no_column; /* a subquery has it neither as a column nor as a tag: a filter takes it for a tag that is missing */
    struct lane_column column;
    uint64_t *valid;   /* scratch: BATCH_ROWS_MAX bits */
    union silt_value *cast; /* scratch: BATCH_ROWS_MAX values */
    struct silt_str *strings; /* scratch: a tag for every row */
};

struct lane {
    const struct scan *scan;
    struct silt_arena *arena;
    struct lane_cursor *cursors; /* one per reader, made when first needed */
    struct silt_cursor *cursor;
    const struct silt_reader_ops *ops;
    size_t series;
    uint32_t source_seen; /* the source that one_type was found for, + 1 */
    const struct scan_group *group;
    struct lane_batch batch;
    bool prefers_stats;
    bool filtered, mask_loaded;
    uint64_t mask[BATCH_ROWS_MAX / 64];
    struct slot_column *columns;
    struct silt_cell *cells; /* per slot: tags and tests of the series, fields of the row under test */
};

enum silt_status lane_create(const struct scan *scan, struct lane **out, struct silt_error *err)
{
    const struct plan *plan = scan->plan;
    struct silt_arena *arena = silt_arena_create(&plan->exec->budget);
    struct lane *lane = silt_arena_zalloc(arena, sizeof(*lane));

    *out = lane;
    lane->scan = scan;
    lane->arena = arena;
    lane->cursors = silt_arena_zalloc(arena, (plan->reader_count + 1) * sizeof(*lane->cursors));
    lane->columns = silt_arena_zalloc(arena, (plan->slot_count + 1) * sizeof(*lane->columns));
    lane->cells = silt_arena_zalloc(arena, (plan->slot_count + 1) * sizeof(*lane->cells));
    if (silt_arena_exceeded(arena)) {
        lane_destroy(lane);
        *out = NULL;
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    }
    return SILT_OK;
}

static void add_reads(struct exec_reads *to, const struct silt_reader_ops *ops, const struct silt_cursor *cursor)
{
    struct silt_read_counters counters = {0};

    if (!to || !ops->cursor_counters)
        return;
    ops->cursor_counters(cursor, &counters);
    atomic_fetch_add(&to->blocks, counters.blocks);
    atomic_fetch_add(&to->block_bytes, counters.block_bytes);
    atomic_fetch_add(&to->stats_blocks, counters.stats_blocks);
    atomic_fetch_add(&to->memtable_rows, counters.memtable_rows);
}

void lane_destroy(struct lane *lane)
{
    if (!lane)
        return;
    for (size_t i = 0; i < lane->scan->plan->reader_count; i++) {
        if (!lane->cursors[i].cursor)
            continue;
        add_reads(lane->scan->plan->exec->reads, lane->cursors[i].reader->ops, lane->cursors[i].cursor);
        lane->cursors[i].reader->ops->cursor_destroy(lane->cursors[i].cursor);
    }
    silt_arena_destroy(lane->arena);
}

static enum silt_status cursor_for(struct lane *lane, struct silt_reader *reader, struct silt_error *err)
{
    const struct plan *plan = lane->scan->plan;
    size_t i = 0;

    while (plan->readers[i] != reader)
        i++;
    if (!lane->cursors[i].cursor) {
        enum silt_status rc = reader->ops->cursor_create(reader, &plan->exec->budget, &lane->cursors[i].cursor, err);
        if (rc != SILT_OK) {
            lane->cursors[i].cursor = NULL;
            return rc;
        }
        lane->cursors[i].reader = reader;
    }
    lane->cursor = lane->cursors[i].cursor;
    lane->ops = reader->ops;
    return SILT_OK;
}

static bool is_own_tag(const struct plan_source *source, struct silt_str name)
{
    for (size_t i = 0; i < source->tag_key_count; i++)
        if (silt_str_equal(source->tag_keys[i], name))
            return true;
    return false;
}

static void find_types(struct lane *lane, uint32_t source_index)
{
    const struct plan *plan = lane->scan->plan;
    const struct plan_source *source = &plan->sources[source_index];

    lane->source_seen = source_index + 1;
    for (size_t i = 0; i < plan->slot_count; i++) {
        bool one_type = plan->slots[i].kind == SLOT_FIELD;
        size_t end;
        for (size_t k = plan_source_fields(source, plan->slots[i].name, &end); one_type && k < end; k++)
            one_type = data_type_of(source->fields[k].type) == plan->slots[i].type;
        lane->columns[i].one_type = one_type;
        lane->columns[i].no_column = source->in_memory && plan->slots[i].kind == SLOT_FIELD &&
                                     name_index_find(&source->columns, plan->slots[i].name) == NAME_NONE && !is_own_tag(source, plan->slots[i].name);
    }
}

enum silt_status lane_seek(struct lane *lane, size_t index, const struct scan_group *group, silt_time min, silt_time max,
                           bool descending, struct silt_error *err)
{
    const struct plan *plan = lane->scan->plan;
    const struct scan_series *series = &lane->scan->series[index];
    const struct plan_source *source = &plan->sources[series->source];
    enum silt_status rc;

    lane->series = index;
    lane->group = group;
    if (source->in_memory && group) { /* its rows were in range within it; their times may lie before, as windows do, */
        min = SILT_TIME_MIN;
        if (!plan->is_reduced) /* or after: a row of all that is before 1970 has time 0 */
            max = SILT_TIME_MAX;
    }
    lane->filtered = series->filtered;
    if (lane->source_seen != series->source + 1)
        find_types(lane, series->source);
    for (size_t i = 0; i < plan->slot_count; i++) {
        const struct slot *slot = &plan->slots[i];
        if (slot->kind == SLOT_TAG) {
            struct silt_str value = series_tag(series, slot->name);
            if (!value.len && silt_str_equal(slot->name, SILT_STR("_name")))
                value = source->name;
            lane->cells[i] = value.len ? cell_string(value) : cell_null();
            if (source->in_memory) /* shown are the tags it is grouped by itself, empty or not, and no other */
                lane->cells[i] = is_own_tag(source, slot->name) ? cell_string(value.len ? value : SILT_STR("")) : cell_null();
        } else if (slot->kind == SLOT_TAG_TEST && lane->filtered) {
            lane->cells[i] = (struct silt_cell){.kind = SILT_CELL_BOOLEAN,
                                                .boolean = series_passes(slot, source, series)};
        }
    }
    if ((rc = cursor_for(lane, source->reader, err)) != SILT_OK)
        return rc;
    if (lane->ops->cursor_prefer_stats &&
        (rc = lane->ops->cursor_prefer_stats(lane->cursor, lane->prefers_stats && !lane->filtered, err)) != SILT_OK)
        return rc;
    return lane->ops->cursor_seek(lane->cursor, source->name, series->id, plan->reader_fields, plan->reader_field_count,
                                  min, max, descending, err);
}

void lane_prefer_stats(struct lane *lane, bool prefer)
{
    lane->prefers_stats = prefer;
}

/* By SLIMIT, in this shard. */
static bool left_out(const struct lane *lane, uint32_t shard)
{
    const struct scan *scan = lane->scan;
    uint32_t source = scan->series[lane->series].source;
    size_t bit = scan->shard_base[source] + shard;

    return !scan->plan->sources[source].in_memory && !(lane->group->shards[bit / 64] >> (bit % 64) & 1);
}

enum silt_status lane_next(struct lane *lane, struct lane_batch *batch, struct silt_error *err)
{
    struct exec *exec = lane->scan->plan->exec;
    struct silt_rows rows;
    enum silt_status rc;

    do {
        if ((rc = exec_check(exec, err)) != SILT_OK)
            return rc;
        if ((rc = lane->ops->cursor_next(lane->cursor, &rows, err)) != SILT_OK)
            return rc;
    } while (rows.count && lane->group && lane->group->shards && left_out(lane, rows.shard));
    const struct scan *scan = lane->scan;
    for (size_t i = 0; i < scan->plan->slot_count; i++)
        lane->columns[i].loaded = false;
    lane->mask_loaded = false;
    lane->batch = (struct lane_batch){
        .count = rows.count, .shard = rows.shard, .first = rows.first, .last = rows.last,
        .has_stats = rows.count && rows.has_stats && !lane->filtered};
    *batch = lane->batch;
    return SILT_OK;
}

enum silt_status lane_times(struct lane *lane, const silt_time **times, struct silt_error *err)
{
    return lane->ops->cursor_times(lane->cursor, times, err);
}

bool lane_stats(struct lane *lane, uint32_t slot, struct silt_block_stats *out)
{
    return lane->batch.has_stats && lane->columns[slot].one_type &&
           !lane->scan->plan->sources[lane->scan->series[lane->series].source].in_memory &&
           lane->ops->cursor_stats(lane->cursor, lane->scan->plan->slots[slot].reader_field, out);
}

/* ---------------------------------------------------------------- columns */

static size_t count_valid(const uint64_t *valid, size_t count)
{
    return valid ? silt_count_valid(valid, count) : count;
}

static int64_t float_to_integer(double value)
{
    if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0))
        return INT64_MIN;
    return (int64_t)value;
}

/* As the processor does it that InfluxDB was measured on. */
static uint64_t float_to_unsigned(double value)
{
    if (value < 9223372036854775808.0)
        return (uint64_t)float_to_integer(value);
    return (uint64_t)float_to_integer(value - 9223372036854775808.0) ^ ((uint64_t)1 << 63);
}

/* Stored numbers as numbers of another type; false: the types do not meet. */
static bool cast_column(struct slot_column *to, enum data_type want, const struct silt_column *from, size_t count)
{
    union silt_value *out = to->cast;

    switch (from->type) {
    case SILT_TYPE_FLOAT:
        if (want == DATA_INTEGER)
            for (size_t i = 0; i < count; i++)
                out[i].i64 = float_to_integer(from->f64[i]);
        else if (want == DATA_UNSIGNED)
            for (size_t i = 0; i < count; i++)
                out[i].u64 = float_to_unsigned(from->f64[i]);
        else
            return false;
        break;
    case SILT_TYPE_INTEGER:
        if (want == DATA_FLOAT)
            for (size_t i = 0; i < count; i++)
                out[i].f64 = (double)from->i64[i];
        else if (want == DATA_UNSIGNED)
            for (size_t i = 0; i < count; i++)
                out[i].u64 = (uint64_t)from->i64[i];
        else
            return false;
        break;
    case SILT_TYPE_UNSIGNED:
        if (want == DATA_FLOAT)
            for (size_t i = 0; i < count; i++)
                out[i].f64 = (double)from->u64[i];
        else if (want == DATA_INTEGER)
            for (size_t i = 0; i < count; i++)
                out[i].i64 = (int64_t)from->u64[i];
        else
            return false;
        break;
    default: return false;
    }
    to->column.u64 = (const uint64_t *)out;
    return true;
}

const uint64_t no_rows[BATCH_ROWS_MAX / 64];

/* A tag as a column of strings: of a source beside a subquery that has a column of that name. */
static enum silt_status load_tag(struct lane *lane, uint32_t slot, struct silt_error *err)
{
    const struct slot *s = &lane->scan->plan->slots[slot];
    struct slot_column *to = &lane->columns[slot];
    struct silt_str value = series_tag(&lane->scan->series[lane->series], s->name);

    if (!to->strings && !(to->strings = silt_arena_try_alloc(lane->arena, BATCH_ROWS_MAX * sizeof(*to->strings))))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    for (size_t i = 0; i < lane->batch.count; i++)
        to->strings[i] = value;
    to->loaded = true;
    to->column = (struct lane_column){.valid = value.len ? NULL : no_rows, .type = DATA_STRING, .string = to->strings};
    to->column.valid_count = value.len ? lane->batch.count : 0;
    return SILT_OK;
}

/* The slot's column before the filter. */
static enum silt_status load_column(struct lane *lane, uint32_t slot, struct silt_error *err)
{
    const struct slot *s = &lane->scan->plan->slots[slot];
    struct slot_column *to = &lane->columns[slot];
    struct silt_column column;
    enum silt_status rc;

    if (to->loaded)
        return SILT_OK;
    bool of_subquery = lane->scan->plan->sources[lane->scan->series[lane->series].source].in_memory;
    enum data_type type = s->asked && !of_subquery ? s->asked : s->type;
    if (s->or_tag && !of_subquery)
        return load_tag(lane, slot, err);
    if ((rc = lane->ops->cursor_column(lane->cursor, s->reader_field, &column, err)) != SILT_OK)
        return rc;
    to->loaded = true;
    to->column = (struct lane_column){.valid = column.valid, .type = type, .of_subquery = of_subquery};
    enum data_type stored = data_type_of(column.type);
    if (stored == type) {
        to->column.u64 = column.u64;
    } else if (stored != DATA_UNKNOWN) {
        if (!to->cast && !(to->cast = silt_arena_try_alloc(lane->arena, BATCH_ROWS_MAX * sizeof(*to->cast))))
            return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
        if (!cast_column(to, type, &column, lane->batch.count))
            to->column.valid = no_rows;
    } else {
        to->column.valid = no_rows;
    }
    to->column.valid_count = count_valid(to->column.valid, lane->batch.count);
    return SILT_OK;
}

struct silt_cell column_cell(const struct lane_column *column, size_t row)
{
    if (!row_valid(column->valid, row))
        return cell_null();
    switch (column->type) {
    case DATA_FLOAT: return (struct silt_cell){.kind = SILT_CELL_FLOAT, .f64 = column->f64[row]};
    case DATA_INTEGER: return cell_integer(column->i64[row]);
    case DATA_UNSIGNED: return (struct silt_cell){.kind = SILT_CELL_UNSIGNED, .u64 = column->u64[row]};
    case DATA_BOOLEAN: return (struct silt_cell){.kind = SILT_CELL_BOOLEAN, .boolean = column->boolean[row] != 0};
    case DATA_STRING: return cell_string(column->string[row]);
    default: return cell_null();
    }
}

/* The field slots that an expression reads. */
static enum silt_status load_operands(struct lane *lane, const struct eval *eval, struct silt_error *err)
{
    enum silt_status rc;

    if (!eval)
        return SILT_OK;
    if (eval->kind == EVAL_SLOT)
        return lane->scan->plan->slots[eval->slot].kind == SLOT_FIELD ? load_column(lane, eval->slot, err) : SILT_OK;
    if ((rc = load_operands(lane, eval->left, err)) != SILT_OK)
        return rc;
    return load_operands(lane, eval->right, err);
}

/* Bits of up to 64 rows of which `value`, made of `v`, stands so to the bound. */
#define COMPARE(op, member, value, bound)                                                                              \
    for (size_t i = 0; i < rows; i++) {                                                                                \
        __auto_type v = column->member[from + i];                                                                      \
        bits |= (uint64_t)((value) op (bound)) << i;                                                                   \
    }
#define COMPARISONS(name, type, member, value)                                                                         \
    static uint64_t name(const struct lane_column *column, size_t from, size_t rows, enum expr_op op, type bound)      \
    {                                                                                                                  \
        uint64_t bits = 0;                                                                                             \
        switch (op) {                                                                                                  \
        case OP_EQ: COMPARE(==, member, value, bound) break;                                                           \
        case OP_NE: COMPARE(!=, member, value, bound) break;                                                           \
        case OP_LT: COMPARE(<, member, value, bound) break;                                                            \
        case OP_LE: COMPARE(<=, member, value, bound) break;                                                           \
        case OP_GT: COMPARE(>, member, value, bound) break;                                                            \
        default: COMPARE(>=, member, value, bound) break;                                                              \
        }                                                                                                              \
        return bits;                                                                                                   \
    }
COMPARISONS(compare_floats, double, f64, v)
COMPARISONS(compare_integers, int64_t, i64, v)
COMPARISONS(compare_integers_as_floats, double, i64, (double)v)
#undef COMPARISONS
#undef COMPARE

/* slot op number, the commonest filter: tight loops that compare as eval_binary() does. false: not of that shape. */
static bool fill_mask_simple(struct lane *lane, const struct eval *eval, uint64_t *mask)
{
    const struct plan *plan = lane->scan->plan;
    size_t count = lane->batch.count;

    if (eval->kind != EVAL_BINARY || eval->op < OP_EQ || eval->op > OP_GE || eval->op == OP_MATCH ||
        eval->op == OP_NOT_MATCH || eval->left->kind != EVAL_SLOT || eval->right->kind != EVAL_LITERAL || plan->slots[eval->left->slot].kind != SLOT_FIELD)
        return false;
    const struct silt_cell *literal = &eval->right->literal;
    enum data_type type = plan->slots[eval->left->slot].type;
    if ((literal->kind != SILT_CELL_FLOAT && literal->kind != SILT_CELL_INTEGER) ||
        (type != DATA_FLOAT && type != DATA_INTEGER))
        return false;
    double bound = literal->kind == SILT_CELL_FLOAT ? literal->f64 : (double)literal->i64;
    const struct lane_column *column = &lane->columns[eval->left->slot].column;
    if (column->type != type)
        return false;
    if (column->valid_count == 0)
        return true;
    for (size_t from = 0; from < count; from += 64) {
        size_t rows = count - from < 64 ? count - from : 64;
        uint64_t bits = type == DATA_FLOAT                    ? compare_floats(column, from, rows, eval->op, bound)
                        : literal->kind == SILT_CELL_INTEGER ? compare_integers(column, from, rows, eval->op, literal->i64)
                                                             : compare_integers_as_floats(column, from, rows, eval->op, bound);
        mask[from / 64] = column->valid ? bits & column->valid[from / 64] : bits;
    }
    return true;
}

static void fill_mask(struct lane *lane, const struct eval *eval, uint64_t *mask)
{
    const struct plan *plan = lane->scan->plan;
    bool of_subquery = plan->sources[lane->scan->series[lane->series].source].in_memory;

    if (eval->kind == EVAL_BINARY && (eval->op == OP_AND || eval->op == OP_OR)) {
        uint64_t right[BATCH_ROWS_MAX / 64] = {0};
        fill_mask(lane, eval->left, mask);
        fill_mask(lane, eval->right, right);
        for (size_t i = 0; i * 64 < lane->batch.count; i++)
            mask[i] = eval->op == OP_AND ? mask[i] & right[i] : mask[i] | right[i];
        return;
    }
    if (fill_mask_simple(lane, eval, mask))
        return;
    for (size_t row = 0; row < lane->batch.count; row++) {
        for (size_t i = 0; i < plan->slot_count; i++)
            if (plan->slots[i].kind == SLOT_FIELD && lane->columns[i].loaded)
                lane->cells[i] = lane->columns[i].no_column ? cell_string(SILT_STR(""))
                                                            : column_cell(&lane->columns[i].column, row);
        if (eval_true(eval, lane->cells, of_subquery ? EVAL_WHERE_SUBQUERY : EVAL_WHERE_STORED))
            mask[row >> 6] |= (uint64_t)1 << (row & 63);
    }
}

enum silt_status lane_filter(struct lane *lane, const uint64_t **passed, struct silt_error *err)
{
    const struct plan *plan = lane->scan->plan;
    enum silt_status rc;

    *passed = lane->filtered ? lane->mask : NULL;
    if (!lane->filtered || lane->mask_loaded)
        return SILT_OK;
    if ((rc = load_operands(lane, plan->filter, err)) != SILT_OK)
        return rc;
    memset(lane->mask, 0, sizeof(lane->mask));
    fill_mask(lane, plan->filter, lane->mask);
    lane->mask_loaded = true;
    return SILT_OK;
}

enum silt_status lane_column(struct lane *lane, uint32_t slot, struct lane_column *out, struct silt_error *err)
{
    struct slot_column *to = &lane->columns[slot];
    const uint64_t *passed;
    enum silt_status rc = load_column(lane, slot, err);

    if (rc != SILT_OK)
        return rc;
    *out = to->column;
    if (!lane->filtered)
        return SILT_OK;
    if ((rc = lane_filter(lane, &passed, err)) != SILT_OK)
        return rc;
    if (!to->valid && !(to->valid = silt_arena_try_alloc(lane->arena, BATCH_ROWS_MAX / 8)))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    for (size_t i = 0; i * 64 < lane->batch.count; i++)
        to->valid[i] = out->valid ? lane->mask[i] & out->valid[i] : lane->mask[i];
    out->valid = to->valid;
    out->valid_count = count_valid(to->valid, lane->batch.count);
    return SILT_OK;
}

struct silt_cell lane_tag_cell(const struct lane *lane, uint32_t slot)
{
    return lane->cells[slot];
}
