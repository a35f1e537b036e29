#!/usr/bin/env python3
"""amplification.py - how many bytes the disk is written for each byte that stays, and how much room there has to be meanwhile.

    amplification.py [--hosts N] [--steps N] [--kind cpu] [--soft BYTES] [--late yes|no] [--strict yes|no]

Loads hosts * steps rows with little memory for recent points, so that many flushes and merges happen, lets merges come to rest, and
tells, against the bytes of the files at the end:

    files       all that flushes and merges wrote
    one run     the same when the shard group has been at rest and is one file
    with log    files, and what the log's records hold
    the disk    what the kernel counts for the process (/proc/PID/io), the zeros that log segments begin with among it
    room        the most that files had at a time; and the log with them

--late yes: rows come out of order by up to an hour. With --strict yes `files` and `with log` have to stay below 3 and 8. Prints
`N passed, N failed, 0 skipped`.
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import live
from judge import Judge
from options import options

BUILD = os.path.dirname(live.siltd_path())
FILES_BOUND, WITH_LOG_BOUND = 3, 8


class Files:
    """Looks at the data directory all the time: every file that ever was, with its size at the end."""

    def __init__(self, folder):
        self.folder, self.sizes = folder, {}
        self.most = self.most_with_log = self.now = 0
        self.stopping = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def look(self):
        now = log = 0
        for base, _, names in os.walk(self.folder):
            for name in names:
                try:
                    size = os.path.getsize(os.path.join(base, name))
                except FileNotFoundError:
                    continue
                if name.endswith(".wal"):
                    log += size
                elif ".tsm" in name:
                    now += size
                    key = os.path.join(base, name.replace(".tmp", ""))
                    self.sizes[key] = max(size, self.sizes.get(key, 0))
        self.now = now
        self.most, self.most_with_log = max(self.most, now), max(self.most_with_log, now + log)

    def run(self):
        while not self.stopping:
            self.look()
            time.sleep(0.01)

    def stop(self):
        self.stopping = True
        self.thread.join()
        self.look()


def shard_sums(server):
    """Bytes of log records, flushes, merges of all shards."""
    sums = [0, 0, 0]
    for series in server.query_json("SHOW STATS")["results"][0]["series"]:
        row = dict(zip(series["columns"], series["values"][0]))
        for i, (module, name) in enumerate((("shard", "writeBytes"), ("tsm1_engine", "cacheCompactions"), ("tsm1_engine", "tsmFullCompactions"))):
            sums[i] += row[name] if series["name"] == module else 0
    return sums


def written(server):
    with open("/proc/%d/io" % server.process.pid) as f:
        return dict(line.split(": ") for line in f.read().splitlines())


def largest_folder(folder):
    """Its data files, of all shard groups'."""
    folders = [glob.glob(os.path.join(shard, "*.tsm")) for shard in glob.glob(os.path.join(folder, "data", "shards", "*"))]
    return max(folders, key=lambda names: sum(map(os.path.getsize, names)))


def main():
    arguments = options()
    strict = arguments.get("--strict", "no") == "yes"
    folder = tempfile.mkdtemp(prefix="silt-amplification-")
    judge = Judge()
    try:
        with live.start_siltd(folder, env={"SILT_DATA_MEMTABLE_SOFT": arguments.get("--soft", "32m")}) as server:
            server.query("CREATE DATABASE bench")
            files = Files(os.path.join(folder, "data"))
            argv = [os.path.join(BUILD, "bench", "bench_load"), "--port", str(server.port), "--kind", arguments.get("--kind", "cpu"),
                    "--hosts", arguments.get("--hosts", "1000"), "--steps", arguments.get("--steps", "2000")]
            if arguments.get("--late", "no") == "yes":
                argv.append("--out-of-order")
            try:
                subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
                quiet_since, last = time.monotonic(), None
                while time.monotonic() - quiet_since < 3:
                    time.sleep(0.2)
                    if (sums := shard_sums(server)) != last:
                        quiet_since, last = time.monotonic(), sums
                log, flushes, merges = last
                disk = int(written(server)["write_bytes"])
                server.stop()  # what is in memory becomes files
                files.look()
                final, all_files, room, room_with_log = files.now, sum(files.sizes.values()), files.most, files.most_with_log
                count = len(largest_folder(folder))
                with live.start_siltd(folder, env={"SILT_DATA_COMPACT_FULL_WRITE_COLD_DURATION": "100ms"}) as rested:
                    until = time.monotonic() + 120
                    while len(largest_folder(folder)) > 1 and time.monotonic() < until:
                        time.sleep(0.2)
                    judge.check("at rest it becomes one file", len(largest_folder(folder)) == 1)
                    rested.stop()
            finally:
                files.stop()
        rows = int(arguments.get("--hosts", "1000")) * int(arguments.get("--steps", "2000"))
        print("%d rows, %d flushes, %d merges; %d files, %.1f MB stay; %.1f MB in the end"
              % (rows, flushes, merges, count, final / 1e6, files.now / 1e6))
        for what, size, of, bound in (("files", all_files, final, FILES_BOUND), ("one run", sum(files.sizes.values()), files.now, None),
                                      ("with log", all_files + log, final, WITH_LOG_BOUND), ("the disk", disk, final, None),
                                      ("room for files", room, final, None), ("room with the log", room_with_log, final, None)):
            ok = not bound or size <= bound * of
            print("%s %-18s %8.1f MB, %5.2f times%s" % ("ok  " if ok else "over", what + ":", size / 1e6, size / of,
                                                       ", at most %d" % bound if bound else ""))
            if bound:
                judge.check(what, ok or not strict, "%.2f times" % (size / final))
    finally:
        shutil.rmtree(folder)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
