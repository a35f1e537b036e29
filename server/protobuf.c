/*
 * protobuf.c - see protobuf.h.
 */
#include "server/protobuf.h"

enum silt_status proto_fault(const struct proto_reader *reader, struct silt_error *err)
{
    switch (reader->fault) {
    case PROTO_OVERFLOW:
        return silt_fail(err, SILT_INVALID, "proto: integer overflow");
    case PROTO_BAD_TAG:
        return silt_fail(err, SILT_INVALID, "proto: illegal tag (wire type %u)", reader->wire);
    case PROTO_BAD_WIRE:
        return silt_fail(err, SILT_INVALID, "proto: illegal wireType %u", reader->wire);
    case PROTO_OTHER_WIRE:
        return silt_fail(err, SILT_INVALID, "proto: wrong wireType = %u for field %s", reader->wire, reader->name);
    default:
        return silt_fail(err, SILT_INVALID, "unexpected EOF");
    }
}
