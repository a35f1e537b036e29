/*
 * definitions.c - continuous queries of databases, subscriptions of policies: definitions.h.
 *
 * Both are a name and a text in a list that lives and dies with what it belongs to. The text of a subscription is its
 * destinations as netstrings, as the catalog keeps them:
 *
 *     17:udp://127.0.0.1:1,21:http://127.0.0.1:8186,
 *
 * Threads: lists change under change_lock and meta_lock's write side; reading takes its read side.
 */
#include "storage/storage_internal.h"

#include "silt/text.h"

#include <stdlib.h>
#include <strings.h>

static struct silt_str own(struct silt_str str)
{
    return (struct silt_str){silt_strdup(str), str.len};
}

static void free_definition(struct definition *definition)
{
    free((char *)(uintptr_t)definition->name.p);
    free((char *)(uintptr_t)definition->text.p);
    free((char *)(uintptr_t)definition->exact.p);
    free((char *)(uintptr_t)definition->progress.p);
}

void definition_list_free(struct definition_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free_definition(&list->items[i]);
    free(list->items);
}

static struct definition *find_definition(const struct definition_list *list, struct silt_str name)
{
    for (size_t i = 0; i < list->count; i++)
        if (silt_str_equal(list->items[i].name, name))
            return &list->items[i];
    return NULL;
}

/* Copies its texts. */
static void add_definition(struct definition_list *list, const struct definition *from)
{
    list->items = silt_realloc(list->items, (list->count + 1) * sizeof(*list->items));
    list->items[list->count++] =
        (struct definition){own(from->name), own(from->text), own(from->exact), own(from->progress), from->any};
}

static void publish(struct silt_storage *storage, struct definition_list *list, const struct definition *definition)
{
    pthread_rwlock_wrlock(&storage->meta_lock);
    add_definition(list, definition);
    pthread_rwlock_unlock(&storage->meta_lock);
}

static void unpublish(struct silt_storage *storage, struct definition_list *list, struct definition *definition)
{
    pthread_rwlock_wrlock(&storage->meta_lock);
    free_definition(definition);
    list->count--;
    memmove(definition, definition + 1, (size_t)(list->items + list->count - definition) * sizeof(*definition));
    pthread_rwlock_unlock(&storage->meta_lock);
}

/* ---------------------------------------------------------------- start-up */

static enum silt_status load_query(void *arg, const struct catalog_query *row, struct silt_error *err)
{
    struct database *database = find_database_id(arg, row->database_id);

    if (!database)
        return silt_fail(err, SILT_CORRUPT, "catalog: a continuous query of no database");
    add_definition(&database->queries,
                   &(struct definition){.name = row->name, .text = row->text, .exact = row->exact, .progress = row->progress});
    return SILT_OK;
}

static struct policy *find_policy_id(struct silt_storage *storage, uint32_t id)
{
    for (size_t d = 0; d < storage->database_count; d++)
        for (size_t p = 0; p < storage->databases[d]->policy_count; p++)
            if (storage->databases[d]->policies[p]->id == id)
                return storage->databases[d]->policies[p];
    return NULL;
}

/* Takes one netstring off the front of *rest; false when there is none, or it is malformed. */
static bool take_destination(struct silt_str *rest, struct silt_str *out)
{
    size_t len = 0, i = 0;

    for (; i < rest->len && rest->p[i] >= '0' && rest->p[i] <= '9' && len <= rest->len; i++)
        len = len * 10 + (size_t)(rest->p[i] - '0');
    if (i == 0 || i >= rest->len || rest->p[i] != ':' || len > rest->len - i - 1 || rest->len - i - 1 - len < 1 ||
        rest->p[i + 1 + len] != ',')
        return false;
    *out = (struct silt_str){rest->p + i + 1, len};
    *rest = (struct silt_str){rest->p + i + 2 + len, rest->len - i - 2 - len};
    return true;
}

static enum silt_status load_subscription(void *arg, const struct catalog_subscription *row, struct silt_error *err)
{
    struct policy *policy = find_policy_id(arg, row->policy_id);
    struct silt_str rest = row->destinations, one;

