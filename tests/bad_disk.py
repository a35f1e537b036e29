#!/usr/bin/env python3
"""bad_disk.py - a disk that becomes read-only, whose syncs fail, whose files end early, and descriptors that are used up, under a
siltd at work: writes are refused with the reason, reads go on, and when it is over so do writes, without a restart; every
acknowledged point is there, before and after a kill.

Faults are made by a library that is preloaded (faulty_calls.c), which is built here; by RLIMIT_NOFILE; by cutting a file; and, where a
loop device can be mounted, by a file system that is full, stands still, or makes itself read-only. Prints `N passed, N failed, N skipped`.
"""
import glob
import http.client
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import full_disk
import live
from judge import Judge

SOURCE = os.path.join(live.ROOT, "tests", "faulty_calls.c")
judge = Judge()
check = judge.check


def complaints(server):
    with open(server.log_path, errors="replace") as log:
        return log.read().count("The log cannot go on")


def faulty_calls(folder, library):
    """Calls that fail while a file is there."""
    # A sanitizer's runtime has to come first; the calls that it looks at go on to the library's.
    preloaded = ":".join(filter(None, (live.sanitizer(), library)))
    for fault, says in (("erofs", "the disk is read-only"), ("eio", "the disk fails")):
        home = os.path.join(folder, fault)
        os.makedirs(home)
        control = os.path.join(folder, "control")
        # Little memory: there are flushes and merges under fire.
        server = live.start_siltd(home, env={"LD_PRELOAD": preloaded, "FAULTY_FOLDER": os.path.join(home, "data"),
                                             "FAULTY_CONTROL": control, "SILT_DATA_MEMTABLE_SOFT": "2m"})
        server.query("CREATE DATABASE k")
        load = full_disk.Load(server)
        check(fault + ": writes are taken", full_disk.until(lambda: load.count() > 20))
        for turn in range(3):
            open(control + "." + fault, "w").close()
            before = load.refused
            check(fault + ": writes are refused", full_disk.until(lambda: load.refused > before + 20), str(load.strange[:2]))
            check(fault + ": with the reason", says in load.text, load.text)
            check(fault + ": reads go on, and nothing is lost", full_disk.lost(server, load) == 0)
            health = server.request("GET", "/health")
            check(fault + ": /health says it", health.status == 503 and says.encode() in health.body, health.body)
            os.unlink(control + "." + fault)
            before = load.count()
            check(fault + ": then writes go on", full_disk.until(lambda: load.count() > before + 20), load.text)
        load.end()
        check(fault + ": nothing else was answered", not load.strange, str(load.strange[:3]))
        check(fault + ": the log says it once each time", 0 < complaints(server) <= 12, complaints(server))
        check(fault + ": nothing is lost", full_disk.lost(server, load) == 0)
        server.kill()
        server = live.start_siltd(home)
        check(fault + ": nor after a kill", full_disk.lost(server, load) == 0)
        check(fault + ": files are flushed", "error" not in server.query("DELETE FROM nothing", db="k") and server.stop() == 0)
        shutil.rmtree(home)


def descriptors(server):
    return max(int(name) for name in os.listdir("/proc/%d/fd" % server.process.pid)) + 1


class Writer:
    """A connection that was there before. Batches of a megabyte, so that the log soon needs a new file."""

    def __init__(self, server):
        self.connection, self.acked = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120), 0
        self.text = "x" * 10000

    def ask(self, method, path, body=None):
        self.connection.request(method, path, body)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def write(self):
        lines = "\n".join("b t=\"%s\",v=%di %d" % (self.text, i, i) for i in range(self.acked * 100, self.acked * 100 + 100))
        status, body = self.ask("POST", "/write?db=k&precision=ms", lines)
        self.acked += status == 204
        return status, body.decode()

    def count(self):
        answer = json.loads(self.ask("GET", "/query?db=k&q=SELECT+count(v)+FROM+b")[1])
        return answer["results"][0]["series"][0]["values"][0][1]


