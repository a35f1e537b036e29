#!/usr/bin/env bash
# Makes the kept corpora anew: what is in tests/fuzz/corpus/ and what fuzzing added in build/fuzz/corpus/, merged to what each target
# needs for all it reached, smaller files first, of archives up to 60,000 bytes. `tests/fuzz/keep.sh [TARGET...]` after the build of
# the fuzz preset.
set -euo pipefail
cd "$(dirname "$0")/../.."
bytes_max=60000
file_bytes=60 # what a file takes in an archive beside its content
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
[ $# -gt 0 ] || set -- $(basename -a build/fuzz/fuzz/fuzz_* | sed s/fuzz_//)
for target in "$@"; do
    mkdir -p "$folder/$target/old" "$folder/$target/new" "build/fuzz/corpus/$target" tests/fuzz/corpus
    archive="tests/fuzz/corpus/$target.tar.gz"
    [ ! -f "$archive" ] || tar -xzf "$archive" -C "$folder/$target/old"
    build/fuzz/fuzz/fuzz_"$target" -merge=1 -max_len=20000 -timeout=30 "$folder/$target/new" "$folder/$target/old" \
        "build/fuzz/corpus/$target" >"$folder/log" 2>&1 || { tail -n 30 "$folder/log"; exit 1; }
    (cd "$folder/$target/new"
        total=0
        find . -type f -printf '%s %f\n' | sort -n | while read -r bytes name; do
            total=$((total + bytes + file_bytes))
            [ $total -le $bytes_max ] || rm "$name"
        done)
    tar -C "$folder/$target/new" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c . | gzip -9n >"$archive"
    echo "$target: $(ls "$folder/$target/new" | wc -l) files, $(wc -c <"$archive") bytes packed"
done
