/*
 * shard_order.h - the order in which InfluxDB adds up the shards of one window, for the last digit of float sums.
 */
#ifndef QUERY_SHARD_ORDER_H
#define QUERY_SHARD_ORDER_H

#include "query/scan.h"

/* (*ranks)[g * shard_count + s]: the place of shard s in group g. NULL: shards come in their own order. In the statement's
 * arena. */
enum silt_status shard_order_rank(const struct scan *scan, uint32_t **ranks, size_t *shard_count, struct silt_error *err);

#endif
