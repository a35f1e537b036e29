/*
 * csv_sink.c - see csv_sink.h. Quoting is that of Go's encoding/csv.
 */
#include "server/csv_sink.h"

#include <math.h>

/* ---------------------------------------------------------------- fields */

/* unicode.IsSpace of the first rune. */
static bool begins_with_space(struct silt_str text)
{
    static const char *const wide[] = {"\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\xA8",
                                       "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
    uint8_t first = (uint8_t)text.p[0];

    if (first < 0x80)
        return first == ' ' || (first >= '\t' && first <= '\r');
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
        if (text.len >= strlen(wide[i]) && memcmp(text.p, wide[i], strlen(wide[i])) == 0)
            return true;
    /* U+2000 to U+200A */
    return text.len >= 3 && memcmp(text.p, "\xE2\x80", 2) == 0 && (uint8_t)text.p[2] >= 0x80 && (uint8_t)text.p[2] <= 0x8A;
}

static bool needs_quotes(struct silt_str text)
{
    if (text.len == 0)
        return false;
    if (text.len == 2 && memcmp(text.p, "\\.", 2) == 0)
        return true;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == ',' || c == '"' || c == '\n' || c == '\r')
            return true;
    }
    return begins_with_space(text);
}

void csv_append_field(struct silt_buffer *to, struct silt_str text)
{
    if (!needs_quotes(text)) {
        silt_buffer_str(to, text);
        return;
    }
    silt_buffer_char(to, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '"')
            silt_buffer_char(to, '"');
        silt_buffer_char(to, text.p[i]);
    }
    silt_buffer_char(to, '"');
}

/* As in line protocol. */
static void append_tag_text(struct silt_buffer *to, struct silt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == ',' || text.p[i] == '=' || text.p[i] == ' ')
            silt_buffer_char(to, '\\');
        silt_buffer_char(to, text.p[i]);
    }
}

/* ---------------------------------------------------------------- results and series */

static enum silt_status open_result(struct answer *answer)
{
    struct csv_sink *s = (struct csv_sink *)answer;

    /* Chunked, a statement goes on in further documents: its head counts for all of them. */
    if (!answer->options.chunked || s->head_statement != answer->statement_id)
        s->head_of_statement = false;
    s->head_statement = answer->statement_id;
    s->result_start = answer->output->next;
    s->result_flushed = answer->output->flushed;
    s->any_head_before = s->any_head;
    return SILT_OK;
}

static enum silt_status put_head(struct csv_sink *s, const struct silt_series_head *head)
{
    s->text.len = 0;
    silt_buffer_append(&s->text, "name,tags", 9);
    for (size_t i = 0; i < head->column_count; i++) {
        silt_buffer_char(&s->text, ',');
        csv_append_field(&s->text, head->columns[i]);
    }
    silt_buffer_char(&s->text, '\n');
    bool same = s->head.len == s->text.len && memcmp(s->head.p, s->text.p, s->text.len) == 0;
    if (s->head_of_statement && same)
        return SILT_OK;

    struct silt_buffer old = s->head;
    bool first = !s->any_head;
    enum silt_status rc;
    s->head = s->text;
    s->text = old;
    s->head_of_statement = s->any_head = true;
    if (!first && (rc = output_write(s->answer.output, "\n", 1)) != SILT_OK)
        return rc;
    return output_write(s->answer.output, s->head.p, s->head.len);
}

static enum silt_status open_series(struct answer *answer, const struct silt_series_head *head)
{
    struct csv_sink *s = (struct csv_sink *)answer;

    if (!head)
        return SILT_OK;
    tag_texts_reset(&s->tags);
    s->text.len = 0;
    for (size_t i = 0; i < head->tag_count; i++) {
        if (head->tags[i].value.len == 0)
            continue;
        if (s->text.len)
            silt_buffer_char(&s->text, ',');
        append_tag_text(&s->text, head->tags[i].key);
        silt_buffer_char(&s->text, '=');
        append_tag_text(&s->text, head->tags[i].value);
    }
    s->prefix.len = 0;
    csv_append_field(&s->prefix, head->name);
    silt_buffer_char(&s->prefix, ',');
    csv_append_field(&s->prefix, (struct silt_str){s->text.p, s->text.len});
    return put_head(s, head);
}

static enum silt_status close_series(struct answer *answer, bool partial)
{
    return SILT_OK;
}

static bool drop_series(struct answer *answer)
{
    struct csv_sink *s = (struct csv_sink *)answer;

    if (!s->head_of_statement || s->result_flushed != answer->output->flushed)
        return false;
    answer->output->next = s->result_start;
    s->any_head = s->any_head_before;
    s->head_of_statement = false;
    return true;
}

static void put_message(struct answer *answer, struct silt_str level, struct silt_str text)
{
}

static void put_error(struct answer *answer, struct silt_str text)
{
    struct csv_sink *s = (struct csv_sink *)answer;

    if (s->head_of_statement)
        s->failed = true;
}

static enum silt_status close_result(struct answer *answer, bool partial)
{
    return SILT_OK;
}

static enum silt_status close_document(struct answer *answer)
{
    return ((struct csv_sink *)answer)->failed ? SILT_INVALID : SILT_OK;
}

/* ---------------------------------------------------------------- rows */

#define CELL_BYTES_MAX (SILT_NUMBER_TEXT_MAX + 8)

static enum silt_status put_text(struct csv_sink *s)
{
    enum silt_status rc = output_write(s->answer.output, s->text.p, s->text.len);

