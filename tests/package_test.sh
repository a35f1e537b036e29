#!/usr/bin/env bash
# package_test.sh - the Debian package in a clean Debian 12: installed, started as its unit starts it, written to and asked, upgraded
# over an older build, removed and purged with the data left alone; then the ```sh blocks of docs/getting-started.md and
# docs/operations.md, one after the other. Needs root, debootstrap and a Debian mirror; skipped otherwise.
#
#     clean root (kept in build/debian-12.tar) -> a copy in a mount and process namespace of its own -> apt, siltd, silt in it
#
# There is no systemd in such a root: a `systemctl` that reads the unit's User, Group, EnvironmentFile, ExecStart and directories stands in
# for it, for one service, and waits for its READY=1 by asking the server.
set -uo pipefail
cd "$(dirname "$0")/.."
. tests/steps.sh

# ---------------------------------------------------------------- outside: packages and a root

if [ "${1:-}" != "--inside" ]; then
    [ "$(id -u)" -eq 0 ] || skip "not root"
    command -v dpkg-shlibdeps >/dev/null || script/setup --package || skip "no dpkg-dev"
    unshare --mount --pid --fork true 2>/dev/null || skip "no namespaces"
    work="$(mktemp -d /tmp/silt-package-XXXXXX)"
    clean_up() {
        # Back to what is built here otherwise, whatever happened.
        cmake --preset release -USILT_RELEASE >/dev/null && cmake --build --preset release >/dev/null
        rm -rf "$work"
    }
    trap clean_up EXIT
    clean_root "$work"
    rm -f build/release/silt_*.deb
    { cmake --preset release -DSILT_RELEASE=0.0.9 && script/package && mv build/release/silt_*.deb "$work/old.deb" &&
        cmake --preset release -USILT_RELEASE && script/package && cp build/release/silt_*.deb "$work/new.deb"; } >"$work/log" 2>&1 ||
        { tail -n 40 "$work/log"; give_up "script/package"; }
    mkdir "$work/root"
    tar -C "$work/root" -xpf build/debian-12.tar || give_up "root"
    cp /etc/resolv.conf "$work/root/etc/resolv.conf"
    cp "$work/old.deb" "$work/new.deb" "$work/root/tmp/"
    unshare --mount --pid --fork --kill-child "$0" --inside "$work/root"
    exit
fi

# ---------------------------------------------------------------- inside

root="$2"
mount -t proc proc "$root/proc" || give_up "proc"
mount --bind /dev "$root/dev" || give_up "dev"
port="$(free_port)"
in_root() {
    chroot "$root" env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        SILT_PORT="$port" "$@"
}
apt() {
    in_root apt-get -y -q --no-install-recommends "$@" >"$root/tmp/log" 2>&1 || { tail -n 20 "$root/tmp/log"; return 1; }
}
silt() {
    in_root silt -no-rc "$@"
}
ask() {
    silt -format csv -execute "$1" 2>&1
}
cat >"$root/usr/local/bin/systemctl" <<'SYSTEMCTL'
#!/bin/sh
# start, stop, restart, reload siltd; is-active siltd
unit=/lib/systemd/system/siltd.service pid_file=/run/siltd.pid
of_unit() { sed -n "s/^$1=-\{0,1\}//p" $unit; }
alive() { [ -f $pid_file ] && [ -d "/proc/$(cat $pid_file)" ]; }
set -e
case "$1" in
    start)
        alive && exit
        install -d -m "$(of_unit StateDirectoryMode)" -o "$(of_unit User)" -g "$(of_unit Group)" "/var/lib/$(of_unit StateDirectory)"
        env="$(cat "$(of_unit EnvironmentFile)" 2>/dev/null || true)"
        setsid setpriv --reuid="$(of_unit User)" --regid="$(of_unit Group)" --init-groups \
            env -i PATH="$PATH" $env $(of_unit ExecStart) >>/tmp/siltd.log 2>&1 &
        echo $! >$pid_file
        for i in $(seq 300); do
            silt -no-rc -execute help >/dev/null 2>&1 && exit
            alive || break
            sleep 0.1
        done
        tail -n 5 /tmp/siltd.log
        exit 1 ;;
    stop)
        alive || exit 0
        kill "$(cat $pid_file)"
        for i in $(seq 600); do alive || exit 0; sleep 0.1; done
        exit 1 ;;
    restart) "$0" stop siltd; "$0" start siltd ;;
    reload) kill -HUP "$(cat $pid_file)" ;;
    is-active) alive ;;
    *) echo "systemctl: $1?" >&2; exit 1 ;;
