/*
 * json_sink.c - see json_sink.h.
 *
 * Structure (braces, keys, series heads) is put together in a small buffer and copied; rows, the bulk, go straight
 * into the output.
 */
#include "server/json_sink.h"

#include <math.h>
#include <stdlib.h>

#define CELL_BYTES_MAX (SILT_NUMBER_TEXT_MAX + 8)
#define NS_PER_SECOND 1000000000

/* ---------------------------------------------------------------- structure */

static void newline(struct json_sink *s)
{
    if (!s->answer.options.pretty)
        return;
    silt_buffer_char(&s->text, '\n');
    for (unsigned i = 0; i < s->depth; i++)
        silt_buffer_append(&s->text, "    ", 4);
}

/* Before each member or element. */
static void separate(struct json_sink *s)
{
    if (!s->fresh)
        silt_buffer_char(&s->text, ',');
    s->fresh = false;
    newline(s);
}

static void open_container(struct json_sink *s, char bracket)
{
    silt_buffer_char(&s->text, bracket);
    s->depth++;
    s->fresh = true;
}

static void close_container(struct json_sink *s, char bracket)
{
    s->depth--;
    if (!s->fresh)
        newline(s);
    s->fresh = false;
    silt_buffer_char(&s->text, bracket);
}

static inline void put_key(struct json_sink *s, const char *key)
{
    size_t len = strlen(key);

    separate(s);
    silt_buffer_reserve(&s->text, len + 4);
    char *at = s->text.p + s->text.len;
    *at++ = '"';
    at = mempcpy(at, key, len);
    at = mempcpy(at, "\": ", s->answer.options.pretty ? 3 : 2);
    s->text.len = (size_t)(at - s->text.p);
}

static void put_string_member(struct json_sink *s, const char *key, struct silt_str value)
{
    put_key(s, key);
    silt_buffer_json_string(&s->text, value);
}

static enum silt_status emit(struct json_sink *s)
{
    enum silt_status rc = output_write(s->answer.output, s->text.p, s->text.len);
    s->text.len = 0;
    return rc;
}

/* ---------------------------------------------------------------- documents, results, series */

static enum silt_status open_document(struct json_sink *s)
{
    enum silt_status rc = output_room(s->answer.output, 256);

    s->document_start = s->answer.output->next;
    s->document_flushed = s->answer.output->flushed;
    s->depth = 0;
    s->fresh = true;
    open_container(s, '{');
    put_key(s, "results");
    open_container(s, '[');
    return rc;
}

static enum silt_status open_result(struct answer *answer)
{
    struct json_sink *s = (struct json_sink *)answer;
    enum silt_status rc;

    if (!answer->document && (rc = open_document(s)) != SILT_OK)
        return rc;
    separate(s);
    open_container(s, '{');
    put_key(s, "statement_id");
    silt_buffer_printf(&s->text, "%d", (int)answer->statement_id);
    if ((rc = emit(s)) != SILT_OK)
        return rc;
    s->has_error = false;
    s->result_start = answer->output->next;
    s->result_flushed = answer->output->flushed;
    return SILT_OK;
}

static enum silt_status close_series(struct answer *answer, bool partial)
{
    struct json_sink *s = (struct json_sink *)answer;

    if (s->values)
        close_container(s, ']');
    if (partial) {
        put_key(s, "partial");
        silt_buffer_append(&s->text, "true", 4);
    }
    close_container(s, '}');
    s->values = false;
    return SILT_OK;
}

static void close_series_list(struct json_sink *s)
{
    if (s->series_list)
        close_container(s, ']');
    s->series_list = false;
}

static bool drop_series(struct answer *answer)
{
    struct json_sink *s = (struct json_sink *)answer;

    if (!s->series_list || s->result_flushed != answer->output->flushed)
        return false;
    answer->output->next = s->result_start;
    s->text.len = 0;
    s->depth = 3;
    s->fresh = false;
    s->series_list = s->values = s->messages = false;
    return true;
}

static enum silt_status close_result(struct answer *answer, bool partial)
{
    struct json_sink *s = (struct json_sink *)answer;

