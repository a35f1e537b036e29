#!/usr/bin/env python3
"""drop_series.py - deletes and drops of very many series: how long until they are acknowledged, and that their room comes back.

    drop_series.py [--series N] [--strict yes|no]

For each of DELETE, DELETE over a range that leaves points and over one that leaves none, DROP SERIES by a tag, DROP MEASUREMENT, DROP
RETENTION POLICY and DROP DATABASE: fills a store with N series of three points, beside a measurement that stays; tells the time to the answer, and the processor time of the server until then; looks at what
is gone and what stays; then waits until the files have given back their room. With --strict yes the answer has to take less than 50 ms
of processor time. Prints `N passed, N failed, 0 skipped`.
"""
import os
import shutil
import sys
import tempfile
import time

import live
from judge import Judge
from options import options

BATCH = 10000
STRICT_MS = 50
PATIENCE_S = 120
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_ms(server):
    """Of all threads that run now, to the microsecond: /proc/PID/stat counts ticks of 10 ms."""
    total = 0
    for thread in os.listdir("/proc/%d/task" % server.process.pid):
        with open("/proc/%d/task/%s/schedstat" % (server.process.pid, thread)) as f:
            total += int(f.read().split()[0])
    return total / 1e6


def data_bytes(folder):
    return sum(os.path.getsize(os.path.join(base, name)) for base, _, names in os.walk(os.path.join(folder, "data", "shards"))
               for name in names)


def number(server, q, db="d"):
    series = server.query_json(q, db=db)["results"][0].get("series")
    return series[0]["values"][0][-1] if series else 0


def fill(server, series):
    refused = 0
    for second in (1, 2, 3):
        for first in range(0, series, BATCH):
            lines = ["m,id=id%d,rack=r%d v=%d %d" % (i, i % 100, i, second) for i in range(first, min(first + BATCH, series))]
            refused += server.write("\n".join(lines), db="d", precision="s").status != 204
        refused += server.write("\n".join("keep,id=k%d v=1 %d" % (i, second) for i in range(1000)), db="d", precision="s").status != 204
        server.request("POST", "/backup")  # which puts all that is in memory into files
    return refused


def main():
    arguments = options()
    series = int(arguments.get("--series", 100000))
    strict = arguments.get("--strict", "no") == "yes"
    judge = Judge(tells_all=True)

    # What is left: series, rows, and of the room at most this part.
    for statement, left, rows, part in (("DELETE FROM m", 0, 0, 0), ("DELETE FROM m WHERE time < 2500ms", series, series, 0.6),
                                        ("DELETE FROM m WHERE time < 2500s", 0, 0, 0),
                                        ("DROP SERIES FROM m WHERE rack =~ /r[1-9]/", series // 100, 3 * (series // 100), 0.1),
                                        ("DROP MEASUREMENT m", 0, 0, 0), ("DROP RETENTION POLICY autogen ON d", 0, 0, 0),
                                        ("DROP DATABASE d", 0, 0, 0)):
        folder = tempfile.mkdtemp(prefix="silt-drop-")
        try:
            with live.start_siltd(folder) as server:
                server.query("CREATE DATABASE d")
                refused = fill(server, series)
                judge.check("%s: filled" % statement, refused == 0 and number(server, "SHOW SERIES EXACT CARDINALITY FROM m") == series)
                cpu = cpu_ms(server)
                whole, begin = data_bytes(folder), time.monotonic()
                answer = server.query(statement, db="d")
                took, cpu = (time.monotonic() - begin) * 1000, cpu_ms(server) - cpu
                judge.check("%s: acknowledged" % statement, "error" not in answer and (not strict or cpu < STRICT_MS),
                      "in %.1f ms, %.1f ms of processor time" % (took, cpu))
                if statement.startswith("DROP DATABASE"):
                    server.query("CREATE DATABASE d")
                elif not statement.startswith("DROP RETENTION"):
                    judge.check("%s: the others stay" % statement, number(server, "SELECT count(v) FROM keep") == 3000)
                judge.check("%s: rows gone" % statement, number(server, "SELECT count(v) FROM m") == rows)
                judge.check("%s: series gone" % statement, number(server, "SHOW SERIES EXACT CARDINALITY FROM m") == left)
                server.request("POST", "/backup")
                deadline, after, bound = time.monotonic() + PATIENCE_S, sys.maxsize, whole * part + 200000
                while time.monotonic() < deadline and after > bound:
                    time.sleep(0.2)
                    after = data_bytes(folder)
                judge.check("%s: room comes back" % statement, after <= bound, "%.1f MB of %.1f MB left" % (after / 1e6, whole / 1e6))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
