/*
 * fault_sqlite.c - SQLite's own file layer, on the fault backend's things.
 *
 * It becomes SQLite's default. Names that local_path gave ("/silt-fault/7/meta.sqlite": of the seventh backend) are files
 * here, with the faults of all others; every other name goes on to the operating system. SQLite's locks are counted, for several
 * connections of this process; the memory that they share for their log lives as long as one of them has the file open.
 *
 * Threads: any (each backend's mutex, and one for the list of backends). No other lock is taken under them.
 */
#include "tests/fault_thing.h"

#include "silt/text.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct fault_file {
    sqlite3_file base;
    struct fault_vfs *fault;
    struct thing *thing;
    int lock; /* SQLITE_LOCK_ */
    uint16_t memory_shared, memory_exclusive; /* slots of the shared memory */
};

static pthread_mutex_t known_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fault_vfs *known; /* under known_lock */
static uint64_t last_number;
static uint64_t randomness;
static sqlite3_vfs *system_vfs;
static sqlite3_vfs fault_sqlite_vfs;

/* NULL: not ours. *name: in its backend. */
static struct fault_vfs *backend_of(const char *path, const char **name)
{
    const size_t prefix = sizeof(FAULT_SQLITE_PREFIX) - 1;
    if (!path || strncmp(path, FAULT_SQLITE_PREFIX, prefix) != 0)
        return NULL;
    char *end;
    uint64_t number = strtoull(path + prefix, &end, 10);
    pthread_mutex_lock(&known_lock);
    struct fault_vfs *fault = known;
    while (fault && fault->number != number)
        fault = fault->next_known;
    pthread_mutex_unlock(&known_lock);
    silt_assert(fault && *end == '/');
    *name = end + 1;
    return fault;
}

static int code_of(enum silt_status rc, int code)
{
    return rc == SILT_OK ? SQLITE_OK : rc == SILT_NO_SPACE ? SQLITE_FULL : code;
}

/* ---------------------------------------------------------------- a file */

static int file_read(sqlite3_file *base, void *out, int len, sqlite3_int64 offset)
{
    struct fault_file *file = (struct fault_file *)base;
    struct silt_error err;
    pthread_mutex_lock(&file->fault->lock);
    enum silt_status rc = fault_read(file->fault, file->thing->name, &err);
    int64_t bytes = (int64_t)thing_bytes(file->thing);
    int got = offset >= bytes ? 0 : bytes - offset < len ? (int)(bytes - offset) : len;
    if (rc == SILT_OK && got > 0)
        memcpy(out, file->thing->now->bytes + offset, (size_t)got);
    pthread_mutex_unlock(&file->fault->lock);
    if (rc != SILT_OK)
        return SQLITE_IOERR_READ;
    memset((char *)out + got, 0, (size_t)(len - got));
    return got == len ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 offset)
{
    struct fault_file *file = (struct fault_file *)base;
    struct silt_error err;
    bool last;
    pthread_mutex_lock(&file->fault->lock);
    enum silt_status rc = (size_t)(offset + len) > thing_bytes(file->thing)
                              ? fault_change_with_room(file->fault, file->thing->name, &last, &err)
                              : fault_change(file->fault, file->thing->name, &last, &err);
    thing_write(file->thing, (uint64_t)offset, bytes, fault_short(file->fault, rc, (size_t)len));
    pthread_mutex_unlock(&file->fault->lock);
    return rc == SILT_OK && last ? SQLITE_IOERR_WRITE : code_of(rc, SQLITE_IOERR_WRITE);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 len)
{
    struct fault_file *file = (struct fault_file *)base;
    struct silt_error err;
    bool last;
    pthread_mutex_lock(&file->fault->lock);
    enum silt_status rc = fault_change(file->fault, file->thing->name, &last, &err);
    if (rc == SILT_OK)
        thing_cut(file->thing, (uint64_t)len);
    pthread_mutex_unlock(&file->fault->lock);
    return rc == SILT_OK && last ? SQLITE_IOERR_TRUNCATE : code_of(rc, SQLITE_IOERR_TRUNCATE);
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct fault_file *file = (struct fault_file *)base;
    struct silt_error err;
    bool last;
    (void)flags;
    pthread_mutex_lock(&file->fault->lock);
    enum silt_status rc = fault_change(file->fault, file->thing->name, &last, &err);
    if (rc == SILT_OK && !last)
        thing_sync(file->thing);
    pthread_mutex_unlock(&file->fault->lock);
    return rc == SILT_OK && last ? SQLITE_IOERR_FSYNC : code_of(rc, SQLITE_IOERR_FSYNC);
}

