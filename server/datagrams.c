/*
 * datagrams.c - see datagrams.h.
 *
 *     socket -> recvmmsg -> format reads each datagram -> batch -> [batch-size, or batch-timeout] -> store
 *                                                                   at most batch-pending not yet durable
 *
 * As in InfluxDB the database comes to be with the first batch. Nobody is told of an error: there are counters, and
 * lines in the log, one in ten seconds for each listener.
 */
#include "server/datagrams.h"
#include "server/config.h"
#include "server/point_batch.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAMS_AT_ONCE 32
#define DATAGRAM_BYTES_MAX 65536
#define LOG_INTERVAL_NS 10000000000ull
#define NS_PER_MS 1000000ull
#define WRITE_PATIENCE_NS 10000000000ull /* memtables that are full are being flushed meanwhile */
#define WRITE_PAUSE_MS 20

enum tally { BATCHES_OK, BATCHES_FAILED, BYTES, MALFORMED, DROPPED, POINTS, POINTS_OK, READ_FAILED, TALLIES };

struct listener {
    const struct datagram_format *format;
    void *reader;
    const struct silt_listener_options *options;
    struct silt_storage *storage;
    struct forward *forward;
    struct counters *counters; /* the thread's; the outcome of writes under lock */
    int fd, wake_fd;
    pthread_t thread;
    bool started;
    _Atomic bool stopping;

    /* the thread's */
    char *room; /* of the datagrams read at once */
    struct silt_arena *scratch;
    struct point_batch batch;
    uint64_t due_ns; /* of the batch, once it has a point */
    uint32_t lost_by_system;
    uint64_t log_again_ns, untold;

    _Atomic uint64_t tallies[TALLIES];

    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t settled;
    uint64_t pending; /* writes that are not durable yet */
};

struct datagram_service {
    struct silt_storage *storage;
    struct forward *forward;
    size_t count, max;
    struct listener listeners[];
};

/* A write under way: what the store refused and whether the rest is durable, in either order and from two threads. */
struct batch_write {
    struct listener *listener;
    size_t points;
    _Atomic bool failed;
    _Atomic int parts; /* still missing */
};

static void tally(struct listener *listener, enum tally which, uint64_t more)
{
    atomic_fetch_add_explicit(&listener->tallies[which], more, memory_order_relaxed);
}

/* The first of a kind of trouble at once, then how many there were. */
static void complain(struct listener *listener, const char *what, const char *reason)
{
    uint64_t now = silt_clock_monotonic_ns();

    if (now < listener->log_again_ns) {
        listener->untold++;
        return;
    }
    silt_log(SILT_LOG_WARN, what, "service=%s bind=\"%s\" database=\"%s\" reason=\"%s\" more=%llu",
             listener->format->service, listener->options->bind, listener->options->database, reason,
             (unsigned long long)listener->untold);
    listener->untold = 0;
    listener->log_again_ns = now + LOG_INTERVAL_NS;
}

/* ---------------------------------------------------------------- writing */

/* As in InfluxDB, a batch of which a point was refused counts as failed. */
static void part_done(struct batch_write *write, bool failed)
{
    struct listener *listener = write->listener;

    if (failed)
        atomic_store(&write->failed, true);
    if (atomic_fetch_sub(&write->parts, 1) != 1)
        return;
    failed = atomic_load(&write->failed);
    tally(listener, failed ? BATCHES_FAILED : BATCHES_OK, 1);
    if (!failed)
        tally(listener, POINTS_OK, write->points);
    pthread_mutex_lock(&listener->lock);
    count_one(listener->counters, failed ? COUNT_WRITE_ERROR : COUNT_WRITE_OK);
    listener->pending--;
    pthread_cond_signal(&listener->settled);
    pthread_mutex_unlock(&listener->lock);
    free(write);
}

/* From the log's thread, or from within the write. */
static void on_written(void *arg, enum silt_status status, const struct silt_error *err)
{
    part_done(arg, status != SILT_OK);
}

