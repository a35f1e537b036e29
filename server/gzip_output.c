/*
 * gzip_output.c - the packing output of output.h. Runs where the encoder runs: on an event loop only what is short.
 */
#include "server/output.h"

#include <stdlib.h>
#include <zlib.h>

struct gzip_output {
    struct output base;
    struct output *to;
    z_stream z;
    char buffer[OUTPUT_BUFFER_BYTES];
};

static enum silt_status pack(struct gzip_output *gzip, int mode)
{
    struct output *to = gzip->to;
    enum silt_status rc;

    gzip->z.next_in = (Bytef *)gzip->base.start;
    gzip->z.avail_in = (uInt)(gzip->base.next - gzip->base.start);
    gzip->base.next = gzip->base.start;
    gzip->base.flushed++;
    for (;;) {
        if (to->next == to->end && (rc = to->flush(to, OUTPUT_FULL)) != SILT_OK)
            return rc;
        gzip->z.next_out = (Bytef *)to->next;
        gzip->z.avail_out = (uInt)(to->end - to->next);
        int code = deflate(&gzip->z, mode);
        silt_assert(code != Z_STREAM_ERROR);
        to->next = (char *)gzip->z.next_out;
        if (mode == Z_FINISH ? code == Z_STREAM_END : gzip->z.avail_out > 0)
            return SILT_OK;
    }
}

static enum silt_status flush(struct output *output, enum output_flush why)
{
    struct gzip_output *gzip = (struct gzip_output *)output;
    enum silt_status rc;

    switch (why) {
    case OUTPUT_FULL:
        return pack(gzip, Z_NO_FLUSH);
    case OUTPUT_SOON:
        if (!gzip->to->idle(gzip->to))
            return SILT_OK;
        rc = pack(gzip, Z_SYNC_FLUSH);
        break;
    default:
        rc = pack(gzip, Z_FINISH);
    }
    return rc == SILT_OK ? gzip->to->flush(gzip->to, why) : rc;
}

static bool idle(struct output *output)
{
    struct gzip_output *gzip = (struct gzip_output *)output;

    return gzip->to->idle(gzip->to);
}

struct gzip_output *gzip_output_create(struct output *to)
{
    struct gzip_output *gzip = silt_malloc(sizeof(*gzip));

    memset(&gzip->z, 0, sizeof(gzip->z));
    int code = deflateInit2(&gzip->z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    silt_assert(code == Z_OK);
    gzip->to = to;
    gzip->base = (struct output){gzip->buffer, gzip->buffer, gzip->buffer + sizeof(gzip->buffer), 0, flush, idle};
    return gzip;
}

struct output *gzip_output_base(struct gzip_output *gzip)
{
    return &gzip->base;
}

void gzip_output_destroy(struct gzip_output *gzip)
{
    if (!gzip)
        return;
    deflateEnd(&gzip->z);
    free(gzip);
}
