/*
 * csv_map.c - records by RFC 4180, their values checked and written as the mapping says.
 */
#include "shell/csv_map.h"

#include "shell/line_text.h"
#include "shell/words.h"

#include <stdlib.h>

enum role { ROLE_NONE, ROLE_MEASUREMENT, ROLE_TAG, ROLE_FIELD, ROLE_TIME };

/* A column that the mapping names. */
struct wanted {
    struct silt_str name;
    enum role role;
    enum silt_type type; /* NONE: the first value decides */
};

struct column {
    enum role role;
    enum silt_type type;
    struct silt_buffer key; /* escaped */
    size_t order;           /* its place in the mapping */
};

struct csv_map {
    char *text; /* what names point into */
    struct wanted *wanted;
    size_t wanted_count;
    struct silt_str measurement; /* when it is no column */
    int64_t unit_ns;             /* of time; 0: a date and time, -1: as the value looks */
    char separator;
    bool has_fields, has_measurement, has_time;

    struct column *columns;
    size_t column_count;
    size_t *in_order; /* columns by their place in the mapping */

    struct silt_buffer values; /* of the record */
    size_t ends[CSV_COLUMNS_MAX];
    size_t value_count;
    bool too_many;
    struct silt_buffer line;
};

/* ---------------------------------------------------------------- the mapping */

/* A name, plain or in double quotes; *text moves behind it. */
static struct silt_str take_name(struct silt_str *text)
{
    struct silt_str name = {text->p, 0};
    if (text->len && text->p[0] == '"') {
        const char *end = memchr(text->p + 1, '"', text->len - 1);
        size_t len = end ? (size_t)(end - text->p) - 1 : text->len - 1;
        name = (struct silt_str){text->p + 1, len};
        len += end ? 2 : 1;
        text->p += len, text->len -= len;
        return name;
    }
    while (name.len < text->len && !strchr(" \t\n,:=", text->p[name.len]))
        name.len++;
    text->p += name.len, text->len -= name.len;
    return name;
}

static bool take_char(struct silt_str *text, char c)
{
    if (!text->len || text->p[0] != c)
        return false;
    text->p++, text->len--;
    return true;
}

static struct wanted *want(struct csv_map *map, struct silt_str name, enum role role)
{
    map->wanted = silt_realloc(map->wanted, (map->wanted_count + 1) * sizeof *map->wanted);
    map->wanted[map->wanted_count] = (struct wanted){.name = name, .role = role};
    return &map->wanted[map->wanted_count++];
}

static enum silt_status take_columns(struct csv_map *map, struct silt_str *text, enum role role, struct silt_error *err)
{
    do {
        struct silt_str name = take_name(text);
        if (!name.len)
            return silt_fail(err, SILT_INVALID, "mapping: a column's name is missing");
        struct wanted *wanted = want(map, name, role);
        if (role != ROLE_FIELD || !take_char(text, ':'))
            continue;
        struct silt_str type = take_name(text);
        for (wanted->type = SILT_TYPE_FLOAT; wanted->type <= SILT_TYPE_BOOLEAN; wanted->type++)
            if (silt_str_equal(type, silt_str_from(silt_type_name(wanted->type))))
                break;
        if (wanted->type > SILT_TYPE_BOOLEAN)
            return silt_fail(err, SILT_INVALID, "mapping: %.*s is no type", SILT_FMT(type));
    } while (take_char(text, ','));
    return SILT_OK;
}

static enum silt_status take_time(struct csv_map *map, struct silt_str *text, struct silt_error *err)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"h", 3600000000000}, {"m", 60000000000}, {"s", 1000000000}, {"ms", 1000000},
                 {"u", 1000},          {"ns", 1},          {"rfc3339", 0}};
    struct silt_str name = take_name(text);
    if (!name.len)
        return silt_fail(err, SILT_INVALID, "mapping: the column of time is missing");
    want(map, name, ROLE_TIME);
    map->has_time = true;
    map->unit_ns = -1;
    if (!take_char(text, ':'))
        return SILT_OK;
    struct silt_str unit = take_name(text);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (silt_str_equal(unit, silt_str_from(units[i].name))) {
            map->unit_ns = units[i].ns;
            return SILT_OK;
        }
    return silt_fail(err, SILT_INVALID, "mapping: %.*s is no unit of time", SILT_FMT(unit));
}

