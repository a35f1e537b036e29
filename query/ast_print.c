/*
 * ast_print.c - a tree as normalised InfluxQL: keywords in upper case, single spaces, names quoted only where they
 * have to be, durations in their largest unit, float literals with three decimals unless they are marked, no passwords.
 *
 * What is printed parses again and then prints the same. Not so: [REDACTED], and fractions of a second in CREATE
 * DATABASE, whose durations InfluxDB prints in Go's way.
 */
#include "query/ast.h"
#include "query/lexer.h"

#include <inttypes.h>
#include <math.h>

static void word(struct silt_buffer *out, const char *text)
{
    silt_buffer_append(out, text, strlen(text));
}

/* ---------------------------------------------------------------- names and literals */

static void escaped(struct silt_buffer *out, struct silt_str text, char quote)
{
    silt_buffer_reserve(out, text.len + 2);
    silt_buffer_char(out, quote);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '\n') {
            word(out, "\\n");
            continue;
        }
        if (c == quote || c == '\\')
            silt_buffer_char(out, '\\');
        silt_buffer_char(out, c);
    }
    silt_buffer_char(out, quote);
}

void ident_print(struct silt_buffer *out, struct silt_str name)
{
    if (name.len == 0 || ident_needs_quotes(name))
        escaped(out, name, '"');
    else
        silt_buffer_str(out, name);
}

void string_print(struct silt_buffer *out, struct silt_str text)
{
    escaped(out, text, '\'');
}

static void regex_print(struct silt_buffer *out, struct silt_str pattern)
{
    silt_buffer_char(out, '/');
    for (size_t i = 0; i < pattern.len; i++) {
        if (pattern.p[i] == '/')
            silt_buffer_char(out, '\\');
        silt_buffer_char(out, pattern.p[i]);
    }
    silt_buffer_char(out, '/');
}

static void duration_print(struct silt_buffer *out, int64_t ns)
{
    char text[SILT_TIME_TEXT_MAX];
    silt_buffer_append(out, text, silt_write_duration(text, ns));
}

static void go_duration_print(struct silt_buffer *out, int64_t ns)
{
    char text[SILT_TIME_TEXT_MAX];
    silt_buffer_append(out, text, silt_write_duration_go(text, ns));
}

static void number_print(struct silt_buffer *out, double number, bool exact)
{
    char text[SILT_NUMBER_TEXT_MAX];

    if (!isfinite(number)) { /* of constants that were folded */
        word(out, isnan(number) ? "NaN" : number > 0 ? "+Inf" : "-Inf");
        return;
    }
    size_t len = exact ? silt_write_double_plain(text, number) : silt_write_double_fixed3(text, number);
    silt_buffer_append(out, text, len);
    if (!memchr(text, '.', len)) /* it would be an integer */
        word(out, ".0");
}

/* ---------------------------------------------------------------- expressions */

static void ident_list_print(struct silt_buffer *out, const struct silt_str *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            word(out, ", ");
        ident_print(out, names[i]);
    }
}

static void expr_list_print(struct silt_buffer *out, struct expr *const *exprs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            word(out, ", ");
        expr_print(out, exprs[i]);
    }
}

static void cast_print(struct silt_buffer *out, enum data_type type)
{
    if (type != DATA_UNKNOWN) {
        word(out, "::");
        word(out, data_type_name(type));
    }
}

