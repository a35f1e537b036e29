/*
 * authorize.c - see authorize.h.
 */
#include "server/authorize.h"
#include "silt/definitions.h"

#define PREFIX "error authorizing query: "

/* Nobody, which is everybody as long as there is no admin, may make one; where there is an admin, nobody comes here. */
static struct silt_str authorize_nobody(struct http_server *server, const struct silt_query *query)
{
    struct silt_user_counts counts = silt_storage_count_users(server->storage);

    if (counts.admins == 0 && silt_query_creates_admin(query))
        return SILT_STR("");
    return counts.users ? SILT_STR(PREFIX "no user provided")
                        : SILT_STR(PREFIX "create admin user first or disable authentication");
}

static const char *privilege_name(enum silt_privilege privilege)
{
    return privilege == SILT_PRIVILEGE_READ ? "READ" : privilege == SILT_PRIVILEGE_WRITE ? "WRITE" : "ALL PRIVILEGES";
}

static bool is_admin(struct http_server *server, struct silt_str name, struct silt_arena *arena)
{
    struct silt_user user;

    return silt_storage_find_user(server->storage, name, arena, &user, NULL) == SILT_OK && user.admin;
}

static struct silt_str authorize_statement(struct http_server *server, struct silt_str user,
                                           const struct silt_query *query, size_t index, struct silt_str database,
                                           struct silt_arena *arena)
{
    struct silt_needed *needed;
    size_t count;

    silt_query_privileges(query, index, arena, &needed, &count);
    for (size_t i = 0; i < count; i++) {
        struct silt_str on = needed[i].database.len ? needed[i].database : database;
        if (needed[i].admin ? is_admin(server, user, arena)
                            : silt_storage_check_privilege(server->storage, user, on, needed[i].privilege, NULL) == SILT_OK)
            continue;
        struct silt_str text = silt_query_statement_text(query, index, arena);
        struct silt_str wanted = needed[i].admin ? SILT_STR("admin privilege")
                                                 : silt_arena_printf(arena, "%s on %.*s",
                                                                     privilege_name(needed[i].privilege), SILT_FMT(on));
        return silt_arena_printf(arena, PREFIX "%.*s not authorized to execute statement '%.*s', requires %.*s",
                                 SILT_FMT(user), SILT_FMT(text), SILT_FMT(wanted));
    }
    return SILT_STR("");
}

struct silt_str authorize_query(struct http_server *server, struct silt_str user, const struct silt_query *query,
                                struct silt_str database, struct silt_arena *arena)
{
    struct silt_str refusal = SILT_STR("");

    if (!server->gate)
        return refusal;
    if (user.len == 0)
        return authorize_nobody(server, query);
    if (is_admin(server, user, arena))
        return refusal;
    for (size_t i = 0; refusal.len == 0 && i < silt_query_statement_count(query); i++)
        refusal = authorize_statement(server, user, query, i, database, arena);
    return refusal;
}

static int authorize(struct http_server *server, struct silt_str user, struct silt_str database,
                     enum silt_privilege privilege, const char *what, struct silt_error *err)
{
    if (!server->gate)
        return 0;
    switch (silt_storage_check_privilege(server->storage, user, database, privilege, err)) {
    case SILT_OK: return 0;
    case SILT_NOT_FOUND:
        silt_fail(err, SILT_NOT_FOUND, "database not found: \"%.*s\"", SILT_FMT(database)); /* with quotes, on this path */
        return 404;
    default: break;
    }
    if (user.len == 0)
        silt_fail(err, SILT_CONFLICT, "user is required to %s database \"%.*s\"", what, SILT_FMT(database));
    else
        silt_fail(err, SILT_CONFLICT, "\"%.*s\" user is not authorized to %s database \"%.*s\"", SILT_FMT(user), what,
                  SILT_FMT(database));
    return 403;
}

int authorize_write(struct http_server *server, struct silt_str user, struct silt_str database, const char *what,
                    struct silt_error *err)
{
    return authorize(server, user, database, SILT_PRIVILEGE_WRITE, what, err);
}

int authorize_read(struct http_server *server, struct silt_str user, struct silt_str database, struct silt_error *err)
{
    return authorize(server, user, database, SILT_PRIVILEGE_READ, "read from", err);
}

bool authorize_admin(struct http_server *server, struct silt_str user)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    bool may = !server->gate || is_admin(server, user, arena);

    silt_arena_destroy(arena);
    return may;
}

static bool may_see(const struct silt_viewer *base, struct silt_str database)
{
    const struct authorize_viewer *viewer = (const struct authorize_viewer *)base;
    struct silt_storage *storage = viewer->server->storage;

    return silt_storage_check_privilege(storage, viewer->user, database, SILT_PRIVILEGE_READ, NULL) == SILT_OK ||
           silt_storage_check_privilege(storage, viewer->user, database, SILT_PRIVILEGE_WRITE, NULL) == SILT_OK;
}

const struct silt_viewer *authorize_viewer_init(struct authorize_viewer *viewer, struct http_server *server,
                                                struct silt_str user)
{
    *viewer = (struct authorize_viewer){{may_see}, server, user};
    /* The request that made the first admin came from nobody, and goes on to its end. */
    return server->gate && user.len ? &viewer->base : NULL;
}
