/*
 * catalog_pages.c - a checksum for every page of the catalog, which SQLite itself does not have.
 *
 *     page     | what SQLite keeps there | crc u32 | its complement u32 |        the last 8 bytes are reserved for it
 *     crc      crc32c of the page's number in the file (u64, from 0) and of the page up to it; little-endian
 *
 * It stands between SQLite and its file layer, whichever is the default: pages get their checksum when they are written to the
 * main file, and are looked at when they are read from there. SQLite's log has checksums of its own, and is copied to the main file
 * through here. Pages count as checked once the file says that they all are: 8 bytes reserved, and user_version 4 or more.
 *
 * Threads: as SQLite's connections; nothing is shared between files.
 */
#include "storage/catalog_internal.h"

#include "silt/text.h"

#include <stdlib.h>

#define CHECK_BYTES CATALOG_RESERVED_BYTES
#define HEADER_BYTES 100 /* of the file, in page 0 */
#define REAL_BYTES_MAX 1024
#define CHECKED_NAME "silt-checked"

struct checked_file {
    sqlite3_file base;
    bool main;
    unsigned page_bytes; /* 0: not known yet */
    bool reserved;       /* pages have room for a checksum */
    bool checked;        /* and all have one */
    unsigned char *page; /* room for one */
    _Alignas(8) unsigned char real[REAL_BYTES_MAX]; /* SQLite places files at multiples of 8, no more */
};

static sqlite3_vfs checked_vfs;

static sqlite3_file *real_of(sqlite3_file *base)
{
    return (sqlite3_file *)((struct checked_file *)base)->real;
}

static sqlite3_vfs *real_vfs(void)
{
    return sqlite3_vfs_find(NULL);
}

/* ---------------------------------------------------------------- checksums */

static void note_header(struct checked_file *file, const unsigned char *header)
{
    if (memcmp(header, "SQLite format 3", 16) != 0)
        return;
    unsigned page_bytes = (unsigned)header[16] << 8 | header[17];
    uint32_t version = (uint32_t)header[60] << 24 | (uint32_t)header[61] << 16 | (uint32_t)header[62] << 8 | header[63];
    if (page_bytes < 512 || (page_bytes & (page_bytes - 1)) != 0)
        return; /* 64 KiB stands there as 1, and is never ours */
    if (file->page_bytes != page_bytes) {
        free(file->page);
        file->page = silt_malloc(page_bytes);
        file->page_bytes = page_bytes;
    }
    file->reserved = header[20] == CHECK_BYTES;
    file->checked = file->reserved && version >= CATALOG_CHECKED_VERSION;
}

static bool is_page(const struct checked_file *file, int len, sqlite3_int64 offset)
{
    return file->reserved && (unsigned)len == file->page_bytes && offset % len == 0;
}

static void make_check(const unsigned char *page, unsigned page_bytes, uint64_t number, unsigned char check[CHECK_BYTES])
{
    uint32_t crc = silt_crc32c(silt_crc32c(0, &number, sizeof(number)), page, page_bytes - CHECK_BYTES), complement = ~crc;
    memcpy(check, &crc, sizeof(crc));
    memcpy(check + sizeof(crc), &complement, sizeof(complement));
}

static int checked_read(sqlite3_file *base, void *out, int len, sqlite3_int64 offset)
{
    struct checked_file *file = (struct checked_file *)base;
    unsigned char check[CHECK_BYTES];
    int code = real_of(base)->pMethods->xRead(real_of(base), out, len, offset);
    if (code != SQLITE_OK || !file->main)
        return code;
    if (offset == 0 && len >= HEADER_BYTES)
        note_header(file, out);
    if (!file->checked || !is_page(file, len, offset))
        return SQLITE_OK;
    make_check(out, file->page_bytes, (uint64_t)(offset / len), check);
    if (memcmp((unsigned char *)out + len - CHECK_BYTES, check, CHECK_BYTES) == 0)
        return SQLITE_OK;
    silt_log(SILT_LOG_ERROR, "a page of the catalog is damaged", "page=%lld", (long long)(offset / len));
    return SQLITE_IOERR_DATA;
}

static int checked_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 offset)
{
    struct checked_file *file = (struct checked_file *)base;
    if (file->main && offset == 0 && len >= HEADER_BYTES)
        note_header(file, bytes);
    if (file->main && is_page(file, len, offset)) {
        memcpy(file->page, bytes, (size_t)len);
        make_check(file->page, file->page_bytes, (uint64_t)(offset / len), file->page + len - CHECK_BYTES);
        bytes = file->page;
    }
    return real_of(base)->pMethods->xWrite(real_of(base), bytes, len, offset);
}

/* ---------------------------------------------------------------- the rest goes through */

