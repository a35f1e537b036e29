#!/usr/bin/env python3
"""run.py - siltd, influxd 1.6.7 (tsi1) and victoria-metrics 1.79 side by side, on fresh folders, with the same bodies and queries.

    script/bench --all --json out.json        everything, again and again for 45 minutes (--minutes), at most three times
    script/bench --quick                      everything once, a tenth of the size: minutes
    script/bench --modes batches,lookups,mixed --repeat 3
    script/bench --report out.json...         the tables of docs/benchmarks.md from what such runs wrote

Modes: ingest (every kind of data), batches (1, 100, 1,000 lines), queries (each shape, warm and cold; streams), lookups (queries a
second of 8 connections), mixed (latencies while 500,000 rows/s come in), data (files of --data FOLDER), growth (of siltd: rows, series,
range, connections). --cases A;B keeps those whose name contains one of them. --servers silt,influx,vm. --scale F makes everything
smaller or larger.

siltd and influxd sync before every 204; victoria-metrics has no log. Answers are compared before they are timed. The figures of a run:
bench/suite/results.py.
"""
import argparse
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))
from suite import context, growth, process, reads, results, servers, writes  # noqa: E402
import report  # noqa: E402

MODES = {
    "ingest": (writes.ingest, list(writes.INGEST)),
    "batches": (writes.batches, [str(n) for n in writes.BATCHES]),
    "lookups": (reads.lookups, ["8 connections"]),
    "mixed": (reads.mixed, ["dashboard"]),
    "queries": (reads.timed, list(reads.QUERIES)),
    "data": (writes.data, []),
    "growth": (growth.measure, list(growth.AXES)),
}
ONCE = ("data", "growth")  # how large files are does not change; growth's own points show how much its times vary
QUICK_SCALE, ALL_MINUTES, ALL_REPEAT = 0.1, 45, 3


def arguments(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--modes", default=None)
    parser.add_argument("--cases", default=None)
    parser.add_argument("--servers", default="silt,influx,vm")
    parser.add_argument("--repeat", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=None)
    parser.add_argument("--scale", type=float, default=None)
    parser.add_argument("--data", default=None)
    parser.add_argument("--json", default=None)
    parser.add_argument("--no-cold", action="store_true", help="leave the machine's page cache alone")
    parser.add_argument("--report", nargs="+", metavar="JSON")
    given = parser.parse_args(words)
    given.scale = given.scale or (QUICK_SCALE if given.quick else 1.0)
    given.repeat = given.repeat or (ALL_REPEAT if given.all else 1)
    given.minutes = given.minutes or (ALL_MINUTES if given.all else None)
    if not (given.all or given.quick or given.modes or given.report):
        parser.error("one of --all, --quick, --modes, --report is needed")
    given.modes = given.modes.split(",") if given.modes else [m for m in MODES if m != "data" or given.data]
    unknown = [m for m in given.modes if m not in MODES]
    if unknown or ("data" in given.modes and not given.data):
        parser.error("no such mode: " + ", ".join(unknown) if unknown else "mode data needs --data FOLDER")
    return given


def jobs(given):
    for repetition in range(given.repeat):
        for mode in given.modes:
            if repetition and mode in ONCE:
                continue
            work, cases = MODES[mode]
            for case in writes.data_sets(given.data) if mode == "data" else cases:
                if not given.cases or any(part in case for part in given.cases.split(";")):
                    yield repetition, mode, case, work


def main():
    given = arguments(sys.argv[1:])
    if given.report:
        return report.write(given.report)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are stopped and their folders removed on the way out
    found = results.Results(process.machine(), vars(given), given.json)
    bench = context.Context(found, [servers.ALL[name] for name in given.servers.split(",")], given.scale, given.data, not given.no_cold)
    end = time.monotonic() + given.minutes * 60 if given.minutes else None
    for repetition, mode, case, work in jobs(given):
        if end and time.monotonic() > end:
            found.note("the time of %g minutes was over in repetition %d, before %s %s" % (given.minutes, repetition + 1, mode, case))
            break
        found.repetition = repetition
        with bench.attempt("%s %s" % (mode, case)):
            work(bench, case)
        found.save()
    report.show(found.all)
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main())
