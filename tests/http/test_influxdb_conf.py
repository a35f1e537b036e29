"""siltd started on InfluxDB's own configuration files: the Debian package's, and what influxd itself prints."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import live


def settings_of(text):
    """section.key -> value of a printed configuration, without lists of sections."""
    section, found = None, {}
    for line in text.splitlines():
        if line.startswith("["):
            section = None if line.startswith("[[") else line.strip("[]")
        elif section and " = " in line and not line.startswith("#"):
            key, value = line.split(" = ", 1)
            found[section + "." + key] = value
    return found


class InfluxdbConf(unittest.TestCase):
    def setUp(self):
        self.influxd = live.find_peer("influxdb", "usr/bin/influxd")
        if self.influxd is None:
            self.skipTest("the package influxdb cannot be had")
        self.folder = tempfile.mkdtemp(prefix="silt-influxdb-conf-")

    def tearDown(self):
        shutil.rmtree(self.folder)

    def differs(self, path):
        """What siltd would do otherwise with this file."""
        run = [live.siltd_path(), "--print-config"]
        env = {name: value for name, value in os.environ.items() if not name.startswith(("SILT_", "INFLUXDB_"))}
        mine = settings_of(subprocess.run(run, cwd=self.folder, env=env, capture_output=True, text=True, check=True).stdout)
        told = subprocess.run(run + ["--config", path], cwd=self.folder, env=env, capture_output=True, text=True, check=True)
        theirs = settings_of(told.stdout)
        self.assertEqual(mine.keys(), theirs.keys())
        return {key: theirs[key] for key in mine if mine[key] != theirs[key]}, told.stderr

    def test_debian(self):
        path = os.path.join(live.PEERS, "influxdb", "etc", "influxdb", "influxdb.conf")
        differs, warnings = self.differs(path)
        self.assertEqual(differs, {"data.dir": '"/var/lib/influxdb/data"', "http.bind-address": '":8086"'})
        self.assertEqual(re.findall(r"without effect in siltd: (.*) \(line", warnings),
                         ["reporting-enabled", "[meta] dir", "[data] wal-dir"])
        with live.start_siltd(self.folder, args=["--config", path]) as server:
            server.query("CREATE DATABASE d")
            self.assertEqual(server.write("m v=1 1", db="d").status, 204)
            self.assertIn('"values":[[1,1]]', server.query("SELECT v FROM m", db="d", epoch="ns"))

    def test_every_key(self):
        """Each key with influxd's default: known, and of no other meaning. Of one siltd's own default is another."""
        text = subprocess.run([self.influxd, "config"], capture_output=True, text=True, check=True).stdout
        self.assertGreater(text.count(" = "), 100)
        path = os.path.join(self.folder, "influxdb.conf")
        with open(path, "w") as f:
            f.write(text)
        differs, warnings = self.differs(path)
        folder = re.search(r'\[data\]\s+dir = (".*")', text).group(1)
        self.assertEqual(differs, {"data.dir": folder, "http.bind-address": '":8086"', "data.compact-full-write-cold-duration": '"4h"'})
        self.assertNotIn("not a setting of InfluxDB", warnings)


if __name__ == "__main__":
    unittest.main()
