/*
 * users.c - users and what they may do on which database: definitions.h.
 *
 *     users[]   name, hash, admin, grants[] -> database id, privilege
 *
 * As everywhere, a change is durable in the catalog first, then published. Grants hold database ids, which are never
 * given twice: a database made again under its old name starts without grants, as in InfluxDB.
 */
#include "storage/storage_internal.h"

#include <stdlib.h>

static struct silt_str own(struct silt_str str)
{
    return (struct silt_str){silt_strdup(str), str.len};
}

static void disown(struct silt_str str)
{
    free((char *)(uintptr_t)str.p);
}

static enum silt_status user_not_found(struct silt_error *err)
{
    return silt_fail(err, SILT_NOT_FOUND, "user not found");
}

/* With change_lock or users.lock held. */
static struct user *find_user(struct silt_storage *storage, struct silt_str name)
{
    for (size_t i = 0; i < storage->users.count; i++)
        if (silt_str_equal(storage->users.items[i].name, name))
            return &storage->users.items[i];
    return NULL;
}

static void free_user(struct user *user)
{
    disown(user->name);
    disown(user->hash);
    free(user->grants);
}

/* ---------------------------------------------------------------- life */

void users_init(struct silt_storage *storage)
{
    pthread_rwlock_init(&storage->users.lock, NULL);
}

void users_deinit(struct silt_storage *storage)
{
    for (size_t i = 0; i < storage->users.count; i++)
        free_user(&storage->users.items[i]);
    free(storage->users.items);
    pthread_rwlock_destroy(&storage->users.lock);
}

static struct user *add_user(struct silt_storage *storage, uint32_t id, struct silt_str name, struct silt_str hash,
                             bool admin)
{
    struct user_list *list = &storage->users;

    list->items = silt_realloc(list->items, (list->count + 1) * sizeof(*list->items));
    list->items[list->count] = (struct user){.id = id, .name = own(name), .hash = own(hash), .admin = admin};
    return &list->items[list->count++];
}

static void set_grant(struct user *user, uint32_t database_id, enum silt_privilege privilege)
{
    for (size_t i = 0; i < user->grant_count; i++) {
        if (user->grants[i].database_id == database_id) {
            user->grants[i].privilege = privilege;
            return;
        }
    }
    user->grants = silt_realloc(user->grants, (user->grant_count + 1) * sizeof(*user->grants));
    user->grants[user->grant_count++] = (struct user_grant){database_id, privilege};
}

static enum silt_status load_user(void *arg, const struct catalog_user *row, struct silt_error *err)
{
    (void)err;
    add_user(arg, row->id, row->name, row->hash, row->admin);
    return SILT_OK;
}

static enum silt_status load_privilege(void *arg, uint32_t user_id, uint32_t database_id, uint32_t privilege,
                                       struct silt_error *err)
{
    struct silt_storage *storage = arg;

    for (size_t i = 0; i < storage->users.count; i++) {
        if (storage->users.items[i].id == user_id) {
            set_grant(&storage->users.items[i], database_id, (enum silt_privilege)(privilege & SILT_PRIVILEGE_ALL));
            return SILT_OK;
        }
    }
    return silt_fail(err, SILT_CORRUPT, "catalog: a privilege of no user");
}

enum silt_status users_load(struct silt_storage *storage, struct silt_error *err)
{
    enum silt_status rc = catalog_users(storage->catalog, load_user, storage, err);
    return rc == SILT_OK ? catalog_privileges(storage->catalog, load_privilege, storage, err) : rc;
}

void users_forget_database(struct silt_storage *storage, uint32_t database_id)
{
    pthread_rwlock_wrlock(&storage->users.lock);
    for (size_t i = 0; i < storage->users.count; i++) {
        struct user *user = &storage->users.items[i];
        size_t kept = 0;
        for (size_t k = 0; k < user->grant_count; k++)
            if (user->grants[k].database_id != database_id)
                user->grants[kept++] = user->grants[k];
        user->grant_count = kept;
    }
    pthread_rwlock_unlock(&storage->users.lock);
}

/* ---------------------------------------------------------------- the last admin */

void silt_storage_keep_admin(struct silt_storage *storage)
{
    atomic_store(&storage->users.keep_admin, true);
}

