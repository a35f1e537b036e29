/*
 * parser.c - tokens with put-back, the small constructs, and the table that says which statement stands here.
 */
#include "query/parser.h"

#include <stdio.h>

/* ---------------------------------------------------------------- tokens */

static const struct silt_param *find_param(const struct parser *p, struct silt_str name)
{
    for (size_t i = 0; name.len && i < p->param_count; i++)
        if (silt_str_equal(p->params[i].name, name))
            return &p->params[i];
    return NULL;
}

/* What the parameter reads as, had it been written in its place. */
static void bind(const struct parser *p, struct lexed *lexed)
{
    const struct silt_param *param = find_param(p, lexed->text);
    char text[SILT_NUMBER_TEXT_MAX];

    if (!param)
        return;
    switch (param->kind) {
    case SILT_PARAM_STRING:
        lexed->token = TOKEN_STRING;
        lexed->text = param->text;
        return;
    case SILT_PARAM_REGEX:
        lexed->token = TOKEN_REGEX;
        lexed->text = param->text;
        return;
    case SILT_PARAM_IDENTIFIER:
        lexed->token = TOKEN_IDENT;
        lexed->text = param->text;
        return;
    case SILT_PARAM_BOOLEAN:
        lexed->token = param->boolean ? TOKEN_TRUE : TOKEN_FALSE;
        lexed->text = param->boolean ? SILT_STR("true") : SILT_STR("false");
        return;
    case SILT_PARAM_INTEGER:
        lexed->token = TOKEN_INTEGER;
        lexed->text = silt_arena_printf(p->arena, "%lld", (long long)param->integer);
        return;
    case SILT_PARAM_FLOAT:
        lexed->token = TOKEN_NUMBER;
        lexed->text = silt_arena_str(p->arena, (struct silt_str){text, silt_write_double_plain(text, param->number)});
        return;
    case SILT_PARAM_DURATION:
        lexed->token = TOKEN_DURATIONVAL;
        lexed->text = silt_arena_str(p->arena, (struct silt_str){text, silt_write_duration(text, param->integer)});
        return;
    case SILT_PARAM_BAD_DURATION:
        lexed->token = TOKEN_DURATIONVAL;
        lexed->text = param->text;
        return;
    case SILT_PARAM_ERROR:
        return; /* said where it is used */
    }
}

static struct lexed read_with(struct parser *p, struct lexed (*scan)(struct lexer *lexer))
{
    if (p->back) {
        p->back--;
    } else {
        p->ring_at = (p->ring_at + 1) % PARSE_TOKENS_BACK;
        p->ring[p->ring_at] = scan(&p->lexer);
        if (p->ring[p->ring_at].token == TOKEN_PARAM)
            bind(p, &p->ring[p->ring_at]);
    }
    return p->ring[(p->ring_at + PARSE_TOKENS_BACK - p->back % PARSE_TOKENS_BACK) % PARSE_TOKENS_BACK];
}

struct lexed parse_scan(struct parser *p)
{
    return read_with(p, lexer_scan);
}

struct lexed parse_next(struct parser *p)
{
    struct lexed lexed;
    do
        lexed = parse_scan(p);
    while (lexed.token == TOKEN_WS || lexed.token == TOKEN_COMMENT);
    return lexed;
}

void parse_back(struct parser *p)
{
    p->back++;
}

bool parse_take(struct parser *p, enum token token)
{
    if (parse_next(p).token == token)
        return true;
    parse_back(p);
    return false;
}

/* ---------------------------------------------------------------- errors */

enum silt_status parse_unexpected(struct parser *p, const struct lexed *found, const char *expected)
{
    struct silt_str text = found->text;
    const struct silt_param *param = found->token == TOKEN_PARAM ? find_param(p, text) : NULL;
    bool dollar = found->token == TOKEN_PARAM && !param;

    if (param)
        text = param->text;
    else if (!text.len && !dollar)
        text = silt_str_from(token_text(found->token));
    return silt_fail(p->err, SILT_INVALID, "found %s%.*s, expected %s at line %u, char %u", dollar ? "$" : "",
                     SILT_FMT(text), expected, found->pos.line + 1, found->pos.character + 1);
}

