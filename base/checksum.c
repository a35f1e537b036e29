/*
 * checksum.c - CRC-32C (Castagnoli, reflected 0x82F63B78) for what goes to disk, XXH3 for hash tables.
 *
 * The CRC runs on the processor's own instruction where there is one (SSE4.2; ARMv8 builds compiled with it), three
 * streams at a time so that its latency is hidden, else on eight tables. All give the same value.
 */
#include "silt/text.h"

#define XXH_INLINE_ALL
#include <pthread.h>
#include <xxhash.h>

#define POLYNOMIAL 0x82F63B78u

static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint32_t (*update)(uint32_t crc, const unsigned char *p, size_t len);

static uint64_t load64(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return word;
}

static uint32_t update_tables(uint32_t crc, const unsigned char *p, size_t len)
{
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word = load64(p) ^ crc; /* little-endian machines only, as all of the formats */
        crc = table[7][word & 255] ^ table[6][word >> 8 & 255] ^ table[5][word >> 16 & 255] ^
              table[4][word >> 24 & 255] ^ table[3][word >> 32 & 255] ^ table[2][word >> 40 & 255] ^
              table[1][word >> 48 & 255] ^ table[0][word >> 56];
    }
    for (; len; len--)
        crc = table[0][(crc ^ *p++) & 255] ^ crc >> 8;
    return crc;
}

#if defined(__x86_64__)
#define STREAM_BYTES 1024

/* shift_table[k][b]: the effect on the CRC of byte k = b followed by STREAM_BYTES (or twice that) zero bytes. */
static uint32_t shift_one[4][256], shift_two[4][256];

static uint32_t shift(uint32_t shifts[4][256], uint32_t crc)
{
    return shifts[0][crc & 255] ^ shifts[1][crc >> 8 & 255] ^ shifts[2][crc >> 16 & 255] ^ shifts[3][crc >> 24];
}

static void fill_shift(uint32_t shifts[4][256], size_t zeros)
{
    for (unsigned k = 0; k < 4; k++)
        for (uint32_t b = 0; b < 256; b++) {
            uint32_t crc = b << 8 * k;
            for (size_t i = 0; i < zeros; i++)
                crc = table[0][crc & 255] ^ crc >> 8;
            shifts[k][b] = crc;
        }
}

__attribute__((target("sse4.2"))) static uint32_t update_sse42(uint32_t crc, const unsigned char *p, size_t len)
{
    uint64_t a = crc;
    for (; len >= 3 * STREAM_BYTES; len -= 3 * STREAM_BYTES, p += 3 * STREAM_BYTES) {
        uint64_t b = 0, c = 0;
        for (size_t i = 0; i < STREAM_BYTES; i += 8) {
            a = __builtin_ia32_crc32di(a, load64(p + i));
            b = __builtin_ia32_crc32di(b, load64(p + STREAM_BYTES + i));
            c = __builtin_ia32_crc32di(c, load64(p + 2 * STREAM_BYTES + i));
        }
        a = shift(shift_two, (uint32_t)a) ^ shift(shift_one, (uint32_t)b) ^ c;
    }
    for (; len >= 8; len -= 8, p += 8)
        a = __builtin_ia32_crc32di(a, load64(p));
    uint32_t tail = (uint32_t)a;
    for (; len; len--)
        tail = __builtin_ia32_crc32qi(tail, *p++);
    return tail;
}
#endif

#if defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
static uint32_t update_arm(uint32_t crc, const unsigned char *p, size_t len)
{
    for (; len >= 8; len -= 8, p += 8)
        crc = __crc32cd(crc, load64(p));
    for (; len; len--)
        crc = __crc32cb(crc, *p++);
    return crc;
}
#endif

static void choose(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
        table[0][b] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t b = 0; b < 256; b++)
            table[k][b] = table[0][table[k - 1][b] & 255] ^ table[k - 1][b] >> 8;
    update = update_tables;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        fill_shift(shift_one, STREAM_BYTES);
        fill_shift(shift_two, 2 * (size_t)STREAM_BYTES);
        update = update_sse42;
    }
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
    update = update_arm;
#endif
}

uint32_t silt_crc32c(uint32_t crc, const void *bytes, size_t len)
{
    pthread_once(&once, choose);
    return ~update(~crc, bytes, len);
}

uint64_t silt_hash(const void *bytes, size_t len)
{
    return XXH3_64bits(bytes, len);
}
