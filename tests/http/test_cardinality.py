"""Bounds on series: new ones refused with the reason, in InfluxDB's words where it has them; what exists goes on."""
import json
import re
import unittest

import live


def server_with(**settings):
    server = live.start_siltd(env={"SILT_DATA_" + name.upper(): value for name, value in settings.items()})
    server.query("CREATE DATABASE d")
    return server


def error_of(answer):
    return json.loads(answer.body)["error"]


class Cardinality(unittest.TestCase):
    def write(self, server, lines, error=None):
        answer = server.write("\n".join(lines), db="d", precision="s")
        self.assertEqual(answer.status, 400 if error else 204, answer.body)
        if error:
            self.assertEqual(error_of(answer), error)

    def points(self, server, q):
        series = server.query_json(q, db="d", epoch="s")["results"][0].get("series", [])
        return [row for one in series for row in one["values"]]

    def test_series_of_a_database(self):
        with server_with(max_series_per_database="3") as server:
            self.write(server, ["m,h=a v=1 1", "m,h=b v=1 1"])
            self.write(server, ["m,h=c v=1 1", "m,h=d v=1 1", "m,h=a v=2 2", "m,h=e v=1 1"],
                       "partial write: max-series-per-database limit exceeded: (3) dropped=2")
            self.assertEqual(self.points(server, "SELECT v FROM m WHERE h = 'a'"), [[1, 1], [2, 2]])
            self.assertEqual(self.points(server, "SHOW SERIES"), [["m,h=a"], ["m,h=b"], ["m,h=c"]])
            server.query("DROP SERIES FROM m WHERE h = 'a'", db="d")
            self.write(server, ["x v=1 1"])
            metrics = server.request("GET", "/metrics").body.decode()
            self.assertIn("\nsilt_points_over_limits_total 2\n", metrics)
            self.assertEqual(server.stop(), 0)

    def test_values_of_a_tag(self):
        with server_with(max_values_per_tag="2") as server:
            self.write(server, ["m,h=a,z=1 v=1 1", "m,h=b v=1 1"])
            self.write(server, ["m,h=c v=1 1", "m,h=a v=2 2", "m,h=d v=1 1"],
                       'partial write: max-values-per-tag limit exceeded (2/2): measurement="m" tag="h" value="c" dropped=2')
            self.assertEqual(self.points(server, "SHOW TAG VALUES FROM m WITH KEY = h"), [["h", "a"], ["h", "b"]])

    def test_memory(self):
        """The server's own bound: only new series are refused, by name of the tag; also after a restart above the bound."""
        with server_with(index_max_memory="2m") as server:
            server.keep = True
            answer = None
            count = 0
            for first in range(0, 200000, 1000):
                answer = server.write("\n".join("m,zone=a,id=x%d v=1 1" % i for i in range(first, first + 1000)), db="d")
                if answer.status != 204:
                    break
                count += 1000
            self.assertEqual(answer.status, 400)
            self.assertRegex(error_of(answer), r'^partial write: memory of the series index is used up \(\d+ of 2097152 bytes\): '
                                               r'tag "id" of measurement "m" has \d+ values dropped=\d+$')
            self.assertGreater(count, 2000)
            for i in (0, count // 2, count - 1):
                self.write(server, ["m,zone=a,id=x%d v=2 2" % i])
            kept = self.points(server, "SELECT count(v) FROM m")[0][1]
            self.assertGreaterEqual(kept, count)
            folder = server.folder
            self.assertEqual(server.stop(), 0)
        with live.start_siltd(folder, env={"SILT_DATA_INDEX_MAX_MEMORY": "1m"}) as server:
            self.assertEqual(self.points(server, "SELECT count(v) FROM m"), [[0, kept]])
            self.write(server, ["m,zone=a,id=x1 v=3 3"])
            answer = server.write("m,zone=a,id=new v=3 3", db="d")
            self.assertTrue(re.match("partial write: memory of the series index is used up", error_of(answer)), answer.body)
            server.query("DROP SERIES FROM m WHERE id =~ /[0-9]$/", db="d")
            self.write(server, ["m,zone=a,id=new v=3 3"])

    def test_memory_of_fields(self):
        """Names of fields are in it: only rows with new ones are refused; also after a restart above the bound."""
        with server_with(index_max_memory="2m") as server:
            server.keep = True
            self.write(server, ["other v=1 1"])
            for first in range(0, 200000, 1000):
                answer = server.write("m " + ",".join("some_field_%d=1" % i for i in range(first, first + 1000)) + " 1", db="d")
                if answer.status != 204:
                    break
            self.assertEqual(answer.status, 400)
            refusal = (r'^partial write: memory of the series index is used up \(\d+ of \d+ bytes\): measurement "m" has \d+ fields, '
                       r'points with new ones are refused dropped=1$')
            self.assertRegex(error_of(answer), refusal)
            answer = server.write("m some_field_0=2 2\nm no_such_field=1 2\nother v=2 2\nm some_field_7=2,some_field_9=1 2", db="d")
            self.assertRegex(error_of(answer), refusal)
            self.assertEqual(self.points(server, "SELECT some_field_0, some_field_7, some_field_9 FROM m WHERE time = 2"), [[0, 2, 2, 1]])
            self.assertEqual(self.points(server, "SELECT count(v) FROM other"), [[0, 2]])
            self.assertIn("\nsilt_points_over_limits_total 2\n", server.request("GET", "/metrics").body.decode())
            folder = server.folder
            self.assertEqual(server.stop(), 0)
        with live.start_siltd(folder, env={"SILT_DATA_INDEX_MAX_MEMORY": "1m"}) as server:
            self.write(server, ["m some_field_1=3 3", "other v=3 3"])
            self.assertRegex(error_of(server.write("m no_such_field=3 3", db="d")), refusal)
            self.assertEqual(self.points(server, "SELECT some_field_1 FROM m WHERE time = 3s"), [[3, 3]])


if __name__ == "__main__":
    unittest.main()
