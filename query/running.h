/*
 * running.h - calls that see one number after the other and give at most one for each, without looking at the rest:
 * derivative, difference, their non-negative forms, elapsed, cumulative_sum, moving_average.
 */
#ifndef QUERY_RUNNING_H
#define QUERY_RUNNING_H

#include "query/plan.h"

struct running;

bool running_is(const struct plan_call *call);
enum silt_status running_create(const struct plan *plan, const struct plan_call *call, struct running **out,
                                struct silt_error *err);
/* Numbers of type call->in, in output order; elapsed() looks at their times alone. What they give, `*given` numbers of
 * type call->out, goes to room for as many as come in, which may be the very arrays that they come in. */
enum silt_status running_feed(struct running *r, const silt_time *times, const uint64_t *values, size_t count,
                              silt_time *times_out, uint64_t *values_out, size_t *given, struct silt_error *err);
void running_destroy(struct running *r); /* NULL is fine */

#endif
