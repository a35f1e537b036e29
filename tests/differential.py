#!/usr/bin/env python3
"""differential.py - the same data and the same queries to siltd and to a real influxd; the answers must be equal bytes.

    differential.py [--verbose]

Data: everything in tests/data. Queries: tests/differential.queries, one a line, `#` starts a comment; each is sent with
epoch=ns, and every third one also without, pretty and chunked; those for rows without functions all ways, and as CSV. Prints `N passed, N failed, N skipped`; where the influxdb
package cannot be had all queries count as skipped.
"""
import glob
import gzip
import os
import sys
import urllib.parse

import live

DATA = os.path.join(live.ROOT, "tests", "data")
BATCH_LINES = 5000


def nab_lines():
    """CSV of (civil time, value) -> measurement = category, tag series = file, float field value."""
    import calendar
    import time
    for path in sorted(glob.glob(os.path.join(DATA, "nab", "*.csv.gz"))):
        category, series = os.path.basename(path)[:-len(".csv.gz")].split(".", 1)
        with gzip.open(path, "rt") as rows:
            next(rows)
            for row in rows:
                stamp, value = row.strip().split(",")
                seconds = calendar.timegm(time.strptime(stamp, "%Y-%m-%d %H:%M:%S"))
                yield "%s,series=%s value=%s %d" % (category, series, value, seconds * 1000000000)


def tsbs_lines():
    for path in sorted(glob.glob(os.path.join(DATA, "*.lp.gz"))):
        prefix = os.path.basename(path).split(".")[0].replace("tsbs-", "")
        with gzip.open(path, "rt") as lines:
            for line in lines:
                # One measurement name stands in several files with other tags: keep them apart.
                yield (line if prefix == "cpu" else prefix + "_" + line).rstrip("\n")


def mixed_lines():
    """What the real sets lack: gaps, booleans, strings, missing tags, several shards, late and duplicate points."""
    import random
    rng = random.Random(20160101)
    base = 1451606400
    for i in range(4000):
        host = rng.choice(["a", "b", "c", "d e", "é,x=y"])
        tags = ",host=" + host.replace(",", "\\,").replace(" ", "\\ ").replace("=", "\\=") if rng.random() < 0.9 else ""
        if rng.random() < 0.5:
            tags += ",dc=" + rng.choice(["x", "y"])
        fields = []
        if rng.random() < 0.8:
            fields.append("f=%r" % round(rng.uniform(-1000, 1000), rng.randrange(0, 6)))
        if rng.random() < 0.6:
            fields.append("i=%di" % rng.randrange(-50, 50))
        if rng.random() < 0.4:
            fields.append("b=%s" % rng.choice("tf"))
        if rng.random() < 0.4 or not fields:
            fields.append('s="%s"' % rng.choice(["red", "green", "<blue> & \\\"x\\\"", "", "naïve"]))
        seconds = base + rng.randrange(0, 40 * 86400) // 60 * 60
        yield "mixed%s %s %d" % (tags, ",".join(fields), seconds * 1000000000)


def load(server):
    server.query("CREATE DATABASE d")
    batch = []

    def send():
        response = server.write("\n".join(batch), db="d")
        if response.status != 204:
            raise RuntimeError("write refused: %d %r" % (response.status, response.body[:300]))
        batch.clear()

    for source in (tsbs_lines, nab_lines, mixed_lines):
        for line in source():
            batch.append(line)
            if len(batch) == BATCH_LINES:
                send()
    if batch:
        send()


def variants(number, query):
    """Parameters, and the Accept header."""
    yield {"epoch": "ns"}, "application/json"
    rows = query.startswith("SELECT") and "(" not in query
    if number % 3 == 0 or rows:
        yield {}, "application/json"
        yield {"pretty": "true", "epoch": "ms"}, "application/json"
        yield {"chunked": "true", "chunk_size": "100", "epoch": "s"}, "application/json"
    if rows:
        yield {"chunked": "true", "chunk_size": "777"}, "text/csv"


def ask(server, query, parameters, accept):
    path = "/query?" + urllib.parse.urlencode(dict(parameters, db="d", q=query))
    return server.request("GET", path, headers={"Accept": accept}).body.decode("utf-8", "surrogateescape")


def read_queries():
    with open(os.path.join(live.ROOT, "tests", "differential.queries"), encoding="utf-8") as lines:
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def main():
    queries = read_queries()
    count = sum(len(list(variants(n, q))) for n, q in enumerate(queries))
    influxd = live.start_influxd()
    if influxd is None:
        print("differential: the influxdb package cannot be had")
        print("0 passed, 0 failed, %d skipped" % count)
        return 0
    passed = failed = 0
    with influxd, live.start_siltd() as siltd:
        load(influxd)
        load(siltd)
        for number, query in enumerate(queries):
            for parameters, accept in variants(number, query):
                want = ask(influxd, query, parameters, accept)
                got = ask(siltd, query, parameters, accept)
                if want == got:
                    passed += 1
                    continue
                failed += 1
                at = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b), min(len(want), len(got)))
                print("DIFFERENT %s %s %s\n  want %s\n  got  %s" % (
                    query, parameters, accept, want[max(0, at - 120):at + 120].rstrip(), got[max(0, at - 120):at + 120].rstrip()))
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
