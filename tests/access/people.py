"""people.py - users, their credentials in every form, and servers that ask for them; for the tests of access."""
import base64
import hashlib
import hmac
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE)]
import live  # noqa: E402

SECRET = "a shared secret"
DATABASES = ("db0", "db1")
# name: what it may do on db0; on db1 nobody but the admin may do anything
USERS = {"nobody": None, "reader": "READ", "writer": "WRITE", "both": "ALL", "root": "admin"}


def password(name):
    return "pw-%s:\u00e4+&%%" % name


def basic(user, secret):
    return "Basic " + base64.b64encode(("%s:%s" % (user, secret)).encode()).decode()


def _b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def web_token(claims, secret=SECRET, alg="HS256", header=None):
    """claims: a dictionary, or the bytes themselves."""
    head = _b64url(json.dumps(header or {"alg": alg, "typ": "JWT"}).encode())
    body = _b64url(claims if isinstance(claims, bytes) else json.dumps(claims).encode())
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(alg)
    signature = _b64url(hmac.new(secret.encode(), (head + "." + body).encode(), digest).digest()) if digest else ""
    return "%s.%s.%s" % (head, body, signature)


def bearer(user, secret=SECRET):
    return "Bearer " + web_token({"username": user, "exp": int(time.time()) + 600}, secret)


def credentials(kind, user, right=True):
    """(parameters, headers) of a request by this user; the password is the user's own unless `right` is false."""
    secret = password(user) if right else "wrong"
    if kind == "u/p":
        return {"u": user, "p": secret}, {}
    if kind == "Basic":
        return {}, {"Authorization": basic(user, secret)}
    if kind == "Token":  # InfluxDB 1.8; a blank would end it
        return {}, {"Authorization": ("Token %s:%s" % (user, secret)).encode()}
    return {}, {"Authorization": bearer(user, SECRET if right else "another secret")}


def settings(delay="0s", **more):
    return dict({"SILT_HTTP_AUTH_ENABLED": "true", "SILT_HTTP_SHARED_SECRET": SECRET,
                 "SILT_HTTP_FAILED_LOGIN_DELAY": delay}, **more)


def start_siltd(folder=None, **more):
    return live.start_siltd(folder, env=settings(**more))


def start_influxd():
    return live.start_influxd(settings='  auth-enabled = true\n  shared-secret = "%s"\n' % SECRET)


def tidy(server, name_of=password):
    """Away with what the matrix leaves behind where somebody may make a thing but not remove it."""
    server.request("POST", "/query", {"q": "; ".join(["DROP CONTINUOUS QUERY c ON db0", "DROP CONTINUOUS QUERY c2 ON db0",
                                                      "DROP CONTINUOUS QUERY c3 ON db1"])},
                   headers={"Authorization": basic("root", name_of("root"))})


def populate(server, name_of=password):
    """Databases with a few points, and the users. Both servers get the same."""
    def ask(q, **params):
        answer = server.request("POST", "/query", dict(params, q=q),
                                headers={"Authorization": basic("root", name_of("root"))})
        assert answer.status == 200 and b"error" not in answer.body, (q, answer.status, answer.body)
    first = server.request("POST", "/query", {"q": "CREATE USER root WITH PASSWORD '%s' WITH ALL PRIVILEGES"
                                                   % name_of("root")})
    assert first.status == 200 and b"error" not in first.body, first.body
    for name, grant in USERS.items():
        if name != "root":
            ask("CREATE USER %s WITH PASSWORD '%s'" % (name, name_of(name)))
    ask("CREATE DATABASE _internal WITH DURATION 7d REPLICATION 1 SHARD DURATION 1d NAME monitor")
    for database in DATABASES:
        ask("CREATE DATABASE " + database)
        answer = server.request("POST", "/write", {"db": database}, body=b"m,t=a v=1 1000000000\nm,t=b v=2 2000000000\n",
                                headers={"Authorization": basic("root", name_of("root"))})
        assert answer.status == 204, answer.body
    for target in ("db0..copy", "db1..copy"):  # what statements of the matrix make
        ask("SELECT v INTO %s FROM m" % target, db="db0")
    for database in DATABASES:
        server.request("POST", "/write", {"db": database}, body=b"w v=1 1",
                       headers={"Authorization": basic("root", name_of("root"))})
    for name, grant in USERS.items():
        if grant in ("READ", "WRITE", "ALL"):
            ask("GRANT %s ON db0 TO %s" % (grant, name))
