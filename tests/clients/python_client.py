"""python_client.py - Debian's python3-influxdb: its user's program is python/work.py, run by Debian's Python."""
import os

import common

NAME = "python3-influxdb"
PACKAGES = ("python3-influxdb", "python3-requests", "python3-msgpack", "python3-dateutil", "python3-tz", "python3-six", "python3-urllib3",
            "python3-idna", "python3-chardet", "python3-certifi")
SEEN = {
    "databases": '"py"',
    "all points": '"two words"',
    "bound parameters": "71.0",
    "a type conflict": "already exists as type",
    "the end": "",
}


def folders():
    return [home and os.path.join(home, "usr", "lib", "python3", "dist-packages") for home in map(common.unpack, PACKAGES)]


def unavailable():
    if not os.path.exists("/usr/bin/python3"):
        return "no Debian Python"
    missing = [name for name, folder in zip(PACKAGES, folders()) if folder is None]
    return "cannot be had: " + ", ".join(missing) if missing else None


def steps(server, folder):
    env = dict(os.environ, PYTHONPATH=":".join(folders()), HOME=folder, PYTHONDONTWRITEBYTECODE="1", NO_PROXY="*")
    work = os.path.join(os.path.dirname(os.path.abspath(__file__)), "python", "work.py")
    yield from common.program_steps(["/usr/bin/python3", work, str(server.port)], env=env, cwd=folder)