static void wait_for_pending(struct listener *listener, uint64_t at_most)
{
    pthread_mutex_lock(&listener->lock);
    while (listener->pending > at_most)
        pthread_cond_wait(&listener->settled, &listener->lock);
    pthread_mutex_unlock(&listener->lock);
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static enum silt_status store(struct listener *listener, const struct silt_batch *batch, struct batch_write *write,
                              struct silt_write_report *report, struct silt_error *err)
{
    const struct silt_listener_options *options = listener->options;
    struct silt_str database = silt_str_from(options->database), rp = silt_str_from(options->policy);
    uint64_t give_up = silt_clock_monotonic_ns() + WRITE_PATIENCE_NS;
    bool created = false;

    for (;;) {
        enum silt_status rc = silt_storage_write(listener->storage, database, rp, batch, true, listener->scratch,
                                                 report, on_written, write, err);
        if (rc == SILT_NOT_FOUND && !created && starts_with(err->text, "database not found")) {
            created = true;
            rc = silt_storage_create_database(listener->storage, database, (struct silt_str){NULL, 0}, NULL, err);
            if (rc == SILT_OK)
                continue;
        }
        if (rc != SILT_BUSY || atomic_load(&listener->stopping) || silt_clock_monotonic_ns() >= give_up)
            return rc;
        usleep(WRITE_PAUSE_MS * 1000);
    }
}

static void flush(struct listener *listener)
{
    struct silt_batch batch = point_batch_view(&listener->batch);
    struct silt_write_report report = {0};
    struct silt_error err;

    if (batch.row_count == 0)
        return;
    wait_for_pending(listener, listener->options->batches_max - 1);
    struct batch_write *write = silt_malloc(sizeof(*write));
    *write = (struct batch_write){.listener = listener, .points = batch.row_count, .parts = 2};
    pthread_mutex_lock(&listener->lock);
    listener->pending++;
    pthread_mutex_unlock(&listener->lock);
    count_one(listener->counters, COUNT_WRITE_REQ);
    count_add(listener->counters, COUNT_WRITE_POINT_REQ, batch.row_count);
    count_add(listener->counters, COUNT_WRITE_POINT_REQ_LOCAL, batch.row_count);
    silt_arena_reset(listener->scratch);
    enum silt_status rc = store(listener, &batch, write, &report, &err);
    if (rc != SILT_OK) {
        part_done(write, true); /* in place of the store */
        complain(listener, "points of datagrams could not be written", err.text);
    } else if (report.rejection_count) {
        count_add(listener->counters, COUNT_WRITE_DROP, report.rejection_count);
        snprintf(err.text, sizeof(err.text), "%.*s dropped=%zu", SILT_FMT(report.rejections[0].detail),
                 report.rejection_count);
        complain(listener, "points of datagrams were refused", err.text);
    }
    if (rc == SILT_OK) {
        enum forward_outcome outcome = forward_write(listener->forward, silt_str_from(listener->options->database),
                                                     (struct silt_str){NULL, 0}, &batch, &report);
        if (outcome != FORWARD_OFF)
            count_one(listener->counters, outcome == FORWARD_OK ? COUNT_WRITE_SUB_OK : COUNT_WRITE_SUB_DROP);
    }
    part_done(write, report.rejection_count > 0);
    point_batch_reset(&listener->batch);
}

/* ---------------------------------------------------------------- reading */

static void take_datagram(struct listener *listener, const char *bytes, size_t len)
{
    struct datagram_points read = {.skipped = NULL};
    struct silt_error err;

    tally(listener, BYTES, len);
    silt_arena_reset(listener->scratch);
    if (listener->format->read(listener->reader, bytes, len, listener->scratch, &read, &err) != SILT_OK) {
        tally(listener, MALFORMED, 1);
        complain(listener, "a datagram could not be parsed", err.text);
        return;
    }
    if (read.skipped)
        complain(listener, "a part of a datagram was passed over", read.skipped);
    tally(listener, DROPPED, read.dropped);
    if (read.batch.row_count == 0)
        return;
    tally(listener, POINTS, read.batch.row_count);
    if (listener->batch.row_count == 0)
        listener->due_ns = silt_clock_monotonic_ns() + listener->options->batch_ms * NS_PER_MS;
    point_batch_add(&listener->batch, &read.batch, NULL); /* without a budget, it cannot fail */
    if (listener->batch.row_count >= listener->options->batch_points)
        flush(listener);
}

/* The system tells with each datagram how many it has lost before. */
static void note_losses(struct listener *listener, struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        uint32_t lost;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
            continue;
        memcpy(&lost, CMSG_DATA(c), sizeof(lost));
        if (lost != listener->lost_by_system) {
            tally(listener, READ_FAILED, lost - listener->lost_by_system);
            listener->lost_by_system = lost;
            complain(listener, "datagrams were lost", "the socket was full: read-buffer may be larger");
        }
    }
}

