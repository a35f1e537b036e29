#!/usr/bin/env python3
"""backup_load.py - a backup of some gigabytes under full write load: its rate beside the disk's, and what writers feel.

    backup_load.py [--gigabytes N] [--rounds N] [--seconds N] [--data FOLDER] [--strict yes|no]

Fills a store (in FOLDER, if given: it is kept, and used again if it is filled), then in turns, --rounds times: the disk alone (all
data files, cold, copied by cp and synced), writes alone for --seconds, writes with `silt backup`, writes with POST /backup
read by curl and thrown away. Writers are four connections that send 5,000 lines each time the last were acknowledged. What the
page cache holds of the data is given up before each. Then the last backup is restored, verified, and served beside the
store as it went on: counts and sums of each of its parts are equal, and every row of the load is there that was acknowledged
before.

Checks always: nothing refused, restored equal. With --strict yes, by medians: 500 MB/s or the speed of the copy, p99 at most
doubled. Takes three times the room. Prints `N passed, N failed, 0 skipped`.
"""
import base64
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import live
from judge import Judge
from options import options

BUILD = os.path.dirname(live.siltd_path())
CONNECTIONS = 4
BATCH = 5000


class Load:
    """Writes without a pause, until stop."""

    def __init__(self, server):
        self.server, self.seconds, self.refused = server, [], 0
        self.lock = threading.Lock()
        self.stopping = False
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(CONNECTIONS)]
        self.begin = time.monotonic()
        for thread in self.threads:
            thread.start()

    def run(self, writer):
        connection = self.server.connection()
        body = "\n".join("live,writer=w%d,host=h%d,rack=r%d usage=%d.5,cores=8i" % (writer, i, i % 50, i % 100) for i in range(BATCH)).encode()
        while not self.stopping:
            begin = time.monotonic()
            connection.request("POST", "/write?db=load", body)
            answer = connection.getresponse()
            answer.read()
            with self.lock:
                self.seconds.append(time.monotonic() - begin)
                self.refused += answer.status != 204
        connection.close()

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()
        self.elapsed = time.monotonic() - self.begin
        self.seconds.sort()
        return self

    def quantile(self, q):
        return self.seconds[min(len(self.seconds) - 1, int(q * len(self.seconds)))] * 1000

    def describe(self, name):
        print("     %-30s %7.0f rows/s; ms: p50 %.1f, p99 %.1f, most %.1f" % (
            name + ":", len(self.seconds) * BATCH / self.elapsed, self.quantile(.5), self.quantile(.99), self.seconds[-1] * 1000), flush=True)


def data_files(folder):
    for base, _, names in os.walk(os.path.join(folder, "data", "shards")):
        for name in names:
            yield os.path.join(base, name)


def bytes_of(paths):
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path))


