/*
 * line_text.c - escaping for line protocol: pure functions.
 */
#include "shell/line_text.h"

static void escaped(struct silt_buffer *out, struct silt_str text, const char *special)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c && strchr(special, c))
            silt_buffer_char(out, '\\');
        silt_buffer_char(out, c);
    }
}

void line_measurement(struct silt_buffer *out, struct silt_str name)
{
    escaped(out, name, ", ");
}

void line_key(struct silt_buffer *out, struct silt_str key)
{
    escaped(out, key, ",= ");
}

void line_string(struct silt_buffer *out, struct silt_str text)
{
    silt_buffer_char(out, '"');
    escaped(out, text, "\"\\");
    silt_buffer_char(out, '"');
}

void line_value(struct silt_buffer *out, const struct cell *cell, enum silt_type type)
{
    if (cell->kind == CELL_STRING) {
        line_string(out, cell->text);
        return;
    }
    silt_buffer_str(out, cell->text);
    if (cell->kind == CELL_NUMBER && (type == SILT_TYPE_INTEGER || type == SILT_TYPE_UNSIGNED))
        silt_buffer_char(out, type == SILT_TYPE_INTEGER ? 'i' : 'u');
}
