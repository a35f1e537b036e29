"""data.py - a data set from a seed: what the random queries are asked of.

A data set is a list of databases with their policies, and points in the order in which they are written:

    policies   (database, policy, shard duration, is default)
    points     Point(database, policy, measurement, tags, fields, time in ns), fields as line-protocol text

The names are the same for every seed, so that the grammar can speak of them; which points exist, their times, values,
gaps, repetitions and order are the seed's. Floats are multiples of 1/64, so that sums are exact in any order; only the
measurement `nd` has others.
"""
import collections
import random

Point = collections.namedtuple("Point", "database policy measurement tags fields time")

SECOND = 1000000000
MIN_TIME, MAX_TIME = -9223372036854775806, 9223372036854775806

# Where the points of a data set start: an ordinary day, the epoch, days on which clocks change, days before the epoch.
STARTS = (1451606400, 0, 1583625600, 972777600, 1604188800, -86400 * 3, 1577836799)

HOSTS = ("a", "b", "c", "d e", "é=x", "it's", 'q"q', "b\\c")
DCS = ("x", "y", "west, 1", "10")
STRINGS = ("red", "green", "", "blue", "naïve", "<b>&", 'say \\"hi\\"', "back\\\\slash", "10", "line\nbreak", "tab\there")


class Data:
    """One data set. `start`, `step`, `span` (ns) tell the grammar where the points are."""

    def __init__(self, seed):
        self.seed = seed
        self.rng = random.Random(seed * 7919 + 17)
        rng = self.rng
        self.start = rng.choice(STARTS) * SECOND
        self.step = rng.choice((1, 10, 10, 60)) * SECOND
        self.shard = rng.choice(("1h", "1h", "2h", "1d"))
        hours = {"1h": 4, "2h": 6, "1d": 60}[self.shard]
        self.span = hours * 3600 * SECOND
        self.jitter = rng.random() < 0.3
        self.main, self.other = "g%d" % seed, "h %d" % seed
        self.policies = [(self.main, "autogen", self.shard, True), (self.main, "r2", "1d", False),
                         (self.main, "odd rp", "1w", False), (self.other, "autogen", "1d", True)]
        self.points = []
        self._fill()

    # -- values

    def _float(self):
        rng = self.rng
        return repr(rng.choice((rng.randrange(-6400, 6400) / 64, float(rng.randrange(-20, 20)), rng.randrange(0, 64) / 64)))

    def _integer(self):
        return "%di" % self.rng.choice((self.rng.randrange(-8, 8), self.rng.randrange(-1000, 1000)))

    def _string(self):
        return '"%s"' % self.rng.choice(STRINGS)

    def _bool(self):
        return self.rng.choice(("t", "f"))

    def _time(self):
        """On the grid, so that series share times; now and then between its lines."""
        rng = self.rng
        slots = min(self.span // self.step, 400)
        stretch = self.span // self.step // slots if slots else 1
        t = self.start + rng.randrange(slots) * stretch * self.step
        if self.jitter and rng.random() < 0.3:
            t += rng.randrange(-SECOND, SECOND)
        return t

    def _pick(self, *choices):
        """Fields of a point: (name, maker, chance); at least one."""
        rng = self.rng
        fields = [(name, make()) for name, make, chance in choices if rng.random() < chance]
        if not fields:
            name, make, _ = choices[0]
            fields = [(name, make())]
        return tuple(fields)

    def _add(self, measurement, tags, fields, time, database=None, policy="autogen"):
        tags = tuple(sorted((k, v) for k, v in tags.items() if v))
        self.points.append(Point(database or self.main, policy, measurement, tags, fields, time))

    # -- measurements

    def _fill(self):
        rng = self.rng
        for _ in range(rng.randrange(60, 240)):
            self._add("cpu", {"host": rng.choice(HOSTS + ("",)), "dc": rng.choice(DCS + ("", ""))},
                      self._pick(("f", self._float, 0.8), ("i", self._integer, 0.6), ("s", self._string, 0.4),
                                 ("b", self._bool, 0.4), ("fld 2", self._float, 0.2)), self._time())
        for _ in range(rng.randrange(10, 80)):
            self._add("mem", {"host": rng.choice(HOSTS[:3])},
                      self._pick(("f", self._float, 0.7), ("i", self._integer, 0.3), ("s", self._string, 0.3)), self._time())
        for _ in range(rng.randrange(5, 30)):
            self._add("odd one", {"tag key": rng.choice(("1", "2", "ü", "")), "host": rng.choice(("a", ""))},
                      self._pick(("f", self._float, 0.7), ('q"x', self._integer, 0.5), ("é", self._string, 0.4)), self._time())
        for _ in range(rng.randrange(3, 20)):
            self._add('sélect "x"', {"dc": rng.choice(DCS)}, self._pick(("f", self._float, 0.7), ("select", self._bool, 0.7)),
                      self._time())
        self._conflicts()
        for _ in range(rng.randrange(2, 10)):
            self._add("tg", {"host": rng.choice(("a", "b", "")), "i": rng.choice(("7", "x"))},
                      self._pick(("f", self._float, 0.6), ("host", self._string, 0.6), ("i", self._integer, 0.6)), self._time())
        for _ in range(rng.randrange(5, 40)):
            self._add("nd", {"host": rng.choice(("a", "b"))}, (("f", repr(round(rng.uniform(-100, 100), rng.randrange(1, 9)))),),
                      self._time())
        self._add("one", {"host": "a", "dc": "x"}, (("f", self._float()), ("i", self._integer()), ("s", self._string()),
                                                    ("b", self._bool())), self._time())
        self._extremes()
        for policy in ("r2", "odd rp"):
            for _ in range(rng.randrange(2, 15)):
                self._add("cpu", {"host": rng.choice(HOSTS)}, self._pick(("f", self._float, 0.7), ("i", self._integer, 0.5)),
                          self._time(), policy=policy)
        for _ in range(rng.randrange(2, 15)):
            self._add(rng.choice(("cpu", "disk")), {"host": rng.choice(HOSTS[:2])},
                      self._pick(("f", self._float, 0.7), ("i", self._integer, 0.5)), self._time(), database=self.other)
        rng.shuffle(self.points)
        for _ in range(rng.randrange(0, 12)):  # the same again with other values: the later one counts
            old = rng.choice(self.points)
            if old.measurement == "cpu":
                self.points.append(old._replace(fields=(("f", self._float()),)))

    def _conflicts(self):
        """A field of another type in each shard, and now and then of a refused type within one."""
        rng = self.rng
        makers = [self._float, self._integer, self._string, self._bool]
        rng.shuffle(makers)
        length = {"1h": 3600, "2h": 7200, "1d": 86400}[self.shard] * SECOND
        for _ in range(rng.randrange(4, 24)):
            t = self._time()
            make = makers[t // length % 4]
            self._add("tc", {"host": rng.choice(("a", "b"))}, (("v", make()),) + self._pick(("f", self._float, 0.5)), t)

    def _extremes(self):
        rng = self.rng
        floats = ("1.7976931348623157e308", "-1.7976931348623157e308", "5e-324", "-0", "0", "1e21", "1e-7", "123456789.5", "1e15")
        integers = ("9223372036854775807i", "-9223372036854775808i", "0i", "-1i", "9007199254740993i")
        times = [MIN_TIME, MAX_TIME, -1, 0, 1, self.start, self.start + 1]
        for _ in range(rng.randrange(1, 6)):
            self._add("ext", {"host": rng.choice(("a", "b"))}, (("f", rng.choice(floats)), ("i", rng.choice(integers))),
                      rng.choice(times))


def without_ties(points):
    """No two series have a time in common: points of a time are moved apart by a nanosecond each."""
    places, out = {}, []
    for point in points:
        series = places.setdefault(point.time, {})
        step = series.setdefault((point.database, point.policy, point.measurement, point.tags), len(series))
        out.append(point._replace(time=point.time + (step if point.time < MAX_TIME // 2 else -step)))
    return out


def without_groups(points):
    """One series to a measurement, the longest; and no ties. One shard, too."""
    series = {}
    for point in points:
        series.setdefault((point.database, point.policy, point.measurement), collections.Counter())[point.tags] += 1
    kept = [p for p in points if series[p.database, p.policy, p.measurement].most_common(1)[0][0] == p.tags]
    kinds = {}  # a field's types, one a shard, would be refused in one
    return without_ties([p for p in kept if all(
        kinds.setdefault((p.database, p.policy, p.measurement, name), kind(value)) == kind(value) for name, value in p.fields)])


def kind(value):
    """The type of a line-protocol value."""
    return "string" if value[0] == '"' else "boolean" if value in ("t", "f") else "integer" if value[-1] == "i" else "float"


# A data set once more, without what an exception needs to show: the points, the shard duration if it is another one.
WITHOUT = {"ties": (without_ties, None), "groups": (without_groups, "87600h")}


def escape(text, characters):
    for c in characters:
        text = text.replace(c, "\\" + c)
    return text


def line(point):
    key = escape(point.measurement, ", ")
    for name, value in point.tags:
        key += ",%s=%s" % (escape(name, ",= "), escape(value, ",= "))
    fields = ",".join("%s=%s" % (escape(name, ",= "), value) for name, value in point.fields)
    return "%s %s %d" % (key, fields, point.time)


def batches(points, size=40):
    """Runs of points that go to one database and policy, in their order."""
    run = []
    for point in points:
        if run and (len(run) == size or (run[0].database, run[0].policy) != (point.database, point.policy)):
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def load(client, data, points=None, rename=lambda name: name, duration=None):
    """Makes the databases and writes the points; gives the answers to the writes, which are compared too."""
    answers = []
    for database in sorted({p[0] for p in data.policies}):
        client.query('DROP DATABASE "%s"' % rename(database))
    for database, policy, shard, default in data.policies:
        shard = duration or shard
        if default:
            client.query('CREATE DATABASE "%s" WITH SHARD DURATION %s NAME "%s"' % (rename(database), shard, policy))
        else:
            client.query('CREATE RETENTION POLICY "%s" ON "%s" DURATION INF REPLICATION 1 SHARD DURATION %s' % (
                policy, rename(database), shard))
    for run in batches(data.points if points is None else points):
        body = "\n".join(line(p) for p in run).encode()
        answers.append(client.write(body, db=rename(run[0].database), rp=run[0].policy))
    return answers
