/*
 * msgpack_sink.c - see msgpack_sink.h.
 */
#include "server/msgpack_sink.h"
#include "server/msgpack_write.h"

#include <math.h>

/* ---------------------------------------------------------------- into a buffer */

static void append_string(struct silt_buffer *to, struct silt_str text)
{
    silt_buffer_reserve(to, MSGPACK_BYTES_MAX + text.len);
    to->len = (size_t)(msgpack_string_head(to->p + to->len, text.len) - to->p);
    silt_buffer_str(to, text);
}

static void append_word(struct silt_buffer *to, const char *word)
{
    append_string(to, silt_str_from(word));
}

static void append_array(struct silt_buffer *to, size_t count)
{
    silt_buffer_reserve(to, MSGPACK_BYTES_MAX);
    to->len = (size_t)(msgpack_array(to->p + to->len, count) - to->p);
}

static void append_map(struct silt_buffer *to, size_t count)
{
    silt_buffer_reserve(to, MSGPACK_BYTES_MAX);
    to->len = (size_t)(msgpack_map(to->p + to->len, count) - to->p);
}

/* ---------------------------------------------------------------- results and series */

static enum silt_status open_result(struct answer *answer)
{
    struct msgpack_sink *s = (struct msgpack_sink *)answer;

    if (!answer->document)
        s->result_count = 0;
    s->result_count++;
    s->result_start = spool_mark(&s->spool);
    s->series_count = s->message_count = 0;
    s->messages.len = s->error.len = 0;
    s->has_error = false;
    return spool_open_hole(&s->spool, &s->result_hole);
}

static void make_head(struct msgpack_sink *s, const struct silt_series_head *head)
{
    s->head.len = 0;
    s->head_members = 2;
    if (head->name.len) {
        s->head_members++;
        append_word(&s->head, "name");
        append_string(&s->head, head->name);
    }
    if (head->tag_count) {
        s->head_members++;
        append_word(&s->head, "tags");
        append_map(&s->head, head->tag_count);
        for (size_t i = 0; i < head->tag_count; i++) {
            append_string(&s->head, head->tags[i].key);
            append_string(&s->head, head->tags[i].value);
        }
    }
    append_word(&s->head, "columns");
    append_array(&s->head, head->column_count);
    for (size_t i = 0; i < head->column_count; i++)
        append_string(&s->head, head->columns[i]);
    append_word(&s->head, "values");
}

static enum silt_status open_series(struct answer *answer, const struct silt_series_head *head)
{
    struct msgpack_sink *s = (struct msgpack_sink *)answer;
    enum silt_status rc;

    if (head)
        make_head(s, head);
    s->series_count++;
    if ((rc = spool_open_hole(&s->spool, &s->series_hole)) != SILT_OK ||
        (rc = output_write(&s->spool.output, s->head.p, s->head.len)) != SILT_OK)
        return rc;
    return spool_open_hole(&s->spool, &s->values_hole);
}

static const char partial_member[] = "\xa7partial\xc3";

static enum silt_status close_series(struct answer *answer, bool partial)
{
    struct msgpack_sink *s = (struct msgpack_sink *)answer;
    char text[MSGPACK_BYTES_MAX];
    enum silt_status rc;

    rc = spool_fill_hole(&s->spool, s->series_hole, text,
                         (size_t)(msgpack_map(text, s->head_members + partial) - text));
    if (rc == SILT_OK)
        rc = spool_fill_hole(&s->spool, s->values_hole, text,
                             (size_t)(msgpack_array(text, answer->series_rows) - text));
    if (rc == SILT_OK && partial)
        rc = output_write(&s->spool.output, partial_member, sizeof(partial_member) - 1);
    return rc;
}

static bool drop_series(struct answer *answer)
{
    return true; /* an error stands alone: close_result sees to that */
}

static void put_message(struct answer *answer, struct silt_str level, struct silt_str text)
{
    struct msgpack_sink *s = (struct msgpack_sink *)answer;

    s->message_count++;
    append_map(&s->messages, 2);
    append_word(&s->messages, "level");
    append_string(&s->messages, level);
    append_word(&s->messages, "text");
    append_string(&s->messages, text);
}

static void put_error(struct answer *answer, struct silt_str text)
{
    struct msgpack_sink *s = (struct msgpack_sink *)answer;

    s->has_error = true;
    s->error.len = 0;
    silt_buffer_str(&s->error, text);
}

void msgpack_append_error(struct silt_buffer *to, struct silt_str text)
{
    append_map(to, 1);
    append_word(to, "error");
    append_string(to, text);
}

static enum silt_status close_failed_result(struct msgpack_sink *s)
{
    struct silt_buffer text = {0};

    spool_rewind(&s->spool, s->result_start);
    msgpack_append_error(&text, (struct silt_str){s->error.p, s->error.len});
    enum silt_status rc = output_write(&s->spool.output, text.p, text.len);
    silt_buffer_free(&text);
    return rc;
}

static enum silt_status close_result(struct answer *answer, bool partial)
{
    struct msgpack_sink *s = (struct msgpack_sink *)answer;
    struct silt_buffer text = {0};
    enum silt_status rc;

