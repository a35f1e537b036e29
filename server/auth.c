/*
 * auth.c - see auth.h.
 */
#include "server/auth.h"
#include "server/auth_cache.h"
#include "server/auth_read.h"
#include "server/jwt.h"
#include "server/login_throttle.h"
#include "server/params.h"
#include "server/password.h"
#include "silt/definitions.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define WORKERS 2         /* enough for some 40 log-ins a second; the rest of the machine is for data */
#define WAITING_MAX 1000
#define LOGIN_TEXT_MAX 16384 /* of a user's name and password */

struct auth_gate {
    struct http_server *server;
    struct silt_pool *pool;
    struct auth_cache *cache;
    struct login_throttle *throttle;
    char nobodys_hash[PASSWORD_HASH_MAX]; /* so that an unknown user takes as long as a wrong password */
};

struct login { /* one that has to be verified */
    struct silt_job job;
    struct http_message message;
    struct http_pending pending;
    struct auth_gate *gate;
    void (*handle)(struct http_loop *loop, h2o_req_t *req);
    struct login *next_delayed;
    uint64_t due_ns;
    unsigned place; /* in the throttle */
    bool known, right;
    struct auth_mark mark;
    char hash[PASSWORD_HASH_MAX];
    size_t user_len, password_len;
    char text[]; /* user, password */
};

enum silt_status auth_gate_create(struct http_server *server, struct auth_gate **out, struct silt_error *err)
{
    struct auth_gate *gate = silt_calloc(1, sizeof(*gate));
    enum silt_status rc;
    uint64_t seed;

    gate->server = server;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        rc = silt_fail_errno(err, errno, "no randomness for log-ins");
    else if ((rc = auth_cache_create(&gate->cache, err)) == SILT_OK)
        rc = password_hash(SILT_STR("nobody"), gate->nobodys_hash, err);
    if (rc != SILT_OK) {
        auth_gate_destroy(gate);
        return rc;
    }
    gate->throttle = login_throttle_create(seed);
    gate->pool = silt_pool_create(WORKERS, 0);
    *out = gate;
    return SILT_OK;
}

void auth_gate_destroy(struct auth_gate *gate)
{
    if (!gate)
        return;
    silt_pool_destroy(gate->pool);
    auth_cache_destroy(gate->cache);
    login_throttle_destroy(gate->throttle);
    free(gate);
}

/* ---------------------------------------------------------------- the end of it */

static void set_user(h2o_req_t *req, struct silt_str user, bool proved)
{
    struct http_connection *connection = http_connection_of(req);

    if (!connection)
        return;
    connection->user = h2o_strdup(&req->pool, user.len ? user.p : "", user.len);
    connection->authenticated = proved;
}

static void refuse(struct http_loop *loop, h2o_req_t *req, const char *why)
{
    count_one(loop->counters, COUNT_HTTPD_AUTH_FAIL);
    http_error(req, 401, silt_str_from(why));
}

static void admit(struct http_loop *loop, h2o_req_t *req, struct silt_str user,
                  void (*handle)(struct http_loop *loop, h2o_req_t *req))
{
    set_user(req, user, true);
    handle(loop, req);
}

/* ---------------------------------------------------------------- bcrypt, in a worker */

static struct silt_str user_of(const struct login *login)
{
    return (struct silt_str){login->text, login->user_len};
}

static void free_login(struct login *login)
{
    explicit_bzero(login->text, login->user_len + login->password_len);
    free(login);
}

static void on_verified(struct http_message *message)
{
    struct login *login = H2O_STRUCT_FROM_MEMBER(struct login, message, message);
    struct http_loop *loop = login->pending.loop;
    h2o_req_t *req = http_unpend(&login->pending);

    if (!login->right)
        login_throttle_failed(login->gate->throttle, login->place, silt_clock_monotonic_ns());
    if (req && login->right)
        admit(loop, req, user_of(login), login->handle);
    else if (req)
        refuse(loop, req, "authorization failed");
    free_login(login);
}

static void verify_on_worker(struct silt_job *base)
{
    struct login *login = H2O_STRUCT_FROM_MEMBER(struct login, job, base);
    struct auth_gate *gate = login->gate;
    struct silt_str password = {login->text + login->user_len, login->password_len};

    /* The same may have come on several connections at once: one of them was enough. */
    login->right = login->known && auth_cache_has(gate->cache, &login->mark);
    if (!login->right && !atomic_load(&login->pending.gone)) {
        bool matches = password_matches(password, silt_str_from(login->known ? login->hash : gate->nobodys_hash));
        login->right = login->known && matches;
        if (login->right)
            auth_cache_add(gate->cache, &login->mark);
    }
    http_post(login->pending.loop, &login->message);
}

static void drop(struct login *login, int status, const char *why)
{
    h2o_req_t *req = http_unpend(&login->pending);

    if (req)
        http_error(req, status, silt_str_from(why));
    free_login(login);
}

static void submit(struct login *login)
{
    if (silt_pool_queued(login->gate->pool) >= WAITING_MAX) {
        drop(login, 503, "too many log-ins are waiting");
        return;
    }
    login->job.run = verify_on_worker;
    login->message.run = on_verified;
    silt_pool_submit(login->gate->pool, &login->job);
}

