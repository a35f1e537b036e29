"""Subscriptions: what is written goes on to subscribers, by HTTP, HTTPS and UDP, as influxd sends it."""
import base64
import gzip
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

import live


def until(condition, seconds=30):
    """True as soon as it holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


class Subscriber:
    """An HTTP server that keeps what is POSTed to it, as (path, headers, body); use as a context manager."""

    def __init__(self, status=204, context=None):
        self.got, self.status, self.gate = [], status, threading.Event()
        self.gate.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                outer.gate.wait(60)
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *unused):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *unused):  # a client that gives up
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()

    def bodies(self):
        return [body.decode() for _, _, body in self.got]


class UdpSubscriber:
    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def take(self, count):
        self.socket.settimeout(30)
        return [self.socket.recv(65536).decode() for _ in range(count)]


def subscriber_stats(server):
    """{destination or "": {field: number}}"""
    out = {}
    for series in server.query_json("SHOW STATS FOR 'subscriber'")["results"][0]["series"]:
        out[series.get("tags", {}).get("destination", "")] = dict(zip(series["columns"], series["values"][0]))
    return out


class Subscriptions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = live.start_siltd(env={"SILT_SUBSCRIBER_HTTP_TIMEOUT": "10s"})

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def setUp(self):
        self.assertEqual(self.server.query("CREATE DATABASE d"), '{"results":[{"statement_id":0}]}\n')

    def tearDown(self):
        self.server.query("DROP DATABASE d")

    def ok(self, statement):
        self.assertEqual(self.server.query(statement), '{"results":[{"statement_id":0}]}\n')

    def subscribe(self, destinations, mode="ALL", name="s", policy="autogen"):
        self.ok("CREATE SUBSCRIPTION %s ON d.%s DESTINATIONS %s %s" % (
            name, policy, mode, ", ".join("'%s'" % d for d in destinations)))

    def write(self, body, status=204, **params):
        self.assertEqual(self.server.write(body, db="d", **params).status, status)

    def test_all(self):
        self.write("m v=0 1")  # so that the type is known
        with Subscriber() as one, Subscriber() as two, UdpSubscriber() as udp:
            self.subscribe(["http://127.0.0.1:%d" % one.port, "http://us:p%%40ss@127.0.0.1:%d/base?x=1" % two.port,
                            "udp://127.0.0.1:%d" % udp.port])
            self.write("m,h=a,a=b v=1,b=t,s=\"x y\" 5\nm v=2i 6\n", precision="ms", status=400)  # the second conflicts
            self.write("m,h=a v=3 7")
            self.assertTrue(until(lambda: len(one.got) == 2 and len(two.got) == 2))
            expected = ["m,a=b,h=a v=1,b=t,s=\"x y\" 5000000\n", "m,h=a v=3 7\n"]
            self.assertEqual(sorted(one.bodies()), sorted(expected))
            self.assertEqual(sorted(two.bodies()), sorted(expected))
            self.assertEqual(sorted(udp.take(2)), sorted(line[:-1] for line in expected))
            path, headers, _ = one.got[0]
            self.assertEqual(path, "/write?consistency=&db=d&precision=ns&rp=autogen")
            self.assertEqual({k: v for k, v in headers.items() if k != "content-length"},
                             {"host": "127.0.0.1:%d" % one.port, "user-agent": "InfluxDBClient", "content-type": ""})
            path, headers, _ = two.got[0]
            self.assertEqual(path, "/base/write?consistency=&db=d&precision=ns&rp=autogen&x=1")
            self.assertEqual(base64.b64decode(headers["authorization"][6:]), b"us:p@ss")
            url = "http://us:[REDACTED]@127.0.0.1:%d/base?x=1" % two.port
            self.assertTrue(until(lambda: subscriber_stats(self.server)[url]["pointsWritten"] == 2))
            vars_ = json.loads(self.server.request("GET", "/debug/vars").body)
            key = "subscriber:d:autogen:s:" + url
            self.assertEqual(vars_[key]["tags"], {"database": "d", "retention_policy": "autogen", "name": "s",
                                                  "mode": "ALL", "destination": url})

    def test_any(self):
        with Subscriber() as one, Subscriber() as two, Subscriber(status=500) as bad:
            urls = ["http://127.0.0.1:%d" % s.port for s in (one, bad, two)]
            self.subscribe(urls, "ANY")
            for i in range(6):  # one; bad, then two; one; ...
                self.write("m v=%d %d" % (i, i))
                self.assertTrue(until(lambda: len(one.got) + len(two.got) == i + 1))
                self.assertTrue(until(lambda: sum(subscriber_stats(self.server)[u]["pointsWritten"] for u in urls) == i + 1))
            self.assertEqual((one.bodies(), two.bodies()), (["m v=%d %d\n" % (i, i) for i in (0, 2, 4)],
                                                            ["m v=%d %d\n" % (i, i) for i in (1, 3, 5)]))
            stats = subscriber_stats(self.server)
            self.assertEqual([tuple(stats[u].values()) for u in urls], [(3, 0), (0, 3), (3, 0)])

    def test_matched(self):
        """Database and policy; definitions that come and go count at once."""
        self.ok("CREATE RETENTION POLICY other ON d DURATION INF REPLICATION 1")
        self.ok("CREATE DATABASE e")
        with Subscriber() as one, Subscriber() as two:
            self.write("m v=0 1")
            self.subscribe(["http://127.0.0.1:%d" % one.port])
            self.subscribe(["http://127.0.0.1:%d" % two.port], policy="other", name="t")
            self.write("m v=1 1")
            self.write("m v=2 2", rp="other")
            self.assertEqual(self.server.write("m v=3 3", db="e").status, 204)
            self.ok("ALTER RETENTION POLICY other ON d DEFAULT")
            self.write("m v=4 4")
            self.assertTrue(until(lambda: len(one.got) == 1 and len(two.got) == 2))
            self.ok("DROP SUBSCRIPTION s ON d.autogen")
            self.write("m v=5 5", rp="autogen")
            self.write("m v=6 6")
            self.assertTrue(until(lambda: len(two.got) == 3))
            self.ok("ALTER RETENTION POLICY autogen ON d DEFAULT")
            self.ok("DROP RETENTION POLICY other ON d")
            self.assertEqual(list(subscriber_stats(self.server)), [""])
            self.assertEqual((one.bodies(), sorted(two.bodies())), (["m v=1 1\n"], ["m v=2 2\n", "m v=4 4\n", "m v=6 6\n"]))
            self.assertIn("rp=other", two.got[0][0])
        self.ok("DROP DATABASE e")

    def test_every_way_in(self):
        """gzip, large bodies, /api/v2/write, SELECT INTO."""
        with Subscriber() as one:
            self.subscribe(["http://127.0.0.1:%d" % one.port])
            large = "".join("large,host=h%d,a=b v=%d,s=\"%s\" %d\n" % (i % 10, i, "x" * 50, i) for i in range(8000))
            self.write(large)
            self.assertTrue(until(lambda: len(one.got) == 1))
            self.assertEqual(sorted(one.bodies()[0].split("\n")), sorted(
                line.replace("host=", "a=b,host=").replace(",a=b v", " v") for line in large.split("\n")))
            r = self.server.request("POST", "/write", {"db": "d"}, gzip.compress(b"packed v=1 1"), {"Content-Encoding": "gzip"})
            self.assertEqual(r.status, 204)
            self.assertTrue(until(lambda: one.bodies()[1:] == ["packed v=1 1\n"]))
            self.server.request("POST", "/api/v2/write", {"bucket": "d/", "precision": "s"}, "two v=1 1")
            self.assertTrue(until(lambda: one.bodies()[2:] == ["two v=1 1000000000\n"]))
            self.write("a\\ b,t\\ 1=x\\,y,c=d f\\ 1=1,g=2i,h=t,i=\"a\\\"b\\\\c\" 7")
            self.server.query("SELECT * INTO d.autogen.into3 FROM \"a b\" GROUP BY *", db="d")
            self.assertTrue(until(lambda: len(one.got) == 5))
            self.assertEqual(one.bodies()[4], "into3,c=d,t\\ 1=x\\,y f\\ 1=1,g=2i,h=true,i=\"a\\\"b\\\\c\" 7\n")
            before = time.time_ns()
            self.write("now v=1\n\nnow,x=y v=2   \n# comment\n", precision="s")
            self.assertTrue(until(lambda: len(one.got) == 6))
            lines = one.bodies()[5].split("\n")
            self.assertEqual([line.rsplit(" ", 1)[0] for line in lines[:-1]], ["now v=1", "now,x=y v=2"])
            for line in lines[:-1]:
                self.assertLessEqual(abs(int(line.rsplit(" ", 1)[1]) - before), 60 * 10 ** 9)
                self.assertTrue(line.endswith("000000000"))

    def test_nobody_there(self):
        """A destination that cannot be reached is counted, told once, and writes go on."""
        url = "http://us:secret@127.0.0.1:%d" % live.free_port()
        self.subscribe([url, "udp://127.0.0.1:%d" % live.free_port()], name="nobody")
        shown = url.replace("secret", "[REDACTED]")
        for i in range(20):
            self.write("m v=%d %d" % (i, i))
        self.assertTrue(until(lambda: subscriber_stats(self.server)[shown]["writeFailures"] == 20))
        # Lines of requests come with the loop's next tick.
        self.assertTrue(until(lambda: "CREATE+SUBSCRIPTION+nobody" in open(self.server.log_path).read()))
        log = open(self.server.log_path).read()
        self.assertIn('subscription="nobody"', log)
        self.assertLessEqual(log.count('subscription="nobody"'), 4)
        self.assertNotIn("secret", log)


class Bounded(unittest.TestCase):
    def test_stalled(self):
        """One that does not answer holds up neither writes nor another one; what finds no room is dropped and counted."""
        env = {"SILT_SUBSCRIBER_WRITE_CONCURRENCY": "1", "SILT_SUBSCRIBER_WRITE_BUFFER_SIZE": "4",
               "SILT_SUBSCRIBER_HTTP_TIMEOUT": "1h"}
        with live.start_siltd(env=env) as server, Subscriber() as stalled, Subscriber() as well:
            server.query("CREATE DATABASE d")
            stalled.gate.clear()
            for name, s in (("stalled", stalled), ("well", well)):
                server.query("CREATE SUBSCRIPTION %s ON d.autogen DESTINATIONS ALL 'http://127.0.0.1:%d'" % (name, s.port))
            for i in range(30):
                self.assertEqual(server.write("m v=%d %d" % (i, i), db="d").status, 204)
                self.assertTrue(until(lambda: len(well.got) == i + 1 and stalled.got))
            self.assertEqual(len(stalled.got), 1)
            self.assertEqual(subscriber_stats(server)[""]["writeFailures"], 25)
            self.assertIn("the queue is full", open(server.log_path).read())
            stalled.gate.set()
            self.assertTrue(until(lambda: len(stalled.got) == 5))
            self.assertEqual(stalled.bodies(), ["m v=%d %d\n" % (i, i) for i in range(5)])
            stalled.gate.clear()
            server.write("m v=1 1", db="d")
            self.assertTrue(until(lambda: len(stalled.got) == 6))
            begun = time.monotonic()
            server.query("DROP SUBSCRIPTION stalled ON d.autogen")
            self.assertLess(time.monotonic() - begun, 30)
            self.assertEqual(server.stop(), 0)

    def test_memory(self):
        env = {"SILT_SUBSCRIBER_TOTAL_BUFFER_BYTES": "1m", "SILT_SUBSCRIBER_WRITE_CONCURRENCY": "1"}
        with live.start_siltd(env=env) as server, Subscriber() as one:
            server.query("CREATE DATABASE d")
            server.query("CREATE SUBSCRIPTION s ON d.autogen DESTINATIONS ALL 'http://127.0.0.1:%d'" % one.port)
            self.assertEqual(server.write("m s=\"%s\" 1" % ("x" * 1000000), db="d").status, 204)
            self.assertEqual(server.write("m s=\"x\" 2", db="d").status, 204)
            self.assertTrue(until(lambda: one.bodies() == ["m s=\"x\" 2\n"]))
            series = server.query_json("SHOW STATS FOR 'write'")["results"][0]["series"][0]
            stats = dict(zip(series["columns"], series["values"][0]))
            self.assertEqual((stats["subWriteDrop"], stats["subWriteOk"]), (1, 1))

    def test_stop_sends_what_waits(self):
        with tempfile.TemporaryDirectory() as folder, Subscriber() as one:
            with live.start_siltd(folder) as server:
                server.query("CREATE DATABASE d")
                server.query("CREATE SUBSCRIPTION s ON d.autogen DESTINATIONS ALL 'http://127.0.0.1:%d'" % one.port)
                for i in range(50):
                    server.write("m v=%d %d" % (i, i), db="d")
                self.assertEqual(server.stop(), 0)
                self.assertEqual(len(one.got), 50)
            with live.start_siltd(folder) as server:  # and it is served again
                server.write("m v=1 99", db="d")
                self.assertTrue(until(lambda: len(one.got) == 51))

    def test_switched_off(self):
        with live.start_siltd(env={"SILT_SUBSCRIBER_ENABLED": "false"}) as server, Subscriber() as one:
            server.query("CREATE DATABASE d")
            server.query("CREATE SUBSCRIPTION s ON d.autogen DESTINATIONS ALL 'http://127.0.0.1:%d'" % one.port)
            self.assertEqual(server.write("m v=1 1", db="d").status, 204)
            self.assertEqual(list(subscriber_stats(server)), [""])
            self.assertEqual(one.got, [])


@unittest.skipUnless(shutil.which("openssl"), "no openssl to make certificates with")
class Https(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.cert, cls.key = os.path.join(cls.folder, "cert.pem"), os.path.join(cls.folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", cls.key, "-out", cls.cert], check=True, capture_output=True)
        cls.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.context.load_cert_chain(cls.cert, cls.key)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def sent(self, **settings):
        """Whether it arrives."""
        env = {"SILT_SUBSCRIBER_" + k: v for k, v in settings.items()}
        with live.start_siltd(env=env) as server, Subscriber(context=self.context) as one:
            url = "https://127.0.0.1:%d" % one.port
            server.query("CREATE DATABASE d")
            server.query("CREATE SUBSCRIPTION s ON d.autogen DESTINATIONS ALL '%s'" % url)
            server.write("m v=1 1", db="d")
            self.assertTrue(until(lambda: sum(subscriber_stats(server)[url].values()) == 1))
            return one.bodies() == ["m v=1 1\n"]

    def test_verified(self):
        self.assertFalse(self.sent())
        self.assertTrue(self.sent(CA_CERTS=self.cert))
        self.assertTrue(self.sent(INSECURE_SKIP_VERIFY="true"))

    def test_no_such_file(self):
        done = subprocess.run([live.siltd_path(), "--http-bind", "127.0.0.1:0", "--data-dir", os.path.join(self.folder, "d")],
                              env={**os.environ, "SILT_SUBSCRIBER_CA_CERTS": "/nonexistent"}, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"subscriber.ca-certs: /nonexistent", done.stderr)


class SameAsInfluxd(unittest.TestCase):
    """The same writes to both: the same requests and datagrams, byte for byte, and the same counters."""
    WRITES = [  # body, parameters, points
        ("sub,h=a v=1,i=2i,s=\"x y\",b=t 5", {"precision": "ms"}, 1),
        ("b\\ c\\,d,z=1,a\\ =b\\,\\=c v\\ x=1.0,w=1e3,x=-1.5e-9,y=1e25,s=\"a\\\"b\\\\c\",n=1e300,t=T,f=False 7\n"
         "m v=1 8\nm v=0.1 9\nm v=123456789.123456789,k=100000000000000000000000 10", {}, 4),
        ("m v=1 1\nbad\nm v=2 2", {}, 2), ("m s=\"line\nbreak\" 30", {}, 1), ("m,t=a v=1 1\n", {"rp": "autogen"}, 1),
        ("u v=1 -5", {"precision": "h"}, 1), ("tt v=1,time=5 1", {}, 1), ("q v=1,v=2,a=3 1", {}, 1),
        ("e,t=a\\b f=\"\\\\a\" 3", {}, 1), ("  lead v=1   4  \n\n", {}, 1),
        ("o v=1 9", {"rp": "other"}, 0), ("quote\"d,k\"=v\" f\"=\"a=b,c d\",g=1 5", {}, 1),
        ("utf\u00e9,\u00fc=\u00df v=\"\u20ac\" 6", {}, 1),
    ]

    def ask(self, server, one, two, udp):
        server.query("CREATE DATABASE d")
        server.query("CREATE RETENTION POLICY other ON d DURATION INF REPLICATION 1")
        server.query("CREATE SUBSCRIPTION s ON d.autogen DESTINATIONS ALL 'http://us%%20er:p%%40s@127.0.0.1:%d/b/?x=1', "
                     "'udp://127.0.0.1:%d'" % (one.port, udp.port))
        server.query("CREATE SUBSCRIPTION t ON d.other DESTINATIONS ANY 'http://127.0.0.1:1', 'http://127.0.0.1:%d'" % two.port)
        out, sent = [], 0
        self.assertTrue(until(lambda: len(subscriber_stats(server)) == 5))  # influxd takes a moment
        for body, params, points in self.WRITES:
            status = server.write(body, db="d", **params).status
            sent += points > 0
            self.assertTrue(until(lambda: len(one.got) == sent), body)
            out.append((body, status, udp.take(points)))
        self.assertTrue(until(lambda: len(two.got) == 1))
        requests = [(path, {k: v for k, v in headers.items() if k not in ("host", "accept-encoding")}, body)
                    for path, headers, body in one.got + two.got]
        points = sum(points for _, _, points in self.WRITES)  # the one to `two` fails once on its way
        self.assertTrue(until(lambda: subscriber_stats(server)[""] == {
            "createFailures": 0, "pointsWritten": points, "writeFailures": 1}))
        return out, requests, [list(v.items()) for v in subscriber_stats(server).values()]

    def test(self):
        influxd = live.start_influxd()
        if influxd is None:
            self.skipTest("no influxd")
        answers = []
        with influxd, live.start_siltd() as siltd:
            for server in (influxd, siltd):
                with Subscriber() as one, Subscriber() as two, UdpSubscriber() as udp:
                    answers.append(self.ask(server, one, two, udp))
        for theirs, ours in zip(*answers):
            self.assertEqual(ours, theirs)


if __name__ == "__main__":
    unittest.main()
