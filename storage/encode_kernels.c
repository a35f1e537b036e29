/*
 * encode_kernels.c - see encode_kernels.h. Plain C, written once and built for three instruction sets.
 *
 * The bodies are inlined into thin functions that carry a target attribute; the compiler vectorises the loops over
 * lanes for that target. Nothing here depends on the vector width, so all builds give the same bytes.
 */
#include "storage/encode_kernels.h"
#include "storage/encode.h"

#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define BODY static inline __attribute__((always_inline))

BODY void unpack_body(const uint64_t *restrict words, unsigned width, uint64_t *restrict slots)
{
    uint64_t mask = width == 64 ? ~(uint64_t)0 : ((uint64_t)1 << width) - 1;
    if (width == 0) {
        memset(slots, 0, LANE_SLOTS * sizeof(*slots));
        return;
    }
    for (unsigned row = 0; row < LANE_ROWS; row++) {
        unsigned bit = row * width, shift = bit % 64;
        const uint64_t *low = words + (size_t)(bit / 64) * LANES, *high = low + LANES;
        uint64_t *to = slots + (size_t)row * LANES;
        if (shift + width <= 64) {
            for (unsigned lane = 0; lane < LANES; lane++)
                to[lane] = low[lane] >> shift & mask;
        } else {
            for (unsigned lane = 0; lane < LANES; lane++)
                to[lane] = (low[lane] >> shift | high[lane] << (64 - shift)) & mask;
        }
    }
}

/* 64 bytes are one register, two or four, as the target has it; a row is two of them. */
typedef uint64_t half __attribute__((vector_size(64)));
typedef uint64_t half_in __attribute__((vector_size(64), aligned(8), may_alias));

BODY void pack_body(const uint64_t *restrict slots, unsigned width, uint64_t *restrict words)
{
    half pending0 = {0}, pending1 = {0};
    unsigned shift = 0;
    for (const uint64_t *from = slots; from < slots + LANE_SLOTS; from += LANES) {
        half u0 = *(const half_in *)from, u1 = *(const half_in *)(from + 8);
        pending0 |= u0 << shift;
        pending1 |= u1 << shift;
        shift += width;
        if (shift < 64)
            continue;
        *(half_in *)words = pending0;
        *(half_in *)(words + 8) = pending1;
        words += LANES;
        shift -= 64;
        pending0 = shift ? u0 >> (width - shift) : (half){0};
        pending1 = shift ? u1 >> (width - shift) : (half){0};
    }
}

/* Residual to what it stands for: both forms without a branch, `flip` is 0 or all ones. */
BODY uint64_t straighten(uint64_t u, uint64_t flip, unsigned shift)
{
    return u >> shift ^ ((0 - (u & 1)) & flip);
}

BODY void restore0_body(const uint64_t *restrict slots, unsigned form, uint64_t ref, uint64_t *restrict out)
{
    uint64_t flip = form == FORM_FROM_REF ? 0 : ~(uint64_t)0;
    unsigned shift = form == FORM_FROM_REF ? 0 : 1;
    for (unsigned i = 0; i < LANE_SLOTS; i++)
        out[i] = straighten(slots[i], flip, shift) + ref;
}

#define STRAIGHTEN(u) ((((u) >> shift) ^ ((0 - ((u)&1)) & flip)) + ref)

/* out[lane * 64 + row] = slots[row * 16 + lane] + offset[lane], in squares as large as the target's registers. */
typedef uint64_t pair __attribute__((vector_size(16)));
typedef uint64_t pair_in __attribute__((vector_size(16), aligned(8), may_alias));
typedef uint64_t quad __attribute__((vector_size(32)));
typedef uint64_t quad_in __attribute__((vector_size(32), aligned(8), may_alias));

BODY void turn_by_2(const uint64_t *restrict slots, const uint64_t *restrict offset, uint64_t *restrict out)
{
    for (unsigned lane = 0; lane < LANES; lane += 2) {
        pair add = *(const pair_in *)(offset + lane);
        for (unsigned row = 0; row < LANE_ROWS; row += 2) {
            const uint64_t *from = slots + (size_t)row * LANES + lane;
            uint64_t *to = out + (size_t)lane * LANE_ROWS + row;
            pair a = *(const pair_in *)from + add, b = *(const pair_in *)(from + LANES) + add;
            *(pair_in *)to = __builtin_shufflevector(a, b, 0, 2);
            *(pair_in *)(to + LANE_ROWS) = __builtin_shufflevector(a, b, 1, 3);
        }
    }
}

