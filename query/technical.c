/* technical.c - implements technical.h. */
#include "query/technical.h"

enum silt_status points_forecast(const struct plan *plan, const struct plan_call *call, const struct points *in,
                                 struct points *out, struct silt_error *err)
{
    return silt_fail(err, SILT_UNSUPPORTED, "%s() is not supported", call->function->name);
}
