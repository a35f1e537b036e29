"""/query's forms of answer - JSON, CSV, MessagePack; whole, chunked, pretty - against a real influxd, byte for byte.

Both servers get the same data and the same requests. Without influxd's package the answers that matter most are still
checked, against texts written down here.
"""
import gzip
import itertools
import struct
import unittest

import live

DATA = r'''m,host=a,reg=x\ y f=1.5,i=3i,b=true,s="he,l\"lo" 1000000000
m,host=b f=1e-9,i=-5i 2000000001
m,host=a,reg=x\ y f=1e25,i=300i,b=false,s="x y" 3000000000
m,host=a f=0.1,i=-40i 4000000000
m,host=c f=100000,s=" lead",i=70000i 5000000000
m,host=d s="\\.",i=-33000i 6000000000
m,host=e s="",f=-1e300,i=9007199254740993i 7000000000
m,host=e s="tab	in" 8000000000
m,host=e s="	tab",i=-2147483649i -8000000001
m,host=e s="cr''' + "\r" + r'''",i=128i -1
m,host=e s="a
b",i=-128i 9000000000
m,host=e s="''' + "\u3000wide" + r'''",i=127i 9000000001
m,host=e s="''' + "\u00e9t\u00e9" + r'''",i=-129i 9000000002
m,host=e s="<&>",i=32768i 9000000003
n v=1 1
t,a\,b=c\=d,e=f\ g v=1i 1
'''
LONG = "".join('long v=%di,s="%s" %d\n' % (i, "x" * i, i) for i in (31, 32, 255, 256, 65535)) + \
    "".join("wide %s %d\n" % (",".join("f%d=%d" % (k, k) for k in range(20)), i) for i in range(20)) + \
    "".join("many,k=%d v=%d %d\n" % (i, i, i) for i in range(70))
BIG = "".join("big v=%d %d\n" % (i, i) for i in range(25000))

ACCEPTS = ["application/json", "text/csv", "application/csv", "application/x-msgpack"]
OTHER_ACCEPTS = ["", "*/*", "text/csv, */*", "text/csv;q=0.5", "TEXT/CSV", "application/x-msgpack;q=1", "bogus", "text/*",
                 "application/msgpack", "application/json, text/csv", "text/csv ", " application/csv"]
QUERIES = ["SELECT * FROM m", "SELECT f, b FROM m", "SELECT i FROM m", "SELECT s FROM m",
           "SELECT f FROM m WHERE host = 'a' GROUP BY host", "SELECT i FROM m GROUP BY host", "SELECT v FROM t GROUP BY e",
           "SELECT i FROM m; SELECT v FROM n", "SELECT f FROM m; SELECT f FROM m", "SELECT f FROM nope",
           "SELECT", "SELECT f FROM nope; SELECT v FROM n", "SELECT f FROM x..y", "SELECT v FROM n; SELECT f FROM x..y",
           "SELECT v FROM n; SELECT f FROM x..y; SELECT v FROM n", "", ";;", "SELECT f FROM m tz('Europe/Berlin')",
           "SHOW DATABASES", "SHOW MEASUREMENTS", "SHOW TAG KEYS", "SHOW FIELD KEYS", "SHOW TAG VALUES WITH KEY = host",
           "SHOW SERIES", "SHOW USERS", "SHOW SERIES FROM m; SHOW TAG KEYS FROM m; SELECT v FROM n",
           "CREATE DATABASE d", "DROP RETENTION POLICY nope ON d",
           "SELECT count(f), mean(f), sum(i) FROM m GROUP BY host", "SELECT v, s FROM long", "SELECT * FROM wide",
           "SELECT v FROM many GROUP BY k", "SELECT v FROM many, n, t", "SELECT mean(f) FROM m WHERE time >= 0 AND time < 10s GROUP BY time(2s)",
           "SELECT f * f FROM m", "SELECT f / 0 FROM m", "SELECT * FROM m LIMIT 2 OFFSET 3", "SELECT v, v FROM n"]
FORMS = [{}, {"epoch": "s"}, {"epoch": "ns"}, {"epoch": "h"}, {"chunked": "true", "chunk_size": "2"},
         {"chunked": "true", "chunk_size": "1", "epoch": "ms"}, {"pretty": "true"}]
