"""What no honest client sends: heads, bodies and lengths that are wrong, huge or ambiguous, and bombs. Each is answered as InfluxDB
answers it, or with 400, or the connection ends; then the server is as well, and as small, as before."""
import gzip
import http.client
import socket
import threading
import time
import unittest
import zlib

import live
import wire

PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n"
WRITE = b"POST /write?db=d HTTP/1.1\r\nHost: x\r\n"
CHUNKED = WRITE + b"Transfer-Encoding: chunked\r\n\r\n"
POINT = b"m v=1 1"
CHUNKS = b"7\r\n" + POINT + b"\r\n0\r\n\r\n"
PACKED = gzip.compress(POINT + b"\n")
BOMB = gzip.compress(bytes(300 << 20))


def packed(body):
    return WRITE + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def sized(body):
    return WRITE + b"Content-Length: %d\r\n\r\n" % len(body) + body


# What is sent, and the status of the answer. A tuple: any of these; None: the connection ends without one.
HEADS = {
    "99 headers": (PING + b"".join(b"H%d: x\r\n" % i for i in range(98)) + b"\r\n", 204),
    "thousands of headers": (PING + b"".join(b"H%d: x\r\n" % i for i in range(5000)) + b"\r\n", 400),
    "a header of 60 KB": (PING + b"A: " + b"x" * 60000 + b"\r\n\r\n", 204),
    "a header of 300 KB": (PING + b"A: " + b"x" * 300000 + b"\r\n\r\n", 431),
    "a header of 2 MB": (PING + b"A: " + b"x" * 2000000 + b"\r\n\r\n", 400),
    "a URL of 200 KB": (b"GET /ping?a=" + b"x" * 200000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 204),
    "a URL of 2 MB": (b"GET /ping?a=" + b"x" * 2000000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a method of 5 KB": (b"G" * 5000 + b" /ping HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "no Host": (b"GET /ping HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET /ping HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n", 400),
    "a Host that is none": (b"GET /ping HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "an empty Host": (b"GET /ping HTTP/1.1\r\nHost:\r\n\r\n", 204),
    "no Host in HTTP/1.0": (b"GET /ping HTTP/1.0\r\n\r\n", 204),
    "HTTP/0.9": (b"GET /ping\r\n\r\n", 400),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(50), 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x5a" * 600, 400),
    "lines that end in LF": (b"GET /ping HTTP/1.1\nHost: x\n\n", 204),
    "lines that end in CR": (b"GET /ping HTTP/1.1\rHost: x\r\r", 400),
    "NUL in a header": (PING + b"A: a\0b\r\n\r\n", 400),
    "a blank in a header's name": (PING + b"A B: c\r\n\r\n", 400),
    "a blank before the colon": (WRITE + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS, 400),
    "no colon": (PING + b"nothing\r\n\r\n", 400),
    "NUL in the path": (b"GET /pi\0ng HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "NUL in the path, written out": (b"GET /pi%00ng HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "up and out": (b"GET /../../ping HTTP/1.1\r\nHost: x\r\n\r\n", (404, 204)),
    "CONNECT": (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "as a proxy is asked": (b"GET http://x:8086/ping?a=b HTTP/1.1\r\nHost: x\r\n\r\n", 204),
    "as a proxy is asked, a query": (b"GET http://x:8086/query?q=SHOW+DATABASES HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
    "as a proxy is asked, no path": (b"GET http://x:8086 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "an expectation": (WRITE + b"Expect: 200-ok\r\nContent-Length: 7\r\n\r\n" + POINT, 417),
    "100-continue, too large": (WRITE + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", 413),
}

LENGTHS = {
    "two that are the same": (WRITE + b"Content-Length: 7\r\nContent-Length: 7\r\n\r\n" + POINT, 204),
    "two that differ": (WRITE + b"Content-Length: 7\r\nContent-Length: 9\r\n\r\n" + POINT, 400),
    "none and one": (WRITE + b"Content-Length: 0\r\nContent-Length: 7\r\n\r\n" + POINT, 400),
    "one and none": (WRITE + b"Content-Length: 7\r\nContent-Length: 0\r\n\r\n" + POINT, 400),
    "a list": (WRITE + b"Content-Length: 7, 7\r\n\r\n" + POINT, 400),
    "negative": (WRITE + b"Content-Length: -7\r\n\r\n" + POINT, 400),
    "with a plus": (WRITE + b"Content-Length: +7\r\n\r\n" + POINT, 400),
    "hexadecimal": (WRITE + b"Content-Length: 0x7\r\n\r\n" + POINT, 400),
    "empty": (WRITE + b"Content-Length: \r\n\r\n" + POINT, 400),
    "beyond 64 bits": (WRITE + b"Content-Length: 99999999999999999999999\r\n\r\n" + POINT, 400),
    "too large": (WRITE + b"Content-Length: 9223372036854775807\r\n\r\n" + POINT, 413),
    "chunks and a length": (WRITE + b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, 204),
    "chunked twice": (WRITE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, 400),
    "chunked and another": (WRITE + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + CHUNKS, 400),
    "another first": (WRITE + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS, 400),
    "nearly chunked": (WRITE + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS, 400),
    "chunked by a tab": (WRITE + b"Transfer-Encoding:\tchunked\r\n\r\n" + CHUNKS, 204),
    "chunked by a vertical tab": (WRITE + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKS, 400),
    "no hexadecimal size": (CHUNKED + b"zz\r\n" + POINT + b"\r\n0\r\n\r\n", 400),
    "a negative size": (CHUNKED + b"-5\r\n" + POINT + b"\r\n0\r\n\r\n", 400),
    "no size": (CHUNKED + b"\r\n" + POINT + b"\r\n0\r\n\r\n", 400),
    "a size beyond 64 bits": (CHUNKED + b"fffffffffffffffff\r\n" + POINT, 400),
    "a size of 2^64-1 and an end": (CHUNKED + b"ffffffffffffffff\r\n" + POINT, None),
    "a chunk longer than its size": (CHUNKED + b"7\r\n" + POINT + b"X\r\n0\r\n\r\n", 400),
    "extensions": (CHUNKED + b"7;a=b\r\n" + POINT + b"\r\n0\r\n\r\n", 204),
    "trailers": (CHUNKED + b"7\r\n" + POINT + b"\r\n0\r\nA: b\r\nContent-Length: 5\r\n\r\n", 204),
    "no end": (CHUNKED + b"7\r\n" + POINT + b"\r\n", None),
    "shorter than told": (WRITE + b"Content-Length: 100\r\n\r\n" + POINT, None),
}

PACKAGES = {
    "whole": (packed(PACKED), 204),
    "truncated": (packed(PACKED[:-6]), 400),
    "half of it": (packed(PACKED[:12]), 400),
    "bytes behind it": (packed(PACKED + b"trailing bytes here"), 400),
    "NUL bytes behind it": (packed(PACKED + bytes(20)), 400),
    "wrong checksum": (packed(PACKED[:-8] + b"\1\2\3\4" + PACKED[-4:]), 400),
    "wrong length": (packed(PACKED[:-4] + b"\1\2\3\4"), 400),
    "two members": (packed(PACKED + PACKED), 204),
    "half a member behind it": (packed(PACKED + PACKED[:10]), 400),
    "nested": (packed(gzip.compress(PACKED)), 400),
    "a nested bomb": (packed(gzip.compress(BOMB)), 400),
    "zlib": (packed(zlib.compress(POINT)), 400),
    "nothing packed": (packed(POINT), 400),
    "nothing": (packed(b""), 400),
}


def exchange(port, data):
    """What is answered to these bytes and the end of what is sent."""
    s = wire.connect(port, timeout=60)
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it has been answered, and the connection ended, before all was sent
    try:
        return wire.read_all(s)
    finally:
        s.close()


def statuses(answer):
    return [int(head.split()[1]) for head in answer.split(b"\r\n") if head.startswith(b"HTTP/1.")]


class Unclosed:
    """A file that http.client cannot close when it has read a response."""

    def __init__(self, file):
        self.read, self.readline, self.readinto, self.flush, self.close = file.read, file.readline, file.readinto, lambda: None, lambda: None


class Abuse(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = live.start_siltd(env={"SILT_HTTP_MAX_INFLATED_SIZE": "64m"})
        cls.server.query("CREATE DATABASE d")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def well(self):
        self.assertIsNone(self.server.process.poll())
        self.assertEqual(self.server.request("GET", "/ping").status, 204)
        self.assertEqual(self.server.write("well v=1 1", db="d").status, 204)

    def check(self, table):
        for name, (data, wanted) in table.items():
            with self.subTest(name):
                got = (statuses(exchange(self.server.port, data)) or [None])[-1]
                self.assertIn(got, wanted if isinstance(wanted, tuple) else (wanted,))
        self.well()

    def test_heads(self):
        self.check(HEADS)

    def test_lengths(self):
        self.check(LENGTHS)

    def test_packages(self):
        self.check(PACKAGES)

    def test_smuggling(self):
        """Whatever is made of a body of doubtful length, what lies in it is not answered as a request."""
        inner = b"GET /query?q=CREATE+DATABASE+smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        doubts = [b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(inner), b"Content-Length: %d\r\nContent-Length: 0\r\n\r\n" % len(inner),
                  b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (len(inner) + 5),
                  b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n" % (len(inner) + 5),
                  b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"]
        for doubt in doubts:
            self.assertEqual(len(statuses(exchange(self.server.port, WRITE + doubt + inner))), 1, doubt)
        self.assertNotIn("smuggled", self.server.query("SHOW DATABASES"))

    def test_bombs(self):
        """Eight at once, 300 MB each of 300 KB: refused at the bound, with the memory that is allowed."""
        before, answers = self.server.memory(), []

        def drop():
            answers.append(statuses(exchange(self.server.port, packed(BOMB)))[0])

        threads = [threading.Thread(target=drop) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [413] * 8)
        self.assertLess(self.server.memory("VmHWM") - before, 8 * (65 << 20))
        self.well()

    def test_endless(self):
        """Trailers and extensions of chunks are read over, not kept."""
        before = self.server.memory()
        for start, more in ((CHUNKED + b"7;", b"a" * (1 << 20)), (CHUNKED + b"7\r\n" + POINT + b"\r\n0\r\n", b"A: bcdefgh\r\n" * 90000)):
            s = wire.connect(self.server.port)
            s.sendall(start)
            try:
                for _ in range(100):
                    s.sendall(more)
            except OSError:
                pass  # refused: fine
            s.close()
        self.assertLess(self.server.memory() - before, 64 << 20)
        self.well()

    def test_pipelined(self):
        """Writes and queries, good and bad, in one piece: answered one after the other, each seeing what the ones before it wrote."""
        requests, wanted = [], []
        for i in range(40):
            query = b"GET /query?db=d&q=SELECT+count(v)+FROM+piped HTTP/1.1\r\nHost: x\r\n\r\n"
            requests += [sized(b"piped v=1 %d" % i), query, sized(b"not a line"), PING + b"\r\n", b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
                         b"GET /query?q=SELEC HTTP/1.1\r\nHost: x\r\n\r\n", packed(b"no gzip")]
            wanted += [204, i + 1, 400, 204, 404, 400, 400]
        s = wire.connect(self.server.port)
        sender = threading.Thread(target=s.sendall, args=(b"".join(requests),))
        sender.start()
        reader = Unclosed(s.makefile("rb"))
        for number, want in enumerate(wanted):
            response = http.client.HTTPResponse(s)
            response.fp = reader  # one for all: it may hold the next one's beginning
            response.begin()
            body = response.read()
            if number % 7 == 1:
                self.assertIn(b'"values":[["1970-01-01T00:00:00Z",%d]]' % want, body)
            else:
                self.assertEqual(response.status, want, number)
        sender.join()
        s.close()

    def test_half_closed(self):
        """Who sends no more still gets the answer, however long it is."""
        lines = "".join("half v=%d %d\n" % (i, i) for i in range(50000))
        self.assertEqual(self.server.write(lines, db="d").status, 204)
        answer = exchange(self.server.port, b"GET /query?db=d&q=SELECT+v+FROM+half HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"))
        self.assertTrue(answer.endswith(b"\r\n0\r\n\r\n"))

    def test_vanishing(self):
        """Clients that go away in the middle of a large answer, or of their own body, in every way."""
        lines = "".join("gone v=%d %d\n" % (i, i) for i in range(50000))
        self.assertEqual(self.server.write(lines, db="d").status, 204)
        for i in range(60):
            s = wire.connect(self.server.port, receive_buffer=4096)
            if i % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            if i % 3:
                s.sendall(b"GET /query?db=d&q=SELECT+v+FROM+gone HTTP/1.1\r\nHost: x\r\n\r\n")
                if i % 3 == 1:
                    s.recv(1000)
            else:
                s.sendall(WRITE + b"Content-Length: 1000000\r\n\r\nm v=")
            s.close()
        deadline = time.monotonic() + 60
        while "SELECT" in self.server.query("SHOW QUERIES") and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertNotIn("SELECT", self.server.query("SHOW QUERIES"))
        self.well()

    def test_drops(self):
        """A hundred heads and bodies that come a byte at a time are served, and others meanwhile."""
        data = sized(POINT)
        sockets = [wire.connect(self.server.port) for _ in range(100)]
        for i in range(len(data)):
            for s in sockets:
                s.send(data[i:i + 1])
            if i % 16 == 0:
                self.well()
        for s in sockets:
            self.assertEqual(wire.read_responses(s, 1)[0][0], 204)
            s.close()


if __name__ == "__main__":
    unittest.main()
