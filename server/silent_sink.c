/*
 * silent_sink.c - implements silent_sink.h.
 */
#include "server/silent_sink.h"

static enum silt_status begin(struct silt_sink *sink, uint32_t statement_id)
{
    return SILT_OK;
}

static enum silt_status series(struct silt_sink *sink, const struct silt_series_head *head)
{
    return SILT_OK;
}

static enum silt_status rows(struct silt_sink *sink, const struct silt_cell *cells, size_t row_count)
{
    return SILT_OK;
}

static void message(struct silt_sink *sink, struct silt_str level, struct silt_str text)
{
}

static enum silt_status end(struct silt_sink *sink)
{
    return SILT_OK;
}

const struct silt_sink silent_sink = {.begin = begin, .series = series, .rows = rows, .message = message, .end = end};
