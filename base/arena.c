/*
 * arena.c - bump allocation in pieces that die together.
 *
 *     arena -> piece (newest, being filled) -> piece -> piece
 *              | header | used ....... | free |
 *
 * Pieces double from 4 KiB to 1 MiB; what is larger gets a piece of its own behind the newest. Large pieces are blocks
 * (blocks.c), so that a query's memory does not stay with the thread that ran it. Under AddressSanitizer
 * every allocation is a piece, so that the sanitizer sees each one's bounds and its end of life.
 */
#include "silt/base.h"

#include <stdio.h>
#include <stdlib.h>

#define PIECE_BYTES_MIN ((size_t)4096)
#define PIECE_BYTES_MAX ((size_t)1 << 20)
#define BLOCK_BYTES_MIN ((size_t)256 << 10)
#define ALIGN ((size_t)16)

#if defined(__SANITIZE_ADDRESS__)
#define EVERY_PIECE_ALONE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EVERY_PIECE_ALONE 1
#endif
#endif
#ifndef EVERY_PIECE_ALONE
#define EVERY_PIECE_ALONE 0
#endif

struct piece {
    struct piece *next;
    size_t bytes;       /* with this header, as charged */
    size_t block_bytes; /* as mapped; 0: from malloc */
    _Alignas(16) char data[];
};

struct silt_arena {
    struct silt_budget *budget;
    struct piece *pieces;
    char *at, *end; /* free part of the newest piece */
    size_t bytes;
    size_t next_piece_bytes;
    bool exceeded;
};

struct silt_arena *silt_arena_create(struct silt_budget *budget)
{
    struct silt_arena *arena = silt_calloc(1, sizeof(*arena));
    arena->budget = budget;
    arena->next_piece_bytes = PIECE_BYTES_MIN;
    return arena;
}

static void free_piece(struct piece *piece)
{
    if (piece->block_bytes)
        silt_block_put(piece, piece->block_bytes);
    else
        free(piece);
}

static void free_pieces(struct silt_arena *arena, struct piece *piece)
{
    while (piece) {
        struct piece *next = piece->next;
        arena->bytes -= piece->bytes;
        if (arena->budget)
            silt_budget_release(arena->budget, piece->bytes);
        free_piece(piece);
        piece = next;
    }
}

void silt_arena_destroy(struct silt_arena *arena)
{
    if (!arena)
        return;
    free_pieces(arena, arena->pieces);
    silt_assert(arena->bytes == 0);
    free(arena);
}

void silt_arena_reset(struct silt_arena *arena)
{
    struct piece *keep = EVERY_PIECE_ALONE ? NULL : arena->pieces;
    if (keep && keep->bytes > PIECE_BYTES_MAX)
        keep = NULL;
    free_pieces(arena, keep ? keep->next : arena->pieces);
    arena->pieces = keep;
    arena->at = arena->end = NULL;
    if (keep) {
        keep->next = NULL;
        arena->at = keep->data;
        arena->end = (char *)keep + keep->bytes;
    }
    arena->exceeded = false;
}

size_t silt_arena_bytes(const struct silt_arena *arena)
{
    return arena->bytes;
}

struct silt_budget *silt_arena_budget(const struct silt_arena *arena)
{
    return arena->budget;
}

bool silt_arena_exceeded(const struct silt_arena *arena)
{
    return arena->exceeded;
}

/* must: over budget is recorded, and the piece is given all the same (charged nowhere would unbalance the release,
 * so the budget is taken past its limit). */
static struct piece *new_piece(struct silt_arena *arena, size_t bytes, bool must)
{
    if (arena->budget && silt_budget_charge(arena->budget, bytes, NULL) != SILT_OK) {
        if (!must)
            return NULL;
        arena->exceeded = true;
        for (struct silt_budget *at = arena->budget; at; at = at->parent)
            atomic_fetch_add_explicit(&at->used_bytes, bytes, memory_order_relaxed);
    }
    size_t block_bytes = !EVERY_PIECE_ALONE && bytes >= BLOCK_BYTES_MIN ? bytes : 0;
    struct piece *piece = block_bytes ? silt_block_get(&block_bytes) : malloc(bytes);
    if (!piece && must) {
        fprintf(stderr, "out of memory: arena piece of %zu bytes\n", bytes);
        abort();
    }
    if (!piece) {
        if (arena->budget)
            silt_budget_release(arena->budget, bytes);
        return NULL;
    }
    piece->bytes = bytes;
    piece->block_bytes = block_bytes;
    arena->bytes += bytes;
    return piece;
}

