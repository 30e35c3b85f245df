# Limits that bite, each beside the same payload without it.

soute image import busybox /lab/busybox >/dev/null

# ---- All limits, as the cgroup has them.
define limited <<'T'
image = "busybox"
command = ["sleep", "infinity"]
[limits]
memory = "64M"
memory-high = "48M"
memory-low = "8M"
swap = "16M"
cpus = 0.25
cpu-set = "1"
cpu-weight = 250
tasks = 32
read-bandwidth = "5MB/s"
write-bandwidth = "2MB/s"
read-iops = 300
write-iops = 200
io-weight = 300
rlimits = { nofile = "512:1024", core = 0 }
[[limits.device]]
path = "/dev/vdb"
read-bandwidth = "1MiB/s"
T
start limited
for file in memory.max memory.high memory.low memory.swap.max cpu.max cpuset.cpus cpuset.cpus.effective cpu.weight pids.max; do
    say "limited $file" "$(cat "$(group limited)/$file")"
done
say "limited io.max" "$(sort "$(group limited)/io.max" | tr '\n' ' ')"
say "limited io.weight" "$(tr '\n' ' ' <"$(group limited)/io.weight")"
say "limited files" "$(grep 'open files' "/proc/$(property limited MainPID)/limits" | tr -s ' ')"
say "limited status" "$(soute status limited | grep -E '^ *(Memory|Tasks|CPU):' | tr -s ' \n' ' ')"
systemctl set-property soute@limited MemoryMax=80M
say "limited live" "$(cat "$(group limited)/memory.max")"
soute rm --force limited
define idle <<'T'
image = "busybox"
command = ["sleep", "infinity"]
limits.cpu-weight = "idle"
limits.memory = "50%"
limits.tasks = "10%"
T
start idle
say "idle cpu.idle" "$(cat "$(group idle)/cpu.idle")"
say "idle memory.max" "$(cat "$(group idle)/memory.max") of $(awk '/^MemTotal/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)"
say "idle pids.max" "$(cat "$(group idle)/pids.max") of $(cat /proc/sys/kernel/pid_max)"
soute rm --force idle

# ---- A group: its containers together, each with its own below.
mkdir -p /etc/soute/groups
printf '[limits]\nmemory = "96M"\ncpus = 0.5\ntasks = 50\n' >/etc/soute/groups/pair.toml
for name in left right; do
    printf 'image = "busybox"\ncommand = ["sleep", "infinity"]\ngroup = "pair"\nlimits.memory = "64M"\n' | define $name
done
soute up pair
pair=/sys/fs/cgroup/soute.slice/soute-pair.slice
say "pair limits" "$(cat $pair/memory.max $pair/cpu.max $pair/pids.max $pair/soute@left.service/memory.max | tr '\n' ' ')"
say "pair status" "$(soute status right | grep -E '^ *(Memory|Tasks):' | tr -s ' \n' ' ')"
soute down --remove pair

# ---- Copies of an image that last longer than the time to be ready.
cp -a /lab/busybox /root/large
dd if=/dev/urandom of=/root/large/filling bs=1M count=24 2>/dev/null
soute image import large /root/large >/dev/null
for name in prompt late mute; do
    define $name <<T
image = "large"
command = ["sleep", "infinity"]
start-timeout = "2s"
restart.policy = "no"
$([ $name = prompt ] || echo 'limits.write-bandwidth = "2MB/s"')
$([ $name != mute ] || echo 'ready = "notify"')
T
done
for name in prompt late; do
    start $name
    say "$name state" "$(property $name ActiveState)"
    say "$name status" "$(property $name StatusText)"
    say "$name start" "$((($(property $name ActiveEnterTimestampMonotonic) - $(property $name InactiveExitTimestampMonotonic)) / 1000))"
    soute rm --force $name
