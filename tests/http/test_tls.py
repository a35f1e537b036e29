"""HTTPS with certificates made here, and the Unix socket."""
import http.client
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import time
import unittest

import live
import wire


def wait_for(check, seconds=20):
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def start(folder, certificate, key, **env):
    return live.start_siltd(folder, trusted=certificate, env={
        "SILT_HTTP_HTTPS_ENABLED": "true", "SILT_HTTP_HTTPS_CERTIFICATE": certificate, "SILT_HTTP_HTTPS_PRIVATE_KEY": key, **env})


def connect(server, **limits):
    context = ssl.create_default_context(cafile=server.trusted)
    for name, value in limits.items():
        setattr(context, name, value)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), timeout=30), server_hostname="127.0.0.1")


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="silt-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.certificate, cls.key = live.make_certificate(cls.folder, "first", 11)
        cls.server = start(cls.folder, cls.certificate, cls.key, SILT_HTTP_MAX_BODY_SIZE="100000",
                           SILT_HTTP_STALL_TIMEOUT="2s")
        cls.addClassCleanup(cls.server.stop)
        cls.server.query("CREATE DATABASE d")

    def test_write_and_query(self):
        lines = "".join("m,t=%d v=%d %d\n" % (i % 10, i, i) for i in range(2000))
        self.assertEqual(self.server.write(lines, db="d").status, 204)
        self.assertIn("[0,2000]", self.server.query("SELECT count(v) FROM m", db="d", epoch="ns"))
        rows = self.server.query_json("SELECT v FROM m", db="d", epoch="ns", chunked="false")
        self.assertEqual(len(rows["results"][0]["series"][0]["values"]), 2000)

    def test_shown(self):
        table = self.server.query_json("SHOW DIAGNOSTICS FOR 'config-httpd'")["results"][0]["series"][0]
        self.assertIs(dict(zip(table["columns"], table["values"][0]))["https-enabled"], True)

    def test_versions(self):
        for version, wanted in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            with connect(self.server, minimum_version=version, maximum_version=version) as s:
                self.assertEqual(s.version(), wanted)
                s.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(wire.read_responses(s, 1)[0][0], 204)

    def test_old_versions_are_refused(self):
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as raw:
                context.wrap_socket(raw).close()

    def test_http1_alone(self):
        context = ssl.create_default_context(cafile=self.server.trusted)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(socket.create_connection(("127.0.0.1", self.server.port), timeout=30),
                                 server_hostname="127.0.0.1") as s:
            self.assertEqual(s.selected_alpn_protocol(), "http/1.1")

    def test_plain_text_is_no_tls(self):
        with wire.connect(self.server.port) as s:
            s.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertNotIn(b"HTTP/1.1 204", wire.read_all(s))

    def test_body_too_large(self):
        """Refused, and the client that still sends gets to read it."""
        with connect(self.server) as s:
            s.sendall(b"POST /write?db=d HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n")
            try:
                s.sendall(b"x" * 300000)
            except OSError:
                pass
            self.assertEqual(wire.read_responses(s, 1)[0][0], 413)

    def test_a_client_that_stops_shaking_hands(self):
        with wire.connect(self.server.port) as s:
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
            self.assertEqual(self.server.request("GET", "/ping").status, 204)
            self.assertIsNotNone(wire.closed_within(s, 60))


class Certificates(unittest.TestCase):
    def test_reload(self):
        folder = tempfile.mkdtemp(prefix="silt-tls-")
        self.addCleanup(shutil.rmtree, folder)
        first, first_key = live.make_certificate(folder, "one", 101)
        second, second_key = live.make_certificate(folder, "two", 102)
        both = os.path.join(folder, "both.pem")  # trusted by the client
        with open(both, "w") as f:
            f.write(open(first).read() + open(second).read())
        used, used_key = os.path.join(folder, "used.pem"), os.path.join(folder, "used.key")
        shutil.copy(first, used)
        shutil.copy(first_key, used_key)
        server = start(folder, used, used_key)
        self.addCleanup(server.stop)
        server.trusted = both

        def serial():
            with connect(server) as s:
                return int(s.getpeercert()["serialNumber"], 16)

        self.assertEqual(serial(), 101)
        open_one = connect(server)
        shutil.copy(second, used)
        os.kill(server.process.pid, signal.SIGHUP)  # the key is still the old one
        wait_for(lambda: "not reloaded" in open(server.log_path).read())
        self.assertEqual(serial(), 101)
        shutil.copy(second_key, used_key)
        os.kill(server.process.pid, signal.SIGHUP)
        wait_for(lambda: serial() == 102)
        for _ in range(8):  # every loop
            self.assertEqual(serial(), 102)
        open_one.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(wire.read_responses(open_one, 1)[0][0], 204)
        open_one.close()

    def test_bad_files(self):
        folder = tempfile.mkdtemp(prefix="silt-tls-")
        self.addCleanup(shutil.rmtree, folder)
        certificate, key = live.make_certificate(folder, "good", 5)
        _, other = live.make_certificate(folder, "other", 6)
        locked, empty = os.path.join(folder, "locked.key"), os.path.join(folder, "empty")
        subprocess.run(["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", key, "-out", locked], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        open(empty, "w").close()
        for use, use_key, said in ((os.path.join(folder, "none"), key, "https-certificate: %s: No such file or directory"
                                    % os.path.join(folder, "none")), (empty, key, "https-certificate"),
                                   (certificate, other, "https-private-key"), (certificate, locked, "https-private-key"),
                                   (certificate, "", "https-private-key")):
            with self.assertRaises(RuntimeError) as raised:
                start(folder, use, use_key)
            self.assertIn("http." + said, str(raised.exception))
        together = os.path.join(folder, "together.pem")
        with open(together, "w") as f:
            f.write(open(certificate).read() + open(key).read())
        with start(folder, together, "") as server:
            self.assertEqual(server.request("GET", "/ping").status, 204)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self.path)


