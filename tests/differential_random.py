#!/usr/bin/env python3
"""differential_random.py - random data and random queries to siltd and to a real influxd; the answers must be equal bytes.

    differential_random.py [--seed N] [--seeds N] [--queries N] [--minutes M] [--long] [--show N] [--coverage] [--replay FILE]
                           [--explained FILE]

--seed      the first seed (default: the day's date; printed)        --seeds   how many, one data set each (default 1)
--queries   in all (default 4000)                                    --minutes at most
--bounded   8,000 queries over seeds 1 to 8, whatever else is said   --show    how many differences to shrink and print
--long      20,000 queries over seeds 1 to 10
--start     the production to start from (default: request)
--coverage  lists the alternatives of the grammar that were not drawn
--explained writes every answer that a rule explained into a file: which rule, the query, both answers
--replay    asks the queries of a file, one a line, of the seeds' data sets instead of random ones

The data is made by generator/data.py, queries by generator/influxql.grammar, one in six of them mutated. A difference is
explained by a rule of generator/known.py, which counts as skipped, or fails: it is shrunk and printed with its data.
Prints `N passed, N failed, N skipped`; where the influxdb package cannot be had all queries count as skipped.
"""
import argparse
import collections
import datetime
import json
import random
import re
import sys
import time

from generator import compare, data as data_sets, grammar, known, mutate, shrink, tokens

# Counted where an answer with data called them.
FUNCTIONS = set("""
    count sum mean min max first last spread stddev median mode distinct percentile integral top bottom sample
    derivative non_negative_derivative difference non_negative_difference elapsed cumulative_sum moving_average
    holt_winters holt_winters_with_fit exponential_moving_average double_exponential_moving_average
    triple_exponential_moving_average triple_exponential_derivative relative_strength_index kaufmans_efficiency_ratio
    kaufmans_adaptive_moving_average chande_momentum_oscillator
    abs acos asin atan atan2 ceil cos exp floor ln log log2 log10 pow round sin sqrt tan
    """.split())
CALL = re.compile(r"\b([a-z_0-9]+)\s*\(")

EPOCHS = ("ns", "ns", "ns", "u", "ms", "s", "m", "h", None)


class Run:
    def __init__(self, pair, options):
        self.pair, self.options = pair, options
        self.productions = grammar.read()
        self.hits = collections.Counter()
        self.passed = self.failed = self.asked = self.with_data = self.lost = 0
        self.known = collections.Counter()
        self.seen = collections.Counter()  # kinds of differences, not shrunk twice
        self.cases = collections.Counter()  # shrunk cases
        self.functions = collections.Counter()
        self.shown = 0

    def parameters(self, rng):
        out = {"db": self.data.main}
        epoch = rng.choice(EPOCHS)
        if epoch:
            out["epoch"] = epoch
        chance = rng.random()
        if chance < 0.12:
            out["chunked"] = "true"
            out["chunk_size"] = rng.choice(("1", "2", "7", "100"))
        elif chance < 0.16:
            out["pretty"] = "true"
        elif chance < 0.18:
            del out["db"]
        elif chance < 0.21:
            out["rp"] = rng.choice(("r2", "odd rp", "norp"))
        return out

    def draw(self, g, rng):
        text = g.draw(self.options.start)
        return mutate.mutate(text, rng) if rng.randrange(6) == 0 else text

    def seed(self, seed, count, deadline, texts=None):
        data = self.data = data_sets.Data(seed)
        rng = random.Random(seed)
        print("seed %d: %d points from %s, shards of %s" % (
            seed, len(data.points), datetime.datetime.fromtimestamp(data.start / 1e9, datetime.timezone.utc).isoformat(), data.shard))
        for want, got in self.pair.load(data):
            self.failed += 1
            print("DIFFERENT answer to a write\n  want %r\n  got  %r" % (want, got))
        g = grammar.Grammar(data, rng, self.hits, self.productions)
        for number in range(count):
            if time.monotonic() > deadline:
                break
            text = texts[number] if texts else self.draw(g, rng)
            parameters = self.parameters(rng)
            if endless(text):
                continue
            self.ask(seed, text, parameters)
        self.pair.unload(data)

    def ask(self, seed, text, parameters):
        self.asked += 1
        want, got = self.pair.ask(text, parameters)
        if want is None:
            self.lost += 1
            if got and got[0] == "gone":
                print("siltd gone too: %s" % text)
            return
        if b'"series"' in want[1]:
            self.with_data += 1
            for name in CALL.findall(text):
                if name in FUNCTIONS:
                    self.functions[name] += 1
        if want == got:
            self.passed += 1
            return
        rule = self.explain(text, parameters, want, got)
        if rule:
            self.known[rule] += 1
            if self.options.explained:
                self.options.explained.write("%s: seed %d %s %s\n  want %s\n  got  %s\n" % (
                    rule.__name__, seed, json.dumps(parameters), text,
                    *(body.decode(errors="replace").strip() for _, body in (want, got))))
            return
        self.failed += 1
        self.report(seed, text, parameters, want, got)

    def report(self, seed, text, parameters, want, got):
        kind = compare.kind(want, got)
        crude = kind + (frozenset(re.findall(r"[a-z_]+(?=\()|GROUP BY time|LIMIT|OFFSET|fill|DESC|SHOW [A-Z]+|\(SELECT", text)),)
        self.seen[crude] += 1
        if self.seen[crude] > 2 or self.shown >= self.options.show:
            return
        self.shown += 1
        for plain in ({"epoch": "ns", "db": self.data.main}, dict(parameters, epoch="ns")):
            if plain != parameters and self.differs(text, plain, kind):
                parameters = plain
                break
        short = shrink.query(text, lambda t: not endless(t) and self.differs(t, parameters, kind))
        points = None
        shape = signature(short)
        self.cases[(shape, kind)] += 1
        if self.cases[(shape, kind)] > 1:
            return
        if self.options.shrink_data and kind[2] in ("data", "nothing") or kind[3] in ("data", "nothing"):
            def same(some):
                self.pair.load(self.data, some)
                return self.differs(short, parameters, kind)
            points = shrink.points(self.data.points, same)
            self.pair.load(self.data, points)
            want, got = self.pair.ask(short, parameters)
            self.pair.load(self.data)
        else:
            want, got = self.pair.ask(short, parameters)
        print("DIFFERENT seed %d: %s\n  parameters %s\n  minimal    %s" % (seed, text, parameters, short))
        for p in points or ():
            if len(points) <= 12:
                print("  point      %s.%s %s" % (p.database, p.policy, data_sets.line(p)))
        print("  want %s %s\n  got  %s %s" % (want[0], around(want[1], got[1]), got[0], around(got[1], want[1])))
        sys.stdout.flush()

    def differs(self, text, parameters, kind):
        want, got = self.pair.ask(text, parameters)
        if want is None or want == got or compare.kind(want, got) != kind:
            return False
        return self.explain(text, parameters, want, got) is None

    def explain(self, text, parameters, want, got):
        return known.explain(known.Difference(text, parameters, want, got, lambda: self.pair.ask_influxd(text, parameters),
                                              lambda cause: self.pair.ask_without(cause, text, parameters)))

    def print_report(self, seconds):
        total = sum(len(a) for a in self.productions.values())
        print("%d queries in %.0f s (%.0f/s), %d answered with data, %d lost with influxd (%d restarts); siltd restarted %d times" % (
            self.asked, seconds, self.asked / max(seconds, 0.1), self.with_data, self.lost, self.pair.restarts["influxd"],
            self.pair.restarts["siltd"]))
        print("coverage: %d of %d alternatives drawn (%.1f %%), %d productions; %d of %d functions%s" % (
            len(self.hits), total, 100.0 * len(self.hits) / total, len(self.productions), len(self.functions), len(FUNCTIONS),
            "".join(", no " + name for name in sorted(FUNCTIONS - set(self.functions)))))
        if self.options.coverage:
            for alternatives in self.productions.values():
                for a in alternatives:
                    if a.name not in self.hits:
                        print("  not drawn: " + a.name)
        for rule, count in self.known.most_common():
            print("known: %4d  %s (%s)" % (count, rule.__doc__.split("\n")[0], rule.__name__))
        if self.failed:
            print("kinds of differences: %d" % len(self.seen))
            for crude, count in self.seen.most_common(self.options.show):
                print("  %4d  want: %s | got: %s | %s" % (count, crude[2][:90], crude[3][:90], " ".join(sorted(crude[4]))))

    def check_coverage(self):
        total = sum(len(a) for a in self.productions.values())
        if len(self.hits) < 0.9 * total or len(self.functions) < len(FUNCTIONS):
            self.failed += 1
            print("the coverage is less than it should be")


