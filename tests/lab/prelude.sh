# What scripts of tests say. They run in a lab, never on the machine itself.
[ "$(hostname)" = lab ] || { echo "this is no lab" >&2; exit 1; }
set -E
die() { echo "FAILED $*" >&2; exit 1; }
trap 'die "line $((LINENO - prelude_lines)): $BASH_COMMAND"' ERR

# is WANTED GOT
is() { [ "$1" = "$2" ] || die "wanted '$1', got '$2'"; }
# has TEXT PART
has() { case $1 in *"$2"*) ;; *) die "no '$2' in: $1" ;; esac; }
# has_now TEXT PART: for what may come later.
has_now() { case $1 in *"$2"*) ;; *) return 1 ;; esac; }
# lacks TEXT PART
lacks() { case $1 in *"$2"*) die "'$2' in: $1" ;; esac; }
# fails STATUS COMMAND…: prints what the command says.
fails() {
    local wanted=$1 status=0 said
    shift
    said=$("$@" 2>&1) || status=$?
    [ $status = "$wanted" ] || die "$* ended with $status, not $wanted: $said"
    printf '%s\n' "$said"
}
# soon COMMAND…: asks again for up to 20 s.
soon() {
    local try
    for ((try = 0; try < 400; try++)); do
        if "$@"; then return; fi
        sleep 0.05
    done
    die "not within 20 s: $*"
}
# within MILLISECONDS COMMAND…
within() {
    local most=$1 start took
    shift
    start=$(date +%s%N)
    "$@" || die "failed: $*"
    took=$((($(date +%s%N) - start) / 1000000))
    [ $took -lt "$most" ] || die "$* took $took ms"
}
# define NAME [LINE…]: it runs busybox for ever unless a line says something else.
define() {
    local name=$1 text
    shift
    text=$(printf '%s\n' "$@")
    [[ $text == *"image ="* ]] || text="image = \"busybox\""$'\n'$text
    [[ $text == *"command ="* || $text == *'init = "image"'* ]] || text="command = [\"sleep\", \"infinity\"]"$'\n'$text
    mkdir -p /etc/soute/containers
    printf '%s\n' "$text" >"/etc/soute/containers/$name.toml"
}
# prop NAME PROPERTY
prop() { systemctl show -P "$2" "soute@$1.service"; }
pid() { prop "$1" MainPID; }
state() { prop "$1" ActiveState; }
is_state() { [ "$(state "$1")" = "$2" ]; }
# runs_again NAME PID: it is up, with another payload than this one. Asked in one call: each alone may be of another time.
runs_again() {
    local now
    now=$(systemctl show -p ActiveState -p MainPID "soute@$1.service" | sort | xargs)
    [[ $now == "ActiveState=active MainPID="* && $now != *"=$2" ]]
}
# marked NAME: its line of the list.
marked() { soute list --all | grep "^$1 "; }
# said NAME PATTERN: its journal has such a line.
said() { journalctl --no-pager -o cat -u "soute@$1.service" | grep -- "$2" >/dev/null; }
# digest DIR: all that there is to know of a canary. Access times are not: a digest reads.
digest() {
    (cd "$1" && find . -printf '%p %y %m %U %G %n %s %T@ %C@ %l\n' | sort && find . -type f -exec sha256sum {} + | sort) | sha256sum
}
# ends COMMAND…: its status, whatever it is, if it ends by itself within a minute. Status 137 may be its own.
ends() {
    local status=0 said start=$SECONDS
    said=$(timeout -k 5 60 "$@" 2>&1 </dev/null) || status=$?
    [ $((SECONDS - start)) -lt 60 ] || die "$* hangs"
    lacks "$said" panicked
    echo $status
}
# mount_loop FILE DIR [OPTION…]: no devtmpfs makes the nodes here, and another may take the device that was free.
mount_loop() {
    local try device said
    for ((try = 0; try < 100; try++)); do
        # Of one that has no node util-linux 2.41 says "(lost)".
        device=$(losetup -f); device=${device%% *}
        [ -e "$device" ] || mknod "$device" b 7 "${device#/dev/loop}" 2>/dev/null || true
        if said=$(mount -o "loop=$device" "${@:3}" "$1" "$2" 2>&1); then return; fi
        # XFS: the namespace of what ran on it may take a moment to go.
        sleep 0.05
    done
    die "cannot mount $1: $said"
}
