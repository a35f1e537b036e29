/*
 * prom_select.c - see prom_select.h.
 *
 *     matchers of the name  -> measurements
 *     the other matchers    -> a tag filter    -> series of each measurement -> samples
 */
#include "server/prom_select.h"
#include "server/prom_write.h"

struct selection {
    const struct prom_query *query;
    const struct silt_query_options *options;
    struct prom_answer *answer;
    struct silt_reader *reader;
    struct silt_cursor *cursor;
    struct silt_arena *arena;       /* of the query */
    struct silt_arena *measurement; /* of the one at hand */
    struct silt_arena *series;
    const struct silt_tag_filter *filter;
    silt_time min, max;
    uint64_t series_count, sample_count;
};

/* ---------------------------------------------------------------- matchers */

/* _measurement is InfluxDB's own name for it. */
static bool is_name(const struct prom_matcher *matcher)
{
    return silt_str_equal(matcher->name, SILT_STR(PROM_NAME)) || silt_str_equal(matcher->name, SILT_STR("_measurement"));
}

static bool name_passes(const struct prom_query *query, struct silt_str name)
{
    for (size_t i = 0; i < query->matcher_count; i++)
        if (is_name(&query->matchers[i]) && !prom_matcher_passes(&query->matchers[i], name))
            return false;
    return true;
}

static bool match_regex(const void *regex, struct silt_str value)
{
    return silt_regex_match(regex, value);
}

/* NULL: every series. */
static const struct silt_tag_filter *make_filter(const struct prom_query *query, struct silt_arena *arena)
{
    static const enum silt_tag_op ops[] = {SILT_TAG_EQ, SILT_TAG_NE, SILT_TAG_MATCH, SILT_TAG_NOT_MATCH};
    const struct silt_tag_filter *all = NULL;

    for (size_t i = query->matcher_count; i-- > 0;) {
        const struct prom_matcher *matcher = &query->matchers[i];
        if (is_name(matcher))
            continue;
        struct silt_tag_filter *one = silt_arena_alloc(arena, 2 * sizeof(*one));
        one[0] = (struct silt_tag_filter){.op = ops[matcher->type],
                                          .key = matcher->name,
                                          .value = matcher->value,
                                          .match = match_regex,
                                          .match_arg = matcher->regex};
        one[1] = (struct silt_tag_filter){.op = SILT_TAG_AND, .left = &one[0], .right = all};
        all = all ? &one[1] : &one[0];
    }
    return all;
}

/* ---------------------------------------------------------------- series */

/* Tags are in order, and the name among them. */
static enum silt_status put_labels(struct selection *selection, struct silt_str measurement, const struct silt_tag *tags,
                                   size_t tag_count, struct silt_error *err)
{
    const struct silt_str name = SILT_STR(PROM_NAME);
    bool named = false;
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; rc == SILT_OK && i <= tag_count; i++) {
        int order = i < tag_count ? silt_str_compare(tags[i].key, name) : 1;
        if (order >= 0 && !named) {
            rc = prom_answer_label(selection->answer, name, measurement, err);
            named = true;
        }
        if (rc == SILT_OK && order != 0 && i < tag_count)
            rc = prom_answer_label(selection->answer, tags[i].key, tags[i].value, err);
    }
    return rc;
}

static enum silt_status put_samples(struct selection *selection, uint32_t count, struct silt_error *err)
{
    const struct silt_reader_ops *ops = selection->reader->ops;
    uint64_t limit = selection->options->limits.select_points;
    struct silt_column column;
    const silt_time *times;
    enum silt_status rc;

    selection->sample_count += count;
    if (limit && selection->sample_count > limit)
        return silt_fail(err, SILT_LIMIT, "max-select-point limit exceeed: (%llu/%llu)",
                         (unsigned long long)selection->sample_count, (unsigned long long)limit);
    if ((rc = ops->cursor_times(selection->cursor, &times, err)) != SILT_OK ||
        (rc = ops->cursor_column(selection->cursor, 0, &column, err)) != SILT_OK || column.type != SILT_TYPE_FLOAT)
        return rc;
    return prom_answer_samples(selection->answer, times, column.f64, column.valid, count, err);
}

static enum silt_status read_series(struct selection *selection, struct silt_str measurement, silt_series_id id,
                                    struct silt_error *err)
{
    static const struct silt_field field = {{PROM_FIELD, sizeof(PROM_FIELD) - 1}, SILT_TYPE_FLOAT};
    const struct silt_reader_ops *ops = selection->reader->ops;
    struct silt_rows rows;
    struct silt_str key;
    struct silt_tag *tags;
    size_t tag_count;
    enum silt_status rc;

