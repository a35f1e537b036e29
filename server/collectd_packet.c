/*
 * collectd_packet.c - see collectd_packet.h.
 */
#include "server/collectd_packet.h"

#define PART_HEADER_BYTES 4
#define VALUE_BYTES 9 /* kind and value */
#define NS_PER_S 1000000000ll

enum part {
    PART_HOST = 0x000,
    PART_TIME = 0x001,
    PART_PLUGIN = 0x002,
    PART_PLUGIN_INSTANCE = 0x003,
    PART_TYPE = 0x004,
    PART_TYPE_INSTANCE = 0x005,
    PART_VALUES = 0x006,
    PART_INTERVAL = 0x007,
    PART_TIME_HIGH = 0x008,
    PART_INTERVAL_HIGH = 0x009,
    PART_SIGNATURE = 0x200,
    PART_ENCRYPTED = 0x210,
};

struct packet {
    const struct collectd_reader *reader;
    struct silt_arena *arena;
    struct collectd_lists *lists;
    struct silt_error *err;
};

static uint64_t read_big(const char *p, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | (unsigned char)p[i];
    return value;
}

/* ---------------------------------------------------------------- texts and times */

static enum silt_status read_text(struct packet *packet, struct silt_str payload, struct silt_str *to)
{
    if (payload.p[payload.len - 1] != 0)
        return silt_fail(packet->err, SILT_INVALID, "a text is not ended by a NUL");
    *to = (struct silt_str){payload.p, payload.len - 1};
    return SILT_OK;
}

static void set_time(struct collectd_list *state, int64_t seconds, int64_t ns)
{
    silt_time time;

    state->has_time = !__builtin_mul_overflow(seconds, NS_PER_S, &time) && !__builtin_add_overflow(time, ns, &time) &&
                      time >= SILT_TIME_MIN && time <= SILT_TIME_MAX;
    state->time = state->has_time ? time : 0;
}

static enum silt_status read_time(struct packet *packet, enum part part, struct silt_str payload,
                                  struct collectd_list *state)
{
    if (payload.len != 8)
        return silt_fail(packet->err, SILT_INVALID, "a time or an interval has %zu bytes", payload.len);
    uint64_t number = read_big(payload.p, 8);
    if (part == PART_TIME)
        set_time(state, (int64_t)number, 0);
    else if (part == PART_TIME_HIGH) /* rounded to the nearest nanosecond */
        set_time(state, (int64_t)(number >> 30),
                 (int64_t)(((number & 0x3FFFFFFF) * (uint64_t)NS_PER_S + (1u << 29)) >> 30));
    return SILT_OK;
}

/* ---------------------------------------------------------------- values */

/* What Go's conversion gives on the machines that InfluxDB runs on, for numbers out of range too. */
static int64_t to_signed(double value)
{
    return value >= -0x1p63 && value < 0x1p63 ? (int64_t)value : INT64_MIN;
}
static uint64_t to_unsigned(double value)
{
    if (value < 0x1p63)
        return (uint64_t)to_signed(value);
    return value < 0x1p64 ? (uint64_t)value : (uint64_t)1 << 63;
}

/* Of the kind sent, through the kind that the type says, to a float. */
static double convert(const char *p, enum collectd_kind sent, enum collectd_kind wanted)
{
    uint64_t bits = read_big(p, 8);
    double gauge;

    if (sent != COLLECTD_GAUGE)
        return (wanted == COLLECTD_GAUGE ? sent : wanted) == COLLECTD_DERIVE ? (double)(int64_t)bits : (double)bits;
    bits = __builtin_bswap64(bits);
    memcpy(&gauge, &bits, sizeof(gauge));
    if (wanted == COLLECTD_GAUGE)
        return gauge;
    return wanted == COLLECTD_DERIVE ? (double)to_signed(gauge) : (double)to_unsigned(gauge);
}

static void skip(struct packet *packet, const char *why, struct silt_str type)
{
    if (!packet->lists->skipped)
        packet->lists->skipped = silt_arena_printf(packet->arena, "%s: %.*s", why,
                                                   (int)(type.len > 100 ? 100 : type.len), type.p).p;
}

static enum silt_status read_values(struct packet *packet, struct silt_str payload,
                                    enum silt_collectd_security level, const struct collectd_list *state)
{
    size_t count = payload.len >= 2 ? read_big(payload.p, 2) : 0;
    const char *kinds = payload.p + 2, *numbers = kinds + count;

    if (payload.len != 2 + count * VALUE_BYTES)
        return silt_fail(packet->err, SILT_INVALID, "%zu values have %zu bytes", count, payload.len);
    for (size_t i = 0; i < count; i++)
        if ((unsigned char)kinds[i] > COLLECTD_ABSOLUTE)
            return silt_fail(packet->err, SILT_INVALID, "a value is of kind %u", (unsigned char)kinds[i]);
    if (level < packet->reader->security)
        return SILT_OK;
    const struct collectd_type *type = collectd_types_find(packet->reader->types, state->type_name);
    if (!type || type->source_count != count) {
        skip(packet, type ? "a type has another number of values in typesdb" : "a type is not in typesdb",
             state->type_name);
        return SILT_OK;
    }
    double *values = silt_arena_alloc(packet->arena, count * sizeof(*values));
    for (size_t i = 0; i < count; i++)
        values[i] = convert(numbers + 8 * i, (enum collectd_kind)kinds[i], type->sources[i].kind);
    struct collectd_lists *lists = packet->lists;
    lists->items =
        silt_arena_grow(packet->arena, lists->items, &lists->capacity, lists->count + 1, sizeof(*lists->items));
    lists->items[lists->count] = *state;
    lists->items[lists->count].type = type;
    lists->items[lists->count++].values = values;
    return SILT_OK;
}