void expr_print(struct silt_buffer *out, const struct expr *expr)
{
    char text[SILT_TIME_TEXT_MAX];

    switch (expr->kind) {
    case EXPR_REF:
        ident_print(out, expr->ref.name);
        cast_print(out, expr->ref.type);
        return;
    case EXPR_CALL:
        if (silt_str_equal(expr->call.name, SILT_STR("distinct"))) /* a keyword, but here it needs no quotes */
            silt_buffer_str(out, expr->call.name);
        else
            ident_print(out, expr->call.name);
        silt_buffer_char(out, '(');
        expr_list_print(out, expr->call.args, expr->call.arg_count);
        silt_buffer_char(out, ')');
        return;
    case EXPR_DISTINCT:
        word(out, "DISTINCT ");
        ident_print(out, expr->ref.name);
        return;
    case EXPR_BINARY:
        expr_print(out, expr->binary.left);
        silt_buffer_char(out, ' ');
        word(out, expr_op_text(expr->binary.op));
        silt_buffer_char(out, ' ');
        expr_print(out, expr->binary.right);
        return;
    case EXPR_PAREN:
        silt_buffer_char(out, '(');
        expr_print(out, expr->paren);
        silt_buffer_char(out, ')');
        return;
    case EXPR_WILDCARD:
        silt_buffer_char(out, '*');
        cast_print(out, expr->ref.type);
        return;
    case EXPR_REGEX:
        regex_print(out, expr->regex);
        return;
    case EXPR_INTEGER:
        silt_buffer_printf(out, "%" PRId64, expr->integer);
        return;
    case EXPR_UNSIGNED:
        silt_buffer_printf(out, "%" PRIu64, expr->unsigned_integer);
        return;
    case EXPR_NUMBER:
        number_print(out, expr->number, expr->exact);
        return;
    case EXPR_STRING:
        string_print(out, expr->string);
        return;
    case EXPR_BOOLEAN:
        word(out, expr->boolean ? "true" : "false");
        return;
    case EXPR_DURATION:
        duration_print(out, expr->integer);
        return;
    case EXPR_TIME:
        silt_buffer_char(out, '\'');
        silt_buffer_append(out, text, silt_write_rfc3339(text, expr->integer, 0));
        silt_buffer_char(out, '\'');
        return;
    case EXPR_NIL:
        word(out, "nil");
        return;
    case EXPR_LIST:
        silt_buffer_char(out, '(');
        ident_list_print(out, expr->list.names, expr->list.count);
        silt_buffer_char(out, ')');
        return;
    }
}

/* ---------------------------------------------------------------- clauses */

void source_print(struct silt_buffer *out, const struct source *source)
{
    if (source->kind == SOURCE_SUBQUERY) {
        silt_buffer_char(out, '(');
        select_print(out, source->subquery);
        silt_buffer_char(out, ')');
        return;
    }
    if (source->database.len) {
        ident_print(out, source->database);
        silt_buffer_char(out, '.');
    }
    if (source->rp.len)
        ident_print(out, source->rp);
    if (source->database.len || source->rp.len)
        silt_buffer_char(out, '.');
    if (source->system_iterator.len)
        ident_print(out, source->system_iterator);
    else if (source->is_backref && (source->database.len || source->rp.len))
        word(out, ":MEASUREMENT");
    else if (source->is_regex)
        regex_print(out, source->regex);
    else
        ident_print(out, source->name);
}

/* A clause with its keyword in front, when it is there. */
static void sources_print(struct silt_buffer *out, const char *keyword, const struct source *sources, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        word(out, i ? ", " : keyword);
        source_print(out, &sources[i]);
    }
}

static void condition_print(struct silt_buffer *out, const struct expr *condition)
{
    if (condition) {
        word(out, " WHERE ");
        expr_print(out, condition);
    }
}

static void dimensions_print(struct silt_buffer *out, struct expr *const *dimensions, size_t count)
{
    if (count) {
        word(out, " GROUP BY ");
        expr_list_print(out, dimensions, count);
    }
}

static void order_print(struct silt_buffer *out, bool given, bool named, bool descending)
{
    if (given) {
        word(out, " ORDER BY ");
        word(out, named ? "time " : "");
        word(out, descending ? "DESC" : "ASC");
    }
}

static void bound_print(struct silt_buffer *out, const char *keyword, int64_t value)
{
    if (value > 0)
        silt_buffer_printf(out, " %s %" PRId64, keyword, value);
}

static void on_print(struct silt_buffer *out, struct silt_str database)
{
    if (database.len) {
        word(out, " ON ");
        ident_print(out, database);
    }
}

static void fill_print(struct silt_buffer *out, const struct select *select)
{
    char text[SILT_NUMBER_TEXT_MAX];

    switch (select->fill) {
    case FILL_NULL:
        return;
    case FILL_NONE:
        word(out, " fill(none)");
        return;
    case FILL_PREVIOUS:
        word(out, " fill(previous)");
        return;
    case FILL_LINEAR:
        word(out, " fill(linear)");
        return;
    case FILL_NUMBER:
        word(out, " fill(");
        if (select->fill_is_integer) {
            silt_buffer_printf(out, "%" PRId64, select->fill_integer);
        } else {
            size_t len = silt_write_double_plain(text, select->fill_number + 0.0); /* no -0 */
            silt_buffer_append(out, text, len);
            if (!memchr(text, '.', len) && (select->fill_number >= 1e15 || select->fill_number <= -1e15))
                word(out, ".0"); /* as an integer it might not fit */
        }
        silt_buffer_char(out, ')');
        return;
    }
}

