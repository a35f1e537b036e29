/* kept_numbers.c - implements kept_numbers.h. */
#include "query/kept_numbers.h"

#include <stdlib.h>

enum width { WIDTH_16, WIDTH_32, WIDTH_DOUBLE };

struct kept_piece {
    struct kept_piece *next;
    enum width width;
    union {
        int16_t i16[KEPT_PIECE_NUMBERS];
        int32_t i32[KEPT_PIECE_NUMBERS];
        double f64[KEPT_PIECE_NUMBERS];
    }; /* as much of it as the width takes */
};

static const size_t piece_bytes[] = {
    [WIDTH_16] = offsetof(struct kept_piece, i16) + sizeof(int16_t[KEPT_PIECE_NUMBERS]),
    [WIDTH_32] = offsetof(struct kept_piece, i32) + sizeof(int32_t[KEPT_PIECE_NUMBERS]),
    [WIDTH_DOUBLE] = sizeof(struct kept_piece),
};

void kept_numbers_init(struct kept_numbers *kept, struct silt_budget *budget)
{
    *kept = (struct kept_numbers){.arena = silt_arena_create(budget),
                                  .stage = silt_malloc(KEPT_PIECE_NUMBERS * sizeof(*kept->stage))};
}

void kept_numbers_deinit(struct kept_numbers *kept)
{
    silt_arena_destroy(kept->arena);
    free(kept->stage);
}

void kept_numbers_clear(struct kept_numbers *kept)
{
    if (kept->first)
        silt_arena_reset(kept->arena);
    kept->first = kept->last = NULL;
    kept->staged = 0;
}

/* -0 counts as 0, from which no square can be told. */
static enum width width_of(const double *values)
{
    bool fits16 = true, fits32 = true;

    for (size_t i = 0; i < KEPT_PIECE_NUMBERS; i++) {
        double v = values[i];
        double within = v > INT32_MIN ? (v < INT32_MAX ? v : INT32_MAX) : INT32_MIN;
        fits32 &= (double)(int32_t)within == v;
        fits16 &= v >= INT16_MIN && v <= INT16_MAX;
    }
    return !fits32 ? WIDTH_DOUBLE : fits16 ? WIDTH_16 : WIDTH_32;
}

static enum silt_status pack(struct kept_numbers *kept, struct silt_error *err)
{
    enum width width = width_of(kept->stage);
    struct kept_piece *piece = silt_arena_try_alloc(kept->arena, piece_bytes[width]);

    if (!piece)
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    piece->next = NULL;
    piece->width = width;
    for (size_t i = 0; width == WIDTH_16 && i < KEPT_PIECE_NUMBERS; i++)
        piece->i16[i] = (int16_t)kept->stage[i];
    for (size_t i = 0; width == WIDTH_32 && i < KEPT_PIECE_NUMBERS; i++)
        piece->i32[i] = (int32_t)kept->stage[i];
    if (width == WIDTH_DOUBLE)
        memcpy(piece->f64, kept->stage, sizeof(piece->f64));
    if (kept->last)
        kept->last->next = piece;
    else
        kept->first = piece;
    kept->last = piece;
    kept->staged = 0;
    return SILT_OK;
}

enum silt_status kept_numbers_room(struct kept_numbers *kept, double **to, size_t *room, struct silt_error *err)
{
    enum silt_status rc = kept->staged == KEPT_PIECE_NUMBERS ? pack(kept, err) : SILT_OK;

    *to = kept->stage + kept->staged;
    *room = KEPT_PIECE_NUMBERS - kept->staged;
    return rc;
}

void kept_numbers_took(struct kept_numbers *kept, size_t count)
{
    kept->staged += count;
}

/* So that the widths differ in nothing but where a number comes from. */
#define ADD_SQUARES(sum, mean, values, count)                                                                           \
    for (size_t i = 0; i < (count); i++)                                                                                \
    (sum) += ((double)(values)[i] - (mean)) * ((double)(values)[i] - (mean))

double kept_numbers_squares(const struct kept_numbers *kept, double mean)
{
    double sum = 0;

    for (const struct kept_piece *piece = kept->first; piece; piece = piece->next)
        switch (piece->width) {
        case WIDTH_16: ADD_SQUARES(sum, mean, piece->i16, KEPT_PIECE_NUMBERS); break;
        case WIDTH_32: ADD_SQUARES(sum, mean, piece->i32, KEPT_PIECE_NUMBERS); break;
        case WIDTH_DOUBLE: ADD_SQUARES(sum, mean, piece->f64, KEPT_PIECE_NUMBERS); break;
        }
    ADD_SQUARES(sum, mean, kept->stage, kept->staged);
    return sum;
}
