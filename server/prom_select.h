/*
 * prom_select.h - Prometheus' remote read: a query over the store, into the answer.
 *
 * What is read is field `value` of type float, as remote write stores it. The label __name__ is the measurement, whether or not
 * there is a tag of that name: so points that came as line protocol can be read, too.
 */
#ifndef SERVER_PROM_SELECT_H
#define SERVER_PROM_SELECT_H

#include "server/prom_answer.h"
#include "server/prom_read.h"
#include "silt/query.h"

/* options: source, database, rp, limits and what ends a query. Memory is charged to the arena's budget and the answer's.
 * SILT_NOT_FOUND: no such database or policy. SILT_CANCELLED: stopped, or out of time. SILT_LIMIT: a bound on what a query may
 * read or hold. May wait. */
enum silt_status prom_select_run(const struct prom_query *query, const struct silt_query_options *options,
                                 struct silt_budget *budget, struct prom_answer *answer, struct silt_error *err);

#endif
