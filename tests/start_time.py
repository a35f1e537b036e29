#!/usr/bin/env python3
"""start_time.py - how long a start takes: many series and much data on disk, and a log as long as the server lets it grow.

    start_time.py [--series 20000] [--gigabytes 0.01] [--log-rows 200000] [--folder DIR] [--strict no]

Writes points of ten random floats, hosts 4,000, a shard group a day, to about that much on disk, and that many series of one point;
then starts again and again: after a clean stop, after kill -9, and with the store's files out of the page cache. Each time two
queries are asked as soon as /ping answers: of one host, and of one of the many series. Then rows are written as fast as it goes, at
times that spread over several groups, and the server is killed: all of them must be there after the start. --strict yes: a start
with its first queries takes at most 2 s, with the full log 10 s. --folder: the data stays there, and is used again when it is there.
Prints `N passed, N failed, 0 skipped`.
"""
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time

import live
from judge import Judge
from options import options

HOSTS = 4000
VARIANTS = 50  # rows of random values, which take turns: as hard to compress as if none came twice
START = 1600000000
STEP = 60
ROW_BYTES = 29  # about, on disk
FIELDS = ["f%d" % i for i in range(10)]
BATCH = 5000
LOG_MEASUREMENT = "late"


def lines_of(measurement, variants, seed):
    """[variant][host]: the line up to its time."""
    source = random.Random(seed)
    return [["%s,host=host_%d,region=r%d " % (measurement, host, host % 9) +
             ",".join(["%s=%r" % (field, source.random()) for field in FIELDS]) for host in range(HOSTS)]
            for _ in range(variants)]


def folder_bytes(folder):
    return sum(os.stat(os.path.join(at, name)).st_blocks * 512 for at, _, names in os.walk(folder) for name in names)


def post(connection, body):
    connection.request("POST", "/write?db=d&precision=s", body)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 204:
        raise RuntimeError("write: %d %s" % (answer.status, text))


def write_steps(server, lines, times):
    """All hosts at each of the times, by three senders."""
    ahead, lock, failed = iter(enumerate(times)), threading.Lock(), []

    def send():
        connection = server.connection()
        while not failed:
            with lock:
                number, at = next(ahead, (None, None))
            if number is None:
                return
            end = " %d\n" % at
            try:
                post(connection, end.join(lines[number % len(lines)]) + end)
            except Exception as e:  # told by the thread that waits for this one
                failed.append(e)

    senders = [threading.Thread(target=send) for _ in range(3)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    if failed:
        raise failed[0]


def fill(server, series, steps):
    server.query("CREATE DATABASE d WITH SHARD DURATION 1d")
    connection = server.connection()
    for first in range(0, series, BATCH):
        post(connection, "\n".join(["m,id=id%d,rack=r%d,zone=z%d v=%d %d" % (i, i % 100, i % 7, i, START)
                                    for i in range(first, min(first + BATCH, series))]))
    write_steps(server, lines_of("big", VARIANTS, 1), [START + k * STEP for k in range(steps)])


def forget_cached(folder):
    """Out of the page cache, as after a start of the machine."""
    os.sync()
    for at, _, names in os.walk(folder):
        for name in names:
            file = os.open(os.path.join(at, name), os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


class StartJudge(Judge):
    def __init__(self, strict):
        super().__init__(tells_all=True)
        self.strict = strict

    def started(self, name, folder, series, steps, seconds_most):
        """The server, started: how long until it listens, and until both queries are answered right."""
        begin = time.monotonic()
        server = live.start_siltd(folder, patience=600)
        listens = time.monotonic() - begin
        count = server.query_json("SELECT count(f3) FROM big WHERE host = 'host_77'", db="d", epoch="s")
        first = time.monotonic() - begin
        one = server.query_json("SELECT v FROM m WHERE id = 'id%d'" % (series // 2), db="d", epoch="s")
        both = time.monotonic() - begin
        right = (count["results"][0]["series"][0]["values"][0][1] == steps and
                 one["results"][0]["series"][0]["values"] == [[START, series // 2]])
        self.check("right at once, " + name, right, "" if right else str((count, one)))
        self.check("time, " + name, not self.strict or both < seconds_most,
                   "/ping %.2f s, of a host %.2f s, of a series %.2f s" % (listens, first, both))
        return server


def write_log(server, rows, seconds):
    """Rows at times that are all over the store's groups; returns how many steps."""
    lines, steps, begin = lines_of(LOG_MEASUREMENT, 5, 2), 0, time.monotonic()
    while steps * HOSTS < rows and time.monotonic() - begin < seconds:
        write_steps(server, lines, [START + (steps + k) * 7 for k in range(50)])
        steps += 50
    return steps


def main():
    arguments = options()
    series = int(arguments.get("--series", 20000))
    steps = int(float(arguments.get("--gigabytes", 0.01)) * 1e9 / ROW_BYTES / HOSTS) + 1
    log_rows = int(arguments.get("--log-rows", 200000))
    judge = StartJudge(arguments.get("--strict") == "yes")
    folder = arguments.get("--folder") or tempfile.mkdtemp(prefix="silt-start-")
    os.makedirs(folder, exist_ok=True)
    facts = os.path.join(folder, "facts")
    try:
        if os.path.exists(facts):
            with open(facts) as f:
                series, steps = json.load(f)
        else:
            with live.start_siltd(folder) as server:
                begin = time.monotonic()
                fill(server, series, steps)
                print("     %d rows of ten floats, %d series written in %.0f s" % (steps * HOSTS, series, time.monotonic() - begin))
            with open(facts, "w") as f:
                json.dump((series, steps), f)
        files = sum(len(names) for _, _, names in os.walk(os.path.join(folder, "data", "shards")))
        print("     %.2f GB in %d files" % (folder_bytes(os.path.join(folder, "data")) / 1e9, files))
        with judge.started("after a clean stop", folder, series, steps, 2) as server:
            server.kill()
        with judge.started("after a kill", folder, series, steps, 2):
            pass
        forget_cached(os.path.join(folder, "data"))
        with judge.started("nothing cached", folder, series, steps, 2) as server:
            log_steps = write_log(server, log_rows, 300)
            server.kill()
        print("     log of %.2f GB" % (folder_bytes(os.path.join(folder, "data", "wal")) / 1e9))
        with judge.started("with a full log", folder, series, steps, 10) as server:
            count = server.query_json("SELECT count(f3) FROM %s" % LOG_MEASUREMENT, db="d")
            count = count["results"][0]["series"][0]["values"][0][1]
            judge.check("every row of the log", count == log_steps * HOSTS, "%d of %d" % (count, log_steps * HOSTS))
            server.query("DROP MEASUREMENT " + LOG_MEASUREMENT, db="d")  # so that --folder can be used again
    finally:
        if "--folder" not in arguments:
            shutil.rmtree(folder, ignore_errors=True)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
