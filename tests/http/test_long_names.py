"""Names far longer than any buffer: error texts come whole, in queries and writes, as a real influxd's do."""
import unittest

import live

LONG = "x" * 700
QUERIES = [
    'SELECT v FROM m WHERE @ @',
    'SELECT v FROM m WHERE v = 1 @',
    'DROP SERIES FROM m WHERE @ +',
    'SELECT v FROM m GROUP BY @(',
    'SELECT @(v) FROM m',
    "SELECT mean('@') FROM m",
    "SELECT v FROM m WHERE time > '@'",
    'SELECT v FROM m LIMIT #',
    'SELECT v FROM "@"."@".m',
    'SELECT v FROM m WHERE v =~ /(@/',
    'SHOW TAG VALUES WITH KEY = @ @',
    'SELECT derivative(v, @) FROM m',
    'CREATE RETENTION POLICY @ ON @ DURATION 1h REPLICATION 1',
    "SELECT v + '@' FROM m",
    "SELECT max(v, '@') FROM m",
    'SELECT v FROM m; @',
    'DROP SERIES WHERE @ = @',
    'SELECT v FROM m WHERE time > now() - #d',
    "SELECT v FROM m TZ('@')",
    'SELECT v FROM m WHERE v = $@',
    'SELECT time, @ FROM m GROUP BY time(1m)',
    'SELECT count(v), @ FROM m',
    "SELECT v FROM m WHERE '@",
    'SELECT v::@ FROM m',
    'DROP CONTINUOUS QUERY @ ON @',
    'CREATE CONTINUOUS QUERY c ON d BEGIN SELECT v INTO x FROM m WHERE @ END',
    'CREATE CONTINUOUS QUERY c ON d BEGIN SELECT mean(v) INTO @ FROM m END',
    'DROP USER @',
    'GRANT ALL TO @',
    "CREATE SUBSCRIPTION s ON d.autogen DESTINATIONS ALL '@'",
    "SELECT derivative(mean(@), '@') FROM m",
    'SELECT @(mean(v),1) FROM m GROUP BY time(1m)',
    'SELECT v FROM "@".m',
    'SELECT v FROM m WHERE v = 1 AND host =~ /@[/',
    'SELECT mean(v) FROM m GROUP BY @(1)',
    'SELECT mean(v) FROM m WHERE @(1) = 2',
    'SELECT v INTO "@"..x FROM m',
    'KILL QUERY @',
    'SELECT v FROM m fill(@)',
    "SELECT sum(@) + '@' FROM m",
    "SELECT @ FROM m WHERE time > now() AND @ > now() + '@'",
    'GRANT ALL ON d TO @',
    'DROP SHARD @',
    'SELECT percentile(v, @) FROM m',
    "SELECT top(v, '@') FROM m",
    'SELECT distinct(@, v) FROM m',
    'SELECT max(v) @ FROM m',
    'SHOW FIELD KEYS FROM "@".m',
    'SHOW SERIES ON @',
]
LINES = ["m v=1@", "@ v=1 @", "m,@ v=1", "m @=a", "m @=1,v=\"1\"", "m,a=@,@ v=1", "m,t=@@@@@@@@@@ v=1i"]


def filled(text):
    """@ is a long name, # a long number."""
    return text.replace("@", LONG).replace("#", "9" * 600)


class LongNames(unittest.TestCase):
    def both(self, ask):
        got, want = ask(self.silt), ask(self.influx)
        self.assertEqual((got.status, got.body), (want.status, want.body))

    def test_against_influxd(self):
        with live.start_siltd() as self.silt:
            self.influx = live.start_influxd()
            if self.influx is None:
                self.skipTest("influxd's package cannot be had")
            with self.influx:
                for server in (self.silt, self.influx):
                    server.query("CREATE DATABASE d")
                    server.write("m v=1 1", db="d")
                for q in map(filled, QUERIES):
                    with self.subTest(q=q):
                        self.both(lambda server: server.request("POST", "/query", {"q": q, "db": "d"}))
                for line in map(filled, LINES):
                    with self.subTest(line=line):
                        self.both(lambda server: server.write(line, db="d"))
                self.both(lambda server: server.request("POST", "/query", {"q": "SELECT v FROM m", "db": LONG}))
                self.both(lambda server: server.write("m v=1", db=LONG))
                self.both(lambda server: server.write("m v=1", db="d", rp=LONG))


if __name__ == "__main__":
    unittest.main()
