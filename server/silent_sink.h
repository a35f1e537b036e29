/*
 * silent_sink.h - takes an answer that nobody reads: to be copied, with the calls in it that somebody does need. An error is always
 * somebody's: that call is not there until it is given.
 */
#ifndef SERVER_SILENT_SINK_H
#define SERVER_SILENT_SINK_H

#include "silt/query.h"

extern const struct silt_sink silent_sink;

#endif
