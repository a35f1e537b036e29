/*
 * fault_vfs.c - implements fault_vfs.h: the file layer's calls on things (fault_thing.h). SQLite's are in fault_sqlite.c.
 */
#include "tests/fault_thing.h"

#include "silt/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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

enum silt_status fault_change(struct fault_vfs *fault, const char *what, bool *last, struct silt_error *err)
{
    *last = false;
    if (fault->crashed)
        return silt_fail(err, SILT_IO, "%s: crashed", what);
    if (fault->before)
        fault->before(fault->before_arg, &fault->vfs);
    fault->operations++;
    if (fault->fail_below && strncmp(what, fault->fail_below, strlen(fault->fail_below)) == 0)
        return silt_fail(err, SILT_IO, "%s: made to fail", what);
    if (fault->fail_at && --fault->fail_at == 0)
        return silt_fail(err, fault->fail_status, "%s: made to fail", what);
    if (fault->crash_at && --fault->crash_at == 0) {
        fault->crashed = true;
        *last = true;
    }
    return SILT_OK;
}

enum silt_status fault_change_with_room(struct fault_vfs *fault, const char *what, bool *last, struct silt_error *err)
{
    *last = false;
    if (fault->full && !fault->crashed)
        return silt_fail(err, SILT_NO_SPACE, "%s: no room", what);
    return fault_change(fault, what, last, err);
}

enum silt_status fault_read(struct fault_vfs *fault, const char *what, struct silt_error *err)
{
    if (fault->crashed)
        return silt_fail(err, SILT_IO, "%s: crashed", what);
    if (fault->read_fail_at && --fault->read_fail_at == 0)
        return silt_fail(err, SILT_IO, "%s: reading made to fail", what);
    return SILT_OK;
}

size_t fault_short(struct fault_vfs *fault, enum silt_status rc, size_t len)
{
    return rc == SILT_OK ? len : rc == SILT_IO && !fault->crashed ? fault_random(fault) % (len + 1) : 0;
}