/* With change_lock held, so that of two admins who go at once the second stays. */
static enum silt_status check_admin_left(struct silt_storage *storage, const struct user *going, struct silt_error *err)
{
    if (!going->admin || !atomic_load(&storage->users.keep_admin))
        return SILT_OK;
    for (size_t i = 0; i < storage->users.count; i++)
        if (storage->users.items[i].admin && &storage->users.items[i] != going)
            return SILT_OK;
    return silt_fail(err, SILT_CONFLICT,
                     "\"%.*s\" is the last admin user, without whom nobody could log in to make another: create one first",
                     SILT_FMT(going->name));
}

/* ---------------------------------------------------------------- changes */

enum silt_status silt_storage_create_user(struct silt_storage *storage, const struct silt_user *user,
                                          struct silt_error *err)
{
    const struct catalog_user row = {.name = user->name, .hash = user->hash, .admin = user->admin};
    enum silt_status rc = SILT_OK;
    uint32_t id;

    if (user->name.len == 0)
        return silt_fail(err, SILT_INVALID, "username required");
    pthread_mutex_lock(&storage->change_lock);
    if (find_user(storage, user->name))
        rc = silt_fail(err, SILT_CONFLICT, "user already exists");
    else
        rc = catalog_create_user(storage->catalog, &row, &id, err);
    if (rc == SILT_OK) {
        pthread_rwlock_wrlock(&storage->users.lock);
        add_user(storage, id, user->name, user->hash, user->admin);
        pthread_rwlock_unlock(&storage->users.lock);
    }
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

enum silt_status silt_storage_drop_user(struct silt_storage *storage, struct silt_str name, struct silt_error *err)
{
    struct user_list *list = &storage->users;

