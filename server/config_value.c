/*
 * config_value.c - the text of a setting into the options and back (config_internal.h), checked by kind and bounds.
 */
#include "server/config_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

const char *const config_words[][WORDS_MAX] = {
    [KIND_SYNC] = {"fsync", "interval", "off"},
    [KIND_LEVEL] = {"debug", "info", "warn", "error"},
    [KIND_SECURITY] = {"none", "sign", "encrypt"},
    [KIND_MULTIVALUE] = {"split", "join"},
};
_Static_assert(sizeof(enum silt_sync_mode) == sizeof(unsigned) && sizeof(enum silt_log_level) == sizeof(unsigned) &&
                   sizeof(enum silt_collectd_security) == sizeof(unsigned) &&
                   sizeof(enum silt_collectd_values) == sizeof(unsigned),
               "the word's number is stored as an unsigned");

static bool parse_digits(struct silt_str text, uint64_t *out, size_t *used)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < text.len; i++) {
        if (text.p[i] == '_' && i > 0 && i + 1 < text.len && isdigit((unsigned char)text.p[i - 1]) &&
            isdigit((unsigned char)text.p[i + 1]))
            continue;
        if (!isdigit((unsigned char)text.p[i]))
            break;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.p[i] - '0'), &value))
            return false;
    }
    *out = value;
    *used = i;
    return i > 0;
}

bool config_parse_size(struct silt_str text, uint64_t *out)
{
    static const char units[] = "kmg";
    size_t used;

    if (!parse_digits(text, out, &used))
        return false;
    if (used == text.len)
        return true;
    const char *unit = strchr(units, tolower((unsigned char)text.p[used]));
    return used + 1 == text.len && unit && *unit &&
           !__builtin_mul_overflow(*out, (uint64_t)1 << (10 * (unit - units + 1)), out);
}

/* Nanoseconds in `digits.fraction` units; false when they are too many. */
static bool scale(uint64_t whole, struct silt_str fraction, uint64_t unit_ns, uint64_t *out)
{
    uint64_t rest = 0;

    if (__builtin_mul_overflow(whole, unit_ns, out))
        return false;
    for (size_t i = 0; i < fraction.len && unit_ns; i++) {
        unit_ns /= 10;
        rest += (uint64_t)(fraction.p[i] - '0') * unit_ns;
    }
    return !__builtin_add_overflow(*out, rest, out);
}

bool config_parse_duration_ms(struct silt_str text, uint64_t *out)
{
    static const struct {
        struct silt_str name;
        uint64_t ns;
    } units[] = {{{"ns", 2}, 1},       {{"us", 2}, 1000},       {{"\xC2\xB5s", 3}, 1000}, {{"ms", 2}, 1000000},
                 {{"s", 1}, 1000000000}, {{"m", 1}, 60000000000}, {{"h", 1}, 3600000000000}};
    const size_t unit_count = sizeof(units) / sizeof(units[0]);
    uint64_t total = 0;

    if (text.len == 0)
        return false;
    while (text.len) {
        struct silt_str fraction = {NULL, 0};
        uint64_t value;
        size_t used, unit_len = 0, unit;
        if (!parse_digits(text, &value, &used))
            return false;
        if (used < text.len && text.p[used] == '.') {
            fraction.p = text.p + ++used;
            for (; used < text.len && isdigit((unsigned char)text.p[used]); used++)
                fraction.len++;
            if (fraction.len == 0)
                return false;
        }
        while (used + unit_len < text.len && !isdigit((unsigned char)text.p[used + unit_len]))
            unit_len++;
        for (unit = 0; unit < unit_count; unit++)
            if (silt_str_equal(units[unit].name, (struct silt_str){text.p + used, unit_len}))
                break;
        if (unit == unit_count || !scale(value, fraction, units[unit].ns, &value) ||
            __builtin_add_overflow(total, value, &total))
            return false;
        text.p += used + unit_len;
        text.len -= used + unit_len;
    }
    *out = total / 1000000 + (total % 1000000 != 0);
    return true;
}

static enum silt_status set_word(unsigned *to, enum kind kind, struct silt_str text, struct silt_error *err)
{
    const char *const *words = config_words[kind];
    char all[64] = "";
    size_t len = 0;

    for (unsigned i = 0; words[i]; i++) {
        if (silt_str_equal(text, silt_str_from(words[i]))) {
            *to = i;
            return SILT_OK;
        }
        len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", i ? ", " : "", words[i]);
    }
    return silt_fail(err, SILT_INVALID, "\"%.*s\" is none of %s", SILT_FMT(text), all);
}

static enum silt_status set_text(void *base, const struct setting *setting, struct silt_str text,
                                 struct silt_error *err)
{
    char *to = (char *)base + setting->offset;

    if (text.len >= setting->bytes)
        return silt_fail(err, SILT_INVALID, "longer than %zu bytes", setting->bytes - 1);
    if (text.len < setting->min)
        return silt_fail(err, SILT_INVALID, "must not be empty");
    if (text.len && memchr(text.p, 0, text.len))
        return silt_fail(err, SILT_INVALID, "holds a NUL byte");
    if (text.len)
        memcpy(to, text.p, text.len);
    to[text.len] = 0;
    if (setting->kind == KIND_ADDRESS) {
        char host[256];
        uint16_t port;
        return config_split_address(to, host, sizeof(host), &port, err);
    }
    return SILT_OK;
}

