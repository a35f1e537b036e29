/* functions.c - implements functions.h. */
#include "query/functions.h"

#define NUM TYPES_NUMBER
#define ALL TYPES_ALL
#define NUM_BOOL (TYPES_NUMBER | TYPE_BIT(DATA_BOOLEAN))

static const struct function functions[] = {
    {"count", FN_COUNT, CLASS_REDUCE, false, 1, 1, ALL, DATA_INTEGER},
    {"sum", FN_SUM, CLASS_REDUCE, false, 1, 1, NUM, DATA_UNKNOWN},
    {"mean", FN_MEAN, CLASS_REDUCE, false, 1, 1, NUM, DATA_FLOAT},
    {"min", FN_MIN, CLASS_REDUCE, true, 1, 1, NUM_BOOL, DATA_UNKNOWN},
    {"max", FN_MAX, CLASS_REDUCE, true, 1, 1, NUM_BOOL, DATA_UNKNOWN},
    {"first", FN_FIRST, CLASS_REDUCE, true, 1, 1, ALL, DATA_UNKNOWN},
    {"last", FN_LAST, CLASS_REDUCE, true, 1, 1, ALL, DATA_UNKNOWN},
    {"spread", FN_SPREAD, CLASS_REDUCE, false, 1, 1, NUM, DATA_UNKNOWN},
    {"median", FN_MEDIAN, CLASS_WINDOW, false, 1, 1, NUM, DATA_FLOAT},
    {"mode", FN_MODE, CLASS_WINDOW, false, 1, 1, ALL, DATA_UNKNOWN},
    {"stddev", FN_STDDEV, CLASS_WINDOW, false, 1, 1, NUM, DATA_FLOAT},
    {"distinct", FN_DISTINCT, CLASS_WINDOW, false, 1, 1, ALL, DATA_UNKNOWN},
    {"percentile", FN_PERCENTILE, CLASS_WINDOW, true, 2, 2, NUM, DATA_UNKNOWN},
    {"sample", FN_SAMPLE, CLASS_WINDOW, true, 2, 2, ALL, DATA_UNKNOWN},
    {"top", FN_TOP, CLASS_WINDOW, true, 2, 255, NUM, DATA_UNKNOWN},
    {"bottom", FN_BOTTOM, CLASS_WINDOW, true, 2, 255, NUM, DATA_UNKNOWN},
    {"integral", FN_INTEGRAL, CLASS_TRANSFORM, false, 1, 2, NUM, DATA_FLOAT},
    {"derivative", FN_DERIVATIVE, CLASS_TRANSFORM, false, 1, 2, NUM, DATA_FLOAT},
    {"non_negative_derivative", FN_NON_NEGATIVE_DERIVATIVE, CLASS_TRANSFORM, false, 1, 2, NUM, DATA_FLOAT},
    {"difference", FN_DIFFERENCE, CLASS_TRANSFORM, false, 1, 1, NUM, DATA_UNKNOWN},
    {"non_negative_difference", FN_NON_NEGATIVE_DIFFERENCE, CLASS_TRANSFORM, false, 1, 1, NUM, DATA_UNKNOWN},
    {"elapsed", FN_ELAPSED, CLASS_TRANSFORM, false, 1, 2, ALL, DATA_INTEGER},
    {"cumulative_sum", FN_CUMULATIVE_SUM, CLASS_TRANSFORM, false, 1, 1, NUM, DATA_UNKNOWN},
    {"moving_average", FN_MOVING_AVERAGE, CLASS_TRANSFORM, false, 2, 2, NUM, DATA_FLOAT},
    {"holt_winters", FN_HOLT_WINTERS, CLASS_TRANSFORM, false, 3, 3, NUM, DATA_FLOAT},
    {"holt_winters_with_fit", FN_HOLT_WINTERS_WITH_FIT, CLASS_TRANSFORM, false, 3, 3, NUM, DATA_FLOAT},
    {"exponential_moving_average", FN_EMA, CLASS_TRANSFORM, false, 2, 4, NUM, DATA_FLOAT},
    {"double_exponential_moving_average", FN_DEMA, CLASS_TRANSFORM, false, 2, 4, NUM, DATA_FLOAT},
    {"triple_exponential_moving_average", FN_TEMA, CLASS_TRANSFORM, false, 2, 4, NUM, DATA_FLOAT},
    {"triple_exponential_derivative", FN_TRIX, CLASS_TRANSFORM, false, 2, 4, NUM, DATA_FLOAT},
    {"relative_strength_index", FN_RSI, CLASS_TRANSFORM, false, 2, 4, NUM, DATA_FLOAT},
    {"kaufmans_efficiency_ratio", FN_KER, CLASS_TRANSFORM, false, 2, 3, NUM, DATA_FLOAT},
    {"kaufmans_adaptive_moving_average", FN_KAMA, CLASS_TRANSFORM, false, 2, 3, NUM, DATA_FLOAT},
    {"chande_momentum_oscillator", FN_CMO, CLASS_TRANSFORM, false, 2, 4, NUM, DATA_FLOAT},
};

const struct function *function_find(struct silt_str name)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        if (silt_str_equal(name, silt_str_from(functions[i].name)))
            return &functions[i];
    return NULL;
}
