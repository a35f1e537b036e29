#!/usr/bin/env python3
"""older_store_test.py - a data directory that an older siltd wrote is taken over: by a start, or by silt-inspect.

tests/data/store-catalog-4.tar.xz: stopped in order; 1,502 series of database d and 50 of e, some dropped since; a user, a continuous
query, a subscription. Prints `N passed, N failed, N skipped`.
"""
import os
import shutil
import sys
import tarfile
import tempfile

import live

STORE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "store-catalog-4.tar.xz")
results = []


def check(what, got, wanted):
    results.append(got == wanted)
    if got != wanted:
        print("FAIL %s: %s instead of %s" % (what, repr(got)[:300], repr(wanted)[:300]))


def answers(server):
    def values(q, db=None):
        series = server.query_json(q, **({"db": db} if db else {}))["results"][0].get("series", [])
        return [row for one in series for row in one.get("values", [])]

    return {
        "series of d": values("SHOW SERIES", "d"), "series of e": values("SHOW SERIES", "e"),
        "numbers": values("SELECT count(v), sum(v), sum(w) FROM cpu", "d"),
        "of one series": values("SELECT v FROM cpu WHERE host = 'h77'", "d"),
        "odd": values("SELECT v FROM \"odd name,x\" WHERE \"k=1\" = 'a b'", "d"),
        "texts": values("SELECT count(s) FROM m", "e"),
        "users": values("SHOW USERS"), "grants": values("SHOW GRANTS FOR u"),
        "queries": values("SHOW CONTINUOUS QUERIES"), "subscriptions": values("SHOW SUBSCRIPTIONS"),
    }


def look(server, newer=()):
    found = answers(server)
    series = {"cpu,host=h%d,rack=r%d" % (i, i % 7) for i in range(1500) if i != 5} | {"odd\\ name\\,x,k\\=1=a\\ b,t=\\=\\,", "plain"}
    check("series of d", {row[0] for row in found["series of d"]} ^ (series | set(newer)), set())
    check("series of e", sorted(row[0] for row in found["series of e"]), sorted("m,i=%d" % i for i in range(50) if str(i)[0] != "1"))
    total = 1499 * 1500 // 2 - 5
    check("numbers", found["numbers"][0][1:], [1499, total, total + 1499 * 0.5])
    check("one series", [row[1] for row in found["of one series"]], [77])
    check("odd names", [row[1] for row in found["odd"]], [1])
    check("texts", [row[1] for row in found["texts"]], [39])
    check("users", (found["users"], found["grants"]), ([["u", False]], [["d", "READ"]]))
    check("definitions", (len(found["queries"]), found["subscriptions"]), (1, [["p", "s", "ALL", ["udp://127.0.0.1:9"]]]))


def unpacked(folder):
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(STORE) as store:
        store.extractall(folder)
    return os.path.join(folder, "data")


def main():
    top = tempfile.mkdtemp(prefix="silt-older-")
    folder = os.path.join(top, "store")
    try:
        data = unpacked(folder)
        with live.start_siltd(folder) as server:
            look(server)
            check("new series", server.write("disk,host=new v=1\ndisk,host=h5,rack=r5 v=2", db="d").status, 204)
            newer = ("disk,host=new", "disk,host=h5,rack=r5")
            server.query("DROP SERIES FROM cpu WHERE host = 'h6'", db="d")
            server.query("DROP SERIES FROM disk WHERE host = 'new'", db="d")
            check("one is dropped", server.query_json("SELECT v FROM cpu WHERE host = 'h6'", db="d")["results"][0].get("series"), None)
            assert server.write("cpu,host=h6,rack=r6 v=6,w=6.5 1600000006", db="d", precision="s").status == 204
            server.kill()
        with live.start_siltd(folder) as server:
            look(server, newer[1:])
        with live.start_siltd(folder) as server:
            look(server, newer[1:])
        data = unpacked(folder)
        status, out, err = live.inspect("verify", data)
        check("verify", status, 0)
        with live.start_siltd(folder) as server:
            look(server)
    finally:
        shutil.rmtree(top, ignore_errors=True)
    print("%d passed, %d failed, 0 skipped" % (sum(results), len(results) - sum(results)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
