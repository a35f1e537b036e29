/*
 * into.c - SELECT ... INTO: the rows of a SELECT written back as points.
 *
 *     rows of a series head -> struct silt_batch, up to 10,000 points -> silt_admin->write
 *
 *     cpu{host=a} | time mean max            layout  out(mean float, max integer)
 *                 |  0    1.5   2    --->    row     out,host=a  0  [1.5 2]
 *                 | 10   null   3            row     out,host=a 10  [3]        of a layout without mean
 *
 * The tags of the head are the point's tags, the columns its fields; a tag that was selected is a string field, but one
 * that top() or bottom() names is a tag. What no point can be made of is passed over, as InfluxDB does: rows of nothing
 * but nulls, infinite numbers, keys that are too long. A batch is readable as soon as it is full; an error leaves those
 * before it written.
 */
#include "query/into.h"
#include "query/statements.h"

#include <math.h>
#include <stdlib.h>

#define BATCH_ROWS 10000
#define BATCH_VALUES (1 << 20)    /* and no more than so many values, */
#define BATCH_BYTES (16u << 20)   /* or so many bytes of strings and keys */
#define LAYOUTS_TRIED 16          /* of those made last; rows of one kind come in runs */
#define KEY_BYTES_MAX 65535
#define FIELD_SEPARATOR_BYTES 4   /* between series key and field in InfluxDB's store */

struct into {
    struct silt_sink sink;
    struct exec *exec;
    const struct plan *plan;
    const struct source *target;
    struct silt_error *err;
    enum silt_status status;
    uint64_t written;

    /* columns, the same for every head: */
    bool prepared;
    size_t column_count, time_index; /* time_index == column_count: none */
    bool *is_field, *is_tag;
    size_t name_bytes_max;
    bool more_tags; /* some column is a tag */

    /* of the head: */
    struct silt_str measurement; /* all in head_arena */
    struct silt_tag *tags;       /* with room for those of columns */
    size_t tag_count;
    struct silt_str head_series; /* without those of columns */
    struct silt_arena *head_arena;

    /* the batch, all in batch_arena: */
    struct silt_arena *batch_arena;
    struct silt_layout *layouts;
    uint8_t **signatures; /* per layout: the type of each column, NONE where it is missing */
    size_t layout_count, layout_capacity, signature_capacity;
    size_t first_layout; /* of this measurement */
    struct silt_row *rows;
    size_t row_count;
    union silt_value *values;
    size_t value_count, value_capacity;
    struct silt_str series; /* text of series_head, or of the row before */
    uint64_t series_hash;
    uint8_t *signature; /* of the row at hand */
};

static struct into *into_of(struct silt_sink *sink)
{
    return (struct into *)sink;
}

static enum silt_status out_of_memory(struct into *into)
{
    return silt_fail(into->err, SILT_LIMIT, "query memory limit exceeded");
}

/* ---------------------------------------------------------------- the batch */

static void start_batch(struct into *into)
{
    silt_arena_reset(into->batch_arena);
    into->layouts = NULL;
    into->signatures = NULL;
    into->layout_count = into->layout_capacity = into->signature_capacity = into->first_layout = 0;
    into->values = NULL;
    into->value_count = into->value_capacity = 0;
    into->rows = NULL;
    into->row_count = 0;
    into->series = (struct silt_str){0};
}

static enum silt_status write_batch(struct into *into)
{
    struct silt_admin *admin = into->exec->options->admin;
    const struct silt_batch batch = {.layouts = into->layouts,
                                     .layout_count = (uint32_t)into->layout_count,
                                     .rows = into->rows,
                                     .row_count = into->row_count,
                                     .values = into->values,
                                     .origin_ns = into->exec->options->origin_ns};
    enum silt_status rc = SILT_OK;

    if (into->row_count && (rc = exec_check(into->exec, into->err)) == SILT_OK)
        rc = admin->write(admin, into->target->database, into->target->rp, &batch, into->err);
    start_batch(into);
    return rc;
}

static bool is_full(const struct into *into)
{
    return into->row_count == BATCH_ROWS || into->value_count >= BATCH_VALUES ||
           silt_arena_bytes(into->batch_arena) >= BATCH_BYTES + into->value_capacity * 2 * sizeof(*into->values);
}

/* ---------------------------------------------------------------- layouts */

