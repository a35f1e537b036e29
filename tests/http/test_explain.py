"""EXPLAIN ANALYZE: one column, a line a row, figures of what was read. (EXPLAIN: tests/statements/explain.test.)"""
import re
import shutil
import tempfile
import unittest

import live

ROWS, HOSTS = 3000, 4


class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="silt-explain-")
        cls.server = live.start_siltd(cls.folder)
        cls.server.query("CREATE DATABASE d")
        lines = ["m,host=%d v=%d,w=%di %d" % (h, i * 7919 % 1000, i * i % 977, i * 10**9 + h % 2) for h in range(HOSTS)
                 for i in range(ROWS)]
        assert cls.server.write("\n".join(lines), db="d").status == 204

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0
        shutil.rmtree(cls.folder)

    def analyze(self, select):
        series = self.server.query_json("EXPLAIN ANALYZE " + select, db="d")["results"][0]["series"]
        self.assertEqual(len(series), 1)
        self.assertEqual(series[0]["columns"], ["EXPLAIN ANALYZE"])
        lines = [row[0] for row in series[0]["values"]]
        self.assertEqual(lines[:2] + lines[-1:], [".", "└── select", ""])
        found = dict(re.match("    [├└]── ([a-z_]+): (.*)$", line).groups() for line in lines[2:-1])
        for name in ("execution_time", "planning_time", "total_time"):
            self.assertRegex(found[name], "^[0-9.]+(ns|µs|ms|s)$")
        return {name: int(value) for name, value in found.items() if value.isdigit()}

    def test_figures(self):
        got = self.analyze("SELECT mean(v) FROM m")
        self.assertEqual((got["series_read"], got["memtable_rows"], got["rows_returned"]), (HOSTS, ROWS * HOSTS, 1))
        self.assertEqual((got["blocks_decoded"], got["blocks_from_statistics"]), (0, 0))
        self.assertGreater(got["peak_memory_bytes"], 0)
        self.assertEqual(self.analyze("SELECT v FROM m GROUP BY host")["series_returned"], HOSTS)
        self.assertEqual(self.analyze("SELECT v FROM m WHERE host = '1' LIMIT 7")["rows_returned"], 7)
        self.assertEqual(self.analyze("SELECT v FROM nosuch")["series_read"], 0)

        self.server.stop()
        type(self).server = live.start_siltd(self.folder)
        blocks = HOSTS * -(-ROWS // 1024)
        got = self.analyze("SELECT max(w), sum(w) FROM m")
        self.assertEqual((got["blocks_from_statistics"], got["memtable_rows"]), (blocks, 0))
        self.assertEqual(got["blocks_decoded"], 0)
        got = self.analyze("SELECT v, w FROM m")
        self.assertGreaterEqual(got["blocks_decoded"], 2 * blocks)
        self.assertGreater(got["blocks_size_bytes"], 0)
        self.assertEqual((got["blocks_from_statistics"], got["rows_returned"]), (0, ROWS * HOSTS))


if __name__ == "__main__":
    unittest.main()
