"""reads.py - modes that read: `queries` (how long each takes, warm and cold), `lookups` (how many a second), `mixed` (while rows are
written). All servers hold the same rows, their answers are compared first, then each is timed while the others are stopped."""
import time

from . import answers, clients, process, queries

# Which queries, and of what. At scale 1; hosts stay, steps become fewer.
QUERIES = {
    "cpu-100, 40 million values": (dict(kind="cpu", hosts=100, steps=40000),
                                   lambda h, s: queries.tsbs(h, s) + queries.classes(h, s) + queries.raw(h, s)),
    "cpu-4000": (dict(kind="cpu", hosts=4000, steps=360), queries.tsbs),
    "decimals-1000": (dict(kind="decimals", hosts=1000, steps=720),
                      lambda h, s: [q for q in queries.tsbs(h, s) if q.name in ("double-groupby-1", "double-groupby-all", "cpu-max-all-8")]),
    "series-200000": (dict(kind="cardinality", hosts=200000, steps=10, sparse=True), lambda h, s: queries.cardinality(h)),
}
STREAMED = "cpu-100, 40 million values"  # SELECT * of it
COLD = ("single-groupby-1-1-1", "cpu-max-all-8", "double-groupby-1", "high-cpu-all", "lastpoint", "groupby-orderby-limit", "stddev")
SLOW_MS = 300
LOOKUPS = dict(kind="cpu", hosts=1000, steps=720)
LOOKUP_CONNECTIONS, LOOKUP_SECONDS = 8, 3
MIX_RATE, MIX_SECONDS, MIX_LEAD_SECONDS = 500000, 8, 2
MIX_CONNECTIONS, MIX_PAUSE_US = 2, 5000


def options_of(context, options):
    name = "hosts" if options.get("sparse") else "steps"
    return dict(options, **{name: context.size(options[name], 12)})


def time_query(context, peer, query):
    """Milliseconds. A slow one three times at most, others for a second."""
    first = clients.ask(peer, [query.path(peer)], requests=1, warmup=0, accept=query.accept)
    slow = first["p50_ms"] > SLOW_MS
    return clients.ask(peer, [query.path(peer)], requests=3 if slow else 2000, seconds=context.seconds(3 if slow else 1, 0.02),
                       warmup=0 if slow else 1, accept=query.accept)


def stream(context, peer, case, hosts, steps):
    """SELECT * of up to a million rows, in chunks as a client asks for them."""
    span = max(1, min(steps, 1000000 // hosts))
    path = peer.query_path("SELECT * FROM cpu WHERE " + queries.between(0, span * queries.STEP)) + "&chunked=true&chunk_size=10000"
    for name, csv in (("stream-json", None), ("stream-csv", "cpu")):
        with process.PeakMemory(peer.pid) as memory:
            before = peer.cpu()
            took = clients.stream(peer, path, csv)
            cpu = peer.cpu() - before
        if took["rows"] != span * hosts:
            raise RuntimeError("%s streamed %d rows instead of %d" % (peer.name, took["rows"], span * hosts))
        context.results.add("streams", name, peer.name, **took, rows_per_s=took["rows"] / took["seconds"], cpu_s=cpu, **memory.figures())


def cold(context, peer, query):
    """The first query after a start, with nothing of the files in memory."""
    if not peer.restart(process.drop_caches):
        context.results.note("no cold queries: the page cache cannot be dropped here")
        return {}
    time.sleep(0.5)
    first = clients.ask(peer, [query.path(peer)], requests=1, warmup=0, accept=query.accept)
    return {"cold_ms": first["p50_ms"]}


def time_all(context, peer, case, asked):
    """[(query, figures)]; and the most memory, of what all three servers are asked and of the rest."""
    found = []
    for which, shared in (("asked of all", True), ("not of victoria-metrics", False)):
        wanted = [query for query in asked if bool(query.promql) == shared]
        if not wanted:
            continue
        with process.PeakMemory(peer.pid) as memory:
            for query in wanted:
                took = time_query(context, peer, query)
                found.append((query, {name: took[name] for name in ("p50_ms", "p99_ms", "requests", "bytes")}))
        context.results.add("query memory", "%s: %s" % (case, which), peer.name, **memory.figures())
    return found


def timed(context, case):
    options, make = QUERIES[case]
    options = options_of(context, options)
    asked = make(options["hosts"], options["steps"])
    with context.loaded(**options) as peers:
        to_time = answers.compare(peers, asked, context.results, "queries", case)
        for peer in peers:
            with context.attempt("queries %s, %s" % (case, peer.name)), peer.alone(peers):
                found = time_all(context, peer, case, to_time[peer.name])
                if case == STREAMED and peer.influx:
                    stream(context, peer, case, options["hosts"], options["steps"])
                for query, figures in found:
                    if context.cold and query.name in COLD and context.results.repetition == 0:
                        figures.update(cold(context, peer, query))
                    context.results.add("queries", "%s: %s" % (case, query.name), peer.name, **figures)


def lookups(context, case):
    options = options_of(context, LOOKUPS)
    shapes = queries.lookups(options["hosts"], options["steps"])
    with context.loaded(**options) as peers:
        for name, asked in shapes.items():
            to_time = answers.compare(peers, asked, context.results, "lookups", name)
            for peer in peers:
                with context.attempt("lookups %s, %s" % (name, peer.name)), peer.alone(peers):
                    before = peer.cpu()
                    took = clients.ask(peer, [q.path(peer) for q in to_time[peer.name]], connections=LOOKUP_CONNECTIONS,
                                       seconds=context.seconds(LOOKUP_SECONDS))
                    context.results.add("lookups", name, peer.name, queries_per_s=took["queries_per_s"], p50_ms=took["p50_ms"],
                                        p99_ms=took["p99_ms"], cpu_us=(peer.cpu() - before) / max(1, took["requests"]) * 1e6)


def mixed(context, case):
    """The same mix of panels without and with rows coming in, as many as wished for or as the server takes."""
    options = options_of(context, LOOKUPS)
    mix = queries.dashboard(options["hosts"], options["steps"])
    how = dict(connections=MIX_CONNECTIONS, pause_us=MIX_PAUSE_US, seconds=context.seconds(MIX_SECONDS))
    with context.loaded(**options) as peers:
        to_time = answers.compare(peers, mix, context.results, "mixed", case)
        for peer in peers:
            paths = [q.path(peer) for q in to_time[peer.name]]
            with context.attempt("mixed, " + peer.name), peer.alone(peers):
                idle = clients.ask(peer, paths, **how)
                lead = context.seconds(MIX_LEAD_SECONDS)
                loader = clients.start_load(peer, kind="cpu", hosts=options["hosts"], steps=50, first_step=options["steps"],
                                            rate=MIX_RATE, seconds=how["seconds"] + 2 * lead)
                try:
                    time.sleep(lead)
                    loaded = clients.ask(peer, paths, changing=True, **how)
                    written = clients.finish(loader, "writing to " + peer.name)
                finally:
                    if loader.poll() is None:
                        loader.kill()
                        loader.wait()
                context.results.add("mixed", case, peer.name, rows_per_s=written["rows_per_s"],
                                    idle_p50_ms=idle["p50_ms"], idle_p99_ms=idle["p99_ms"],
                                    loaded_p50_ms=loaded["p50_ms"], loaded_p99_ms=loaded["p99_ms"],
                                    p50_ratio=loaded["p50_ms"] / idle["p50_ms"], p99_ratio=loaded["p99_ms"] / idle["p99_ms"],
                                    write_p99_ms=written["p99_ms"])