static enum silt_type type_of(enum silt_cell_kind kind)
{
    switch (kind) {
    case SILT_CELL_FLOAT: return SILT_TYPE_FLOAT;
    case SILT_CELL_INTEGER: return SILT_TYPE_INTEGER;
    case SILT_CELL_UNSIGNED: return SILT_TYPE_UNSIGNED;
    case SILT_CELL_STRING: return SILT_TYPE_STRING;
    case SILT_CELL_BOOLEAN: return SILT_TYPE_BOOLEAN;
    default: return SILT_TYPE_NONE;
    }
}

static uint32_t add_layout(struct into *into, size_t field_count)
{
    struct silt_arena *arena = into->batch_arena;
    struct silt_field *fields = silt_arena_alloc(arena, field_count * sizeof(*fields));
    uint8_t *signature = silt_arena_alloc(arena, into->column_count);
    size_t count = 0;

    memcpy(signature, into->signature, into->column_count);
    for (size_t i = 0; i < into->column_count; i++)
        if (signature[i])
            fields[count++] = (struct silt_field){into->plan->columns[i], (enum silt_type)signature[i]};
    size_t index = into->layout_count++;
    into->layouts = silt_arena_grow(arena, into->layouts, &into->layout_capacity, index + 1, sizeof(*into->layouts));
    into->signatures =
        silt_arena_grow(arena, into->signatures, &into->signature_capacity, index + 1, sizeof(*into->signatures));
    into->layouts[index] = (struct silt_layout){
        .measurement = silt_arena_str(arena, into->measurement), .fields = fields, .field_count = (uint32_t)count};
    into->signatures[index] = signature;
    return (uint32_t)index;
}

static uint32_t layout_of(struct into *into, size_t field_count)
{
    size_t least = into->layout_count > LAYOUTS_TRIED ? into->layout_count - LAYOUTS_TRIED : 0;

    if (least < into->first_layout)
        least = into->first_layout;
    for (size_t i = into->layout_count; i > least; i--)
        if (memcmp(into->signatures[i - 1], into->signature, into->column_count) == 0)
            return (uint32_t)(i - 1);
    return add_layout(into, field_count);
}

/* ---------------------------------------------------------------- columns */

struct named_column {
    struct silt_str name;
    size_t index;
};