enum silt_status parse_error_at(struct parser *p, struct text_pos pos, const char *message)
{
    return silt_fail(p->err, SILT_INVALID, "%s at line %u, char %u", message, pos.line + 1, pos.character + 1);
}

/* ---------------------------------------------------------------- small constructs */

enum silt_status parse_expect(struct parser *p, enum token token)
{
    struct lexed lexed = parse_next(p);
    return lexed.token == token ? SILT_OK : parse_unexpected(p, &lexed, token_text(token));
}

enum silt_status parse_ident(struct parser *p, struct silt_str *out)
{
    struct lexed lexed = parse_next(p);
    if (lexed.token != TOKEN_IDENT)
        return parse_unexpected(p, &lexed, "identifier");
    *out = lexed.text;
    return SILT_OK;
}

enum silt_status parse_string(struct parser *p, struct silt_str *out)
{
    struct lexed lexed = parse_next(p);
    if (lexed.token != TOKEN_STRING)
        return parse_unexpected(p, &lexed, "string");
    *out = lexed.text;
    return SILT_OK;
}

static enum silt_status out_of_range(struct parser *p, const struct lexed *lexed, const char *function)
{
    return silt_fail(p->err, SILT_INVALID, "strconv.%s: parsing \"%.*s\": value out of range at line %u, char %u", function,
                     SILT_FMT(lexed->text), lexed->pos.line + 1, lexed->pos.character + 1);
}

enum silt_status parse_int(struct parser *p, int64_t min, int64_t max, int64_t *out)
{
    struct lexed lexed = parse_next(p);
    bool overflow;

    if (lexed.token != TOKEN_INTEGER)
        return parse_unexpected(p, &lexed, "integer");
    if (!silt_parse_int(lexed.text.p, lexed.text.len, out, &overflow))
        return out_of_range(p, &lexed, "Atoi");
    if (*out < min || *out > max)
        return silt_fail(p->err, SILT_INVALID, "invalid value %lld: must be %lld <= n <= %lld at line %u, char %u",
                         (long long)*out, (long long)min, (long long)max, lexed.pos.line + 1, lexed.pos.character + 1);
    return SILT_OK;
}

enum silt_status parse_uint64(struct parser *p, uint64_t *out)
{
    struct lexed lexed = parse_next(p);
    uint64_t value = 0;

    if (lexed.token != TOKEN_INTEGER)
        return parse_unexpected(p, &lexed, "integer");
    for (size_t i = 0; i < lexed.text.len; i++) {
        unsigned digit = (unsigned)(lexed.text.p[i] - '0');
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) /* a bound parameter may be negative */
            return out_of_range(p, &lexed, "ParseUint");
        value = value * 10 + digit;
    }
    *out = value;
    return SILT_OK;
}

enum silt_status parse_duration_text(struct silt_str text, int64_t *out, struct silt_error *err)
{
    static const struct {
        struct silt_str name;
        int64_t ns;
    } units[] = {
        {{"ns", 2}, 1},
        {{"u", 1}, 1000},
        {{"\xc2\xb5", 2}, 1000},
        {{"ms", 2}, 1000000},
        {{"m", 1}, 60 * 1000000000ll},
        {{"s", 1}, 1000000000},
        {{"h", 1}, 3600 * 1000000000ll},
        {{"d", 1}, 24 * 3600 * 1000000000ll},
        {{"w", 1}, 7 * 24 * 3600 * 1000000000ll},
    };
    const size_t unit_count = sizeof units / sizeof units[0];
    bool negative = text.len > 0 && text.p[0] == '-';
    size_t i = negative ? 1 : 0;
    bool overflow = false;
    int64_t total = 0;