class Unix(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="silt-unix-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.path = os.path.join(self.folder, "socket")

    def start(self, **more):
        server = live.start_siltd(env={"SILT_HTTP_UNIX_SOCKET_ENABLED": "true", "SILT_HTTP_BIND_SOCKET": self.path,
                                       "SILT_HTTP_UNIX_SOCKET_PERMISSIONS": "0660", "SILT_HTTP_STALL_TIMEOUT": "1s", **more})
        self.addCleanup(server.stop)
        return server

    def ask(self, method, path, body=None):
        connection = UnixConnection(self.path)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def test_requests(self):
        server = self.start()
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o660)
        self.assertEqual(self.ask("POST", "/query?q=CREATE+DATABASE+d")[0], 200)
        self.assertEqual(self.ask("POST", "/write?db=d", b"m v=1 1")[0], 204)
        self.assertIn(b"[1,1]", self.ask("GET", "/query?db=d&epoch=ns&q=SELECT+v+FROM+m")[1])
        self.assertIn("[1,1]", server.query("SELECT v FROM m", db="d", epoch="ns"))
        server.stop()
        self.assertFalse(os.path.exists(self.path))

    def test_a_slow_body_arrives(self):
        """Longer in all than a connection may stand still."""
        self.start()
        self.assertEqual(self.ask("POST", "/query?q=CREATE+DATABASE+d")[0], 200)
        for head, chunked in ((b"Content-Length: 80", False), (b"Transfer-Encoding: chunked", True)):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(30)
            s.connect(self.path)
            s.sendall(b"POST /write?db=d HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
            for i in range(10):
                line = b"m v=%d %d\n" % (i, i)
                s.sendall(b"8\r\n%s\r\n" % line if chunked else line)
                time.sleep(0.3)
            if chunked:
                s.sendall(b"0\r\n\r\n")
            self.assertEqual(wire.read_responses(s, 1)[0][0], 204)
            s.close()

    def test_a_dead_servers_socket_is_replaced(self):
        first = self.start()
        first.kill()
        self.assertTrue(os.path.exists(self.path))
        self.start()
        self.assertEqual(self.ask("GET", "/ping")[0], 204)

    def test_refused(self):
        self.start()
        with self.assertRaises(RuntimeError) as raised:
            self.start()
        self.assertIn("another server listens", str(raised.exception))
        with self.assertRaises(RuntimeError) as raised:
            self.start(SILT_HTTP_UNIX_SOCKET_PERMISSIONS="999")
        self.assertIn("unix-socket-permissions", str(raised.exception))
        with open(os.path.join(self.folder, "file"), "w") as f:
            f.write("kept")
        with self.assertRaises(RuntimeError) as raised:
            self.start(SILT_HTTP_BIND_SOCKET=f.name)
        self.assertIn("no socket", str(raised.exception))
        self.assertEqual(open(f.name).read(), "kept")


class Warnings(unittest.TestCase):
    def test_open_to_the_world(self):
        for bind, auth, warned in (("0.0.0.0", "false", True), ("0.0.0.0", "true", False), ("127.0.0.1", "false", False)):
            folder = tempfile.mkdtemp(prefix="silt-test-")
            port = live.free_port()
            argv = [live.siltd_path(), "--http-bind", "%s:%d" % (bind, port), "--data-dir", os.path.join(folder, "data")]
            with live.Server(argv, port, folder, env={**os.environ, "SILT_HTTP_AUTH_ENABLED": auth}) as server:
                self.assertEqual("authentication is off" in open(server.log_path).read(), warned, (bind, auth))


if __name__ == "__main__":
    unittest.main()
