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
    return any(d.again() != d.want for _ in range(6))


def panicked(d):
    """influxd's own code failed: it says [panic:...]"""
    return b"[panic:" in d.want[1]


def timed_out(d):
    """influxd gave up: query-timeout"""
    return b"query-timeout limit exceeded" in d.want[1]


def partial(d):
    """over 10,000 rows influxd marks a complete answer as partial"""
    return d.want[1].replace(b',"partial":true', b"") == d.got[1] and len(d.got[1]) > 100000


def merge_order(d):
    """the last digits of a float sum over several series: influxd's order depends on its threads"""
    if not SUMS.search(d.query):
        return False
    a, b = documents(d.want[1]), documents(d.got[1])
    return a is not None and b is not None and close(a, b, ULPS)


def integral(d):
    """integral() with windows, in descending order, and the order of its groups"""
    return re.search(r"\bintegral\s*\(", d.query, re.I) is not None and d.want[0] == d.got[0]


CALL = re.compile(r"\b[a-z_]+\s*\(|\bdistinct\b", re.I)


def subqueries(query):
    """The texts in brackets that are SELECTs, innermost included."""
    out, open_at = [], []
    for i, c in enumerate(query):
        if c == "(":
            open_at.append(i)
        elif c == ")" and open_at:
            text = query[open_at.pop() + 1:i]
            if re.match(r"\s*SELECT\b", text, re.I):
                out.append(text)
    return out


def several_calls_inside(d):
    """rows of a subquery with several calls that groups by tags: InfluxDB joins the calls while they are sorted differently"""
    for text in subqueries(d.query):
        fields = re.split(r"\bFROM\b", text, maxsplit=1, flags=re.I)[0]
        several = len(CALL.findall(fields)) > 1 or re.search(r"\(\s*(\*|/)", fields)
        if several and (re.search(r"GROUP BY", d.query, re.I)):
            return d.want[0] == d.got[0]
    return False


def limit_inside(d):
    """LIMIT and OFFSET in a subquery that groups by tags: InfluxDB counts anew whenever another group's row comes between"""
    return any(re.search(r"\b(LIMIT|OFFSET)\b", text, re.I) for text in subqueries(d.query)) and \
        re.search(r"GROUP BY", d.query, re.I) is not None and d.want[0] == d.got[0]


def beside_subquery(d):
    """a FROM with a subquery beside other sources: InfluxDB drops what has another type than the first of them"""
    return re.search(r"\)\s*,|,\s*\(\s*SELECT", d.query, re.I) is not None and len(subqueries(d.query)) > 0 and \
        re.search(r"FROM[^()]*,\s*\(\s*SELECT|\)\s*,\s*(\(\s*SELECT|[a-z\"/])", d.query, re.I) is not None and d.want[0] == d.got[0]


def tag_key(d):
    """WHERE "_tagKey" on data"""
    return "_tagKey" in d.query


RULES = (timed_out, panicked, sample, merge_order, partial, tag_key, unstable, integral, limit_inside, several_calls_inside,
         beside_subquery)


def explain(difference):
    """The rule that explains it, or None."""
    for rule in RULES:
        if rule(difference):
            return rule
    return None