    if (!policy)
        return silt_fail(err, SILT_CORRUPT, "catalog: a subscription of no policy");
    while (take_destination(&rest, &one))
        ;
    if (rest.len)
        return silt_fail(err, SILT_CORRUPT, "catalog: subscription %.*s: malformed destinations", SILT_FMT(row->name));
    add_definition(&policy->subscriptions,
                   &(struct definition){.name = row->name, .text = row->destinations, .any = row->any});
    return SILT_OK;
}

enum silt_status definitions_load(struct silt_storage *storage, struct silt_error *err)
{
    enum silt_status rc = catalog_queries(storage->catalog, load_query, storage, err);
    return rc == SILT_OK ? catalog_subscriptions(storage->catalog, load_subscription, storage, err) : rc;
}

/* ---------------------------------------------------------------- continuous queries */

static bool equal_without_case(struct silt_str a, struct silt_str b)
{
    return a.len == b.len && strncasecmp(a.p, b.p, a.len) == 0;
}

enum silt_status silt_storage_create_continuous_query(struct silt_storage *storage,
                                                      const struct silt_continuous_query *query, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    pthread_mutex_lock(&storage->change_lock);
    struct database *database = find_database(storage, query->database);
    const struct definition *have = database ? find_definition(&database->queries, query->name) : NULL;
    if (!database) {
        rc = database_not_found(query->database, err);
    } else if (have) {
        if (!equal_without_case(have->exact, query->exact))
            rc = silt_fail(err, SILT_CONFLICT, "continuous query already exists");
    } else {
        const struct catalog_query row = {database->id, query->name, query->text, query->exact, SILT_STR("")};
        rc = catalog_create_query(storage->catalog, &row, err);
        if (rc == SILT_OK)
            publish(storage, &database->queries,
                    &(struct definition){.name = query->name, .text = query->text, .exact = query->exact});
    }
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

enum silt_status silt_storage_drop_continuous_query(struct silt_storage *storage, struct silt_str database_name,
                                                    struct silt_str name, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    pthread_mutex_lock(&storage->change_lock);
    struct database *database = find_database(storage, database_name);
    struct definition *have = database ? find_definition(&database->queries, name) : NULL;
    if (have && (rc = catalog_drop_query(storage->catalog, database->id, name, err)) == SILT_OK)
        unpublish(storage, &database->queries, have);
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

enum silt_status silt_storage_put_progress(struct silt_storage *storage, const struct silt_continuous_query *queries,
                                           size_t count, struct silt_error *err)
{
    struct catalog_query *rows = silt_calloc(count ? count : 1, sizeof(*rows));
    size_t known = 0;

    pthread_rwlock_rdlock(&storage->meta_lock);
    for (size_t i = 0; i < count; i++) {
        const struct database *database = find_database(storage, queries[i].database);
        if (database)
            rows[known++] = (struct catalog_query){database->id, queries[i].name, queries[i].text, queries[i].exact,
                                                   queries[i].progress};
    }
    pthread_rwlock_unlock(&storage->meta_lock);
    enum silt_status rc = known ? catalog_put_progress(storage->catalog, rows, known, err) : SILT_OK;
    free(rows);
    return rc;
}

void silt_storage_continuous_queries(struct silt_storage *storage, struct silt_arena *arena,
                                     struct silt_continuous_query **queries, size_t *count)
{
    size_t capacity = 0;

    *queries = NULL;
    *count = 0;
    pthread_rwlock_rdlock(&storage->meta_lock);
    for (size_t d = 0; d < storage->database_count; d++) {
        const struct database *database = storage->databases[d];
        struct silt_str name = silt_arena_str(arena, silt_str_from(database->name));
        for (size_t i = 0; i < database->queries.count; i++) {
            *queries = silt_arena_grow(arena, *queries, &capacity, *count + 1, sizeof(**queries));
            const struct definition *query = &database->queries.items[i];
            (*queries)[(*count)++] = (struct silt_continuous_query){
                name, silt_arena_str(arena, query->name), silt_arena_str(arena, query->text),
                silt_arena_str(arena, query->exact), silt_arena_str(arena, query->progress)};
        }
    }
    pthread_rwlock_unlock(&storage->meta_lock);
}

/* ---------------------------------------------------------------- subscriptions */

/* change_lock is held. */
static enum silt_status subscribed_policy(struct silt_storage *storage, struct silt_str database_name,
                                          struct silt_str name, struct policy **out, struct silt_error *err)
{
    const struct database *database = find_database(storage, database_name);

    if (!database)
        return database_not_found(database_name, err);
    *out = name.len ? find_policy(database, name) : NULL;
    return *out ? SILT_OK : silt_fail(err, SILT_NOT_FOUND, "retention policy not found: %.*s", SILT_FMT(name));
}

enum silt_status silt_storage_create_subscription(struct silt_storage *storage, const struct silt_subscription *subscription,
                                                  struct silt_error *err)
{
    struct silt_buffer text = {0};
    struct policy *policy = NULL;

    for (size_t i = 0; i < subscription->destination_count; i++) {
        silt_buffer_printf(&text, "%zu:", subscription->destinations[i].len);
        silt_buffer_str(&text, subscription->destinations[i]);
        silt_buffer_char(&text, ',');
    }
    pthread_mutex_lock(&storage->change_lock);
    enum silt_status rc = subscribed_policy(storage, subscription->database, subscription->policy, &policy, err);
    if (rc == SILT_OK && find_definition(&policy->subscriptions, subscription->name))
        rc = silt_fail(err, SILT_CONFLICT, "subscription already exists");
    if (rc == SILT_OK) {
        const struct catalog_subscription row = {policy->id, subscription->name, subscription->any, {text.p, text.len}};
        rc = catalog_create_subscription(storage->catalog, &row, err);
        if (rc == SILT_OK)
            publish(storage, &policy->subscriptions,
                    &(struct definition){.name = row.name, .text = row.destinations, .any = row.any});
    }
    pthread_mutex_unlock(&storage->change_lock);
    silt_buffer_free(&text);
    return rc;
}

enum silt_status silt_storage_drop_subscription(struct silt_storage *storage, struct silt_str database,
                                                struct silt_str policy_name, struct silt_str name, struct silt_error *err)
{
    struct policy *policy = NULL;

    pthread_mutex_lock(&storage->change_lock);
    enum silt_status rc = subscribed_policy(storage, database, policy_name, &policy, err);
    struct definition *have = rc == SILT_OK ? find_definition(&policy->subscriptions, name) : NULL;
    if (rc == SILT_OK && !have)
        rc = silt_fail(err, SILT_NOT_FOUND, "subscription not found");
    if (rc == SILT_OK && (rc = catalog_drop_subscription(storage->catalog, policy->id, name, err)) == SILT_OK)
        unpublish(storage, &policy->subscriptions, have);
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

static struct silt_subscription copy_subscription(const struct definition *from, struct silt_str database,
                                                  struct silt_str policy, struct silt_arena *arena)
{
    struct silt_str *destinations = NULL, rest = silt_arena_str(arena, from->text), one;
    size_t count = 0, capacity = 0;

    while (take_destination(&rest, &one)) {
        destinations = silt_arena_grow(arena, destinations, &capacity, count + 1, sizeof(*destinations));
        destinations[count++] = one;
    }
    return (struct silt_subscription){database, policy, silt_arena_str(arena, from->name), from->any, destinations, count};
}

void silt_storage_subscriptions(struct silt_storage *storage, struct silt_arena *arena,
                                struct silt_subscription **subscriptions, size_t *count)
{
    size_t capacity = 0;

    *subscriptions = NULL;
    *count = 0;
    pthread_rwlock_rdlock(&storage->meta_lock);
    for (size_t d = 0; d < storage->database_count; d++) {
        const struct database *database = storage->databases[d];
        struct silt_str name = silt_arena_str(arena, silt_str_from(database->name));
        for (size_t p = 0; p < database->policy_count; p++) {
            const struct policy *policy = database->policies[p];
            struct silt_str policy_name = silt_arena_str(arena, silt_str_from(policy->name));
            for (size_t i = 0; i < policy->subscriptions.count; i++) {
                *subscriptions = silt_arena_grow(arena, *subscriptions, &capacity, *count + 1, sizeof(**subscriptions));
                (*subscriptions)[(*count)++] =
                    copy_subscription(&policy->subscriptions.items[i], name, policy_name, arena);
            }
        }
    }
    pthread_rwlock_unlock(&storage->meta_lock);
}
