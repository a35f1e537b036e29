#!/usr/bin/env python3
"""inspect_test.py - silt-inspect on directories that a real siltd wrote: sound after a stop and after a kill, damage in any
kind of file found and named, reports and dumps that say what was written.

Prints `N passed, N failed, N skipped`.
"""
import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile

import live
from judge import Judge
from live import inspect

HOSTS, ROWS = 30, 400
judge = Judge()
check = judge.check


def fill(server):
    server.query("CREATE DATABASE d")
    server.query("CREATE RETENTION POLICY short ON d DURATION 52w REPLICATION 1 SHARD DURATION 1d")
    for part in range(4):
        lines = []
        for row in range(part * ROWS // 4, (part + 1) * ROWS // 4):
            for host in range(HOSTS):
                lines.append("cpu,host=h%d,dc=d%d user=%.1f,total=%di,up=%s,note=\"n%d\" %d" %
                             (host, host % 3, row * 0.1, row * host, "true" if row % 5 else "false", row % 7, row * 3600))
        assert server.write("\n".join(lines), db="d", precision="s").status == 204
        server.query("SELECT count(*) FROM cpu", db="d")
    assert server.write("mem,host=h0 free=1i", db="d", rp="short").status == 204
    server.query("DELETE FROM cpu WHERE host = 'h3' AND time < 36000s", db="d")
    server.query("DROP SERIES FROM cpu WHERE host = 'h4'", db="d")


def points(server):
    """All of database d, with the types."""
    found = set()
    for source in "cpu", "short.mem":
        for series in server.query_json("SELECT * FROM %s GROUP BY host, dc" % source, db="d", epoch="ns")["results"][0].get("series", []):
            found |= {(series["name"], *sorted(series["tags"].items()), *zip(series["columns"], row)) for row in series["values"]}
    return found, server.query("SHOW FIELD KEYS ON d"), server.query("SHOW RETENTION POLICIES ON d")


def exported(folder, data, server):
    """What is exported of a stopped directory is what its server has: imported into a fresh one, and beside `silt export`."""
    wanted = points(server)
    silt = os.path.join(os.path.dirname(live.siltd_path()), "silt")
    text = subprocess.run([silt, "-port", str(server.port), "export", "d"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    server.kill() # much is in the log alone
    before = {name: os.path.getmtime(os.path.join(data, "wal", name)) for name in os.listdir(os.path.join(data, "wal"))}
    status, out, err = inspect("export", data, "d")
    check("an export", status == 0 and "points written" in err, (status, out[:300], err))
    check("nothing is changed by it", before == {name: os.path.getmtime(os.path.join(data, "wal", name))
                                                 for name in os.listdir(os.path.join(data, "wal"))}, before)
    check("it is what silt export gives", sorted(out.splitlines()) == sorted(text.decode().splitlines()),
          (len(out), len(text), sorted(set(out.splitlines()) ^ set(text.decode().splitlines()))[:4]))
    name = os.path.join(folder, "export.txt")
    with open(name, "w") as f:
        f.write(out)
    with live.start_siltd() as fresh:
        done = subprocess.run([silt, "-port", str(fresh.port), "import", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        check("it is imported", done.returncode == 0, done.stdout[-500:])
        check("imported, it is the same", points(fresh) == wanted)
    status, out, err = inspect("export", data, "d", "--rp", "short")
    check("of one policy", status == 0 and [line for line in out.splitlines() if line[0] != "#" and not line.startswith("CREATE")]
          and "cpu" not in out, (status, out[:300], err))
    status, out, err = inspect("export", data, "d", "--start", "1970-01-01T01:00:00Z", "--end", "7200000000000")
    times = {int(line.rsplit(" ", 1)[1]) for line in out.splitlines() if line.startswith("cpu,")}
    check("of a time", status == 0 and times == {3600 * 10**9, 7200 * 10**9}, (status, sorted(times)[:5], err))
    for args, told in ((("export", data), "usage: silt-inspect export DIR DATABASE"), (("export", data, "d", "--start", "never"), "--start: never is no time"),
                       (("export", data, "d", "--end"), "--end: a value is missing"), (("export", data, "d", "--first", "1"), "no option --first"),
                       (("export", data, "nothing"), "database not found"), (("export", data, "d", "--rp", "x"), "no such retention")):
        status, out, err = inspect(*args)
        check(" ".join(args), status == 2 and told in err, (status, out, err))


def flip(path, seed):
    """One bit somewhere in the file's used part."""
    with open(path, "r+b") as f:
        data = f.read()
        used = len(data.rstrip(b"\0")) or 1
        at = random.Random(seed).randrange(used)
        f.seek(at)
        f.write(bytes([data[at] ^ 1 << seed % 8]))


def main():
    folder = tempfile.mkdtemp(prefix="silt-inspect-")
    data = os.path.join(folder, "data")
    try:
        server = live.start_siltd(folder, env={"SILT_DATA_MEMTABLE_SOFT": "1m"})
        fill(server)
        status, out, err = inspect("verify", data)
        check("a directory in use is refused", status == 2 and "in use by process" in err, (status, out, err))
        server.kill()
        status, out, err = inspect("verify", data)
        check("sound after a kill", status == 0 and "no damage found" in out, (status, out, err))
        check("the log's rows are counted", "0 rows" not in out.split("log ")[1].split("\n")[0], out)
        segment = [name for name in sorted(glob.glob(os.path.join(data, "wal", "*.wal")))
                   if open(name, "rb").read(8) == b"siltWAL1"][-1] # not one that is made ready
        status, out, err = inspect("dump", data, os.path.relpath(segment, data))
        check("a log's dump", status == 0 and "series 1 cpu,dc=d0,host=h0" in out and "rows, 1970-01-01T00:00:00Z" in out,
              (status, out[:600], err))
        server = live.start_siltd(folder)
        check("the server goes on", server.query_json("SELECT count(total) FROM cpu WHERE host = 'h5'", db="d")["results"][0]
              ["series"][0]["values"][0][1] == ROWS)
        exported(folder, data, server)
        server = live.start_siltd(folder)
        check("it stops", server.stop() == 0)
        status, out, err = inspect("verify", data)
        check("sound after a stop", status == 0 and "no damage found" in out, (status, out, err))
        status, report, err = inspect("report", data)
        check("a report", status == 0 and "database d\n" in report and "policy short: kept 52w, shard groups of 1d" in report
              and "cpu, tag host: %d values" % (HOSTS - 1) in report and "cpu, tag dc: 3 values" in report, (status, report, err))
        files = sorted(glob.glob(os.path.join(data, "shards", "*", "*.tsm")))
        check("there are files", len(files) >= 2, files)
        for kind, path in (("TSM file", files[0]), ("manifest", os.path.join(os.path.dirname(files[0]), "MANIFEST"))):
            status, out, err = inspect("dump", data, os.path.relpath(path, data))
            check("dump of a " + kind, status == 0 and out.count("\n") > 1, (status, out[:300], err))
        status, out, err = inspect("dump", data, os.path.relpath(files[0], data))
        check("a TSM dump has keys, codecs and extremes", "cpu,dc=d0,host=h0" in out and " min " in out and "boolean" in out,
              out[:600])
        for name in files[:2] + [os.path.join(os.path.dirname(files[0]), "MANIFEST")]:
            for seed in range(12):
                shutil.copy(name, name + ".kept")
                flip(name, seed)
                status, out, err = inspect("verify", data)
                check("a flipped bit in %s (seed %d)" % (os.path.relpath(name, data), seed), status == 1 and "DAMAGED" in out,
                      (status, out, err))
                os.replace(name + ".kept", name)
        os.rename(files[0], files[0] + ".away")
        status, out, err = inspect("verify", data)
        check("a missing file", status == 1 and os.path.basename(files[0]) in out, (status, out, err))
        os.rename(files[0] + ".away", files[0])
        status, out, err = inspect("verify", data)
        check("sound again", status == 0, (status, out, err))
        status, out, err = inspect("verify", os.path.join(folder, "nothing"))
        check("no data directory", status == 2 and "not a data directory" in err and not os.path.exists(
            os.path.join(folder, "nothing")), (status, out, err))
        status, out, err = inspect("dump", data, "meta.sqlite")
        check("no such kind of file", status == 2 and "not a .tsm" in err, (status, out, err))
        status, out, err = inspect("verify")
        check("usage", status == 2 and err == "usage: silt-inspect verify DIR\n", (status, out, err))
        status, out, err = inspect("verifi", data)
        check("no such command", status == 2 and "no command verifi" in err, (status, out, err))
        status, out, err = inspect("--help")
        check("help", status == 0 and "silt-inspect verify DIR\n" in out and not err, (status, out, err))
        status, out, err = inspect("verify", files[0])
        check("a file is no data directory", status == 2 and "Not a directory" in err, (status, out, err))
        os.unlink(os.path.join(data, "LOCK"))
        os.mkdir(os.path.join(data, "LOCK"))
        status, out, err = inspect("repair", data)
        check("what cannot be opened is not damaged", status == 2 and "LOCK" in err and "restore a backup" not in out, (status, out, err))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
