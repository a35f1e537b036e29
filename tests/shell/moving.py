#!/usr/bin/env python3
"""moving.py - silt import and silt export: what goes out comes back, into siltd and into a real influxd; lines at fault are named; an
import that is cut short goes on where it said."""
import gzip
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import common
import prometheus_wire

EVERYTHING = "SELECT * FROM /.*/ GROUP BY *"

BAD = """# DDL
CREATE DATABASE bad
CREATE NONSENSE
# DML
# CONTEXT-DATABASE:bad
# CONTEXT-RETENTION-POLICY:autogen
m,k=a v=1 1
# a comment
m,k=a v=2 2

m,k=a v=wrong 3
m,k=a s="two
lines" 4
m,k=a v="a string" 5
m v 6
m,k=a v=7 7
m,k=a s="open 8
m,k=a v=9 9
"""


def answers(server, database):
    """All points of all policies."""
    policies = [row[0] for row in server.query_json("SHOW RETENTION POLICIES ON \"%s\"" % database)["results"][0]["series"][0]["values"]]
    return [(policy, server.query(EVERYTHING, db=database, rp=policy, epoch="ns")) for policy in sorted(policies)]


def fields(server, database):
    return server.query("SHOW FIELD KEYS", db=database)


def main():
    judge = common.Judge()
    with common.live.start_siltd() as server, common.live.start_siltd() as other, \
            tempfile.TemporaryDirectory(prefix="silt-shell-") as home:
        common.load(server)
        env = common.environment(home)
        address = [common.SILT, "-host", "127.0.0.1", "-port", str(server.port)]
        to_other = [common.SILT, "-host", "127.0.0.1", "-port", str(other.port)]

        # Out and in again, plain, packed, and through a pipe.
        path = os.path.join(home, "d.txt")
        out, err, status = common.run(address + ["export", "d", "-output", path], env)
        judge.true("export", (out, status) == ("", 0) and re.match(r"[0-9,]+ points written in ", err), (out, err, status))
        judge.true("nothing is left beside it", not os.path.exists(path + ".part"))
        out, err, status = common.run(to_other + ["import", path], env)
        judge.true("import", status == 0 and err == "" and re.match(r"[0-9,]+ points written in .* a second\)\n", out), (out, err, status))
        judge.same("the same points", answers(other, "d"), answers(server, "d"))
        judge.same("the same types", fields(other, "d"), fields(server, "d"))
        judge.same("the same policies", other.query("SHOW RETENTION POLICIES ON d"), server.query("SHOW RETENTION POLICIES ON d"))
        other.query("DROP DATABASE d")
        common.run(address + ["export", "d", "-output", path + ".gz"], env)
        with gzip.open(path + ".gz") as packed, open(path, "rb") as plain:
            judge.same("packed", packed.read(), plain.read())
        common.run(to_other + ["-import", "-path=" + path + ".gz", "-compressed"], env)
        judge.same("packed and back", answers(other, "d"), answers(server, "d"))
        other.query("DROP DATABASE d")
        pipe = subprocess.run(" ".join(address) + " export d | " + " ".join(to_other) + " import -jobs 1 -", shell=True, env=env,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        judge.same("through a pipe", (pipe.returncode, answers(other, "d")), (0, answers(server, "d")))

        # The influx shell's import takes it too, and a real influxd.
        influxd = common.live.start_influxd()
        influx = common.live.find_peer("influxdb-client", "usr/bin/influx")
        if influxd and influx:
            with influxd:
                common.run([influx, "-host", "127.0.0.1", "-port", str(influxd.port), "-import", "-path", path], env)
                # That shell doubles a line's end within a text: the policy without one is compared.
                judge.same("into influxd, by its shell", answers(influxd, "d")[1], answers(server, "d")[1])
                influxd.query("DROP DATABASE d")
                common.run([common.SILT, "-host", "127.0.0.1", "-port", str(influxd.port), "import", path], env)
                judge.same("into influxd", answers(influxd, "d"), answers(server, "d"))
                common.run([common.SILT, "-host", "127.0.0.1", "-port", str(influxd.port), "export", "d", "-output", path + ".2"], env)
                with open(path) as a, open(path + ".2") as b:
                    judge.same("out of influxd", sorted(b.read().split("\n")), sorted(a.read().split("\n")))
        else:
            judge.skipped += 3

        # Parts of it.
        out, err, status = common.run(address + ["export", "d", "-rp", "week", "-lponly"], env)
        judge.same("one policy, points only", (sorted(line.split(" ")[0] for line in out.split("\n"))[1:], status),
                   (["cpu,dc=a\\", "cpu,dc=a\\", "cpu,host=web1", "cpu,host=web1", "cpu,host=web3"], 0))
        out, _, _ = common.run(address + ["export", "d", "-rp", "week", "-lponly", "-start", "2020-01-01T00:00:10Z", "-end",
                                          "1577836810000000000"], env)
        judge.same("a range", sorted(line.split(" ")[-1] for line in out.strip().split("\n")), ["1577836810000000000"] * 2)
        judge.same("no such time", common.run(address + ["export", "d", "-start", "monday"], env),
                   ("", "-start monday is no time as 2020-01-01T00:00:00Z or nanoseconds\n", 1))
        out, err, status = common.run(address + ["-database", "d", "import", "-"], env, "a\x1b[31m \x07 \u00fc\n" + "b" * 5000 + "\n")
        judge.true("what is no line does nothing to a terminal", status == 1 and "a\\x1b[31m \\x07 \u00fc" in err and "\x1b" not in err
                   and max(map(len, err.split("\n"))) < 1200, err)
        judge.same("no such policy", common.run(address + ["export", "d", "-rp", "x"], env),
                   ("", "ERR: there is no such retention policy\n", 1))
        judge.true("no such database", common.run(address + ["export", "nosuch"], env)[2] == 1)

        # What no line can hold.
        server.query("CREATE DATABASE labels")
        body = prometheus_wire.write_request([({"__name__": "up", "job": job}, [(1000, 1)]) for job in ("a\nup value=7 1", "b")])
        assert server.request("POST", "/api/v1/prom/write", {"db": "labels"}, body, prometheus_wire.WRITE_HEADERS).status == 204
        out, err, status = common.run(address + ["export", "labels", "-lponly"], env)
        judge.same("a line break in a tag", (out, status), ("up,__name__=up,job=b value=1 1000000000\n", 0))
        judge.true("is told", "left out: 1 points with a line break" in err, err)

        # Lines at fault.
        bad = os.path.join(home, "bad.txt")
        with open(bad, "w") as f:
            f.write(BAD)
        for words in (["import", bad], ["-import", "-path", bad]):
            out, err, status = common.run(address + words, env)
            named = re.findall(r"bad\.txt:(\d+): (\w+)", err)
            judge.same("their numbers", sorted(int(n) for n, _ in named), [3, 11, 14, 15, 17])
            judge.same("status", status, 1)
            judge.same("what it wrote", server.query("SELECT v, s FROM m", db="bad", epoch="ns"),
                       '{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time","v","s"],"values":[[1,1,null],[2,2,null],'
                       '[4,null,"two\\nlines"],[7,7,null],[9,9,null]]}]}]}\n')
        judge.true("as the influx shell says it", "Processed 2 commands" in out and "Processed 5 inserts" in out and "Failed 4 inserts" in out and
                   "ERROR: 4 points were not inserted" in err, out + err)
        lines = os.path.join(home, "lines.txt")
        with open(lines, "w") as f:
            f.write("a v=1 1\na v=2 2")
        judge.true("line protocol needs a database", "lines.txt:1: stopped: the file names no database" in
                   common.run(address + ["import", lines], env)[1])
        common.run(address + ["import", lines, "-database", "bad", "-precision", "s", "-rp", "autogen"], env)
        judge.true("line protocol alone", "[1000000000,1],[2000000000,2]" in server.query("SELECT v FROM a", db="bad", epoch="ns"))
        judge.true("no such file", common.run(address + ["import", "nosuch.txt"], env)[1].startswith("nosuch.txt: "))
        with open(path + ".gz", "rb") as f:
            cut = f.read()
        with open(path + ".cut.gz", "wb") as f:
            f.write(cut[:len(cut) // 2])
        out, err, status = common.run(address + ["import", path + ".cut.gz"], env)
        judge.true("a file cut short", status == 1 and "stopped: " in err, err)

        # CSV.
        table = os.path.join(home, "table.csv")
        with open(table, "w") as f:
            f.write('when,host,usage,note\n1,a,1.5,"two\nlines"\n2,a,high,\n3,b,2,"x ""y"""\n4,b,3,5\n')
        common.run(address + ["-execute", "CREATE DATABASE csv"], env)
        out, err, status = common.run(address + ["-database", "csv", "import", table, "-csv",
                                                 "measurement=cpu tags=host fields=usage,note:string time=when:s"], env)
        judge.true("CSV", status == 1 and "3 points written" in out and err == table + ':4: usage: "high" is no float\n', (out, err))
        judge.same("its points", server.query("SELECT * FROM cpu", db="csv", epoch="s"),
                   '{"results":[{"statement_id":0,"series":[{"name":"cpu","columns":["time","host","note","usage"],"values":['
                   '[1,"a","two\\nlines",1.5],[3,"b","x \\"y\\"",2],[4,"b","5",3]]}]}]}\n')
        server.write("cpu clash=1 1", db="csv")
        with open(table, "w") as f:
            f.write("when,clash\n" + "".join("%d,%s\n" % (i, "text" if i == 701 else "2") for i in range(1000)))
        out, err, status = common.run(address + ["-database", "csv", "import", table, "-csv", "measurement=cpu time=when:s"], env)
        judge.true("a row that does not fit", err.startswith(table + ':703: clash: "text" is no float') and "999 points written" in out, (out, err))
        with open(table, "w") as f:
            f.write("when,name,note\n" + "".join("%d,%s,2\n" % (i, "cpu" if i == 300 else "free") for i in range(1000)))
        out, err, status = common.run(address + ["-database", "csv", "import", table, "-csv", "measurement=@name time=when:s"], env)
        judge.true("a row that the server refuses", err.startswith(table + ":302: partial write: field type conflict") and
                   err.count("\n") == 1 and "999 points written" in out, (out, err))
        judge.true("a wrong mapping", common.run(address + ["-database", "csv", "import", table, "-csv", "time=x"], env)[1].startswith("-csv: mapping: "))

        # Cut short by Ctrl-C, gone on with.
        many = os.path.join(home, "many.txt")
        with open(many, "w") as f:
            f.write("# DDL\nCREATE DATABASE many\n# DML\n# CONTEXT-DATABASE:many\n")
            for i in range(300000):
                f.write("m,k=%d v=%d %d\n" % (i % 10, i, i))
        importer = subprocess.Popen(address + ["import", many, "-pps", "200000"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.4)
        importer.send_signal(signal.SIGINT)
        _, err = importer.communicate(timeout=60)
        found = re.search(r"To go on: silt import \S+ -from-line (\d+)", err.decode())
        judge.true("Ctrl-C says where it was", found and importer.returncode == 1, err.decode())
        line = int(found.group(1)) if found else 1

        def count():
            series = server.query_json("SELECT count(v) FROM m", db="many")["results"][0].get("series")
            return series[0]["values"][0][1] if series else 0
        judge.true("all lines before it are there", line - 5 <= count() < 300000, (line, count()))
        common.run(address + ["import", many, "-from-line", str(line)], env)
        judge.same("and the others afterwards", count(), 300000)

        # Answers of any length in little memory.
        for format in ("column", "csv", "json", "table", "vertical", "line"):
            asked = subprocess.Popen(address + ["-database", "many", "-format", format, "-execute", "SELECT * FROM m"], env=env,
                                     stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(asked.pid, 0)
            judge.true("memory of format " + format, status == 0 and (usage.ru_maxrss < 64 << 10 or common.live.sanitizer()), usage.ru_maxrss)

        # A server that goes away for a while.
        server.query("DROP DATABASE many")
    with tempfile.TemporaryDirectory(prefix="silt-shell-") as home:
        restart(judge, home)
    return judge.end()


def restart(judge, home):
    env = common.environment(home)
    many = os.path.join(home, "many.txt")
    with open(many, "w") as f:
        for i in range(300000):
            f.write("m,k=%d v=%d %d\n" % (i % 10, i, i))
    os.mkdir(os.path.join(home, "data"))
    server = common.live.start_siltd(os.path.join(home, "data"))
    try:
        server.query("CREATE DATABASE many")
        importer = subprocess.Popen([common.SILT, "-host", "127.0.0.1", "-port", str(server.port), "-database", "many", "import", many,
                                     "-pps", "200000"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while "series" not in server.query_json("SELECT first(v) FROM m", db="many")["results"][0] and importer.poll() is None:
            time.sleep(0.02)
        server.kill()
        port = server.port
        argv = [common.live.siltd_path(), "--http-bind", "127.0.0.1:%d" % port, "--data-dir", os.path.join(home, "data", "data")]
        server = common.live.Server(argv, port, os.path.join(home, "data"), env={"SILT_MONITOR_STORE_ENABLED": "false", "SILT_CONFIG": "/dev/null", **os.environ}, keep=True)
        out, err = importer.communicate(timeout=120)
        judge.true("an import outlives its server", importer.returncode == 0 and b"300,000 points written" in out, (out, err))
        judge.same("all is there", server.query_json("SELECT count(v) FROM m", db="many")["results"][0]["series"][0]["values"][0][1], 300000)
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
