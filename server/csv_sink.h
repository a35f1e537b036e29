/*
 * csv_sink.h - query answers as InfluxDB's CSV.
 *
 *     name,tags,time,v         a head per statement and wherever the columns change, after an empty line
 *     cpu,"host=a,rack=1",0,10
 *     cpu,host=b,0,
 *                              (empty line)
 *     name,tags,time,free
 *
 * Times are integers, in nanoseconds where the request names no unit; null is empty; numbers have no exponent. There is
 * no place for messages and errors: a failed statement has no rows. Where rows of it have left already, answer_finish
 * gives SILT_INVALID, so that a part is not taken for the whole. One thread.
 */
#ifndef SERVER_CSV_SINK_H
#define SERVER_CSV_SINK_H

#include "server/answer.h"
#include "server/integer_text.h"
#include "server/tag_texts.h"
#include "silt/text.h"

struct csv_sink {
    struct answer answer;
    struct silt_buffer head;   /* the last head written: it stands for all series with the same columns */
    struct silt_buffer prefix; /* name and tags of the open series, as each of its rows begins */
    struct silt_buffer text;   /* scratch */
    struct tag_texts tags;
    struct epoch_text epoch;
    bool any_head;             /* something was written before */
    uint32_t head_statement;   /* whose head it is, if head_of_statement */
    bool head_of_statement;    /* the last head belongs to the open result */
    bool failed;               /* a statement's rows have left before its error */

    /* where the open result began, while it is still in the buffer */
    char *result_start;
    uint64_t result_flushed;
    bool any_head_before;
};

void csv_sink_init(struct csv_sink *sink, const struct answer_options *options, struct output *output);

/* The text, in quotes where it needs them. */
void csv_append_field(struct silt_buffer *to, struct silt_str text);

#endif
