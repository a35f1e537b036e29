#!/usr/bin/env python3
"""kill_test.py - kill -9 in the middle of a load, start again, and look for every acknowledged point.

    kill_test.py [--rounds N] [--seed S]

Writers send batches of rows whose value says which row it is; what was answered 204 is noted. Beside them a reader counts: what
was noted before it asks must be in its answer. Small memtables see to flushes and merges meanwhile. Some rounds stop the process
for a moment or for seconds (SIGSTOP) and let it go on, or kill it as it stands. After the kill at a random moment every noted row must be there,
once, with its value; rows never acknowledged may be there, but only whole. Rows of the last two rounds are read one by one, older
ones counted and added up, and now and then all are read.
One store lives through all rounds, so that later kills meet flushed files, merges and recycled log segments. Every
fifth round ends with a clean stop instead. Prints the seed, and `N passed, N failed`.
"""
import http.client
import json
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time

import live
from options import options

HOSTS = 40
ROWS = 100
BASE = 1600000000
ROUND_BATCHES = 1000000  # the first batch of a round is a multiple of it
ROUNDS_AGAIN = 2         # rounds whose rows are read one by one again
ALL_EVERY = 25           # so often all are


def writer(port, number, round_number, acked, stop):
    """Batches of ROWS rows: row r of batch b of writer w has value w * 10^9 + b * ROWS + r in series h=r % HOSTS."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    batch = round_number * ROUND_BATCHES
    while not stop.is_set():
        lines = []
        for r in range(ROWS):
            index = batch * ROWS + r
            lines.append("k,w=%d,h=h%d v=%di,t=\"%d\" %d" % (number, r % HOSTS, index, index,
                                                             (BASE * 1000000 + index) * 1000))
        try:
            connection.request("POST", "/write?db=k", body="\n".join(lines))
            response = connection.getresponse()
            response.read()
            if response.status != 204:
                raise RuntimeError("refused: %d" % response.status)
        except (OSError, http.client.HTTPException):
            return
        acked[number].append(batch)
        batch += 1


def reader(server, acked, ending, problems):
    """Counts while all this goes on; the server may be gone at any moment."""
    turn = 0
    while not ending.is_set():
        number = turn % len(acked)
        turn += 1
        least = len(acked[number]) * ROWS
        try:
            result = json.loads(server.query("SELECT count(v), count(t) FROM k WHERE w = '%d'" % number, db="k"))["results"][0]
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return
        if "error" in result:
            if not ending.is_set():
                problems.append("a query failed: %s" % result["error"])
            return
        row = result["series"][0]["values"][0] if "series" in result else (0, 0, 0)
        if row[1] < least or row[2] < least:
            problems.append("writer %d: %d rows were acknowledged, a query saw %r" % (number, least, row[1:]))


def merges(server):
    text = server.request("GET", "/metrics").body.decode()
    return sum(float(n) for n in re.findall(r"^\S*shard_compactions_total\S* (\S+)$", text, re.M))


def pause(server, rng):
    """Stops the process for a while; returns whether it shall be killed as it stands."""
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(rng.choice((rng.uniform(0.01, 0.5), rng.uniform(2, 4))))
    if rng.random() < 0.3:
        return True
    server.process.send_signal(signal.SIGCONT)
    time.sleep(rng.uniform(0.01, 0.3))
    return False


def first_time(batch):
    return (BASE * 1000000 + batch * ROWS) * 1000


def verify_old(server, number, settled, since):
    """What is older than the last rounds was read row by row before, and must add up to the same."""
    reply = json.loads(server.query("SELECT count(v), count(t), sum(v) FROM k WHERE w = '%d' AND time < %d"
                                    % (number, first_time(since)), db="k"))
    result = reply["results"][0]
    found = result["series"][0]["values"][0][1:] if "series" in result else [0, 0, 0]
    count = sum(part[0] for part in settled[number].values())
    total = sum(part[1] for part in settled[number].values())
    return [] if found == [count, count, total] else ["writer %d: %r in %d old rows, sum %d" % (number, found, count, total)]


def verify(server, acked, settled, since):
    """Problems found, as texts: row by row from batch `since` on, which settled then sums up by round."""
    problems = []
    for number, batches in acked.items():
        settled[number] = {r: part for r, part in settled[number].items() if r * ROUND_BATCHES < since}
        problems += verify_old(server, number, settled, since)
        batches = [b for b in batches if b >= since]
        reply = json.loads(server.query("SELECT v, t FROM k WHERE w = '%d' AND time >= %d" % (number, first_time(since)), db="k",
                                        epoch="ns"))
        result = reply["results"][0]
        rows = result["series"][0]["values"] if "series" in result else []
        seen = {}
        for when, value, text in rows:
            if value is None or text is None or str(value) != text or when != (BASE * 1000000 + value) * 1000:
                problems.append("writer %d: damaged row %r" % (number, (when, value, text)))
            if value in seen:
                problems.append("writer %d: row %d twice" % (number, value))
            seen[value] = True
            part = settled[number].setdefault(value // ROWS // ROUND_BATCHES, [0, 0])
            part[0] += 1
            part[1] += value
        lost = [b for b in batches if any(b * ROWS + r not in seen for r in range(ROWS))]
        if lost:
            problems.append("writer %d: %d acknowledged batches lost, first %d" % (number, len(lost), lost[0]))
        whole = {}
        for value in seen:
            whole[value // ROWS] = whole.get(value // ROWS, 0) + 1
        torn = [b for b, count in whole.items() if count != ROWS]
        if torn:
            problems.append("writer %d: batch %d is there in part" % (number, torn[0]))
    return problems


def main():
    arguments = options()
    rounds = int(arguments.get("--rounds", 20))
    seed = int(arguments.get("--seed", random.SystemRandom().randrange(1 << 32)))
    rng = random.Random(seed)
    print("kill_test: seed %d, %d rounds" % (seed, rounds))
    folder = tempfile.mkdtemp(prefix="silt-kill-")
    acked = {n: [] for n in range(3)}
    settled = {n: {} for n in acked}
    failed = passed = paused = 0
    slowest = merged = 0.0
    # Small memtables, so that flushes and merges happen under fire.
    environment = {"SILT_DATA_MEMTABLE_SOFT": "2m"}
    try:
        with live.start_siltd(folder, env=environment) as server:
            server.query("CREATE DATABASE k")
        for round_number in range(rounds):
            begin = time.monotonic()
            server = live.start_siltd(folder, env=environment)
            slowest = max(slowest, time.monotonic() - begin)
            again = ROUNDS_AGAIN if round_number % ALL_EVERY else round_number
            problems = verify(server, acked, settled, max(0, round_number - again) * ROUND_BATCHES)
            for problem in problems:
                print("round %d: %s" % (round_number, problem))
            failed, passed = failed + bool(problems), passed + (not problems)
            if problems:
                server.kill()
                break
            stop, ending = threading.Event(), threading.Event()
            threads = [threading.Thread(target=writer, args=(server.port, n, round_number, acked, stop)) for n in acked]
            threads.append(threading.Thread(target=reader, args=(server, acked, ending, problems)))
            for thread in threads:
                thread.start()
            time.sleep(rng.uniform(0.05, 1.2))
            merged += merges(server)
            stands = False
            if round_number % 4 == 2:
                paused += 1
                stands = pause(server, rng)
            ending.set()
            if round_number % 5 == 4 and not stands:
                status = server.stop()
                if status != 0:
                    failed += 1
                    print("round %d: a clean stop under load ended with %r" % (round_number, status))
            else:
                server.kill()
            stop.set()
            for thread in threads:
                thread.join()
            for problem in problems:
                print("round %d: %s" % (round_number, problem))
            failed += bool(problems)
        else:
            with live.start_siltd(folder, env=environment) as server:
                problems = verify(server, acked, settled, 0)
                for problem in problems:
                    print("at the end: %s" % problem)
                failed, passed = failed + bool(problems), passed + (not problems)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("kill_test: %d acknowledged rows, slowest start %.2f s, %d merges before the kills, stopped for a while %d times"
          % (sum(map(len, acked.values())) * ROWS, slowest, merged, paused))
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
