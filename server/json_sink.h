/*
 * json_sink.h - query answers as InfluxDB 1.8's JSON: one document, or a document per chunk.
 *
 *     {"results":[{"statement_id":0,"series":[{"name":..,"tags":{..},"columns":[..],"values":[[..]]}],
 *                  "messages":[{"level":..,"text":..}],"partial":true,"error":".."}]}
 *
 * Cells are written straight into the output's buffer; nothing of an answer is kept. One thread.
 */
#ifndef SERVER_JSON_SINK_H
#define SERVER_JSON_SINK_H

#include "server/output.h"
#include "silt/query.h"
#include "silt/text.h"

#define JSON_CHUNK_ROWS 10000 /* InfluxDB's, where the request names none */

struct json_sink_options {
    bool pretty, chunked;
    uint64_t chunk_rows; /* of one series in a document; chunked only */
    uint64_t rows_max;   /* of the whole answer; 0: none. Not chunked only */
    int64_t epoch_ns;    /* times as integers in this unit; 0: as RFC 3339 */
};

struct json_sink {
    struct silt_sink base;
    struct json_sink_options options;
    struct output *output;

    /* where in a document the next byte goes */
    unsigned depth;
    bool fresh;            /* nothing stands in the innermost container yet */
    bool document, result, series_list, series, values, messages;
    uint32_t statement_id;
    bool any_statement;
    uint64_t series_rows;  /* in this document's series */

    /* where the result (chunked: the document) began, while it is still in the buffer */
    char *result_start, *document_start;
    uint64_t result_flushed, document_flushed;

    size_t column_count;
    struct silt_buffer head;  /* the open series up to its columns, to be repeated in the next chunk */
    struct silt_buffer text;  /* structure on its way into the output */
    struct silt_buffer error; /* of the open result */
    bool has_error;

    uint64_t rows_written;
    bool full;     /* rows_max reached; the series may turn out to have more */
    bool complete; /* rows_max reached and said: the rest is dropped */
    int infinity;  /* 1, -1: met a number JSON cannot have */

    /* RFC 3339 text of a second, without fraction, and what follows the fraction */
    int64_t cached_second;
    char cached_text[20];
    char cached_suffix[8];
    uint8_t cached_suffix_len;
    const struct silt_zone *cached_zone;
};

void json_sink_init(struct json_sink *sink, const struct json_sink_options *options, struct output *output);
/* Close what is open, add the last newline, flush. To be called once after the query ended, in whatever way.
 * SILT_INVALID: the answer holds an infinity and its beginning has left already, so that it cannot be made whole. */
enum silt_status json_sink_finish(struct json_sink *sink);
void json_sink_deinit(struct json_sink *sink);

#endif
