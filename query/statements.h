/* statements.h - a plan run to its end, for SELECT, subqueries and INTO. */
#ifndef QUERY_STATEMENTS_H
#define QUERY_STATEMENTS_H

#include "query/plan.h"

/* Rows go to the plan's exec's sink. */
enum silt_status plan_run(struct plan *plan, struct silt_error *err);

#endif