    if (s->infinity)
        return SILT_OK;
    close_series_list(s);
    if (s->messages)
        close_container(s, ']');
    s->messages = false;
    if (partial) {
        put_key(s, "partial");
        silt_buffer_append(&s->text, "true", 4);
    }
    if (s->has_error) {
        put_key(s, "error");
        silt_buffer_append(&s->text, s->error.p, s->error.len);
    }
    close_container(s, '}');
    s->has_error = false;
    return emit(s);
}

/* The document is given up for the text that Go's encoder leaves. */
static enum silt_status close_infinity(struct json_sink *s)
{
    if (s->document_flushed != s->answer.output->flushed)
        return SILT_INVALID;
    s->answer.output->next = s->document_start;
    s->text.len = 0;
    silt_buffer_printf(&s->text,
                       "json: error calling MarshalJSON for type httpd.Response: json: error calling MarshalJSON for "
                       "type *query.Result: json: unsupported value: %sInf\n",
                       s->infinity > 0 ? "+" : "-");
    s->infinity = 0;
    s->has_error = s->series_list = s->values = s->messages = false;
    return emit(s);
}

static enum silt_status close_document(struct answer *answer)
{
    struct json_sink *s = (struct json_sink *)answer;

    if (s->infinity)
        return close_infinity(s);
    close_container(s, ']');
    close_container(s, '}');
    silt_buffer_char(&s->text, '\n');
    return emit(s);
}

/* The series object up to its columns, as it stands one level below the series list. */
static void make_head(struct json_sink *s, const struct silt_series_head *head)
{
    struct silt_buffer text = s->text;
    unsigned depth = s->depth;
    bool fresh = s->fresh;

    s->text = s->head;
    s->text.len = 0;
    s->depth = 4; /* document, results, result, series list */
    open_container(s, '{');
    if (head->name.len)
        put_string_member(s, "name", head->name);
    if (head->tag_count) {
        put_key(s, "tags");
        open_container(s, '{');
        for (size_t i = 0; i < head->tag_count; i++) {
            separate(s);
            silt_buffer_json_string(&s->text, head->tags[i].key);
            silt_buffer_append(&s->text, ": ", s->answer.options.pretty ? 2 : 1);
            silt_buffer_json_string(&s->text, head->tags[i].value);
        }
        close_container(s, '}');
    }
    if (head->column_count) {
        put_key(s, "columns");
        open_container(s, '[');
        for (size_t i = 0; i < head->column_count; i++) {
            separate(s);
            silt_buffer_json_string(&s->text, head->columns[i]);
        }
        close_container(s, ']');
    }
    s->head = s->text;
    s->text = text;
    s->depth = depth;
    s->fresh = fresh;
}

static enum silt_status open_series(struct answer *answer, const struct silt_series_head *head)
{
    struct json_sink *s = (struct json_sink *)answer;

    if (s->infinity)
        return SILT_OK;
    if (head) {
        make_head(s, head);
        tag_texts_reset(&s->tags);
    }
    if (!s->series_list) {
        put_key(s, "series");
        open_container(s, '[');
        s->series_list = true;
    }
    separate(s);
    silt_buffer_append(&s->text, s->head.p, s->head.len);
    s->depth++;
    s->fresh = false;
    return emit(s);
}

/* ---------------------------------------------------------------- cells */

static void put_two(char *to, unsigned value)
{
    to[0] = (char)('0' + value / 10);
    to[1] = (char)('0' + value % 10);
}

