#!/usr/bin/env python3
"""bench_test.py - does every mode of script/bench still work, and do its tables come out? Tiny sizes; no figure is looked at.

    bench_test.py [--servers silt,influx,vm]     only siltd unless said otherwise

A run of every mode writes its JSON; of that a document's tables are made. Then docs/benchmarks.md itself: each
of its tables must be one that can be made, and each command in it must be one that bench/run.py takes. Prints `N passed, N failed, N
skipped`.
"""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

import live
from judge import Judge
from options import options

sys.path.insert(0, os.path.join(live.ROOT, "bench"))
import report  # noqa: E402
import run  # noqa: E402

SCALE = "0.0005"
CASES = "cpu-100;gzip;late;series;1;8 connections;dashboard;lines;sheets;rows;range;connections;seconds"  # of the others only the kind differs
LINES = "cpu,host=a v=1 1700000000000000000\ncpu,host=a v=2.5,w=3i 1700000010000000000\n"
CSV = "timestamp,value\n2020-01-01 00:00:00,1.5\n2020-01-01 00:05:00,2\n"


def main():
    arguments = options()
    judge = Judge()
    check = judge.check

    with tempfile.TemporaryDirectory(prefix="silt-bench-test-") as folder:
        data, out = os.path.join(folder, "data"), os.path.join(folder, "out.json")
        os.makedirs(os.path.join(data, "sheets"))
        for name, text in (("lines.lp", LINES), ("sheets/one.csv", CSV)):
            with open(os.path.join(data, name), "w") as f:
                f.write(text)
        done = subprocess.run([sys.executable, os.path.join(live.ROOT, "bench", "run.py"), "--modes", ",".join(run.MODES), "--scale", SCALE, "--no-cold",
                               "--servers", arguments.get("--servers", "silt"), "--json", out, "--data", data, "--cases", CASES],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
        shown = done.stdout.decode(errors="replace")[-4000:]
        check("run", done.returncode == 0, shown)
        with open(out) as f:
            found = json.load(f)
        check("no answers differ", not any(v["different"] for v in found["verified"]), shown)
        check("nothing left to note", not found["notes"], str(found["notes"]))
        for mode in run.MODES:
            check(mode + " has figures", any(f["mode"] == mode for f in found["figures"]), shown)
        page = os.path.join(folder, "page.md")
        tables = [("table", mode, metrics[0]) for mode, metrics in report.SHOWN.items()] + [("growth", "rows", "rows_per_s,peak_mb")]
        with open(page, "w") as f:
            for kind, mode, metric in tables:
                f.write("<!-- %s %s %s -->\n<!-- end -->\n" % (kind, mode.replace(" ", "-"), metric))
        report.write([out], [page])
        with open(page) as f:
            check("a report's tables", len(re.findall(r"^\|---", f.read(), re.M)) == len(tables))
        kept = "<!-- table data bytes_per_value -->\n| x | siltd | influxd | to influxd |\n|---|---:|---:|---:|\n| lines.lp.gz | 3 | 1.5 | 0.5 × |\n" \
            "| more | 3 | 6 | 2.00 × |\n<!-- end -->\n<!-- behind -->\n<!-- end -->\n"
        with open(page, "w", encoding="utf-8") as f:
            f.write(kept)
        without = os.path.join(folder, "without.json")
        with open(without, "w") as f:
            json.dump(dict(found, figures=[]), f)
        report.write([without], [page])
        with open(page, encoding="utf-8") as f:
            shown = f.read()
        check("a table that stays as it was counts, too, where a peer is ahead",
              "| data, lines.lp.gz | x | 3 | influxd | 1.5 | 0.5 × |" in shown and shown.count("more") == 1, shown)
        with open(report.DOCUMENT, encoding="utf-8") as f:
            document = f.read()
    for mode, metric in re.findall(r"<!-- table (\S+) (\S+)", document):
        check("table %s %s" % (mode, metric), metric in report.SHOWN.get(mode.replace("-", " "), ()))
    commands = re.findall(r"^ *script/bench (.*)$", document, re.M)
    check("commands in the document", commands)
    for command in commands:
        check("script/bench " + command, run.arguments(shlex.split(command)))  # which ends the test when it is not understood
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
