/*
 * meta.c - see meta.h. Protobuf: | field number << 3 | wire type, varint | value |, the wire types used here being varint (0),
 * and length and bytes (2). The numbers of the fields, as far as they are of use:
 *
 *     data          5 database ...   6 user ...
 *     database      1 name   2 default policy   3 policy ...   4 continuous query ...
 *     policy        1 name   2 duration   3 shard group's duration   4 replication   5 shard group ...   6 subscription ...
 *     shard group   2 start   3 end   4 deleted at, 0 or as good as: no   5 shard ...
 *     shard         1 id
 *     subscription  1 name   2 mode   3 destination ...
 *     query         1 name   2 text
 *     user          1 name   2 hash   3 admin   4 privilege ...
 *     privilege     1 database   2 bits
 */
#include "inspect/influxdb/meta.h"

#include "inspect/influxdb/bytes.h"

/* Go's zero time in nanoseconds, wrapped around: what an unset time may be written as. */
#define GO_ZERO_TIME (-6795364578871345152)

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct message {
    struct influx_bytes in;
    struct silt_arena *arena;
    uint32_t field;
    uint64_t number;      /* of a varint */
    struct silt_str text; /* of bytes */
    bool is_text;
};

static struct message message_of(struct silt_str text, struct silt_arena *arena)
{
    return (struct message){.in = influx_bytes_from(text.p, text.len), .arena = arena};
}

/* False at the end, or at damage: then in.short_of. */
static bool next_field(struct message *message)
{
    if (influx_left(&message->in) == 0)
        return false;
    uint64_t tag = influx_take_varint(&message->in);
    message->field = tag >> 3 <= UINT32_MAX ? (uint32_t)(tag >> 3) : 0;
    message->text = (struct silt_str){"", 0};
    message->number = 0;
    message->is_text = (tag & 7) == BYTES;
    switch (tag & 7) {
    case VARINT:
        message->number = influx_take_varint(&message->in);
        break;
    case FIXED64:
        influx_take(&message->in, 8);
        break;
    case BYTES:
        message->text = influx_take_str(&message->in, influx_take_varint(&message->in));
        break;
    case FIXED32:
        influx_take(&message->in, 4);
        break;
    default:
        message->in.short_of = true;
    }
    if (message->field == 0)
        message->in.short_of = true;
    return !message->in.short_of;
}

static struct silt_str keep(const struct message *message)
{
    return silt_arena_str(message->arena, message->text);
}

/* One more, zeroed, at the end of an array in the arena; arrays of powers of two. */
static void *append(struct silt_arena *arena, void *items, size_t *count, size_t item_bytes)
{
    if ((*count & (*count - 1)) == 0) { /* none, or full */
        size_t room = *count ? *count : 1;
        char *grown = silt_arena_alloc(arena, 2 * room * item_bytes);
        if (*count)
            memcpy(grown, items, *count * item_bytes);
        items = grown;
    }
    memset((char *)items + (*count)++ * item_bytes, 0, item_bytes);
    return items;
}
#define APPEND(arena, items, count) ((items) = append(arena, items, &(count), sizeof(*(items))), &(items)[(count)-1])

/* ---------------------------------------------------------------- the messages: false is damage */

static bool parse_shard_group(struct message message, struct influx_policy *policy)
{
    struct influx_shard_info info = {0};
    int64_t deleted = 0;
    size_t first = policy->shard_count;
    while (next_field(&message)) {
        if (message.field == 2)
            info.start = (int64_t)message.number;
        else if (message.field == 3)
            info.end = (int64_t)message.number;
        else if (message.field == 4)
            deleted = (int64_t)message.number;
        else if (message.field == 5 && message.is_text) {
            struct influx_shard_info *shard = APPEND(message.arena, policy->shards, policy->shard_count);
            struct message inner = message_of(message.text, message.arena);
            while (next_field(&inner))
                if (inner.field == 1)
                    shard->id = inner.number;
            if (inner.in.short_of)
                return false;
        }
    }
    if (deleted != 0 && deleted != GO_ZERO_TIME)
        policy->shard_count = first;
    if (info.start > info.end) /* the first group of all begins before what a number of nanoseconds can say */
        info.start = INT64_MIN;
    for (size_t i = first; i < policy->shard_count; i++)
        policy->shards[i] = (struct influx_shard_info){policy->shards[i].id, info.start, info.end};
    return !message.in.short_of;
}

