"""guarded.py - the replayed requests once more, to servers that ask for a user and speak TLS: what a client sees is what it sees otherwise;
and then as users of few rights.

Requests that bring no credentials of their own get a Basic header, as a client that is told a user sends it.
"""
import shutil
import tempfile

import common  # noqa: F401
import live
import replay

NAME = "replayed requests, with users and TLS"
SEEN = dict(replay.SEEN, **{"without credentials": "unable to parse authentication credentials",
                            "telegraf: writes, by writer": "204", "telegraf: create database, by writer": "403",
                            "grafana: panel, by reader": "1577836800000", "grafana: panel, by a wrong password": "401"})
CREDENTIALS = {"Authorization": "Basic dTpw"}  # u and p, as some of the replayed requests have them


class Guarded:
    """Users that the requests name, made in front of the others; and a certificate that goes with the server."""

    def __init__(self, start):
        self.folder = tempfile.mkdtemp(prefix="silt-guarded-")
        self.server = start(*live.make_certificate(self.folder, "server"))
        if self.server is None:
            shutil.rmtree(self.folder)

    def __enter__(self):
        server = self.server.__enter__()
        for q in ("CREATE USER u WITH PASSWORD 'p' WITH ALL PRIVILEGES", "CREATE USER root WITH PASSWORD 'root' WITH ALL PRIVILEGES",
                  'CREATE DATABASE "_internal" WITH DURATION 7d REPLICATION 1 SHARD DURATION 1d NAME monitor'):
            answer = server.request("POST", "/query", {"q": q}, headers=CREDENTIALS)
            assert b"error" not in answer.body, answer.body
        return server

    def __exit__(self, *why):
        self.server.__exit__(*why)
        self.process = self.server.process
        shutil.rmtree(self.folder)


def start_siltd():
    return Guarded(lambda certificate, key: live.start_siltd(trusted=certificate, env={
        "SILT_HTTP_AUTH_ENABLED": "true", "SILT_HTTP_HTTPS_ENABLED": "true", "SILT_HTTP_HTTPS_CERTIFICATE": certificate,
        "SILT_HTTP_HTTPS_PRIVATE_KEY": key}))


def start_influxd():
    guarded = Guarded(lambda certificate, key: live.start_influxd(trusted=certificate, settings="""  auth-enabled = true
  https-enabled = true
  https-certificate = "%s"
  https-private-key = "%s"
""" % (certificate, key)))
    return guarded if guarded.server else None


def unavailable():
    return None if shutil.which("openssl") else "no openssl to make a certificate with"


def of_few_rights(server):
    """Each client as a user who may do what it is for and no more; then as one who may not, or is nobody."""
    admin = replay.Wire(server, CREDENTIALS)
    for q in ("CREATE USER reader WITH PASSWORD 'r'", "CREATE USER writer WITH PASSWORD 'w'", "CREATE USER nobody WITH PASSWORD 'n'",
              "GRANT READ ON telegraf TO reader", "GRANT WRITE ON telegraf TO writer", "GRANT ALL ON aio TO writer"):
        admin.form("/query", q=q)
    names = {"reader": "cmVhZGVyOnI=", "writer": "d3JpdGVyOnc=", "nobody": "bm9ib2R5Om4=", "a wrong password": "cmVhZGVyOng="}
    panel = 'SELECT mean("usage_idle") FROM "cpu" WHERE time >= 1577836800000ms and time <= 1577840400000ms GROUP BY time(10m) fill(null)'
    editor = ("SHOW measurements", "SHOW MEASUREMENTS LIMIT 1", 'SHOW RETENTION POLICIES on "telegraf"', 'SHOW FIELD KEYS FROM "cpu"',
              'SHOW TAG VALUES FROM "cpu" WITH KEY = "host"', "SHOW DATABASES")
    point = b"cpu,host=web9 n=1i 1577836800000000000\n"
    for name, key in names.items():
        wire = replay.Wire(server, {"Authorization": "Basic " + key})
        yield "telegraf: create database, by " + name, wire.form("/query", {"User-Agent": replay.TELEGRAF["User-Agent"]}, q='CREATE DATABASE "telegraf"')
        yield "telegraf: writes, by " + name, wire.post("/write", replay.TELEGRAF, point, pieces=4096, db="telegraf")
        yield "telegraf: writes where there is nothing, by " + name, wire.post("/write", replay.TELEGRAF, point, db="gone")
        yield "grafana: panel, by " + name, wire.get("/query", replay.GRAFANA, db="telegraf", epoch="ms", q=panel)
        yield "grafana: alerting, by " + name, wire.form("/query", replay.GRAFANA, "?db=telegraf&epoch=s", q=panel)
        for q in editor:
            yield "grafana: %s, by %s" % (q, name), wire.get("/query", replay.GRAFANA, db="telegraf", epoch="ms", q=q)
        yield "node-red: out, by " + name, wire.send("POST", "/write?precision=n&rp=&db=aio", {"User-Agent": "superagent/3.8.3"}, b"red n=4 1")
        yield "node-red: in, by " + name, wire.get("/query", {"User-Agent": "superagent/3.8.3"}, db="aio", epoch="", q="select n from red; show measurements", rp="", params="{}")
        yield "node-red: drops, by " + name, wire.form("/query", {"User-Agent": "superagent/3.8.3"}, q='drop measurement "red"', db="telegraf")


def steps(server, folder):
    yield "without credentials", replay.Wire(server).get("/query", db="telegraf", q="SHOW MEASUREMENTS")
    known = {}
    for name, seen in replay.steps(server, folder, CREDENTIALS):
        known[name] = seen
        # InfluxDB 1.8 knows that header, 1.6 does not: its answer would be that to the same user otherwise.
        if name == "grafana: panel, Token header" and server.process.args[0].endswith("influxd"):
            seen = known["grafana: panel, GET"]
        yield name, seen
    yield from of_few_rights(server)