    if (s->has_error)
        return close_failed_result(s);
    append_map(&text, 2 + (s->message_count > 0) + partial);
    append_word(&text, "statement_id");
    silt_buffer_reserve(&text, MSGPACK_BYTES_MAX);
    text.len = (size_t)(msgpack_int(text.p + text.len, (int32_t)answer->statement_id) - text.p);
    if (s->message_count) {
        append_word(&text, "messages");
        append_array(&text, s->message_count);
        silt_buffer_append(&text, s->messages.p, s->messages.len);
    }
    append_word(&text, "series");
    append_array(&text, s->series_count);
    rc = spool_fill_hole(&s->spool, s->result_hole, text.p, text.len);
    silt_buffer_free(&text);
    if (rc == SILT_OK && partial)
        rc = output_write(&s->spool.output, partial_member, sizeof(partial_member) - 1);
    return rc;
}

static enum silt_status put_results_head(struct answer *answer, size_t count)
{
    static const char results[] = "\x81\xa7results";
    char text[MSGPACK_BYTES_MAX];
    enum silt_status rc = output_write(answer->output, results, sizeof(results) - 1);

    return rc == SILT_OK ? output_write(answer->output, text, (size_t)(msgpack_array(text, count) - text)) : rc;
}

static enum silt_status close_document(struct answer *answer)
{
    struct msgpack_sink *s = (struct msgpack_sink *)answer;
    enum silt_status rc = put_results_head(answer, s->result_count);

    return rc == SILT_OK ? spool_replay(&s->spool, answer->output) : rc;
}

/* ---------------------------------------------------------------- rows */

static enum silt_status put_string(struct output *output, struct silt_str text)
{
    enum silt_status rc = output_room(output, MSGPACK_BYTES_MAX);

    if (rc != SILT_OK)
        return rc;
    output->next = msgpack_string_head(output->next, text.len);
    return output_write(output, text.p, text.len);
}

static enum silt_status put_strings(struct output *output, const struct silt_str *items, size_t count)
{
    enum silt_status rc = output_room(output, MSGPACK_BYTES_MAX);

    if (rc == SILT_OK)
        output->next = msgpack_array(output->next, count);
    for (size_t i = 0; i < count && rc == SILT_OK; i++)
        rc = put_string(output, items[i]);
    return rc;
}

static inline enum silt_status put_cell(struct output *output, const struct silt_cell *cell, int64_t epoch_ns)
{
    enum silt_status rc = output_room(output, MSGPACK_BYTES_MAX);
    char *to = output->next;

    if (rc != SILT_OK)
        return rc;
    switch (cell->kind) {
    case SILT_CELL_FLOAT:
        if (__builtin_expect(isnan(cell->f64), 0))
            *to++ = (char)0xc0;
        else
            to = msgpack_double(to, cell->f64);
        break;
    case SILT_CELL_TIME:
        to = epoch_ns ? msgpack_int(to, cell->i64 / epoch_ns) : msgpack_time(to, cell->i64);
        break;
    case SILT_CELL_INTEGER:
        to = msgpack_int(to, cell->i64);
        break;
    case SILT_CELL_UNSIGNED:
        to = msgpack_uint(to, cell->u64);
        break;
    case SILT_CELL_STRING:
        return put_string(output, cell->string);
    case SILT_CELL_BOOLEAN:
        *to++ = (char)(cell->boolean ? 0xc3 : 0xc2);
        break;
    case SILT_CELL_STRINGS:
        return put_strings(output, cell->strings.items, cell->strings.count);
    case SILT_CELL_NULL:
        *to++ = (char)0xc0;
        break;
    }
    output->next = to;
    return SILT_OK;
}

static enum silt_status put_rows(struct answer *answer, const struct silt_cell *cells, size_t row_count)
{
    struct output *output = &((struct msgpack_sink *)answer)->spool.output;
    size_t columns = answer->column_count;
    enum silt_status rc;

    for (size_t r = 0; r < row_count; r++, cells += columns) {
        if ((rc = output_room(output, MSGPACK_BYTES_MAX)) != SILT_OK)
            return rc;
        output->next = msgpack_array(output->next, columns);
        for (size_t c = 0; c < columns; c++)
            if ((rc = put_cell(output, &cells[c], answer->options.epoch_ns)) != SILT_OK)
                return rc;
    }
    return SILT_OK;
}

/* ---------------------------------------------------------------- the format */

static enum silt_status finish(struct answer *answer)
{
    if (answer->any_statement || answer->options.chunked)
        return SILT_OK;
    return put_results_head(answer, 0);
}

static void deinit(struct answer *answer)
{
    struct msgpack_sink *s = (struct msgpack_sink *)answer;

    spool_deinit(&s->spool);
    silt_buffer_free(&s->messages);
    silt_buffer_free(&s->error);
    silt_buffer_free(&s->head);
}

void msgpack_sink_init(struct msgpack_sink *sink, const struct answer_options *options, struct output *output,
                       const char *folder, struct silt_budget *budget)
{
    static const struct answer_format format = {.open_result = open_result,
                                                .open_series = open_series,
                                                .rows = put_rows,
                                                .close_series = close_series,
                                                .message = put_message,
                                                .drop_series = drop_series,
                                                .error = put_error,
                                                .close_result = close_result,
                                                .close_document = close_document,
                                                .finish = finish,
                                                .deinit = deinit};

    memset(sink, 0, offsetof(struct msgpack_sink, spool));
    spool_init(&sink->spool, folder, budget);
    sink->messages = sink->error = sink->head = (struct silt_buffer){0};
    sink->has_error = false;
    answer_init(&sink->answer, &format, options, output);
}
