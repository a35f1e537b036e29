"""grammar.py - draws queries from influxql.grammar, and counts which of its alternatives were drawn.

Productions that contain themselves end at DEPTH: from there on the alternative that ends soonest is taken.
"""
import os
import re
import time

from . import data as data_sets

DEPTH = 22
SECOND = data_sets.SECOND
FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "influxql.grammar")
PIECE = re.compile(r"\{(#?)(\w+)(\?(\d*))?\}")


class Alternative:
    def __init__(self, production, weight, text):
        self.name = "%s: %s" % (production, text)
        self.weight = weight
        self.pieces = []  # text, or (is hook, name, chance)
        at = 0
        for m in PIECE.finditer(text):
            self.pieces.append(text[at:m.start()])
            self.pieces.append((bool(m.group(1)), m.group(2), 100 if not m.group(3) else int(m.group(4) or 40)))
            at = m.end()
        self.pieces.append(text[at:])
        self.height = None


def read(path=FILE, among=None):
    """production -> its alternatives; with those of another grammar that it speaks of"""
    productions, name = dict(among or {}), None
    with open(path, encoding="utf-8") as lines:
        for text in lines:
            text = text.rstrip("\n")
            if not text or text.startswith("#"):
                continue
            if not text.startswith("|"):
                name = text.strip()
                productions[name] = []
                continue
            m = re.match(r"\|(\d*) (.*?)(  # .*)?$", text)
            productions[name].append(Alternative(name, int(m.group(1) or 1), m.group(2)))
    measure(productions)
    return productions


def measure(productions):
    """How deep an alternative must go at least."""
    changed = True
    while changed:
        changed = False
        for alternatives in productions.values():
            for a in alternatives:
                if a.height is not None:
                    continue
                needed = [p[1] for p in a.pieces if isinstance(p, tuple) and not p[0] and p[2] == 100]
                heights = [min((x.height for x in productions[n] if x.height is not None), default=None) for n in needed]
                if None not in heights:
                    a.height = 1 + max(heights, default=0)
                    changed = True


class Grammar:
    def __init__(self, data, rng, hits, productions=None):
        self.data, self.rng, self.hits = data, rng, hits
        self.productions = productions or read()

    def draw(self, name="request", depth=0):
        alternatives = self.productions[name]
        if depth > DEPTH:
            least = min(a.height for a in alternatives)
            alternatives = [a for a in alternatives if a.height == least]
        chosen = self.rng.choices(alternatives, [a.weight for a in alternatives])[0]
        self.hits[chosen.name] += 1
        out = []
        for piece in chosen.pieces:
            if isinstance(piece, str):
                out.append(piece)
                continue
            hook, inner, chance = piece
            if chance < 100 and self.rng.randrange(100) >= chance:
                continue
            text = getattr(self, "make_" + inner)() if hook else self.draw(inner, depth + 1)
            if chance < 100 and out and text and not out[-1].endswith((" ", "(")):
                text = " " + text  # an optional clause brings its blank
            out.append(text)
        return "".join(out)

    # -- what comes from the data set

    def make_nothing(self):
        return ""

    def make_db(self):
        return '"%s"' % self.data.main

    def make_other_db(self):
        return '"%s"' % self.data.other

    def make_small_integer(self):
        return str(self.rng.choice((1, 2, 3, 7, 10, self.rng.randrange(100))))

    def make_small_float(self):
        return self.rng.choice(("0.5", "1.5", "2.0", "0.25", "10.75", "100.0"))

    def make_limit(self):
        return str(self.rng.choice((1, 1, 2, 3, 5, 20)))

    def make_host(self):
        return "'%s'" % data_sets.escape(self.rng.choice(data_sets.HOSTS), "\\'\"")

    def make_dc(self):
        return "'%s'" % self.rng.choice(data_sets.DCS)

    def make_duration(self):
        step = self.data.step // SECOND
        return self.rng.choice(("%ds" % step, "%ds" % (step * 3), "%ds" % (step // 2 or 1), "1m", "10s", "1h", "500ms"))

    def make_interval(self):
        """So that a range has some dozens of windows at most."""
        seconds = self.data.span // SECOND
        wanted = max(1, seconds // self.rng.choice((2, 3, 5, 10, 24, 60)))
        for unit, name in ((86400, "d"), (3600, "h"), (60, "m")):
            if wanted >= unit and self.rng.random() < 0.9:
                return "%d%s" % (wanted // unit, name)
        return "%ds" % wanted

    def spell_time(self, t):
        """A time in ns, in one of the ways of writing it."""
        rng = self.rng
        seconds, rest = divmod(t, SECOND)
        way = rng.randrange(8)
        if way == 0:
            return str(t)
        if way == 1 and not rest:
            return "%ds" % seconds
        if way == 2:
            return "%dms" % (t // 1000000)
        fraction = ("." + ("%09d" % rest).rstrip("0")) if rest else ""
        civil = time.gmtime(seconds)
        if way == 3 and not rest and seconds % 86400 == 0:
            return time.strftime("'%Y-%m-%d'", civil)
        if way <= 5:
            return "'" + time.strftime("%Y-%m-%dT%H:%M:%S", civil) + fraction + "Z'"
        return "'" + time.strftime("%Y-%m-%d %H:%M:%S", civil) + fraction + "'"

    def make_point_time(self):
        return self.spell_time(self.rng.choice(self.data.points).time)

    def make_time(self):
        """In or around the data's span; now and then far away."""
        data, rng = self.data, self.rng
        if rng.random() < 0.05:
            return self.spell_time(rng.choice((0, -1, 1, data_sets.MIN_TIME, data_sets.MAX_TIME, 4102444800 * SECOND)))
        if rng.random() < 0.3:
            return self.make_point_time()
        return self.spell_time(data.start + rng.randrange(-data.span // 4, data.span * 5 // 4) // data.step * data.step)

    def make_lower(self):
        data, rng = self.data, self.rng
        return self.spell_time(data.start + rng.choice((0, 0, rng.randrange(-data.span // 2, data.span // 2))) // SECOND * SECOND)

    def make_upper(self):
        data, rng = self.data, self.rng
        return self.spell_time(data.start + data.span * rng.randrange(5, 12) // 10 // SECOND * SECOND)


