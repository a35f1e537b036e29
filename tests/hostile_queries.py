#!/usr/bin/env python3
"""hostile_queries.py - no query takes the server down: the worst ones at once, beside writes, with little memory.

    hostile_queries.py [--long]     --long: a million series, a hundred clients

Many clients ask what costs most: GROUP BY * over all series, windows of a nanosecond, regular expressions that other
engines never finish, subqueries within each other, thousands of statements, all points for a client that hardly reads,
calls that keep every point. Each has to end with an answer or an error of the server's (a broken connection is neither);
resident memory stays within the budgets and a slack; writes go on without a refusal; /ping answers at once. Prints `N
passed, N failed, 0 skipped`.
"""
import http.client
import json
import socket
import sys
import threading
import time
import urllib.parse

import live
from judge import Judge

MIB = 1 << 20
MEMTABLE_SOFT, MEMTABLE_HARD = 32 * MIB, 96 * MIB
BYTES_PER_SERIES = 256  # beside what they take once loaded: small pieces that the allocator keeps, thread by thread
BASE_BYTES = 192 * MIB  # caches, log buffers, thread stacks, 64 MiB of blocks kept for the next query
PING_SECONDS_MAX = 5.0  # generous: beside it, all cores run queries
TIMEOUT_SECONDS = 10
PATIENCE_SECONDS = 180  # of a client, for one answer


def nested(levels):
    q = "SELECT v FROM many"
    for _ in range(levels):
        q = "SELECT v FROM (%s)" % q
    return q


def hostile_queries():
    """Kind -> text. What may be refused when parsed is in here too: that is an answer."""
    any_host = "|".join("(h%d.*)+" % i for i in range(300))
    return {
        "group by *": "SELECT * FROM many GROUP BY *",
        "mean by *": "SELECT mean(v) FROM many GROUP BY *",
        "windows by *": "SELECT mean(v) FROM many WHERE time >= 0 AND time < 1000s GROUP BY time(1s), * fill(0)",
        "nanoseconds": "SELECT mean(v) FROM deep WHERE time >= 0 AND time < 1000000s GROUP BY time(1ns)",
        "nanoseconds, null": "SELECT count(v) FROM deep WHERE time >= 0 AND time < 3000000s GROUP BY time(1ns) fill(null)",
        "backtracking": "SELECT v FROM many WHERE id =~ /^(i+)+$/ OR id =~ /(a+)+$/",
        "backtracking texts": "SELECT count(s) FROM deep WHERE s =~ /^(a+)+$/",
        "long regex": "SELECT count(v) FROM many WHERE id =~ /%s/" % any_host,
        "huge repeat": "SELECT v FROM many WHERE id =~ /((a{1,100}){1,100}){1,100}/",
        "nested": nested(40),
        "nested too deep": nested(3000),
        "deep parentheses": "SELECT " + "(" * 5000 + "v" + ")" * 5000 + " FROM deep",
        "statements": ";".join(["SELECT max(v) FROM deep"] * 10000),
        "shows": ";".join(["SHOW SERIES LIMIT 1"] * 2000),
        "all": "SELECT * FROM /.*/",
        "all, backwards": "SELECT * FROM /.*/ ORDER BY time DESC",
        "top": "SELECT top(v, id, 1000000) FROM many",
        "top of all": "SELECT top(v, 1000000) FROM deep",
        "percentile": "SELECT percentile(v, 99) FROM many",
        "percentiles": "SELECT %s FROM deep" % ", ".join("percentile(v, %d)" % i for i in range(1, 100)),
        "distinct": "SELECT distinct(v) FROM many",
        "distinct texts": "SELECT count(distinct(s)) FROM deep",
        "median of subquery": "SELECT median(v) FROM (SELECT v FROM many GROUP BY *)",
        "sum of windows": "SELECT sum(m) FROM (SELECT mean(v) AS m FROM deep WHERE time >= 0 AND time < 100000s "
                          "GROUP BY time(1u))",
        "mode": "SELECT mode(v) FROM many GROUP BY rack",
        "many or": "SELECT v FROM many WHERE " + " OR ".join("id = 'id%d'" % i for i in range(20000)),
        "many fields": "SELECT %s FROM deep" % ", ".join("v + %d" % i for i in range(3000)),
        "series": "SHOW SERIES",
        "tag values": "SHOW TAG VALUES WITH KEY =~ /.*/",
        "cardinality": "SHOW SERIES EXACT CARDINALITY GROUP BY id",
        "explain": "EXPLAIN ANALYZE SELECT * FROM /.*/ GROUP BY *",
        "into": "SELECT * INTO copied FROM deep GROUP BY *",
    }


class Outcome:
    def __init__(self):
        self.lock = threading.Lock()
        self.bad, self.ended, self.slow = [], 0, []

    def end(self, kind, error=None, seconds=0.0):
        with self.lock:
            self.ended += 1
            self.slow.append((seconds, kind))
            if error:
                self.bad.append("%s: %s" % (kind, error))


def check_answer(status, tail):
    """What is wrong with an answer whose last bytes are known, or None."""
    if status >= 500 and status != 503:
        return "status %d: %r" % (status, tail[-200:])
    if not tail.rstrip().endswith(b"}"):
        return "status %d, no end: %r" % (status, tail[-200:])
    return None


