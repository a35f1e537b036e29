"""SHOW STATS and SHOW DIAGNOSTICS: every number is one that happened."""
import json
import re
import time
import unittest

import live

# As influxd 1.6.7 shows them.
COLUMNS = {
    "runtime": "Alloc Frees HeapAlloc HeapIdle HeapInUse HeapObjects HeapReleased HeapSys Lookups Mallocs NumGC NumGoroutine "
               "PauseTotalNs Sys TotalAlloc",
    "queryExecutor": "queriesActive queriesExecuted queriesFinished queryDurationNs recoveredPanics",
    "database": "numMeasurements numSeries",
    "shard": "diskBytes fieldsCreate seriesCreate writeBytes writePointsDropped writePointsErr writePointsOk writeReq "
             "writeReqErr writeReqOk",
    "tsm1_engine": "cacheCompactionDuration cacheCompactionErr cacheCompactions cacheCompactionsActive " + " ".join(
        "tsm%sCompaction%s" % (level, what) for level in ("Full", "Level1", "Level2", "Level3", "Optimize")
        for what in ("Duration", "Err", "Queue", "s", "sActive")),
    "tsm1_cache": "WALCompactionTimeMs cacheAgeMs cachedBytes diskBytes memBytes snapshotCount writeDropped writeErr writeOk",
    "tsm1_filestore": "diskBytes numFiles",
    "tsm1_wal": "currentSegmentDiskBytes oldSegmentsDiskBytes writeErr writeOk",
    "write": "pointReq pointReqLocal req subWriteDrop subWriteOk writeDrop writeError writeOk writeTimeout",
    "subscriber": "createFailures pointsWritten writeFailures",
    "cq": "queryFail queryOk",
    "httpd": "authFail clientError pingReq pointsWrittenDropped pointsWrittenFail pointsWrittenOK promReadReq promWriteReq "
             "queryReq queryReqDurationNs queryRespBytes recoveredPanics req reqActive reqDurationNs serverError statusReq "
             "writeReq writeReqActive writeReqBytes writeReqDurationNs",
}


