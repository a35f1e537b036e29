/*
 * slow_query.c - see slow_query.h. The text comes last: it is what a line that grows too long loses.
 */
#include "server/slow_query.h"
#include "silt/text.h"

#define DATABASE_BYTES_MAX 256

static uint64_t age_ms(const struct query_task *task)
{
    return (silt_clock_monotonic_ns() - task->begun_ns) / 1000000;
}

/* In quotes, so that the line can be taken apart again. */
static void put_quoted(struct silt_buffer *out, struct silt_str text, size_t bytes_max)
{
    for (size_t i = 0; i < text.len && out->len < bytes_max; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\')
            silt_buffer_char(out, '\\');
        silt_buffer_char(out, text.p[i]);
    }
}

bool slow_query_is(const struct silt_server_options *options, const struct query_task *task)
{
    uint64_t limit_ms = options->log_queries_after_ms;

    return limit_ms && age_ms(task) >= limit_ms;
}

void slow_query_log(const struct silt_server_options *options, const struct query_task *task, struct silt_str text,
                    uint64_t bytes)
{
    struct silt_buffer quoted = {0}, database = {0};

    put_quoted(&quoted, text, SLOW_QUERY_BYTES_MAX);
    put_quoted(&database, task->database, DATABASE_BYTES_MAX);
    silt_log(SILT_LOG_WARN, "slow query",
             "qid=%llu database=\"%.*s\" ms=%llu threshold_ms=%llu rows=%llu bytes=%llu peak_memory=%zu query=\"%.*s\"",
             (unsigned long long)task->id, (int)database.len, database.len ? database.p : "",
             (unsigned long long)age_ms(task), (unsigned long long)options->log_queries_after_ms,
             (unsigned long long)(task->rows ? *task->rows : 0), (unsigned long long)bytes,
             (size_t)(task->memory ? task->memory->peak_bytes : 0), (int)quoted.len, quoted.len ? quoted.p : "");
    silt_buffer_free(&quoted);
    silt_buffer_free(&database);
}
