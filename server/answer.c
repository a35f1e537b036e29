/*
 * answer.c - see answer.h.
 */
#include "server/answer.h"

static enum silt_status close_series(struct answer *a, bool partial)
{
    if (!a->series)
        return SILT_OK;
    a->series = false;
    return a->format->close_series(a, partial);
}

static enum silt_status close_result(struct answer *a, bool partial)
{
    enum silt_status rc;

    if (!a->result)
        return SILT_OK;
    if ((rc = close_series(a, false)) != SILT_OK)
        return rc;
    a->result = false;
    return a->format->close_result(a, partial || a->result_partial);
}

static enum silt_status close_document(struct answer *a)
{
    if (!a->document)
        return SILT_OK;
    a->document = false;
    return a->format->close_document(a);
}

static enum silt_status open_result(struct answer *a)
{
    enum silt_status rc = a->format->open_result(a);

    a->document = a->result = true;
    a->series_count = 0;
    return rc;
}

static enum silt_status open_series(struct answer *a, const struct silt_series_head *head)
{
    a->series = true;
    a->series_count++;
    a->series_rows = 0;
    return a->format->open_series(a, head);
}

/* Chunked: the document ends here, more of the statement follows in the next. */
static enum silt_status next_document(struct answer *a, bool series_partial)
{
    enum silt_status rc;

    if ((rc = close_series(a, series_partial)) != SILT_OK ||
        (rc = close_result(a, a->base.chunking == SILT_CHUNK_ROWS)) != SILT_OK || (rc = close_document(a)) != SILT_OK ||
        (rc = a->output->flush(a->output, OUTPUT_SOON)) != SILT_OK)
        return rc;
    return open_result(a);
}

/* What came in one call: cells, or a batch. */
struct incoming {
    const struct silt_cell *cells;
    const struct silt_row_batch *batch;
};

static enum silt_status put_rows(struct answer *a, const struct incoming *in, size_t first, size_t row_count)
{
    if (row_count == 0)
        return SILT_OK;
    a->series_rows += row_count;
    /* One writer: no locked addition per call. */
    uint64_t before = atomic_load_explicit(&a->rows_written, memory_order_relaxed);
    atomic_store_explicit(&a->rows_written, before + row_count, memory_order_relaxed);
    return in->batch ? a->format->batch(a, in->batch, first, row_count)
                     : a->format->rows(a, in->cells + first * a->column_count, row_count);
}

/* ---------------------------------------------------------------- the sink */

static enum silt_status on_begin(struct silt_sink *sink, uint32_t statement_id)
{
    struct answer *a = (struct answer *)sink;
    enum silt_status rc;

    if (a->full)
        return SILT_LIMIT;
    if (a->result && a->any_statement && a->statement_id == statement_id && !a->options.chunked)
        return SILT_OK;
    if ((rc = close_result(a, false)) != SILT_OK)
        return rc;
    a->any_statement = true;
    a->statement_id = statement_id;
    return open_result(a);
}

static enum silt_status on_series(struct silt_sink *sink, const struct silt_series_head *head)
{
    struct answer *a = (struct answer *)sink;
    enum silt_status rc;

    if (a->full) {
        a->result_partial = a->joined && a->base.chunking == SILT_CHUNK_ROWS;
        return SILT_LIMIT;
    }
    if (a->options.chunked && a->series && a->base.chunking != SILT_CHUNK_STATEMENT &&
        (rc = next_document(a, false)) != SILT_OK)
        return rc;
    if ((rc = close_series(a, false)) != SILT_OK)
        return rc;
    a->column_count = head->column_count;
    return open_series(a, head);
}

static enum silt_status on_rows_chunked(struct answer *a, const struct incoming *in, size_t row_count)
{
    enum silt_status rc = SILT_OK;

    for (size_t done = 0, part; done < row_count && rc == SILT_OK; done += part) {
        if (a->series_rows >= a->options.chunk_rows &&
            ((rc = next_document(a, true)) != SILT_OK || (rc = open_series(a, NULL)) != SILT_OK))
            return rc;
        uint64_t room = a->options.chunk_rows - a->series_rows;
        part = row_count - done < room ? row_count - done : (size_t)room;
        rc = put_rows(a, in, done, part);
    }
    return rc;
}

/* The limit is reached, and more rows come. */
static enum silt_status drop_rows(struct answer *a, size_t row_count)
{
    enum silt_status rc;

