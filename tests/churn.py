#!/usr/bin/env python3
"""churn.py - millions of series that come and go, under a limit on memory: nothing refused, nothing killed, answers right.

    churn.py [--series 10000000] [--minutes 30] [--memory-mb 4096] [--churn-percent 0.5]

siltd runs in a control group of its own (version 1 or 2, which takes root) with that much memory, the page cache counted in. All
series get a point in every round, rounds follow one another without a pause; meanwhile so many percent of the series a minute are
given up for new ones. While it is written to, a query a second asks for one series. At the end as many series as chosen by chance are
asked for all their points. Skipped where no control group can be made. Prints `N passed, N failed, N skipped`.
"""
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time

import live
from judge import Judge
from options import options

BATCH = 5000
START = 1600000000


class Group:
    """A control group for one process."""

    def __init__(self, megabytes):
        self.version_2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        self.folder = "/sys/fs/cgroup%s/silt-churn-%d" % ("" if self.version_2 else "/memory", os.getpid())
        os.mkdir(self.folder)
        self.put("memory.max" if self.version_2 else "memory.limit_in_bytes", megabytes << 20)

    def put(self, name, value):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(str(value))

    def kills(self):
        name = "memory.events" if self.version_2 else "memory.oom_control"
        with open(os.path.join(self.folder, name)) as f:
            found = dict(line.split() for line in f)
        return int(found.get("oom_kill", 0))

    def remove(self):
        os.rmdir(self.folder)


class Load:
    """Series numbers [first, last) are alive; rounds[k] says which were in round k."""

    def __init__(self, server, series, churn_a_second):
        self.server, self.series, self.churn_a_second = server, series, churn_a_second
        self.rounds, self.refused, self.points = [], [], 0

    def write(self, deadline):
        begin, connection = time.monotonic(), self.server.connection()
        while time.monotonic() < deadline or not self.rounds:
            first = int((time.monotonic() - begin) * self.churn_a_second) if self.rounds else 0
            stamp = START + len(self.rounds) * 10
            for at in range(first, first + self.series, BATCH):
                end = min(at + BATCH, first + self.series)
                body = "\n".join(["m,id=id%d,rack=r%d,zone=z%d v=%d %d" % (i, i % 100, i % 7, i, stamp) for i in range(at, end)])
                connection.request("POST", "/write?db=m&precision=s", body)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status == 204:
                    self.points += end - at
                else:
                    self.refused.append((answer.status, text))
            self.rounds.append((first, first + self.series))
        connection.close()

    def times_of(self, number):
        return [START + k * 10 for k, (first, last) in enumerate(self.rounds) if first <= number < last]


def main():
    arguments = options()
    series = int(arguments.get("--series", 10000000))
    minutes = float(arguments.get("--minutes", 30))
    churn = series * float(arguments.get("--churn-percent", 0.5)) / 100 / 60
    try:
        group = Group(int(arguments.get("--memory-mb", 4096)))
    except OSError as e:
        print("skipped: no control group can be made: %s\n0 passed, 0 failed, 1 skipped" % e)
        return 0
    folder, judge = tempfile.mkdtemp(prefix="silt-churn-"), Judge(tells_all=True)

    try:
        with live.start_siltd(folder, group=group) as server:
            server.query("CREATE DATABASE m")
            load = Load(server, series, churn)
            slowest, wrong, ended = [0.0], [], threading.Event()

            def ask():
                while not ended.wait(1):
                    begin = time.monotonic()
                    reply = json.loads(server.query("SELECT last(v) FROM m WHERE id = 'id%d'" % (series // 2), db="m"))
                    slowest[0] = max(slowest[0], time.monotonic() - begin)
                    if "error" in reply["results"][0]:
                        wrong.append(reply)

            asking = threading.Thread(target=ask)
            asking.start()
            begin = time.monotonic()
            load.write(begin + minutes * 60)
            took = time.monotonic() - begin
            ended.set()
            asking.join()
            made = load.rounds[-1][1]
            print("     %d rounds, %d points, %.0f a second with this Python client, %d series made; slowest query %.0f ms"
                  % (len(load.rounds), load.points, load.points / took, made, slowest[0] * 1000))
            print("     memory: %.0f MB resident, %.0f MB at most" % (server.memory() / 1e6, server.memory("VmHWM") / 1e6))
            judge.check("no write refused", not load.refused, str(load.refused[:2]))
            judge.check("queries answered all the time", not wrong, str(wrong[:2]))
            judge.check("not killed for its memory", server.process.poll() is None and group.kills() == 0)
            for attempt in ("running", "after a kill"):
                differ = []
                for number in random.Random(1).sample(range(made), 200):
                    answer = json.loads(server.query("SELECT v FROM m WHERE id = 'id%d'" % number, db="m", epoch="s"))
                    rows = answer["results"][0].get("series", [{"values": []}])[0]["values"]
                    if rows != [[at, number] for at in load.times_of(number)]:
                        differ.append((number, rows, load.times_of(number)))
                judge.check("200 series, " + attempt, not differ, str(differ[:2]))
                if attempt == "running":
                    server.kill()
                    begin = time.monotonic()
                    server = live.start_siltd(folder, group=group, patience=600)
                    print("     started in %.1f s after the kill" % (time.monotonic() - begin))
            judge.check("not killed later either", group.kills() == 0)
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for _ in range(100):
            try:
                group.remove()
                break
            except OSError:  # its process is on its way out
                time.sleep(0.1)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
