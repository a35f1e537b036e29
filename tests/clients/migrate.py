"""migrate.py - moving house: a file as `influx_inspect export` writes it, brought in by `influx -import -compressed`.

Such a file has a line a field, series by series, first what was in TSM files, then what was in the log; the later line of a point counts:

    # DDL
    CREATE DATABASE moved WITH NAME autogen
    # DML
    # CONTEXT-DATABASE:moved
    # CONTEXT-RETENTION-POLICY:autogen
    # writing tsm data
    mixed,host=a f=1.5 1451606400000000000
    # writing wal data

It is imported into siltd and into a real influxd, and both are asked the same. It has gaps, booleans, strings with quotes, several policies
and shards, points written twice.
"""
import gzip
import os
import re

import common
import differential
import shell

NAME = "moving with influx -import"
SEEN = {"imported": "Failed 0 inserts", "databases": '"moved"', "policies": '"week"', "counts": '"mixed"', "strings": "say"}
QUERIES = (
    ("policies", "SHOW RETENTION POLICIES ON moved"),
    ("measurements", "SHOW MEASUREMENTS"),
    ("field keys", "SHOW FIELD KEYS"),
    ("tag keys", "SHOW TAG KEYS"),
    ("tag values", "SHOW TAG VALUES WITH KEY =~ /./"),
    ("counts", "SELECT count(*) FROM /./"),
    ("by host", "SELECT count(f), min(f), max(f), sum(i), count(b), last(s) FROM mixed GROUP BY host, dc"),
    ("by day", "SELECT count(s), max(i) FROM mixed WHERE time >= '2016-01-01' AND time < '2016-02-12' GROUP BY time(1d) fill(none)"),
    ("all rows", "SELECT * FROM mixed"),
    ("strings", "SELECT * FROM odd"),
    ("of the week", "SELECT * FROM moved.week.load"),
)
ODD = ('odd,k=a s="two lines",b=true 1451606400000000000', 'odd,k=b s="say \\"hi\\" \\\\",big=9223372036854775807i 1451606401000000000',
       'odd,k=b,sp\\ ace=x\\,y\\=z f=-1e-300,g=1.7976931348623157e308,with\\ blank=1 1451606402000000000',
       "odd\\,\\ name,k=ä f=0.1 -1451606403000000000")
FIELD = re.compile(r'((?:\\.|[^=,])+)=("(?:\\.|[^"\\])*"|[^,]*),?')


def by_field(lines):
    """Lines of points -> lines of fields, series by series and field by field."""
    columns = {}
    for line in lines:
        key, fields, time = re.fullmatch(r"((?:\\.|[^\\ ])+) (.*) (-?\d+)", line).groups()
        for name, value in FIELD.findall(fields):
            columns.setdefault((key, name), []).append("%s %s=%s %s" % (key, name, value, time))
    return [line for column in sorted(columns) for line in columns[column]]


def export():
    lines = list(differential.mixed_lines())
    out = ["# INFLUXDB EXPORT: 1677-09-21T00:12:43Z - 2262-04-11T23:47:16Z", "# DDL"]
    out += ["CREATE DATABASE moved WITH NAME autogen", "CREATE RETENTION POLICY week ON moved DURATION INF REPLICATION 1 SHARD DURATION 1d"]
    out += ["# DML", "# CONTEXT-DATABASE:moved", "# CONTEXT-RETENTION-POLICY:autogen", "# writing tsm data"]
    out += by_field(lines[:3000]) + by_field(ODD) + ["# writing wal data"] + by_field(lines[2500:])
    out += ["# CONTEXT-DATABASE:moved", "# CONTEXT-RETENTION-POLICY:week", "# writing tsm data"]
    out += ["load,h=a v=1i 1451606400000000000", "load,h=a v=2i 1451696400000000000", "# writing wal data"]
    return "\n".join(out) + "\n"


def unavailable():
    return shell.unavailable()


def steps(server, folder):
    path = os.path.join(folder, "export.gz")
    with gzip.open(path, "wt", encoding="utf-8") as f:
        f.write(export())
    said = common.run([shell.program(), "-host", "127.0.0.1", "-port", str(server.port), "-import", "-compressed", "-path=" + path],
                      env={"HOME": folder, "PATH": os.environ["PATH"]})
    yield "imported", "\n".join(re.findall(r"(?:Processed|Failed) .*|ERR.*|error.*", said))
    yield "databases", server.query("SHOW DATABASES")
    for name, text in QUERIES:
        yield name, server.query(text, db="moved", epoch="ns")
