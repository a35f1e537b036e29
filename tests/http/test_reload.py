"""SIGHUP: what a running server takes from a changed configuration, what it leaves for a restart, and bad files."""
import os
import re
import shutil
import signal
import tempfile
import time
import unittest

import live


class Reload(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="silt-reload-")
        self.config = os.path.join(self.folder, "siltd.toml")
        self.server = None

    def tearDown(self):
        if self.server:
            self.assertEqual(self.server.stop(), 0)
        shutil.rmtree(self.folder)

    def start(self, text):
        self.configure(text)
        self.server = live.start_siltd(self.folder, args=["--config", self.config])

    def configure(self, text):
        with open(self.config, "w") as f:
            f.write(text)

    def log(self):
        with open(self.server.log_path, errors="replace") as f:
            return f.read()

    def wait_for(self, pattern, path=None):
        for _ in range(600):
            text = self.log()
            if path and os.path.exists(path):
                with open(path) as f:
                    text = f.read()
            found = re.findall(pattern, text)
            if found:
                return found
            time.sleep(0.05)
        self.fail("not in the log: " + pattern)

    def reload(self, text):
        """The two lists of names in the line about it."""
        seen = self.log().count("configuration reloaded")
        self.configure(text)
        self.server.process.send_signal(signal.SIGHUP)
        for _ in range(600):
            found = re.findall('msg="configuration reloaded" changed="(.*)" restart="(.*)"', self.log())
            if len(found) > seen:
                return tuple(names.split() for names in found[-1])
            time.sleep(0.05)
        self.fail("no line about the reload")

    def error_of(self, q):
        return self.server.query_json(q, db="d")["results"][0].get("error", "")

    def rows(self, q):
        return self.server.query_json(q, db="d")["results"][0]["series"][0]["values"]

    def test_limits(self):
        self.start("[http]\nloops = 1\n")
        self.server.query("CREATE DATABASE d")
        self.server.write("".join("m,h=%d v=%d %d\n" % (i, i, i) for i in range(20)), db="d")
        self.assertEqual(self.error_of("SELECT v FROM m GROUP BY h"), "")
        changed, restart = self.reload('[http]\nloops = 2\nmax-row-limit = 5\n[coordinator]\nmax-select-series = 3\n'
                                       'log-queries-after = "1ms"\n')
        self.assertEqual(changed, ["http.max-row-limit", "coordinator.log-queries-after",
                                   "coordinator.max-select-series"])
        self.assertEqual(restart, ["http.loops"])
        self.assertIn("max-select-series limit exceeded", self.error_of("SELECT v FROM m GROUP BY h"))
        self.assertEqual(len(self.rows("SELECT v FROM m WHERE h = '1' OR h = '2'")), 2)
        changed, restart = self.reload('[http]\nloops = 2\nmax-row-limit = 1\n[query]\nmax-memory-total = 1000\n')
        self.assertEqual(changed, ["http.max-row-limit", "query.max-memory-total", "coordinator.log-queries-after",
                                   "coordinator.max-select-series"])
        self.assertEqual(restart, ["http.loops"])
        self.assertIn("too much memory", self.server.query("SELECT v FROM m", db="d"))
        self.assertEqual(self.reload("[http]\nloops = 1\nmax-row-limit = 1\n"), (["query.max-memory-total"], []))
        series = self.server.query_json("SELECT v FROM m", db="d")["results"][0]["series"][0]
        self.assertEqual((len(series["values"]), series["partial"]), (1, True))
        self.assertEqual(self.reload("")[0], ["http.max-row-limit"])
        self.assertEqual(len(self.rows("SELECT v FROM m")), 20)

    def test_bad_file(self):
        self.start("[http]\nmax-row-limit = 1\n")
        self.configure("[http]\nmax-row-limit = 2\nidle-timeout = 5\n")
        self.server.process.send_signal(signal.SIGHUP)
        found = self.wait_for('msg="configuration not reloaded: the old one stays in force" error="(.*)"')
        self.assertEqual(found, [self.config + ":3: http.idle-timeout: the value must stand in quotes"])
        self.server.query("CREATE DATABASE d")
        self.server.write("m v=1 1\nm v=2 2\nm v=3 3", db="d")
        self.assertEqual(len(self.rows("SELECT v FROM m")), 1)
        os.unlink(self.config)
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_for('not reloaded: .*siltd.toml: No such file')

    def test_access_log(self):
        path = os.path.join(self.folder, "access")
        text = '[http]\naccess-log-path = "%s"\naccess-log = %s\n'
        self.start(text % (path, "true"))
        self.server.request("GET", "/ping?first")
        self.wait_for("/ping[?]first", path)
        os.rename(path, path + ".1")
        self.assertEqual(self.reload(text % (path, "true")), ([], []))
        self.server.request("GET", "/ping?second")
        self.wait_for("/ping[?]second", path)
        self.assertEqual(self.reload(text % (path, "false")), (["http.access-log"], []))
        self.server.request("GET", "/ping?third")
        self.assertEqual(self.reload(text % (path, "true") + "suppress-write-log = true\n"),
                         (["http.access-log", "http.suppress-write-log"], []))
        self.server.write("m v=1 1", db="fifth")
        self.server.request("GET", "/ping?fourth")
        self.wait_for("/ping[?]fourth", path)
        with open(path) as f:
            text = f.read()
        self.assertNotIn("first", text)
        self.assertNotIn("third", text)
        self.assertNotIn("fifth", text)

    def test_log_level_and_many(self):
        """Reloads while queries run: nobody is disturbed."""
        self.start("")
        self.server.query("CREATE DATABASE d")
        self.server.write("m v=1 1", db="d")
        for i in range(30):
            self.configure('[server]\nlog-level = "%s"\n[coordinator]\nquery-timeout = "%ds"\n'
                           % (("info", "warn")[i % 2], 10 + i))
            self.server.process.send_signal(signal.SIGHUP)
            self.assertEqual(self.error_of("SELECT v FROM m"), "")
        self.reload('[server]\nlog-level = "info"\n')
        self.assertEqual(self.reload('[server]\nlog-level = "info"\n'), ([], []))


if __name__ == "__main__":
    unittest.main()
