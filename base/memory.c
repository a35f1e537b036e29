/*
 * memory.c - the malloc family that aborts, and budgets: bounds on memory that add up to their parents.
 */
#include "silt/base.h"

#include <stdio.h>
#include <stdlib.h>

static void *checked(void *p, size_t bytes)
{
    if (!p && bytes) {
        fprintf(stderr, "out of memory: %zu bytes\n", bytes);
        abort();
    }
    return p;
}

void *silt_malloc(size_t bytes)
{
    return checked(malloc(bytes), bytes);
}

void *silt_calloc(size_t count, size_t bytes)
{
    return checked(calloc(count, bytes), count && bytes ? bytes : 0);
}

void *silt_realloc(void *old, size_t bytes)
{
    return checked(realloc(old, bytes), bytes);
}

char *silt_strdup(struct silt_str str)
{
    char *copy = silt_malloc(str.len + 1);
    if (str.len)
        memcpy(copy, str.p, str.len);
    copy[str.len] = '\0';
    return copy;
}

void silt_budget_init(struct silt_budget *budget, const char *name, size_t limit_bytes, struct silt_budget *parent)
{
    budget->name = name;
    atomic_init(&budget->limit_bytes, limit_bytes);
    atomic_init(&budget->used_bytes, 0);
    atomic_init(&budget->peak_bytes, 0);
    budget->parent = parent;
}

void silt_budget_set_limit(struct silt_budget *budget, size_t limit_bytes)
{
    atomic_store_explicit(&budget->limit_bytes, limit_bytes, memory_order_relaxed);
}

static void note_peak(struct silt_budget *budget, size_t used)
{
    size_t peak = atomic_load_explicit(&budget->peak_bytes, memory_order_relaxed);
    while (used > peak && !atomic_compare_exchange_weak_explicit(&budget->peak_bytes, &peak, used,
                                                                 memory_order_relaxed, memory_order_relaxed))
        ;
}

enum silt_status silt_budget_charge(struct silt_budget *budget, size_t bytes, struct silt_error *err)
{
    for (struct silt_budget *at = budget; at; at = at->parent) {
        size_t before = atomic_fetch_add_explicit(&at->used_bytes, bytes, memory_order_relaxed);
        size_t limit = atomic_load_explicit(&at->limit_bytes, memory_order_relaxed);
        if (bytes > limit || before > limit - bytes) {
            struct silt_budget *end = at->parent;
            for (struct silt_budget *undo = budget; undo != end; undo = undo->parent)
                atomic_fetch_sub_explicit(&undo->used_bytes, bytes, memory_order_relaxed);
            return silt_fail(err, SILT_LIMIT, "%s limit exceeded: %zu bytes in use, %zu more wanted, limit %zu",
                             at->name, before, bytes, limit);
        }
        note_peak(at, before + bytes);
    }
    return SILT_OK;
}

void silt_budget_release(struct silt_budget *budget, size_t bytes)
{
    for (struct silt_budget *at = budget; at; at = at->parent) {
        size_t before = atomic_fetch_sub_explicit(&at->used_bytes, bytes, memory_order_relaxed);
        silt_assert(before >= bytes);
    }
}
