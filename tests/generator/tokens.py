"""tokens.py - a query cut into tokens, for mutations and for shrinking. Blanks belong to the token that follows them."""
import re

TOKEN = re.compile(r"""\s*(?:--[^\n]*\n?|/\*.*?\*/|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\d[\d.]*[a-zµ]*|\$?\w+|::|<=|>=|!=|<>|=~|!~|\.\d+|.)""",
                   re.S)
REGEX = re.compile(r"\s*/(?:\\.|[^/\\\n])*/", re.S)
BEFORE_REGEX = {"=~", "!~", "FROM", ",", "(", "SELECT", "BY", ".", "MEASUREMENT"}


def split(text):
    out, at, before = [], 0, ""
    while at < len(text):
        m = REGEX.match(text, at) if before.upper() in BEFORE_REGEX else None
        m = m or TOKEN.match(text, at)
        if not m:
            break
        out.append(m.group())
        before = m.group().strip()
        at = m.end()
    return out


def join(tokens):
    return "".join(tokens).strip()
