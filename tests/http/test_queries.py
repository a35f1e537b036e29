"""SHOW QUERIES and KILL QUERY: what runs is listed, and ends with an error when it is killed."""
import time
import unittest

import live
import wire

SLOW = "SELECT " + ",".join(["v"] * 150) + " FROM m"  # some 20 MB of answer: waits for its client


class Queries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = live.start_siltd()
        cls.server.query("CREATE DATABASE d")
        cls.server.write("".join("m v=%d %d\n" % (i, i * 10**9) for i in range(25000)), db="d")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def rows(self, q="SHOW QUERIES", **params):
        series = self.server.query_json(q, **params)["results"][0]["series"]
        self.assertEqual(series[0]["columns"], ["qid", "query", "database", "duration", "status",
                                                "rows", "bytes", "memory"])
        return series[0]["values"]

    def error(self, q):
        return self.server.query_json(q)["results"][0].get("error")

    def test_lists_itself(self):
        rows = self.rows("SHOW QUERIES; SHOW USERS", db="some where")
        self.assertEqual([row[1:3] + row[4:5] for row in rows], [["SHOW QUERIES;\nSHOW USERS", "some where", "running"]])
        self.assertRegex(rows[0][3], "^[0-9]+(ns|µs|ms|s)$")

    def test_no_password_is_listed(self):
        rows = self.rows("SHOW QUERIES; CREATE USER u WITH PASSWORD 'geheim'")
        self.assertEqual(rows[0][1], "SHOW QUERIES;\nCREATE USER u WITH PASSWORD [REDACTED]")
        rows = self.rows("SHOW QUERIES; CREATE SUBSCRIPTION s ON d.r DESTINATIONS ALL 'http://u:secret@h:1', 'udp://h:2'")
        self.assertEqual(rows[0][1], "SHOW QUERIES;\nCREATE SUBSCRIPTION s ON d.r DESTINATIONS ALL "
                         "'http://u:[REDACTED]@h:1', 'udp://h:2'")

    def test_ids_rise(self):
        self.assertLess(self.rows()[0][0], self.rows()[0][0])

    def test_kill_what_is_not_there(self):
        self.assertEqual(self.error("KILL QUERY 0"), "no such query id: 0")
        self.assertEqual(self.error("KILL QUERY 18446744073709551615"), "no such query id: 18446744073709551615")
        ended = self.rows()[0][0]
        self.assertEqual(self.error("KILL QUERY %d" % ended), "no such query id: %d" % ended)

    def test_kill(self):
        for chunked in ("", "&chunked=true"):
            s = wire.connect(self.server.port, receive_buffer=4096)
            s.sendall(("GET /query?db=d&q=%s%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
                       % (SLOW.replace(" ", "+"), chunked)).encode())
            slow = []
            deadline = time.monotonic() + 20
            while not slow and time.monotonic() < deadline:
                slow = [row for row in self.rows() if row[2] == "d"]
            self.assertEqual(len(slow), 1)
            self.assertTrue(slow[0][1].startswith("SELECT v, v, "))
            self.assertEqual(slow[0][4], "running")
            time.sleep(0.3)
            rows, size, memory = [row for row in self.rows() if row[2] == "d"][0][5:]
            self.assertTrue(0 < rows <= 25000, rows)
            self.assertTrue(65536 <= size < 15 << 20, size)
            self.assertTrue(0 < memory < 1 << 30, memory)
            self.assertIsNone(self.error('KILL QUERY %d ON "here"' % slow[0][0]))
            # It ends when it comes to know, which may be now.
            self.assertIn([row[4] for row in self.rows() if row[0] == slow[0][0]], (["killed"], []))
            self.assertIn(self.error("KILL QUERY %d" % slow[0][0]), ("already killed", "no such query id: %d" % slow[0][0]))
            answer = wire.read_all(s)
            s.close()
            self.assertIn(b'"error":"query interrupted"', answer)
            self.assertLess(len(answer), 15 << 20)
            self.assertEqual([row for row in self.rows() if row[2] == "d"], [])

    def test_a_client_that_leaves_is_no_longer_listed(self):
        s = wire.connect(self.server.port, receive_buffer=4096)
        s.sendall(("GET /query?db=gone&q=%s HTTP/1.1\r\nHost: h\r\n\r\n" % SLOW.replace(" ", "+").replace("+m", "+d..m"))
                  .encode())
        time.sleep(0.3)
        s.close()
        deadline = time.monotonic() + 20
        while [row for row in self.rows() if row[2] == "gone"] and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual([row for row in self.rows() if row[2] == "gone"], [])


if __name__ == "__main__":
    unittest.main()
