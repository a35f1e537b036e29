/*
 * handle_status.c - /ping, /status and /health: answered by the loop, without the store doing anything.
 */
#include "server/http.h"
#include "server/params.h"
#include "silt/version.h"

#include <stdio.h>

/* ?verbose=1 asks for the version in a body. */
static bool is_verbose(h2o_req_t *req)
{
    struct silt_str query = http_query_string(req), verbose;
    struct params params = {0};

    if (!query.len || !memmem(query.p, query.len, "verbose", 7))
        return false;
    struct silt_arena *arena = silt_arena_create(NULL);
    bool result = false;
    if (params_add_urlencoded(&params, query, true, arena, NULL) == SILT_OK) {
        verbose = params_get_url(&params, "verbose");
        result = verbose.len && !silt_str_equal(verbose, SILT_STR("0")) && !silt_str_equal(verbose, SILT_STR("false"));
    }
    silt_arena_destroy(arena);
    return result;
}

void handle_ping(struct http_loop *loop, h2o_req_t *req)
{
    if (is_verbose(req))
        http_reply(req, 200, "application/json", SILT_STR("{\"version\":\"" SILT_INFLUX_VERSION "\"}"));
    else
        http_reply(req, 204, "", SILT_STR(""));
}

void handle_status(struct http_loop *loop, h2o_req_t *req)
{
    http_reply(req, 204, "", SILT_STR(""));
}

void handle_health(struct http_loop *loop, h2o_req_t *req)
{
    struct silt_storage_stats stats;
    char body[256];

    silt_storage_stats(loop->server->storage, &stats);
    int len = snprintf(body, sizeof(body),
                       "{\"checks\":[],\"message\":\"%s\",\"name\":\"influxdb\",\"status\":\"%s\",\"version\":\"%s\","
                       "\"server\":\"SiltDB %s\"}\n",
                       stats.disk_full   ? "the disk is full: read only until there is room"
                       : stats.read_only ? "the log cannot be written: read only until restarted"
                                         : "ready for queries and writes",
                       stats.read_only ? "fail" : "pass", SILT_INFLUX_VERSION, SILT_VERSION);
    http_reply(req, stats.read_only ? 503 : 200, "application/json", (struct silt_str){body, (size_t)len});
}
