/*
 * time_text.c - times and durations as text, as Go and InfluxQL write and read them.
 *
 * Days are counted in the proleptic Gregorian calendar, in years that begin in March so that the leap day comes
 * last.
 */
#include "silt/text.h"

#define NS_PER_SECOND 1000000000ll
#define SECONDS_PER_DAY 86400ll

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = floor_div(days, 146097);
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

static char *put_digits(char *out, int64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
    return out + digits;
}

/* The digits of a fraction of 10^digits, without the zeros at its end; nothing for 0. */
static char *put_fraction(char *out, int64_t value, int digits)
{
    if (value == 0)
        return out;
    *out++ = '.';
    out = put_digits(out, value, digits);
    while (out[-1] == '0')
        out--;
    return out;
}

/* ---------------------------------------------------------------- times */

size_t silt_write_rfc3339(char *out, silt_time time, int32_t offset_seconds)
{
    int64_t seconds = floor_div(time, NS_PER_SECOND);
    int64_t ns = time % NS_PER_SECOND + (time % NS_PER_SECOND < 0 ? NS_PER_SECOND : 0); /* no overflow at the ends */
    int64_t local = seconds + offset_seconds;
    int64_t days = floor_div(local, SECONDS_PER_DAY);
    int64_t second = local - days * SECONDS_PER_DAY, year;
    int month, day;
    char *at = out;

    civil_from_days(days, &year, &month, &day);
    at = put_digits(at, year, 4);
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day, 2);
    *at++ = 'T';
    at = put_digits(at, second / 3600, 2);
    *at++ = ':';
    at = put_digits(at, second / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, second % 60, 2);
    at = put_fraction(at, ns, 9);
    if (offset_seconds == 0) {
        *at++ = 'Z';
    } else {
        int32_t minutes = offset_seconds / 60; /* odd seconds of old local times are not shown */
        *at++ = minutes < 0 ? '-' : '+';
        minutes = minutes < 0 ? -minutes : minutes;
        at = put_digits(at, minutes / 60, 2);
        *at++ = ':';
        at = put_digits(at, minutes % 60, 2);
    }
    return (size_t)(at - out);
}

struct reader {
    const char *p, *end;
};

/* least to most digits; false when there are fewer. */
static bool read_digits(struct reader *reader, int least, int most, int64_t *out)
{
    int count = 0;

    for (*out = 0; count < most && reader->p < reader->end && *reader->p >= '0' && *reader->p <= '9'; count++)
        *out = *out * 10 + (*reader->p++ - '0');
    return count >= least;
}

static bool read_char(struct reader *reader, char c)
{
    if (reader->p == reader->end || *reader->p != c)
        return false;
    reader->p++;
    return true;
}

/* .5 or ,5 with up to nine digits; a point without a digit is left alone. */
static int64_t read_fraction(struct reader *reader)
{
    int64_t ns = 0, unit = NS_PER_SECOND / 10;

    if (reader->end - reader->p < 2 || (*reader->p != '.' && *reader->p != ',') || reader->p[1] < '0' || reader->p[1] > '9')
        return 0;
    for (reader->p++; unit && reader->p < reader->end && *reader->p >= '0' && *reader->p <= '9'; reader->p++, unit /= 10)
        ns += (*reader->p - '0') * unit;
    return ns;
}

