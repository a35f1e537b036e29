"""results.py - what was measured: a flat list of figures, written as JSON after every piece of work, so that nothing is lost.

    {"machine": {...}, "revision": "...", "options": {...}, "seconds": N,
     "figures": [{"mode": "ingest", "case": "cpu-4000", "server": "siltd", "repetition": 0, "rows_per_s": 2100000, ...}, ...],
     "verified": [{"mode", "case", "servers": ["siltd", "influxd"], "names": [...], "different": [...]}, ...],
     "notes": ["..."]}
"""
import json
import os
import subprocess
import time

import live


class Results:
    def __init__(self, machine, options, path=None):
        self.path, self.repetition, self.begin = path, 0, time.monotonic()
        revision = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=live.ROOT, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL).stdout.decode().strip()
        self.all = {"machine": machine, "revision": revision, "options": options, "figures": [], "verified": [], "notes": []}

    def add(self, mode, case, server, **figures):
        self.all["figures"].append(dict(mode=mode, case=case, server=server, repetition=self.repetition, **figures))
        shown = ", ".join("%s %s" % (name, short(value)) for name, value in figures.items() if isinstance(value, (int, float)))
        print("%-10s %-28s %-16s %s" % (mode, case, server, shown), flush=True)

    def verified(self, mode, case, servers, names, different):
        self.all["verified"].append(dict(mode=mode, case=case, servers=servers, names=names, different=different,
                                         repetition=self.repetition))
        print("%-10s %-28s %s: answers equal: %d of %d%s" % (
            mode, case, " and ".join(servers), len(names) - len(different), len(names),
            "; different: " + ", ".join(different) if different else ""), flush=True)

    def note(self, text):
        if text not in self.all["notes"]:
            self.all["notes"].append(text)
            print("note: " + text, flush=True)

    def save(self):
        self.all["seconds"] = time.monotonic() - self.begin
        if self.path:
            with open(self.path + ".new", "w") as f:
                json.dump(self.all, f, indent=1)
            os.replace(self.path + ".new", self.path)


def short(value):
    if isinstance(value, int) or abs(value) >= 1000:
        return "%d" % value
    return "%.3g" % value
