/*
 * table.c - format table, for a terminal: numbers aligned at their decimal points, no line wider than the screen.
 *
 *     name: cpu
 *     tags: host=a
 *     time                  usage  cores  note
 *     ────────────────────  ─────  ─────  ─────────
 *     2020-01-01T00:00:00Z  12.5       8  two words
 *     2020-01-01T00:00:10Z   7.25     16  a text t…
 *
 * Widths come from the first rows of a series (HELD_ROWS of them are kept at most); rows after them are written as they
 * come. Where the whole is too wide, text columns are cut from the widest on; where even that does not help the series
 * is shown a line per column. Control characters are shown as spaces, so that data cannot steer the terminal.
 */
#include "shell/printer.h"

#include "shell/words.h"

#include <stdlib.h>

#define HELD_ROWS 1000
#define HELD_BYTES (1u << 20)
#define GAP 2
#define TEXT_COLUMNS_MIN 8

struct table_column {
    struct silt_buffer name;
    bool numeric;       /* all its values so far are numbers */
    size_t whole, part; /* columns before the decimal point, and from it on */
    size_t text;        /* of what is no number, and of the name */
    size_t width;       /* as shown */
};

struct held_cell {
    enum cell_kind kind;
    size_t len;
};

struct table_printer {
    struct printer base;
    FILE *out;
    unsigned screen;
    bool unicode;
    struct printed_head head;
    struct silt_buffer title;
    struct table_column *columns;
    size_t column_count, column_capacity;
    bool open, laid_out, upright; /* upright: a line per column */
    struct silt_buffer held_text;
    struct held_cell *held;
    size_t held_count, held_capacity, held_rows, row_number;
    bool any_title;
};

static void put_spaces(FILE *out, size_t count)
{
    for (; count; count--)
        putc(' ', out);
}

