/*
 * pager.c - a stream that holds a screenful back; what is longer starts the program and goes to it.
 */
#include "shell/pager.h"

#include "silt/text.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct pager {
    char *command;
    bool on;
    unsigned screen_lines, lines;
    struct silt_buffer held;
    FILE *stream, *program;
};

static bool is_installed(const char *name)
{
    struct silt_buffer path = {0};
    bool found = false;
    const char *at = getenv("PATH");
    while (at && *at && !found) {
        size_t len = strcspn(at, ":");
        path.len = 0;
        silt_buffer_printf(&path, "%.*s/%s", (int)len, at, name);
        silt_buffer_char(&path, 0);
        found = access(path.p, X_OK) == 0;
        at += len + (at[len] == ':');
    }
    silt_buffer_free(&path);
    return found;
}

struct pager *pager_create(void)
{
    const char *command = getenv("SILT_PAGER");
    if (!command)
        command = getenv("PAGER");
    if (!command || !*command)
        command = is_installed("less") ? "less" : is_installed("more") ? "more" : NULL;
    if (!command)
        return NULL;
    struct pager *pager = silt_calloc(1, sizeof *pager);
    pager->command = silt_strdup(silt_str_from(command));
    pager->on = true;
    return pager;
}

void pager_destroy(struct pager *pager)
{
    if (!pager)
        return;
    free(pager->command);
    silt_buffer_free(&pager->held);
    free(pager);
}

bool pager_is_on(const struct pager *pager)
{
    return pager && pager->on;
}

void pager_switch(struct pager *pager, bool on)
{
    pager->on = on;
}

/* The program is there and has all that was held. */
static bool start(struct pager *pager)
{
    fflush(stdout);
    setenv("LESS", "RSX", 0); /* as it is, without wrapping, and left on the screen */
    pager->program = popen(pager->command, "we");
    if (!pager->program)
        return false;
    return fwrite(pager->held.p, 1, pager->held.len, pager->program) == pager->held.len;
}

static ssize_t take(void *cookie, const char *bytes, size_t len)
{
    struct pager *pager = cookie;
    if (pager->program)
        return fwrite(bytes, 1, len, pager->program) == len && fflush(pager->program) == 0 ? (ssize_t)len : -1;
    silt_buffer_append(&pager->held, bytes, len);
    for (size_t i = 0; i < len; i++)
        pager->lines += bytes[i] == '\n';
    if (pager->lines + 1 > pager->screen_lines && !start(pager))
        return -1;
    return (ssize_t)len;
}

FILE *pager_begin(struct pager *pager, unsigned screen_lines)
{
    pager->screen_lines = screen_lines > 2 ? screen_lines - 1 : 24;
    pager->lines = 0;
    pager->held.len = 0;
    pager->program = NULL;
    pager->stream = fopencookie(pager, "w", (cookie_io_functions_t){.write = take});
    silt_assert(pager->stream);
    return pager->stream;
}

void pager_end(struct pager *pager)
{
    fclose(pager->stream);
    if (pager->program)
        pclose(pager->program);
    else if (pager->held.len)
        fwrite(pager->held.p, 1, pager->held.len, stdout);
    pager->program = NULL;
    pager->stream = NULL;
    silt_buffer_free(&pager->held);
}
