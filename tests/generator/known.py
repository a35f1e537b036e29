"""known.py - where an answer may differ from InfluxDB's: the one place that says so, a rule a function.

A rule gets a Difference and says whether it explains it; its first line of documentation is the reason, shown in the
report with the number of answers that it explained. The table is docs/influxql.md, "Where answers differ".

What a query says is never enough. A rule looks at the answers, which may differ in what it speaks of and in nothing else;
or where that cannot be told from them, at the answers to the same query over a copy of the data that lacks the cause,
which have to be equal: without times that two series have (`ties`), or with one series in one shard to a measurement
(`groups`).
"""
import collections
import re

from .answers import answered, close, documents, errors, places, same_but, tables, times
from .query_text import dimensions, every_select, fields, many_calls, outside, sources, subqueries

# query, parameters, want and got as (status, body); again() asks influxd once more; without(cause) gives both answers
# over a copy of the data, see data.WITHOUT.
Difference = collections.namedtuple("Difference", "query parameters want got again without")

ULPS = 16
SUMS = re.compile(r"\b(sum|mean|stddev|integral|moving_average|derivative|non_negative_derivative|cumulative_sum|spread|difference)\b", re.I)


def calm(d, *causes):
    """Equal answers over data without one of the causes."""
    return any(want is not None and want == got for want, got in map(d.without, causes))


def sample(d):
    """sample() picks at random"""
    return re.search(r"\bsample\s*\(", d.query, re.I) is not None and d.want[0] == d.got[0]


def unstable(d):
    """influxd answers the same question differently when asked again"""
    answers = {d.again() for _ in range(20)} | {d.want}
    return len(answers) > 1 and (d.got in answers or (answered(d) and calm(d, "groups", "ties")))


def moving_now(d):
    """now() is another one for each server"""
    if not re.search(r"\bnow\s*\(", d.query, re.I):
        return False
    if re.search(r"\btime\s*\([^()]*,\s*now\s*\(", d.query, re.I):  # windows begin elsewhere
        return answered(d)
    if errors(d.want[1]) != errors(d.got[1]):
        here = [re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b"now", body) for _, body in (d.want, d.got)]
        return here[0] == here[1]
    if not same_but(d, lambda columns, values: [row[1:] for row in values]):
        return False
    unit = {"u": 1e3, "ms": 1e6, "s": 1e9, "m": 6e10, "h": 3.6e12}.get(d.parameters.get("epoch", ""), 1)
    pairs = [(a[0], b[0]) for (_, x), (_, y) in zip(tables(d.want[1]), tables(d.got[1])) for a, b in zip(x["values"], y["values"])]
    return all(isinstance(a, str) or abs(a - b) * unit <= 5e9 + unit for a, b in pairs)


def panicked(d):
    """influxd's own code failed: it says [panic:...], or that a statement was not executed, without any other error"""
    found = {text for _, text in errors(d.want[1])}
    return b"[panic:" in d.want[1] or (found == {"not executed"} and not errors(d.got[1]))


def timed_out(d):
    """influxd gave up: query-timeout"""
    return b"query-timeout limit exceeded" in d.want[1]


def partial(d):
    """over 10,000 rows influxd marks a complete answer as partial"""
    return re.sub(rb',\s*"partial":\s*true', b"", d.want[1]) == d.got[1] and len(d.got[1]) > 100000


def merge_order(d):
    """the last digits of a float sum over several series: influxd's order depends on its threads"""
    if not SUMS.search(d.query):
        return False
    a, b = documents(d.want[1]), documents(d.got[1])
    return a is not None and b is not None and close(a, b, ULPS)


# -- subqueries that group by tags: InfluxDB hands their rows on by time, where it expects them by group

def grouped_inside(d):
    return answered(d) and len(subqueries(d.query)) > 0 and any(
        dimensions(s) or re.search(r"\b(top|bottom)\s*\([^,()]*,\s*[a-z\"]", fields(s), re.I) for s in every_select(d.query))


def filled_inside(d):
    """fill() in a subquery that groups by tags: InfluxDB fills all windows anew whenever another group's row comes"""
    return grouped_inside(d) and any(re.search(r"\bfill\s*\(\s*(-?[\d.]+|previous|linear)", outside(s), re.I)
                                     for s in subqueries(d.query)) and calm(d, "groups")


