/*
 * prom_read.h - Prometheus' remote read: what is asked for.
 *
 *     ReadRequest   1 queries* (Query), 2 accepted_response_types*
 *     Query         1 start (ms), 2 end (ms, inclusive), 3 matchers* (LabelMatcher), 4 hints (ReadHints)
 *     LabelMatcher  1 type (0 =, 1 !=, 2 =~, 3 !~), 2 name, 3 value
 *     ReadHints     1 step, 2 func, 3 start, 4 end, 5 grouping*, 6 by, 7 range
 *
 * Of the hints one is followed: func "series" asks which series there are, not for their samples. What else they tell may be
 * used to send less, but never is to be: Prometheus calculates on what it gets.
 */
#ifndef SERVER_PROM_READ_H
#define SERVER_PROM_READ_H

#include "silt/text.h"

#define PROM_MATCHERS_MAX 1000 /* of a query */
#define PROM_QUERIES_MAX 1000

enum prom_match { PROM_EQUAL, PROM_NOT_EQUAL, PROM_MATCHES, PROM_MATCHES_NOT }; /* as in the message */

struct prom_matcher {
    enum prom_match type;
    struct silt_str name, value; /* borrowed from the message */
    struct silt_regex *regex;    /* of the last two types, for the whole of a label, as Prometheus has it */
};

struct prom_query {
    int64_t start_ms, end_ms;
    struct prom_matcher *matchers;
    size_t matcher_count;
    bool series_only;
};

struct prom_read {
    struct prom_query *queries;
    size_t query_count;
};

/* In the arena, but for what prom_read_deinit frees; that may be called whatever came of it. SILT_INVALID, SILT_LIMIT: with a
 * text for who asked. */
enum silt_status prom_read_parse(struct silt_str message, struct silt_arena *arena, struct prom_read *out,
                                 struct silt_error *err);
void prom_read_deinit(struct prom_read *read);

/* A label that is not there is empty. */
bool prom_matcher_passes(const struct prom_matcher *matcher, struct silt_str value);
/* For people: {__name__="up",job=~"a.*"}; one behind the other. In the arena. */
struct silt_str prom_read_text(const struct prom_read *read, struct silt_arena *arena);

#endif
