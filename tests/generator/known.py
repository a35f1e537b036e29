"""known.py - where an answer may differ from InfluxDB's: the one place that says so, a rule a function.

A rule gets a Difference and says whether it explains it; its first line of documentation is the reason, shown in the
report with the number of answers that it explained. The table is docs/influxql.md, "Where answers differ".
"""
import collections
import json
import math
import re
import struct

# query, parameters, want and got as (status, body); again() asks influxd once more.
Difference = collections.namedtuple("Difference", "query parameters want got again")

ULPS = 16
SUMS = re.compile(r"\b(sum|mean|stddev|integral|moving_average|derivative|non_negative_derivative|cumulative_sum|spread|difference)\b", re.I)


def documents(body):
    """The JSON documents of an answer, or None."""
    out = []
    try:
        for text in body.decode().split("\n"):
            if text.strip():
                out.append(json.loads(text, parse_float=float, parse_int=int))
    except ValueError:
        try:
            out = [json.loads(body.decode())]
        except ValueError:
            return None
    return out


def ordered(x):
    """A double as an integer that counts the doubles below it."""
    n = struct.unpack("<q", struct.pack("<d", x))[0]
    return n if n >= 0 else -0x8000000000000000 - n


def close(a, b, ulps):
    """Whether two JSON values are equal but for the last digits of floats."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(close(x, y, ulps) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(close(a[k], b[k], ulps) for k in a)
    number = (int, float)
    if isinstance(a, number) and isinstance(b, number) and not isinstance(a, bool) and not isinstance(b, bool):
        if isinstance(a, int) and isinstance(b, int):
            return a == b
        a, b = float(a), float(b)
        return a == b or (math.isfinite(a) and math.isfinite(b) and
                          (abs(ordered(a) - ordered(b)) <= ulps or abs(a - b) <= 1e-12 * max(1.0, abs(a))))
    return type(a) is type(b) and a == b


def sample(d):
    """sample() picks at random"""
    return re.search(r"\bsample\s*\(", d.query, re.I) is not None and d.want[0] == d.got[0]


def unstable(d):
    """influxd answers the same question differently when asked again"""
    return any(d.again() != d.want for _ in range(20))


def panicked(d):
    """influxd's own code failed: it says [panic:...]"""
    return b"[panic:" in d.want[1]


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


# -- the text of a query, as far as a rule has to understand it

CALL = re.compile(r"\b(?!time\b|now\b|fill\b|tz\b)[a-z_0-9]+\s*\(", re.I)
GROUP = re.compile(r"\bGROUP\s+BY\b(.*?)(?:\bfill\s*\(|\bORDER\b|\bS?LIMIT\b|\bS?OFFSET\b|\btz\s*\(|;|$)", re.I | re.S)


