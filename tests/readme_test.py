#!/usr/bin/env python3
"""readme_test.py - the sessions in README.md and the pages of docs/ for users, each page against a fresh siltd: every command must print
what stands under it. A command followed by lines that begin with `> ` is a session in the shell: those lines are typed in a terminal
(tmux). And what files and programs of the project all pages name is there.

    tests/readme_test.py --record     writes what the shell's sessions look like now into the pages
"""
import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import live

sys.path.insert(0, os.path.join(live.ROOT, "tests", "shell"))
import terminal  # noqa: E402

PAGES = ("README.md", "docs/shell.md", "docs/getting-started.md", "docs/operations.md", "docs/migrating.md", "docs/http_api.md", "docs/access.md")
SETTINGS = {"docs/access.md": {"SILT_HTTP_AUTH_ENABLED": "true"}}

# What the server at http://old:8086 has, where a page speaks of one.
OLD_LINES = """cpu,host=web1 usage=12.5,cores=8i 1577836800000000000
cpu,host=web2 usage=71 1577836800000000000
cpu,host=web1 usage=14.25 1577923200000000000
mem,host=web1 free=1024i 1577836800000000000
mem,host=web1 free=2048i 1578355200000000000
mem,host=web2 free=512i 1578355200000000000
"""


def start_old(text):
    """An influxd for a page that needs one; None where it does not, or where there is none."""
    old = live.start_influxd() if "http://old:8086" in text else None
    if old:
        old.query("CREATE DATABASE metrics")
        old.query("CREATE SUBSCRIPTION kapacitor ON metrics.autogen DESTINATIONS ALL 'http://127.0.0.1:1'")
        old.write(OLD_LINES, db="metrics")
    return old


def commands(text):
    """(command, expected output) of every ```console block."""
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def type_session(command, script, port, env):
    """The screen after the lines of the script that begin with `> ` have been typed, or None without a tmux."""
    if shutil.which("tmux") is None:
        return None
    argv = ["/bin/sh", "-c", "cd '%s' && exec %s" % (live.ROOT, command)]
    screen = terminal.Screen(argv, env, width=100, height=200)
    try:
        seen = screen.wait("\n>") or ""
        for line in re.findall(r"^> (.*)$", script, re.M):
            before = seen
            if line == "exit": # the terminal's own words would stand below it
                seen += " exit"
                break
            screen.put(line)
            screen.wait(lambda now: now.endswith("> " + line))
            screen.keys("Enter")
            seen = screen.wait(lambda now: len(now) > len(before) and now.endswith("\n>")) or screen.text()
    finally:
        screen.close()
    return seen.rstrip().replace("localhost:%d" % port, "localhost:8086") + "\n"


def check_page(page):
    """(passed, failed, skipped)"""
    path = os.path.join(live.ROOT, page)
    with open(path, encoding="utf-8") as f:
        text = f.read()
    session = list(commands(text))
    passed = failed = skipped = 0
    old = start_old(text)
    if "http://old:8086" in text and not old:
        return 0, 0, len(session)
    programs = os.path.dirname(os.path.abspath(live.siltd_path()))
    with old or contextlib.nullcontext(), live.start_siltd(env=SETTINGS.get(page)) as server, tempfile.TemporaryDirectory(prefix="silt-readme-") as home:
        env = dict(os.environ, SILT_PORT=str(server.port), HOME=home, LANG="C.UTF-8", PATH=programs + ":" + os.environ["PATH"])
        for command, want in session:
            if re.search(r"^> ", want, re.M):
                got = type_session(command, want, server.port, dict(env, TERM="xterm"))
                if got is None:
                    skipped += 1
                    continue
                if "--record" in sys.argv:
                    text = text.replace(want, got)
                    with open(path, "w", encoding="utf-8") as f:
                        f.write(text)
            else:
                command_here = command.replace("127.0.0.1:8086", "127.0.0.1:%d" % server.port)
                if old:
                    command_here = command_here.replace("/var/lib/influxdb", old.folder)
                    command_here = command_here.replace("old:8086", "127.0.0.1:%d" % old.port)
                    command_here = command_here.replace("-host old -port 8086", "-host 127.0.0.1 -port %d" % old.port)
                run = subprocess.run(["bash", "-c", command_here],
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, env=env, cwd=live.ROOT)
                got = run.stdout.decode()
                if old:
                    got = got.replace("127.0.0.1:%d" % old.port, "old:8086")
            if got.rstrip("\n") == want.rstrip("\n"):
                passed += 1
            else:
                failed += 1
                print("%s: $ %s\n  want %s  got  %s" % (page, command, want, got))
    return passed, failed + (not session), skipped


def check_tour():
    """Each file that the README's tour of the code names is there: as it is named, or anywhere in the folder named before it."""
    with open(os.path.join(live.ROOT, "README.md"), encoding="utf-8") as f:
        tour = f.read().split("## A tour of the code", 1)[1].split("\n## ", 1)[0]
    passed, missing, folder = 0, [], "."
    for name in re.findall(r"`([\w./*]+(?:\.[chy]+|/))`", tour):
        places = [name, os.path.join(folder, name), os.path.join(folder, "*", name)]
        found = [place for place in places if glob.glob(os.path.join(live.ROOT, place))]
        if found:
            passed += 1
            folder = os.path.dirname(found[0]) or folder
        else:
            missing.append(name)
    for name in missing:
        print("README.md: the tour names %s, which is not there" % name)
    return passed, len(missing), 0


def check_programs():
    """Each file of script/, tests/ and bench/ that a page names is there, and may be run if it is a program."""
    passed, wrong = 0, []
    for path in ["README.md"] + sorted(glob.glob("docs/**/*.md", root_dir=live.ROOT, recursive=True)):
        with open(os.path.join(live.ROOT, path), encoding="utf-8") as f:
            names = re.findall(r"(?<![\w/.-])(?:script|tests|bench)/[\w./*-]*[\w*]", f.read())
        for name in sorted(set(names)):
            if re.search(r"[A-Z]{2}", name):  # tests/fuzz/corpus/TARGET.tar.gz: any of them
                continue
            found = glob.glob(os.path.join(live.ROOT, name))
            if not found or any(is_program(file) and not os.access(file, os.X_OK) for file in found):
                wrong.append("%s: %s is not there, or no program" % (path, name))
            passed += 1
    for text in wrong:
        print(text)
    return passed - len(wrong), len(wrong), 0


def is_program(path):
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as f:
        return f.read(2) == b"#!"


def main():
    counts = [check_page(page) for page in PAGES] + [check_tour(), check_programs()]
    passed, failed, skipped = (sum(part[i] for part in counts) for i in range(3))
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
