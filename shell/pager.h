/*
 * pager.h - answers longer than the screen go through a pager; shorter ones are printed as they are.
 */
#ifndef SHELL_PAGER_H
#define SHELL_PAGER_H

#include <stdbool.h>
#include <stdio.h>

struct pager;

/* The program: $SILT_PAGER, $PAGER, less or more, the first there is; NULL when there is none. */
struct pager *pager_create(void);
void pager_destroy(struct pager *pager);
bool pager_is_on(const struct pager *pager);
void pager_switch(struct pager *pager, bool on);

/* A stream to print on until pager_end. Once the pager is left by its user the stream is in error. */
FILE *pager_begin(struct pager *pager, unsigned screen_lines);
void pager_end(struct pager *pager);

#endif
