/*
 * descriptors.h - open files: at least as many as connections may be, and a reserve for everything else, of which files of shards are
 * the most.
 */
#ifndef SERVER_DESCRIPTORS_H
#define SERVER_DESCRIPTORS_H

#include "silt/server.h"

/* The limit as high as the system lets it be. SILT_LIMIT: that is not enough. */
enum silt_status descriptors_prepare(const struct silt_server_options *options, struct silt_error *err);

/* Whether a call failed for want of them, or of the kernel's memory; the log hears of it now and then. Any thread. */
bool descriptors_are_short(int error);

#endif
