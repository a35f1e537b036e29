/*
 * prom_answer.c - see prom_answer.h.
 */
#include "server/prom_answer.h"
#include "server/protobuf.h"
#include "server/snappy_block.h"

#include <stdlib.h>

#define SAMPLE_BYTES_MAX (1 + 1 + 1 + 8 + 1 + PROTO_VARINT_BYTES_MAX)
#define HEAD_BYTES_MAX (1 + PROTO_VARINT_BYTES_MAX) /* a tag and a length */

void prom_answer_init(struct prom_answer *answer, struct silt_budget *budget)
{
    memset(answer, 0, sizeof(*answer));
    answer->budget = budget;
    silt_buffer_reserve(&answer->piece, SNAPPY_PIECE_BYTES);
}

void prom_answer_deinit(struct prom_answer *answer)
{
    silt_budget_release(answer->budget, answer->charged);
    silt_buffer_free(&answer->labels);
    silt_buffer_free(&answer->samples);
    silt_buffer_free(&answer->piece);
    silt_buffer_free(&answer->packed);
    free(answer->results);
}

/* Charged before it is there: a buffer grows by doubling. */
static enum silt_status make_room(struct prom_answer *answer, struct silt_buffer *buffer, size_t more,
                                  struct silt_error *err)
{
    size_t before = buffer->capacity, capacity = before ? before : 256;

    if (before - buffer->len >= more)
        return SILT_OK;
    while (capacity - buffer->len < more)
        capacity *= 2;
    if (silt_budget_charge(answer->budget, capacity - before, NULL) != SILT_OK)
        return silt_fail(err, SILT_LIMIT, "query memory limit exceeded");
    answer->charged += capacity - before;
    silt_buffer_reserve(buffer, capacity - buffer->len);
    return SILT_OK;
}

/* ---------------------------------------------------------------- packing */

static enum silt_status pack_piece(struct prom_answer *answer, struct silt_error *err)
{
    enum silt_status rc = make_room(answer, &answer->packed, SNAPPY_PIECE_ROOM, err);

    if (rc != SILT_OK || answer->piece.len == 0)
        return rc;
    answer->packed.len +=
        snappy_pack_piece(answer->piece.p, answer->piece.len, answer->packed.p + answer->packed.len);
    answer->piece.len = 0;
    return SILT_OK;
}

static enum silt_status put(struct prom_answer *answer, const char *bytes, size_t len, struct silt_error *err)
{
    enum silt_status rc = SILT_OK;

    answer->results[answer->result_count - 1].bytes += len;
    while (len && rc == SILT_OK) {
        size_t room = SNAPPY_PIECE_BYTES - answer->piece.len, part = len < room ? len : room;
        memcpy(answer->piece.p + answer->piece.len, bytes, part);
        answer->piece.len += part;
        bytes += part;
        len -= part;
        if (answer->piece.len == SNAPPY_PIECE_BYTES)
            rc = pack_piece(answer, err);
    }
    return rc;
}

/* ---------------------------------------------------------------- series */

void prom_answer_result(struct prom_answer *answer)
{
    if (answer->result_count == answer->result_capacity) {
        answer->result_capacity = answer->result_capacity ? 2 * answer->result_capacity : 4;
        answer->results = silt_realloc(answer->results, answer->result_capacity * sizeof(*answer->results));
    }
    answer->results[answer->result_count++] = (struct prom_result){0};
}

void prom_answer_series(struct prom_answer *answer)
{
    answer->labels.len = answer->samples.len = 0;
}

enum silt_status prom_answer_label(struct prom_answer *answer, struct silt_str name, struct silt_str value,
                                   struct silt_error *err)
{
    size_t bytes = 2 + proto_varint_bytes(name.len) + name.len + proto_varint_bytes(value.len) + value.len;
    enum silt_status rc = make_room(answer, &answer->labels, bytes + HEAD_BYTES_MAX, err);

