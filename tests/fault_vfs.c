/*
 * fault_vfs.c - implements fault_vfs.h: a list of named byte strings, and for segments the writes not yet synced.
 */
#include "tests/fault_vfs.h"

#include "silt/text.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum thing_kind { THING_BLOB, THING_SEGMENT, THING_REGISTER };

struct pending_write {
    uint64_t offset;
    size_t len;
    unsigned char *bytes;
};

struct thing {
    char name[VFS_NAME_BYTES_MAX];
    enum thing_kind kind;
    bool removed; /* freed when the last handle closes */
    unsigned handles;
    unsigned char *bytes;   /* as programs see it */
    unsigned char *durable; /* segments: as of the last sync */
    size_t len;
    uint64_t version;
    struct pending_write *pending;
    size_t pending_count, pending_capacity;
};

struct fault_vfs {
    struct vfs vfs;
    pthread_mutex_t lock;
    struct thing **things;
    size_t count, capacity;
    uint64_t random, operations, crash_at, fail_at;
    enum silt_status fail_status;
    bool crashed, full;
    char folder[64]; /* for SQLite's files; empty: not asked for yet */
    char path[VFS_NAME_BYTES_MAX + 64];
};

struct fault_writer {
    struct vfs_blob_writer base;
    char name[VFS_NAME_BYTES_MAX];
    struct silt_buffer bytes;
};

struct fault_blob {
    struct vfs_blob base;
    struct thing *thing;
};

struct fault_segment {
    struct vfs_segment base;
    struct thing *thing;
};

static struct fault_vfs *fault_of(struct vfs *vfs)
{
    return (struct fault_vfs *)vfs;
}

static uint64_t next_random(struct fault_vfs *fault)
{
    fault->random ^= fault->random << 13;
    fault->random ^= fault->random >> 7;
    fault->random ^= fault->random << 17;
    return fault->random;
}

static struct thing *find(struct fault_vfs *fault, const char *name)
{
    for (size_t i = 0; i < fault->count; i++)
        if (!fault->things[i]->removed && strcmp(fault->things[i]->name, name) == 0)
            return fault->things[i];
    return NULL;
}

static struct thing *add(struct fault_vfs *fault, const char *name, enum thing_kind kind)
{
    if (fault->count == fault->capacity) {
        fault->capacity = fault->capacity ? fault->capacity * 2 : 64;
        fault->things = silt_realloc(fault->things, fault->capacity * sizeof(*fault->things));
    }
    struct thing *thing = silt_calloc(1, sizeof(*thing));
    snprintf(thing->name, sizeof(thing->name), "%s", name);
    thing->kind = kind;
    fault->things[fault->count++] = thing;
    return thing;
}

static void forget_pending(struct thing *thing)
{
    for (size_t i = 0; i < thing->pending_count; i++)
        free(thing->pending[i].bytes);
    thing->pending_count = 0;
}

static void collect_garbage(struct fault_vfs *fault)
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
        free(thing->bytes);
        free(thing->durable);
        free(thing);
    }
    fault->count = kept;
}

/* Before every changing operation. *last: this is the one at which the crash comes. */
static enum silt_status change(struct fault_vfs *fault, const char *what, bool *last, struct silt_error *err)
{
    *last = false;
    if (fault->crashed)
        return silt_fail(err, SILT_IO, "%s: crashed", what);
    fault->operations++;
    if (fault->fail_at && --fault->fail_at == 0)
        return silt_fail(err, fault->fail_status, "%s: made to fail", what);
    if (fault->crash_at && --fault->crash_at == 0) {
        fault->crashed = true;
        *last = true;
    }
    return SILT_OK;
}

static enum silt_status change_with_room(struct fault_vfs *fault, const char *what, bool *last, struct silt_error *err)
{
    *last = false;
    if (fault->full && !fault->crashed)
        return silt_fail(err, SILT_NO_SPACE, "%s: no room", what);
    return change(fault, what, last, err);
}

static enum silt_status crash(const char *what, struct silt_error *err)
{
    return silt_fail(err, SILT_IO, "%s: crashed", what);
}

/* ---------------------------------------------------------------- blobs */

static enum silt_status blob_create(struct vfs *vfs, const char *name, struct vfs_blob_writer **out, struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(vfs);
    bool last;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = change(fault, name, &last, err);
    pthread_mutex_unlock(&fault->lock);
    if (rc != SILT_OK || last)
        return rc != SILT_OK ? rc : crash(name, err);
    struct fault_writer *writer = silt_calloc(1, sizeof(*writer));
    writer->base.vfs = vfs;
    snprintf(writer->name, sizeof(writer->name), "%s", name);
    *out = &writer->base;
    return SILT_OK;
}

