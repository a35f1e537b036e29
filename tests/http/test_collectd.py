"""collectd's network plugin: [[collectd]] sections, by packets made by hand and by a real collectd."""
import json
import math
import os
import socket
import subprocess
import tempfile
import time
import unittest

import live
from collectd_packets import *
from test_udp import until

TYPES = """# types of the test
gauge     value:GAUGE:U:U
derive    value:DERIVE:U:U
counter   value:COUNTER:U:U
load      shortterm:GAUGE:0:5000, midterm:GAUGE:0:5000, longterm:GAUGE:0:5000
mixed a:GAUGE:0:U, b:DERIVE:U:U, c:COUNTER:0:100
absolute  value:ABSOLUTE:0:U
twice x:GAUGE:U:U, x:GAUGE:U:U
no_blank v:GAUGE:U:U,w:GAUGE:U:U
bad_bound v:GAUGE:x:U
none
   indented v:GAUGE:U:U
no_comma a:GAUGE:U:U b:GAUGE:U:U
again value:GAUGE:U:U
again other:GAUGE:-1.5e3:U,
"""
USERS = "# nobody: x\nalice: w0nder\n carol :pa:ss \nbroken\n"
TIME_SENT = high_resolution(1500000000, 123456789)


def plain(**parts):
    return value_list(time=TIME_SENT, **parts)


def in_seconds(plugin, seconds):
    return (text(HOST, "h") + number(TIME, seconds) + text(PLUGIN, plugin) + text(TYPE, "gauge") + values((GAUGE, 1.0)))


def packets():
    """What both servers take or refuse alike, of every part and kind."""
    yield plain(plugin="cpu", plugin_instance="0", type_instance="idle")
    yield plain(plugin="load", type_="load", list_=((GAUGE, 1.0), (GAUGE, 2.0), (GAUGE, 3.5)))
    yield plain(plugin="nan", type_="load", list_=((GAUGE, 1.0), (GAUGE, math.nan), (GAUGE, math.inf)))
    yield plain(plugin="mixed", type_="mixed", list_=((GAUGE, 1.5), (DERIVE, -2), (COUNTER, 3)))
    yield plain(plugin="twice", type_="twice", list_=((GAUGE, 1.0), (GAUGE, 2.0)))
    for seconds in (0, 1, 1500000000, 1 << 40, (1 << 64) - 5, 9223372036, 9223372037):
        yield in_seconds("time%d" % seconds, seconds)
    for time_ in (0, 1, high_resolution(9223372036, 854775806), high_resolution(9223372036, 854775807), (1 << 64) - 1):
        yield value_list(plugin="high%d" % time_, time=time_)
    numbers = {GAUGE: (-1.7, 0.1, 1e30, -1e30, 1.5e19, math.nan), DERIVE: (-5, (1 << 63) - 1, -(1 << 62) - 1),
               COUNTER: (0, (1 << 64) - 5)}
    for kind, list_ in numbers.items():
        for wanted in ("gauge", "derive", "counter"):
            for i, value in enumerate(list_):
                yield plain(plugin="of%d_%s_%d" % (kind, wanted, i), type_=wanted, list_=((kind, value),))
    yield plain(plugin="few", type_="load")
    yield plain(plugin="unknown", type_="no such") + text(TYPE, "gauge") + values((GAUGE, 7.0))
    for type_ in ("no_blank", "bad_bound", "indented", "again"):
        yield plain(plugin=type_, type_=type_)
    yield plain(plugin="none", type_="none", list_=())
    yield plain(plugin="no_comma", type_="no_comma", list_=((GAUGE, 1.0), (GAUGE, 2.0)))
    yield plain(plugin="kind") + values((9, 5))
    yield plain(host="", plugin="nohost")
    yield plain(host="h 1,=x", plugin="a b,c=d", type_instance="x\ny", plugin_instance="ü")
    yield plain(host=b"\xff\xfe", plugin="utf8")
    yield plain(host="a\0b", plugin="nul")
    yield part(HOST, b"abc") + plain(plugin="unended")
    yield part(HOST, b"") + plain(plugin="nothing")
    yield part(0x123, b"abc") + plain(plugin="other")
    yield text(0x100, "message") + number(0x101, 4) + plain(plugin="notification")
    yield plain(plugin="left1") + b"\0"
    yield plain(plugin="left4") + b"\0\0\0\4"
    yield plain(plugin="cut")[:-1]
    yield plain(plugin="second") + part(TIME, b"abc")
    yield plain(plugin="zero", list_=())
    yield b"".join(plain(plugin="many%d" % i, list_=((GAUGE, float(i)),)) for i in range(8))
    yield plain(plugin="state") + text(TYPE_INSTANCE, "two") + values((GAUGE, 2.0)) + text(PLUGIN, "x") + values((GAUGE, 3.0))
    yield plain(plugin="x" * 200, host="y" * 500)
    yield encrypted(plain(plugin="secret"), "alice", "w0nder")
    yield encrypted(plain(plugin="wrong"), "alice", "wonder")
    yield encrypted(plain(plugin="who"), "bob", "w0nder")
    yield encrypted(plain(plugin="first"), "carol", "pa:ss") + plain(plugin="open")
    yield text(HOST, "outside") + encrypted(in_seconds("inside", 5)[6:], "alice", "w0nder")
    yield signed(plain(plugin="forged"), "alice", "w")
    yield signed(plain(plugin="nobody"), "nobody", "x")
    yield part(SIGNED, b"x" * 32) + plain(plugin="short")
    yield part(ENCRYPTED, b"\0\5alice" + b"x" * 30)
    yield part(ENCRYPTED, b"\xff\xff")


