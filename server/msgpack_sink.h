/*
 * msgpack_sink.h - query answers as InfluxDB's MessagePack: JSON's shape, with counts in front.
 *
 *     {"results": [{"statement_id": n, "messages": [{"level", "text"}], "series": [
 *                   {"name", "tags": {}, "columns": [], "values": [[]], "partial": true}], "partial": true}]}
 *     a failed statement is {"error": text} and nothing else
 *
 * The counts are known only at the end, so a document is held back in a spool; chunked documents are small. One thread.
 */
#ifndef SERVER_MSGPACK_SINK_H
#define SERVER_MSGPACK_SINK_H

#include "server/answer.h"
#include "server/spool.h"
#include "silt/text.h"

struct msgpack_sink {
    struct answer answer;
    struct spool spool;

    size_t result_count; /* of the document */
    struct spool_mark result_start;
    size_t result_hole; /* everything of the result in front of its series */
    size_t series_count, message_count;
    struct silt_buffer messages, error;
    bool has_error;

    struct silt_buffer head; /* name, tags, columns of the open series */
    unsigned head_members;
    size_t series_hole, values_hole;
};

/* folder: for files of answers that are too large to be held in memory; must outlive the sink. */
void msgpack_sink_init(struct msgpack_sink *sink, const struct answer_options *options, struct output *output,
                       const char *folder, struct silt_budget *budget);

/* {"error": text}: a failed statement, or a whole answer. */
void msgpack_append_error(struct silt_buffer *to, struct silt_str text);

#endif
