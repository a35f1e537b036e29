/*
 * fuzz_backup.c - a backup's lists, and the archive that it comes in, in pieces. The first byte tells which, and how long the pieces
 * are. No name that is taken may lead out of the folder.
 */
#include "shell/untar.h"
#include "silt/backup_list.h"

static void check_name(struct silt_str name)
{
    silt_assert(name.len > 0 && name.p[0] != '/' && !memchr(name.p, 0, name.len));
    for (size_t i = 0; i + 1 < name.len; i++)
        silt_assert(name.p[i] != '.' || name.p[i + 1] != '.' || (i > 0 && name.p[i - 1] != '/') ||
                    (i + 2 < name.len && name.p[i + 2] != '/'));
}

static void lists(struct silt_str text)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    const char *gap = text.len ? memmem(text.p, text.len, "\n\n", 2) : NULL;
    struct silt_str files = {text.p, gap ? (size_t)(gap + 1 - text.p) : text.len}, sums = {text.p + files.len, text.len - files.len};
    struct silt_backup_list list;
    struct silt_error err;

    if (silt_backup_read_files(files, arena, &list, &err) == SILT_OK) {
        for (size_t i = 0; i < list.count; i++) {
            check_name(list.files[i].name);
            silt_assert(silt_backup_find(&list, list.files[i].name));
        }
        silt_backup_read_sums(sums, &list, &err);
    }
    silt_arena_destroy(arena);
}

struct seen {
    uint64_t left;
    bool in_file;
};

static enum silt_status begin(void *context, struct silt_str name, uint64_t bytes, struct silt_error *err)
{
    struct seen *seen = context;

    silt_assert(!seen->in_file && name.len > 0);
    *seen = (struct seen){bytes, true};
    return SILT_OK;
}

static enum silt_status take(void *context, const char *bytes, size_t len, struct silt_error *err)
{
    struct seen *seen = context;

    silt_assert(seen->in_file && len <= seen->left);
    seen->left -= len;
    return SILT_OK;
}

static enum silt_status end(void *context, struct silt_error *err)
{
    struct seen *seen = context;

    silt_assert(seen->in_file && seen->left == 0);
    seen->in_file = false;
    return SILT_OK;
}

static void archive(struct silt_str text, size_t piece_bytes)
{
    static const struct untar_events events = {begin, take, end};
    struct seen seen = {0};
    struct untar untar = {.events = &events, .context = &seen};
    struct silt_error err;

    for (size_t at = 0; at < text.len; at += piece_bytes)
        if (untar_feed(&untar, text.p + at, text.len - at < piece_bytes ? text.len - at : piece_bytes, &err) != SILT_OK)
            break;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct silt_str text = {(const char *)data + 1, size - 1};
    if (data[0] % 2)
        archive(text, 1u + data[0] * 3u);
    else
        lists(text);
    return 0;
}
