"""POST /write: parameters, encodings, limits, texts."""
import gzip
import http.client
import json
import unittest
import zlib

import live
import wire

BODY_MAX = 200000


class Write(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = live.start_siltd(env={"SILT_HTTP_MAX_BODY_SIZE": str(BODY_MAX),
                                           "SILT_HTTP_MAX_INFLATED_SIZE": "1m"})
        cls.server.query("CREATE DATABASE d")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def error(self, response):
        self.assertEqual(response.getheader("Content-Type"), "application/json")
        text = json.loads(response.body)["error"]
        if "\n" not in text:
            self.assertEqual(response.getheader("X-Influxdb-Error"), text[:1024])
        return response.status, text

    def test_written(self):
        for body in ("m v=1 1", "m v=1 1\n", "", "# comment\n\n", " m v=1 1\n\n m v=2 2"):
            r = self.server.write(body, db="d")
            self.assertEqual((r.status, r.body), (204, b""), body)
            self.assertEqual(r.getheader("Content-Type"), "application/json")

    def test_parameters(self):
        self.assertEqual(self.error(self.server.write("m v=1 1")), (400, "database is required"))
        self.assertEqual(self.error(self.server.write("m v=1 1", db="")), (400, "database is required"))
        self.assertEqual(self.error(self.server.write("m v=1 1", db="nodb")), (404, 'database not found: "nodb"'))
        self.assertEqual(self.error(self.server.write("bad", db="nodb")), (404, 'database not found: "nodb"'))
        self.assertEqual(self.error(self.server.write("m v=1 1", db="d", rp="norp")),
                         (500, "retention policy not found: norp"))
        self.assertEqual(self.error(self.server.write("m v=1 1", db="d", consistency="most")),
                         (400, "invalid consistency level"))
        for extra in ({"rp": ""}, {"rp": "autogen"}, {"consistency": "ALL"}, {"consistency": ""}, {"precision": "d"},
                      {"precision": "us"}, {"precision": "ms"}, {"u": "root", "p": "root"}, {"unknown": "1"}):
            self.assertEqual(self.server.write("m v=1 1", db="d", **extra).status, 204, extra)

    def test_form_type_is_no_form(self):
        r = self.server.request("POST", "/write", {"db": "d"}, b"m v=1 1",
                                {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(r.status, 204)

    def test_malformed(self):
        self.assertEqual(self.error(self.server.write("bad", db="d")), (400, "unable to parse 'bad': missing fields"))
        self.assertEqual(self.error(self.server.write("good v=1 1\nbad\ngood v=2 2\nbad v=\n", db="d")),
                         (400, "partial write: unable to parse 'bad': missing fields\n"
                               "unable to parse 'bad v=': missing field value dropped=0"))

    def test_gzip(self):
        self.assertEqual(self.gzip(gzip.compress(b"m v=1 1\n")).status, 204)
        self.assertEqual(self.gzip(gzip.compress(b"m v=1 1\n") + gzip.compress(b"m v=2 2\n")).status, 204)
        self.assertEqual(self.error(self.gzip(b"m v=1 1\n")), (400, "gzip: invalid header"))
        self.assertEqual(self.error(self.gzip(gzip.compress(b"m v=1 1\n" * 100)[:-9])), (400, "unexpected EOF"))
        damaged = bytearray(gzip.compress(b"m v=1 1\n" * 100))
        damaged[-6] ^= 1
        self.assertEqual(self.error(self.gzip(bytes(damaged)))[0], 400)

    def test_gzip_bomb(self):
        status, text = self.error(self.gzip(gzip.compress(b" " * (64 << 20))))
        self.assertEqual(status, 413)
        self.assertIn("1048576", text)

    def gzip(self, body):
        return self.server.request("POST", "/write", {"db": "d"}, body, {"Content-Encoding": "gzip"})

    def test_many_lines(self):
        lines = b"".join(b"many,host=h%d v=%di %d\n" % (i % 50, i, i) for i in range(6000))
        self.assertLess(len(lines), BODY_MAX)
        self.assertEqual(self.server.write(lines.decode(), db="d").status, 204)
        packed = gzip.compress(lines * 5)
        self.assertEqual(self.gzip(packed).status, 204)

    def test_chunked_body(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        for encoding, body in ((None, b"m v=1 1\nm v=2 2\n"), ("gzip", gzip.compress(b"m v=1 1\nm v=2 2\n"))):
            headers = {"Content-Encoding": encoding} if encoding else {}
            parts = [body[i:i + 7] for i in range(0, len(body), 7)]
            connection.request("POST", "/write?db=d", iter(parts), headers, encode_chunked=True)
            response = connection.getresponse()
            response.read()
            self.assertEqual(response.status, 204)
        connection.close()

    def test_too_large_by_length(self):
        """Refused, and the client gets to read the answer although it goes on sending."""
        for size in (BODY_MAX + 1, BODY_MAX + 2, 8 << 20):
            s = wire.connect(self.server.port)
            s.sendall(b"POST /write?db=d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
            s.sendall(b" " * size)
            (status, headers, body), = wire.read_responses(s, 1)
            self.assertEqual((status, body), (413, b'{"error":"Request Entity Too Large"}\n'), size)
            self.assertEqual(headers["content-type"], "application/json")
            s.close()

    def test_too_large_chunked(self):
        s = wire.connect(self.server.port)
        s.sendall(b"POST /write?db=d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(64):
            s.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        s.sendall(b"0\r\n\r\n")
        (status, _, body), = wire.read_responses(s, 1)
        self.assertEqual((status, body), (413, b'{"error":"Request Entity Too Large"}\n'))
        s.close()

    def test_exactly_the_limit(self):
        body = b"m v=1 1" + b"\n" * (BODY_MAX - 7)
        self.assertEqual(self.server.write(body.decode(), db="d").status, 204)
        s = wire.connect(self.server.port)
        s.sendall(b"POST /write?db=d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % BODY_MAX)
        s.sendall(body + b"\r\n0\r\n\r\n")
        self.assertEqual(wire.read_responses(s, 1)[0][0], 204)
        s.close()

    def test_expect_continue(self):
        s = wire.connect(self.server.port)
        s.sendall(b"POST /write?db=d HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n")
        self.assertTrue(s.recv(1000).startswith(b"HTTP/1.1 100"))
        s.sendall(b"m v=1 1")
        self.assertEqual(wire.read_responses(s, 1)[0][0], 204)
        s.close()

    def test_pipelined(self):
        one = b"POST /write?db=d HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nm v=1 1"
        bad = b"POST /write?db=nodb HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nm v=1 1"
        ping = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
        s = wire.connect(self.server.port)
        s.sendall((one + bad + ping) * 20)
        statuses = [r[0] for r in wire.read_responses(s, 60)]
        self.assertEqual(statuses, [204, 404, 204] * 20)
        s.close()

    def test_garbage(self):
        for garbage in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"POST /write?db=d HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", zlib.compress(b"x" * 1000)):
            s = wire.connect(self.server.port, timeout=5)
            s.sendall(garbage)
            s.shutdown(1)
            answer = wire.read_all(s)
            self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:80])
            s.close()
        self.assertEqual(self.server.request("GET", "/ping").status, 204)


if __name__ == "__main__":
    unittest.main()
