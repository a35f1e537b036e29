/*
 * main.c - siltd: settings, signals, one server, and the word to who started it (notify.h).
 *
 * SIGTERM and SIGINT stop it in order, exit status 0. A second one, or a stop that takes too long, ends it at once:
 * what was acknowledged is in the log and comes back with the next start. SIGHUP reads the configuration again.
 */
#include "server/config.h"
#include "server/notify.h"
#include "silt/version.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define GIVE_BACK_SECONDS 1
#define HEAPS_PER_CORE 2
#define FLUSH_SECONDS_MAX 120 /* for the store, after the requests */

extern char **environ;

static int print_and_free(struct silt_buffer *text)
{
    bool failed = fwrite(text->p, 1, text->len, stdout) != text->len || fflush(stdout) != 0;

    silt_buffer_free(text);
    return failed ? 1 : 0;
}

struct guard {
    sigset_t signals;
    time_t seconds;
};

static void *guard_stop(void *arg)
{
    const struct guard *guard = arg;
    uint64_t deadline = silt_clock_monotonic_ns() + (uint64_t)guard->seconds * 1000000000, now;
    int got = -1;

    while (got < 0 && (now = silt_clock_monotonic_ns()) < deadline) {
        uint64_t left = deadline - now;
        struct timespec limit = {.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};
        got = sigtimedwait(&guard->signals, NULL, &limit);
    }
    silt_log(SILT_LOG_ERROR, got < 0 ? "stopping took too long" : "second signal while stopping", NULL);
    _exit(1);
}

static void log_warnings(struct silt_buffer *warnings)
{
    silt_buffer_char(warnings, '\0');
    for (char *rest = NULL, *line = strtok_r(warnings->p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        silt_log(SILT_LOG_WARN, "configuration", "warning=\"%s\"", line);
    silt_buffer_free(warnings);
}

/* A configuration that cannot be read leaves everything as it was. */
static void reload(struct silt_server *server, int argc, char **argv)
{
    static struct silt_server_options fresh;
    struct silt_buffer warnings = {0};
    enum config_action action;
    struct silt_error err;

    if (config_load(&fresh, argc, argv, environ, &action, &warnings, &err) != SILT_OK)
        silt_log(SILT_LOG_ERROR, "configuration not reloaded: the old one stays in force", "error=\"%s\"", err.text);
    else
        silt_server_reload(server, &fresh);
    log_warnings(&warnings);
}

static bool turns(const void *server, uint64_t within_ns)
{
    return silt_server_turns(server, within_ns);
}

static int run(const struct silt_server_options *options, int argc, char **argv)
{
    struct silt_server *server;
    struct notify *notify;
    struct silt_error err;
    struct guard guard;
    pthread_t thread;
    sigset_t awaited;
    int received;

    /* Bodies of a megabyte pass between threads all the time: without this, each is mapped and unmapped anew. What grows beyond
     * some megabytes is a query's: moved by the system as it grows, not copied, and gone when it is freed. */
    mallopt(M_MMAP_THRESHOLD, 8 << 20);
    /* A heap keeps 8 to 16 MB at its end, which nobody can ask it for later; so there are few heaps. */
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
    mallopt(M_TOP_PAD, 8 << 20);
    mallopt(M_ARENA_MAX, HEAPS_PER_CORE * (int)sysconf(_SC_NPROCESSORS_ONLN));
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_DFL); /* not ignored, or it could not be waited for */
    sigemptyset(&guard.signals);
    sigaddset(&guard.signals, SIGTERM);
    sigaddset(&guard.signals, SIGINT);
    awaited = guard.signals;
    sigaddset(&awaited, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &awaited, NULL); /* threads made from here on inherit it */

    silt_log_set_level(options->log_level);
    silt_log(SILT_LOG_INFO, "starting", "version=" SILT_VERSION " data=\"%s\" config=\"%s\"", options->data_dir,
             options->config_path ? options->config_path : "");
    enum silt_status rc = silt_server_start(options, &server, &err);
    if (rc != SILT_OK) {
        fprintf(stderr, "siltd: %s\n", err.text);
        if (rc == SILT_CORRUPT)
            fprintf(stderr, "siltd: `silt-inspect verify %s` names all that is damaged, `silt-inspect repair %s` sets it aside and tells"
                            " what is lost\n", options->data_dir, options->data_dir);
        return 1;
    }
    silt_log(SILT_LOG_INFO, "listening", "bind=\"%s\" port=%u", options->http_bind, silt_server_port(server));
    notify = notify_open();
    notify_watch(notify, turns, server);
    notify_send(notify, "READY=1\nSTATUS=listening on %s", options->http_bind);
    for (size_t lowest = 0;;) {
        received = sigtimedwait(&awaited, NULL, &(struct timespec){.tv_sec = GIVE_BACK_SECONDS});
        if (received < 0) {
            lowest = silt_memory_give_back(lowest);
            continue;
        }
        if (received != SIGHUP)
            break;
        notify_send(notify, "RELOADING=1\nMONOTONIC_USEC=%llu",
                    (unsigned long long)(silt_clock_monotonic_ns() / 1000));
        reload(server, argc, argv);
        notify_send(notify, "READY=1");
    }
    silt_log(SILT_LOG_INFO, "stopping", "signal=%d", received);
    notify_unwatch(notify);
    notify_send(notify, "STOPPING=1\nSTATUS=writing memory to files");
    guard.seconds = (time_t)(options->stop_ms / 1000) + FLUSH_SECONDS_MAX;
    if (pthread_create(&thread, NULL, guard_stop, &guard) == 0)
        pthread_detach(thread);
    if (silt_server_stop(server, &err) != SILT_OK) {
        silt_log(SILT_LOG_ERROR, "stopped with an error", "error=\"%s\"", err.text);
        _exit(1);
    }
    notify_close(notify);
    silt_log(SILT_LOG_INFO, "stopped", NULL);
    return 0;
}

int main(int argc, char **argv)
{
    static struct silt_server_options options;
    struct silt_buffer text = {0}, warnings = {0};
    enum config_action action;
    struct silt_error err;

    if (config_load(&options, argc, argv, environ, &action, &warnings, &err) != SILT_OK) {
        log_warnings(&warnings);
        fprintf(stderr, "siltd: %s\n", err.text);
        return 1;
    }
    if (action == CONFIG_RUN || action == CONFIG_PRINT)
        log_warnings(&warnings);
    switch (action) {
    case CONFIG_VERSION:
        silt_buffer_printf(&text, "siltd " SILT_VERSION " (InfluxDB " SILT_INFLUX_VERSION " interface)\n");
        return print_and_free(&text);
    case CONFIG_HELP:
        config_help(&text);
        return print_and_free(&text);
    case CONFIG_PRINT:
        config_print(&options, &text);
        return print_and_free(&text);
    case CONFIG_RUN:
        break;
    }
    return run(&options, argc, argv);
}