    pthread_mutex_lock(&storage->change_lock);
    struct user *user = find_user(storage, name);
    enum silt_status rc = user ? check_admin_left(storage, user, err) : user_not_found(err);
    if (rc == SILT_OK)
        rc = catalog_drop_user(storage->catalog, user->id, err);
    if (rc == SILT_OK) {
        pthread_rwlock_wrlock(&list->lock);
        free_user(user);
        list->count--;
        memmove(user, user + 1, (size_t)(list->items + list->count - user) * sizeof(*user));
        pthread_rwlock_unlock(&list->lock);
    }
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

/* hash or admin NULL: stays as it is. */
static enum silt_status update_user(struct silt_storage *storage, struct silt_str name, const struct silt_str *hash,
                                    const bool *admin, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    pthread_mutex_lock(&storage->change_lock);
    struct user *user = find_user(storage, name);
    if (!user) {
        rc = user_not_found(err);
    } else if (!admin || *admin || (rc = check_admin_left(storage, user, err)) == SILT_OK) {
        const struct catalog_user row = {
            .id = user->id, .hash = hash ? *hash : user->hash, .admin = admin ? *admin : user->admin};
        rc = catalog_update_user(storage->catalog, &row, err);
    }
    if (rc == SILT_OK) {
        pthread_rwlock_wrlock(&storage->users.lock);
        if (hash) {
            disown(user->hash);
            user->hash = own(*hash);
        }
        if (admin)
            user->admin = *admin;
        pthread_rwlock_unlock(&storage->users.lock);
    }
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

enum silt_status silt_storage_set_password_hash(struct silt_storage *storage, struct silt_str name, struct silt_str hash,
                                                struct silt_error *err)
{
    return update_user(storage, name, &hash, NULL, err);
}

enum silt_status silt_storage_set_admin(struct silt_storage *storage, struct silt_str name, bool admin,
                                        struct silt_error *err)
{
    return update_user(storage, name, NULL, &admin, err);
}

static enum silt_privilege granted(const struct user *user, uint32_t database_id)
{
    for (size_t i = 0; i < user->grant_count; i++)
        if (user->grants[i].database_id == database_id)
            return user->grants[i].privilege;
    return SILT_PRIVILEGE_NONE;
}

/* What the user has becomes (have & keep) | give. */
static enum silt_status change_grant(struct silt_storage *storage, struct silt_str name, struct silt_str database_name,
                                     unsigned keep, unsigned give, struct silt_error *err)
{
    enum silt_privilege privilege = SILT_PRIVILEGE_NONE;
    enum silt_status rc;

    pthread_mutex_lock(&storage->change_lock);
    struct user *user = find_user(storage, name);
    struct database *database = find_database(storage, database_name);
    if (!user) {
        rc = user_not_found(err);
    } else if (!database) {
        rc = database_not_found(database_name, err);
    } else {
        privilege = (enum silt_privilege)((granted(user, database->id) & keep) | give);
        rc = catalog_put_privilege(storage->catalog, user->id, database->id, privilege, err);
    }
    if (rc == SILT_OK) {
        pthread_rwlock_wrlock(&storage->users.lock);
        set_grant(user, database->id, privilege);
        pthread_rwlock_unlock(&storage->users.lock);
    }
    pthread_mutex_unlock(&storage->change_lock);
    return rc;
}

enum silt_status silt_storage_grant(struct silt_storage *storage, struct silt_str user, struct silt_str database,
                                    enum silt_privilege privilege, struct silt_error *err)
{
    return change_grant(storage, user, database, 0, privilege, err);
}

enum silt_status silt_storage_revoke(struct silt_storage *storage, struct silt_str user, struct silt_str database,
                                     enum silt_privilege privilege, struct silt_error *err)
{
    return change_grant(storage, user, database, ~(unsigned)privilege, 0, err);
}

/* ---------------------------------------------------------------- questions */

enum silt_status silt_storage_check_privilege(struct silt_storage *storage, struct silt_str name,
                                              struct silt_str database_name, enum silt_privilege privilege,
                                              struct silt_error *err)
{
    enum silt_status rc = SILT_CONFLICT;

    pthread_rwlock_rdlock(&storage->meta_lock);
    pthread_rwlock_rdlock(&storage->users.lock);
    const struct user *user = find_user(storage, name);
    const struct database *database = find_database(storage, database_name);
    if (user && user->admin)
        rc = SILT_OK;
    else if (!database)
        rc = SILT_NOT_FOUND;
    else if (user && (granted(user, database->id) & privilege) == privilege)
        rc = SILT_OK;
    pthread_rwlock_unlock(&storage->users.lock);
    pthread_rwlock_unlock(&storage->meta_lock);
    if (rc == SILT_NOT_FOUND)
        return database_not_found(database_name, err);
    return rc == SILT_OK ? rc : silt_fail(err, rc, "user %.*s lacks the privilege", SILT_FMT(name));
}

struct silt_user_counts silt_storage_count_users(struct silt_storage *storage)
{
    struct silt_user_counts counts = {0};

    pthread_rwlock_rdlock(&storage->users.lock);
    counts.users = storage->users.count;
    for (size_t i = 0; i < counts.users; i++)
        counts.admins += storage->users.items[i].admin;
    pthread_rwlock_unlock(&storage->users.lock);
    return counts;
}

/* ---------------------------------------------------------------- lists */

static struct silt_user copy_user(const struct user *user, struct silt_arena *arena)
{
    return (struct silt_user){
        .name = silt_arena_str(arena, user->name), .hash = silt_arena_str(arena, user->hash), .admin = user->admin};
}

enum silt_status silt_storage_find_user(struct silt_storage *storage, struct silt_str name, struct silt_arena *arena,
                                        struct silt_user *out, struct silt_error *err)
{
    pthread_rwlock_rdlock(&storage->users.lock);
    const struct user *user = find_user(storage, name);
    if (user)
        *out = copy_user(user, arena);
    pthread_rwlock_unlock(&storage->users.lock);
    return user ? SILT_OK : user_not_found(err);
}

void silt_storage_users(struct silt_storage *storage, struct silt_arena *arena, struct silt_user **users, size_t *count)
{
    pthread_rwlock_rdlock(&storage->users.lock);
    *count = storage->users.count;
    *users = silt_arena_alloc(arena, (*count + 1) * sizeof(**users));
    for (size_t i = 0; i < *count; i++)
        (*users)[i] = copy_user(&storage->users.items[i], arena);
    pthread_rwlock_unlock(&storage->users.lock);
}

enum silt_status silt_storage_grants(struct silt_storage *storage, struct silt_str name, struct silt_arena *arena,
                                     struct silt_grant **grants, size_t *count, struct silt_error *err)
{
    *count = 0;
    pthread_rwlock_rdlock(&storage->meta_lock);
    pthread_rwlock_rdlock(&storage->users.lock);
    const struct user *user = find_user(storage, name);
    *grants = silt_arena_alloc(arena, ((user ? user->grant_count : 0) + 1) * sizeof(**grants));
    for (size_t i = 0; user && i < user->grant_count; i++) {
        const struct database *database = find_database_id(storage, user->grants[i].database_id);
        if (database)
            (*grants)[(*count)++] = (struct silt_grant){silt_arena_str(arena, silt_str_from(database->name)),
                                                        user->grants[i].privilege};
    }
    pthread_rwlock_unlock(&storage->users.lock);
    pthread_rwlock_unlock(&storage->meta_lock);
    return user ? SILT_OK : user_not_found(err);
}