/* Text of the second, with the zone's offset behind. Within a day of UTC only the clock changes. */
static void cache_second(struct json_sink *s, int64_t second)
{
    uint64_t of_day = (uint64_t)second - (uint64_t)s->cached_day;

    if (of_day < 86400 && !s->answer.base.zone && !s->cached_zone) {
        put_two(s->cached_text + 11, (unsigned)of_day / 3600);
        put_two(s->cached_text + 14, (unsigned)of_day / 60 % 60);
        put_two(s->cached_text + 17, (unsigned)of_day % 60);
        s->cached_second = second;
        return;
    }
    char text[SILT_TIME_TEXT_MAX];
    silt_time time = second * NS_PER_SECOND; /* in range: the caller saw that */
    int32_t offset = s->answer.base.zone ? silt_zone_offset(s->answer.base.zone, time) : 0;
    size_t len = silt_write_rfc3339(text, time, offset);

    memcpy(s->cached_text, text, 19);
    s->cached_suffix_len = (uint8_t)(len - 19);
    memcpy(s->cached_suffix, text + 19, s->cached_suffix_len);
    s->cached_second = second;
    s->cached_day = second - ((second % 86400) + 86400) % 86400;
    s->cached_zone = s->answer.base.zone;
}

static char *put_rfc3339(struct json_sink *s, char *to, silt_time time)
{
    int64_t second = time / NS_PER_SECOND;
    int32_t fraction = (int32_t)(time % NS_PER_SECOND);
    if (fraction < 0) {
        fraction += NS_PER_SECOND;
        second--;
    }
    *to++ = '"';
    if (second <= INT64_MIN / NS_PER_SECOND || second >= INT64_MAX / NS_PER_SECOND) {
        to += silt_write_rfc3339(to, time, s->answer.base.zone ? silt_zone_offset(s->answer.base.zone, time) : 0);
        *to++ = '"';
        return to;
    }
    if (second != s->cached_second || s->answer.base.zone != s->cached_zone)
        cache_second(s, second);
    memcpy(to, s->cached_text, 19);
    to += 19;
    if (fraction) {
        int digits = 9;
        while (fraction % 10 == 0) {
            fraction /= 10;
            digits--;
        }
        *to = '.';
        for (int i = digits; i > 0; i--) {
            to[i] = (char)('0' + fraction % 10);
            fraction /= 10;
        }
        to += digits + 1;
    }
    memcpy(to, s->cached_suffix, s->cached_suffix_len);
    to += s->cached_suffix_len;
    *to++ = '"';
    return to;
}

static char *put_time(struct json_sink *s, char *to, silt_time time)
{
    return s->answer.options.epoch_ns ? epoch_text_put(&s->epoch, to, time, s->answer.options.epoch_ns) : put_rfc3339(s, to, time);
}

static enum silt_status put_string(struct json_sink *s, struct silt_str str)
{
    struct output *output = s->answer.output;

    if (str.len < 4096) {
        enum silt_status rc = output_room(output, str.len + 2);
        if (rc != SILT_OK)
            return rc;
        char *to = output->next;
        *to++ = '"';
        if (silt_json_plain(to, str.p, str.len) == str.len) {
            to[str.len] = '"';
            output->next = to + str.len + 1;
            return SILT_OK;
        }
    }
    silt_buffer_json_string(&s->text, str);
    return emit(s);
}

static enum silt_status put_strings(struct json_sink *s, const struct silt_str *items, size_t count)
{
    bool fresh = s->fresh;

    open_container(s, '[');
    for (size_t i = 0; i < count; i++) {
        separate(s);
        silt_buffer_json_string(&s->text, items[i]);
    }
    close_container(s, ']');
    s->fresh = fresh;
    return emit(s);
}

static inline enum silt_status put_cell(struct json_sink *s, const struct silt_cell *cell)
{
    struct output *output = s->answer.output;
    enum silt_status rc = output_room(output, CELL_BYTES_MAX);
    char *to = output->next;

    if (rc != SILT_OK)
        return rc;
    switch (cell->kind) {
    case SILT_CELL_FLOAT:
        if (__builtin_expect(!isfinite(cell->f64), 0)) {
            if (isinf(cell->f64)) {
                s->infinity = cell->f64 > 0 ? 1 : -1;
                return SILT_INVALID;
            }
            memcpy(to, "null", 4);
            to += 4;
            break;
        }
        to += silt_write_double_json(to, cell->f64);
        break;
    case SILT_CELL_TIME:
        to = put_time(s, to, cell->i64);
        break;
    case SILT_CELL_INTEGER:
        to = put_integer(to, cell->i64);
        break;
    case SILT_CELL_UNSIGNED:
        to += silt_write_uint(to, cell->u64);
        break;
    case SILT_CELL_STRING:
        return put_string(s, cell->string);
    case SILT_CELL_BOOLEAN:
        memcpy(to, cell->boolean ? "true" : "false", 5);
        to += cell->boolean ? 4 : 5;
        break;
    case SILT_CELL_STRINGS:
        return put_strings(s, cell->strings.items, cell->strings.count);
    case SILT_CELL_NULL:
        memcpy(to, "null", 4);
        to += 4;
        break;
    }
    output->next = to;
    return SILT_OK;
}

