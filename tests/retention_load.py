#!/usr/bin/env python3
"""retention_load.py - shard groups that expire while much is written: all gone in time, and writers hardly notice.

    retention_load.py [--groups N] [--kept N] [--points N] [--rate ROWS_PER_S] [--seconds N] [--strict yes|no]

Fills N shard groups of an hour each with N points, and others in a second policy that stay; a restart puts them all into
files. Then writes at a steady rate to the hour that is now, and now and then to one that has no group yet: first without
anything else (the measure), then again while ALTER RETENTION POLICY ... DURATION 1h lets every old group expire at the
next check. A write's time counts from the moment it was due, so that a
stall shows in each write that it delays. Checks: no write refused; every old group gone within the check interval and
some time for the work; folders gone; series that had points there alone gone; what was written meanwhile all there.
p99 is printed; with --strict yes it must be at most doubled, else at most a second longer, for noisy machines. Prints `N passed, N failed, 0 skipped`.
"""
import http.client
import os
import shutil
import sys
import tempfile
import threading
import time

import live
from judge import Judge
from options import options

BATCH = 5000
CONNECTIONS = 4
CHECK_SECONDS = 2
NEW_GROUP_EACH = 20  # batches
HOUR = 3600


class Load:
    """Batches without timestamps, one each 1/n s whatever the server does; seconds from due to 204, one a batch."""
    new_hour = 500000  # since 1970; in 2027

    def __init__(self, server, rate):
        self.server, self.gap = server, BATCH / rate
        self.seconds, self.refused, self.late = [], [], 0
        self.stopping = False
        self.lock = threading.Lock()
        self.body = "\n".join("live,host=h%d,rack=r%d usage=%d.5,cores=8i" % (i, i % 50, i % 100)
                              for i in range(BATCH)).encode()
        self.begin = time.monotonic()
        self.next = 0
        self.threads = [threading.Thread(target=self.run) for _ in range(CONNECTIONS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        while not self.stopping:
            with self.lock:
                due = self.begin + self.next * self.gap
                self.next += 1
                path, body = "/write?db=d&rp=p", self.body
                if self.next % NEW_GROUP_EACH == 0:
                    Load.new_hour += 1
                    path = "/write?db=d&rp=keep&precision=h"
                    body = self.body.replace(b"\n", b" %d\n" % Load.new_hour) + b" %d" % Load.new_hour
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            connection.request("POST", path, body)
            response = connection.getresponse()
            response.read()
            took = time.monotonic() - due
            with self.lock:
                self.seconds.append(took)
                if response.status != 204:
                    self.refused.append(response.status)
        connection.close()

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()
        self.elapsed = time.monotonic() - self.begin
        return self

    def quantile(self, q):
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))] * 1000

    def describe(self, name):
        print("     %s: %.0f rows/s, %d batches; from due to 204, ms: p50 %.1f, p99 %.1f, p99.9 %.1f, most %.1f" % (
            name, len(self.seconds) * BATCH / self.elapsed, len(self.seconds), self.quantile(.5), self.quantile(.99),
            self.quantile(.999), max(self.seconds) * 1000))


