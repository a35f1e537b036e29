#!/usr/bin/env python3
"""examples_test.py - the files of examples/ and the Dockerfile, as far as they can be judged without Docker, Telegraf and Grafana.

YAML, TOML and JSON are read; what they name has to be there. Every query of the dashboards is put to siltd, with Grafana's variables
replaced as Grafana does, over data as Telegraf writes it and over siltd's own `_internal`: each has to answer with rows.
"""
import glob
import json
import math
import os
import re
import sys
import time
import tomllib
import unittest

import live

EXAMPLES = os.path.join(live.ROOT, "examples")
STEP, MINUTES = 10, 10


def read(*path):
    with open(os.path.join(EXAMPLES, *path), encoding="utf-8") as f:
        return f.read()


def telegraf_lines(now):
    """Ten minutes of two hosts, in the measurements, tags, fields and types of Telegraf's plugins."""
    for i in range(MINUTES * 60 // STEP):
        at = (now - i * STEP) * 1000000000
        n = MINUTES * 60 // STEP - i # counters rise with time
        for h, host in enumerate(("web-1", "db.2")):
            idle = 60 + 20 * math.sin(i / 7 + h)
            for cpu in ("cpu-total", "cpu0"):
                yield "cpu,cpu=%s,host=%s usage_idle=%f,usage_user=%f,usage_system=3.5,usage_iowait=0.5,usage_steal=0 %d" % (
                    cpu, host, idle, 96 - idle, at)
            yield "mem,host=%s used_percent=%f,used=%di,total=8589934592i %d" % (host, 50 + i / 10, 4000000000 + i, at)
            yield "system,host=%s load1=0.75,load5=0.5,load15=0.25,n_cpus=2i %d" % (host, at)
            yield "disk,device=vda1,fstype=ext4,host=%s,mode=rw,path=/ used_percent=31.5,free=%di,total=100000000000i %d" % (
                host, 68500000000 - i, at)
            yield "diskio,host=%s,name=vda read_bytes=%di,write_bytes=%di,reads=%di %d" % (host, n * 40960, n * 81920, n, at)
            yield "net,host=%s,interface=eth0 bytes_recv=%di,bytes_sent=%di %d" % (host, n * 1000000, n * 500000, at)


def dashboards():
    for path in sorted(glob.glob(os.path.join(EXAMPLES, "grafana", "dashboards", "*.json"))):
        with open(path, encoding="utf-8") as f:
            yield os.path.basename(path), json.load(f)


def with_values(query, now, step):
    """As Grafana sends it: a variable of several values in a regular expression is (a|b), with what is special escaped."""
    hosts = "(web-1|db\\.2)"
    for name, value in (("$host", hosts), ("$timeFilter", "time >= %dms and time <= %dms" % ((now - 600) * 1000, (now + 60) * 1000)),
                        ("$__interval", step)):
        query = query.replace(name, value)
    return query


class Files(unittest.TestCase):
    def test_toml(self):
        telegraf = tomllib.loads(read("telegraf", "telegraf.conf"))
        self.assertEqual(telegraf["outputs"]["influxdb"][0]["database"], "telegraf")
        self.assertIn("socket_listener", tomllib.loads(read("telegraf", "collectd.conf"))["inputs"])

    def test_yaml(self):
        try:
            import yaml
        except ImportError:
            self.skipTest("no python3-yaml")
        compose = yaml.safe_load(read("compose.yaml"))
        self.assertEqual(set(compose["services"]), {"silt", "telegraf", "grafana"})
        named = set()
        for service in compose["services"].values():
            for volume in service.get("volumes", ()):
                source = volume.split(":")[0]
                if source.startswith("./"):
                    self.assertTrue(os.path.exists(os.path.join(EXAMPLES, source)), source)
                elif not source.startswith("/"):
                    named.add(source)
            for other in service.get("depends_on", ()):
                self.assertIn(other, compose["services"])
        self.assertEqual(named, set(compose["volumes"]))
        sources = yaml.safe_load(read("grafana", "provisioning", "datasources", "silt.yaml"))["datasources"]
        uids = {source["uid"] for source in sources}
        for name, board in dashboards():
            for panel in board["panels"]:
                self.assertIn(panel["datasource"]["uid"], uids, name)
        provider = yaml.safe_load(read("grafana", "provisioning", "dashboards", "silt.yaml"))["providers"][0]
        folder = provider["options"]["path"]
        self.assertTrue(any(v.split(":")[1] == folder for v in compose["services"]["grafana"]["volumes"]), folder)

    def test_readme_names_all(self):
        text = read("README.md")
        for path in glob.glob(os.path.join(EXAMPLES, "**", "*.*"), recursive=True):
            name = os.path.relpath(path, EXAMPLES)
            if name != "README.md" and not name.startswith("grafana/provisioning/"):
                self.assertIn("`%s`" % name, text)

    def test_udp(self):
        """siltd takes the section, and the line that its comment sends."""
        text = read("udp.toml")
        port = live.free_port()
        line = re.search(r"printf '([^']*)'", text).group(1)
        with live.start_siltd() as first:
            path = os.path.join(first.folder, "udp.toml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text.replace("8089", str(port)))
            with live.start_siltd(args=["--config", path]) as server:
                import socket
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.sendto(line.encode(), ("127.0.0.1", port))
                for _ in range(600):
                    if '"open"' in server.query("SELECT open FROM udp.autogen.door"):
                        return
                    time.sleep(0.05)
                self.fail("the datagram was not written")

    def test_dockerfile(self):
        """What the build copies and runs is there; the image's user is not root, and its health check is the shell's."""
        with open(os.path.join(live.ROOT, "Dockerfile"), encoding="utf-8") as f:
            text = f.read()
        self.assertEqual(len(re.findall(r"^FROM debian:12-slim", text, re.M)), 2)
        for path in re.findall(r"\bscript/\w+", text):
            self.assertTrue(os.access(os.path.join(live.ROOT, path), os.X_OK), path)
        self.assertIn("\nUSER silt\n", text)
        check = json.loads(re.search(r"^HEALTHCHECK .*\\\n\s+CMD (\[.*\])$", text, re.M).group(1))
        import subprocess
        shell = os.path.join(os.path.dirname(live.siltd_path()), check[0])
        for auth in ("false", "true"):
            with live.start_siltd(env={"SILT_HTTP_AUTH_ENABLED": auth}) as server:
                def healthy():
                    return subprocess.run([shell, *check[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL, timeout=60,
                                          env=dict(os.environ, SILT_PORT=str(server.port))).returncode == 0
                self.assertTrue(healthy(), "auth-enabled = " + auth)
                server.stop()
                self.assertFalse(healthy())


class Dashboards(unittest.TestCase):
    def test_queries(self):
        with live.start_siltd(env={"SILT_MONITOR_STORE_ENABLED": "true", "SILT_MONITOR_STORE_INTERVAL": "100ms"}) as server:
            now = int(time.time())
            server.query("CREATE DATABASE telegraf")
            self.assertEqual(server.write("\n".join(telegraf_lines(now)), db="telegraf").status, 204)
            for _ in range(600): # two collections that know the database, so that there is a rate
                if server.query('SELECT "numSeries" FROM _internal.monitor."database" WHERE "database" = \'telegraf\'').count("Z\",") > 25:
                    break
                time.sleep(0.1)
            asked = 0
            for name, board in dashboards():
                for panel in board["panels"]:
                    self.assertTrue(panel["targets"], panel["title"])
                    for target in panel["targets"]:
                        self.assert_rows(server, name, target["query"], panel["datasource"]["uid"], now)
                        asked += 1
                for variable in board["templating"]["list"]:
                    self.assert_rows(server, name, variable["query"], variable["datasource"]["uid"], now)
            self.assertGreater(asked, 20)

    def assert_rows(self, server, name, query, uid, now):
        # A few seconds of _internal are all there is.
        text = with_values(query, now, "%ds" % STEP if uid == "silt-telegraf" else "1s")
        self.assertNotRegex(text, r"\$[a-zA-Z_]", "%s: a variable that this test does not know: %s" % (name, query))
        database = {"silt-telegraf": "telegraf", "silt-internal": "_internal"}[uid]
        result = json.loads(server.query(text, db=database, epoch="ms"))["results"][0]
        series = result.get("series", [])
        values = [row[1] for one in series for row in one["values"] if row[1] is not None]
        self.assertTrue(values, "%s: %s\n  answers %s" % (name, text, json.dumps(result)[:300]))
        if database == "telegraf":
            tags = {one["tags"]["host"] for one in series if "host" in one.get("tags", {})}
            self.assertIn(tags, (set(), {"web-1", "db.2"}), text)


def main():
    result = unittest.TextTestRunner(stream=sys.stdout).run(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]))
    failed, skipped = len(result.failures) + len(result.errors), len(result.skipped)
    print("%d passed, %d failed, %d skipped" % (result.testsRun - failed - skipped, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
