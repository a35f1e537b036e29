/*
 * query_registry.c - see query_registry.h.
 */
#include "server/query_registry.h"

#include "silt/text.h"

void query_registry_init(struct query_registry *registry)
{
    memset(registry, 0, sizeof(*registry));
    pthread_mutex_init(&registry->lock, NULL);
    registry->end = &registry->first;
}

void query_registry_deinit(struct query_registry *registry)
{
    silt_assert(!registry->first);
    pthread_mutex_destroy(&registry->lock);
}

enum silt_status query_registry_enter(struct query_registry *registry, struct query_task *task, size_t limit,
                                      struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    atomic_store(&task->killed, false);
    task->begun_ns = silt_clock_monotonic_ns();
    task->next = NULL;
    pthread_mutex_lock(&registry->lock);
    if (limit && registry->running >= limit) {
        rc = silt_fail(err, SILT_LIMIT, "max-concurrent-queries limit exceeded(%zu, %zu)", registry->running, limit);
    } else {
        task->id = ++registry->last_id;
        task->previous = registry->end;
        *registry->end = task;
        registry->end = &task->next;
        registry->running++;
        registry->executed++;
    }
    pthread_mutex_unlock(&registry->lock);
    return rc;
}

void query_registry_leave(struct query_registry *registry, struct query_task *task)
{
    uint64_t duration_ns = silt_clock_monotonic_ns() - task->begun_ns;

    pthread_mutex_lock(&registry->lock);
    *task->previous = task->next;
    if (task->next)
        task->next->previous = task->previous;
    else
        registry->end = task->previous;
    registry->running--;
    if (task->again) {
        registry->executed--;
    } else {
        registry->finished++;
        registry->duration_ns += duration_ns;
    }
    pthread_mutex_unlock(&registry->lock);
}

enum silt_status query_registry_kill(struct query_registry *registry, uint64_t id, struct silt_error *err)
{
    struct query_task *task;
    enum silt_status rc = SILT_OK;

    pthread_mutex_lock(&registry->lock);
    for (task = registry->first; task && task->id != id;)
        task = task->next;
    if (!task)
        rc = silt_fail(err, SILT_NOT_FOUND, "no such query id: %llu", (unsigned long long)id);
    else if (atomic_exchange(&task->killed, true))
        rc = silt_fail(err, SILT_CONFLICT, "already killed");
    pthread_mutex_unlock(&registry->lock);
    return rc;
}

/* As Go prints it, cut to the largest unit that shows something. */
static struct silt_str duration_text(uint64_t ns, struct silt_arena *arena)
{
    static const uint64_t units[] = {1000000000, 1000000, 1000};
    char text[SILT_NUMBER_TEXT_MAX];

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (ns >= units[i]) {
            ns -= ns % units[i];
            break;
        }
    }
    size_t len = silt_write_duration_go(text, (int64_t)ns);
    return silt_arena_str(arena, (struct silt_str){text, len});
}

/* All statements of the request, as InfluxDB joins them. */
static struct silt_str query_text(const struct silt_query *query, struct silt_arena *arena)
{
    size_t count = silt_query_statement_count(query), len = 0;
    struct silt_str *parts = silt_arena_alloc(arena, (count + 1) * sizeof(*parts));
    char *text, *p;

    for (size_t i = 0; i < count; i++) {
        parts[i] = silt_query_statement_text(query, i, arena);
        len += parts[i].len + 2;
    }
    if (count == 1)
        return parts[0];
    p = text = silt_arena_alloc(arena, len + 1);
    for (size_t i = 0; i < count; i++) {
        p = mempcpy(p, i ? ";\n" : "", i ? 2 : 0);
        p = mempcpy(p, parts[i].p, parts[i].len);
    }
    return (struct silt_str){text, (size_t)(p - text)};
}

static struct silt_cell count_cell(const _Atomic uint64_t *count)
{
    return (struct silt_cell){.kind = SILT_CELL_INTEGER,
                              .i64 = count ? (int64_t)atomic_load_explicit(count, memory_order_relaxed) : 0};
}

void query_registry_show(struct query_registry *registry, struct silt_arena *arena, struct silt_table *out)
{
    /* New ones stand at the end: clients of InfluxDB go by position as well as by name. */
    static const struct silt_str columns[] = {{"qid", 3},    {"query", 5}, {"database", 8}, {"duration", 8},
                                              {"status", 6}, {"rows", 4},  {"bytes", 5},    {"memory", 6}};
    const size_t column_count = sizeof(columns) / sizeof(columns[0]);
    uint64_t now = silt_clock_monotonic_ns();

    *out = (struct silt_table){.head = {.columns = columns, .column_count = column_count}};
    pthread_mutex_lock(&registry->lock);
    struct silt_cell *cell = silt_arena_alloc(arena, (registry->running * column_count + 1) * sizeof(*cell));
    out->cells = cell;
    for (const struct query_task *task = registry->first; task; task = task->next) {
        if (task->tried)
            continue;
        out->row_count++;
        bool killed = atomic_load(&task->killed);
        *cell++ = (struct silt_cell){.kind = SILT_CELL_INTEGER, .i64 = (int64_t)task->id};
        *cell++ = (struct silt_cell){.kind = SILT_CELL_STRING, .string = task->query ? query_text(task->query, arena) : silt_arena_str(arena, task->text)};
        *cell++ = (struct silt_cell){.kind = SILT_CELL_STRING, .string = silt_arena_str(arena, task->database)};
        *cell++ = (struct silt_cell){.kind = SILT_CELL_STRING, .string = duration_text(now - task->begun_ns, arena)};
        *cell++ = (struct silt_cell){.kind = SILT_CELL_STRING, .string = killed ? SILT_STR("killed") : SILT_STR("running")};
        *cell++ = count_cell(task->rows);
        *cell++ = count_cell(task->bytes);
        size_t memory = task->memory ? atomic_load_explicit(&task->memory->used_bytes, memory_order_relaxed) : 0;
        *cell++ = (struct silt_cell){.kind = SILT_CELL_INTEGER, .i64 = (int64_t)memory};
    }
    pthread_mutex_unlock(&registry->lock);
}

void query_registry_counts(struct query_registry *registry, struct query_registry_counts *out)
{
    pthread_mutex_lock(&registry->lock);
    *out = (struct query_registry_counts){registry->running, registry->executed, registry->finished,
                                          registry->duration_ns};
    pthread_mutex_unlock(&registry->lock);
}
