"""/query: where parameters may stand, forms of the answer."""
import gzip
import json
import time
import unittest

import live
import wire

SHOW = "SHOW DATABASES"


class Query(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = live.start_siltd()
        cls.server.query("CREATE DATABASE d")
        cls.server.write("".join("m v=%d %d\n" % (i, i * 10**9) for i in range(25000)), db="d")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def ok(self, response):
        self.assertEqual(response.status, 200, response.body)
        return json.loads(response.body)

    def test_where_q_may_stand(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        first = self.ok(self.server.request("GET", "/query", {"q": SHOW}))
        self.assertIn("series", first["results"][0])
        multipart = ('--b\r\nContent-Disposition: form-data; name="q"%s\r\n\r\n' + SHOW + "\r\n--b--\r\n")
        for request in (("POST", "/query", {"q": SHOW}), ("POST", "/query", None, "q=SHOW+DATABASES", form),
                        ("POST", "/query", {"q": "nonsense"}, "q=SHOW%20DATABASES", form),
                        ("POST", "/query", None, "q=SHOW+DATABASES",
                         {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}),
                        ("POST", "/query", None, multipart % "", {"Content-Type": "multipart/form-data; boundary=b"}),
                        ("POST", "/query", None, multipart % '; filename="q.txt"',
                         {"Content-Type": 'multipart/form-data; boundary="b"'})):
            self.assertEqual(self.ok(self.server.request(*request)), first, request)

    def test_missing(self):
        for request in (("GET", "/query"), ("GET", "/query", {"q": ""}), ("GET", "/query", {"q": "  "}),
                        ("GET", "/query?q=SHOW+DATABASES;"),
                        ("GET", "/query?q=%zz"),
                        ("POST", "/query", None, SHOW, {"Content-Type": "application/vnd.influxql"}),
                        ("GET", "/query", None, "q=SHOW+DATABASES",
                         {"Content-Type": "application/x-www-form-urlencoded"})):
            r = self.server.request(*request)
            self.assertEqual((r.status, r.body), (400, b'{"error":"missing required parameter \\"q\\""}\n'), request)

    def test_only_separators(self):
        r = self.server.request("GET", "/query", {"q": ";;"})
        self.assertEqual((r.status, r.body), (200, b"{}\n"))

    def test_bad_params(self):
        for params, text in (("[1]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
                             ("{", "unexpected EOF")):
            r = self.server.request("GET", "/query", {"q": SHOW, "params": params})
            self.assertEqual(r.status, 400)
            self.assertEqual(json.loads(r.body)["error"], "error parsing query parameters: " + text)
        r = self.server.request("GET", "/query", {"q": SHOW, "params": '{"a":1e1}'})
        self.assertEqual(json.loads(r.body)["error"],
                         'error parsing json value: strconv.ParseInt: parsing "1e1": invalid syntax')

    def test_too_many_parameters(self):
        r = self.server.request("POST", "/query", None, "&".join("a=%d" % i for i in range(5000)),
                                {"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(r.status, 400)

    def test_headers(self):
        r = self.server.request("GET", "/query", {"q": SHOW})
        self.assertEqual(r.getheader("Content-Type"), "application/json")
        self.assertIsNone(r.getheader("Content-Length"))
        self.assertTrue(r.getheader("Request-Id"))
        self.assertTrue(r.body.endswith(b"}\n"))

    def test_gzip(self):
        plain = self.server.request("GET", "/query", {"q": "SELECT v FROM m", "db": "d"})
        r = self.server.request("GET", "/query", {"q": "SELECT v FROM m", "db": "d"},
                                headers={"Accept-Encoding": "deflate, gzip"})
        self.assertEqual(r.getheader("Content-Encoding"), "gzip")
        self.assertEqual(gzip.decompress(r.body), plain.body)
        r = self.server.request("GET", "/query", headers={"Accept-Encoding": "gzip"})
        self.assertEqual(r.status, 400)
        self.assertIsNone(r.getheader("Content-Encoding"))

    def test_chunked(self):
        whole = self.ok(self.server.request("GET", "/query", {"q": "SELECT v FROM m", "db": "d"}))
        rows = whole["results"][0]["series"][0]["values"]
        self.assertNotIn("partial", whole["results"][0]["series"][0])
        for size, expected in ((None, 10000), ("777", 777), ("0", 10000), ("x", 10000)):
            params = {"q": "SELECT v FROM m", "db": "d", "chunked": "true"}
            if size:
                params["chunk_size"] = size
            lines = self.server.request("GET", "/query", params).body.decode().splitlines()
            got = []
            for i, line in enumerate(lines):
                result, = json.loads(line)["results"]
                series, = result["series"]
                last = i + 1 == len(lines)
                self.assertEqual((series.get("partial"), result.get("partial")), (None, None) if last else (True, True))
                self.assertEqual(len(series["values"]), (len(rows) - 1) % expected + 1 if last else expected)
                got += series["values"]
            self.assertEqual(got, rows)

    def test_pretty(self):
        r = self.server.request("GET", "/query", {"q": SHOW, "pretty": "true"})
        self.assertTrue(r.body.startswith(b'{\n    "results": [\n        {\n            "statement_id": 0,\n'), r.body)
        plain = self.server.request("GET", "/query", {"q": SHOW, "pretty": "TRUE"})
        self.assertEqual(json.loads(r.body), json.loads(plain.body))
        self.assertTrue(plain.body.startswith(b'{"results":['))

    def test_async(self):
        r = self.server.request("POST", "/query", {"q": SHOW, "async": "true"})
        self.assertEqual((r.status, r.body), (204, b""))

    def test_half_closed_client(self):
        s = wire.connect(self.server.port)
        s.sendall(b"GET /query?q=SHOW+DATABASES HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        s.shutdown(1)
        answer = wire.read_all(s)
        self.assertIn(b'"statement_id":0', answer)
        s.close()

    def test_clients_that_leave(self):
        """Many clients that go away in the middle of an answer do no harm."""
        for _ in range(50):
            s = wire.connect(self.server.port, receive_buffer=4096)
            s.sendall(b"GET /query?db=d&q=SELECT+v+FROM+m HTTP/1.1\r\nHost: x\r\n\r\n")
            s.recv(100)
            s.close()
        start = time.monotonic()
        self.assertEqual(self.server.request("GET", "/query", {"q": SHOW}).status, 200)
        self.assertLess(time.monotonic() - start, 10)


class RowLimit(unittest.TestCase):
    def test_limit(self):
        with live.start_siltd(env={"SILT_HTTP_MAX_ROW_LIMIT": "5"}) as server:
            server.query("CREATE DATABASE d")
            server.write("".join("m v=%d %d\n" % (i, i * 10**9) for i in range(12)), db="d")
            result, = server.query_json("SELECT v FROM m; SHOW DATABASES", db="d")["results"]
            self.assertEqual(len(result["series"][0]["values"]), 5)
            self.assertTrue(result["series"][0]["partial"])
            lines = server.query("SELECT v FROM m", db="d", chunked="true").splitlines()
            self.assertGreater(sum(len(json.loads(x)["results"][0]["series"][0]["values"]) for x in lines), 5)


if __name__ == "__main__":
    unittest.main()