static enum silt_status blob_append(struct vfs_blob_writer *base, const void *bytes, size_t len, struct silt_error *err)
{
    struct fault_writer *writer = (struct fault_writer *)base;
    struct fault_vfs *fault = fault_of(base->vfs);
    bool last;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = change_with_room(fault, writer->name, &last, err);
    pthread_mutex_unlock(&fault->lock);
    if (rc != SILT_OK || last)
        return rc != SILT_OK ? rc : crash(writer->name, err);
    silt_buffer_append(&writer->bytes, bytes, len);
    return SILT_OK;
}

static void blob_abort(struct vfs_blob_writer *base)
{
    struct fault_writer *writer = (struct fault_writer *)base;
    silt_buffer_free(&writer->bytes);
    free(writer);
}

static enum silt_status blob_commit(struct vfs_blob_writer *base, struct silt_error *err)
{
    struct fault_writer *writer = (struct fault_writer *)base;
    struct fault_vfs *fault = fault_of(base->vfs);
    bool last;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = change(fault, writer->name, &last, err);
    /* A crash in a commit: the blob is there or not, never in part. */
    if (rc == SILT_OK && (!last || next_random(fault) & 1)) {
        silt_assert(!find(fault, writer->name));
        struct thing *thing = add(fault, writer->name, THING_BLOB);
        thing->len = writer->bytes.len;
        thing->bytes = silt_malloc(thing->len ? thing->len : 1);
        if (thing->len)
            memcpy(thing->bytes, writer->bytes.p, thing->len);
    }
    pthread_mutex_unlock(&fault->lock);
    if (rc == SILT_OK && last)
        rc = crash(writer->name, err);
    blob_abort(base);
    return rc;
}

static enum silt_status blob_open(struct vfs *vfs, const char *name, struct vfs_blob **out, struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(vfs);
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&fault->lock);
    struct thing *thing = find(fault, name);
    if (fault->crashed) {
        rc = crash(name, err);
    } else if (!thing || thing->kind != THING_BLOB) {
        rc = silt_fail(err, SILT_NOT_FOUND, "%s: no such file", name);
    } else {
        struct fault_blob *blob = silt_calloc(1, sizeof(*blob));
        blob->base.vfs = vfs;
        blob->thing = thing;
        thing->handles++;
        *out = &blob->base;
    }
    pthread_mutex_unlock(&fault->lock);
    return rc;
}

static uint64_t blob_bytes(struct vfs_blob *base)
{
    return ((struct fault_blob *)base)->thing->len;
}

static enum silt_status blob_read(struct vfs_blob *base, uint64_t offset, void *out, size_t len, struct silt_error *err)
{
    struct thing *thing = ((struct fault_blob *)base)->thing;
    if (offset > thing->len || len > thing->len - offset)
        return silt_fail(err, SILT_CORRUPT, "%s: ends at %zu", thing->name, thing->len);
    if (len)
        memcpy(out, thing->bytes + offset, len);
    return SILT_OK;
}

/* This backend says no, so that reading by range is what the tests use. */
static const void *blob_map(struct vfs_blob *base)
{
    (void)base;
    return NULL;
}

static void blob_close(struct vfs_blob *base)
{
    struct fault_vfs *fault = fault_of(base->vfs);
    pthread_mutex_lock(&fault->lock);
    ((struct fault_blob *)base)->thing->handles--;
    collect_garbage(fault);
    pthread_mutex_unlock(&fault->lock);
    free(base);
}

static enum silt_status remove_name(struct vfs *vfs, const char *name, struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(vfs);
    bool last;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = change(fault, name, &last, err);
    struct thing *thing = find(fault, name);
    if (rc == SILT_OK && thing && (!last || next_random(fault) & 1))
        thing->removed = true;
    collect_garbage(fault);
    pthread_mutex_unlock(&fault->lock);
    return rc == SILT_OK && last ? crash(name, err) : rc;
}

/* ---------------------------------------------------------------- segments */