/* ---------------------------------------------------------------- parts */

static enum silt_status read_parts(struct packet *packet, struct silt_str rest, enum silt_collectd_security level);

static enum silt_status read_encrypted(struct packet *packet, struct silt_str payload)
{
    const size_t around = COLLECTD_IV_BYTES + COLLECTD_HASH_BYTES;
    size_t user_len = payload.len >= 2 ? read_big(payload.p, 2) : 0;
    struct silt_str plain;

    if (payload.len < 2 + user_len + around)
        return silt_fail(packet->err, SILT_INVALID, "an encrypted part is too short");
    struct silt_str user = {payload.p + 2, user_len};
    const char *iv = user.p + user.len;
    struct silt_str text = {iv + COLLECTD_IV_BYTES, payload.len - 2 - user_len - COLLECTD_IV_BYTES};
    enum silt_status rc =
        collectd_decrypt(packet->reader->users, user, iv, text, packet->arena, &plain, packet->err);
    return rc == SILT_OK ? read_parts(packet, plain, SILT_COLLECTD_ENCRYPT) : rc;
}

static enum silt_status check_signature(struct packet *packet, struct silt_str payload, struct silt_str rest)
{
    if (payload.len <= COLLECTD_MAC_BYTES)
        return silt_fail(packet->err, SILT_INVALID, "a signature is too short");
    struct silt_str user = {payload.p + COLLECTD_MAC_BYTES, payload.len - COLLECTD_MAC_BYTES};
    return collectd_verify(packet->reader->users, user, payload.p, rest, packet->err);
}

static enum silt_status read_part(struct packet *packet, enum part part, struct silt_str payload, struct silt_str rest,
                                  enum silt_collectd_security *level, struct collectd_list *state)
{
    enum silt_status rc;

    switch (part) {
    case PART_HOST:
        return read_text(packet, payload, &state->host);
    case PART_PLUGIN:
        return read_text(packet, payload, &state->plugin);
    case PART_PLUGIN_INSTANCE:
        return read_text(packet, payload, &state->plugin_instance);
    case PART_TYPE:
        return read_text(packet, payload, &state->type_name);
    case PART_TYPE_INSTANCE:
        return read_text(packet, payload, &state->type_instance);
    case PART_TIME:
    case PART_TIME_HIGH:
    case PART_INTERVAL:
    case PART_INTERVAL_HIGH:
        return read_time(packet, part, payload, state);
    case PART_VALUES:
        return read_values(packet, payload, *level, state);
    case PART_SIGNATURE:
        if ((rc = check_signature(packet, payload, rest)) == SILT_OK && *level < SILT_COLLECTD_SIGN)
            *level = SILT_COLLECTD_SIGN; /* of all that follows; and what held before it holds no more */
        *state = (struct collectd_list){.has_time = false};
        return rc;
    case PART_ENCRYPTED:
        if (*level == SILT_COLLECTD_ENCRYPT)
            return silt_fail(packet->err, SILT_INVALID, "an encrypted part lies in an encrypted one");
        return read_encrypted(packet, payload);
    }
    return SILT_OK;
}

static enum silt_status read_parts(struct packet *packet, struct silt_str rest, enum silt_collectd_security level)
{
    struct collectd_list state = {.has_time = false};
    enum silt_status rc = SILT_OK;

    while (rest.len && rc == SILT_OK) {
        if (rest.len < PART_HEADER_BYTES)
            return silt_fail(packet->err, SILT_INVALID, "%zu bytes are left over", rest.len);
        enum part part = (enum part)read_big(rest.p, 2);
        size_t len = read_big(rest.p + 2, 2);
        if (len <= PART_HEADER_BYTES || len > rest.len)
            return silt_fail(packet->err, SILT_INVALID, "a part of %zu bytes with %zu left", len, rest.len);
        struct silt_str payload = {rest.p + PART_HEADER_BYTES, len - PART_HEADER_BYTES};
        rest = (struct silt_str){rest.p + len, rest.len - len};
        rc = read_part(packet, part, payload, rest, &level, &state);
    }
    return rc;
}

enum silt_status collectd_read_packet(const struct collectd_reader *reader, struct silt_str bytes,
                                      struct silt_arena *arena, struct collectd_lists *lists, struct silt_error *err)
{
    struct packet packet = {reader, arena, lists, err};

    *lists = (struct collectd_lists){.count = 0};
    return read_parts(&packet, bytes, SILT_COLLECTD_NONE);
}
