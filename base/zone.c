/*
 * zone.c - time zones from the system's tz database: an own reader of TZif files and of the rule in their footer.
 *
 *     TZif   | header 44, counts of a 32-bit part | that part | header 44 | 64-bit part | \n footer \n |
 *     part   | transition times | a type per transition | types: offset 4, dst 1, name 1 | names | leap | flags |
 *     footer  POSIX TZ: EST5EDT,M3.2.0,M11.1.0 - what holds after the last transition
 *
 * Version 1 files have the 32-bit part only. Lookups give the offset and the span it holds for, as Go's time package
 * does, whose rule for civil times in gaps and overlaps InfluxDB inherits.
 *
 * Threads: a zone is immutable; the list of loaded ones is guarded by a lock. Zones are never freed: there are as
 * many as the database has files.
 */
#include "silt/text.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONE_DIRECTORY "/usr/share/zoneinfo/"
#define ZONE_LOCAL_FILE "/etc/localtime"
#define ZONE_NAME_BYTES_MAX 255
#define ZONE_FILE_BYTES_MAX (256 * 1024)
#define SECONDS_PER_DAY 86400
#define NS_PER_SECOND 1000000000ll

struct zone_type {
    int32_t offset;
    bool dst;
};

enum rule_kind { RULE_JULIAN, RULE_DAY, RULE_MONTH };

struct rule { /* when in the year a change is */
    enum rule_kind kind;
    int day, week, month;
    int32_t time; /* seconds from local midnight; may be negative or more than a day */
};

struct footer {
    bool present, has_dst;
    int32_t std_offset, dst_offset;
    struct rule start, end; /* of DST */
};

struct silt_zone {
    struct silt_zone *next; /* in the list of loaded zones */
    struct silt_str name;
    int64_t *times;
    uint8_t *indices; /* into types, per transition */
    size_t time_count;
    struct zone_type *types;
    size_t type_count;
    size_t first_type; /* in force before the first transition */
    struct footer footer;
};

struct span {
    int32_t offset;
    int64_t start, end; /* [start, end) in seconds */
};

/* ---------------------------------------------------------------- the footer: parsing */

