/*
 * write_report.h - what a client is told about a write of which not every line was taken.
 */
#ifndef SERVER_WRITE_REPORT_H
#define SERVER_WRITE_REPORT_H

#include "server/line_protocol.h"
#include "silt/text.h"

/*
 * InfluxDB's text for the lines that were refused by the parser and by the store; empty when there are none. errors
 * may be NULL; text is the body that batch came from, empty where there is none. In the arena.
 */
struct silt_str write_report_text(struct silt_str text, const struct lp_errors *errors,
                                  const struct silt_batch *batch, const struct silt_write_report *report,
                                  struct silt_arena *arena);

#endif
