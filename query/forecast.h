/*
 * forecast.h - holt_winters(f(x), n, season) and holt_winters_with_fit: the series goes on for n windows more.
 */
#ifndef QUERY_FORECAST_H
#define QUERY_FORECAST_H

#include "query/points.h"

enum silt_status points_forecast(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                 struct points *out, struct silt_error *err);

#endif
