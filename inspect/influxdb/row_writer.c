/*
 * row_writer.c - see row_writer.h.
 */
#include "inspect/influxdb/row_writer.h"

#include "silt/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GROUP_FIELDS 64u
#define ROWS_MAX 16384u
#define VALUES_MAX ((size_t)262144)
#define TEXT_BYTES_MAX ((size_t)16 << 20)
#define LAYOUTS_MAX 1024u
#define MASK_SLOTS 512u
#define MASKS_MAX 256u /* layouts of one shape in a batch: the table stays half empty */
#define REJECTIONS_SHOWN 20u
#define BUSY_PAUSE_NS 5000000

struct head {                   /* of a field */
    struct influx_field *field; /* NULL at its end */
    struct influx_run run;
    size_t at;
};

struct influx_writer {
    struct silt_storage *storage;
    struct silt_str database, policy;
    struct influx_writer_counts counts;
    /* The batch: */
    struct silt_arena *arena;  /* texts, and what the store wants to keep for the call */
    struct silt_arena *parsed; /* the key of one series */
    struct silt_layout layouts[LAYOUTS_MAX];
    uint32_t layout_count;
    struct silt_row *rows;
    size_t row_count;
    union silt_value *values;
    size_t value_count, text_bytes;
    /* The shape: measurement and fields that masks speak of. Its layouts in this batch, by mask. */
    struct silt_str measurement;
    struct silt_field shape[GROUP_FIELDS];
    unsigned shape_fields;
    struct {
        uint64_t mask; /* 0: free */
        uint32_t layout;
    } masks[MASK_SLOTS];
    unsigned mask_count;
    /* What the log's thread says of batches that are on their way: */
    pthread_mutex_t lock;
    struct silt_error failed;
};

struct influx_writer *influx_writer_create(struct silt_storage *storage)
{
    struct influx_writer *writer = silt_calloc(1, sizeof(*writer));
    writer->storage = storage;
    writer->arena = silt_arena_create(NULL);
    writer->parsed = silt_arena_create(NULL);
    writer->rows = silt_malloc(ROWS_MAX * sizeof(*writer->rows));
    writer->values = silt_malloc(VALUES_MAX * sizeof(*writer->values));
    pthread_mutex_init(&writer->lock, NULL);
    return writer;
}

