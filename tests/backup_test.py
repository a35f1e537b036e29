#!/usr/bin/env python3
"""backup_test.py - `silt backup`, POST /backup and `silt-inspect restore`: under load, again and again, cut short, damaged.

Prints `N passed, N failed, 0 skipped`.
"""
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest

import live

BUILD = os.path.dirname(live.siltd_path())
DAY = 86400


def run(program, *argv):
    done = subprocess.run([os.path.join(BUILD, program), *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=600)
    return done.returncode, done.stdout.decode()


def lines(first, count, days=1):
    return "\n".join("cpu,host=h%d,zone=z%d v=%di,f=%d.25,s=\"t%d\" %d" % (i % 50, i % 3, i, i, i % 7, (i * days * DAY // count + 1) * 10**9)
                     for i in range(first, first + count))


class Backup(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="silt-backup-")
        self.backups = os.path.join(self.folder, "backups")
        os.mkdir(os.path.join(self.folder, "server"))

    def tearDown(self):
        shutil.rmtree(self.folder)

    def start(self, name="server", **more):
        return live.start_siltd(os.path.join(self.folder, name), **more)

    def backup(self, server, *flags):
        while os.path.isdir(self.backups) and time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) in os.listdir(self.backups):
            time.sleep(0.05)  # names have seconds
        status, said = run("silt", "-port", str(server.port), "backup", *flags, self.backups)
        self.assertEqual(status, 0, said)
        return os.path.join(self.backups, sorted(os.listdir(self.backups))[-1]), said

    def restore(self, backup, name="restored"):
        """Gives a running server on it. The folder is there already, as a volume is, and stays the same one."""
        target = os.path.join(self.folder, name, "data")
        os.makedirs(target)
        before = os.stat(target).st_ino
        status, said = run("silt-inspect", "restore", backup, target)
        self.assertEqual(os.stat(target).st_ino, before, said)
        self.assertEqual(status, 0, said)
        self.assertIn("no damage found", said)
        return self.start(name)

    def answers(self, server):
        return [server.query(q, db="d") for q in ("SHOW DATABASES", "SHOW RETENTION POLICIES ON d", "SHOW SERIES", "SHOW FIELD KEYS",
                                                  "SELECT * FROM cpu", "SELECT * FROM week.cpu", "SHOW CONTINUOUS QUERIES", "SHOW USERS")]

    def fill(self, server):
        server.query("CREATE DATABASE d")
        server.query("CREATE RETENTION POLICY week ON d DURATION 0s REPLICATION 1 SHARD DURATION 1d")
        server.query("CREATE USER u WITH PASSWORD 'p'")
        server.query("CREATE CONTINUOUS QUERY q ON d BEGIN SELECT mean(v) INTO m FROM cpu GROUP BY time(1h) END")
        for first in range(0, 3000, 1000):
            self.assertEqual(server.write(lines(first, 1000, 40), db="d").status, 204)
            self.assertEqual(server.write(lines(first, 1000, 9), db="d", rp="week").status, 204)
        server.query("DELETE FROM cpu WHERE host = 'h7'", db="d")

    def test_all_there(self):
        with self.start() as server:
            self.fill(server)
            want = self.answers(server)
            backup, _ = self.backup(server)
            server.write("cpu,host=later v=1i 1", db="d")
            server.query("DROP SERIES FROM cpu WHERE host = 'h1'", db="d")
        with self.restore(backup) as server:
            self.assertEqual(self.answers(server), want)
            self.assertEqual(server.write("cpu,host=h1 v=77i 1", db="d").status, 204)  # its log goes on behind the numbers of the files
            server.kill()
        with self.start("restored") as server:
            self.assertIn("77", server.query("SELECT v FROM cpu WHERE host = 'h1' AND time = 1", db="d"))

    def test_again_and_again(self):
        """The second takes what is new; each is whole by itself; the oldest go."""
        with self.start() as server:
            self.fill(server)
            first, _ = self.backup(server)
            server.write("cpu,host=new v=1i 1", db="d")
            server.query("DROP RETENTION POLICY week ON d")
            want = self.answers(server)
            second, said = self.backup(server)
            self.assertRegex(said, r": \d+ files, .* s; [1-9]\d* files as before\n$")
            a = os.path.join(first, "shards/1/0000000000000001.tsm")
            self.assertTrue(os.path.samefile(a, a.replace(first, second)))
            third, said = self.backup(server, "-keep", "2")
            self.assertIn("1 older backups removed", said)
        self.assertEqual(sorted(os.listdir(self.backups)), [os.path.basename(second), os.path.basename(third)])
        for backup in (second, third):
            subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "backup.sums"], cwd=backup, check=True)
        with self.restore(second) as server:
            self.assertEqual(self.answers(server), want)
            # A store of its own now: files of the same name are other files.
            server.write("cpu,host=own v=5i 1", db="d")
            own = self.answers(server)
            fourth, said = self.backup(server)
            self.assertIn("; 0 files as before", said)
        with self.restore(fourth, "again") as server:
            self.assertEqual(self.answers(server), own)

    def test_under_load(self):
        """What was acknowledged before is in it, whatever goes on: writes, deletes, merges, a database that goes."""
        with self.start(env={"SILT_DATA_MEMTABLE_SOFT": "16m"}) as server:
            self.fill(server)
            server.query("CREATE DATABASE gone")
            server.write(lines(0, 3000, 30), db="gone")
            acknowledged, ended = [0], threading.Event()

            def write():
                while not ended.is_set():
                    at = acknowledged[0]
                    body = "\n".join("load,host=l%d v=%di %d" % (i % 20, i, i * 10**10) for i in range(at, at + 500))
                    self.assertEqual(server.write(body, db="d").status, 204)
                    acknowledged[0] = at + 500

            writer = threading.Thread(target=write)
            writer.start()
            try:
                made = []
                for i in range(3):
                    time.sleep(0.5)
                    before = acknowledged[0]
                    if i == 2:
                        threading.Timer(0.01, server.query, ("DROP DATABASE gone",)).start()
                    made.append((before, self.backup(server)[0]))
            finally:
                ended.set()
                writer.join()
        for i, (before, backup) in enumerate(made):
            with self.restore(backup, "restored%d" % i) as server:
                rows = server.query_json("SELECT v FROM load", db="d", epoch="s")["results"][0]["series"][0]["values"]
                self.assertGreaterEqual(len(rows), before)
                self.assertEqual(rows[:before], [[k * 10, k] for k in range(before)])

    def test_damage_is_found(self):
        with self.start() as server:
            self.fill(server)
            backup, _ = self.backup(server)
        target = os.path.join(self.folder, "never")
        for name in ("shards/1/0000000000000001.tsm", "shards/1/MANIFEST", "meta.sqlite"):
            path = os.path.join(backup, name)
            with open(path, "rb") as f:
                whole = f.read()
            for damaged, error in ((whole[:100] + bytes([whole[100] ^ 4]) + whole[101:], name + ": the checksum differs"),
                                   (whole[:-1], name + ": %d bytes, not the %d of the backup" % (len(whole) - 1, len(whole))), (None, name)):
                os.remove(path)
                if damaged is not None:
                    with open(path, "wb") as f:
                        f.write(damaged)
                status, said = run("silt-inspect", "restore", backup, target)
                self.assertEqual(status, 2)
                self.assertIn(error, said)
                shutil.rmtree(target, ignore_errors=True)
            with open(path, "wb") as f:
                f.write(whole)
        for occupied in (os.path.join(self.folder, "server", "data"), self.folder):
            status, said = run("silt-inspect", "restore", backup, occupied)
            self.assertEqual((status, occupied + " has to be empty, or not there" in said), (2, True), said)
        head = "silt backup 1 0123456789abcdef\n"
        for text, error in (("", "does not begin with"), (head + "blob 5 ../../etc/passwd\n", "is no file of a backup"), (head + "blob x a\n", "is no file of a backup"),
                            (head + "blob 5 a\nblob 5 a\n", "names a twice")):
            with open(os.path.join(backup, "backup.files"), "w") as f:
                f.write(text)
            status, said = run("silt-inspect", "restore", backup, target)
            self.assertEqual((status, error in said), (2, True), said)
        status, said = run("silt-inspect", "restore", self.folder, target)
        self.assertEqual(status, 2)
        self.assertIn("is no backup", said)

    def test_cut_short(self):
        """The server dies on the way: no backup, and the next one is."""
        with self.start() as server:
            self.fill(server)
            server.process.send_signal(19)
            asked = subprocess.Popen([os.path.join(BUILD, "silt"), "-port", str(server.port), "backup", self.backups],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            time.sleep(0.3)
            server.kill()
            self.assertNotEqual(asked.wait(60), 0)
            asked.stdout.close()
        os.makedirs(os.path.join(self.backups, "20200101T000000Z.part", "shards"), exist_ok=True)  # as a kill leaves it
        with self.start() as server:
            backup, _ = self.backup(server)
            self.assertEqual(os.listdir(self.backups), [os.path.basename(backup)])
            status, said = run("silt", "-port", str(server.port), "backup", "-keep", "none", self.backups)
            self.assertEqual(status, 1)
            self.assertIn("-keep needs a number", said)

    def test_by_curl_and_tar(self):
        with self.start() as server:
            self.fill(server)
            want = self.answers(server)
            answer = server.request("POST", "/backup")
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/x-tar"))
            self.assertEqual(server.request("GET", "/backup").status, 405)
        with tarfile.open(fileobj=io.BytesIO(answer.body)) as archive:
            archive.extractall(self.backups)
        with self.restore(self.backups) as server:
            self.assertEqual(self.answers(server), want)

    def test_for_admins(self):
        with self.start(env={"SILT_HTTP_AUTH_ENABLED": "true"}) as server:
            server.query("CREATE USER a WITH PASSWORD 'a' WITH ALL PRIVILEGES")
            server.query("CREATE USER u WITH PASSWORD 'u'", u="a", p="a")
            self.assertEqual(server.request("POST", "/backup").status, 401)
            self.assertEqual(server.request("POST", "/backup", {"u": "u", "p": "u"}).status, 403)
            self.assertEqual(server.request("POST", "/backup", {"u": "a", "p": "a"}).status, 200)
            status, said = run("silt", "-port", str(server.port), "-username", "u", "-password", "u", "backup", self.backups)
            self.assertEqual(status, 1)
            self.assertIn("no backup: the server says 403: error authorizing admin access\n", said)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Backup)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=1).run(suite)
    failed = len(result.failures) + len(result.errors)
    print("%d passed, %d failed, %d skipped" % (result.testsRun - failed - len(result.skipped), failed, len(result.skipped)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
