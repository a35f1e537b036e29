#!/usr/bin/env python3
"""mutations.py - breaks the store on purpose, one thing at a time, and sees whether the simulation notices.

    mutations.py [--seconds N] [NAME...]    runs from seed 1 on for so much processor time at most per mutation; default 300
    mutations.py --places                   looks only whether what each of them changes is there, once

Each mutation is a change of one place in a copy of the tree, of which only the simulation is built, or a unit test where that is what
sees it. Those that have to do with damage run with many flipped bits. Prints a line per mutation with the seed that found it, and `N passed, N failed, 0 skipped`.
"""
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from judge import Judge  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Seen by flipped bits alone.
DAMAGE = {"the checksum of a log record is not looked at", "a block's checksum is not looked at",
          "an index entry's checksum is not looked at", "a manifest's checksum is not looked at",
          "a catalog page's checksum is not looked at", "the log is closed without a seal"}

# So rare a meeting of threads and a crash that the simulation saw it once, and never again: a unit test makes it happen.
UNIT_TESTS = {"a merge does not wait for the deletes that it carries out": "test_upkeep",
              # Of series without points, which the model does not know, nothing else tells.
              "a manifest that has a file again stays in the catalog": "test_kept_manifests",
              "a delete over a range leaves no mark in the catalog": "test_cleanup",
              "a replayed delete does not have its series looked for": "test_cleanup"}

# Seen by threads that meet in a rare order.
RACES = {"a flush does not wait for writers in the middle of it", "a flush rotates in the middle of a delete",
         "a delete's tombstone comes after its rotation"}

