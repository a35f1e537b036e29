#!/usr/bin/env python3
"""full_disk.py - a disk that fills up under load: writes are refused with the reason, reads go on, and when there is room
again so do writes, without a restart; every acknowledged point is there, before and after a kill. A start on a full disk serves
reads as well, and takes writes once there is room.

The disk is a tmpfs of its own, which takes root or a user namespace: without either the steps are skipped. Prints `N passed,
N failed, N skipped`.
"""
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import live
from judge import Judge

DISK_MIB = 420
WRITERS = 4
ROWS = 500
PATIENCE_SECONDS = 60
STEPS = 40


class Load:
    """Writers that go on whatever they are told; what was acknowledged is noted."""

    def __init__(self, server):
        self.server, self.stop = server, threading.Event()
        self.acked = [[] for _ in range(WRITERS)]
        self.refused, self.strange, self.lock = 0, [], threading.Lock()
        self.text = ""
        self.threads = [threading.Thread(target=self.write, args=(w,)) for w in range(WRITERS)]
        for thread in self.threads:
            thread.start()

    def write(self, number):
        batch = 0
        while not self.stop.is_set():
            lines = "\n".join("k,w=%d v=%di,t=\"%s\" %d" % (number, batch * ROWS + r, os.urandom(24).hex(),
                                                            batch * ROWS + r) for r in range(ROWS))
            try:
                response = self.server.write(lines, db="k", precision="ms")
            except (OSError, http.client.HTTPException) as e:
                with self.lock:
                    self.strange.append(repr(e))
                return
            if response.status == 204:
                self.acked[number].append(batch)
                batch += 1
                continue
            with self.lock:
                if response.status == 503:
                    self.refused += 1
                    self.text = response.body.decode()
                else:
                    self.strange.append("%d %s" % (response.status, response.body))
            time.sleep(0.05)

    def count(self):
        return sum(len(batches) for batches in self.acked)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def until(condition):
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def fill(path):
    """All room but what is in use; more comes as segments are given back, so it is done until nothing is left."""
    with open(path, "ab", buffering=0) as ballast:
        for size in (1 << 20, 4096):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError:
                pass


class Ballast:
    """A file that takes all room there is, until it is gone."""

    def __init__(self, disk):
        self.path, self.stop = os.path.join(disk, "ballast"), threading.Event()
        fill(self.path)
        self.thread = threading.Thread(target=self.keep_full)
        self.thread.start()

    def keep_full(self):
        while not self.stop.wait(0.05):
            fill(self.path)

    def give_way(self):
        self.stop.set()
        self.thread.join()
        os.unlink(self.path)


def lost(server, load):
    """How many acknowledged rows are not there, or not with their value."""
    missing = 0
    for number, batches in enumerate(load.acked):
        result = server.query_json("SELECT v FROM k WHERE w = '%d'" % number, db="k", epoch="ms")["results"][0]
        rows = result["series"][0]["values"] if "series" in result else []
        there = {when for when, value in rows if when == value}
        missing += sum(1 for batch in batches for r in range(ROWS) if batch * ROWS + r not in there)
    return missing


def run(disk, soft_mib, check):
    server = live.start_siltd(disk, env={"SILT_DATA_MEMTABLE_SOFT": "%dm" % soft_mib})
    server.query("CREATE DATABASE k")
    load = Load(server)
    check("writes are taken", until(lambda: load.count() > 20))
    ballast = Ballast(disk)
    check("a full disk refuses writes", until(lambda: load.refused > 20), str(load.strange[:2]))
    check("and says why", "the disk is full" in load.text, load.text)

    def is_said():
        health = server.request("GET", "/health")
        return health.status == 503 and b"the disk is full" in health.body

    check("/health says it too", until(is_said))
    check("nothing is lost while it is full", lost(server, load) == 0)
    check("reads go on", server.query_json("SELECT count(v) FROM k", db="k")["results"][0]["series"])
    before = load.count()
    ballast.give_way()
    check("with room writes go on, without a restart", until(lambda: load.count() > before + 20))
    check("/health is well again", until(lambda: server.request("GET", "/health").status == 200))
    load.end()
    check("nothing else was answered", not load.strange, str(load.strange[:3]))
    check("nothing is lost", lost(server, load) == 0)
    server.kill()
    server = live.start_siltd(disk)
    check("nor after a kill", lost(server, load) == 0)
    check("it ends as asked", server.stop() == 0)
    for how in "stopped", "killed":
        start_without_room(disk, how, load, check)
    shutil.rmtree(os.path.join(disk, "data"))


def start_without_room(disk, how, load, check):
    """SQLite has files of its own to make after a clean stop; after a kill the log has not been flushed."""
    ballast = Ballast(disk)
    server = live.start_siltd(disk)
    check(how + ": reads are served by a start without room", lost(server, load) == 0)
    answer = server.write("k,w=%d v=1i 1" % WRITERS, db="k")
    # Old segments of the log may give it the room that it needs.
    check(how + ": writes are refused with the reason, or taken",
          answer.status == 204 or (answer.status == 503 and b"disk is full" in answer.body), "%d %s" % (answer.status, answer.body))
    ballast.give_way()
    check(how + ": with room they are taken", until(lambda: server.write("k,w=%d v=1i" % WRITERS, db="k").status == 204))
    check(how + ": and definitions too", "error" not in server.query("CREATE DATABASE " + how))
    server.kill() if how == "stopped" else server.stop()


def main():
    if "--mounted" in sys.argv:
        disk = sys.argv[-1]
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % DISK_MIB, "tmpfs", disk],
                          stderr=subprocess.DEVNULL).returncode:
            print("0 passed, 0 failed, %d skipped" % STEPS)
            return 0
        # With much memory the log is what finds no room, with little the flushes do.
        judge = Judge()
        for soft_mib in (400, 16):
            run(disk, soft_mib, judge.check)
        if judge.passed + judge.failed != STEPS:
            judge.check("as many steps as are told where they are skipped", False, judge.passed + judge.failed)
        return judge.end()
    disk = tempfile.mkdtemp(prefix="silt-full-")
    try:
        # The mount is seen by this child alone and goes with it.
        namespace = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
        if subprocess.run(namespace + ["true"], stderr=subprocess.DEVNULL).returncode:
            print("0 passed, 0 failed, %d skipped" % STEPS)
            return 0
        child = subprocess.run(namespace + [sys.executable, __file__, "--mounted", disk])
        if child.returncode not in (0, 1):
            print("0 passed, %d failed, 0 skipped" % STEPS)
            return 1
        return child.returncode
    finally:
        shutil.rmtree(disk, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
