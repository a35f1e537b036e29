/*
 * json_answer.c - follows the brackets of an answer; what it does not know it skips.
 *
 * Texts are gathered in one buffer per row and one per series head; as the buffers move while they grow, pieces are
 * kept as offsets and become views at the end.
 */
#include "shell/json_answer.h"

#include "shell/msgpack_tokens.h"
#include "shell/words.h"

#include <stdlib.h>

enum where {
    NOWHERE,
    TOP,
    RESULTS,
    RESULT,
    MESSAGES,
    MESSAGE,
    SERIES_LIST,
    SERIES,
    TAGS,
    COLUMNS,
    VALUES,
    ROW,
    SKIPPED
};

enum key {
    KEY_OTHER,
    KEY_RESULTS,
    KEY_ERROR,
    KEY_SERIES,
    KEY_MESSAGES,
    KEY_NAME,
    KEY_TAGS,
    KEY_COLUMNS,
    KEY_VALUES,
    KEY_PARTIAL,
    KEY_LEVEL,
    KEY_TEXT
};

static const struct {
    const char *name;
    enum key key;
} key_names[] = {{"results", KEY_RESULTS}, {"error", KEY_ERROR}, {"series", KEY_SERIES},   {"messages", KEY_MESSAGES},
                 {"name", KEY_NAME},       {"tags", KEY_TAGS},   {"columns", KEY_COLUMNS}, {"values", KEY_VALUES},
                 {"partial", KEY_PARTIAL}, {"level", KEY_LEVEL}, {"text", KEY_TEXT}};

/* Texts one after another, with their ends. */
struct pieces {
    struct silt_buffer text;
    size_t *ends;
    size_t count, capacity;
};

struct answer_reader {
    struct json_tokens tokens;
    struct msgpack_tokens msgpack;
    const struct answer_events *events;
    void *context;
    enum where stack[JSON_DEPTH_MAX + 1];
    unsigned depth;
    enum key key;

    struct pieces row;
    struct cell *cells;
    size_t cell_capacity;

    struct silt_buffer name;
    struct pieces tags, columns; /* tags: key, value, key, value */
    struct answer_tag *tag_views;
    struct silt_str *column_views;
    bool series_open, partial;

    struct silt_buffer level, text, error;
    bool has_error;
};

/* ---------------------------------------------------------------- pieces */

static void pieces_add(struct pieces *pieces, struct silt_str text)
{
    silt_buffer_str(&pieces->text, text);
    if (pieces->count == pieces->capacity) {
        pieces->capacity = pieces->capacity ? pieces->capacity * 2 : 16;
        pieces->ends = silt_realloc(pieces->ends, pieces->capacity * sizeof *pieces->ends);
    }
    pieces->ends[pieces->count++] = pieces->text.len;
}

static struct silt_str piece(const struct pieces *pieces, size_t i)
{
    size_t start = i ? pieces->ends[i - 1] : 0;
    return (struct silt_str){pieces->text.p ? pieces->text.p + start : "", pieces->ends[i] - start};
}

static void pieces_clear(struct pieces *pieces)
{
    pieces->text.len = 0;
    pieces->count = 0;
}

static void pieces_free(struct pieces *pieces)
{
    silt_buffer_free(&pieces->text);
    free(pieces->ends);
}

static struct silt_str view(const struct silt_buffer *buffer)
{
    return (struct silt_str){buffer->p ? buffer->p : "", buffer->len};
}

/* ---------------------------------------------------------------- events */

static int by_key(const void *a, const void *b)
{
    return silt_str_compare(((const struct answer_tag *)a)->key, ((const struct answer_tag *)b)->key);
}

/* A series is known once its values begin, or at its end if it has none. */
static void open_series(struct answer_reader *r)
{
    if (r->series_open)
        return;
    r->series_open = true;
    struct answer_series series = {.name = view(&r->name)};
    series.tag_count = r->tags.count / 2;
    series.column_count = r->columns.count;
    r->tag_views = silt_realloc(r->tag_views, (series.tag_count + 1) * sizeof *r->tag_views);
    r->column_views = silt_realloc(r->column_views, (series.column_count + 1) * sizeof *r->column_views);
    for (size_t i = 0; i < series.tag_count; i++)
        r->tag_views[i] = (struct answer_tag){piece(&r->tags, 2 * i), piece(&r->tags, 2 * i + 1)};
    for (size_t i = 0; i < series.column_count; i++)
        r->column_views[i] = piece(&r->columns, i);
    qsort(r->tag_views, series.tag_count, sizeof *r->tag_views, by_key);
    series.tags = r->tag_views;
    series.columns = r->column_views;
    if (r->events->series_begin)
        r->events->series_begin(r->context, &series);
}

