/*
 * progress.h - one line about long work, drawn over and over.
 *
 *     [############------------------]  40%  4,000,000 lines  812,345/s  7 s left
 *     measurement 3 of 12, cpu: 1,234,567 lines  512,000/s
 *
 * On a terminal it is redrawn in place some times a second; elsewhere nothing is written.
 */
#ifndef SHELL_PROGRESS_H
#define SHELL_PROGRESS_H

#include "silt/text.h"

#include <stdio.h>

struct progress {
    FILE *out;
    bool live; /* out is a terminal */
    uint64_t started_ns, drawn_ns;
};

void progress_begin(struct progress *progress, FILE *out);
double progress_seconds(const struct progress *progress);
/* share: 0 to 1, negative when not known; what: in front, may be "". */
void progress_draw(struct progress *progress, const char *what, double share, uint64_t lines);
void progress_clear(struct progress *progress); /* before anything else is written */

/* Pure: the line itself, and 1234567 as 1,234,567. */
void progress_line(struct silt_buffer *out, const char *what, double share, uint64_t lines, double seconds);
void progress_number(struct silt_buffer *out, uint64_t number);

#endif
