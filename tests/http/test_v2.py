"""The part of InfluxDB 2's API that InfluxDB 1.8 has: /api/v2/write, /api/v2/delete, /api/v2/query."""
import gzip
import json
import unittest

import live


class V2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = live.start_siltd()
        cls.server.query("CREATE DATABASE d")
        cls.server.query("CREATE RETENTION POLICY other ON d DURATION INF REPLICATION 1")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def write(self, body, headers=None, **params):
        return self.server.request("POST", "/api/v2/write", params, body, headers)

    def delete(self, body, **params):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self.server.request("POST", "/api/v2/delete", params, body, {"Content-Type": "application/json"})

    def error(self, response):
        self.assertEqual(response.getheader("Content-Type"), "application/json")
        text = json.loads(response.body)["error"]
        self.assertEqual(response.getheader("X-Influxdb-Error"), text[:1024])
        return response.status, text

    def values(self, q, **params):
        result = self.server.query_json(q, db="d", epoch="ns", **params)["results"][0]
        return [row for series in result.get("series", []) for row in series["values"]]

    def test_write(self):
        r = self.write("w,k=1 v=1 1", bucket="d/autogen", org="nobody", precision="ns")
        self.assertEqual((r.status, r.body), (204, b""))
        for precision, at in (("us", 2), ("ms", 2), ("s", 2)):
            self.assertEqual(self.write("w,k=1 v=2 %d" % at, bucket="d", precision=precision).status, 204)
        self.assertEqual(self.write(gzip.compress(b"w,k=1 v=3 7"), {"Content-Encoding": "gzip"}, bucket="d/").status, 204)
        self.assertEqual(self.write("w,k=1 v=4 8", {"Authorization": "Token root:root"}, bucket="d").status, 204)
        self.assertEqual([row[0] for row in self.values("SELECT v FROM w")], [1, 7, 8, 2000, 2000000, 2000000000])
        self.assertEqual(self.write("w v=5 9", bucket="d/other").status, 204)
        self.assertEqual(self.values("SELECT v FROM d.other.w"), [[9, 5]])

    def test_write_errors(self):
        self.assertEqual(self.error(self.write("w v=1")), (
            404, 'bucket name "" is missing a slash; not in "database/retention-policy" format'))
        self.assertEqual(self.error(self.write("w v=1", bucket="/x")), (
            404, 'bucket name "/x" is in db/rp form but has an empty database'))
        self.assertEqual(self.error(self.write("w v=1", bucket="d", precision="h")), (
            400, 'invalid precision "h" (use ns, us, ms or s)'))
        self.assertEqual(self.error(self.write("w v=1", bucket="nodb/x")), (404, 'database not found: "nodb"'))
        self.assertEqual(self.error(self.write("w v=1", bucket="d/norp")), (500, "retention policy not found: norp"))
        self.assertEqual(self.error(self.write("bad", bucket="d")), (400, "unable to parse 'bad': missing fields"))

    def test_methods(self):
        self.assertEqual(self.server.request("OPTIONS", "/api/v2/write").status, 200)
        for path in ("/api/v2/write", "/api/v2/delete", "/api/v2/query"):
            self.assertEqual(self.server.request("GET", path).status, 405, path)

    def test_query_is_off(self):
        r = self.server.request("POST", "/api/v2/query", {"org": "x"}, b'from(bucket:"d")',
                                {"Content-Type": "application/vnd.flux"})
        self.assertEqual(r.status, 403)
        self.assertEqual(r.body, b"Flux query service disabled. Verify flux-enabled=true in the [http] section of the "
                                 b"InfluxDB config.\n")
        self.assertEqual(r.getheader("Content-Type"), "text/plain; charset=utf-8")

    def test_delete(self):
        always = {"start": "1970-01-01T00:00:00Z", "stop": "2100-01-01T00:00:00Z"}
        self.server.query("CREATE DATABASE e")
        lines = "".join("%s,h=%s,x=it's\\ \"so\" v=%d %d\n" % (m, h, i, i * 10 ** 9)
                        for m in "ab" for h in "pq" for i in range(4))
        self.assertEqual(self.server.write(lines, db="e").status, 204)

        def left(m="a"):
            result = self.server.query_json("SELECT v FROM %s GROUP BY h" % m, db="e", epoch="s")["results"][0]
            return {s["tags"]["h"]: [row[0] for row in s["values"]] for s in result.get("series", [])}

        def deleted(predicate, start=None, stop=None):
            body = {"start": start or always["start"], "stop": stop or always["stop"], "predicate": predicate}
            r = self.delete(body, bucket="e", org="o")
            self.assertEqual((r.status, r.body), (204, b""), r.body)

        deleted('_measurement="a" AND h="p"', "1970-01-01T00:00:01Z", "1970-01-01T01:00:03+01:00")
        self.assertEqual(left(), {"p": [0, 3], "q": [0, 1, 2, 3]})
        self.assertEqual(left("b"), {"p": [0, 1, 2, 3], "q": [0, 1, 2, 3]})
        deleted("(_measurement=a and (h = 'none'))")
        deleted('_measurement="a" AND _measurement="b"')
        deleted('h="p" AND x="it\'s \\"no\\""')
        deleted('h="p\' OR h = \'q"')
        self.assertEqual(left(), {"p": [0, 3], "q": [0, 1, 2, 3]})
        deleted('h = q AND x="it\'s \\"so\\""', "0001-01-01T00:00:00Z", "1970-01-01T00:00:02Z")
        self.assertEqual((left(), left("b")), ({"p": [0, 3], "q": [2, 3]}, {"p": [0, 1, 2, 3], "q": [2, 3]}))
        r = self.delete(dict(always, stop="9999-01-01T00:00:00Z"), bucket="e/autogen")
        self.assertEqual((r.status, left(), left("b")), (204, {}, {}))

    def test_delete_errors(self):
        body = {"start": "1970-01-01T00:00:00Z", "stop": "2100-01-01T00:00:00Z"}
        cases = [
            ({}, body, 404, 'delete - bucket: bucket name "" is missing a slash; not in "database/retention-policy" format'),
            ({"bucket": "nodb"}, body, 404, 'delete - database not found: "nodb"'),
            ({"bucket": "d/no"}, body, 404, 'delete - retention policy not found in "d": "no"'),
            ({"bucket": "d"}, {}, 400, "delete - start field in RFC3339Nano format required"),
            ({"bucket": "d"}, {"start": body["start"]}, 400, "delete - stop field in RFC3339Nano format required"),
            ({"bucket": "d"}, dict(body, stop="tomorrow"), 400,
             'delete - invalid format for stop field "tomorrow", please use RFC3339Nano'),
            ({"bucket": "d"}, dict(body, start="2020-01-01 00:00:00"), 400,
             'delete - invalid format for start field "2020-01-01 00:00:00", please use RFC3339Nano'),
        ]
        for params, sent, status, text in cases:
            self.assertEqual(self.error(self.delete(sent, **params)), (status, text))
        status, text = self.error(self.delete(b"{", bucket="d"))
        self.assertEqual((status, text), (400, "delete - cannot parse request body: unexpected EOF"))
        for predicate in ("a=b OR c=d", "a!=b", "a=~/b/", "a>1"):
            status, text = self.error(self.delete(dict(body, predicate=predicate), bucket="d"))
            self.assertEqual(status, 400)
            self.assertIn("delete - predicate only supports equality operators and conjunctions", text)
        for predicate in ("a", "a=", "a=b c=d", "(a=b", "a=b)", "a='b", "=b", "a=b AND", "a=b; DROP DATABASE d"):
            status, text = self.error(self.delete(dict(body, predicate=predicate), bucket="d"))
            self.assertEqual(status, 400, predicate)
            self.assertIn("delete - cannot parse predicate", text)
        self.assertEqual(self.delete(dict(body, predicate="(" * 5000), bucket="d").status, 400)


if __name__ == "__main__":
    unittest.main()
