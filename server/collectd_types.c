/*
 * collectd_types.c - see collectd_types.h. Lines are gathered in the order they are read, then sorted by name for
 * looking up.
 */
#include "server/collectd_types.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define TYPES_BYTES_MAX ((size_t)16 << 20) /* of all files */
#define FOLDERS_DEEP_MAX 16
#define SOURCES_MAX 1024 /* of a type */

struct collectd_types {
    struct silt_arena *arena;
    struct collectd_type *items;
    size_t count, capacity, skipped, bytes;
};

/* ---------------------------------------------------------------- lines */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static struct silt_str take_word(struct silt_str *rest)
{
    size_t i = 0;

    while (i < rest->len && is_blank(rest->p[i]))
        i++;
    struct silt_str word = {rest->p + i, 0};
    for (; i < rest->len && !is_blank(rest->p[i]); i++)
        word.len++;
    *rest = (struct silt_str){rest->p + i, rest->len - i};
    return word;
}

static bool take_bound(struct silt_str text)
{
    double number;

    return silt_str_equal(text, SILT_STR("U")) || silt_parse_double(text.p, text.len, &number);
}

/* name:KIND:minimum:maximum */
static bool parse_source(struct silt_str text, struct silt_arena *arena, struct collectd_source *source)
{
    static const struct {
        struct silt_str name;
        enum collectd_kind kind;
    } kinds[] = {{{"COUNTER", 7}, COLLECTD_COUNTER},
                 {{"GAUGE", 5}, COLLECTD_GAUGE},
                 {{"DERIVE", 6}, COLLECTD_DERIVE},
                 {{"ABSOLUTE", 8}, COLLECTD_ABSOLUTE}};
    struct silt_str parts[4];
    size_t count = 0, start = 0;

    if (text.len && text.p[text.len - 1] == ',')
        text.len--;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.p[i] != ':')
            continue;
        if (count == 4)
            return false;
        parts[count++] = (struct silt_str){text.p + start, i - start};
        start = i + 1;
    }
    if (count != 4 || parts[0].len == 0 || !take_bound(parts[2]) || !take_bound(parts[3]))
        return false;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (silt_str_equal(parts[1], kinds[i].name)) {
            *source = (struct collectd_source){.name = silt_arena_str(arena, parts[0]), .kind = kinds[i].kind};
            return true;
        }
    return false;
}

static void hide_repeated(struct collectd_type *type)
{
    for (uint32_t i = 0; i < type->source_count; i++)
        for (uint32_t k = i + 1; k < type->source_count && !type->sources[i].hidden; k++)
            type->sources[i].hidden = silt_str_equal(type->sources[i].name, type->sources[k].name);
}

static bool parse_line(struct collectd_types *types, struct silt_str line)
{
    struct silt_str name = take_word(&line), word;
    struct collectd_type type = {.name = name};
    size_t capacity = 0;

    while ((word = take_word(&line)).len) {
        if (type.source_count == SOURCES_MAX)
            return false;
        type.sources = silt_arena_grow(types->arena, type.sources, &capacity, type.source_count + 1,
                                       sizeof(*type.sources));
        if (!parse_source(word, types->arena, &type.sources[type.source_count++]))
            return false;
    }
    hide_repeated(&type);
    type.name = silt_arena_str(types->arena, name);
    types->items = silt_arena_grow(types->arena, types->items, &types->capacity, types->count + 1,
                                   sizeof(*types->items));
    type.line = types->count;
    types->items[types->count++] = type;
    return true;
}

static void parse_text(struct collectd_types *types, struct silt_str text)
{
    while (text.len) {
        const char *newline = memchr(text.p, '\n', text.len);
        struct silt_str line = {text.p, newline ? (size_t)(newline - text.p) : text.len}, rest = line;
        size_t used = line.len + (newline != NULL);
        if (line.len && line.p[0] != '#' && take_word(&rest).len && !parse_line(types, line))
            types->skipped++;
        text = (struct silt_str){text.p + used, text.len - used};
    }
}

