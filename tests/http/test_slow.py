"""Clients that crawl, stall, idle or come in too great a number."""
import json
import time
import unittest

import live
import wire


class Slow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = live.start_siltd(env={"SILT_HTTP_IDLE_TIMEOUT": "2s", "SILT_HTTP_HEADER_TIMEOUT": "1s",
                                           "SILT_HTTP_STALL_TIMEOUT": "2s", "SILT_HTTP_REQUEST_TIMEOUT": "6s"})
        cls.server.query("CREATE DATABASE d")
        for part in range(10):
            lines = "".join("m v=%d %d\n" % (i, i * 10**9) for i in range(part * 30000, part * 30000 + 30000))
            cls.server.write(lines, db="d")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def test_idle(self):
        s = wire.connect(self.server.port)
        s.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        wire.read_responses(s, 1)
        took = wire.closed_within(s, 8)
        self.assertIsNotNone(took)
        self.assertGreater(took, 1)

    def test_never_sends(self):
        s = wire.connect(self.server.port)
        self.assertIsNotNone(wire.closed_within(s, 8))

    def test_not_idle(self):
        s = wire.connect(self.server.port)
        for _ in range(8):
            s.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(wire.read_responses(s, 1)[0][0], 204)
            time.sleep(0.5)
        s.close()

    def test_header_by_drops(self):
        s = wire.connect(self.server.port)
        start = time.monotonic()
        s.settimeout(0.2)
        closed = None
        for byte in b"GET /ping HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 100:
            try:
                s.sendall(bytes([byte]))
                time.sleep(0.1)
                s.setblocking(False)
                if s.recv(100) == b"":
                    closed = time.monotonic() - start
                    break
            except BlockingIOError:
                s.settimeout(0.2)
            except ConnectionError:
                closed = time.monotonic() - start
                break
        self.assertIsNotNone(closed)
        self.assertLess(closed, 4)

    def test_body_stalls(self):
        s = wire.connect(self.server.port)
        s.sendall(b"POST /write?db=d HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nm v=1")
        took = wire.closed_within(s, 8)
        self.assertIsNotNone(took)
        self.assertGreater(took, 1)

    def test_body_steady(self):
        """Longer than the stall limit, but with progress."""
        s = wire.connect(self.server.port)
        body = b"m v=1 1\n" * 40
        s.sendall(b"POST /write?db=d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        for i in range(0, len(body), 8):
            s.sendall(body[i:i + 8])
            time.sleep(0.1)
        self.assertEqual(wire.read_responses(s, 1)[0][0], 204)
        s.close()

    def test_body_for_ever(self):
        s = wire.connect(self.server.port)
        s.sendall(b"POST /write?db=d HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        start = time.monotonic()
        s.settimeout(0.2)
        with self.assertRaises(ConnectionError):
            while time.monotonic() - start < 12:
                s.sendall(b"#")
                time.sleep(0.25)
        self.assertGreater(time.monotonic() - start, 4)

    def wait_until_cut(self):
        """Until the server has no connection but the one that asks, however long it takes to get to the end of its patience."""
        end = time.monotonic() + 120
        while "\nsilt_http_connections 1\n" not in self.server.request("GET", "/metrics").body.decode():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)

    def test_reader_stalls(self):
        """A client that does not read is cut; until then it holds nobody up."""
        readers = []
        for _ in range(20):
            s = wire.connect(self.server.port, receive_buffer=4096)
            s.sendall(b"GET /query?db=d&q=SELECT+v+FROM+m HTTP/1.1\r\nHost: x\r\n\r\n")
            readers.append(s)
        time.sleep(0.5)
        self.assertEqual(self.server.request("GET", "/ping", timeout=5).status, 204)
        self.assertEqual(self.server.write("m v=1 1", db="d").status, 204)
        self.wait_until_cut()
        for s in readers:
            data = wire.read_all(s)
            self.assertNotIn(b"\r\n0\r\n\r\n", data[-10:])
            self.assertLess(len(data), 8 << 20)
            s.close()
        self.assertEqual(self.server.request("GET", "/query", {"q": "SHOW DATABASES"}, timeout=10).status, 200)

    def test_memory_of_stalled_readers(self):
        """An answer that nobody takes waits where it is made, in a bounded buffer or, as MessagePack, in a file.

        The column is read whole, and merged where points came late; twenty copies of it make the answers far longer than that.
        """
        accepts = ["application/json", "text/csv", "application/x-msgpack"]
        query = "SELECT " + ", ".join("v AS v%d" % i for i in range(20)) + " FROM m"
        whole = len(self.server.request("GET", "/query", {"q": query, "db": "d"}).body)
        before = self.server.memory()
        readers = []
        for i in range(12):
            s = wire.connect(self.server.port, receive_buffer=4096)
            s.sendall(b"GET /query?db=d&q=%s HTTP/1.1\r\nHost: x\r\nAccept: %s\r\n\r\n"
                      % (query.replace(" ", "+").encode(), accepts[i % 3].encode()))
            readers.append(s)
        time.sleep(1.5)
        grown = self.server.memory() - before
        for s in readers:
            s.close()
        self.assertGreater(12 * whole, 500 << 20)
        self.assertLess(grown, 250 << 20)

    def test_reader_crawls(self):
        """A slow reader that does read gets everything."""
        s = wire.connect(self.server.port, receive_buffer=65536)
        s.sendall(b"GET /query?db=d&q=SELECT+v+FROM+m HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = bytearray()
        start = time.monotonic()
        while True:
            part = s.recv(65536)
            if not part:
                break
            data += part
            if time.monotonic() - start < 4:
                time.sleep(0.05)
        s.close()
        self.assertTrue(data.endswith(b"\r\n0\r\n\r\n"))


class Connections(unittest.TestCase):
    def test_cap(self):
        """More than allowed wait for their turn."""
        with live.start_siltd(env={"SILT_HTTP_MAX_CONNECTIONS": "10", "SILT_HTTP_LOOPS": "1"}) as server:
            held = [wire.connect(server.port) for _ in range(10)]
            time.sleep(0.3)
            waiting = wire.connect(server.port)
            waiting.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIsNone(wire.closed_within(waiting, 1))
            for s in held:
                s.close()
            waiting.settimeout(5)
            self.assertEqual(wire.read_responses(waiting, 1)[0][0], 204)
            waiting.close()

    def test_query_queue(self):
        """Queries beyond the queue are refused with a hint when to come again."""
        with live.start_siltd(env={"SILT_QUERY_WORKERS": "1", "SILT_QUERY_MAX_QUEUED": "2", "SILT_QUERY_MAX_STALLED": "0"}) as server:
            server.query("CREATE DATABASE d")
            for part in range(10):
                server.write("".join("m v=%d %d\n" % (i, i * 10**9) for i in range(part * 30000, part * 30000 + 30000)),
                             db="d")
            readers = []
            for _ in range(3):
                s = wire.connect(server.port, receive_buffer=4096)
                s.sendall(b"GET /query?db=d&q=SELECT+v+FROM+m HTTP/1.1\r\nHost: x\r\n\r\n")
                readers.append(s)
                time.sleep(0.3)
            r = server.request("GET", "/query", {"q": "SHOW DATABASES"})
            self.assertEqual(r.status, 503)
            self.assertTrue(r.getheader("Retry-After"))
            self.assertIn("error", json.loads(r.body))
            for s in readers:
                s.close()
            for _ in range(50):
                if server.request("GET", "/query", {"q": "SHOW DATABASES"}).status == 200:
                    break
                time.sleep(0.2)
            else:
                self.fail("the queue did not empty")


if __name__ == "__main__":
    unittest.main()
