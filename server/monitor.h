/*
 * monitor.h - writes the server's own statistics into database `_internal`, policy `monitor`, now and then.
 *
 * A thread of its own; a write that fails is logged once for as long as it goes on failing.
 */
#ifndef SERVER_MONITOR_H
#define SERVER_MONITOR_H

#include "server/stats.h"

struct monitor;

/* interval_ms at least 1. The source stays until the monitor is stopped. */
struct monitor *monitor_start(const struct stats_source *source, uint64_t interval_ms);
void monitor_stop(struct monitor *monitor); /* waits for a write under way; NULL is fine */

#endif
