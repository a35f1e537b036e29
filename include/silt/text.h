/*
 * text.h - numbers, strings and times as InfluxDB writes and reads them; growing text buffers.
 */
#ifndef SILT_TEXT_H
#define SILT_TEXT_H

#include "silt/base.h"

/* ---------------------------------------------------------------- growing text */

/* A byte buffer that grows by doubling. Zero-initialise; free with silt_buffer_free. One thread. */
struct silt_buffer {
    char *p;
    size_t len, capacity;
};

void silt_buffer_grow(struct silt_buffer *buffer, size_t more); /* for silt_buffer_reserve */
/* Room for `more` bytes after len. */
static inline void silt_buffer_reserve(struct silt_buffer *buffer, size_t more)
{
    if (buffer->capacity - buffer->len < more)
        silt_buffer_grow(buffer, more);
}
void silt_buffer_append(struct silt_buffer *buffer, const void *bytes, size_t len);
void silt_buffer_str(struct silt_buffer *buffer, struct silt_str str);
static inline void silt_buffer_char(struct silt_buffer *buffer, char c)
{
    silt_buffer_reserve(buffer, 1);
    buffer->p[buffer->len++] = c;
}
void silt_buffer_printf(struct silt_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void silt_buffer_free(struct silt_buffer *buffer);
/* A whole file, behind what is there; SILT_LIMIT: it is larger. sys_errno tells a missing one. */
enum silt_status silt_buffer_read_file(struct silt_buffer *buffer, const char *path, size_t bytes_max,
                                       struct silt_error *err);

/* A URL with [REDACTED] for its password, also where it is not quite one. */
void silt_buffer_url(struct silt_buffer *buffer, struct silt_str url);

/* ---------------------------------------------------------------- numbers */

#define SILT_NUMBER_TEXT_MAX 400 /* the longest that the writers below produce (1e308 without exponent) */

/* 10^0 to 10^19: all that are in a uint64_t. */
#define SILT_POWERS_OF_TEN 20
extern const uint64_t silt_powers_of_ten[SILT_POWERS_OF_TEN];
/* How many digits it takes, 1 to 20. */
unsigned silt_digits(uint64_t value);
/* Eight digits of value < 10^8, zero-padded, the first in the lowest byte: split in halves, thrice, all lanes at once. */
static inline uint64_t silt_eight_digits(uint64_t value)
{
    uint64_t fours = value / 10000 | value % 10000 << 32;
    uint64_t hundreds = (fours * 10486 >> 20) & 0x0000007F0000007Fu;
    uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
    uint64_t tens = (twos * 103 >> 10) & 0x000F000F000F000Fu;
    return (tens | (twos - tens * 10) << 8) | 0x3030303030303030u;
}

/* Each writes at `out`, returns the byte count, writes no NUL. */
size_t silt_write_int(char *out, int64_t value);
size_t silt_write_uint(char *out, uint64_t value);
/* The shortest decimal that reads back to the same double (Ryu-like: own implementation of a published algorithm). */
/* JSON: plain notation for 1e-6 <= |x| < 1e21, else exponent without leading zeros (1e-7, 1e+21); -0 is "-0".
 * NaN and infinities are the caller's business: asserted. */
size_t silt_write_double_json(char *out, double value);
/* CSV and line protocol: never an exponent. */
size_t silt_write_double_plain(char *out, double value);
/* InfluxQL's number literal: exactly three decimals (Go's 'f', 3). */
size_t silt_write_double_fixed3(char *out, double value);

/* The whole of text as a double, correctly rounded (Eisel-Lemire, exact fallback), locale-independent. Accepts
 * [-]digits[.digits][e[+-]digits], also ".5" and "1."; false for anything else and for overflow to infinity. */
bool silt_parse_double(const char *text, size_t len, double *out);
/* mantissa * 10^exponent, correctly rounded; infinity when too large. */
double silt_scale_decimal(uint64_t mantissa, int64_t exponent);
/* [-]digits; false when malformed or out of range (errno-like: *overflow tells which; may be NULL). */
bool silt_parse_int(const char *text, size_t len, int64_t *out, bool *overflow);

/* ---------------------------------------------------------------- JSON strings */

/* With quotes, escaped as Go's encoder does: < > & as \u003c.., U+2028/9, control characters, invalid UTF-8 to \ufffd. */
void silt_buffer_json_string(struct silt_buffer *buffer, struct silt_str str);
/* Copies what stands for itself in a JSON string, up to the first byte that does not: so many. `to` has room for all. */
size_t silt_json_plain(char *to, const char *from, size_t len);

/* ---------------------------------------------------------------- times and durations */

#define SILT_TIME_TEXT_MAX 40

/* RFC 3339 with up to nine fraction digits, trailing zeros cut; offset_seconds 0 prints Z unless as_offset says +00:00. */
size_t silt_write_rfc3339(char *out, silt_time time, int32_t offset_seconds);
/* 2006-01-02[ 15:04:05[.fraction]] or 2006-01-02T15:04:05[.fraction](Z|+hh:mm). *has_zone tells which; without
 * a zone the civil time is returned as if UTC. SILT_INVALID: not of these shapes. SILT_LIMIT: outside int64 ns. */
enum silt_status silt_parse_time(struct silt_str text, silt_time *out, bool *has_zone);
/* As command lines take it: such a time, or a whole number of nanoseconds. */
bool silt_parse_time_or_ns(const char *text, silt_time *out);
/* InfluxQL's short form: 0s, 1w, 90m, 1500ms, 7ns: the largest unit that divides evenly. */
size_t silt_write_duration(char *out, int64_t ns);
/* Go's form: 168h0m0s, 1.5s, 13µs, 0s. */
size_t silt_write_duration_go(char *out, int64_t ns);

/* ---------------------------------------------------------------- hashing and checksums */

uint64_t silt_hash(const void *bytes, size_t len);                     /* XXH3, 64 bit; not for disk */
uint32_t silt_crc32c(uint32_t crc, const void *bytes, size_t len);     /* start with 0; hardware where there is any */

/* ---------------------------------------------------------------- time zones */

/* A zone of the tz database, immutable after load; cached for the process, never freed. Any thread. */
struct silt_zone;

/* Name as in "America/New_York", "UTC", "Local". NULL: no such zone (path tricks refused). */
const struct silt_zone *silt_zone_load(struct silt_str name);
/* Offset east of UTC in seconds in force at that instant (footer rule past the last transition). */
int32_t silt_zone_offset(const struct silt_zone *zone, silt_time utc);
/* Civil local ns (as if UTC) to an instant, Go's time.Date rule at gaps and overlaps. */
silt_time silt_zone_from_local(const struct silt_zone *zone, silt_time local);
struct silt_str silt_zone_name(const struct silt_zone *zone);

/* ---------------------------------------------------------------- regular expressions (Go RE2 syntax) */

/* Compiled, immutable, any thread may match with it. Behind it: PCRE2 with JIT and a gate for RE2's grammar. */
struct silt_regex;

/* err->text: Go's message, e.g. "error parsing regexp: missing closing ): `(`". */
enum silt_status silt_regex_compile(struct silt_str pattern, struct silt_regex **out, struct silt_error *err);
/* The same verdict about the syntax, without compiling. */
enum silt_status silt_regex_check(struct silt_str pattern, struct silt_error *err);
void silt_regex_free(struct silt_regex *regex);
bool silt_regex_match(const struct silt_regex *regex, struct silt_str subject); /* unanchored */
struct silt_str silt_regex_pattern(const struct silt_regex *regex);
/* How many times a short look at a text a match may take, in rough terms; UINT32_MAX: there is no telling. */
uint32_t silt_regex_cost(const struct silt_regex *regex);

/* ---------------------------------------------------------------- log */

enum silt_log_level { SILT_LOG_DEBUG, SILT_LOG_INFO, SILT_LOG_WARN, SILT_LOG_ERROR };

void silt_log_set_level(enum silt_log_level level);
/* Whole lines into a log that may be a pipe or a socket. What its reader has left no room for is not written but counted, for
 * nobody may have to wait for who reads logs; silt_log tells how many. Any thread. */
void silt_log_lines(int fd, const char *lines, size_t len);
uint64_t silt_log_lost(void); /* lines, since the start */
/* One line on stderr, one write(2), any thread: `ts=2026-01-02T03:04:05.678901Z lvl=info msg="..." key=value`.
 * fields is printf-like text of ready-made key=value pairs, may be NULL. */
void silt_log(enum silt_log_level level, const char *message, const char *fields_format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