static bool footer_name(const char **p)
{
    const char *s = *p;

    if (*s == '<') {
        while (*s && *s != '>')
            s++;
        if (*s != '>')
            return false;
        *p = s + 1;
        return true;
    }
    while ((*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z'))
        s++;
    bool long_enough = s - *p >= 3;
    *p = s;
    return long_enough;
}

static bool footer_number(const char **p, int least, int most, int *out)
{
    const char *s = *p;

    for (*out = 0; *s >= '0' && *s <= '9'; s++)
        if ((*out = *out * 10 + (*s - '0')) > most)
            return false;
    bool found = s > *p && *out >= least;
    *p = s;
    return found;
}

/* [+-]hh[:mm[:ss]], to hours of a week. */
static bool footer_time(const char **p, int32_t *out)
{
    int hours, minutes = 0, seconds = 0;
    bool negative = **p == '-';

    if (**p == '-' || **p == '+')
        ++*p;
    if (!footer_number(p, 0, 24 * 7, &hours))
        return false;
    if (**p == ':') {
        ++*p;
        if (!footer_number(p, 0, 59, &minutes))
            return false;
        if (**p == ':') {
            ++*p;
            if (!footer_number(p, 0, 59, &seconds))
                return false;
        }
    }
    *out = (hours * 3600 + minutes * 60 + seconds) * (negative ? -1 : 1);
    return true;
}

static bool footer_rule(const char **p, struct rule *out)
{
    bool ok;

    *out = (struct rule){.time = 2 * 3600};
    if (**p == 'J') {
        ++*p;
        out->kind = RULE_JULIAN;
        ok = footer_number(p, 1, 365, &out->day);
    } else if (**p == 'M') {
        ++*p;
        out->kind = RULE_MONTH;
        ok = footer_number(p, 1, 12, &out->month) && *(*p)++ == '.' && footer_number(p, 1, 5, &out->week) &&
             *(*p)++ == '.' && footer_number(p, 0, 6, &out->day);
    } else {
        out->kind = RULE_DAY;
        ok = footer_number(p, 0, 365, &out->day);
    }
    if (ok && **p == '/') {
        ++*p;
        ok = footer_time(p, &out->time);
    }
    return ok;
}

static bool parse_footer(const char *text, struct footer *out)
{
    const char *p = text;

    *out = (struct footer){0};
    if (!footer_name(&p) || !footer_time(&p, &out->std_offset))
        return false;
    out->std_offset = -out->std_offset; /* POSIX counts westward */
    if (*p == '\0') {
        out->present = true;
        return true;
    }
    if (!footer_name(&p))
        return false;
    out->has_dst = true;
    out->dst_offset = out->std_offset + 3600;
    if (*p != ',') {
        if (!footer_time(&p, &out->dst_offset))
            return false;
        out->dst_offset = -out->dst_offset;
    }
    if (*p++ != ',' || !footer_rule(&p, &out->start) || *p++ != ',' || !footer_rule(&p, &out->end) || *p)
        return false;
    out->present = true;
    return true;
}

/* ---------------------------------------------------------------- the footer: evaluation */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t days_before_year(int64_t year) /* from 1970-01-01 */
{
    int64_t y = year - 1;
    return y * 365 + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) - 719162;
}

static int64_t year_of(int64_t seconds)
{
    int64_t days = floor_div(seconds, SECONDS_PER_DAY);
    int64_t year = 1970 + floor_div(days * 400, 146097);

    while (days_before_year(year) > days)
        year--;
    while (days_before_year(year + 1) <= days)
        year++;
    return year;
}

/* Seconds from the year's first local midnight. */
static int64_t rule_seconds(const struct rule *rule, int64_t year)
{
    static const int before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    int64_t day = rule->day;

    switch (rule->kind) {
    case RULE_JULIAN: /* 1 to 365, the leap day does not count */
        day = rule->day - 1 + (is_leap(year) && rule->day >= 60);
        break;
    case RULE_DAY:
        break;
    case RULE_MONTH: {
        int64_t first = before_month[rule->month - 1] + (is_leap(year) && rule->month > 2);
        int64_t length = before_month[rule->month] - before_month[rule->month - 1] + (is_leap(year) && rule->month == 2);
        int64_t weekday = (days_before_year(year) + first + 4) % 7; /* 1970-01-01 was a Thursday */
        if (weekday < 0)
            weekday += 7;
        day = (rule->day - weekday + 7) % 7 + (rule->week - 1) * 7;
        if (day >= length)
            day -= 7;
        day += first;
        break;
    }
    }
    return day * SECONDS_PER_DAY + rule->time;
}

static struct span footer_span(const struct footer *footer, int64_t last_transition, int64_t seconds)
{
    struct span span = {footer->std_offset, last_transition, INT64_MAX};

    if (!footer->has_dst)
        return span;
    int64_t year = year_of(seconds); /* in UTC, and so are the changes below; the spans of other years are not tried */
    int64_t year_start = days_before_year(year) * SECONDS_PER_DAY;
    int64_t year_end = days_before_year(year + 1) * SECONDS_PER_DAY;
    int64_t start = year_start + rule_seconds(&footer->start, year) - footer->std_offset;
    int64_t end = year_start + rule_seconds(&footer->end, year) - footer->dst_offset;
    int32_t outer = footer->std_offset, inner = footer->dst_offset;

    if (end < start) { /* the south: DST over new year */
        int64_t swap = start;
        start = end;
        end = swap;
        outer = footer->dst_offset;
        inner = footer->std_offset;
    }
    if (seconds < start)
        return (struct span){outer, year_start, start};
    if (seconds >= end)
        return (struct span){outer, end, year_end};
    return (struct span){inner, start, end};
}

/* ---------------------------------------------------------------- lookup */

static struct span zone_span(const struct silt_zone *zone, int64_t seconds)
{
    size_t low = 0, high = zone->time_count;

    if (zone->time_count == 0 || seconds < zone->times[0]) {
        if (zone->time_count == 0 && zone->footer.present)
            return footer_span(&zone->footer, INT64_MIN, seconds);
        return (struct span){zone->types[zone->first_type].offset, INT64_MIN,
                             zone->time_count ? zone->times[0] : INT64_MAX};
    }
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (seconds < zone->times[middle])
            high = middle;
        else
            low = middle;
    }
    if (low + 1 == zone->time_count && zone->footer.present)
        return footer_span(&zone->footer, zone->times[low], seconds);
    return (struct span){zone->types[zone->indices[low]].offset, zone->times[low],
                         low + 1 < zone->time_count ? zone->times[low + 1] : INT64_MAX};
}

