/*
 * progress.c - text of a progress line, and when it is drawn.
 */
#include "shell/progress.h"

#include "shell/words.h"

#include <unistd.h>

#define DRAW_EVERY_NS 100000000u
#define BAR_COLUMNS 30

void progress_number(struct silt_buffer *out, uint64_t number)
{
    char digits[24];
    size_t len = silt_write_uint(digits, number);
    for (size_t i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            silt_buffer_char(out, ',');
        silt_buffer_char(out, digits[i]);
    }
}

static void put_duration(struct silt_buffer *out, double seconds)
{
    if (seconds < 60)
        silt_buffer_printf(out, "%.0f s", seconds);
    else if (seconds < 3600)
        silt_buffer_printf(out, "%.0f min %02.0f s", (double)(long)(seconds / 60), (double)((long)seconds % 60));
    else
        silt_buffer_printf(out, "%.0f h %02.0f min", (double)(long)(seconds / 3600),
                           (double)((long)seconds % 3600 / 60));
}

void progress_line(struct silt_buffer *out, const char *what, double share, uint64_t lines, double seconds)
{
    if (share >= 0) {
        int full = (int)(share * BAR_COLUMNS);
        silt_buffer_char(out, '[');
        for (int i = 0; i < BAR_COLUMNS; i++)
            silt_buffer_char(out, i < full ? '#' : '-');
        silt_buffer_printf(out, "] %3d%%  ", (int)(share * 100));
    }
    silt_buffer_str(out, silt_str_from(what));
    progress_number(out, lines);
    silt_buffer_str(out, SILT_STR(" lines"));
    if (seconds > 0.1) {
        silt_buffer_str(out, SILT_STR("  "));
        progress_number(out, (uint64_t)((double)lines / seconds));
        silt_buffer_str(out, SILT_STR("/s"));
    }
    if (share > 0.005 && share < 1 && seconds > 1) {
        silt_buffer_str(out, SILT_STR("  "));
        put_duration(out, seconds * (1 - share) / share);
        silt_buffer_str(out, SILT_STR(" left"));
    }
}

void progress_begin(struct progress *progress, FILE *out)
{
    *progress = (struct progress){.out = out, .live = isatty(fileno(out)), .started_ns = silt_clock_monotonic_ns()};
}

double progress_seconds(const struct progress *progress)
{
    return (double)(silt_clock_monotonic_ns() - progress->started_ns) / 1e9;
}

void progress_draw(struct progress *progress, const char *what, double share, uint64_t lines)
{
    uint64_t now = silt_clock_monotonic_ns();
    if (!progress->live || now - progress->drawn_ns < DRAW_EVERY_NS)
        return;
    struct silt_buffer line = {0};
    progress->drawn_ns = now;
    silt_buffer_str(&line, SILT_STR("\r\033[K"));
    progress_line(&line, what, share, lines, progress_seconds(progress));
    fwrite(line.p, 1, line.len, progress->out);
    fflush(progress->out);
    silt_buffer_free(&line);
}

void progress_clear(struct progress *progress)
{
    if (progress->live && progress->drawn_ns) {
        fputs("\r\033[K", progress->out);
        fflush(progress->out);
    }
}
