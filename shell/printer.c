/*
 * printer.c - the table of formats, and what column and csv share: when a head is printed again, and tags as text.
 */
#include "shell/printer.h"

#include "shell/words.h"

#include <stdlib.h>

static const struct {
    const char *name;
    printer_create_fn create;
} formats[] = {
    {"column", print_column_create}, {"csv", print_csv_create},   {"json", print_json_create},
    {"table", table_create},         {"line", print_line_create}, {"vertical", print_vertical_create},
};

printer_create_fn printer_find(struct silt_str format)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (silt_str_equal(format, silt_str_from(formats[i].name)))
            return formats[i].create;
    return NULL;
}

static void put_counted(struct silt_buffer *out, struct silt_str text)
{
    silt_buffer_append(out, &text.len, sizeof text.len);
    silt_buffer_str(out, text);
}

bool printed_head_same(struct printed_head *head, const struct answer_series *series)
{
    struct silt_buffer text = {0};
    put_counted(&text, series->name);
    silt_buffer_append(&text, &series->tag_count, sizeof series->tag_count);
    for (size_t i = 0; i < series->tag_count; i++) {
        put_counted(&text, series->tags[i].key);
        put_counted(&text, series->tags[i].value);
    }
    for (size_t i = 0; i < series->column_count; i++)
        put_counted(&text, series->columns[i]);
    bool same = head->any && silt_str_equal(words_view(&head->text), words_view(&text));
    silt_buffer_free(&head->text);
    head->text = text;
    head->any = true;
    return same;
}

static int by_text(const void *a, const void *b)
{
    const struct silt_buffer *x = a, *y = b;
    return silt_str_compare(words_view(x), words_view(y));
}

void printed_tags(struct silt_buffer *out, const struct answer_series *series, const char *separator)
{
    struct silt_buffer *texts = silt_calloc(series->tag_count + 1, sizeof *texts);
    for (size_t i = 0; i < series->tag_count; i++) {
        silt_buffer_str(&texts[i], series->tags[i].key);
        silt_buffer_char(&texts[i], '=');
        silt_buffer_str(&texts[i], series->tags[i].value);
    }
    qsort(texts, series->tag_count, sizeof *texts, by_text);
    for (size_t i = 0; i < series->tag_count; i++) {
        if (i)
            silt_buffer_str(out, silt_str_from(separator));
        silt_buffer_str(out, words_view(&texts[i]));
        silt_buffer_free(&texts[i]);
    }
    free(texts);
}
