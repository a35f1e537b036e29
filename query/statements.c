/*
 * statements.c - statements that change things: checked here, carried out by silt_admin. And an honest refusal for
 * what is not carried out at all.
 */
#include "query/schema_view.h"

enum silt_status not_supported(const struct statement *statement, struct silt_error *err)
{
    return silt_fail(err, SILT_UNSUPPORTED, "%s is not supported", statement_kind_name(statement->kind));
}

static bool mentions_field(const struct expr *expr, const struct silt_field *fields, size_t count)
{
    if (!expr)
        return false;
    switch (expr->kind) {
    case EXPR_REF:
        for (size_t i = 0; i < count; i++)
            if (silt_str_equal(fields[i].name, expr->ref.name))
                return true;
        return false;
    case EXPR_PAREN: return mentions_field(expr->paren, fields, count);
    case EXPR_BINARY:
        return mentions_field(expr->binary.left, fields, count) || mentions_field(expr->binary.right, fields, count);
    default: return false;
    }
}

/* Compares something else than a tag with a text: to InfluxDB a question about fields. */
static bool asks_beyond_tags(const struct expr *expr)
{
    if (!expr || expr->kind == EXPR_PAREN)
        return expr && asks_beyond_tags(expr->paren);
    if (expr->kind != EXPR_BINARY)
        return false;
    const struct expr *left = expr->binary.left, *right = expr->binary.right;
    if (expr->binary.op == OP_AND || expr->binary.op == OP_OR)
        return asks_beyond_tags(left) || asks_beyond_tags(right);
    if (expr->binary.op != OP_EQ && expr->binary.op != OP_NE)
        return false;
    const struct expr *value = left->kind == EXPR_REF ? right : left;
    return left->kind == EXPR_BINARY || right->kind == EXPR_BINARY ||
           (is_literal(value) && value->kind != EXPR_STRING && value->kind != EXPR_REGEX);
}

/* A name on both sides of a comparison. InfluxDB would delete series that merely have both tags: here, none are. */
static bool compares_tags(const struct expr *expr)
{
    if (!expr || expr->kind == EXPR_PAREN)
        return expr && compares_tags(expr->paren);
    if (expr->kind != EXPR_BINARY)
        return false;
    if (expr->binary.op == OP_AND || expr->binary.op == OP_OR)
        return compares_tags(expr->binary.left) || compares_tags(expr->binary.right);
    return expr->binary.left->kind == EXPR_REF && expr->binary.right->kind == EXPR_REF;
}

static struct silt_tag_filter *nothing(struct exec *exec)
{
    struct silt_tag_filter *filter = silt_arena_zalloc(exec->arena, sizeof(*filter));
    filter->op = SILT_TAG_FALSE;
    return filter;
}

static uint64_t first_shard_of(struct exec *exec, struct silt_str database)
{
    struct silt_source *source = exec->options->source;
    struct silt_shard_info *shards;
    size_t count;

    if (source->shards(source, exec->arena, &shards, &count) == SILT_OK)
        for (size_t i = 0; i < count; i++)
            if (silt_str_equal(shards[i].database, database))
                return shards[i].id;
    return 0;
}

static bool source_names(struct exec *exec, const struct delete_statement *statement, struct silt_str measurement)
{
    for (size_t i = 0; i < statement->source_count; i++) {
        const struct source *source = &statement->sources[i];
        if (source->is_regex ? silt_regex_match(exec_regex(exec, source->regex), measurement)
                             : silt_str_equal(source->name, measurement))
            return true;
    }
    return statement->source_count == 0;
}

/* DELETE and DROP SERIES: all measurements concerned in one change of the store. */
static enum silt_status delete_run(struct exec *exec, const struct statement *statement, struct silt_error *err)
{
    const struct delete_statement *what = &statement->delete_points;
    bool whole_series = statement->kind == STATEMENT_DROP_SERIES;
    struct silt_admin *admin = exec->options->admin;
    struct silt_tag_filter *filter;
    struct schema_view view = {0};
    struct condition condition;
    enum silt_status rc;