LIMITED = ["SELECT v FROM many LIMIT 2", "SELECT v FROM many LIMIT 3", "SELECT v FROM many LIMIT 4", "SELECT v FROM many",
           "SELECT v FROM many GROUP BY k", "SELECT v FROM many LIMIT 2; SELECT v FROM n; SELECT v FROM n",
           "SELECT v FROM many LIMIT 2; SELECT v FROM big; SELECT v FROM n", "SHOW SERIES", "SHOW TAG KEYS", "SHOW FIELD KEYS",
           "SELECT v FROM many LIMIT 3; SELECT v FROM n", "SELECT v FROM many LIMIT 3; SELECT v FROM x..y",
           "SELECT v FROM x..y; SELECT v FROM many", "SELECT v FROM n, many, t", "SELECT v FROM /^(n|t)$/, many",
           "SELECT v FROM long, many GROUP BY k", "SELECT v FROM long, many, n GROUP BY k"]
CHUNKS = [("true", s) for s in ("0", "-1", "x", "1.5", "+3", "3 ", "9223372036854775808", "10000", "9999", "10001",
                                "100000", "")] + [("True", "2"), ("1", "2"), ("false", "2"), ("", "2")]


def unpack(data, at=0):
    """The value of MessagePack at an offset, with the offset behind it. Maps become lists of pairs, sorted."""
    tag = data[at]
    at += 1
    if tag <= 0x7f:
        return tag, at
    if tag >= 0xe0:
        return tag - 256, at
    if 0xa0 <= tag <= 0xbf:
        n = tag & 31
    elif tag in (0xd9, 0xda, 0xdb):
        size = 1 << (tag - 0xd9)
        n = int.from_bytes(data[at:at + size], "big")
        at += size
    if 0xa0 <= tag <= 0xbf or tag in (0xd9, 0xda, 0xdb):
        return (tag, data[at:at + n]), at + n
    if 0x80 <= tag <= 0x9f or 0xdc <= tag <= 0xdf:
        if tag <= 0x9f:
            n = tag & 15
        else:
            size = 2 if tag in (0xdc, 0xde) else 4
            n = int.from_bytes(data[at:at + size], "big")
            at += size
        is_map = tag <= 0x8f or tag >= 0xde
        out = []
        for _ in range(n):
            value, at = unpack(data, at)
            if is_map:
                key = value
                value, at = unpack(data, at)
                value = (key, value)
            out.append(value)
        return (tag, sorted(out, key=repr) if is_map else out), at
    if tag == 0xc7:
        return ("time", struct.unpack(">BBqi", data[at:at + 14])), at + 14
    size = {0xc0: 0, 0xc2: 0, 0xc3: 0, 0xcb: 8, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8}[tag]
    return (tag, data[at:at + size]), at + size


def member(value, name):
    return next(v for k, v in value[1] if k[1] == name)


def comparable(accept, body):
    """The body, but for what differs from run to run: the order of a MessagePack map of tags."""
    if accept != "application/x-msgpack":
        return body
    out, at = [], 0
    while at < len(body):
        value, at = unpack(body, at)
        out.append(value)
    return out


class Comparing:
    """Two servers with the same data."""

    @classmethod
    def start(cls):
        return live.start_siltd(), live.start_influxd()

    @classmethod
    def setUpClass(cls):
        cls.silt, cls.influx = cls.start()
        for server in filter(None, (cls.silt, cls.influx)):
            server.query('CREATE DATABASE "_internal" WITH DURATION 7d REPLICATION 1 SHARD DURATION 1d NAME monitor')
            server.query("CREATE DATABASE d")
            for body in (DATA, LONG, BIG):
                response = server.write(body, db="d")
                assert response.status == 204, response.body

    @classmethod
    def tearDownClass(cls):
        for server in filter(None, (cls.silt, cls.influx)):
            server.stop()

    def ask(self, server, q, accept, **params):
        headers = {"Accept": accept} if accept else {}
        return server.request("GET", "/query", dict(params, q=q, db="d"), headers=headers)

    def check(self, q, accept, **params):
        ours = self.ask(self.silt, q, accept, **params)
        theirs = self.ask(self.influx, q, accept, **params)
        with self.subTest(q=q, accept=accept, **params):
            for name in ("Content-Type", "Transfer-Encoding", "X-Influxdb-Error"):
                self.assertEqual(ours.getheader(name), theirs.getheader(name), name)
            self.assertEqual(ours.status, theirs.status)
            if ours.body != theirs.body:
                self.assertEqual(comparable(accept, ours.body), comparable(accept, theirs.body))

    def need_influx(self):
        if self.influx is None:
            self.skipTest("influxd's package cannot be had")


