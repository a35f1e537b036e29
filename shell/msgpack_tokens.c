/*
 * msgpack_tokens.c - a token is one byte that tells its kind, then a number of a fixed width or a length, then bytes.
 */
#include "shell/msgpack_tokens.h"

enum { FAILED = -1, NOT_ALL = 0 };

void msgpack_tokens_init(struct msgpack_tokens *t, json_token_fn emit, void *context)
{
    *t = (struct msgpack_tokens){.emit = emit, .context = context};
}

void msgpack_tokens_deinit(struct msgpack_tokens *t)
{
    silt_buffer_free(&t->rest);
}

bool msgpack_tokens_complete(const struct msgpack_tokens *t)
{
    return !t->depth && !t->rest.len;
}

static uint64_t big_endian(const unsigned char *p, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++)
        value = value << 8 | p[i];
    return value;
}

/* A value is whole: so may be what it stands in. */
static void close_full(struct msgpack_tokens *t)
{
    while (t->depth && !--t->open[t->depth - 1].left) {
        t->depth--;
        t->emit(t->context, t->open[t->depth].is_map ? JSON_OBJECT_END : JSON_ARRAY_END, SILT_STR(""));
    }
}

static bool begin(struct msgpack_tokens *t, bool is_map, uint64_t count)
{
    if (t->depth == JSON_DEPTH_MAX)
        return false;
    t->emit(t->context, is_map ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN, SILT_STR(""));
    if (!count) {
        t->emit(t->context, is_map ? JSON_OBJECT_END : JSON_ARRAY_END, SILT_STR(""));
        close_full(t);
        return true;
    }
    t->open[t->depth].left = is_map ? 2 * count : count;
    t->open[t->depth++].is_map = is_map;
    return true;
}

static void scalar(struct msgpack_tokens *t, enum json_token token, struct silt_str text)
{
    t->emit(t->context, token, text);
    close_full(t);
}

static void number(struct msgpack_tokens *t, enum json_token token, uint64_t bits)
{
    scalar(t, token, (struct silt_str){(const char *)&bits, sizeof bits});
}

static void integer(struct msgpack_tokens *t, const unsigned char *p, unsigned width, bool is_signed)
{
    unsigned unused = 64 - 8 * width;
    uint64_t bits = big_endian(p, width);
    if (is_signed)
        bits = (uint64_t)((int64_t)(bits << unused) >> unused);
    number(t, is_signed || bits <= INT64_MAX ? JSON_INTEGER : JSON_UNSIGNED, bits);
}

static void floating(struct msgpack_tokens *t, const unsigned char *p, unsigned width)
{
    double value;
    uint64_t bits = big_endian(p, width);
    if (width == 4) {
        uint32_t single_bits = (uint32_t)bits;
        float single;
        memcpy(&single, &single_bits, sizeof single);
        value = (double)single;
        memcpy(&bits, &value, sizeof bits);
    }
    number(t, JSON_FLOAT, bits);
}

static int64_t string(struct msgpack_tokens *t, const unsigned char *p, size_t len, size_t head, uint64_t bytes)
{
    if (bytes > JSON_SCALAR_BYTES_MAX)
        return FAILED;
    if (len - head < bytes)
        return NOT_ALL;
    bool is_key = t->depth && t->open[t->depth - 1].is_map && t->open[t->depth - 1].left % 2 == 0;
    scalar(t, is_key ? JSON_KEY : JSON_STRING, (struct silt_str){(const char *)p + head, (size_t)bytes});
    return (int64_t)(head + bytes);
}

/* One token at p, of which len bytes are there: how many it took, NOT_ALL or FAILED. */
static int64_t take(struct msgpack_tokens *t, const unsigned char *p, size_t len)
{
    unsigned char kind = p[0];
    if (t->depth && t->open[t->depth - 1].is_map && t->open[t->depth - 1].left % 2 == 0 &&
        !(kind >= 0xa0 && kind <= 0xbf) && !(kind >= 0xd9 && kind <= 0xdb))
        return FAILED; /* keys are strings */
    if (kind <= 0x7f || kind >= 0xe0)
        return integer(t, p, 1, true), 1;
    if (kind <= 0x9f)
        return begin(t, kind <= 0x8f, kind & 0x0f) ? 1 : FAILED;
    if (kind <= 0xbf)
        return string(t, p, len, 1, kind & 0x1f);

    /* The widths of what follows 0xc0 to 0xdf; 9: not read. */
    static const unsigned char widths[32] = {0, 9, 0, 0, 9, 9, 9, 9, 9, 9, 4, 8, 1, 2, 4, 8,
                                             1, 2, 4, 8, 9, 9, 9, 9, 9, 1, 2, 4, 2, 4, 2, 4};
    unsigned width = widths[kind - 0xc0];
    if (width == 9)
        return FAILED;
    if (len < 1 + width)
        return NOT_ALL;
    switch (kind) {
    case 0xc0:
        scalar(t, JSON_NULL, SILT_STR(""));
        break;
    case 0xc2:
    case 0xc3:
        scalar(t, kind == 0xc3 ? JSON_TRUE : JSON_FALSE, SILT_STR(""));
        break;
    case 0xca:
    case 0xcb:
        floating(t, p + 1, width);
        break;
    case 0xd9:
    case 0xda:
    case 0xdb:
        return string(t, p, len, 1 + width, big_endian(p + 1, width));
    case 0xdc:
    case 0xdd:
    case 0xde:
    case 0xdf:
        if (!begin(t, kind >= 0xde, big_endian(p + 1, width)))
            return FAILED;
        break;
    default:
        integer(t, p + 1, width, kind >= 0xd0);
    }
    return 1 + width;
}

bool msgpack_tokens_feed(struct msgpack_tokens *t, const char *bytes, size_t len)
{
    bool kept = t->rest.len > 0;
    if (kept) {
        silt_buffer_append(&t->rest, bytes, len);
        bytes = t->rest.p;
        len = t->rest.len;
    }
    size_t at = 0;
    int64_t taken = 1;
    while (at < len && (taken = take(t, (const unsigned char *)bytes + at, len - at)) > 0)
        at += (size_t)taken;
    if (taken == FAILED)
        return false;
    if (kept) {
        memmove(t->rest.p, t->rest.p + at, len - at);
        t->rest.len = len - at;
    } else {
        silt_buffer_append(&t->rest, bytes + at, len - at);
    }
    return true;
}
