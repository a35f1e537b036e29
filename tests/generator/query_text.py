"""query_text.py - the text of a query, as far as a rule of known.py has to understand it."""
import re

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
