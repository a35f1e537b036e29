"""Starting and stopping: second instance, bad settings, stop in the middle of work."""
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import live
import wire


def run(*args, env=None):
    return subprocess.run([live.siltd_path(), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=30, env=dict(os.environ, **(env or {})), text=True)


class Start(unittest.TestCase):
    def test_version_help(self):
        self.assertEqual(run("--version").returncode, 0)
        self.assertIn("siltd", run("--version").stdout)
        text = run("--help").stdout
        for word in ("--config", "--http-bind", "--data-dir", "--print-config", "SILT_HTTP_MAX_BODY_SIZE"):
            self.assertIn(word, text)

    def test_print_config_reads_back(self):
        first = run("--print-config", "--http-bind", "127.0.0.1:1234", env={"SILT_COORDINATOR_QUERY_TIMEOUT": "90s"})
        self.assertEqual(first.returncode, 0)
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as f:
            f.write(first.stdout)
            f.flush()
            self.assertEqual(run("--print-config", "--config", f.name).stdout, first.stdout)

    def test_bad_settings(self):
        cases = (("[http]\nmax-body-size = \"1x\"\n", ":2:"), ("[http]\nunknown = 1\n", ":2:"), ("[nope]\n", ":1:"),
                 ("[http]\n\nloops = -1\n", ":3:"), ("x = 1\n", ":1:"), ("[http\n", ":1:"))
        for text, place in cases:
            with tempfile.NamedTemporaryFile("w", suffix=".toml") as f:
                f.write(text)
                f.flush()
                r = run("--config", f.name)
                self.assertEqual(r.returncode, 1, text)
                self.assertIn(f.name + place, r.stderr)
        r = run(env={"SILT_HTTP_MAX_BODY_SIZE": "many"})
        self.assertEqual(r.returncode, 1)
        self.assertIn("SILT_HTTP_MAX_BODY_SIZE", r.stderr)
        for args in (("--http-bind", "nowhere"), ("--unknown",), ("--data-dir",), ("--config", "/nonexistent.toml")):
            r = run(*args)
            self.assertEqual(r.returncode, 1, args)
            self.assertIn(args[0] if args[0] != "--config" else "/nonexistent.toml", r.stderr)

    def test_second_instance(self):
        folder = tempfile.mkdtemp(prefix="silt-test-")
        with live.start_siltd(folder) as server:
            r = run("--http-bind", "127.0.0.1:%d" % live.free_port(), "--data-dir", os.path.join(folder, "data"))
            self.assertEqual(r.returncode, 1)
            self.assertTrue(r.stderr.strip())
            self.assertEqual(server.request("GET", "/ping").status, 204)

    def test_port_in_use(self):
        with socket.socket() as s, tempfile.TemporaryDirectory() as folder:
            s.bind(("127.0.0.1", 0))
            s.listen()
            r = run("--http-bind", "127.0.0.1:%d" % s.getsockname()[1], "--data-dir", os.path.join(folder, "data"))
            self.assertEqual(r.returncode, 1)
            self.assertIn("cannot listen", r.stderr)
        with live.start_siltd() as server, tempfile.TemporaryDirectory() as folder:
            r = run("--http-bind", "127.0.0.1:%d" % server.port, "--data-dir", os.path.join(folder, "data"))
            self.assertEqual(r.returncode, 1)
            self.assertIn("cannot listen", r.stderr)


class Stop(unittest.TestCase):
    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = live.start_siltd()
            server.process.send_signal(number)
            self.assertEqual(server.process.wait(20), 0)
            server.stop()

    def test_under_load(self):
        """Every request gets a whole answer or none; the server ends with 0."""
        server = live.start_siltd()
        server.query("CREATE DATABASE d")
        answered, broken, stop = [], [], threading.Event()

        def work(number):
            while not stop.is_set():
                try:
                    if number % 2:
                        status = server.write("m,t=%d v=1 %d" % (number, time.time_ns()), db="d").status
                        ok = status == 204
                    else:
                        r = server.request("GET", "/query", {"q": "SHOW DATABASES"})
                        ok = r.status == 200 and r.body.endswith(b"}\n")
                    (answered if ok else broken).append(number)
                except OSError:
                    return
                except Exception as e:  # an answer cut off in the middle
                    if type(e).__name__ not in ("RemoteDisconnected", "BadStatusLine"):
                        broken.append(repr(e))
                    return

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        time.sleep(1)
        server.process.terminate()
        status = server.process.wait(30)
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(status, 0, open(server.log_path).read()[-2000:])
        self.assertEqual(broken, [])
        self.assertGreater(len(answered), 20)
        server.stop()

    def test_with_idle_and_stalled_clients(self):
        server = live.start_siltd(env={"SILT_SERVER_STOP_TIMEOUT": "2s"})
        server.query("CREATE DATABASE d")
        for part in range(10):
            server.write("".join("m v=%d %d\n" % (i, i * 10**9) for i in range(part * 30000, part * 30000 + 30000)),
                         db="d")
        idle = [wire.connect(server.port) for _ in range(5)]
        half = wire.connect(server.port)
        half.sendall(b"POST /write?db=d HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nm v=1")
        stalled = []
        for _ in range(5):
            s = wire.connect(server.port, receive_buffer=4096)
            s.sendall(b"GET /query?db=d&q=SELECT+v+FROM+m HTTP/1.1\r\nHost: x\r\n\r\n")
            stalled.append(s)
        time.sleep(0.5)
        start = time.monotonic()
        server.process.terminate()
        self.assertEqual(server.process.wait(30), 0, open(server.log_path).read()[-2000:])
        self.assertLess(time.monotonic() - start, 15)
        for s in idle + stalled + [half]:
            s.close()
        server.stop()

    def test_acknowledged_is_there(self):
        folder = tempfile.mkdtemp(prefix="silt-test-")
        server = live.start_siltd(folder)
        server.query("CREATE DATABASE d")
        self.assertEqual(server.write("kept v=42 1000000000", db="d").status, 204)
        self.assertEqual(server.stop(), 0)
        with live.start_siltd(folder) as server:
            self.assertIn("kept", server.query("SHOW MEASUREMENTS", db="d"))


class AccessLog(unittest.TestCase):
    def test_line_and_secrets(self):
        server = live.start_siltd()
        server.request("GET", "/query", {"q": "SHOW DATABASES", "u": "bob", "p": "hidden-1"})
        server.request("GET", "/query", {"q": "SET PASSWORD FOR bob = 'hidden-2'"})
        server.request("GET", "/ping", headers={"User-Agent": "test\"agent"})
        time.sleep(0.6)
        log = open(server.log_path).read()
        server.stop()
        self.assertRegex(log, r'\[httpd\] 127\.0\.0\.1 - bob \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
                              r'"GET /query\?q=SHOW\+DATABASES&u=bob&p=%5BREDACTED%5D HTTP/1\.1" 200 \d+ "-" "-" '
                              r'[0-9a-f-]{36} \d+\n')
        self.assertNotIn("hidden", log)

    def test_off(self):
        server = live.start_siltd(env={"SILT_HTTP_ACCESS_LOG": "false"})
        server.request("GET", "/ping")
        server.process.terminate()
        server.process.wait(20)
        self.assertNotIn("[httpd]", open(server.log_path).read())
        server.stop()


if __name__ == "__main__":
    unittest.main()