    if (text.len < 2)
        return silt_fail(err, SILT_INVALID, "invalid duration");
    while (i < text.len) {
        size_t start = i, unit;
        int64_t count, part;

        while (i < text.len && text.p[i] >= '0' && text.p[i] <= '9')
            i++;
        if (i == start || !silt_parse_int(text.p + start, i - start, &count, NULL))
            return silt_fail(err, SILT_INVALID, "invalid duration");
        for (unit = 0; unit < unit_count; unit++)
            if (text.len - i >= units[unit].name.len && memcmp(text.p + i, units[unit].name.p, units[unit].name.len) == 0)
                break;
        if (unit == unit_count)
            return silt_fail(err, SILT_INVALID, "invalid duration");
        i += units[unit].name.len;
        overflow = overflow || __builtin_mul_overflow(count, units[unit].ns, &part) ||
                   __builtin_add_overflow(total, part, &total);
        if (overflow)
            return silt_fail(err, SILT_INVALID, "overflowed duration %lld%.*s: choose a smaller duration or INF",
                             (long long)count, SILT_FMT(units[unit].name));
    }
    *out = negative ? -total : total;
    return SILT_OK;
}

enum silt_status parse_duration(struct parser *p, int64_t *out)
{
    struct lexed lexed = parse_next(p);
    struct silt_error cause;

    *out = 0;
    if (lexed.token == TOKEN_INF)
        return SILT_OK;
    if (lexed.token != TOKEN_DURATIONVAL)
        return parse_unexpected(p, &lexed, "duration");
    if (parse_duration_text(lexed.text, out, &cause) != SILT_OK)
        return parse_error_at(p, lexed.pos, silt_error_text(&cause).p);
    return SILT_OK;
}

static enum silt_status parse_list(struct parser *p, enum silt_status (*item)(struct parser *, struct silt_str *),
                                   struct silt_str **out, size_t *count)
{
    size_t capacity = 0;
    enum silt_status rc;

    *out = NULL;
    *count = 0;
    do {
        *out = silt_arena_grow(p->arena, *out, &capacity, *count + 1, sizeof **out);
        if ((rc = item(p, &(*out)[*count])) != SILT_OK)
            return rc;
        ++*count;
    } while (parse_take(p, TOKEN_COMMA));
    return SILT_OK;
}

enum silt_status parse_ident_list(struct parser *p, struct silt_str **out, size_t *count)
{
    return parse_list(p, parse_ident, out, count);
}

enum silt_status parse_string_list(struct parser *p, struct silt_str **out, size_t *count)
{
    return parse_list(p, parse_string, out, count);
}

/* A part of a name in "too many segments": quoted unless it is plain and last, or empty and between others. */
static void path_part_print(struct silt_buffer *out, struct silt_str part, bool first, bool last)
{
    bool quote = ident_needs_quotes(part) || (!last && part.len) || ((first || last) && !part.len);

    if (quote)
        silt_buffer_char(out, '"');
    for (size_t i = 0; i < part.len; i++) {
        if (part.p[i] == '"' || part.p[i] == '\\')
            silt_buffer_char(out, '\\');
        if (part.p[i] == '\n')
            silt_buffer_str(out, SILT_STR("\\n"));
        else
            silt_buffer_char(out, part.p[i]);
    }
    if (quote)
        silt_buffer_char(out, '"');
    if (!last)
        silt_buffer_char(out, '.');
}

static enum silt_status too_many_parts(struct parser *p, const struct silt_str *parts, size_t count)
{
    struct silt_buffer text = {0};
    enum silt_status rc;

    for (size_t i = 0; i < count; i++)
        path_part_print(&text, parts[i], i == 0, i + 1 == count);
    rc = silt_fail(p->err, SILT_INVALID, "too many segments in %.*s at line 1, char 1", (int)text.len, text.p);
    silt_buffer_free(&text);
    return rc;
}

enum silt_status parse_path(struct parser *p, struct name_path *out)
{
    struct silt_str parts[8]; /* more than that are only counted: the message is about too many */
    size_t count = 1;
    enum silt_status rc;