static enum silt_status take_item(struct csv_map *map, struct silt_str *text, struct silt_error *err)
{
    struct silt_str name = take_name(text);
    if (!take_char(text, '='))
        return silt_fail(err, SILT_INVALID, "mapping: = is missing behind %.*s", SILT_FMT(name));
    if (silt_str_equal(name, SILT_STR("measurement"))) {
        bool is_column = take_char(text, '@');
        struct silt_str value = take_name(text);
        map->has_measurement = value.len > 0;
        if (is_column)
            want(map, value, ROLE_MEASUREMENT);
        else
            map->measurement = value;
        return SILT_OK;
    }
    if (silt_str_equal(name, SILT_STR("tags")))
        return take_columns(map, text, ROLE_TAG, err);
    if (silt_str_equal(name, SILT_STR("fields"))) {
        map->has_fields = true;
        return take_columns(map, text, ROLE_FIELD, err);
    }
    if (silt_str_equal(name, SILT_STR("time")))
        return take_time(map, text, err);
    if (silt_str_equal(name, SILT_STR("separator")) && text->len) {
        bool is_tab = words_starts_fold(*text, SILT_STR("tab"));
        map->separator = is_tab ? '\t' : text->p[0];
        text->p += is_tab ? 3 : 1, text->len -= is_tab ? 3 : 1;
        return SILT_OK;
    }
    return silt_fail(err, SILT_INVALID, "mapping: %.*s is not known", SILT_FMT(name));
}

enum silt_status csv_map_parse(struct csv_map **out, struct silt_str text, struct silt_error *err)
{
    struct csv_map *map = silt_calloc(1, sizeof *map);
    enum silt_status status = SILT_OK;
    map->text = silt_strdup(text);
    map->separator = ',';
    struct silt_str rest = words_trim((struct silt_str){map->text, text.len});
    while (rest.len && status == SILT_OK) {
        status = take_item(map, &rest, err);
        size_t before = rest.len;
        rest = words_trim(rest);
        if (status == SILT_OK && rest.len && rest.len == before)
            status = silt_fail(err, SILT_INVALID, "mapping: a blank is missing before %.*s", SILT_FMT(rest));
    }
    if (status == SILT_OK && !(map->has_measurement && map->has_time))
        status = silt_fail(err, SILT_INVALID, "mapping: %s= is missing", map->has_measurement ? "time" : "measurement");
    if (status != SILT_OK) {
        csv_map_free(map);
        return status;
    }
    *out = map;
    return SILT_OK;
}

void csv_map_free(struct csv_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->column_count; i++)
        silt_buffer_free(&map->columns[i].key);
    free(map->columns);
    free(map->in_order);
    free(map->wanted);
    free(map->text);
    silt_buffer_free(&map->values);
    silt_buffer_free(&map->line);
    free(map);
}

/* ---------------------------------------------------------------- records */

static void end_value(struct csv_map *map)
{
    map->too_many = map->too_many || map->value_count == CSV_COLUMNS_MAX;
    if (!map->too_many)
        map->ends[map->value_count++] = map->values.len;
}

size_t csv_map_record(struct csv_map *map, struct silt_str text, bool is_last, size_t *lines)
{
    bool quoted = false, start = true;
    map->values.len = map->value_count = 0;
    map->too_many = false;
    *lines = 1;
    for (size_t at = 0; at < text.len; at++) {
        char c = text.p[at];
        if (quoted) {
            if (c != '"') {
                *lines += c == '\n';
                silt_buffer_char(&map->values, c);
            } else if (at + 1 < text.len && text.p[at + 1] == '"') {
                silt_buffer_char(&map->values, text.p[++at]);
            } else if (at + 1 == text.len && !is_last) {
                return 0; /* the closing quote, or half of one within */
            } else {
                quoted = false;
            }
        } else if (c == '"' && start) {
            quoted = true;
            start = false;
        } else if (c == map->separator) {
            end_value(map);
            start = true;
        } else if (c == '\n') {
            if (map->values.len && map->values.p[map->values.len - 1] == '\r' && at && text.p[at - 1] == '\r')
                map->values.len--;
            end_value(map);
            return at + 1;
        } else {
            silt_buffer_char(&map->values, c);
            start = false;
        }
    }
    if (!is_last || !text.len)
        return 0;
    end_value(map);
    return text.len;
}

