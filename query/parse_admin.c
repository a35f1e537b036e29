/*
 * parse_admin.c - statements about databases, policies, continuous queries, subscriptions, users; deletes; EXPLAIN.
 */
#include "query/parser.h"

/* ---------------------------------------------------------------- EXPLAIN, deletes, KILL */

enum silt_status parse_explain(struct parser *p, struct statement *out)
{
    enum silt_status rc;

    out->explain.analyze = parse_take(p, TOKEN_ANALYZE);
    if ((rc = parse_expect(p, TOKEN_SELECT)) != SILT_OK)
        return rc;
    return parse_select(p, false, &out->explain.select);
}

static enum silt_status parse_deletion(struct parser *p, struct delete_statement *out)
{
    struct lexed lexed = parse_next(p);
    const char *refused = NULL;
    enum silt_status rc;

    if (lexed.token == TOKEN_FROM) {
        if ((rc = parse_sources(p, false, &out->sources, &out->source_count)) != SILT_OK)
            return rc;
        for (size_t i = 0; i < out->source_count; i++) {
            if (out->sources[i].database.len)
                refused = "database not supported";
            if (out->sources[i].rp.len)
                refused = "retention policy not supported";
        }
        if (refused)
            return parse_error_at(p, (struct text_pos){0, 0}, refused);
    } else {
        parse_back(p);
    }
    if ((rc = parse_condition(p, &out->condition)) != SILT_OK)
        return rc;
    if (!out->condition && !out->source_count)
        return parse_unexpected(p, &lexed, "FROM, WHERE");
    return SILT_OK;
}

enum silt_status parse_delete(struct parser *p, struct statement *out)
{
    return parse_deletion(p, &out->delete_points);
}

enum silt_status parse_drop_series(struct parser *p, struct statement *out)
{
    return parse_deletion(p, &out->delete_points);
}

enum silt_status parse_drop_shard(struct parser *p, struct statement *out)
{
    return parse_uint64(p, &out->drop_shard.id);
}

enum silt_status parse_kill_query(struct parser *p, struct statement *out)
{
    enum silt_status rc;

    if ((rc = parse_uint64(p, &out->kill_query.query_id)) != SILT_OK)
        return rc;
    return parse_take(p, TOKEN_ON) ? parse_ident(p, &out->kill_query.host) : SILT_OK;
}

/* ---------------------------------------------------------------- shapes that several share */

enum silt_status parse_nothing(struct parser *p, struct statement *out)
{
    (void)p;
    (void)out;
    return SILT_OK;
}

enum silt_status parse_name(struct parser *p, struct statement *out)
{
    return parse_ident(p, &out->named.name);
}

static enum silt_status parse_on(struct parser *p, struct silt_str *name, struct silt_str *database)
{
    enum silt_status rc;

    if ((rc = parse_ident(p, name)) != SILT_OK || (rc = parse_expect(p, TOKEN_ON)) != SILT_OK)
        return rc;
    return parse_ident(p, database);
}

enum silt_status parse_name_on_database(struct parser *p, struct statement *out)
{
    return parse_on(p, &out->on_database.name, &out->on_database.database);
}

enum silt_status parse_optional_database(struct parser *p, struct statement *out)
{
    return parse_take(p, TOKEN_ON) ? parse_ident(p, &out->on_database.database) : SILT_OK;
}

enum silt_status parse_optional_module(struct parser *p, struct statement *out)
{
    return parse_take(p, TOKEN_FOR) ? parse_string(p, &out->named.name) : SILT_OK;
}

/* ---------------------------------------------------------------- databases and policies */

static enum silt_status parse_replication(struct parser *p, struct silt_policy_change *policy)
{
    int64_t count;
    enum silt_status rc;

    if ((rc = parse_int(p, 1, INT32_MAX, &count)) != SILT_OK)
        return rc;
    policy->has_replication = true;
    policy->replication = (uint32_t)count;
    return SILT_OK;
}

static enum silt_status parse_policy_duration(struct parser *p, struct silt_policy_change *policy)
{
    policy->has_duration = true;
    return parse_duration(p, &policy->duration_ns);
}