#if defined(__x86_64__)
BODY void turn_by_4(const uint64_t *restrict slots, const uint64_t *restrict offset, uint64_t *restrict out)
{
    for (unsigned lane = 0; lane < LANES; lane += 4) {
        quad add = *(const quad_in *)(offset + lane);
        for (unsigned row = 0; row < LANE_ROWS; row += 4) {
            const uint64_t *from = slots + (size_t)row * LANES + lane;
            uint64_t *to = out + (size_t)lane * LANE_ROWS + row;
            quad a = *(const quad_in *)from + add, b = *(const quad_in *)(from + LANES) + add;
            quad c = *(const quad_in *)(from + 2 * LANES) + add, d = *(const quad_in *)(from + 3 * LANES) + add;
            quad ab0 = __builtin_shufflevector(a, b, 0, 4, 2, 6), ab1 = __builtin_shufflevector(a, b, 1, 5, 3, 7);
            quad cd0 = __builtin_shufflevector(c, d, 0, 4, 2, 6), cd1 = __builtin_shufflevector(c, d, 1, 5, 3, 7);
            *(quad_in *)to = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
            *(quad_in *)(to + LANE_ROWS) = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
            *(quad_in *)(to + 2 * LANE_ROWS) = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
            *(quad_in *)(to + 3 * LANE_ROWS) = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
        }
    }
}
#endif

/*
 * Running sums over the rows, a register of lanes at a time; the sum is a named vector, because an array of sums would
 * live in memory, a store and a load for each row. `vector` must be no wider than the target's registers.
 */
#define RESTORE_BODIES(by, vector, vector_in, turn)                                                                    \
    BODY void restore1_by_##by(uint64_t *restrict slots, unsigned form, uint64_t ref, uint64_t before,                 \
                               uint64_t *restrict out)                                                                 \
    {                                                                                                                  \
        uint64_t flip = form == FORM_FROM_REF ? 0 : ~(uint64_t)0, offset[LANES];                                       \
        unsigned shift = form == FORM_FROM_REF ? 0 : 1;                                                                \
        for (unsigned lane = 0; lane < LANES; lane += by) {                                                            \
            vector sum = {0};                                                                                          \
            for (uint64_t *at = slots + lane; at < slots + LANE_SLOTS; at += LANES) {                                  \
                vector u = *(vector_in *)at;                                                                           \
                sum += STRAIGHTEN(u);                                                                                  \
                *(vector_in *)at = sum;                                                                                \
            }                                                                                                          \
        }                                                                                                              \
        for (unsigned lane = 0; lane < LANES; lane++) { /* what a lane's end means for the next lane's start */        \
            offset[lane] = before;                                                                                     \
            before += slots[LANE_SLOTS - LANES + lane];                                                                \
        }                                                                                                              \
        turn(slots, offset, out);                                                                                      \
    }                                                                                                                  \
    BODY void restore2_by_##by(uint64_t *restrict slots, unsigned form, uint64_t ref, uint64_t before, uint64_t step,  \
                               uint64_t *restrict out)                                                                 \
    {                                                                                                                  \
        uint64_t flip = form == FORM_FROM_REF ? 0 : ~(uint64_t)0, steps[LANES], offset[LANES], slope[LANES];           \
        unsigned shift = form == FORM_FROM_REF ? 0 : 1;                                                                \
        for (unsigned lane = 0; lane < LANES; lane += by) {                                                            \
            vector sum = {0}, rise = {0};                                                                              \
            for (uint64_t *at = slots + lane; at < slots + LANE_SLOTS; at += LANES) {                                  \
                vector u = *(vector_in *)at;                                                                           \
                rise += STRAIGHTEN(u);                                                                                 \
                sum += rise;                                                                                           \
                *(vector_in *)at = sum;                                                                                \
            }                                                                                                          \
            *(vector_in *)(steps + lane) = rise;                                                                       \
        }                                                                                                              \
        for (unsigned lane = 0; lane < LANES; lane++) {                                                                \
            offset[lane] = before;                                                                                     \
            slope[lane] = step;                                                                                        \
            before += LANE_ROWS * step + slots[LANE_SLOTS - LANES + lane];                                             \
            step += steps[lane];                                                                                       \
        }                                                                                                              \
        for (unsigned lane = 0; lane < LANES; lane += by) {                                                            \
            vector each = *(vector_in *)(slope + lane), rise = {0};                                                    \
            for (uint64_t *at = slots + lane; at < slots + LANE_SLOTS; at += LANES) {                                  \
                rise += each;                                                                                          \
                *(vector_in *)at += rise;                                                                              \
            }                                                                                                          \
        }                                                                                                              \
        turn(slots, offset, out);                                                                                      \
    }
RESTORE_BODIES(2, pair, pair_in, turn_by_2)
#if defined(__x86_64__)
RESTORE_BODIES(4, quad, quad_in, turn_by_4)
RESTORE_BODIES(8, half, half_in, turn_by_4)
#endif