def ask(server, kind, q, crawl, outcome):
    begin = time.monotonic()
    error = None
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
        connection.sock = socket.socket()
        connection.sock.settimeout(PATIENCE_SECONDS)
        if crawl:  # before it connects; later, and the kernel's own back-off is what is measured
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        connection.sock.connect(("127.0.0.1", server.port))
        body = urllib.parse.urlencode({"q": q, "db": "d", "epoch": "ns", "chunked": "true" if crawl else "false"})
        connection.request("POST", "/query", body, {"Content-Type": "application/x-www-form-urlencoded"})
        response = connection.getresponse()
        tail = b""
        while True:
            if crawl and time.monotonic() - begin < crawl:
                part = response.read(2048)
                time.sleep(0.02)
            else:
                part = response.read(1 << 18)
            if not part:
                break
            tail = (tail + part)[-400:]
        error = check_answer(response.status, tail)
        connection.close()
    except Exception as e:  # whatever it is, it is no answer
        error = "%s: %s" % (type(e).__name__, e)
    outcome.end(kind, error, time.monotonic() - begin)


class Beside:
    """Writes and pings while the queries run; memory is looked at as often."""

    def __init__(self, server):
        self.server, self.stop = server, threading.Event()
        self.refused, self.written, self.pings, self.peak = [], 0, [], 0
        self.threads = [threading.Thread(target=t) for t in (self.write, self.ping)]
        for t in self.threads:
            t.start()

    def write(self):
        n = 0
        while not self.stop.is_set():
            lines = "\n".join("new,host=h%d v=%d %d" % (i % 50, n, 2000000000 + n * 20 + i // 50) for i in range(1000))
            try:
                reply = self.server.write(lines, db="d", precision="s")
                if reply.status == 204:
                    self.written += 1000
                else:
                    self.refused.append("%d %s" % (reply.status, reply.body[:200]))
            except OSError as e:
                self.refused.append(str(e))
            n += 1
            time.sleep(0.02)

    def ping(self):
        while not self.stop.is_set():
            begin = time.monotonic()
            try:
                status = self.server.request("GET", "/ping").status
                self.pings.append(time.monotonic() - begin if status == 204 else 1e9)
            except OSError:
                self.pings.append(1e9)
            self.peak = max(self.peak, self.server.memory())
            time.sleep(0.05)

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()


def load(server, series, deep):
    server.query("CREATE DATABASE d")
    for first in range(0, series, 5000):
        lines = ["many,id=id%d,rack=r%d v=%d.5 %d" % (i, i % 100, i, i % 1000) for i in range(first, min(first + 5000, series))]
        assert server.write("\n".join(lines), db="d", precision="s").status == 204
    for first in range(0, deep, 5000):
        lines = ['deep,host=h%d v=%d.25,s="%s" %d' % (i % 10, i, "a" * 40 + str(i), i) for i in range(first, first + 5000)]
        assert server.write("\n".join(lines), db="d", precision="s").status == 204


def main():
    long_run = "--long" in sys.argv[1:]
    series, deep, clients = (1000000, 2000000, 100) if long_run else (30000, 100000, 64)
    query_memory, queries_memory = (256 * MIB, 512 * MIB) if long_run else (64 * MIB, 160 * MIB)
    judge = Judge(tells_all=True)

    settings = {"SILT_QUERY_MAX_MEMORY": str(query_memory), "SILT_QUERY_MAX_MEMORY_TOTAL": str(queries_memory),
                "SILT_DATA_MEMTABLE_SOFT": str(MEMTABLE_SOFT), "SILT_DATA_MEMTABLE_HARD": str(MEMTABLE_HARD),
                "SILT_COORDINATOR_QUERY_TIMEOUT": "%ds" % (TIMEOUT_SECONDS if long_run else 3),
                "SILT_HTTP_ACCESS_LOG": "false"}
    with live.start_siltd(env=settings) as server:
        load(server, series, deep)
        loaded = server.memory()
        budget = loaded + queries_memory + MEMTABLE_HARD + series * BYTES_PER_SERIES + BASE_BYTES
        print("     loaded, resident %d MiB" % (loaded // MIB), flush=True)
        queries = list(hostile_queries().items())
        outcome, beside = Outcome(), Beside(server)
        begin = time.monotonic()
        threads = []
        for i in range(clients):
            kind, q = queries[i % len(queries)]
            crawl = (20 if long_run else 4) if kind.startswith("all") or kind == "group by *" else 0
            threads.append(threading.Thread(target=ask, args=(server, kind, q, crawl, outcome)))
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        took = time.monotonic() - begin
        beside.end()
        for seconds, kind in sorted(outcome.slow)[-5:]:
            print("     %.1f s  %s" % (seconds, kind))
        judge.check("every query ended with an answer or an error", not outcome.bad, "%d in %.1f s" % (outcome.ended, took))
        for text in outcome.bad:
            print("     " + text)
        judge.check("resident memory within the budgets", beside.peak < budget,
              "%d of %d MiB" % (beside.peak // MIB, budget // MIB))
        judge.check("writes went on", not beside.refused and beside.written > 100 * took,
              "%d points, refused %d %s" % (beside.written, len(beside.refused), beside.refused[:1]))
        judge.check("/ping at once", max(beside.pings) < PING_SECONDS_MAX, "at most %.0f ms" % (max(beside.pings) * 1000))
        judge.check("the server lives", server.process.poll() is None)
        reply = json.loads(server.query("SELECT count(v) FROM new", db="d", epoch="s"))["results"][0]
        judge.check("what was written beside is there", reply["series"][0]["values"][0][1] == beside.written, str(reply)[:200])
    judge.check("the server ended well", server.process.returncode == 0, str(server.process.returncode))
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
