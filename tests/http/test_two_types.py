"""A new field that comes with two types in one write. In a new shard nothing of the write is stored, and series and fields up to the conflict
stand; else the first type counts and rows of the other are dropped, but at a second such conflict it is as in a new one. As influxd has it."""
import unittest

import live

STEPS = [
    'm,h=a n=1,z=1 1\nm,h=b n=2i 2\nk v=1 3\nm,h=c n=4 4', "SELECT * FROM m, k", "SHOW SERIES", "SHOW FIELD KEYS",
    'k v=1 3', 'k v=2,n=1 4\nk v=3,n=2i 5\nlast v=1 6', "SELECT * FROM k, last", "SHOW FIELD KEYS",
    'two n=1 1\ntwo n=true 2\nk v=9 900000000000000000', "SELECT * FROM k, two",
    'far n=1 1\nfar n=2i 900000000000000000', "SELECT * FROM far", "SHOW FIELD KEYS FROM far",
    'bad n=1 1\nbad 2\nbad n="s" 3', "SELECT * FROM bad",
    'x3,h=a n=1 1\nx3,h=b n=2i 2\nz3 q=1 1\nz3 q=1i 2', "SELECT * FROM x3, z3", "SHOW FIELD KEYS FROM z3",
    'z4 a=1 1\nx4 n=1,p=1 1\nx4 n=2i 2\nx4 p=2i 3', "SELECT * FROM z4, x4", "SHOW FIELD KEYS FROM x4",
    'x5 n=1,p=1 1\nx5 n=2i 2\nx5 n=3,q=1 3\nx5 q=1i 4', "SELECT * FROM x5", "SHOW FIELD KEYS FROM x5",
    'w n=1 1200000000000000000\nw n=2i 1200000000000000001\nk v=5 1200000000000000002\nw n=5 1', "SELECT * FROM w, k",
    'm n=1 1\nm n=7 2', "SELECT * FROM m",
    'third a=1 1\nthird b=1i 2\nthird b=2 3\nk v=10 10', "SELECT * FROM third, k", "SHOW FIELD KEYS FROM third",
]


def answers(server):
    server.query("CREATE DATABASE d")
    out = []
    for step in STEPS:
        if step.startswith("S"):
            out.append((step, server.query(step, db="d").strip()))
        else:
            response = server.write(step, db="d")
            out.append((step, response.status, response.body))
    return out


class TwoTypes(unittest.TestCase):
    def test_against_influxd(self):
        influxd = live.start_influxd()
        if influxd is None:
            self.skipTest("no influxd")
        with influxd, live.start_siltd() as siltd:
            wanted, got = answers(influxd), answers(siltd)
            self.assertIn((STEPS[0], 400, b'{"error":"field type conflict"}\n'), got)
            for w, g in zip(wanted, got):
                self.assertEqual(g, w)

    def test_after_restart(self):
        """What was refused stays away, also when the log is read again."""
        server = live.start_siltd()
        answers(server)
        before = server.query("SELECT * FROM /.*/; SHOW FIELD KEYS", db="d")
        folder = server.folder
        server.keep = True
        server.kill()
        with live.start_siltd(folder=folder) as server:
            self.assertEqual(server.query("SELECT * FROM /.*/; SHOW FIELD KEYS", db="d"), before)


if __name__ == "__main__":
    unittest.main()
