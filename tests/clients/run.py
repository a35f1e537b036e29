#!/usr/bin/env python3
"""run.py - real clients do their normal work with siltd, and what their users see is compared with a real influxd.

    run.py [--verbose] [CLIENT...]      CLIENT: shell python aio node go ruby requests guarded migrate

Prints `N passed, N failed, N skipped`: a step of a client is a test. A client that cannot be had counts as one skipped, with the reason.
"""
import difflib
import importlib
import os
import shutil
import sys
import tempfile

import common
import live

CLIENTS = {"shell": "shell", "python": "python_client", "aio": "aio_client", "node": "node_client", "go": "go_client", "ruby": "ruby_client", "requests": "replay", "guarded": "guarded", "migrate": "migrate"}


def record(client, server):
    folder = tempfile.mkdtemp(prefix="silt-client-")
    try:
        return [(name, common.same_for_all(text, server)) for name, text in client.steps(server, folder)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def judge(name, got, want, seen):
    """None, or what is wrong with a step. want is None where no influxd could be asked."""
    if name == "the end" and "(status " in got:
        return "the program failed:\n" + got
    if seen is not None and seen not in got:
        return "does not show %r:\n%s" % (seen, got)
    if want is not None and want != got:
        return "\n".join(difflib.unified_diff(want.splitlines(), got.splitlines(), "influxd", "siltd", lineterm="", n=1))
    return None


def main():
    verbose = "--verbose" in sys.argv
    chosen = [a for a in sys.argv[1:] if not a.startswith("-")] or list(CLIENTS)
    passed = failed = skipped = 0
    for key in chosen:
        client = importlib.import_module(CLIENTS[key])
        reason = client.unavailable()
        if reason:
            print("%s: skipped: %s" % (client.NAME, reason))
            skipped += 1
            continue
        with getattr(client, "start_siltd", live.start_siltd)() as siltd:
            got = record(client, siltd)
        influxd = getattr(client, "start_influxd", live.start_influxd)()
        want = {}
        if influxd is not None:
            with influxd as server:
                want = dict(record(client, server))
        before = failed
        if siltd.process.returncode != 0:
            failed += 1
            print("%s: siltd ended with status %d" % (client.NAME, siltd.process.returncode))
        for name, text in got:
            wrong = judge(name, text, want.pop(name, "(no such step)") if influxd is not None else None, client.SEEN.get(name))
            failed, passed = failed + (wrong is not None), passed + (wrong is None)
            if wrong is not None:
                print("%s: %s\n%s\n" % (client.NAME, name, wrong))
            elif verbose:
                print("%s: %s\n%s\n" % (client.NAME, name, text))
        for name in list(want) + [n for n in client.SEEN if n not in dict(got)]:
            failed += 1
            print("%s: step missing: %s" % (client.NAME, name))
        print("%s: %d steps, %d wrong%s" % (client.NAME, len(got), failed - before, "" if influxd else " (no influxd to compare with)"))
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.exit(main())
