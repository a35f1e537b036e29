"""servers.py - the servers that are compared, each on a fresh folder under the system's folder for temporary files, with one interface.

siltd and influxd (tsi1) sync to disk before every 204, as they do by default; victoria-metrics has no log. influxd is told to
write its cache out and to compact fully two seconds after the last write instead of ten minutes and four hours, so that its figures at
rest are its best, and not to give up on a write after ten seconds, which a slow disk makes it do; victoria-metrics is asked to flush and
merge for the same reason, and not to close connections after two minutes.
"""
import os
import resource
import shutil
import tempfile
import time
import urllib.parse

import live

from . import process

IDLE_SECONDS_MAX = 90


class LeftOut(RuntimeError):
    """The server cannot be had here."""


class Peer:
    """A running server. `name` is for tables; `influx` tells whether it speaks InfluxQL."""

    influx = True
    still_seconds = 3  # at rest means: no work for so long
    write_path = "/write?db=bench"

    def __init__(self, env=None):
        self.env, self.ended_cpu = dict(os.environ, **(env or {})), 0.0
        self.server = self.start()
        self.server.keep = True  # stop() removes the folder, a restart does not
        if self.influx:
            self.server.query("CREATE DATABASE bench")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.server.stop()
        shutil.rmtree(self.server.folder, ignore_errors=True)

    @property
    def pid(self):
        return self.server.process.pid

    @property
    def port(self):
        return self.server.port

    def cpu(self):
        """CPU seconds since the first start, restarts among them."""
        return self.ended_cpu + live.cpu_seconds(self.pid)

    def restart(self, between=lambda: None):
        """Stop in order, do `between`, start on the same folder. Gives what stopping and `between` took in all."""
        old = self.server
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        old.stop()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.ended_cpu += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found = between()
        self.server = type(old)(old.process.args, old.port, old.folder, env=self.env, keep=True)
        return found

    def alone(self, peers):
        """The others do not run meanwhile."""
        return process.paused([other.pid for other in peers if other is not self])

    def rest(self):
        """Wait until the work that writes left behind is done."""
        process.settle(lambda: self.cpu() // 0.1, IDLE_SECONDS_MAX, self.still_seconds)

    def query_path(self, q):
        return "/query?" + urllib.parse.urlencode({"db": "bench", "q": q, "epoch": "ms"})


class Silt(Peer):
    name = "siltd"

    def start(self):
        server = live.start_siltd(tempfile.mkdtemp(prefix="silt-bench-"))
        self.env.setdefault("SILT_MONITOR_STORE_ENABLED", "false")
        self.data = os.path.join(server.folder, "data")
        return server

    def rest_bytes(self):
        """Stopped, so that memory is in files; the log's recycled segments hold no data then."""
        return self.restart(lambda: process.disk_bytes(self.data) - process.disk_bytes(os.path.join(self.data, "wal")))


class Influx(Peer):
    name = "influxd"

    def __init__(self):
        super().__init__({"INFLUXDB_DATA_INDEX_VERSION": "tsi1", "INFLUXDB_DATA_CACHE_SNAPSHOT_WRITE_COLD_DURATION": "2s",
                          "INFLUXDB_DATA_COMPACT_FULL_WRITE_COLD_DURATION": "2s", "INFLUXDB_DATA_MAX_SERIES_PER_DATABASE": "0",
                          "INFLUXDB_DATA_MAX_VALUES_PER_TAG": "0", "INFLUXDB_COORDINATOR_WRITE_TIMEOUT": "120s"})

    def start(self):
        server = live.start_influxd(self.env)
        if server is None:
            raise LeftOut("the influxdb package cannot be had")
        self.data = server.folder
        return server

    def rest(self):
        log, end = os.path.join(self.data, "wal"), time.monotonic() + IDLE_SECONDS_MAX
        while process.disk_bytes(log) > 1 << 20 and time.monotonic() < end:
            time.sleep(0.2)
        super().rest()

    def rest_bytes(self):
        return process.disk_bytes(os.path.join(self.data, "data"))


class VmServer(live.Server):
    """live.Server waits for /ping, which victoria-metrics does not have."""

    def request(self, method, path, *rest, **named):
        if path == "/ping":
            response = super().request("GET", "/health")
            response.status = 204 if response.status == 200 else response.status
            return response
        return super().request(method, path, *rest, **named)


class Vm(Peer):
    name = "victoria-metrics"
    influx = False
    write_path = "/write"

    def start(self):
        path = live.find_peer("victoria-metrics", "usr/bin/victoria-metrics")
        if path is None:
            raise LeftOut("the victoria-metrics package cannot be had")
        folder, port = tempfile.mkdtemp(prefix="silt-vm-"), live.free_port()
        self.data = os.path.join(folder, "data")
        return VmServer([path, "-storageDataPath=" + self.data, "-retentionPeriod=100y", "-httpListenAddr=127.0.0.1:%d" % port,
                         "-search.latencyOffset=0s", "-search.maxUniqueTimeseries=20000000",
                         "-search.maxPointsPerTimeseries=1000000", "-search.disableCache=true",
                         "-search.maxSamplesPerQuery=2000000000", "-search.maxQueryLen=1MB", "-search.maxQueryDuration=10m", "-http.connTimeout=2h"],
                        port, folder)

    def rest(self):
        self.server.request("GET", "/internal/force_flush")
        super().rest()

    def rest_bytes(self):
        self.server.request("GET", "/internal/force_merge")
        process.settle(lambda: (self.cpu() // 0.1, process.disk_bytes(self.data)), IDLE_SECONDS_MAX, self.still_seconds)
        return process.disk_bytes(self.data)


ALL = {"silt": Silt, "influx": Influx, "vm": Vm}
