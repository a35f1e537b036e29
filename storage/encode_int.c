/*
 * encode_int.c - integers: differences of some order, bit-packed, with the few that do not fit patched in after.
 *
 * Values are 64-bit words; all arithmetic wraps, so that signed and unsigned are the same. An order is chosen (0: the
 * values, FOR; 1: DELTA; 2: DELTA2), its differences become residuals (enum encode_form), and a width is chosen for
 * which packed residuals and exceptions together are smallest.
 *
 *     CONSTANT   | value signed |
 *
 *     the others | width 0..64, 1 | form + gap_bits * 4, 1 | ref signed, unless form is ZIGZAG
 *                | value 0 signed, orders 1 and 2 | value 1 - value 0 signed, order 2
 *                | exception count varint, high_bits 1, if gap_bits > 0
 *                | packed residuals
 *                | gaps, gap_bits each | high parts, high_bits each        if gap_bits > 0
 *
 * Packed residuals are, for a whole block of 1024, in lanes (encode_kernels.h): 128 bytes a bit of width, residuals
 * that do not exist (value 0 of order 1, values 0 and 1 of order 2) are 0. Else one after the other, without those.
 *
 * And RANKS, see encode_ranks.c, where that is an eighth smaller: it is slower to read.
 *
 * An exception says: skip `gap` slots, then add `high` << width to the next. A gap that needs more than gap_bits is
 * made of exceptions whose high part is 0, so that the decoder needs no branch.
 */
#include "silt/kernels.h"
#include "storage/encode_kernels.h"
#include "storage/encode_ranks.h"

#define SAMPLE_MAX 128u
#define SAMPLE_RUN 16u
#define RANKS_WIDTH_MIN 5u /* bits a value up to which ranks are not looked at: they would hardly be narrower */

/* ---------------------------------------------------------------- varints and packed bits */

