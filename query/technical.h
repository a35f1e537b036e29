/*
 * technical.h - the indicators of market analysis and the Holt-Winters forecast.
 */
#ifndef QUERY_TECHNICAL_H
#define QUERY_TECHNICAL_H

#include "query/points.h"

enum silt_status points_forecast(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                 struct points *out, struct silt_error *err);

#endif