class Stats(unittest.TestCase):
    def setUp(self):
        self.server = live.start_siltd()
        self.server.query("CREATE DATABASE d")

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)

    def tables(self, q):
        return self.server.query_json(q)["results"][0].get("series", [])

    def stats(self, module, **tags):
        found = [t for t in self.tables("SHOW STATS FOR '%s'" % module)
                 if all(t["tags"][key] == value for key, value in tags.items())]
        self.assertEqual(len(found), 1)
        return dict(zip(found[0]["columns"], found[0]["values"][0]))

    def test_names(self):
        self.server.write("m v=1 1", db="d")
        tables = self.tables("SHOW STATS")
        self.assertEqual([t["name"] for t in tables],
                         ["runtime", "queryExecutor", "database", "shard", "tsm1_engine", "tsm1_cache", "tsm1_filestore",
                          "tsm1_wal", "write", "subscriber", "cq", "httpd"])
        for t in tables:
            self.assertEqual(t["columns"], COLUMNS[t["name"]].split(), t["name"])
            self.assertTrue(all(isinstance(value, int) and value >= 0 for value in t["values"][0]), t)
        self.assertEqual(sorted(tables[3]["tags"]), ["database", "engine", "id", "path", "retentionPolicy", "walPath"])
        self.assertEqual(self.tables("SHOW STATS FOR 'nosuch'"), [])
        self.assertEqual(self.tables("SHOW STATS FOR 'indexes'")[0]["columns"], ["memoryBytes"])

    def test_writes(self):
        self.assertEqual(self.server.write("m,h=a v=1 1\nm,h=b v=2 2", db="d").status, 204)
        self.assertEqual(self.server.write("m v=t 1\nm w=1 1", db="d").status, 400)  # one of two
        self.assertEqual(self.server.write("m v=1 1", db="nosuch").status, 404)
        self.assertEqual(self.server.write("m", db="d").status, 400)
        self.server.query("CREATE RETENTION POLICY r ON d DURATION 1d REPLICATION 1")
        self.assertEqual(self.server.write("m v=1 1", db="d", rp="r").status, 400)  # too old
        httpd, write = self.stats("httpd"), self.stats("write")
        self.assertEqual((httpd["writeReq"], httpd["writeReqActive"], httpd["clientError"]), (5, 0, 4))
        self.assertEqual(httpd["writeReqBytes"], len("m,h=a v=1 1\nm,h=b v=2 2" "m v=t 1\nm w=1 1" "m v=1 1" "m" "m v=1 1"))
        self.assertEqual((httpd["pointsWrittenOK"], httpd["pointsWrittenDropped"], httpd["pointsWrittenFail"]), (3, 2, 1))
        self.assertEqual((write["req"], write["pointReq"], write["writeDrop"], write["writeError"]), (5, 6, 1, 1))
        shard = self.stats("shard", retentionPolicy="autogen")
        self.assertEqual((shard["writePointsOk"], shard["writeReq"], shard["seriesCreate"], shard["fieldsCreate"]),
                         (3, 2, 3, 2))
        self.assertEqual(self.stats("database", database="d"), {"numMeasurements": 1, "numSeries": 3})

    def test_requests(self):
        before = self.stats("httpd")
        self.server.query("SHOW DATABASES")
        self.server.request("GET", "/nowhere")
        self.server.request("GET", "/query")
        self.server.request("HEAD", "/ping")
        self.server.request("GET", "/status")
        after = self.stats("httpd")
        rise = {name: after[name] - before[name] for name in after}
        self.assertEqual((rise["req"], rise["queryReq"], rise["pingReq"], rise["statusReq"], rise["clientError"]),
                         (6, 3, 1, 1, 2))
        self.assertEqual(after["reqActive"], 1)
        self.assertGreater(rise["queryRespBytes"], 500)
        self.assertGreater(rise["queryReqDurationNs"], 0)
        queries = self.stats("queryExecutor")
        self.assertEqual(queries["queriesExecuted"], queries["queriesFinished"] + 1)
        self.assertEqual(queries["queriesActive"], 1)

    def test_flushed(self):
        folder, self.server.keep = self.server.folder, True
        self.server.write("".join("m v=%d %d\n" % (i, i) for i in range(1000)), db="d")
        self.server.stop()
        self.server = live.start_siltd(folder)
        self.server.keep = False
        files = self.stats("tsm1_filestore")
        self.assertEqual(files["numFiles"], 1)
        self.assertGreater(files["diskBytes"], 100)
        self.assertEqual(self.stats("shard")["diskBytes"], files["diskBytes"])
        self.assertEqual(self.stats("shard")["writePointsOk"], 0)  # since the start

    def test_diagnostics(self):
        tables = self.tables("SHOW DIAGNOSTICS")
        names = [t["name"] for t in tables]
        self.assertEqual(names, sorted(names))
        self.assertLessEqual({"build", "config-httpd", "network", "runtime", "system"}, set(names))
        for t in tables:
            self.assertEqual(t["columns"], sorted(t["columns"]))
            self.assertEqual(len(t["values"]), 1)
        system = self.tables("SHOW DIAGNOSTICS FOR 'system'")
        self.assertEqual([t["name"] for t in system], ["system"])
        pid, now, started, uptime = system[0]["values"][0]
        self.assertEqual(pid, self.server.process.pid)
        self.assertLess(started, now)
        self.assertTrue(re.match("^[0-9.hm]+(s|ms)$", uptime), uptime)
        self.assertEqual(self.tables("SHOW DIAGNOSTICS FOR 'nosuch'"), [])


