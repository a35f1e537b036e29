/*
 * minimise.c - implements minimise.h.
 *
 *     space:  vertex 0 | vertex 1 | ... | vertex n | value of each | centroid | reflected | tried
 */
#include "query/minimise.h"

#include <math.h>
#include <string.h>

#define ITERATIONS_MAX 1000

struct simplex {
    const struct minimise *problem;
    size_t n;
    double *vertices, *values, *centroid, *reflected, *tried;
};

size_t minimise_space(size_t n)
{
    return (n + 1) * n + (n + 1) + 3 * n;
}

static double *vertex(const struct simplex *s, size_t i)
{
    return s->vertices + i * s->n;
}

static double value_of(const struct simplex *s, double *at)
{
    return s->problem->value(s->problem->arg, at);
}

static void start_simplex(struct simplex *s, const double *start)
{
    double n = (double)s->n, root = sqrt(n + 1);
    double along = (root - 1 + n) / (n * sqrt(2)), across = (root - 1) / (n * sqrt(2));

    memcpy(vertex(s, 0), start, s->n * sizeof(*start));
    for (size_t i = 1; i <= s->n; i++)
        for (size_t k = 0; k < s->n; k++)
            vertex(s, i)[k] = (k == i - 1 ? along : across) + start[k];
    for (size_t i = 0; i <= s->n; i++)
        s->values[i] = value_of(s, vertex(s, i));
}

static size_t smallest(const struct simplex *s)
{
    size_t best = 0;

    for (size_t i = 1; i <= s->n; i++)
        if (s->values[i] < s->values[best])
            best = i;
    return best;
}

static size_t largest(const struct simplex *s)
{
    size_t worst = 0;

    for (size_t i = 1; i <= s->n; i++)
        if (s->values[i] > s->values[worst])
            worst = i;
    return worst;
}

static void take(struct simplex *s, size_t i, const double *place, double value)
{
    memcpy(vertex(s, i), place, s->n * sizeof(*place));
    s->values[i] = value;
}

/* from + factor * (to - from) */
static void tried_between(struct simplex *s, const double *from, const double *to, double factor)
{
    for (size_t k = 0; k < s->n; k++)
        s->tried[k] = from[k] + factor * (to[k] - from[k]);
}

static void contract(struct simplex *s, size_t worst, size_t second, size_t best, double reflected)
{
    if (reflected < s->values[worst]) { /* outside */
        tried_between(s, s->centroid, s->reflected, 0.5);
    } else {
        for (size_t k = 0; k < s->n; k++)
            s->tried[k] = s->centroid[k] - 0.5 * (s->centroid[k] - vertex(s, worst)[k]);
    }
    double value = value_of(s, s->tried);
    if (value < s->values[worst]) {
        take(s, worst, s->tried, value);
        return;
    }
    for (size_t i = 0; i <= s->n; i++)
        for (size_t k = 0; i != best && k < s->n; k++)
            vertex(s, i)[k] = vertex(s, best)[k] + (vertex(s, i)[k] - vertex(s, best)[k]) / 2;
    s->values[worst] = value_of(s, vertex(s, worst));
    s->values[second] = value_of(s, vertex(s, second));
}

static void step(struct simplex *s)
{
    size_t worst = largest(s), best = smallest(s), second = best;

    for (size_t i = 0; i <= s->n; i++)
        if (s->values[i] > s->values[second] && s->values[i] < s->values[worst])
            second = i;
    for (size_t k = 0; k < s->n; k++) {
        double sum = 0;
        for (size_t i = 0; i <= s->n; i++)
            if (i != worst)
                sum += vertex(s, i)[k];
        s->centroid[k] = sum / (double)s->n;
    }
    for (size_t k = 0; k < s->n; k++)
        s->reflected[k] = s->centroid[k] + (s->centroid[k] - vertex(s, worst)[k]);
    double reflected = value_of(s, s->reflected);

    if (reflected < s->values[second] && reflected >= s->values[best])
        take(s, worst, s->reflected, reflected);
    if (reflected < s->values[best]) {
        tried_between(s, s->centroid, s->reflected, 2);
        double value = value_of(s, s->tried);
        if (value < reflected)
            take(s, worst, s->tried, value);
        else
            take(s, worst, s->reflected, reflected);
    }
    if (reflected >= s->values[second]) /* asked of what the vertices are worth by now */
        contract(s, worst, second, best, reflected);
}

static double spread(const struct simplex *s)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i <= s->n; i++)
        sum += s->values[i];
    double mean = sum / (double)(s->n + 1);
    for (size_t i = 0; i <= s->n; i++)
        squares += (s->values[i] - mean) * (s->values[i] - mean) / (double)s->n;
    return sqrt(squares);
}

double minimise_run(const struct minimise *minimise, const double *start, double *space, double *best)
{
    size_t n = minimise->dimensions;
    struct simplex s = {.problem = minimise, .n = n, .vertices = space};

    s.values = s.vertices + (n + 1) * n;
    s.centroid = s.values + n + 1;
    s.reflected = s.centroid + n;
    s.tried = s.reflected + n;
    start_simplex(&s, start);
    for (int i = 0; i < ITERATIONS_MAX && minimise->go_on(minimise->arg); i++) {
        step(&s);
        if (spread(&s) < minimise->tolerance)
            break;
    }
    double *found = vertex(&s, smallest(&s));
    memcpy(best, found, n * sizeof(*best));
    return value_of(&s, found); /* valued once more: valuing moves what it values */
}