void select_print(struct silt_buffer *out, const struct select *select)
{
    word(out, "SELECT ");
    for (size_t i = 0; i < select->field_count; i++) {
        if (i)
            word(out, ", ");
        expr_print(out, select->fields[i].expr);
        if (select->fields[i].alias.len) {
            word(out, " AS ");
            ident_print(out, select->fields[i].alias);
        }
    }
    if (select->into)
        sources_print(out, " INTO ", select->into, 1);
    sources_print(out, " FROM ", select->sources, select->source_count);
    condition_print(out, select->condition);
    dimensions_print(out, select->dimensions, select->dimension_count);
    fill_print(out, select);
    order_print(out, select->has_order_by, select->order_named, select->descending);
    bound_print(out, "LIMIT", select->limit);
    bound_print(out, "OFFSET", select->offset);
    bound_print(out, "SLIMIT", select->slimit);
    bound_print(out, "SOFFSET", select->soffset);
    if (select->zone) {
        word(out, " TZ(");
        string_print(out, select->zone_name);
        silt_buffer_char(out, ')');
    }
}

/* ---------------------------------------------------------------- statements */

static void show_print(struct silt_buffer *out, enum statement_kind kind, const struct show_statement *show)
{
    static const char *const exact_names[STATEMENT_KIND_COUNT] = {
        [STATEMENT_SHOW_SERIES_CARDINALITY] = "SHOW SERIES EXACT CARDINALITY",
        [STATEMENT_SHOW_MEASUREMENT_CARDINALITY] = "SHOW MEASUREMENT EXACT CARDINALITY",
        [STATEMENT_SHOW_TAG_KEY_CARDINALITY] = "SHOW TAG KEY EXACT CARDINALITY",
        [STATEMENT_SHOW_TAG_VALUES_CARDINALITY] = "SHOW TAG VALUES EXACT CARDINALITY",
        [STATEMENT_SHOW_FIELD_KEY_CARDINALITY] = "SHOW FIELD KEY EXACT CARDINALITY",
    };

    word(out, show->exact && exact_names[kind] ? exact_names[kind] : statement_kind_name(kind));
    on_print(out, show->database);
    if (kind != STATEMENT_SHOW_MEASUREMENTS) {
        sources_print(out, " FROM ", show->sources, show->source_count);
    } else if (show->source_count) {
        word(out, show->sources[0].is_regex ? " WITH MEASUREMENT =~ " : " WITH MEASUREMENT = ");
        source_print(out, &show->sources[0]);
    }
    if (show->key) {
        silt_buffer_printf(out, " WITH KEY %s ", expr_op_text(show->key_op));
        if (show->key->kind == EXPR_STRING)
            ident_print(out, show->key->string);
        else
            expr_print(out, show->key);
    }
    condition_print(out, show->condition);
    dimensions_print(out, show->dimensions, show->dimension_count);
    order_print(out, show->has_order_by, show->order_named, show->descending);
    bound_print(out, "LIMIT", show->limit);
    bound_print(out, "OFFSET", show->offset);
    bound_print(out, "SLIMIT", show->slimit);
    bound_print(out, "SOFFSET", show->soffset);
}

static void create_database_print(struct silt_buffer *out, const struct create_database_statement *create)
{
    word(out, "CREATE DATABASE ");
    ident_print(out, create->name);
    if (!create->has_with)
        return;
    word(out, " WITH");
    if (create->policy.has_duration) {
        word(out, " DURATION ");
        go_duration_print(out, create->policy.duration_ns);
    }
    if (create->policy.has_replication)
        silt_buffer_printf(out, " REPLICATION %u", create->policy.replication);
    bool other = create->policy.has_duration || create->policy.has_replication || create->policy_name.len;
    if (create->policy.shard_duration_ns || !other) { /* WITH must not stand alone */
        word(out, " SHARD DURATION ");
        go_duration_print(out, create->policy.shard_duration_ns);
    }
    if (create->policy_name.len) {
        word(out, " NAME ");
        ident_print(out, create->policy_name);
    }
}

static void policy_print(struct silt_buffer *out, bool alter, const struct policy_statement *policy)
{
    word(out, alter ? "ALTER RETENTION POLICY " : "CREATE RETENTION POLICY ");
    ident_print(out, policy->name);
    word(out, " ON "); /* an empty name, too: it cannot be left out */
    ident_print(out, policy->database);
    if (policy->policy.has_duration) {
        word(out, " DURATION ");
        duration_print(out, policy->policy.duration_ns);
    }
    if (policy->policy.has_replication)
        silt_buffer_printf(out, " REPLICATION %u", policy->policy.replication);
    if (alter ? policy->policy.has_shard_duration : policy->policy.shard_duration_ns > 0) {
        word(out, " SHARD DURATION ");
        duration_print(out, policy->policy.shard_duration_ns);
    }
    if (policy->policy.make_default)
        word(out, " DEFAULT");
}