/* False: there was nothing. */
static bool read_datagrams(struct listener *listener)
{
    struct mmsghdr messages[DATAGRAMS_AT_ONCE];
    struct iovec parts[DATAGRAMS_AT_ONCE];
    union {
        char bytes[CMSG_SPACE(sizeof(uint32_t))];
        struct cmsghdr align;
    } control[DATAGRAMS_AT_ONCE];

    memset(messages, 0, sizeof(messages));
    for (unsigned i = 0; i < DATAGRAMS_AT_ONCE; i++) {
        parts[i] = (struct iovec){listener->room + (size_t)i * DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MAX};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_control = control[i].bytes;
        messages[i].msg_hdr.msg_controllen = sizeof(control[i].bytes);
    }
    int got = recvmmsg(listener->fd, messages, DATAGRAMS_AT_ONCE, MSG_DONTWAIT, NULL);
    if (got < 0 && errno != EAGAIN && errno != EINTR) {
        tally(listener, READ_FAILED, 1);
        complain(listener, "datagrams could not be read", strerror(errno));
        usleep(WRITE_PAUSE_MS * 1000);
    }
    for (int i = 0; i < got; i++) {
        note_losses(listener, &messages[i].msg_hdr);
        take_datagram(listener, parts[i].iov_base, messages[i].msg_len);
    }
    return got > 0;
}

static int wait_ms(const struct listener *listener)
{
    uint64_t now = silt_clock_monotonic_ns();

    if (listener->batch.row_count == 0)
        return -1;
    return listener->due_ns <= now ? 0 : (int)((listener->due_ns - now + NS_PER_MS - 1) / NS_PER_MS);
}

static void *run(void *arg)
{
    struct listener *listener = arg;

    while (!atomic_load(&listener->stopping)) {
        struct pollfd polled[2] = {{listener->fd, POLLIN, 0}, {listener->wake_fd, POLLIN, 0}};
        int ready = poll(polled, 2, wait_ms(listener));
        if (ready > 0 && polled[0].revents)
            read_datagrams(listener);
        if (listener->batch.row_count && silt_clock_monotonic_ns() >= listener->due_ns)
            flush(listener);
    }
    /* What lies in the socket has been sent before the end: it counts. */
    for (int i = 0; i < 1000 && read_datagrams(listener); i++)
        ;
    flush(listener);
    wait_for_pending(listener, 0);
    return NULL;
}

/* ---------------------------------------------------------------- start and stop */

static int bind_to(const struct addrinfo *address, bool every, const struct silt_listener_options *options)
{
    int on = 1, off = 0, bytes = (int)options->read_buffer_bytes;
    int fd = socket(address->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, every ? &off : &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
    if (bytes)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    int failure = errno;
    close(fd);
    errno = failure;
    return -1;
}

/* Of every address, IPv6 takes IPv4 along. */
static enum silt_status listen_on(const char *service, const struct silt_listener_options *options, int *fd,
                                  struct silt_error *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE}, *found;
    char host[256], port_text[8];
    uint16_t port;
    int failure = EADDRNOTAVAIL;
    enum silt_status rc = config_split_address(options->bind, host, sizeof(host), &port, err);

    if (rc != SILT_OK)
        return rc;
    snprintf(port_text, sizeof(port_text), "%u", port);
    int code = getaddrinfo(*host ? host : NULL, port_text, &hints, &found);
    if (code)
        return silt_fail(err, SILT_INVALID, "%s.bind-address: %s: %s", service, options->bind, gai_strerror(code));
    *fd = -1;
    for (int turn = 0; turn < 2 && *fd < 0; turn++)
        for (struct addrinfo *a = found; a && *fd < 0; a = a->ai_next)
            if (*host || (a->ai_family == AF_INET6) == (turn == 0)) {
                *fd = bind_to(a, !*host, options);
                failure = errno;
            }
    freeaddrinfo(found);
    return *fd >= 0 ? SILT_OK : silt_fail_errno(err, failure, "cannot listen on %s (%s)", options->bind, service);
}