def endless(text):
    """Windows without a lower bound reach back to the first point, maybe over millions of them: influxd dies of it."""
    for m in re.finditer(r"\btime\s*\(\s*(\d+)(ns|u|µ|ms|s|m|h|d|w)", text, re.I):
        small = m.group(2) not in ("d", "w") or int(m.group(1)) < 100
        if small and not (re.search(r"time\s*>=?\s*[-('\d]", text) and re.search(r"time\s*<=?\s*[-('\d]", text)):
            return True
    return False


def signature(text):
    """A query without its names and values: what two shrunk cases have in common."""
    parts = [p.strip() for p in tokens.split(text)]
    return " ".join("0" if p[:1].isdigit() else "'" if p[:1] == "'" else p for p in parts)


def around(body, other):
    at = next((i for i, (a, b) in enumerate(zip(body, other)) if a != b), min(len(body), len(other)))
    text = body[max(0, at - 160):at + 200].decode(errors="replace").rstrip()
    return ("..." if at > 160 else "") + text


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--queries", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=1000.0)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--bounded", action="store_true")
    parser.add_argument("--show", type=int, default=20)
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--shrink-data", type=int, default=1)
    parser.add_argument("--start", default="request")
    parser.add_argument("--replay")
    parser.add_argument("--explained", type=argparse.FileType("w", encoding="utf-8"))
    options = parser.parse_args()
    if options.long:
        options.queries, options.seeds = 20000, max(10, options.seeds)
        options.seed = options.seed or 1
    if options.bounded:  # the same queries every time
        options.queries, options.seeds, options.seed = 8000, 8, 1
    if options.seed is None:
        options.seed = int(datetime.date.today().strftime("%Y%m%d"))
    began = time.monotonic()
    deadline = began + options.minutes * 60
    with compare.Pair() as pair:
        if pair.influxd is None:
            print("differential_random: the influxdb package cannot be had")
            print("0 passed, 0 failed, %d skipped" % options.queries)
            return 0
        run = Run(pair, options)
        texts = None
        if options.replay:
            with open(options.replay, encoding="utf-8") as lines:
                texts = [text.rstrip("\n") for text in lines if text.strip()]
        for seed in range(options.seed, options.seed + options.seeds):
            run.seed(seed, len(texts) if texts else options.queries // options.seeds, deadline, texts)
        run.print_report(time.monotonic() - began)
        if options.bounded or options.long:  # of seeds that never change
            run.check_coverage()
    print("%d passed, %d failed, %d skipped" % (run.passed, run.failed, sum(run.known.values()) + run.lost))
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
