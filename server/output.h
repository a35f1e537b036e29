/*
 * output.h - where an encoder's bytes go: one buffer at a time, handed on when full.
 *
 *     start          next        end
 *     |##############|...........|      flush() hands [start, next) on and gives an empty buffer
 *
 * An encoder writes at next, having asked for room. As long as `flushed` has not grown since it noted a place in the
 * buffer, it may go back to it. One thread.
 */
#ifndef SERVER_OUTPUT_H
#define SERVER_OUTPUT_H

#include "silt/base.h"

#define OUTPUT_BUFFER_BYTES 65536

enum output_flush {
    OUTPUT_FULL, /* there is no room */
    OUTPUT_SOON, /* the receiver could make use of what is there: handed on if it waits for something */
    OUTPUT_LAST, /* nothing follows */
};

struct output {
    char *start, *next, *end;
    uint64_t flushed; /* buffers handed on */
    /* SILT_CANCELLED: the receiver is gone. May wait for it. */
    enum silt_status (*flush)(struct output *output, enum output_flush why);
    bool (*idle)(struct output *output); /* the receiver waits for more */
};

/* At least `bytes`, much less than a buffer, at output->next. */
static inline enum silt_status output_room(struct output *output, size_t bytes)
{
    if (__builtin_expect((size_t)(output->end - output->next) >= bytes, 1))
        return SILT_OK;
    return output->flush(output, OUTPUT_FULL);
}

static inline enum silt_status output_write(struct output *output, const char *bytes, size_t len)
{
    while (len) {
        size_t room = (size_t)(output->end - output->next);
        size_t part = len < room ? len : room;
        memcpy(output->next, bytes, part);
        output->next += part;
        bytes += part;
        len -= part;
        if (len) {
            enum silt_status rc = output->flush(output, OUTPUT_FULL);
            if (rc != SILT_OK)
                return rc;
        }
    }
    return SILT_OK;
}

/* The same for short texts. */
static inline enum silt_status output_put(struct output *output, struct silt_str text)
{
    if (__builtin_expect((size_t)(output->end - output->next) < text.len, 0))
        return output_write(output, text.p, text.len);
    memcpy(output->next, text.p, text.len);
    output->next += text.len;
    return SILT_OK;
}

/* An output that packs what it is given (gzip) into another. */
struct gzip_output;

struct gzip_output *gzip_output_create(struct output *to);
struct output *gzip_output_base(struct gzip_output *gzip);
void gzip_output_destroy(struct gzip_output *gzip); /* NULL is fine; flush with OUTPUT_LAST first */

#endif
