/*
 * migrate_definitions.c - databases and policies before the points, continuous queries and durations behind them.
 *
 * A policy that is not there yet is made without a duration, so that points which the old server still shows are not
 * refused as expired; it gets its duration when all is copied. A continuous query that ran meanwhile would write into
 * what is being compared. What the target has already is left as it is.
 */
#include "shell/migrate_internal.h"

#include "shell/policies.h"
#include "shell/words.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- databases */

struct names {
    struct silt_arena *arena;
    struct silt_str *items;
    size_t count;
};

static void take_name(void *context, const struct cell *cells, size_t count)
{
    struct names *n = context;
    if (!count)
        return;
    n->items = silt_realloc(n->items, (n->count + 1) * sizeof *n->items);
    n->items[n->count++] = silt_arena_str(n->arena, cells[0].text);
}

static bool has_name(const struct names *n, struct silt_str name)
{
    for (size_t i = 0; i < n->count; i++)
        if (silt_str_equal(n->items[i], name))
            return true;
    return false;
}

static bool ask_or_stop(struct migrate *m, struct session *at, struct silt_str text, const struct answer_events *events,
                        void *context)
{
    if (session_ask(at, text, SILT_STR(""), events, context))
        return true;
    migrate_stop(m, "%s, %.*s: %.*s", client_address(at->client), SILT_FMT(text), SILT_FMT(words_view(&at->failure)));
    return false;
}

static bool show_databases(struct migrate *m, struct session *at, struct names *names)
{
    static const struct answer_events events = {.row = take_name};
    names->arena = m->arena;
    return ask_or_stop(m, at, SILT_STR("SHOW DATABASES"), &events, names);
}

bool migrate_statement(struct migrate *m, struct session *at, struct silt_str text)
{
    static const struct answer_events events = {0};
    return ask_or_stop(m, at, text, &events, NULL);
}

bool migrate_find_databases(struct migrate *m)
{
    struct names names = {0};
    struct silt_str wanted = silt_str_from(m->options->database);
    bool ok = show_databases(m, &m->source, &names);
    m->databases = silt_calloc(names.count + 1, sizeof *m->databases);
    for (size_t i = 0; ok && i < names.count; i++)
        if (wanted.len ? silt_str_equal(names.items[i], wanted)
                       : !silt_str_equal(names.items[i], SILT_STR("_internal")))
            m->databases[m->database_count++] = names.items[i];
    free(names.items);
    if (ok && wanted.len && !m->database_count) {
        migrate_stop(m, "%s has no database %s", m->url, m->options->database);
        ok = false;
    }
    return ok;
}

static bool make_policy(struct migrate *m, struct silt_str database, const struct policy *policy, bool creates_database)
{
    struct policy unlimited = *policy;
    struct silt_buffer text = {0};
    bool ok = true;
    unlimited.duration = SILT_STR("0s");
    if (!silt_str_equal(policy->duration, unlimited.duration))
        ok = migrate_state_unlimited(m, database, policy->name);
    policy_statement(&text, database, &unlimited, creates_database);
    ok = ok && migrate_statement(m, m->target, words_view(&text));
    silt_buffer_free(&text);
    return ok;
}

static void compare_policy(struct migrate *m, struct silt_str database, const struct policy *here,
                           const struct policy *there)
{
    if ((!silt_str_equal(here->duration, there->duration) && !migrate_state_is_unlimited(m, database, here->name)) ||
        !silt_str_equal(here->shard_duration, there->shard_duration))
        migrate_say(
            m, "policy \"%.*s\" of \"%.*s\" is there already, with duration %.*s and shard duration %.*s: kept so",
            SILT_FMT(here->name), SILT_FMT(database), SILT_FMT(there->duration), SILT_FMT(there->shard_duration));
}

static bool is_wanted(const struct migrate *m, const struct policy *policy)
{
    return !*m->options->rp || silt_str_equal(policy->name, silt_str_from(m->options->rp));
}

static bool drop_autogen(struct migrate *m, struct silt_str database)
{
    struct silt_buffer text = {0};
    silt_buffer_str(&text, SILT_STR("DROP RETENTION POLICY autogen ON "));
    words_quote_identifier(&text, database);
    bool ok = migrate_statement(m, m->target, words_view(&text));
    silt_buffer_free(&text);
    return ok;
}

/* With its default policy, if that comes along. */
static bool make_database(struct migrate *m, struct silt_str database, const struct policies *policies)
{
    struct silt_buffer text = {0};
    for (size_t i = 0; i < policies->count; i++)
        if (policies->items[i].is_default && is_wanted(m, &policies->items[i]))
            return make_policy(m, database, &policies->items[i], true);
    silt_buffer_str(&text, SILT_STR("CREATE DATABASE "));
    words_quote_identifier(&text, database);
    bool ok = migrate_statement(m, m->target, words_view(&text));
    silt_buffer_free(&text);
    return ok && (policies_find(policies, SILT_STR("autogen")) || drop_autogen(m, database));
}

static bool make_policies(struct migrate *m, struct silt_str database, bool exists)
{
    struct policies here, there = {0};
    bool ok = policies_read(&here, &m->source, database);
    if (!ok)
        migrate_stop(m, "%s: %.*s", m->url, SILT_FMT(words_view(&m->source.failure)));
    ok = ok && (exists || make_database(m, database, &here));
    if (ok && !policies_read(&there, m->target, database)) {
        migrate_stop(m, "the target: %.*s", SILT_FMT(words_view(&m->target->failure)));
        ok = false;
    }
    for (size_t i = 0; ok && i < here.count; i++) {
        const struct policy *policy = policies_find(&there, here.items[i].name);
        if (!is_wanted(m, &here.items[i]))
            continue;
        if (policy)
            compare_policy(m, database, &here.items[i], policy);
        else
            ok = make_policy(m, database, &here.items[i], false);
    }
    policies_deinit(&here);
    policies_deinit(&there);
    return ok;
}

