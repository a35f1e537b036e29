/*
 * inflate.c - see inflate.h. The length a gzip trailer claims is not believed: the output grows as bytes come, and
 * stops at the bound, so that a small body cannot become a large one unnoticed.
 */
#include "server/inflate.h"

#include <zlib.h>

#define STEP_BYTES 65536

/* Room for a step more, in doubling lengths but never beyond what may be needed. */
static enum silt_status grow(struct silt_buffer *out, size_t bytes_max, struct silt_budget *budget, struct silt_error *err)
{
    size_t most = bytes_max + STEP_BYTES, limit = atomic_load(&budget->limit_bytes), before = out->capacity;
    size_t wanted = before * 2 > STEP_BYTES ? before * 2 : STEP_BYTES;

    if (out->len < before)
        return SILT_OK;
    wanted = wanted < most ? wanted : most;
    if (silt_budget_charge(budget, wanted - before, err) != SILT_OK) {
        if (before > limit / 3) /* with its rows, which take as much again, it never fits: to send it again would not help */
            return silt_fail(err, SILT_LIMIT, "unpacked body larger than a third of %s, %zu bytes", budget->name, limit);
        err->status = SILT_BUSY; /* others hold it: later there may be enough */
        return SILT_BUSY;
    }
    out->p = silt_realloc(out->p, wanted);
    out->capacity = wanted;
    return SILT_OK;
}

static enum silt_status inflate_members(z_stream *z, struct silt_str body, size_t bytes_max, struct silt_budget *budget,
                                        struct silt_buffer *out, struct silt_error *err)
{
    z->next_in = (Bytef *)(uintptr_t)body.p;
    z->avail_in = (uInt)body.len;
    for (;;) {
        enum silt_status rc = grow(out, bytes_max, budget, err);
        if (rc != SILT_OK)
            return rc;
        size_t room = out->capacity - out->len;
        z->next_out = (Bytef *)out->p + out->len;
        z->avail_out = room > UINT32_MAX ? UINT32_MAX : (uInt)room;
        uInt before = z->avail_out;
        int code = inflate(z, Z_NO_FLUSH);
        out->len += before - z->avail_out;
        if (out->len > bytes_max)
            return silt_fail(err, SILT_LIMIT, "unpacked body larger than %zu bytes", bytes_max);
        if (code == Z_STREAM_END) {
            if (z->avail_in == 0)
                return SILT_OK;
            inflateReset(z); /* another member follows */
            continue;
        }
        if (code == Z_BUF_ERROR || (code == Z_OK && z->avail_in == 0 && z->avail_out))
            return silt_fail(err, SILT_INVALID, "unexpected EOF");
        if (code == Z_DATA_ERROR && z->msg && strstr(z->msg, "header"))
            return silt_fail(err, SILT_INVALID, "gzip: invalid header");
        if (code == Z_DATA_ERROR && z->msg && strstr(z->msg, "check"))
            return silt_fail(err, SILT_INVALID, "gzip: invalid checksum");
        if (code != Z_OK)
            return silt_fail(err, SILT_INVALID, "flate: corrupt input");
    }
}

enum silt_status inflate_gzip(struct silt_str body, size_t bytes_max, struct silt_budget *budget, struct silt_buffer *out,
                               struct silt_error *err)
{
    z_stream z = {0};

    silt_assert(!out->p);
    if (body.len == 0)
        return silt_fail(err, SILT_INVALID, "EOF");
    if (body.len > UINT32_MAX)
        return silt_fail(err, SILT_LIMIT, "body too large");
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return silt_fail(err, SILT_LIMIT, "no memory to unpack the body");
    enum silt_status rc = inflate_members(&z, body, bytes_max, budget, out, err);
    inflateEnd(&z);
    return rc;
}