int32_t silt_zone_offset(const struct silt_zone *zone, silt_time utc)
{
    return zone_span(zone, floor_div(utc, NS_PER_SECOND)).offset;
}

silt_time silt_zone_from_local(const struct silt_zone *zone, silt_time local)
{
    int64_t seconds = floor_div(local, NS_PER_SECOND);
    struct span span = zone_span(zone, seconds);
    silt_time utc;

    if (span.offset == 0)
        return local;
    int64_t guess = seconds - span.offset;
    if (guess < span.start || guess >= span.end)
        span = zone_span(zone, guess);
    if (__builtin_sub_overflow(local, span.offset * NS_PER_SECOND, &utc))
        return span.offset > 0 ? INT64_MIN : INT64_MAX;
    return utc;
}

struct silt_str silt_zone_name(const struct silt_zone *zone)
{
    return zone->name;
}

/* ---------------------------------------------------------------- reading a file */

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t read_time(const uint8_t *p, size_t bytes)
{
    if (bytes == 4)
        return (int32_t)read_u32(p);
    return (int64_t)((uint64_t)read_u32(p) << 32 | read_u32(p + 4));
}

struct tzif_header {
    uint8_t version;
    uint32_t utc_count, std_count, leap_count, time_count, type_count, name_bytes;
};

enum { TZIF_HEADER_BYTES = 44 };

static bool read_header(const uint8_t *p, const uint8_t *end, struct tzif_header *out)
{
    if (end - p < TZIF_HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
        return false;
    out->version = p[4];
    out->utc_count = read_u32(p + 20);
    out->std_count = read_u32(p + 24);
    out->leap_count = read_u32(p + 28);
    out->time_count = read_u32(p + 32);
    out->type_count = read_u32(p + 36);
    out->name_bytes = read_u32(p + 40);
    return true;
}

static size_t part_bytes(const struct tzif_header *header, size_t time_bytes)
{
    return (size_t)header->time_count * (time_bytes + 1) + (size_t)header->type_count * 6 + header->name_bytes +
           (size_t)header->leap_count * (time_bytes + 4) + header->std_count + header->utc_count;
}

/* Go's choice: type 0 if no transition leads to it, else the last standard time before a first one to DST, else the
 * first standard time, else type 0. */
static size_t choose_first_type(const struct silt_zone *zone)
{
    bool used = false;

    for (size_t i = 0; i < zone->time_count; i++)
        used = used || zone->indices[i] == 0;
    if (!used)
        return 0;
    if (zone->time_count && zone->types[zone->indices[0]].dst)
        for (size_t i = zone->indices[0]; i-- > 0;)
            if (!zone->types[i].dst)
                return i;
    for (size_t i = 0; i < zone->type_count; i++)
        if (!zone->types[i].dst)
            return i;
    return 0;
}

static bool read_part(struct silt_zone *zone, const uint8_t *p, const struct tzif_header *header, size_t time_bytes)
{
    const uint8_t *indices = p + (size_t)header->time_count * time_bytes;
    const uint8_t *types = indices + header->time_count;

    if (header->type_count == 0 || header->type_count > 256)
        return false;
    zone->time_count = header->time_count;
    zone->type_count = header->type_count;
    zone->times = silt_calloc(zone->time_count + 1, sizeof *zone->times);
    zone->indices = silt_calloc(zone->time_count + 1, 1);
    zone->types = silt_calloc(zone->type_count, sizeof *zone->types);
    for (size_t i = 0; i < zone->time_count; i++) {
        zone->times[i] = read_time(p + i * time_bytes, time_bytes);
        zone->indices[i] = indices[i];
        if (indices[i] >= zone->type_count || (i && zone->times[i] <= zone->times[i - 1]))
            return false;
    }
    for (size_t i = 0; i < zone->type_count; i++) {
        zone->types[i].offset = (int32_t)read_u32(types + i * 6);
        zone->types[i].dst = types[i * 6 + 4] != 0;
        if (zone->types[i].offset < -7 * SECONDS_PER_DAY || zone->types[i].offset > 7 * SECONDS_PER_DAY)
            return false;
    }
    zone->first_type = choose_first_type(zone);
    return true;
}

static bool read_zone(struct silt_zone *zone, const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;
    struct tzif_header header;
    size_t time_bytes = 4;

    if (!read_header(p, end, &header))
        return false;
    p += TZIF_HEADER_BYTES;
    if (part_bytes(&header, 4) > (size_t)(end - p))
        return false;
    if (header.version != 0) {
        p += part_bytes(&header, 4);
        if (!read_header(p, end, &header))
            return false;
        p += TZIF_HEADER_BYTES;
        time_bytes = 8;
        if (part_bytes(&header, 8) > (size_t)(end - p))
            return false;
    }
    if (!read_part(zone, p, &header, time_bytes))
        return false;
    p += part_bytes(&header, time_bytes);
    if (time_bytes == 8 && end - p > 2 && p[0] == '\n' && end[-1] == '\n') {
        struct silt_str text = {(const char *)p + 1, (size_t)(end - p) - 2};
        char *copy = silt_strdup(text);
        (void)parse_footer(copy, &zone->footer); /* a rule that cannot be read is as good as none */
        free(copy);
    }
    return true;
}

static uint8_t *read_file(const char *path, size_t *len)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *bytes = NULL;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 && info.st_size <= ZONE_FILE_BYTES_MAX) {
        ssize_t got;
        bytes = silt_malloc((size_t)info.st_size);
        *len = 0;
        while (*len < (size_t)info.st_size && (got = read(fd, bytes + *len, (size_t)info.st_size - *len)) > 0)
            *len += (size_t)got;
        if (*len != (size_t)info.st_size) {
            free(bytes);
            bytes = NULL;
        }
    }
    close(fd);
    return bytes;
}

