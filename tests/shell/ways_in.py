#!/usr/bin/env python3
"""ways_in.py - how silt finds its server and who it is there: flags, environment, file of credentials, scripts; and what it says when
something is wrong. The server asks for credentials."""
import contextlib
import http.server
import os
import shutil
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.parse

import common

TABLE = "name: m\ntime v\n---- -\n1    1\n"


def main():
    judge = common.Judge()
    with common.live.start_siltd() as server, tempfile.TemporaryDirectory(prefix="silt-shell-") as home:
        server.query("CREATE DATABASE d")
        server.query("CREATE DATABASE e")
        server.write("m v=1 1", db="d")
        address = ["-host", "127.0.0.1", "-port", str(server.port)]
        plain(judge, server, home, address)
    with tempfile.TemporaryDirectory(prefix="silt-shell-") as home:
        guarded(judge, home)
    with tempfile.TemporaryDirectory(prefix="silt-shell-") as home:
        odd(judge, home)
    return judge.end()


def plain(judge, server, home, address):
    env = common.environment(home)
    select = ["-execute", "select * from m"]

    def run(argv, text=None, **more):
        return common.run([common.SILT] + argv, dict(env, **more), text)

    judge.same("environment", run(select, SILT_HOST="127.0.0.1", SILT_PORT=str(server.port), SILT_DATABASE="d"), (TABLE, "", 0))
    judge.same("flags before environment", run(address + ["-database", "d"] + select, SILT_HOST="nowhere.invalid", SILT_PORT="1",
                                               SILT_DATABASE="e"), (TABLE, "", 0))
    judge.same("flags behind", run(select + ["--database=d"] + address), (TABLE, "", 0))
    judge.same("nobody there", run(["-host", "127.0.0.1", "-port", "1"] + select),
               ("", "Failed to connect to http://127.0.0.1:1: connection refused\n"
                    "Please check your connection settings and ensure 'siltd' is running.\n", 1))
    judge.same("no name", run(["-host", "nowhere.invalid"] + select)[2], 1)
    out, err, status = run(["-bogus"])
    judge.true("an unknown flag", (out, status) == ("", 2) and err == "flag provided but not defined: -bogus\nsilt -h lists flags and subcommands\n", err)
    for argv, want in ((["-host"], "flag needs an argument: -host\n"), (["-port", "x"], 'invalid value "x" for flag -port: parse error\n'),
                       (["-pretty=maybe"], 'invalid boolean value "maybe" for -pretty\n')):
        out, err, status = run(argv)
        judge.same(" ".join(argv), (err.startswith(want), status), (True, 2))
    judge.same("version", run(["-version"])[0].split(":")[0], "SiltDB shell version")
    judge.true("help", run(["-h"])[0].startswith("Usage: silt") and run(["--help"])[2] == 0)
    judge.same("what it does not know", run(["nonsense"])[2], 1)
    judge.same("format", run(address + ["-format", "xml"] + select)[2], 1)
    judge.same("flux", run(address + ["-type", "flux"] + select)[1:], ("-type flux: this shell speaks influxql only\n", 1))
    judge.same("vertical", run(address + ["-database", "d", "-format", "vertical"] + select)[0], "── m, row 1\ntime: 1\n   v: 1\n")
    judge.same("without unicode", run(address + ["-database", "d", "-format", "vertical"] + select, LANG="C")[0], "-- m, row 1\ntime: 1\n   v: 1\n")
    judge.same("line", run(address + ["-database", "d", "-format", "line"] + select)[0], "m v=1 1\n")

    # Scripts: statements, and commands where a statement could begin.
    script = "use d\ninsert n,k=a i=3i,s=\"x y\" 5\nformat line\nselect i, s\nfrom n;\nformat csv\nselect i from n"
    judge.same("a script", run(address, script), ("Using database d\nn i=3i,s=\"x y\" 5\nname,time,i\nn,5,3\n", "", 0))
    judge.same("what fails ends it", run(address + ["-database", "d"], "selec;\nuse e\n")[2], 1)
    judge.same("exit ends it", run(address, "use d\nexit\nuse e\n")[0], "Using database d\n")
    judge.same("connect", run(["-host", "127.0.0.1", "-port", str(server.port), "-execute", "connect 127.0.0.1:1"])[1:],
               ("Failed to connect to http://127.0.0.1:1: connection refused\n", 1))
    judge.same("a chart in a script", run(address + ["-database", "d", "-execute", "chart select v from m"])[0].split("\n")[-2],
               "── m v  min 1  max 1  last 1")
    for words in (["export", "d"], ["-database", "d"] + select):
        with open("/dev/full", "w") as full:
            done = subprocess.run([common.SILT] + address + words, env=env, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE)
        judge.true("a full disk", done.returncode == 1 and b"No space left on device" in done.stderr, done)