/* Times and floats without making cells of them. */
static inline enum silt_status put_batch_cell(struct json_sink *s, const struct silt_batch_column *column, size_t row)
{
    struct output *output = s->answer.output;
    enum silt_status rc = output_room(output, CELL_BYTES_MAX);

    if (rc != SILT_OK)
        return rc;
    if (column->kind == SILT_CELL_TIME) {
        output->next = put_time(s, output->next, column->i64[row]);
        return SILT_OK;
    }
    if (is_plain_float(column) && isfinite(column->f64[row])) {
        char *end = put_small_whole(output->next, column->f64[row]);
        output->next = end ? end : output->next + silt_write_double_json(output->next, column->f64[row]);
        return SILT_OK;
    }
    struct silt_cell cell = silt_batch_cell(column, row);
    return put_cell(s, &cell);
}

static enum silt_status put_rows_compact(struct json_sink *s, const struct silt_cell *cells, size_t row_count)
{
    size_t columns = s->answer.column_count;
    enum silt_status rc;

    for (size_t r = 0; r < row_count; r++, cells += columns) {
        if ((rc = output_room(s->answer.output, 4)) != SILT_OK)
            return rc;
        if (!s->fresh)
            *s->answer.output->next++ = ',';
        s->fresh = false;
        *s->answer.output->next++ = '[';
        for (size_t c = 0; c < columns; c++) {
            if ((rc = put_cell(s, &cells[c])) != SILT_OK || (rc = output_room(s->answer.output, 1)) != SILT_OK)
                return rc;
            *s->answer.output->next++ = c + 1 < columns ? ',' : ']';
        }
    }
    return SILT_OK;
}

static enum silt_status put_rows_pretty(struct json_sink *s, const struct silt_cell *cells, size_t row_count)
{
    size_t columns = s->answer.column_count;
    enum silt_status rc;

    for (size_t r = 0; r < row_count; r++, cells += columns) {
        separate(s);
        open_container(s, '[');
        for (size_t c = 0; c < columns; c++) {
            separate(s);
            if ((rc = emit(s)) != SILT_OK || (rc = put_cell(s, &cells[c])) != SILT_OK)
                return rc;
        }
        close_container(s, ']');
        if ((rc = emit(s)) != SILT_OK)
            return rc;
    }
    return SILT_OK;
}

static void put_tag(struct silt_buffer *to, struct silt_str text, bool first)
{
    if (!first)
        silt_buffer_char(to, ',');
    if (text.p)
        silt_buffer_json_string(to, text);
    else
        silt_buffer_append(to, "null", 4);
}

static enum silt_status put_batch_rows(struct json_sink *s, const struct silt_row_batch *batch, size_t first, size_t count)
{
    struct output *output = s->answer.output;
    size_t columns = batch->column_count;
    enum silt_status rc;