/* ---------------------------------------------------------------- loading */

static pthread_mutex_t zones_lock = PTHREAD_MUTEX_INITIALIZER;
static struct silt_zone *zones; /* guarded by zones_lock; entries are immutable */

static bool plain_name(struct silt_str name)
{
    if (name.len > ZONE_NAME_BYTES_MAX || (name.len && name.p[0] == '/'))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.p[i] == '\\' || name.p[i] == '\0' || (name.p[i] == '.' && i + 1 < name.len && name.p[i + 1] == '.'))
            return false;
    return true;
}

static bool fill_zone(struct silt_zone *zone)
{
    char path[sizeof ZONE_DIRECTORY + ZONE_NAME_BYTES_MAX];
    bool local = silt_str_equal(zone->name, SILT_STR("Local"));
    uint8_t *bytes = NULL;
    size_t len;
    bool ok = false;

    if (!silt_str_equal(zone->name, SILT_STR("UTC"))) {
        snprintf(path, sizeof path, "%s%.*s", ZONE_DIRECTORY, SILT_FMT(zone->name));
        bytes = read_file(local ? ZONE_LOCAL_FILE : path, &len);
        ok = bytes && read_zone(zone, bytes, len);
        free(bytes);
        if (ok || !local)
            return ok;
    }
    /* UTC needs no file; a machine without a local time runs on it. */
    free(zone->times);
    free(zone->indices);
    free(zone->types);
    zone->times = NULL;
    zone->indices = NULL;
    zone->time_count = 0;
    zone->types = silt_calloc(1, sizeof *zone->types);
    zone->type_count = 1;
    return true;
}

static void free_zone(struct silt_zone *zone)
{
    free(zone->times);
    free(zone->indices);
    free(zone->types);
    free((char *)zone->name.p);
    free(zone);
}

const struct silt_zone *silt_zone_load(struct silt_str name)
{
    struct silt_zone *zone;

    if (name.len == 0)
        name = SILT_STR("UTC");
    if (!plain_name(name))
        return NULL;
    pthread_mutex_lock(&zones_lock);
    for (zone = zones; zone; zone = zone->next)
        if (silt_str_equal(zone->name, name))
            break;
    if (!zone) {
        zone = silt_calloc(1, sizeof *zone);
        zone->name = (struct silt_str){silt_strdup(name), name.len};
        if (fill_zone(zone)) {
            zone->next = zones;
            zones = zone;
        } else {
            free_zone(zone);
            zone = NULL;
        }
    }
    pthread_mutex_unlock(&zones_lock);
    return zone;
}
