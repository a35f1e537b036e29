/*
 * write_report.c - see write_report.h.
 *
 * Of several kinds of fault only one is told, in this order:
 *
 *     refused with all others   <reason>
 *     dropped by the store      partial write: <reason of the first> dropped=N
 *     older than the policy     partial write: points beyond retention policy dropped=N
 *     malformed, others good    partial write: unable to parse '<line>': <reason>\n... dropped=0
 *     malformed, all of them    unable to parse '<line>': <reason>\n...
 *
 * The store refuses some lines for their series text; to the client that is a malformed line like the parser's own,
 * and both stand in the order of the body.
 */
#include "server/write_report.h"

#define LINES_TOLD_MAX 1000

static bool is_malformed(const struct silt_rejection *rejection)
{
    static const struct silt_str too_long = {"max key length exceeded", 23};

    return rejection->why == SILT_REJECT_SERIES ||
           (rejection->why == SILT_REJECT_KEY && rejection->detail.len >= too_long.len &&
            memcmp(rejection->detail.p, too_long.p, too_long.len) == 0);
}

static struct silt_str line_of(struct silt_str text, const struct silt_batch *batch,
                               const struct silt_rejection *rejection)
{
    const struct silt_row *row = &batch->rows[rejection->line];

    return text.len ? lp_row_line(text.p, text.len, row) : row->series;
}

struct tally {
    size_t dropped, expired, malformed, good;
    struct silt_str refused; /* why; empty: no batch was */
    struct silt_str reason; /* of the first that was dropped */
    const char *reason_at;
};

static void tell_dropped(struct tally *tally, struct silt_str reason, const char *at)
{
    if (tally->dropped++ == 0 || at < tally->reason_at) {
        tally->reason = reason;
        tally->reason_at = at;
    }
}

static struct tally count(struct silt_str text, const struct lp_errors *errors, const struct silt_batch *batch,
                          const struct silt_write_report *report)
{
    struct tally tally = {0};

    for (size_t i = 0; i < report->rejection_count; i++) {
        const struct silt_rejection *rejection = &report->rejections[i];
        if (is_malformed(rejection))
            tally.malformed++;
        else if (rejection->why == SILT_REJECT_BATCH)
            tally.refused = rejection->detail;
        else if (rejection->why == SILT_REJECT_RETENTION)
            tally.expired++;
        else
            tell_dropped(&tally, rejection->detail, line_of(text, batch, rejection).p);
    }
    tally.good = batch->row_count - tally.malformed;
    tally.malformed += errors ? errors->count : 0;
    return tally;
}

static void tell_line(struct silt_buffer *out, struct silt_str line, struct silt_str reason)
{
    if (out->len)
        silt_buffer_char(out, '\n');
    silt_buffer_append(out, "unable to parse '", 17);
    silt_buffer_str(out, line);
    silt_buffer_append(out, "': ", 3);
    silt_buffer_str(out, reason);
}

/* Two lists, each in the order of the body, told as one. */
static void tell_malformed(struct silt_buffer *out, struct silt_str text, const struct lp_errors *errors,
                           const struct silt_batch *batch, const struct silt_write_report *report)
{
    size_t error_count = errors ? errors->count : 0, e = 0, r = 0;

    for (size_t told = 0; told < LINES_TOLD_MAX; told++) {
        while (r < report->rejection_count && !is_malformed(&report->rejections[r]))
            r++;
        if (e == error_count && r == report->rejection_count)
            return;
        struct silt_str line = {NULL, 0};
        if (r < report->rejection_count)
            line = line_of(text, batch, &report->rejections[r]);
        if (r == report->rejection_count || (e < error_count && errors->items[e].line.p < line.p)) {
            tell_line(out, errors->items[e].line, errors->items[e].reason);
            e++;
        } else {
            tell_line(out, line, report->rejections[r].detail);
            r++;
        }
    }
}

struct silt_str write_report_text(struct silt_str text, const struct lp_errors *errors,
                                  const struct silt_batch *batch, const struct silt_write_report *report,
                                  struct silt_arena *arena)
{
    struct silt_buffer lines = {0};
    struct silt_str result = {NULL, 0};

    if (report->rejection_count == 0 && (!errors || errors->count == 0))
        return result;
    struct tally tally = count(text, errors, batch, report);
    if (tally.refused.len)
        return tally.refused;
    if (tally.dropped)
        return silt_arena_printf(arena, "partial write: %.*s dropped=%zu", SILT_FMT(tally.reason), tally.dropped);
    if (tally.expired)
        return silt_arena_printf(arena, "partial write: points beyond retention policy dropped=%zu", tally.expired);
    tell_malformed(&lines, text, errors, batch, report);
    if (tally.good) {
        struct silt_buffer whole = {0};
        silt_buffer_append(&whole, "partial write: ", 15);
        silt_buffer_append(&whole, lines.p, lines.len);
        silt_buffer_append(&whole, " dropped=0", 10);
        result = silt_arena_str(arena, (struct silt_str){whole.p, whole.len});
        silt_buffer_free(&whole);
    } else {
        result = silt_arena_str(arena, (struct silt_str){lines.p, lines.len});
    }
    silt_buffer_free(&lines);
    return result;
}
