/*
 * forward.c - see forward.h: the list of senders, kept in step with the definitions.
 */
#include "server/forward.h"
#include "server/forward_sender.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define DRAIN_MS 2000 /* when the server stops */

struct forward {
    struct silt_storage *storage;
    struct forward_settings settings;
    struct forward_totals totals;
    struct silt_budget budget; /* of all that waits */

    pthread_mutex_t change; /* one refresh at a time */
    pthread_rwlock_t lock;  /* guards this group: */
    struct forward_sender **senders;
    size_t count;
    _Atomic bool any; /* so that without subscriptions a write takes no lock */
};

enum silt_status forward_create(const struct silt_server_options *options, struct silt_storage *storage,
                                struct forward **out, struct silt_error *err)
{
    *out = NULL;
    if (!options->subscriber)
        return SILT_OK;
    if (*options->subscriber_ca_file && access(options->subscriber_ca_file, R_OK) != 0)
        return silt_fail_errno(err, errno, "subscriber.ca-certs: %s", options->subscriber_ca_file);
    struct forward *forward = silt_calloc(1, sizeof(*forward));
    forward->storage = storage;
    forward->settings = (struct forward_settings){.http = {.timeout_ms = options->subscriber_timeout_ms,
                                                           .verify = !options->subscriber_insecure,
                                                           .ca_file = options->subscriber_ca_file},
                                                  .concurrency = (size_t)options->subscriber_concurrency,
                                                  .buffer_batches = (size_t)options->subscriber_batches_max};
    silt_budget_init(&forward->budget, "memory of writes for subscribers", options->subscriber_bytes_max, NULL);
    pthread_mutex_init(&forward->change, NULL);
    pthread_rwlock_init(&forward->lock, NULL);
    forward_refresh(forward);
    *out = forward;
    return SILT_OK;
}

void forward_destroy(struct forward *forward)
{
    if (!forward)
        return;
    for (size_t i = 0; i < forward->count; i++)
        forward_sender_destroy(forward->senders[i], DRAIN_MS);
    free(forward->senders);
    pthread_rwlock_destroy(&forward->lock);
    pthread_mutex_destroy(&forward->change);
    free(forward);
}

/* ---------------------------------------------------------------- definitions */

static bool same_definition(const struct silt_subscription *a, const struct silt_subscription *b)
{
    if (!silt_str_equal(a->database, b->database) || !silt_str_equal(a->policy, b->policy) ||
        !silt_str_equal(a->name, b->name) || a->any != b->any || a->destination_count != b->destination_count)
        return false;
    for (size_t i = 0; i < a->destination_count; i++)
        if (!silt_str_equal(a->destinations[i], b->destinations[i]))
            return false;
    return true;
}

/* Takes the sender of that definition out of the old ones; NULL: there is none. */
static struct forward_sender *take_sender(struct forward_sender **old, size_t count,
                                          const struct silt_subscription *definition)
{
    for (size_t i = 0; i < count; i++)
        if (old[i] && same_definition(forward_sender_definition(old[i]), definition)) {
            struct forward_sender *sender = old[i];
            old[i] = NULL;
            return sender;
        }
    return NULL;
}

static struct forward_sender *create_sender(struct forward *forward, const struct silt_subscription *definition)
{
    struct forward_sender *sender;
    struct silt_error err;

    if (forward_sender_create(definition, &forward->settings, &forward->totals, &sender, &err) == SILT_OK)
        return sender;
    atomic_fetch_add(&forward->totals.create_failures, 1);
    silt_log(SILT_LOG_ERROR, "a subscription cannot be served", "subscription=\"%.*s\" database=\"%.*s\" reason=\"%s\"",
             SILT_FMT(definition->name), SILT_FMT(definition->database), err.text);
    return NULL;
}