def used_up(folder):
    home = os.path.join(folder, "descriptors")
    os.makedirs(home)
    server = live.start_siltd(home)
    server.query("CREATE DATABASE k")
    writer = Writer(server)
    writer.write()
    old = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    time.sleep(0.5) # the log's next file has been made
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (descriptors(server), old[1]))
    crowd = []
    for _ in range(64): # whatever is free below the highest, and more
        crowd.append(socket.create_connection(("127.0.0.1", server.port)))
    time.sleep(1)
    before = live.cpu_seconds(server.process.pid)
    time.sleep(1)
    used = live.cpu_seconds(server.process.pid) - before
    check("descriptors: nobody spins", used < 0.5, used)
    status, text = 204, ""
    for _ in range(300):
        status, text = writer.write()
        if status != 204:
            break
    check("descriptors: writes are refused", status == 503 and "too many files are open" in text, (status, text))
    check("descriptors: reads go on", writer.count() >= writer.acked * 100, writer.count())
    check("descriptors: /health says it", b"too many files" in writer.ask("GET", "/health")[1])
    for connection in crowd:
        connection.close()
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, old)
    check("descriptors: then writes go on", full_disk.until(lambda: writer.write()[0] == 204))
    check("descriptors: and others are let in", full_disk.until(lambda: server.request("GET", "/health", timeout=10).status == 200))
    server.kill()
    server = live.start_siltd(home)
    found = Writer(server).count()
    check("descriptors: nothing is lost", found >= writer.acked * 100, found)
    server.stop()
    shutil.rmtree(home)