static bool read_offset(struct reader *reader, int64_t *seconds)
{
    int64_t hours, minutes;

    *seconds = 0;
    if (read_char(reader, 'Z'))
        return true;
    bool west = reader->p < reader->end && *reader->p == '-';
    if (!west && (reader->p == reader->end || *reader->p != '+'))
        return false;
    reader->p++;
    if (!read_digits(reader, 2, 2, &hours) || !read_char(reader, ':') || !read_digits(reader, 2, 2, &minutes))
        return false;
    /* Any two digits are fine, as in Go. */
    *seconds = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

enum silt_status silt_parse_time(struct silt_str text, silt_time *out, bool *has_zone)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct reader reader = {text.p, text.p + text.len};
    int64_t year, month, day, hour = 0, minute = 0, second = 0, ns = 0, offset = 0;

    *has_zone = false;
    if (!read_digits(&reader, 4, 4, &year) || !read_char(&reader, '-') || !read_digits(&reader, 2, 2, &month) ||
        !read_char(&reader, '-') || !read_digits(&reader, 2, 2, &day))
        return SILT_INVALID;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month < 1 || month > 12 || day < 1 || day > month_days[month - 1] + (leap && month == 2))
        return SILT_INVALID;
    if (reader.p < reader.end) {
        *has_zone = *reader.p == 'T';
        if (!*has_zone && *reader.p != ' ')
            return SILT_INVALID;
        reader.p++;
        while (!*has_zone && read_char(&reader, ' '))
            ;
        if (!read_digits(&reader, 1, 2, &hour) || !read_char(&reader, ':') || !read_digits(&reader, 2, 2, &minute) ||
            !read_char(&reader, ':') || !read_digits(&reader, 2, 2, &second))
            return SILT_INVALID;
        if (hour > 23 || minute > 59 || second > 59)
            return SILT_INVALID;
        ns = read_fraction(&reader);
        if (*has_zone && !read_offset(&reader, &offset))
            return SILT_INVALID;
        if (reader.p != reader.end)
            return SILT_INVALID;
    }

    int64_t seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - offset;
    if (seconds < 0 && ns > 0) { /* so that the sum below does not overflow on its way */
        seconds++;
        ns -= NS_PER_SECOND;
    }
    if (__builtin_mul_overflow(seconds, NS_PER_SECOND, out) || __builtin_add_overflow(*out, ns, out))
        return SILT_LIMIT;
    return SILT_OK;
}

bool silt_parse_time_or_ns(const char *text, silt_time *out)
{
    bool has_zone;

    return silt_parse_int(text, strlen(text), out, NULL) || silt_parse_time(silt_str_from(text), out, &has_zone) == SILT_OK;
}

/* ---------------------------------------------------------------- durations */

size_t silt_write_duration(char *out, int64_t ns)
{
    static const struct {
        int64_t ns;
        const char *name;
    } units[] = {
        {7 * SECONDS_PER_DAY * NS_PER_SECOND, "w"},
        {SECONDS_PER_DAY * NS_PER_SECOND, "d"},
        {3600 * NS_PER_SECOND, "h"},
        {60 * NS_PER_SECOND, "m"},
        {NS_PER_SECOND, "s"},
        {1000000, "ms"},
        {1000, "u"},
        {1, "ns"},
    };
    size_t unit = 0;

    if (ns == 0) {
        memcpy(out, "0s", 2);
        return 2;
    }
    while (ns % units[unit].ns != 0)
        unit++;
    size_t len = silt_write_int(out, ns / units[unit].ns), name_len = strlen(units[unit].name);
    memcpy(out + len, units[unit].name, name_len);
    return len + name_len;
}

size_t silt_write_duration_go(char *out, int64_t ns)
{
    uint64_t rest = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    char *at = out;

    if (ns < 0)
        *at++ = '-';
    if (rest == 0) {
        memcpy(at, "0s", 2);
        return (size_t)(at - out) + 2;
    }
    if (rest < (uint64_t)NS_PER_SECOND) { /* one small unit */
        const char *name = rest < 1000 ? "ns" : rest < 1000000 ? "\xc2\xb5s" : "ms";
        uint64_t unit = rest < 1000 ? 1 : rest < 1000000 ? 1000 : 1000000;
        at += silt_write_uint(at, rest / unit);
        at = put_fraction(at, (int64_t)(rest % unit), unit == 1 ? 0 : unit == 1000 ? 3 : 6);
        memcpy(at, name, strlen(name));
        return (size_t)(at - out) + strlen(name);
    }
    uint64_t seconds = rest / NS_PER_SECOND;
    if (seconds >= 3600) {
        at += silt_write_uint(at, seconds / 3600);
        *at++ = 'h';
    }
    if (seconds >= 60) {
        at += silt_write_uint(at, seconds / 60 % 60);
        *at++ = 'm';
    }
    at += silt_write_uint(at, seconds % 60);
    at = put_fraction(at, (int64_t)(rest % NS_PER_SECOND), 9);
    *at++ = 's';
    return (size_t)(at - out);
}