/* ---------------------------------------------------------------- files */

static enum silt_status read_file(struct collectd_types *types, const char *path, struct silt_error *err)
{
    struct silt_buffer text = {0};
    enum silt_status rc = silt_buffer_read_file(&text, path, TYPES_BYTES_MAX - types->bytes, err);

    if (rc == SILT_OK) {
        types->bytes += text.len;
        parse_text(types, (struct silt_str){text.p, text.len});
    }
    silt_buffer_free(&text);
    return rc;
}

static int is_name(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* In the order of names, so that it is no matter of chance which line counts. */
static enum silt_status read_folder(struct collectd_types *types, const char *path, int deep, struct silt_error *err)
{
    struct dirent **entries;
    enum silt_status rc = SILT_OK;
    int count = scandir(path, &entries, is_name, alphasort);

    if (count < 0)
        return silt_fail_errno(err, errno, "%s", path);
    for (int i = 0; i < count; i++) {
        struct silt_buffer name = {0};
        struct stat found;
        silt_buffer_printf(&name, "%s/%s%c", path, entries[i]->d_name, 0);
        bool known = rc == SILT_OK && lstat(name.p, &found) == 0;
        if (known && S_ISDIR(found.st_mode))
            rc = deep < FOLDERS_DEEP_MAX ? read_folder(types, name.p, deep + 1, err)
                                         : silt_fail(err, SILT_LIMIT, "%s: too deep", name.p);
        else if (known && (S_ISREG(found.st_mode) || (stat(name.p, &found) == 0 && S_ISREG(found.st_mode))))
            rc = read_file(types, name.p, err);
        silt_buffer_free(&name);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

/* ---------------------------------------------------------------- the whole */

static int by_name(const void *a, const void *b)
{
    return silt_str_compare(((const struct collectd_type *)a)->name, ((const struct collectd_type *)b)->name);
}

static int by_name_and_line(const void *a, const void *b)
{
    const struct collectd_type *x = a, *y = b;
    int order = by_name(a, b);

    return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* The last line for each name. */
static void sort(struct collectd_types *types)
{
    size_t kept = 0;

    if (types->count)
        qsort(types->items, types->count, sizeof(types->items[0]), by_name_and_line);
    for (size_t i = 0; i < types->count; i++)
        if (i + 1 == types->count || by_name(&types->items[i], &types->items[i + 1]) != 0)
            types->items[kept++] = types->items[i];
    types->count = kept;
}

static struct collectd_types *create(void)
{
    struct collectd_types *types = silt_calloc(1, sizeof(*types));

    types->arena = silt_arena_create(NULL);
    return types;
}

enum silt_status collectd_types_load(const char *path, struct collectd_types **out, struct silt_error *err)
{
    struct collectd_types *types = create();
    struct stat found;
    enum silt_status rc;

    if (stat(path, &found) != 0)
        rc = silt_fail_errno(err, errno, "%s", path);
    else
        rc = S_ISDIR(found.st_mode) ? read_folder(types, path, 1, err) : read_file(types, path, err);
    if (rc != SILT_OK) {
        collectd_types_free(types);
        return rc;
    }
    sort(types);
    silt_log(types->skipped ? SILT_LOG_WARN : SILT_LOG_INFO, "types of collectd's values were read",
             "path=\"%s\" types=%zu lines_at_fault=%zu", path, types->count, types->skipped);
    *out = types;
    return SILT_OK;
}

struct collectd_types *collectd_types_parse(struct silt_str text)
{
    struct collectd_types *types = create();

    parse_text(types, text);
    sort(types);
    return types;
}

void collectd_types_free(struct collectd_types *types)
{
    if (!types)
        return;
    silt_arena_destroy(types->arena);
    free(types);
}

const struct collectd_type *collectd_types_find(const struct collectd_types *types, struct silt_str name)
{
    const struct collectd_type wanted = {.name = name};

    return types->count ? bsearch(&wanted, types->items, types->count, sizeof(wanted), by_name) : NULL;
}
