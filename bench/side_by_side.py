#!/usr/bin/env python3
"""side_by_side.py - siltd, influxd and victoria-metrics in one run, on fresh folders, with the same bodies and queries.

    side_by_side.py [--hosts 1000] [--steps 4320] [--kinds cpu,decimals,floats,log] [--repeat 3] [--servers silt,influx,vm]

Each server in turn: load the workload with bench_load (bodies prepared before the clock starts), let it come to rest,
measure CPU seconds, peak memory and bytes on disk, then time the queries. Answers of siltd and influxd are compared
before they are timed. Prints a table per workload; with --json FILE everything as JSON too.
siltd and influxd sync before every 204; victoria-metrics has no log. Kinds beside the generator's own: `cpu-late`, cpu
with one row in ten some steps late; `cardinality` has one field and as many series as --hosts.
"""
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))
import live  # noqa: E402

LOADER = os.path.join(live.ROOT, "build", "release", "bench", "bench_load")
STREAMER = os.path.join(live.ROOT, "build", "release", "bench", "bench_stream")
START = 1451606400
FIELDS = ["usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait", "usage_irq", "usage_softirq",
          "usage_steal", "usage_guest", "usage_guest_nice"]


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_bytes(pid):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def disk_bytes(folder):
    """What the files take on disk: preallocated and sparse parts as the file system counts them."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(base, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


class Silt:
    name = "siltd"

    def __init__(self):
        self.server = live.start_siltd(tempfile.mkdtemp(prefix="silt-bench-"))
        self.server.keep = False
        self.server.query("CREATE DATABASE bench")
        self.data = os.path.join(self.server.folder, "data")

    def query_path(self, q):
        return "/query?" + urllib.parse.urlencode({"db": "bench", "q": q, "epoch": "ms"})

    def rest_bytes(self):
        """At rest: stopped, so that memory is in files; the log's recycled segments hold no data then."""
        self.server.keep = True
        self.server.stop()
        size = disk_bytes(self.data) - disk_bytes(os.path.join(self.data, "wal"))
        folder = self.server.folder
        self.server = live.start_siltd(folder)
        self.server.keep = False
        return size