static int file_size(sqlite3_file *base, sqlite3_int64 *len)
{
    struct fault_file *file = (struct fault_file *)base;
    pthread_mutex_lock(&file->fault->lock);
    bool crashed = file->fault->crashed;
    *len = (sqlite3_int64)thing_bytes(file->thing);
    pthread_mutex_unlock(&file->fault->lock);
    return crashed ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int level)
{
    struct fault_file *file = (struct fault_file *)base;
    struct thing *thing = file->thing;
    pthread_mutex_lock(&file->fault->lock);
    if (file->lock == SQLITE_LOCK_EXCLUSIVE)
        thing->lock_exclusive = false;
    if (file->lock >= SQLITE_LOCK_RESERVED)
        thing->lock_reserved = false;
    if (file->lock >= SQLITE_LOCK_SHARED && level < SQLITE_LOCK_SHARED)
        thing->lock_shared--;
    if (file->lock > level)
        file->lock = level;
    pthread_mutex_unlock(&file->fault->lock);
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
    struct fault_file *file = (struct fault_file *)base;
    struct thing *thing = file->thing;
    pthread_mutex_lock(&file->fault->lock);
    bool can = true;
    if (file->lock < SQLITE_LOCK_SHARED && level >= SQLITE_LOCK_SHARED && (can = !thing->lock_exclusive)) {
        thing->lock_shared++;
        file->lock = SQLITE_LOCK_SHARED;
    }
    if (can && file->lock < SQLITE_LOCK_RESERVED && level >= SQLITE_LOCK_RESERVED && (can = !thing->lock_reserved)) {
        thing->lock_reserved = true;
        file->lock = SQLITE_LOCK_RESERVED;
    }
    if (can && file->lock < SQLITE_LOCK_EXCLUSIVE && level == SQLITE_LOCK_EXCLUSIVE && (can = thing->lock_shared == 1)) {
        thing->lock_exclusive = true;
        file->lock = SQLITE_LOCK_EXCLUSIVE;
    }
    pthread_mutex_unlock(&file->fault->lock);
    return can ? SQLITE_OK : SQLITE_BUSY;
}

static int file_check_reserved(sqlite3_file *base, int *reserved)
{
    *reserved = ((struct fault_file *)base)->thing->lock_reserved;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int what, void *arg)
{
    (void)base, (void)what, (void)arg;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *base)
{
    (void)base;
    return 4096; /* as the operating system's */
}

static int file_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---------------------------------------------------------------- what connections share in memory */

static int memory_map(sqlite3_file *base, int region, int len, int extend, void volatile **out)
{
    struct fault_file *file = (struct fault_file *)base;
    struct shared_memory *memory = &file->thing->memory;
    *out = NULL;
    pthread_mutex_lock(&file->fault->lock);
    if (region >= memory->region_count && extend) {
        memory->regions = silt_realloc(memory->regions, (size_t)(region + 1) * sizeof(*memory->regions));
        while (memory->region_count <= region)
            memory->regions[memory->region_count++] = silt_calloc(1, (size_t)len);
    }
    if (region < memory->region_count)
        *out = memory->regions[region];
    pthread_mutex_unlock(&file->fault->lock);
    return SQLITE_OK;
}

static int memory_lock(sqlite3_file *base, int offset, int count, int flags)
{
    struct fault_file *file = (struct fault_file *)base;
    struct shared_memory *memory = &file->thing->memory;
    bool can = true;
    pthread_mutex_lock(&file->fault->lock);
    for (int i = offset; i < offset + count; i++) {
        uint16_t bit = (uint16_t)(1 << i);
        int shared_by_others = memory->shared[i] - (file->memory_shared & bit ? 1 : 0);
        int exclusive_by_others = memory->exclusive[i] - (file->memory_exclusive & bit ? 1 : 0);
        if (flags & SQLITE_SHM_LOCK && (exclusive_by_others || (flags & SQLITE_SHM_EXCLUSIVE && shared_by_others)))
            can = false;
    }
    for (int i = offset; can && i < offset + count; i++) {
        uint16_t bit = (uint16_t)(1 << i);
        uint16_t *mine = flags & SQLITE_SHM_EXCLUSIVE ? &file->memory_exclusive : &file->memory_shared;
        int *all = flags & SQLITE_SHM_EXCLUSIVE ? &memory->exclusive[i] : &memory->shared[i];
        bool had = *mine & bit, have = flags & SQLITE_SHM_LOCK;
        *all += have - had;
        *mine = (uint16_t)(have ? *mine | bit : *mine & ~bit);
    }
    pthread_mutex_unlock(&file->fault->lock);
    return can ? SQLITE_OK : SQLITE_BUSY;
}

static void memory_barrier(sqlite3_file *base)
{
    (void)base;
    __sync_synchronize();
}

static int memory_unmap(sqlite3_file *base, int remove)
{
    (void)base, (void)remove; /* the last close frees it */
    return SQLITE_OK;
}

