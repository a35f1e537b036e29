"""process.py - what a server takes of the machine, memory and disk; and the machine's traits."""
import contextlib
import os
import platform
import signal
import tempfile
import threading
import time

import live

SAMPLE_SECONDS = 0.05


def disk_bytes(folder):
    """What the files take on disk: preallocated and sparse parts as the file system counts them."""
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # merged away meanwhile
                total += os.lstat(os.path.join(base, name)).st_blocks * 512
    return total


class PeakMemory:
    """The most memory a process had within a `with`: peak_mb as the kernel keeps it (VmHWM, set back at the start), mapped file
    pages among it; peak_anon_mb of its own memory alone (RssAnon, looked at twenty times a second)."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        with open("/proc/%d/clear_refs" % self.pid, "w") as f:
            f.write("5")
        self.before = live.status_bytes(self.pid, "VmRSS")
        self.anon, self.over = 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def watch(self):
        with contextlib.suppress(OSError):  # the process ended: the reader of the figures will find out
            while not self.over.wait(SAMPLE_SECONDS):
                self.anon = max(self.anon, live.status_bytes(self.pid, "RssAnon"))

    def __exit__(self, *unused):
        self.over.set()
        self.thread.join()
        if os.path.exists("/proc/%d" % self.pid):
            self.anon = max(self.anon, live.status_bytes(self.pid, "RssAnon"))
            self.peak = live.status_bytes(self.pid, "VmHWM")
        else:
            self.peak = 0

    def figures(self):
        return {"peak_mb": self.peak / 1e6, "peak_anon_mb": self.anon / 1e6, "more_mb": max(0, self.peak - self.before) / 1e6}


def settle(measure, seconds, still):
    """Wait until the figure stands still for so many seconds."""
    last, since, end = None, time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < end and time.monotonic() - since < still:
        now = measure()
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(min(0.2, still / 3))


@contextlib.contextmanager
def paused(pids):
    """Processes that take no time from the one that is measured."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def drop_caches():
    """Files are read from disk again; False where this is not allowed."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3")
    except OSError:
        return False
    return True


def sync_latency_ms(count=100):
    """Median of a 4 KiB append with fdatasync, where the servers' folders are."""
    times = []
    with tempfile.TemporaryFile(prefix="silt-bench-") as f:
        for _ in range(count):
            begin = time.perf_counter()
            os.write(f.fileno(), b"\0" * 4096)
            os.fdatasync(f.fileno())
            times.append((time.perf_counter() - begin) * 1000)
    return sorted(times)[count // 2]


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) * 1024
    return {"cores": os.cpu_count(), "model": model, "memory_gb": memory / 1e9, "kernel": platform.release(),
            "fdatasync_ms": sync_latency_ms(), "load_average_at_start": os.getloadavg()[0]}
