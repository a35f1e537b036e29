#!/usr/bin/env python3
"""prometheus_test.py - a real Prometheus (Debian's) with siltd as its remote storage, with users and TLS on both ways.

    first Prometheus: scrapes itself and siltd --remote_write--> siltd --remote_read--> second Prometheus, with no samples of its own

Both are asked the same PromQL; the second one's answers come out of siltd alone and have to be the first one's. Prometheus' own
counters have to say that nothing failed, was dropped or sent again. The configuration is the example's
(examples/prometheus/prometheus.yml), with other addresses, faster, with credentials. Skipped where the package cannot be had.

It takes ten seconds, five of which Prometheus waits before its first scrape.

Prints `N passed, N failed, N skipped` last.
"""
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

import live

SECONDS = 60  # for what should take two or three
WRITER, READER = ("writer", "w\u00e4-1"), ("reader", "r&2")
QUERIES = [
    "up",
    'up{job=~"prom.*|x"}',
    'up{job!~"s"}',
    'count({__name__=~"go_.+"}) by (job)',
    "count by (__name__) ({job=\"silt\"})",
    "rate(prometheus_http_requests_total[3s])",
    "sum by (job) (scrape_samples_scraped)",
    'histogram_quantile(0.9, sum by (le) (prometheus_http_request_duration_seconds_bucket{handler="/metrics"}))',
    'silt_build_info{version!=""}',
    'topk(3, sum by (path) (silt_http_requests_total)) or max(silt_start_time_seconds)',
    "absent(nothing_like_it)",
    "count_over_time(up[5s])",
]


