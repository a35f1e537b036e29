/*
 * line_protocol.h - a /write body to a batch for storage.
 *
 *     cpu,host=a,dc=x usage=3i,idle=97.5 1451606400000000000\n
 *     ---------------                                           row.series, as sent: storage validates it
 *                     ------------------                        a layout's fields and the row's values
 *                                        -------------------    row.time
 *
 * lp_parse is made for speed: it expects each line to look like an earlier one and hands all others to the plain
 * parser. lp_parse_strict is that plain parser alone, which also validates each series text; but for that it gives the
 * same rows and errors, and the tests hold the two against each other.
 */
#ifndef SILT_SERVER_LINE_PROTOCOL_H
#define SILT_SERVER_LINE_PROTOCOL_H

#include "silt/storage.h"

#define LP_KEY_BYTES_MAX 65535                /* of series text + 4 + field name, InfluxDB's bound */
#define LP_TEXT_BYTES_MAX ((size_t)512 << 20) /* a reason may quote a number of any length twice */
#define LP_ERRORS_KEPT_MAX 1000               /* later ones are only counted */

struct lp_options {
    silt_time now;        /* for rows without a time, cut down to the precision */
    int64_t precision_ns; /* of times: 1, 10^3, 10^6, 10^9, 60 * 10^9 or 3600 * 10^9 */
};

/* InfluxDB's text: unable to parse '<line>': <reason> */
struct lp_error {
    struct silt_str line; /* a view of the text */
    struct silt_str reason;
};

struct lp_errors {
    const struct lp_error *items; /* in input order; in the arena */
    size_t count;                 /* at most LP_ERRORS_KEPT_MAX */
    size_t total;
};

/*
 * Rows come in input order, and a row's `line` is its index among the rows. Everything is in the arena or borrowed
 * from text. Lines at fault are in *errors, all others in *out.
 * SILT_LIMIT: the arena's budget is used up, or text is longer than LP_TEXT_BYTES_MAX.
 */
enum silt_status lp_parse(const char *text, size_t len, const struct lp_options *options, struct silt_arena *arena,
                          struct silt_batch *out, struct lp_errors *errors, struct silt_error *err);
enum silt_status lp_parse_strict(const char *text, size_t len, const struct lp_options *options,
                                 struct silt_arena *arena, struct silt_batch *out, struct lp_errors *errors,
                                 struct silt_error *err);

/* The line of a row that lp_parse made of text, for messages about rows that storage refuses. */
struct silt_str lp_row_line(const char *text, size_t len, const struct silt_row *row);

#endif