    if ((rc = parse_ident(p, &parts[0])) != SILT_OK)
        return rc;
    for (;;) {
        struct silt_str part = {NULL, 0};
        if (parse_scan(p).token != TOKEN_DOT) {
            parse_back(p);
            break;
        }
        uint32_t c = lexer_peek(&p->lexer);
        if (c == '/' || c == ':')
            break; /* the caller's */
        if (c != '.' && (rc = parse_ident(p, &part)) != SILT_OK)
            return rc;
        if (count < sizeof parts / sizeof parts[0])
            parts[count++] = part;
    }
    if (count > 3)
        return too_many_parts(p, parts, count);
    out->count = count;
    for (size_t i = 0; i < count; i++)
        out->parts[i] = parts[i];
    return SILT_OK;
}

/* ---------------------------------------------------------------- statements */

/* The way from keyword to keyword; the order is that of the alternatives in error messages. */
struct step {
    enum token token;
    const struct step *steps; /* or */
    parse_statement_fn parse;
    enum statement_kind kind;
};

static enum silt_status parse_select_statement(struct parser *p, struct statement *out)
{
    return parse_select(p, false, &out->select);
}

/* clang-format off */
#define STEPS(name, ...) static const struct step name[] = {__VA_ARGS__, {0}}
#define GO(token, steps) {TOKEN_##token, steps, NULL, 0}
#define AT(token, parse, kind) {TOKEN_##token, NULL, parse, STATEMENT_##kind}

STEPS(show_continuous, AT(QUERIES, parse_nothing, SHOW_CONTINUOUS_QUERIES));
STEPS(show_field, AT(KEY, parse_show_field_key, SHOW_FIELD_KEY_CARDINALITY),
      AT(KEYS, parse_show_field_keys, SHOW_FIELD_KEYS));
STEPS(show_grants, AT(FOR, parse_name, SHOW_GRANTS));
STEPS(show_measurement, AT(EXACT, parse_show_measurement_exact, SHOW_MEASUREMENT_CARDINALITY),
      AT(CARDINALITY, parse_show_measurement_cardinality, SHOW_MEASUREMENT_CARDINALITY));
STEPS(show_retention, AT(POLICIES, parse_optional_database, SHOW_RETENTION_POLICIES));
STEPS(show_shard, AT(GROUPS, parse_nothing, SHOW_SHARD_GROUPS));
STEPS(show_tag, AT(KEY, parse_show_tag_key, SHOW_TAG_KEY_CARDINALITY), AT(KEYS, parse_show_tag_keys, SHOW_TAG_KEYS),
      AT(VALUES, parse_show_tag_values, SHOW_TAG_VALUES));
STEPS(show, GO(CONTINUOUS, show_continuous), AT(DATABASES, parse_nothing, SHOW_DATABASES),
      AT(DIAGNOSTICS, parse_optional_module, SHOW_DIAGNOSTICS), GO(FIELD, show_field), GO(GRANTS, show_grants),
      GO(MEASUREMENT, show_measurement), AT(MEASUREMENTS, parse_show_measurements, SHOW_MEASUREMENTS),
      AT(QUERIES, parse_nothing, SHOW_QUERIES), GO(RETENTION, show_retention),
      AT(SERIES, parse_show_series, SHOW_SERIES), GO(SHARD, show_shard), AT(SHARDS, parse_nothing, SHOW_SHARDS),
      AT(STATS, parse_optional_module, SHOW_STATS), AT(SUBSCRIPTIONS, parse_nothing, SHOW_SUBSCRIPTIONS),
      GO(TAG, show_tag), AT(USERS, parse_nothing, SHOW_USERS));

STEPS(create_continuous, AT(QUERY, parse_create_continuous_query, CREATE_CONTINUOUS_QUERY));
STEPS(create_retention, AT(POLICY, parse_create_policy, CREATE_RETENTION_POLICY));
STEPS(create, GO(CONTINUOUS, create_continuous), AT(DATABASE, parse_create_database, CREATE_DATABASE),
      AT(USER, parse_create_user, CREATE_USER), GO(RETENTION, create_retention),
      AT(SUBSCRIPTION, parse_create_subscription, CREATE_SUBSCRIPTION));

