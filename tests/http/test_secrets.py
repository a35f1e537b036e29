"""No secret in a log, a list of statements, an answer or a page: passwords of users, of collectd's, in subscriptions' URLs, the
secret of tokens."""
import base64
import os
import subprocess
import tempfile
import unittest

import live

# Each with a text of its own, so that a leak tells where it comes from.
SECRETS = {"admin": "s3cr3t-admin", "user": "s3cr3t-user", "changed": "s3cr3t-changed", "url": "s3cr3t-url",
           "bad url": "s3cr3t/bad-url", "jwt": "s3cr3t-jwt", "collectd": "s3cr3t-collectd", "wrong": "s3cr3t-wrong"}


class Secrets(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = made.name
        self.told = {}
        for name, text in (("types.db", "gauge value:GAUGE:U:U\n"), ("users", "alice: %s\n" % SECRETS["collectd"])):
            with open(os.path.join(self.folder, name), "w") as f:
                f.write(text)
        self.env = {"SILT_HTTP_AUTH_ENABLED": "true", "SILT_HTTP_SHARED_SECRET": SECRETS["jwt"],
                    "SILT_COORDINATOR_LOG_QUERIES_AFTER": "1ms", "SILT_HTTP_FAILED_LOGIN_DELAY": "0s",
                    "SILT_SERVER_LOG_LEVEL": "debug", "SILT_MONITOR_STORE_ENABLED": "true",
                    "SILT_COLLECTD_0_ENABLED": "true", "SILT_COLLECTD_0_SECURITY_LEVEL": "sign",
                    "SILT_COLLECTD_0_BIND_ADDRESS": "127.0.0.1:0",
                    "SILT_COLLECTD_0_TYPESDB": self.folder + "/types.db", "SILT_COLLECTD_0_AUTH_FILE": self.folder + "/users"}

    def ask(self, q, method="POST", path="/query", password=SECRETS["admin"], more=None, **params):
        """What is answered is told, too."""
        key = base64.b64encode(("admin:" + password).encode()).decode()
        answer = self.server.request(method, path, dict(params, q=q) if q else params or None, more,
                                     {"Authorization": "Basic " + key})
        text = answer.body.decode("utf-8", "replace")
        self.told.setdefault("%s %s %s" % (method, path, q), text)
        return text

    def test(self):
        s = SECRETS
        with live.start_siltd(env=self.env) as self.server:
            self.ask("CREATE USER admin WITH PASSWORD '%s' WITH ALL PRIVILEGES" % s["admin"])
            url = "'http://name:%s@127.0.0.1:%d/x'" % (s["url"], live.free_port())
            bad = "'http://name:%s@127.0.0.1:99/x'" % s["bad url"]
            statements = ["CREATE DATABASE d", "CREATE USER u WITH PASSWORD '%s'" % s["user"],
                          "SET PASSWORD FOR u = '%s'" % s["changed"],
                          "CREATE SUBSCRIPTION s ON d.autogen DESTINATIONS ALL " + url,
                          "CREATE SUBSCRIPTION t ON d.autogen DESTINATIONS ANY 'udp://127.0.0.1:9', " + bad,
                          "DROP SUBSCRIPTION t ON d.autogen",
                          "SHOW QUERIES; CREATE USER u WITH PASSWORD '%s'; SET PASSWORD FOR u = '%s'; CREATE SUBSCRIPTION s ON "
                          "d.autogen DESTINATIONS ALL %s; CREATE SUBSCRIPTION s ON d.autogen DESTINATIONS ALL %s"
                          % (s["user"], s["changed"], url, bad)]
            for method in ("POST", "GET"):
                for q in statements:
                    self.ask(q, method)
            self.ask("SHOW DATABASES", "GET", password=s["wrong"])
            self.ask(None, "GET", u="admin", p=s["wrong"])
            self.ask("SHOW DATABASES", "GET", u="admin", p=s["admin"])
            self.ask(None, "POST", "/write", more="m v=1", db="d")
            for q in ("SHOW SUBSCRIPTIONS", "SHOW USERS", "SHOW GRANTS FOR u", "SHOW CONTINUOUS QUERIES", "SHOW STATS",
                      "SHOW DIAGNOSTICS", "SHOW QUERIES", "EXPLAIN SELECT v FROM m", "EXPLAIN ANALYZE SELECT v FROM m"):
                self.ask(q, db="d")
            self.assertIn("http://name:[REDACTED]@127.0.0.1", self.ask("SHOW SUBSCRIPTIONS"))
            for path in ("/debug/vars", "/metrics", "/debug/requests", "/status", "/ping"):
                self.ask(None, "GET", path)
            self.server.process.send_signal(1)
            self.server.process.terminate()
            self.server.process.wait(60)
            with open(self.server.log_path, errors="replace") as log:
                self.told["the log"] = log.read()
            self.assertIn("slow query", self.told["the log"])
            self.assertIn("[REDACTED]", self.told["the log"])
        printed = subprocess.run([live.siltd_path(), "--print-config"], env={**os.environ, **self.env}, capture_output=True)
        self.told["--print-config"] = (printed.stdout + printed.stderr).decode()
        self.assertIn("shared-secret is set", self.told["--print-config"])
        for where, text in self.told.items():
            for what, secret in SECRETS.items():
                for part in secret.split("/"):
                    self.assertNotIn(part if part != "s3cr3t" else secret, text, "%s in %s" % (what, where))


if __name__ == "__main__":
    unittest.main()
