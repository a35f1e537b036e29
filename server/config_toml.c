/*
 * config_toml.c - see config_toml.h.
 */
#include "server/config_toml.h"

#include <ctype.h>

#define STRING_BYTES_MAX 1024

void toml_init(struct toml_reader *reader, const char *path, struct silt_str text)
{
    *reader = (struct toml_reader){.path = path, .next = text.p, .file_end = text.p ? text.p + text.len : NULL};
}

void toml_deinit(struct toml_reader *reader)
{
    silt_buffer_free(&reader->value);
}

static enum silt_status fail(const struct toml_reader *r, struct silt_error *err, const char *reason)
{
    return silt_fail(err, SILT_INVALID, "%s:%u: %s", r->path, r->line, reason);
}

static bool next_line(struct toml_reader *r)
{
    if (r->next >= r->file_end)
        return false;
    const char *newline = memchr(r->next, '\n', (size_t)(r->file_end - r->next));
    r->line++;
    r->p = r->next;
    r->end = newline ? newline : r->file_end;
    r->next = newline ? newline + 1 : r->file_end;
    if (r->end > r->p && r->end[-1] == '\r')
        r->end--;
    return true;
}

static bool at_line_end(struct toml_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
        r->p++;
    return r->p == r->end || *r->p == '#';
}

static struct silt_str take_name(struct toml_reader *r, bool dots)
{
    const char *start = r->p;

    while (r->p < r->end && (isalnum((unsigned char)*r->p) || *r->p == '-' || *r->p == '_' || (dots && *r->p == '.')))
        r->p++;
    return (struct silt_str){start, (size_t)(r->p - start)};
}

static enum silt_status read_section(struct toml_reader *r, struct toml_item *item, struct silt_error *err)
{
    item->what = TOML_SECTION;
    r->p++;
    item->repeated = r->p < r->end && *r->p == '[';
    r->p += item->repeated;
    if (!at_line_end(r))
        item->section = take_name(r, true);
    for (int i = 0; i < 1 + item->repeated; i++, r->p++)
        if (item->section.len == 0 || (i == 0 && at_line_end(r)) || r->p == r->end || *r->p != ']')
            return fail(r, err,
                        item->repeated ? "a list of sections is written [[name]]" : "a section is written [name]");
    return at_line_end(r) ? SILT_OK : fail(r, err, "something follows the section's name");
}

/* A quoted string, added to r->value. */
static enum silt_status read_string(struct toml_reader *r, struct silt_error *err)
{
    char quote = *r->p++;

    for (size_t len = 0;; len++) {
        if (r->p == r->end)
            return fail(r, err, "the string is not closed on its line");
        char c = *r->p++;
        if (c == quote)
            return SILT_OK;
        if (len == STRING_BYTES_MAX)
            return fail(r, err, "the string is too long");
        if (c == '\\' && quote == '"') {
            static const char names[] = "\"\\ntr", values[] = "\"\\\n\t\r";
            const char *name = r->p < r->end ? strchr(names, *r->p) : NULL;
            if (!name || !*name)
                return fail(r, err, "unknown escape in a string (known: \\\" \\\\ \\n \\t \\r)");
            c = values[name - names];
            r->p++;
        } else if ((unsigned char)c < 0x20 && c != '\t') {
            return fail(r, err, "control character in a string");
        }
        silt_buffer_char(&r->value, c);
    }
}

static bool is_quote(const struct toml_reader *r)
{
    return *r->p == '"' || *r->p == '\'';
}

static void read_bare(struct toml_reader *r, const char *ends)
{
    while (r->p < r->end && !strchr(ends, *r->p))
        silt_buffer_char(&r->value, *r->p++);
}

static enum silt_status read_list(struct toml_reader *r, struct silt_error *err)
{
    unsigned first_line = r->line;
    bool comma = true; /* one stands before the next element, or none is needed */
    size_t count = 0;

    r->p++;
    for (;;) {
        while (at_line_end(r))
            if (!next_line(r))
                return silt_fail(err, SILT_INVALID, "%s:%u: the list is not closed", r->path, first_line);
        if (*r->p == ']') {
            r->p++;
            return SILT_OK;
        }
        if (*r->p == ',' && !comma) {
            comma = true;
            r->p++;
            continue;
        }
        if (!comma || *r->p == ',' || *r->p == '[')
            return fail(r, err, "a list is written [value, value]");
        if (count++)
            silt_buffer_char(&r->value, '\n');
        if (!is_quote(r)) {
            read_bare(r, ",] \t#");
        } else {
            enum silt_status rc = read_string(r, err);
            if (rc != SILT_OK)
                return rc;
        }
        comma = false;
    }
}

static enum silt_status read_pair(struct toml_reader *r, struct toml_item *item, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    item->what = TOML_PAIR;
    item->key = take_name(r, false);
    if (item->key.len == 0 || at_line_end(r) || *r->p != '=')
        return fail(r, err, "a setting is written key = value");
    r->p++;
    if (at_line_end(r))
        return silt_fail(err, SILT_INVALID, "%s:%u: %.*s has no value", r->path, r->line, SILT_FMT(item->key));
    r->value.len = 0;
    if (is_quote(r)) {
        item->kind = TOML_TEXT;
        rc = read_string(r, err);
    } else if (*r->p == '[') {
        item->kind = TOML_LIST;
        rc = read_list(r, err);
    } else {
        item->kind = TOML_BARE;
        read_bare(r, " \t#");
    }
    item->value = (struct silt_str){r->value.p, r->value.len};
    if (rc == SILT_OK && !at_line_end(r))
        return fail(r, err, "something follows the value");
    return rc;
}

enum silt_status toml_next(struct toml_reader *r, struct toml_item *item, struct silt_error *err)
{
    do {
        if (!next_line(r)) {
            *item = (struct toml_item){.what = TOML_END, .line = r->line};
            return SILT_OK;
        }
    } while (at_line_end(r));
    *item = (struct toml_item){.line = r->line};
    return *r->p == '[' ? read_section(r, item, err) : read_pair(r, item, err);
}
