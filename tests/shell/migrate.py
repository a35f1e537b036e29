#!/usr/bin/env python3
"""migrate.py - silt migrate: a live influxd 1.6.7 moves into siltd. Every type and odd name, several databases, policies and shard groups,
users, continuous queries; kills in the middle and servers that go away; what differs is told. The points are compared by this test,
too, field by field, beside what silt says of them.

    migrate.py                       seconds
    migrate.py --points 100000000    so many values, timed, with a kill on the way
"""
import argparse
import collections
import csv
import itertools
import os
import pty
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

import common

DAY = 86400 * 10**9
WEEK = 7 * DAY
NEW_YEAR = 1577836800 * 10**9  # 2020-01-01

ODD = """cpu,host=web1 usage=12.5,cores=8i,up=true 1577836800000000000
cpu,host=web1 usage=8,cores=-9223372036854775808i,up=f 1577836800000000001
cpu,host=web2,dc=a\\ b usage=-0,cores=9223372036854775807i,note="two words" 1577836800000000000
cpu,host=web2,dc=a\\ b usage=1.7976931348623157e308 1577836810000000000
cpu,host=web3 usage=5e-324,note="a \\"quoted\\", text" 1577836820000000000
cpu usage=0.1,note="no tags" 1577836820000000000
early,k=a v=1,w=2i -1
early,k=a v=2 -86400000000001
early,k=b v=3 -9223372036854775806
early,k=b v=4 9223372036854775806
both,x=tag x="field",y=1i 1577836800000000000
both,x=tag x="later",y=2i 1577836800000000007
both x="no tag" 1577836800000000008
texts,k=a s="plain" 1
texts,k=b s="with, comma=and equals" 2
texts,k=c s="with \\"quotes\\" and back\\\\slash \\\\" 3
texts,k=d s="two
lines\r" 4
texts,k=e s="a	tab" 5
texts,k=f s="\u00fcml\u00e4ut \u65e5\u672c <b>&\u2028" 6
texts,k=g s="" 7
texts,k=h s="\udcff\udcfe no UTF-8" 8
na\\,me\\ x,t\\=g\\,=v\\,v\\ v\\=w f\\ f\\,=1,quo"te=2i 1577836800000000000
"quoted",a"b=c"d "f"=1 1577836800000000000
back\\slash,t\\x=v\\y f\\z=1 1577836800000000000
\u6e2c\u5b9a,\u30bf\u30b0=\u5024 \u5024=1i 1577836800000000000
SELECT,from=where time_=1,select=2i 1577836800000000000
new\\
line,t\\
k=v\\
v f\\
f=1 1577836800000000000
"""


def conflicts():
    """A field in another type in each week."""
    values = ["1i", "1.5", "true", '"text"', "7i"]
    return "".join("clash,k=%d v=%s,w=%d %d\n" % (i % 3, values[week], i, NEW_YEAR + week * WEEK + i * 10**9)
                   for week in range(5) for i in range(20))


def many(rows, start=NEW_YEAR, name="many"):
    return "".join("%s,host=h%d v=%di,u=%.3f %d\n" % (name, i % 10, i, i / 7, start + i * 3600 * 10**9) for i in range(rows))


# ---------------------------------------------------------------- what a server has, read by this test

def unpack(data, at=0):
    """A MessagePack value and where it ends; a string as bytes."""
    kind = data[at]
    at += 1
    if kind <= 0x7f or kind >= 0xe0:
        return struct.unpack("b", bytes([kind]))[0], at
    if kind <= 0x9f or kind in (0xdc, 0xdd, 0xde, 0xdf):
        if kind <= 0x9f:
            count, is_map = kind & 15, kind <= 0x8f
        else:
            width, is_map = (2 if kind in (0xdc, 0xde) else 4), kind >= 0xde
            count, at = int.from_bytes(data[at:at + width], "big"), at + width
        items = []
        for _ in range(count * (2 if is_map else 1)):
            item, at = unpack(data, at)
            items.append(item)
        return (dict(zip(items[::2], items[1::2])) if is_map else items), at
    if kind <= 0xbf or kind in (0xd9, 0xda, 0xdb):
        width = 0 if kind <= 0xbf else 1 << (kind - 0xd9)
        count = kind & 31 if kind <= 0xbf else int.from_bytes(data[at:at + width], "big")
        return data[at + width:at + width + count], at + width + count
    if kind in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[kind], at
    form = {0xca: ">f", 0xcb: ">d", 0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q", 0xd0: ">b", 0xd1: ">h", 0xd2: ">i", 0xd3: ">q"}[kind]
    return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)