/* Behind SHARD. */
static enum silt_status parse_shard_duration(struct parser *p, bool may_be_infinite, struct silt_policy_change *policy)
{
    enum silt_status rc;

    if ((rc = parse_expect(p, TOKEN_DURATION)) != SILT_OK)
        return rc;
    struct lexed lexed = parse_next(p);
    parse_back(p);
    if (!may_be_infinite && lexed.token == TOKEN_INF)
        return parse_error_at(p, lexed.pos, "invalid duration INF for shard duration");
    policy->has_shard_duration = true;
    return parse_duration(p, &policy->shard_duration_ns);
}

enum silt_status parse_create_database(struct parser *p, struct statement *out)
{
    struct create_database_statement *create = &out->create_database;
    enum silt_status rc;

    if ((rc = parse_ident(p, &create->name)) != SILT_OK || !parse_take(p, TOKEN_WITH))
        return rc;
    struct lexed lexed = parse_next(p);
    if (lexed.token != TOKEN_DURATION && lexed.token != TOKEN_NAME && lexed.token != TOKEN_REPLICATION &&
        lexed.token != TOKEN_SHARD)
        return parse_unexpected(p, &lexed, "DURATION, NAME, REPLICATION, SHARD");
    parse_back(p);
    create->has_with = true;
    if (parse_take(p, TOKEN_DURATION) && (rc = parse_policy_duration(p, &create->policy)) != SILT_OK)
        return rc;
    if (parse_take(p, TOKEN_REPLICATION) && (rc = parse_replication(p, &create->policy)) != SILT_OK)
        return rc;
    if (parse_take(p, TOKEN_SHARD) && (rc = parse_shard_duration(p, true, &create->policy)) != SILT_OK)
        return rc;
    if (parse_take(p, TOKEN_NAME) && (rc = parse_ident(p, &create->policy_name)) != SILT_OK)
        return rc;
    return SILT_OK;
}

enum silt_status parse_create_policy(struct parser *p, struct statement *out)
{
    struct policy_statement *create = &out->policy;
    enum silt_status rc;

    if ((rc = parse_on(p, &create->name, &create->database)) != SILT_OK ||
        (rc = parse_expect(p, TOKEN_DURATION)) != SILT_OK ||
        (rc = parse_policy_duration(p, &create->policy)) != SILT_OK ||
        (rc = parse_expect(p, TOKEN_REPLICATION)) != SILT_OK ||
        (rc = parse_replication(p, &create->policy)) != SILT_OK)
        return rc;
    if (parse_take(p, TOKEN_SHARD) && (rc = parse_shard_duration(p, false, &create->policy)) != SILT_OK)
        return rc;
    create->policy.make_default = parse_take(p, TOKEN_DEFAULT);
    return SILT_OK;
}

enum silt_status parse_alter_policy(struct parser *p, struct statement *out)
{
    struct policy_statement *alter = &out->policy;
    struct silt_policy_change *policy = &alter->policy;
    struct lexed lexed = parse_next(p);
    enum silt_status rc;

    if (lexed.token == TOKEN_DEFAULT)
        alter->name = SILT_STR("default");
    else if (lexed.token == TOKEN_IDENT)
        alter->name = lexed.text;
    else
        return parse_unexpected(p, &lexed, "identifier");
    if ((rc = parse_expect(p, TOKEN_ON)) != SILT_OK || (rc = parse_ident(p, &alter->database)) != SILT_OK)
        return rc;

    for (bool any = false; rc == SILT_OK; any = true) {
        lexed = parse_next(p);
        if ((lexed.token == TOKEN_DURATION && policy->has_duration) ||
            (lexed.token == TOKEN_REPLICATION && policy->has_replication) ||
            (lexed.token == TOKEN_SHARD && policy->has_shard_duration) ||
            (lexed.token == TOKEN_DEFAULT && policy->make_default))
            return silt_fail(p->err, SILT_INVALID, "found duplicate %s option at line %u, char %u",
                             token_text(lexed.token), lexed.pos.line + 1, lexed.pos.character + 1);
        switch ((int)lexed.token) {
        case TOKEN_DURATION:
            rc = parse_policy_duration(p, policy);
            break;
        case TOKEN_REPLICATION:
            rc = parse_replication(p, policy);
            break;
        case TOKEN_SHARD:
            rc = parse_shard_duration(p, false, policy);
            break;
        case TOKEN_DEFAULT:
            policy->make_default = true;
            break;
        default:
            if (!any)
                return parse_unexpected(p, &lexed, "DURATION, REPLICATION, SHARD, DEFAULT");
            parse_back(p);
            return SILT_OK;
        }
    }
    return rc;
}