    s->text.len = 0;
    return rc;
}

static enum silt_status put_string(struct csv_sink *s, struct silt_str text)
{
    if (!needs_quotes(text))
        return output_write(s->answer.output, text.p, text.len);
    s->text.len = 0;
    csv_append_field(&s->text, text);
    return put_text(s);
}

static enum silt_status put_strings(struct csv_sink *s, const struct silt_str *items, size_t count)
{
    struct silt_buffer list = {0};

    for (size_t i = 0; i < count; i++) {
        if (i)
            silt_buffer_char(&list, ',');
        silt_buffer_str(&list, items[i]);
    }
    enum silt_status rc = put_string(s, (struct silt_str){list.p, list.len});
    silt_buffer_free(&list);
    return rc;
}

static char *put_time(struct csv_sink *s, char *to, silt_time time)
{
    return epoch_text_put(&s->epoch, to, time, s->answer.options.epoch_ns ? s->answer.options.epoch_ns : 1);
}

static inline enum silt_status put_cell(struct csv_sink *s, const struct silt_cell *cell)
{
    struct output *output = s->answer.output;
    enum silt_status rc = output_room(output, CELL_BYTES_MAX);
    char *to = output->next;

    if (rc != SILT_OK)
        return rc;
    *to++ = ',';
    switch (cell->kind) {
    case SILT_CELL_FLOAT:
        if (__builtin_expect(!isfinite(cell->f64), 0)) {
            if (isinf(cell->f64)) {
                memcpy(to, cell->f64 > 0 ? "+Inf" : "-Inf", 4);
                to += 4;
            }
            break;
        }
        to += silt_write_double_plain(to, cell->f64);
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
        output->next = to;
        return put_string(s, cell->string);
    case SILT_CELL_BOOLEAN:
        memcpy(to, cell->boolean ? "true" : "false", 5);
        to += cell->boolean ? 4 : 5;
        break;
    case SILT_CELL_STRINGS:
        output->next = to;
        return put_strings(s, cell->strings.items, cell->strings.count);
    case SILT_CELL_NULL:
        break;
    }
    output->next = to;
    return SILT_OK;
}

/* Times and floats without making cells of them. */
static inline enum silt_status put_batch_cell(struct csv_sink *s, const struct silt_batch_column *column, size_t row)
{
    struct output *output = s->answer.output;
    enum silt_status rc = output_room(output, CELL_BYTES_MAX);
    char *to = output->next;

    if (rc != SILT_OK)
        return rc;
    if (column->kind == SILT_CELL_TIME) {
        *to++ = ',';
        output->next = put_time(s, to, column->i64[row]);
        return SILT_OK;
    }
    if (is_plain_float(column) && isfinite(column->f64[row])) {
        *to++ = ',';
        char *end = put_small_whole(to, column->f64[row]);
        output->next = end ? end : to + silt_write_double_plain(to, column->f64[row]);
        return SILT_OK;
    }
    struct silt_cell cell = silt_batch_cell(column, row);
    return put_cell(s, &cell);
}

static enum silt_status put_rows(struct answer *answer, const struct silt_cell *cells, size_t row_count)
{
    struct csv_sink *s = (struct csv_sink *)answer;
    size_t columns = answer->column_count;
    enum silt_status rc;

    for (size_t r = 0; r < row_count; r++, cells += columns) {
        if ((rc = output_write(answer->output, s->prefix.p, s->prefix.len)) != SILT_OK)
            return rc;
        for (size_t c = 0; c < columns; c++)
            if ((rc = put_cell(s, &cells[c])) != SILT_OK)
                return rc;
        if ((rc = output_room(answer->output, 1)) != SILT_OK)
            return rc;
        *answer->output->next++ = '\n';
    }
    return SILT_OK;
}

static void put_tag(struct silt_buffer *to, struct silt_str text, bool first)
{
    silt_buffer_char(to, ',');
    if (text.p)
        csv_append_field(to, text);
}

static enum silt_status put_batch(struct answer *answer, const struct silt_row_batch *batch, size_t first, size_t row_count)
{
    struct csv_sink *s = (struct csv_sink *)answer;
    struct output *output = answer->output;
    enum silt_status rc;

    tag_texts_start(&s->tags, batch);
    for (size_t r = first; r < first + row_count; r++) {
        const struct tag_text *tags = s->tags.run_count ? tag_texts_of(&s->tags, batch, batch->series[r], put_tag) : NULL;
        size_t run = 0;
        if ((rc = output_put(output, (struct silt_str){s->prefix.p, s->prefix.len})) != SILT_OK)
            return rc;
        for (size_t c = 0; c < batch->column_count;) {
            if (is_plain_integer(&batch->columns[c])) {
                rc = put_integers(output, batch, r, &c, ',');
            } else if (batch->columns[c].is_tag) {
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
        *output->next++ = '\n';
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- the format */

static enum silt_status finish(struct answer *answer)
{
    return ((struct csv_sink *)answer)->failed ? SILT_INVALID : SILT_OK;
}

static void deinit(struct answer *answer)
{
    struct csv_sink *s = (struct csv_sink *)answer;

    silt_buffer_free(&s->head);
    silt_buffer_free(&s->prefix);
    silt_buffer_free(&s->text);
    tag_texts_reset(&s->tags);
}

void csv_sink_init(struct csv_sink *sink, const struct answer_options *options, struct output *output)
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
}
