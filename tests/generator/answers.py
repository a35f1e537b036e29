"""answers.py - the bodies of two answers compared, but for what a rule of known.py leaves aside."""
import json
import math
import struct


def whole_number(text):
    return -0.0 if text == "-0" else int(text)


def documents(body):
    """The JSON documents of an answer, or None."""
    for texts in body.decode().split("\n"), [body.decode()]:  # one a line, or one that is pretty
        try:
            return [json.loads(text, parse_int=whole_number) for text in texts if text.strip()]
        except ValueError:
            pass
    return None


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
        if a == 0 and b == 0:
            return math.copysign(1, a) == math.copysign(1, b)
        return a == b or (math.isfinite(a) and math.isfinite(b) and
                          (abs(ordered(a) - ordered(b)) <= ulps or abs(a - b) <= 1e-12 * max(1.0, abs(a))))
    return type(a) is type(b) and a == b


def tables(body):
    """(statement's number, series) of all documents, in order; chunks are joined."""
    out = []
    for document in documents(body) or []:
        for result in document.get("results", []):
            for series in result.get("series", []):
                table = (result.get("statement_id"), dict(series, values=list(series.get("values", []))))
                if out and shape(out[-1]) == shape(table):
                    out[-1][1]["values"] += table[1]["values"]
                else:
                    out.append(table)
    return out


def shape(table):
    number, s = table
    return number, s.get("name"), repr(s.get("tags")), repr(s.get("columns"))


def same_but(d, rows):
    """Equal answers once rows(columns, values) has been made of each series' rows."""
    want, got = tables(d.want[1]), tables(d.got[1])
    if not answered(d) or [shape(t) for t in want] != [shape(t) for t in got]:
        return False
    return all(rows(a["columns"], a["values"]) == rows(b["columns"], b["values"]) for (_, a), (_, b) in zip(want, got))


def times(columns, values):
    """For same_but(): rows at the same times, in any order."""
    return sorted(repr(row[0]) for row in values)


def places(body):
    """Where an answer has rows: statement, series, time."""
    return {shape(t) + (repr(row[0]),) for t in tables(body) for row in t[1]["values"]}


def errors(body):
    return [(r.get("statement_id"), r["error"]) for d in documents(body) or [{"error": body}] for r in d.get("results", [d]) if "error" in r]


def answered(d):
    """What is an error is the same one on both sides."""
    return d.want[0] == d.got[0] == 200 and errors(d.want[1]) == errors(d.got[1])
