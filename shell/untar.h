/*
 * untar.h - an archive of plain files (POSIX ustar), read as it comes, in pieces of any length.
 */
#ifndef SHELL_UNTAR_H
#define SHELL_UNTAR_H

#include "silt/base.h"

/* Any may fail: then the reading ends with that. */
struct untar_events {
    enum silt_status (*begin)(void *context, struct silt_str name, uint64_t bytes, struct silt_error *err);
    enum silt_status (*data)(void *context, const char *bytes, size_t len, struct silt_error *err);
    enum silt_status (*end)(void *context, struct silt_error *err);
};

struct untar { /* zero-initialise, then set the first two */
    const struct untar_events *events;
    void *context;
    char header[512];
    size_t header_bytes;
    uint64_t left, padding; /* of the file being read */
    bool in_file, ended;
};

/* SILT_CORRUPT: no such archive. What follows its end is passed over. */
enum silt_status untar_feed(struct untar *untar, const char *bytes, size_t len, struct silt_error *err);

#endif