    if (!a->cut && (rc = close_series(a, true)) != SILT_OK)
        return rc;
    a->cut = true;
    a->series_rows += row_count;
    a->result_partial = a->joined && a->series_rows > a->joined_rows;
    return a->joined && !a->result_partial ? SILT_OK : SILT_LIMIT;
}

/*
 * InfluxDB gathers the answer from parts of up to 10,000 rows of one series. Where the limit falls into a part that is
 * not its statement's first, the mark that a further part would follow stays on the result.
 */
static enum silt_status on_rows_limited(struct answer *a, const struct incoming *in, size_t row_count)
{
    uint64_t room = a->options.rows_max - a->rows_written;
    size_t part = row_count < room ? row_count : (size_t)room;
    enum silt_status rc;

    if (row_count == 0)
        return SILT_OK;
    if (a->full)
        return drop_rows(a, row_count);
    if ((rc = put_rows(a, in, 0, part)) != SILT_OK)
        return rc;
    if (a->rows_written < a->options.rows_max)
        return SILT_OK;
    a->full = true;
    a->joined_rows = (a->series_rows + ANSWER_CHUNK_ROWS - 1) / ANSWER_CHUNK_ROWS * ANSWER_CHUNK_ROWS;
    a->joined = a->series_count > 1 || a->series_rows > ANSWER_CHUNK_ROWS;
    return part < row_count ? drop_rows(a, row_count - part) : SILT_OK;
}

static enum silt_status take(struct answer *a, const struct incoming *in, size_t row_count)
{
    silt_assert(a->series || a->cut);
    if (a->options.chunked && a->base.chunking == SILT_CHUNK_ROWS)
        return on_rows_chunked(a, in, row_count);
    if (a->options.rows_max == 0 || a->options.chunked)
        return put_rows(a, in, 0, row_count);
    return on_rows_limited(a, in, row_count);
}

static enum silt_status on_rows(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count)
{
    return take((struct answer *)sink, &(struct incoming){.cells = cells}, row_count);
}

static enum silt_status on_batch(struct silt_sink *sink, const struct silt_row_batch *batch)
{
    return take((struct answer *)sink, &(struct incoming){.batch = batch}, batch->row_count);
}

static void on_message(struct silt_sink *sink, struct silt_str level, struct silt_str text)
{
    struct answer *a = (struct answer *)sink;

    if (a->full)
        return;
    if (close_series(a, false) == SILT_OK) /* else the output is gone: the next call to it says so again */
        a->format->message(a, level, text);
}

static void on_error(struct silt_sink *sink, struct silt_str text)
{
    struct answer *a = (struct answer *)sink;

    if (a->full)
        return;
    /* InfluxDB gives a failed statement's error alone; so do we while its rows have not left. Where they have,
     * the error stands behind them: chunked in a document of its own. */
    if (!a->options.chunked) {
        if (a->format->drop_series(a))
            a->series = false;
    } else if (a->series && next_document(a, false) != SILT_OK) {
        return; /* the output is gone, as above */
    }
    a->format->error(a, text);
}

static enum silt_status on_end(struct silt_sink *sink)
{
    struct answer *a = (struct answer *)sink;
    enum silt_status rc;

    if (!a->options.chunked)
        return SILT_OK;
    if ((rc = close_result(a, false)) != SILT_OK || (rc = close_document(a)) != SILT_OK)
        return rc;
    return a->output->flush(a->output, OUTPUT_SOON);
}

void answer_init(struct answer *answer, const struct answer_format *format, const struct answer_options *options,
                 struct output *output)
{
    *answer = (struct answer){.base = {.begin = on_begin,
                                       .series = on_series,
                                       .rows = on_rows,
                                       .batch = format->batch && !options->pretty ? on_batch : NULL,
                                       .message = on_message,
                                       .error = on_error,
                                       .end = on_end},
                              .format = format,
                              .options = *options,
                              .output = output};
}

enum silt_status answer_finish(struct answer *a)
{
    enum silt_status rc = close_result(a, false);

    if (rc == SILT_OK)
        rc = close_document(a);
    if (rc == SILT_OK)
        rc = a->format->finish(a);
    return rc == SILT_OK ? a->output->flush(a->output, OUTPUT_LAST) : rc;
}

void answer_deinit(struct answer *answer)
{
    answer->format->deinit(answer);
}
