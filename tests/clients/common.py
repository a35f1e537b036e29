"""common.py - what the tests with real clients share.

A client's module has NAME, unavailable() (None, or why it cannot be had), and steps(server, folder), which yields (name, text): what a
user of that client sees. SEEN maps a step's name to words that must be in siltd's text; the whole of it must be what the same client
shows with a real influxd, where that can be had.

Packages are unpacked from Debian's archive into build/peers/, nothing is installed.
"""
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import live  # noqa: E402


def unpack(*packages):
    """The folder, named after the first, with the files of these Debian packages; None where they cannot be had."""
    home = os.path.join(live.PEERS, packages[0])
    done = os.path.join(home, "usr")
    if os.path.isdir(done):
        return home
    os.makedirs(home, exist_ok=True)
    if subprocess.run(["apt-get", "download", *packages], cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        return None
    for name in os.listdir(home):
        if name.endswith(".deb"):
            subprocess.run(["dpkg", "-x", name, "."], cwd=home, check=True)
            os.unlink(os.path.join(home, name))
    return home if os.path.isdir(done) else None


def run(argv, env=None, text=None, cwd=None, timeout=120):
    """What a program prints, both streams, and its status when not 0."""
    done = subprocess.run(argv, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=cwd, timeout=timeout,
                          encoding="utf-8", errors="surrogateescape", **({} if text is not None else {"stdin": subprocess.DEVNULL}))
    return done.stdout + ("(status %d)\n" % done.returncode if done.returncode else "")


def python_path(packages):
    """(PYTHONPATH for Debian's Python with these packages, why they cannot be had or None)"""
    if not os.path.exists("/usr/bin/python3"):
        return "", "no Debian Python"
    homes = [unpack(name) for name in packages]
    missing = [name for name, home in zip(packages, homes) if home is None]
    if missing:
        return "", "cannot be had: " + ", ".join(missing)
    return ":".join(os.path.join(home, "usr", "lib", "python3", "dist-packages") for home in homes), None


def python_steps(work, packages, server, folder):
    """Steps of a program of this folder's python/, run by Debian's Python, which the compiled packages are made for."""
    env = dict(os.environ, PYTHONPATH=python_path(packages)[0], HOME=folder, PYTHONDONTWRITEBYTECODE="1", NO_PROXY="*")
    work = os.path.join(os.path.dirname(os.path.abspath(__file__)), "python", work)
    yield from program_steps(["/usr/bin/python3", work, str(server.port)], env=env, cwd=folder)


def same_for_all(text, server):
    """Without what must differ between two servers: ports, versions, the moment."""
    text = text.replace("127.0.0.1:%d" % server.port, "HOST:PORT").replace("localhost:%d" % server.port, "HOST:PORT")
    text = re.sub(r"(?i)(version:? )[\w.~+-]+", r"\1V", text)
    return text


def program_steps(argv, env=None, cwd=None):
    """Steps of a program that prints a JSON object a line: {"step": name, "seen": anything}. Its end is a step, too."""
    output = run(argv, env=env, cwd=cwd)
    rest = []
    for line in output.splitlines():
        try:
            step = json.loads(line)
            yield step["step"], json.dumps(step["seen"], indent=1, sort_keys=True)
        except (ValueError, KeyError, TypeError):
            rest.append(line)
    yield "the end", "\n".join(rest)
