/*
 * describe.c - several SHOW statements put together.
 *
 *     measurement cpu in metrics: 3 series            database metrics: 2 measurements, 4 series
 *     2020-01-01T00:00:00Z to 2020-01-01T00:00:20Z    policy   duration  shard group  default
 *                                                     ...
 *     column  kind   type     values                  measurement  fields  tags  series
 *     host    tag    string   3: web1, web2, web3     cpu               4     2       3
 *     usage   field  float
 */
#include "shell/describe.h"

#include "shell/words.h"

#include <stdlib.h>

#define COLUMNS_MAX 6
#define SHOWN_VALUES 5

/* ---------------------------------------------------------------- tables of our own */

struct listing {
    struct printer *printer;
    size_t columns;
};

static void listing_begin(struct listing *listing, struct session *s, const char *const *names)
{
    struct printer_options options = {.out = s->out, .width = s->width, .unicode = s->unicode};
    struct silt_str columns[COLUMNS_MAX];
    listing->printer = table_create(&options);
    for (listing->columns = 0; names[listing->columns]; listing->columns++)
        columns[listing->columns] = silt_str_from(names[listing->columns]);
    struct answer_series series = {.name = SILT_STR(""), .columns = columns, .column_count = listing->columns};
    listing->printer->events->series_begin(listing->printer, &series);
}

static void listing_row(struct listing *listing, const struct cell *cells)
{
    listing->printer->events->row(listing->printer, cells, listing->columns);
}

static void listing_end(struct listing *listing)
{
    listing->printer->finish(listing->printer);
    listing->printer->destroy(listing->printer);
}

static struct cell text_cell(struct silt_str text)
{
    return (struct cell){CELL_STRING, text};
}

static struct cell number_cell(char *buffer, size_t number)
{
    return (struct cell){CELL_NUMBER, {buffer, silt_write_uint(buffer, number)}};
}

/* ---------------------------------------------------------------- answers gathered */

/* One column of an answer: its first values as text, and how many there are. */
struct gathered {
    size_t column, count, keep;
    struct silt_buffer text; /* joined by ", " */
};

static void gather_row(void *context, const struct cell *cells, size_t count)
{
    struct gathered *g = context;
    if (count <= g->column)
        return;
    if (g->count++ >= g->keep)
        return;
    if (g->text.len)
        silt_buffer_str(&g->text, SILT_STR(", "));
    silt_buffer_str(&g->text, cells[g->column].text);
}

static const struct answer_events gathering = {.row = gather_row};

/* statement "SHOW TAG VALUES ON %D FROM %M WITH KEY = %K": names put in with quotes. */
static void put_names(struct silt_buffer *out, const char *statement, struct silt_str database,
                      struct silt_str measurement, struct silt_str key)
{
    for (; *statement; statement++) {
        if (*statement != '%') {
            silt_buffer_char(out, *statement);
            continue;
        }
        statement++;
        words_quote_identifier(out, *statement == 'D' ? database : *statement == 'M' ? measurement : key);
    }
}

static bool gather(struct session *s, const char *statement, struct silt_str database, struct silt_str measurement,
                   struct silt_str key, struct gathered *gathered)
{
    struct silt_buffer text = {0};
    put_names(&text, statement, database, measurement, key);
    bool ok = session_ask(s, words_view(&text), database, &gathering, gathered);
    silt_buffer_free(&text);
    return ok;
}

/* The first value of a column, or "". The caller frees. */
static bool first_value(struct session *s, const char *statement, struct silt_str database, struct silt_str measurement,
                        size_t column, struct silt_buffer *out)
{
    struct gathered g = {.column = column, .keep = 1};
    bool ok = gather(s, statement, database, measurement, (struct silt_str){0}, &g);
    silt_buffer_str(out, words_view(&g.text));
    silt_buffer_free(&g.text);
    return ok;
}

/* ---------------------------------------------------------------- a measurement */

static void put_time(struct silt_buffer *out, const struct silt_buffer *ns)
{
    int64_t time;
    char text[SILT_TIME_TEXT_MAX];
    if (silt_parse_int(ns->p ? ns->p : "", ns->len, &time, NULL))
        silt_buffer_append(out, text, silt_write_rfc3339(text, time, 0));
}

static bool show_columns(struct session *s, struct silt_str database, struct silt_str name,
                         const struct schema_entry *entries, size_t count)
{
    static const char *const columns[] = {"column", "kind", "type", "values", NULL};
    struct listing listing;
    bool ok = true;
    listing_begin(&listing, s, columns);
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count && ok; i++) {
            bool is_tag = entries[i].kind == SCHEMA_TAG;
            struct gathered g = {.column = 1, .keep = SHOWN_VALUES};
            struct silt_buffer values = {0};
            if (is_tag != (pass == 0))
                continue;
            if (is_tag) {
                ok = gather(s, "SHOW TAG VALUES ON %D FROM %M WITH KEY = %K", database, name, entries[i].key, &g);
                silt_buffer_printf(&values, "%zu: %.*s%s", g.count, SILT_FMT(words_view(&g.text)),
                                   g.count > g.keep ? ", ..." : "");
            }
            const struct cell cells[] = {text_cell(entries[i].key), text_cell(silt_str_from(is_tag ? "tag" : "field")),
                                         text_cell(silt_str_from(is_tag ? "string" : silt_type_name(entries[i].type))),
                                         text_cell(words_view(&values))};
            listing_row(&listing, cells);
            silt_buffer_free(&values);
            silt_buffer_free(&g.text);
        }
    listing_end(&listing);
    return ok;
}

