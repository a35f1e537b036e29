"""Line protocol in datagrams: [[udp]] sections."""
import json
import os
import socket
import subprocess
import tempfile
import time
import unittest

import live


def until(condition, seconds=30):
    """True as soon as it holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


class Udp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ports = [live.free_port() for _ in range(3)]
        env = {"SILT_UDP_0_ENABLED": "true", "SILT_UDP_0_BIND_ADDRESS": "127.0.0.1:%d" % cls.ports[0],
               "SILT_UDP_0_BATCH_TIMEOUT": "20ms", "SILT_UDP_0_READ_BUFFER": "4m",
               "SILT_UDP_1_ENABLED": "true", "SILT_UDP_1_BIND_ADDRESS": ":%d" % cls.ports[1],
               "SILT_UDP_1_DATABASE": "other", "SILT_UDP_1_PRECISION": "s", "SILT_UDP_1_BATCH_SIZE": "4",
               "SILT_UDP_1_BATCH_TIMEOUT": "1h", "SILT_UDP_1_RETENTION_POLICY": "p",
               "SILT_UDP_2_BIND_ADDRESS": "127.0.0.1:%d" % cls.ports[2]}
        cls.server = live.start_siltd(env=env)
        cls.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    @classmethod
    def tearDownClass(cls):
        cls.socket.close()
        assert cls.server.stop() == 0

    def send(self, data, listener=0):
        self.socket.sendto(data.encode(), ("127.0.0.1", self.ports[listener]))

    def values(self, q, db="udp"):
        result = self.server.query_json(q, db=db, epoch="ns")["results"][0]
        return [row for series in result.get("series", []) for row in series["values"]]

    def stats(self, listener=0):
        result = self.server.query_json("SHOW STATS FOR 'udp'")["results"][0]
        for series in result["series"]:
            if series["tags"]["bind"].endswith(":%d" % self.ports[listener]):
                return dict(zip(series["columns"], series["values"][0]))

    def test_points(self):
        self.send("a,h=x v=1,s=\"text\" 1\na,h=y v=2 2")
        self.send("a,h=z v=3i 3\n")
        self.assertTrue(until(lambda: len(self.values("SELECT v FROM a")) == 2))
        self.assertEqual(self.values("SELECT s FROM a"), [[1, "text"]])
        self.assertTrue(until(lambda: self.stats()["pointsRx"] >= 3))  # the third conflicts: float is there

    def test_without_time(self):
        before = time.time_ns()
        for i in range(50):
            self.send("now v=%di" % i)
        self.assertTrue(until(lambda: len(self.values("SELECT v FROM now")) == 50))
        times = [row[0] for row in self.values("SELECT v FROM now")]
        self.assertTrue(before <= times[0] <= times[-1] <= time.time_ns())

    def test_datagram_at_fault(self):
        before = self.stats()["pointsParseFail"]
        self.send("fault v=1 1\nfault v=\nfault v=3 3")
        self.send("fault,h= v=4 4")
        self.send("# nothing\n\n")
        self.send("fault v=5 5")
        self.assertTrue(until(lambda: self.values("SELECT v FROM fault") == [[5, 5]]))
        self.assertEqual(self.stats()["pointsParseFail"], before + 2)

    def test_many(self):
        before = self.stats()
        for i in range(2000):
            self.send("many,h=h%d v=%d,w=2i,s=\"%s\" %d" % (i % 50, i, "x" * (i % 30), i + 1))
            if i % 100 == 99:  # as fast as it is read: loopback loses what the socket has no room for
                until(lambda: self.stats()["pointsRx"] - before["pointsRx"] >= i + 1, 5)
        after = lambda: self.stats()
        self.assertTrue(until(lambda: after()["pointsTx"] - before["pointsTx"] >= 2000))
        self.assertEqual(self.values("SELECT count(v), count(w), count(s) FROM many"), [[0, 2000, 2000, 2000]])
        self.assertGreater(after()["bytesRx"], before["bytesRx"])
        self.assertEqual(after()["readFail"], before["readFail"])

    def test_database_dropped(self):
        self.send("gone v=1 1")
        self.assertTrue(until(lambda: self.values("SELECT v FROM gone") == [[1, 1]]))
        self.server.query("DROP DATABASE udp")
        self.send("gone v=2 2")
        self.assertTrue(until(lambda: self.values("SELECT v FROM gone") == [[2, 2]]))

    def test_second_listener(self):
        """Its own database, policy and precision; a batch is full, or waits."""
        for i in range(4):
            self.send("b v=%d %d" % (i, i), 1)
        self.assertTrue(until(lambda: self.stats(1)["batchesTxFail"] == 1))  # no such policy
        self.server.query("CREATE RETENTION POLICY p ON other DURATION INF REPLICATION 1")
        for i in range(6):
            self.send("b v=%d %d" % (i, i), 1)
        self.assertTrue(until(lambda: self.values("SELECT v FROM other.p.b", "other") ==
                              [[i * 10 ** 9, i] for i in range(4)]))
        self.assertTrue(until(lambda: self.stats(1)["pointsTx"] == 4))  # counted behind the write
        self.assertIsNone(self.stats(2))  # not enabled

    def test_shown(self):
        self.send("c v=1 1")
        self.assertTrue(until(lambda: self.values("SELECT v FROM c") == [[1, 1]]))
        self.assertTrue(until(lambda: self.stats()["pointsTx"] > 0))
        bind = "127.0.0.1:%d" % self.ports[0]
        vars_ = json.loads(self.server.request("GET", "/debug/vars").body)
        self.assertEqual(vars_["udp:" + bind]["tags"], {"bind": bind})
        self.assertGreater(vars_["udp:" + bind]["values"]["pointsTx"], 0)
        metrics = self.server.request("GET", "/metrics").body.decode()
        self.assertRegex(metrics, r'silt_udp_points_written_total{bind="%s"} [1-9]' % bind)
        write = dict(zip(*[(s["columns"], s["values"][0]) for s in self.server.query_json(
            "SHOW STATS FOR 'write'")["results"][0]["series"]][0]))
        self.assertGreater(write["pointReq"], 0)


class SameAsInfluxd(unittest.TestCase):
    """The same datagrams to both, by the same settings of influxdb.conf; the same answers and counters."""
    SETTINGS = '''[[udp]]
  enabled = true
  bind-address = "127.0.0.1:%d"
  database = "u"
  precision = "ms"
  batch-size = 100
  batch-timeout = "50ms"
'''
    EMPTY = ("bad", "c v=1 5\nbad\nc v=2 6", "", "# comment", "\n\n", "d,h= v=1 9", "f v=9223372036854775808i 13",
             "g v=1 99999999999999999999")
    DATAGRAMS = ["a,h=x v=1 1", "a v=1i 2\na v=2i 3", "b,z=1,a=2 s=\"t\",t=true 4", "bad", "c v=1 5\nbad\nc v=2 6", "",
                 "# comment", "\n\n", "c v=3 7\n\n# c\nc v=4 8", "d,h= v=1 9", "d v=1 10 ", "d\\ e,k\\=1=v\\,2 v=-1.5e3 11",
                 "e v=1,w=\"a\nb\" 12", "f v=9223372036854775808i 13", "g v=1 99999999999999999999", "i v=T 15"]

    def ask(self, server, port):
        """What is stored, and the counters after each datagram, each a batch of its own."""
        counters, sent, batches = [], 0, 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            def awake():  # influxd answers over HTTP before it listens here
                s.sendto(b"#", ("127.0.0.1", port))
                return until(lambda: self.stats(server)["bytesRx"] > 0, 0.5)
            self.assertTrue(until(awake))
            time.sleep(0.1)
            base = self.stats(server)["bytesRx"]
            for datagram in self.DATAGRAMS:
                sent += s.sendto(datagram.encode(), ("127.0.0.1", port))
                self.assertTrue(until(lambda: self.stats(server)["bytesRx"] == base + sent))
                batches += datagram not in self.EMPTY
                self.assertTrue(until(lambda: sum(self.stats(server)[k] for k in ("batchesTx", "batchesTxFail")) == batches))
                counters.append((datagram, dict(self.stats(server), bytesRx=sent)))
        diagnostics = [server.query("SHOW DIAGNOSTICS FOR '%s'" % m).replace(str(port), "PORT")
                       for m in ("config-udp", "config-subscriber")]
        return counters, diagnostics, server.query("SELECT * FROM /.*/ GROUP BY *", db="u"), server.query("SHOW FIELD KEYS", db="u")

    def stats(self, server):
        series = server.query_json("SHOW STATS FOR 'udp'")["results"][0]["series"][0]
        self.assertEqual(list(series["tags"]), ["bind"])
        return dict(zip(series["columns"], series["values"][0]))

    def test(self):
        port, other = live.free_port(), live.free_port()
        influxd = live.start_influxd(settings=self.SETTINGS % port)
        if influxd is None:
            self.skipTest("no influxd")
        with influxd, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "influxdb.conf")
            with open(path, "w") as f:
                f.write(self.SETTINGS % other)
            with live.start_siltd(args=("--config", path)) as siltd:
                self.assertEqual(self.ask(siltd, other), self.ask(influxd, port))


class Settings(unittest.TestCase):
    def start(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "siltd.toml")
            with open(path, "w") as f:
                f.write("[data]\ndir = \"%s/data\"\n[http]\nbind-address = \"127.0.0.1:0\"\n%s" % (folder, text))
            done = subprocess.run([live.siltd_path(), "--config", path], capture_output=True, timeout=60)
            return done.returncode, done.stderr.decode()

    def test_refused(self):
        code, said = self.start('[[udp]]\nenabled = true\nbind-address = "127.0.0.1:0"\nprecision = "us"\n')
        self.assertEqual(code, 1)
        self.assertIn('udp.precision: "us" is none of n, u, ms, s, m, h', said)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            code, said = self.start('[[udp]]\nenabled = true\nbind-address = "%s"\n' % address)
        self.assertEqual(code, 1)
        self.assertIn("cannot listen on %s (udp)" % address, said)

    def test_stop_writes_what_waits(self):
        port = live.free_port()
        env = {"SILT_UDP_0_ENABLED": "true", "SILT_UDP_0_BIND_ADDRESS": "127.0.0.1:%d" % port,
               "SILT_UDP_0_BATCH_TIMEOUT": "1h"}
        with tempfile.TemporaryDirectory() as folder:
            with live.start_siltd(folder, env=env) as server:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    for i in range(20):
                        s.sendto(b"waits v=%d %d" % (i, i), ("127.0.0.1", port))
                self.assertEqual(server.stop(), 0)
            with live.start_siltd(folder) as server:
                result = server.query_json("SELECT count(v) FROM waits", db="udp")["results"][0]
                self.assertEqual(result["series"][0]["values"][0][1], 20)


if __name__ == "__main__":
    unittest.main()