static int checked_close(sqlite3_file *base)
{
    free(((struct checked_file *)base)->page);
    return real_of(base)->pMethods->xClose(real_of(base));
}

static int checked_truncate(sqlite3_file *base, sqlite3_int64 len)
{
    return real_of(base)->pMethods->xTruncate(real_of(base), len);
}

static int checked_sync(sqlite3_file *base, int flags)
{
    return real_of(base)->pMethods->xSync(real_of(base), flags);
}

static int checked_size(sqlite3_file *base, sqlite3_int64 *len)
{
    return real_of(base)->pMethods->xFileSize(real_of(base), len);
}

static int checked_lock(sqlite3_file *base, int level)
{
    return real_of(base)->pMethods->xLock(real_of(base), level);
}

static int checked_unlock(sqlite3_file *base, int level)
{
    return real_of(base)->pMethods->xUnlock(real_of(base), level);
}

static int checked_is_reserved(sqlite3_file *base, int *out)
{
    return real_of(base)->pMethods->xCheckReservedLock(real_of(base), out);
}

static int checked_control(sqlite3_file *base, int what, void *arg)
{
    return real_of(base)->pMethods->xFileControl(real_of(base), what, arg);
}

static int checked_sector(sqlite3_file *base)
{
    return real_of(base)->pMethods->xSectorSize(real_of(base));
}

static int checked_characteristics(sqlite3_file *base)
{
    return real_of(base)->pMethods->xDeviceCharacteristics(real_of(base));
}

static int checked_memory_map(sqlite3_file *base, int region, int len, int extend, void volatile **out)
{
    return real_of(base)->pMethods->xShmMap(real_of(base), region, len, extend, out);
}

static int checked_memory_lock(sqlite3_file *base, int offset, int count, int flags)
{
    return real_of(base)->pMethods->xShmLock(real_of(base), offset, count, flags);
}

static void checked_memory_barrier(sqlite3_file *base)
{
    real_of(base)->pMethods->xShmBarrier(real_of(base));
}

static int checked_memory_unmap(sqlite3_file *base, int remove)
{
    return real_of(base)->pMethods->xShmUnmap(real_of(base), remove);
}

/* Version 2: no mapping of pages, which would come in unseen. */
static const sqlite3_io_methods checked_methods = {
    .iVersion = 2,
    .xClose = checked_close,
    .xRead = checked_read,
    .xWrite = checked_write,
    .xTruncate = checked_truncate,
    .xSync = checked_sync,
    .xFileSize = checked_size,
    .xLock = checked_lock,
    .xUnlock = checked_unlock,
    .xCheckReservedLock = checked_is_reserved,
    .xFileControl = checked_control,
    .xSectorSize = checked_sector,
    .xDeviceCharacteristics = checked_characteristics,
    .xShmMap = checked_memory_map,
    .xShmLock = checked_memory_lock,
    .xShmBarrier = checked_memory_barrier,
    .xShmUnmap = checked_memory_unmap,
};

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags)
{
    struct checked_file *file = (struct checked_file *)base;
    (void)vfs;
    silt_assert(real_vfs()->szOsFile <= REAL_BYTES_MAX);
    memset(file, 0, sizeof(*file));
    file->main = flags & SQLITE_OPEN_MAIN_DB;
    int code = real_vfs()->xOpen(real_vfs(), path, real_of(base), flags, out_flags);
    if (real_of(base)->pMethods) /* also when it failed: then SQLite closes it */
        base->pMethods = &checked_methods;
    return code;
}

static int delete_file(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    (void)vfs;
    return real_vfs()->xDelete(real_vfs(), path, sync_folder);
}

static int access_file(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    (void)vfs;
    return real_vfs()->xAccess(real_vfs(), path, flags, out);
}

static int full_path(sqlite3_vfs *vfs, const char *path, int room, char *out)
{
    (void)vfs;
    return real_vfs()->xFullPathname(real_vfs(), path, room, out);
}

static void register_once(void)
{
    checked_vfs = *real_vfs(); /* for what does not concern files */
    checked_vfs.zName = CHECKED_NAME;
    checked_vfs.pNext = NULL;
    checked_vfs.szOsFile = (int)sizeof(struct checked_file);
    checked_vfs.xOpen = open_file;
    checked_vfs.xDelete = delete_file;
    checked_vfs.xAccess = access_file;
    checked_vfs.xFullPathname = full_path;
    silt_assert(sqlite3_vfs_register(&checked_vfs, 0) == SQLITE_OK);
}

const char *catalog_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_once);
    return CHECKED_NAME;
}

bool catalog_pages_checked(sqlite3 *db)
{
    sqlite3_file *file = NULL;
    return sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK && ((struct checked_file *)file)->checked;
}