/* Text as the terminal may see it, at most `columns` wide. */
static size_t put_text(const struct table_printer *p, struct silt_str text, size_t columns)
{
    size_t used, len = words_fit(text, columns, &used);
    bool cut = len < text.len;
    if (cut && columns > 0)
        len = words_fit(text, columns - 1, &used);
    for (size_t i = 0; i < len; i++)
        putc((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7F ? ' ' : text.p[i], p->out);
    if (cut && columns > 0) {
        fputs(p->unicode ? "…" : "~", p->out);
        used++;
    }
    return used;
}

/* Where a number's decimal point is, or its end. */
static size_t whole_part(struct silt_str number)
{
    for (size_t i = 0; i < number.len; i++)
        if (number.p[i] == '.' || number.p[i] == 'e')
            return i;
    return number.len;
}

static void measure(struct table_column *column, const struct cell *cell)
{
    if (cell->kind == CELL_NUMBER) {
        size_t whole = whole_part(cell->text), part = cell->text.len - whole;
        column->whole = whole > column->whole ? whole : column->whole;
        column->part = part > column->part ? part : column->part;
    } else if (cell->kind != CELL_NULL) {
        size_t width = words_width(cell->text);
        column->numeric = false;
        column->text = width > column->text ? width : column->text;
    }
}

/* Widths that fit the screen; false: they do not. */
static bool fit(struct table_printer *p)
{
    size_t total = 0;
    for (size_t i = 0; i < p->column_count; i++) {
        struct table_column *column = &p->columns[i];
        size_t number = column->whole + column->part;
        column->width = number > column->text ? number : column->text;
        total += column->width + (i ? GAP : 0);
    }
    while (p->screen && total > p->screen) {
        struct table_column *widest = NULL;
        for (size_t i = 0; i < p->column_count; i++)
            if (!p->columns[i].numeric && p->columns[i].width > TEXT_COLUMNS_MIN &&
                (!widest || p->columns[i].width > widest->width))
                widest = &p->columns[i];
        if (!widest || p->column_count == 1)
            return widest != NULL;
        widest->width--;
        total--;
    }
    return true;
}

static void put_head(struct table_printer *p)
{
    for (size_t i = 0; i < p->column_count; i++) {
        struct table_column *column = &p->columns[i];
        struct silt_str name = words_view(&column->name);
        bool last = i + 1 == p->column_count;
        size_t width = words_width(name), pad = column->width > width ? column->width - width : 0;
        if (column->numeric)
            put_spaces(p->out, pad);
        width = put_text(p, name, column->width);
        if (!last)
            put_spaces(p->out, (column->numeric ? 0 : column->width - width) + GAP);
    }
    putc('\n', p->out);
    for (size_t i = 0; i < p->column_count; i++) {
        put_spaces(p->out, i ? GAP : 0);
        for (size_t n = 0; n < p->columns[i].width; n++)
            fputs(p->unicode ? "─" : "-", p->out);
    }
    putc('\n', p->out);
}

static void put_row(struct table_printer *p, const struct cell *cells, size_t count)
{
    size_t pending = 0; /* spaces that are written only if something follows */
    for (size_t i = 0; i < count && i < p->column_count; i++) {
        struct table_column *column = &p->columns[i];
        struct silt_str text = cells[i].text;
        size_t used = 0;
        pending += i ? GAP : 0;
        if (cells[i].kind == CELL_NUMBER && column->numeric) {
            size_t whole = whole_part(text), lead = column->width - column->part;
            used = whole < lead ? lead - whole : 0;
            pending += used;
            put_spaces(p->out, pending);
            fwrite(text.p, 1, text.len, p->out);
            used += text.len;
            pending = 0;
        } else if (text.len) {
            put_spaces(p->out, pending);
            pending = 0;
            used = put_text(p, text, column->width);
        }
        pending += used < column->width ? column->width - used : 0;
    }
    putc('\n', p->out);
}

static void put_upright(struct table_printer *p, const struct cell *cells, size_t count)
{
    size_t widest = 0;
    for (size_t i = 0; i < p->column_count; i++) {
        size_t width = words_width(words_view(&p->columns[i].name));
        widest = width > widest ? width : widest;
    }
    fprintf(p->out, "%s row %zu\n", p->unicode ? "──" : "--", p->row_number);
    for (size_t i = 0; i < count && i < p->column_count; i++) {
        struct silt_str name = words_view(&p->columns[i].name);
        put_spaces(p->out, widest - words_width(name));
        put_text(p, name, SIZE_MAX / 2);
        fputs(": ", p->out);
        put_text(p, cells[i].text, SIZE_MAX / 2);
        putc('\n', p->out);
    }
}

static void put_one(struct table_printer *p, const struct cell *cells, size_t count)
{
    p->row_number++;
    if (p->upright)
        put_upright(p, cells, count);
    else
        put_row(p, cells, count);
}

/* Title, head and the rows that were held. */
static void lay_out(struct table_printer *p)
{
    if (p->laid_out || !p->open)
        return;
    p->laid_out = true;
    p->upright = !fit(p);
    if (p->any_title)
        putc('\n', p->out);
    p->any_title = true;
    if (p->title.len)
        fwrite(p->title.p, 1, p->title.len, p->out);
    if (!p->upright)
        put_head(p);
    struct cell *cells = silt_calloc(p->column_count + 1, sizeof *cells);
    size_t at = 0, next = 0;
    for (size_t row = 0; row < p->held_rows; row++) {
        for (size_t i = 0; i < p->column_count; i++, next++) {
            cells[i] =
                (struct cell){p->held[next].kind, {p->held_text.p ? p->held_text.p + at : "", p->held[next].len}};
            at += p->held[next].len;
        }
        put_one(p, cells, p->column_count);
    }
    free(cells);
    p->held_text.len = p->held_count = p->held_rows = 0;
}

static void message(void *context, struct silt_str level, struct silt_str text)
{
    struct table_printer *p = context;
    lay_out(p);
    fprintf(p->out, "%.*s: %.*s.\n", SILT_FMT(level), SILT_FMT(text));
}

static void series_begin(void *context, const struct answer_series *series)
{
    struct table_printer *p = context;
    p->base.series++;
    if (printed_head_same(&p->head, series))
        return; /* goes on */
    lay_out(p); /* the one before */
    p->open = true;
    p->laid_out = false;
    p->row_number = 0;
    p->title.len = 0;
    if (series->name.len)
        silt_buffer_printf(&p->title, "name: %.*s\n", SILT_FMT(series->name));
    if (series->tag_count) {
        silt_buffer_str(&p->title, SILT_STR("tags: "));
        printed_tags(&p->title, series, ", ");
        silt_buffer_char(&p->title, '\n');
    }
    for (size_t i = 0; i + 1 < p->title.len; i++)
        if (((unsigned char)p->title.p[i] < 0x20 && p->title.p[i] != '\n') || p->title.p[i] == 0x7F)
            p->title.p[i] = ' ';
    if (series->column_count > p->column_capacity) {
        p->columns = silt_realloc(p->columns, series->column_count * sizeof *p->columns);
        memset(p->columns + p->column_capacity, 0, (series->column_count - p->column_capacity) * sizeof *p->columns);
        p->column_capacity = series->column_count;
    }
    p->column_count = series->column_count;
    for (size_t i = 0; i < p->column_count; i++) {
        struct table_column *column = &p->columns[i];
        struct silt_buffer name = column->name;
        name.len = 0;
        silt_buffer_str(&name, series->columns[i]);
        *column = (struct table_column){.name = name, .numeric = true, .text = words_width(series->columns[i])};
    }
}

static void row(void *context, const struct cell *cells, size_t count)
{
    struct table_printer *p = context;
    p->base.rows++;
    if (p->laid_out) {
        put_one(p, cells, count);
        return;
    }
    for (size_t i = 0; i < p->column_count; i++) {
        struct cell cell = i < count ? cells[i] : (struct cell){CELL_NULL, {"", 0}};
        measure(&p->columns[i], &cell);
        if (p->held_count == p->held_capacity) {
            p->held_capacity = p->held_capacity ? p->held_capacity * 2 : 256;
            p->held = silt_realloc(p->held, p->held_capacity * sizeof *p->held);
        }
        p->held[p->held_count++] = (struct held_cell){cell.kind, cell.text.len};
        silt_buffer_str(&p->held_text, cell.text);
    }
    if (++p->held_rows >= HELD_ROWS || p->held_text.len > HELD_BYTES)
        lay_out(p);
}

static void finish(struct printer *printer)
{
    lay_out((struct table_printer *)printer);
}

static void destroy(struct printer *printer)
{
    struct table_printer *p = (struct table_printer *)printer;
    for (size_t i = 0; i < p->column_capacity; i++)
        silt_buffer_free(&p->columns[i].name);
    free(p->columns);
    free(p->held);
    silt_buffer_free(&p->held_text);
    silt_buffer_free(&p->head.text);
    silt_buffer_free(&p->title);
    free(p);
}

struct printer *table_create(const struct printer_options *options)
{
    static const struct answer_events events = {.message = message, .series_begin = series_begin, .row = row};
    struct table_printer *p = silt_calloc(1, sizeof *p);
    p->base = (struct printer){.events = &events, .finish = finish, .destroy = destroy};
    p->out = options->out;
    p->screen = options->width;
    p->unicode = options->unicode;
    return &p->base;
}
