#!/usr/bin/env python3
"""readme_test.py - the session in README.md, run against a fresh siltd: every command must print what stands under it."""
import os
import re
import subprocess
import sys

import live


def commands(text):
    """(command, expected output) of every ```console block."""
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def main():
    with open(os.path.join(live.ROOT, "README.md"), encoding="utf-8") as f:
        session = list(commands(f.read()))
    passed = failed = 0
    with live.start_siltd() as server:
        for command, want in session:
            run = subprocess.run(["bash", "-c", command.replace("127.0.0.1:8086", "127.0.0.1:%d" % server.port)],
                                 stdout=subprocess.PIPE, timeout=60)
            got = run.stdout.decode()
            if got.rstrip("\n") == want.rstrip("\n"):
                passed += 1
            else:
                failed += 1
                print("README: $ %s\n  want %s  got  %s" % (command, want, got))
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return 1 if failed or not session else 0


if __name__ == "__main__":
    sys.exit(main())