static struct silt_str value_of(const struct csv_map *map, size_t i)
{
    size_t from = i ? map->ends[i - 1] : 0;
    return i < map->value_count ? (struct silt_str){map->values.p ? map->values.p + from : "", map->ends[i] - from}
                                : SILT_STR("");
}

enum silt_status csv_map_head(struct csv_map *map, struct silt_error *err)
{
    if (map->too_many)
        return silt_fail(err, SILT_LIMIT, "more than %d columns", CSV_COLUMNS_MAX);
    map->columns = silt_calloc(map->value_count + 1, sizeof *map->columns);
    map->in_order = silt_calloc(map->value_count + 1, sizeof *map->in_order);
    map->column_count = map->value_count;
    bool *found = silt_calloc(map->wanted_count + 1, 1);
    size_t ordered = 0;
    for (size_t w = 0; w < map->wanted_count; w++)
        for (size_t i = 0; i < map->column_count; i++)
            if (!map->columns[i].role && silt_str_equal(value_of(map, i), map->wanted[w].name)) {
                map->columns[i].role = map->wanted[w].role;
                map->columns[i].type = map->wanted[w].type;
                map->in_order[ordered++] = i;
                found[w] = true;
                break;
            }
    for (size_t i = 0; i < map->column_count; i++) {
        line_key(&map->columns[i].key, words_trim(value_of(map, i)));
        if (!map->has_fields && !map->columns[i].role && map->columns[i].key.len) {
            map->columns[i].role = ROLE_FIELD;
            map->in_order[ordered++] = i;
        }
    }
    for (size_t i = 0; i < map->column_count; i++) /* what is named nowhere goes last; nobody looks at it */
        if (!map->columns[i].role)
            map->in_order[ordered++] = i;
    enum silt_status status = SILT_OK;
    for (size_t w = 0; w < map->wanted_count && status == SILT_OK; w++)
        if (!found[w])
            status = silt_fail(err, SILT_NOT_FOUND, "there is no column \"%.*s\"", SILT_FMT(map->wanted[w].name));
    free(found);
    return status;
}

/* ---------------------------------------------------------------- values */

static bool is_boolean(struct silt_str text)
{
    return words_equal_fold(text, SILT_STR("true")) || words_equal_fold(text, SILT_STR("false"));
}

static enum silt_type look_of(struct silt_str text)
{
    double number;
    return silt_parse_double(text.p, text.len, &number) ? SILT_TYPE_FLOAT
           : is_boolean(text)                           ? SILT_TYPE_BOOLEAN
                                                        : SILT_TYPE_STRING;
}

static bool is_value(struct silt_str text, enum silt_type type)
{
    double number;
    int64_t integer;
    bool overflow;
    switch (type) {
    case SILT_TYPE_FLOAT:
        return silt_parse_double(text.p, text.len, &number);
    case SILT_TYPE_INTEGER:
        return silt_parse_int(text.p, text.len, &integer, &overflow);
    case SILT_TYPE_UNSIGNED:
        for (size_t i = 0; i < text.len; i++)
            if (text.p[i] < '0' || text.p[i] > '9')
                return false;
        return text.len <= 20;
    case SILT_TYPE_BOOLEAN:
        return is_boolean(text);
    default:
        return true;
    }
}