def quoted(name):
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def groups_of(server, database, policy):
    rows = server.query_json("SHOW SHARD GROUPS")["results"][0]["series"][0].get("values", [])
    return sorted((row[3], row[4]) for row in rows if row[1] == database and row[2] == policy)


def points(server, database, like=None):
    """All values of a database: (policy, measurement, tags, field, time, type, bytes), read a shard group (of `like`) at a time, so that
    types are what they are there."""
    found, like = [], like or server
    for policy, *_ in like.query_json('SHOW RETENTION POLICIES ON "%s"' % database)["results"][0]["series"][0]["values"]:
        names = [row[0] for row in like.query_json("SHOW MEASUREMENTS", db=database)["results"][0]["series"][0]["values"]]
        for (start, end), name in itertools.product(groups_of(like, database, policy), names):
            start = "-9223372036854775806" if start < "1677-09-22" else "'%s'" % start
            end = "<= 9223372036854775806" if end > "2262-04-11" else "< '%s'" % end
            q = 'SELECT *::field FROM %s.%s WHERE time >= %s AND time %s GROUP BY *' % (quoted(policy), quoted(name), start, end)
            body = server.request("POST", "/query", {"db": database, "q": q, "epoch": "ns"}, headers={"Accept": "application/x-msgpack"}).body
            answer, _ = unpack(body)
            result = answer[b"results"][0]
            if b"error" in result:
                raise RuntimeError(result[b"error"])
            for series in result.get(b"series", []):
                tags = tuple(sorted((k, v) for k, v in series[b"tags"].items() if v))
                for row in series[b"values"]:
                    for name, value in zip(series[b"columns"][1:], row[1:]):
                        if value is not None:
                            found.append((policy, series[b"name"], tags, name, row[0], type(value).__name__, repr(value)))
    return sorted(found)


def same_points(judge, what, old, new, databases):
    for database in databases:
        want, got = points(old, database), points(new, database, old)
        judge.true("%s: %s has points" % (what, database), want)
        judge.same("%s: points of %s" % (what, database), sorted(set(got) - set(want))[:5], [])
        judge.same("%s: all points of %s" % (what, database), sorted(set(want) - set(got))[:5], [])


# ---------------------------------------------------------------- running silt

class Migration:
    def __init__(self, old, new, home, *more, **env):
        self.old, self.home = old, home
        self.argv = [common.SILT, "-host", "127.0.0.1", "-port", str(new.port), "migrate", "http://127.0.0.1:%d" % old.port, *more]
        self.env = common.environment(home, **env)
        self.report_path = os.path.join(home, "silt-migrate-127.0.0.1-%d.csv" % old.port)
        self.state_path = self.report_path.replace(".csv", ".state")

    def run(self, *more):
        return common.run(self.argv + list(more), self.env, cwd=self.home)

    def start(self, *more):
        return subprocess.Popen(self.argv + list(more), env=self.env, cwd=self.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def report(self):
        with open(self.report_path, newline="", encoding="utf-8", errors="surrogateescape") as f:
            return list(csv.DictReader(f))

    def state(self):
        try:
            with open(self.state_path, "rb") as f:
                return f.read()
        except OSError:
            return b""

    def wait_for(self, record, count, process):
        """Until the journal has so many records of a kind."""
        deadline = time.monotonic() + 60
        while self.state().count(b"\t" + record + b"\t") < count and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)


def check_write(reply):
    if reply.status != 204:
        raise RuntimeError(reply.body)


def policies(server, database):
    return sorted(map(tuple, server.query_json('SHOW RETENTION POLICIES ON "%s"' % database)["results"][0]["series"][0]["values"]))


