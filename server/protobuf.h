/*
 * protobuf.h - protocol buffers' wire format, as much of it as messages of a few known fields need.
 *
 *     field = tag varint (number << 3 | wire), then by wire:  0 varint | 1 eight bytes | 2 length varint, bytes | 5 four bytes
 *
 *     struct proto_reader reader = proto_reader_init(message);
 *     while (proto_next(&reader, &field))
 *         if (field.number == 2 && proto_is(&reader, &field, PROTO_BYTES, "Name"))
 *             ...field.bytes
 *     if (reader.fault)
 *         return proto_fault(&reader, err);
 *
 * Nothing is copied, nothing outside the message is read, and a fault ends the walk. Fields that the caller does not know
 * are passed over by not looking at them. Texts of faults are Go's.
 */
#ifndef SERVER_PROTOBUF_H
#define SERVER_PROTOBUF_H

#include "silt/base.h"

enum proto_wire { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 };

enum proto_fault_kind { PROTO_FINE, PROTO_TRUNCATED, PROTO_OVERFLOW, PROTO_BAD_TAG, PROTO_BAD_WIRE, PROTO_OTHER_WIRE };

struct proto_reader {
    const unsigned char *at, *end;
    enum proto_fault_kind fault;
    unsigned wire;    /* at fault */
    const char *name; /* of the field at fault */
};

struct proto_field {
    uint32_t number;
    unsigned wire;
    uint64_t value;        /* of a varint or of fixed bytes; else 0 */
    struct silt_str bytes; /* PROTO_BYTES: borrowed from the message; else empty */
};

#define PROTO_VARINT_BYTES_MAX 10

static inline struct proto_reader proto_reader_init(struct silt_str message)
{
    const unsigned char *start = (const unsigned char *)message.p;

    return (struct proto_reader){.at = start, .end = start + message.len};
}

static inline bool proto_fail(struct proto_reader *reader, enum proto_fault_kind fault, unsigned wire)
{
    reader->fault = fault;
    reader->wire = wire;
    return false;
}

static inline bool proto_varint(struct proto_reader *reader, uint64_t *out)
{
    uint64_t value = 0;

    if (__builtin_expect(reader->at < reader->end && *reader->at < 128, 1)) {
        *out = *reader->at++;
        return true;
    }
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (reader->at == reader->end)
            return proto_fail(reader, PROTO_TRUNCATED, 0);
        unsigned char byte = *reader->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *out = value;
            return true;
        }
    }
    return proto_fail(reader, PROTO_OVERFLOW, 0);
}

static inline bool proto_fixed(struct proto_reader *reader, size_t bytes, uint64_t *out)
{
    if ((size_t)(reader->end - reader->at) < bytes)
        return proto_fail(reader, PROTO_TRUNCATED, 0);
    *out = 0;
    memcpy(out, reader->at, bytes); /* little endian, as this machine */
    reader->at += bytes;
    return true;
}

/* False: the end, or a fault. */
static inline bool proto_next(struct proto_reader *reader, struct proto_field *field)
{
    uint64_t tag, len;

    if (reader->at == reader->end || !proto_varint(reader, &tag))
        return false;
    field->wire = tag & 7;
    if (tag >> 3 == 0 || tag >> 3 > INT32_MAX)
        return proto_fail(reader, PROTO_BAD_TAG, field->wire);
    field->number = (uint32_t)(tag >> 3);
    field->value = 0;
    field->bytes = (struct silt_str){NULL, 0};
    switch (field->wire) {
    case PROTO_VARINT:
        return proto_varint(reader, &field->value);
    case PROTO_FIXED64:
        return proto_fixed(reader, 8, &field->value);
    case PROTO_FIXED32:
        return proto_fixed(reader, 4, &field->value);
    case PROTO_BYTES:
        if (!proto_varint(reader, &len))
            return false;
        if (len > (size_t)(reader->end - reader->at))
            return proto_fail(reader, PROTO_TRUNCATED, 0);
        field->bytes = (struct silt_str){(const char *)reader->at, (size_t)len};
        reader->at += len;
        return true;
    default:
        return proto_fail(reader, PROTO_BAD_WIRE, field->wire);
    }
}

/* Whether the field is of the wire that its number asks for; else that is the fault. */
static inline bool proto_is(struct proto_reader *reader, const struct proto_field *field, enum proto_wire wire,
                            const char *name)
{
    if (field->wire == wire)
        return true;
    reader->name = name;
    reader->at = reader->end;
    return proto_fail(reader, PROTO_OTHER_WIRE, field->wire);
}

/* What went wrong in a message within the reader's own ends that walk, too. False: something did. */
static inline bool proto_inner(struct proto_reader *reader, const struct proto_reader *inner)
{
    if (!inner->fault)
        return true;
    *reader = *inner;
    reader->at = reader->end;
    return false;
}

static inline double proto_double(const struct proto_field *field)
{
    union silt_value value = {.u64 = field->value};

    return value.f64;
}

/* Of a reader that met one: SILT_INVALID. */
enum silt_status proto_fault(const struct proto_reader *reader, struct silt_error *err);

/* ---------------------------------------------------------------- writing */

static inline size_t proto_varint_bytes(uint64_t value)
{
    return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

/* Each returns where it ended; there is room. */
static inline char *proto_put_varint(char *to, uint64_t value)
{
    for (; value > 127; value >>= 7)
        *to++ = (char)(value | 128);
    *to++ = (char)value;
    return to;
}

static inline char *proto_put_tag(char *to, uint32_t number, enum proto_wire wire)
{
    return proto_put_varint(to, (uint64_t)number << 3 | wire);
}

static inline char *proto_put_bytes(char *to, uint32_t number, struct silt_str bytes)
{
    to = proto_put_varint(proto_put_tag(to, number, PROTO_BYTES), bytes.len);
    return bytes.len ? (char *)memcpy(to, bytes.p, bytes.len) + bytes.len : to;
}

#endif
