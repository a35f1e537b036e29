/*
 * handle_status.c - /ping, /status and /health: answered by the loop, without the store doing anything.
 */
#include "server/http.h"
#include "server/params.h"
#include "silt/version.h"

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
    struct silt_buffer body = {0};
    struct silt_error err;
    enum silt_status rc = silt_storage_writable(loop->server->storage, &err);
    struct silt_str message = SILT_STR("ready for queries and writes");

    if (rc != SILT_OK) /* up to the file's name: anybody may ask */
        message = (struct silt_str){err.text, strcspn(err.text, ":")};
    silt_buffer_printf(&body, "{\"checks\":[],\"message\":");
    silt_buffer_json_string(&body, message);
    silt_buffer_printf(&body, ",\"name\":\"influxdb\",\"status\":\"%s\",\"version\":\"%s\",\"server\":\"SiltDB %s\"}\n",
                       rc == SILT_OK ? "pass" : "fail", SILT_INFLUX_VERSION, SILT_VERSION);
    http_reply(req, rc == SILT_OK ? 200 : 503, "application/json", (struct silt_str){body.p, body.len});
    silt_buffer_free(&body);
}