def brackets(query):
    """(start, end) of what stands in each pair of brackets, quoted texts left aside."""
    plain = re.sub(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", lambda m: "x" * len(m.group()), query)
    open_at = []
    for i, c in enumerate(plain):
        if c == "(":
            open_at.append(i)
        elif c == ")" and open_at:
            yield open_at.pop() + 1, i


def subqueries(query):
    """The texts in brackets that are SELECTs, inner ones included."""
    return [query[a:b] for a, b in brackets(query) if re.match(r"\s*SELECT\b", query[a:b], re.I)]


def outside(query):
    """The query with nothing in the brackets of its subqueries."""
    for inner in sorted(subqueries(query), key=len, reverse=True):
        query = query.replace(inner, "")
    return query


def fields(select):
    return re.split(r"\bFROM\b", outside(select), maxsplit=1, flags=re.I)[0]


def dimensions(select):
    """What it groups by but time."""
    out = []
    for m in GROUP.finditer(outside(select)):
        out += [name.strip() for name in re.sub(r"\btime\s*\([^()]*\)", "", m.group(1), flags=re.I).split(",") if name.strip()]
    return out


def many_calls(select):
    """Several calls among the fields, or one over a wildcard or pattern."""
    text = fields(select)
    return len(CALL.findall(text)) > 1 or re.search(r"\(\s*(\*|/)", text) is not None


def sources(select):
    """The names in FROM, without database and policy; a pattern is `/`, a subquery ``."""
    m = re.search(r"\bFROM\b(.*?)(?:\bWHERE\b|\bGROUP\b|\bfill\b|\bORDER\b|\bS?LIMIT\b|\bS?OFFSET\b|\btz\s*\(|;|$)",
                  outside(select), re.I | re.S)
    names = []
    for name in re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", m.group(1)) if m else ():
        name = name.strip()
        names.append("" if name.startswith("(") else "/" if "/" in name else re.split(r"\.(?=[^.]*$)", name)[-1].strip('"'))
    return names


def every_select(query):
    """The statements of a request, and their subqueries."""
    return [s for s in query.split(";") if re.search(r"\bSELECT\b", s, re.I)] + subqueries(query)


# -- answers

def tables(body):
    """The series of all documents, in order."""
    return [(r.get("statement_id"), s) for d in documents(body) or [] for r in d.get("results", []) for s in r.get("series", [])]


def shape(table):
    number, s = table
    return number, s.get("name"), repr(s.get("tags")), repr(s.get("columns"))


def same_but(d, rows):
    """Equal answers once rows(columns, values) has been made of each series' rows."""
    want, got = tables(d.want[1]), tables(d.got[1])
    if d.want[0] != d.got[0] or len(want) != len(got) or [shape(t) for t in want] != [shape(t) for t in got]:
        return False
    return all(rows(a["columns"], a["values"]) == rows(b["columns"], b["values"]) for (_, a), (_, b) in zip(want, got))


def errors(body):
    return [(r.get("statement_id"), r["error"]) for d in documents(body) or [{"error": body}] for r in d.get("results", [d]) if "error" in r]


def answered(d):
    """What is an error is the same one on both sides."""
    return d.want[0] == d.got[0] == 200 and errors(d.want[1]) == errors(d.got[1])


# -- subqueries that group by tags: InfluxDB hands their rows on by time, where it expects them by group

def filled_inside(d):
    """fill() in a subquery that groups by tags: InfluxDB fills all windows anew whenever another group's row comes"""
    return answered(d) and any(re.search(r"\bfill\s*\(\s*(-?[\d.]+|previous|linear)", outside(s), re.I) and
                               re.search(r"\bGROUP\s+BY\b", d.query, re.I) for s in subqueries(d.query))


def limit_inside(d):
    """LIMIT and OFFSET in a subquery that groups by tags: InfluxDB counts anew whenever another group's row comes"""
    return answered(d) and any(re.search(r"\b(LIMIT|OFFSET)\b", outside(s), re.I) for s in subqueries(d.query)) and \
        any(dimensions(s) for s in every_select(d.query))


def torn_inside(d):
    """several calls in a subquery that groups by tags: InfluxDB joins them by group, though they come by time"""
    return answered(d) and any(many_calls(s) for s in subqueries(d.query)) and any(dimensions(s) for s in every_select(d.query))


def ties_inside(d):
    """the order of a subquery's rows that have the same time, of several groups or sources"""
    cut = re.search(r"\b(LIMIT|OFFSET)\b", outside(d.query), re.I)  # which of them are shown, then

    def rows(columns, values):
        return [repr(row[0]) for row in values], () if cut else sorted(repr(row) for row in values)
    return len(subqueries(d.query)) > 0 and same_but(d, rows)


ORDERED = re.compile(r"\b(first|last|mode|elapsed|cumulative_sum|integral|top|bottom|distinct|\w*derivative|\w*difference|"
                     r"\w*moving_average|relative_strength_index|kaufmans_efficiency_ratio|chande_momentum_oscillator)\s*\(", re.I)


def order_inside(d):
    """what depends on the order of a subquery's rows that have the same time"""
    return answered(d) and any(ORDERED.search(fields(s)) and subqueries(s) for s in every_select(d.query))


# -- which of equal ones

def named_twice(d):
    """a measurement that FROM names twice, or in two policies: which of two points at the same time comes first"""
    if not answered(d):
        return False
    for s in every_select(d.query):
        names = sources(s)
        if len(set(names)) < len(names) or ("/" in names and len(names) > 1):
            return True
    return False


def companions(d):
    """what stands beside a selector's value where several series have that value at that time"""
    if not any(re.search(r"\b(min|max|first|last|top|bottom)\s*\(", fields(s), re.I) for s in every_select(d.query)):
        return False

    def rows(columns, values):
        chosen = [i for i, c in enumerate(columns) if i == 0 or re.match(r"(min|max|first|last|top|bottom)(_|$)", c)]
        return len(values), [[row[i] for i in chosen or (0,)] for row in values]
    return same_but(d, rows)


# -- single functions

def integral_groups(d):
    """integral() of several groups: a Go map gives their order, another one each time"""
    return answered(d) and any(re.search(r"\bintegral\s*\(", fields(s), re.I) and
                               (dimensions(s) or len(sources(s)) > 1 or "/" in sources(s) or subqueries(s))
                               for s in every_select(d.query))


def empty_ends(d):
    """percentile() beside other calls or in a subquery: a group without a point for it ends what InfluxDB reads of that call"""
    return answered(d) and any(re.search(r"\bpercentile\s*\(", fields(s), re.I) and (many_calls(s) or subqueries(d.query))
                               for s in every_select(d.query))


def tested_beside_subquery(d):
    """WHERE over a subquery beside other sources: a name that only some of them have is now a tag, now a field without a value"""
    return answered(d) and any("" in sources(s) and len(sources(s)) > 1 and re.search(r"\bWHERE\b", outside(s), re.I)
                               for s in every_select(d.query))


def tag_or_field(d):
    """a name that is a tag of one source and a field of another, which a subquery groups by or names in top() or bottom()"""
    return any(n.split("::")[0].strip('"') in ("f", "i", "s", "b", "v")
               for s in subqueries(d.query)
               for n in dimensions(s) + re.findall(r"\b(?:top|bottom)\s*\([^,()]*,\s*(\w+)", fields(s), re.I))


def tag_and_field(d):
    """SHOW of the schema with WHERE, of a measurement that has a tag and a field of one name: as single shards have it"""
    if not answered(d) or not re.search(r"\bSHOW\b.*\bWHERE\b", d.query, re.I | re.S):
        return False

    def without(body):
        return [(n, s.get("name"), s["columns"], [v for v in s["values"] if not str(v[0]).startswith("tg")])
                for n, s in tables(body) if s.get("name") != "tg"]
    return without(d.want[1]) == without(d.got[1])


def chande_of_one(d):
    """chande_momentum_oscillator(x, 1) without a warm-up, of which influxd dies where there is data"""
    return b"chande_momentum_oscillator period must be greater than or equal to 2 without a warmup type" in d.got[1]


def same_tag_twice(d):
    """GROUP BY that names a tag twice: InfluxDB takes the groups for others than they are"""
    return answered(d) and any(len({n.split("::")[0].strip('"') for n in dimensions(s)}) < len(dimensions(s))
                               for s in every_select(d.query))


def show_descending(d):
    """SHOW FIELD KEYS, and SHOW SERIES of several sources, ORDER BY time DESC: as shards come together"""
    return answered(d) and re.search(r"SHOW\s+(FIELD\s+KEYS|SERIES\b[^;]*,)[^;]*\bDESC\b", d.query, re.I | re.S) is not None


def series_offset(d):
    """SHOW SERIES with a time and OFFSET: InfluxDB skips within single shards, too, and so loses series"""
    return answered(d) and re.search(r"SHOW\s+SERIES\b(?!.*CARDINALITY).*\btime\b.*\bOFFSET\b", d.query, re.I | re.S) is not None


RULES = (timed_out, panicked, sample, merge_order, partial, unstable, chande_of_one, show_descending, series_offset, ties_inside, companions,
         filled_inside, limit_inside, torn_inside, order_inside, named_twice, integral_groups, empty_ends, same_tag_twice, tag_or_field,
         tag_and_field, tested_beside_subquery)


def explain(difference):
    """The rule that explains it, or None."""
    for rule in RULES:
        if rule(difference):
            return rule
    return None