# name, file, what stands there, what stands there instead
MUTATIONS = [
    ("the log is not synced", "storage/wal.c",
     "enum silt_status rc = vfs_segment_sync(wal->current, err);\n    if (rc != SILT_OK)\n        return rc;\n    wal->durable_seq",
     "(void)err;\n    wal->durable_seq"),
    ("an acknowledgement does not wait for the sync", "storage/wal.c",
     "bool due = wal->options.sync_mode == SILT_SYNC_FSYNC ||", "bool due ="),
    ("a full disk counts as durable", "storage/write.c",
     "op->done(op->done_arg, err->status, err);", "op->done(op->done_arg, SILT_OK, NULL);"),
    ("the log is trimmed whatever shards still need", "storage/flush.c",
     "uint64_t oldest = shard_oldest_seq(shards[i]);\n        if (oldest != 0 && oldest < below)",
     "uint64_t oldest = shard_oldest_seq(shards[i]);\n        if (oldest != 0 && oldest < below / 2)"),
    ("the replay leaves out the last segment", "storage/wal_replay.c",
     "for (size_t i = 0; rc == SILT_OK && i < wal->live_count; i++) {\n        bool last",
     "for (size_t i = 0; rc == SILT_OK && i + 1 < wal->live_count; i++) {\n        bool last"),
    ("the checksum of a log record is not looked at", "storage/wal_reading.c",
     "if (header->crc == silt_crc32c(0, &header->number, checked))", "if (checked)"),
    ("the manifest says that more is flushed than is", "storage/flush.c",
     "struct manifest_edit edit = {.flushed_seq = generation->boundary};",
     "struct manifest_edit edit = {.flushed_seq = generation->boundary + 1};"),
    ("a flushed file is not in the manifest", "storage/flush.c", "edit.add_count = 1;", "edit.add_count = 0;"),
    ("a flush loses the tombstones", "storage/flush.c",
     "} else if (version->tombstone_count > 0 && change->flushed) {", "} else if (false) {"),
    ("a tombstone hides less than it should", "storage/tombstone.c",
     "if (t->seq < seq || t->max < min", "if (t->seq <= seq || t->max < min"),
    ("a tombstone hides what is younger", "storage/tombstone.c", "if (t->seq < seq || t->max < min", "if (t->max < min"),
    ("a tombstone ends a nanosecond early", "storage/tombstone.c",
     "extra = (struct tombstone_span){t->max + 1, span.max};", "extra = (struct tombstone_span){t->max, span.max};"),
    ("the older of two values wins", "storage/merge.c",
     "for (size_t i = 0; i < m->run_count; i++) {\n            struct run *same = m->runs[i];\n            if (same->done || !same->loaded",
     "for (size_t i = m->run_count; i-- > 0;) {\n            struct run *same = m->runs[i];\n            if (same->done || !same->loaded"),
    ("a block's checksum is not looked at", "storage/tsm_block.c",
     "if (crc != silt_crc32c(0, *payload, bytes - TSM_CRC_BYTES))", "if (false)"),
    ("an index entry's checksum is not looked at", "storage/tsm_read.c",
     "if (get_u32(room + len - 4) != silt_crc32c(crc, room, len - 4))", "if (crc == 0)"),
    ("a manifest's checksum is not looked at", "storage/manifest.c",
     "|| crc != silt_crc32c(0, bytes, len - 4))", "|| crc == 0)"),
    ("retention drops groups two days early", "storage/drop.c",
     "shard->end + age->duration_ns < age->now", "shard->end + age->duration_ns < age->now + (int64_t)172800 * 1000000000"),
    ("retention keeps groups for ever", "storage/drop.c", "shard->end + age->duration_ns < age->now", "shard->end < 0 && age"),
    ("SQLite does not sync its log", "storage/catalog.c", "PRAGMA synchronous=FULL", "PRAGMA synchronous=OFF"),
    ("a catalog page's checksum is not looked at", "storage/catalog_pages.c",
     "if (memcmp((unsigned char *)out + len - CHECK_BYTES, check, CHECK_BYTES) == 0)", "if (true)"),
    ("a folder is noted before it has a manifest", "storage/folders.c", "!shards[i]->folder_noted && has_manifest(shards[i])",
     "!shards[i]->folder_noted && (has_manifest(shards[i]) || true)"),
    ("a manifest's file goes before the catalog has it", "storage/folders.c",
     "rc = catalog_put_manifests(storage->catalog, rows, found, err);\n        for (size_t i = 0; i < found && rc == SILT_OK; i++)\n"
     "            rc = leave(&leaving[i], err);",
     "for (size_t i = 0; i < found && rc == SILT_OK; i++)\n            rc = leave(&leaving[i], err);\n"
     "        rc = rc == SILT_OK ? catalog_put_manifests(storage->catalog, rows, found, err) : rc;"),
    ("the catalog's manifest counts more than the file", "storage/manifest.c",
     "if (rc == SILT_NOT_FOUND)\n        return out->kept", "if (rc == SILT_NOT_FOUND || out->kept)\n        return out->kept"),
    ("a manifest that has a file again stays in the catalog", "storage/folders.c", "if (has_old_row(shards[i]))", "if (has_old_row(shards[i]) && false)"),
    ("a delete over a range leaves no mark in the catalog", "storage/index_thread.c",
     "rc = catalog_put_lonely(apply->storage->catalog, err);", "(void)err;"),
    ("a replayed delete does not have its series looked for", "storage/recovery.c", "if (what.flags & RECORD_SUSPECT)", "if (false)"),
    ("definitions count as stored too early", "storage/index_thread.c", "last + 1, err", "last + 8, err"),
    ("the log is closed without a seal", "storage/storage.c", "i < 2 && stats.entries > 0", "i < 0 && stats.entries > 0"),
    ("a merge leaves its inputs in the manifest", "storage/compact.c",
     "struct manifest_edit edit = {.remove = ids, .remove_count = c->choice.count};",
     "struct manifest_edit edit = {.remove = ids, .remove_count = 0};"),
    ("a flush does not wait for writers in the middle of it", "storage/flush.c",
     "while (atomic_load_explicit(&generation->pins, memory_order_acquire) != 0)\n        sched_yield();", ""),
    ("a delete's tombstone comes after its rotation", "storage/delete.c",
     "shard_rotate(shard, boundary - 1, boundary, tombstone);",
     "shard_rotate(shard, boundary - 1, boundary, NULL);\n            for (int i = 0; i < 100; i++)\n                sched_yield();\n"
     "            shard_rotate(shard, boundary - 1, boundary, tombstone);"),
    ("a flush rotates in the middle of a delete", "storage/flush.c",
     "pthread_rwlock_rdlock(&storage->meta_lock);\n        shard_rotate(shard, 0, 0, NULL);\n"
     "        pthread_rwlock_unlock(&storage->meta_lock);", "shard_rotate(shard, 0, 0, NULL);"),
    ("a merge does not wait for the deletes that it carries out", "storage/compact.c",
     "if (c->version->tombstones[i]->seq > flushed)", "if (c->version->tombstones[i]->seq == 0 && flushed)"),
    ("a snapshot has no tombstones", "storage/snapshot.c", "if (manifest->tombstone_id) {", "if (false) {"),
    ("a snapshot's catalog is older than its log", "storage/catalog_copy.c",
     "if (sqlite3_wal_checkpoint_v2(catalog->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)", "if (!catalog->db)"),
    ("a database is made before its policy", "storage/policy.c",
     "catalog_create_database(storage->catalog, name, &want, &id, err)) != SILT_OK)\n        return rc;",
     "catalog_create_database(storage->catalog, name, NULL, &id, err)) != SILT_OK)\n        return rc;\n"
     "    want.database_id = id;\n"
     "    if ((rc = catalog_create_policy(storage->catalog, &want, true, &want.id, err)) != SILT_OK)\n        return rc;"),
]