enum silt_status config_set(void *base, const struct setting *setting, struct silt_str text, struct silt_error *err)
{
    void *to = (char *)base + setting->offset;
    uint64_t value = 0;
    size_t used;

    switch (setting->kind) {
    case KIND_TEXT:
    case KIND_ADDRESS:
        return set_text(base, setting, text, err);
    case KIND_BOOLEAN:
        if (!silt_str_equal(text, SILT_STR("true")) && !silt_str_equal(text, SILT_STR("false")))
            return silt_fail(err, SILT_INVALID, "\"%.*s\" is neither true nor false", SILT_FMT(text));
        *(bool *)to = text.p[0] == 't';
        return SILT_OK;
    case KIND_SYNC:
    case KIND_LEVEL:
    case KIND_SECURITY:
    case KIND_MULTIVALUE:
        return set_word(to, setting->kind, text, err);
    case KIND_COUNT:
        if (!parse_digits(text, &value, &used) || used != text.len)
            return silt_fail(err, SILT_INVALID, "\"%.*s\" is not a whole number", SILT_FMT(text));
        break;
    case KIND_SIZE:
        if (!config_parse_size(text, &value))
            return silt_fail(err, SILT_INVALID, "\"%.*s\" is not a size (bytes, or a number with k, m or g)",
                             SILT_FMT(text));
        break;
    case KIND_DURATION:
        if (!config_parse_duration_ms(text, &value))
            return silt_fail(err, SILT_INVALID, "\"%.*s\" is not a duration (a number with ms, s, m or h)",
                             SILT_FMT(text));
        break;
    }
    if (value < setting->min || value > setting->max)
        return silt_fail(err, SILT_INVALID, "%.*s is outside %llu to %llu%s", SILT_FMT(text),
                         (unsigned long long)setting->min, (unsigned long long)setting->max,
                         setting->kind == KIND_DURATION ? " ms" : setting->kind == KIND_SIZE ? " bytes" : "");
    *(uint64_t *)to = value;
    return SILT_OK;
}

enum silt_status config_split_address(const char *address, char *host, size_t host_bytes, uint16_t *port,
                                      struct silt_error *err)
{
    const char *colon = strrchr(address, ':');
    uint64_t number;
    size_t used, host_len;

    if (!colon)
        return silt_fail(err, SILT_INVALID, "\"%s\" has no port: host:port is wanted", address);
    struct silt_str digits = silt_str_from(colon + 1);
    if (!parse_digits(digits, &number, &used) || used != digits.len || number > 65535)
        return silt_fail(err, SILT_INVALID, "\"%s\" has no port from 0 to 65535", address);
    host_len = (size_t)(colon - address);
    if (host_len >= 2 && address[0] == '[' && colon[-1] == ']') {
        address++;
        host_len -= 2;
    } else if (memchr(address, ':', host_len)) {
        return silt_fail(err, SILT_INVALID, "\"%s\": an IPv6 address stands in brackets", address);
    }
    if (host_len >= host_bytes)
        return silt_fail(err, SILT_INVALID, "host name too long");
    memcpy(host, address, host_len);
    host[host_len] = 0;
    *port = (uint16_t)number;
    return SILT_OK;
}

/* ---------------------------------------------------------------- printing */

static void print_duration(struct silt_buffer *out, uint64_t ms)
{
    if (ms % 3600000 == 0 && ms)
        silt_buffer_printf(out, "\"%lluh\"", (unsigned long long)(ms / 3600000));
    else if (ms % 60000 == 0 && ms)
        silt_buffer_printf(out, "\"%llum\"", (unsigned long long)(ms / 60000));
    else if (ms % 1000 == 0)
        silt_buffer_printf(out, "\"%llus\"", (unsigned long long)(ms / 1000));
    else
        silt_buffer_printf(out, "\"%llums\"", (unsigned long long)ms);
}

void config_print_value(const void *base, const struct setting *setting, struct silt_buffer *out)
{
    const void *from = (const char *)base + setting->offset;

    switch (setting->kind) {
    case KIND_TEXT:
    case KIND_ADDRESS:
        silt_buffer_char(out, '"');
        for (const char *p = from; *p; p++) {
            static const char values[] = "\"\\\n\t\r", names[] = "\"\\ntr";
            const char *escape = strchr(values, *p);
            if (escape)
                silt_buffer_char(out, '\\');
            silt_buffer_char(out, escape ? names[escape - values] : *p);
        }
        silt_buffer_char(out, '"');
        break;
    case KIND_BOOLEAN:
        silt_buffer_printf(out, "%s", *(const bool *)from ? "true" : "false");
        break;
    case KIND_SYNC:
    case KIND_LEVEL:
    case KIND_SECURITY:
    case KIND_MULTIVALUE:
        silt_buffer_printf(out, "\"%s\"", config_words[setting->kind][*(const unsigned *)from]);
        break;
    case KIND_DURATION:
        print_duration(out, *(const uint64_t *)from);
        break;
    case KIND_COUNT:
    case KIND_SIZE:
        silt_buffer_printf(out, "%llu", (unsigned long long)*(const uint64_t *)from);
        break;
    }
}
