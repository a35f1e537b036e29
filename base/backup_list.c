/*
 * backup_list.c - implements backup_list.h.
 */
#include "silt/backup_list.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD "silt backup 1 "

static const char *const kinds[SILT_BACKUP_KINDS] = {"blob", "register", "catalog"};

void silt_backup_store_text(uint64_t store_id, char *out)
{
    snprintf(out, SILT_BACKUP_STORE_BYTES, "%016" PRIx64, store_id);
}

void silt_backup_put_head(struct silt_buffer *out, uint64_t store_id)
{
    silt_buffer_printf(out, HEAD "%016" PRIx64 "\n", store_id);
}

void silt_backup_put_file(struct silt_buffer *out, enum silt_backup_kind kind, uint64_t bytes, const char *name, bool had)
{
    silt_buffer_printf(out, "%s %" PRIu64 " %s%s\n", kinds[kind], bytes, name, had ? " had" : "");
}

/* The next line, without its end; false: there is none. */
static bool next_line(struct silt_str *text, struct silt_str *line)
{
    if (text->len == 0)
        return false;
    const char *end = memchr(text->p, '\n', text->len);
    line->p = text->p;
    line->len = end ? (size_t)(end - text->p) : text->len;
    text->p += line->len + (end != NULL);
    text->len -= line->len + (end != NULL);
    return true;
}

/* Up to the next blank; the rest stays. */
static struct silt_str next_word(struct silt_str *line)
{
    const char *blank = line->len ? memchr(line->p, ' ', line->len) : NULL;
    struct silt_str word = {line->p, blank ? (size_t)(blank - line->p) : line->len};
    size_t taken = word.len + (blank != NULL);

    line->p += taken;
    line->len -= taken;
    return word;
}

/* A path below the folder it is put in: words of plain characters, none of them "." or "..". */
static bool is_safe(struct silt_str name)
{
    size_t word = 0, dots = 0;

    for (size_t i = 0; i <= name.len; i++) {
        char c = i < name.len ? name.p[i] : '/';
        if (c == '/') {
            if (word == 0 || word == dots)
                return false;
            word = dots = 0;
            continue;
        }
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'))
            return false;
        word++;
        dots += c == '.';
    }
    return true;
}

static bool parse_number(struct silt_str text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || *out > UINT64_MAX / 10 - 1)
            return false;
        *out = *out * 10 + (uint64_t)(text.p[i] - '0');
    }
    return text.len > 0;
}

/* 16 hexadecimal digits. */
static bool parse_store(struct silt_str text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *out = *out << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return text.len == SILT_BACKUP_STORE_BYTES - 1;
}

static bool parse_file(struct silt_str line, struct silt_arena *arena, struct silt_backup_file *out)
{
    struct silt_str kind = next_word(&line), bytes = next_word(&line), name = next_word(&line);
    int found = -1;

    for (int i = 0; i < SILT_BACKUP_KINDS; i++)
        if (silt_str_equal(kind, silt_str_from(kinds[i])))
            found = i;
    if (found < 0 || !is_safe(name) || (line.len && !silt_str_equal(line, SILT_STR("had"))))
        return false;
    *out = (struct silt_backup_file){.kind = (enum silt_backup_kind)found, .name = silt_arena_str(arena, name), .had = line.len > 0};
    return parse_number(bytes, &out->bytes);
}

static int compare_names(const void *a, const void *b)
{
    return silt_str_compare(((const struct silt_backup_file *)a)->name, ((const struct silt_backup_file *)b)->name);
}

enum silt_status silt_backup_read_files(struct silt_str text, struct silt_arena *arena, struct silt_backup_list *out,
                                        struct silt_error *err)
{
    struct silt_str line;
    size_t room = 0;

    *out = (struct silt_backup_list){0};
    if (!next_line(&text, &line) || line.len <= strlen(HEAD) || memcmp(line.p, HEAD, strlen(HEAD)) != 0)
        return silt_fail(err, SILT_CORRUPT, "%s does not begin with \"%s\"", SILT_BACKUP_FILES, HEAD);
    line.p += strlen(HEAD);
    line.len -= strlen(HEAD);
    if (!parse_store(line, &out->store_id))
        return silt_fail(err, SILT_CORRUPT, "%s: \"%.*s\" is no number of a store", SILT_BACKUP_FILES, SILT_FMT(line));
    while (next_line(&text, &line)) {
        out->files = silt_arena_grow(arena, out->files, &room, out->count + 1, sizeof(*out->files));
        if (!parse_file(line, arena, &out->files[out->count++]))
            return silt_fail(err, SILT_CORRUPT, "%s, line %zu: \"%.*s\" is no file of a backup", SILT_BACKUP_FILES,
                             out->count + 1, SILT_FMT(line));
    }
    if (out->count)
        qsort(out->files, out->count, sizeof(*out->files), compare_names);
    for (size_t i = 1; i < out->count; i++)
        if (compare_names(&out->files[i - 1], &out->files[i]) == 0)
            return silt_fail(err, SILT_CORRUPT, "%s names %.*s twice", SILT_BACKUP_FILES, SILT_FMT(out->files[i].name));
    return SILT_OK;
}

enum silt_status silt_backup_read_sums(struct silt_str text, struct silt_backup_list *list, struct silt_error *err)
{
    const size_t digits = SILT_DIGEST_TEXT_BYTES - 1;
    struct silt_str line;

    while (next_line(&text, &line)) {
        if (line.len <= digits + 2 || memcmp(line.p + digits, "  ", 2) != 0)
            return silt_fail(err, SILT_CORRUPT, "%s: \"%.*s\" is no checksum with a name", SILT_BACKUP_SUMS, SILT_FMT(line));
        struct silt_backup_file *file =
            silt_backup_find(list, (struct silt_str){line.p + digits + 2, line.len - digits - 2});
        if (!file)
            continue;
        memcpy(file->sum, line.p, digits);
        file->sum[digits] = '\0';
    }
    return SILT_OK;
}

struct silt_backup_file *silt_backup_find(const struct silt_backup_list *list, struct silt_str name)
{
    struct silt_backup_file wanted = {.name = name};

    return list->count ? bsearch(&wanted, list->files, list->count, sizeof(*list->files), compare_names) : NULL;
}
