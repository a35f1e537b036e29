/*
 * collectd.c - see collectd.h.
 */
#include "server/collectd.h"
#include "server/collectd_points.h"

#include <stdlib.h>

struct collectd {
    struct collectd_reader reader;
    struct collectd_types *types;
    enum silt_collectd_values form;
};

static enum silt_status read_packet(void *arg, const char *bytes, size_t len, struct silt_arena *arena,
                                    struct datagram_points *out, struct silt_error *err)
{
    struct collectd *collectd = arg;
    struct collectd_lists lists;
    enum silt_status rc = collectd_read_packet(&collectd->reader, (struct silt_str){bytes, len}, arena, &lists, err);

    if (rc == SILT_OK)
        collectd_make_points(&lists, collectd->form, arena, out);
    return rc;
}

static void destroy(void *arg)
{
    struct collectd *collectd = arg;

    collectd_users_destroy(collectd->reader.users);
    collectd_types_free(collectd->types);
    free(collectd);
}

/* Without a password for anybody a listener that wants signatures would take nothing, and say so to nobody. */
static enum silt_status check_users(const struct collectd *collectd, struct silt_error *err)
{
    struct silt_error inner;

    if (collectd->reader.security == SILT_COLLECTD_NONE || collectd_users_check(collectd->reader.users, &inner) == SILT_OK)
        return SILT_OK;
    return silt_fail(err, SILT_INVALID, "collectd.auth-file: %s", inner.text);
}

enum silt_status collectd_listen(struct datagram_service *service, const struct silt_collectd_options *options,
                                 struct counters *counters, struct silt_error *err)
{
    static const struct datagram_format format = {"collectd", true, read_packet, destroy};
    struct collectd *collectd = silt_calloc(1, sizeof(*collectd));
    struct silt_error inner;
    enum silt_status rc = collectd_types_load(options->types_path, &collectd->types, &inner);

    if (rc != SILT_OK)
        silt_fail(err, rc, "collectd.typesdb: %s", inner.text);
    collectd->form = options->values;
    collectd->reader = (struct collectd_reader){.types = collectd->types,
                                                .users = collectd_users_create(options->auth_path),
                                                .security = options->security};
    if (rc == SILT_OK && (rc = check_users(collectd, err)) == SILT_OK)
        return datagrams_listen(service, &format, collectd, &options->listen, counters, err);
    destroy(collectd);
    return rc;
}