def give_up_cache(folder):
    for path in data_files(folder):
        try:
            fd = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue  # merged meanwhile
        os.fdatasync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def fill(server, folder, gigabytes):
    """Texts that hardly pack beside numbers: much to store, little to parse. A policy for each 500 MB."""
    server.query("CREATE DATABASE bench")
    connection, row = server.connection(), 0
    while bytes_of(data_files(folder)) < gigabytes * 1e9:
        policy = "p%d" % (row // 1000000)
        if row % 1000000 == 0:
            server.query("CREATE RETENTION POLICY %s ON bench DURATION 0s REPLICATION 1 SHARD DURATION 1000d" % policy)
        texts = base64.b64encode(os.urandom(480 * BATCH)).decode()
        lines = ['m,h=h%d v=%di,f=%d.25,s="%s" %d' % (i % 100, row + i, i, texts[640 * i:640 * i + 640], row + i) for i in range(BATCH)]
        connection.request("POST", "/write?db=bench&precision=s&rp=" + policy, "\n".join(lines).encode())
        answer = connection.getresponse()
        answer.read()
        if answer.status != 204:
            raise SystemExit("cannot fill: %d" % answer.status)
        row += BATCH


def contents(server):
    """Count and sum of all fields of each policy of bench."""
    policies = [row[0] for row in server.query_json("SHOW RETENTION POLICIES ON bench")["results"][0]["series"][0]["values"]]
    return {policy: server.query("SELECT count(*), sum(v), sum(f), first(s), last(s) FROM bench.\"%s\".m" % policy) for policy in policies}


def load_rows(server):
    series = server.query_json("SELECT count(usage) FROM live", db="load")["results"][0].get("series")
    return series[0]["values"][0][1] if series else 0


def main():
    arguments = options()
    gigabytes, rounds = float(arguments.get("--gigabytes", 5)), int(arguments.get("--rounds", 3))
    seconds, strict = float(arguments.get("--seconds", 10)), arguments.get("--strict", "no") == "yes"
    work = tempfile.mkdtemp(prefix="silt-backup-load-")
    folder = arguments.get("--data", os.path.join(work, "server"))
    backups, copy = os.path.join(work, "backups"), os.path.join(work, "copy")
    figures, judge = {}, Judge(tells_all=True)

    def note(what, value):
        figures.setdefault(what, []).append(value)

    def rate(what, size, took):
        note(what, size / took / 1e6)
        print("     %-30s %7.0f MB/s (%.2f GB in %.1f s)" % (what + ":", size / took / 1e6, size / 1e9, took), flush=True)

    try:
        os.makedirs(folder, exist_ok=True)
        with live.start_siltd(folder) as server:
            fill(server, folder, gigabytes)
        with live.start_siltd(folder) as server:
            server.query("DROP DATABASE load")
            server.query("CREATE DATABASE load")
            load = Load(server)
            time.sleep(2)  # series made, threads at work
            load.stop()
            refused, acknowledged = load.refused, BATCH * len(load.seconds)
            for _ in range(rounds):
                give_up_cache(folder)
                size, begin = bytes_of(data_files(folder)), time.monotonic()
                subprocess.run(["cp", "-r", os.path.join(folder, "data", "shards"), copy], check=True)
                subprocess.run(["sync", "-f", copy], check=True)
                rate("cp and sync", size, time.monotonic() - begin)
                shutil.rmtree(copy)
                for way in ("alone", "silt backup", "curl"):
                    give_up_cache(folder)
                    before = acknowledged
                    load = Load(server)
                    time.sleep(1)
                    begin = time.monotonic()
                    if way == "silt backup":
                        shutil.rmtree(backups, ignore_errors=True)
                        subprocess.run([os.path.join(BUILD, "silt"), "-port", str(server.port), "backup", backups], check=True,
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                        rate("rate of silt backup", bytes_of(os.path.join(base, n) for base, _, ns in os.walk(backups) for n in ns),
                             time.monotonic() - begin)
                        had = before
                    elif way == "curl":
                        sent = subprocess.run(["curl", "-sS", "-X", "POST", "-o", "/dev/null", "-w", "%{size_download}",
                                               "http://127.0.0.1:%d/backup" % server.port], check=True, stdout=subprocess.PIPE).stdout
                        rate("rate of curl", float(sent), time.monotonic() - begin)
                    else:
                        time.sleep(seconds)
                    load.stop().describe("writes, " + way)
                    note("p99, " + way, load.quantile(.99))
                    refused += load.refused
                    acknowledged += BATCH * len(load.seconds)
            judge.check("no write refused", refused == 0, str(refused))
            want = contents(server)
        begin = time.monotonic()
        os.makedirs(os.path.join(work, "restored"))
        backup = os.path.join(backups, os.listdir(backups)[0])
        said = subprocess.run([os.path.join(BUILD, "silt-inspect"), "restore", backup, os.path.join(work, "restored", "data")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        judge.check("restored and verified", said.returncode == 0 and b"no damage found" in said.stdout, "%.1f s" % (time.monotonic() - begin))
        with live.start_siltd(os.path.join(work, "restored")) as server:
            judge.check("restored is equal", contents(server) == want, "%d policies" % len(want))
            rows = load_rows(server)
            judge.check("rows acknowledged before are in it", rows >= had, "%d of %d and more" % (rows, had))
        print("medians:")
        middle = {what: statistics.median(values) for what, values in figures.items()}
        for what, value in middle.items():
            print("     %-30s %7.1f" % (what, value))
        for way in ("silt backup", "curl"):
            ratio = middle["p99, " + way] / middle["p99, alone"]
            print("     p99 with %s: %.2f times that alone" % (way, ratio))
            if strict:
                judge.check("fast enough by " + way, middle["rate of " + way] >= min(500, middle["cp and sync"]))
                judge.check("writers hardly notice " + way, ratio <= 2)
    finally:
        shutil.rmtree(work)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