bool migrate_make_databases(struct migrate *m)
{
    struct names there = {0};
    bool ok = show_databases(m, m->target, &there);
    for (size_t i = 0; ok && i < m->database_count; i++)
        ok = make_policies(m, m->databases[i], has_name(&there, m->databases[i]));
    free(there.items);
    return ok;
}

/* ---------------------------------------------------------------- durations */

static bool set_durations(struct migrate *m, struct silt_str database)
{
    struct policies here;
    struct silt_buffer text = {0};
    bool ok = policies_read(&here, &m->source, database);
    if (!ok)
        migrate_stop(m, "%s: %.*s", m->url, SILT_FMT(words_view(&m->source.failure)));
    for (size_t i = 0; ok && i < here.count; i++) {
        const struct policy *policy = &here.items[i];
        if (!migrate_state_is_unlimited(m, database, policy->name))
            continue;
        text.len = 0;
        silt_buffer_str(&text, SILT_STR("ALTER RETENTION POLICY "));
        words_quote_identifier(&text, policy->name);
        silt_buffer_str(&text, SILT_STR(" ON "));
        words_quote_identifier(&text, database);
        silt_buffer_printf(&text, " DURATION %.*s SHARD DURATION %.*s", SILT_FMT(policy->duration),
                           SILT_FMT(policy->shard_duration));
        ok = migrate_statement(m, m->target, words_view(&text));
    }
    policies_deinit(&here);
    silt_buffer_free(&text);
    return ok;
}

/* ---------------------------------------------------------------- continuous queries */

struct continuous {
    struct silt_str database, name, query;
};

struct continuous_list {
    struct silt_arena *arena;
    struct continuous *items;
    size_t count;
    struct silt_str database;
};

static void continuous_database(void *context, const struct answer_series *series)
{
    struct continuous_list *list = context;
    list->database = silt_arena_str(list->arena, series->name);
}

static void take_continuous(void *context, const struct cell *cells, size_t count)
{
    struct continuous_list *list = context;
    if (count < 2)
        return;
    list->items = silt_realloc(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = (struct continuous){list->database, silt_arena_str(list->arena, cells[0].text),
                                                     silt_arena_str(list->arena, cells[1].text)};
}

static const struct continuous *find_continuous(const struct continuous_list *list, const struct continuous *wanted)
{
    for (size_t i = 0; i < list->count; i++)
        if (silt_str_equal(list->items[i].database, wanted->database) &&
            silt_str_equal(list->items[i].name, wanted->name))
            return &list->items[i];
    return NULL;
}

static bool is_copied(const struct migrate *m, struct silt_str database)
{
    for (size_t i = 0; i < m->database_count; i++)
        if (silt_str_equal(m->databases[i], database))
            return true;
    return false;
}

/* One that the target does not take is said, not the end. */
static void make_continuous(struct migrate *m, const struct continuous *query)
{
    static const struct answer_events events = {0};
    if (!session_ask(m->target, query->query, query->database, &events, NULL))
        migrate_say(m, "continuous query \"%.*s\" of \"%.*s\" is not copied: %.*s", SILT_FMT(query->name),
                    SILT_FMT(query->database), SILT_FMT(words_view(&m->target->failure)));
}

static bool copy_continuous(struct migrate *m)
{
    static const struct answer_events events = {.series_begin = continuous_database, .row = take_continuous};
    const struct silt_str show = SILT_STR("SHOW CONTINUOUS QUERIES");
    struct continuous_list here = {.arena = m->arena}, there = {.arena = m->arena};
    bool ok = ask_or_stop(m, &m->source, show, &events, &here) && ask_or_stop(m, m->target, show, &events, &there);
    for (size_t i = 0; ok && i < here.count; i++) {
        const struct continuous *query = &here.items[i], *other = find_continuous(&there, query);
        if (!is_copied(m, query->database))
            continue;
        if (!other)
            make_continuous(m, query);
        else if (!silt_str_equal(other->query, query->query))
            migrate_say(m, "continuous query \"%.*s\" of \"%.*s\" is there already, and another: kept so",
                        SILT_FMT(query->name), SILT_FMT(query->database));
    }
    free(here.items);
    free(there.items);
    return ok;
}

/* ---------------------------------------------------------------- subscriptions */

struct subscriptions {
    struct migrate *migrate;
    struct silt_str database;
};

static void subscriptions_database(void *context, const struct answer_series *series)
{
    ((struct subscriptions *)context)->database = series->name;
}

static void tell_subscription(void *context, const struct cell *cells, size_t count)
{
    struct subscriptions *s = context;
    if (count >= 2 && is_copied(s->migrate, s->database))
        migrate_say(s->migrate,
                    "subscription \"%.*s\" of \"%.*s\".\"%.*s\" is not copied: make it by CREATE SUBSCRIPTION when the "
                    "old server does not send any more",
                    SILT_FMT(cells[1].text), SILT_FMT(s->database), SILT_FMT(cells[0].text));
}

static bool tell_subscriptions(struct migrate *m)
{
    static const struct answer_events events = {.series_begin = subscriptions_database, .row = tell_subscription};
    struct subscriptions s = {.migrate = m};
    return ask_or_stop(m, &m->source, SILT_STR("SHOW SUBSCRIPTIONS"), &events, &s);
}

bool migrate_finish_definitions(struct migrate *m)
{
    bool ok = true;
    for (size_t i = 0; ok && i < m->database_count; i++)
        ok = set_durations(m, m->databases[i]);
    return ok && copy_continuous(m) && tell_subscriptions(m);
}
