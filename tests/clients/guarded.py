"""guarded.py - the replayed requests once more, to servers that ask for a user and speak TLS: what a client sees is what it sees otherwise.

Requests that bring no credentials of their own get a Basic header, as a client that is told a user sends it.
"""
import shutil
import tempfile

import common  # noqa: F401
import live
import replay

NAME = "replayed requests, with users and TLS"
SEEN = dict(replay.SEEN, **{"without credentials": "unable to parse authentication credentials"})
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


def steps(server, folder):
    yield "without credentials", replay.Wire(server).get("/query", db="telegraf", q="SHOW MEASUREMENTS")
    known = {}
    for name, seen in replay.steps(server, folder, CREDENTIALS):
        known[name] = seen
        # InfluxDB 1.8 knows that header, 1.6 does not: its answer would be that to the same user otherwise.
        if name == "grafana: panel, Token header" and server.process.args[0].endswith("influxd"):
            seen = known["grafana: panel, GET"]
        yield name, seen
