"""Prometheus' remote write and read, beside a real influxd: the same bodies to both, then the same answers to queries."""
import json
import math
import unittest

import live
import prometheus_wire as wire

WRITE = "/api/v1/prom/write"
SECOND = {"__name__": "up", "job": "b"}

# name, body, and whether influxd 1.6.7 takes it in the same way
BODIES = [
    ("points", wire.write_request([({"__name__": "up", "job": "a", "zone": "x y,z=1"}, [(1000, 1.0), (2000, 0.0), (-5, 1.5)]),
                                   (SECOND, [(1000, 2.5)])]), True),
    ("no name", wire.write_request([({"job": "noname"}, [(1000, 5)])]), True),
    ("stale marker", wire.write_request([(SECOND, [(3000, math.nan)]), ({"__name__": "gone"}, [(3000, math.nan)])]), True),
    ("empty label", wire.write_request([({"__name__": "up", "job": "b", "empty": ""}, [(4000, 1.0)])]), True),
    ("label twice, out of order", wire.write_request([([("z", "1"), ("a", "1"), ("__name__", "dl"), ("a", "2")], [(1000, 1.0)])]), True),
    ("odd characters", wire.write_request([({"__name__": "odd:x", "a": "x\ny", "b": "q\"uo\\te", "c": "\u00e4\u2028"}, [(1000, 1.0)])]), True),
    ("metadata alone", wire.write_request([], [(1, "up", "help")]), True),
    ("nothing", wire.snappy(b""), True),
    ("no snappy", b"hello world", True),
    ("empty", b"", True),
    ("no message", wire.snappy(b"\xff\xff\xff"), True),
    ("cut off", wire.snappy(b"\x0a\x05abc"), True),
    ("label time", wire.write_request([({"__name__": "tl", "time": "x"}, [(1000, 1.0)])]), True),
    ("field conflict", wire.write_request([({"__name__": "conf"}, [(1000, 1.0)]), (SECOND, [(5000, 1.0)])]), True),
    # later versions drop infinities, 1.6 refuses the request
    ("infinity", wire.write_request([({"__name__": "inf"}, [(1000, math.inf), (2000, -math.inf), (3000, 3)])]), False),
    # influxd takes the backslash for an escape of the comma behind it
    ("backslash at the end", wire.write_request([({"__name__": "up", "p": "C:\\", "q": "x"}, [(1000, 1.0)]), (SECOND, [(6000, 1.0)])]), False),
    ("no such time", wire.write_request([({"__name__": "up"}, [(2 ** 62, 1.0)]), (SECOND, [(7000, 1.0)])]), False),
]


def write(server, body, params=None, **headers):
    return server.request("POST", WRITE, {"db": "d"} if params is None else params, body, dict(wire.WRITE_HEADERS, **headers))


def prepare(server):
    server.query("CREATE DATABASE d")
    server.query("CREATE RETENTION POLICY short ON d DURATION 1h REPLICATION 1")
    server.write('conf value="s" 1', db="d")


