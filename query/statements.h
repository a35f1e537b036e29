/* statements.h - a plan run to its end, for SELECT, subqueries and INTO. */
#ifndef QUERY_STATEMENTS_H
#define QUERY_STATEMENTS_H

#include "query/plan.h"

/* Rows go to the plan's exec's sink. */
enum silt_status plan_run(struct plan *plan, struct silt_error *err);

/* Which statements are refused before they begin: their error goes out under number 0. */
enum silt_status sources_check_names(const struct select *select, struct silt_error *err);
enum silt_status show_check(const struct statement *statement, struct silt_error *err);

#endif