void forward_refresh(struct forward *forward)
{
    struct silt_subscription *definitions;
    size_t definition_count, count = 0;

    if (!forward)
        return;
    struct silt_arena *arena = silt_arena_create(NULL);
    pthread_mutex_lock(&forward->change);
    silt_storage_subscriptions(forward->storage, arena, &definitions, &definition_count);
    struct forward_sender **senders = silt_calloc(definition_count + 1, sizeof(*senders));
    struct forward_sender **old = silt_calloc(forward->count + 1, sizeof(struct forward_sender *));
    size_t old_count = forward->count;
    for (size_t i = 0; i < old_count; i++)
        old[i] = forward->senders[i];
    for (size_t i = 0; i < definition_count; i++) {
        struct forward_sender *sender = take_sender(old, old_count, &definitions[i]);
        if (!sender)
            sender = create_sender(forward, &definitions[i]);
        if (sender)
            senders[count++] = sender;
    }
    pthread_rwlock_wrlock(&forward->lock);
    free(forward->senders);
    forward->senders = senders;
    forward->count = count;
    atomic_store(&forward->any, count > 0);
    pthread_rwlock_unlock(&forward->lock);
    for (size_t i = 0; i < old_count; i++) /* no writer knows them any more */
        if (old[i])
            forward_sender_destroy(old[i], 0);
    pthread_mutex_unlock(&forward->change);
    free(old);
    silt_arena_destroy(arena);
}

/* ---------------------------------------------------------------- writes */

enum forward_outcome forward_write(struct forward *forward, struct silt_str database, struct silt_str text,
                                   const struct silt_batch *batch, const struct silt_write_report *report)
{
    struct forward_batch *copy = NULL;
    bool dropped = false, made = false;

    if (!forward)
        return FORWARD_OFF;
    if (!atomic_load_explicit(&forward->any, memory_order_relaxed))
        return FORWARD_OK;
    pthread_rwlock_rdlock(&forward->lock);
    for (size_t i = 0; i < forward->count; i++) {
        const struct silt_subscription *definition = forward_sender_definition(forward->senders[i]);
        if (!silt_str_equal(definition->database, database) || !silt_str_equal(definition->policy, report->policy))
            continue;
        if (!made)
            copy = forward_batch_create(&forward->budget, text, batch, report, &dropped);
        made = true;
        if (copy)
            forward_sender_push(forward->senders[i], copy);
    }
    pthread_rwlock_unlock(&forward->lock);
    if (copy)
        forward_batch_release(copy);
    return dropped ? FORWARD_DROPPED : FORWARD_OK;
}

/* ---------------------------------------------------------------- statistics */

void forward_counts(struct forward *forward, struct forward_counts *out)
{
    *out = (struct forward_counts){0};
    if (!forward)
        return;
    out->points_written = atomic_load(&forward->totals.points_written);
    out->write_failures = atomic_load(&forward->totals.write_failures);
    out->create_failures = atomic_load(&forward->totals.create_failures);
}

void forward_reports(struct forward *forward, struct silt_arena *arena, struct forward_report **reports, size_t *count)
{
    size_t capacity = 0;

    *reports = NULL;
    *count = 0;
    if (!forward)
        return;
    pthread_rwlock_rdlock(&forward->lock);
    for (size_t i = 0; i < forward->count; i++) {
        const struct silt_subscription *definition = forward_sender_definition(forward->senders[i]);
        for (size_t k = 0; k < definition->destination_count; k++) {
            struct forward_destination destination;
            forward_sender_destination(forward->senders[i], k, &destination);
            *reports = silt_arena_grow(arena, *reports, &capacity, *count + 1, sizeof(**reports));
            (*reports)[(*count)++] = (struct forward_report){silt_arena_str(arena, definition->database),
                                                             silt_arena_str(arena, definition->policy),
                                                             silt_arena_str(arena, definition->name),
                                                             silt_arena_str(arena, destination.shown),
                                                             definition->any,
                                                             destination.points_written,
                                                             destination.write_failures};
        }
    }
    pthread_rwlock_unlock(&forward->lock);
}