/* Bits of residual i to widths[i]; the result has bit w - 1 for each width w above 0 that occurs. */
BODY uint64_t widths_body(const uint64_t *restrict x, unsigned count, unsigned form, uint64_t ref,
                          uint8_t *restrict widths)
{
    uint64_t flip = form == FORM_FROM_REF ? 0 : ~(uint64_t)0, occur = 0;
    unsigned shift = form == FORM_FROM_REF ? 0 : 1;
    for (unsigned i = 0; i < count; i++) {
        uint64_t u = x[i] - ref;
        u = (u << shift) ^ ((0 - (u >> 63)) & flip);
        unsigned width = encode_width(u);
        widths[i] = (uint8_t)width;
        occur |= width ? (uint64_t)1 << (width - 1) : 0;
    }
    return occur;
}

#if defined(__x86_64__)
/* The same with the instruction for it, which compilers do not find: eight at a time. */
__attribute__((target("avx512f,avx512cd,avx512bw,avx512vl"))) static inline uint64_t
widths_eight(const uint64_t *restrict x, unsigned count, unsigned form, uint64_t ref, uint8_t *restrict widths)
{
    const __m512i most = _mm512_set1_epi64(64), ones = _mm512_set1_epi64(1), from = _mm512_set1_epi64((int64_t)ref);
    const __m512i flip = _mm512_set1_epi64(form == FORM_FROM_REF ? 0 : -1);
    const __m128i shift = _mm_set_epi64x(0, form == FORM_FROM_REF ? 0 : 1);
    __m512i occur = _mm512_setzero_si512();
    for (unsigned i = 0; i < count; i += 8) {
        __mmask8 inside = count - i < 8 ? (__mmask8)((1u << (count - i)) - 1) : 0xff;
        __m512i u = _mm512_sub_epi64(_mm512_maskz_loadu_epi64(inside, x + i), from);
        u = _mm512_xor_si512(_mm512_sll_epi64(u, shift), _mm512_and_si512(_mm512_srai_epi64(u, 63), flip));
        __m512i width = _mm512_sub_epi64(most, _mm512_lzcnt_epi64(u));
        /* for width 0 by -1, which shifts everything out */
        occur = _mm512_mask_or_epi64(occur, inside, occur, _mm512_sllv_epi64(ones, _mm512_sub_epi64(width, ones)));
        _mm512_mask_cvtepi64_storeu_epi8(widths + i, inside, width);
    }
    return (uint64_t)_mm512_reduce_or_epi64(occur);
}
#endif

#define FEW_WIDTHS 6
#define FEW_ROWS 64u
typedef uint8_t bytes __attribute__((vector_size(64)));

BODY void count_one_by_one(const uint8_t *restrict widths, unsigned count, unsigned top, unsigned *restrict histogram)
{
    unsigned counts[3][65]; /* and histogram: four, so that equal neighbours do not wait for each other */
    memset(histogram, 0, (top + 1) * sizeof(*histogram));
    unsigned i = 0;
    if (count > FEW_ROWS) {
        for (unsigned c = 0; c < 3; c++)
            memset(counts[c], 0, (top + 1) * sizeof(**counts));
        for (; i + 4 <= count; i += 4) {
            histogram[widths[i]]++;
            counts[0][widths[i + 1]]++;
            counts[1][widths[i + 2]]++;
            counts[2][widths[i + 3]]++;
        }
        for (unsigned width = 0; width <= top; width++)
            histogram[width] += counts[0][width] + counts[1][width] + counts[2][width];
    }
    for (; i < count; i++)
        histogram[widths[i]]++;
}

/* Where few widths occur, a pass over all bytes for each. widths: whole vectors of them, 0xff behind the last. */
BODY void count_widths(const uint8_t *restrict widths, unsigned count, uint64_t occur, unsigned *restrict histogram)
{
    unsigned top = encode_width(occur), others = 0;
    if (count <= FEW_ROWS || __builtin_popcountll(occur) > FEW_WIDTHS) {
        count_one_by_one(widths, count, top, histogram);
        return;
    }
    for (unsigned width = 1; width <= top; width++) {
        histogram[width] = 0;
        if (!(occur >> (width - 1) & 1))
            continue;
        bytes found = {0}; /* at most LANE_SLOTS / 64 in a byte */
        for (const uint8_t *at = widths; at < widths + count; at += 64)
            found -= (bytes)(*(const bytes *)at == (uint8_t)width);
        uint64_t eights[8], sum = 0;
        memcpy(eights, &found, 64);
        for (unsigned k = 0; k < 8; k++) /* of 16 each: eight of them fit in a byte */
            sum += eights[k];
        histogram[width] = (unsigned)((sum & 0x00ff00ff00ff00ffu) * 0x0001000100010001u >> 48) +
                           (unsigned)((sum >> 8 & 0x00ff00ff00ff00ffu) * 0x0001000100010001u >> 48);
        others += histogram[width];
    }
    histogram[0] = count - others;
}

