"""shell.py - the `influx` shell 1.6.7: typed at a terminal, with -execute, and importing a file."""
import gzip
import os

import common
import terminal

NAME = "influx shell"
PROMPT = "> "

TYPED = [
    "create database tele", "show databases", "use nowhere", "use tele", "use tele.nowhere", "show measurements",
    "insert cpu,host=web1 usage=12.5,cores=8i,up=true 1577836800000000000",
    'insert cpu,host=web2,dc=a\\ b usage=71,cores=16i,note="two words" 1577836810000000000',
    "INSERT INTO autogen cpu,host=web3 usage=3 1577836820000000000",
    "insert into nowhere cpu,host=web3 usage=3 1577836820000000000",
    "insert cpu,host=web1 usage=wrong", "insert cpu,host=web1 cores=1.5 1577836800000000000", "insert cpu",
    "select * from cpu", "select mean(usage) from cpu group by host", "precision rfc3339", "select * from cpu",
    "precision ms", "select usage from cpu limit 2", "precision wrong", "format csv", "select * from cpu; select count(usage) from cpu",
    "select usage from cpu group by host", "show tag values with key = host", "format json", "select * from cpu", "pretty",
    "select * from cpu limit 1", "pretty", "format column", "format wrong", "settings", "chunked", "chunk size 1",
    "select usage, host from cpu", "chunk size 0", "chunked", "consistency one", "consistency wrong",
    "show series", "show series from cpu where host = 'web1'", "show tag keys; show field keys",
    "show retention policies", "create retention policy week on tele duration 7d replication 1", "use tele.week", "show retention policies",
    "insert load,host=a v=1i", "select count(v) from load", "use tele", "select count(v) from load", "select count(v) from week.load",
    "selec 1", "select usage from", "select nosuch(usage) from cpu", "select usage from nosuch", "select usage from nosuch.autogen.cpu",
    "clear", "clear db", "select * from cpu",
    "use tele", "history", "help", "format", "precision", "drop measurement cpu", "show measurements", "drop database tele", "show databases",
    "", "nosuchcommand", "auth",
]

IMPORTED = """# DDL
CREATE DATABASE imported
CREATE RETENTION POLICY week ON imported DURATION INF REPLICATION 1

# DML
# CONTEXT-DATABASE: imported
# CONTEXT-RETENTION-POLICY: autogen
treasures,captain_id=dread_pirate_roberts value=801 1439856000
treasures,captain_id=flint value=29 1439856000

treasures,captain_id=sparrow value=38 1439856000
treasures,captain_id=tetra value=47 1439857000
# CONTEXT-RETENTION-POLICY: week
treasures,captain_id=hook value=7i 1439859000
"""

WRONG = IMPORTED.replace("imported", "half").replace("treasures,captain_id=tetra value=47", "treasures,captain_id=tetra value=forty")

SEEN = {
    "connected": "Connected to http://HOST:PORT version V",
    "typed 2: show databases": "tele",
    "typed 3: use nowhere": "ERR: Database nowhere doesn't exist",
    "typed 14: select * from cpu": "1577836810000000000 16    a b web2 two words",
    "typed 16: precision rfc3339": "",
    "typed 17: select * from cpu": "2020-01-01T00:00:10Z",
    "typed 22: select * from cpu; select count(usage) from cpu": "cpu,1577836810000,16,a b,web2,two words,,71",
    "typed 52: selec 1": "ERR: found selec, expected SELECT",
    "import": "Processed 5 inserts",
    "import of a wrong line": "unable to parse 'treasures,captain_id=tetra value=forty 1439857000': invalid",
    "-execute -format csv": "treasures,1439856000000000000,flint,29",
    "history kept": "select mean(usage) from cpu group by host",
}


def program():
    home = common.unpack("influxdb-client")
    return home and os.path.join(home, "usr", "bin", "influx")


def unavailable():
    return None if program() else "the package influxdb-client cannot be had"


def steps(server, folder):
    env = {"HOME": folder, "TERM": "xterm", "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    influx = [program(), "-host", "127.0.0.1", "-port", str(server.port)]
    shell = terminal.Terminal(influx, env)
    try:
        shell.wait(PROMPT)
        yield "connected", "\n".join(shell.lines)
        for number, line in enumerate(TYPED[:-1], 1):
            yield "typed %d: %s" % (number, line), shell.type(line, PROMPT)
        yield "exit", shell.type("exit", PROMPT)
    finally:
        shell.close()
    with open(os.path.join(folder, ".influx_history"), encoding="utf-8") as kept:
        yield "history kept", kept.read()

    path = os.path.join(folder, "export.txt")
    with open(path, "w", encoding="utf-8") as f:
        f.write(IMPORTED)
    strip = lambda text: "\n".join(line.split(" ", 2)[-1] if line[:4].isdigit() else line for line in text.splitlines())
    yield "import", strip(common.run(influx + ["-import", "-path=" + path, "-precision=s"], env=env))
    with gzip.open(path + ".gz", "wt", encoding="utf-8") as f:
        f.write(IMPORTED.replace("imported", "packed"))
    yield "import, compressed", strip(common.run(influx + ["-import", "-compressed", "-path=" + path + ".gz", "-precision=s"], env=env))
    with open(path, "w", encoding="utf-8") as f:
        f.write(WRONG)
    yield "import of a wrong line", strip(common.run(influx + ["-import", "-path=" + path, "-precision=s"], env=env))
    yield "what it left", common.run(influx + ["-database", "half", "-execute", "select * from treasures; select * from week.treasures"], env=env)
    yield "import, no file", strip(common.run(influx + ["-import", "-path=none.txt"], env=env, cwd=folder))
    for output in ("csv", "json", "column", "json -pretty"):
        words = output.split()
        yield "-execute -format " + output, common.run(
            influx + ["-database", "imported", "-format"] + words[:1] + words[1:] +
            ["-execute", "select * from treasures; select * from week.treasures; show measurements"], env=env)
    for precision in ("rfc3339", "h", "m", "s", "ms", "u", "ns"):
        yield "-precision " + precision, common.run(
            influx + ["-database", "packed", "-precision", precision, "-execute", "select * from treasures"], env=env)
    for statement in ("select * from treasures", "selec", "create database", "show databases", "drop database nowhere",
                      "select sum(value) from treasures group by captain_id, time(1h) fill(none) limit 1"):
        yield "-execute without -database: " + statement, common.run(influx + ["-execute", statement], env=env)
        yield "-execute: " + statement, common.run(influx + ["-database", "imported", "-execute", statement], env=env)
    yield "wrong database", common.run(influx + ["-database", "nowhere", "-execute", "select * from treasures"], env=env)
    yield "standard input", common.run(influx + ["-database", "imported"], env=env,
                                       text="select count(value) from treasures;\nshow tag keys\n")
    yield "other port", common.run([program(), "-host", "127.0.0.1", "-port", "1", "-execute", "show databases"], env=env)