class Influx:
    name = "influxd"

    def __init__(self):
        self.server = live.start_influxd({"INFLUXDB_DATA_INDEX_VERSION": "tsi1", "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "10s"})
        if self.server is None:
            raise RuntimeError("the influxdb package cannot be had")
        self.server.query("CREATE DATABASE bench")
        self.data = self.server.folder

    query_path = Silt.query_path

    def rest_bytes(self):
        settle(lambda: disk_bytes(self.data), 60)
        return disk_bytes(os.path.join(self.data, "data"))


class Vm:
    name = "victoria-metrics"

    def __init__(self):
        path = live.find_peer("victoria-metrics", "usr/bin/victoria-metrics")
        if path is None:
            raise RuntimeError("the victoria-metrics package cannot be had")
        folder = tempfile.mkdtemp(prefix="silt-vm-")
        port = live.free_port()
        self.server = VmServer([path, "-storageDataPath=" + os.path.join(folder, "data"), "-retentionPeriod=100y",
                                "-httpListenAddr=127.0.0.1:%d" % port, "-search.latencyOffset=0s",
                                "-search.maxUniqueTimeseries=10000000", "-search.maxPointsPerTimeseries=1000000",
                                "-search.disableCache=true"], port, folder)
        self.data = os.path.join(folder, "data")

    def rest_bytes(self):
        self.server.request("GET", "/internal/force_flush")
        settle(lambda: disk_bytes(self.data), 60)
        return disk_bytes(self.data)


class VmServer(live.Server):
    def request(self, method, path, *rest, **named):
        if path == "/ping":
            response = super().request("GET", "/health")
            response.status = 204 if response.status == 200 else response.status
            return response
        return super().request(method, path, *rest, **named)


def settle(measure, seconds):
    """Wait until the figure stands still for five seconds."""
    last, since, end = None, time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < end and time.monotonic() - since < 5:
        now = measure()
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.5)


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def queries(hosts, steps, kind):
    """name -> (InfluxQL, PromQL path or None), after TSBS' shapes, within the loaded range."""
    length = steps * 10
    hour = min(3600, length // 2)
    end12 = min(length, 12 * 3600)

    def between(a, b):
        return "time >= '%s' AND time < '%s'" % (stamp(START + a), stamp(START + b))

    def prom(expression, a, b, step):
        return "/api/v1/query_range?" + urllib.parse.urlencode(
            {"query": expression, "start": START + a + step, "end": START + b, "step": step})

    def hosts_of(n):
        return " OR ".join("hostname = 'host_%d'" % (i * 7 % hosts) for i in range(n))

    def regex_of(n):
        return "|".join("host_%d" % (i * 7 % hosts) for i in range(n))

    def select(function, n):
        return ", ".join("%s(%s)" % (function, f) for f in FIELDS[:n])

    def vm_of(function, n, filters, a, b, step, by=""):
        names = "cpu_(%s)" % "|".join(FIELDS[:n])
        inner = "%s_over_time({__name__=~\"%s\"%s}[%ds]) keep_metric_names" % (
            {"mean": "avg", "max": "max"}[function], names, filters, step)
        outer = "max(%s) by (__name__%s)" % (inner, by) if by is not None else inner
        return prom(outer, a, b, step)

    if kind == "cardinality":
        return {name: (text, None) for name, text in {
            "one-series": "SELECT value FROM load WHERE hostname = 'host_7'",
            "max-of-all": "SELECT max(value) FROM load WHERE " + between(0, length),
            "count-by-rack": "SELECT count(value) FROM load WHERE %s GROUP BY rack" % between(0, length),
            "regex-tag": "SELECT max(value) FROM load WHERE hostname =~ /^host_.*77$/",
            "last-by-series": "SELECT last(value) FROM load GROUP BY hostname",
            "show-tag-values": "SHOW TAG VALUES FROM load WITH KEY = rack",
            "show-series-limit": "SHOW SERIES LIMIT 10",
        }.items()}
    out = {}
    for metrics, count in ((1, 1), (1, 8), (5, 1), (5, 8)):
        out["single-groupby-%d-%d-1" % (metrics, count)] = (
            "SELECT %s FROM cpu WHERE (%s) AND %s GROUP BY time(1m)" % (select("max", metrics), hosts_of(count),
                                                                        between(0, hour)),
            vm_of("max", metrics, ',hostname=~"%s"' % regex_of(count), 0, hour, 60))
    for count in (1, 8):
        out["cpu-max-all-%d" % count] = (
            "SELECT %s FROM cpu WHERE (%s) AND %s GROUP BY time(1h)" % (select("max", 10), hosts_of(count),
                                                                        between(0, min(length, 8 * 3600))),
            vm_of("max", 10, ',hostname=~"%s"' % regex_of(count), 0, min(length, 8 * 3600), 3600))
    for metrics in (1, 5, 10):
        out["double-groupby-%s" % ("all" if metrics == 10 else metrics)] = (
            "SELECT %s FROM cpu WHERE %s GROUP BY time(1h), hostname" % (select("mean", metrics), between(0, end12)),
            vm_of("mean", metrics, "", 0, end12, 3600, by=None))
    out["high-cpu-1"] = ("SELECT * FROM cpu WHERE usage_user > 90.0 AND hostname = 'host_3' AND " + between(0, end12), None)
    out["high-cpu-all"] = ("SELECT * FROM cpu WHERE usage_user > 90.0 AND " + between(0, end12), None)
    out["lastpoint"] = ("SELECT last(usage_user) FROM cpu GROUP BY hostname", None)
    out["groupby-orderby-limit"] = (
        "SELECT max(usage_user) FROM cpu WHERE time < '%s' GROUP BY time(1m) ORDER BY time DESC LIMIT 5" % stamp(START + length // 2),
        None)
    out["count-all"] = ("SELECT count(*) FROM cpu", None)
    out["mean-1m-one-field"] = ("SELECT mean(usage_user) FROM cpu WHERE %s GROUP BY time(1m)" % between(0, end12), None)
    classes = {
        "percentile": "SELECT percentile(usage_user, 95) FROM cpu WHERE %s GROUP BY time(52w)" % between(0, length),
        "percentile-1h-hosts": "SELECT percentile(usage_user, 95) FROM cpu WHERE %s GROUP BY time(1h), hostname" % between(0, length),
        "median": "SELECT median(usage_user) FROM cpu",
        "stddev": "SELECT stddev(usage_user) FROM cpu",
        "spread": "SELECT spread(usage_user) FROM cpu",
        "top-10": "SELECT top(usage_user, 10) FROM cpu",
        "distinct": "SELECT distinct(usage_user) FROM cpu",
        "count-distinct": "SELECT count(distinct(usage_user)) FROM cpu",
        "derivative": "SELECT derivative(usage_user, 10s) FROM cpu WHERE hostname = 'host_3'",
        "derivative-mean-1m": "SELECT derivative(mean(usage_user), 1m) FROM cpu WHERE %s GROUP BY time(1m)" % between(0, length),
        "moving-average-hosts": "SELECT max(a) FROM (SELECT moving_average(usage_user, 10) AS a FROM cpu GROUP BY hostname)",
        "regex-tag": "SELECT mean(usage_user) FROM cpu WHERE hostname =~ /^host_.*[37]$/ AND %s GROUP BY time(1h)" % between(0, length),
        "regex-field": "SELECT mean(/^usage_(user|system)$/) FROM cpu",
        "subquery-max-mean": "SELECT max(m) FROM (SELECT mean(usage_user) AS m FROM cpu WHERE %s GROUP BY time(1m), hostname)" % between(0, length),
    }
    if kind == "cpu":
        out.update((name, (text, None)) for name, text in classes.items())
    if kind != "cpu":
        keep = ("double-groupby-1", "double-groupby-all", "cpu-max-all-8")
        out = {name: out[name] for name in keep}
    return out


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError("%d %r" % (response.status, body[:300]))
    connection.close()
    return body


def time_query(port, path, repeat):
    """Median milliseconds of at least `repeat` runs on one connection, after one that does not count."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    times = []
    for i in range(repeat + 1):
        begin = time.perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        if i:
            times.append((time.perf_counter() - begin) * 1000)
    connection.close()
    return sorted(times)[len(times) // 2]


def stream(peer, hosts, steps, csv):
    """SELECT * of up to a million rows, in chunks as a client asks for them: rows a second, and what it costs."""
    span = max(1, min(steps, 1000000 // hosts))
    text = "SELECT * FROM cpu WHERE time >= '%s' AND time < '%s'" % (stamp(START), stamp(START + span * 10))
    pid = peer.server.process.pid
    with open("/proc/%d/clear_refs" % pid, "w") as f: # the peak is measured from here on
        f.write("5")
    before, cpu = peak_bytes(pid), cpu_seconds(pid)
    run = subprocess.run([STREAMER, "--port", str(peer.server.port), "--path", peer.query_path(text) + "&chunked=true&chunk_size=10000"]
                         + (["--csv", "cpu"] if csv else []), stdout=subprocess.PIPE)
    if run.returncode:
        raise RuntimeError("no stream of rows from " + peer.name)
    result = json.loads(run.stdout)
    return {"rows": result["rows"], "bytes": result["bytes"], "rows_per_s": result["rows"] / result["seconds"],
            "cpu_s": cpu_seconds(pid) - cpu, "more_mb": (peak_bytes(pid) - before) / 1e6}


def measure(make, kind, hosts, steps, repeat, options):
    peer = make()
    server = peer.server
    result = {"server": peer.name}
    try:
        path = "/write" if isinstance(peer, Vm) else "/write?db=bench"
        run = subprocess.run([LOADER, "--port", str(server.port), "--path", path, "--kind", kind.split("-")[0], "--hosts", str(hosts),
                              "--steps", str(steps)] + options + (["--out-of-order"] if kind.endswith("-late") else []), stdout=subprocess.PIPE)
        if run.returncode:
            raise RuntimeError("the loader failed against " + peer.name)
        result.update(json.loads(run.stdout))
        settle(lambda: cpu_seconds(server.process.pid) // 0.2, 60)
        result["cpu_per_million_rows"] = cpu_seconds(server.process.pid) / result["rows"] * 1e6
        result["peak_mb"] = peak_bytes(server.process.pid) / 1e6
        result["bytes_per_value"] = peer.rest_bytes() / result["values"]
        server = peer.server
        result["queries"], result["answers"] = {}, {}
        if kind in ("cpu", "cpu-late", "decimals", "floats", "counters", "cardinality"):
            for name, (influxql, promql) in queries(hosts, steps, kind).items():
                path = promql if isinstance(peer, Vm) else peer.query_path(influxql)
                if path:
                    if not isinstance(peer, Vm):
                        result["answers"][name] = hash(get(server.port, path).replace(b',"partial":true', b""))
                    result["queries"][name] = time_query(server.port, path, repeat)
            if kind == "cpu" and not isinstance(peer, Vm):
                result["stream"] = stream(peer, hosts, steps, False)
                result["stream_csv"] = stream(peer, hosts, steps, True)
    finally:
        peer.server.keep = False
        peer.server.stop()
        shutil.rmtree(peer.server.folder, ignore_errors=True)
    return result


def show(kind, results):
    print("\n### %s: %d rows, %d values" % (kind, results[0]["rows"], results[0]["values"]))
    names = [r["server"] for r in results]
    print("| what | " + " | ".join(names) + " |" + "".join(" %s / %s |" % (names[0], n) for n in names[1:]))
    print("|---|" + "---:|" * (len(names) * 2 - 1))

    def row(what, values, form, more_is_better):
        cells = [form % v if v is not None else "-" for v in values]
        base = values[0]
        ratios = ["-" if not v or not base else "%.2f x" % (base / v if more_is_better else v / base) for v in values[1:]]
        print("| %s | %s |" % (what, " | ".join(cells + ratios)))

    row("rows/s", [r["rows_per_s"] for r in results], "%.0f", True)
    row("write p99, ms", [r["p99_ms"] for r in results], "%.1f", False)
    row("CPU s per million rows", [r["cpu_per_million_rows"] for r in results], "%.2f", False)
    row("peak memory, MB", [r["peak_mb"] for r in results], "%.0f", False)
    row("bytes per value at rest", [r["bytes_per_value"] for r in results], "%.3f", False)
    for name in results[0]["queries"]:
        row(name + ", ms", [r["queries"].get(name) for r in results], "%.2f", False)
    for form in ("stream", "stream_csv"):
        streams = [r.get(form) or {} for r in results]
        if not any(streams):
            continue
        row("SELECT * of %d rows as %s, rows/s" % (streams[0]["rows"], "CSV" if form == "stream_csv" else "JSON"), [s.get("rows_per_s") for s in streams], "%.0f", True)
        row("its CPU seconds", [s.get("cpu_s") for s in streams], "%.2f", False)
        row("its memory on top, MB", [s.get("more_mb") for s in streams], "%.1f", False)
        if len({s["rows"] for s in streams if s}) > 1:
            print("\nSELECT * gave different numbers of rows: %s" % [s.get("rows") for s in streams])
    by_name = {r["server"]: r for r in results}
    if "siltd" in by_name and "influxd" in by_name:
        ours, theirs = by_name["siltd"]["answers"], by_name["influxd"]["answers"]
        different = [n for n in ours if ours[n] != theirs.get(n)]
        print("\nanswers equal to influxd's: %d of %d%s" % (len(ours) - len(different), len(ours),
                                                           ", different: " + ", ".join(different) if different else ""))


def main():
    arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    hosts, steps = int(arguments.get("--hosts", 1000)), int(arguments.get("--steps", 4320))
    repeat = int(arguments.get("--repeat", 3))
    kinds = arguments.get("--kinds", "cpu,decimals,floats,log").split(",")
    makers = {"silt": Silt, "influx": Influx, "vm": Vm}
    chosen = [makers[n] for n in arguments.get("--servers", "silt,influx,vm").split(",")]
    options = arguments.get("--loader", "").split()
    everything = {}
    for kind in kinds:
        results = []
        for make in chosen:
            try:
                results.append(measure(make, kind, hosts, steps, repeat, options))
            except RuntimeError as error:
                print("left out: %s: %s" % (make.name, error))
        if results:
            show(kind, results)
            sys.stdout.flush()
        everything[kind] = results
    if "--json" in arguments:
        with open(arguments["--json"], "w") as f:
            json.dump(everything, f, indent=1)


if __name__ == "__main__":
    main()
