#!/usr/bin/env python3
"""record.py - fill in the answers of query cases from a live InfluxDB 1.6 server.

    record.py URL FILE...      FILE: a .test file whose cases may lack answers; rewritten in place

A `write` block empties database `record` on that server first.
"""
import sys
import urllib.error
import urllib.parse
import urllib.request


def call(url, path, params, body=None):
    request = urllib.request.Request(url + path + "?" + urllib.parse.urlencode(params), data=body,
                                     method="GET" if body is None else "POST")
    try:
        with urllib.request.urlopen(request) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def record(url, path):
    with open(path, encoding="utf-8") as f:
        blocks = f.read().strip("\n").split("\n\n")
    out = []
    for block in blocks:
        lines = block.split("\n")
        kept = []
        if "write" in lines:
            start, end = lines.index("write"), lines.index("----")
            call(url, "/query", {"q": "DROP DATABASE record"}, b"")
            call(url, "/query", {"q": "CREATE DATABASE record"}, b"")
            call(url, "/write", {"db": "record", "precision": "s"}, "\n".join(lines[start + 1:end]).encode())
            kept, lines = lines[:end + 1], lines[end + 1:]
        for line in lines:
            if not line.startswith("query: "):
                if line.startswith("#"):
                    kept.append(line)
                continue
            kept.append(line)
            query, _, rest = line[len("query: "):].partition(" | ")
            params = {"db": "record", "epoch": "s", "q": query}
            params.update(urllib.parse.parse_qsl(rest))
            kept.append(call(url, "/query", params, b"").rstrip("\n"))
        out.append("\n".join(kept))
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n\n".join(out) + "\n")


if __name__ == "__main__":
    for name in sys.argv[2:]:
        record(sys.argv[1], name)
