"""Continuous queries, run by the clock: rollups appear by themselves, errors are counted, what is dropped stops."""
import json
import shutil
import tempfile
import time
import unittest

import live


class Continuous(unittest.TestCase):
    def setUp(self):
        self.server = live.start_siltd(env={"SILT_CONTINUOUS_QUERIES_RUN_INTERVAL": "50ms"})
        self.ask("CREATE DATABASE d; CREATE DATABASE e; CREATE RETENTION POLICY \"other one\" ON e DURATION INF REPLICATION 1")

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)

    def ask(self, q, **params):
        answer = self.server.query_json(q, **params)
        for result in answer["results"]:
            self.assertNotIn("error", result)
        return answer["results"][-1].get("series", [])

    def wait_for(self, what, seconds=30):
        """Until what() is true: no test here says how fast."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = what()
            if found:
                return found
            time.sleep(0.05)
        self.fail("it did not come")

    def counts(self):
        table = self.ask("SHOW STATS FOR 'cq'")[0]
        return dict(zip(table["columns"], table["values"][0]))

    def test_rollups(self):
        self.ask("CREATE CONTINUOUS QUERY a ON d BEGIN SELECT sum(v) AS s INTO e.\"other one\".:MEASUREMENT FROM /c.*/ "
                 "GROUP BY time(1s), * END")
        self.ask("CREATE CONTINUOUS QUERY b ON e RESAMPLE EVERY 1s FOR 10s BEGIN SELECT sum(s) INTO e.autogen.twice "
                 "FROM e.\"other one\".cpu GROUP BY time(2s) END")
        # Points of a few seconds from now on, in time for their windows.
        first = int(time.time()) + 1
        self.server.write("\n".join("%s,host=%s,core=1 v=%d %d" % (name, host, n, (first + s) * 10**9 + n)
                                    for name in ("cpu", "cx", "not") for host in "ab" for s in range(3) for n in range(1, 5)),
                          db="d")
        expect = [[(first + s) * 10**9, 10] for s in range(3)]
        for name in ("cpu", "cx"):
            tables = self.wait_for(lambda: [t for t in self.ask("SELECT s FROM \"other one\"." + name + " GROUP BY *", db="e",
                                                                epoch="ns")
                                            if len(t["values"]) == 3])
            self.wait_for(lambda: len(self.ask("SELECT s FROM \"other one\"." + name + " GROUP BY *", db="e")) == 2)
            self.assertEqual(tables[0]["tags"]["core"], "1")
            self.assertEqual(tables[0]["values"], expect)
        self.assertEqual([m[0] for m in self.ask("SHOW MEASUREMENTS", db="e")[0]["values"] if m[0] == "not"], [])
        total = lambda: sum(v[1] for t in self.ask("SELECT sum FROM twice", db="e") for v in t["values"])
        self.wait_for(lambda: total() == 60)
        self.assertGreater(self.counts()["queryOk"], 0)
        self.assertEqual(self.counts()["queryFail"], 0)

    def test_failures(self):
        self.ask("CREATE CONTINUOUS QUERY raw ON d BEGIN SELECT v INTO x FROM m GROUP BY time(1s) END; "
                 "CREATE CONTINUOUS QUERY mixed ON d BEGIN SELECT mean(v), v INTO x FROM m GROUP BY time(1s) END")
        self.wait_for(lambda: self.counts()["queryFail"] > 5)
        self.wait_for(lambda: b"mixing aggregate" in open(self.server.log_path, "rb").read())
        log = open(self.server.log_path).read()
        self.assertEqual(log.count("must be aggregate queries"), 1) # told once, counted every time
        self.ask("DROP CONTINUOUS QUERY raw ON d; DROP CONTINUOUS QUERY mixed ON d; CREATE DATABASE f; "
                 "CREATE CONTINUOUS QUERY fine ON f RESAMPLE EVERY 1s BEGIN SELECT mean(v) INTO x FROM m GROUP BY time(10s) END")
        self.wait_for(lambda: self.counts()["queryOk"] > 0)
        failed = self.counts()["queryFail"]
        time.sleep(0.3)
        self.assertEqual(self.counts()["queryFail"], failed)
        self.ask("DROP DATABASE f")
        time.sleep(0.2)
        ok = self.counts()["queryOk"]
        time.sleep(1.2)
        self.assertEqual(self.counts()["queryOk"], ok)

    def test_what_is_told_of_them(self):
        self.assertEqual(self.ask("SHOW DIAGNOSTICS FOR 'continuous-queries'"), [])
        self.ask("CREATE CONTINUOUS QUERY a ON d RESAMPLE EVERY 1s BEGIN SELECT mean(v) INTO x FROM m GROUP BY time(10s) END; "
                 "CREATE CONTINUOUS QUERY b ON d RESAMPLE EVERY 1s BEGIN SELECT mean(v), v INTO x FROM m GROUP BY time(10s) END")

        def rows():
            tables = self.ask("SHOW DIAGNOSTICS FOR 'continuous-queries'")
            found = [dict(zip(tables[0]["columns"], row)) for row in tables[0]["values"]] if tables else []
            return found if len(found) == 2 and all(row["start"] for row in found) else None

        good, bad = self.wait_for(rows)
        self.assertEqual((good["database"], good["name"], good["error"], good["failed"]), ("d", "a", "", 0))
        self.assertGreater(good["ok"], 0)
        self.assertRegex(good["duration"], r"^[0-9.]+(ns|\u00b5s|ms|s)$")
        self.assertLess(good["start"], good["end"])
        self.assertEqual((bad["name"], bad["ok"]), ("b", 0))
        self.assertEqual(bad["error"], "mixing aggregate and non-aggregate queries is not supported")

    def test_killed_and_started_again(self):
        folder = tempfile.mkdtemp(prefix="silt-continuous-")
        env = {"SILT_CONTINUOUS_QUERIES_RUN_INTERVAL": "50ms"}
        try:
            with live.start_siltd(folder, env=env) as server:
                server.query("CREATE DATABASE d")
                server.query("CREATE CONTINUOUS QUERY a ON d BEGIN SELECT count(v) INTO x FROM m GROUP BY time(1s) END")
                first = int(time.time()) + 1
                server.write("\n".join("m v=1 %d" % ((first + s) * 10**9) for s in range(8)), db="d")
                self.wait_for(lambda: "series" in server.query("SELECT * FROM x", db="d"))
                server.kill()
            time.sleep(max(0, first + 9 - time.time()))
            with live.start_siltd(folder, env=env) as server:
                expect = [[(first + s) * 10**9, 1] for s in range(8)]
                self.wait_for(lambda: server.query_json("SELECT count FROM x", db="d", epoch="ns")["results"][0]
                              .get("series", [{}])[0].get("values") == expect)
        finally:
            shutil.rmtree(folder)

    def test_figures_of_runs(self):
        """query-stats-enabled: a point for each run, as influxd's but for the numbers themselves."""
        def runs_of(server):
            with server:
                server.query("CREATE DATABASE d")
                server.query("CREATE CONTINUOUS QUERY \"a b\" ON d BEGIN SELECT sum(v) INTO t FROM c GROUP BY time(1s) END")
                server.query("CREATE CONTINUOUS QUERY bad ON d BEGIN SELECT sum(v) INTO no.autogen.t FROM c GROUP BY time(1s) END")
                asked = lambda q: server.query_json(q, db="_internal", epoch="ns")["results"][0].get("series")

                def found():
                    server.write("c v=1", db="d")
                    return asked("SELECT * FROM cq_query WHERE pointsWrittenOK > 0 GROUP BY *")
                tables = self.wait_for(found)
                self.assertEqual([t["tags"]["cq"] for t in tables], ["a b"])
                row = dict(zip(tables[0]["columns"], tables[0]["values"][0]))
                took = row["endTime"] - row["startTime"]  # a second, or more where the one before was late
                self.assertTrue(took > 0 and took % 10**9 == 0 and row["startTime"] % 10**9 == 0, row)
                self.assertTrue(0 <= row["time"] - row["endTime"] < 60 * 10**9)
                self.assertTrue(0 < row["durationNs"] < 60 * 10**9)
                return (tables[0]["tags"], tables[0]["columns"], asked("SHOW FIELD KEYS FROM cq_query"),
                        server.query("SHOW DIAGNOSTICS FOR 'config-cqs'"))
        switches = {"INFLUXDB_CONTINUOUS_QUERIES_QUERY_STATS_ENABLED": "true", "INFLUXDB_MONITOR_STORE_ENABLED": "true",
                    "INFLUXDB_MONITOR_STORE_INTERVAL": "1h"}
        got = runs_of(live.start_siltd(env={**switches, "SILT_MONITOR_STORE_ENABLED": "true"}))
        influxd = live.start_influxd(env=switches)
        if influxd is None:
            self.skipTest("no influxd")
        self.assertEqual(got, runs_of(influxd))

    def test_off(self):
        with live.start_siltd(env={"SILT_CONTINUOUS_QUERIES_ENABLED": "false",
                                   "SILT_CONTINUOUS_QUERIES_RUN_INTERVAL": "50ms"}) as server:
            server.query("CREATE DATABASE d")
            server.query("CREATE CONTINUOUS QUERY raw ON d BEGIN SELECT v INTO x FROM m GROUP BY time(1s) END")
            time.sleep(0.5)
            table = json.loads(server.query("SHOW STATS FOR 'cq'"))["results"][0]["series"][0]
            self.assertEqual(table["values"], [[0, 0]])


if __name__ == "__main__":
    unittest.main()