def fill(server, policy, groups, points, first_hour):
    """Each group: as many points of each of 100 series that live everywhere, and in policy p one series of its own."""
    per_group = max(points // max(groups, 1), 101)
    refused = 0
    lines = []
    for group in range(groups):
        begin = first_hour + group * HOUR
        if policy == "p":
            lines.append("old,group=g%d v=%d %d" % (group, group, begin))
        for i in range(per_group - 1):
            lines.append("old,host=h%d v=%d %d" % (i % 100, i, begin + (i // 100) % HOUR))
        if len(lines) >= 50000 or group == groups - 1:
            refused += server.write("\n".join(lines), db="d", rp=policy, precision="s").status != 204
            lines = []
    return refused


def main():
    arguments = options()
    groups = int(arguments.get("--groups", 1000))
    kept = int(arguments.get("--kept", groups // 4))
    points = int(arguments.get("--points", 10000000))
    rate = int(arguments.get("--rate", 200000))
    seconds = float(arguments.get("--seconds", 20))
    strict = arguments.get("--strict", "no") == "yes"
    folder = tempfile.mkdtemp(prefix="silt-retention-")
    settings = {"SILT_RETENTION_CHECK_INTERVAL": "%ds" % CHECK_SECONDS}
    judge = Judge(tells_all=True)

    def ask(server, q):
        return server.query_json(q, db="d", epoch="s")["results"][0]

    def value(server, q):
        series = ask(server, q).get("series")
        return series[0]["values"][0][-1] if series else 0

    def groups_of(server):
        """Numbers of policy p's groups."""
        for series in ask(server, "SHOW SHARDS")["series"]:
            if series["name"] == "d":
                return {str(row[0]) for row in series["values"] if row[2] == "p"}
        return set()

    def left_on_disk(old):
        return len(old & set(os.listdir(os.path.join(folder, "data", "shards"))))

    def own_series(server):
        """Those that have points in one old group only; the index knows them, whatever policy is asked for."""
        series = ask(server, 'SHOW TAG VALUES FROM old WITH KEY = "group"').get("series")
        return len(series[0]["values"]) if series else 0

    def live_rows(server):
        return sum(value(server, "SELECT count(usage) FROM %s.live" % policy) for policy in ("p", "keep"))

    try:
        # The groups end two to N + 2 hours ago: with a duration of one hour, all of them are over.
        now_hour = int(time.time()) // HOUR * HOUR
        with live.start_siltd(folder, env=settings) as server:
            server.query("CREATE DATABASE d WITH DURATION INF REPLICATION 1 SHARD DURATION 1h NAME p")
            begin = time.monotonic()
            server.query("CREATE RETENTION POLICY keep ON d DURATION INF REPLICATION 1 SHARD DURATION 1h")
            refused = fill(server, "p", groups, points, now_hour - (groups + 2) * HOUR)
            refused += fill(server, "keep", kept, kept * 1000, now_hour - (kept + 2) * HOUR)
            print("     filled in %.1f s" % (time.monotonic() - begin))
            old = groups_of(server)
            judge.check("groups filled", refused == 0 and len(old) == groups, str(len(old)))
        with live.start_siltd(folder, env=settings) as server:
            def written_by(duration):
                load = Load(server, rate)
                time.sleep(duration)
                return load.stop()

            rows = len(written_by(2).seconds)  # series made, threads at work
            calm = written_by(seconds)
            calm.describe("nothing expires")
            load = Load(server, rate)
            time.sleep(1)
            begin = time.monotonic()
            server.query("ALTER RETENTION POLICY p ON d DURATION 1h")
            while groups_of(server) & old and time.monotonic() - begin < 60 + groups / 10:
                time.sleep(0.1)
            gone = time.monotonic() - begin
            left = len(groups_of(server) & old)
            time.sleep(max(0, seconds - gone - 1))
            load.stop().describe("%d groups expire" % groups)
            judge.check("old groups gone", left == 0, "%d left, %.1f s after ALTER, checked every %d s" % (
                left, gone, CHECK_SECONDS))
            ratio = load.quantile(.99) / calm.quantile(.99)
            print("     p99 times %.2f" % ratio)
            if strict:
                judge.check("p99 of writes at most doubled", ratio <= 2)
            else:
                judge.check("no stall of writes", load.quantile(.99) < 2 * calm.quantile(.99) + 1000)
            rows += len(calm.seconds) + len(load.seconds)
            judge.check("no write refused", not calm.refused and not load.refused, str((calm.refused + load.refused)[:5]))
            # The last of it (folders, series) may still be under way behind what SHOW SHARDS tells.
            deadline, series = time.monotonic() + 60, -1
            while time.monotonic() < deadline:
                series = own_series(server)
                if left_on_disk(old) == 0 and series == 0:
                    break
                time.sleep(0.1)
            judge.check("folders gone", left_on_disk(old) == 0, "%d left" % left_on_disk(old))
            judge.check("series gone", series == 0, "%d left" % series)
            count = live_rows(server)
            judge.check("new rows all there", count == rows * BATCH, "%d of %d" % (count, rows * BATCH))
        with live.start_siltd(folder, env=settings) as server:
            judge.check("nothing comes back", not groups_of(server) & old and value(server, "SELECT count(v) FROM p.old") == 0)
            count = live_rows(server)
            judge.check("new rows after a start", count == rows * BATCH, "%d of %d" % (count, rows * BATCH))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