STEPS(drop_continuous, AT(QUERY, parse_name_on_database, DROP_CONTINUOUS_QUERY));
STEPS(drop_retention, AT(POLICY, parse_name_on_database, DROP_RETENTION_POLICY));
STEPS(drop, GO(CONTINUOUS, drop_continuous), AT(DATABASE, parse_name, DROP_DATABASE),
      AT(MEASUREMENT, parse_name, DROP_MEASUREMENT), GO(RETENTION, drop_retention),
      AT(SERIES, parse_drop_series, DROP_SERIES), AT(SHARD, parse_drop_shard, DROP_SHARD),
      AT(SUBSCRIPTION, parse_drop_subscription, DROP_SUBSCRIPTION), AT(USER, parse_name, DROP_USER));

STEPS(alter_retention, AT(POLICY, parse_alter_policy, ALTER_RETENTION_POLICY));
STEPS(alter, GO(RETENTION, alter_retention));
STEPS(set_password, AT(FOR, parse_set_password, SET_PASSWORD));
STEPS(set, GO(PASSWORD, set_password));
STEPS(kill_query, AT(QUERY, parse_kill_query, KILL_QUERY));

STEPS(top, AT(SELECT, parse_select_statement, SELECT), AT(DELETE, parse_delete, DELETE), GO(SHOW, show),
      GO(CREATE, create), GO(DROP, drop), AT(EXPLAIN, parse_explain, EXPLAIN), AT(GRANT, parse_grant, GRANT),
      AT(REVOKE, parse_revoke, REVOKE), GO(ALTER, alter), GO(SET, set), GO(KILL, kill_query));
/* clang-format on */

static enum silt_status parse_statement(struct parser *p, struct statement *out)
{
    const struct step *steps = top;

    for (;;) {
        struct lexed lexed = parse_next(p);
        const struct step *step = steps;
        while (step->token != TOKEN_ILLEGAL && step->token != lexed.token)
            step++;
        if (step->token == TOKEN_ILLEGAL) {
            char expected[256];
            size_t len = 0;
            for (step = steps; step->token != TOKEN_ILLEGAL; step++)
                len += (size_t)snprintf(expected + len, sizeof expected - len, "%s%s", step == steps ? "" : ", ",
                                        token_text(step->token));
            return parse_unexpected(p, &lexed, expected);
        }
        if (step->parse) {
            out->kind = step->kind;
            return step->parse(p, out);
        }
        steps = step->steps;
    }
}

/* Where the tokens consumed so far end in the source. */
static size_t consumed_end(const struct parser *p)
{
    if (p->back == 0)
        return p->ring[p->ring_at].end;
    return p->ring[(p->ring_at + PARSE_TOKENS_BACK - (p->back - 1) % PARSE_TOKENS_BACK) % PARSE_TOKENS_BACK].start;
}

static struct silt_str trimmed(struct silt_str text)
{
    while (text.len && strchr(" \t\r\n", text.p[text.len - 1]))
        text.len--;
    return text;
}

enum silt_status parse_query(struct parser *p, struct silt_query *query)
{
    size_t capacity = 0;
    bool separated = true;
    enum silt_status rc;

    for (;;) {
        struct lexed lexed = parse_next(p);
        if (lexed.token == TOKEN_EOF)
            break;
        if (lexed.token == TOKEN_SEMICOLON) {
            separated = true;
            continue;
        }
        if (!separated)
            return parse_unexpected(p, &lexed, ";");
        parse_back(p);

        size_t count = query->statement_count;
        query->statements =
            silt_arena_grow(p->arena, query->statements, &capacity, count + 1, sizeof query->statements[0]);
        struct statement *statement = &query->statements[count];
        memset(statement, 0, sizeof *statement);
        if ((rc = parse_statement(p, statement)) != SILT_OK)
            return rc;
        if (silt_arena_exceeded(p->arena))
            return silt_fail(p->err, SILT_LIMIT, "query text needs too much memory");
        statement->source = trimmed((struct silt_str){p->lexer.source.p + lexed.start, consumed_end(p) - lexed.start});
        query->statement_count++;
        separated = false;
    }
    return SILT_OK;
}