def fill(old):
    now = time.time_ns()
    for q in ('CREATE DATABASE odd', 'CREATE DATABASE "a b.c" WITH DURATION 30d REPLICATION 1 SHARD DURATION 12h NAME "main\\"one"',
              'CREATE RETENTION POLICY "two years" ON odd DURATION 104w REPLICATION 1 SHARD DURATION 1w',
              'CREATE DATABASE empty', 'CREATE USER ann WITH PASSWORD \'x\' WITH ALL PRIVILEGES', 'CREATE USER "b ob" WITH PASSWORD \'y\'',
              'GRANT READ ON odd TO "b ob"', 'GRANT ALL ON "a b.c" TO "b ob"',
              'CREATE CONTINUOUS QUERY mean ON odd BEGIN SELECT mean(usage) INTO odd.autogen.cpu_mean FROM odd.autogen.cpu GROUP BY time(1h), * END',
              'CREATE SUBSCRIPTION sub ON odd.autogen DESTINATIONS ALL \'http://127.0.0.1:1\''):
        judge_query(old, q)
    check_write(old.write(ODD, db="odd"))
    for week in range(5):
        lines = conflicts().split("\n")[week * 20:week * 20 + 20]
        check_write(old.write("\n".join(lines), db="odd"))
    check_write(old.write(many(2000), db="odd"))
    # More fields than one query asks for, in rows that have few of them.
    check_write(old.write("".join("wide,k=%d f%d=%di,g%d=1.5 %d\n" % (i % 3, i, i, i % 7, NEW_YEAR + i) for i in range(250)), db="odd"))
    # Recent, and as old as its shard group still lets InfluxDB show it.
    check_write(old.write(many(50, now - 60 * 3600 * 10**9), db="a b.c", rp='main"one'))
    check_write(old.write(many(300, now - 400 * 3600 * 10**9), db="odd", rp="two years"))


def judge_query(server, q):
    answer = server.query_json(q)
    if "error" in answer or any("error" in result for result in answer["results"]):
        raise RuntimeError("%s: %s" % (q, answer))


# ---------------------------------------------------------------- the tests

OUTERMOST = ["time < 9223372036854775807", "time > 0 AND time < 9223372036854775807", "time > 0 AND time < 9223372036854775806",
             "time > 0 AND time <= 9223372036854775807", "time > 0 AND time <= 9223372036854775806",
             "time > -9223372036854775808 AND time < 0", "time > -9223372036854775807 AND time < 0",
             "time > -9223372036854775806 AND time < 0", "time >= -9223372036854775808"]


