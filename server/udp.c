/*
 * udp.c - see udp.h. As in InfluxDB a datagram with a line at fault counts for nothing as a whole.
 */
#include "server/udp.h"
#include "server/line_protocol.h"

#include <stdio.h>
#include <stdlib.h>

static enum silt_status read_lines(void *reader, const char *bytes, size_t len, struct silt_arena *arena,
                                   struct datagram_points *out, struct silt_error *err)
{
    struct lp_options *parse = reader;
    struct lp_errors errors;

    parse->now = silt_clock_now();
    enum silt_status rc = lp_parse_strict(bytes, len, parse, arena, &out->batch, &errors, err);
    if (rc == SILT_OK && errors.total)
        rc = silt_fail(err, SILT_INVALID, "%.*s", SILT_FMT(errors.items[0].reason));
    return rc;
}

static enum silt_status read_precision(const char *name, int64_t *ns, struct silt_error *err)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"", 1},         {"n", 1},          {"ns", 1},          {"u", 1000},
                 {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(name, units[i].name) == 0) {
            *ns = units[i].ns;
            return SILT_OK;
        }
    return silt_fail(err, SILT_INVALID, "udp.precision: \"%s\" is none of n, u, ms, s, m, h", name);
}

enum silt_status udp_listen(struct datagram_service *service, const struct silt_udp_options *options,
                            struct counters *counters, struct silt_error *err)
{
    static const struct datagram_format format = {"udp", false, read_lines, free};
    struct lp_options *parse = silt_calloc(1, sizeof(*parse));
    enum silt_status rc = read_precision(options->precision, &parse->precision_ns, err);

    if (rc == SILT_OK)
        return datagrams_listen(service, &format, parse, &options->listen, counters, err);
    free(parse);
    return rc;
}