void influx_writer_destroy(struct influx_writer *writer)
{
    if (!writer)
        return;
    silt_arena_destroy(writer->arena);
    silt_arena_destroy(writer->parsed);
    free(writer->rows);
    free(writer->values);
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

void influx_writer_target(struct influx_writer *writer, struct silt_str database, struct silt_str policy)
{
    writer->database = database;
    writer->policy = policy;
}

const struct influx_writer_counts *influx_writer_counts(const struct influx_writer *writer)
{
    return &writer->counts;
}

/* ---------------------------------------------------------------- batches */

static void forget_shape(struct influx_writer *writer)
{
    memset(writer->masks, 0, sizeof(writer->masks));
    writer->mask_count = 0;
}

static void note_done(void *arg, enum silt_status status, const struct silt_error *err)
{
    struct influx_writer *writer = arg;
    if (status == SILT_OK)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->failed = *err;
    pthread_mutex_unlock(&writer->lock);
}

static enum silt_status check_failed(struct influx_writer *writer, struct silt_error *err)
{
    pthread_mutex_lock(&writer->lock);
    if (writer->failed.status != SILT_OK)
        *err = writer->failed;
    enum silt_status rc = writer->failed.status;
    pthread_mutex_unlock(&writer->lock);
    return rc;
}

static void count_written(struct influx_writer *writer, const struct silt_write_report *report)
{
    struct influx_writer_counts *counts = &writer->counts;
    counts->rows += report->written;
    counts->values += writer->value_count;
    for (size_t i = 0; i < report->rejection_count; i++) {
        const struct silt_rejection *rejection = &report->rejections[i];
        const struct silt_row *row = &writer->rows[rejection->line];
        counts->values -= writer->layouts[row->layout].field_count;
        if (counts->rejected++ < REJECTIONS_SHOWN)
            fprintf(stderr, "REFUSED a row of %.*s: %.*s\n", SILT_FMT(row->series), SILT_FMT(rejection->detail));
    }
}

enum silt_status influx_writer_flush(struct influx_writer *writer, struct silt_error *err)
{
    const struct silt_batch batch = {.layouts = writer->layouts,
                                     .layout_count = writer->layout_count,
                                     .rows = writer->rows,
                                     .row_count = writer->row_count,
                                     .values = writer->values};
    enum silt_status rc = check_failed(writer, err);

    while (rc == SILT_OK && writer->row_count) {
        struct silt_write_report report;
        rc = silt_storage_write(writer->storage, writer->database, writer->policy, &batch, true, writer->arena, &report,
                                note_done, writer, err);
        if (rc == SILT_BUSY) { /* flushing is behind */
            nanosleep(&(struct timespec){0, BUSY_PAUSE_NS}, NULL);
            rc = SILT_OK;
            continue;
        }
        if (rc == SILT_OK) {
            count_written(writer, &report);
            break;
        }
    }
    writer->row_count = writer->value_count = writer->text_bytes = 0;
    writer->layout_count = 0;
    forget_shape(writer);
    silt_arena_reset(writer->arena);
    return rc;
}

/* ---------------------------------------------------------------- layouts */

static bool same_shape(const struct influx_writer *writer, struct silt_str measurement,
                       const struct influx_field *fields, unsigned count)
{
    if (writer->mask_count == 0 || writer->shape_fields != count || !silt_str_equal(writer->measurement, measurement))
        return false;
    for (unsigned i = 0; i < count; i++)
        if (writer->shape[i].type != fields[i].type || !silt_str_equal(writer->shape[i].name, fields[i].name))
            return false;
    return true;
}

static void set_shape(struct influx_writer *writer, struct silt_str measurement, const struct influx_field *fields,
                      unsigned count)
{
    if (same_shape(writer, measurement, fields, count))
        return;
    forget_shape(writer);
    writer->measurement = silt_arena_str(writer->arena, measurement);
    writer->shape_fields = count;
    for (unsigned i = 0; i < count; i++)
        writer->shape[i] = (struct silt_field){fields[i].name, fields[i].type};
}

/* The batch's layout of these fields; there is room for one more. */
static uint32_t layout_of(struct influx_writer *writer, uint64_t mask)
{
    size_t at = silt_hash(&mask, sizeof(mask)) % MASK_SLOTS;
    for (; writer->masks[at].mask; at = (at + 1) % MASK_SLOTS)
        if (writer->masks[at].mask == mask)
            return writer->masks[at].layout;
    struct silt_field *fields = silt_arena_alloc(writer->arena, (size_t)__builtin_popcountll(mask) * sizeof(*fields));
    uint32_t count = 0;
    for (uint64_t rest = mask; rest; rest &= rest - 1)
        fields[count++] = writer->shape[__builtin_ctzll(rest)];
    writer->masks[at].mask = mask;
    writer->masks[at].layout = writer->layout_count;
    writer->mask_count++;
    writer->layouts[writer->layout_count] = (struct silt_layout){writer->measurement, fields, count};
    return writer->layout_count++;
}

/* ---------------------------------------------------------------- rows */

/* The next rows that have values in the same fields, and how many; 0: all heads are at their end. */
static size_t next_rows(struct head *heads, unsigned count, uint64_t *mask, struct influx_log *log)
{
    silt_time first = INT64_MAX, limit = INT64_MAX;
    const struct head *lead = NULL;
    size_t rows = 0;

    *mask = 0;
    for (unsigned i = 0; i < count; i++) {
        struct head *head = &heads[i];
        if (head->at == head->run.count && head->field) {
            head->run = influx_field_next(head->field, log);
            head->at = 0;
            if (head->run.count == 0)
                head->field = NULL;
        }
        if (!head->field)
            continue;
        silt_time time = head->run.times[head->at];
        size_t left = head->run.count - head->at;
        if (!lead || time < first) {
            limit = lead ? first : INT64_MAX;
            first = time;
            lead = head;
            *mask = (uint64_t)1 << i;
            rows = left;
        } else if (time == first) {
            *mask |= (uint64_t)1 << i;
            rows = left < rows ? left : rows;
        } else if (time < limit) {
            limit = time;
        }
    }
    if (!lead)
        return 0;
    const silt_time *times = lead->run.times + lead->at;
    if (times[rows - 1] >= limit)
        for (rows = 1; times[rows] < limit;)
            rows++;
    for (uint64_t rest = *mask; rest; rest &= rest - 1) {
        const struct head *head = &heads[__builtin_ctzll(rest)];
        const silt_time *others = head->run.times + head->at;
        size_t same = 1;
        while (same < rows && others[same] == times[same])
            same++;
        rows = same;
    }
    return rows;
}

static void put_column(struct influx_writer *writer, const union silt_value *from, size_t rows, enum silt_type type,
                       union silt_value *to, size_t width)
{
    if (type != SILT_TYPE_STRING) {
        for (size_t r = 0; r < rows; r++)
            to[r * width] = from[r];
        return;
    }
    for (size_t r = 0; r < rows; r++) {
        to[r * width].string = silt_arena_bytes_copy(writer->arena, silt_bytes_str(from[r].string));
        writer->text_bytes += from[r].string->len;
    }
}

static void put_rows(struct influx_writer *writer, struct silt_str series, uint64_t hash, struct head *heads,
                     uint64_t mask, size_t rows)
{
    uint32_t layout = layout_of(writer, mask);
    size_t width = (size_t)__builtin_popcountll(mask), column = 0;
    const struct head *lead = &heads[__builtin_ctzll(mask)];
    const silt_time *times = lead->run.times + lead->at;

    for (size_t r = 0; r < rows; r++)
        writer->rows[writer->row_count + r] = (struct silt_row){.series = series,
                                                                .series_hash = hash,
                                                                .time = times[r],
                                                                .layout = layout,
                                                                .line = (uint32_t)(writer->row_count + r),
                                                                .value_offset = writer->value_count + r * width};
    for (uint64_t rest = mask; rest; rest &= rest - 1, column++) {
        unsigned which = (unsigned)__builtin_ctzll(rest);
        struct head *head = &heads[which];
        put_column(writer, head->run.values + head->at, rows, writer->shape[which].type,
                   writer->values + writer->value_count + column, width);
    }
    for (uint64_t rest = mask; rest; rest &= rest - 1)
        heads[__builtin_ctzll(rest)].at += rows;
    writer->row_count += rows;
    writer->value_count += rows * width;
}

static enum silt_status add_group(struct influx_writer *writer, struct silt_str measurement, struct silt_str series,
                                  struct influx_field *fields, unsigned count, struct influx_log *log,
                                  struct silt_error *err)
{
    struct head heads[GROUP_FIELDS];
    uint64_t mask, hash = silt_hash(series.p, series.len);

    for (unsigned i = 0; i < count; i++) {
        heads[i] = (struct head){.field = &fields[i]};
        writer->counts.left_out += fields[i].other_types;
    }
    set_shape(writer, measurement, fields, count);
    for (size_t rows; (rows = next_rows(heads, count, &mask, log)) != 0;) {
        size_t width = (size_t)__builtin_popcountll(mask);
        if (writer->row_count == ROWS_MAX || writer->value_count + width > VALUES_MAX ||
            writer->text_bytes > TEXT_BYTES_MAX || writer->layout_count == LAYOUTS_MAX ||
            writer->mask_count == MASKS_MAX) {
            enum silt_status rc = influx_writer_flush(writer, err);
            if (rc != SILT_OK)
                return rc;
            set_shape(writer, measurement, fields, count);
        }
        size_t row_room = ROWS_MAX - writer->row_count, value_room = (VALUES_MAX - writer->value_count) / width;
        rows = rows < row_room ? rows : row_room;
        put_rows(writer, series, hash, heads, mask, rows < value_room ? rows : value_room);
    }
    return SILT_OK;
}

enum silt_status influx_writer_add(struct influx_writer *writer, struct influx_scan *scan, struct silt_error *err)
{
    struct silt_str key, measurement;
    struct silt_tag *tags;
    size_t tag_count;
    enum silt_status rc = SILT_OK;

    silt_arena_reset(writer->parsed);
    const char *wrong = silt_series_key_parse(scan->series, writer->parsed, &key, &measurement, &tags, &tag_count);
    if (wrong) {
        fprintf(stderr, "REFUSED series %.*s: %s\n", SILT_FMT(scan->series), wrong);
        writer->counts.rejected++;
    }
    for (size_t f = 0; !wrong && f < scan->field_count && rc == SILT_OK; f += GROUP_FIELDS) {
        size_t count = scan->field_count - f < GROUP_FIELDS ? scan->field_count - f : GROUP_FIELDS;
        rc = add_group(writer, measurement, scan->series, scan->fields + f, (unsigned)count, scan->log, err);
    }
    writer->counts.series++;
    return rc;
}
