/*
 * forward_sender.c - see forward_sender.h.
 *
 *     delivery   a batch under way: how many destinations are still to answer, whether one has failed
 *     attempt    a delivery to one destination; the tag of an HTTP transfer, or over at once (UDP)
 */
#include "server/forward_sender.h"
#include "server/forward_udp.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#define LOG_INTERVAL_NS 10000000000ull
#define IDLE_MS 60000 /* wakes come by themselves */
#define STOPPING_MS 50
#define NS_PER_MS 1000000ull

struct destination {
    char *shown;
    struct forward_http_target *http; /* NULL: UDP */
    struct forward_udp *udp;
    _Atomic uint64_t points_written, write_failures;
};

struct forward_sender {
    struct silt_arena *arena; /* of the definition */
    struct silt_subscription definition;
    const struct forward_settings *settings;
    struct forward_totals *totals;
    struct destination *destinations;
    struct forward_http *http;
    pthread_t thread;
    bool started;

    /* the thread's */
    size_t under_way, turn; /* deliveries; the destination that is next for ANY */
    struct delivery *deliveries;

    pthread_mutex_t lock;         /* guards this group: */
    struct forward_batch **queue; /* a ring */
    size_t queued, first;
    bool stopping;
    uint64_t stop_ns;
    uint64_t log_again_ns, untold;
};

struct delivery {
    struct delivery *next, **previous;
    struct forward_batch *batch;
    size_t pending, tried;
    bool failed;
};

struct attempt {
    struct delivery *delivery;
    size_t destination;
};

static size_t destination_count(const struct forward_sender *sender)
{
    return sender->definition.destination_count;
}