static bool describe_measurement(struct session *s, struct silt_str database, struct silt_str name,
                                 const struct schema *schema)
{
    size_t count;
    const struct schema_entry *entries = schema_of(schema, name, &count);
    struct silt_buffer series = {0}, first = {0}, last = {0}, range = {0};
    bool ok = first_value(s, "SHOW SERIES EXACT CARDINALITY ON %D FROM %M", database, name, 0, &series) &&
              first_value(s, "SELECT * FROM %M ORDER BY time ASC LIMIT 1", database, name, 0, &first) &&
              first_value(s, "SELECT * FROM %M ORDER BY time DESC LIMIT 1", database, name, 0, &last);
    if (ok) {
        fprintf(s->out, "measurement %.*s in %.*s: %.*s series\n", SILT_FMT(name), SILT_FMT(database),
                SILT_FMT(words_view(&series)));
        put_time(&range, &first);
        if (range.len) {
            silt_buffer_str(&range, SILT_STR(" to "));
            put_time(&range, &last);
            fprintf(s->out, "%.*s\n", SILT_FMT(words_view(&range)));
        }
        putc('\n', s->out);
        ok = show_columns(s, database, name, entries, count);
    }
    silt_buffer_free(&series);
    silt_buffer_free(&first);
    silt_buffer_free(&last);
    silt_buffer_free(&range);
    return ok;
}

/* ---------------------------------------------------------------- a database */

static void policy_row(void *context, const struct cell *cells, size_t count)
{
    struct listing *listing = context;
    if (count < 5)
        return;
    const struct cell row[] = {
        cells[0], cells[1], cells[2],
        text_cell(silt_str_equal(cells[4].text, SILT_STR("true")) ? SILT_STR("default") : SILT_STR(""))};
    listing_row(listing, row);
}

static bool describe_database(struct session *s, struct silt_str database, const struct schema *schema)
{
    static const char *const policy_columns[] = {"policy", "duration", "shard group", "", NULL};
    static const char *const columns[] = {"measurement", "fields", "tags", "series", NULL};
    static const struct answer_events policies = {.row = policy_row};
    struct silt_buffer statement = {0};
    struct listing listing;
    size_t measurements = 0;
    for (size_t i = 0; i < schema->count; i++)
        measurements += i == 0 || !silt_str_equal(schema->entries[i].measurement, schema->entries[i - 1].measurement);
    fprintf(s->out, "database %.*s: %zu measurement%s\n\n", SILT_FMT(database), measurements,
            measurements == 1 ? "" : "s");
    put_names(&statement, "SHOW RETENTION POLICIES ON %D", database, database, database);
    listing_begin(&listing, s, policy_columns);
    bool ok = session_ask(s, words_view(&statement), database, &policies, &listing);
    listing_end(&listing);
    silt_buffer_free(&statement);
    if (!measurements || !ok)
        return ok;
    putc('\n', s->out);
    listing_begin(&listing, s, columns);
    for (size_t i = 0; i < schema->count && ok;) {
        struct silt_str name = schema->entries[i].measurement;
        struct silt_buffer series = {0};
        size_t fields = 0, tags = 0;
        for (; i < schema->count && silt_str_equal(schema->entries[i].measurement, name); i++)
            *(schema->entries[i].kind == SCHEMA_TAG ? &tags : &fields) += 1;
        ok = first_value(s, "SHOW SERIES EXACT CARDINALITY ON %D FROM %M", database, name, 0, &series);
        char field_text[24], tag_text[24];
        const struct cell row[] = {text_cell(name),
                                   number_cell(field_text, fields),
                                   number_cell(tag_text, tags),
                                   {CELL_NUMBER, words_view(&series)}};
        listing_row(&listing, row);
        silt_buffer_free(&series);
    }
    listing_end(&listing);
    return ok;
}

/* ---------------------------------------------------------------- which of them */

static bool database_exists(struct session *s, struct silt_str name, bool *ok)
{
    struct gathered g = {.keep = SIZE_MAX};
    *ok = session_ask(s, SILT_STR("SHOW DATABASES"), (struct silt_str){0}, &gathering, &g);
    bool found = false;
    struct silt_str rest = words_view(&g.text);
    while (rest.len && !found) {
        const char *end = memmem(rest.p, rest.len, ", ", 2);
        struct silt_str one = {rest.p, end ? (size_t)(end - rest.p) : rest.len};
        found = silt_str_equal(one, name);
        rest = end ? (struct silt_str){end + 2, rest.len - one.len - 2} : (struct silt_str){0};
    }
    silt_buffer_free(&g.text);
    return found;
}

bool describe(struct session *s, struct silt_str name)
{
    struct silt_str database = words_view(&s->database);
    struct schema schema;
    bool ok = true;
    size_t count = 0;
    if (name.len && database.len) {
        if (!session_schema(s, database, (struct silt_str){0}, name, &schema))
            return false;
        (void)schema_of(&schema, name, &count);
        if (count)
            ok = describe_measurement(s, database, name, &schema);
        schema_deinit(&schema);
        if (count)
            return ok;
    }
    if (!name.len)
        name = database;
    bool found = name.len && database_exists(s, name, &ok);
    if (!ok)
        return false;
    if (!found) {
        s->failure.len = 0;
        silt_buffer_printf(&s->failure,
                           name.len ? "there is no database and no measurement %.*s"
                                    : "no database is set; describe <name>%.*s",
                           SILT_FMT(name));
        return false;
    }
    ok = session_schema(s, name, (struct silt_str){0}, (struct silt_str){0}, &schema);
    if (ok) {
        ok = describe_database(s, name, &schema);
        schema_deinit(&schema);
    }
    return ok;
}
