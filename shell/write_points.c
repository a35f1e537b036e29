/*
 * write_points.c - one request, its answer judged, and pauses that double.
 */
#include "shell/write_points.h"

#include "shell/json_answer.h"
#include "shell/words.h"

#include <stdio.h>
#include <time.h>

#define ANSWER_BYTES_MAX 4096 /* of a refusal, kept to be shown */
#define PAUSE_MS_MAX 5000
#define PAUSE_STEP_MS 100

static bool keep_answer(void *context, const char *bytes, size_t len)
{
    struct silt_buffer *answer = context;
    if (answer->len < ANSWER_BYTES_MAX)
        silt_buffer_append(answer, bytes, len);
    return true;
}

static enum write_verdict write_once(struct write_points *w, struct client *client, struct silt_str lines, bool *again)
{
    struct client_param params[] = {{"db", w->database},
                                    {"rp", w->policy},
                                    {"precision", silt_str_from(w->precision)},
                                    {"consistency", silt_str_from(w->consistency)}};
    struct client_request request = {.method = "POST",
                                     .path = "/write",
                                     .params = params,
                                     .param_count = sizeof params / sizeof *params,
                                     .body_type = "text/plain; charset=utf-8",
                                     .body = lines,
                                     .data = keep_answer,
                                     .context = &w->answer};
    struct client_reply reply;
    struct silt_error err;
    w->answer.len = 0;
    *again = false;
    if (client_send(client, &request, &reply, &err) != SILT_OK) {
        snprintf(w->why, sizeof w->why, "%s", err.text);
        *again = err.status != SILT_CANCELLED;
        return WRITE_UNREACHABLE;
    }
    if (reply.status / 100 == 2)
        return WRITE_DONE;
    if (reply.status == 413)
        return WRITE_TOO_LARGE;
    if (reply.status == 400 || reply.status == 422)
        return WRITE_REFUSED;
    struct silt_buffer text = {0};
    answer_error(&text, &w->answer);
    snprintf(w->why, sizeof w->why, "status %ld: %.*s", reply.status, SILT_FMT(words_view(&text)));
    silt_buffer_free(&text);
    *again = reply.status >= 500 || reply.status == 429 || reply.status == 408;
    return WRITE_UNREACHABLE;
}

void write_points_pause(long *wait_ms, bool (*stopped)(void *context), void *context)
{
    for (long left = *wait_ms; left > 0 && !stopped(context); left -= PAUSE_STEP_MS) {
        long step = left < PAUSE_STEP_MS ? left : PAUSE_STEP_MS;
        nanosleep(&(struct timespec){0, step * 1000000}, NULL);
    }
    *wait_ms = *wait_ms < PAUSE_MS_MAX ? *wait_ms * 2 : PAUSE_MS_MAX;
}

enum write_verdict write_points(struct write_points *w, struct client *client, struct silt_str lines)
{
    uint64_t deadline = silt_clock_monotonic_ns() + (uint64_t)(w->patience_seconds * 1e9);
    long wait_ms = WRITE_FIRST_PAUSE_MS;
    for (;;) {
        bool again;
        enum write_verdict verdict = write_once(w, client, lines, &again);
        if (verdict != WRITE_UNREACHABLE)
            return verdict;
        if (!again || w->stopped(w->context) || silt_clock_monotonic_ns() > deadline)
            return verdict;
        write_points_pause(&wait_ms, w->stopped, w->context);
    }
}