static void continuous_query_print(struct silt_buffer *out, const struct continuous_query_statement *query)
{
    word(out, "CREATE CONTINUOUS QUERY ");
    ident_print(out, query->name);
    word(out, " ON ");
    ident_print(out, query->database);
    if (query->resample_every_ns || query->resample_for_ns) {
        word(out, " RESAMPLE");
        if (query->resample_every_ns) {
            word(out, " EVERY ");
            duration_print(out, query->resample_every_ns);
        }
        if (query->resample_for_ns) {
            word(out, " FOR ");
            duration_print(out, query->resample_for_ns);
        }
    }
    word(out, " BEGIN ");
    select_print(out, query->select);
    word(out, " END");
}

static void destination_print(struct silt_buffer *out, struct silt_str url)
{
    struct silt_buffer shown = {0};

    silt_buffer_url(&shown, url);
    string_print(out, (struct silt_str){shown.p, shown.len});
    silt_buffer_free(&shown);
}

static void subscription_print(struct silt_buffer *out, enum statement_kind kind,
                               const struct subscription_statement *subscription)
{
    word(out, statement_kind_name(kind));
    silt_buffer_char(out, ' ');
    ident_print(out, subscription->name);
    word(out, " ON ");
    ident_print(out, subscription->database);
    silt_buffer_char(out, '.');
    ident_print(out, subscription->rp);
    if (kind == STATEMENT_DROP_SUBSCRIPTION)
        return;
    silt_buffer_printf(out, " DESTINATIONS %.*s ", SILT_FMT(subscription->mode));
    for (size_t i = 0; i < subscription->destination_count; i++) {
        if (i)
            word(out, ", ");
        destination_print(out, subscription->destinations[i]);
    }
}

static void grant_print(struct silt_buffer *out, enum statement_kind kind, const struct grant_statement *grant)
{
    static const char *const privileges[] = {"NO PRIVILEGES", "READ", "WRITE", "ALL PRIVILEGES"};
    bool gives = kind == STATEMENT_GRANT || kind == STATEMENT_GRANT_ADMIN;

    word(out, gives ? "GRANT " : "REVOKE ");
    if (kind == STATEMENT_GRANT_ADMIN || kind == STATEMENT_REVOKE_ADMIN) {
        word(out, "ALL PRIVILEGES");
    } else {
        word(out, privileges[grant->privilege]);
        word(out, " ON ");
        ident_print(out, grant->database);
    }
    word(out, gives ? " TO " : " FROM ");
    ident_print(out, grant->user);
}

