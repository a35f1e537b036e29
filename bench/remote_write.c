/*
 * remote_write.c - see remote_write.h.
 */
#include "bench/remote_write.h"
#include "server/line_protocol.h"
#include "server/protobuf.h"
#include "server/snappy_block.h"

#include <stdio.h>
#include <stdlib.h>

#define LABEL_BYTES_MAX 512
#define SERIES_BYTES_MAX 8192

struct message {
    char bytes[SERIES_BYTES_MAX];
    size_t len;
};

static void put(struct message *message, uint32_t number, struct silt_str bytes)
{
    silt_assert(message->len + bytes.len + 16 <= sizeof(message->bytes));
    message->len = (size_t)(proto_put_bytes(message->bytes + message->len, number, bytes) - message->bytes);
}

static void put_label(struct message *series, struct silt_str name, struct silt_str value)
{
    char label[LABEL_BYTES_MAX], *end;

    silt_assert(name.len + value.len + 16 <= sizeof(label));
    end = proto_put_bytes(proto_put_bytes(label, 1, name), 2, value);
    put(series, 1, (struct silt_str){label, (size_t)(end - label)});
}

static void put_sample(struct message *series, double value, silt_time time)
{
    char sample[32], *to = proto_put_tag(sample, 1, PROTO_FIXED64);

    memcpy(to, &value, 8);
    to = proto_put_varint(proto_put_tag(to + 8, 2, PROTO_VARINT), (uint64_t)(time / 1000000));
    put(series, 2, (struct silt_str){sample, (size_t)(to - sample)});
}

static void put_row(const struct silt_batch *batch, const struct silt_row *row, struct silt_arena *arena,
                    struct silt_buffer *out)
{
    const struct silt_layout *layout = &batch->layouts[row->layout];
    struct silt_str key, measurement;
    struct silt_tag *tags;
    size_t tag_count;

    silt_assert(!silt_series_key_parse(row->series, arena, &key, &measurement, &tags, &tag_count));
    for (uint32_t i = 0; i < layout->field_count; i++) {
        union silt_value value = batch->values[row->value_offset + i];
        struct message series = {.len = 0}, whole = {.len = 0};
        put_label(&series, SILT_STR("__name__"),
                  silt_arena_printf(arena, "%.*s_%.*s", SILT_FMT(measurement), SILT_FMT(layout->fields[i].name)));
        for (size_t k = 0; k < tag_count; k++)
            put_label(&series, tags[k].key, tags[k].value);
        put_sample(&series, layout->fields[i].type == SILT_TYPE_INTEGER ? (double)value.i64 : value.f64, row->time);
        put(&whole, 1, (struct silt_str){series.bytes, series.len});
        silt_buffer_append(out, whole.bytes, whole.len);
    }
}

void remote_write_body(struct silt_str lines, struct silt_buffer *out)
{
    struct silt_arena *arena = silt_arena_create(NULL);
    struct lp_options options = {.precision_ns = 1};
    struct silt_buffer message = {0};
    struct silt_batch batch;
    struct lp_errors errors;
    char length[PROTO_VARINT_BYTES_MAX];

    silt_assert(lp_parse(lines.p, lines.len, &options, arena, &batch, &errors, NULL) == SILT_OK && errors.total == 0);
    for (size_t i = 0; i < batch.row_count; i++)
        put_row(&batch, &batch.rows[i], arena, &message);
    silt_buffer_append(out, length, (size_t)(proto_put_varint(length, message.len) - length));
    for (size_t at = 0; at < message.len; at += SNAPPY_PIECE_BYTES) {
        size_t part = message.len - at < SNAPPY_PIECE_BYTES ? message.len - at : SNAPPY_PIECE_BYTES;
        silt_buffer_reserve(out, SNAPPY_PIECE_ROOM);
        out->len += snappy_pack_piece(message.p + at, part, out->p + out->len);
    }
    silt_buffer_free(&message);
    silt_arena_destroy(arena);
}