size_t encode_write_varint(uint8_t *out, uint64_t value)
{
    size_t len = 0;
    while (value >= 0x80) {
        out[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (uint8_t)value;
    return len;
}

void encode_put_varint(struct silt_buffer *out, uint64_t value)
{
    uint8_t bytes[10];
    silt_buffer_append(out, bytes, encode_write_varint(bytes, value));
}

uint64_t encode_get_varint_slow(struct encode_cursor *cursor)
{
    uint64_t value = 0;
    const uint8_t *at = cursor->at;
    for (unsigned shift = 0; at && shift < 64; shift += 7) {
        if (at >= cursor->end || (shift == 63 && *at > 1))
            break;
        value |= (uint64_t)(*at & 0x7f) << shift;
        if (*at++ < 0x80) {
            cursor->at = at;
            return value;
        }
    }
    cursor->at = NULL;
    return 0;
}

static uint8_t *extend(struct silt_buffer *out, size_t bytes)
{
    silt_buffer_reserve(out, bytes);
    uint8_t *at = (uint8_t *)out->p + out->len;
    out->len += bytes;
    return at;
}

void encode_put_packed(struct silt_buffer *out, const uint64_t *values, unsigned count, unsigned width)
{
    size_t bytes = encode_packed_bytes(count, width);
    if (bytes == 0)
        return;
    uint8_t *at = extend(out, bytes), *end = at + bytes;
    uint64_t pending = 0;
    unsigned filled = 0;
    for (unsigned i = 0; i < count; i++) {
        pending |= values[i] << filled;
        filled += width;
        if (filled < 64)
            continue;
        memcpy(at, &pending, 8);
        at += 8;
        filled -= 64;
        pending = filled ? values[i] >> (width - filled) : 0;
    }
    memcpy(at, &pending, (size_t)(end - at));
}

static inline uint64_t packed_at(const uint8_t *in, size_t bit, unsigned width, uint64_t mask)
{
    uint64_t word;
    unsigned shift = bit % 8;
    memcpy(&word, in + bit / 8, 8);
    word >>= shift;
    if (shift + width > 64)
        word |= (uint64_t)in[bit / 8 + 8] << (64 - shift);
    return word & mask;
}

void decode_packed(const uint8_t *in, unsigned count, unsigned width, uint64_t *out)
{
    if (width == 0) {
        memset(out, 0, count * sizeof(*out));
        return;
    }
    uint64_t mask = width == 64 ? ~(uint64_t)0 : ((uint64_t)1 << width) - 1;
    size_t bytes = encode_packed_bytes(count, width), bit = 0;
    unsigned i = 0;
    if (width <= 8) { /* eight values are `width` bytes: one load for all of them */
        for (const uint8_t *at = in; i + 8 <= count && at + 8 <= in + bytes; i += 8, at += width) {
            uint64_t word;
            memcpy(&word, at, 8);
            for (unsigned k = 0; k < 8; k++)
                out[i + k] = word >> k * width & mask;
        }
        bit = (size_t)i * width;
    }
    /* What lies within nine bytes of the end is read from a padded copy. */
    for (; i < count && bit / 8 + 9 <= bytes; i++, bit += width)
        out[i] = packed_at(in, bit, width, mask);
    if (i < count) {
        uint8_t tail[32] = {0};
        memcpy(tail, in + bit / 8, bytes - bit / 8);
        bit %= 8;
        for (; i < count; i++, bit += width)
            out[i] = packed_at(tail, bit, width, mask);
    }
}

/* ---------------------------------------------------------------- choosing */

struct plan {
    unsigned order, form, width, top; /* top: width of the widest residual */
    uint64_t ref;
    size_t bits; /* estimate of the whole payload */
};

static inline uint64_t residual(uint64_t x, unsigned form, uint64_t ref)
{
    x -= ref;
    return form == FORM_FROM_REF ? x : encode_zigzag((int64_t)x);
}

/* Residuals by width, the widest of them being `top` -> the width that makes packed residuals and exceptions smallest. */
static size_t best_width(const unsigned *histogram, unsigned top, unsigned total, unsigned *width)
{
    unsigned exceptions = 0;
    size_t best = SIZE_MAX;
    for (unsigned w = top + 1; w-- > 0;) {
        size_t bits = (size_t)w * total;
        if (exceptions) {
            if (24 + exceptions * (size_t)(top - w + 1) >= best) /* and more of them the narrower it gets */
                break;
            size_t each = top - w + encode_width(total / exceptions) + 1;
            bits += 24 + exceptions * each + exceptions * each / 16;
        }
        if (bits < best) {
            best = bits;
            *width = w;
        }
        exceptions += histogram[w];
    }
    return best;
}

static size_t signed_bits(uint64_t value)
{
    uint8_t bytes[10];
    return 8 * encode_write_varint(bytes, encode_zigzag((int64_t)value));
}

static void weigh(const uint64_t *x, unsigned count, unsigned sampled_of, struct plan *plan)
{
    unsigned histogram[65];
    plan->top = encode_kernels()->weigh(x, count, plan->form, plan->ref, histogram);
    plan->bits = best_width(histogram, plan->top, count, &plan->width);
    if (sampled_of != count)
        plan->bits = plan->bits * sampled_of / count;
    if (plan->form != FORM_ZIGZAG)
        plan->bits += signed_bits(plan->ref);
}

/* A middle value of some of them, to be the reference that outliers on either side do not move. */
static uint64_t middle(const uint64_t *x, unsigned count)
{
    uint64_t some[15];
    unsigned taken = count < 15 ? count : 15;
    for (unsigned i = 0; i < taken; i++) {
        uint64_t one = x[(size_t)i * count / taken];
        unsigned at = i;
        for (; at > 0 && (int64_t)some[at - 1] > (int64_t)one; at--)
            some[at] = some[at - 1];
        some[at] = one;
    }
    return some[taken / 2];
}

static bool is_sampled(unsigned total)
{
    return total > SAMPLE_MAX + SAMPLE_RUN;
}

/* differences[o]: of order o, from index o on. */
static struct plan choose(const uint64_t *const differences[3], unsigned count)
{
    struct plan best = {.bits = SIZE_MAX};
    unsigned orders = count < 3 ? 2 : 3;
    for (unsigned order = 0; order < orders; order++) {
        const uint64_t *x = differences[order] + order;
        unsigned total = count - order, sampled = total;
        uint64_t sample[SAMPLE_MAX];
        const uint64_t *looked_at = x;
        if (is_sampled(total)) {
            for (sampled = 0; sampled < SAMPLE_MAX; sampled += SAMPLE_RUN)
                memcpy(sample + sampled, x + (size_t)sampled * (total - SAMPLE_RUN) / (SAMPLE_MAX - SAMPLE_RUN),
                       SAMPLE_RUN * sizeof(*x));
            looked_at = sample;
        }
        size_t head = order == 0 ? 0 : signed_bits(differences[0][0]);
        head += order == 2 ? signed_bits(differences[1][1]) : 0;
        struct plan trial = {.order = order, .form = FORM_ZIGZAG};
        struct plan trials[3];
        unsigned trial_count = 0;
        trials[trial_count++] = trial;
        if (order < 2) {
            int64_t min, max;
            silt_minmax_i64((const int64_t *)x, total, &min, &max);
            trial.form = FORM_FROM_REF;
            trial.ref = (uint64_t)min;
            trials[trial_count++] = trial;
            trial.form = FORM_ZIGZAG_REF;
            trial.ref = middle(looked_at, sampled);
            if (trial.ref != 0)
                trials[trial_count++] = trial;
        }
        for (unsigned t = 0; t < trial_count; t++) {
            weigh(looked_at, sampled, total, &trials[t]);
            trials[t].bits += head;
            if (trials[t].bits < best.bits)
                best = trials[t];
        }
    }
    return best;
}

/* ---------------------------------------------------------------- encoding */

struct exceptions {
    unsigned count, gap_bits;
    uint64_t gaps[ENCODE_ROWS_MAX], highs[ENCODE_ROWS_MAX];
};

/* Take the high parts out of the residuals. */
static void split(uint64_t *residuals, unsigned count, unsigned width, unsigned top, struct exceptions *out)
{
    uint16_t places[ENCODE_ROWS_MAX];
    unsigned place_count = 0;
    for (unsigned i = 0; i < count; i++) {
        places[place_count] = (uint16_t)i;
        place_count += width < 64 && residuals[i] >> width != 0;
    }
    size_t best = SIZE_MAX;
    out->gap_bits = 1;
    out->count = 0;
    if (place_count == 0)
        return;
    unsigned usual = encode_width(count / place_count); /* of a gap; what is best is near */
    unsigned most = usual + 2 < 10 ? usual + 2 : 10;
    for (unsigned bits = usual > 1 ? usual - 1 : 1; bits <= most; bits++) {
        size_t entries = 0;
        int last = -1;
        for (unsigned i = 0; i < place_count; last = places[i++])
            entries += ((unsigned)(places[i] - last - 1) >> bits) + 1;
        if (entries * (bits + top - width) < best) {
            best = entries * (bits + top - width);
            out->gap_bits = bits;
        }
    }
    uint64_t mask = ((uint64_t)1 << width) - 1; /* there is a place, so width < 64 */
    unsigned longest = 1u << out->gap_bits;
    int last = -1;
    for (unsigned i = 0; i < place_count; last = places[i++]) {
        unsigned gap = (unsigned)(places[i] - last - 1);
        for (; gap >= longest; gap -= longest) {
            out->gaps[out->count] = longest - 1;
            out->highs[out->count++] = 0;
        }
        out->gaps[out->count] = gap;
        out->highs[out->count++] = residuals[places[i]] >> width;
        residuals[places[i]] &= mask;
    }
}

/* Of the codecs CONSTANT to DELTA2. */
static enum encode_codec encode_plain_ints(const int64_t *values, unsigned count, struct silt_buffer *out)
{
    uint64_t v[ENCODE_ROWS_MAX], d1[ENCODE_ROWS_MAX], d2[ENCODE_ROWS_MAX], any = 0;
    memcpy(v, values, count * sizeof(*v));
    for (unsigned i = 1; i < count; i++) {
        d1[i] = v[i] - v[i - 1];
        any |= d1[i];
    }
    if (any == 0) {
        encode_put_signed(out, values[0]);
        return ENCODE_CONSTANT;
    }
    for (unsigned i = 2; i < count; i++)
        d2[i] = d1[i] - d1[i - 1];
    const uint64_t *const differences[3] = {v, d1, d2};
    struct plan plan = choose(differences, count);
    const uint64_t *x = differences[plan.order] + plan.order;
    unsigned total = count - plan.order;
    if (is_sampled(total))
        weigh(x, total, total, &plan); /* the sample chose order and form; the width is chosen with all of them */

    uint64_t residuals[ENCODE_ROWS_MAX];
    bool lanes = count == LANE_SLOTS;
    if (!lanes) {
        for (unsigned i = 0; i < total; i++)
            residuals[i] = residual(x[i], plan.form, plan.ref);
    } else if (plan.order == 0) {
        for (unsigned i = 0; i < LANE_SLOTS; i++)
            residuals[i] = residual(x[i], plan.form, plan.ref);
    } else {
        total = LANE_SLOTS;
        x -= plan.order;
        for (unsigned row = 0; row < LANE_ROWS; row++)
            for (unsigned lane = 0; lane < LANES; lane++)
                residuals[row * LANES + lane] =
                    lane == 0 && row < plan.order ? 0 : residual(x[lane * LANE_ROWS + row], plan.form, plan.ref);
    }
    struct exceptions exceptions;
    split(residuals, total, plan.width, plan.top, &exceptions);

    unsigned gap_bits = exceptions.count ? exceptions.gap_bits : 0;
    silt_buffer_char(out, (char)plan.width);
    silt_buffer_char(out, (char)(plan.form | gap_bits << 2));
    if (plan.form != FORM_ZIGZAG)
        encode_put_signed(out, (int64_t)plan.ref);
    if (plan.order >= 1)
        encode_put_signed(out, values[0]);
    if (plan.order == 2)
        encode_put_signed(out, (int64_t)d1[1]);
    if (gap_bits) {
        encode_put_varint(out, exceptions.count);
        silt_buffer_char(out, (char)(plan.top - plan.width));
    }
    if (!lanes) {
        encode_put_packed(out, residuals, total, plan.width);
    } else if (plan.width > 0) {
        uint64_t words[LANE_SLOTS];
        encode_kernels()->pack(residuals, plan.width, words);
        silt_buffer_append(out, words, (size_t)plan.width * LANES * 8);
    }
    if (gap_bits) {
        encode_put_packed(out, exceptions.gaps, exceptions.count, gap_bits);
        encode_put_packed(out, exceptions.highs, exceptions.count, plan.top - plan.width);
    }
    return (enum encode_codec)(ENCODE_FOR + plan.order);
}

enum encode_codec encode_ints(const int64_t *values, unsigned count, struct silt_buffer *out)
{
    silt_assert(count >= 1 && count <= ENCODE_ROWS_MAX);
    size_t start = out->len;
    enum encode_codec codec = encode_plain_ints(values, count, out);
    size_t end = out->len, bytes = end - start;
    if (bytes <= encode_packed_bytes(count, RANKS_WIDTH_MIN) ||
        !encode_put_ranks(values, count, codec == ENCODE_FOR, bytes - bytes / 8, out))
        return codec;
    bytes = out->len - end;
    memmove(out->p + start, out->p + end, bytes);
    out->len = start + bytes;
    return ENCODE_RANKS;
}

void encode_nested_plain_ints(const int64_t *values, unsigned count, struct silt_buffer *out)
{
    size_t at = out->len;
    silt_buffer_char(out, 0);
    out->p[at] = (char)encode_plain_ints(values, count, out);
}

void encode_nested_ints(const int64_t *values, unsigned count, struct silt_buffer *out)
{
    size_t at = out->len;
    silt_buffer_char(out, 0);
    out->p[at] = (char)encode_ints(values, count, out);
}

/* ---------------------------------------------------------------- decoding */

static bool patch(uint64_t *residuals, unsigned total, unsigned width, const uint8_t *gaps, unsigned gap_bits,
                  const uint8_t *highs, unsigned high_bits, unsigned count)
{
    uint64_t gap[ENCODE_ROWS_MAX], high[ENCODE_ROWS_MAX];
    decode_packed(gaps, count, gap_bits, gap);
    decode_packed(highs, count, high_bits, high);
    size_t place = 0; /* one past the last patched slot; at most 1024 * 1024: cannot wrap */
    for (unsigned i = 0; i < count; i++) {
        place += gap[i] + 1;
        if (place > total)
            return false;
        residuals[place - 1] |= high[i] << width;
    }
    return true;
}

static void restore(const uint64_t *residuals, unsigned order, unsigned form, uint64_t ref, uint64_t first,
                    uint64_t step, unsigned count, uint64_t *out)
{
    unsigned shift = form == FORM_FROM_REF ? 0 : 1;
    uint64_t flip = form == FORM_FROM_REF ? 0 : ~(uint64_t)0;
#define STRAIGHT(u) (((u) >> shift ^ ((0 - ((u)&1)) & flip)) + ref)
    if (order == 0) {
        for (unsigned i = 0; i < count; i++)
            out[i] = STRAIGHT(residuals[i]);
    } else if (order == 1) {
        out[0] = first;
        for (unsigned i = 1; i < count; i++)
            out[i] = first += STRAIGHT(residuals[i - 1]);
    } else {
        out[0] = first;
        out[1] = first += step;
        for (unsigned i = 2; i < count; i++) {
            step += STRAIGHT(residuals[i - 2]);
            out[i] = first += step;
        }
    }
#undef STRAIGHT
}

static enum silt_status decode_plain(unsigned codec, struct encode_cursor *cursor, unsigned count, int64_t *values)
{
    uint64_t *out = (uint64_t *)values;
    if (codec == ENCODE_CONSTANT) {
        int64_t value = encode_get_signed(cursor);
        for (unsigned i = 0; i < count; i++)
            values[i] = value;
        return cursor->at ? SILT_OK : SILT_CORRUPT;
    }
    if (codec < ENCODE_FOR || codec > ENCODE_DELTA2 || cursor->end - cursor->at < 2)
        return SILT_CORRUPT;
    unsigned order = codec - ENCODE_FOR, width = *cursor->at++, form = *cursor->at & 3, gap_bits = *cursor->at >> 2;
    cursor->at++;
    if (count < order || width > 64 || form > FORM_FROM_REF || gap_bits > 10 || (gap_bits && width == 64))
        return SILT_CORRUPT;
    uint64_t ref = form == FORM_ZIGZAG ? 0 : (uint64_t)encode_get_signed(cursor);
    uint64_t first = order >= 1 ? (uint64_t)encode_get_signed(cursor) : 0;
    uint64_t step = order == 2 ? (uint64_t)encode_get_signed(cursor) : 0;
    uint64_t exceptions = 0;
    unsigned high_bits = 0;
    if (gap_bits) {
        exceptions = encode_get_varint(cursor);
        if (!cursor->at || cursor->at >= cursor->end)
            return SILT_CORRUPT;
        high_bits = *cursor->at++;
    }
    bool lanes = count == LANE_SLOTS;
    unsigned total = lanes ? LANE_SLOTS : count - order;
    if (!cursor->at || exceptions > total || high_bits > 64 - width)
        return SILT_CORRUPT;
    size_t packed = encode_packed_bytes(total, width), gaps = encode_packed_bytes((unsigned)exceptions, gap_bits);
    size_t highs = encode_packed_bytes((unsigned)exceptions, high_bits);
    if ((size_t)(cursor->end - cursor->at) < packed + gaps + highs)
        return SILT_CORRUPT;
    const uint8_t *at = cursor->at;
    cursor->at += packed + gaps + highs;

    uint64_t residuals[LANE_SLOTS];
    if (lanes) {
        uint64_t words[LANE_SLOTS + LANES]; /* aligned, and room for the kernel to look past the end */
        memcpy(words, at, packed);
        encode_kernels()->unpack(words, width, residuals);
    } else {
        decode_packed(at, total, width, residuals);
    }
    if (exceptions &&
        !patch(residuals, total, width, at + packed, gap_bits, at + packed + gaps, high_bits, (unsigned)exceptions))
        return SILT_CORRUPT;
    if (!lanes) {
        restore(residuals, order, form, ref, first, step, count, out);
        return SILT_OK;
    }
    /* The slots before the first difference hold residual 0, which stands for `ref`: start that much earlier. */
    if (order == 0)
        encode_kernels()->restore0(residuals, form, ref, out);
    else if (order == 1)
        encode_kernels()->restore1(residuals, form, ref, first - ref, out);
    else
        encode_kernels()->restore2(residuals, form, ref, first - (step - 2 * ref) - ref, step - 2 * ref, out);
    return SILT_OK;
}

bool decode_nested_plain_ints(struct encode_cursor *cursor, unsigned count, int64_t *out)
{
    if (cursor->at == cursor->end)
        return false;
    unsigned codec = *cursor->at++;
    return decode_plain(codec, cursor, count, out) == SILT_OK;
}

static enum silt_status decode_payload(unsigned codec, struct encode_cursor *cursor, unsigned count, int64_t *out)
{
    if (codec == ENCODE_RANKS)
        return decode_ranks(cursor, count, out) ? SILT_OK : SILT_CORRUPT;
    return decode_plain(codec, cursor, count, out);
}

enum silt_status decode_ints(unsigned codec, const void *bytes, size_t len, unsigned count, int64_t *out)
{
    silt_assert(count >= 1 && count <= ENCODE_ROWS_MAX);
    struct encode_cursor cursor = {bytes, (const uint8_t *)bytes + len};
    if (len == 0 || decode_payload(codec, &cursor, count, out) != SILT_OK)
        return SILT_CORRUPT;
    return cursor.at == cursor.end ? SILT_OK : SILT_CORRUPT;
}

enum silt_status decode_nested_ints(const void *bytes, size_t len, unsigned count, int64_t *out, size_t *consumed)
{
    silt_assert(count >= 1 && count <= ENCODE_ROWS_MAX);
    if (len < 2)
        return SILT_CORRUPT;
    struct encode_cursor cursor = {(const uint8_t *)bytes + 1, (const uint8_t *)bytes + len};
    if (decode_payload(*(const uint8_t *)bytes, &cursor, count, out) != SILT_OK)
        return SILT_CORRUPT;
    *consumed = (size_t)(cursor.at - (const uint8_t *)bytes);
    return SILT_OK;
}

enum silt_status decode_nested_counts(const void *bytes, size_t len, unsigned count, int64_t limit, int64_t *out,
                                      size_t *consumed)
{
    if (decode_nested_ints(bytes, len, count, out, consumed) != SILT_OK)
        return SILT_CORRUPT;
    int64_t min, max;
    silt_minmax_i64(out, count, &min, &max);
    return min >= 0 && max <= limit ? SILT_OK : SILT_CORRUPT;
}
