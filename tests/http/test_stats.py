"""SHOW STATS and SHOW DIAGNOSTICS: every number is one that happened."""
import re
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


if __name__ == "__main__":
    unittest.main()
