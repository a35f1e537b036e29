/*
 * prom_write.c - see prom_write.h.
 *
 * The message is walked twice: to count, so that everything is allocated once and in its size; then to fill. What is done
 * for a series (its key, its hash, its layout) is done when its first sample is there to be stored.
 */
#include "server/prom_write.h"
#include "server/protobuf.h"
#include "silt/text.h"

#include <math.h>
#include <stdlib.h>

#define MS_MAX (SILT_TIME_MAX / 1000000)

static const struct silt_field value_field = {{PROM_FIELD, sizeof(PROM_FIELD) - 1}, SILT_TYPE_FLOAT};

struct builder {
    struct silt_arena *arena;
    size_t series_count, sample_count, label_count_max; /* found by counting */

    struct silt_row *rows;
    union silt_value *values;
    size_t row_count;
    struct silt_layout *layouts;
    size_t layout_count;
    uint32_t *slots; /* hash table over the layouts' measurements: index + 1, 0 is free */
    size_t slot_mask;

    struct lp_error *errors;
    size_t error_count, error_capacity, error_total;
};

struct series { /* the one at hand */
    struct silt_tag *tags;
    size_t tag_count;
    bool ready;
    const char *fault; /* no sample of it can be stored */
    struct silt_str text;
    uint64_t hash;
    uint32_t layout;
};

/* ---------------------------------------------------------------- counting */

static enum silt_status count_series(struct builder *builder, struct silt_str message, struct silt_error *err)
{
    struct proto_reader reader = proto_reader_init(message);
    struct proto_field field;
    size_t labels = 0, samples = 0;

    while (proto_next(&reader, &field)) {
        if (field.number == 1 && proto_is(&reader, &field, PROTO_BYTES, "Labels"))
            labels++;
        else if (field.number == 2 && proto_is(&reader, &field, PROTO_BYTES, "Samples"))
            samples++;
    }
    if (reader.fault)
        return proto_fault(&reader, err);
    builder->series_count += samples > 0;
    builder->sample_count += samples;
    if (labels > builder->label_count_max)
        builder->label_count_max = labels;
    return SILT_OK;
}

static enum silt_status count_all(struct builder *builder, struct silt_str message, struct silt_error *err)
{
    struct proto_reader reader = proto_reader_init(message);
    struct proto_field field;
    enum silt_status rc;

    while (proto_next(&reader, &field))
        if (field.number == 1 && proto_is(&reader, &field, PROTO_BYTES, "Timeseries") &&
            (rc = count_series(builder, field.bytes, err)) != SILT_OK)
            return rc;
    return reader.fault ? proto_fault(&reader, err) : SILT_OK;
}

/* ---------------------------------------------------------------- memory */

static enum silt_status no_memory(const struct builder *builder, size_t bytes, struct silt_error *err)
{
    const struct silt_budget *budget = silt_arena_budget(builder->arena);
    bool never = budget && bytes > atomic_load(&budget->limit_bytes);

    return silt_fail(err, never ? SILT_LIMIT : SILT_BUSY, "not enough memory for %zu samples of a write",
                     builder->sample_count);
}

static enum silt_status allocate(struct builder *builder, struct series *series, struct silt_error *err)
{
    size_t slot_count = 16;

    while (slot_count < builder->series_count * 2)
        slot_count *= 2;
    builder->slot_mask = slot_count - 1;
    builder->rows = silt_arena_try_alloc(builder->arena, builder->sample_count * sizeof(*builder->rows));
    builder->values = silt_arena_try_alloc(builder->arena, builder->sample_count * sizeof(*builder->values));
    builder->layouts = silt_arena_try_alloc(builder->arena, builder->series_count * sizeof(*builder->layouts));
    builder->slots = silt_arena_try_alloc(builder->arena, slot_count * sizeof(*builder->slots));
    series->tags = silt_arena_try_alloc(builder->arena, (builder->label_count_max + 1) * sizeof(*series->tags));
    if (!builder->rows || !builder->values || !builder->layouts || !builder->slots || !series->tags)
        return no_memory(builder,
                         builder->sample_count * (sizeof(*builder->rows) + sizeof(*builder->values)) +
                             builder->series_count * sizeof(*builder->layouts) + slot_count * sizeof(*builder->slots) +
                             builder->label_count_max * sizeof(*series->tags),
                         err);
    memset(builder->slots, 0, slot_count * sizeof(*builder->slots));
    return SILT_OK;
}

