/*
 * internal.h - statistics as points in database `_internal`, policy `monitor`.
 *
 *     statistic  httpd {bind=...} req 7, ...   ->   point  httpd,bind=...,hostname=h req=7i,...
 *
 * Threads: any, as long as the source's store is there.
 */
#ifndef SERVER_INTERNAL_H
#define SERVER_INTERNAL_H

#include "server/stats.h"

/* Returns when they are durable, or err says why not. What is built lies in the arena. */
enum silt_status internal_write(const struct stats_source *source, const struct statistic *stats, size_t count,
                                silt_time time, struct silt_arena *arena, struct silt_error *err);

#endif
