#!/usr/bin/env python3
"""repair_test.py - silt-inspect repair on directories that a real siltd wrote: bits flipped in each kind of file, then the repair,
then nothing is found any more and the server answers with what was sound, to the row.

Prints `N passed, N failed, N skipped`.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import live
from judge import Judge
from live import inspect

HOSTS, ROWS = 20, 300
judge = Judge()
check = judge.check


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 4]))


def points(server):
    """Every point: (measurement, host, time, user, total, note)."""
    found = set()
    answer = server.query_json("SELECT * FROM m0, m1 GROUP BY host", db="d", epoch="s")["results"][0]
    for series in answer.get("series", []):
        names = series["columns"]
        for row in series["values"]:
            cells = dict(zip(names, row))
            found.add((series["name"], series["tags"]["host"], cells["time"], cells.get("user"), cells.get("total"),
                       cells.get("note")))
    return found


def keys_of(rows):
    return {row[:3] for row in rows}


class Case:
    """A copy of a directory, to be damaged."""

    def __init__(self, folder, name, source):
        self.name, self.folder = name, os.path.join(folder, name.replace(" ", "-"))
        self.data = os.path.join(self.folder, "data")
        shutil.copytree(source, self.data)
        os.path.exists(os.path.join(self.data, "LOCK")) and os.unlink(os.path.join(self.data, "LOCK"))

    def files(self, pattern):
        return sorted(glob.glob(os.path.join(self.data, pattern)))

    def repaired(self, *says, stops=None, keeps=True):
        """Repairs, looks that it told, that nothing is left, that nothing was deleted; the rows a server gives then. keeps: there is
        something to be set aside."""
        status, out, err = inspect("verify", self.data)
        check(self.name + ": found", status == 1, (status, out, err))
        if stops:
            self.refused(stops)
        status, out, err = inspect("repair", self.data)
        check(self.name + ": repaired", status == 1 and all(re.search(text, out) for text in says), (status, out, err))
        self.out = out
        kept = glob.glob(os.path.join(self.data, "quarantine", "*", "**"), recursive=True)
        check(self.name + ": kept", any(os.path.isfile(path) for path in kept) == keeps, kept)
        for command in "verify", "repair":
            status, out, err = inspect(command, self.data)
            check("%s: nothing left for %s" % (self.name, command), status == 0 and "no damage found" in out, (status, out, err))
        server = live.start_siltd(self.folder)
        rows = points(server)
        check(self.name + ": writes", server.write("m0,host=h0 total=1i 99999999", db="d", precision="s").status == 204)
        check(self.name + ": stops", server.stop() == 0)
        shutil.rmtree(self.folder)
        return rows

    def refused(self, says):
        """A start ends with the file and what to do."""
        done = subprocess.run([live.siltd_path(), "--data-dir", self.data, "--http-bind", "127.0.0.1:%d" % live.free_port()], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)
        err = done.stderr.decode()
        check(self.name + ": the start stops", done.returncode == 1 and says in err and "silt-inspect repair " + self.data in err,
              (done.returncode, err))


def fill(server):
    server.query("CREATE DATABASE d WITH DURATION INF SHARD DURATION 1000d")
    for part in range(3):
        for measurement in "m0", "m1":
            lines = ["%s,host=h%d user=%.2f,total=%di,note=\"text %d\" %d"
                     % (measurement, host, row * 0.37 + host * host * 1.1, row * row * 7 % 1000 * host, row * 37 % 101, row * 60)
                     for row in range(part * ROWS // 3, (part + 1) * ROWS // 3) for host in range(HOSTS)]
            for at in range(0, len(lines), 500):
                assert server.write("\n".join(lines[at:at + 500]), db="d", precision="s").status == 204


def tsm_cases(folder, stopped, before):
    case = Case(folder, "a block", stopped)
    path = max(case.files("shards/*/*.tsm"), key=os.path.getsize)
    flip(path, 32 + 2000)
    rows = case.repaired(r"REPAIRED shards/.*checksum of a block at offset", r"database d, policy autogen, shard 1 \(",
                         r"lost: m[01],host=h\d+.*: \d+ (values|rows), 1970-")
    lost = before - rows
    check("a block: only one series lost something", len({row[:2] for row in lost}) == 1 and rows - before <= {
        row[:3] + tuple(values) for row in before for values in [(None, row[4], row[5]), (row[3], None, row[5]),
                                                                  (row[3], row[4], None)]}, (len(lost), len(rows - before)))
    told = sum(int(n) for n in re.findall(r"lost: .*: (\d+) (?:values|rows)", case.out))
    check("a block: as many as were told", told == len(lost), (told, len(lost)))

    case = Case(folder, "an index entry", stopped)
    path = max(case.files("shards/*/*.tsm"), key=os.path.getsize)
    with open(path, "rb") as f:
        data = f.read()
    index = int.from_bytes(data[-128 + 16:-128 + 24], "little")
    flip(path, index + 5)
    rows = case.repaired(r"REPAIRED shards/.*checksum of an index entry", r"lost: m[01],host=h\d+: all its rows", r"lost: \d+ rows")
    check("an index entry: one series lost", rows < before and len({row[:2] for row in before - rows}) == 1, len(before - rows))

    for what, at in (("a footer", -100), ("a header", 9)):
        case = Case(folder, what, stopped)
        path = max(case.files("shards/*/*.tsm"), key=os.path.getsize)
        flip(path, at % os.path.getsize(path))
        name = os.path.relpath(path, case.data)
        rows = case.repaired(re.escape(name) + ": no TSM", r"lost: \d+ rows, 1970-", stops=name)
        told = int(re.search(r"lost: (\d+) rows", case.out).group(1))
        check(what + ": the file's rows are lost", rows <= before and 0 < len(before - rows) <= told, (told, len(before - rows)))

    case = Case(folder, "a missing file", stopped)
    path = case.files("shards/*/*.tsm")[0]
    os.rename(path, os.path.join(folder, "away.tsm"))
    os.makedirs(os.path.join(case.data, "quarantine", "x"))
    shutil.copy(os.path.join(folder, "away.tsm"), os.path.join(case.data, "quarantine", "x"))
    rows = case.repaired(os.path.basename(path), r"lost: \d+ rows", stops=os.path.relpath(path, case.data) + ": missing")
    check("a missing file: the rest", rows <= before, len(rows - before))


def running_case(folder, stopped, before):
    """Damage under a running server: what needs it fails with file and place, all else goes on."""
    case = Case(folder, "a running server", stopped)
    path = max(case.files("shards/*/*.tsm"), key=os.path.getsize)
    flip(path, 32 + 2000)
    status, out, err = inspect("repair", case.data)
    series = re.search(r"lost: (m[01]),host=(h\d+)", out).groups()
    shutil.rmtree(case.data)
    shutil.copytree(stopped, case.data)
    flip(path, 32 + 2000)
    server = live.start_siltd(case.folder)
    answer = server.query_json("SELECT * FROM %s WHERE host = '%s'" % series, db="d")["results"][0]
    check("running: the error names file and place", re.match(re.escape(os.path.relpath(path, case.data)) +
                                                              ": checksum of a block at offset [0-9]+$", answer.get("error", "")),
          str(answer)[:300])
    for host in range(HOSTS):
        if "h%d" % host != series[1]:
            rows = server.query_json("SELECT count(total) FROM %s WHERE host = 'h%d'" % (series[0], host), db="d")
            check("running: other series", rows["results"][0]["series"][0]["values"][0][1] == ROWS, rows)
    check("running: writes go on", server.write("m0,host=new total=1i 1", db="d", precision="s").status == 204)
    check("running: it is well", server.request("GET", "/health").status == 200)
    check("running: it stops", server.stop() == 0)
    shutil.rmtree(case.folder)


def shard_cases(folder, stopped, before):
    for at in (3, 40, 90, 120):
        case = Case(folder, "a manifest, byte %d" % at, stopped)
        path = case.files("shards/*/MANIFEST")[0]
        flip(path, at)
        rows = case.repaired(r"REPAIRED shards/1/MANIFEST: rebuilt", stops="shards/1/MANIFEST")
        check(case.name + ": nothing lost", rows == before, (len(rows), len(before)))
    case = Case(folder, "a missing manifest", stopped)
    path = case.files("shards/*/MANIFEST")[0]
    os.makedirs(os.path.join(case.data, "quarantine", "x"))
    os.rename(path, os.path.join(case.data, "quarantine", "x", "away"))
    files = case.files("shards/*/*.tsm")
    case.refused("shards/1/MANIFEST: missing")
    check("a missing manifest: no file is touched by a start", files and case.files("shards/*/*.tsm") == files, files)
    rows = case.repaired(r"REPAIRED shards/1/MANIFEST: rebuilt", r"0 of them is told", stops="shards/1/MANIFEST: missing")
    check("a missing manifest: no point lost", keys_of(rows) == keys_of(before), (len(rows), len(before)))
    case = Case(folder, "a missing folder", stopped)
    shutil.rmtree(os.path.join(case.data, "shards", "1"))
    case.refused("shards/1/MANIFEST: missing, with all files")
    rows = case.repaired(r"REPAIRED shards/1/MANIFEST: made anew, without files", r"all points of this shard that are not in the log are lost",
                         stops="shards/1/MANIFEST: missing", keeps=False)
    check(case.name + ": its points are gone", before and not rows, (len(rows), len(before)))
    case = Case(folder, "a manifest of nonsense", stopped)
    with open(case.files("shards/*/MANIFEST")[0], "wb") as f:
        f.write(b"nonsense")
    rows = case.repaired(r"REPAIRED shards/1/MANIFEST: rebuilt", r"0 of them is told")
    check(case.name + ": no point lost", keys_of(rows) == keys_of(before), (len(rows), len(before)))


def kept_manifest_cases(folder):
    """Shards at rest have no manifest of their own: the catalog keeps it."""
    week, shards = 7 * 86400, 10
    home = os.path.join(folder, "weeks")
    os.makedirs(home)
    server = live.start_siltd(home)
    server.query("CREATE DATABASE d WITH DURATION INF SHARD DURATION 7d")
    lines = ["m0,host=h%d user=1.5,total=%di,note=\"n\" %d" % (host, at, at * week) for at in range(shards) for host in range(HOSTS)]
    assert server.write("\n".join(lines), db="d", precision="s").status == 204
    before = points(server)
    assert server.stop() == 0
    source = os.path.join(home, "data")
    check("shards at rest: no manifests in folders", not glob.glob(os.path.join(source, "shards/*/MANIFEST")), os.listdir(source))
    status, out, err = inspect("verify", source)
    check("shards at rest: verified", status == 0 and "files    %d with" % shards in out, (status, out, err))
    status, out, err = inspect("dump", source, "shards/3/MANIFEST")
    check("shards at rest: the catalog's manifest is shown", status == 0 and out.startswith("in meta.sqlite: manifest") and "%d rows" % HOSTS in out,
          (status, out, err))
    for what, keeps, harm in (("gone", False, lambda case: shutil.rmtree(os.path.join(case.data, "shards", "3"))),
                              ("damaged", True, lambda case: flip(case.files("shards/3/*.tsm")[0], 9))):
        case = Case(folder, "a shard at rest that is " + what, source)
        harm(case)
        rows = case.repaired(r"REPAIRED shards/3/0+1.tsm: ", r"lost: %d rows" % HOSTS, stops="shards/3/0000000000000001.tsm", keeps=keeps)
        check(case.name + ": the others are there", rows < before and len(before - rows) == HOSTS, (len(before), len(rows)))


def tombstone_case(folder, source, before):
    case = Case(folder, "tombstones", source)
    path = case.files("shards/*/*.tomb")
    check("there are tombstones", path, os.listdir(os.path.join(source, "shards")))
    if not path:
        return
    flip(path[0], 25)
    rows = case.repaired(r"REPAIRED shards/.*\.tomb: the list of deletes", r"that were deleted", stops=os.path.basename(path[0]))
    check("tombstones: no point lost", rows >= before, len(before - rows))


def records_of(path):
    """(offset, seq, bytes) of a log segment's records."""
    with open(path, "rb") as f:
        data = f.read()
    at, out = 48, []
    number = int.from_bytes(data[8:16], "little")
    while number and at + 40 <= len(data) and int.from_bytes(data[at + 8:at + 16], "little") == number:
        bytes_ = 40 + (int.from_bytes(data[at:at + 4], "little") + 7 & ~7)
        out.append((at, int.from_bytes(data[at + 16:at + 24], "little"), bytes_))
        at += bytes_
    return out


