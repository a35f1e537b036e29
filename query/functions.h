/*
 * functions.h - the table of functions that run over the points of a group.
 *
 * What a name is, how many arguments it takes, which types of field it accepts and what it gives. Everything that
 * asks "is this a selector" asks here.
 */
#ifndef QUERY_FUNCTIONS_H
#define QUERY_FUNCTIONS_H

#include "query/ast.h"

enum function_id {
    FN_NONE = 0,
    FN_COUNT, FN_SUM, FN_MEAN, FN_MIN, FN_MAX, FN_FIRST, FN_LAST, FN_SPREAD,
    FN_MEDIAN, FN_MODE, FN_STDDEV, FN_DISTINCT, FN_PERCENTILE, FN_SAMPLE, FN_TOP, FN_BOTTOM, FN_INTEGRAL,
    FN_DERIVATIVE, FN_NON_NEGATIVE_DERIVATIVE, FN_DIFFERENCE, FN_NON_NEGATIVE_DIFFERENCE, FN_ELAPSED,
    FN_CUMULATIVE_SUM, FN_MOVING_AVERAGE,
    FN_HOLT_WINTERS, FN_HOLT_WINTERS_WITH_FIT,
    FN_EMA, FN_DEMA, FN_TEMA, FN_TRIX, FN_RSI, FN_KER, FN_KAMA, FN_CMO,
};

enum function_class {
    CLASS_REDUCE,    /* one pass over the columns, kept per window */
    CLASS_WINDOW,    /* needs all points of a window at once */
    CLASS_TRANSFORM, /* walks the points of a group, or the windows of a nested call */
};

#define TYPE_BIT(type) (1u << (type))
#define TYPES_NUMBER (TYPE_BIT(DATA_FLOAT) | TYPE_BIT(DATA_INTEGER) | TYPE_BIT(DATA_UNSIGNED))
#define TYPES_ALL (TYPES_NUMBER | TYPE_BIT(DATA_STRING) | TYPE_BIT(DATA_BOOLEAN))

struct function {
    const char *name;
    enum function_id id;
    enum function_class class;
    bool selector;
    uint8_t min_args, max_args;
    uint32_t types;      /* of the field */
    enum data_type gives; /* DATA_UNKNOWN: the field's type */
};

const struct function *function_find(struct silt_str name); /* NULL: no such function */

#endif
