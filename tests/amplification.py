#!/usr/bin/env python3
"""amplification.py - how many bytes the disk is written for each byte that stays, and how much room there has to be meanwhile.

    amplification.py [--hosts N] [--steps N] [--kind cpu] [--soft BYTES] [--late yes|no] [--strict yes|no]

Loads hosts * steps rows with little memory for recent points, so that many flushes and merges happen, lets merges come to rest, and
tells, against the bytes of the files at the end:

    files       all that flushes and merges wrote
    with log    files, and what the log's records hold
    the disk    what the kernel counts for the process (/proc/PID/io), the zeros that log segments begin with among it
    room        the most that files had at a time; and the log with them

--late yes: rows come out of order by up to an hour. With --strict yes the first two have to stay below 3 and 8. Prints
`N passed, N failed, 0 skipped`.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import live
from judge import Judge

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


def main():
    arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
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
            finally:
                files.stop()
        final, all_files = files.now, sum(files.sizes.values())
        rows = int(arguments.get("--hosts", "1000")) * int(arguments.get("--steps", "2000"))
        print("%d rows, %d flushes, %d merges; %.1f MB stay" % (rows, flushes, merges, final / 1e6))
        for what, size, bound in (("files", all_files, FILES_BOUND), ("with log", all_files + log, WITH_LOG_BOUND), ("the disk", disk, None),
                                  ("room for files", files.most, None), ("room with the log", files.most_with_log, None)):
            ok = not bound or size <= bound * final
            print("%s %-18s %8.1f MB, %5.2f times%s" % ("ok  " if ok else "over", what + ":", size / 1e6, size / final,
                                                       ", at most %d" % bound if bound else ""))
            if bound:
                judge.check(what, ok or not strict, "%.2f times" % (size / final))
    finally:
        shutil.rmtree(folder)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
