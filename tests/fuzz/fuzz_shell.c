/*
 * fuzz_shell.c - what the shell reads from others: answers in pieces, shown in every format; CSV with a mapping; points cut from
 * files; what is typed.
 *
 *     1 byte: what is tried and the size of pieces | bytes
 */
#include "shell/complete.h"
#include "shell/csv_map.h"
#include "shell/import_read.h"
#include "shell/interactive.h"
#include "shell/printer.h"
#include "shell/words.h"

static void answer(const char *format, struct silt_str text, size_t piece_bytes)
{
    FILE *out = fopen("/dev/null", "w");
    struct printer_options options = {.out = out, .pretty = piece_bytes & 1, .width = (unsigned)(piece_bytes * 7 % 90), .unicode = true};
    struct printer *printer = printer_find(silt_str_from(format))(&options);
    struct answer_reader *reader = answer_reader_create(printer->events, printer);
    for (size_t at = 0; at < text.len; at += piece_bytes) {
        size_t len = text.len - at < piece_bytes ? text.len - at : piece_bytes;
        if (!answer_reader_feed(reader, text.p + at, len))
            break;
    }
    printer->finish(printer);
    answer_reader_destroy(reader);
    printer->destroy(printer);
    fclose(out);
}

/* The first line is the mapping. */
static void csv(struct silt_str text)
{
    const char *end = text.len ? memchr(text.p, '\n', text.len) : NULL;
    struct csv_map *map;
    struct silt_error err;
    struct silt_buffer out = {0};
    bool has_head = false;
    if (!end || csv_map_parse(&map, (struct silt_str){text.p, (size_t)(end - text.p)}, &err) != SILT_OK)
        return;
    text = (struct silt_str){end + 1, (size_t)(text.p + text.len - end - 1)};
    while (text.len) {
        size_t lines, len = csv_map_record(map, text, true, &lines);
        silt_assert(len > 0 && len <= text.len && lines > 0);
        enum silt_status status = has_head ? csv_map_row(map, &out, &err) : csv_map_head(map, &err);
        if (!has_head && status != SILT_OK)
            break;
        has_head = true;
        text.p += len, text.len -= len;
    }
    silt_buffer_free(&out);
    csv_map_free(map);
}

static void points(struct silt_str text)
{
    while (text.len) {
        size_t lines, len = import_point_length(text, &lines);
        silt_assert(len > 0 && len <= text.len && lines > 0);
        text.p += len, text.len -= len;
    }
}

static void typed(struct silt_str text)
{
    struct complete_place place;
    struct silt_buffer out = {0};
    for (size_t cursor = 0; cursor <= text.len && cursor < 200; cursor++)
        complete_find(text, cursor, &place);
    (void)interactive_unfinished(text);
    interactive_redact(&out, text);
    silt_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const formats[] = {"column", "csv", "json", "table", "vertical", "line"};
    if (!size)
        return 0;
    struct silt_str text = {(const char *)data + 1, size - 1};
    unsigned what = data[0] % 9;
    if (what < 6)
        answer(formats[what], text, 1u + data[0] / 9);
    else if (what == 6)
        csv(text);
    else if (what == 7)
        points(text);
    else
        typed(text);
    return 0;
}