def places():
    """A change of the source takes a mutation's place away, and hours later the run of all of them would end there."""
    judge = Judge()
    for name, path, old, _ in MUTATIONS:
        with open(os.path.join(ROOT, path)) as f:
            count = f.read().count(old)
        judge.check(name, count == 1, "its place stands %d times in %s" % (count, path))
    return judge.end()


def mutate(tree, mutation):
    _, path, old, new = mutation
    path = os.path.join(tree, path)
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(text.replace(old, new))
    return path, text


def build(tree, target="sim"):
    return subprocess.run("cmake --preset release >/dev/null && cmake --build --preset release --target " + target, shell=True, cwd=tree,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT).returncode == 0


def copy_tree(tree):
    """What git knows of, and is not ignored: sources, no build folder."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    for name in names.decode().split("\n"):
        if name and os.path.isfile(os.path.join(ROOT, name)):
            os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
            shutil.copy2(os.path.join(ROOT, name), os.path.join(tree, name))


def main():
    arguments = sys.argv[1:]
    seconds = 300
    if arguments == ["--places"]:
        return places()
    if arguments[:1] == ["--seconds"]:
        seconds, arguments = int(arguments[1]), arguments[2:]
    chosen = [m for m in MUTATIONS if not arguments or m[0] in arguments]
    tree = tempfile.mkdtemp(prefix="silt-mutations-")
    judge = Judge(tells_all=True)
    try:
        copy_tree(tree)
        if not build(tree):
            raise SystemExit("the copy does not build")
        program = os.path.join(tree, "build", "release", "sim")
        if subprocess.run([program, "--runs", "5"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            raise SystemExit("the simulation fails without a mutation")
        for mutation in chosen:
            path, whole = mutate(tree, mutation)
            test = UNIT_TESTS.get(mutation[0])
            built = build(tree, test or "sim")
            found = None
            if built and test:
                done = subprocess.run([os.path.join(tree, "build", "release", "unit", test)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                found = done.returncode and "tests/unit/%s.c" % test
            elif built:
                mode = ["--flips", "1000000"] if mutation[0] in DAMAGE else ["--races"] if mutation[0] in RACES else []
                # A busy machine must not shorten it: the limit is processor time, which ends it by a signal.
                done = subprocess.run([program, "--seconds", str(seconds * 100)] + mode, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 10)))
                said = re.search(r"seed (\d+), life \d+, action \d+ \([^)]*\): (.*)", done.stdout.decode(errors="replace"))
                if done.returncode not in (0, -signal.SIGXCPU):
                    found = "seed %s: %s" % (said.group(1), said.group(2)[:90]) if said else "it ended with %d" % done.returncode
            judge.check(mutation[0], found, found or ("not found in %d seconds" % seconds if built else "does not build"))
            with open(path, "w") as f:
                f.write(whole)
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    return judge.end()


if __name__ == "__main__":
    sys.exit(main())