static int file_close(sqlite3_file *base)
{
    struct fault_file *file = (struct fault_file *)base;
    struct shared_memory *memory = &file->thing->memory;
    file_unlock(base, SQLITE_LOCK_NONE);
    memory_lock(base, 0, 8, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED);
    memory_lock(base, 0, 8, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
    pthread_mutex_lock(&file->fault->lock);
    if (--file->thing->handles == 0) {
        for (int i = 0; i < memory->region_count; i++)
            free(memory->regions[i]);
        free(memory->regions);
        *memory = (struct shared_memory){0};
    }
    things_collect_garbage(file->fault);
    pthread_mutex_unlock(&file->fault->lock);
    return SQLITE_OK;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = memory_map,
    .xShmLock = memory_lock,
    .xShmBarrier = memory_barrier,
    .xShmUnmap = memory_unmap,
};

/* ---------------------------------------------------------------- names */

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags)
{
    const char *name;
    struct fault_vfs *fault = backend_of(path, &name);
    (void)vfs;
    if (!fault)
        return system_vfs->xOpen(system_vfs, path, base, flags, out_flags);
    struct fault_file *file = (struct fault_file *)base;
    struct silt_error err;
    bool last = false;
    *file = (struct fault_file){.fault = fault};
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = fault_read(fault, name, &err);
    struct thing *thing = thing_find(fault, name);
    if (rc == SILT_OK && !thing) {
        if (!(flags & SQLITE_OPEN_CREATE))
            rc = SILT_NOT_FOUND;
        else if ((rc = fault_change_with_room(fault, name, &last, &err)) == SILT_OK && (!last || fault_random(fault) & 1))
            thing = thing_add(fault, name, THING_FILE);
    }
    if (rc == SILT_OK && !last) {
        file->base.pMethods = &file_methods;
        file->thing = thing;
        thing->handles++;
    }
    pthread_mutex_unlock(&fault->lock);
    if (out_flags)
        *out_flags = flags;
    return rc == SILT_OK && !last ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    const char *name;
    struct fault_vfs *fault = backend_of(path, &name);
    (void)vfs;
    if (!fault)
        return system_vfs->xDelete(system_vfs, path, sync_folder);
    struct silt_error err;
    bool last;
    pthread_mutex_lock(&fault->lock);
    enum silt_status rc = fault_change(fault, name, &last, &err);
    struct thing *thing = thing_find(fault, name);
    if (rc == SILT_OK && thing && (!last || fault_random(fault) & 1))
        thing->removed = true;
    things_collect_garbage(fault);
    pthread_mutex_unlock(&fault->lock);
    return rc != SILT_OK || last ? SQLITE_IOERR_DELETE : thing ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    const char *name;
    struct fault_vfs *fault = backend_of(path, &name);
    (void)vfs;
    if (!fault)
        return system_vfs->xAccess(system_vfs, path, flags, out);
    pthread_mutex_lock(&fault->lock);
    const struct thing *thing = thing_find(fault, name);
    *out = thing && (flags != SQLITE_ACCESS_EXISTS || thing_bytes(thing) > 0); /* as the operating system's */
    pthread_mutex_unlock(&fault->lock);
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int room, char *out)
{
    const char *name;
    (void)vfs;
    if (!backend_of(path, &name))
        return system_vfs->xFullPathname(system_vfs, path, room, out);
    snprintf(out, (size_t)room, "%s", path);
    return SQLITE_OK;
}

/* The same for the same seed of the backend that was made last: numbers in SQLite's log come from here. */
static int vfs_randomness(sqlite3_vfs *vfs, int len, char *out)
{
    (void)vfs;
    pthread_mutex_lock(&known_lock);
    for (int i = 0; i < len; i++) {
        randomness = randomness * 6364136223846793005u + 1442695040888963407u;
        out[i] = (char)(randomness >> 56);
    }
    pthread_mutex_unlock(&known_lock);
    return len;
}

static void start(void)
{
    system_vfs = sqlite3_vfs_find(NULL);
    silt_assert(system_vfs);
    fault_sqlite_vfs = *system_vfs;
    fault_sqlite_vfs.zName = "silt-fault";
    fault_sqlite_vfs.pNext = NULL;
    if (fault_sqlite_vfs.szOsFile < (int)sizeof(struct fault_file))
        fault_sqlite_vfs.szOsFile = (int)sizeof(struct fault_file);
    fault_sqlite_vfs.xOpen = vfs_open;
    fault_sqlite_vfs.xDelete = vfs_delete;
    fault_sqlite_vfs.xAccess = vfs_access;
    fault_sqlite_vfs.xFullPathname = vfs_full_path;
    fault_sqlite_vfs.xRandomness = vfs_randomness;
    silt_assert(sqlite3_vfs_register(&fault_sqlite_vfs, 1) == SQLITE_OK);
}

void fault_sqlite_know(struct fault_vfs *fault)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
    pthread_mutex_lock(&known_lock);
    fault->number = ++last_number;
    fault->next_known = known;
    known = fault;
    randomness = fault->random;
    pthread_mutex_unlock(&known_lock);
}

void fault_sqlite_forget(struct fault_vfs *fault)
{
    pthread_mutex_lock(&known_lock);
    struct fault_vfs **place = &known;
    while (*place != fault)
        place = &(*place)->next_known;
    *place = fault->next_known;
    pthread_mutex_unlock(&known_lock);
}
