"""aio_client.py - Debian's python3-aioinflux: many coroutines on one connection pool; its user's program is python/aio.py."""
import common

NAME = "aioinflux"
PACKAGES = ("python3-aioinflux", "python3-aiohttp", "python3-ciso8601", "python3-yarl", "python3-async-timeout", "python3-aiosignal",
            "python3-attr", "python3-charset-normalizer", "python3-frozenlist", "python3-multidict", "python3-idna")
SEEN = {
    "all of them": '"two words"',
    "fifty at once": '"writes": 50',
    "chunks": "[\n 300,\n 300,",
    "a statement's error": "database not found: nowhere",
}


def unavailable():
    return common.python_path(PACKAGES)[1]


def steps(server, folder):
    yield from common.python_steps("aio.py", PACKAGES, server, folder)
