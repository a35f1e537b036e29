/*
 * into.h - SELECT ... INTO: the rows of a SELECT written back as points.
 */
#ifndef QUERY_INTO_H
#define QUERY_INTO_H

#include "query/plan.h"

/* Runs the plan of a statement whose target has a database and a policy; leaves the number of points in
 * exec->written. Nothing goes to the sink. */
enum silt_status into_run(struct plan *plan, struct silt_error *err);
/* result|time,written|[[0, n]] to the sink. */
enum silt_status into_answer(struct exec *exec);

#endif
