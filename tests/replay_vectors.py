#!/usr/bin/env python3
"""replay_vectors.py - recorded exchanges with an InfluxDB 1.6.7 server, replayed against siltd.

    replay_vectors.py [--show N] [FILE...]     FILE: a part of a name in tests/vectors, e.g. 03

All files are replayed in order against one server that was empty before; status and body must be equal to the byte. Files
named in MUST_PASS have to pass in full, but for the answers listed in EXPECTED_DIFFERENCES; of the others the share is
printed. FILE limits what is reported; what comes before is replayed all the same. Ends with `N passed, N failed` over the
files that must pass; exit status 1 when one does not.
"""
import json
import os
import sys
import urllib.parse

import live

FOLDER = os.path.join(live.ROOT, "tests", "vectors")
MUST_PASS = tuple("%02d" % n for n in range(1, 20) if n != 11)

# (file, line): why our answer differs on purpose; docs/influxql.md has the list for users.
CLOCK = "times around the moment of the recording, beyond a retention policy by now"
NUMBER = "a shard is told, or dropped, by its number, which the recording server gave"
RANDOM = "the groups of an integral come as Go's map gives them, another way each time"
EXPECTED_DIFFERENCES = {
    ("09", 101): RANDOM,
    ("15", 8): NUMBER,
    ("17", 4): CLOCK, ("17", 6): CLOCK, ("17", 7): CLOCK, ("17", 8): CLOCK,
    ("17", 16): NUMBER, ("17", 17): NUMBER, ("17", 18): NUMBER, ("17", 38): NUMBER,
}


def replay(server, name):
    passed, failures = 0, []
    with open(os.path.join(FOLDER, name), encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            exchange = json.loads(line)
            params = exchange.get("params") or {}
            body = exchange.get("body")
            headers = dict(exchange.get("headers") or {})
            path = exchange["path"]
            if isinstance(body, str):
                body = body.encode("utf-8", "surrogateescape")
            if exchange["method"] == "POST" and body is None:
                body = b""
            query = urllib.parse.urlencode(params) if isinstance(params, dict) else params
            response = server.request(exchange["method"], path + ("?" + query if query else ""), body=body,
                                      headers=headers)
            got = response.body.decode("utf-8", "replace")
            want = exchange["response"]
            if (response.status == exchange["status"] and got == want) \
                    or (name[:2], number) in EXPECTED_DIFFERENCES:
                passed += 1
            else:
                failures.append((number, exchange, response.status, got))
    return passed, failures


def main():
    arguments = sys.argv[1:]
    show = 3
    if arguments[:1] == ["--show"]:
        show = int(arguments[1])
        arguments = arguments[2:]
    must_passed = must_failed = total_passed = total = 0
    with live.start_siltd() as server:
        for name in sorted(os.listdir(FOLDER)):
            passed, failures = replay(server, name)
            if arguments and not any(part in name for part in arguments):
                continue
            total_passed += passed
            total += passed + len(failures)
            must = name.startswith(MUST_PASS)
            if must:
                must_passed += passed
                must_failed += len(failures)
            print("%-34s %4d of %4d%s" % (name, passed, passed + len(failures),
                                          "" if not must or not failures else "  MUST PASS"))
            for number, exchange, status, got in failures[:show if must or arguments else 0]:
                print("  line %d: %s %s %s\n    body  %.300s\n    want  %d %.600s\n    got   %d %.600s" % (
                    number, exchange["method"], exchange["path"], json.dumps(exchange.get("params")),
                    exchange.get("body"), exchange["status"], exchange["response"].rstrip(), status, got.rstrip()))
    print("exchanges equal: %d of %d" % (total_passed, total))
    print("%d passed, %d failed, 0 skipped" % (must_passed, must_failed))
    return 1 if must_failed else 0


if __name__ == "__main__":
    sys.exit(main())
