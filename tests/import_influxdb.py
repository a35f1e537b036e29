#!/usr/bin/env python3
"""import_influxdb.py - `silt-inspect import-influxdb` on directories that a real influxd wrote: every type, files of several
generations, tombstones, logs, both kinds of index. The same questions to that influxd and to a siltd on what was imported have the
same answers; an import that is killed goes on; damage is told and never fatal.

    import_influxdb.py                  seconds; prints `N passed, N failed, N skipped`
    import_influxdb.py --points 50e6    so many values, in one long import; prints its rate; then again, with two kills
    --seed N                            of the random values
"""
import argparse
import glob
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import live
from judge import Judge
from live import inspect

DAY = 86400
START = 1600000000 // (7 * DAY) * (7 * DAY)
EAGER = {"INFLUXDB_DATA_CACHE_SNAPSHOT_MEMORY_SIZE": "1", "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "1s"}
judge = Judge()
check = judge.check


# ---------------------------------------------------------------- what influxd writes

def values(rng, kind, count):
    """Runs of values that lead to every encoding of their type."""
    shape = rng.randrange(4)
    if kind == "float":
        return ["%r" % (v,) for v in ([1.5] * count if shape == 0 else [rng.gauss(0, 1e6) for _ in range(count)] if shape == 1 else
                                      [round(20 + rng.random(), 1) for _ in range(count)] if shape == 2 else
                                      [rng.choice([0.0, -0.0, 1e300, -1e-300, 5e-324]) for _ in range(count)])]
    if kind == "integer":
        return ["%di" % v for v in ([7] * count if shape == 0 else range(0, count * 3, 3) if shape == 1 else
                                    [rng.randrange(-100, 1000) for _ in range(count)] if shape == 2 else
                                    [rng.choice([-2 ** 63, 2 ** 63 - 1, 0, 1]) for _ in range(count)])]
    if kind == "boolean":
        return [rng.choice(["true", "false"]) for _ in range(count)]
    return ['"%s"' % ("x" * rng.randrange(300) if shape == 0 else "level %d" % rng.randrange(5) if shape == 1 else
                      'caf\u00e9 \\"%d\\"' % rng.randrange(10 ** 6) if shape == 2 else "") for _ in range(count)]


def times(rng, count, start, end):
    """Seconds: regular, with jumps, or any."""
    shape = rng.randrange(3)
    if shape == 0:
        step = max(1, (end - start) // count)
        return [start + i * step for i in range(count)]
    if shape == 1:
        step = max(1, (end - start) // (2 * count))
        return [start + i * step + (count * step // 2 if i > count // 2 else 0) for i in range(count)]
    return sorted(rng.sample(range(start, end), count))


def all_types(rng, measurement, hosts, rows, start, end):
    kinds = ("float", "integer", "boolean", "string")
    lines = []
    for host in range(hosts):
        columns = [(kind, values(rng, kind, rows)) for kind in kinds]
        for i, at in enumerate(times(rng, rows, start, end)):
            fields = ["%s=%s" % (kind[0], column[i]) for kind, column in columns if rng.random() < 0.8]
            lines.append("%s,host=h%d,dc=d%d %s %d" % (measurement, host, host % 2, ",".join(fields or ["f=1"]), at))
    rng.shuffle(lines)
    return lines


def write(server, lines, **params):
    for at in range(0, len(lines), 5000):
        answer = server.write("\n".join(lines[at:at + 5000]), precision="s", **params)
        assert answer.status == 204, answer.body


def query(server, q, **params):
    answer = server.query(q, **params)
    assert '"error"' not in answer, (q, answer)


def settle(server):
    """Until influxd has put all of its log into TSM files."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        segments = glob.glob(os.path.join(glob.escape(server.folder), "wal", "*", "*", "*", "*.wal"))
        try:
            if not any(os.path.getsize(segment) for segment in segments):
                return
        except FileNotFoundError: # it is at it
            pass
        time.sleep(0.1)
    raise RuntimeError("influxd keeps its log")


ODD = 'o"d d, \u00e9'


def quoted(name):
    return '"%s"' % name.replace("\\", "\\\\").replace('"', '\\"')


def first_files(server, rng):
    """What gets into the oldest files."""
    query(server, "CREATE DATABASE d")
    query(server, "CREATE RETENTION POLICY daily ON d DURATION 1000w REPLICATION 1 SHARD DURATION 1d DEFAULT")
    query(server, "CREATE DATABASE empty WITH DURATION 30d SHARD DURATION 6h NAME short")
    query(server, "CREATE DATABASE bare")
    query(server, "DROP RETENTION POLICY autogen ON bare")
    query(server, "CREATE DATABASE " + quoted(ODD))
    write(server, all_types(rng, "all", 4, 1500, START, START + 3 * DAY), db="d")
    write(server, all_types(rng, "all", 2, 300, START, START + 20 * DAY), db="d", rp="autogen")
    write(server, ["types v=%d.5,w=1i %d" % (i, START + i) for i in range(50)], db="d")
    write(server, ["types v=%di,w=2i %d" % (i, START + DAY + i) for i in range(50)], db="d")
    write(server, ['types v="t%d" %d' % (i, START + 2 * DAY + i) for i in range(50)], db="d")
    write(server, ["again,a=1 v=1 %d" % (START + i) for i in range(2500)], db="d")
    write(server, ["gone,a=%d v=1,w=2i %d" % (i % 3, START + i) for i in range(100)], db="d")
    write(server, ["cut,a=%d v=%d,w=%di %d" % (i % 3, i, i, START + i * 60) for i in range(3000)], db="d")
    write(server, ["changed v=%d %d" % (i, START + i) for i in range(10)], db="d")
    query(server, "CREATE DATABASE old")
    write(server, ["early v=1i %d" % at for at in (-9000000000, -1, 0, 1)], db="old")
    write(server, ["first v=1i -9223372036"], db="old") # its group begins before what nanoseconds can say
    query(server, "CREATE DATABASE wide")
    write(server, ["wide " + ",".join("f%d=%di" % (f, f * i) for f in range(150) if (f + i) % 3) + " %d" % (START + i)
                   for i in range(100)], db="wide")
    write(server, [r'odd\ me\,as,tag\ k\=ey=v\,al\=u\ e,\u=\u00fc fi\ eld\=\,=1,#!~#=2,back\\slash="a\\b" %d' % (START + i)
                   for i in range(5)], db=ODD)
    # Shown until their group goes, older than the policy allows: InfluxDB takes them as long as the policy is another one.
    query(server, "CREATE DATABASE expiring WITH SHARD DURATION 7d NAME short")
    oldest = int(time.time()) - 7 * DAY
    group = (oldest + 600) // (7 * DAY) * 7 * DAY # not one that goes while the test runs
    write(server, ["late v=%di %d" % (i, group + i) for i in range(100)], db="expiring")
    query(server, "ALTER RETENTION POLICY short ON expiring DURATION 7d")
    write(server, ["lone%d,a=b v=%di %d" % (i, i, START) for i in range(60)], db=ODD)


def later_files(server, rng):
    """Over what the first files have: newer values, deletes, series dropped and made again."""
    write(server, all_types(rng, "all", 4, 900, START, START + 3 * DAY), db="d")
    write(server, ["again,a=1 v=2 %d" % (START + i) for i in range(1000, 1500)], db="d")
    query(server, "DELETE FROM cut WHERE a = '1' AND time >= %ds AND time < %ds" % (START + 6000, START + 90000), db="d")
    query(server, "DELETE FROM cut WHERE time >= %ds AND time <= %ds" % (START + 100000, START + 100600), db="d")
    query(server, "DROP SERIES FROM cut WHERE a = '2'", db="d")
    query(server, "DROP MEASUREMENT gone", db="d")
    query(server, "DROP MEASUREMENT changed", db="d")


def log_only(server, rng):
    """What stays in the log, and deletes that were made before it was empty."""
    write(server, ['changed v="now text" %d' % (START + i) for i in range(5, 15)], db="d")
    write(server, ["again,a=1 v=3 %d" % (START + i) for i in range(1400, 1450)], db="d")
    write(server, ["again,a=1 v=4 %d" % (START + i) for i in range(1440, 1460)], db="d")
    write(server, ["cut,a=2 v=1,w=1i %d" % (START + i * 60) for i in range(3, 5)], db="d")
    write(server, all_types(rng, "logged", 2, 300, START, START + 2 * DAY), db="d")
    query(server, "DELETE FROM logged WHERE time < %ds" % (START + 3600), db="d")
    query(server, "DROP SERIES FROM logged WHERE host = 'h1'", db="d")
    write(server, ["logged,host=h1,dc=d1 f=0.25 %d" % (START + 7)], db="d")
    write(server, ["gone,a=new v=true %d" % (START + i) for i in range(3)], db="d")


def define(server):
    query(server, "CREATE USER admin WITH PASSWORD 'over all' WITH ALL PRIVILEGES")
    query(server, "CREATE USER reader WITH PASSWORD 'only reads'")
    query(server, "GRANT READ ON d TO reader")
    query(server, "GRANT ALL ON %s TO reader" % quoted(ODD))
    query(server, "CREATE CONTINUOUS QUERY c ON d RESAMPLE EVERY 2m FOR 10m BEGIN SELECT mean(f) AS m, max(i) INTO means FROM \"all\" "
          "WHERE dc = 'd1' GROUP BY time(5m), * END")
    query(server, "CREATE SUBSCRIPTION s ON d.daily DESTINATIONS ANY 'udp://127.0.0.1:9', 'udp://127.0.0.1:10'")


# ---------------------------------------------------------------- asking both

QUESTIONS = ["SHOW DATABASES", "SHOW USERS", "SHOW GRANTS FOR reader", "SHOW CONTINUOUS QUERIES", "SHOW SUBSCRIPTIONS",
             "SHOW RETENTION POLICIES ON d", "SHOW RETENTION POLICIES ON empty", "SHOW RETENTION POLICIES ON bare",
             "SELECT * FROM old..early WHERE time >= -110000d", "SELECT * FROM old..first", "SELECT * FROM wide..wide", "SELECT * FROM autogen.\"all\"",
             "SELECT * FROM expiring..late", "SHOW RETENTION POLICIES ON expiring",
             "SHOW MEASUREMENTS", "SHOW FIELD KEYS", "SHOW TAG KEYS", "SHOW SERIES",
             "SELECT * FROM /.*/", "SELECT * FROM /.*/ GROUP BY *",
             "SELECT count(*), first(*), last(*), min(i), max(f) FROM /.*/ GROUP BY *",
             "SELECT count(*) FROM /.*/ WHERE time >= %ds AND time < %ds GROUP BY time(6h)" % (START, START + 4 * DAY),
             "SELECT v::float, v::integer, v::string FROM types"]


def normal(text):
    """Databases in a fixed order, and the one that each server makes for itself left out."""
    answer = json.loads(text)
    for result in answer.get("results", []):
        for series in result.get("series", []):
            if series.get("columns") in (["name"], ["name", "query"]):
                series["values"] = sorted(v for v in series.get("values", []) if v != ["_internal"])
        if "series" in result:
            result["series"] = [s for s in result["series"] if s.get("name") != "_internal"]
            if any(s.get("columns") == ["name", "query"] for s in result["series"]):
                result["series"].sort(key=lambda s: s["name"])
            if any(s.get("columns") == ["database", "privilege"] for s in result["series"]):
                result["series"][0]["values"].sort()
    return answer


def compare(label, influxd, siltd):
    for q in QUESTIONS:
        for database in ("d", ODD, "empty"):
            if (" ON " in q or ".." in q or "USERS" in q or "DATABASES" in q or "FOR" in q) and database != "d":
                continue
            theirs, ours = (normal(server.query(q, db=database, epoch="ns")) for server in (influxd, siltd))
            check("%s: %s in %s" % (label, q, database), theirs == ours, first_difference(theirs, ours))


def first_difference(theirs, ours):
    left, right = json.dumps(theirs, ensure_ascii=False), json.dumps(ours, ensure_ascii=False)
    at = next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))
    return "...%s\n  silt ...%s" % (left[max(0, at - 200):at + 300], right[max(0, at - 200):at + 300])


# ---------------------------------------------------------------- the runs

def restart(folder, settings=None):
    """The influxd of a folder, started again there."""
    with open(os.path.join(folder, "influxdb.conf"), encoding="utf-8") as f:
        port = int(re.search(r'\[http\]\n  bind-address = "127.0.0.1:(\d+)"', f.read()).group(1))
    path = live.find_peer("influxdb", "usr/bin/influxd")
    return live.Server([path, "-config", os.path.join(folder, "influxdb.conf")], port, folder,
                       env=dict(os.environ, **(settings or {})), keep=True)


def make_source(seed, index, full):
    """The folder of a stopped influxd."""
    rng = random.Random(seed)
    settings = dict(EAGER, INFLUXDB_DATA_INDEX_VERSION=index)
    if full:
        settings["INFLUXDB_DATA_COMPACT_FULL_WRITE_COLD_DURATION"] = "1s"
    with live.start_influxd(env=settings) as server:
        first_files(server, rng)
        settle(server)
        later_files(server, rng)
        settle(server)
        define(server)
        server.keep = True # from here on it is the caller's
    with restart(server.folder, {"INFLUXDB_DATA_INDEX_VERSION": index, "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "1h"}) as server:
        log_only(server, rng)
    return server.folder


def import_and_compare(label, source, work):
    target = os.path.join(work, "silt")
    status, out, err = inspect("import-influxdb", source, "--into", os.path.join(target, "data"))
    check(label + ": it is imported and verified", status == 0 and ": equal\n" in out and "NOT EQUAL" not in out and err == "",
          (status, out, err))
    check(label + ": no note of progress is left", not os.path.exists(os.path.join(target, "data", "import-influxdb.progress")))
    again, _, err = inspect("import-influxdb", source, "--into", os.path.join(target, "data"))
    check(label + ": not twice", again == 2 and "is in %s" % os.path.join(target, "data") in err, (again, err))
    with restart(source, {"INFLUXDB_DATA_INDEX_VERSION": "inmem"}) as influxd, live.start_siltd(target) as siltd:
        compare(label, influxd, siltd)


def test_passwords(target):
    """InfluxDB's own hashes: who could log in there can here."""
    with live.start_siltd(target, env={"SILT_HTTP_AUTH_ENABLED": "true"}) as siltd:
        for user, password, q, status, text in (
                ("admin", "over all", "SHOW USERS", 200, "reader"), ("reader", "only reads", "SELECT count(v) FROM again", 200, "2500"),
                ("reader", "only reads", "DROP DATABASE d", 403, "error"), ("reader", "over all", "SHOW DATABASES", 401, "error")):
            answer = siltd.request("POST", "/query", {"q": q, "db": "d", "u": user, "p": password})
            check("%s: %s" % (user, q), answer.status == status and text in answer.body.decode(), (answer.status, answer.body))


def progress_lines(target):
    try:
        with open(os.path.join(target, "import-influxdb.progress"), encoding="utf-8") as f:
            return f.read().count("\nshard ")
    except OSError:
        return 0


def test_kill(source, work, rng):
    target = os.path.join(work, "killed", "data")
    program = os.path.join(os.path.dirname(live.siltd_path()), "silt-inspect")
    argv = [program, "import-influxdb", source, "--into", target, "--checkpoint", "1000"]
    kills = 0
    for want in (1, 3, 5):
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and progress_lines(target) < want and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.005)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    check("imports were killed", kills >= 1, kills)
    status, out, err = inspect("import-influxdb", source, "--into", target)
    check("a killed import goes on", status == 0 and "going on" in out and ": equal\n" in out, (status, out, err))
    status, out, err = inspect("verify", target)
    check("what it made is sound", status == 0, (status, out, err))


def damage(path, rng, where):
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        if where == "cut":
            f.truncate(rng.randrange(size))
            return
        at = rng.randrange(5, size // 2) if where == "blocks" else size - 1 - rng.randrange(min(8, size)) if where == "end" else rng.randrange(size)
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1 << rng.randrange(8)]))


def test_damage(source, work, rng):
    """One damaged file at a time: told or without consequence, never a crash, never a difference nobody hears of."""
    kinds = {"tsm": "data/*/*/*/*.tsm", "tombstone": "data/*/*/*/*.tombstone", "wal": "wal/*/*/*/*.wal", "meta": "meta/meta.db"}
    told = 0
    for kind, pattern in kinds.items():
        paths = sorted(glob.glob(os.path.join(source, pattern)))
        if kind == "tombstone" and not paths:
            judge.skip("damaged tombstones", "influxd has merged them away")
            continue
        check("there are files: " + kind, paths, pattern)
        for where in ("blocks", "end", "any", "cut") if kind == "tsm" else ("any", "cut"):
            path = rng.choice(paths)
            if os.path.getsize(path) < 16:
                continue
            shutil.copy2(path, path + ".kept")
            damage(path, rng, where)
            target = os.path.join(work, "damaged")
            status, out, err = inspect("import-influxdb", source, "--into", target)
            os.replace(path + ".kept", path)
            shutil.rmtree(target, ignore_errors=True)
            told += status == 1 and path in err
            good = (status == 1 and "DAMAGED" in err or status == 0 and ": equal\n" in out or status == 2 and kind == "meta")
            check("damage to %s (%s)" % (os.path.relpath(path, source), where), good and ("NOT EQUAL" not in out or kind == "tombstone"),
                  (status, out, err))
            if where == "blocks" and status: # what was deleted is not read
                check("a damaged block is told with its file and place", status == 1 and path + " at byte " in err, (status, err))
    check("damage was told", told >= 3, told)


def test_usage(source, work):
    status, _, err = inspect("import-influxdb", source)
    check("no target", status == 2 and "import-influxdb INFLUXDIR" in err, (status, err))
    status, _, err = inspect("import-influxdb", work, "--into", os.path.join(work, "no"))
    check("no InfluxDB", status == 2 and "it has no data" in err and not os.path.exists(os.path.join(work, "no")), (status, err))
    status, _, err = inspect("import-influxdb", source, "--into", os.path.join(work, "no"), "--database", "nosuch")
    check("no such database", status == 2 and 'no database "nosuch"' in err, (status, err))
    target = os.path.join(work, "one")
    links = os.path.join(work, "links")
    os.mkdir(links)
    for part in ("data", "wal", "meta"):
        os.symlink(os.path.join(source, part), os.path.join(links, part))
    status, out, err = inspect("import-influxdb", links, "--into", target, "--database", ODD, "--no-verify")
    check("one database", status == 0 and "verified" not in out, (status, out, err))
    status, out, err = inspect("import-influxdb", source, "--into", target, "--database", "d")
    check("and another one later", status == 0 and ": equal\n" in out, (status, out, err))
    os.mkdir(os.path.join(work, "running"))
    with live.start_siltd(os.path.join(work, "running")):
        status, out, err = inspect("import-influxdb", source, "--into", os.path.join(work, "running", "data"))
        check("not beside a server", status == 2 and "in use by process" in err, (status, out, err))


def test(seed):
    rng = random.Random(seed)
    work = tempfile.mkdtemp(prefix="silt-import-")
    sources = []
    began = time.monotonic()
    try:
        for index, full in (("inmem", False), ("tsi1", True)):
            source = make_source(seed, index, full)
            sources.append(source)
            import_and_compare(index, copy_of(source, work, index), os.path.join(work, index))
        test_passwords(os.path.join(work, "inmem", "silt"))
        test_kill(sources[0], work, rng)
        test_damage(sources[0], work, rng)
        test_usage(sources[0], work)
    finally:
        for folder in sources + [work]:
            shutil.rmtree(folder, ignore_errors=True)


def copy_of(source, work, name):
    """influxd will be started on it again, with its own port; the import must find it as it was."""
    os.makedirs(os.path.join(work, name))
    to = os.path.join(work, name, "influx")
    shutil.copytree(source, to)
    config = os.path.join(to, "influxdb.conf")
    with open(config, encoding="utf-8") as f:
        text = f.read().replace(source, to)
    with open(config, "w", encoding="utf-8") as f:
        f.write(text)
    return to


# ---------------------------------------------------------------- a long one

def kill_and_go_on(source, work, seconds):
    """The same again, which took that long: killed at a third of it and at two thirds."""
    argv = ("import-influxdb", source, "--into", os.path.join(work, "data"))
    for _ in range(2):
        process = subprocess.Popen([os.path.join(os.path.dirname(live.siltd_path()), "silt-inspect"), *argv],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds / 3)
        check("it was at work", process.poll() is None)
        process.kill()
        process.wait()
    status, out, err = inspect(*argv)
    check("a killed import goes on", status == 0 and "going on" in out and ": equal\n" in out, (status, out, err))
    print("killed twice, then:\n" + out, end="")


def measure(points, seed):
    """points values of one measurement: 20 fields, 100 hosts, two thirds of them gauges."""
    rng = random.Random(seed)
    fields, hosts = 20, 100
    rows = int(points) // fields // hosts
    work = tempfile.mkdtemp(prefix="silt-import-")
    server = live.start_influxd(env={"INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "2s",
                                     "INFLUXDB_DATA_INDEX_VERSION": "tsi1"})
    server.keep = True
    try:
        query(server, "CREATE DATABASE d")
        state = [[rng.uniform(0, 100) for _ in range(fields)] for _ in range(hosts)]
        began = time.monotonic()
        for row in range(rows):
            lines = []
            for host in range(hosts):
                values_now = state[host]
                for f in range(0, fields, 3):
                    values_now[f] += rng.gauss(0, 1)
                lines.append("cpu,host=h%d,dc=d%d %s %d" % (host, host % 4, ",".join(
                    "f%d=%.2f" % (f, v) if f % 3 != 1 else "f%d=%di" % (f, row * f) for f, v in enumerate(values_now)), START + row * 10))
            if row % 50 == 0:
                pending = []
            pending += lines
            if row % 50 == 49 or row == rows - 1:
                write(server, pending, db="d")
        print("influxd took %d values in %.0f s" % (rows * hosts * fields, time.monotonic() - began))
        settle(server)
        server.stop()
        began = time.monotonic()
        status, out, err = inspect("import-influxdb", server.folder, "--into", os.path.join(work, "data"))
        print(out + err, end="")
        seconds = time.monotonic() - began
        print("status %d, %.1f s with verification, %.2f million values a second" % (status, seconds, rows * hosts * fields / seconds / 1e6))
        shutil.rmtree(os.path.join(work, "data"))
        kill_and_go_on(server.folder, work, seconds)
        return status or judge.failed > 0
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=float)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    args = parser.parse_args()
    if live.find_peer("influxdb", "usr/bin/influxd") is None:
        print("0 passed, 0 failed, 1 skipped")
        return 0
    print("seed %d" % args.seed)
    if args.points:
        return measure(args.points, args.seed)
    test(args.seed)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
