"""Prometheus' remote write and read, beside a real influxd: the same bodies to both, then the same answers to queries."""
import json
import math
import os
import sys
import time
import unittest

import live
import prometheus_wire as wire

sys.path.append(os.path.join(os.path.dirname(live.__file__), "access"))
import people  # noqa: E402

WRITE, READ = "/api/v1/prom/write", "/api/v1/prom/read"
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


UP = ("=", "__name__", "up")
ALWAYS = (-10 ** 9, 10 ** 9)

# name, query, and whether influxd 1.6.7 answers the same
QUERIES = [
    ("by name", ALWAYS + ([UP],), True),
    ("range", (1000, 1000, [UP]), True),
    ("after all", (10 ** 7, 10 ** 8, [UP]), True),
    ("end before start", (2000, 1000, [UP]), True),
    ("unknown name", ALWAYS + ([("=", "__name__", "nope")],), True),
    ("label", ALWAYS + ([UP, ("=", "job", "a")],), True),
    ("label, every name", ALWAYS + ([("=", "job", "b")],), True),
    ("not label", ALWAYS + ([UP, ("!=", "job", "a")],), True),
    ("label is not there", ALWAYS + ([UP, ("=", "zone", "")],), True),
    ("label is there", ALWAYS + ([UP, ("!=", "zone", "")],), True),
    ("odd values", ALWAYS + ([("=", "b", 'q"uo\\te')],), True),
    ("whole pattern", ALWAYS + ([UP, ("=~", "job", "^(a|c)$")],), True),
    ("whole pattern, not", ALWAYS + ([UP, ("!~", "job", "^(a|c)$")],), True),
    ("name by whole pattern", ALWAYS + ([("=~", "__name__", "^(up|dl)$")],), True),
    ("not name", ALWAYS + ([("!=", "__name__", "up"), ("=", "a", "2")],), True),
    ("another type", ALWAYS + ([("=", "__name__", "conf")],), True),
    ("bad pattern", ALWAYS + ([UP, ("=~", "job", "(")],), True),
    ("no matcher", ALWAYS + ([],), True),
    # InfluxDB looks for a pattern anywhere
    ("pattern", ALWAYS + ([UP, ("=~", "job", "|.")],), True),
    ("part of a value", ALWAYS + ([UP, ("=~", "zone", "x")],), False),
    ("name by a part", ALWAYS + ([("=~", "__name__", "u")],), False),
    ("not a part", ALWAYS + ([UP, ("!~", "zone", "x")],), False),
]


def read(server, queries, params=None, **headers):
    body = queries if isinstance(queries, bytes) else wire.read_request(queries)
    return server.request("POST", READ, {"db": "d"} if params is None else params, body, dict(wire.READ_HEADERS, **headers))


def decoded(response):
    """Status, and what is in the body; series in an order of their own."""
    if response.status != 200:
        return response.status, response.body
    assert response.getheader("Content-Type") == "application/x-protobuf", response.getheaders()
    assert response.getheader("Content-Encoding") == "snappy", response.getheaders()
    return 200, [sorted(result) for result in wire.read_response(response.body)]


