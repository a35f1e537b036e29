/*
 * answer.h - from what a query pushes to the documents of an answer: one, or one per chunk.
 *
 *     silt_sink calls -> answer.c: statements, chunks, row limit -> answer_format: bytes of JSON, CSV or MessagePack
 *
 * A result stays open until the next statement begins, for InfluxDB answers one statement twice when it stops after an
 * error, and the later answer replaces the earlier. One thread.
 */
#ifndef SERVER_ANSWER_H
#define SERVER_ANSWER_H

#include "server/output.h"
#include "silt/query.h"

#define ANSWER_CHUNK_ROWS 10000 /* InfluxDB's, where the request names none */

enum answer_kind { ANSWER_JSON, ANSWER_CSV, ANSWER_MSGPACK };

struct answer_options {
    bool pretty, chunked;
    uint64_t chunk_rows; /* of one series in a document; chunked only */
    uint64_t rows_max;   /* of the whole answer; 0: none. Not chunked only */
    int64_t epoch_ns;    /* times as integers in this unit; 0: the format's own form */
};

struct answer;

/* How a format writes the parts, always called in the order open (close | open ...). */
struct answer_format {
    enum silt_status (*open_result)(struct answer *answer); /* and the document, if none is open */
    /* head NULL: the series of the last document goes on */
    enum silt_status (*open_series)(struct answer *answer, const struct silt_series_head *head);
    enum silt_status (*rows)(struct answer *answer, const struct silt_cell *cells, size_t row_count);
    /* Rows of a batch, in place of cells; NULL: wants cells. Not called for pretty answers. */
    enum silt_status (*batch)(struct answer *answer, const struct silt_row_batch *batch, size_t first, size_t row_count);
    enum silt_status (*close_series)(struct answer *answer, bool partial);
    void (*message)(struct answer *answer, struct silt_str level, struct silt_str text);
    /* Forgets the open result's series; false where there are none, or where some have left already. */
    bool (*drop_series)(struct answer *answer);
    void (*error)(struct answer *answer, struct silt_str text); /* the open result's; the last counts */
    enum silt_status (*close_result)(struct answer *answer, bool partial);
    enum silt_status (*close_document)(struct answer *answer);
    /* Everything is closed: what is left to write. */
    enum silt_status (*finish)(struct answer *answer);
    void (*deinit)(struct answer *answer);
};

struct answer {
    struct silt_sink base;
    const struct answer_format *format;
    struct answer_options options;
    struct output *output;

    bool document, result, series; /* open */
    bool any_statement;
    uint32_t statement_id;
    size_t column_count;
    uint64_t series_rows; /* in this document's series */

    /* rows_max */
    _Atomic uint64_t rows_written; /* other threads read it for SHOW QUERIES */
    uint64_t series_count; /* of the open result */
    bool full;             /* reached; the series may turn out to have more */
    bool cut;              /* it had: the rest is dropped */
    bool joined;           /* reached in a part that InfluxDB joins to an earlier one of the result... */
    uint64_t joined_rows;  /* ...which ends with this row of the series */
    bool result_partial;   /* then it says so if a further part follows */
};

void answer_init(struct answer *answer, const struct answer_format *format, const struct answer_options *options,
                 struct output *output);
/* Close what is open, flush. To be called once after the query ended, in whatever way. SILT_INVALID, SILT_LIMIT,
 * SILT_IO: the answer cannot be made whole. */
enum silt_status answer_finish(struct answer *answer);
void answer_deinit(struct answer *answer);

#endif