/* What is done whole or not at all, as far as a name in a folder goes: it may be there although the folder's sync failed. */
static bool is_done(struct fault_vfs *fault, enum silt_status rc, bool last)
{
    if (rc == SILT_OK)
        return !last || fault_random(fault) & 1;
    return rc == SILT_IO && !fault->crashed && fault_random(fault) & 1;
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
    enum silt_status rc = fault_change(fault, name, &last, err);
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
    enum silt_status rc = fault_change_with_room(fault, writer->name, &last, err);
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
    enum silt_status rc = fault_change(fault, writer->name, &last, err);
    /* A crash or an error in a commit: the blob is there or not, never in part. */
    if (is_done(fault, rc, last)) {
        silt_assert(!thing_find(fault, writer->name));
        struct thing *thing = thing_add(fault, writer->name, THING_BLOB);
        thing_set(thing, writer->bytes.p, writer->bytes.len);
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
    struct thing *thing = thing_find(fault, name);
    if ((rc = fault_read(fault, name, err)) != SILT_OK) {
        /* not even found */
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
    return thing_bytes(((struct fault_blob *)base)->thing);
}

static enum silt_status blob_read(struct vfs_blob *base, uint64_t offset, void *out, size_t len, struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(base->vfs);
    struct thing *thing = ((struct fault_blob *)base)->thing;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = fault->crashed ? SILT_OK : fault_read(fault, thing->name, err); /* readers go on: it is all cached */
    size_t bytes = thing_bytes(thing);
    if (rc == SILT_OK && (offset > bytes || len > bytes - offset))
        rc = silt_fail(err, SILT_CORRUPT, "%s: ends at %zu", thing->name, bytes);
    if (rc == SILT_OK && len)
        memcpy(out, thing->now->bytes + offset, len);
    pthread_mutex_unlock(&fault->lock);
    return rc;
}

/* This backend says no, so that reading by range is what the tests use. */
static const void *blob_map(struct vfs_blob *base, const _Atomic uint32_t **faults)
{
    (void)base;
    (void)faults;
    return NULL;
}

static void blob_close(struct vfs_blob *base)
{
    struct fault_vfs *fault = fault_of(base->vfs);
    pthread_mutex_lock(&fault->lock);
    ((struct fault_blob *)base)->thing->handles--;
    things_collect_garbage(fault);
    pthread_mutex_unlock(&fault->lock);
    free(base);
}

static enum silt_status remove_name(struct vfs *vfs, const char *name, struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(vfs);
    bool last;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = fault_change(fault, name, &last, err);
    struct thing *thing = thing_find(fault, name);
    if (rc == SILT_OK && thing && (!last || fault_random(fault) & 1))
        thing->removed = true;
    things_collect_garbage(fault);
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
    enum silt_status rc = fault_change_with_room(fault, name, &last, err);
    if (rc == SILT_OK && thing_find(fault, name))
        rc = silt_fail(err, SILT_CONFLICT, "%s: exists", name);
    if (rc == SILT_OK && (!last || fault_random(fault) & 1)) {
        struct thing *old = recycle ? thing_find(fault, recycle) : NULL;
        struct thing *thing = thing_add(fault, name, THING_SEGMENT);
        void *zeros = old ? NULL : silt_calloc(1, bytes);
        silt_assert(!old || thing_bytes(old) == bytes);
        thing_set(thing, old ? old->now->bytes : zeros, bytes); /* an old one's bytes shine through, as on a disk */
        free(zeros);
        if (old)
            old->removed = true;
        if (!last) {
            segment = silt_calloc(1, sizeof(*segment));
            segment->base.vfs = vfs;
            segment->thing = thing;
            thing->handles++;
        }
    }
    things_collect_garbage(fault);
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
    struct thing *thing = thing_find(fault, name);
    if ((rc = fault_read(fault, name, err)) != SILT_OK) {
        /* not even found */
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
    return thing_bytes(((struct fault_segment *)base)->thing);
}

static enum silt_status segment_write(struct vfs_segment *base, uint64_t offset, const void *bytes, size_t len,
                                      struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(base->vfs);
    struct thing *thing = ((struct fault_segment *)base)->thing;
    bool last;
    pthread_mutex_lock(&fault->lock);
    silt_assert(offset <= thing_bytes(thing) && len <= thing_bytes(thing) - offset);
    enum silt_status rc = fault_change_with_room(fault, thing->name, &last, err);
    thing_write(thing, offset, bytes, fault_short(fault, rc, len));
    pthread_mutex_unlock(&fault->lock);
    return rc == SILT_OK && last ? crash(thing->name, err) : rc;
}

static enum silt_status segment_sync(struct vfs_segment *base, struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(base->vfs);
    struct thing *thing = ((struct fault_segment *)base)->thing;
    bool last;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = fault_change(fault, thing->name, &last, err);
    if (rc == SILT_OK && !last)
        thing_sync(thing);
    pthread_mutex_unlock(&fault->lock);
    return rc == SILT_OK && last ? crash(thing->name, err) : rc;
}

static enum silt_status segment_read(struct vfs_segment *base, uint64_t offset, void *out, size_t len, size_t *got,
                                     struct silt_error *err)
{
    struct fault_vfs *fault = fault_of(base->vfs);
    struct thing *thing = ((struct fault_segment *)base)->thing;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = fault_read(fault, thing->name, err);
    size_t bytes = thing_bytes(thing);
    *got = rc != SILT_OK || offset >= bytes ? 0 : len < bytes - offset ? len : (size_t)(bytes - offset);
    if (*got)
        memcpy(out, thing->now->bytes + offset, *got);
    pthread_mutex_unlock(&fault->lock);
    return rc;
}

static void segment_close(struct vfs_segment *base)
{
    struct fault_vfs *fault = fault_of(base->vfs);
    pthread_mutex_lock(&fault->lock);
    ((struct fault_segment *)base)->thing->handles--;
    things_collect_garbage(fault);
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
    struct thing *thing = thing_find(fault, name);
    if ((rc = fault_read(fault, name, err)) != SILT_OK) {
        /* not even found */
    } else if (!thing || thing->kind != THING_REGISTER) {
        rc = silt_fail(err, SILT_NOT_FOUND, "%s: no such register", name);
    } else {
        *version = thing->version;
        *len = thing_bytes(thing);
        *bytes = silt_malloc(*len ? *len : 1);
        memcpy(*bytes, thing->now->bytes, *len);
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
    enum silt_status rc = fault_change_with_room(fault, name, &last, err);
    struct thing *thing = thing_find(fault, name);
    if (rc == SILT_OK && (thing ? thing->version : 0) != expected)
        rc = silt_fail(err, SILT_CONFLICT, "%s: another version", name);
    if ((thing ? thing->version : 0) == expected && is_done(fault, rc, last)) {
        if (!thing)
            thing = thing_add(fault, name, THING_REGISTER);
        thing_set(thing, bytes, len);
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
    enum silt_status rc = fault_change(fault, folder, &last, err);
    for (size_t i = 0; rc == SILT_OK && i < fault->count; i++)
        if (strncmp(fault->things[i]->name, folder, len) == 0 && fault->things[i]->name[len] == '/' &&
            (!last || fault_random(fault) & 1))
            fault->things[i]->removed = true;
    things_collect_garbage(fault);
    pthread_mutex_unlock(&fault->lock);
    return rc == SILT_OK && last ? crash(folder, err) : rc;
}

static uint64_t room(struct vfs *vfs)
{
    struct fault_vfs *fault = fault_of(vfs);
    pthread_mutex_lock(&fault->lock);
    bool full = fault->full;
    pthread_mutex_unlock(&fault->lock);
    return full ? 0 : UINT64_MAX;
}

/* fault_sqlite.c knows it by this name. */
static const char *local_path(struct vfs *vfs, const char *name)
{
    struct fault_vfs *fault = fault_of(vfs);
    snprintf(fault->path, sizeof(fault->path), FAULT_SQLITE_PREFIX "%" PRIu64 "/%s", fault->number, name);
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
    .room = room,
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
    fault_sqlite_know(fault);
    return &fault->vfs;
}

void fault_vfs_watch(struct vfs *vfs, void (*before)(void *arg, struct vfs *vfs), void *arg)
{
    struct fault_vfs *fault = fault_of(vfs);
    pthread_mutex_lock(&fault->lock);
    fault->before = before;
    fault->before_arg = arg;
    pthread_mutex_unlock(&fault->lock);
}

struct vfs *fault_vfs_snapshot(struct vfs *vfs, uint64_t seed, bool power)
{
    struct vfs *copy = fault_vfs_create(seed);
    struct fault_vfs *fault = fault_of(copy);
    things_copy(fault, fault_of(vfs));
    for (size_t i = 0; power && i < fault->count; i++)
        thing_settle(fault, fault->things[i]);
    return copy;
}

uint64_t fault_vfs_operations(struct vfs *vfs)
{
    struct fault_vfs *fault = fault_of(vfs);
    pthread_mutex_lock(&fault->lock);
    uint64_t operations = fault->operations;
    pthread_mutex_unlock(&fault->lock);
    return operations;
}

uint64_t fault_vfs_operations_locked(struct vfs *vfs)
{
    return fault_of(vfs)->operations;
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

void fault_vfs_fail_below(struct vfs *vfs, const char *prefix)
{
    pthread_mutex_lock(&fault_of(vfs)->lock);
    fault_of(vfs)->fail_below = prefix;
    pthread_mutex_unlock(&fault_of(vfs)->lock);
}

void fault_vfs_fail_read_at(struct vfs *vfs, uint64_t nth)
{
    pthread_mutex_lock(&fault_of(vfs)->lock);
    fault_of(vfs)->read_fail_at = nth;
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
    fault->crash_at = fault->fail_at = fault->read_fail_at = 0;
    fault->fail_below = NULL;
    pthread_mutex_unlock(&fault->lock);
}

void fault_vfs_restart(struct vfs *vfs)
{
    struct fault_vfs *fault = fault_of(vfs);
    pthread_mutex_lock(&fault->lock);
    for (size_t i = 0; i < fault->count; i++) {
        silt_assert(fault->things[i]->handles == 0);
        thing_settle(fault, fault->things[i]);
    }
    fault->crashed = false;
    fault->crash_at = fault->fail_at = fault->read_fail_at = 0;
    fault->fail_below = NULL;
    pthread_mutex_unlock(&fault->lock);
}

void fault_vfs_each(struct vfs *vfs, void (*each)(void *arg, const char *name, uint64_t bytes), void *arg)
{
    struct fault_vfs *fault = fault_of(vfs);
    pthread_mutex_lock(&fault->lock);
    for (size_t i = 0; i < fault->count; i++)
        if (!fault->things[i]->removed)
            each(arg, fault->things[i]->name, thing_bytes(fault->things[i]));
    pthread_mutex_unlock(&fault->lock);
}

bool fault_vfs_flip(struct vfs *vfs, const char *name, uint64_t offset, unsigned bit)
{
    struct fault_vfs *fault = fault_of(vfs);
    pthread_mutex_lock(&fault->lock);
    struct thing *thing = thing_find(fault, name);
    bool there = thing && offset < thing_bytes(thing);
    if (there)
        thing_flip(thing, offset, bit);
    pthread_mutex_unlock(&fault->lock);
    return there;
}

void fault_vfs_destroy(struct vfs *vfs)
{
    struct fault_vfs *fault = fault_of(vfs);
    for (size_t i = 0; i < fault->count; i++) {
        silt_assert(fault->things[i]->handles == 0);
        fault->things[i]->removed = true;
    }
    things_collect_garbage(fault);
    fault_sqlite_forget(fault);
    pthread_mutex_destroy(&fault->lock);
    free(fault->things);
    free(fault);
}