def signed_packets():
    """influxd reads what is behind a signature twice where it does not ask for one."""
    yield signed(plain(plugin="good"), "alice", "w0nder")
    yield plain(plugin="before") + signed(plain(plugin="behind"), "carol", "pa:ss")


class Listener:
    """A server with one listener for packets."""

    def __init__(self, server, port):
        self.server, self.port, self.sent = server, port, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        def awake():  # influxd answers over HTTP before it listens here
            self.socket.sendto(b"\0\0\0\6h\0", ("127.0.0.1", port))
            return until(lambda: self.stats()["bytesRx"] > 0, 0.5)
        assert until(awake)
        time.sleep(0.1)
        self.base = self.stats()["bytesRx"]

    def stats(self):
        series = self.server.query_json("SHOW STATS FOR 'collectd'")["results"][0]["series"][0]
        assert list(series["tags"]) == ["bind"]
        return dict(zip(series["columns"], series["values"][0]))

    def send(self, packet):
        """As fast as it is read: loopback loses what the socket has no room for."""
        self.sent += self.socket.sendto(packet, ("127.0.0.1", self.port))
        assert until(lambda: self.stats()["bytesRx"] == self.base + self.sent)

    def settled(self):
        def is_settled():
            stats = self.stats()
            return stats["pointsRx"] == stats["pointsTx"] or stats["batchesTxFail"]
        assert until(is_settled)
        return dict(self.stats(), bytesRx=self.sent, batchesTx=None)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()
        self.server.stop()


def settings(port, folder, **more):
    lines = dict({"enabled": "true", "bind-address": '"127.0.0.1:%d"' % port, "database": '"c"', "batch-size": "1000",
                  "batch-timeout": '"50ms"', "typesdb": '"%s/types.db"' % folder, "auth-file": '"%s/users"' % folder,
                  "read-buffer": "1048576"}, **{k.replace("_", "-"): '"%s"' % v for k, v in more.items()})
    return "[[collectd]]\n" + "".join("  %s = %s\n" % pair for pair in lines.items())


