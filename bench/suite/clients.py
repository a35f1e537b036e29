"""clients.py - the C clients as functions: bench_load, bench_query, bench_stream. What they print comes back as a dictionary."""
import json
import os
import subprocess
import tempfile

import live

HOME = os.path.join(os.path.dirname(live.siltd_path()), "bench")


class ClientFailed(RuntimeError):
    pass


def argv_of(program, peer, options):
    """Options by name: hosts=100 -> --hosts 100, out_of_order=True -> --out-of-order."""
    argv = [os.path.join(HOME, program), "--port", str(peer.port)]
    for name, value in options.items():
        if value is not None and value is not False:
            argv.append("--" + name.replace("_", "-"))
            if value is not True:
                argv.append(str(value))
    return argv


def finish(process, what):
    out, err = process.communicate()
    if process.returncode:
        raise ClientFailed("%s: %s" % (what, err.decode(errors="replace").strip()[-600:]))
    return json.loads(out)


def start_load(peer, **options):
    """A loader at work; give it to finish()."""
    options.setdefault("path", peer.write_path)
    return subprocess.Popen(argv_of("bench_load", peer, options), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def load(peer, **options):
    return finish(start_load(peer, **options), "loading " + peer.name)


def ask(peer, paths, **options):
    """victoria-metrics adds numbers up in any order, so the last digits of its answers differ from one to the next."""
    options.setdefault("changing", not peer.influx)
    with tempfile.NamedTemporaryFile("w", prefix="silt-bench-paths-") as f:
        f.write("\n".join(paths) + "\n")
        f.flush()
        process = subprocess.Popen(argv_of("bench_query", peer, dict(options, paths=f.name)), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        return finish(process, "asking " + peer.name)


def stream(peer, path, csv=None):
    process = subprocess.Popen(argv_of("bench_stream", peer, {"path": path, "csv": csv}), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    return finish(process, "streaming from " + peer.name)