void statement_print(struct silt_buffer *out, const struct statement *statement)
{
    switch (statement->kind) {
    case STATEMENT_SELECT:
        select_print(out, statement->select);
        return;
    case STATEMENT_EXPLAIN:
        word(out, statement->explain.analyze ? "EXPLAIN ANALYZE " : "EXPLAIN ");
        select_print(out, statement->explain.select);
        return;
    case STATEMENT_DELETE:
    case STATEMENT_DROP_SERIES:
        word(out, statement_kind_name(statement->kind));
        sources_print(out, " FROM ", statement->delete_points.sources, statement->delete_points.source_count);
        condition_print(out, statement->delete_points.condition);
        return;
    case STATEMENT_DROP_SHARD:
        silt_buffer_printf(out, "DROP SHARD %" PRIu64, statement->drop_shard.id);
        return;
    case STATEMENT_DROP_MEASUREMENT:
    case STATEMENT_DROP_DATABASE:
    case STATEMENT_DROP_USER:
        word(out, statement_kind_name(statement->kind));
        silt_buffer_char(out, ' ');
        ident_print(out, statement->named.name);
        return;
    case STATEMENT_SHOW_GRANTS:
        word(out, "SHOW GRANTS FOR ");
        ident_print(out, statement->named.name);
        return;
    case STATEMENT_SHOW_STATS:
    case STATEMENT_SHOW_DIAGNOSTICS:
        word(out, statement_kind_name(statement->kind));
        if (statement->named.name.len) {
            word(out, " FOR ");
            string_print(out, statement->named.name);
        }
        return;
    case STATEMENT_DROP_RETENTION_POLICY:
    case STATEMENT_DROP_CONTINUOUS_QUERY:
        word(out, statement_kind_name(statement->kind));
        silt_buffer_char(out, ' ');
        ident_print(out, statement->on_database.name);
        word(out, " ON ");
        ident_print(out, statement->on_database.database);
        return;
    case STATEMENT_SHOW_RETENTION_POLICIES:
        word(out, statement_kind_name(statement->kind));
        on_print(out, statement->on_database.database);
        return;
    case STATEMENT_CREATE_DATABASE:
        create_database_print(out, &statement->create_database);
        return;
    case STATEMENT_CREATE_RETENTION_POLICY:
    case STATEMENT_ALTER_RETENTION_POLICY:
        policy_print(out, statement->kind == STATEMENT_ALTER_RETENTION_POLICY, &statement->policy);
        return;
    case STATEMENT_CREATE_CONTINUOUS_QUERY:
        continuous_query_print(out, &statement->continuous_query);
        return;
    case STATEMENT_CREATE_SUBSCRIPTION:
    case STATEMENT_DROP_SUBSCRIPTION:
        subscription_print(out, statement->kind, &statement->subscription);
        return;
    case STATEMENT_CREATE_USER:
        word(out, "CREATE USER ");
        ident_print(out, statement->user.name);
        word(out, " WITH PASSWORD [REDACTED]");
        if (statement->user.admin)
            word(out, " WITH ALL PRIVILEGES");
        return;
    case STATEMENT_SET_PASSWORD:
        word(out, "SET PASSWORD FOR ");
        ident_print(out, statement->user.name);
        word(out, " = [REDACTED]");
        return;
    case STATEMENT_GRANT:
    case STATEMENT_GRANT_ADMIN:
    case STATEMENT_REVOKE:
    case STATEMENT_REVOKE_ADMIN:
        grant_print(out, statement->kind, &statement->grant);
        return;
    case STATEMENT_KILL_QUERY:
        silt_buffer_printf(out, "KILL QUERY %" PRIu64, statement->kill_query.query_id);
        on_print(out, statement->kill_query.host);
        return;
    case STATEMENT_SHOW_MEASUREMENTS:
    case STATEMENT_SHOW_SERIES:
    case STATEMENT_SHOW_TAG_KEYS:
    case STATEMENT_SHOW_TAG_VALUES:
    case STATEMENT_SHOW_FIELD_KEYS:
    case STATEMENT_SHOW_SERIES_CARDINALITY:
    case STATEMENT_SHOW_MEASUREMENT_CARDINALITY:
    case STATEMENT_SHOW_TAG_KEY_CARDINALITY:
    case STATEMENT_SHOW_TAG_VALUES_CARDINALITY:
    case STATEMENT_SHOW_FIELD_KEY_CARDINALITY:
        show_print(out, statement->kind, &statement->show);
        return;
    case STATEMENT_SHOW_DATABASES:
    case STATEMENT_SHOW_CONTINUOUS_QUERIES:
    case STATEMENT_SHOW_SUBSCRIPTIONS:
    case STATEMENT_SHOW_USERS:
    case STATEMENT_SHOW_QUERIES:
    case STATEMENT_SHOW_SHARDS:
    case STATEMENT_SHOW_SHARD_GROUPS:
        word(out, statement_kind_name(statement->kind));
        return;
    case STATEMENT_KIND_COUNT:
        break;
    }
    silt_assert(!"a statement of a known kind");
}

/* ---------------------------------------------------------------- into an arena */

static struct silt_str take_text(struct silt_buffer *buffer, struct silt_arena *arena)
{
    struct silt_str text = silt_arena_str(arena, (struct silt_str){buffer->p, buffer->len});
    silt_buffer_free(buffer);
    return text;
}

struct silt_str expr_text(const struct expr *expr, struct silt_arena *arena)
{
    struct silt_buffer buffer = {0};
    expr_print(&buffer, expr);
    return take_text(&buffer, arena);
}

struct silt_str select_text(const struct select *select, struct silt_arena *arena)
{
    struct silt_buffer buffer = {0};
    select_print(&buffer, select);
    return take_text(&buffer, arena);
}

struct silt_str statement_text(const struct statement *statement, struct silt_arena *arena)
{
    struct silt_buffer buffer = {0};
    statement_print(&buffer, statement);
    return take_text(&buffer, arena);
}
