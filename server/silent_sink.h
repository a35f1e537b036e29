/*
 * silent_sink.h - takes an answer that nobody reads: to be copied, with the calls in it that somebody does need.
 */
#ifndef SERVER_SILENT_SINK_H
#define SERVER_SILENT_SINK_H

#include "silt/query.h"

extern const struct silt_sink silent_sink;

#endif
