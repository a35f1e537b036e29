#!/usr/bin/env python3
"""record.py - writes schedule.txt: when a real influxd 1.6.7 runs continuous queries, and over which ranges.

The server runs on a clock that this script sets (warp_clock.c), so that hours and changes of a zone's offset take no time.
What is recorded is what it logs: `Executing continuous query`, with name, start and end. Its clock stands still between
two instants for several of its looks for due queries; so all runs of an instant have it as their `now`.

    query NAME TEXT                     a continuous query, made at the first instant
    SECONDS NAME START END ...          an instant, and the runs it brought, by name; START and END relative to it, in seconds
"""
import calendar
import mmap
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import live

SCHEDULES = """
time(1s)
time(2s)
time(3s)
time(10s)
time(7s)
time(1m)
time(90s)
time(1h)
time(1d)
time(1w)
time(10s, 3s)
time(10s, -3s)
time(10s, 13s)
time(1h, 20m)
time(1d, 6h)
EVERY 5s time(10s)
EVERY 20s time(10s)
EVERY 15s time(10s)
EVERY 3s time(10s)
EVERY 1m time(1h)
EVERY 2h time(1h)
EVERY 1d time(1h)
FOR 30s time(10s)
FOR 25s time(10s)
FOR 2d time(1d)
EVERY 5s FOR 30s time(10s)
EVERY 20s FOR 40s time(10s)
EVERY 20s FOR 1m time(10s, 4s)
EVERY 7s FOR 23s time(5s, 2s)
EVERY 30m FOR 3h time(1h)
EVERY 1h FOR 90m time(10m)
EVERY 1w FOR 2w time(1d)
time(1h) Europe/Berlin
time(1d) Europe/Berlin
time(1d) America/New_York
time(12h) Asia/Kolkata
time(6h, 2h) Europe/Berlin
EVERY 1h FOR 2d time(1d) America/New_York
EVERY 2d time(1d) Europe/Berlin
EVERY 6h time(1d) Australia/Lord_Howe
""".strip().splitlines()


def text(number, schedule):
    match = re.fullmatch(r"((?:EVERY \S+ ?)?(?:FOR \S+ ?)?)(time\(.*\))(?: (\S+))?", schedule)
    resample, dimension, zone = match.groups()
    return "CREATE CONTINUOUS QUERY q%d ON d %sBEGIN SELECT mean(v) INTO d.autogen.t FROM d.autogen.m GROUP BY %s%s END" % (
        number, "RESAMPLE " + resample if resample else "", dimension, " TZ('%s')" % zone if zone else "")


def instants():
    """Seconds: every one for a while, then steps that grow, jumps, and both changes of summer time of 2021."""
    at = calendar.timegm((2021, 3, 26, 23, 58, 33))
    for count, step in ((95, 1), (10, 1), (30, 13), (30, 61), (30, 600), (40, 1800), (40, 3600)):
        for _ in range(count):
            yield at
            at += step
    yield at + 7 * 3600 + 11
    yield at + 7 * 3600 + 12
    at = calendar.timegm((2021, 10, 30, 20, 0, 1))
    for count, step in ((40, 1800), (12, 7201), (10, 43200), (10, 86399)):
        for _ in range(count):
            yield at
            at += step
    at = calendar.timegm((2021, 11, 6, 22, 0, 0))  # a clock that was set back: nothing is due for a while
    for _ in range(20):
        yield at
        at += 3600


def start(folder, clock):
    port = live.free_port()
    config = os.path.join(folder, "influxdb.conf")
    with open(config, "w") as f:
        f.write("""reporting-enabled = false
bind-address = "127.0.0.1:%d"
[meta]
  dir = "%s/meta"
[data]
  dir = "%s/data"
  wal-dir = "%s/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[continuous_queries]
  run-interval = "40ms"
[http]
  bind-address = "127.0.0.1:%d"
  log-enabled = false
""" % (live.free_port(), folder, folder, folder, port))
    warp = os.path.join(folder, "warp_clock")
    subprocess.run(["cc", "-O1", "-o", warp, os.path.join(HERE, "warp_clock.c")], check=True)
    return live.Server([warp, clock, live.find_peer("influxdb", "usr/bin/influxd"), "-config", config], port, folder)


def seconds(rfc3339):
    return calendar.timegm(time.strptime(rfc3339, "%Y-%m-%dT%H:%M:%SZ"))


def runs(log):
    """What was logged since the last call, as (name, start, end)."""
    for line in log:
        found = re.search(r'msg="Executing continuous query".* name=(\S+) .*start=(\S+) end=(\S+)', line)
        if found:
            yield found.group(1), *(seconds(to_utc(t)) for t in found.groups()[1:])


def to_utc(stamp):
    """A time in the query's zone, as it is logged."""
    match = re.fullmatch(r"(.*?)\.0*(Z|[+-]\d\d:\d\d)", stamp)
    if match.group(2) == "Z":
        return match.group(1) + "Z"
    sign, hours, minutes = re.fullmatch(r"([+-])(\d\d):(\d\d)", match.group(2)).groups()
    shift = (int(hours) * 60 + int(minutes)) * 60 * (-1 if sign == "-" else 1)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds(match.group(1) + "Z") - shift))


def main():
    folder = tempfile.mkdtemp(prefix="silt-record-")
    clock_path = os.path.join(folder, "clock")
    times = list(instants())
    with open(clock_path, "wb") as f:
        f.write(struct.pack("<q", times[0] * 10**9))
    queries = [text(i + 1, schedule) for i, schedule in enumerate(SCHEDULES)]
    out = ["# Recorded by record.py from a real influxd 1.6.7: when it runs continuous queries, over which ranges."]
    out += ["query q%d %s" % (i + 1, query) for i, query in enumerate(queries)]
    with start(folder, clock_path) as server, open(clock_path, "r+b") as f, mmap.mmap(f.fileno(), 8) as clock:
        for q in ["CREATE DATABASE d"] + queries:
            assert "error" not in server.query(q), q
        log = open(server.log_path, errors="replace")
        for at in times:
            clock[:] = struct.pack("<q", at * 10**9)
            time.sleep(0.25)
            line = " ".join("%s %d %d" % (name, start - at, end - at) for name, start, end in runs(log))
            out.append(("%d %s" % (at, line)).rstrip())
    with open(os.path.join(HERE, "schedule.txt"), "w") as f:
        f.write("\n".join(out) + "\n")
    print("%d queries, %d instants, %d runs" % (len(queries), len(times), sum(line.count("q") for line in out[len(queries) + 1:])))


if __name__ == "__main__":
    main()