static enum silt_status start_listener(struct listener *listener, struct silt_error *err)
{
    const char *service = listener->format->service;
    enum silt_status rc = listen_on(service, listener->options, &listener->fd, err);

    if (rc != SILT_OK)
        return rc;
    if ((listener->wake_fd = eventfd(0, EFD_CLOEXEC)) < 0)
        return silt_fail_errno(err, errno, "eventfd");
    listener->room = silt_malloc((size_t)DATAGRAMS_AT_ONCE * DATAGRAM_BYTES_MAX);
    listener->scratch = silt_arena_create(NULL);
    point_batch_init(&listener->batch, NULL);
    int error = pthread_create(&listener->thread, NULL, run, listener);
    if (error)
        return silt_fail_errno(err, error, "%s: a thread for %s", service, listener->options->bind);
    listener->started = true;
    silt_log(SILT_LOG_INFO, "listening", "service=%s bind=\"%s\" database=\"%s\"", service, listener->options->bind,
             listener->options->database);
    return SILT_OK;
}

static void stop_listener(struct listener *listener)
{
    uint64_t one = 1;

    atomic_store(&listener->stopping, true);
    if (listener->started) {
        if (write(listener->wake_fd, &one, sizeof(one)) != sizeof(one))
            silt_log(SILT_LOG_WARN, "a listener cannot be woken", "errno=%d", errno);
        pthread_join(listener->thread, NULL);
    }
    if (listener->fd >= 0)
        close(listener->fd);
    if (listener->wake_fd >= 0)
        close(listener->wake_fd);
    listener->format->destroy(listener->reader);
    free(listener->room);
    silt_arena_destroy(listener->scratch);
    point_batch_deinit(&listener->batch);
    pthread_mutex_destroy(&listener->lock);
    pthread_cond_destroy(&listener->settled);
}

struct datagram_service *datagrams_create(struct silt_storage *storage, struct forward *forward, size_t listeners_max)
{
    struct datagram_service *service =
        silt_calloc(1, sizeof(*service) + listeners_max * sizeof(service->listeners[0]));

    service->storage = storage;
    service->forward = forward;
    service->max = listeners_max;
    return service;
}

enum silt_status datagrams_listen(struct datagram_service *service, const struct datagram_format *format, void *reader,
                                  const struct silt_listener_options *options, struct counters *counters,
                                  struct silt_error *err)
{
    silt_assert(service->count < service->max);
    struct listener *listener = &service->listeners[service->count++];
    listener->format = format;
    listener->reader = reader;
    listener->options = options;
    listener->storage = service->storage;
    listener->forward = service->forward;
    listener->counters = counters;
    listener->fd = listener->wake_fd = -1;
    pthread_mutex_init(&listener->lock, NULL);
    pthread_cond_init(&listener->settled, NULL);
    return start_listener(listener, err);
}

void datagrams_destroy(struct datagram_service *service)
{
    if (!service)
        return;
    for (size_t i = 0; i < service->count; i++)
        stop_listener(&service->listeners[i]);
    free(service);
}

/* ---------------------------------------------------------------- statistics */

size_t datagrams_listeners(const struct datagram_service *service)
{
    return service ? service->count : 0;
}

void datagrams_stats(const struct datagram_service *service, size_t index, struct datagram_stats *out)
{
    const struct listener *listener = &service->listeners[index];
    uint64_t values[TALLIES];

    for (int i = 0; i < TALLIES; i++)
        values[i] = atomic_load_explicit(&listener->tallies[i], memory_order_relaxed);
    *out = (struct datagram_stats){.service = listener->format->service,
                                   .bind = listener->options->bind,
                                   .can_drop = listener->format->can_drop,
                                   .batches_ok = values[BATCHES_OK],
                                   .batches_failed = values[BATCHES_FAILED],
                                   .bytes = values[BYTES],
                                   .malformed = values[MALFORMED],
                                   .dropped = values[DROPPED],
                                   .points = values[POINTS],
                                   .points_ok = values[POINTS_OK],
                                   .read_failed = values[READ_FAILED]};
}