BODY void decimals_body(const int64_t *restrict ints, unsigned count, double power, double *restrict out)
{
    if (power == 1.0) {
        for (unsigned i = 0; i < count; i++)
            out[i] = (double)ints[i];
        return;
    }
    for (unsigned i = 0; i < count; i++)
        out[i] = (double)ints[i] / power;
}

#define BUILD(suffix, text, by, widths_by, ...)                                                                        \
    __VA_ARGS__ static void unpack_##suffix(const uint64_t *words, unsigned width, uint64_t *slots)                    \
    {                                                                                                                  \
        unpack_body(words, width, slots);                                                                              \
    }                                                                                                                  \
    __VA_ARGS__ static void pack_##suffix(const uint64_t *slots, unsigned width, uint64_t *words)                      \
    {                                                                                                                  \
        pack_body(slots, width, words);                                                                                \
    }                                                                                                                  \
    __VA_ARGS__ static void restore0_##suffix(const uint64_t *slots, unsigned form, uint64_t ref, uint64_t *out)       \
    {                                                                                                                  \
        restore0_body(slots, form, ref, out);                                                                          \
    }                                                                                                                  \
    __VA_ARGS__ static void restore1_##suffix(uint64_t *slots, unsigned form, uint64_t ref, uint64_t before,           \
                                              uint64_t *out)                                                           \
    {                                                                                                                  \
        restore1_by_##by(slots, form, ref, before, out);                                                               \
    }                                                                                                                  \
    __VA_ARGS__ static void restore2_##suffix(uint64_t *slots, unsigned form, uint64_t ref, uint64_t before,           \
                                              uint64_t step, uint64_t *out)                                            \
    {                                                                                                                  \
        restore2_by_##by(slots, form, ref, before, step, out);                                                         \
    }                                                                                                                  \
    __VA_ARGS__ static unsigned weigh_##suffix(const uint64_t *x, unsigned count, unsigned form, uint64_t ref,         \
                                               unsigned *histogram)                                                    \
    {                                                                                                                  \
        _Alignas(64) uint8_t widths[LANE_SLOTS];                                                                       \
        memset(widths + count / 64 * 64, 0xff, count % 64 ? 64 : 0);                                                   \
        uint64_t occur = widths_##widths_by(x, count, form, ref, widths);                                              \
        count_widths(widths, count, occur, histogram);                                                                 \
        return encode_width(occur);                                                                                    \
    }                                                                                                                  \
    __VA_ARGS__ static void decimals_##suffix(const int64_t *ints, unsigned count, double power, double *out)          \
    {                                                                                                                  \
        decimals_body(ints, count, power, out);                                                                        \
    }                                                                                                                  \
    static const struct encode_kernels kernels_##suffix = {                                                            \
        text,           unpack_##suffix,  pack_##suffix, restore0_##suffix, restore1_##suffix, restore2_##suffix,      \
        weigh_##suffix, decimals_##suffix}

BUILD(baseline, "baseline", 2, body, );
#if defined(__x86_64__)
BUILD(avx2, "avx2", 4, body, __attribute__((target("avx2"))));
#if defined(__clang__)
BUILD(avx512, "avx512", 8, eight, __attribute__((target("avx512f,avx512cd,avx512dq,avx512bw,avx512vl"))));
#else
BUILD(avx512, "avx512", 8, eight,
      __attribute__((target("avx512f,avx512cd,avx512dq,avx512bw,avx512vl,prefer-vector-width=512"))));
#endif
#endif

const struct encode_kernels *encode_kernels_build(unsigned number)
{
    if (number == 0)
        return &kernels_baseline;
#if defined(__x86_64__)
    if (number == 1)
        return __builtin_cpu_supports("avx2") ? &kernels_avx2 : NULL;
    if (number == 2)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512vl")
                   ? &kernels_avx512
                   : NULL;
#endif
    return NULL;
}

const struct encode_kernels *encode_kernels(void)
{
    static _Atomic(const struct encode_kernels *) chosen;
    const struct encode_kernels *kernels = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!kernels) { /* two threads may both choose: they choose the same */
        for (unsigned number = 0; encode_kernels_build(number); number++)
            kernels = encode_kernels_build(number);
        atomic_store_explicit(&chosen, kernels, memory_order_relaxed);
    }
    return kernels;
}
