#!/usr/bin/env python3
"""query_cases.py - run the text cases of tests/query/*.test against a live siltd.

A file is cases parted by blank lines. A case:

    write                      lines to write follow, up to `----` (left out: the data of the case before stays)
    cpu,host=a v=1 10
    ----
    query: SELECT v FROM cpu            parameters may follow after ` | `: epoch=s&chunked=true
    {"results":[...]}          the exact answer, a line each (as many lines as the answer has)

A `write` empties the database first. Times are in seconds (precision=s), answers have epoch=s unless a parameter says
otherwise. SELECTs are asked twice, once so that the event loop leaves them to a worker. Prints `N passed, N failed, 0 skipped`.
"""
import glob
import os
import re
import sys
import urllib.parse

import live

ONLY_READS = re.compile(r"(?is)\s*select\b(?!.*\binto\b)(?!.*;)")


def worker_bytes():
    """A request so long is never tried by the event loop itself."""
    with open(os.path.join(live.ROOT, "server", "handle_query.c"), encoding="utf-8") as f:
        return 1 + int(re.search(r"(?m)^#define SHORT_TEXT_BYTES_MAX (\d+)\b", f.read()).group(1))


def parse(path):
    """(write lines or None, query, parameters, expected text, line number) of each case."""
    with open(path, encoding="utf-8") as f:
        blocks, start, block = [], 1, []
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if line.startswith("#"):
                continue
            if line:
                if not block:
                    start = number
                block.append(line)
            elif block:
                blocks.append((start, block))
                block = []
        if block:
            blocks.append((start, block))
    for start, block in blocks:
        lines = None
        if block[0] == "write":
            end = block.index("----")
            lines, block = block[1:end], block[end + 1:]
        if not block:
            yield start, lines, None, {}, ""
            continue
        if not block[0].startswith("query: "):
            raise ValueError("%s:%d: a case needs a query" % (path, start))
        query, bar, parameters = block[0][len("query: "):].partition(" | ")
        yield start, lines, query, dict(urllib.parse.parse_qsl(parameters)), "\n".join(block[1:]) + "\n"


def main():
    names = sys.argv[1:] or sorted(glob.glob(os.path.join(live.ROOT, "tests", "query", "*.test")))
    passed = failed = 0
    padding = "-" * worker_bytes()
    with live.start_siltd() as server:
        for name in names:
            for line, lines, query, parameters, want in parse(name):
                if lines is not None:
                    server.query("DROP DATABASE d; CREATE DATABASE d")
                    response = server.write("\n".join(lines), db="d", precision="s")
                    if lines and response.status != 204:
                        print("%s:%d: write: %d %r" % (name, line, response.status, response.body))
                        failed += 1
                if query is None:
                    continue
                parameters = {"epoch": "s", "db": "d", **parameters}
                got = server.query(query, **parameters)
                if got == want and ONLY_READS.match(query):
                    got = server.query(query, padding=padding, **parameters)
                if got == want:
                    passed += 1
                else:
                    failed += 1
                    print("%s:%d: %s\n  want %s  got  %s" % (os.path.relpath(name, live.ROOT), line, query, want, got))
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
