/*
 * migrate_report.c - the sums of a unit compared, and written as CSV:
 *
 *     database,policy,measurement,part,field,day,old,copied,target,old_checksum,target_checksum,verdict
 *     metrics,autogen,cpu,2019-12-30T00:00:00Z,usage,2020-01-01,8640,8640,8640,5f0c3a..,5f0c3a..,equal
 *
 * part: where the unit starts, a shard group or the migration's start; old: as the old server counts; copied: what it
 * gave; target: what was read back. Verdicts: equal, differs, and newer for points from after the migration's start, of
 * which nothing is promised.
 */
#include "shell/migrate_internal.h"

#include "shell/words.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct migrate_report {
    FILE *file;
    char *path;
    uint64_t bytes;
};

static void put_text(struct silt_buffer *out, struct silt_str text)
{
    bool quoted = !text.len;
    for (size_t i = 0; i < text.len && !quoted; i++)
        quoted = text.p[i] == ',' || text.p[i] == '"' || text.p[i] == '\n' || text.p[i] == '\r';
    if (quoted)
        silt_buffer_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '"')
            silt_buffer_char(out, '"');
        silt_buffer_char(out, text.p[i]);
    }
    silt_buffer_str(out, quoted ? SILT_STR("\",") : SILT_STR(","));
}

static bool write_out(struct migrate *m, const struct silt_buffer *text)
{
    struct migrate_report *r = m->report;
    if (fwrite(text->p, 1, text->len, r->file) == text->len && fflush(r->file) == 0) {
        r->bytes += text->len;
        return true;
    }
    if (!m->stopping)
        snprintf(m->stop_text, sizeof m->stop_text, "%s: %s", r->path, strerror(errno));
    m->stopping = true;
    return false;
}

bool migrate_report_open(struct migrate *m, const char *path, uint64_t bytes)
{
    struct migrate_report *r = silt_calloc(1, sizeof *r);
    struct silt_buffer head = {0};
    m->report = r;
    r->path = silt_strdup(silt_str_from(path));
    r->file = fopen(path, bytes ? "r+e" : "we");
    if (r->file && bytes && (ftruncate(fileno(r->file), (off_t)bytes) != 0 || fseek(r->file, 0, SEEK_END) != 0)) {
        fclose(r->file);
        r->file = NULL;
    }
    if (!r->file) {
        migrate_stop(m, "%s: %s", path, strerror(errno));
        return false;
    }
    r->bytes = bytes;
    silt_buffer_printf(
        &head, "database,policy,measurement,part,field,day,old,copied,target,old_checksum,target_checksum,verdict\n");
    bool ok = bytes || write_out(m, &head);
    silt_buffer_free(&head);
    return ok;
}

void migrate_report_close(struct migrate *m)
{
    struct migrate_report *r = m->report;
    if (!r)
        return;
    if (r->file)
        fclose(r->file);
    free(r->path);
    free(r);
    m->report = NULL;
}

uint64_t migrate_report_bytes(const struct migrate *m)
{
    return m->report->bytes;
}

const char *migrate_report_path(const struct migrate *m)
{
    return m->report->path;
}

static int by_field_and_day(const void *a, const void *b)
{
    const struct day_sum *x = a, *y = b;
    if (x->field != y->field)
        return x->field < y->field ? -1 : 1;
    return (x->day > y->day) - (x->day < y->day);
}

/* Every (field, day) of any of the three. */
static struct day_sum *list_all(const struct unit *unit, size_t *count)
{
    struct day_sums all = {0};
    day_sums_merge(&all, &unit->counted);
    day_sums_merge(&all, &unit->copied);
    day_sums_merge(&all, &unit->found);
    struct day_sum *list = silt_malloc((all.used + 1) * sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < all.capacity; i++)
        if (all.cells[i].count)
            list[n++] = all.cells[i];
    if (n)
        qsort(list, n, sizeof *list, by_field_and_day);
    day_sums_free(&all);
    *count = n;
    return list;
}

static void put_line(struct silt_buffer *out, const struct unit *unit, const struct day_sum *at, uint64_t counted,
                     const struct day_sum *copied, const struct day_sum *found, const char *verdict)
{
    char day[SILT_TIME_TEXT_MAX], part[SILT_TIME_TEXT_MAX];
    put_text(out, unit->table->database);
    put_text(out, unit->table->policy);
    put_text(out, unit->table->measurement);
    put_text(out, (struct silt_str){part, silt_write_rfc3339(part, unit->start, 0)});
    put_text(out, unit->fields[at->field].name);
    /* The first day begins before the first time there is, the last one ends behind the last: but each has a noon. */
    int64_t noon = at->day < 0 ? (at->day + 1) * DAY_NS - DAY_NS / 2 : at->day * DAY_NS + DAY_NS / 2;
    silt_write_rfc3339(day, noon, 0);
    silt_buffer_printf(out, "%.10s,%llu,%llu,%llu,%016llx,%016llx,%s\n", day, (unsigned long long)counted,
                       (unsigned long long)copied->count, (unsigned long long)found->count,
                       (unsigned long long)copied->sum, (unsigned long long)found->sum, verdict);
}

bool migrate_judge(struct migrate *m, const struct unit *unit, bool writes)
{
    struct silt_buffer text = {0};
    size_t count;
    struct day_sum *list = list_all(unit, &count);
    bool all_equal = true;
    for (size_t i = 0; i < count; i++) {
        uint64_t counted = day_sums_get(&unit->counted, list[i].field, list[i].day).count;
        struct day_sum copied = day_sums_get(&unit->copied, list[i].field, list[i].day);
        struct day_sum found = day_sums_get(&unit->found, list[i].field, list[i].day);
        bool equal = counted == copied.count && copied.count == found.count && copied.sum == found.sum;
        all_equal = all_equal && equal;
        put_line(&text, unit, &list[i], counted, &copied, &found,
                 !unit->promised ? "newer"
                 : equal         ? "equal"
                                 : "differs");
    }
    free(list);
    if (writes && text.len)
        (void)write_out(m, &text); /* a failure stops the migration */
    silt_buffer_free(&text);
    return all_equal;
}
