/*
 * write_points.h - POST /write, and again while the server does not answer.
 *
 * A point written twice is the same point: a request whose answer was lost may be sent again.
 */
#ifndef SHELL_WRITE_POINTS_H
#define SHELL_WRITE_POINTS_H

#include "shell/client.h"

enum write_verdict { WRITE_DONE, WRITE_REFUSED, WRITE_TOO_LARGE, WRITE_UNREACHABLE };

struct write_points {
    struct silt_str database, policy;
    const char *precision, *consistency; /* "": the server's usual one */
    double patience_seconds;             /* how long a server that does not answer is asked again */
    bool (*stopped)(void *context);      /* asked between attempts: no more of them */
    void *context;

    struct silt_buffer answer; /* of the last attempt, its beginning; freed by the owner */
    char why[512];             /* WRITE_UNREACHABLE: what was the matter */
};

enum write_verdict write_points(struct write_points *target, struct client *client, struct silt_str lines);

/* Waits *wait_ms, in steps that end when `stopped` says so, and doubles it up to some seconds: between attempts. */
void write_points_pause(long *wait_ms, bool (*stopped)(void *context), void *context);
#define WRITE_FIRST_PAUSE_MS 100

#endif