def cut_short(folder):
    """A page that cannot be read under a mapping: a signal, which must end the queries that need the page and nothing else."""
    home = os.path.join(folder, "cut")
    os.makedirs(home)
    server = live.start_siltd(home)
    server.query("CREATE DATABASE k WITH DURATION INF SHARD DURATION 1000d")
    for group in range(2):
        start = group * 1000 * 86400
        lines = "\n".join("m,host=h%d v=%d.%d,s=\"%s\" %d" % (h, r * 7919 % 1000, r * 31 % 97, os.urandom(8).hex(), start + r)
                          for h in range(20) for r in range(1000))
        assert server.write(lines, db="k", precision="s").status == 204
    assert server.stop() == 0
    server = live.start_siltd(home)
    path = sorted(glob.glob(os.path.join(home, "data", "shards", "1", "*.tsm")))[0]
    size = os.path.getsize(path)

    def ask(host, since, until, what="sum(v)"):
        return server.query_json("SELECT %s FROM m WHERE host = 'h%d' AND time >= %ds AND time < %ds" % (what, host, since, until),
                                 db="k")["results"][0]

    other = 1000 * 86400
    whole = ask(0, 0, 2000)["series"]
    os.truncate(path, size // 2 // 4096 * 4096)
    said = [ask(host, 0, 2000, "*") for host in range(20)]
    check("cut: queries that need what is gone end with an error", any("shards/1/" in str(a.get("error")) for a in said), str(said)[:300])
    check("cut: all that was not wrong is answered", all("error" in a or len(a["series"][0]["values"]) == 1000 for a in said))
    again = [ask(host, 0, 2000, "*") for host in range(20)]
    check("cut: and so the next time", all("error" in a for a, b in zip(again, said) if "error" in b), str(again)[:300])
    check("cut: what is elsewhere is answered", all("series" in ask(host, other, other + 2000) for host in range(20)))
    check("cut: writes go on", server.write("m,host=h0 v=1 5000", db="k", precision="s").status == 204)
    check("cut: it lives", server.request("GET", "/health").status == 200 and server.process.poll() is None and whole)
    server.kill()
    shutil.rmtree(home)


class FileSystem:
    """ext4 in a file, mounted."""

    def __init__(self, folder):
        self.image, self.disk, self.home = (os.path.join(folder, name) for name in ("image", "disk", "home"))
        os.makedirs(self.disk)
        os.makedirs(self.home) # the server's log stays readable there
        os.symlink(os.path.join(self.disk, "data"), os.path.join(self.home, "data"))
        with open(self.image, "wb") as f:
            f.truncate(600 << 20)
        self.why_not = None
        if os.geteuid() != 0 or self.run("mkfs.ext4", "-q", "-F", self.image) or not self.mount():
            self.why_not = "no ext4 in a loop device can be mounted"

    @staticmethod
    def run(*argv):
        try:
            return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
        except FileNotFoundError:
            return 127

    def mount(self):
        return self.run("mount", "-o", "loop,errors=remount-ro", self.image, self.disk) == 0

    def trigger(self):
        """The file by which it is told that there is an error; None: the kernel has no such thing."""
        device = next(line.split()[0] for line in open("/proc/mounts") if line.split()[1] == self.disk)
        path = "/sys/fs/ext4/%s/trigger_fs_error" % os.path.basename(device)
        return path if os.access(path, os.W_OK) else None

    def again(self):
        """Unmounted, looked at, mounted."""
        return self.run("umount", self.disk) == 0 and self.run("e2fsck", "-p", "-f", self.image) < 4 and self.mount()

    def end(self):
        self.run("fsfreeze", "-u", self.disk)
        self.run("umount", self.disk)


def frozen(file_system):
    """A disk that takes nothing for a while, and does not say so."""
    server = live.start_siltd(file_system.home)
    load = None
    try:
        server.query("CREATE DATABASE k")
        load = full_disk.Load(server)
        check("frozen: writes are taken", full_disk.until(lambda: load.count() > 20))
        if file_system.run("fsfreeze", "-f", file_system.disk):
            return judge.skip("frozen", "fsfreeze does not work")
        time.sleep(1) # writes under way
        before = load.count()
        check("frozen: reads go on, and nothing is lost", full_disk.lost(server, load) == 0)
        check("frozen: writes wait", load.count() == before, load.count() - before)
        check("frozen: it lives", server.request("GET", "/ping").status == 204)
        file_system.run("fsfreeze", "-u", file_system.disk)
        check("frozen: then they go on", full_disk.until(lambda: load.count() > before + 20), load.text)
        load.end()
        check("frozen: nothing else was answered", not load.strange, str(load.strange[:3]))
        server.kill()
        server = live.start_siltd(file_system.home)
        check("frozen: nothing is lost", full_disk.lost(server, load) == 0)
        check("frozen: it ends as asked", server.stop() == 0)
    finally:
        file_system.run("fsfreeze", "-u", file_system.disk)
        stop_at_once(server, load)


def broken(file_system):
    """It makes itself read-only after an error that it is told to find; the kernel may want it checked before it is written again."""
    trigger = file_system.trigger()
    if not trigger:
        return judge.skip("ext4", "its errors cannot be triggered")
    server = live.start_siltd(file_system.home)
    load = None
    try:
        server.query("CREATE DATABASE k")
        load = full_disk.Load(server)
        check("ext4: writes are taken", full_disk.until(lambda: load.count() > 20))
        with open(trigger, "w") as f:
            f.write("test\n")
        check("ext4: writes are refused", full_disk.until(lambda: load.refused > 20), str(load.strange[:2]))
        check("ext4: with the reason", "disk is read-only" in load.text or "disk fails" in load.text, load.text)
        check("ext4: reads go on, and nothing is lost", full_disk.lost(server, load) == 0)
        before, refused = load.count(), load.refused
        if file_system.run("mount", "-o", "remount,rw", file_system.disk) == 0:
            check("ext4: then writes go on", full_disk.until(lambda: load.count() > before + 20), load.text)
        else:
            check("ext4: and so for as long", full_disk.until(lambda: load.refused > refused + 20) and load.count() == before)
        load.end()
        check("ext4: nothing else was answered", not load.strange, str(load.strange[:3]))
        server.kill()
        check("ext4: it can be mounted again", file_system.again())
        server = live.start_siltd(file_system.home)
        check("ext4: nothing is lost after its check", full_disk.lost(server, load) == 0)
        check("ext4: writes go on", server.write("after v=1", db="k").status == 204)
        check("ext4: it ends as asked", server.stop() == 0)
    finally:
        stop_at_once(server, load)


def stop_at_once(server, load):
    if load:
        load.end()
    if server.process.poll() is None:
        server.kill()


def real_file_system(folder):
    file_system = FileSystem(folder)
    try:
        if file_system.why_not:
            return judge.skip("a file system that breaks", file_system.why_not)
        full_disk.run(file_system.disk, 64, lambda what, good, note="": check("full ext4: " + what, good, note))
        for part in (frozen, broken):
            shutil.rmtree(os.path.join(file_system.disk, "data"), ignore_errors=True)
            os.makedirs(os.path.join(file_system.disk, "data"))
            part(file_system)
    finally:
        file_system.end()


def main():
    folder = tempfile.mkdtemp(prefix="silt-bad-")
    try:
        library = os.path.join(folder, "faulty_calls.so")
        if subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o", library, SOURCE]).returncode:
            check("the library is built", False)
        else:
            faulty_calls(folder, library)
        used_up(folder)
        cut_short(folder)
        real_file_system(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
