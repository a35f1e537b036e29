/*
 * minimise.h - finds where a function of several numbers is smallest, after Nelder and Mead.
 *
 * The simplex walks as the imitated server's does: same start, same coefficients, same ties, same shortcut after a
 * shrink (two vertices are valued again, the others keep their old value), so that it ends at the same numbers.
 */
#ifndef QUERY_MINIMISE_H
#define QUERY_MINIMISE_H

#include <stdbool.h>
#include <stddef.h>

struct minimise {
    /* May change the vertex that it values, to bring it within bounds: the changed one stays. */
    double (*value)(void *arg, double *vertex);
    bool (*go_on)(void *arg); /* asked once an iteration */
    void *arg;
    size_t dimensions;
    double tolerance; /* ends when the values of the vertices spread less than this */
};

/* Numbers of working space that a run needs. */
size_t minimise_space(size_t dimensions);
/* The smallest value found; its place in `best`. `start` is left as it is. */
double minimise_run(const struct minimise *minimise, const double *start, double *space, double *best);

#endif