static enum silt_status put_field(struct csv_map *map, struct column *column, struct silt_str value,
                                  struct silt_error *err)
{
    if (column->type != SILT_TYPE_STRING)
        value = words_trim(value);
    if (column->type == SILT_TYPE_NONE)
        column->type = look_of(value);
    if (!is_value(value, column->type))
        return silt_fail(err, SILT_INVALID, "%.*s: \"%.*s\" is no %s", SILT_FMT(words_view(&column->key)),
                         SILT_FMT(value), silt_type_name(column->type));
    struct cell cell = {column->type == SILT_TYPE_STRING    ? CELL_STRING
                        : column->type == SILT_TYPE_BOOLEAN ? CELL_BOOLEAN
                                                            : CELL_NUMBER,
                        value};
    struct silt_buffer lower = {0};
    if (cell.kind == CELL_BOOLEAN) {
        words_lower(&lower, value);
        cell.text = words_view(&lower);
    }
    silt_buffer_str(&map->line, words_view(&column->key));
    silt_buffer_char(&map->line, '=');
    line_value(&map->line, &cell, column->type);
    silt_buffer_free(&lower);
    return SILT_OK;
}

static enum silt_status put_time(struct csv_map *map, struct silt_str value, struct silt_error *err)
{
    int64_t number, ns;
    bool has_zone;
    value = words_trim(value);
    bool is_number = silt_parse_int(value.p, value.len, &number, NULL);
    if (is_number && map->unit_ns && !__builtin_mul_overflow(number, map->unit_ns > 0 ? map->unit_ns : 1, &ns))
        ;
    else if (is_number || map->unit_ns > 0 || silt_parse_time(value, &ns, &has_zone) != SILT_OK)
        return silt_fail(err, SILT_INVALID, "\"%.*s\" is no time", SILT_FMT(value));
    char text[32];
    silt_buffer_char(&map->line, ' ');
    silt_buffer_append(&map->line, text, silt_write_int(text, ns));
    return SILT_OK;
}

/* All columns of one role that have a value; *count: how many. */
static enum silt_status put_role(struct csv_map *map, enum role role, size_t *count, struct silt_error *err)
{
    enum silt_status status = SILT_OK;
    *count = 0;
    for (size_t n = 0; n < map->column_count && status == SILT_OK; n++) {
        struct column *column = &map->columns[map->in_order[n]];
        struct silt_str value = value_of(map, map->in_order[n]);
        if (column->role != role || !words_trim(value).len)
            continue;
        *count += 1;
        if ((role == ROLE_MEASUREMENT || role == ROLE_TAG) &&
            (memchr(value.p, '\n', value.len) || value.p[value.len - 1] == '\\')) {
            status = silt_fail(err, SILT_INVALID,
                               "%.*s: line protocol has no tag with the end of a line in it or a \\ at its end",
                               SILT_FMT(words_view(&column->key)));
        } else if (role == ROLE_MEASUREMENT) {
            line_measurement(&map->line, value);
        } else if (role == ROLE_TIME) {
            status = put_time(map, value, err);
        } else if (role == ROLE_TAG) {
            silt_buffer_char(&map->line, ',');
            silt_buffer_str(&map->line, words_view(&column->key));
            silt_buffer_char(&map->line, '=');
            line_key(&map->line, value);
        } else {
            silt_buffer_char(&map->line, *count > 1 ? ',' : ' ');
            status = put_field(map, column, value, err);
        }
    }
    return status;
}

enum silt_status csv_map_row(struct csv_map *map, struct silt_buffer *out, struct silt_error *err)
{
    size_t names = 1, tags, fields, times;
    map->line.len = 0;
    if (map->value_count > map->column_count || map->too_many)
        return silt_fail(err, SILT_INVALID, "more values than columns");
    if (map->measurement.len)
        line_measurement(&map->line, map->measurement);
    else if (put_role(map, ROLE_MEASUREMENT, &names, err) != SILT_OK)
        return err->status;
    if (put_role(map, ROLE_TAG, &tags, err) != SILT_OK || put_role(map, ROLE_FIELD, &fields, err) != SILT_OK)
        return err->status;
    if (!fields)
        return silt_fail(err, SILT_NOT_FOUND, "no values");
    if (put_role(map, ROLE_TIME, &times, err) != SILT_OK)
        return err->status;
    if (!names || !times)
        return silt_fail(err, SILT_INVALID, names ? "no time" : "no measurement");
    silt_buffer_char(&map->line, '\n');
    silt_buffer_str(out, words_view(&map->line));
    return SILT_OK;
}