class Formats(Comparing, unittest.TestCase):
    def test_against_influxd(self):
        self.need_influx()
        for accept in ACCEPTS:
            for q in QUERIES:
                for form in FORMS:
                    self.check(q, accept, **form)

    def test_accept(self):
        self.need_influx()
        for accept in OTHER_ACCEPTS:
            for q in ("SELECT v FROM n", "SELECT"):
                self.check(q, accept)

    def test_chunks(self):
        self.need_influx()
        for accept in ACCEPTS:
            for chunked, size in CHUNKS:
                # Whole, InfluxDB marks more than 10,000 rows as partial by mistake.
                rows = 21001 if chunked == "true" else 10000
                for q in ("SELECT v FROM big LIMIT %d" % rows, "SELECT v FROM many GROUP BY k", "SHOW SERIES FROM many"):
                    self.check(q, accept, chunked=chunked, chunk_size=size, epoch="ns")

    def test_csv(self):
        got = self.ask(self.silt, "SELECT s, f FROM m WHERE host = 'a' GROUP BY host, reg LIMIT 1; SELECT v FROM n", "text/csv")
        self.assertEqual(got.getheader("Content-Type"), "text/csv")
        self.assertEqual(got.body.decode(), 'name,tags,time,s,f\nm,host=a,4000000000,,0.1\n'
                         'm,"host=a,reg=x\\ y",1000000000,"he,l""lo",1.5\n\nname,tags,time,v\nn,,1,1\n')
        got = self.ask(self.silt, "SELECT", "text/csv")
        self.assertEqual(got.status, 400)
        self.assertEqual(got.body.decode(), 'error\n"error parsing query: found EOF, expected identifier, string, number, '
                         'bool at line 1, char 8"\n')

    def test_csv_number_where_influxdb_prints_the_column_name(self):
        got = self.ask(self.silt, "SHOW RETENTION POLICIES", "text/csv")
        self.assertEqual(got.body.decode(), "name,tags,name,duration,shardGroupDuration,replicaN,default\n"
                         ",,autogen,0s,168h0m0s,1,true\n")

    def test_msgpack(self):
        got = self.ask(self.silt, "SELECT v FROM n", "application/x-msgpack")
        self.assertEqual(got.getheader("Content-Type"), "application/x-msgpack")
        self.assertEqual(got.body, b"\x81\xa7results\x91\x82\xacstatement_id\x00\xa6series\x91\x83\xa4name\xa1n\xa7columns\x92"
                         b"\xa4time\xa1v\xa6values\x91\x92\xc7\x0c\x05" + struct.pack(">qi", 0, 1) +
                         b"\xcb" + struct.pack(">d", 1))

    def test_msgpack_of_many_rows(self):
        body = self.ask(self.silt, "SELECT v FROM big", "application/x-msgpack").body
        document, end = unpack(body)
        self.assertEqual(end, len(body))
        result = member(document, b"results")[1][0]
        rows = member(member(result, b"series")[1][0], b"values")[1]
        self.assertEqual(len(rows), 25000)
        for i, (_, (time, (tag, value))) in enumerate(rows):
            self.assertEqual((time, tag, struct.unpack(">d", value)), (("time", (12, 5, 0, i)), 0xcb, (float(i),)))

    def test_gzip(self):
        for accept in ACCEPTS:
            for form in ({}, {"chunked": "true", "chunk_size": "777"}):
                params = dict(form, q="SELECT v FROM big", db="d")
                plain = self.silt.request("GET", "/query", params, headers={"Accept": accept})
                packed = self.silt.request("GET", "/query", params, headers={"Accept": accept, "Accept-Encoding": "gzip"})
                self.assertEqual(packed.getheader("Content-Encoding"), "gzip")
                self.assertEqual(gzip.decompress(packed.body), plain.body)


class RowLimit(Comparing, unittest.TestCase):
    """The same comparisons under max-row-limit."""

    @classmethod
    def start(cls):
        return (live.start_siltd(env={"SILT_HTTP_MAX_ROW_LIMIT": "3"}),
                live.start_influxd(settings="max-row-limit = 3\n"))

    def test_limit(self):
        self.need_influx()
        for accept, form, q in itertools.product(ACCEPTS, FORMS, LIMITED):
            self.check(q, accept, **form)