def limit_inside(d):
    """LIMIT and OFFSET in a subquery that groups by tags: InfluxDB counts anew whenever another group's row comes"""
    inside = [m.group(1).upper() for s in subqueries(d.query) for m in re.finditer(r"\b(LIMIT|OFFSET)\b", outside(s), re.I)]
    # of stored points OFFSET is even applied twice: by each shard, and to what they give
    return grouped_inside(d) and len(inside) > 0 and ("OFFSET" in inside or calm(d, "groups"))


def torn_inside(d):
    """several calls in a subquery that groups by tags: InfluxDB joins them by group, though they come by time"""
    return grouped_inside(d) and any(many_calls(s) for s in subqueries(d.query)) and calm(d, "groups")


def ties_inside(d):
    """the order of a subquery's rows that have the same time, of several groups or sources"""
    cut = re.search(r"\b(LIMIT|OFFSET)\b", outside(d.query), re.I)  # which of them are shown, then

    def rows(columns, values):
        return [repr(row[0]) for row in values], () if cut else sorted(repr(row) for row in values)
    return len(subqueries(d.query)) > 0 and same_but(d, rows) and (not cut or calm(d, "ties", "groups"))


def mixed_fill(d):
    """fill() with a number in a subquery: InfluxDB hands the number on among strings and booleans"""
    numbers = {float(n) for s in subqueries(d.query) for n in re.findall(r"\bfill\s*\(\s*(-?[\d.]+)\s*\)", outside(s), re.I)}
    if not numbers or not same_but(d, lambda columns, values: len(values)):
        return False
    cells = [(x, y) for (_, a), (_, b) in zip(tables(d.want[1]), tables(d.got[1]))
             for v, w in zip(a["values"], b["values"]) for x, y in zip(v, w)]
    return all(x == y or (y is None and not isinstance(x, str) and x in numbers) for x, y in cells)


ORDERED = re.compile(r"\b(first|last|mode|elapsed|cumulative_sum|integral|top|bottom|distinct|\w*derivative|\w*difference|"
                     r"\w*moving_average|relative_strength_index|kaufmans_efficiency_ratio|chande_momentum_oscillator)\s*\(", re.I)


def order_inside(d):
    """what depends on the order of a subquery's rows that have the same time"""
    return answered(d) and len(subqueries(d.query)) > 0 and any(ORDERED.search(fields(s)) for s in every_select(d.query)) and \
        calm(d, "ties", "groups")


# -- which of equal ones

def two_types(d):
    """rows of a measurement and of a subquery that have a name with two types: a column has one here"""
    if not any("" in sources(s) and len(sources(s)) > 1 for s in every_select(d.query)):
        return False
    if not same_but(d, lambda columns, values: len(values)):
        return False
    cells = [(x, y) for (_, a), (_, b) in zip(tables(d.want[1]), tables(d.got[1]))
             for v, w in zip(a["values"], b["values"]) for x, y in zip(v, w)]
    fills = (None, 0) if re.search(r"\bfill\s*\(", d.query, re.I) else (None,)
    return all(x == y or y in fills for x, y in cells)


def named_twice(d):
    """a measurement that FROM names twice, or in two policies: which of two points at the same time comes first"""
    def twice(names):
        return len(set(names)) < len(names) or ("/" in names and len(names) > 1)
    return any(twice(sources(s)) for s in every_select(d.query)) and (same_but(d, times) or (answered(d) and calm(d, "groups")))


def companions(d):
    """what stands beside a selector's value where several series have that value at that time"""
    if not any(re.search(r"\b(min|max|first|last|top|bottom)\s*\(", fields(s), re.I) for s in every_select(d.query)):
        return False

    def rows(columns, values):
        chosen = [i for i, c in enumerate(columns) if i == 0 or re.match(r"(min|max|first|last|top|bottom)(_|$)", c)]
        return len(values), [[row[i] for i in chosen or (0,)] for row in values]
    return same_but(d, rows) and calm(d, "ties", "groups")


# -- single functions

def integral_groups(d):
    """integral() of several groups: a Go map gives their order, another one each time"""
    several = [s for s in every_select(d.query) if re.search(r"\bintegral\s*\(", fields(s), re.I) and
               (dimensions(s) or len(sources(s)) > 1 or "/" in sources(s) or subqueries(s))]
    cut = re.search(r"\bS?(LIMIT|OFFSET)\b", d.query, re.I)
    return answered(d) and len(several) > 0 and (cut or len(subqueries(d.query)) > 0 or places(d.want[1]) == places(d.got[1]))