static enum silt_status segment_create(struct vfs *vfs, const char *name, uint64_t bytes, const char *recycle,
                                       struct vfs_segment **out, struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(vfs);
    struct fault_segment *segment = NULL;
    bool last;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = change_with_room(fault, name, &last, err);
    if (rc == SILT_OK && find(fault, name))
        rc = silt_fail(err, SILT_CONFLICT, "%s: exists", name);
    if (rc == SILT_OK && (!last || next_random(fault) & 1)) {
        struct thing *old = recycle ? find(fault, recycle) : NULL;
        struct thing *thing = add(fault, name, THING_SEGMENT);
        thing->len = bytes;
        thing->bytes = silt_calloc(1, bytes);
        thing->durable = silt_calloc(1, bytes);
        if (old) { /* its bytes shine through, as on a disk */
            silt_assert(old->len == bytes);
            memcpy(thing->bytes, old->bytes, bytes);
            memcpy(thing->durable, old->bytes, bytes);
            old->removed = true;
        }
        if (!last) {
            segment = silt_calloc(1, sizeof(*segment));
            segment->base.vfs = vfs;
            segment->thing = thing;
            thing->handles++;
        }
    }
    collect_garbage(fault);
    pthread_mutex_unlock(&fault->lock);
    if (rc == SILT_OK && last)
        return crash(name, err);
    if (rc == SILT_OK)
        *out = &segment->base;
    return rc;
}

static enum silt_status segment_open(struct vfs *vfs, const char *name, struct vfs_segment **out, struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(vfs);
    enum silt_status rc = SILT_OK;
    pthread_mutex_lock(&fault->lock);
    struct thing *thing = find(fault, name);
    if (fault->crashed) {
        rc = crash(name, err);
    } else if (!thing || thing->kind != THING_SEGMENT) {
        rc = silt_fail(err, SILT_NOT_FOUND, "%s: no such segment", name);
    } else {
        struct fault_segment *segment = silt_calloc(1, sizeof(*segment));
        segment->base.vfs = vfs;
        segment->thing = thing;
        thing->handles++;
        *out = &segment->base;
    }
    pthread_mutex_unlock(&fault->lock);
    return rc;
}

static uint64_t segment_bytes(struct vfs_segment *base)
{
    return ((struct fault_segment *)base)->thing->len;
}

static enum silt_status segment_write(struct vfs_segment *base, uint64_t offset, const void *bytes, size_t len,
                                      struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(base->vfs);
    struct thing *thing = ((struct fault_segment *)base)->thing;
    bool last;
    silt_assert(offset <= thing->len && len <= thing->len - offset);
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = change_with_room(fault, thing->name, &last, err);
    if (rc == SILT_OK && len) {
        if (thing->pending_count == thing->pending_capacity) {
            thing->pending_capacity = thing->pending_capacity ? thing->pending_capacity * 2 : 8;
            thing->pending = silt_realloc(thing->pending, thing->pending_capacity * sizeof(*thing->pending));
        }
        struct pending_write *write = &thing->pending[thing->pending_count++];
        *write = (struct pending_write){.offset = offset, .len = len, .bytes = silt_malloc(len)};
        memcpy(write->bytes, bytes, len);
        memcpy(thing->bytes + offset, bytes, len);
    }
    pthread_mutex_unlock(&fault->lock);
    return rc == SILT_OK && last ? crash(thing->name, err) : rc;
}

/* A write that was not synced when the power went: whole, lost, or some of its 512-byte sectors. */
static void settle_write(struct fault_vfs *fault, struct thing *thing, const struct pending_write *write)
{
    uint64_t fate = next_random(fault) % 3;
    for (size_t at = 0; fate && at < write->len;) {
        size_t sector = 512 - (write->offset + at) % 512;
        size_t len = sector < write->len - at ? sector : write->len - at;
        if (fate == 1 || next_random(fault) & 1)
            memcpy(thing->durable + write->offset + at, write->bytes + at, len);
        at += len;
    }
}

static void settle(struct fault_vfs *fault, struct thing *thing)
{
    for (size_t i = 0; i < thing->pending_count; i++)
        settle_write(fault, thing, &thing->pending[i]);
    forget_pending(thing);
    memcpy(thing->bytes, thing->durable, thing->len);
}

static enum silt_status segment_sync(struct vfs_segment *base, struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(base->vfs);
    struct thing *thing = ((struct fault_segment *)base)->thing;
    bool last;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = change(fault, thing->name, &last, err);
    if (rc == SILT_OK && !last) {
        for (size_t i = 0; i < thing->pending_count; i++)
            memcpy(thing->durable + thing->pending[i].offset, thing->pending[i].bytes, thing->pending[i].len);
        forget_pending(thing);
    }
    pthread_mutex_unlock(&fault->lock);
    return rc == SILT_OK && last ? crash(thing->name, err) : rc;
}

static enum silt_status segment_read(struct vfs_segment *base, uint64_t offset, void *out, size_t len, size_t *got,
                                     struct silt_error *err)
{
    struct thing *thing = ((struct fault_segment *)base)->thing;
    (void)err;
    *got = offset >= thing->len ? 0 : len < thing->len - offset ? len : (size_t)(thing->len - offset);
    if (*got)
        memcpy(out, thing->bytes + offset, *got);
    return SILT_OK;
}

