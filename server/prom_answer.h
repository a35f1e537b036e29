/*
 * prom_answer.h - Prometheus' remote read: the answer under construction, packed as it is made.
 *
 *     ReadResponse  1 results* (QueryResult)          one per query
 *     QueryResult   1 timeseries* (TimeSeries)        1 labels* (Label), 2 samples* (Sample)
 *
 *     samples of the series at hand -> [piece of 64 KiB] -> packed ........ | packed ........ |
 *                                                            result 0         result 1
 *
 * A message stands behind its length, and the lengths of the results are known last of all. So what is kept is the packed
 * bodies of the results; the few bytes in front of each are put there when it is written, as a piece of their own. Memory is
 * that of what leaves, and of one series; it is charged to the budget.
 */
#ifndef SERVER_PROM_ANSWER_H
#define SERVER_PROM_ANSWER_H

#include "server/output.h"
#include "silt/text.h"

struct prom_result {
    uint64_t bytes; /* of the message */
    size_t end;     /* of its body, packed */
};

struct prom_answer {
    struct silt_budget *budget;
    size_t charged;
    _Atomic uint64_t sample_count; /* so far; any thread reads it */
    struct silt_buffer labels, samples; /* of the series at hand, as in the message */
    size_t last_sample;                 /* where it begins */
    int64_t last_ms;
    struct silt_buffer piece, packed;
    struct prom_result *results;
    size_t result_count, result_capacity;
};

void prom_answer_init(struct prom_answer *answer, struct silt_budget *budget);
void prom_answer_deinit(struct prom_answer *answer);

/* result (series label* samples*)*; all but the last return SILT_LIMIT over budget. */
void prom_answer_result(struct prom_answer *answer);
void prom_answer_series(struct prom_answer *answer);
enum silt_status prom_answer_label(struct prom_answer *answer, struct silt_str name, struct silt_str value,
                                   struct silt_error *err);
/* In rising order. Of several within a millisecond the last is kept, for Prometheus takes but one. */
enum silt_status prom_answer_samples(struct prom_answer *answer, const silt_time *times, const double *values,
                                     const uint64_t *valid, uint32_t count, struct silt_error *err);
enum silt_status prom_answer_series_end(struct prom_answer *answer, struct silt_error *err);
enum silt_status prom_answer_result_end(struct prom_answer *answer, struct silt_error *err);

enum silt_status prom_answer_write(const struct prom_answer *answer, struct output *output);

#endif