    if (!admin || (whole_series ? !admin->drop_series : !admin->delete_points))
        return not_supported(statement, err);
    if (whole_series && expr_mentions_time(what->condition))
        return silt_fail(err, SILT_INVALID, "DROP SERIES doesn't support time in WHERE clause");
    struct silt_str database = exec->options->database;
    if (database.len == 0)
        return silt_fail(err, SILT_NOT_FOUND, "database not found: ");
    if ((rc = condition_split(exec, what->condition, NULL, &condition, err)) != SILT_OK)
        return rc;
    rc = schema_view_open(exec, database, (struct silt_str){0}, true, SILT_TIME_MIN, SILT_TIME_MAX, &view, err);
    for (size_t i = 0; rc == SILT_OK && i < view.measurement_count; i++) {
        struct silt_field *fields;
        size_t count;
        if (!source_names(exec, what, view.measurements[i]))
            continue;
        rc = schema_fields(&view, view.measurements[i], &fields, &count, err);
        if (rc == SILT_OK && (mentions_field(condition.rest, fields, count) || asks_beyond_tags(condition.rest)))
            rc = silt_fail(err, SILT_INVALID, "shard %llu: fields not supported in WHERE clause during deletion",
                           (unsigned long long)first_shard_of(exec, database));
    }
    if (rc == SILT_OK)
        rc = schema_tag_filter(exec, condition.rest, &filter, err);
    if (rc == SILT_OK && compares_tags(condition.rest))
        filter = nothing(exec);
    for (size_t i = 0; rc == SILT_OK && i < view.reader_count; i++)
        view.readers[i]->ops->release(view.readers[i]); /* what is deleted must not be pinned by us */
    if (rc == SILT_OK)
        view.reader_count = 0;
    struct silt_series_choice *choices = NULL;
    size_t count = 0;
    if (rc == SILT_OK)
        rc = exec_alloc(exec, view.measurement_count, sizeof(*choices), &choices, err);
    for (size_t i = 0; rc == SILT_OK && i < view.measurement_count; i++)
        if (source_names(exec, what, view.measurements[i]))
            choices[count++] = (struct silt_series_choice){view.measurements[i],
                                                           schema_filter_for(exec, filter, view.measurements[i])};
    if (rc == SILT_OK && count > 0)
        rc = whole_series ? admin->drop_series(admin, database, choices, count, err)
                          : admin->delete_points(admin, database, choices, count, condition.min, condition.max, err);
    schema_view_close(&view);
    return rc;
}

/* Kept as it is shown, and without loss. */
static enum silt_status create_continuous_query(struct exec *exec, const struct statement *statement, struct silt_error *err)
{
    const struct continuous_query_statement *query = &statement->continuous_query;
    struct silt_continuous_query definition = {.database = query->database, .name = query->name};

    struct statement exact = *statement;

    definition.text = statement_text(statement, exec->arena);
    exact.continuous_query.select = select_clone(query->select, exec->arena);
    select_mark_exact(exact.continuous_query.select);
    definition.exact = statement_text(&exact, exec->arena);
    return exec->options->admin->create_continuous_query(exec->options->admin, &definition, err);
}

/* Of what people define: continuous queries, subscriptions, users. */
static enum silt_status define_run(struct exec *exec, const struct statement *statement, struct silt_error *err)
{
    struct silt_admin *admin = exec->options->admin;

