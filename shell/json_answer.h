/*
 * json_answer.h - /query's answer, JSON or MessagePack, as events, row by row, as it arrives.
 *
 *     {"results":[{"statement_id":0,                                   result_begin
 *       "series":[{"name":"cpu","tags":{..},"columns":["time","v"],    series_begin
 *                  "values":[[0,1],[1,2]],"partial":true}],            row, row, series_end
 *       "messages":[{"level":"warning","text":".."}],                  message
 *       "error":".."}]}                                                result_end
 *     {"error":".."}                                                   failure
 *
 * Memory: one row and one series' head. One thread.
 */
#ifndef SHELL_JSON_ANSWER_H
#define SHELL_JSON_ANSWER_H

#include "shell/json_tokens.h"

/* The last three come from MessagePack in the place of CELL_NUMBER. */
enum cell_kind { CELL_NULL, CELL_BOOLEAN, CELL_NUMBER, CELL_STRING, CELL_INTEGER, CELL_UNSIGNED, CELL_FLOAT };

struct cell {
    enum cell_kind kind;
    /* Number as sent, true or false, string unescaped; empty for null. Of the last three kinds: the 8 bytes of an
     * int64_t, uint64_t or double. */
    struct silt_str text;
};

struct answer_tag {
    struct silt_str key, value;
};

struct answer_series {
    struct silt_str name;
    const struct answer_tag *tags; /* by key */
    size_t tag_count;
    const struct silt_str *columns;
    size_t column_count;
};

/* What is given is borrowed for the call; a series' head until series_end. Any member may be NULL. */
struct answer_events {
    void (*result_begin)(void *context);
    void (*message)(void *context, struct silt_str level, struct silt_str text);
    void (*series_begin)(void *context, const struct answer_series *series);
    void (*row)(void *context, const struct cell *cells, size_t count);
    void (*series_end)(void *context, bool partial);
    void (*result_end)(void *context, struct silt_str error); /* error.p NULL: none */
    void (*failure)(void *context, struct silt_str error);    /* the whole request's */
};

struct answer_reader;

struct answer_reader *answer_reader_create(const struct answer_events *events, void *context);
void answer_reader_destroy(struct answer_reader *reader);
/* false: what came is no JSON. */
bool answer_reader_feed(struct answer_reader *reader, const char *bytes, size_t len);
/* The same for MessagePack; an answer is fed to one of the two. */
bool answer_reader_feed_msgpack(struct answer_reader *reader, const char *bytes, size_t len);
bool answer_reader_complete(const struct answer_reader *reader);

/* Of a whole small answer: the text of {"error":"..."}, or the body as it is. */
void answer_error(struct silt_buffer *out, const struct silt_buffer *body);

#endif
