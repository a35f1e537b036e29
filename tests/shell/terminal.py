#!/usr/bin/env python3
"""terminal.py - silt as its user has it: in a terminal (tmux, a server of its own), typing, completing, cancelling, paging, resizing."""
import fcntl
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time

import common

SECONDS = 30  # until a screen has to be as expected; only a failure takes that long


class Screen:
    """A program in a tmux window."""

    def __init__(self, argv, env, width=100, height=30):
        self.name = "silt-test-%d-%d" % (os.getpid(), time.monotonic_ns())
        self.status = tempfile.NamedTemporaryFile(prefix="silt-status-")
        # tmux forgets an exit status now and then: so it goes to a file.
        keep_status = 'trap : INT QUIT; "$@"; echo $? >' + self.status.name
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
                  "env", "-i", *["%s=%s" % item for item in env.items()], "/bin/sh", "-c", keep_status, "sh", *argv)
        self.tmux("set-option", "-g", "remain-on-exit", "on")

    def tmux(self, *words):
        return subprocess.run(["tmux", "-L", self.name, "-u", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=dict(os.environ, LANG="C.UTF-8", TERM="xterm"), timeout=30).stdout.decode()

    def resize(self, width):
        """Until the program's terminal has the size: tmux takes its time."""
        self.tmux("resize-window", "-x", str(width), "-y", "30")
        tty = self.tmux("display-message", "-p", "#{pane_tty}").strip()

        def now():
            with open(tty, "rb", buffering=0) as f:
                return struct.unpack("HHHH", fcntl.ioctl(f, termios.TIOCGWINSZ, bytes(8)))[1]
        deadline = time.monotonic() + SECONDS
        while now() != width and time.monotonic() < deadline:
            time.sleep(0.02)

    def text(self):
        return "\n".join(line.rstrip() for line in self.tmux("capture-pane", "-p").rstrip("\n").split("\n")).rstrip("\n")

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def ended(self):
        """The exit status once the program has ended, or None."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with open(self.status.name, encoding="ascii") as status:
                text = status.read()
            if text.endswith("\n"):
                return int(text)
            time.sleep(0.03)
        return None

    def key(self, key):
        """A key that moves the cursor, as a person waits for it."""
        where = ("display-message", "-p", "#{cursor_x} #{cursor_y}")
        before = self.tmux(*where)
        self.keys(key)
        self.wait(lambda seen: self.tmux(*where) != before)

    def put(self, text):
        self.tmux("send-keys", "-l", text)

    def wait(self, condition):
        """The screen once it fulfils the condition (a text at its end, or a function), or None."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            seen = self.text()
            if condition(seen) if callable(condition) else seen.endswith(condition):
                return seen
            time.sleep(0.03)
        return None

    def command(self, text):
        """Types a line at an empty screen and gives what the screen shows under it, up to the next prompt."""
        self.keys("C-l")
        self.wait(lambda seen: seen.strip() == ">")
        self.put(text)
        self.wait(lambda seen: text[-20:] in seen)
        self.keys("Enter")
        seen = self.wait(lambda seen: seen.endswith("\n>"))
        if seen is None:
            return "no prompt came back:\n" + self.text()
        return seen.split("\n", 1)[1].rsplit("\n", 1)[0] if seen.count("\n") > 1 else ""

    def close(self):
        self.tmux("kill-server")


def completion(judge, screen):
    def tab(typed, want, tabs=1):
        screen.keys("C-u")
        screen.keys("C-l")
        screen.wait(lambda seen: seen.strip() == ">")
        screen.put(typed)
        screen.wait(lambda seen: seen.endswith(typed.rstrip()))
        for _ in range(tabs):
            screen.keys("Tab")
        found = screen.wait((lambda seen: want.rstrip() in seen) if tabs > 1 else lambda seen: seen.endswith("> " + want.rstrip()))
        judge.true("completion of %r gives %r" % (typed, want), found is not None, screen.text())

    tab("sel", "select ")
    tab("SEL", "SELECT ")
    tab("show ret", "show retention ")
    tab("show retention pol", "show retention policies ")
    tab("use _", "use _internal ")
    tab("use d.w", "use d.week ")
    tab("select * from te", "select * from texts ")
    tab("select * from na", 'select * from "na,me x" ')
    tab("select mea", "select mean(")
    tab("select mean(usa", "select mean(usage ")
    tab("select * from cpu where ho", "select * from cpu where host ")
    tab("select * from cpu where host = '", "select * from cpu where host = 'web")
    tab("select * from cpu where host = 'web3", "select * from cpu where host = 'web3' ")
    tab("select * from cpu where host = ", "'web1'", tabs=2)
    tab("select * from cpu group by h", "select * from cpu group by host ")
    tab("show tag values from cpu with key = h", "show tag values from cpu with key = host ")
    tab("drop database ", "_internal  d", tabs=2)
    tab("format v", "format vertical ")
    tab("select * from cpu gr", "select * from cpu group ")
    tab("insert into w", "insert into week ")
    # Fields of the measurement that comes behind the cursor.
    screen.keys("C-u")
    screen.put("select o from wide")
    for _ in range(len(" from wide")):
        screen.keys("Left")
    screen.keys("Tab")
    judge.true("completion before FROM", screen.wait("> select one  from wide"), screen.text())
    screen.keys("C-u")


def cancel(judge, screen, server):
    def queries():
        answer = json.loads(server.query("SHOW QUERIES"))
        rows = answer["results"][0].get("series", [{"values": []}])[0]["values"]
        return [row for row in rows if "group by" in row[1].lower()]

    screen.put("select max(m) from (select mean(v) as m from many where time >= 0 and time < 1577836801s group by time(1u) fill(0))")
    screen.keys("Enter")
    deadline = time.monotonic() + SECONDS
    while not queries() and time.monotonic() < deadline:
        time.sleep(0.02)
    judge.true("the query runs on the server", queries())
    judge.true("a progress line", screen.wait(lambda seen: re.search(r"\d s, Ctrl-C cancels", seen)), screen.text())
    screen.keys("C-c")
    judge.true("Ctrl-C ends it in the shell", screen.wait("ERR: aborted by user\n>"), screen.text())
    deadline = time.monotonic() + SECONDS
    while queries() and time.monotonic() < deadline:
        time.sleep(0.02)
    judge.same("queries left on the server", queries(), [])
    judge.same("the session goes on", screen.command("select count(v) from many"), COUNT)


COUNT = """name: many
time  count
────  ─────
   0   2500"""


def main():
    judge = common.Judge()
    if shutil.which("tmux") is None:
        print("no tmux")
        judge.skipped = 1
        return judge.end()
    with common.live.start_siltd() as server, tempfile.TemporaryDirectory(prefix="silt-shell-") as home:
        common.load(server)
        with open(os.path.join(home, ".siltrc"), "w") as f:
            f.write("# how I like it\nuse d\n")
        env = common.environment(home, SILT_HOST="127.0.0.1", SILT_PORT=str(server.port), SILT_PAGER="more")
        screen = Screen([common.SILT], env)
        try:
            session(judge, screen, server)
            if os.environ.get("SILT_LOOK"):
                print(screen.text())
            screen.put("exit")
            screen.keys("Enter")
            judge.same("exit", screen.ended(), 0)
        finally:
            screen.close()
        with open(os.path.join(home, ".silt_history")) as f:
            kept = f.read()
        judge.true("history", "select usage, note from cpu\n" in kept and "secret" not in kept, kept)
        judge.same("its mode", oct(os.stat(os.path.join(home, ".silt_history")).st_mode & 0o777), "0o600")
        screen = Screen([common.SILT], env)
        try:
            screen.wait("Using database d\n>")
            screen.keys("C-d")
            judge.same("Ctrl-D", screen.ended(), 0)
        finally:
            screen.close()
        screen = Screen([common.SILT], env)
        try:
            screen.wait("Using database d\n>")
            screen.keys("Up", "Up")
            judge.true("history of the session before", screen.wait(lambda seen: len(seen.split("> ")[-1]) > 5), screen.text())
        finally:
            screen.close()
        progress(judge, server, home, env)
    return judge.end()


def progress(judge, server, home, env):
    path = os.path.join(home, "many.txt")
    with open(path, "w") as f:
        f.writelines("m,k=%d v=%d %d\n" % (i % 10, i, i) for i in range(200000))
    screen = Screen([common.SILT, "-database", "d", "-pps", "50000", "import", path], env)
    try:
        judge.true("a progress bar", screen.wait(lambda seen: re.search(r"\[#+-+\] +[0-9]+%  [0-9,]+ lines  [0-9,]+/s  [0-9]+ s left", seen)),
                   screen.text())
        screen.keys("C-c")
        judge.true("that ends with Ctrl-C", screen.wait(lambda seen: "To go on: silt import" in seen and "#" not in seen), screen.text())
    finally:
        screen.close()


def session(judge, screen, server):
    seen = screen.wait("Using database d\n>")
    judge.true("greeting", seen and seen.startswith("Connected to http://127.0.0.1:%d version " % server.port) and
               "SiltDB shell version: " in seen, screen.text())
    judge.same("a table", screen.command("select usage, note from cpu"), """name: cpu
               time      usage  note
───────────────────  ─────────  ────────────────
1577836800000000000  71         two words
1577836800000000000  12.5
1577836810000000000   0.000001
1577836810000000000  14.25
1577836820000000000   1e+21     a "quoted", text""")
    judge.same("two lines", (screen.keys("C-l"), screen.put("select count(v),"), screen.keys("Enter"),
                             screen.wait("\n..."), screen.put("sum(v) from many"), screen.keys("Enter"),
                             (screen.wait("\n>") or "").split("\n", 2)[-1].rsplit("\n", 1)[0])[-1], """name: many
time  count      sum
────  ─────  ───────
   0   2500  3123750""")
    screen.put("select (")
    screen.keys("Enter")
    screen.wait("\n...")
    screen.keys("C-c")
    judge.true("Ctrl-C gives up what is typed", screen.wait("^C\n>"), screen.text())
    judge.same("vertical", (screen.command("format vertical"), screen.command("select usage from cpu limit 1"),
                            screen.command("format table"))[1], "── cpu, row 1\n time: 1577836800000000000\nusage: 71")
    judge.true("an error", screen.command("selec").startswith("ERR: error parsing query: found selec, expected SELECT"))
    judge.true("timing", re.fullmatch(r"name: cpu(\n.*){3}\n1 row in [0-9.]+ ms", (screen.command("timing"),
               screen.command("select usage from cpu limit 1"), screen.command("timing"))[1]))
    judge.same("describe a measurement", screen.command("describe cpu"), """measurement cpu in d: 3 series
2020-01-01T00:00:00Z to 2020-01-01T00:00:20Z

column  kind   type     values
──────  ─────  ───────  ───────────────────
dc      tag    string   1: a b
host    tag    string   3: web1, web2, web3
cores   field  integer
note    field  string
up      field  boolean
usage   field  float""")
    seen = screen.command("describe")
    judge.true("describe a database", seen.startswith("database d: 6 measurements\n\npolicy ") and
               re.search(r"\nmany +1 +1 +3\n", seen), seen)
    judge.same("describe what is not", screen.command("describe nosuch"), "ERR: there is no database and no measurement nosuch")
    screen.command("insert load,host=a v=1 1577836800000000000")
    screen.command("insert load,host=a v=5 1577836860000000000")
    seen = screen.command("chart select v from load")
    judge.true("a chart", re.search(r"^ *5(\.0)? ┤ *[\u2801-\u28ff]+$", seen, re.M) and "00:00:30" in seen and
               "── load v  min 1  max 5  last 5" in seen, seen)
    screen.command("drop measurement load")
    completion(judge, screen)
    cancel(judge, screen, server)

    # A pager for what is longer than the screen; leaving it leaves the query.
    screen.keys("C-l")
    screen.put("select v from many")
    screen.keys("Enter")
    judge.true("the pager has it", screen.wait(lambda seen: "--More--" in seen), screen.text())
    screen.keys("Space")
    judge.true("it goes on", screen.wait(lambda seen: "--More--" in seen and "name: many" not in seen), screen.text())
    screen.keys("q")
    judge.true("leaving the pager", screen.wait("\n>"), screen.text())
    judge.same("no pager", (screen.command("pager off"), screen.command("select v from many limit 40"), screen.command("pager on"))[1]
               .count("\n"), 27)

    # A narrower terminal gets narrower tables.
    screen.resize(60)
    judge.true("resize", (screen.command("select s from texts") or "") and
               all(len(line) <= 60 for line in screen.command("select * from wide").split("\n")), screen.text())
    screen.resize(20)
    seen = screen.command("select * from wide")
    judge.true("too narrow for a table", "row 1\n" in seen, seen)
    screen.resize(100)

    # Letters of every kind, and a line that wraps.
    judge.same("letters", screen.command("select s from texts where k = 'f' and s =~ /ümläut 日本/").split("\n")[-1].split("  ")[-1],
               "ümläut 日本 <b>&")
    screen.keys("C-l")
    screen.wait(lambda seen: seen.strip() == ">")
    screen.put("select s from texts where k = '日本f'")
    screen.wait("'日本f'")
    for key in ("Left", "Left", "BSpace", "BSpace"):
        screen.key(key)
    screen.keys("Enter")
    judge.true("erasing wide letters", screen.wait(lambda seen: "ümläut 日本 <b>&\n" in seen and seen.endswith("\n>")), screen.text())
    # Without ">": the screen ends with it only once there is an answer.
    long = "select count(v) from many where " + " and ".join("v < %d" % (90000 + i) for i in range(1, 40))
    judge.same("a long line", screen.command(long).split("\n")[-1].split(), ["0", "2500"])

    # Credentials typed are neither shown nor kept.
    screen.keys("C-l")
    screen.put("auth")
    screen.keys("Enter")
    screen.wait("username:")
    screen.put("ann")
    screen.keys("Enter")
    screen.wait("password:")
    screen.put("secret1")
    screen.keys("Enter")
    seen = screen.wait("\n>")
    judge.true("a password is not shown", seen and "ann" in seen and "secret1" not in seen, screen.text())
    judge.true("nor kept", "ERR" not in screen.command("create user bob with password 'secret2'"))
    screen.command("pager off")
    judge.true("history", "create user bob with password [REDACTED]" in screen.command("history"), screen.text())
    judge.true("settings", "Username" in screen.command("settings") and "ann" in screen.text(), screen.text())


if __name__ == "__main__":
    sys.exit(main())
