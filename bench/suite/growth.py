"""growth.py - how siltd's time, memory and disk grow: with rows, with series, with the range a query covers, with connections; three orders
of magnitude of each. What docs/benchmarks.md's cost model stands on.
"""
import live

from . import clients, process, queries, servers

HOSTS = 100
ROWS = (100000, 1000000, 10000000, 100000000)
SERIES = (1000, 10000, 100000, 1000000)
RANGE_STEPS = 40000
RANGE_WINDOWS = (36, 360, 3600, 36000)  # steps that a query covers
CONNECTIONS = (1, 10, 100, 1000)
REFRESHED = (60, 3600, 43200)  # seconds that a panel shows; the first is its newest window alone
SECONDS = 3
REQUESTS, QUERY_SECONDS = 100, 2
LAP_STEPS = 1000  # rows are sent again with later times: a lap of bodies is all the loader holds


def at_rest(peer, values):
    peer.rest()
    peak = live.status_bytes(peer.pid, "VmHWM")
    size = peer.rest_bytes()
    return {"cpu_s": peer.ended_cpu, "peak_mb": peak / 1e6, "disk_mb": size / 1e6, "bytes_per_value": size / values}


def ask(context, peer, **texts):
    """name=text -> name_ms, and name_cpu_ms: what it took of the processor, which does not depend on what else the machine does.
    Without what is refused (the memory of one query is bounded)."""
    found = {}
    for name, text in texts.items():
        before = peer.cpu()
        try:
            took = clients.ask(peer, [peer.query_path(text)], requests=REQUESTS, seconds=context.seconds(QUERY_SECONDS), warmup=0)
        except clients.ClientFailed as error:
            context.results.note("growth: siltd refuses %s: %s" % (text, error))
            continue
        found[name + "_ms"] = took["p50_ms"]
        found[name + "_cpu_ms"] = (peer.cpu() - before) / took["requests"] * 1000
    return found


def add(context, axis, point, **figures):
    context.results.add("growth", "%s: %d" % (axis, point), "siltd", point=point, **figures)


def rows(context):
    for wanted in ROWS:
        steps = context.size(wanted, 1000) // HOSTS
        laps = max(1, steps // LAP_STEPS)
        with servers.Silt() as peer:
            # One connection, so that each series' rows come in order: see docs/benchmarks.md about others.
            took = clients.load(peer, hosts=HOSTS, steps=min(steps, LAP_STEPS), laps=laps, connections=1)
            written = took["rows"]
            rest = at_rest(peer, took["values"])
            last = queries.between(max(0, steps * queries.STEP - 3600), steps * queries.STEP)
            add(context, "rows", written, rows_per_s=took["rows_per_s"], **rest, **ask(
                context, peer,
                one_host="SELECT max(usage_user) FROM cpu WHERE hostname = 'host_3' AND %s GROUP BY time(1m)" % last,
                all_max="SELECT max(usage_user) FROM cpu",
                all_mean_1h="SELECT mean(usage_user) FROM cpu WHERE %s GROUP BY time(1h)" % queries.between(0, steps * queries.STEP)))


def series(context):
    for wanted in SERIES:
        wanted = context.size(wanted, 100)
        with servers.Silt() as peer:
            took = clients.load(peer, kind="cardinality", hosts=wanted, steps=2)
            rest = at_rest(peer, took["values"])
            start = live.status_bytes(peer.pid, "VmRSS")
            one = "SELECT value FROM load WHERE hostname = 'host_%d'" % (wanted // 2)
            first = clients.ask(peer, [peer.query_path(one)], requests=1, warmup=0)["p50_ms"]
            add(context, "series", wanted, rows_per_s=took["rows_per_s"], **rest, restarted_mb=start / 1e6, first_ms=first, **ask(
                context, peer, one_series=one,
                regex="SELECT max(value) FROM load WHERE hostname =~ /^host_.*77$/",
                all_last="SELECT last(value) FROM load GROUP BY hostname",
                show_tag_values="SHOW TAG VALUES FROM load WITH KEY = rack"))


def range_(context):
    with servers.Silt() as peer:
        steps = context.size(RANGE_STEPS, 400)
        clients.load(peer, hosts=HOSTS, steps=steps, connections=1)
        peer.rest()
        peer.restart()
        for wanted in RANGE_WINDOWS:
            span = min(steps, context.size(wanted, 6)) * queries.STEP
            covered = queries.between(0, span)
            add(context, "range", span // queries.STEP * HOSTS, **ask(
                context, peer,
                one_host_1m="SELECT max(usage_user) FROM cpu WHERE hostname = 'host_3' AND %s GROUP BY time(1m)" % covered,
                mean_1m="SELECT mean(usage_user) FROM cpu WHERE %s GROUP BY time(1m)" % covered,
                mean_1h_hosts="SELECT mean(usage_user) FROM cpu WHERE %s GROUP BY time(1h), hostname" % covered,
                stddev="SELECT stddev(usage_user) FROM cpu WHERE " + covered,
                raw_one_host="SELECT * FROM cpu WHERE hostname = 'host_3' AND " + covered))


def connections(context):
    with servers.Silt() as peer:
        hosts, steps = 1000, context.size(360, 12)
        clients.load(peer, hosts=hosts, steps=steps)
        peer.rest()
        asked = [q.path(peer) for q in queries.lookups(hosts, steps)["single-groupby-1-1-1"]]
        for count in CONNECTIONS:
            with process.PeakMemory(peer.pid) as memory:
                read = clients.ask(peer, asked, connections=count, seconds=context.seconds(SECONDS), warmup=0)
                written = clients.load(peer, hosts=hosts, steps=200, batch=100, connections=count, seconds=context.seconds(SECONDS))
            add(context, "connections", count, queries_per_s=read["queries_per_s"], query_p50_ms=read["p50_ms"],
                query_p99_ms=read["p99_ms"], rows_per_s=written["rows_per_s"], write_p50_ms=written["p50_ms"],
                write_p99_ms=written["p99_ms"], **memory.figures())


def seconds(context):
    """A panel's query over its newest window and over all: the difference is what keeping closed windows could save."""
    with servers.Silt() as peer:
        hosts, length = context.size(1000, 10), REFRESHED[-1]
        clients.load(peer, hosts=hosts, steps=length // queries.STEP)
        peer.rest()
        peer.restart()
        for wanted in REFRESHED:
            covered = (queries.some_hosts(1, hosts), length - wanted, length)
            add(context, "seconds", wanted, **ask(
                context, peer,
                five_fields_1m=queries.single_groupby(5, *covered).influxql,
                one_field_1m=queries.single_groupby(1, *covered).influxql,
                mean_hosts_1h="SELECT mean(usage_user) FROM cpu WHERE %s GROUP BY time(1h)" % queries.between(*covered[1:])))


AXES = {"rows": rows, "series": series, "range": range_, "connections": connections, "seconds": seconds}


def measure(context, case):
    AXES[case](context)
