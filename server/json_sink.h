/*
 * json_sink.h - query answers as InfluxDB 1.8's JSON: one document, or a document per chunk.
 *
 *     {"results":[{"statement_id":0,"series":[{"name":..,"tags":{..},"columns":[..],"values":[[..]]}],
 *                  "messages":[{"level":..,"text":..}],"partial":true,"error":".."}]}
 *
 * Cells are written straight into the output's buffer; nothing of an answer is kept. An infinity, which JSON cannot have,
 * makes the document into the text of Go's encoder; answer_finish gives SILT_INVALID if its beginning has left already.
 */
#ifndef SERVER_JSON_SINK_H
#define SERVER_JSON_SINK_H

#include "server/answer.h"
#include "server/integer_text.h"
#include "server/tag_texts.h"
#include "silt/text.h"

struct json_sink {
    struct answer answer;

    /* where in a document the next byte goes */
    unsigned depth;
    bool fresh; /* nothing stands in the innermost container yet */
    bool series_list, values, messages;

    /* where the result (and the document) began, while it is still in the buffer */
    char *result_start, *document_start;
    uint64_t result_flushed, document_flushed;

    struct silt_buffer head;  /* the open series up to its columns, to be repeated in the next chunk */
    struct silt_buffer text;  /* structure on its way into the output */
    struct silt_buffer error; /* of the open result */
    struct tag_texts tags;
    bool has_error;
    int infinity; /* 1, -1: met a number JSON cannot have */

    struct epoch_text epoch;
    /* RFC 3339 text of a second, without fraction, and what follows the fraction */
    int64_t cached_second;
    int64_t cached_day; /* the first second of its day in UTC */
    char cached_text[20];
    char cached_suffix[8];
    uint8_t cached_suffix_len;
    const struct silt_zone *cached_zone;
};

void json_sink_init(struct json_sink *sink, const struct answer_options *options, struct output *output);

#endif