class Read(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = live.start_siltd()
        prepare(cls.server)
        for name, body, _ in BODIES:
            write(cls.server, body)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def answer(self, *queries, **params):
        status, results = decoded(read(self.server, list(queries), dict({"db": "d"}, **params)))
        self.assertEqual(status, 200, results)
        return results

    def error(self, response):
        return response.status, json.loads(response.body)["error"]

    def test_as_influxd(self):
        real = live.start_influxd()
        if real is None:
            self.skipTest("the package influxdb cannot be had")
        with real, live.start_siltd() as server:
            for one in (real, server):
                prepare(one)
                for name, body, same in BODIES:
                    if same:
                        write(one, body)
            for name, query, same in QUERIES:
                ours, theirs = decoded(read(server, [query])), decoded(read(real, [query]))
                if same:
                    self.assertEqual(ours, theirs, name)
                else:
                    self.assertNotEqual(ours, theirs, name)
            for body in (b"hello", wire.snappy(b"\xff\xff"), wire.snappy(wire.field(1, wire.field(3, wire.field(1, 9))))):
                self.assertEqual(decoded(read(server, body)), decoded(read(real, body)), body)
            for params in ({}, {"db": "nodb"}, {"db": "d", "rp": "no"}, {"db": "d", "rp": "short"}):
                self.assertEqual(decoded(read(server, [QUERIES[0][1]], params)), decoded(read(real, [QUERIES[0][1]], params)), params)
            self.assertEqual(server.stop(), 0)

    def test_patterns_are_of_the_whole(self):
        jobs = lambda *matchers: [dict(labels).get("job") for labels, _ in self.answer(ALWAYS + ([UP] + list(matchers),))[0]]
        self.assertEqual(jobs(), ["a", "b"])
        self.assertEqual(jobs(("=~", "zone", "x")), [])
        self.assertEqual(jobs(("=~", "zone", "x.*|y")), ["a"])
        self.assertEqual(jobs(("!~", "zone", "x")), ["a", "b"])
        self.assertEqual(jobs(("!~", "zone", "x.*|")), [])
        self.assertEqual(self.answer(ALWAYS + ([("=~", "__name__", "u")],)), [[]])

    def test_several_queries(self):
        results = self.answer((1000, 1000, [UP, ("=", "job", "a")]), (0, 10, [UP]), ALWAYS + ([("=", "__name__", "dl")],))
        self.assertEqual(results, [[([("__name__", "up"), ("job", "a"), ("zone", "x y,z=1")], [(1000, 1.0)])], [],
                                   [([("__name__", "dl"), ("a", "2"), ("z", "1")], [(1000, 1.0)])]])
        self.assertEqual(decoded(read(self.server, [])), (200, []))

    def test_line_protocol(self):
        """Points that did not come from Prometheus have no tag __name__, and times between milliseconds."""
        self.server.write("lp,A=0,a=1 value=3,other=4 1000000001\nlp,A=0,a=1 value=5 1000999999\nlp,A=0,a=1 value=6 -1\n"
                          "lp,A=0,a=1 other=6 3000000000", db="d")
        self.assertEqual(self.answer((-1, 1000, [("=", "__name__", "lp")])),
                         [[([("A", "0"), ("__name__", "lp"), ("a", "1")], [(-1, 6.0), (1000, 5.0)])]])
        self.assertEqual(self.answer((0, 999, [("=", "_measurement", "lp")])), [[]])

    def test_which_series(self):
        """The hint that only series are wanted: those in the range, without samples."""
        query = wire.query_message(1000, 1000, [UP]) + wire.field(4, wire.field(2, "series"))
        self.assertEqual(decoded(read(self.server, wire.snappy(wire.field(1, query)))), (200, [[
            ([("__name__", "up"), ("job", "a"), ("zone", "x y,z=1")], []), ([("__name__", "up"), ("job", "b")], [])]]))

    def test_large(self):
        items = [({"__name__": "large", "i": "%03d" % i}, [(ms, i + ms / 8) for ms in range(0, 10000, 20)]) for i in range(40)]
        self.assertEqual(write(self.server, wire.write_request(items)).status, 204)
        result = self.answer((0, 10 ** 6, [("=", "__name__", "large")]))[0]
        self.assertEqual([(dict(labels), samples) for labels, samples in result], items)

    def test_limits(self):
        query = [ALWAYS + ([("=~", ".*", "")],)]
        for env, text in (({"SILT_COORDINATOR_MAX_SELECT_POINT": "3"}, "max-select-point limit exceeed: (4/3)"),
                          ({"SILT_COORDINATOR_MAX_SELECT_SERIES": "1"}, "max-select-series limit exceeded: (2/1)")):
            with live.start_siltd(env=env) as server:
                prepare(server)
                write(server, BODIES[0][1])
                self.assertEqual(self.error(read(server, query)), (400, text))
                self.assertEqual(server.stop(), 0)

    def test_time_and_memory(self):
        items = [({"__name__": "m", "i": str(i)}, [(ms, i * ms / 7) for ms in range(0, 100000, 100)]) for i in range(200)]
        query = [ALWAYS + ([("=", "__name__", "m")],)]
        for env, status, text in (({"SILT_COORDINATOR_QUERY_TIMEOUT": "1ms"}, 503, "query-timeout limit exceeded"),
                                  ({"SILT_QUERY_MAX_MEMORY": "1m"}, 400, "query memory limit exceeded")):
            with live.start_siltd(env=env) as server:
                prepare(server)
                self.assertEqual(write(server, wire.write_request(items)).status, 204)
                self.assertEqual(self.error(read(server, query)), (status, text))
                self.assertEqual(server.stop(), 0)

    def test_subscribers(self):
        """They are told in line protocol; what no line can hold they are not told of."""
        with live.start_siltd() as server, live.start_siltd() as other:
            prepare(server)
            other.query("CREATE DATABASE d")
            server.query("CREATE SUBSCRIPTION s ON d.autogen DESTINATIONS ALL 'http://127.0.0.1:%d'" % other.port)
            items = [({"__name__": "up", "job": "a\nup value=7 1"}, [(1000, 1.0)]), ({"__name__": "up", "job": "x y,z=\\1"}, [(1000, 0.125)])]
            self.assertEqual(write(server, wire.write_request(items)).status, 204)
            deadline = time.monotonic() + 60
            while "up" not in other.query("SHOW MEASUREMENTS", db="d") and time.monotonic() < deadline:
                time.sleep(0.02)
            self.assertEqual(decoded(read(other, [ALWAYS + ([UP],)])),
                             (200, [[([("__name__", "up"), ("job", "x y,z=\\1")], [(1000, 0.125)])]]))
            self.assertEqual(server.stop() + other.stop(), 0)

    def test_counted(self):
        def counts():
            series = self.server.query_json("SHOW STATS FOR 'httpd'")["results"][0]["series"][0]
            return dict(zip(series["columns"], series["values"][0]))
        before = counts()["promReadReq"]
        self.answer(ALWAYS + ([UP],))
        self.assertEqual(counts()["promReadReq"], before + 1)


class Access(unittest.TestCase):
    """Who may write may not read, and the other way around; as /write and /query have it."""

    def test_privileges(self):
        with people.start_siltd() as server:
            people.populate(server)
            for user, writes, reads in (("nobody", 403, 403), ("reader", 403, 200), ("writer", 204, 403), ("both", 204, 200),
                                        ("root", 204, 200)):
                for kind in ("u/p", "Basic"):
                    params, headers = people.credentials(kind, user)
                    params["db"] = "db0"
                    self.assertEqual(write(server, BODIES[0][1], params, **headers).status, writes, (user, kind))
                    self.assertEqual(read(server, [QUERIES[0][1]], params, **headers).status, reads, (user, kind))
            params, headers = people.credentials("Basic", "both", right=False)
            self.assertEqual(write(server, BODIES[0][1], {"db": "db0"}, **headers).status, 401)
            self.assertEqual(read(server, [QUERIES[0][1]], {"db": "db0"}, **headers).status, 401)
            self.assertEqual(write(server, BODIES[0][1], {"db": "db0"}).status, 401)
            self.assertEqual(read(server, [QUERIES[0][1]], {"db": "db0"}).status, 401)
            params, headers = people.credentials("Basic", "writer")
            self.assertEqual(json.loads(read(server, [QUERIES[0][1]], {"db": "nodb"}, **headers).body)["error"], "no database")
            refused = read(server, [QUERIES[0][1]], {"db": "db0"}, **headers)
            self.assertEqual(json.loads(refused.body)["error"], '"writer" user is not authorized to read from database "db0"')
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
