/* tag_texts.c - implements tag_texts.h. */
#include "server/tag_texts.h"

#include <stdlib.h>

#define CAPACITY_MIN 16
#define CAPACITY_MAX 8192
#define BYTES_MAX ((size_t)4 << 20)

void tag_texts_reset(struct tag_texts *texts)
{
    for (size_t i = 0; i < texts->capacity; i++)
        silt_buffer_free(&texts->items[i].bytes);
    free(texts->items);
    *texts = (struct tag_texts){0};
}

void tag_texts_start(struct tag_texts *texts, const struct silt_row_batch *batch)
{
    texts->run_count = 0;
    for (size_t c = 0; c < batch->column_count; c++)
        texts->run_count += batch->columns[c].is_tag && !(c && batch->columns[c - 1].is_tag);
}

/* The place of a series, in twice the room if another has it and there may be more. */
static struct tag_text *place_for(struct tag_texts *texts, uint32_t series)
{
    while (texts->capacity < CAPACITY_MAX) {
        struct tag_text *place = texts->capacity ? &texts->items[series & (texts->capacity - 1)] : NULL;
        if (place && !place->bytes.len)
            return place;
        size_t capacity = texts->capacity ? texts->capacity * 2 : CAPACITY_MIN;
        struct tag_text *items = silt_calloc(capacity, sizeof(*items));
        for (size_t i = 0; i < texts->capacity; i++)
            if (texts->items[i].bytes.len)
                items[texts->items[i].series & (capacity - 1)] = texts->items[i]; /* none meet: they did not in half of it */
        free(texts->items);
        texts->items = items;
        texts->capacity = capacity;
    }
    return &texts->items[series & (texts->capacity - 1)];
}

const struct tag_text *tag_texts_make(struct tag_texts *texts, const struct silt_row_batch *batch, uint32_t series,
                                      tag_text_put *put)
{
    size_t runs = texts->run_count;

    if (texts->bytes > BYTES_MAX) {
        tag_texts_reset(texts);
        texts->run_count = runs;
    }
    struct tag_text *text = place_for(texts, series);
    struct silt_buffer *bytes = &text->bytes;
    size_t before = bytes->len;
    uint32_t end = 0;

    text->series = series;
    bytes->len = 0;
    for (size_t i = 0; i <= runs; i++) /* one more than needed, so that there is something even without runs */
        silt_buffer_append(bytes, &end, sizeof(end));
    bytes->len = runs * sizeof(end);
    for (size_t c = 0, run = 0; c < batch->column_count; c++) {
        if (!batch->columns[c].is_tag)
            continue;
        bool last = c + 1 == batch->column_count || !batch->columns[c + 1].is_tag;
        put(bytes, batch->tag(batch, series, c), !c || !batch->columns[c - 1].is_tag);
        end = (uint32_t)bytes->len;
        if (last)
            memcpy(bytes->p + run++ * sizeof(end), &end, sizeof(end));
    }
    texts->bytes += bytes->len - before;
    return text;
}
