#!/usr/bin/env python3
"""matrix.py - the privilege matrix: every statement, by every kind of user, with every kind of credential.

    statement  x  nobody, reader, writer, both, root, an unknown user, a wrong password, no credentials
               x  u and p, Basic, Token (InfluxDB 1.8's), Bearer (JSON web token)

What must come out is what a real influxd 1.6.7 with authentication answered: status and body are kept in matrix.answers;
`matrix.py --record` asks one and writes them, `matrix.py --live` asks both at once. Only of what a server tells of itself,
status and error alone are compared. The one deliberate
difference is in must_refuse.

Prints `N passed, N failed, N skipped` last.
"""
import argparse
import json
import os
import sys

import people

ANSWERS = os.path.join(people.HERE, "matrix.answers")
KINDS = ("u/p", "Basic", "Token", "Bearer")

# In this order, for each user in turn. What changes something leaves it as it was found, or does so every time.
STATEMENTS = """
SELECT * FROM m
SELECT * FROM db1..m
SELECT * FROM db0..m, db1..m
SELECT max(v) FROM (SELECT v FROM db1..m)
SELECT * FROM nosuch..m
SELECT v INTO db0..copy FROM m
SELECT v INTO db1..copy FROM m
SELECT v INTO copy FROM m
SELECT v INTO db0..copy FROM db1..m
EXPLAIN SELECT v FROM db1..m
SHOW DATABASES
SHOW MEASUREMENTS
SHOW MEASUREMENTS ON db1
SHOW SERIES
SHOW SERIES ON db1
SHOW TAG KEYS
SHOW TAG KEYS ON db1
SHOW TAG KEYS FROM db1..m
SHOW TAG VALUES WITH KEY = t
SHOW TAG VALUES ON db1 WITH KEY = t
SHOW FIELD KEYS
SHOW FIELD KEYS ON db1
SHOW SERIES CARDINALITY
SHOW SERIES CARDINALITY ON db1
SHOW SERIES EXACT CARDINALITY
SHOW SERIES EXACT CARDINALITY ON db1
SHOW SERIES EXACT CARDINALITY ON db1 FROM m
SHOW SERIES EXACT CARDINALITY FROM db1..m
SHOW MEASUREMENT CARDINALITY
SHOW MEASUREMENT CARDINALITY ON db1
SHOW MEASUREMENT EXACT CARDINALITY
SHOW MEASUREMENT EXACT CARDINALITY ON db1
SHOW TAG KEY CARDINALITY
SHOW TAG KEY CARDINALITY ON db1
SHOW TAG KEY CARDINALITY ON db1 FROM m
SHOW TAG KEY EXACT CARDINALITY ON db1
SHOW TAG VALUES CARDINALITY WITH KEY = t
SHOW TAG VALUES CARDINALITY ON db1 WITH KEY = t
SHOW TAG VALUES EXACT CARDINALITY ON db1 WITH KEY = t
SHOW FIELD KEY CARDINALITY
SHOW FIELD KEY CARDINALITY ON db1
SHOW FIELD KEY EXACT CARDINALITY ON db1
SHOW RETENTION POLICIES
SHOW RETENTION POLICIES ON db1
SHOW CONTINUOUS QUERIES
SHOW SUBSCRIPTIONS
SHOW USERS
SHOW GRANTS FOR reader
SHOW GRANTS FOR nosuch
SHOW QUERIES
SHOW SHARDS
SHOW SHARD GROUPS
SHOW STATS
SHOW DIAGNOSTICS
DELETE FROM nosuch
DELETE FROM m WHERE time < 0
DROP SERIES FROM nosuch
DROP MEASUREMENT nosuch
DROP SHARD 999
CREATE DATABASE db1
DROP DATABASE nosuch
CREATE RETENTION POLICY p ON db0 DURATION 2d REPLICATION 1
ALTER RETENTION POLICY p ON db0 DURATION 3d
DROP RETENTION POLICY p ON db0
DROP RETENTION POLICY nosuch ON db1
CREATE CONTINUOUS QUERY c ON db0 BEGIN SELECT mean(v) INTO out FROM m GROUP BY time(1h) END
CREATE CONTINUOUS QUERY c2 ON db0 BEGIN SELECT mean(v) INTO db1..out FROM m GROUP BY time(1h) END
CREATE CONTINUOUS QUERY c3 ON db1 BEGIN SELECT mean(v) INTO db0..out FROM m GROUP BY time(1h) END
DROP CONTINUOUS QUERY c ON db0
DROP CONTINUOUS QUERY c2 ON db0
DROP CONTINUOUS QUERY c3 ON db1
CREATE SUBSCRIPTION s ON db0.autogen DESTINATIONS ALL 'udp://127.0.0.1:9'
DROP SUBSCRIPTION s ON db0.autogen
CREATE USER made WITH PASSWORD 'p w'
SET PASSWORD FOR made = 'another'
GRANT READ ON db0 TO made
REVOKE READ ON db0 FROM made
GRANT ALL PRIVILEGES TO made
REVOKE ALL PRIVILEGES FROM made
DROP USER made
CREATE USER made WITH PASSWORD 'p' WITH ALL PRIVILEGES
DROP USER made
KILL QUERY 999999
SHOW DATABASES; SELECT * FROM m; SHOW USERS
SHOW DATABASES; SELECT nosuch FROM m
SELECT * FROM
""".strip().split("\n")
# What the server tells of itself: status and error only.
OF_ITSELF = ("SHOW QUERIES", "SHOW SHARDS", "SHOW SHARD GROUPS", "SHOW STATS", "SHOW DIAGNOSTICS", "SHOW SUBSCRIPTIONS",
             "EXPLAIN")
