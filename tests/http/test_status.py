"""Routes, methods and the headers of every answer."""
import json
import re
import unittest

import live


class Status(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = live.start_siltd()

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def test_ping(self):
        for method in ("GET", "HEAD"):
            for path in ("/ping", "/ping?wait_for_leader=2s", "/ping?verbose=0", "/ping?verbose=false", "/status"):
                r = self.server.request(method, path)
                self.assertEqual((r.status, r.body), (204, b""), (method, path))
                self.assertEqual(r.getheader("X-Influxdb-Build"), "OSS")
                self.assertRegex(r.getheader("X-Influxdb-Version"), r"^1\.8\.\d+$")
                self.assertTrue(r.getheader("X-Silt-Version"))
                self.assertTrue(r.getheader("Date"))
                self.assertIsNone(r.getheader("Content-Length"))

    def test_ping_verbose(self):
        r = self.server.request("GET", "/ping?verbose=true")
        self.assertEqual(r.status, 200)
        self.assertEqual(json.loads(r.body)["version"], r.getheader("X-Influxdb-Version"))

    def test_health(self):
        r = self.server.request("GET", "/health")
        self.assertEqual(r.status, 200)
        health = json.loads(r.body)
        self.assertEqual((health["status"], health["name"]), ("pass", "influxdb"))
        self.assertEqual(health["message"], "ready for queries and writes")

    def test_request_id(self):
        r = self.server.request("GET", "/ping")
        self.assertEqual(r.getheader("Request-Id"), r.getheader("X-Request-Id"))
        self.assertTrue(re.match(r"^[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$",
                                 r.getheader("Request-Id")))
        other = self.server.request("GET", "/ping")
        self.assertNotEqual(r.getheader("Request-Id"), other.getheader("Request-Id"))
        r = self.server.request("GET", "/ping", headers={"Request-Id": "mine"})
        self.assertEqual((r.getheader("Request-Id"), r.getheader("X-Request-Id")), ("mine", "mine"))
        r = self.server.request("GET", "/ping", headers={"Request-Id": "mine", "X-Request-Id": "more"})
        self.assertEqual((r.getheader("Request-Id"), r.getheader("X-Request-Id")), ("more", "more"))

    def test_not_found(self):
        for path in ("/", "/nope", "/ping/", "/query/x", "/write/", "/PING", "//ping", "/api/v2/nope"):
            r = self.server.request("GET", path)
            self.assertEqual((r.status, r.body), (404, b"404 page not found\n"), path)
            self.assertEqual(r.getheader("Content-Type"), "text/plain; charset=utf-8")
            self.assertEqual(r.getheader("X-Content-Type-Options"), "nosniff")
            self.assertIsNone(r.getheader("Request-Id"))

    def test_wrong_method(self):
        for method, path, allow in (("PUT", "/query", "OPTIONS, GET, POST"), ("GET", "/write", "OPTIONS, POST"),
                                    ("DELETE", "/ping", "GET, HEAD"), ("HEAD", "/query", "OPTIONS, GET, POST")):
            r = self.server.request(method, path)
            self.assertEqual(r.status, 405, (method, path))
            self.assertEqual(r.getheader("Allow"), allow)
            self.assertEqual(r.getheader("X-Content-Type-Options"), "nosniff")
            self.assertEqual(r.body, b"" if method == "HEAD" else b"Method Not Allowed\n")

    def test_cors(self):
        r = self.server.request("GET", "/ping")
        self.assertIsNone(r.getheader("Access-Control-Allow-Origin"))
        for method, path in (("GET", "/ping"), ("OPTIONS", "/query"), ("GET", "/query")):
            r = self.server.request(method, path, headers={"Origin": "http://grafana.example"})
            self.assertEqual(r.getheader("Access-Control-Allow-Origin"), "http://grafana.example")
            self.assertEqual(r.getheader("Access-Control-Allow-Methods"), "DELETE, GET, OPTIONS, POST, PUT")
            self.assertEqual(r.getheader("Access-Control-Allow-Headers"),
                             "Accept, Accept-Encoding, Authorization, Content-Length, Content-Type, X-CSRF-Token, "
                             "X-HTTP-Method-Override")
            self.assertEqual(r.getheader("Access-Control-Expose-Headers"),
                             "Date, X-InfluxDB-Version, X-InfluxDB-Build")
            self.assertIsNone(r.getheader("Access-Control-Allow-Credentials"))

    def test_options(self):
        for path in ("/query", "/write"):
            r = self.server.request("OPTIONS", path)
            self.assertEqual((r.status, r.body), (200, b""))
            self.assertIsNone(r.getheader("Content-Type"))

    def test_error_envelope(self):
        r = self.server.request("GET", "/query")
        self.assertEqual((r.status, r.body), (400, b'{"error":"missing required parameter \\"q\\""}\n'))
        self.assertEqual(r.getheader("X-Influxdb-Error"), 'missing required parameter "q"')
        self.assertEqual(r.getheader("Content-Type"), "application/json")

    def test_large_header(self):
        r = self.server.request("GET", "/query", headers={"X-Filler": "x" * 300000})
        self.assertEqual(r.status, 431)
        r = self.server.request("GET", "/ping")
        self.assertEqual(r.status, 204)


if __name__ == "__main__":
    unittest.main()
