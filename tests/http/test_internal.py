"""_internal, /debug/vars and /metrics beside a real influxd's: dashboards, Telegraf and Prometheus find what they look for."""
import json
import subprocess
import time
import unittest

import live

# What influxd 1.6.7 has and siltd may lack: measurement -> fields and tags, None for all of it.
LEFT_OUT = {
    "cq_query": None,  # with query-stats-enabled only: test_continuous.py
    "collectd": None,  # a listener's, as udp
    "udp": None,  # a listener's; there where one is configured
    "subscriber": {"database", "retention_policy", "name", "mode", "destination"},  # tags of one subscription
    "tsm1_wal": {"database", "retentionPolicy", "id", "path"},  # one log for all shards
}

# As dashboards of InfluxDB ask _internal: Chronograf's, and Grafana's "InfluxDB internals".
PANELS = [
    'SELECT max("numSeries") FROM "database" WHERE time > now() - 1h GROUP BY time(1m), "database" fill(null)',
    'SELECT last("numMeasurements") FROM "_internal"."monitor"."database" WHERE time > now() - 1h GROUP BY "database"',
    'SELECT non_negative_derivative(max("pointReq"), 10s) FROM "write" WHERE time > now() - 1h GROUP BY time(1s)',
    'SELECT max("queryReq") AS "queries", max("writeReq") AS "writes" FROM "httpd" WHERE time > now() - 1h GROUP BY hostname',
    'SELECT mean("HeapAlloc"), mean("Sys"), mean("NumGoroutine") FROM "runtime" WHERE time > now() - 1h GROUP BY time(1m)',
    'SELECT mean("queryDurationNs") / mean("queriesFinished") FROM "queryExecutor" WHERE time > now() - 1h',
    'SELECT sum("diskBytes") FROM (SELECT last("diskBytes") AS "diskBytes" FROM "shard" WHERE time > now() - 1h GROUP BY "id")',
    'SELECT sum("memBytes") FROM "tsm1_cache" WHERE time > now() - 1h GROUP BY "path", time(1m)',
    'SELECT max("cacheCompactionsActive") FROM "tsm1_engine" WHERE time > now() - 1h GROUP BY "database", "retentionPolicy"',
    'SELECT last("numFiles") FROM "tsm1_filestore" WHERE time > now() - 1h GROUP BY "id"',
    'SELECT last("currentSegmentDiskBytes") FROM "tsm1_wal" WHERE time > now() - 1h',
    'SELECT non_negative_derivative(max("pointsWrittenOK"), 1s) FROM "httpd" WHERE time > now() - 1h GROUP BY time(1s), "bind"',
    'SELECT last("queryOk"), last("queryFail") FROM "cq" WHERE time > now() - 1h',
    'SELECT last("pointsWritten") FROM "subscriber" WHERE time > now() - 1h',
]


def shape(server):
    """measurement -> its fields with their types and its tags."""
    found = {}
    for series in server.query_json("SHOW FIELD KEYS ON _internal")["results"][0].get("series", []):
        found.setdefault(series["name"], set()).update(map(tuple, series["values"]))
    for series in server.query_json("SHOW TAG KEYS ON _internal")["results"][0].get("series", []):
        found.setdefault(series["name"], set()).update(row[0] for row in series["values"])
    return found


def wait_for_internal(server):
    for _ in range(200):
        if "write" in shape(server):
            return
        time.sleep(0.1)
    raise AssertionError("nothing in _internal")


class Internal(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.siltd = live.start_siltd(env={"SILT_MONITOR_STORE_ENABLED": "true", "SILT_MONITOR_STORE_INTERVAL": "500ms"})
        cls.influxd = None
        cls.prepare(cls.siltd)

    @classmethod
    def tearDownClass(cls):
        if cls.influxd:
            cls.influxd.stop()
        assert cls.siltd.stop() == 0

    @staticmethod
    def prepare(server):
        server.query("CREATE DATABASE d")
        server.write("m,h=a v=1 1\nm,h=b v=2 2", db="d")
        server.query("SELECT * FROM m", db="d")
        wait_for_internal(server)

    def peer(self):
        if self.influxd is None:
            self.__class__.influxd = live.start_influxd(env={"INFLUXDB_MONITOR_STORE_ENABLED": "true",
                                                             "INFLUXDB_MONITOR_STORE_INTERVAL": "1s"})
            if self.influxd is None:
                self.skipTest("the package influxdb cannot be had")
            self.prepare(self.influxd)
        return self.influxd

    def test_names_and_types(self):
        theirs, mine = shape(self.peer()), shape(self.siltd)
        self.assertGreater(len(theirs), 10)
        for measurement, parts in theirs.items():
            left_out = LEFT_OUT.get(measurement, set())
            if left_out is None:
                continue
            self.assertIn(measurement, mine)
            self.assertEqual(parts - mine[measurement] - left_out, set(), measurement)
            self.assertEqual(mine[measurement] - parts, set(), measurement)

    def test_panels_draw(self):
        time.sleep(1.5)  # a few points
        for q in PANELS:
            answer = self.siltd.query_json(q, db="_internal", epoch="ms")["results"][0]
            self.assertNotIn("error", answer, q)
            self.assertTrue(answer.get("series"), q)
            self.assertTrue(any(value is not None for row in answer["series"][0]["values"] for value in row[1:]), q)

    def test_vars_as_telegraf_reads_them(self):
        """inputs.influxdb: memstats into a struct of numbers, every other object with name, tags and values a point."""
        mine = json.loads(self.siltd.request("GET", "/debug/vars").body)
        theirs = json.loads(self.peer().request("GET", "/debug/vars").body)
        self.assertEqual(sorted(mine["memstats"]), sorted(theirs["memstats"]))
        for name, value in theirs["memstats"].items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            self.assertIsInstance(mine["memstats"][name], (int, float) if number else type(value), name)
        self.assertEqual(len(mine["memstats"]["PauseNs"]), 256)
        self.assertEqual(sorted(mine["system"]), sorted(theirs["system"]))
        self.assertIsInstance(mine["cmdline"], list)
        names = {key.split(":")[0] for key in theirs} - {name for name, left in LEFT_OUT.items() if left is None}
        self.assertEqual(names - {key.split(":")[0] for key in mine}, set())
        for key, point in mine.items():
            if key in ("memstats", "system", "cmdline"):
                continue
            self.assertEqual(sorted(point), ["name", "tags", "values"], key)
            self.assertEqual(key.split(":")[0], point["name"])
            self.assertTrue(all(isinstance(value, str) for value in point["tags"].values()), key)
            self.assertTrue(point["values"] and all(isinstance(value, int) for value in point["values"].values()), key)

    def test_metrics_by_promtool(self):
        promtool = live.find_peer("prometheus", "usr/bin/promtool")
        if promtool is None:
            self.skipTest("the package prometheus cannot be had")
        self.siltd.query('CREATE DATABASE "q\\"d é"')
        text = self.siltd.request("GET", "/metrics").body
        self.assertGreater(text.count(b"# HELP "), 40)
        run = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True)
        self.assertEqual((run.returncode, run.stdout + run.stderr), (0, b""))


if __name__ == "__main__":
    unittest.main()
