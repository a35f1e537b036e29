"""Everything around /query and /write - methods, paths, parameters, bodies, headers - against a real influxd.

Each request is sent as raw bytes to both servers; status line, headers and body must be equal, but for what names the
server, the moment or a random id, and for the order in an Allow header, which InfluxDB makes anew each time.
"""
import gzip
import itertools
import re
import unittest

import live
import wire

METHODS = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "FOO"]
PATHS = ["/", "/query", "/write", "/ping", "/nope", "/query/", "/write/", "/ping/", "//query", "/QUERY", "/query/x",
         "/api/v3/write", "/favicon.ico", "/que%72y?q=SHOW+DATABASES", "/./query", "/x/../query", "/query?", "/query?q",
         "/query?q=", "/query#x", "/ping?wait_for_leader=1s", "/ping?verbose=false", "/ping?verbose"]
QUERY_STRINGS = ["q=SHOW+DATABASES", "q=SHOW+DATABASES&pretty=true", "q=bad&pretty=true", "pretty=true",
                 "q=SELECT+v+FROM+n&db=d&pretty=true&chunked=true", "q=SELECT+v+FROM+n&db=nope", "q=SELECT+v+FROM+n",
                 "q=SELECT+v+FROM+n&db=d&rp=nope", "q=SELECT+v+FROM+n&db=d&epoch=x", "q=SELECT+v+FROM+n&db=d&params=1",
                 "q=SELECT+v+FROM+n&db=d&params=%7B%22a%22:1%7D",
                 "q=SELECT+v+FROM+n+WHERE+v=$a&db=d&params=%7B%22a%22:1%7D", "q=SELECT+v+FROM+n+WHERE+v=$a&db=d",
                 "q=SHOW+DATABASES&async=true", "q=DROP+MEASUREMENT+zz&db=d", "q=SHOW+DATABASES;SHOW+DATABASES",
                 "q=SHOW+DATABASES%3BSHOW+DATABASES", "q=%zz", "q=a&q=SHOW+DATABASES", "q=SHOW+DATABASES&pretty=TRUE",
                 "q=SHOW+DATABASES&pretty=true&pretty=false", "q=SHOW+DATABASES&chunk_size=-1&chunked=true"]
ACCEPTS = ["*/*", "text/csv", "application/x-msgpack"]
FORM = "application/x-www-form-urlencoded"
PART = '--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n--b--\r\n'
BODIES = [("q=SHOW+DATABASES", FORM), ("q=SHOW+DATABASES", None), ("q=SHOW+DATABASES", FORM + ";charset=utf-8"),
          ("q=SHOW+DATABASES", "text/plain"), ('{"q":"SHOW DATABASES"}', "application/json"), ("q=%zz", FORM),
          ("q=SHOW+DATABASES;", FORM), ("q=SHOW+DATABASES&pretty=true", FORM),
          ("q=SHOW+MEASUREMENTS&db=d&epoch=s&chunked=true", FORM),
          (PART % ("q", "", "SHOW DATABASES"), "multipart/form-data; boundary=b"),
          (PART % ("q", '; filename="x"', "SHOW DATABASES"), "multipart/form-data; boundary=b"),
          (PART % ("q", '; filename="x"', "SHOW DATABASES;\nSHOW DATABASES\n"), "multipart/form-data; boundary=b"),
          (PART % ("q", '; filename="x"', ""), "multipart/form-data; boundary=b"),
          (PART % ("q", '; filename="x"', "bad"), "multipart/form-data; boundary=b"),
          (PART % ("Q", "", "SHOW DATABASES"), "multipart/form-data; boundary=b"),
          (PART % ("q", "", "SHOW DATABASES"), "multipart/form-data; boundary=c"),
          (PART % ("q", "", "SHOW DATABASES"), "multipart/form-data"), ("", "multipart/form-data; boundary=b")]
HEADERS = [{"Origin": "http://g"}, {"X-Request-Id": "abc"}, {"Request-Id": "def"}, {"Origin": ""}, {"Origin": "null"},
           {"X-Request-Id": "abc", "Request-Id": "def"}, {"Accept-Encoding": "identity"}, {"Accept": "text/csv"},
           {"Accept": "application/x-msgpack"}, {"X-HTTP-Method-Override": "POST"}, {"Authorization": "Basic !!!"},
           {"Authorization": "Bearer x"}, {"Expect": "100-continue"}]
