"""compare.py - siltd and a real influxd with the same data: asks both at once, starts again what has died.

What an answer is: (status, body). The kind of a difference says in what way two answers differ, so that shrinking
does not walk from one difference to another.
"""
import re

import live

from . import data as data_sets
from .wire import Client, Gone

SETTINGS = """[coordinator]
  query-timeout = "5s"
"""
# What `$name` stands for in the grammar.
BOUND = '{"p":"a","f":{"identifier":"f"},"n":3,"d":{"duration":"1h"},"re":{"regex":"^(a|b)$"}}'


class Pair:
    def __init__(self):
        self.restarts = {"influxd": 0, "siltd": 0}
        self.data = None
        self.copies = set()  # of the data set, made when first asked for: names in data.WITHOUT
        self.influxd = live.start_influxd(settings=SETTINGS)
        self.siltd = live.start_siltd() if self.influxd else None
        if self.influxd:
            self.a, self.b = Client(self.influxd.port), Client(self.siltd.port)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for server in (self.influxd, self.siltd):
            if server:
                server.stop()

    # -- data

    def load(self, data, points=None):
        if data is not self.data:
            self.copies.clear()
        self.data = data
        answers = [data_sets.load(client, data, points) for client in (self.a, self.b)]
        return [(w, g) for w, g in zip(*answers) if w != g]

    def unload(self, data):
        for name in sorted({p[0] for p in data.policies}):
            for copy in [name] + [copy_of(name, cause) for cause in self.copies]:
                self.a.query('DROP DATABASE "%s"' % copy)
                self.b.query('DROP DATABASE "%s"' % copy)
        self.copies.clear()

    def revive(self, name):
        """Starts a server again, on empty data, and loads the data set."""
        self.restarts[name] += 1
        self.copies.clear()
        if name == "influxd":
            self.influxd.kill()
            self.influxd.stop()
            self.influxd = live.start_influxd(settings=SETTINGS)
            self.a = Client(self.influxd.port)
            client = self.a
        else:
            self.siltd.kill()
            self.siltd.stop()
            self.siltd = live.start_siltd()
            self.b = Client(self.siltd.port)
            client = self.b
        if self.data:
            data_sets.load(client, self.data)

    # -- questions

    def ask(self, query, parameters):
        """(influxd's answer, siltd's answer); None for influxd's if it gave none."""
        parameters = dict(parameters, q=query)
        if "$" in query:
            parameters["params"] = BOUND
        want = got = None
        try:
            self.a.send("POST", "/query", parameters)
        except Gone:
            self.revive("influxd")
            return None, None
        try:
            self.b.send("POST", "/query", parameters)
            sent = True
        except Gone as gone:
            sent, got = False, ("gone", str(gone).encode())
        try:
            want = self.a.receive()
        except Gone:
            self.revive("influxd")
        if sent:
            try:
                got = self.b.receive()
            except Gone as gone:
                got = ("gone", str(gone).encode())
        if got[0] == "gone":
            self.revive("siltd")
        return want, got

    def ask_without(self, cause, query, parameters):
        """Both answers over a copy of the data set that lacks the cause."""
        if cause not in self.copies:
            change, duration = data_sets.WITHOUT[cause]
            for client in (self.a, self.b):
                data_sets.load(client, self.data, change(self.data.points), lambda name: copy_of(name, cause), duration)
            self.copies.add(cause)
        for name in (self.data.main, self.data.other):
            query = query.replace('"%s"' % name, '"%s"' % copy_of(name, cause))
            if parameters.get("db") == name:
                parameters = dict(parameters, db=copy_of(name, cause))
        return self.ask(query, parameters)

    def ask_influxd(self, query, parameters):
        parameters = dict(parameters, q=query)
        if "$" in query:
            parameters["params"] = BOUND
        try:
            return self.a.ask("POST", "/query", parameters)
        except Gone:
            self.revive("influxd")
            return None


def copy_of(name, cause):
    return "%s without %s" % (name, cause)


def template(answer):
    """What kind of answer it is: an error text without its names and numbers, or data."""
    status, body = answer
    text = body.decode(errors="replace")
    m = re.search(r'"error":"((?:\\.|[^"\\])*)"', text)
    if status == "gone":
        return "gone"
    if not m:
        return "json error" if text.startswith("json:") else "data" if '"series"' in text else "nothing"
    error = re.sub(r"found .*?, expected", "found X, expected", m.group(1))
    error = re.sub(r"expected [A-Z, ]+ at", "expected ... at", error)
    return re.sub(r"-?\d[\d.]*\w*", "0", re.sub(r"(f|i|s|b|v|host|dc)::\w+", "x", error))


def kind(want, got):
    a, b = template(want), template(got)
    return (want[0], got[0], a, b)
