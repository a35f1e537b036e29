"""replay.py - the exact requests of clients that are not run here, as they were seen on the wire or read in their sources: Grafana's data
source (backend and browser), Telegraf's output, Prometheus' remote write and read, TSBS, inch, influxdb-ruby, aioinflux, influxdb-nodejs,
Node-RED, icinga2, pcp2influxdb, glances, curl.

A step is a request and the reply's status, the headers that clients look at, and the body.
"""
import gzip
import json
import urllib.parse

import common
import prometheus_wire

NAME = "replayed requests"
LOOKED_AT = ("Content-Type", "Content-Encoding", "X-Influxdb-Error", "WWW-Authenticate", "Access-Control-Allow-Origin",
             "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Expose-Headers")
SEEN = {
    "telegraf: a batch, chunked and gzip": "204",
    "telegraf: database gone": 'database not found: \\"gone\\"',
    "grafana: save and test": '["cpu"]',
    "prometheus: read": "('job', 'a b')",
    "grafana: panel, GET": "1577836800000",
    "curl: a form that is none": "204",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GRAFANA = {"User-Agent": "Grafana/10.4.1", "Accept-Encoding": "gzip"}
TELEGRAF = {"User-Agent": "Telegraf/1.39.0 Go/1.24.0", "Content-Type": "text/plain; charset=utf-8", "Accept-Encoding": "gzip"}
RUBY = {"User-Agent": "Ruby", "Accept": "*/*", "Accept-Encoding": "gzip;q=1.0,deflate;q=0.6,identity;q=0.3"}
NODE = {"User-Agent": "superagent/3.8.3", "Accept-Encoding": "gzip, deflate", "Authorization": "Basic dTpw"}

LINES = "".join("cpu,cpu=cpu%d,host=web%d usage_idle=%s,usage_user=%s,n=%di %d000000000\n" % (
    i % 2, i % 3, 90 - i % 7 / 4, i % 11 / 8, i, 1577836800 + i * 10) for i in range(360)).encode()


def unavailable():
    return None


def text(body):
    return body.decode("utf-8", "backslashreplace")


class Wire:
    """Connections to one server; every step is described as its user's program would log it."""

    def __init__(self, server, credentials=None):
        self.server, self.credentials = server, credentials or {}

    def send(self, method, path, headers=None, body=None, pieces=0):
        if "Authorization" not in (headers or {}) and "u=" not in path.replace("epoch=u", ""):
            headers = dict(headers or {}, **self.credentials)
        connection = self.server.connection(60)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if pieces:
                connection.putheader("Transfer-Encoding", "chunked")
            elif body is not None or method == "POST":
                connection.putheader("Content-Length", str(len(body or b"")))
            connection.endheaders()
            if pieces:
                for at in range(0, len(body), pieces):
                    part = body[at:at + pieces]
                    connection.send(b"%x\r\n%s\r\n" % (len(part), part))
                connection.send(b"0\r\n\r\n")
            elif body:
                connection.send(body)
            reply = connection.getresponse()
            got = reply.read()
            seen = ["%d" % reply.status]
            seen += ["%s: %s" % (name, reply.getheader(name)) for name in LOOKED_AT if reply.getheader(name) is not None]
            if reply.getheader("Content-Encoding") == "gzip":
                got = gzip.decompress(got)
            if reply.getheader("Content-Encoding") == "snappy":
                got = repr(prometheus_wire.read_response(got)).encode()
            return "\n".join(seen) + "\n" + text(got)
        finally:
            connection.close()

    def get(self, path, headers=None, **params):
        return self.send("GET", path + "?" + urllib.parse.urlencode(params), headers)

    def post(self, path, headers=None, body=b"", pieces=0, **params):
        return self.send("POST", path + ("?" + urllib.parse.urlencode(params) if params else ""), headers, body, pieces)

    def form(self, path, headers=None, query="", **fields):
        body = urllib.parse.urlencode(fields).encode()
        return self.send("POST", path + query, dict(headers or {}, **FORM), body)


def telegraf(wire):
    yield "create database", wire.form("/query", {"User-Agent": TELEGRAF["User-Agent"]}, q='CREATE DATABASE "telegraf"')
    yield "create database, a name to escape", wire.form("/query", {"User-Agent": TELEGRAF["User-Agent"]}, q='CREATE DATABASE "a \\"b\\" \\\\ c"')
    packed = gzip.compress(LINES, mtime=0)
    yield "create database, a line's end in its name", wire.form("/query", {"User-Agent": TELEGRAF["User-Agent"]}, q='CREATE DATABASE "a\\nb"')
    yield "a batch, chunked and gzip", wire.post("/write", dict(TELEGRAF, **{"Content-Encoding": "gzip"}), packed, pieces=1000, db="telegraf")
    yield "a batch, chunked", wire.post("/write", TELEGRAF, LINES, pieces=4096, consistency="any", db="telegraf", rp="autogen")
    yield "a batch", wire.post("/write", TELEGRAF, LINES.rstrip(b"\n"), db="telegraf")
    yield "database gone", wire.post("/write", TELEGRAF, LINES, pieces=4096, db="gone")
    yield "policy gone", wire.post("/write", TELEGRAF, LINES, pieces=4096, db="telegraf", rp="gone")
    yield "a type conflict", wire.post("/write", TELEGRAF, b"cpu,host=web1 n=1.5 1577836800000000000\ncpu,host=web1 m=1i 1577836800000000000\n", db="telegraf")
    yield "cannot be parsed", wire.post("/write", TELEGRAF, b"cpu,host=web1 n=1577836800\ncpu,host= n=1i\nok,h=a v=1i 1577836800000000000\n", db="telegraf")
    yield "policy of a day", wire.form("/query", q='CREATE RETENTION POLICY "day" ON "telegraf" DURATION 1d REPLICATION 1')
    yield "beyond the policy", wire.post("/write", TELEGRAF, b"old,h=a v=1 1577836800000000000\n", db="telegraf", rp="day")
    yield "unsigned", wire.post("/write", TELEGRAF, b"uns,h=a v=1u 1577836800000000000\n", db="telegraf")
    yield "not gzip after all", wire.post("/write", dict(TELEGRAF, **{"Content-Encoding": "gzip"}), LINES, db="telegraf")
    yield "an empty body", wire.post("/write", TELEGRAF, b"", db="telegraf")
    yield "inputs.influxdb", shape_of_vars(wire.send("GET", "/debug/vars", {"User-Agent": TELEGRAF["User-Agent"], "Accept-Encoding": "gzip"}))


def shape_of_vars(seen):
    """What Telegraf reads of /debug/vars: the page's own objects, and groups with name, tags and values; not their numbers."""
    head, _, body = seen.rpartition("\n{") if "\n{" in seen else (seen, "", "}")
    page = json.loads("{" + body)
    own = [key for key in ("cmdline", "memstats") if key in page]
    groups = [value for key, value in page.items() if key not in ("cmdline", "memstats", "system", "crypto")]
    whole = all(isinstance(g["name"], str) and isinstance(g["tags"], (dict, type(None))) and isinstance(g["values"], dict) for g in groups)
    return "%s\n%s %s %s" % (head, own, whole, sorted({g["name"] for g in groups} & {"httpd", "runtime", "write", "queryExecutor", "database"}))


def grafana(wire):
    window = "time >= 1577836800000ms and time <= 1577840400000ms"
    panel = 'SELECT mean("usage_idle") FROM "cpu" WHERE ("host"::tag =~ /^web[12]$/) AND %s GROUP BY time(10m), "host"::tag fill(null)' % window
    ask = lambda q, **more: wire.get("/query", GRAFANA, db="telegraf", epoch="ms", q=q, **more)
    yield "save and test", ask("SHOW measurements")
    yield "save and test, older", ask("SHOW MEASUREMENTS LIMIT 1")
    yield "save and test, oldest", wire.get("/query", GRAFANA, db="telegraf", epoch="ms", q="SHOW DATABASES")
    yield "save and test, no such database", wire.get("/query", GRAFANA, db="gone", epoch="ms", q="SHOW measurements")
    for q in ('SHOW RETENTION POLICIES on "telegraf"', "SHOW MEASUREMENTS WITH MEASUREMENT =~ /(?i)CP/ LIMIT 100",
              'SHOW MEASUREMENTS WHERE "host" = \'web1\' LIMIT 100', 'SHOW FIELD KEYS FROM "cpu"', 'SHOW FIELD KEYS FROM "autogen"."cpu"',
              'SHOW TAG KEYS FROM "cpu"', "SHOW TAG KEYS", 'SHOW TAG VALUES FROM "cpu" WITH KEY = "host"', 'SHOW TAG VALUES WITH KEY = "cpu"',
              'SHOW TAG VALUES FROM "cpu" WITH KEY = "host" WHERE "cpu" = \'cpu0\' AND "host" =~ /web/',
              'SHOW TAG VALUES FROM /(?i)CPU/ WITH KEY = "host"', 'SHOW TAG KEYS FROM "nowhere"'):
        yield "editor: " + q, ask(q)
    for q in ('SHOW TAG KEYS FROM "cpu" WHERE time > now() - 90000h', 'SHOW TAG KEYS FROM "cpu" WHERE time > now() - 1h',
              'SHOW TAG VALUES FROM "cpu" WITH KEY = "host" WHERE "cpu" = \'cpu1\' AND time > now() - 90000h',
              'SHOW TAG VALUES FROM "cpu" WITH KEY = "host" WHERE time > now() - 1h'):
        yield "editor, tag time: " + q, ask(q)
    yield "panel, GET", ask(panel)
    yield "panel, with a policy", ask(panel.replace('"cpu"', '"autogen"."cpu"', 1), rp="autogen")
    yield "panel, POST", wire.form("/query", GRAFANA, "?db=telegraf&epoch=ms", q=panel)
    yield "panel, POST, q first then the rest in the form", wire.form("/query", GRAFANA, "", q=panel, db="telegraf", epoch="ms")
    yield "panel, Token header", wire.get("/query", dict(GRAFANA, Authorization="Token u:p"), db="telegraf", epoch="ms", q=panel)
    yield "panel, Basic header", wire.get("/query", dict(GRAFANA, Authorization="Basic dTpw"), db="telegraf", epoch="ms", q=panel)
    for function in ("count", "distinct", "integral", "mean", "median", "mode", "sum", "first", "last", "max", "min", "spread", "stddev"):
        yield "builder: " + function, ask('SELECT %s("n") FROM "cpu" WHERE "host"::tag = \'web1\' AND %s GROUP BY time(20m) fill(none)' % (function, window))
    for call in ("bottom(%s, 3)", "top(%s, 3)", "percentile(%s, 95)"):
        yield "builder: " + call, ask('SELECT %s FROM "cpu" WHERE %s' % (call % '"n"', window))
    for call in ("derivative(mean(%s), 10s)", "non_negative_derivative(mean(%s), 10s)", "difference(mean(%s))", "moving_average(mean(%s), 2)",
                 "cumulative_sum(mean(%s))", "non_negative_difference(mean(%s))", "holt_winters_with_fit(mean(%s), 2, 2)", "elapsed(last(%s), 10s)", "mean(%s) / 100 * 3", "holt_winters(mean(%s), 2, 2)"):
        yield "builder: " + call, ask('SELECT %s AS "alias" FROM "cpu" WHERE %s GROUP BY time(10m), "host" fill(linear)' % (call % '"n"', window))
    yield "order, limits, zone", ask('SELECT max("n") FROM "cpu" WHERE %s GROUP BY time(1h), "host" fill(0) ORDER BY time DESC limit 2 slimit 1 '
                                     "tz('Europe/Berlin')" % window)
    for condition in ("\"host\"::tag = 'web1' OR \"host\"::tag = 'web2' AND \"n\"::field > 10", "\"host\" != 'web1'", "\"host\" <> 'web1' AND \"n\" <= 50",
                      '"host" !~ /[23]$/ AND "n" >= 50', "\"host\"::tag =~ /^(web1|web2)$/ AND \"n\" < 50 AND \"usage_idle\" != 90"):
        yield "builder: where " + condition, ask('SELECT max("n"::field) FROM "cpu" WHERE (%s) AND %s GROUP BY time(30m), "host"::tag fill(previous)' % (condition, window))
    for times in ("time >= 1577836800000ms", "time >= now() - 90000h", "time >= now() - 90000h and time <= now()", "time > now() - 1h"):
        yield "browser: " + times, ask('SELECT last("usage_idle") FROM "cpu" WHERE %s' % times)
    yield "browser: panels joined", ask("%s;%s;SELECT x FROM nowhere" % (panel, panel.replace("mean", "max")), u="u", p="p")
    yield "browser: old times", ask('SELECT count("n") FROM "cpu" WHERE time > 1577836800s and time < 1577838000s GROUP BY time(5m)')
    yield "browser: Origin", wire.get("/query", {"Origin": "http://grafana.example:3000"}, db="telegraf", epoch="ms", q="SHOW TAG KEYS")
    yield "browser: preflight", wire.send("OPTIONS", "/query?db=telegraf", {
        "Origin": "http://grafana.example:3000", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"})
    yield "variable", ask('SELECT DISTINCT("host") FROM (SELECT "n", "host" FROM "cpu" WHERE %s)' % window)
    yield "annotations", ask('SELECT "n" AS "text", "host" AS "tags" FROM "cpu" WHERE %s AND "n" > 355' % window)
    yield "mistake", ask('SELECT mean("n") FROM "cpu" WHERE time >= GROUP BY time(10s)')
    yield "mistake of use", ask('SELECT mean("n"), "n" FROM "cpu" WHERE %s' % window)
    yield "alerting", wire.form("/query", GRAFANA, "?db=telegraf&epoch=s", q=panel)


def prometheus(wire):
    write = dict(prometheus_wire.WRITE_HEADERS, **{"User-Agent": "Prometheus/2.42.0+ds"})
    read = dict(prometheus_wire.READ_HEADERS, **{"User-Agent": "Prometheus/2.42.0+ds"})
    up = [({"__name__": "up", "instance": "127.0.0.1:%d" % i, "job": "a b"}, [(1577836800000 + i, 1), (1577836815000, float("nan"))]) for i in range(9)]
    query = (1577836800000, 1577836900000, [("=", "__name__", "up"), ("!=", "job", ""), ("=~", "instance", "^127[.]0[.]0[.]1:[0-4]$")])
    yield "no database yet", wire.post("/api/v1/prom/write", write, prometheus_wire.write_request(up), db="prom")
    yield "create", wire.form("/query", {}, q="CREATE DATABASE prom")
    yield "samples", wire.post("/api/v1/prom/write", write, prometheus_wire.write_request(up), db="prom")
    yield "metadata alone", wire.post("/api/v1/prom/write", write, prometheus_wire.write_request([], [(2, "up", "Whether it is.")]), db="prom")
    yield "read", wire.post("/api/v1/prom/read", read, prometheus_wire.read_request([query]), db="prom")
    yield "read, no database", wire.post("/api/v1/prom/read", read, prometheus_wire.read_request([query]), db="gone")
    yield "a panel of it", wire.get("/query", GRAFANA, db="prom", epoch="ms", q='SELECT last("value") FROM "up" GROUP BY "instance"')


def load_tools(wire):
    yield "tsbs: databases", wire.get("/query", {}, q="show databases")
    yield "tsbs: drop", wire.post("/query", {"Content-Type": "text/plain"}, q="drop database bench")
    yield "tsbs: create", wire.get("/query", {}, consistency="all", q="CREATE DATABASE bench WITH REPLICATION 1")
    yield "tsbs: write", wire.post("/write", {"User-Agent": "tsbs_load_influx", "Content-Type": "text/plain", "Content-Encoding": "gzip"},
                                   gzip.compress(LINES, mtime=0), consistency="all", db="bench")
    yield "tsbs: query", wire.post("/query", {"Content-Type": "text/plain"}, q="SELECT max(n) from cpu where (host = 'web1') and time >= '2020-01-01T00:00:00Z' "
                                   "and time < '2020-01-01T01:00:00Z' group by time(30m)", db="bench")
    yield "tsbs: query, chunked", wire.post("/query", {}, q='SELECT * from cpu group by "host" order by time desc limit 1', db="bench", chunked="true", chunk_size="2")
    yield "inch: create", wire.form("/query", {}, q="CREATE DATABASE stress WITH DURATION 7d")
    yield "inch: write", wire.post("/write", {"Content-Type": "text/ascii"}, b"m0,tag0=value3,tag1=value0 v0=1\nm0,tag0=value4,tag1=value0 v0=1",
                                   db="stress", precision="ns", consistency="any")
    yield "inch: count", wire.get("/query", {}, q="SELECT count(*) FROM m0", db="stress", epoch="s")
    yield "ping", wire.get("/ping", {})
    yield "ping, HEAD", wire.send("HEAD", "/ping")
    yield "ping, waiting", wire.get("/ping", {}, wait_for_leader="2s")


def others(wire):
    user = {"u": "root", "p": "root"}
    yield "ruby: create", wire.get("/query", RUBY, q="CREATE DATABASE ruby", db="", precision="s", **user)
    yield "ruby: write", wire.post("/write", dict(RUBY, **{"Content-Type": "application/octet-stream"}), b"cpu,host=a v=1i 1577836800\ncpu v=2i 1577836801",
                                   db="ruby", precision="s", **user)
    yield "ruby: query", wire.get("/query", RUBY, q="select * from cpu group by host", db="ruby", precision="s", **user)
    yield "ruby: query with epoch", wire.get("/query", RUBY, q="select * from cpu", db="ruby", precision="s", epoch="s", **user)
    yield "ruby: drop", wire.get("/query", RUBY, q="DROP DATABASE ruby", db="", precision="s", **user)
    yield "aioinflux: create", wire.form("/query", {}, q="CREATE DATABASE aio", db="aio", chunked="false", epoch="ns")
    yield "aioinflux: write", wire.post("/write", {"Content-Type": "application/octet-stream"}, b"cpu,host=a v=1.0 1", db="aio")
    yield "aioinflux: query", wire.form("/query", {}, q="SELECT * FROM cpu", db="aio", chunked="false", epoch="ns")
    yield "aioinflux: chunked", wire.form("/query", {}, q="SELECT * FROM cpu", db="aio", chunked="true", epoch="ns", chunk_size="1")
    yield "aioinflux: error", wire.form("/query", {}, q="SELECT * FROM gone..cpu", db="aio", chunked="false", epoch="ns")
    yield "aioinflux: bad line", wire.post("/write", {"Content-Type": "application/octet-stream"}, b"cpu,host=a v=x 1", db="aio")
    yield "nodejs: line protocol called a form", wire.send("POST", "/write?db=aio&precision=ms", dict(FORM, **NODE), b'http,n="a "b"" v=1i,t="a "b"" 1577836800000')
    yield "nodejs: query", wire.get("/query", NODE, q='select * from "http" where time >= \'2016-01-01\' tz(\'America/Chicago\')', db="aio")
    yield "node-influx: empty parameters", wire.get("/query", dict(NODE, **{"Content-Length": "0"}), db="aio", epoch="", q="select * from cpu", rp="", params="{}")
    yield "node-influx: ping", wire.get("/ping", NODE)
    yield "node-red: out", wire.send("POST", "/write?precision=n&rp=&db=aio", NODE, b'red,from=a\\ b on=T,off=F,n=1,t="a \\"b\\"" 1577836800000000000')
    yield "node-red: batch", wire.send("POST", "/write?precision=ms&rp=&db=aio", NODE, b"red,from=c n=1 1577836800000\nred,from=d n=2 1577836801000\nred_now n=3")
    yield "node-red: out, a mistake", wire.send("POST", "/write?precision=n&rp=&db=aio", NODE, b"red n=T 1577836800000000000")
    yield "node-red: out, no such database", wire.send("POST", "/write?precision=n&rp=&db=nowhere", NODE, b"red n=1")
    yield "node-red: in", wire.get("/query", NODE, db="aio", epoch="", q='select * from "red" where time <= 1577836801000ms group by "from"', rp="", params="{}")
    yield "node-red: in, a mistake", wire.get("/query", NODE, db="aio", epoch="", q="select from red", rp="", params="{}")
    yield "node-red: create", wire.form("/query", NODE, q='create database "red"', db="", epoch="", rp="", params="{}")
    yield "node-red: several", wire.get("/query", NODE, db="aio", epoch="", q="select * from cpu; show measurements", rp="", params="{}")
    yield "icinga2: write", wire.post("/write", {"Accept": "*/*"}, b"hostalive,hostname=web\\ 1,metric=rta crit=5.000000,value=0.046000,min=0,warn=3 1577836800\n"
                                      b"hostalive,hostname=web\\ 1,metric=pl unit=\"percent\",value=0 1577836800", db="aio", precision="s")
    yield "pcp: write", wire.post("/write", {"Content-Type": "application/x-www-form-urlencoded"}, b"kernel_all_load,host=a _1_minute=0.5,_5_minute=0.25,_15_minute=1 1577836800000000000", db="aio")
    yield "glances: a key twice", wire.post("/write", {"Content-Type": "application/octet-stream", "Accept": "application/json"}, b'gl.system,hostname=vm hostname="vm",v=1 1577836800', db="aio", precision="s")
    yield "glances: read", wire.get("/query", {}, db="aio", epoch="s", q='SELECT * FROM "gl.system"')
    yield "glances: read by tag", wire.get("/query", {}, db="aio", epoch="s", q='SELECT v FROM "gl.system" WHERE hostname = \'vm\' GROUP BY hostname')
    yield "curl: a form that is none", wire.send("POST", "/write?db=aio", dict(FORM, **{"User-Agent": "curl/7.88.1", "Accept": "*/*"}), b"curl,a=b v=1 1\n\n# comment\n\ncurl,a=b v=2 2")
    yield "curl: lines of another system", wire.send("POST", "/write?db=aio", FORM, b"curl,a=c v=1 1\r\ncurl,a=c v=2\r\n\r\n")
    yield "curl: expects 100", wire.send("POST", "/write?db=aio", dict(FORM, Expect="100-continue"), b"curl,a=b v=3 3\n")
    yield "curl: q in the body, db in the URL", wire.form("/query", {"Accept": "*/*"}, "?db=aio&epoch=ns&pretty=true", q="SELECT * FROM curl -- all of it\n;\nSHOW TAG KEYS FROM curl")
    boundary = "------------------------0123456789abcdef"
    part = "--%s\r\nContent-Disposition: form-data; name=\"q\"; filename=\"q.txt\"\r\nContent-Type: text/plain\r\n\r\nSELECT * FROM curl;\nSHOW MEASUREMENTS\n\r\n--%s--\r\n" % (boundary, boundary)
    yield "curl: q from a file", wire.send("POST", "/query?db=aio", {"Content-Type": "multipart/form-data; boundary=" + boundary}, part.encode())
    yield "curl: CSV", wire.get("/query", {"Accept": "application/csv"}, db="aio", epoch="ns", q="SELECT * FROM curl; SHOW MEASUREMENTS")
    yield "shell: a blank before the line", wire.send("POST", "/write?consistency=all&db=aio&precision=ns&rp=", {"Content-Type": ""}, b" shell,host=a value=1 1000000000\n")
    yield "go client: precision us", wire.send("POST", "/write?consistency=&db=aio&precision=us&rp=", {"Content-Type": ""}, b"go,host=a value=1 1000000000\n")
    yield "what they wrote", wire.get("/query", {}, db="aio", q="SELECT * FROM shell, go, http, hostalive, kernel_all_load")
    yield "no q", wire.get("/query", {}, db="aio")
    yield "no database", wire.post("/write", {}, b"a v=1")
    yield "nowhere", wire.get("/nowhere", {})
    yield "wrong method", wire.send("DELETE", "/query?q=show+databases")
    yield "write by GET", wire.get("/write", {}, db="aio")


def steps(server, folder, credentials=None):
    """credentials: headers for those requests that bring none of their own."""
    wire = Wire(server, credentials)
    for prefix, scenario in (("telegraf: ", telegraf), ("grafana: ", grafana), ("prometheus: ", prometheus), ("", load_tools), ("", others)):
        for name, seen in scenario(wire):
            yield prefix + name, seen