done
# Seen again where its time is up, at the end.
soute start mute >mute 2>&1 & mute=$!
until_true '[[ $(property mute StatusText) == "copying the image, "* ]]'
say "mute status" "$(property mute StatusText)"
until_true '[ -z "$(property mute StatusText)" ]'
read -r copied _ </proc/uptime
copied=${copied%.*}${copied#*.}0
say "mute copied" "$((copied - $(property mute InactiveExitTimestampMonotonic) / 1000)) $(property mute ActiveState)"

# ---- Memory: PID 1 itself, and a child of it, that want 200 MB.
hog() {
    define "$1" <<T
image = "busybox"
command = ["sh", "-c", "sleep 1; $2"]
[restart]
policy = "$3"
limit = 2
delay = "100ms"
[limits]
swap = 0
$4
T
    start "$1"
    say "$1 wait" "$(soute wait "$1" 2>&1)"
    until_true "! systemctl is-active -q soute@$1 && [ \"\$(property $1 SubState)\" != auto-restart ]"
    say "$1 result" "$(property "$1" Result) $(property "$1" ActiveState)"
    say "$1 list" "$(soute list --all | grep "^$1 " | tr -s ' ')"
    say "$1 status" "$(soute status "$1" | grep 'Last exit')"
    [ "$1" != hog-again ] || say "$1 starts" "$(journalctl -q -u "soute@$1" -o cat | grep -c '^Started ')"
    soute rm "$1"
}
eat="dd if=/dev/zero of=/dev/null bs=200M count=1"
hog hog-free "exec $eat" no ""
hog hog-first "exec $eat" no 'memory = "64M"'
hog hog-child "$eat; sleep 60" no 'memory = "64M"'
hog hog-again "exec $eat" on-failure 'memory = "64M"'

# ---- Memory: a child alone, of one that goes on; told while it happens, and afterwards.
define spared <<T
image = "busybox"
command = ["sh", "-c", "until [ -e /eat ]; do sleep 0.2; done; $eat; sleep 600"]
systemd.OOMPolicy = "continue"
limits.swap = 0
limits.memory = "64M"
T
start spared
soute events spared >told & listener=$!
until_true '[ -n "$(find /proc/$listener/fd -lname "*inotify*")" ]'
soute exec spared -- touch /eat
until_true '[ -s told ]'
say "spared killed" "$(awk '$1 == "oom_kill" { print $2 }' "$(group spared)/memory.events") $(property spared ActiveState)"
kill $listener
wait $listener
soute stop spared
say "spared told" "$(awk '{ print $2, $3 }' told | xargs)"
until_true '[ "$(soute events --no-follow spared | wc -l)" = 5 ]'
say "spared past" "$(soute events --no-follow spared | awk '{ print $3 }' | xargs)"
soute rm spared

# ---- Tasks.
for name in crowd-free crowd; do
    define $name <<T
image = "busybox"
command = ["sh", "-c", "i=0; while [ \$i -lt 200 ]; do sleep 300 & i=\$((i+1)); done; wait"]
restart.policy = "no"
$([ $name = crowd-free ] || echo 'limits.tasks = 40')
T
    start $name
done
until_true '[ "$(cat "$(group crowd-free)/pids.current")" -gt 200 ]'
say "crowd-free tasks" "$(cat "$(group crowd-free)/pids.current")"
until_true '! systemctl is-active -q soute@crowd'
say "crowd log" "$(journalctl -q -u soute@crowd -o cat -n 30 | grep -c "can't fork: Resource temporarily unavailable")"
define bomb <<'T'
image = "busybox"
command = ["sh", "-c", "trap : CHLD; while :; do (while :; do sleep 300 & done) & done; sleep infinity"]
init = "reaper"
limits.tasks = 50
limits.cpus = 0.5
restart.policy = "always"
restart.delay = "100ms"
restart.limit = 0
T
start bomb
top=0
for _ in $(seq 20); do
    now=$(cat "$(group bomb)/pids.current" 2>/dev/null || echo 0)
    [ "$now" -le "$top" ] || top=$now
    sleep 0.1
done
say "bomb tasks" "$top"
soute stop bomb crowd-free
say "bomb left" "$(cat "$(group bomb)/cgroup.procs" 2>/dev/null | wc -l)"
soute rm bomb crowd crowd-free

# ---- CPU. Hundredths of a CPU that busy loops have used in 3 s.
for name in busy-free busy-slow busy-pinned; do
    define $name <<T
image = "busybox"
command = ["sh", "-c", "while :; do :; done & while :; do :; done"]
[limits]
$([ $name != busy-slow ] || echo 'cpus = 0.2')
$([ $name != busy-pinned ] || echo 'cpu-set = "1"')
T
    start $name
    usage() { awk '/^usage_usec/ { print $2 }' "$(group $name)/cpu.stat"; }
    sleep 0.5
    read -r start _ </proc/uptime; before=$(usage)
    sleep 3
    after=$(usage); read -r end _ </proc/uptime
    say "$name cpu" "$(awk "BEGIN { printf \"%d\", ($after - $before) / 10000 / ($end - $start) }")"
    say "$name cpus" "$(awk '/^Cpus_allowed_list/ { print $2 }' "/proc/$(property $name MainPID)/status")"
    soute rm --force $name
done

# ---- Reads and writes. Milliseconds for 8 MiB, or for 400 pages, from and to the disk itself. Each is more than one limit
# allows and well within the others.
mke2fs -q -t ext4 -d /lab/busybox /root/disk.raw 32M
soute image import ext4 /root/disk.raw >/dev/null
cat >/root/io <<'S'
read -r a _ </proc/uptime
dd bs=$1 count=$2 if=$3 of=$4 $5 2>/dev/null || echo failed
read -r b _ </proc/uptime
echo $((${b%.*}${b#*.} - ${a%.*}${a#*.}))0
S
for image in busybox ext4; do
    for name in $image-free $image-slow; do
        define $name <<T
image = "$image"
command = ["sleep", "infinity"]
$([ $name = $image-free ] || printf 'limits.%s\n' 'write-bandwidth = "2MB/s"' 'read-bandwidth = "2MB/s"' 'read-iops = 100' 'write-iops = 100')
[[mount]]
source = "/root/io"
target = "/io"
T
        start $name
        io() { say "$name $1" "$(soute exec $name -- sh /io "${@:2}")"; }
        io "write fsync" 1M 8 /dev/zero /written conv=fsync
        io "write direct" 1M 8 /dev/zero /written "oflag=direct conv=notrunc"
        io "read direct" 1M 8 /written /dev/null iflag=direct
        if [ $image = busybox ]; then
            sync
            echo 1 >/proc/sys/vm/drop_caches
            io "read cold" 1M 8 /written /dev/null
            io "read again" 1M 8 /written /dev/null
        fi
        io "page reads" 4k 400 /written /dev/null iflag=direct
        io "page writes" 4k 400 /dev/zero /written "oflag=direct conv=notrunc"
        soute rm --force $name
    done
done
say "loop devices left" "$(losetup --noheadings --list --output NAME,BACK-FILE | grep -c /var/lib/soute)"

wait $mute
say "mute start" "$?"
say "mute result" "$(property mute Result)"
say "mute waited" "$(($(property mute InactiveEnterTimestampMonotonic) / 1000 - copied))"
say "mute words" "$(tr '\n' ' ' <mute)"
soute rm mute