static void segment_close(struct vfs_segment *base)
{
    struct fault_vfs *fault = fault_of(base->vfs);
    pthread_mutex_lock(&fault->lock);
    ((struct fault_segment *)base)->thing->handles--;
    collect_garbage(fault);
    pthread_mutex_unlock(&fault->lock);
    free(base);
}

/* ---------------------------------------------------------------- registers */

static enum silt_status register_read(struct vfs *vfs, const char *name, void **bytes, size_t *len, uint64_t *version,
                                      struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(vfs);
    enum silt_status rc = SILT_OK;
    *version = 0;
    pthread_mutex_lock(&fault->lock);
    struct thing *thing = find(fault, name);
    if (fault->crashed) {
        rc = crash(name, err);
    } else if (!thing || thing->kind != THING_REGISTER) {
        rc = silt_fail(err, SILT_NOT_FOUND, "%s: no such register", name);
    } else {
        *version = thing->version;
        *len = thing->len;
        *bytes = silt_malloc(thing->len ? thing->len : 1);
        memcpy(*bytes, thing->bytes, thing->len);
    }
    pthread_mutex_unlock(&fault->lock);
    return rc;
}

static enum silt_status register_swap(struct vfs *vfs, const char *name, uint64_t expected, const void *bytes, size_t len,
                                      struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(vfs);
    bool last;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = change_with_room(fault, name, &last, err);
    struct thing *thing = find(fault, name);
    if (rc == SILT_OK && (thing ? thing->version : 0) != expected)
        rc = silt_fail(err, SILT_CONFLICT, "%s: another version", name);
    if (rc == SILT_OK && (!last || next_random(fault) & 1)) {
        if (!thing)
            thing = add(fault, name, THING_REGISTER);
        free(thing->bytes);
        thing->bytes = silt_malloc(len ? len : 1);
        if (len)
            memcpy(thing->bytes, bytes, len);
        thing->len = len;
        thing->version = expected + 1;
    }
    pthread_mutex_unlock(&fault->lock);
    return rc == SILT_OK && last ? crash(name, err) : rc;
}

/* ---------------------------------------------------------------- folders */

static enum silt_status list(struct vfs *vfs, const char *folder, void (*each)(void *arg, const char *name), void *arg,
                             struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(vfs);
    size_t len = strlen(folder), found = 0;
    if (fault_vfs_crashed(vfs))
        return crash(folder, err);
    pthread_mutex_lock(&fault->lock);
    for (size_t i = 0; i < fault->count; i++) {
        const struct thing *thing = fault->things[i];
        const char *rest = thing->name + (len ? len + 1 : 0);
        if (thing->removed || (len && (strncmp(thing->name, folder, len) != 0 || thing->name[len] != '/')))
            continue;
        found++;
        if (!strchr(rest, '/'))
            each(arg, rest);
    }
    pthread_mutex_unlock(&fault->lock);
    return found ? SILT_OK : silt_fail(err, SILT_NOT_FOUND, "%s: no such folder", folder);
}

static enum silt_status remove_folder(struct vfs *vfs, const char *folder, struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(vfs);
    size_t len = strlen(folder);
    bool last;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = change(fault, folder, &last, err);
    for (size_t i = 0; rc == SILT_OK && i < fault->count; i++)
        if (strncmp(fault->things[i]->name, folder, len) == 0 && fault->things[i]->name[len] == '/' &&
            (!last || next_random(fault) & 1))
            fault->things[i]->removed = true;
    collect_garbage(fault);
    pthread_mutex_unlock(&fault->lock);
    return rc == SILT_OK && last ? crash(folder, err) : rc;
}