    if ((rc = silt_query_goes_on(selection->options, err)) != SILT_OK ||
        (rc = ops->cursor_seek(selection->cursor, measurement, id, &field, 1, selection->min, selection->max, false,
                               err)) != SILT_OK ||
        (rc = ops->cursor_next(selection->cursor, &rows, err)) != SILT_OK || rows.count == 0)
        return rc;
    silt_arena_reset(selection->series);
    ops->series_tags(selection->reader, id, selection->series, &key, &tags, &tag_count);
    if (key.len == 0) /* dropped since */
        return SILT_OK;
    prom_answer_series(selection->answer);
    rc = put_labels(selection, measurement, tags, tag_count, err);
    while (rc == SILT_OK && rows.count && !selection->query->series_only) {
        if ((rc = put_samples(selection, rows.count, err)) == SILT_OK &&
            (rc = silt_query_goes_on(selection->options, err)) == SILT_OK)
            rc = ops->cursor_next(selection->cursor, &rows, err);
    }
    if (rc != SILT_OK || (selection->answer->samples.len == 0 && !selection->query->series_only))
        return rc;
    return prom_answer_series_end(selection->answer, err);
}

static bool has_value(const struct silt_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i].type == SILT_TYPE_FLOAT && silt_str_equal(fields[i].name, SILT_STR(PROM_FIELD)))
            return true;
    return false;
}

static enum silt_status read_measurement(struct selection *selection, struct silt_str measurement, struct silt_error *err)
{
    const struct silt_reader_ops *ops = selection->reader->ops;
    uint64_t limit = selection->options->limits.select_series;
    struct silt_series_set set;
    struct silt_field *fields;
    size_t field_count;
    enum silt_status rc;

    silt_arena_reset(selection->measurement);
    if ((rc = silt_query_goes_on(selection->options, err)) != SILT_OK ||
        (rc = ops->fields(selection->reader, measurement, selection->measurement, &fields, &field_count, err)) != SILT_OK ||
        !has_value(fields, field_count) ||
        (rc = ops->series(selection->reader, measurement, selection->filter, selection->measurement, &set, err)) != SILT_OK)
        return rc;
    if (silt_arena_exceeded(selection->measurement))
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    selection->series_count += set.count;
    if (limit && selection->series_count > limit)
        return silt_fail(err, SILT_LIMIT, "max-select-series limit exceeded: (%llu/%llu)",
                         (unsigned long long)selection->series_count, (unsigned long long)limit);
    for (size_t i = 0; rc == SILT_OK && i < set.count; i++)
        rc = read_series(selection, measurement, set.ids[i], err);
    return rc;
}

/* ---------------------------------------------------------------- the query */

static enum silt_status read_all(struct selection *selection, struct silt_error *err)
{
    const struct prom_query *query = selection->query;
    struct silt_str *names;
    size_t count;
    enum silt_status rc = SILT_OK;

    for (size_t i = 0; i < query->matcher_count; i++)
        if (is_name(&query->matchers[i]) && query->matchers[i].type == PROM_EQUAL)
            return name_passes(query, query->matchers[i].value) ? read_measurement(selection, query->matchers[i].value, err)
                                                                : SILT_OK;
    rc = selection->reader->ops->measurements(selection->reader, selection->arena, &names, &count, err);
    if (rc == SILT_OK && silt_arena_exceeded(selection->arena))
        rc = silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    for (size_t i = 0; rc == SILT_OK && i < count; i++)
        if (name_passes(query, names[i]))
            rc = read_measurement(selection, names[i], err);
    return rc;
}

static silt_time to_ns(int64_t ms, int64_t more)
{
    silt_time time;

    if (__builtin_mul_overflow(ms, 1000000, &time) || __builtin_add_overflow(time, more, &time))
        return ms < 0 ? SILT_TIME_MIN : SILT_TIME_MAX;
    return time < SILT_TIME_MIN ? SILT_TIME_MIN : time > SILT_TIME_MAX ? SILT_TIME_MAX : time;
}

enum silt_status prom_select_run(const struct prom_query *query, const struct silt_query_options *options,
                                 struct silt_budget *budget, struct prom_answer *answer, struct silt_error *err)
{
    struct silt_source *source = options->source;
    struct selection selection = {.query = query,
                                  .options = options,
                                  .answer = answer,
                                  .arena = silt_arena_create(budget),
                                  .measurement = silt_arena_create(budget),
                                  .series = silt_arena_create(budget),
                                  .min = to_ns(query->start_ms, 0),
                                  .max = to_ns(query->end_ms, 999999)}; /* all that is shown as that millisecond */
    enum silt_status rc;

    selection.filter = make_filter(query, selection.arena);
    prom_answer_result(answer);
    rc = source->open(source, options->database, options->rp, selection.min, selection.max, &selection.reader, err);
    if (rc == SILT_OK) {
        const struct silt_reader_ops *ops = selection.reader->ops;
        rc = ops->cursor_create(selection.reader, budget, &selection.cursor, err);
        if (rc == SILT_OK && query->start_ms <= query->end_ms)
            rc = read_all(&selection, err);
        if (selection.cursor)
            ops->cursor_destroy(selection.cursor);
        ops->release(selection.reader);
    }
    silt_arena_destroy(selection.series);
    silt_arena_destroy(selection.measurement);
    silt_arena_destroy(selection.arena);
    return rc == SILT_OK ? prom_answer_result_end(answer, err) : rc;
}
