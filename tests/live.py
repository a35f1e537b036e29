"""live.py - servers for tests: start siltd or a real influxd on loopback, talk to them, stop them by pid.

Python's standard library only. A server gets a fresh folder and a free port of its own, and is waited for.
"""
import functools
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEERS = os.environ.get("SILT_PEERS", os.path.join(ROOT, "build", "peers"))


def siltd_path():
    return os.environ.get("SILTD", os.path.join(ROOT, "build", "release", "siltd"))


@functools.lru_cache(maxsize=None)
def sanitizer():
    """The runtime of the sanitizer that siltd was built with, or None."""
    linked = subprocess.run(["ldd", siltd_path()], stdout=subprocess.PIPE, check=True).stdout.decode()
    found = re.search(r"=> (\S+/lib[at]san\.so\S*)", linked)
    return found and found.group(1)


# What siltd's own accountants count, in /metrics.
COUNTED = ("silt_query_memory_bytes", "silt_write_memory_bytes", "silt_series_index_bytes", "silt_shard_memtable_bytes")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def status_bytes(pid, key):
    """A line of /proc/PID/status: VmRSS, resident now; VmHWM, the most so far. 0: there is none."""
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """A running server; use as a context manager."""

    def __init__(self, argv, port, folder, env=None, keep=False, trusted=None, group=None, patience=60):
        """trusted: the certificate file of a server that speaks TLS. group: the control group it enters (churn.py). patience: seconds
        until it has to answer."""
        self.port, self.folder, self.keep, self.trusted = port, folder, keep, trusted
        self.log_path = os.path.join(folder, "log")
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                                        preexec_fn=group and (lambda: group.put("cgroup.procs", os.getpid())))
        log.close()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError("server ended at start: " + open(self.log_path, errors="replace").read()[-2000:])
            try:
                if self.request("GET", "/ping").status == 204:
                    return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise RuntimeError("server did not answer /ping in time")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()

    def connection(self, timeout=120):
        if self.trusted:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout,
                                               context=ssl.create_default_context(cafile=self.trusted))
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, params=None, body=None, headers=None, timeout=120):
        connection = self.connection(timeout)
        try:
            if params:
                path += "?" + urllib.parse.urlencode(params)
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            response.body = response.read()
            return response
        finally:
            connection.close()

    def query(self, q, method="POST", **params):
        return self.request(method, "/query", dict(params, q=q)).body.decode("utf-8", "surrogateescape")

    def query_json(self, q, **params):
        return json.loads(self.query(q, **params))

    def write(self, body, **params):
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogateescape")
        return self.request("POST", "/write", params, body=body)

    def memory(self, what="VmRSS"):
        """siltd's resident bytes; VmHWM: the most that they ever were. Under a sanitizer, whose shadow memory and late freeing no bound
        allows for, what its accountants count now."""
        if sanitizer():
            samples = (line.rsplit(" ", 1) for line in self.request("GET", "/metrics").body.decode().splitlines() if line[:1] != "#")
            return int(sum(float(value) for name, value in samples if name.split("{")[0] in COUNTED))
        return status_bytes(self.process.pid, what)

    def kill(self):
        """As a power cut would, for the process."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Ask, wait, insist. Gives the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        return self.process.returncode


def make_certificate(folder, name, serial=1):
    """The files of a certificate for 127.0.0.1, signed by itself, and its key; the serial tells them apart."""
    certificate, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=" + name,
                    "-addext", "subjectAltName=IP:127.0.0.1", "-set_serial", str(serial)],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return certificate, key


def start_siltd(folder=None, args=(), env=None, trusted=None, group=None, patience=60):
    """A siltd on a free port. A folder given is kept at stop, so that it can be started on again. It does not write
    statistics into _internal, which would come and go in answers, unless env says so, and reads no file of settings that this machine has."""
    keep = folder is not None
    folder = folder or tempfile.mkdtemp(prefix="silt-test-")
    port = free_port()
    argv = [siltd_path(), "--http-bind", "127.0.0.1:%d" % port, "--data-dir", os.path.join(folder, "data"), *args]
    return Server(argv, port, folder, env={"SILT_MONITOR_STORE_ENABLED": "false", "SILT_CONFIG": "/dev/null", **os.environ, **(env or {})}, keep=keep,
                  trusted=trusted, group=group, patience=patience * (10 if sanitizer() else 1))


def inspect(*args):
    """silt-inspect, of the siltd under test: exit status, output, errors."""
    program = os.path.join(os.path.dirname(siltd_path()), "silt-inspect")
    done = subprocess.run([program, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=3600)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def find_peer(package, binary):
    """Path of a peer's program, unpacked from its Debian package into the build folder; None if it cannot be had."""
    home = os.path.join(PEERS, package)
    path = os.path.join(home, binary)
    if os.path.exists(path):
        return path
    os.makedirs(home, exist_ok=True)
    if subprocess.run(["apt-get", "download", package], cwd=home, stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL).returncode != 0:
        return None
    for name in os.listdir(home):
        if name.endswith(".deb"):
            subprocess.run(["dpkg", "-x", name, "."], cwd=home, check=True)
    return path if os.path.exists(path) else None


def start_influxd(env=None, settings="", trusted=None):
    """A real influxd on free ports, or None where its package cannot be had. `settings` are added to its file."""
    path = find_peer("influxdb", "usr/bin/influxd")
    if path is None:
        return None
    folder = tempfile.mkdtemp(prefix="silt-influxd-")
    port = free_port()
    config = os.path.join(folder, "influxdb.conf")
    with open(config, "w") as f:
        f.write("""reporting-enabled = false
bind-address = "127.0.0.1:%d"
[meta]
  dir = "%s/meta"
[data]
  dir = "%s/data"
  wal-dir = "%s/wal"
  query-log-enabled = false
  index-version = "inmem"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:%d"
  log-enabled = false
%s""" % (free_port(), folder, folder, folder, port, settings))
    server = Server([path, "-config", config], port, folder, env=dict(os.environ, **(env or {})), trusted=trusted)
    # Made by its monitor otherwise, at a moment of its own choice.
    server.query('CREATE DATABASE "_internal" WITH DURATION 7d REPLICATION 1 SHARD DURATION 1d NAME monitor')
    return server
