/*
 * technical.h - the indicators of market analysis: f(x, period [, hold [, 'warm-up']]).
 *
 * Every point gives a value; the first `hold` of them are not shown, by default those that are not warm yet.
 */
#ifndef QUERY_TECHNICAL_H
#define QUERY_TECHNICAL_H

#include "query/points.h"

enum silt_status points_technical(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                  struct points *out, struct silt_error *err);

#endif
