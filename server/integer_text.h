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

/* A time as an integer. Rows that are merged from many series often have the time of the row before. */
struct epoch_text {
    silt_time time;
    uint8_t len; /* 0: none yet */
    char text[32];
};

static inline char *epoch_text_put(struct epoch_text *last, char *to, silt_time time, int64_t epoch_ns)
{
    if (last->len == 0 || last->time != time) {
        last->time = time;
        last->len = (uint8_t)silt_write_int(last->text, time / epoch_ns);
    }
    memcpy(to, last->text, sizeof(last->text));
    return to + last->len;
}

#endif
