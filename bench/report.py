#!/usr/bin/env python3
"""report.py - tables of what bench/run.py measured: on the screen after a run, and those of docs/benchmarks.md and README.md.

    report.py [--metrics bytes_per_value,cpu_rest,...] FILE.json...

writes the documents' tables; several runs count as so many repetitions. --metrics writes, of the comparisons, only tables of these, for runs
on a machine that had something else to do: no times then. A document says what it wants where it wants it, and this fills in what stands between the two
comments:

    <!-- table ingest rows_per_s -->                 a row a case, a column a server, siltd's ratios to the others
    <!-- table queries p50_ms cpu-4000: -->          only the cases that begin so, without that beginning
    <!-- growth rows rows_per_s,peak_mb -->          a row a point, a column a figure
    <!-- headline -->                                the few figures of HEADLINE
    <!-- behind -->                                  where a peer is ahead
    <!-- machine -->  <!-- verified -->  <!-- notes -->
    ...
    <!-- end -->

What the runs have no figures of stays as it was. A cell is the median, and the least and the most in parentheses if there are
several; a ratio is that of the medians, above 1 where siltd is ahead.
"""
import json
import os
import re
import statistics
import sys

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCUMENT = os.path.join(HOME, "docs", "benchmarks.md")
SERVERS = ("siltd", "influxd", "victoria-metrics")
MORE_IS_BETTER = ("rows_per_s", "values_per_s", "queries_per_s")
SHOWN = {"ingest": ("rows_per_s", "p50_ms", "p99_ms", "cpu_loaded", "cpu_rest", "peak_mb", "peak_anon_mb", "bytes_per_value"),
         "batches": ("rows_per_s", "p50_ms", "p99_ms", "cpu_loaded", "peak_mb"), "data": ("bytes_per_value",),
         "lookups": ("queries_per_s", "p50_ms", "p99_ms", "cpu_us"), "queries": ("p50_ms", "p99_ms", "cold_ms"),
         "query memory": ("peak_mb", "peak_anon_mb", "more_mb"), "streams": ("rows_per_s", "cpu_s", "more_mb"),
         "mixed": ("rows_per_s", "idle_p50_ms", "loaded_p50_ms", "p50_ratio", "idle_p99_ms", "loaded_p99_ms", "p99_ratio", "write_p99_ms")}
NEVER_BEHIND = ("p99_ratio", "p50_ratio")  # of a server with itself
LONG, WIDE = "cpu-100, 40 million values: ", "cpu-4000: "
HEADLINE = [("rows/s written, 4,000 hosts", "ingest", "cpu-4000", "rows_per_s"),
            ("rows/s written, 1,000,000 series", "ingest", "series-1000000", "rows_per_s"),
            ("rows/s in batches of 100 lines", "batches", "100", "rows_per_s"),
            ("CPU s per million rows, until at rest", "ingest", "cpu-4000", "cpu_rest"),
            ("peak memory while writing, MB", "ingest", "cpu-4000", "peak_mb"),
            ("bytes per value, integers", "ingest", "cpu-100", "bytes_per_value"),
            ("bytes per value, two-decimal floats", "ingest", "decimals-1000", "bytes_per_value"),
            ("double-groupby-all, 4,000 hosts, ms", "queries", WIDE + "double-groupby-all", "p50_ms"),
            ("high-cpu-all, 4,000 hosts, ms", "queries", WIDE + "high-cpu-all", "p50_ms"),
            ("lastpoint, 4,000 hosts, ms", "queries", WIDE + "lastpoint", "p50_ms"),
            ("percentile of 4,000,000 values, ms", "queries", LONG + "percentile", "p50_ms"),
            ("stddev of 4,000,000 values, ms", "queries", LONG + "stddev", "p50_ms"),
            ("`SELECT *` of 1,000,000 rows as JSON, rows/s", "streams", "stream-json", "rows_per_s"),
            ("look-ups of one host, 8 connections, queries/s", "lookups", "single-groupby-1-1-1", "queries_per_s")]


def gather(runs):
    """The figures of several runs as one list."""
    return [figure for run in runs for figure in run["figures"]]


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 100:
        return "{:,.0f}".format(value)
    return "%.3g" % value if abs(value) < 1 else "%.2f" % value if abs(value) < 10 else "%.1f" % value


