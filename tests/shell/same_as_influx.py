#!/usr/bin/env python3
"""same_as_influx.py - the same command lines to silt and to the real `influx` shell 1.6.7, both talking to one siltd: standard
output, standard error and exit status to the byte."""
import sys
import tempfile

import common

STATEMENTS = [
    "select * from cpu", "select * from cpu group by host", "select * from cpu group by *", "select usage from cpu limit 2",
    "select usage, note from cpu", "select mean(usage) from cpu group by host", "select mean(usage) from cpu",
    "select count(*) from cpu", "select max(cores), min(cores) from cpu group by dc",
    "select mean(usage) from cpu where time >= 1577836800s and time < 1577836830s group by time(10s)",
    "select mean(usage) from cpu where time >= 1577836800s and time < 1577836830s group by time(10s), host fill(none)",
    "select mean(usage) from cpu where time >= 1577836800s and time < 1577836830s group by time(5s) fill(0)",
    "select * from texts", "select s from texts", "select s, k from texts group by k", "select s from texts where k = 'd'",
    "select s from texts where k = 'e'", "select s from texts where k = 'f'", "select s from texts where k = 'g'",
    "select s from texts where k =~ /[ghij]/", "select * from wide", "select * from wide group by *",
    'select * from "na,me x"', 'select * from "na,me x" group by *', "select * from bytes", "select v from many limit 3",
    "select v from many", "select v from many group by n", "select * from many where n = '1' limit 700",
    "select * from nosuch", "select nosuch from cpu", "select * from cpu where time > now()", "select up from cpu",
    "select usage from cpu; select cores from cpu", "select usage from cpu; select usage from cpu",
    "select usage from cpu limit 1; select nosuch from cpu; select usage from cpu limit 1",
    "select usage from cpu limit 1; select * from nodb.autogen.cpu; select usage from cpu limit 1",
    "select * from nosuch; select * from nosuch", "select usage from cpu order by time desc", "select first(usage), host from cpu",
    "show databases", "show measurements", "show tag keys", "show tag values with key = host", "show field keys",
    "show series", "show series from cpu", "show retention policies", "show retention policies on d", "show users",
    "show continuous queries", "show tag values with key in (host, dc)", "show field keys from nosuch",
    "show measurements limit 1", "show series cardinality", "show subscriptions", "show grants for nobody",
    "selec", "select", "select usage from", "select nosuch(usage) from cpu", "select * from cpu where time = 'x'",
    "create database", "drop database nowhere", "create database e", "drop database e", "drop measurement nosuch",
    "create retention policy week on nowhere duration 1d replication 1", "select sum(usage) / 0 from cpu",
    "select usage * 1e300 * 1e300 from cpu", "select derivative(usage, 1s) from cpu", "select top(usage, 2), host from cpu",
    "select * from /cpu|wide/", "select * from (select mean(usage) from cpu group by host)", "explain select usage from cpu",
    "insert cpu,host=new usage=1 1577836900000000000", "insert cpu", "insert cpu usage=wrong", "insert", "insert cpu cores=1.5 1",
    "insert into week cpu,host=new usage=2 1577836900000000000", "insert into d.week cpu,host=new usage=2 1577836910000000000",
    "insert into nowhere cpu usage=2", 'insert into "d"."week" cpu,host=new usage=3 1577836920000000000',
    "insert into nodb.week cpu usage=2", "use d", "use nowhere", "use d.week", 'use "d"."week"', "use d.nowhere", "use", "use d;", "USE d",
    "precision", "precision bogus", "format foo", "format", "consistency foo", "pretty", "chunked", "chunk size 5", "chunk size x",
    "chunk 7", "chunk size -5", "chunk size", "clear", "clear db", "clear database", "clear rp", "clear retention policy", "clear foo", "settings", "node", "node x",
    "node 0", "node clear", "auth", "auth ann secret", "history", "", " ", "-- a comment", "use d\nselect usage from cpu limit 1",
    "format csv\nselect usage from cpu limit 1\nformat json\nselect usage from cpu limit 1\npretty\nselect usage from cpu limit 1",
    "chunked\nselect v from many where n = '1' limit 3\nselect v from many group by n limit 2", "chunk size 2\nselect v from many limit 5",
    "chunk size 1\nselect * from cpu group by host", "precision rfc3339\nselect usage from cpu", "precision ms\nselect usage from cpu",
    "use d.week\nselect usage from cpu", "chunked\nselect * from cpu group by *", "selec\nselect usage from cpu",
]

# Commands whose words are our own, on purpose.
OURS = {"format foo", "format", "auth", "history"}

FLAGS = [
    ["-database", "d"], ["-database", "d", "-format", "csv"], ["-database", "d", "-format", "json"],
    ["-database", "d", "-format=json", "-pretty"],
]

OTHERS = [
    ["-execute", "select usage from cpu"], ["-execute", "show databases"], ["-execute", "select usage from d.autogen.cpu"],
    ["-database", "nowhere", "-execute", "select usage from cpu"], ["-execute", "insert cpu usage=1"],
    ["--database=d", "--precision=rfc3339", "--execute=select usage from cpu"],
    ["-database", "d", "-precision", "h", "-execute", "select usage from cpu"],
    ["-database", "d", "-precision", "u", "-execute", "select usage from cpu"],
    ["-database", "d", "-precision", "bogus", "-execute", "select usage from cpu"],
    ["-database", "d", "-precision", "s", "-execute", "insert cpu,host=s usage=1 1577836930"],
    ["-database", "d", "-pretty=true", "-format", "json", "-execute", "show databases"],
    ["-database", "d", "-pretty=false", "-format", "json", "-execute", "show databases"],
    ["-username", "ann", "-password", "x", "-database", "d", "-execute", "select usage from cpu"],
    ["-username", "ann", "-password", "x", "-database", "d", "-execute", "use d"],
    ["-password", "", "-execute", "show databases"], ["-database", "d", "-consistency", "one", "-execute", "insert cpu,host=s usage=1 1"],
]

SCRIPTS = [
    "select usage from cpu;\nshow tag keys\n", "select usage\nfrom cpu\nwhere host = 'web1'\n", "", "\n", "selec\n",
    "show databases; selec", "select s from texts where k = 'd'; select s from texts where k = 'a';\n",
]


def main():
    judge = common.Judge()
    package = common.live.find_peer("influxdb-client", "usr/bin/influx")
    if package is None:
        print("the package influxdb-client cannot be had")
        judge.skipped = 1
        return judge.end()
    with common.live.start_siltd() as server, tempfile.TemporaryDirectory(prefix="silt-shell-") as home:
        common.load(server)
        address = ["-host", "127.0.0.1", "-port", str(server.port)]
        env = common.environment(home)

        def both(what, argv, text=None):
            want = common.run([package] + address + argv, env, text)
            got = common.run([common.SILT] + address + argv, env, text)
            judge.same(what, got, want)

        for flags in FLAGS:
            for statement in STATEMENTS:
                if statement not in OURS:
                    both("%s: %s" % (" ".join(flags), statement), flags + ["-execute", statement])
        for argv in OTHERS:
            both(" ".join(argv), argv)
        for text in SCRIPTS:
            for flags in FLAGS[:3]:
                both("script %r %s" % (text, flags), flags, text)
        both("INFLUX_USERNAME", ["-execute", "show databases"])
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
