"""writes.py - modes that write: `ingest` (every kind of data), `batches` (small ones), `data` (files of line protocol)."""
import csv
import datetime
import os
import tempfile

from . import clients, process

# At scale 1. A case: options of bench_load; steps are what a smaller scale makes fewer of.
INGEST = {
    "cpu-100": dict(kind="cpu", hosts=100, steps=6000),
    "cpu-1000": dict(kind="cpu", hosts=1000, steps=600),
    "cpu-4000": dict(kind="cpu", hosts=4000, steps=150),
    "cpu-4000, 1 connection": dict(kind="cpu", hosts=4000, steps=75, connections=1),
    "cpu-4000, 16 connections": dict(kind="cpu", hosts=4000, steps=75, connections=16),
    "cpu-4000, gzip": dict(kind="cpu", hosts=4000, steps=75, gzip=True),
    "cpu-1000, one row in ten late": dict(kind="cpu", hosts=1000, steps=300, out_of_order=True),
    "decimals-1000": dict(kind="decimals", hosts=1000, steps=300),
    "floats-1000": dict(kind="floats", hosts=1000, steps=300),
    "counters-1000": dict(kind="counters", hosts=1000, steps=300),
    "jitter-1000": dict(kind="jitter", hosts=1000, steps=600),
    "log-1000": dict(kind="log", hosts=1000, steps=300),
    "devops-1000": dict(kind="devops", hosts=1000, steps=300),
    "series-1000000": dict(kind="cardinality", hosts=1000000, steps=10, sparse=True),
}
BATCHES = (1, 100, 1000)
BATCH_SECONDS = 4
LINE_FILES = (".lp", ".lp.gz", ".line", ".line.gz", ".txt", ".txt.gz")


def measure_load(context, mode, case, options):
    def measure(peer):
        with process.PeakMemory(peer.pid) as memory:
            before = peer.cpu()
            loaded = clients.load(peer, **options)
            loaded_cpu = peer.cpu() - before
            peer.rest()
        rest_cpu = peer.cpu() - before
        size = peer.rest_bytes()
        if peer.ended_cpu:  # it had to be stopped to be at rest: with what stopping took
            rest_cpu = peer.ended_cpu - before
        million = loaded["rows"] / 1e6
        context.results.add(mode, case, peer.name, **loaded, **memory.figures(), cpu_loaded=loaded_cpu / million,
                            cpu_rest=rest_cpu / million, disk_mb=size / 1e6, bytes_per_value=size / loaded["values"])

    context.one_by_one("%s %s" % (mode, case), measure)


def ingest(context, case):
    options = dict(INGEST[case])
    if options.get("sparse"):
        options["hosts"] = context.size(options["hosts"], 100)
    else:
        options["steps"] = context.size(options["steps"], 2)
    measure_load(context, "ingest", case, options)


def batches(context, case):
    """So many lines a batch for some seconds, each batch durable before its 204."""
    def measure(peer):
        with process.PeakMemory(peer.pid) as memory:
            before = peer.cpu()
            written = clients.load(peer, kind="cpu", hosts=1000, steps=20, batch=int(case), connections=4,
                                   seconds=context.seconds(BATCH_SECONDS))
            cpu = peer.cpu() - before
        context.results.add("batches", case, peer.name, **written, **memory.figures(), cpu_loaded=cpu / written["rows"] * 1e6)

    context.one_by_one("batches of " + case, measure)


def data_sets(folder):
    """name -> path: files of line protocol, and folders of CSV files with a header timestamp,value."""
    sets = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and name.endswith(LINE_FILES):
            sets[name] = path
        elif os.path.isdir(path) and next(csv_files(path), None):
            sets[name] = path
    return sets


def csv_files(folder):
    for base, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if name.endswith(".csv"):
                with open(os.path.join(base, name)) as f:
                    if f.readline().strip() == "timestamp,value":
                        yield os.path.join(base, name)


def write_lines(folder, out):
    """A series for each file, a point for each of its lines."""
    for path in csv_files(folder):
        series = os.path.basename(path)[:-len(".csv")].replace(" ", "\\ ").replace(",", "\\,").replace("=", "\\=")
        with open(path) as f:
            for row in csv.DictReader(f):
                at = datetime.datetime.fromisoformat(row["timestamp"]).replace(tzinfo=datetime.timezone.utc)
                out.write("metric,file=%s value=%s %d\n" % (series, row["value"], int(at.timestamp()) * 10**9))


def data(context, case):
    path = data_sets(context.data)[case]
    with tempfile.NamedTemporaryFile("w", prefix="silt-bench-lines-", suffix=".lp") as lines:
        if os.path.isdir(path):
            write_lines(path, lines)
            lines.flush()
            path = lines.name
        measure_load(context, "data", case, {"file": path})
