/*
 * notify.c - implements notify.h: one datagram socket, one thread for the watchdog.
 */
#include "server/notify.h"
#include "silt/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct notify {
    int fd;
    struct sockaddr_un address;
    socklen_t address_len;
    _Atomic bool failed; /* and told so */

    /* the watchdog */
    pthread_t thread;
    bool watching;
    uint64_t timeout_ns;
    notify_alive_fn alive;
    const void *arg;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool end; /* under lock */
};

struct notify *notify_open(void)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t len = name ? strlen(name) : 0;
    struct notify *notify;

    if (len == 0)
        return NULL;
    if ((*name != '/' && *name != '@') || len >= sizeof(notify->address.sun_path)) {
        silt_log(SILT_LOG_WARN, "NOTIFY_SOCKET is not a socket's path", "path=\"%s\"", name);
        return NULL;
    }
    notify = silt_calloc(1, sizeof(*notify));
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, name, len);
    if (*name == '@')
        notify->address.sun_path[0] = '\0';
    notify->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*name == '/'));
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd < 0) {
        silt_log(SILT_LOG_WARN, "no socket for NOTIFY_SOCKET", "error=\"%s\"", strerror(errno));
        free(notify);
        return NULL;
    }
    return notify;
}

void notify_close(struct notify *notify)
{
    if (!notify)
        return;
    notify_unwatch(notify);
    close(notify->fd);
    free(notify);
}

void notify_send(struct notify *notify, const char *format, ...)
{
    char text[512];
    va_list args;

    if (!notify)
        return;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    silt_assert(len > 0);
    size_t bytes = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
    if (sendto(notify->fd, text, bytes, MSG_NOSIGNAL, (struct sockaddr *)&notify->address, notify->address_len) < 0 &&
        !atomic_exchange(&notify->failed, true))
        silt_log(SILT_LOG_WARN, "NOTIFY_SOCKET takes no messages", "path=\"%s\" error=\"%s\"", getenv("NOTIFY_SOCKET"),
                 strerror(errno));
}

/* ---------------------------------------------------------------- the watchdog */

/* Three pings in the time allowed, so that one late one does no harm; a loop is missed after half of it. */
static void *watch(void *arg)
{
    struct notify *notify = arg;
    bool told = false;

    pthread_mutex_lock(&notify->lock);
    while (!notify->end) {
        bool alive = notify->alive(notify->arg, notify->timeout_ns / 2);
        if (alive)
            notify_send(notify, "WATCHDOG=1");
        else if (!told)
            silt_log(SILT_LOG_ERROR, "an event loop hangs: the watchdog is not told to wait", NULL);
        told = !alive;
        struct timespec until = silt_clock_in(notify->timeout_ns / 3);
        while (!notify->end && pthread_cond_timedwait(&notify->wake, &notify->lock, &until) == 0)
            continue;
    }
    pthread_mutex_unlock(&notify->lock);
    return NULL;
}

/* Nanoseconds, 0: nobody watches this process. */
static uint64_t watchdog_timeout(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    char *end;

    if (!usec || (pid && strtoll(pid, NULL, 10) != getpid()))
        return 0;
    unsigned long long value = strtoull(usec, &end, 10);
    if (value == 0 || *end || value > UINT64_MAX / 1000) {
        silt_log(SILT_LOG_WARN, "WATCHDOG_USEC is not a time", "value=\"%s\"", usec);
        return 0;
    }
    return value * 1000;
}

void notify_watch(struct notify *notify, notify_alive_fn alive, const void *arg)
{

    if (!notify || (notify->timeout_ns = watchdog_timeout()) == 0)
        return;
    notify->alive = alive;
    notify->arg = arg;
    pthread_mutex_init(&notify->lock, NULL);
    silt_cond_init(&notify->wake);
    int error = pthread_create(&notify->thread, NULL, watch, notify);
    silt_assert(!error);
    notify->watching = true;
}

void notify_unwatch(struct notify *notify)
{
    if (!notify || !notify->watching)
        return;
    pthread_mutex_lock(&notify->lock);
    notify->end = true;
    pthread_cond_signal(&notify->wake);
    pthread_mutex_unlock(&notify->lock);
    pthread_join(notify->thread, NULL);
    pthread_cond_destroy(&notify->wake);
    pthread_mutex_destroy(&notify->lock);
    notify->watching = false;
}