    if (rc != SILT_OK)
        return rc;
    char *to = answer->labels.p + answer->labels.len;
    to = proto_put_varint(proto_put_tag(to, 1, PROTO_BYTES), bytes);
    to = proto_put_bytes(proto_put_bytes(to, 1, name), 2, value);
    answer->labels.len = (size_t)(to - answer->labels.p);
    return SILT_OK;
}

static int64_t floor_ms(silt_time time)
{
    return time / 1000000 - (time % 1000000 < 0);
}

enum silt_status prom_answer_samples(struct prom_answer *answer, const silt_time *times, const double *values,
                                     const uint64_t *valid, uint32_t count, struct silt_error *err)
{
    enum silt_status rc = make_room(answer, &answer->samples, (size_t)count * SAMPLE_BYTES_MAX, err);

    if (rc != SILT_OK)
        return rc;
    char *to = answer->samples.p + answer->samples.len;
    for (uint32_t i = 0; i < count; i++) {
        if (valid && !(valid[i / 64] >> i % 64 & 1))
            continue;
        int64_t ms = floor_ms(times[i]);
        if (to != answer->samples.p && ms == answer->last_ms)
            to = answer->samples.p + answer->last_sample;
        answer->last_sample = (size_t)(to - answer->samples.p);
        answer->last_ms = ms;
        *to++ = 2 << 3 | PROTO_BYTES;
        *to++ = (char)(10 + proto_varint_bytes((uint64_t)ms));
        *to++ = 1 << 3 | PROTO_FIXED64;
        memcpy(to, &values[i], 8);
        to += 8;
        *to++ = 2 << 3 | PROTO_VARINT;
        to = proto_put_varint(to, (uint64_t)ms);
    }
    answer->samples.len = (size_t)(to - answer->samples.p);
    atomic_fetch_add_explicit(&answer->sample_count, count, memory_order_relaxed);
    return SILT_OK;
}

enum silt_status prom_answer_series_end(struct prom_answer *answer, struct silt_error *err)
{
    char head[HEAD_BYTES_MAX];
    size_t bytes = answer->labels.len + answer->samples.len;
    size_t len = (size_t)(proto_put_varint(proto_put_tag(head, 1, PROTO_BYTES), bytes) - head);
    enum silt_status rc = put(answer, head, len, err);

    if (rc == SILT_OK)
        rc = put(answer, answer->labels.p, answer->labels.len, err);
    return rc == SILT_OK ? put(answer, answer->samples.p, answer->samples.len, err) : rc;
}

enum silt_status prom_answer_result_end(struct prom_answer *answer, struct silt_error *err)
{
    enum silt_status rc = pack_piece(answer, err);

    answer->results[answer->result_count - 1].end = answer->packed.len;
    return rc;
}

/* ---------------------------------------------------------------- writing */

static size_t put_head(const struct prom_result *result, char *head)
{
    return (size_t)(proto_put_varint(proto_put_tag(head, 1, PROTO_BYTES), result->bytes) - head);
}

enum silt_status prom_answer_write(const struct prom_answer *answer, struct output *output)
{
    char head[HEAD_BYTES_MAX], length[PROTO_VARINT_BYTES_MAX];
    uint64_t total = 0;
    size_t start = 0;

    for (size_t i = 0; i < answer->result_count; i++)
        total += put_head(&answer->results[i], head) + answer->results[i].bytes;
    enum silt_status rc = output_write(output, length, (size_t)(proto_put_varint(length, total) - length));
    for (size_t i = 0; rc == SILT_OK && i < answer->result_count; i++) {
        const struct prom_result *result = &answer->results[i];
        size_t len = put_head(result, head);
        char literal = (char)((len - 1) << 2);
        if ((rc = output_write(output, &literal, 1)) == SILT_OK && (rc = output_write(output, head, len)) == SILT_OK)
            rc = output_write(output, answer->packed.p + start, result->end - start);
        start = result->end;
    }
    return rc == SILT_OK ? output->flush(output, OUTPUT_LAST) : rc;
}
