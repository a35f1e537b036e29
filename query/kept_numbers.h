/*
 * kept_numbers.h - doubles kept in the order in which they came, to be gone through once more: what stddev() of a window is of.
 *
 *     piece  int16   [.. 4096 values ..]
 *     piece  double  [.. 4096 values ..]        the narrowest that has all of its values
 *     piece  int16   [.. 4096 values ..]
 *     stage  double  [.. fewer ..]              not looked at yet: a short window ends here
 *
 * Most columns that are kept by the million are whole numbers; these take 2 or 4 bytes. One thread.
 */
#ifndef QUERY_KEPT_NUMBERS_H
#define QUERY_KEPT_NUMBERS_H

#include "silt/base.h"

#define KEPT_PIECE_NUMBERS 4096

struct kept_piece;

struct kept_numbers {
    struct silt_arena *arena; /* of the pieces */
    struct kept_piece *first, *last;
    double *stage;
    size_t staged;
};

void kept_numbers_init(struct kept_numbers *kept, struct silt_budget *budget);
void kept_numbers_deinit(struct kept_numbers *kept); /* all zero is fine */
/* Where the next numbers are to be put, and how many may be: at least one. They count from kept_numbers_took() on. SILT_LIMIT: the
 * budget refuses. */
enum silt_status kept_numbers_room(struct kept_numbers *kept, double **to, size_t *room, struct silt_error *err);
void kept_numbers_took(struct kept_numbers *kept, size_t count);
/* The squares of what they are off the mean, added in their order. */
double kept_numbers_squares(const struct kept_numbers *kept, double mean);
void kept_numbers_clear(struct kept_numbers *kept);

#endif