def cell(values):
    if not values:
        return "-"
    middle = number(statistics.median(values))
    least, most = number(min(values)), number(max(values))
    return middle if least == most else "%s (%s–%s)" % (middle, least, most)


def markdown(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def table(figures, mode, metric, prefix=""):
    """None where there are no such figures."""
    cases, values = [], {}
    for figure in figures:
        if figure["mode"] == mode and figure["case"].startswith(prefix) and figure.get(metric) is not None:
            case = figure["case"][len(prefix):].strip()
            if case not in cases:
                cases.append(case)
            values.setdefault((case, figure["server"]), []).append(figure[metric])
    servers = [s for s in SERVERS if any((case, s) in values for case in cases)]
    if not cases:
        return None
    others = [s for s in servers if s != "siltd"] if "siltd" in servers else []
    rows = []
    for case in cases:
        row = [case] + [cell(values.get((case, s))) for s in servers]
        row += [times(ahead(metric, values.get((case, "siltd")), values.get((case, other)))) for other in others]
        rows.append(row)
    return markdown([metric_name(metric)] + servers + ["to " + other for other in others], rows)


def ahead(metric, ours, theirs):
    """By how much siltd is ahead: above 1 it is; None where it cannot be said."""
    if not ours or not theirs or not min(statistics.median(ours), statistics.median(theirs)) > 0:
        return None
    ratio = statistics.median(ours) / statistics.median(theirs)
    return ratio if metric in MORE_IS_BETTER else 1 / ratio


def times(ratio):
    return "-" if ratio is None else number(ratio) + " ×"


def by_server(figures, mode, case, metric):
    values = {}
    for figure in figures:
        if figure["mode"] == mode and figure["case"] == case and figure.get(metric) is not None:
            values.setdefault(figure["server"], []).append(figure[metric])
    return values


def headline(figures):
    rows = []
    for label, mode, case, metric in HEADLINE:
        values = by_server(figures, mode, case, metric)
        if values:
            rows.append([label] + [cell(values.get(s)) for s in SERVERS]
                        + [times(ahead(metric, values.get("siltd"), values.get(s))) for s in SERVERS[1:]])
    return markdown(["what"] + list(SERVERS) + ["to " + s for s in SERVERS[1:]], rows) if rows else None


def cells(line):
    return [text.strip() for text in line.strip("| ").split(" | ")]


def behind(text):
    """Where a document's own tables say that a peer is ahead: those that these runs had nothing for among them."""
    rows = []
    for mode, words, body in re.findall(r"<!-- table (\S+) ([^>]*?) -->\n(.*?)<!-- end -->", text, re.S):
        metric, _, prefix = words.partition(" ")
        lines = body.splitlines()
        if metric in NEVER_BEHIND or not lines:
            continue
        head = cells(lines[0])
        for row in map(cells, lines[2:]):
            for other in SERVERS[1:]:
                ratio = row[head.index("to " + other)] if "to " + other in head else "-"
                if ratio != "-" and float(ratio.rstrip(" ×").replace(",", "")) < 1:
                    rows.append(["%s, %s" % (mode.replace("-", " "), (prefix + " " + row[0]).strip()), head[0], row[head.index("siltd")], other,
                                 row[head.index(other)], ratio])
    return markdown(["what", "figure", "siltd", "who is ahead", "its figure", "siltd to it"], rows) if rows else "Nowhere."


def metric_name(metric):
    names = {"rows_per_s": "rows/s", "queries_per_s": "queries/s", "cpu_loaded": "CPU s per million rows, until the last 204",
             "cpu_rest": "CPU s per million rows, until at rest", "peak_mb": "peak memory, MB", "cpu_s": "CPU s",
             "peak_anon_mb": "peak memory without mapped files, MB", "more_mb": "memory on top, MB", "disk_mb": "disk, MB",
             "bytes_per_value": "bytes per value", "cpu_us": "CPU µs per query"}
    return names.get(metric) or re.sub(r"_ms$", ", ms", re.sub(r"_mb$", ", MB", metric)).replace("_", " ")


def growth(figures, axis, metrics):
    points = [f for f in figures if f["mode"] == "growth" and f["case"].startswith(axis + ":")]
    if not points:
        return None
    rows = [["{:,}".format(point)] + [cell([f[m] for f in points if f["point"] == point and f.get(m) is not None]) for m in metrics]
            for point in sorted({f["point"] for f in points})]
    return markdown([axis] + [metric_name(m) for m in metrics], rows)


def machine(runs):
    traits = runs[0]["machine"]
    sync = statistics.median(run["machine"]["fdatasync_ms"] for run in runs)
    return ("%d cores of an %s, %.0f GB of memory, Linux %s; a 4 KiB append with `fdatasync` takes %.2f ms (median). Load average when the "
            "runs began: %s. Revision %s; %.0f minutes in all." % (
                traits["cores"], traits["model"], traits["memory_gb"], traits["kernel"], sync,
                ", ".join("%.1f" % run["machine"]["load_average_at_start"] for run in runs), runs[-1]["revision"],
                sum(run["seconds"] for run in runs) / 60))


def verified(runs):
    """Who was compared with whom over what, and what differed."""
    lines, seen = [], {}
    for entry in (entry for run in runs for entry in run["verified"]):
        key = (entry["mode"], entry["case"], " and ".join(entry["servers"]))
        names, different = seen.setdefault(key, ({}, {}))
        for name in entry["names"]:
            names[name] = names.get(name, 0) + 1
        different.update(dict.fromkeys(entry["different"]))
    for (mode, case, servers), (names, different) in seen.items():
        lines.append("- %s, %s: %s: %s%s" % (mode, case, servers, ", ".join(names),
                                             "; **different, not timed**: " + ", ".join(different) if different else "; all equal"))
    return "\n".join(lines) or None


def notes(runs):
    return "\n".join("- " + note for run in runs for note in run["notes"]) or "Nothing was left out."


def fill(kind, words, runs, metrics):
    """What belongs between the comments, or None: it stays as it is."""
    figures = gather(runs)
    if kind == "table":
        mode, metric, prefix = (words.split(" ", 2) + [""])[:3]
        return table(figures, mode.replace("-", " "), metric, prefix) if not metrics or metric in metrics else None
    if metrics and kind == "headline":
        return None
    if kind == "growth":
        axis, wanted = words.split(" ")
        return growth(figures, axis, wanted.split(","))
    if kind == "headline":
        return headline(figures)
    return {"machine": machine, "verified": verified, "notes": notes}[kind](runs)


def write(paths, documents=(DOCUMENT, os.path.join(HOME, "README.md")), metrics=()):
    runs = []
    for path in paths:
        with open(path) as f:
            runs.append(json.load(f))
    for document in documents:
        with open(document, encoding="utf-8") as f:
            text = f.read()

        def replace(match):
            made = fill(match.group(2), (match.group(3) or "").strip(), runs, metrics)
            return match.group(0) if made is None else match.group(1) + "\n" + made + "\n<!-- end -->"

        text, count = re.subn(r"(<!-- (table|growth|headline|machine|verified|notes)( [^>]*?)? -->)\n.*?<!-- end -->", replace, text,
                              flags=re.S)
        text = re.sub(r"<!-- behind -->\n.*?<!-- end -->", lambda _: "<!-- behind -->\n" + behind(text) + "\n<!-- end -->", text, flags=re.S)
        with open(document, "w", encoding="utf-8") as f:
            f.write(text)
        print("%s: %d tables" % (document, count))
    return 0


def show(run):
    figures = run["figures"]
    for mode, metrics in SHOWN.items():
        for metric in metrics:
            made = table(figures, mode, metric)
            if made:
                print("\n### %s\n%s" % (mode, made))
    for axis in ("rows", "series", "range", "connections", "seconds"):
        first = next((f for f in figures if f["mode"] == "growth" and f["case"].startswith(axis + ":")), None)
        if first:
            known = ("mode", "case", "server", "repetition", "point")
            print("\n### growth\n" + growth(figures, axis, [m for m in first if m not in known]))
    print("\n%s\n\n%s\n\n%s" % (machine([run]), verified([run]) or "No answers were compared.", notes([run])))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--metrics"]:
        sys.exit(write(sys.argv[3:], metrics=sys.argv[2].split(",")))
    sys.exit(write(sys.argv[1:]))
