#!/usr/bin/env python3
"""operations_test.py - docs/operations.md and docs/getting-started.md against the programs: the table of metrics is what /metrics says, a
setting that is named exists, and every command stands in a block that some test runs.

    tests/operations_test.py --record     writes the table of metrics into docs/operations.md

```console blocks are run by readme_test.py against a fresh siltd, ```sh blocks by package_test.sh in a clean Debian.
"""
import os
import re
import subprocess
import sys
import unittest

import live

PAGES = ("docs/getting-started.md", "docs/operations.md")
BEGIN, END = "<!-- metrics: written by tests/operations_test.py --record -->\n", "<!-- end of metrics -->"


def read(page):
    with open(os.path.join(live.ROOT, page), encoding="utf-8") as f:
        return f.read()


def metrics_table():
    """| name | type | HELP |, in /metrics' own order, with the labels that a sample has."""
    with live.start_siltd() as server:
        server.query("CREATE DATABASE d")
        server.write("m v=1 1700000000000000000", db="d")
        text = server.request("GET", "/metrics").body.decode()
    rows = []
    for name, meaning, kind in re.findall(r"^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$", text, re.M):
        sample = re.search(r"^%s\{(.*)\} " % name, text, re.M)
        labels = ", ".join("`%s`" % label for label in re.findall(r'(\w+)="', sample.group(1))) if sample else ""
        rows.append("| `%s` | %s | %s | %s |\n" % (name, kind, labels, meaning))
    return "| metric | type | labels | meaning |\n|---|---|---|---|\n" + "".join(rows)


class Operations(unittest.TestCase):
    def test_metrics(self):
        self.assertEqual(read("docs/operations.md").split(BEGIN)[1].split(END)[0], metrics_table(),
                         "/metrics has changed: tests/operations_test.py --record writes its table anew")

    def test_metrics_named_in_the_text(self):
        text, rest = read("docs/operations.md").split(BEGIN)
        for name in re.findall(r"`(silt_\w+)`", text):
            self.assertIn("`%s`" % name, rest, name)

    def test_settings(self):
        """section.key in the tables and the text."""
        printed = subprocess.run([live.siltd_path(), "--config", "/dev/null", "--print-config"], stdout=subprocess.PIPE,
                                 timeout=60, env={}).stdout.decode()
        known, section = set(), None
        for line in printed.splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif re.match(r"[a-z-]+ = ", line):
                known.add("%s.%s" % (section, line.split(" = ")[0]))
        sections = {name.split(".")[0] for name in known}
        for page in PAGES:
            for name in re.findall(r"`([a-z_]+\.[a-z-]+)(?: = [^`]*)?`", read(page)):
                if name.split(".")[0] in sections:
                    self.assertIn(name, known, page)

    def test_every_block_is_run(self):
        for page in PAGES:
            kinds = re.findall(r"^```(\w*)\n.*?^```$", read(page), re.M | re.S)
            self.assertTrue(kinds)
            self.assertLessEqual(set(kinds), {"console", "sh"}, page)


def record():
    text = read("docs/operations.md")
    before, rest = text.split(BEGIN)
    with open(os.path.join(live.ROOT, "docs", "operations.md"), "w", encoding="utf-8") as f:
        f.write(before + BEGIN + metrics_table() + END + rest.split(END)[1])


def main():
    if "--record" in sys.argv:
        record()
        return 0
    result = unittest.TextTestRunner(stream=sys.stdout).run(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]))
    failed, skipped = len(result.failures) + len(result.errors), len(result.skipped)
    print("%d passed, %d failed, %d skipped" % (result.testsRun - failed - skipped, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
