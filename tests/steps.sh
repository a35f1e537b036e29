# steps.sh - for the tests that are shell scripts, which source it: steps counted, and the line that script/test reads at the end; a clean
# Debian 12 for those that need one.
passed=0 failed=0

end() {
    echo "$passed passed, $failed failed, 0 skipped"
    [ "$failed" -eq 0 ]
    exit
}
skip() {
    echo "skipped: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}
give_up() {
    echo "FAILED: $1"
    failed=$((failed + 1))
    end
}
check() { # name, command...
    local name="$1"
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name"
    fi
}
equal() { # name, want, got
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n  want %s\n  got  %s\n' "$1" "$2" "$3"
    fi
}
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# build/debian-12.tar, kept there: made from a Debian mirror ($DEBIAN_MIRROR) within the folder given.
clean_root() {
    [ ! -f build/debian-12.tar ] || return 0
    command -v debootstrap >/dev/null || skip "no debootstrap"
    debootstrap --variant=minbase bookworm "$1/fresh" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$1/log" 2>&1 ||
        { tail -n 5 "$1/log"; skip "debootstrap found no mirror"; }
    tar -C "$1/fresh" -cf "$1/root.tar" . && mv "$1/root.tar" build/debian-12.tar || give_up "build/debian-12.tar"
    rm -rf "$1/fresh"
}