def whole(judge, old, home):
    """All of it, with one command; then the same command, and a later pass."""
    with common.live.start_siltd() as new:
        migration = Migration(old, new, home, "-slice", "500")
        out, err, status = migration.run()
        judge.true("users without passwords", status == 1 and "-users FILE, -users random or -users none" in err, (out, err, status))
        judge.same("nothing was done", new.query("SHOW DATABASES"), '{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[["_internal"]]}]}]}\n')
        out, err, status = common.run([common.SILT, "-host", "127.0.0.1", "-port", str(old.port), "migrate", "http://localhost:%d" % old.port], migration.env)
        judge.true("an old server that is the target under another name", status == 1 and "is the target itself" in err, (out, err, status))
        out, err, status = migration.run("-users", "random")
        judge.same("status", status, 0)
        judge.true("what it says", " values equal" in out and "0 of " in out, (out, err))
        judge.same("passwords", sorted(line.split(": password ")[0] for line in out.split("\n") if "password" in line), ["user ann", "user b ob"])
        judge.true("a subscription is told", 'subscription "sub" of "odd"."autogen" is not copied' in err, err)
        same_points(judge, "whole", old, new, ["odd", "a b.c"])
        for database in ("odd", "a b.c", "empty"):
            judge.same("policies of " + database, policies(new, database), policies(old, database))
        for q in ("SHOW USERS", 'SHOW GRANTS FOR "b ob"'):
            judge.same(q, *(sorted(server.query_json(q)["results"][0]["series"][0]["values"]) for server in (new, old)))
        judge.true("continuous query", "CREATE CONTINUOUS QUERY mean ON odd BEGIN" in new.query("SHOW CONTINUOUS QUERIES"))
        rows = migration.report()
        judge.same("verdicts", {row["verdict"] for row in rows if row["day"] < "2262"}, {"equal"})
        judge.same("checksums", [row for row in rows if row["old_checksum"] != row["target_checksum"] or row["old"] != row["target"]], [])
        judge.same("counts of the report", sum(int(row["target"]) for row in rows), sum(len(points(old, d)) for d in ("odd", "a b.c")))
        judge.true("odd names in it", any(row["measurement"] == "na,me x" and row["field"] == 'quo"te' and row["day"] == "2020-01-01" for row in rows))
        judge.true("before 1970", any(row["measurement"] == "early" and row["day"] == "1677-09-21" for row in rows))

        for bound in OUTERMOST:  # both servers have the first and the last point there can be
            q = "SELECT v FROM early WHERE " + bound
            judge.same(q, new.query(q, db="odd", epoch="ns"), old.query(q, db="odd", epoch="ns"))
        judge.true("groups of the first time", not any(row[3] > row[4] for row in new.query_json("SHOW SHARD GROUPS")["results"][0]["series"][0]["values"]))

        before = migration.report()
        again, err, status = migration.run("-users", "none")
        judge.true("again, with nothing to do", status == 0 and again.split(";")[0] == out.strip().split("\n")[-3].split(";")[0], (out, again, err))
        judge.same("the report stays", migration.report(), before)
        out, err, status = migration.run("-users", "none", "-since", "2020-01-01")
        judge.true("another migration's state", status == 0, (out, err))  # its own file
        with common.live.start_siltd() as part:
            out, err, status = Migration(old, part, home, "-database", "odd", "-rp", "autogen", "-since", str(NEW_YEAR), "-until",
                                         "2020-01-01T00:00:10Z", "-state", "part.state", "-report", "part.csv").run()
            judge.same("a part", (status, part.query("SELECT count(usage) FROM cpu", db="odd"), part.query("SELECT count(v) FROM early", db="odd")),
                       (0, '{"results":[{"statement_id":0,"series":[{"name":"cpu","columns":["time","count"],"values":[[0,3]]}]}]}\n'.replace(
                           "[0,", '["1970-01-01T00:00:00Z",'), '{"results":[{"statement_id":0}]}\n'))
        out, err, status = migration.run("-users", "none", "-rp", "autogen")
        judge.true("state of another migration", status == 1 and "is of another migration" in err, (out, err))

        # A later pass brings what came since.
        check_write(old.write("cpu,host=web9 usage=99 %d" % time.time_ns(), db="odd"))
        out, err, status = migration.run("-users", "none", "-database", "odd", "-since", str(time.time_ns() - 10**9 * 3600), "-state",
                                         os.path.join(home, "later.state"), "-report", os.path.join(home, "later.csv"))
        judge.same("a later pass", status, 0)
        judge.true("its point", "99" in new.query("SELECT usage FROM cpu WHERE host = 'web9'", db="odd"))
        old.query("DELETE FROM cpu WHERE host = 'web9'", db="odd")


def killed(judge, old, home):
    """kill -9 again and again, until it comes through."""
    with common.live.start_siltd() as new:
        migration = Migration(old, new, home, "-slice", "500", "-users", "none", "-jobs", "3")
        kills = 0
        for done in itertools.count(1, 3):
            process = migration.start(*(["-rate", "20000"] if done < 20 else []))
            migration.wait_for(b"copied" if done % 2 else b"done", done, process)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            if process.returncode == 0:
                break
            kills += process.returncode == -signal.SIGKILL
            if kills == 3:  # a torn end, as the power would leave it
                with open(migration.state_path, "ab") as f:
                    f.write(b"0bad0bad\tdone\t1\t")
        out, err, status = migration.run()
        judge.true("killed and through", kills > 5 and status == 0, (kills, out, err, status))
        same_points(judge, "after kills", old, new, ["odd", "a b.c"])
        rows = migration.report()
        keys = [(row["database"], row["policy"], row["measurement"], row["part"], row["field"], row["day"]) for row in rows]
        judge.same("every line of the report once", [key for key, count in collections.Counter(keys).items() if count > 1], [])
        judge.same("all of them", sum(int(row["target"]) for row in rows), sum(len(points(old, d)) for d in ("odd", "a b.c")))


