/*
 * reload.c - see reload.h.
 *
 *     SIGHUP -> main: config_load -> live settings that differ stored, one by one, atomically -> actions -> one line
 *
 *     msg="configuration reloaded" changed="coordinator.query-timeout server.log-level" restart="http.loops"
 *
 * An action that fails leaves its thing as it was and says so; the others go on.
 */
#include "server/reload.h"
#include "server/config.h"
#include "server/memory_shares.h"
#include "silt/machine.h"

static enum silt_status reload_log_level(struct http_server *server, struct silt_error *err)
{
    silt_log_set_level(server->options->log_level);
    return SILT_OK;
}

/* Whether anything changed or not: the file may have been moved away to make room for a new one. */
static enum silt_status reload_access_log(struct http_server *server, struct silt_error *err)
{
    return access_log_reopen(server->log_fd, server->options, err);
}

static enum silt_status reload_budgets(struct http_server *server, struct silt_error *err)
{
    struct memory_shares shares = memory_shares_of(server->options, silt_machine_memory());

    silt_budget_set_limit(&server->query_budget, shares.queries);
    silt_budget_set_limit(&server->write_budget, shares.writes);
    return SILT_OK;
}

static enum silt_status reload_certificate(struct http_server *server, struct silt_error *err)
{
    return http_reload_tls(server, err);
}

static const struct reload_action {
    const char *what;
    enum silt_status (*run)(struct http_server *server, struct silt_error *err); /* server->options are the new ones */
} actions[] = {
    {"log level", reload_log_level},
    {"access log", reload_access_log},
    {"memory bounds", reload_budgets},
    {"certificate", reload_certificate},
};

void reload_apply(struct http_server *server, struct silt_server_options *options,
                  const struct silt_server_options *fresh)
{
    struct silt_buffer changed = {0}, restart = {0};

    config_take_live(options, fresh, &changed, &restart);
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        struct silt_error err;
        if (actions[i].run(server, &err) != SILT_OK)
            silt_log(SILT_LOG_ERROR, "not reloaded", "what=\"%s\" error=\"%s\"", actions[i].what, err.text);
    }
    silt_log(restart.len ? SILT_LOG_WARN : SILT_LOG_INFO, "configuration reloaded", "changed=\"%.*s\" restart=\"%.*s\"",
             (int)changed.len, changed.len ? changed.p : "", (int)restart.len, restart.len ? restart.p : "");
    silt_buffer_free(&changed);
    silt_buffer_free(&restart);
}