class Text(unittest.TestCase):
    """/debug/vars as Telegraf's inputs.influxdb reads it, /metrics as Prometheus does."""

    def setUp(self):
        self.server = live.start_siltd()
        self.server.query("CREATE DATABASE d")
        self.assertEqual(self.server.write('m,a=b\\"c v=1 1\nm v=2 2', db="d").status, 204)

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)

    def test_vars(self):
        response = self.server.request("GET", "/debug/vars")
        self.assertEqual((response.status, response.headers["Content-Type"]), (200, "application/json; charset=utf-8"))
        self.assertTrue(response.body.startswith(b'{\n"system": {"currentTime":"') and response.body.endswith(b"}}\n}\n"))
        answer = json.loads(response.body)
        self.assertEqual(sorted(answer["system"]), ["currentTime", "started", "uptime"])
        self.assertGreater(answer["memstats"]["Sys"], 0)
        self.assertEqual(answer["database:d"], {"name": "database", "tags": {"database": "d"},
                                                "values": {"numMeasurements": 1, "numSeries": 2}})
        httpd = answer["httpd:127.0.0.1:%d" % self.server.port]
        self.assertEqual(httpd["values"]["pointsWrittenOK"], 2)
        shards = [value for key, value in answer.items() if key.startswith("shard:")]
        self.assertEqual([shard["values"]["writePointsOk"] for shard in shards], [2])
        self.assertEqual(set(COLUMNS) - {"runtime"} - {key.split(":")[0] for key in answer}, set())

    def test_metrics(self):
        self.server.query('CREATE DATABASE "q\\"d"')
        self.server.write("m v=1 1", db='q"d')
        response = self.server.request("GET", "/metrics")
        self.assertEqual((response.status, response.headers["Content-Type"]),
                         (200, "text/plain; version=0.0.4; charset=utf-8"))
        samples, typed = {}, set()
        for line in response.body.decode().splitlines():
            if line.startswith("# TYPE "):
                name, kind = line[len("# TYPE "):].split()
                self.assertIn(kind, ("counter", "gauge"))
                self.assertEqual(kind == "counter", name.endswith("_total"), name)
                typed.add(name)
            elif not line.startswith("# HELP "):
                match = re.fullmatch(r'([a-z_]+)(\{[a-z_]+="(?:[^"\\]|\\.)*"(?:,[a-z_]+="(?:[^"\\]|\\.)*")*\})? (-?[0-9.]+)', line)
                self.assertTrue(match, line)
                self.assertIn(match.group(1), typed)
                samples[match.group(1) + (match.group(2) or "")] = float(match.group(3))
        self.assertEqual(samples["silt_points_written_total{bind=\"127.0.0.1:%d\"}" % self.server.port], 3)
        self.assertEqual(samples['silt_database_series{database="d"}'], 2)
        self.assertEqual(samples['silt_database_series{database="q\\"d"}'], 1)
        self.assertGreater(samples["silt_resident_memory_bytes"], 1e6)
        self.assertGreaterEqual(samples["silt_http_connections"], 1)
        self.assertEqual(samples["silt_http_connections_max"], 8192)
        self.assertGreater(samples["silt_query_memory_bytes"], 0)  # of this request itself
        self.assertLessEqual(samples["silt_query_memory_max_bytes"], 4 << 30)  # less on a small machine
        self.assertLess(samples["silt_write_memory_bytes"], 1 << 20)
        self.assertLessEqual(samples["silt_write_memory_max_bytes"], 4 << 30)
        self.assertGreater(samples["silt_write_memory_max_bytes"], 1 << 20)
        self.assertEqual([value for key, value in samples.items() if key.startswith("silt_shard_points_written_total")], [2, 1])

    def test_no_other_methods(self):
        self.assertEqual(self.server.request("DELETE", "/metrics").status, 405)
        self.assertEqual(self.server.request("GET", "/debug/vars/x").status, 404)


class Monitor(unittest.TestCase):
    def test_internal_database(self):
        env = {"SILT_MONITOR_STORE_ENABLED": "true", "SILT_MONITOR_STORE_INTERVAL": "100ms"}
        server = live.start_siltd(env=env)
        try:
            server.query("CREATE DATABASE d")
            server.write("m v=1 1\nm v=2 2", db="d")
            rows = []
            for _ in range(100):
                time.sleep(0.1)
                answer = server.query_json("SELECT pointsWrittenOK FROM httpd", db="_internal", epoch="ms")
                rows = answer["results"][0].get("series", [{"values": []}])[0]["values"]
                if len(rows) >= 3 and rows[-1][1] == 2:
                    break
            self.assertEqual(rows[-1][1], 2)
            self.assertTrue(all(row[0] % 100 == 0 for row in rows), rows)
            names = [row[0] for row in server.query_json("SHOW MEASUREMENTS", db="_internal")["results"][0]["series"][0]["values"]]
            self.assertEqual(names, sorted(COLUMNS))
            tags = server.query_json("SHOW TAG KEYS FROM httpd, \"shard\"", db="_internal")["results"][0]["series"]
            self.assertEqual({t["name"]: [v[0] for v in t["values"]] for t in tags},
                             {"httpd": ["bind", "hostname"],
                              "shard": ["database", "engine", "hostname", "id", "path", "retentionPolicy", "walPath"]})
        finally:
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