def many_series(judge, home):
    """More series than one query opens; and from a siltd, which speaks as influxd does."""
    with common.live.start_influxd() as old, common.live.start_siltd() as new, common.live.start_siltd() as third:
        judge_query(old, "CREATE DATABASE s")
        check_write(old.write("".join("m,k=%d v=%di %d\n" % (i, i, NEW_YEAR + i) for i in range(51000)), db="s"))
        for what, source, target in (("many series", old, new), ("from siltd", new, third)):
            out, err, status = Migration(source, target, home).run()
            judge.true(what, status == 0 and "51,000 values equal; 0 of 1 " in out, (out, err, status))
            judge.same(what, *(server.query("SELECT count(v), sum(v) FROM m", db="s") for server in (target, old)))


def gone(judge, home):
    """Servers that go away in the middle, and come back."""
    old = common.live.start_influxd()
    folder = tempfile.mkdtemp(prefix="silt-migrate-", dir=home)
    with old, common.live.start_siltd(folder) as new:
        judge_query(old, "CREATE DATABASE d")
        for i in range(10):
            check_write(old.write(many(3000, name="m%d" % i), db="d"))
        migration = Migration(old, new, home, "-slice", "2000", "-patience", "1")
        slow = migration.start("-rate", "20000")
        migration.wait_for(b"copied", 3, slow)
        os.kill(new.process.pid, signal.SIGSTOP)  # a target that hangs for a moment is waited for
        time.sleep(0.3)
        os.kill(new.process.pid, signal.SIGCONT)
        new.kill()
        out, err = slow.communicate(timeout=60)
        judge.true("target gone", slow.returncode == 1 and b"stopped: http://127.0.0.1:%d" % new.port in err and
                   b"To go on, the same command again" in err, (slow.returncode, out, err))
        argv = [common.live.siltd_path(), "--http-bind", "127.0.0.1:%d" % new.port, "--data-dir", os.path.join(folder, "data")]
        with common.live.Server(argv, new.port, folder, env={"SILT_MONITOR_STORE_ENABLED": "false", **os.environ}, keep=True) as again:
            slow = migration.start("-rate", "20000")
            migration.wait_for(b"copied", 15, slow)
            slow.send_signal(signal.SIGINT)
            out, err = slow.communicate(timeout=60)
            judge.true("Ctrl-C", slow.returncode == 1 and b"stopped: interrupted" in err, (slow.returncode, out, err))
            slow = migration.start("-rate", "20000")
            migration.wait_for(b"copied", 25, slow)
            two = migration.run()
            judge.true("two at once", two[2] == 1 and "in use by another process" in two[1], two)
            os.kill(old.process.pid, signal.SIGSTOP)
            time.sleep(0.2)
            os.kill(old.process.pid, signal.SIGCONT)
            out, err = slow.communicate(timeout=60)
            judge.true("on it went", slow.returncode == 0, (out, err))
            same_points(judge, "after all that", old, again, ["d"])

            # What the target has more of, and what it has otherwise, is told.
            check_write(again.write("m1,host=h1 v=5i 1577836800000000003\nm2,host=h2 v=77i %d" % (NEW_YEAR + 2 * 3600 * 10**9), db="d"))
            paths = ["-state", os.path.join(home, "second.state"), "-report", os.path.join(home, "second.csv")]
            out, err, status = migration.run(*paths)
            judge.same("differences", (status, out.split("; ")[1]), (3, "1 of 190 parts differ"))
            migration.report_path = paths[3]
            rows = [row for row in migration.report() if row["verdict"] == "differs"]
            judge.same("which", [(r["measurement"], r["field"], r["day"], int(r["target"]) - int(r["old"])) for r in rows], [("m1", "v", "2020-01-01", 1)])
            again.query("DROP MEASUREMENT m1", db="d")
            out, err, status = migration.run(*paths)
            judge.true("set right by the next run", status == 0 and "; 0 of 190" in out, (out, err, status))

            slow = migration.start("-rate", "20000", "-state", os.path.join(home, "third.state"), "-report", os.path.join(home, "third.csv"))
            migration.state_path = os.path.join(home, "third.state")
            migration.wait_for(b"copied", 3, slow)
            old.kill()
            out, err = slow.communicate(timeout=60)
            judge.true("old server gone", slow.returncode == 1 and b"stopped: http://127.0.0.1:%d" % old.port in err, (slow.returncode, out, err))
            judge.true("not there", migration.run()[2] == 1)


