"""python_client.py - Debian's python3-influxdb: its user's program is python/work.py, run by Debian's Python."""
import common

NAME = "python3-influxdb"
PACKAGES = ("python3-influxdb", "python3-requests", "python3-msgpack", "python3-dateutil", "python3-tz", "python3-six", "python3-urllib3",
            "python3-idna", "python3-chardet", "python3-certifi")
SEEN = {
    "databases": '"py"',
    "all points": '"two words"',
    "bound parameters": "71.0",
    "a type conflict": "already exists as type",
}


def unavailable():
    return common.python_path(PACKAGES)[1]


def steps(server, folder):
    yield from common.python_steps("work.py", PACKAGES, server, folder)
