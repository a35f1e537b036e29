"""prometheus_wire.py - Prometheus' remote write and read as bytes: snappy blocks and the few protobuf messages, both ways.

    write_request([({"__name__": "up", "job": "a"}, [(1000, 1.0)])])     a body for /api/v1/prom/write
    read_request([(start_ms, end_ms, [("=", "__name__", "up")])])         a body for /api/v1/prom/read
    read_response(body) -> per query a list of (labels, samples)

Labels may be a list of pairs as well, which is sent in that order.
"""
import struct

WRITE_HEADERS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"}
READ_HEADERS = {"Accept-Encoding": "snappy", "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
                "X-Prometheus-Remote-Read-Version": "0.1.0"}
MATCHERS = {"=": 0, "!=": 1, "=~": 2, "!~": 3}


# ---------------------------------------------------------------- snappy

def varint(n):
    n &= 2 ** 64 - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        shift += 7
        if byte < 128:
            return value, at


def snappy(data):
    """A block of literals alone."""
    out = bytearray(varint(len(data)))
    for at in range(0, len(data), 65536):
        piece = data[at:at + 65536]
        out += b"\xf4" + struct.pack("<H", len(piece) - 1) + piece
    return bytes(out)


def unsnappy(data):
    length, at = read_varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            size = tag >> 2
            if size >= 60:
                width = size - 59
                size = int.from_bytes(data[at:at + width], "little")
                at += width
            out += data[at:at + size + 1]
            at += size + 1
            continue
        if tag & 3 == 1:
            size, offset = (tag >> 2 & 7) + 4, tag >> 5 << 8 | data[at]
            at += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            size, offset = (tag >> 2) + 1, int.from_bytes(data[at:at + width], "little")
            at += width
        assert 0 < offset <= len(out), "a copy from before the start"
        for _ in range(size):
            out.append(out[-offset])
    assert len(out) == length, (len(out), length)
    return bytes(out)


# ---------------------------------------------------------------- protobuf

def field(number, data):
    """A field of bytes, text, an integer or a float."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    if isinstance(data, float):
        return varint(number << 3 | 1) + struct.pack("<d", data)
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(data):
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 1:
            value, at = struct.unpack("<d", data[at:at + 8])[0], at + 8
        elif kind == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size
        else:
            raise AssertionError("wire type %d" % kind)
        yield tag >> 3, value


def label_pairs(labels):
    return list(labels.items()) if isinstance(labels, dict) else labels


def series(labels, samples):
    return b"".join(field(1, field(1, k) + field(2, v)) for k, v in label_pairs(labels)) + b"".join(
        field(2, field(1, float(value)) + field(2, int(ms))) for ms, value in samples)


def write_message(items, metadata=()):
    return b"".join(field(1, series(*item)) for item in items) + b"".join(
        field(3, field(1, kind) + field(2, name) + field(4, text)) for kind, name, text in metadata)


def write_request(items, metadata=()):
    return snappy(write_message(items, metadata))


def query_message(start, end, matchers):
    return field(1, int(start)) + field(2, int(end)) + b"".join(
        field(3, field(1, MATCHERS[kind]) + field(2, name) + field(3, value)) for kind, name, value in matchers)


def read_request(queries):
    return snappy(b"".join(field(1, query_message(*query)) for query in queries))


def signed(n):
    return n - 2 ** 64 if n >= 2 ** 63 else n


def read_series(data):
    labels, samples = [], []
    for number, value in fields(data):
        inner = dict(fields(value))
        if number == 1:
            labels.append((inner.get(1, b"").decode("utf-8", "surrogateescape"), inner.get(2, b"").decode("utf-8", "surrogateescape")))
        else:
            samples.append((signed(inner.get(2, 0)), inner.get(1, 0.0)))
    return labels, samples


def read_response(body):
    return [[read_series(one) for number, one in fields(result) if number == 1]
            for number, result in fields(unsnappy(body)) if number == 1]
