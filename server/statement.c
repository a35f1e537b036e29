/*
 * statement.c - see statement.h. The store already gives InfluxDB's texts and is durable when it returns; what is left
 * is SELECT INTO, whose rows must be durable before the statement is answered.
 */
#include "server/forward.h"
#include "server/query_registry.h"
#include "server/statement_internal.h"
#include "server/write_report.h"

#include <pthread.h>
#include <stdlib.h>

static enum silt_status create_database(struct silt_admin *admin, struct silt_str name, struct silt_str policy_name,
                                        const struct silt_policy_change *with, struct silt_error *err)
{
    return silt_storage_create_database(storage_of(admin), name, policy_name, with, err);
}

static enum silt_status drop_database(struct silt_admin *admin, struct silt_str name, struct silt_error *err)
{
    enum silt_status rc = silt_storage_drop_database(storage_of(admin), name, err);

    forward_refresh(admin_of(admin)->stats->forward); /* its subscriptions went with it */
    return rc;
}

static enum silt_status create_policy(struct silt_admin *admin, struct silt_str database, struct silt_str name,
                                      const struct silt_policy_change *policy, struct silt_error *err)
{
    return silt_storage_create_policy(storage_of(admin), database, name, policy, err);
}

static enum silt_status alter_policy(struct silt_admin *admin, struct silt_str database, struct silt_str name,
                                     const struct silt_policy_change *change, struct silt_error *err)
{
    return silt_storage_alter_policy(storage_of(admin), database, name, change, err);
}

static enum silt_status drop_policy(struct silt_admin *admin, struct silt_str database, struct silt_str name,
                                    struct silt_error *err)
{
    enum silt_status rc = silt_storage_drop_policy(storage_of(admin), database, name, err);

    forward_refresh(admin_of(admin)->stats->forward);
    return rc;
}

static enum silt_status drop_shard(struct silt_admin *admin, uint64_t shard_id, struct silt_error *err)
{
    return silt_storage_drop_shard(storage_of(admin), shard_id, err);
}

static enum silt_status drop_measurement(struct silt_admin *admin, struct silt_str database, struct silt_str name,
                                         struct silt_error *err)
{
    return silt_storage_drop_measurement(storage_of(admin), database, name, err);
}

static enum silt_status drop_series(struct silt_admin *admin, struct silt_str database,
                                    const struct silt_series_choice *choices, size_t count, struct silt_error *err)
{
    return silt_storage_drop_series(storage_of(admin), database, choices, count, err);
}

static enum silt_status delete_points(struct silt_admin *admin, struct silt_str database,
                                      const struct silt_series_choice *choices, size_t count, silt_time min,
                                      silt_time max, struct silt_error *err)
{
    return silt_storage_delete(storage_of(admin), database, choices, count, min, max, err);
}

static enum silt_status kill_query(struct silt_admin *admin, uint64_t id, struct silt_error *err)
{
    return query_registry_kill(admin_of(admin)->stats->queries, id, err);
}

/* ---------------------------------------------------------------- SELECT INTO */

struct waiter {
    pthread_mutex_t lock; /* guards this group: */
    pthread_cond_t changed;
    bool done;
    enum silt_status status;
    struct silt_error err;
};

static void on_written(void *arg, enum silt_status status, const struct silt_error *err)
{
    struct waiter *waiter = arg;

    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    waiter->status = status;
    if (err)
        waiter->err = *err;
    else if (status != SILT_OK)
        silt_fail(&waiter->err, status, "%s", silt_status_name(status));
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
}

static enum silt_status wait_until_durable(struct waiter *waiter, struct silt_error *err)
{
    pthread_mutex_lock(&waiter->lock);
    while (!waiter->done)
        pthread_cond_wait(&waiter->changed, &waiter->lock);
    pthread_mutex_unlock(&waiter->lock);
    if (waiter->status != SILT_OK && err)
        *err = waiter->err;
    return waiter->status;
}

/* Memtables that are full are being flushed meanwhile: InfluxDB's time for a write is what they are given. */
#define WRITE_PATIENCE_NS 10000000000ull
#define WRITE_PAUSE_NS 20000000

static enum silt_status write_once(struct silt_admin *admin, struct silt_str database, struct silt_str rp,
                                   const struct silt_batch *batch, struct silt_arena *arena,
                                   struct silt_write_report *report, struct waiter *waiter, struct silt_error *err)
{
    uint64_t give_up = silt_clock_monotonic_ns() + WRITE_PATIENCE_NS;
    enum silt_status rc;

    while ((rc = silt_storage_write(storage_of(admin), database, rp, batch, true, arena, report, on_written, waiter,
                                    err)) == SILT_BUSY &&
           silt_clock_monotonic_ns() < give_up)
        nanosleep(&(struct timespec){.tv_nsec = WRITE_PAUSE_NS}, NULL);
    if (rc == SILT_OK)
        forward_write(admin_of(admin)->stats->forward, database, (struct silt_str){NULL, 0}, batch, report);
    return rc;
}

static enum silt_status write_rows(struct silt_admin *admin, struct silt_str database, struct silt_str rp,
                                   const struct silt_batch *batch, struct silt_error *err)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct silt_write_report report = {0};
    struct silt_arena *arena = silt_arena_create(NULL);
    enum silt_status rc = write_once(admin, database, rp, batch, arena, &report, &waiter, err);

    if (rc == SILT_OK)
        rc = wait_until_durable(&waiter, err);
    if (rc == SILT_OK) {
        struct silt_str told = write_report_text((struct silt_str){NULL, 0}, NULL, batch, &report, arena);
        if (told.len)
            rc = silt_fail(err, SILT_CONFLICT, "%.*s", SILT_FMT(told));
    }
    silt_arena_destroy(arena);
    pthread_cond_destroy(&waiter.changed);
    pthread_mutex_destroy(&waiter.lock);
    return rc;
}

struct silt_admin *statement_admin_create(const struct stats_source *stats)
{
    struct statement_admin *admin = silt_calloc(1, sizeof(*admin));

    admin->base = (struct silt_admin){
        .create_database = create_database,
        .drop_database = drop_database,
        .create_policy = create_policy,
        .alter_policy = alter_policy,
        .drop_policy = drop_policy,
        .drop_shard = drop_shard,
        .drop_measurement = drop_measurement,
        .drop_series = drop_series,
        .delete_points = delete_points,
        .kill_query = kill_query,
        .show = statement_show,
        .write = write_rows,
    };
    statement_define_init(&admin->base);
    admin->stats = stats;
    return &admin->base;
}

void statement_admin_destroy(struct silt_admin *admin)
{
    free(admin);
}
