/*
 * integer_text.h - the integers and times of a row as text, as fast as rows of numbers want it.
 *
 * Below a thousand, where most numbers of real columns are, a table has the digits and how many they are: no branch depends
 * on the value's length.
 */
#ifndef SERVER_INTEGER_TEXT_H
#define SERVER_INTEGER_TEXT_H

#include "server/output.h"
#include "silt/query.h"
#include "silt/text.h"

#define INTEGERS_AT_ONCE 64
#define INTEGER_BYTES_MAX 24 /* with what stands in front, and what is written behind in passing */

extern const uint32_t integer_texts[1000]; /* up to three digits, the first lowest; their count in the highest byte */

/* There must be room for INTEGER_BYTES_MAX. */
static inline char *put_integer(char *to, int64_t value)
{
    if (__builtin_expect((uint64_t)value < 1000, 1)) {
        uint32_t text = integer_texts[value];
        memcpy(to, &text, 4);
        return to + (text >> 24);
    }
    return to + silt_write_int(to, value);
}

/* Columns that put_integers() takes. */
static inline bool is_plain_integer(const struct silt_batch_column *column)
{
    return column->kind == SILT_CELL_INTEGER && !column->valid && !column->is_tag;
}

/* Plain integers of a row from column *c on, as many as stand together, up to INTEGERS_AT_ONCE; *c goes behind them. Each has a
 * comma in front, that of column 0 `first`. */
static inline enum silt_status put_integers(struct output *output, const struct silt_row_batch *batch, size_t row, size_t *c,
                                            char first)
{
    size_t end = batch->column_count - *c < INTEGERS_AT_ONCE ? batch->column_count : *c + INTEGERS_AT_ONCE;
    enum silt_status rc = output_room(output, INTEGERS_AT_ONCE * INTEGER_BYTES_MAX);
    char *to = output->next;

    if (rc != SILT_OK)
        return rc;
    for (; *c < end && is_plain_integer(&batch->columns[*c]); (*c)++) {
        *to++ = *c ? ',' : first;
        to = put_integer(to, batch->columns[*c].i64[row]);
    }
    output->next = to;
    return SILT_OK;
}

/* A whole number below a thousand, with its sign; NULL: it is not one. There must be room for INTEGER_BYTES_MAX. */
static inline char *put_small_whole(char *to, double value)
{
    uint64_t bits;
    double size = __builtin_fabs(value);

    memcpy(&bits, &value, sizeof(bits));
    if (!(size < 1000))
        return NULL;
    unsigned whole = (unsigned)size;
    if ((double)whole != size)
        return NULL;
    *to = '-';
    return put_integer(to + (bits >> 63), whole);
}

/* Columns of doubles that all rows have. */
static inline bool is_plain_float(const struct silt_batch_column *column)
{
    return column->kind == SILT_CELL_FLOAT && !column->valid && !column->is_tag;
}

/*
 * A time as an integer. Times that follow one another share all digits but the last eight, and rows that are merged from
 * many series often have the time of the row before:
 *
 *     14516 06400000      head, low
 */
struct epoch_text {
    uint64_t first, span; /* times from `first` on whose text begins with the head; span 0: none yet */
    silt_time time;       /* the one before, if it is one of them, and its low digits */
    uint64_t low;
    uint8_t head_len;
    char head[16];
};

#define EPOCH_TEXT_LOW ((uint64_t)100000000)

/* Another head, or a number that has none. */
static inline char *epoch_text_put_anew(struct epoch_text *last, char *to, silt_time time, int64_t epoch_ns)
{
    int64_t number = time / epoch_ns;

    if (number >= (int64_t)EPOCH_TEXT_LOW) {
        uint64_t head = (uint64_t)number / EPOCH_TEXT_LOW;
        last->head_len = (uint8_t)silt_write_uint(last->head, head);
        last->span = EPOCH_TEXT_LOW * (uint64_t)epoch_ns;
        last->first = head * last->span;
        if (last->span > (uint64_t)INT64_MAX - last->first) /* behind it come the negative ones */
            last->span = (uint64_t)INT64_MAX - last->first;
        last->time = (silt_time)last->first;
        last->low = silt_eight_digits(0);
    }
    return to + silt_write_int(to, number);
}

/* There must be room for INTEGER_BYTES_MAX. */
static inline char *epoch_text_put(struct epoch_text *last, char *to, silt_time time, int64_t epoch_ns)
{
    uint64_t since = (uint64_t)time - last->first;

    if (__builtin_expect(since >= last->span, 0))
        return epoch_text_put_anew(last, to, time, epoch_ns);
    if (last->time != time) {
        last->time = time;
        last->low = silt_eight_digits(since / (uint64_t)epoch_ns);
    }
    memcpy(to, last->head, sizeof(last->head));
    memcpy(to + last->head_len, &last->low, sizeof(last->low));
    return to + last->head_len + sizeof(last->low);
}

#endif
