"""shrink.py - a difference made small: first the query, then the data, each in a bounded number of steps.

Runs of tokens, or of points, are left out as long as the servers go on differing in the same way.
"""
from . import tokens


def smaller(items, same, steps):
    """Leaves out runs of items, halves first, while same(rest) holds. Gives (rest, steps left)."""
    size = max(1, len(items) // 2)
    while size >= 1 and steps > 0:
        at, removed = 0, False
        while at < len(items) and steps > 0:
            rest = items[:at] + items[at + size:]
            if rest:
                steps -= 1
                if same(rest):
                    items, removed = rest, True
                    continue
            at += size
        if size == 1 and not removed:
            break
        size = size // 2 if size > 1 else 1
    return items, steps


def brackets(parts, same, steps):
    """Takes brackets away, with and without what is in them."""
    at = 0
    while at < len(parts) and steps > 0:
        if parts[at].strip() == "(":
            depth, end = 0, None
            for i in range(at, len(parts)):
                depth += {"(": 1, ")": -1}.get(parts[i].strip(), 0)
                if depth == 0:
                    end = i
                    break
            if end is not None:
                tries = [parts[:at] + parts[at + 1:end] + parts[end + 1:]]
                if at:  # the call, for its argument
                    tries.append(parts[:at - 1] + parts[at + 1:end] + parts[end + 1:])
                    tries.append(parts[:at - 1] + parts[end + 1:])
                for rest in tries:
                    steps -= 1
                    if rest and same(rest):
                        parts = rest
                        break
                else:
                    at += 1
                continue
        at += 1
    return parts, steps


def query(text, same, steps=400):
    """The smallest text found for which same(text) holds."""
    def holds(parts):
        return same(tokens.join(parts))
    for statement in text.split(";"):
        if statement.strip() and statement != text and same(statement.strip()):
            text = statement.strip()
            break
    parts = tokens.split(text)
    for _ in range(3):
        before = len(parts)
        parts, steps = smaller(parts, holds, steps)
        parts, steps = brackets(parts, holds, steps)
        if len(parts) == before or steps <= 0:
            break
    return tokens.join(parts)


def points(all_points, same, steps=60):
    """The fewest points found for which same(points) holds: whole measurements first."""
    kept = list(all_points)
    for key in sorted({(p.database, p.policy, p.measurement) for p in kept}):
        rest = [p for p in kept if (p.database, p.policy, p.measurement) != key]
        steps -= 1
        if rest and steps > 0 and same(rest):
            kept = rest
    return smaller(kept, same, steps)[0]
