"""Raw rows of a group of many series - dense, sparse, with long gaps - against a sorted list: they share one cursor."""
import random
import unittest

import live


class Merge(unittest.TestCase):
    def test_many_series(self):
        seed = random.randrange(10**6)
        draw = random.Random(seed)
        points, lines = [], []
        for series in range(30):
            time = draw.randrange(10**9)
            for _ in range(draw.choice([1, 5, 300, 3000, 9000])):
                time += draw.choice([1, 1, 1, 1000, 10**6, 10**9]) if draw.random() < 0.999 else draw.randrange(10**14)
                value = draw.randrange(10**6)
                points.append((time, "%02d" % series, value))
                lines.append('m,h=%02d v=%di%s %d' % (series, value, ',s="x%d"' % value if value % 3 else "", time))
        points.sort()
        for soft in ("0", "10000"):  # all in memory; mostly in files
            with live.start_siltd(env={"SILT_DATA_MEMTABLE_SOFT": soft, "SILT_DATA_MEMTABLE_HARD": "10000000"}) as server:
                server.query("CREATE DATABASE d")
                for i in range(0, len(lines), 5000):
                    self.assertEqual(server.write("\n".join(lines[i:i + 5000]), db="d").status, 204)
                for where in ((0, 10**19), (10**9, 10**13)):
                    for order in ("ASC", "DESC"):
                        for limit in (0, 1, 100, 5000):
                            with self.subTest(seed=seed, soft=soft, where=where, order=order, limit=limit):
                                self.check(server, points, where, order, limit)

    def check(self, server, points, where, order, limit):
        text = "SELECT v, s, h FROM m WHERE time >= %d AND time < %d ORDER BY time %s" % (
            where[0], min(where[1], 9 * 10**18), order)
        if limit:
            text += " LIMIT %d" % limit
        rows = server.query_json(text, db="d", epoch="ns")["results"][0]["series"][0]["values"]
        got = [(time, h, v) for time, v, s, h in rows]
        want = [p for p in points if where[0] <= p[0] < where[1]]
        if order == "DESC":
            want.reverse()
        if limit:
            want = want[:limit]
        # Rows of one time have an order of their own, and a LIMIT may cut it.
        self.assertEqual([p[0] for p in got], [p[0] for p in want])
        if not limit:
            self.assertEqual(sorted(got), sorted(want))
        for _, v, s, _ in rows:
            self.assertEqual(s, "x%d" % v if v % 3 else None)