TARGETS = [("GET", "/query?q=SHOW+DATABASES"), ("GET", "/ping"), ("OPTIONS", "/query"), ("GET", "/nope"),
           ("PUT", "/query"), ("GET", "/query"), ("POST", "/write?db=d"), ("POST", "/write?db=nope"), ("POST", "/write"),
           ("OPTIONS", "/write")]
ENCODINGS = ["gzip", "deflate, gzip", "gzip;q=0", "GZIP", "x-gzip", "br", "*"]
PACKED = TARGETS + [("GET", "/query?q=SELECT+v+FROM+n&db=d&chunked=true"), ("GET", "/query?q=SELECT+v+FROM+x..n&db=d"),
                    ("HEAD", "/ping"), ("POST", "/query?q=CREATE+DATABASE+d"), ("GET", "/query?q=bad"),
                    ("GET", "/query?q=SHOW+DATABASES&async=true"), ("GET", "/query?q=%3B")]
# Vary is ours: caches need it where answers are packed for some.
UNEQUAL = {"date", "server", "connection", "x-silt-version", "x-influxdb-version", "vary"}


def request(method, target, headers=(), body=""):
    head = dict(headers, Host="x", Connection="close")
    if body:
        head["Content-Length"] = len(body)
    lines = ["%s %s HTTP/1.1" % (method, target)] + ["%s: %s" % pair for pair in head.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def all_requests():
    for method, path in itertools.product(METHODS, PATHS):
        yield request(method, path)
    for method, text, accept in itertools.product(("GET", "POST", "HEAD"), QUERY_STRINGS,
                                                  ACCEPTS):
        yield request(method, "/query?" + text, {"Accept": accept})
    for method, target, (body, kind) in itertools.product(("GET", "POST"), ("/query", "/query?db=d&q=SHOW+MEASUREMENTS"),
                                                          BODIES):
        yield request(method, target, {"Content-Type": kind} if kind else {}, body)
    for headers, (method, target) in itertools.product(HEADERS, TARGETS):
        yield request(method, target, headers)
    for encoding, accept, (method, target) in itertools.product(ENCODINGS, ACCEPTS, PACKED):
        yield request(method, target, {"Accept-Encoding": encoding, "Accept": accept})
    for length in (1000, 10000, 60000, 200000):
        yield request("GET", "/query?q=SHOW+DATABASES&x=" + "a" * length)
        yield request("POST", "/query", {"Content-Type": FORM}, "q=SHOW+DATABASES&x=" + "a" * length)


def unchunk(data):
    out = b""
    while data:
        size, data = data.split(b"\r\n", 1)
        out += data[:int(size, 16)]
        data = data[int(size, 16) + 2:]
    return out


def comparable(answer):
    head, body = answer.split(b"\r\n\r\n", 1)
    if head.startswith(b"HTTP/1.1 100"):
        head, body = body.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines[1:]:
        name, value = line.split(":", 1)
        name, value = name.lower(), value.strip()
        if name == "allow":
            value = sorted(value.split(", "))
        if name in ("request-id", "x-request-id") and re.fullmatch("[0-9a-f-]{36}", value):
            value = "an id"
        if name not in UNEQUAL:
            headers.setdefault(name, []).append(value)
    if "transfer-encoding" in headers:
        body = unchunk(body)
    if body and "content-encoding" in headers:
        body = gzip.decompress(body)
    return lines[0], headers, body


class Surface(unittest.TestCase):
    def test_against_influxd(self):
        servers = [live.start_siltd(), live.start_influxd()]
        try:
            if servers[1] is None:
                self.skipTest("influxd's package cannot be had")
            for server in servers:
                server.query('CREATE DATABASE "_internal" WITH DURATION 7d REPLICATION 1 SHARD DURATION 1d NAME monitor')
                server.query("CREATE DATABASE d")
                server.write("n v=1 1\nm v=2 2", db="d")
            for data in all_requests():
                answers = []
                for server in servers:
                    with wire.connect(server.port) as s:
                        s.sendall(data)
                        answers.append(comparable(wire.read_all(s)))
                with self.subTest(data[:300].decode()):
                    self.assertEqual(*answers)
        finally:
            for server in filter(None, servers):
                server.stop()