def empty_ends(d):
    """percentile(), holt_winters() beside other calls or in a subquery: a group without a point for it ends what is read of that call"""
    return answered(d) and any(re.search(r"\b(percentile|holt_winters\w*)\s*\(", fields(s), re.I) and
                               (many_calls(s) or subqueries(d.query)) for s in every_select(d.query)) and \
        (places(d.want[1]) <= places(d.got[1]) or calm(d, "groups"))


def tag_or_field(d):
    """a name that is a tag of one source and a field of another, which a subquery groups by or names in top() or bottom()"""
    names = ("f", "i", "s", "b", "v")
    return any(n.split("::")[0].strip('"') in names or ("tg" in d.query and n[0] in "*/")
               for s in subqueries(d.query)
               for n in dimensions(s) + re.findall(r"\b(?:top|bottom)\s*\([^,()]*,\s*(\w+)", fields(s), re.I))


def tag_and_field(d):
    """SHOW of the schema with WHERE, where a name is a tag and a field, or a tag is compared with a field: as single shards have it"""
    if not answered(d) or not re.search(r"\bSHOW\b.*\bWHERE\b", d.query, re.I | re.S):
        return False

    def without(body):
        return [(n, s.get("name"), s["columns"], [v for v in s["values"] if not str(v[0]).startswith("tg")])
                for n, s in tables(body) if s.get("name") != "tg"]
    name = r"(?:\w+|\"(?:[^\"\\]|\\.)*\")(?:::\w+)?"
    compared = re.search(r"\bWHERE\b.*?(%s)\s*(=|!=|<>)\s*(?!true\b|false\b|now\b)([A-Za-z_\"]\S*)" % name, d.query, re.I | re.S)
    counted = re.search(r"\bCARDINALITY\b", d.query, re.I) and places(d.got[1]) <= places(d.want[1])
    return without(d.want[1]) == without(d.got[1]) or compared is not None or bool(counted)


def chande_of_one(d):
    """chande_momentum_oscillator(x, 1) without a warm-up, of which influxd dies where there is data"""
    return b"chande_momentum_oscillator period must be greater than or equal to 2 without a warmup type" in d.got[1] or (
        b"not executed" in d.got[1] and re.search(r"chande_momentum_oscillator\s*\([^()]*,\s*1\s*\)", d.query, re.I) is not None)


def same_tag_twice(d):
    """GROUP BY that names a tag twice: InfluxDB takes the groups for others than they are"""
    return answered(d) and any(len({n.split("::")[0].strip('"') for n in dimensions(s)}) < len(dimensions(s))
                               for s in every_select(d.query)) and \
        (re.search(r"\bOFFSET\b", d.query, re.I) is not None or calm(d, "ties", "groups"))


def show_descending(d):
    """SHOW FIELD KEYS, and SHOW SERIES of several sources, ORDER BY time DESC: as shards come together"""
    def rows(body):
        return sorted((n, s.get("name") or "", repr(row)) for n, s in tables(body) for row in s["values"])
    cut = re.search(r"\bS?(LIMIT|OFFSET)\b", d.query, re.I)
    return answered(d) and re.search(r"SHOW\s+(FIELD\s+KEYS|SERIES\b[^;]*,)[^;]*\bDESC\b", d.query, re.I | re.S) is not None and \
        (cut is not None or rows(d.want[1]) == rows(d.got[1]))


def series_offset(d):
    """SHOW SERIES with a time and OFFSET: InfluxDB skips within single shards, too, and so loses series"""
    def keys(body):
        return {repr(row) for _, s in tables(body) if s["columns"] == ["key"] for row in s["values"]}
    return answered(d) and re.search(r"SHOW\s+SERIES\b(?!.*CARDINALITY).*\btime\b.*\bOFFSET\b", d.query, re.I | re.S) is not None and \
        keys(d.want[1]) <= keys(d.got[1])


def show_queries(d):
    """SHOW QUERIES has columns more, and every server its own numbers and durations"""
    columns = [[s["columns"] for _, s in tables(body)] for _, body in (d.want, d.got)]
    return d.query.strip(" ;").upper() == "SHOW QUERIES" and answered(d) and columns[1] == [c + ["rows", "bytes", "memory"] for c in columns[0]]


RULES = (timed_out, panicked, sample, merge_order, partial, moving_now, unstable, chande_of_one, show_descending, series_offset,
         ties_inside, mixed_fill, two_types, companions, filled_inside, limit_inside, torn_inside, order_inside, named_twice, integral_groups,
         empty_ends, same_tag_twice, tag_or_field, tag_and_field, show_queries)


def explain(difference):
    """The rule that explains it, or None."""
    for rule in RULES:
        if rule(difference):
            return rule
    return None