static bool parse_subscription(struct message message, struct influx_subscription *out)
{
    while (next_field(&message)) {
        if (message.field == 1)
            out->name = keep(&message);
        else if (message.field == 2)
            out->mode = keep(&message);
        else if (message.field == 3)
            *APPEND(message.arena, out->destinations, out->destination_count) = keep(&message);
    }
    return !message.in.short_of;
}

static bool parse_policy(struct message message, struct influx_policy *out)
{
    bool good = true;
    while (good && next_field(&message)) {
        if (message.field == 1)
            out->name = keep(&message);
        else if (message.field == 2)
            out->duration_ns = (int64_t)message.number;
        else if (message.field == 3)
            out->shard_duration_ns = (int64_t)message.number;
        else if (message.field == 4)
            out->replication = (uint32_t)message.number;
        else if (message.field == 5)
            good = parse_shard_group(message_of(message.text, message.arena), out);
        else if (message.field == 6)
            good = parse_subscription(message_of(message.text, message.arena),
                                      APPEND(message.arena, out->subscriptions, out->subscription_count));
    }
    return good && !message.in.short_of;
}

static bool parse_query(struct message message, struct influx_continuous_query *out)
{
    while (next_field(&message)) {
        if (message.field == 1)
            out->name = keep(&message);
        else if (message.field == 2)
            out->text = keep(&message);
    }
    return !message.in.short_of;
}

static bool parse_database(struct message message, struct influx_database *out)
{
    bool good = true;
    while (good && next_field(&message)) {
        if (message.field == 1)
            out->name = keep(&message);
        else if (message.field == 2)
            out->default_policy = keep(&message);
        else if (message.field == 3)
            good = parse_policy(message_of(message.text, message.arena),
                                APPEND(message.arena, out->policies, out->policy_count));
        else if (message.field == 4)
            good = parse_query(message_of(message.text, message.arena),
                               APPEND(message.arena, out->queries, out->query_count));
    }
    return good && !message.in.short_of;
}

static bool parse_user(struct message message, struct influx_user *out)
{
    while (next_field(&message)) {
        if (message.field == 1)
            out->name = keep(&message);
        else if (message.field == 2)
            out->hash = keep(&message);
        else if (message.field == 3)
            out->admin = message.number != 0;
        else if (message.field == 4) {
            struct influx_privilege *privilege = APPEND(message.arena, out->privileges, out->privilege_count);
            struct message inner = message_of(message.text, message.arena);
            while (next_field(&inner)) {
                if (inner.field == 1)
                    privilege->database = keep(&inner);
                else if (inner.field == 2)
                    privilege->privilege = (uint32_t)inner.number;
            }
            if (inner.in.short_of)
                return false;
        }
    }
    return !message.in.short_of;
}

enum silt_status influx_meta_parse(const uint8_t *bytes, size_t len, struct silt_arena *arena, struct influx_meta *out,
                                   struct silt_error *err)
{
    struct message message = message_of((struct silt_str){(const char *)bytes, len}, arena);
    bool good = len > 0;

    *out = (struct influx_meta){0};
    while (good && next_field(&message)) {
        if (message.field == 5 && message.is_text)
            good = parse_database(message_of(message.text, arena), APPEND(arena, out->databases, out->database_count));
        else if (message.field == 6 && message.is_text)
            good = parse_user(message_of(message.text, arena), APPEND(arena, out->users, out->user_count));
    }
    if (!good || message.in.short_of)
        return silt_fail(err, SILT_CORRUPT, "damaged, or not InfluxDB's meta.db");
    return SILT_OK;
}