static const char *local_path(struct vfs *vfs, const char *name)
{
    struct fault_vfs *fault = fault_of(vfs);
    if (!fault->folder[0]) {
        /* In memory where there is such a place: its syncs count as done. */
        snprintf(fault->folder, sizeof(fault->folder), "%s/silt-fault-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        silt_assert(mkdtemp(fault->folder) != NULL);
    }
    snprintf(fault->path, sizeof(fault->path), "%s/%s", fault->folder, name);
    return fault->path;
}

static void keep_open(struct vfs *vfs)
{
    (void)vfs;
}

static const struct vfs_ops fault_ops = {
    .blob_create = blob_create,
    .blob_append = blob_append,
    .blob_commit = blob_commit,
    .blob_abort = blob_abort,
    .blob_open = blob_open,
    .blob_bytes = blob_bytes,
    .blob_read = blob_read,
    .blob_map = blob_map,
    .blob_close = blob_close,
    .blob_remove = remove_name,
    .segment_create = segment_create,
    .segment_open = segment_open,
    .segment_bytes = segment_bytes,
    .segment_write = segment_write,
    .segment_sync = segment_sync,
    .segment_read = segment_read,
    .segment_close = segment_close,
    .segment_remove = remove_name,
    .register_read = register_read,
    .register_swap = register_swap,
    .register_remove = remove_name,
    .list = list,
    .remove_folder = remove_folder,
    .local_path = local_path,
    .close = keep_open,
};

/* ---------------------------------------------------------------- control */

struct vfs *fault_vfs_create(uint64_t seed)
{
    struct fault_vfs *fault = silt_calloc(1, sizeof(*fault));
    fault->vfs.ops = &fault_ops;
    fault->random = seed * 2654435761u + 88172645463325252u;
    pthread_mutex_init(&fault->lock, NULL);
    return &fault->vfs;
}

uint64_t fault_vfs_operations(struct vfs *vfs)
{
    struct fault_vfs *fault = fault_of(vfs);
    pthread_mutex_lock(&fault->lock);
    uint64_t operations = fault->operations;
    pthread_mutex_unlock(&fault->lock);
    return operations;
}

void fault_vfs_crash_at(struct vfs *vfs, uint64_t nth)
{
    pthread_mutex_lock(&fault_of(vfs)->lock);
    fault_of(vfs)->crash_at = nth;
    pthread_mutex_unlock(&fault_of(vfs)->lock);
}

void fault_vfs_fail_at(struct vfs *vfs, uint64_t nth, enum silt_status status)
{
    pthread_mutex_lock(&fault_of(vfs)->lock);
    fault_of(vfs)->fail_at = nth;
    fault_of(vfs)->fail_status = status;
    pthread_mutex_unlock(&fault_of(vfs)->lock);
}

void fault_vfs_full(struct vfs *vfs, bool full)
{
    pthread_mutex_lock(&fault_of(vfs)->lock);
    fault_of(vfs)->full = full;
    pthread_mutex_unlock(&fault_of(vfs)->lock);
}

bool fault_vfs_crashed(struct vfs *vfs)
{
    pthread_mutex_lock(&fault_of(vfs)->lock);
    bool crashed = fault_of(vfs)->crashed;
    pthread_mutex_unlock(&fault_of(vfs)->lock);
    return crashed;
}

void fault_vfs_revive(struct vfs *vfs)
{
    struct fault_vfs *fault = fault_of(vfs);
    pthread_mutex_lock(&fault->lock);
    for (size_t i = 0; i < fault->count; i++)
        silt_assert(fault->things[i]->handles == 0);
    fault->crashed = false;
    fault->crash_at = fault->fail_at = 0;
    pthread_mutex_unlock(&fault->lock);
}

void fault_vfs_restart(struct vfs *vfs)
{
    struct fault_vfs *fault = fault_of(vfs);
    pthread_mutex_lock(&fault->lock);
    for (size_t i = 0; i < fault->count; i++) {
        silt_assert(fault->things[i]->handles == 0);
        if (fault->things[i]->kind == THING_SEGMENT)
            settle(fault, fault->things[i]);
    }
    fault->crashed = false;
    fault->crash_at = fault->fail_at = 0;
    pthread_mutex_unlock(&fault->lock);
}

bool fault_vfs_flip(struct vfs *vfs, const char *name, uint64_t offset, unsigned bit)
{
    struct fault_vfs *fault = fault_of(vfs);
    pthread_mutex_lock(&fault->lock);
    struct thing *thing = find(fault, name);
    bool there = thing && offset < thing->len;
    if (there) {
        thing->bytes[offset] ^= (unsigned char)(1u << bit);
        if (thing->durable)
            thing->durable[offset] ^= (unsigned char)(1u << bit);
    }
    pthread_mutex_unlock(&fault->lock);
    return there;
}

static void remove_local(const char *folder, const char *name)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char path[512];
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffixes[i]);
        unlink(path);
    }
}

void fault_vfs_destroy(struct vfs *vfs)
{
    struct fault_vfs *fault = fault_of(vfs);
    for (size_t i = 0; i < fault->count; i++) {
        silt_assert(fault->things[i]->handles == 0);
        fault->things[i]->removed = true;
    }
    collect_garbage(fault);
    if (fault->folder[0]) {
        remove_local(fault->folder, "meta.sqlite");
        rmdir(fault->folder);
    }
    pthread_mutex_destroy(&fault->lock);
    free(fault->things);
    free(fault);
}
