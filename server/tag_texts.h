/*
 * tag_texts.h - what the tag columns of a batch look like in an answer: the same for every row of a series, so made once.
 *
 *     columns          time | host rack | usage | zone       two runs of tags
 *     text of series   "a","r1" "z9"                         run by run
 *
 * Kept for as many series as 4 MB of text hold; then all are forgotten. Series share places by their number, so that of
 * very many some are made again and again. One thread.
 */
#ifndef SERVER_TAG_TEXTS_H
#define SERVER_TAG_TEXTS_H

#include "silt/query.h"
#include "silt/text.h"

/* A tag as a format shows it; text.p NULL: the series has none. first: of its run. */
typedef void tag_text_put(struct silt_buffer *to, struct silt_str text, bool first);

struct tag_text { /* of a series */
    uint32_t series;
    struct silt_buffer bytes; /* where each run ends, then the runs; len 0: none */
};

struct tag_texts {
    struct tag_text *items; /* a power of two */
    size_t capacity, bytes;
    size_t run_count;
};

/* Before other columns come, and at the end. */
void tag_texts_reset(struct tag_texts *texts);
/* Before runs of a batch are asked for. */
void tag_texts_start(struct tag_texts *texts, const struct silt_row_batch *batch);
const struct tag_text *tag_texts_make(struct tag_texts *texts, const struct silt_row_batch *batch, uint32_t series,
                                      tag_text_put *put);

/* The texts of a row's series; valid until the next call. */
static inline const struct tag_text *tag_texts_of(struct tag_texts *texts, const struct silt_row_batch *batch,
                                                  uint32_t series, tag_text_put *put)
{
    if (texts->capacity) {
        const struct tag_text *text = &texts->items[series & (texts->capacity - 1)];
        if (text->bytes.len && text->series == series)
            return text;
    }
    return tag_texts_make(texts, batch, series, put);
}

/* Run number `run` of them. */
static inline struct silt_str tag_texts_run(const struct tag_texts *texts, const struct tag_text *text, size_t run)
{
    const uint32_t *ends = (const uint32_t *)(const void *)text->bytes.p;
    size_t start = run ? ends[run - 1] : texts->run_count * sizeof(*ends);

    return (struct silt_str){text->bytes.p + start, ends[run] - start};
}

/* The column behind the run of tags that begins at c. */
static inline size_t tag_run_end(const struct silt_row_batch *batch, size_t c)
{
    while (c < batch->column_count && batch->columns[c].is_tag)
        c++;
    return c;
}

#endif