/* ---------------------------------------------------------------- continuous queries */

static enum silt_status parse_resample_duration(struct parser *p, enum token keyword, int64_t *out)
{
    struct silt_error cause;

    if (!parse_take(p, keyword))
        return SILT_OK;
    struct lexed lexed = parse_next(p);
    if (lexed.token != TOKEN_DURATIONVAL)
        return parse_unexpected(p, &lexed, "duration");
    if (parse_duration_text(lexed.text, out, &cause) != SILT_OK)
        return parse_error_at(p, lexed.pos, silt_error_text(&cause).p);
    return SILT_OK;
}

static enum silt_status check_continuous_query(struct parser *p, const struct continuous_query_statement *query)
{
    char least_text[SILT_TIME_TEXT_MAX], got_text[SILT_TIME_TEXT_MAX];
    int64_t interval;
    const char *wrong = select_interval(query->select, &interval);

    if (wrong)
        return silt_fail(p->err, SILT_INVALID, "%s", wrong);
    int64_t least = interval > query->resample_every_ns ? interval : query->resample_every_ns;
    if (query->resample_for_ns == 0 || query->resample_for_ns >= least)
        return SILT_OK;
    int least_len = (int)silt_write_duration(least_text, least);
    int got_len = (int)silt_write_duration(got_text, query->resample_for_ns);
    return silt_fail(p->err, SILT_INVALID,
                     "FOR duration must be >= GROUP BY time duration: must be a minimum of %.*s, got %.*s", least_len,
                     least_text, got_len, got_text);
}

enum silt_status parse_create_continuous_query(struct parser *p, struct statement *out)
{
    struct continuous_query_statement *query = &out->continuous_query;
    enum silt_status rc;

    if ((rc = parse_on(p, &query->name, &query->database)) != SILT_OK)
        return rc;
    if (parse_take(p, TOKEN_RESAMPLE)) {
        if ((rc = parse_resample_duration(p, TOKEN_EVERY, &query->resample_every_ns)) != SILT_OK ||
            (rc = parse_resample_duration(p, TOKEN_FOR, &query->resample_for_ns)) != SILT_OK)
            return rc;
        if (!query->resample_every_ns && !query->resample_for_ns) {
            struct lexed lexed = parse_next(p);
            return parse_unexpected(p, &lexed, "EVERY, FOR");
        }
    }
    if ((rc = parse_expect(p, TOKEN_BEGIN)) != SILT_OK || (rc = parse_expect(p, TOKEN_SELECT)) != SILT_OK ||
        (rc = parse_select(p, true, &query->select)) != SILT_OK)
        return rc;
    if (!select_is_raw(query->select)) {
        int64_t interval;
        const char *wrong = select_interval(query->select, &interval);
        if (wrong || interval == 0) {
            struct silt_str expected = silt_arena_printf(p->arena, "GROUP BY time(...)%s%s", wrong ? ", " : "",
                                                         wrong ? wrong : "");
            parse_back(p); /* to name the last token of the SELECT: over the space, and over that */
            parse_back(p);
            struct lexed lexed = parse_next(p);
            return parse_unexpected(p, &lexed, expected.p);
        }
    }
    if ((rc = parse_expect(p, TOKEN_END)) != SILT_OK)
        return rc;
    return check_continuous_query(p, query);
}

/* ---------------------------------------------------------------- subscriptions */

/* name ON db.rp */
static enum silt_status parse_on_policy(struct parser *p, struct subscription_statement *out)
{
    enum silt_status rc;

    if ((rc = parse_on(p, &out->name, &out->database)) != SILT_OK)
        return rc;
    struct lexed lexed = parse_scan(p);
    if (lexed.token != TOKEN_DOT)
        return parse_unexpected(p, &lexed, ".");
    return parse_ident(p, &out->rp);
}