class Prometheus:
    def __init__(self, folder, name, config):
        self.port = live.free_port()
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        path = os.path.join(self.folder, "prometheus.yml")
        with open(path, "w") as f:
            f.write(config.replace("127.0.0.1:9090", "127.0.0.1:%d" % self.port))
        self.log_path = os.path.join(self.folder, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [live.find_peer("prometheus", "usr/bin/prometheus"), "--config.file=" + path, "--storage.tsdb.path=" + self.folder + "/data",
                 "--web.listen-address=127.0.0.1:%d" % self.port], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def get(self, path, **params):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request("GET", path + "?" + urllib.parse.urlencode(params, doseq=True))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ask(self, path, **params):
        answer = json.loads(self.get("/api/v1/" + path, **params)[1])
        if answer["status"] != "success" or answer.get("warnings"):
            raise AssertionError("%s %s: %s" % (path, params, answer))
        return answer["data"]

    def value(self, query, at):
        result = self.ask("query", query=query, time=at)["result"]
        return float(result[0]["value"][1]) if result else 0.0

    def counter(self, name):
        """The sum of a counter of its own, as it stands now; 0 where there is none."""
        found = re.findall(r"^%s(?:\{[^}]*\})? (\S+)$" % name, self.get("/metrics")[1].decode(), re.M)
        return sum(map(float, found))

    def wait(self, what, ready):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if ready():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError("%s did not happen: %s" % (what, open(self.log_path, errors="replace").read()[-3000:]))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def access(user, certificate, indent):
    name, password = user
    lines = ["basic_auth:", "  username: " + name, "  password: '%s'" % password, "tls_config:", "  ca_file: " + certificate]
    return "".join(" " * indent + line + "\n" for line in lines)


def configurations(server, certificate):
    """Of the writer and of the reader, from the example."""
    with open(os.path.join(live.ROOT, "examples", "prometheus", "prometheus.yml")) as f:
        text = "\n".join(line for line in f.read().split("\n") if not line.strip().startswith("#"))
    text = text.replace("http://127.0.0.1:8086", "https://127.0.0.1:%d" % server.port).replace("127.0.0.1:8086", "127.0.0.1:%d" % server.port)
    text = text.replace("scrape_interval: 15s", "scrape_interval: 200ms\n  scrape_timeout: 200ms")
    text = text.replace("  - job_name: silt\n", "  - job_name: silt\n    scheme: https\n    tls_config:\n      ca_file: %s\n" % certificate)
    text = text.replace("read_recent: false", "read_recent: true")
    head, write, read = re.split(r"^(?=remote_)", text, flags=re.M)
    # A shard of its own for all samples, so that they come in order and the last ones soon.
    queue = "    queue_config:\n      batch_send_deadline: 100ms\n      min_shards: 1\n      max_shards: 1\n"
    return (head + write.rstrip() + "\n" + access(WRITER, certificate, 4) + queue,
            read.rstrip() + "\n" + access(READER, certificate, 4))


def start_server(folder):
    certificate, key = live.make_certificate(folder, "silt")
    server = live.start_siltd(trusted=certificate, env={
        "SILT_HTTP_AUTH_ENABLED": "true", "SILT_HTTP_HTTPS_ENABLED": "true", "SILT_HTTP_HTTPS_CERTIFICATE": certificate,
        "SILT_HTTP_HTTPS_PRIVATE_KEY": key})
    root = {"u": "root", "p": "secret"}
    for q in ("CREATE USER root WITH PASSWORD 'secret' WITH ALL PRIVILEGES", "CREATE DATABASE prometheus",
              "CREATE USER %s WITH PASSWORD '%s'" % WRITER, "CREATE USER %s WITH PASSWORD '%s'" % READER,
              "GRANT WRITE ON prometheus TO writer", "GRANT READ ON prometheus TO reader"):
        answer = server.request("POST", "/query", dict(root, q=q))
        assert b"error" not in answer.body, answer.body
    return server, certificate


def sorted_result(result):
    return sorted((sorted(one["metric"].items()), one.get("value") or one.get("values")) for one in result)


def compare(first, second, until):
    """Failures, as text; and how many comparisons there were."""
    failures, count = [], 0
    for query in QUERIES:
        for path, when in (("query", {"time": until}), ("query_range", {"start": until - 1, "end": until, "step": 0.2})):
            count += 1
            ours = sorted_result(second.ask(path, query=query, **when)["result"])
            theirs = sorted_result(first.ask(path, query=query, **when)["result"])
            if ours != theirs or not theirs:
                failures.append("%s %s\n  siltd: %.500s\n  local: %.500s" % (path, query, ours, theirs))
    # Which series there are; for names of labels remote read has no call.
    ours, theirs = (sorted(sorted(labels.items()) for labels in one.ask("series", start=until - 1, end=until, **{"match[]": ['{job="silt"}', "up"]}))
                    for one in (second, first))
    if ours != theirs or not ours:
        failures.append("series\n  siltd: %.500s\n  local: %.500s" % (ours, theirs))
    return failures, count + 1


def run(folder, server, certificate):
    writing, reading = configurations(server, certificate)
    first, second = Prometheus(folder, "first", writing), None
    try:
        second = Prometheus(folder, "second", reading)
        for one in (first, second):
            one.wait("the start", lambda: one.get("/-/ready")[0] == 200)
        first.wait("eight scrapes of both", lambda: first.value("min(count_over_time(up[1m]))", time.time()) >= 8
                   and first.value("count(up == 1)", time.time()) == 2)
        until = time.time()
        # What was scraped until then has arrived once there is something later of each target.
        second.wait("the samples' arrival", lambda: second.value("count(timestamp(up) > %f)" % (until + 0.2), time.time()) == 2)
        failures, count = compare(first, second, until)
        for name in ("prometheus_remote_storage_samples_failed_total", "prometheus_remote_storage_samples_dropped_total",
                     "prometheus_remote_storage_samples_retried_total", "prometheus_remote_storage_metadata_failed_total"):
            count += 1
            if first.counter(name) != 0:
                failures.append("%s: %g" % (name, first.counter(name)))
        return failures, count
    finally:
        for one in (second, first):
            if one:
                one.stop()


def main():
    if live.find_peer("prometheus", "usr/bin/prometheus") is None or shutil.which("openssl") is None:
        print("the package prometheus, or openssl, cannot be had")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    folder = tempfile.mkdtemp(prefix="silt-prometheus-")
    server, certificate = start_server(folder)
    try:
        failures, count = run(folder, server, certificate)
    finally:
        status = server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if status != 0:
        failures.append("siltd ended with status %d" % status)
    for failure in failures:
        print(failure)
    print("%d passed, %d failed, 0 skipped" % (count - len(failures), len(failures)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