class WithFiles(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = made.name
        self.write("types.db", TYPES)
        self.write("users", USERS)

    def write(self, name, content):
        with open(os.path.join(self.folder, name), "w") as f:
            f.write(content)

    def siltd(self, **more):
        port = live.free_port()
        self.write("influxdb.conf", settings(port, self.folder, **more))
        return Listener(live.start_siltd(args=("--config", os.path.join(self.folder, "influxdb.conf"))), port)

    def influxd(self, **more):
        port = live.free_port()
        server = live.start_influxd(settings=settings(port, self.folder, **more))
        if server is None:
            self.skipTest("no influxd")
        return Listener(server, port)


class SameAsInfluxd(WithFiles):
    """The same packets to both, by the same settings of influxdb.conf; the same answers and counters."""

    def ask(self, listener, list_):
        for packet in list_:
            listener.send(packet)
        counters = listener.settled()
        server = listener.server
        return [counters, server.query("SHOW DIAGNOSTICS FOR 'config-collectd'").replace(str(listener.port), "PORT"),
                server.query("SHOW SERIES", db="c"), server.query("SHOW FIELD KEYS", db="c"),
                server.query("SELECT * FROM /.*/ GROUP BY *", db="c", epoch="ns")]

    def compare(self, list_, **more):
        list_ = list(list_)
        with self.influxd(**more) as influxd:
            wanted = self.ask(influxd, list_)
        with self.siltd(**more) as siltd:
            for got, want in zip(self.ask(siltd, list_), wanted):
                self.assertEqual(got, want)

    def test_split(self):
        self.compare(packets())

    def test_join(self):
        self.compare(packets(), parse_multivalue_plugin="join")

    def test_signatures_wanted(self):
        self.compare([*packets(), *signed_packets()], security_level="sign")

    def test_encryption_wanted(self):
        self.compare([*packets(), *signed_packets()], security_level="encrypt", parse_multivalue_plugin="join")


class Collectd(WithFiles):
    """What InfluxDB has not, or cannot show."""

    def values(self, listener, q):
        result = listener.server.query_json(q, db="c", epoch="ns")["results"][0]
        return [row for series in result.get("series", []) for row in series["values"]]

    def test_more_than_influxdb(self):
        with self.siltd() as listener:
            listener.send(plain(plugin="absolute", type_="absolute", list_=((ABSOLUTE, 5),)))
            listener.send(signed(plain(plugin="once"), "alice", "w0nder"))
            listener.send(plain(plugin="disk", plugin_instance="C:\\", type_instance="free"))
            listener.send(b"".join(plain(plugin="long%d" % i) for i in range(40)))  # longer than a frame
            self.assertEqual(listener.settled()["pointsRx"], 43)
            self.assertEqual(self.values(listener, "SELECT value FROM absolute_value"), [[1500000000123456789, 5]])
            self.assertEqual(self.values(listener, "SHOW SERIES FROM disk_value"),
                             [["disk_value,host=h,instance=C:,type=gauge,type_instance=free"]])

    def test_without_time(self):
        with self.siltd() as listener:
            listener.send(value_list(plugin="timeless"))
            listener.send(plain(plugin="timed"))
            self.assertEqual(listener.settled()["droppedPointsInvalid"], 1)
            self.assertEqual(self.values(listener, "SHOW MEASUREMENTS"), [["timed_value"]])

    def test_nested(self):
        """Layers of encryption or signatures do not multiply the work."""
        packet = plain(plugin="deep")
        for _ in range(300):
            packet = signed(packet, "alice", "w0nder")
        with self.siltd() as listener:
            listener.send(packet)
            listener.send(encrypted(encrypted(plain(plugin="no"), "alice", "w0nder"), "alice", "w0nder"))
            self.assertEqual(listener.settled()["pointsRx"], 1)
            self.assertEqual(listener.stats()["pointsParseFail"], 1)

    def test_passwords_change(self):
        with self.siltd(security_level="encrypt") as listener:
            listener.send(encrypted(plain(plugin="a"), "alice", "w0nder"))
            listener.send(encrypted(plain(plugin="b"), "dave", "new"))
            self.write("users", "dave: new\n")

            def taken():
                listener.send(encrypted(plain(plugin="c"), "dave", "new"))
                return listener.stats()["pointsRx"] > 1
            self.assertTrue(until(taken))
            before = listener.stats()["pointsParseFail"]
            listener.send(encrypted(plain(plugin="d"), "alice", "w0nder"))
            self.assertEqual(listener.stats()["pointsParseFail"], before + 1)
            with open(listener.server.log_path) as log:
                said = log.read()
            self.assertNotIn("w0nder", said)

    def test_folder_of_types(self):
        os.makedirs(os.path.join(self.folder, "types", "more"))
        self.write("types/a.db", "gauge one:GAUGE:U:U\n")
        self.write("types/more/b.db", "own value:GAUGE:U:U\n")
        self.write("types/z.db", "gauge two:GAUGE:U:U\n")
        with self.siltd(typesdb=os.path.join(self.folder, "types")) as listener:
            listener.send(plain(plugin="p"))
            listener.send(plain(plugin="p", type_="own"))
            listener.settled()
            self.assertEqual(self.values(listener, "SHOW MEASUREMENTS"), [["p_two"], ["p_value"]])

    def test_shown(self):
        with self.siltd() as listener:
            listener.send(plain(plugin="p", type_="load", list_=((GAUGE, 1.0), (GAUGE, math.nan), (GAUGE, 2.0))))
            listener.settled()
            bind = "127.0.0.1:%d" % listener.port
            vars_ = json.loads(listener.server.request("GET", "/debug/vars").body)
            self.assertEqual(vars_["collectd:" + bind]["tags"], {"bind": bind})
            self.assertEqual(vars_["collectd:" + bind]["values"]["pointsTx"], 2)
            metrics = listener.server.request("GET", "/metrics").body.decode()
            self.assertIn('silt_collectd_points_written_total{bind="%s"} 2' % bind, metrics)
            self.assertIn('silt_collectd_dropped_total{bind="%s"} 1' % bind, metrics)

    def test_refused_settings(self):
        for line, said in (('typesdb = "/none"', "collectd.typesdb: /none: No such file or directory"),
                           ('security-level = "sign"\nauth-file = "/none"', "collectd.auth-file: /none: No such file"),
                           ('security-level = "hide"', 'siltd.toml:8: collectd.security-level: "hide" is none of none, sign, encrypt'),
                           ('parse-multivalue-plugin = "no"', 'siltd.toml:8: collectd.parse-multivalue-plugin: "no" is none of split, join')):
            rest = "" if "typesdb" in line else '\ntypesdb = "%s/types.db"' % self.folder
            self.write("siltd.toml", '[data]\ndir = "%s/data"\n[http]\nbind-address = "127.0.0.1:0"\n[[collectd]]\n'
                       'enabled = true\nbind-address = "127.0.0.1:0"\n%s%s\n' % (self.folder, line, rest))
            done = subprocess.run([live.siltd_path(), "--config", os.path.join(self.folder, "siltd.toml")],
                                  capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 1)
            self.assertIn(said, done.stderr.decode())


class RealCollectd(WithFiles):
    """A collectd of Debian's package, unpacked, sends what its own plugins read."""

    def run_collectd(self, home, port, security):
        self.write("collectd.conf", '''Hostname "realhost"
FQDNLookup false
Interval 0.2
BaseDir "%s"
PIDFile "%s/pid"
PluginDir "%s/usr/lib/collectd"
TypesDB "%s/usr/share/collectd/types.db"
LoadPlugin load
LoadPlugin memory
LoadPlugin network
<Plugin network>
  <Server "127.0.0.1" "%d">
%s
  </Server>
</Plugin>
''' % (self.folder, self.folder, home, home, port, security))
        process = subprocess.Popen([home + "/usr/sbin/collectd", "-f", "-C", os.path.join(self.folder, "collectd.conf")],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def stop():
            process.terminate()
            process.wait(30)
        self.addCleanup(stop)

    def send(self, security, **more):
        program = live.find_peer("collectd-core", "usr/sbin/collectd")
        if program is None:
            self.skipTest("no collectd")
        home = program[:-len("/usr/sbin/collectd")]
        with self.siltd(typesdb=home + "/usr/share/collectd/types.db", **more) as listener:
            self.run_collectd(home, listener.port, security)
            self.assertTrue(until(lambda: listener.stats()["pointsTx"] >= 10))
            server = listener.server
            names = [row[0] for row in server.query_json("SHOW MEASUREMENTS", db="c")["results"][0]["series"][0]["values"]]
            self.assertEqual(names, ["load_longterm", "load_midterm", "load_shortterm", "memory_value"])
            series = server.query_json("SELECT last(value) FROM memory_value WHERE host = 'realhost' GROUP BY *",
                                       db="c")["results"][0]["series"]
            self.assertIn({"host": "realhost", "type": "memory", "type_instance": "free"}, [s["tags"] for s in series])
            self.assertEqual(listener.stats()["pointsParseFail"], 0)

    def test_plain(self):
        self.send("")

    def test_signed(self):
        self.send('    SecurityLevel "Sign"\n    Username "alice"\n    Password "w0nder"', security_level="sign")

    def test_encrypted(self):
        self.send('    SecurityLevel "Encrypt"\n    Username "alice"\n    Password "w0nder"', security_level="encrypt")


if __name__ == "__main__":
    unittest.main()
