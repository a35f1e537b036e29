/*
 * fault_thing.c - see fault_thing.h.
 */
#include "tests/fault_thing.h"

#include "silt/text.h"

#include <stdio.h>
#include <stdlib.h>

#define SECTOR_BYTES 512 /* what a disk writes whole */

uint64_t fault_random(struct fault_vfs *fault)
{
    fault->random ^= fault->random << 13;
    fault->random ^= fault->random >> 7;
    fault->random ^= fault->random << 17;
    return fault->random;
}

/* ---------------------------------------------------------------- bytes */

static struct content *content_make(const void *bytes, size_t len, size_t room)
{
    struct content *content = silt_malloc(sizeof(*content) + room);
    *content = (struct content){.references = 1, .len = len, .room = room};
    if (len)
        memcpy(content->bytes, bytes, len);
    return content;
}

static struct content *content_acquire(struct content *content)
{
    if (content)
        content->references++;
    return content;
}

static void content_release(struct content *content)
{
    if (content && --content->references == 0)
        free(content);
}

/* The only reference, with room for len bytes; what is new between is zero. */
static struct content *content_own(struct content **place, size_t len)
{
    struct content *old = *place;
    size_t had = old ? old->len : 0, need = len > had ? len : had;
    if (!old || old->references > 1 || old->room < need) {
        *place = content_make(old ? old->bytes : NULL, had, old && old->room >= need ? old->room : need + need / 4);
        content_release(old);
    }
    if (len > had) {
        memset((*place)->bytes + had, 0, len - had);
        (*place)->len = len;
    }
    return *place;
}

static void content_write(struct content **place, uint64_t offset, const void *bytes, size_t len)
{
    memcpy(content_own(place, offset + len)->bytes + offset, bytes, len);
}

static void content_cut(struct content **place, uint64_t len)
{
    content_own(place, len)->len = len;
}

/* ---------------------------------------------------------------- things */

struct thing *thing_find(struct fault_vfs *fault, const char *name)
{
    for (size_t i = 0; i < fault->count; i++)
        if (!fault->things[i]->removed && strcmp(fault->things[i]->name, name) == 0)
            return fault->things[i];
    return NULL;
}

static void add(struct fault_vfs *fault, struct thing *thing)
{
    if (fault->count == fault->capacity) {
        fault->capacity = fault->capacity ? fault->capacity * 2 : 64;
        fault->things = silt_realloc(fault->things, fault->capacity * sizeof(struct thing *));
    }
    fault->things[fault->count++] = thing;
}

struct thing *thing_add(struct fault_vfs *fault, const char *name, enum thing_kind kind)
{
    struct thing *thing = silt_calloc(1, sizeof(*thing));
    snprintf(thing->name, sizeof(thing->name), "%s", name);
    thing->kind = kind;
    add(fault, thing);
    return thing;
}

void thing_set(struct thing *thing, const void *bytes, size_t len)
{
    content_release(thing->now);
    content_release(thing->durable);
    thing->now = content_make(bytes, len, len);
    thing->durable = content_acquire(thing->now);
}

size_t thing_bytes(const struct thing *thing)
{
    return thing->now ? thing->now->len : 0;
}

static void note(struct thing *thing, struct pending_write write)
{
    if (thing->pending_count == thing->pending_capacity) {
        thing->pending_capacity = thing->pending_capacity ? thing->pending_capacity * 2 : 8;
        thing->pending = silt_realloc(thing->pending, thing->pending_capacity * sizeof(*thing->pending));
    }
    thing->pending[thing->pending_count++] = write;
}

static unsigned char *copy_bytes(const void *bytes, size_t len)
{
    unsigned char *copy = silt_malloc(len);
    memcpy(copy, bytes, len);
    return copy;
}

void thing_write(struct thing *thing, uint64_t offset, const void *bytes, size_t len)
{
    if (!len)
        return;
    note(thing, (struct pending_write){offset, len, copy_bytes(bytes, len)});
    content_write(&thing->now, offset, bytes, len);
}

void thing_cut(struct thing *thing, uint64_t len)
{
    note(thing, (struct pending_write){len, 0, NULL});
    content_cut(&thing->now, len);
}

static void forget_pending(struct thing *thing)
{
    for (size_t i = 0; i < thing->pending_count; i++)
        free(thing->pending[i].bytes);
    thing->pending_count = 0;
}

void thing_sync(struct thing *thing)
{
    for (size_t i = 0; i < thing->pending_count; i++) {
        const struct pending_write *write = &thing->pending[i];
        if (write->bytes)
            content_write(&thing->durable, write->offset, write->bytes, write->len);
        else
            content_cut(&thing->durable, write->offset);
    }
    forget_pending(thing);
}

/* A write that was not synced when the power went: whole, lost, or some of its sectors. */
static void settle_write(struct fault_vfs *fault, struct thing *thing, const struct pending_write *write)
{
    uint64_t fate = fault_random(fault) % 3;
    if (!write->bytes) {
        if (fate)
            content_cut(&thing->durable, write->offset);
        return;
    }
    for (size_t at = 0; fate && at < write->len;) {
        size_t sector = SECTOR_BYTES - (write->offset + at) % SECTOR_BYTES;
        size_t len = sector < write->len - at ? sector : write->len - at;
        if (fate == 1 || fault_random(fault) & 1)
            content_write(&thing->durable, write->offset + at, write->bytes + at, len);
        at += len;
    }
}

void thing_settle(struct fault_vfs *fault, struct thing *thing)
{
    for (size_t i = 0; i < thing->pending_count; i++)
        settle_write(fault, thing, &thing->pending[i]);
    forget_pending(thing);
    content_release(thing->now);
    thing->now = content_acquire(thing->durable);
}

void thing_flip(struct thing *thing, uint64_t offset, unsigned bit)
{
    bool same = thing->now == thing->durable;
    content_own(&thing->now, 0)->bytes[offset] ^= (unsigned char)(1u << bit);
    if (same) {
        content_release(thing->durable);
        thing->durable = content_acquire(thing->now);
    } else if (thing->durable && offset < thing->durable->len) {
        content_own(&thing->durable, 0)->bytes[offset] ^= (unsigned char)(1u << bit);
    }
}

void things_copy(struct fault_vfs *to, const struct fault_vfs *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct thing *old = from->things[i];
        if (old->removed)
            continue;
        struct thing *thing = thing_add(to, old->name, old->kind);
        thing->now = content_acquire(old->now);
        thing->durable = content_acquire(old->durable);
        thing->version = old->version;
        for (size_t p = 0; p < old->pending_count; p++) {
            const struct pending_write *write = &old->pending[p];
            note(thing, (struct pending_write){write->offset, write->len,
                                               write->bytes ? copy_bytes(write->bytes, write->len) : NULL});
        }
    }
}

void things_collect_garbage(struct fault_vfs *fault)
{
    size_t kept = 0;
    for (size_t i = 0; i < fault->count; i++) {
        struct thing *thing = fault->things[i];
        if (!thing->removed || thing->handles) {
            fault->things[kept++] = thing;
            continue;
        }
        forget_pending(thing);
        free(thing->pending);
        content_release(thing->now);
        content_release(thing->durable);
        free(thing);
    }
    fault->count = kept;
}