class Answers(http.server.BaseHTTPRequestHandler):
    """A server of another kind: by the database that is asked for."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(204)
        self.send_header("X-Influxdb-Version", "x")
        self.end_headers()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        database = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query).get("db", [""])[0]
        status, body, length = {
            "html": (502, "<html>Bad Gateway</html>", None),
            "empty": (500, "", None),
            "cut": (200, '{"results":[{"series":[{"name":"m","columns":["time","v"],"values":[[1,1],[2,', 1000),
        }.get(database, (200, '{"results":[{"series":[{"name":"m","columns":["time","v"],"values":[[1,1]]}]}]}', None))
        self.send_response(status)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
        self.close_connection = True

    def address_string(self):
        return "-"

    def log_message(self, *unused):
        pass


class UnixServer(socketserver.UnixStreamServer):
    def get_request(self):
        request, _ = super().get_request()
        return request, ("local", 0)


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def odd(judge, home):
    env = common.environment(home)
    select = ["-execute", "select * from m"]
    path = os.path.join(home, "s.sock")
    with serving(UnixServer(path, Answers)):
        judge.same("a Unix socket", common.run([common.SILT, "-socket", path] + select, env), (TABLE, "", 0))
    with serving(http.server.HTTPServer(("127.0.0.1", 0), Answers)) as server:
        argv = [common.SILT, "-host", "127.0.0.1", "-port", str(server.server_port)]
        judge.same("what is no JSON", common.run(argv + ["-database", "html"] + select, env),
                   ("ERR: <html>Bad Gateway</html>\n", "<html>Bad Gateway</html>\n", 1))
        judge.same("a bare status", common.run(argv + ["-database", "empty"] + select, env)[1:], ("received status code 500 from server\n", 1))
        out, err, status = common.run(argv + ["-database", "cut"] + select, env)
        judge.true("an answer cut short", out.startswith(TABLE + "ERR: ") and status == 1, (out, err, status))
        judge.same("by way of a proxy", common.run([common.SILT, "-host", "far.invalid"] + select,
                                                   dict(env, http_proxy="http://127.0.0.1:%d" % server.server_port)), (TABLE, "", 0))
    if shutil.which("openssl") is None:
        judge.skipped += 2
        return
    key, certificate = os.path.join(home, "key"), os.path.join(home, "certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "1", "-subj",
                    "/CN=localhost"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class TlsServer(http.server.ThreadingHTTPServer):
        def finish_request(self, request, address):
            try:
                super().finish_request(context.wrap_socket(request, server_side=True), address)
            except OSError: # the client does not trust it
                pass

    with serving(TlsServer(("127.0.0.1", 0), Answers)) as server:
        argv = [common.SILT, "-host", "127.0.0.1", "-port", str(server.server_port), "-ssl"]
        out, err, status = common.run(argv + select, env)
        judge.true("a certificate that nobody vouches for", status == 1 and "Failed to connect to https://127.0.0.1:" in err and "certificate" in err,
                   (out, err))
        judge.same("taken all the same", common.run(argv + ["-unsafeSsl"] + select, env), (TABLE, "", 0))


def guarded(judge, home):
    os.mkdir(os.path.join(home, "data"))
    with common.live.start_siltd(os.path.join(home, "data"), env={"SILT_HTTP_AUTH_ENABLED": "true"}) as server:
        server.query("CREATE USER ann WITH PASSWORD 'it''s' WITH ALL PRIVILEGES".replace("it''s", "secret word"))
        env = common.environment(home)
        argv = [common.SILT, "-host", "127.0.0.1", "-port", str(server.port)]
        show = ["-execute", "show databases", "-format", "csv"]
        want = ("name,name\ndatabases,_internal\n", "", 0)

        def run(words, **more):
            return common.run(argv + words, dict(env, **more))

        create = run(["-execute", "create database d", "-username", "ann", "-password", "secret word"])
        judge.same("with flags", create, ("", "", 0))
        want = run(show + ["-username", "ann", "-password", "secret word"])
        judge.true("databases", want[2] == 0 and "databases,d\n" in want[0], want)
        judge.same("nobody", run(show)[1:], ("unable to parse authentication credentials\n", 1))
        judge.same("wrong", run(show + ["-username", "ann", "-password", "x"])[1:], ("authorization failed\n", 1))
        judge.same("INFLUX_", run(show, INFLUX_USERNAME="ann", INFLUX_PASSWORD="secret word"), want)
        judge.same("SILT_", run(show, SILT_USERNAME="ann", SILT_PASSWORD="secret word", INFLUX_USERNAME="bob"), want)
        judge.same("a password is asked of people only", run(show + ["-username", "ann", "-password", ""])[1:],
                   ("unable to prompt for a password with no TTY\n", 1))
        path = os.path.join(home, ".silt_credentials")
        with open(path, "w") as f:
            f.write("# mine\nusername = ann\npassword = secret word\n")
        os.chmod(path, 0o640)
        judge.same("a file that others can read", run(show)[1:], ("%s can be read by others; run: chmod 600 %s\n" % (path, path), 1))
        os.chmod(path, 0o600)
        judge.same("a file", run(show), want)
        judge.same("a flag before the file", run(show + ["-username", "bob"])[2], 1)
        os.rename(path, path + ".2")
        judge.same("a file of another name", run(show, SILT_CREDENTIALS=path + ".2"), want)
        judge.same("which has to be there", run(show + ["-credentials", path])[2], 1)
        with open(path + ".2", "w") as f:
            f.write("user = ann\n")
        judge.same("and right", run(show + ["-credentials", path + ".2"])[1:], ("%s.2: unknown name \"user\"\n" % path, 1))
        lines = os.path.join(home, "lines")
        with open(lines, "w") as f:
            f.write("m v=1 1\n")
        imported = run(["-database", "d", "import", lines])
        judge.true("an import without them says so", imported[2] == 1 and "stopped: status 401: unable to parse authentication" in imported[1],
                   imported)
        judge.same("and with them", run(["-database", "d", "-username", "ann", "-password", "secret word", "import", lines])[2], 0)


if __name__ == "__main__":
    sys.exit(main())