static void end_row(struct answer_reader *r)
{
    for (size_t i = 0; i < r->row.count; i++)
        r->cells[i].text = piece(&r->row, i);
    if (r->events->row)
        r->events->row(r->context, r->cells, r->row.count);
}

static void add_cell(struct answer_reader *r, enum cell_kind kind, struct silt_str text)
{
    if (r->row.count == r->cell_capacity) {
        r->cell_capacity = r->cell_capacity ? r->cell_capacity * 2 : 16;
        r->cells = silt_realloc(r->cells, r->cell_capacity * sizeof *r->cells);
    }
    r->cells[r->row.count].kind = kind;
    pieces_add(&r->row, text);
}

static enum cell_kind cell_kind(enum json_token token)
{
    switch (token) {
    case JSON_STRING:
        return CELL_STRING;
    case JSON_NUMBER:
        return CELL_NUMBER;
    case JSON_INTEGER:
        return CELL_INTEGER;
    case JSON_UNSIGNED:
        return CELL_UNSIGNED;
    case JSON_FLOAT:
        return CELL_FLOAT;
    case JSON_TRUE:
    case JSON_FALSE:
        return CELL_BOOLEAN;
    default:
        return CELL_NULL;
    }
}

static void scalar(struct answer_reader *r, enum json_token token, struct silt_str text)
{
    switch (r->stack[r->depth]) {
    case ROW:
        add_cell(r, cell_kind(token),
                 token == JSON_TRUE    ? SILT_STR("true")
                 : token == JSON_FALSE ? SILT_STR("false")
                                       : text);
        break;
    case COLUMNS:
        pieces_add(&r->columns, text);
        break;
    case TAGS: /* its key was added when it came */
        pieces_add(&r->tags, text);
        break;
    case SERIES:
        if (r->key == KEY_NAME) {
            r->name.len = 0;
            silt_buffer_str(&r->name, text);
        } else if (r->key == KEY_PARTIAL) {
            r->partial = token == JSON_TRUE;
        }
        break;
    case MESSAGE:
        if (r->key == KEY_LEVEL || r->key == KEY_TEXT)
            silt_buffer_str(r->key == KEY_LEVEL ? &r->level : &r->text, text);
        break;
    case RESULT:
        if (r->key == KEY_ERROR && token == JSON_STRING) {
            r->error.len = 0;
            silt_buffer_str(&r->error, text);
            r->has_error = true;
        }
        break;
    case TOP:
        if (r->key == KEY_ERROR && token == JSON_STRING && r->events->failure)
            r->events->failure(r->context, text);
        break;
    default:
        break;
    }
}

/* ---------------------------------------------------------------- brackets */

static enum where inside(const struct answer_reader *r, bool is_object)
{
    enum where at = r->stack[r->depth];
    if (is_object)
        return at == NOWHERE                        ? TOP
               : at == RESULTS                      ? RESULT
               : at == MESSAGES                     ? MESSAGE
               : at == SERIES_LIST                  ? SERIES
               : at == SERIES && r->key == KEY_TAGS ? TAGS
                                                    : SKIPPED;
    return at == TOP && r->key == KEY_RESULTS       ? RESULTS
           : at == RESULT && r->key == KEY_SERIES   ? SERIES_LIST
           : at == RESULT && r->key == KEY_MESSAGES ? MESSAGES
           : at == SERIES && r->key == KEY_COLUMNS  ? COLUMNS
           : at == SERIES && r->key == KEY_VALUES   ? VALUES
           : at == VALUES                           ? ROW
                                                    : SKIPPED;
}