class Write(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = live.start_siltd()
        prepare(cls.server)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def rows(self, q):
        result = self.server.query_json(q, db="d", epoch="ms")["results"][0]
        return [row for series in result.get("series", []) for row in series["values"]]

    def error(self, response):
        text = json.loads(response.body)["error"]
        self.assertEqual(response.getheader("X-Influxdb-Error"), text[:1024])
        return response.status, text

    def test_as_influxd(self):
        real = live.start_influxd()
        if real is None:
            self.skipTest("the package influxdb cannot be had")
        with real, live.start_siltd() as server:
            prepare(real)
            prepare(server)
            for name, body, same in BODIES:
                if same:
                    ours, theirs = write(server, body), write(real, body)
                    self.assertEqual((ours.status, ours.body), (theirs.status, theirs.body), name)
            for params in ({}, {"db": "nodb"}, {"db": "d", "consistency": "x"}):
                ours, theirs = write(server, BODIES[0][1], params), write(real, BODIES[0][1], params)
                self.assertEqual((ours.status, ours.body), (theirs.status, theirs.body), params)
            for body in (BODIES[0][1], BODIES[6][1]):
                ours, theirs = write(server, body, {"db": "d", "rp": "short"}), write(real, body, {"db": "d", "rp": "short"})
                self.assertEqual((ours.status, ours.body), (theirs.status, theirs.body))
            for q in ("SHOW MEASUREMENTS", "SHOW SERIES", "SHOW FIELD KEYS", "SHOW TAG VALUES WITH KEY = __name__",
                      "SELECT * FROM /.*/ GROUP BY *"):
                self.assertEqual(server.query(q, db="d", epoch="ns"), real.query(q, db="d", epoch="ns"), q)
            self.assertEqual(server.stop(), 0)

    def test_left_out_and_refused(self):
        bodies = {name: body for name, body, _ in BODIES}
        self.assertEqual(write(self.server, bodies["infinity"]).status, 204)
        self.assertEqual(self.rows("SELECT value FROM \"inf\""), [[3000, 3]])
        self.assertEqual(self.error(write(self.server, bodies["backslash at the end"])), (
            400, "partial write: unable to parse 'up,__name__=up,p=C:\\,q=x': a label that ends in a backslash cannot be stored dropped=0"))
        self.assertEqual(self.error(write(self.server, bodies["no such time"])), (
            400, "partial write: unable to parse 'up,__name__=up': time outside range of what can be stored dropped=0"))
        self.assertEqual(self.rows("SELECT value FROM up WHERE time > 5s AND job = 'b'"), [[6000, 1], [7000, 1]])

    def test_refused_for_good(self):
        """What stays wrong however often it is sent must not be a 5xx, which Prometheus sends again."""
        body = BODIES[0][1]
        self.assertEqual(self.error(write(self.server, body, {"db": "d", "rp": "no"})), (404, "retention policy not found: no"))
        second = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
        self.assertEqual(self.error(write(self.server, body, **{"Content-Type": second})),
                         (415, "only prometheus.WriteRequest is supported"))
        self.assertEqual(self.server.request("GET", WRITE, {"db": "d"}).status, 405)
        large = wire.varint(1 << 30) + b"\xfe\x00\x00" * (50 << 20 >> 6)
        self.assertEqual(self.error(write(self.server, large)), (413, "unpacked body larger than 268435456 bytes"))
        self.assertEqual(self.error(write(self.server, wire.varint(1 << 27) + b"\xfe\x00\x00")), (400, "snappy: corrupt input"))

    def test_large(self):
        items = [({"__name__": "m%d" % (i % 50), "i": str(i)}, [(ms, i + ms / 8) for ms in range(0, 5000, 50)]) for i in range(500)]
        self.assertEqual(write(self.server, wire.write_request(items)).status, 204)
        self.assertEqual(self.rows("SELECT count(value) FROM m7"), [[0, 1000]])
        self.assertEqual(self.rows("SELECT sum(value) FROM m7 WHERE i = '57'"), [[0, sum(57 + ms / 8 for ms in range(0, 5000, 50))]])

    def test_counted(self):
        def stats():
            series = self.server.query_json("SHOW STATS FOR 'httpd'")["results"][0]["series"][0]
            return dict(zip(series["columns"], series["values"][0]))
        before = stats()
        write(self.server, BODIES[0][1])
        after = stats()
        for name, more in (("promWriteReq", 1), ("writeReq", 1), ("writeReqActive", 0), ("pointsWrittenOK", 4)):
            self.assertEqual(after[name] - before[name], more, name)
        self.assertGreater(after["writeReqBytes"], before["writeReqBytes"])

    def test_metrics(self):
        self.assertIn(b"silt_build_info", self.server.request("GET", "/api/v1/prom/metrics").body)


if __name__ == "__main__":
    unittest.main()
