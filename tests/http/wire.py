"""wire.py - raw sockets for tests that http.client is too polite for."""
import socket
import time


def connect(port, receive_buffer=None, timeout=30):
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(timeout)
    s.connect(("127.0.0.1", port))
    return s


def read_all(s):
    """What comes until the other side ends; what came before a reset counts too."""
    data = b""
    while True:
        try:
            part = s.recv(65536)
        except ConnectionError:
            return data
        if not part:
            return data
        data += part


def read_responses(s, count):
    """`count` responses with Content-Length or without a body (204), as (status, headers, body)."""
    data, out = b"", []
    while len(out) < count:
        while b"\r\n\r\n" not in data:
            part = s.recv(65536)
            if not part:
                return out
            data += part
        head, data = data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        while len(data) < length:
            part = s.recv(65536)
            if not part:
                return out
            data += part
        out.append((int(lines[0].split()[1]), headers, data[:length]))
        data = data[length:]
    return out


def closed_within(s, seconds):
    """Seconds until the other side ended the connection, None if it did not in time."""
    start = time.monotonic()
    s.settimeout(0.1)
    while time.monotonic() - start < seconds:
        try:
            if not s.recv(65536):
                return time.monotonic() - start
        except socket.timeout:
            continue
        except ConnectionError:
            return time.monotonic() - start
    return None