esac
SYSTEMCTL
chmod 755 "$root/usr/local/bin/systemctl"
server() { # pid
    cat "$root/run/siltd.pid"
}
start() {
    in_root systemctl start siltd || give_up "siltd does not start"
}
stop() {
    in_root systemctl stop siltd && tail -n 1 "$root/tmp/siltd.log" | grep -q 'msg="stopped"'
}
sums() {
    (cd "$root/var/lib/silt" && find . -type f -exec sha256sum {} + | sort)
}

apt update || skip "no mirror"
check "install" apt install /tmp/old.deb
equal "old version" "siltd 0.0.9" "$(in_root siltd --version | cut -d ' ' -f 1-2)"
equal "the folder" "silt:silt 750" "$(in_root stat -c '%U:%G %a' /var/lib/silt)"
equal "the configuration" "root:silt 640" "$(in_root stat -c '%U:%G %a' /etc/silt/siltd.toml)"
equal "the user" "/usr/sbin/nologin" "$(in_root getent passwd silt | cut -d : -f 7)"
equal "configuration of the package" "/etc/silt/siltd.toml" "$(in_root dpkg-query -W -f '${Conffiles}' silt | awk 'NF { print $1 }')"
check "man pages" in_root sh -c 'zcat /usr/share/man/man8/siltd.8.gz /usr/share/man/man1/silt.1.gz /usr/share/man/man1/silt-inspect.1.gz >/dev/null'

echo "SILT_HTTP_BIND_ADDRESS=127.0.0.1:$port" >"$root/etc/default/siltd"
sed -i 's/^query-timeout = .*/query-timeout = "90s"/' "$root/etc/silt/siltd.toml"
start
equal "runs as" "silt" "$(in_root id -nu "$(stat -c %u "$root/proc/$(server)")")"
equal "create" "" "$(ask 'create database d')"
equal "write" "1,000 points written" "$(seq 1000 | awk '{ printf "m,host=h%d v=%di %d\n", $1 % 10, $1, 1700000000 + $1 }' |
    silt -database d -precision s import - 2>/dev/null | tail -n 1 | cut -d ' ' -f 1-3)"
counted="$(ask 'select count(v), sum(v) from d.autogen.m')"
equal "query" "m,0,1000,500500" "$(tail -n 1 <<<"$counted")"

check "upgrade under a running server" apt install /tmp/new.deb
equal "the old one still answers" "$counted" "$(ask 'select count(v), sum(v) from d.autogen.m')"
check "stop" stop
new="$(in_root dpkg-query -W -f '${Version}' silt)"
equal "new version" "siltd $new" "$(in_root siltd --version | cut -d ' ' -f 1-2)"
check "it is another one" test "$new" != 0.0.9
equal "the administrator's configuration" 'query-timeout = "90s"' "$(grep ^query-timeout "$root/etc/silt/siltd.toml")"
equal "and its owner" "root:silt 640" "$(in_root stat -c '%U:%G %a' /etc/silt/siltd.toml)"
start
equal "data after the upgrade" "$counted" "$(ask 'select count(v), sum(v) from d.autogen.m')"
equal "write after the upgrade" "1 points written" "$(echo 'm v=1i 1800000000' | silt -database d -precision s import - 2>/dev/null | tail -n 1 | cut -d ' ' -f 1-3)"
check "stop" stop
check "silt-inspect verify" in_root silt-inspect verify /var/lib/silt

before="$(sums)"
check "remove" apt remove silt
check "the program is gone" test ! -e "$root/usr/bin/siltd"
check "the configuration is not" test -e "$root/etc/silt/siltd.toml"
equal "data after remove" "$before" "$(sums)"
check "purge" apt purge silt
check "the configuration is gone" test ! -e "$root/etc/silt"
equal "data after purge" "$before" "$(sums)"
equal "and its owner" "silt:silt 750" "$(in_root stat -c '%U:%G %a' /var/lib/silt)"
check "install again" apt install /tmp/new.deb
start
equal "data after all that" "m,0,1001,500501" "$(ask 'select count(v), sum(v) from d.autogen.m' | tail -n 1)"
check "stop" stop
rm -rf "$root/var/lib/silt"/*
check "purge without data" apt purge silt
check "nothing is left" test ! -e "$root/var/lib/silt"

# ---------------------------------------------------------------- the pages' own commands

mkdir -p "$root/root/download" "$root/var/backups"
cp "$root/tmp/new.deb" "$root/root/download/silt_${new}_amd64.deb"
for page in getting-started operations; do
    for block in $(seq "$(grep -c '^```sh$' "docs/$page.md")"); do
        awk -v wanted="$block" '/^```sh$/ { n++; on = n == wanted; next } /^```$/ { on = 0 } on' "docs/$page.md" >"$root/tmp/block"
        in_root sh -c 'cd /root/download && sh -ex /tmp/block' >"$root/tmp/log" 2>&1 ||
            { tail -n 10 "$root/tmp/log"; false; }
        equal "docs/$page.md, block $block" 0 "$?"
    done
done

end