void auth_tick(struct http_loop *loop, uint64_t now_ns)
{
    struct login **link = &loop->delayed_logins, *login;

    while ((login = *link)) {
        bool gone = atomic_load(&login->pending.gone);
        if (!gone && login->due_ns > now_ns) {
            link = &login->next_delayed;
            continue;
        }
        *link = login->next_delayed;
        if (gone)
            drop(login, 503, "the server is stopping"); /* or the client has left, and nobody hears it */
        else
            submit(login);
    }
}

/* ---------------------------------------------------------------- the request */

static void start_login(struct http_loop *loop, h2o_req_t *req, const struct auth *auth, const struct silt_user *user,
                        const struct auth_mark *mark, void (*handle)(struct http_loop *loop, h2o_req_t *req))
{
    struct auth_gate *gate = loop->server->gate;
    struct sockaddr_storage peer = {0};
    struct login *login;
    uint64_t now = silt_clock_monotonic_ns(), due;

    req->conn->callbacks->get_peername(req->conn, (struct sockaddr *)&peer);
    unsigned place = login_throttle_place(gate->throttle, &peer);
    if (!login_throttle_turn(gate->throttle, place, loop->server->options->failed_login_ms, now, &due)) {
        http_error(req, 429, SILT_STR("too many failed log-ins from this address, try again later"));
        return;
    }
    login = silt_calloc(1, sizeof(*login) + auth->user.len + auth->password.len + 1);
    login->gate = gate;
    login->handle = handle;
    login->place = place;
    login->due_ns = due;
    login->known = user != NULL;
    if (user) {
        login->mark = *mark;
        memcpy(login->hash, user->hash.p, user->hash.len < PASSWORD_HASH_MAX ? user->hash.len : 0);
    }
    login->user_len = auth->user.len;
    login->password_len = auth->password.len;
    memcpy(login->text, auth->user.p, auth->user.len);
    if (auth->password.len)
        memcpy(login->text + auth->user.len, auth->password.p, auth->password.len);
    http_pend(&login->pending, req, NULL);
    if (due <= now) {
        submit(login);
        return;
    }
    login->next_delayed = loop->delayed_logins;
    loop->delayed_logins = login;
}

static void by_password(struct http_loop *loop, h2o_req_t *req, const struct auth *auth, struct silt_arena *arena,
                        void (*handle)(struct http_loop *loop, h2o_req_t *req))
{
    struct auth_gate *gate = loop->server->gate;
    struct silt_user user;

    if (auth->user.len == 0) {
        refuse(loop, req, "username required");
        return;
    }
    if (auth->user.len + auth->password.len > LOGIN_TEXT_MAX) {
        refuse(loop, req, "authorization failed");
        return;
    }
    if (silt_storage_find_user(loop->server->storage, auth->user, arena, &user, NULL) != SILT_OK) {
        start_login(loop, req, auth, NULL, NULL, handle);
        return;
    }
    struct auth_mark mark = auth_cache_mark(gate->cache, auth->user, auth->password, user.hash);
    if (auth_cache_has(gate->cache, &mark))
        admit(loop, req, auth->user, handle);
    else
        start_login(loop, req, auth, &user, &mark, handle);
}

static void by_token(struct http_loop *loop, h2o_req_t *req, const struct auth *auth, struct silt_arena *arena,
                     void (*handle)(struct http_loop *loop, h2o_req_t *req))
{
    const char *secret = loop->server->options->shared_secret;
    struct silt_str name;
    struct silt_user user;
    struct silt_error err;

    if (!*secret)
        refuse(loop, req, "bearer auth disabld"); /* as InfluxDB spells it */
    else if (jwt_verify(auth->token, silt_str_from(secret), silt_clock_now() / 1000000000, arena, &name, &err) != SILT_OK ||
             silt_storage_find_user(loop->server->storage, name, arena, &user, &err) != SILT_OK)
        refuse(loop, req, err.text);
    else
        admit(loop, req, name, handle);
}

void auth_require(struct http_loop *loop, h2o_req_t *req, void (*handle)(struct http_loop *loop, h2o_req_t *req))
{
    struct params params = {0};
    struct auth auth;

    if (silt_storage_count_users(loop->server->storage).admins == 0) {
        handle(loop, req);
        return;
    }
    struct silt_arena *arena = silt_arena_create(NULL);
    if (params_add_urlencoded(&params, http_query_string(req), PARAM_URL, arena, NULL) != SILT_OK)
        params.count = 0; /* too many: none counts, and the handler will say so */
    auth_read(&auth, params_get(&params, "u"), params_get(&params, "p"), http_header(req, "authorization"), arena);
    if (auth.kind == AUTH_USER)
        set_user(req, auth.user, false);
    switch (auth.kind) {
    case AUTH_USER: by_password(loop, req, &auth, arena, handle); break;
    case AUTH_BEARER: by_token(loop, req, &auth, arena, handle); break;
    default: refuse(loop, req, "unable to parse authentication credentials"); break;
    }
    silt_arena_destroy(arena);
}