    tag_texts_start(&s->tags, batch);
    for (size_t r = first; r < first + count; r++) {
        const struct tag_text *tags = s->tags.run_count ? tag_texts_of(&s->tags, batch, batch->series[r], put_tag) : NULL;
        size_t run = 0;
        if ((rc = output_room(output, 2)) != SILT_OK)
            return rc;
        if (!s->fresh)
            *output->next++ = ',';
        s->fresh = false;
        for (size_t c = 0; c < columns;) {
            if (is_plain_integer(&batch->columns[c])) {
                if ((rc = put_integers(output, batch, r, &c, '[')) != SILT_OK)
                    return rc;
                continue;
            }
            if ((rc = output_room(output, 1)) != SILT_OK)
                return rc;
            *output->next++ = c ? ',' : '[';
            if (batch->columns[c].is_tag) {
                rc = output_put(output, tag_texts_run(&s->tags, tags, run++));
                c = tag_run_end(batch, c);
            } else {
                rc = put_batch_cell(s, &batch->columns[c++], r);
            }
            if (rc != SILT_OK)
                return rc;
        }
        if ((rc = output_room(output, 1)) != SILT_OK)
            return rc;
        *output->next++ = ']';
    }
    return SILT_OK;
}

static enum silt_status open_values(struct json_sink *s)
{
    if (s->values || s->infinity)
        return SILT_OK;
    put_key(s, "values");
    open_container(s, '[');
    s->values = true;
    return emit(s);
}

/* Chunked, a document with an infinity is lost, if nothing of it has left yet, and the query goes on. */
static enum silt_status settle_infinity(struct json_sink *s, enum silt_status rc)
{
    return rc == SILT_INVALID && s->answer.options.chunked && s->document_flushed == s->answer.output->flushed ? SILT_OK : rc;
}

static enum silt_status put_rows(struct answer *answer, const struct silt_cell *cells, size_t row_count)
{
    struct json_sink *s = (struct json_sink *)answer;
    enum silt_status rc = open_values(s);

    if (rc != SILT_OK)
        return rc;
    return settle_infinity(s, s->infinity               ? SILT_INVALID
                              : answer->options.pretty ? put_rows_pretty(s, cells, row_count)
                                                       : put_rows_compact(s, cells, row_count));
}

static enum silt_status put_batch(struct answer *answer, const struct silt_row_batch *batch, size_t first, size_t row_count)
{
    struct json_sink *s = (struct json_sink *)answer;
    enum silt_status rc = open_values(s);

    if (rc != SILT_OK)
        return rc;
    return settle_infinity(s, s->infinity ? SILT_INVALID : put_batch_rows(s, batch, first, row_count));
}

/* ---------------------------------------------------------------- the format */

static void put_message(struct answer *answer, struct silt_str level, struct silt_str text)
{
    struct json_sink *s = (struct json_sink *)answer;

    close_series_list(s);
    if (!s->messages) {
        put_key(s, "messages");
        open_container(s, '[');
        s->messages = true;
    }
    separate(s);
    open_container(s, '{');
    put_string_member(s, "level", level);
    put_string_member(s, "text", text);
    close_container(s, '}');
    /* Goes out with the result's end. */
}

static void put_error(struct answer *answer, struct silt_str text)
{
    struct json_sink *s = (struct json_sink *)answer;

    s->error.len = 0;
    silt_buffer_json_string(&s->error, text);
    s->has_error = true;
}

static enum silt_status finish(struct answer *answer)
{
    if (!answer->any_statement && !answer->options.chunked)
        return output_write(answer->output, "{}\n", 3);
    return SILT_OK;
}

static void deinit(struct answer *answer)
{
    struct json_sink *s = (struct json_sink *)answer;

    silt_buffer_free(&s->head);
    silt_buffer_free(&s->text);
    silt_buffer_free(&s->error);
    tag_texts_reset(&s->tags);
}

void json_sink_init(struct json_sink *sink, const struct answer_options *options, struct output *output)
{
    static const struct answer_format format = {.open_result = open_result,
                                                .open_series = open_series,
                                                .rows = put_rows,
                                                .batch = put_batch,
                                                .close_series = close_series,
                                                .message = put_message,
                                                .drop_series = drop_series,
                                                .error = put_error,
                                                .close_result = close_result,
                                                .close_document = close_document,
                                                .finish = finish,
                                                .deinit = deinit};

    memset(sink, 0, sizeof(*sink));
    answer_init(&sink->answer, &format, options, output);
    sink->fresh = true;
    sink->cached_second = sink->cached_day = INT64_MIN;
}