def log_of(case):
    """The last segment with records."""
    return [path for path in case.files("wal/*.wal") if records_of(path)][-1]


def log_cases(folder, killed, before):
    case = Case(folder, "a record", killed)
    path = log_of(case)
    all_ = records_of(path)
    at, seq, bytes_ = all_[len(all_) // 2]
    flip(path, at + 60)
    rows = case.repaired(r"REPAIRED wal/.*: damaged at offset %d: records from %d to %d" % (at, seq, seq),
                         r"records from %d to %d of the log are lost" % (seq, seq), r"database d, policy autogen, shard 1",
                         stops=os.path.basename(path))
    lost = before - rows
    check("a record: what was in it is lost, no more", 0 < len(lost) <= 500 and rows < before, (len(lost), len(rows - before)))

    case = Case(folder, "the first definitions", killed)
    path = log_of(case)
    with open(path, "rb") as f:
        kinds = f.read()
    at, seq, _ = next(r for r in records_of(path) if kinds[r[0] + 32] == 1 and r[2] > 100)
    flip(path, at + 70)
    rows = case.repaired(r"REPAIRED wal/")
    check("definitions: nothing is what it was not", rows <= before, len(rows - before))

    case = Case(folder, "a log's header", killed)
    path = log_of(case)
    flip(path, 20)
    rows = case.repaired(r"REPAIRED wal/.*damaged header; \d+ records kept", stops=os.path.basename(path))
    check("a log's header: nothing lost", rows == before, len(before - rows))


def many_segments(folder):
    """A log of several segments; one in the middle goes, then its header, then its end."""
    home = os.path.join(folder, "many")
    os.makedirs(home)
    server = live.start_siltd(home, env={"SILT_DATA_MEMTABLE_SOFT": "2g"})
    server.query("CREATE DATABASE d")
    text = "x" * 1000
    for part in range(136):  # of so many series and below 160 MB, so that nothing is flushed
        lines = "\n".join("m0,host=h%d total=%di,note=\"%s%d\" %d" % (row % 1000, row, text, row * 7919, row)
                          for row in range(part * 1000, part * 1000 + 1000))
        assert server.write(lines, db="d", precision="s").status == 204
    before = points(server)
    server.kill()
    source = os.path.join(home, "data")
    segments = sorted(glob.glob(os.path.join(source, "wal", "*.wal")))
    used = [path for path in segments if records_of(path)]
    check("there are several segments", len(used) >= 3, segments)
    if len(used) < 3:
        return

    case = Case(folder, "a missing segment", source)
    path = os.path.join(case.data, "wal", os.path.basename(used[1]))
    os.rename(path, os.path.join(folder, "away.wal"))
    os.makedirs(os.path.join(case.data, "quarantine", "x"))
    os.rename(os.path.join(folder, "away.wal"), os.path.join(case.data, "quarantine", "x", "away.wal"))
    rows = case.repaired(r"it is missing", stops="the segment before it is missing")
    lost = sorted(row[2] for row in before - rows)
    check("a missing segment: its rows are lost", rows < before and lost == list(range(lost[0], lost[-1] + 1)), len(lost))

    case = Case(folder, "a header in the middle", source)
    flip(os.path.join(case.data, "wal", os.path.basename(used[1])), 8)
    rows = case.repaired(r"damaged header", stops=os.path.basename(used[1]))
    check("a header in the middle: nothing lost", rows == before, len(before - rows))

    case = Case(folder, "an end in the middle", source)
    at = records_of(used[0])[-1][0]
    flip(os.path.join(case.data, "wal", os.path.basename(used[0])), at + 50)
    rows = case.repaired(r"damaged at offset %d" % at, r"header told anew", stops=os.path.basename(used[0]))
    check("an end in the middle: one record lost", 0 < len(before - rows) <= 1000 and rows < before, len(before - rows))
    shutil.rmtree(home)


def catalog_case(folder, stopped):
    case = Case(folder, "the catalog", stopped)
    flip(os.path.join(case.data, "meta.sqlite"), 4096 * 3 + 4000)
    status, out, err = inspect("repair", case.data)
    check("the catalog: a backup is needed", status == 2 and "meta.sqlite" in out and "restore a backup" in out, (status, out, err))


def main():
    folder = tempfile.mkdtemp(prefix="silt-repair-")
    try:
        home = os.path.join(folder, "source")
        os.makedirs(home)
        server = live.start_siltd(home)
        fill(server)
        before = points(server)
        check("all is there", len(before) == 2 * HOSTS * ROWS, len(before))
        server.kill()
        killed, stopped, deleted = (os.path.join(folder, name) for name in ("killed", "stopped", "deleted"))
        shutil.copytree(os.path.join(home, "data"), killed)
        server = live.start_siltd(home)
        assert server.stop() == 0
        shutil.copytree(os.path.join(home, "data"), stopped)
        status, out, err = inspect("repair", stopped)
        check("nothing to do", status == 0 and "no damage found" in out and not os.path.exists(os.path.join(stopped, "quarantine")),
              (status, out, err))
        server = live.start_siltd(home)
        server.query("DELETE FROM m0 WHERE host = 'h3' AND time < 6000s", db="d")
        assert server.write("m1,host=h0 total=5i 999999", db="d", precision="s").status == 204
        after = points(server)
        assert server.stop() == 0
        shutil.copytree(os.path.join(home, "data"), deleted)
        tsm_cases(folder, stopped, before)
        running_case(folder, stopped, before)
        shard_cases(folder, stopped, before)
        kept_manifest_cases(folder)
        tombstone_case(folder, deleted, after)
        log_cases(folder, killed, before)
        many_segments(folder)
        catalog_case(folder, stopped)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