    switch (statement->kind) {
    case STATEMENT_CREATE_CONTINUOUS_QUERY:
        if (!admin || !admin->create_continuous_query)
            break;
        return create_continuous_query(exec, statement, err);
    case STATEMENT_DROP_CONTINUOUS_QUERY:
        if (!admin || !admin->drop_continuous_query)
            break;
        return admin->drop_continuous_query(admin, statement->on_database.database, statement->on_database.name, err);
    case STATEMENT_CREATE_SUBSCRIPTION:
        if (!admin || !admin->create_subscription)
            break;
        return admin->create_subscription(
            admin,
            &(struct silt_subscription){.database = statement->subscription.database,
                                        .policy = statement->subscription.rp,
                                        .name = statement->subscription.name,
                                        .any = silt_str_equal(statement->subscription.mode, SILT_STR("ANY")),
                                        .destinations = statement->subscription.destinations,
                                        .destination_count = statement->subscription.destination_count},
            err);
    case STATEMENT_DROP_SUBSCRIPTION:
        if (!admin || !admin->drop_subscription)
            break;
        return admin->drop_subscription(admin, statement->subscription.database, statement->subscription.rp,
                                        statement->subscription.name, err);
    case STATEMENT_CREATE_USER:
        if (!admin || !admin->create_user)
            break;
        return admin->create_user(admin, statement->user.name, statement->user.password, statement->user.admin, err);
    case STATEMENT_DROP_USER:
        if (!admin || !admin->drop_user)
            break;
        return admin->drop_user(admin, statement->named.name, err);
    case STATEMENT_SET_PASSWORD:
        if (!admin || !admin->set_password)
            break;
        return admin->set_password(admin, statement->user.name, statement->user.password, err);
    case STATEMENT_GRANT:
        if (!admin || !admin->grant)
            break;
        return admin->grant(admin, statement->grant.user, statement->grant.database,
                            (enum silt_privilege)statement->grant.privilege, err);
    case STATEMENT_REVOKE:
        if (!admin || !admin->revoke)
            break;
        return admin->revoke(admin, statement->grant.user, statement->grant.database,
                             (enum silt_privilege)statement->grant.privilege, err);
    case STATEMENT_GRANT_ADMIN:
    case STATEMENT_REVOKE_ADMIN:
        if (!admin || !admin->set_admin)
            break;
        return admin->set_admin(admin, statement->grant.user, statement->kind == STATEMENT_GRANT_ADMIN, err);
    case STATEMENT_KILL_QUERY:
        if (!admin || !admin->kill_query)
            break;
        return admin->kill_query(admin, statement->kill_query.query_id, err); /* ON "host": there is only this one */
    default: break;
    }
    return not_supported(statement, err);
}

enum silt_status change_run(struct exec *exec, const struct statement *statement, struct silt_error *err)
{
    struct silt_admin *admin = exec->options->admin;

    switch (statement->kind) {
    case STATEMENT_CREATE_DATABASE:
        if (!admin || !admin->create_database)
            break;
        return admin->create_database(admin, statement->create_database.name, statement->create_database.policy_name,
                                      statement->create_database.has_with ? &statement->create_database.policy : NULL,
                                      err);
    case STATEMENT_DROP_DATABASE:
        if (!admin || !admin->drop_database)
            break;
        return admin->drop_database(admin, statement->named.name, err);
    case STATEMENT_CREATE_RETENTION_POLICY:
        if (!admin || !admin->create_policy)
            break;
        return admin->create_policy(admin, statement->policy.database, statement->policy.name, &statement->policy.policy,
                                    err);
    case STATEMENT_ALTER_RETENTION_POLICY:
        if (!admin || !admin->alter_policy)
            break;
        return admin->alter_policy(admin, statement->policy.database, statement->policy.name, &statement->policy.policy,
                                   err);
    case STATEMENT_DROP_RETENTION_POLICY:
        if (!admin || !admin->drop_policy)
            break;
        return admin->drop_policy(admin, statement->on_database.database, statement->on_database.name, err);
    case STATEMENT_DROP_SHARD:
        if (!admin || !admin->drop_shard)
            break;
        return admin->drop_shard(admin, statement->drop_shard.id, err);
    case STATEMENT_DROP_MEASUREMENT:
        if (!admin || !admin->drop_measurement)
            break;
        if (exec->options->database.len == 0)
            return silt_fail(err, SILT_NOT_FOUND, "database not found: ");
        return admin->drop_measurement(admin, exec->options->database, statement->named.name, err);
    case STATEMENT_DROP_SERIES:
    case STATEMENT_DELETE: return delete_run(exec, statement, err);
    default: return define_run(exec, statement, err);
    }
    return not_supported(statement, err);
}
