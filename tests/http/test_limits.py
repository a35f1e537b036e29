"""Limits of queries, with InfluxDB's names and texts: [coordinator] of the configuration."""
import gzip
import re
import threading
import unittest

import live

LINES = "\n".join("%s,host=h%d v=%d %d" % (m, h, i, i) for m in ("cpu", "mem") for h in range(4) for i in range(40))


def server_with(**limits):
    server = live.start_siltd(env={"SILT_COORDINATOR_" + name.upper(): value for name, value in limits.items()})
    server.query("CREATE DATABASE d")
    assert server.write(LINES, db="d", precision="s").status == 204
    return server


def result(server, q):
    return server.query_json(q, db="d", epoch="s")["results"][0]


class Limits(unittest.TestCase):
    def check(self, server, q, error):
        self.assertEqual(result(server, q).get("error"), error, q)

    def test_series(self):
        with server_with(max_select_series="3") as server:
            error = "max-select-series limit exceeded: (4/3)"
            for q in ("SELECT v FROM cpu", "SELECT mean(v) FROM cpu GROUP BY host", "SELECT v INTO o FROM cpu LIMIT 1",
                      "SELECT mean(v) FROM (SELECT v FROM cpu)", "SELECT v FROM cpu,mem"):
                self.check(server, q, error)
            self.check(server, "SELECT v FROM cpu WHERE host = 'h1'", None)
            self.check(server, "SHOW TAG VALUES WITH KEY = host", None)

    def test_buckets(self):
        with server_with(max_select_buckets="20") as server:
            self.check(server, "SELECT count(v) FROM cpu WHERE time >= 0 AND time < 1000s GROUP BY time(10s)",
                       "max-select-buckets limit exceeded: (100/20)")
            self.check(server, "SELECT count(v) FROM cpu WHERE time >= 0 AND time < 200s GROUP BY time(10s)", None)
            self.check(server, "SELECT v FROM cpu", None)

    def test_points(self):
        with server_with(max_select_point="50") as server:
            for q in ("SELECT v FROM cpu", "SELECT mean(v) FROM cpu", "SELECT percentile(v, 50) FROM cpu",
                      "SELECT mean(v) FROM (SELECT v FROM cpu)", "SELECT v INTO o FROM cpu"):
                error = result(server, q).get("error", "")
                self.assertRegex(error, r"^max-select-point limit exceeed: \(\d+/50\)$", q)
            for q in ("SELECT v FROM cpu LIMIT 3", "SELECT max(v) FROM cpu WHERE host = 'h0'",
                      "SELECT v FROM cpu WHERE host = 'h0'"):
                self.check(server, q, None)

    def test_points_are_counted_by_statement(self):
        with server_with(max_select_point="50") as server:
            q = ";".join(["SELECT max(v) FROM cpu WHERE host = 'h0'"] * 5)
            for answer in server.query_json(q, db="d")["results"]:
                self.assertNotIn("error", answer)

    def test_timeout_and_slow_log(self):
        with server_with(query_timeout="50ms", log_queries_after="10ms") as server:
            self.check(server, "SELECT v FROM cpu LIMIT 1", None)
            self.check(server, "SELECT count(v) FROM cpu WHERE time >= 0 AND time < 1000000s GROUP BY time(1u)",
                       "query-timeout limit exceeded")
            with open(server.log_path) as log:
                text = log.read()
            self.assertIn("slow query", text)
            self.assertIn("GROUP BY time(1u)", text)
            self.assertNotIn("LIMIT 1", text.split("slow query")[1])

    def test_what_the_slow_log_tells(self):
        with server_with(log_queries_after="1ms") as server:
            server.write("".join("m v=%d %d\n" % (i, i) for i in range(100000)), db="d")
            lengths = [len(server.request("GET", "/query", {"q": 'SELECT v AS "a b" FROM m; SELECT v FROM m', "db": "d"},
                                          headers={"Accept-Encoding": coding}).body) for coding in ("identity", "gzip")]
            server.query("SELECT v FROM m", db='no"such')
            server.query("SELECT v FROM m; SELECT " + ",".join(["v"] * 700) + " FROM m LIMIT 1", db="d")
            with open(server.log_path) as log:
                lines = [line for line in log if 'msg="slow query"' in line and 'query="SELECT' in line]
            found = [re.search(r'qid=(\d+) database="(.*)" ms=(\d+) threshold_ms=1 rows=(\d+) bytes=(\d+) '
                               r'peak_memory=(\d+) query="(.*)', line).groups() for line in lines]
            for fields, length in zip(found, lengths):
                self.assertEqual((fields[1], int(fields[3])), ("d", 200000))
                self.assertAlmostEqual(int(fields[4]), length, delta=64)
                self.assertGreater(int(fields[5]), 100000)
                self.assertEqual(fields[6], 'SELECT v AS \\"a b\\" FROM m; SELECT v FROM m"')
            self.assertEqual(int(found[-1][3]), 100001)
            self.assertTrue(found[-1][6].startswith("SELECT v FROM"))
            self.assertLess(len(lines[-1]), 2048)

    def test_concurrent_queries(self):
        slow = "SELECT count(v) FROM cpu WHERE time >= 0 AND time < 100000s GROUP BY time(1u)"
        with server_with(max_concurrent_queries="1", query_timeout="1s") as server:
            errors = set()
            for _ in range(20):  # the slow one may be the one that is refused
                first = threading.Thread(target=server.query, args=(slow,), kwargs={"db": "d"})
                first.start()
                while first.is_alive():
                    errors.add(result(server, "SHOW DATABASES").get("error"))
                first.join()
                if len(errors) > 1:
                    break
            self.assertEqual(errors - {None}, {"max-concurrent-queries limit exceeded(1, 1)"})
            self.check(server, "SHOW DATABASES", None)

    def test_a_body_that_never_fits(self):
        """413, which no client sends again; 503 would be for one that others keep waiting."""
        with live.start_siltd(env={"SILT_WRITE_MAX_MEMORY_TOTAL": "1m"}) as server:
            server.query("CREATE DATABASE d")
            packed = gzip.compress(b"".join(b"cpu,host=h%d v=%d %d\n" % (i % 4, i, i) for i in range(100000)))
            for _ in range(2):
                answer = server.request("POST", "/write", {"db": "d"}, body=packed, headers={"Content-Encoding": "gzip"})
                self.assertEqual((answer.status, b"unpacked body larger than" in answer.body), (413, True), answer.body)
            self.assertEqual(server.write("cpu v=1 1", db="d").status, 204)


if __name__ == "__main__":
    unittest.main()