# (path, method, parameters, body)
REQUESTS = [
    ("/write", "POST", {"db": "db0"}, b"w v=1 1"),
    ("/write", "POST", {"db": "db1"}, b"w v=1 1"),
    ("/write", "POST", {"db": "nosuch"}, b"w v=1 1"),
    ("/write", "POST", {}, b"w v=1 1"),
    ("/write", "POST", {"db": "db0"}, b"broken"),
    ("/write", "POST", {"db": "db0", "consistency": "nosuch"}, b"w v=1 1"),
    ("/ping", "GET", {}, None),
    ("/ping", "HEAD", {}, None),
    ("/status", "GET", {}, None),
    ("/query", "OPTIONS", {}, None),
    ("/query", "GET", {}, None),
    ("/nosuch", "GET", {}, None),
    ("/query", "GET", {"q": "SHOW USERS", "pretty": "true"}, None),
]


def callers():
    """(name, kind, whether the password is right)"""
    for user in list(people.USERS) + ["stranger"]:
        for kind in KINDS:
            yield user, kind, True
    for kind in KINDS:
        yield "both", kind, False
    yield "", "", True


def label(user, kind, right):
    return "%s%s" % (user or "without credentials", "" if right else " with a wrong password")


def cases():
    """(key, user, kind, right, method, path, parameters, body): the key without the kind, which makes no difference."""
    for user, kind, right in callers():
        who = label(user, kind, right)
        known = user in people.USERS and right
        for statement in STATEMENTS if known else STATEMENTS[:2]: # each costs a bcrypt
            yield ("%s | %s" % (who, statement), user, kind, right, "POST", "/query",
                   {"q": statement, "db": "db0", "epoch": "ns"}, None)
        if known:
            for statement in ("SELECT * FROM m", "SHOW QUERIES", "DELETE FROM m WHERE time < 0"):
                yield ("%s | no database | %s" % (who, statement), user, kind, right, "POST", "/query",
                       {"q": statement}, None)
        for path, method, params, body in REQUESTS if known or not user else REQUESTS[:1] + REQUESTS[6:9]:
            yield ("%s | %s %s %s %s" % (who, method, path, json.dumps(params), (body or b"").decode()),
                   user, kind, right, method, path, params, body)


def ask(server, key, user, kind, right, method, path, params, body):
    if key.endswith("| " + STATEMENTS[0]):
        people.tidy(server)
    more, headers = people.credentials(kind, user, right) if kind else ({}, {})
    answer = server.request(method, path, dict(params, **more), body, headers)
    text = answer.body.decode()
    if any(word in key for word in OF_ITSELF) and answer.status == 200:
        text = "has an error" if '"error":' in text else "fine"  # not a column of that name
    return "%d %s %s" % (answer.status, answer.getheader("Www-Authenticate") or "-", text.strip())


def must_refuse(key, influx):
    """Where SiltDB answers otherwise on purpose: true where it must answer 403 although InfluxDB does not."""
    who, _, statement = key.partition(" | ")
    # InfluxDB asks for no privilege where a cardinality has no FROM: everybody may count everything. SiltDB asks for READ.
    counts = "CARDINALITY" in statement and " FROM " not in statement
    allowed = {"reader", "both", "root"} if " ON db1" not in statement else {"root"}
    return counts and influx.startswith("200") and who in people.USERS and who not in allowed


def ask_all(server):
    recorded = {}
    for case in cases():
        if case[2] == "Token":
            continue
        answer = ask(server, *case)
        key = case[0]
        if case[2] == "Bearer" and (case[1] == "stranger" or not case[3]):
            key += " | Bearer"
        if recorded.setdefault(key, answer) != answer:
            print("influxd answers by kind of credential: %s %s\n  %s\n  %s" % (key, case[2], recorded[key], answer))
    return recorded


def load():
    recorded, key = {}, None
    with open(ANSWERS, encoding="utf-8") as f:
        for line in f:
            if line.startswith("? "):
                key = line[2:].rstrip("\n")
            elif line.startswith("= "):
                recorded[key] = json.loads(line[2:])
    return recorded


def save(recorded):
    with open(ANSWERS, "w", encoding="utf-8") as f:
        f.write("# What influxd 1.6.7 with authentication answered: matrix.py --record. `= status challenge body`.\n")
        for key, answer in recorded.items():
            f.write("? %s\n= %s\n" % (key, json.dumps(answer, ensure_ascii=False)))


def record():
    server = people.start_influxd()
    if server is None:
        return None
    with server:
        people.populate(server)
        return ask_all(server)


def compare(recorded):
    passed = failed = 0
    with people.start_siltd() as server:
        people.populate(server)
        for case in cases():
            key, kind = case[0], case[2]
            wanted = recorded.get(key + " | Bearer") if kind == "Bearer" else None
            wanted = wanted or recorded[key]
            got = ask(server, *case)
            ok = got.startswith("403 ") if must_refuse(key, wanted) else got == wanted
            passed, failed = passed + ok, failed + (not ok)
            if not ok:
                print("FAILED %s (%s)\n  influxd %s\n  siltd   %s" % (key, kind, wanted, got))
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", action="store_true", help="ask a real influxd and write matrix.answers")
    parser.add_argument("--live", action="store_true", help="ask a real influxd now, in place of the recorded answers")
    options = parser.parse_args()
    recorded = None
    if options.record or options.live:
        recorded = record()
        if recorded is None:
            print("no influxd here")
            return 1
        if options.record:
            save(recorded)
    passed, failed = compare(recorded or load())
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
