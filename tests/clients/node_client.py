"""node_client.py - node-influx (npm's `influx`), installed into build/: its user's program is node/work.js."""
import os
import shutil
import subprocess

import common
import live

NAME = "node-influx"
VERSION = "5.12.0"
HOME = os.path.join(live.ROOT, "build", "node-client")
SEEN = {"databases": '"nodedb"', "query": "web 1", "bad lines, then a good one": "already exists as type float"}


def unavailable():
    if not shutil.which("node") or not shutil.which("npm"):
        return "node or npm is not installed"
    if not os.path.exists(os.path.join(HOME, "node_modules", "influx", "package.json")):
        os.makedirs(HOME, exist_ok=True)
        try:
            subprocess.run(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", HOME,
                            "influx@" + VERSION], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=90)
        except subprocess.TimeoutExpired:
            pass
        if not os.path.exists(os.path.join(HOME, "node_modules", "influx", "package.json")):
            return "npm cannot be reached"
    return None


def steps(server, folder):
    work = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node", "work.js")
    env = dict(os.environ, NODE_PATH=os.path.join(HOME, "node_modules"), HOME=folder)
    yield from common.program_steps(["node", work, str(server.port)], env=env, cwd=folder)
