#!/usr/bin/env python3
"""many_series.py - a store with very many series: nothing refused, memory bounded, look-ups and starts fast.

    many_series.py [--series N]

Writes one point to each series, then ten more, and checks: every write answered 204; resident memory per series within
the limit; SHOW TAG VALUES and a one-series query answer right; the server starts again with all series there. Times are
printed, not asserted. Prints `N passed, N failed, 0 skipped`.
"""
import json
import shutil
import sys
import tempfile
import time

import live
from judge import Judge
from options import options

BATCH = 5000
BYTES_PER_SERIES_MAX = 1024
BASE_BYTES = 200 << 20  # caches, log buffers and code, whatever the number of series


def main():
    arguments = options()
    series = int(arguments.get("--series", 200000))
    folder = tempfile.mkdtemp(prefix="silt-many-")
    judge = Judge(tells_all=True)

    def timed(name, server, q):
        begin = time.monotonic()
        reply = json.loads(server.query(q, db="m", epoch="s"))["results"][0]
        print("     %.1f ms  %s" % ((time.monotonic() - begin) * 1000, q))
        return reply

    try:
        with live.start_siltd(folder) as server:
            server.query("CREATE DATABASE m")
            refused = 0
            begin = time.monotonic()
            for point in range(11):
                for first in range(0, series, BATCH):
                    lines = ["m,id=id%d,rack=r%d,zone=z%d v=%d %d" % (i, i % 100, i % 7, i, 1600000000 + point * 10)
                             for i in range(first, min(first + BATCH, series))]
                    refused += server.write("\n".join(lines), db="m", precision="s").status != 204
                if point == 0:
                    used = server.memory()
                    judge.check("memory after one point each", used < BASE_BYTES + series * BYTES_PER_SERIES_MAX,
                          "%.0f bytes per series" % (used / series))
            print("     %.0f rows/s with this Python client" % (11 * series / (time.monotonic() - begin)))
            judge.check("no write refused", refused == 0, "%d refused" % refused)
            used = server.memory()
            judge.check("memory after eleven points each", used < BASE_BYTES + series * BYTES_PER_SERIES_MAX,
                  "%.0f bytes per series" % (used / series))
            values = timed("racks", server, "SHOW TAG VALUES WITH KEY = rack")["series"][0]["values"]
            judge.check("SHOW TAG VALUES", len(values) == 100)
            keys = timed("keys", server, "SHOW SERIES LIMIT 3 OFFSET 10")["series"][0]["values"]
            wanted = sorted("m,id=id%d,rack=r%d,zone=z%d" % (i, i % 100, i % 7) for i in range(series))[10:13]
            judge.check("SHOW SERIES LIMIT", [key for key, in keys] == wanted, str(keys))
            estimate = timed("estimate", server, "SHOW SERIES CARDINALITY")["series"][0]["values"]
            judge.check("SHOW SERIES CARDINALITY", estimate == [[series]], str(estimate))
            one = timed("one", server, "SELECT v FROM m WHERE id = 'id%d'" % (series // 2))["series"][0]["values"]
            judge.check("one series", len(one) == 11 and one[0] == [1600000000, series // 2])
            server.kill()
        begin = time.monotonic()
        with live.start_siltd(folder) as server:
            print("     started in %.2f s after a kill" % (time.monotonic() - begin))
            time.sleep(1)  # postings are made behind the start
            timed("one after a second", server, "SELECT v FROM m WHERE id = 'id4'")
            count = timed("count", server, "SELECT count(v) FROM m")["series"][0]["values"][0][1]
            judge.check("all points after a kill", count == 11 * series, str(count))
        begin = time.monotonic()
        with live.start_siltd(folder) as server:
            print("     started in %.2f s after a clean stop" % (time.monotonic() - begin))
            timed("one at once", server, "SELECT v FROM m WHERE id = 'id5'")
            one = timed("one", server, "SELECT v FROM m WHERE id = 'id3'")["series"][0]["values"]
            judge.check("one series after a restart", len(one) == 11)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
