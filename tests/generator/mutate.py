"""mutate.py - a valid query made into one that mostly is not: what the parser and the checks say is compared too."""
from . import tokens

WORDS = ("SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "time", "AND", "OR", "(", ")", ",", "*", "=", "=~", "/a/", "'x'",
         "1", "-1", "1.5", "10s", "f", "i", "mean(f)", "fill(none)", "AS", ";", "::", "float", ".", "+", "/", "desc", "distinct", "<",
         "true", "\"\"", "$", "!", "1h30", "é", "'", "\"", "INTERVAL", "KEY", "tz('UTC')", "1i", "1e3", "0x10")


def mutate(text, rng):
    parts = tokens.split(text)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not parts:
            break
        at = rng.randrange(len(parts))
        kind = rng.randrange(6)
        if kind == 0:
            del parts[at]
        elif kind == 1:
            parts.insert(at, " " + parts[at].lstrip())
        elif kind == 2 and at + 1 < len(parts):
            parts[at], parts[at + 1] = parts[at + 1], parts[at]
        elif kind == 3:
            parts[at] = " " + rng.choice(WORDS)
        elif kind == 4:
            parts.insert(at, " " + rng.choice(WORDS) + " ")
        else:
            parts[at] = parts[rng.randrange(len(parts))]
    return tokens.join(parts)
