"""collectd's binary network protocol, made by hand: parts, values, signed and encrypted packets.

    part    type(2) length(2, with these four) payload
    values  count(2) kind(1 each) value(8 each: big endian, but gauges little endian)
"""
import hashlib
import hmac
import os
import struct
import subprocess

HOST, TIME, PLUGIN, PLUGIN_INSTANCE, TYPE, TYPE_INSTANCE, VALUES, INTERVAL, TIME_HR, INTERVAL_HR = range(10)
SIGNED, ENCRYPTED = 0x0200, 0x0210
COUNTER, GAUGE, DERIVE, ABSOLUTE = range(4)


def part(kind, payload):
    return struct.pack(">HH", kind, 4 + len(payload)) + payload


def text(kind, value):
    return part(kind, (value if isinstance(value, bytes) else value.encode()) + b"\0")


def number(kind, value):
    return part(kind, struct.pack(">Q", value))


def values(*list_):
    """Of pairs: kind and number."""
    form = {COUNTER: ">Q", GAUGE: "<d", DERIVE: ">q", ABSOLUTE: ">Q"}
    return part(VALUES, struct.pack(">H", len(list_)) + bytes(kind for kind, _ in list_) +
                b"".join(struct.pack(form.get(kind, ">Q"), value) for kind, value in list_))


def high_resolution(seconds, nanoseconds=0):
    return (seconds << 30) + ((nanoseconds << 30) + 500000000) // 1000000000


def signed(packet, user, password):
    mac = hmac.new(password.encode(), user.encode() + packet, hashlib.sha256).digest()
    return part(SIGNED, mac + user.encode()) + packet


def encrypted(packet, user, password, iv=None):
    iv = iv or os.urandom(16)
    plain = hashlib.sha1(packet).digest() + packet
    cipher = subprocess.run(["openssl", "enc", "-aes-256-ofb", "-K", hashlib.sha256(password.encode()).hexdigest(),
                             "-iv", iv.hex()], input=plain, stdout=subprocess.PIPE, check=True).stdout
    return part(ENCRYPTED, struct.pack(">H", len(user)) + user.encode() + iv + cipher)


def value_list(host="h", plugin="cpu", plugin_instance="", type_="gauge", type_instance="", time=None, interval=10,
               list_=((GAUGE, 1.0),)):
    """A packet with one list of values, as collectd sends it."""
    return (text(HOST, host) + (number(TIME_HR, time) if time is not None else b"") +
            number(INTERVAL_HR, interval << 30) + text(PLUGIN, plugin) + text(PLUGIN_INSTANCE, plugin_instance) +
            text(TYPE, type_) + text(TYPE_INSTANCE, type_instance) + values(*list_))