static int by_name(const void *a, const void *b)
{
    const struct named_column *x = a, *y = b;
    int order = silt_str_compare(x->name, y->name);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Of columns of one name the last one is the field; of those named time, the point's time. */
static enum silt_status prepare_columns(struct into *into)
{
    const struct plan *plan = into->plan;
    struct exec *exec = into->exec;
    struct named_column *named;
    enum silt_status rc;

    into->prepared = true;
    into->column_count = into->time_index = plan->column_count;
    if ((rc = exec_alloc(exec, plan->column_count, sizeof(*named), &named, into->err)) != SILT_OK ||
        (rc = exec_alloc(exec, plan->column_count, 1, &into->signature, into->err)) != SILT_OK)
        return rc;
    into->is_field = silt_arena_zalloc(exec->arena, plan->column_count);
    into->is_tag = silt_arena_zalloc(exec->arena, plan->column_count);
    for (size_t i = 0; i < plan->column_count; i++)
        named[i] = (struct named_column){plan->columns[i], i};
    qsort(named, plan->column_count, sizeof(*named), by_name);
    for (size_t i = 0; i < plan->column_count; i++) {
        size_t index = named[i].index;
        if (index && plan->field_is_argument[index - 1]) {
            into->is_tag[index] = plan->output_types[index - 1] == DATA_TAG;
            into->more_tags = into->more_tags || into->is_tag[index];
            continue;
        }
        if (i + 1 < plan->column_count && silt_str_equal(named[i].name, named[i + 1].name))
            continue;
        if (silt_str_equal(named[i].name, SILT_STR("time")))
            into->time_index = index;
        else
            into->is_field[index] = true;
        if (named[i].name.len > into->name_bytes_max)
            into->name_bytes_max = named[i].name.len;
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- rows */

static int by_key(const void *a, const void *b)
{
    const struct silt_tag *x = a, *y = b;
    return silt_str_compare(x->key, y->key);
}

/* The series text of a row: the head's, or one of its own where columns are tags. */
static void set_series(struct into *into, const struct silt_cell *row)
{
    struct silt_arena *arena = into->batch_arena;

    if (into->series.p && !into->more_tags)
        return;
    if (!into->more_tags) {
        into->series = silt_arena_str(arena, into->head_series);
    } else {
        size_t count = into->tag_count;
        for (size_t i = 1; i < into->column_count; i++) {
            if (!into->is_tag[i] || row[i].kind != SILT_CELL_STRING)
                continue;
            struct silt_str key = into->plan->fields[i - 1].expr->ref.name;
            size_t k = 0;
            while (k < count && !silt_str_equal(into->tags[k].key, key))
                k++;
            if (k == count)
                into->tags[count++] = (struct silt_tag){key, row[i].string};
        }
        struct silt_tag *sorted = silt_arena_alloc(arena, (count + 1) * sizeof(*sorted));
        memcpy(sorted, into->tags, count * sizeof(*sorted));
        qsort(sorted, count, sizeof(*sorted), by_key);
        into->series = silt_series_key_make(into->measurement, sorted, count, arena);
    }
    into->series_hash = silt_hash(into->series.p, into->series.len);
}

static bool key_fits(const struct into *into)
{
    size_t room = KEY_BYTES_MAX - FIELD_SEPARATOR_BYTES;

    if (into->series.len + into->name_bytes_max <= room)
        return true;
    for (size_t i = 0; i < into->column_count; i++)
        if (into->signature[i] && into->series.len + into->plan->columns[i].len > room)
            return false;
    return true;
}

/* InfluxDB's code takes for granted that what is named time is a time, and is stopped by Go where it is not. */
static enum silt_status not_a_time(struct into *into, enum silt_cell_kind kind)
{
    static const char *const names[] = {[SILT_CELL_NULL] = "nil",       [SILT_CELL_FLOAT] = "float64",
                                        [SILT_CELL_INTEGER] = "int64",  [SILT_CELL_UNSIGNED] = "uint64",
                                        [SILT_CELL_STRING] = "string",  [SILT_CELL_BOOLEAN] = "bool"};

    into->exec->panicked = true;
    return silt_fail(into->err, SILT_INVALID, "interface conversion: interface {} is %s, not time.Time", names[kind]);
}

static enum silt_status room_for_row(struct into *into)
{
    if (!into->rows) {
        into->rows = silt_arena_try_alloc(into->batch_arena, BATCH_ROWS * sizeof(*into->rows));
        if (!into->rows)
            return out_of_memory(into);
    }
    size_t need = into->value_count + into->column_count;
    if (need <= into->value_capacity)
        return SILT_OK;
    size_t capacity = need < 4096 ? 4096 : 2 * need;
    union silt_value *values = silt_arena_try_alloc(into->batch_arena, capacity * sizeof(*values));
    if (!values)
        return out_of_memory(into);
    if (into->value_count)
        memcpy(values, into->values, into->value_count * sizeof(*values));
    into->values = values;
    into->value_capacity = capacity;
    return SILT_OK;
}

/* The row's values, behind those there are. *count 0: no point can be made of it. */
static enum silt_status take_values(struct into *into, const struct silt_cell *row, size_t *count)
{
    union silt_value *to = into->values + into->value_count;
    size_t taken = 0;

    *count = 0;
    for (size_t i = 0; i < into->column_count; i++) {
        const struct silt_cell *cell = &row[i];
        into->signature[i] = SILT_TYPE_NONE;
        if (!into->is_field[i] || cell->kind == SILT_CELL_NULL)
            continue;
        if (cell->kind == SILT_CELL_FLOAT && isinf(cell->f64))
            return SILT_OK;
        into->signature[i] = (uint8_t)type_of(cell->kind);
        if (cell->kind == SILT_CELL_STRING) {
            if (sizeof(struct silt_bytes) + cell->string.len > UINT32_MAX)
                return out_of_memory(into);
            struct silt_bytes *copy =
                silt_arena_try_alloc(into->batch_arena, sizeof(*copy) + cell->string.len);
            if (!copy)
                return out_of_memory(into);
            copy->len = (uint32_t)cell->string.len;
            if (copy->len)
                memcpy(copy->p, cell->string.p, copy->len);
            to[taken++].string = copy;
        } else if (cell->kind == SILT_CELL_BOOLEAN) {
            to[taken++].u64 = cell->boolean;
        } else {
            to[taken++].u64 = cell->u64;
        }
    }
    *count = taken;
    return SILT_OK;
}

static enum silt_status take_row(struct into *into, const struct silt_cell *row)
{
    enum silt_status rc = room_for_row(into);
    size_t count;

    if (rc != SILT_OK)
        return rc;
    if (into->time_index == into->column_count)
        return silt_fail(into->err, SILT_INVALID, "error finding time index in result");
    if (row[into->time_index].kind != SILT_CELL_TIME)
        return not_a_time(into, row[into->time_index].kind);
    silt_time time = row[into->time_index].i64;
    if ((rc = take_values(into, row, &count)) != SILT_OK)
        return rc;
    if (count == 0 || time < SILT_TIME_MIN || time > SILT_TIME_MAX)
        return SILT_OK;
    set_series(into, row);
    if (!key_fits(into))
        return SILT_OK;
    into->rows[into->row_count] = (struct silt_row){.series = into->series,
                                                    .series_hash = into->series_hash,
                                                    .time = time,
                                                    .layout = layout_of(into, count),
                                                    .line = (uint32_t)into->row_count,
                                                    .value_offset = into->value_count};
    into->row_count++;
    into->value_count += count;
    into->written++;
    if (silt_arena_exceeded(into->batch_arena))
        return out_of_memory(into);
    return is_full(into) ? write_batch(into) : SILT_OK;
}

/* ---------------------------------------------------------------- the sink */

static enum silt_status start_head(struct into *into, const struct silt_series_head *head)
{
    struct silt_arena *arena = into->head_arena;
    struct silt_str name = into->target->name.len ? into->target->name : head->name;
    enum silt_status rc = into->prepared ? SILT_OK : prepare_columns(into);

    if (rc != SILT_OK)
        return rc;
    bool same = silt_str_equal(name, into->measurement);
    silt_arena_reset(arena);
    into->measurement = silt_arena_str(arena, name);
    into->tags = silt_arena_try_alloc(arena, (head->tag_count + into->column_count) * sizeof(*into->tags));
    if (!into->tags)
        return out_of_memory(into);
    for (size_t i = 0; i < head->tag_count; i++)
        into->tags[i] = (struct silt_tag){silt_arena_str(arena, head->tags[i].key), silt_arena_str(arena, head->tags[i].value)};
    into->tag_count = head->tag_count;
    into->head_series = silt_series_key_make(into->measurement, into->tags, into->tag_count, arena);
    into->series = (struct silt_str){0};
    if (!same)
        into->first_layout = into->layout_count;
    return silt_arena_exceeded(arena) ? out_of_memory(into) : SILT_OK;
}

static enum silt_status into_series(struct silt_sink *sink, const struct silt_series_head *head)
{
    struct into *into = into_of(sink);

    silt_assert(head->column_count == into->plan->column_count);
    return into->status = start_head(into, head);
}

static enum silt_status into_rows(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count)
{
    struct into *into = into_of(sink);

    for (size_t i = 0; into->status == SILT_OK && i < row_count; i++)
        into->status = take_row(into, cells + i * into->column_count);
    return into->status;
}

enum silt_status into_run(struct plan *plan, struct silt_error *err)
{
    struct exec *exec = plan->exec;
    struct silt_sink *sink = exec->sink;
    struct into into = {.sink = {.series = into_series, .rows = into_rows},
                        .exec = exec,
                        .plan = plan,
                        .target = plan->compiled->select->into,
                        .err = err,
                        .head_arena = silt_arena_create(&exec->budget),
                        .batch_arena = silt_arena_create(&exec->budget)};
    enum silt_status rc;

    if (!exec->options->admin || !exec->options->admin->write) {
        rc = silt_fail(err, SILT_UNSUPPORTED, "SELECT ... INTO is not supported");
    } else {
        exec->sink = &into.sink;
        rc = plan_run(plan, err);
        exec->sink = sink;
        if (into.status != SILT_OK)
            exec->sink_failed = false; /* that was no client who left */
        if (rc == SILT_OK)
            rc = write_batch(&into);
    }
    exec->written = into.written;
    silt_arena_destroy(into.head_arena);
    silt_arena_destroy(into.batch_arena);
    return rc;
}

enum silt_status into_answer(struct exec *exec)
{
    const struct silt_str columns[] = {SILT_STR("time"), SILT_STR("written")};
    const struct silt_cell row[] = {{.kind = SILT_CELL_TIME, .i64 = 0}, cell_integer((int64_t)exec->written)};
    enum silt_status rc = exec_series(
        exec, &(struct silt_series_head){.name = SILT_STR("result"), .columns = columns, .column_count = 2});

    return rc == SILT_OK ? exec_rows(exec, row, 1) : rc;
}