static void begin(struct answer_reader *r, bool is_object)
{
    enum where where = inside(r, is_object);
    if (where == SKIPPED && r->stack[r->depth] == ROW) /* a cell of a kind that InfluxDB does not have */
        add_cell(r, CELL_NULL, (struct silt_str){0});
    r->stack[++r->depth] = where;
    r->key = KEY_OTHER;
    switch (where) {
    case RESULT:
        r->has_error = false;
        if (r->events->result_begin)
            r->events->result_begin(r->context);
        break;
    case MESSAGE:
        r->level.len = r->text.len = 0;
        break;
    case SERIES:
        r->name.len = 0;
        pieces_clear(&r->tags);
        pieces_clear(&r->columns);
        r->series_open = r->partial = false;
        break;
    case VALUES:
        open_series(r);
        break;
    case ROW:
        pieces_clear(&r->row);
        break;
    default:
        break;
    }
}

static void end(struct answer_reader *r)
{
    switch (r->stack[r->depth--]) {
    case ROW:
        end_row(r);
        break;
    case SERIES:
        open_series(r);
        if (r->events->series_end)
            r->events->series_end(r->context, r->partial);
        break;
    case MESSAGE:
        if (r->events->message)
            r->events->message(r->context, view(&r->level), view(&r->text));
        break;
    case RESULT:
        if (r->events->result_end)
            r->events->result_end(r->context, r->has_error ? view(&r->error) : (struct silt_str){0});
        break;
    default:
        break;
    }
    r->key = KEY_OTHER;
}

static void take(void *context, enum json_token token, struct silt_str text)
{
    struct answer_reader *r = context;
    switch (token) {
    case JSON_OBJECT_BEGIN:
    case JSON_ARRAY_BEGIN:
        begin(r, token == JSON_OBJECT_BEGIN);
        break;
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
        end(r);
        break;
    case JSON_KEY:
        if (r->stack[r->depth] == TAGS)
            pieces_add(&r->tags, text);
        r->key = KEY_OTHER;
        for (size_t i = 0; i < sizeof key_names / sizeof *key_names; i++)
            if (silt_str_equal(text, silt_str_from(key_names[i].name)))
                r->key = key_names[i].key;
        break;
    default:
        scalar(r, token, text);
    }
}

/* ---------------------------------------------------------------- life */

struct answer_reader *answer_reader_create(const struct answer_events *events, void *context)
{
    struct answer_reader *r = silt_calloc(1, sizeof *r);
    r->events = events;
    r->context = context;
    json_tokens_init(&r->tokens, take, r);
    msgpack_tokens_init(&r->msgpack, take, r);
    return r;
}

void answer_reader_destroy(struct answer_reader *r)
{
    if (!r)
        return;
    json_tokens_deinit(&r->tokens);
    msgpack_tokens_deinit(&r->msgpack);
    pieces_free(&r->row);
    pieces_free(&r->tags);
    pieces_free(&r->columns);
    free(r->cells);
    free(r->tag_views);
    free(r->column_views);
    silt_buffer_free(&r->name);
    silt_buffer_free(&r->level);
    silt_buffer_free(&r->text);
    silt_buffer_free(&r->error);
    free(r);
}

bool answer_reader_feed(struct answer_reader *r, const char *bytes, size_t len)
{
    return json_tokens_feed(&r->tokens, bytes, len);
}

bool answer_reader_feed_msgpack(struct answer_reader *r, const char *bytes, size_t len)
{
    return msgpack_tokens_feed(&r->msgpack, bytes, len);
}

bool answer_reader_complete(const struct answer_reader *r)
{
    return json_tokens_complete(&r->tokens) && msgpack_tokens_complete(&r->msgpack);
}

static void take_error(void *context, struct silt_str error)
{
    silt_buffer_str(context, error);
}

void answer_error(struct silt_buffer *out, const struct silt_buffer *body)
{
    static const struct answer_events events = {.failure = take_error};
    struct silt_buffer text = {0};
    struct answer_reader *reader = answer_reader_create(&events, &text);
    bool ok = answer_reader_feed(reader, body->p ? body->p : "", body->len);
    answer_reader_destroy(reader);
    silt_buffer_str(out, ok && text.len ? words_view(&text) : words_trim(words_view(body)));
    silt_buffer_free(&text);
}