static void *alloc_slow(struct silt_arena *arena, size_t bytes, bool must)
{
    bool alone = EVERY_PIECE_ALONE || bytes > PIECE_BYTES_MAX / 4;
    if (bytes > SIZE_MAX / 2) {
        silt_assert(!must);
        return NULL;
    }
    if (alone) {
        struct piece *piece = new_piece(arena, sizeof(struct piece) + bytes, must);
        if (!piece)
            return NULL;
        if (arena->pieces && !EVERY_PIECE_ALONE) { /* behind the one being filled */
            piece->next = arena->pieces->next;
            arena->pieces->next = piece;
        } else {
            piece->next = arena->pieces;
            arena->pieces = piece;
            arena->at = arena->end = NULL;
        }
        return piece->data;
    }
    while (arena->next_piece_bytes < bytes + sizeof(struct piece))
        arena->next_piece_bytes *= 2;
    struct piece *piece = new_piece(arena, arena->next_piece_bytes, must);
    if (!piece)
        return NULL;
    if (arena->next_piece_bytes < PIECE_BYTES_MAX)
        arena->next_piece_bytes *= 2;
    piece->next = arena->pieces;
    arena->pieces = piece;
    arena->at = piece->data + bytes;
    arena->end = (char *)piece + piece->bytes;
    return piece->data;
}

static void *alloc(struct silt_arena *arena, size_t bytes, bool must)
{
    size_t rounded = (bytes + ALIGN - 1) & ~(ALIGN - 1);
    if (rounded < bytes)
        rounded = SIZE_MAX;
    if (!EVERY_PIECE_ALONE && rounded <= (size_t)(arena->end - arena->at)) {
        void *p = arena->at;
        arena->at += rounded;
        return p;
    }
    return alloc_slow(arena, EVERY_PIECE_ALONE && rounded != SIZE_MAX ? bytes : rounded, must);
}

void silt_arena_give_back(struct silt_arena *arena, void *p, size_t bytes)
{
    size_t rounded = EVERY_PIECE_ALONE ? bytes : (bytes + ALIGN - 1) & ~(ALIGN - 1);
    if (!p || (!EVERY_PIECE_ALONE && rounded <= PIECE_BYTES_MAX / 4))
        return;
    for (struct piece **at = &arena->pieces; *at; at = &(*at)->next) {
        struct piece *piece = *at;
        if (piece->data != p || piece->bytes != sizeof(*piece) + rounded)
            continue;
        *at = piece->next;
        if (arena->end == (char *)piece + piece->bytes)
            arena->at = arena->end = NULL;
        piece->next = NULL;
        free_pieces(arena, piece);
        return;
    }
}

void *silt_arena_alloc(struct silt_arena *arena, size_t bytes)
{
    return alloc(arena, bytes, true);
}

void *silt_arena_try_alloc(struct silt_arena *arena, size_t bytes)
{
    return alloc(arena, bytes, false);
}

void *silt_arena_zalloc(struct silt_arena *arena, size_t bytes)
{
    void *p = alloc(arena, bytes, true);
    memset(p, 0, bytes);
    return p;
}

void *silt_arena_grow(struct silt_arena *arena, void *items, size_t *capacity, size_t count, size_t item_bytes)
{
    if (count <= *capacity)
        return items;
    size_t larger = *capacity ? *capacity : 8;
    while (larger < count)
        larger *= 2;
    silt_assert(larger <= SIZE_MAX / 2 / item_bytes);
    void *moved = silt_arena_alloc(arena, larger * item_bytes);
    if (*capacity)
        memcpy(moved, items, *capacity * item_bytes);
    *capacity = larger;
    return moved;
}

struct silt_str silt_arena_str(struct silt_arena *arena, struct silt_str str)
{
    char *copy = silt_arena_alloc(arena, str.len + 1);
    if (str.len)
        memcpy(copy, str.p, str.len);
    copy[str.len] = '\0';
    return (struct silt_str){copy, str.len};
}

struct silt_str silt_arena_printf(struct silt_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    silt_assert(len >= 0);
    char *text = silt_arena_alloc(arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (struct silt_str){text, (size_t)len};
}

struct silt_bytes *silt_arena_bytes_copy(struct silt_arena *arena, struct silt_str str)
{
    silt_assert(str.len <= UINT32_MAX);
    struct silt_bytes *bytes = silt_arena_alloc(arena, sizeof(*bytes) + str.len);
    bytes->len = (uint32_t)str.len;
    if (str.len)
        memcpy(bytes->p, str.p, str.len);
    return bytes;
}
