#!/usr/bin/env python3
"""statements_random.py - random statements about databases, policies, users, continuous queries and subscriptions to siltd and to a
real influxd, which start empty: each answer must be equal, and so must be what SHOW tells afterwards. At the end of a seed siltd is
stopped or killed and started again: it has to show the same.

    statements_random.py [--seed N] [--seeds N] [--statements N] [--show N] [--coverage]

Statements are drawn from generator/definitions.grammar, one in eight mutated, one in six sent by GET. After a difference both
servers are made empty again. Prints `N passed, N failed, N skipped`; without the influxdb package all statements count as skipped.
"""
import argparse
import collections
import random
import re
import shutil
import sys
import tempfile

import live
from generator import compare, data as data_sets, grammar, mutate
from generator.wire import Gone

STATE = ("SHOW DATABASES", "SHOW USERS", "SHOW CONTINUOUS QUERIES", "SHOW SUBSCRIPTIONS")
# Answers that are a server's own: figures, and a name that influxd prints without its quotes.
OWN = re.compile(r"SHOW\s+(QUERIES|STATS|DIAGNOSTICS)|DISTINCT\s*\(?\s*\"", re.I)
EVERY = 12  # statements between two looks at the whole state
# Continuous queries are not run: they would change what is there while it is compared.
ENVIRONMENT = {"INFLUXDB_CONTINUOUS_QUERIES_ENABLED": "false", "INFLUXDB_SUBSCRIBER_ENABLED": "false"}


def plain(statement, answer):
    """Without what influxd leaves to chance, or siltd hides."""
    status, body = answer
    text = body.decode(errors="replace")
    text = re.sub(r"(://[^/:@\"']*:)[^/@\"']*@", r"\1[REDACTED]@", text)
    text = text.replace("WITH SHARD DURATION 0s'", "WITH'")  # which would not parse again
    if "GRANTS" in statement.upper():  # as its map has them
        text = re.sub(r'"values":\[(\["[^]]*\](?:,\["[^]]*\])*)\]',
                      lambda m: '"values":[%s]' % ",".join(sorted(re.findall(r"\[[^]]*\]", m.group(1)))), text)
    return status, text


class Run:
    def __init__(self, options):
        self.options = options
        selects = grammar.read()
        self.productions = grammar.read(grammar.FILE.replace("influxql", "definitions"), selects)
        self.own = {name: a for name, a in self.productions.items() if a is not selects.get(name)}
        self.hits = collections.Counter()
        self.passed = self.failed = 0
        self.folder = tempfile.mkdtemp(prefix="silt-statements-")
        self.influxd = live.start_influxd(env=ENVIRONMENT)
        self.siltd = self.start_siltd() if self.influxd else None

    def start_siltd(self):
        return live.start_siltd(self.folder, env=ENVIRONMENT)

    def stop(self):
        """siltd's exit status"""
        self.influxd.stop()
        status = self.siltd.stop()
        shutil.rmtree(self.folder)
        return status

    def clients(self):
        return [compare.Client(server.port) for server in (self.influxd, self.siltd)]

    def ask(self, clients, statement, method, **parameters):
        """(influxd's answer, siltd's)"""
        for client in clients:
            client.send(method, "/query", dict(parameters, q=statement))
        return [plain(statement, client.receive()) for client in clients]

    def prepare(self, clients, data):
        """Both servers as at the beginning: nothing but two databases."""
        for client in clients:
            for name in self.names(client, "SHOW DATABASES"):
                if name != "_internal":
                    client.query('DROP DATABASE "%s"' % name)
            for name in self.names(client, "SHOW USERS"):
                client.query('DROP USER "%s"' % name)
            for name in (data.main, data.other):
                client.query('CREATE DATABASE "%s"' % name)

    def check(self, clients, statement, method, parameters, log):
        want, got = self.ask(clients, statement, method, **parameters)
        if want == got:
            self.passed += 1
            return True
        self.failed += 1
        if self.failed <= self.options.show:
            print("DIFFERENT %s %s\n  after %s\n  want %s %s\n  got  %s %s" % (
                method, statement, " | ".join(log[-6:]), want[0], want[1].rstrip()[:1500], got[0], got[1].rstrip()[:1500]))
            sys.stdout.flush()
        return False

    def seed(self, seed, count):
        data, rng = data_sets.Data(seed), random.Random(seed)
        g = grammar.Grammar(data, rng, self.hits, self.productions)
        clients, log = self.clients(), []
        self.prepare(clients, data)
        for number in range(count):
            statement = g.draw("definition")
            if rng.randrange(8) == 0:
                statement = mutate.mutate(statement, rng)
            if OWN.search(statement):
                continue
            method = "GET" if rng.randrange(6) == 0 else "POST"
            parameters = {} if rng.randrange(5) == 0 else {"db": rng.choice((data.main, data.other, "nodb"))}
            same = self.check(clients, statement, method, parameters, log)
            log.append(statement)
            if same and number % EVERY == EVERY - 1:
                same = all([self.check(clients, q, "POST", {}, log) for q in STATE])
            if not same:
                self.prepare(clients, data)
                log = []

    def names(self, client, q):
        return re.findall(r'\["((?:\\.|[^"\\])*)"', client.query(q)[1].decode())

    def whole_state(self):
        client = compare.Client(self.siltd.port)
        questions = list(STATE)
        questions += ['SHOW RETENTION POLICIES ON "%s"' % name for name in self.names(client, "SHOW DATABASES")]
        questions += ['SHOW GRANTS FOR "%s"' % name for name in self.names(client, "SHOW USERS")]
        return [(q, client.query(q)) for q in questions]

    def restart(self, kill):
        before = self.whole_state()
        self.siltd.kill() if kill else self.siltd.stop()
        self.siltd = self.start_siltd()
        for old, new in zip(before, self.whole_state()):
            self.passed += old == new
            self.failed += old != new
            if old != new:
                print("DIFFERENT after %s: %s\n  before %s\n  after  %s" % ("kill -9" if kill else "a restart", old[0], old[1], new[1]))

    def print_coverage(self):
        own = [a for alternatives in self.own.values() for a in alternatives]
        drawn = [a for a in own if a.name in self.hits]
        print("coverage: %d of %d alternatives drawn" % (len(drawn), len(own)))
        if self.options.coverage:
            for a in own:
                if a not in drawn:
                    print("  not drawn: " + a.name)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--statements", type=int, default=2000)
    parser.add_argument("--show", type=int, default=20)
    parser.add_argument("--coverage", action="store_true")
    options = parser.parse_args()
    run = Run(options)
    if run.influxd is None:
        print("statements_random: the influxdb package cannot be had")
        print("0 passed, 0 failed, %d skipped" % options.statements)
        return 0
    try:
        for seed in range(options.seed, options.seed + options.seeds):
            run.seed(seed, options.statements // options.seeds)
            run.restart(kill=seed % 2 == 1)
    except Gone as gone:
        run.failed += 1
        print("a server is gone: %s" % gone)
    finally:
        status = run.stop()
    run.print_coverage()
    run.failed += status != 0
    print("%d passed, %d failed, 0 skipped" % (run.passed, run.failed))
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
