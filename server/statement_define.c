/*
 * statement_define.c - users, continuous queries and subscriptions: what is checked before the store keeps it.
 *
 * A password becomes its hash here, on the worker that runs the statement.
 */
#include "server/forward.h"
#include "server/password.h"
#include "server/stats.h"
#include "server/statement_internal.h"
#include "server/subscription_url.h"
#include "silt/text.h"
#include "silt/definitions.h"

static enum silt_status create_continuous_query(struct silt_admin *admin, const struct silt_continuous_query *query,
                                                struct silt_error *err)
{
    return silt_storage_create_continuous_query(storage_of(admin), query, err);
}

static enum silt_status drop_continuous_query(struct silt_admin *admin, struct silt_str database, struct silt_str name,
                                              struct silt_error *err)
{
    return silt_storage_drop_continuous_query(storage_of(admin), database, name, err);
}

static enum silt_status refuse_url(struct silt_str url, struct silt_error *err)
{
    struct silt_buffer shown = {0};

    silt_buffer_url(&shown, url);
    silt_fail(err, SILT_INVALID, "invalid subscription URL: %.*s", (int)shown.len, shown.len ? shown.p : "");
    silt_buffer_free(&shown);
    return SILT_INVALID;
}

static enum silt_status create_subscription(struct silt_admin *admin, const struct silt_subscription *subscription,
                                            struct silt_error *err)
{
    for (size_t i = 0; i < subscription->destination_count; i++)
        if (!subscription_url_is_valid(subscription->destinations[i]))
            return refuse_url(subscription->destinations[i], err);
    enum silt_status rc = silt_storage_create_subscription(storage_of(admin), subscription, err);
    forward_refresh(admin_of(admin)->stats->forward);
    return rc;
}

static enum silt_status drop_subscription(struct silt_admin *admin, struct silt_str database, struct silt_str policy,
                                          struct silt_str name, struct silt_error *err)
{
    enum silt_status rc = silt_storage_drop_subscription(storage_of(admin), database, policy, name, err);

    forward_refresh(admin_of(admin)->stats->forward);
    return rc;
}

/* The same user once more, password and all, is no error. */
static enum silt_status create_user(struct silt_admin *admin, struct silt_str name, struct silt_str password,
                                    bool is_admin, struct silt_error *err)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    char hash[PASSWORD_HASH_MAX];
    struct silt_user user;
    enum silt_status rc;

    if (silt_storage_find_user(storage_of(admin), name, arena, &user, err) == SILT_OK) {
        bool same = user.admin == is_admin && password_matches(password, user.hash);
        rc = same ? SILT_OK : silt_fail(err, SILT_CONFLICT, "user already exists");
    } else if ((rc = password_hash(password, hash, err)) == SILT_OK) {
        user = (struct silt_user){.name = name, .hash = silt_str_from(hash), .admin = is_admin};
        rc = silt_storage_create_user(storage_of(admin), &user, err);
    }
    silt_arena_destroy(arena);
    return rc;
}

static enum silt_status drop_user(struct silt_admin *admin, struct silt_str name, struct silt_error *err)
{
    return silt_storage_drop_user(storage_of(admin), name, err);
}

static enum silt_status set_password(struct silt_admin *admin, struct silt_str name, struct silt_str password,
                                     struct silt_error *err)
{
    char hash[PASSWORD_HASH_MAX];
    enum silt_status rc = password_hash(password, hash, err);

    return rc == SILT_OK ? silt_storage_set_password_hash(storage_of(admin), name, silt_str_from(hash), err) : rc;
}

static enum silt_status set_admin(struct silt_admin *admin, struct silt_str user, bool is_admin, struct silt_error *err)
{
    return silt_storage_set_admin(storage_of(admin), user, is_admin, err);
}

static enum silt_status grant(struct silt_admin *admin, struct silt_str user, struct silt_str database,
                              enum silt_privilege privilege, struct silt_error *err)
{
    return silt_storage_grant(storage_of(admin), user, database, privilege, err);
}

static enum silt_status revoke(struct silt_admin *admin, struct silt_str user, struct silt_str database,
                               enum silt_privilege privilege, struct silt_error *err)
{
    return silt_storage_revoke(storage_of(admin), user, database, privilege, err);
}

void statement_define_init(struct silt_admin *admin)
{
    admin->create_continuous_query = create_continuous_query;
    admin->drop_continuous_query = drop_continuous_query;
    admin->create_subscription = create_subscription;
    admin->drop_subscription = drop_subscription;
    admin->create_user = create_user;
    admin->drop_user = drop_user;
    admin->set_password = set_password;
    admin->set_admin = set_admin;
    admin->grant = grant;
    admin->revoke = revoke;
}
