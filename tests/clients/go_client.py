"""go_client.py - Debian's golang-github-influxdata-influxdb1-client-dev: go/main.go, built by Debian's Go without modules."""
import os
import shutil

import common
import live

NAME = "Go influxdb1-client"
LIBRARY = "golang-github-influxdata-influxdb1-client-dev"
SEEN = {"query": '71', "parse error": "found SELEC"}
GO = ("golang-1.19-go", "golang-1.19-src")


def go_root():
    """The tools are in one package, with links to the sources in the other: both go into one folder."""
    home = common.unpack(*GO)
    return home and os.path.join(home, "usr", "lib", "go-1.19")


def unavailable():
    if common.unpack(LIBRARY) is None:
        return "the package %s cannot be had" % LIBRARY
    return None if shutil.which("go") or go_root() else "Go cannot be had"


def steps(server, folder):
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "go", "main.go")
    program = os.path.join(live.ROOT, "build", "go-client")
    env = dict(os.environ, HOME=folder, GOPATH=os.path.join(common.unpack(LIBRARY), "usr", "share", "gocode"), GO111MODULE="off",
               CGO_ENABLED="0", GOCACHE=os.path.join(live.ROOT, "build", "go-cache"), GOFLAGS="")
    go = shutil.which("go")
    if go is None:
        env["GOROOT"] = go_root()
        go = os.path.join(env["GOROOT"], "bin", "go")
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        common.run([go, "build", "-o", program, source], env=env, timeout=600)
    if not os.path.exists(program):
        raise RuntimeError(common.run([go, "build", "-o", program, source], env=env, timeout=600))
    yield from common.program_steps([program, "http://127.0.0.1:%d" % server.port], env=env, cwd=folder)