/* ---------------------------------------------------------------- series */

static bool read_label(struct proto_reader *outer, struct silt_str message, struct silt_tag *out)
{
    struct proto_reader reader = proto_reader_init(message);
    struct proto_field field;

    *out = (struct silt_tag){{"", 0}, {"", 0}};
    while (proto_next(&reader, &field)) {
        if (field.number == 1 && proto_is(&reader, &field, PROTO_BYTES, "Name"))
            out->key = field.bytes;
        else if (field.number == 2 && proto_is(&reader, &field, PROTO_BYTES, "Value"))
            out->value = field.bytes;
    }
    return proto_inner(outer, &reader);
}

struct placed_tag {
    struct silt_tag tag;
    size_t place;
};

static int compare_placed(const void *a, const void *b)
{
    const struct placed_tag *x = a, *y = b;
    int order = silt_str_compare(x->tag.key, y->tag.key);

    return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* Senders put labels in order, each once. Of one that comes twice InfluxDB takes the last. */
static bool put_in_order(struct series *series, struct silt_arena *arena)
{
    size_t i, kept = 0;

    for (i = 1; i < series->tag_count && silt_str_compare(series->tags[i - 1].key, series->tags[i].key) < 0;)
        i++;
    if (i >= series->tag_count)
        return true;
    struct placed_tag *placed = silt_arena_try_alloc(arena, series->tag_count * sizeof(*placed));
    if (!placed)
        return false;
    for (i = 0; i < series->tag_count; i++)
        placed[i] = (struct placed_tag){series->tags[i], i};
    qsort(placed, series->tag_count, sizeof(*placed), compare_placed);
    for (i = 0; i < series->tag_count; i++) {
        if (kept && silt_str_equal(series->tags[kept - 1].key, placed[i].tag.key))
            kept--;
        series->tags[kept++] = placed[i].tag;
    }
    series->tag_count = kept;
    return true;
}

static bool ends_in_backslash(struct silt_str text)
{
    return text.len && text.p[text.len - 1] == '\\';
}

/* In a series key a backslash belongs to what follows it: none can stand at the end of a part. */
static const char *find_fault(const struct series *series)
{
    for (size_t i = 0; i < series->tag_count; i++)
        if (ends_in_backslash(series->tags[i].key) || ends_in_backslash(series->tags[i].value))
            return "a label that ends in a backslash cannot be stored";
    return NULL;
}

static struct silt_str measurement_of(const struct series *series)
{
    for (size_t i = 0; i < series->tag_count; i++)
        if (series->tags[i].value.len && silt_str_equal(series->tags[i].key, SILT_STR(PROM_NAME)))
            return series->tags[i].value;
    return SILT_STR("prom_metric_not_specified");
}

static uint32_t take_layout(struct builder *builder, struct silt_str measurement)
{
    size_t slot = silt_hash(measurement.p, measurement.len) & builder->slot_mask;

    for (; builder->slots[slot]; slot = (slot + 1) & builder->slot_mask)
        if (silt_str_equal(builder->layouts[builder->slots[slot] - 1].measurement, measurement))
            return builder->slots[slot] - 1;
    builder->layouts[builder->layout_count] = (struct silt_layout){measurement, &value_field, 1};
    builder->slots[slot] = (uint32_t)++builder->layout_count;
    return builder->slots[slot] - 1;
}

static enum silt_status make_ready(struct builder *builder, struct series *series, struct silt_error *err)
{
    if (!put_in_order(series, builder->arena))
        return no_memory(builder, 0, err);
    struct silt_str measurement = measurement_of(series);
    series->text = silt_series_key_make(measurement, series->tags, series->tag_count, builder->arena);
    if (silt_arena_exceeded(builder->arena))
        return no_memory(builder, 0, err);
    series->ready = true;
    series->fault = find_fault(series);
    if (series->fault)
        return SILT_OK;
    series->hash = silt_hash(series->text.p, series->text.len);
    series->layout = take_layout(builder, measurement);
    return SILT_OK;
}

/* ---------------------------------------------------------------- samples */

static void refuse(struct builder *builder, const struct series *series, const char *reason)
{
    builder->error_total++;
    if (builder->error_count == LP_ERRORS_KEPT_MAX)
        return;
    builder->errors = silt_arena_grow(builder->arena, builder->errors, &builder->error_capacity, builder->error_count + 1,
                                      sizeof(*builder->errors));
    builder->errors[builder->error_count++] = (struct lp_error){series->text, silt_str_from(reason)};
}

static bool read_sample(struct proto_reader *outer, struct silt_str message, double *value, int64_t *ms)
{
    struct proto_reader reader = proto_reader_init(message);
    struct proto_field field;

    *value = 0;
    *ms = 0;
    while (proto_next(&reader, &field)) {
        if (field.number == 1 && proto_is(&reader, &field, PROTO_FIXED64, "Value"))
            *value = proto_double(&field);
        else if (field.number == 2 && proto_is(&reader, &field, PROTO_VARINT, "Timestamp"))
            *ms = (int64_t)field.value;
    }
    return proto_inner(outer, &reader);
}

static enum silt_status add_sample(struct builder *builder, struct series *series, double value, int64_t ms,
                                   struct silt_error *err)
{
    enum silt_status rc;

    if (!isfinite(value))
        return SILT_OK;
    if (!series->ready && (rc = make_ready(builder, series, err)) != SILT_OK)
        return rc;
    if (series->fault || ms > MS_MAX || ms < -MS_MAX) {
        refuse(builder, series, series->fault ? series->fault : "time outside range of what can be stored");
        return SILT_OK;
    }
    builder->values[builder->row_count].f64 = value;
    builder->rows[builder->row_count] = (struct silt_row){.series = series->text,
                                                          .series_hash = series->hash,
                                                          .time = ms * 1000000,
                                                          .layout = series->layout,
                                                          .line = (uint32_t)builder->row_count,
                                                          .value_offset = builder->row_count};
    builder->row_count++;
    return SILT_OK;
}

/* Labels stand in front of samples, but need not. */
static enum silt_status add_series(struct builder *builder, struct series *series, struct silt_str message,
                                   struct silt_error *err)
{
    struct proto_reader labels = proto_reader_init(message), samples = labels;
    struct proto_field field;
    enum silt_status rc;
    double value;
    int64_t ms;

    *series = (struct series){.tags = series->tags};
    while (proto_next(&labels, &field))
        if (field.number == 1 && read_label(&labels, field.bytes, &series->tags[series->tag_count]))
            series->tag_count++;
    if (labels.fault)
        return proto_fault(&labels, err);
    while (proto_next(&samples, &field))
        if (field.number == 2 && read_sample(&samples, field.bytes, &value, &ms) &&
            (rc = add_sample(builder, series, value, ms, err)) != SILT_OK)
            return rc;
    return samples.fault ? proto_fault(&samples, err) : SILT_OK;
}

enum silt_status prom_write_parse(struct silt_str message, struct silt_arena *arena, struct silt_batch *out,
                                  struct lp_errors *errors, struct silt_error *err)
{
    struct builder builder = {.arena = arena};
    struct proto_reader reader = proto_reader_init(message);
    struct proto_field field;
    struct series series;
    enum silt_status rc;

    *out = (struct silt_batch){0};
    *errors = (struct lp_errors){0};
    if ((rc = count_all(&builder, message, err)) != SILT_OK || builder.sample_count == 0)
        return rc;
    if ((rc = allocate(&builder, &series, err)) != SILT_OK)
        return rc;
    while (proto_next(&reader, &field))
        if (field.number == 1 && (rc = add_series(&builder, &series, field.bytes, err)) != SILT_OK)
            return rc;
    *out = (struct silt_batch){.layouts = builder.layouts,
                               .layout_count = (uint32_t)builder.layout_count,
                               .rows = builder.rows,
                               .row_count = builder.row_count,
                               .values = builder.values};
    *errors = (struct lp_errors){builder.errors, builder.error_count, builder.error_total};
    return SILT_OK;
}