static void add(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* One line in ten seconds. */
static void complain(struct forward_sender *sender, const char *what, const char *destination, const char *reason)
{
    uint64_t now = silt_clock_monotonic_ns(), untold;

    pthread_mutex_lock(&sender->lock);
    bool told = now >= sender->log_again_ns;
    untold = told ? sender->untold : 0;
    sender->untold = told ? 0 : sender->untold + 1;
    if (told)
        sender->log_again_ns = now + LOG_INTERVAL_NS;
    pthread_mutex_unlock(&sender->lock);
    if (told)
        silt_log(SILT_LOG_WARN, what,
                 "subscription=\"%.*s\" database=\"%.*s\" destination=\"%s\" reason=\"%s\" more=%llu",
                 SILT_FMT(sender->definition.name), SILT_FMT(sender->definition.database), destination, reason,
                 (unsigned long long)untold);
}

/* ---------------------------------------------------------------- deliveries */

/* As in InfluxDB the points count once for a subscription, and only where nothing failed. */
static void end_delivery(struct forward_sender *sender, struct delivery *delivery)
{
    if (delivery->failed)
        add(&sender->totals->write_failures, 1);
    else
        add(&sender->totals->points_written, forward_batch_points(delivery->batch));
    *delivery->previous = delivery->next;
    if (delivery->next)
        delivery->next->previous = delivery->previous;
    forward_batch_release(delivery->batch);
    free(delivery);
    sender->under_way--;
}

static void count_attempt(struct forward_sender *sender, struct delivery *delivery, size_t index, bool ok,
                          const char *reason)
{
    struct destination *destination = &sender->destinations[index];

    if (ok) {
        add(&destination->points_written, forward_batch_points(delivery->batch));
        return;
    }
    delivery->failed = true;
    add(&destination->write_failures, 1);
    complain(sender, "a subscriber did not take points", destination->shown, reason);
}

/* True when it is over already. */
static bool send_to(struct forward_sender *sender, struct delivery *delivery, size_t index, bool *ok)
{
    struct destination *destination = &sender->destinations[index];
    struct silt_error err = {0};

    if (destination->http) {
        struct attempt *attempt = silt_malloc(sizeof(*attempt));
        *attempt = (struct attempt){delivery, index};
        enum silt_status rc =
            forward_http_post(sender->http, destination->http, forward_batch_body(delivery->batch), attempt, &err);
        if (rc == SILT_OK)
            return false;
        free(attempt);
        *ok = false;
    } else {
        *ok = forward_udp_send(destination->udp, delivery->batch, &err) == SILT_OK;
    }
    count_attempt(sender, delivery, index, *ok, err.text);
    return true;
}

/* The next destination in turn, until one has it or all were tried. */
static void go_on_with_any(struct forward_sender *sender, struct delivery *delivery)
{
    while (delivery->tried < destination_count(sender)) {
        size_t index = sender->turn;
        bool ok;
        sender->turn = (index + 1) % destination_count(sender);
        delivery->tried++;
        if (!send_to(sender, delivery, index, &ok))
            return;
        if (ok)
            break;
    }
    end_delivery(sender, delivery);
}

static void begin_delivery(struct forward_sender *sender, struct forward_batch *batch)
{
    struct delivery *delivery = silt_calloc(1, sizeof(*delivery));
    bool ok;

    delivery->batch = batch;
    delivery->next = sender->deliveries;
    delivery->previous = &sender->deliveries;
    if (delivery->next)
        delivery->next->previous = &delivery->next;
    sender->deliveries = delivery;
    sender->under_way++;
    if (sender->definition.any) {
        go_on_with_any(sender, delivery);
        return;
    }
    delivery->pending = destination_count(sender);
    size_t over = 0;
    for (size_t i = 0; i < destination_count(sender); i++)
        over += send_to(sender, delivery, i, &ok);
    delivery->pending -= over; /* the others end in on_posted, which does not run meanwhile */
    if (delivery->pending == 0)
        end_delivery(sender, delivery);
}

static void on_posted(void *arg, void *tag, bool ok, const char *reason)
{
    struct forward_sender *sender = arg;
    struct attempt attempt = *(struct attempt *)tag;

    free(tag);
    count_attempt(sender, attempt.delivery, attempt.destination, ok, reason);
    if (!sender->definition.any) {
        if (--attempt.delivery->pending == 0)
            end_delivery(sender, attempt.delivery);
    } else if (ok) {
        end_delivery(sender, attempt.delivery);
    } else {
        go_on_with_any(sender, attempt.delivery);
    }
}

/* ---------------------------------------------------------------- the thread */

static struct forward_batch *pop(struct forward_sender *sender)
{
    struct forward_batch *batch = NULL;

    pthread_mutex_lock(&sender->lock);
    if (sender->queued) {
        batch = sender->queue[sender->first];
        sender->first = (sender->first + 1) % sender->settings->buffer_batches;
        sender->queued--;
    }
    pthread_mutex_unlock(&sender->lock);
    return batch;
}

/* To end: nothing is left, or there is no time for it. */
static bool is_over(struct forward_sender *sender, bool *stopping)
{
    pthread_mutex_lock(&sender->lock);
    *stopping = sender->stopping;
    bool over = sender->stopping &&
                (silt_clock_monotonic_ns() >= sender->stop_ns || (sender->queued == 0 && sender->under_way == 0));
    pthread_mutex_unlock(&sender->lock);
    return over;
}

static void *run(void *arg)
{
    struct forward_sender *sender = arg;
    struct forward_batch *batch;
    bool stopping;

    while (!is_over(sender, &stopping)) {
        while (sender->under_way < sender->settings->concurrency && (batch = pop(sender)))
            begin_delivery(sender, batch);
        forward_http_run(sender->http, stopping ? STOPPING_MS : IDLE_MS);
    }
    return NULL;
}

void forward_sender_push(struct forward_sender *sender, struct forward_batch *batch)
{
    size_t room = sender->settings->buffer_batches;

    pthread_mutex_lock(&sender->lock);
    bool full = sender->queued == room, was_empty = sender->queued == 0;
    if (!full) {
        forward_batch_acquire(batch);
        sender->queue[(sender->first + sender->queued++) % room] = batch;
    }
    pthread_mutex_unlock(&sender->lock);
    if (full) {
        add(&sender->totals->write_failures, 1);
        complain(sender, "points for a subscriber were dropped", "", "the queue is full");
    } else if (was_empty) {
        forward_http_wake(sender->http);
    }
}

/* ---------------------------------------------------------------- create and destroy */

static char *without_password(struct silt_str url)
{
    struct silt_buffer text = {0};

    silt_buffer_url(&text, url);
    silt_buffer_char(&text, '\0');
    return text.p;
}

static void copy_definition(struct forward_sender *sender, const struct silt_subscription *from)
{
    struct silt_arena *arena = sender->arena = silt_arena_create(NULL);
    struct silt_str *destinations = silt_arena_alloc(arena, (from->destination_count + 1) * sizeof(*destinations));

    for (size_t i = 0; i < from->destination_count; i++)
        destinations[i] = silt_arena_str(arena, from->destinations[i]);
    sender->definition = (struct silt_subscription){silt_arena_str(arena, from->database),
                                                    silt_arena_str(arena, from->policy),
                                                    silt_arena_str(arena, from->name),
                                                    from->any,
                                                    destinations,
                                                    from->destination_count};
}

static enum silt_status create_destination(struct forward_sender *sender, size_t index, struct silt_error *err)
{
    const struct silt_subscription *definition = &sender->definition;
    struct silt_str url = definition->destinations[index];
    struct destination *destination = &sender->destinations[index];

    destination->shown = without_password(url);
    if (url.len > 6 && strncasecmp(url.p, "udp://", 6) == 0)
        return forward_udp_create(url, &destination->udp, err);
    return forward_http_target_create(url, definition->database, definition->policy, &destination->http, err);
}

enum silt_status forward_sender_create(const struct silt_subscription *definition,
                                       const struct forward_settings *settings, struct forward_totals *totals,
                                       struct forward_sender **out, struct silt_error *err)
{
    struct forward_sender *sender = silt_calloc(1, sizeof(*sender));
    enum silt_status rc = SILT_OK;
    int error;

    copy_definition(sender, definition);
    sender->settings = settings;
    sender->totals = totals;
    pthread_mutex_init(&sender->lock, NULL);
    sender->queue = silt_calloc(settings->buffer_batches, sizeof(struct forward_batch *));
    sender->destinations = silt_calloc(definition->destination_count + 1, sizeof(*sender->destinations));
    for (size_t i = 0; i < definition->destination_count && rc == SILT_OK; i++)
        rc = create_destination(sender, i, err);
    if (rc == SILT_OK && !(sender->http = forward_http_create(&settings->http, on_posted, sender)))
        rc = silt_fail(err, SILT_LIMIT, "libcurl cannot be had");
    if (rc == SILT_OK && (error = pthread_create(&sender->thread, NULL, run, sender)) != 0)
        rc = silt_fail_errno(err, error, "a thread for subscription %.*s", SILT_FMT(definition->name));
    if (rc != SILT_OK) {
        forward_sender_destroy(sender, 0);
        return rc;
    }
    sender->started = true;
    *out = sender;
    return SILT_OK;
}

/* Attempts under way are told by no one any more. */
static void give_up(struct forward_sender *sender)
{
    struct forward_batch *batch;

    forward_http_abandon(sender->http, free);
    while (sender->deliveries) {
        sender->deliveries->failed = true;
        end_delivery(sender, sender->deliveries);
    }
    while ((batch = pop(sender))) {
        add(&sender->totals->write_failures, 1);
        forward_batch_release(batch);
    }
}

void forward_sender_destroy(struct forward_sender *sender, uint64_t drain_ms)
{
    if (sender->started) {
        pthread_mutex_lock(&sender->lock);
        sender->stopping = true;
        sender->stop_ns = silt_clock_monotonic_ns() + drain_ms * NS_PER_MS;
        pthread_mutex_unlock(&sender->lock);
        forward_http_wake(sender->http);
        pthread_join(sender->thread, NULL);
        give_up(sender);
    }
    forward_http_destroy(sender->http);
    for (size_t i = 0; i < destination_count(sender); i++) {
        free(sender->destinations[i].shown);
        forward_http_target_destroy(sender->destinations[i].http);
        forward_udp_destroy(sender->destinations[i].udp);
    }
    free(sender->destinations);
    free(sender->queue);
    pthread_mutex_destroy(&sender->lock);
    silt_arena_destroy(sender->arena);
    free(sender);
}

const struct silt_subscription *forward_sender_definition(const struct forward_sender *sender)
{
    return &sender->definition;
}

void forward_sender_destination(const struct forward_sender *sender, size_t index, struct forward_destination *out)
{
    const struct destination *destination = &sender->destinations[index];

    *out = (struct forward_destination){.shown = silt_str_from(destination->shown),
                                        .points_written = atomic_load(&destination->points_written),
                                        .write_failures = atomic_load(&destination->write_failures)};
}