enum silt_status parse_create_subscription(struct parser *p, struct statement *out)
{
    struct subscription_statement *create = &out->subscription;
    enum silt_status rc;

    if ((rc = parse_on_policy(p, create)) != SILT_OK || (rc = parse_expect(p, TOKEN_DESTINATIONS)) != SILT_OK)
        return rc;
    struct lexed lexed = parse_next(p);
    if (lexed.token != TOKEN_ALL && lexed.token != TOKEN_ANY)
        return parse_unexpected(p, &lexed, "ALL, ANY");
    create->mode = silt_str_from(token_text(lexed.token));
    return parse_string_list(p, &create->destinations, &create->destination_count);
}

enum silt_status parse_drop_subscription(struct parser *p, struct statement *out)
{
    return parse_on_policy(p, &out->subscription);
}

/* ---------------------------------------------------------------- users */

enum silt_status parse_create_user(struct parser *p, struct statement *out)
{
    enum silt_status rc;

    if ((rc = parse_ident(p, &out->user.name)) != SILT_OK || (rc = parse_expect(p, TOKEN_WITH)) != SILT_OK ||
        (rc = parse_expect(p, TOKEN_PASSWORD)) != SILT_OK || (rc = parse_string(p, &out->user.password)) != SILT_OK ||
        !parse_take(p, TOKEN_WITH))
        return rc;
    out->user.admin = true;
    if ((rc = parse_expect(p, TOKEN_ALL)) != SILT_OK)
        return rc;
    return parse_expect(p, TOKEN_PRIVILEGES);
}

enum silt_status parse_set_password(struct parser *p, struct statement *out)
{
    enum silt_status rc;

    if ((rc = parse_ident(p, &out->user.name)) != SILT_OK || (rc = parse_expect(p, TOKEN_EQ)) != SILT_OK)
        return rc;
    return parse_string(p, &out->user.password);
}

static enum silt_status parse_privilege(struct parser *p, enum privilege *out)
{
    struct lexed lexed = parse_next(p);

    switch ((int)lexed.token) {
    case TOKEN_READ:
        *out = PRIVILEGE_READ;
        return SILT_OK;
    case TOKEN_WRITE:
        *out = PRIVILEGE_WRITE;
        return SILT_OK;
    case TOKEN_ALL:
        *out = PRIVILEGE_ALL;
        (void)parse_take(p, TOKEN_PRIVILEGES);
        return SILT_OK;
    default:
        return parse_unexpected(p, &lexed, "READ, WRITE, ALL [PRIVILEGES]");
    }
}

/* GRANT p [ON db] TO user, REVOKE p [ON db] FROM user; without a database only ALL, which is the admin's privilege. */
static enum silt_status parse_privilege_change(struct parser *p, enum token to, enum statement_kind admin_kind,
                                               struct statement *out)
{
    struct grant_statement *grant = &out->grant;
    enum silt_status rc;

    if ((rc = parse_privilege(p, &grant->privilege)) != SILT_OK)
        return rc;
    struct lexed lexed = parse_next(p);
    if (lexed.token == TOKEN_ON) {
        if ((rc = parse_ident(p, &grant->database)) != SILT_OK || (rc = parse_expect(p, to)) != SILT_OK)
            return rc;
    } else if (grant->privilege != PRIVILEGE_ALL) {
        return parse_unexpected(p, &lexed, "ON");
    } else if (lexed.token == to) {
        out->kind = admin_kind;
    } else {
        return parse_unexpected(p, &lexed, to == TOKEN_TO ? "ON, TO" : "ON, FROM");
    }
    return parse_ident(p, &grant->user);
}

enum silt_status parse_grant(struct parser *p, struct statement *out)
{
    return parse_privilege_change(p, TOKEN_TO, STATEMENT_GRANT_ADMIN, out);
}

enum silt_status parse_revoke(struct parser *p, struct statement *out)
{
    return parse_privilege_change(p, TOKEN_FROM, STATEMENT_REVOKE_ADMIN, out);
}
