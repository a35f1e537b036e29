#!/usr/bin/env bash
# container_test.sh - the Dockerfile: built by buildah over a Debian 12 root made here (no registry is asked), then run as its
# ENTRYPOINT, CMD, USER and ENV say, its HEALTHCHECK asked, written to, stopped by its STOPSIGNAL and started again with its data.
#
#     clean root (kept in build/debian-12.tar) -> image debian:12-slim -> Dockerfile -> image -> a container in this network
#
# Needs root, buildah, debootstrap and a Debian mirror ($DEBIAN_MIRROR); skipped otherwise.
set -uo pipefail
cd "$(dirname "$0")/.."
. tests/steps.sh

[ "$(id -u)" -eq 0 ] || skip "not root"
command -v buildah >/dev/null || skip "no buildah"
command -v python3 >/dev/null || skip "no python3"
work="$(mktemp -d /tmp/silt-container-XXXXXX)"
export BUILDAH_ISOLATION=chroot
server=""
images() {
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}
clean_up() {
    [ -n "$server" ] && kill -KILL "$server" 2>/dev/null
    images umount --all >/dev/null 2>&1
    images rm --all >/dev/null 2>&1
    rm -rf "$work"
}
trap clean_up EXIT

clean_root "$work"
base="$(images from scratch)" || give_up "an empty image"
images add "$base" build/debian-12.tar / >/dev/null && images commit --rm "$base" docker.io/library/debian:12-slim >"$work/log" 2>&1 ||
    { tail -n 5 "$work/log"; give_up "the base image"; }
images build --format docker --pull-never --network host --layers=false -t silt . >"$work/log" 2>&1 || { tail -n 40 "$work/log"; give_up "the Dockerfile"; }
passed=$((passed + 1))

# ---------------------------------------------------------------- what the image says

images inspect --type image silt >"$work/image" || give_up "the image's configuration"
of_config() { # expression of c, the configuration: prints its members, one a line
    python3 -c 'import json, sys; c = json.load(open(sys.argv[1]))["Docker"]["config"]; [print(x) for x in eval(sys.argv[2])]' "$work/image" "$1"
}
equal "user" silt "$(of_config '[c["User"]]')"
equal "port" 8086/tcp "$(of_config 'c["ExposedPorts"]')"
equal "data are kept in a volume" /var/lib/silt "$(of_config 'c["Volumes"]')"
equal "stop signal" SIGTERM "$(of_config '[c["StopSignal"]]')"
mapfile -t health < <(of_config 'c["Healthcheck"]["Test"]')
equal "health is asked by a command" CMD "${health[0]}"
health=("${health[@]:1}")
mapfile -t environment < <(of_config 'c["Env"]')
mapfile -t command < <(of_config 'c["Entrypoint"] + c["Cmd"]')

# ---------------------------------------------------------------- what it does

container="$(images from --pull-never silt)" || give_up "a container"
root="$(images mount "$container")" || give_up "a container's root"
port="$(free_port)"
inside=(chroot --userspec=silt:silt "$root" env -i "${environment[@]}" SILT_HTTP_BIND_ADDRESS="127.0.0.1:$port" SILT_PORT="$port")
healthy() {
    "${inside[@]}" "${health[@]}" >/dev/null 2>&1
}
start() {
    "${inside[@]}" "${command[@]}" >>"$work/siltd.log" 2>&1 &
    server=$!
    for _ in $(seq 300); do
        healthy && return
        [ -d "/proc/$server" ] || break
        sleep 0.1
    done
    tail -n 5 "$work/siltd.log"
    give_up "siltd does not start"
}
stop() {
    local status
    kill -TERM "$server" && wait "$server"
    status=$?
    server=""
    return $status
}
silt() {
    "${inside[@]}" silt -no-rc -database shop "$@" 2>&1
}
last_order() {
    silt -format csv -execute 'SELECT * FROM orders' | tail -n 1
}
healthy
equal "nobody is healthy before the start" 1 "$?"
start
silt -execute 'CREATE DATABASE shop'
silt -execute 'INSERT orders,town=Ulm total=12.5 1600000000000000000'
equal "a point" "orders,1600000000000000000,12.5,Ulm" "$(last_order)"
equal "files belong to the user silt" "" "$(find "$root/var/lib/silt" ! -user "$(stat -c %u "$root/var/lib/silt")" | head -n 3)"
stop
equal "a clean stop" 0 "$?"
healthy
equal "nobody is healthy after it" 1 "$?"
start
equal "the point after another start" "orders,1600000000000000000,12.5,Ulm" "$(last_order)"
stop
equal "another clean stop" 0 "$?"
equal "no builder's tools are left in it" "" "$(ls "$root/usr/bin/cc" "$root/usr/bin/cmake" "$root/src" 2>/dev/null)"
end
