/*
 * notify.h - tells systemd how the server is, where systemd asks for it.
 *
 *     READY=1       it listens; after SIGHUP: the configuration was read again
 *     RELOADING=1   it reads its configuration
 *     STOPPING=1    it got the signal to stop
 *     WATCHDOG=1    its event loops go around: sent three times within WatchdogSec, not sent when one hangs
 *
 * A message is a datagram of such lines to the Unix socket that NOTIFY_SOCKET names ("@name": an abstract one); the
 * protocol of sd_notify(3), whose library is not needed for it. Without NOTIFY_SOCKET every call does nothing.
 *
 * Threads: notify_send any; the rest the one that opened it.
 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify;

/* NULL, which all others take, where nobody asks. */
struct notify *notify_open(void);
void notify_close(struct notify *notify);
/* What cannot be sent is told in the log, once. */
__attribute__((format(printf, 2, 3))) void notify_send(struct notify *notify, const char *format, ...);

/* Whether all is well, judged by what happened within this time. */
typedef bool (*notify_alive_fn)(const void *arg, uint64_t within_ns);
/* From a thread of its own while WATCHDOG_USEC is set for this process; alive is called until notify_unwatch returns. */
void notify_watch(struct notify *notify, notify_alive_fn alive, const void *arg);
void notify_unwatch(struct notify *notify);

#endif
