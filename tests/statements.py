#!/usr/bin/env python3
"""statements.py - statements that change and show a server's state, in order, against a live siltd.

    statements.py [FILE...]              answers must be those in tests/statements/*.test
    statements.py --restarts [FILE...]   the same, with siltd restarted after each write and killed after each statement that
                                         deletes: what is gone is gone from files, too, and stays so
    statements.py --record [FILE...]     writes a real influxd's answers into the files

A file is a script for a server that was empty before:

    write d cpu,host=a v=1 1             a line for database d, time in seconds; \\n parts several
    restart                              siltd is stopped and started on its data; `crash` kills it. No effect on influxd
    POST d SHOW USERS                    a query, by POST or GET, with database d (`-`: none; `d/p`: and the policy p)
    {"results":[...]}                    its answer

`#` starts a comment. `~` at the front of a query's line: not compared with influxd and not recorded, what stands is
siltd's own on purpose. Prints `N passed, N failed, 0 skipped`.
"""
import glob
import os
import re
import shutil
import sys
import tempfile

import live

FOLDER = os.path.join(live.ROOT, "tests", "statements")


def read(path):
    """The lines, answers joined to their queries: [kind, line number, line, answer]."""
    steps = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.rstrip("\n")
            if line.startswith("{"):
                steps[-1][2] = line
            elif line:
                steps.append([number, line, None])
            else:
                steps.append([number, "", None])
    return steps


def ask(server, line):
    method, database, query = line.lstrip("~").split(" ", 2)
    params = {"epoch": "s"}
    database, _, policy = database.partition("/")
    if database != "-":
        params["db"] = database
    if policy:
        params["rp"] = policy
    return server.query(query, method=method, **params).rstrip("\n")


def write(server, line):
    _, database, lines = line.split(" ", 2)
    response = server.write(lines.replace("\\n", "\n"), db=database, precision="s")
    return response.status, response.body


def plain(answer):
    """Several shards may refuse a condition; which of them is named is chance in influxd."""
    return re.sub(r'"error":"shard [0-9]+:', '"error":"shard N:', answer)


def is_query(line):
    return line.lstrip("~").startswith(("POST ", "GET "))


def steps(path, restarts):
    for number, line, want in read(path):
        yield number, line, want
        if restarts and line.startswith("write "):
            yield number, "restart", None
        elif restarts and is_query(line) and line.split(" ", 2)[2].startswith(("DELETE", "DROP")):
            yield number, "crash", None


def run(path, restarts):
    passed = failed = 0
    folder = tempfile.mkdtemp(prefix="silt-statements-")
    server = live.start_siltd(folder)
    try:
        for number, line, want in steps(path, restarts):
            name = "%s:%d" % (os.path.relpath(path, live.ROOT), number)
            if line.startswith("write "):
                status, body = write(server, line)
                if status != 204:
                    print("%s: write: %d %r" % (name, status, body))
                    failed += 1
            elif line in ("restart", "crash"):
                server.stop() if line == "restart" else server.kill()
                server = live.start_siltd(folder)
            elif is_query(line):
                got = ask(server, line)
                if plain(got) == plain(want or ""):
                    passed += 1
                else:
                    failed += 1
                    print("%s: %s\n  want %s\n  got  %s" % (name, line, want, got))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return passed, failed


def record(path):
    server = live.start_influxd()
    if server is None:
        raise SystemExit("the influxdb package cannot be had")
    out = []
    with server:
        for _, line, answer in read(path):
            out.append(line)
            if line.startswith("write "):
                status, body = write(server, line)
                if status != 204:
                    raise SystemExit("%s: write: %d %r" % (line, status, body))
            elif is_query(line):
                got = ask(server, line)
                out.append((answer or got) if line.startswith("~") else got)
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(out).rstrip("\n") + "\n")


def main():
    arguments = sys.argv[1:]
    recording, restarts = arguments[:1] == ["--record"], arguments[:1] == ["--restarts"]
    names = arguments[1:] if recording or restarts else arguments
    passed = failed = 0
    for path in names or sorted(glob.glob(os.path.join(FOLDER, "*.test"))):
        if recording:
            record(path)
            continue
        ok, bad = run(path, restarts)
        passed += ok
        failed += bad
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