def typed(migration, *answers):
    """Runs it at a terminal: (prompt, answer) in turn. What was shown, and the exit status."""
    master, slave = pty.openpty()
    process = subprocess.Popen(migration.argv, env=migration.env, cwd=migration.home, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown, at, waiting = b"", 0, list(answers)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if waiting and shown.find(waiting[0][0], at) >= 0:
            prompt, answer = waiting.pop(0)
            at = shown.find(prompt, at) + len(prompt)
            while termios.tcgetattr(master)[3] & termios.ECHO:  # the password would be seen, and thrown away
                time.sleep(0.005)
            os.write(master, answer + b"\n")
        if select.select([master], [], [], 0.2)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:  # it has ended
                break
    process.wait(60)
    os.close(master)
    return shown, process.returncode


def names_and_passwords(judge, home):
    old = common.live.start_influxd(settings="  auth-enabled = true\n")
    with old, common.live.start_siltd() as new:
        admin = {"u": "root", "p": "secret"}
        for q in ("CREATE USER root WITH PASSWORD 'secret' WITH ALL PRIVILEGES", "CREATE USER reader WITH PASSWORD 'r'", "CREATE DATABASE d",
                  "GRANT READ ON d TO reader"):
            old.query(q, **admin)
        check_write(old.write(many(100), db="d", **admin))
        migration = Migration(old, new, home)
        for words, env in ((["-from-username", "root", "-from-password", "wrong"], {}), ([], {"SILT_FROM_USERNAME": "root", "SILT_FROM_PASSWORD": "x"}),
                           ([], {})):
            migration.env.update(env)
            out, err, status = migration.run("-users", "none", *words)
            judge.true("wrong password", status == 1 and ("authoriz" in err or "authentic" in err), (out, err, status))
        with common.live.start_siltd() as asked:
            migration.env.update({"SILT_FROM_USERNAME": "root"})
            migration.env.pop("SILT_FROM_PASSWORD", None)
            at_terminal = Migration(old, asked, home, "-state", "asked.state")
            at_terminal.env = migration.env
            shown, status = typed(at_terminal, (b"at the old server: ", b"secret"), (b"of root: ", b"one"), (b"again: ", b"two"), (b"of root: ", b"three"),
                                  (b"again: ", b"three"), (b"of reader: ", b"four"), (b"again: ", b"four"))
            judge.true("at a terminal", status == 0 and b"these two differ" in shown and b"three" not in shown and b"secret" not in shown,
                       (shown, status))
            judge.same("users by it", sorted(asked.query_json("SHOW USERS")["results"][0]["series"][0]["values"]), [["reader", False], ["root", True]])
        path = os.path.join(home, "passwords")
        with open(path, "w", encoding="utf-8") as f:
            f.write("reader:it's new\n")
        migration.env.update({"SILT_FROM_USERNAME": "root", "SILT_FROM_PASSWORD": "secret"})
        out, err, status = migration.run("-users", path)
        judge.true("readable by others", status == 1 and "chmod 600" in err, (out, err))
        os.chmod(path, 0o600)
        out, err, status = migration.run("-users", path)
        judge.true("a user is missing in it", status == 1 and 'has no line "root:PASSWORD"' in err, (out, err))
        with open(path, "a", encoding="utf-8") as f:
            f.write("root:new: secret\n")
        out, err, status = migration.run("-users", path)
        judge.true("with them", status == 0 and "new" not in out, (out, err, status))
        judge.same("users", new.query("SHOW USERS"), old.query("SHOW USERS", **admin))
        folder = new.folder
        new.keep = True
        new.stop()
        with common.live.start_siltd(folder, env={"SILT_HTTP_AUTH_ENABLED": "true"}) as locked:
            judge.true("new passwords", '"count"' in locked.query("SELECT count(v) FROM many", db="d", u="reader", p="it's new") and
                       '"users"' not in locked.query("SHOW USERS", u="reader", p="it's new") and
                       "reader" in locked.query("SHOW USERS", u="root", p="new: secret"))


# ---------------------------------------------------------------- the long run

KINDS = ("cpu", "decimals", "counters", "floats", "devops", "log")
LOADER = os.path.join(os.path.dirname(common.SILT), "bench", "bench_load")


def load_much(old, wanted):
    """About so many values in one database: a policy for each kind of values, a million rows at most in each. How many, and how long."""
    started, values, turn = time.monotonic(), 0, 0
    judge_query(old, "CREATE DATABASE big")
    while values < wanted:
        kind = KINDS[turn % len(KINDS)]
        fields = {"devops": 5, "log": 5}.get(kind, 10)
        steps = max(1, min(10000, (wanted - values) // (100 * fields)))
        judge_query(old, "CREATE RETENTION POLICY p%d ON big DURATION INF REPLICATION 1 SHARD DURATION 1d" % turn)
        subprocess.run([LOADER, "--port", str(old.port), "--path", "/write?db=big&rp=p%d" % turn, "--kind", kind, "--hosts", "100", "--steps",
                        str(steps)], check=True, stdout=subprocess.DEVNULL)
        values += 100 * steps * fields
        turn += 1
    return values, time.monotonic() - started


def memory_mb(pid):
    return common.live.status_bytes(pid, "VmHWM") // 2**20


def long_run(judge, wanted, home):
    patient = {"INFLUXDB_DATA_WAL_FSYNC_DELAY": "100ms", "INFLUXDB_COORDINATOR_WRITE_TIMEOUT": "300s"}
    with common.live.start_influxd(patient) as old, common.live.start_siltd() as new:
        values, seconds = load_much(old, wanted)
        print("loaded %d values in %.0f s" % (values, seconds), flush=True)
        migration = Migration(old, new, home, "-users", "none")
        work = resource.getrusage(resource.RUSAGE_CHILDREN)
        loader = work.ru_utime + work.ru_stime
        loading = common.live.cpu_seconds(old.process.pid)
        process, started = migration.start(), time.monotonic()
        migration.wait_for(b"copied", max(2, wanted // 3000000), process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        judge.same("killed", process.returncode, -signal.SIGKILL)
        print("killed after %.0f s" % (time.monotonic() - started), flush=True)
        process = migration.start()
        while process.poll() is None:
            time.sleep(0.2)
            try:
                peak = memory_mb(process.pid)
            except (OSError, StopIteration):
                break  # it has ended
        out, err = process.communicate()
        seconds = time.monotonic() - started
        judge.true("equal", process.returncode == 0, (out, err))
        counted = sum(int(row["target"]) for row in migration.report() if row["verdict"] == "equal")
        judge.true("all values", counted >= values * 0.9, (counted, values))
        work = resource.getrusage(resource.RUSAGE_CHILDREN)
        print("processor seconds: silt %.0f, siltd %.0f, influxd %.0f" % (work.ru_utime + work.ru_stime - loader, common.live.cpu_seconds(new.process.pid),
                                                                          common.live.cpu_seconds(old.process.pid) - loading))
        print("%sboth runs: %.0f s, %.0f values/s; peak memory of silt %d MB, siltd %d MB, influxd %d MB" % (
            out.decode(), seconds, counted / seconds, peak, memory_mb(new.process.pid), memory_mb(old.process.pid)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=0)
    args = parser.parse_args()
    judge = common.Judge()
    with tempfile.TemporaryDirectory(prefix="silt-migrate-") as home:
        if args.points:
            long_run(judge, args.points, home)
            return judge.end()
        old = common.live.start_influxd()
        if not old:
            judge.skipped += 1
            return judge.end()
        with old:
            fill(old)
            whole(judge, old, tempfile.mkdtemp(dir=home))
            killed(judge, old, tempfile.mkdtemp(dir=home))
        many_series(judge, tempfile.mkdtemp(dir=home))
        gone(judge, tempfile.mkdtemp(dir=home))
        names_and_passwords(judge, tempfile.mkdtemp(dir=home))
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
