//! Containers that somebody has weakened, from outside, as only root of the host can.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    process_with_more_in_the_unit_is_found,
    process_outside_the_unit_is_found,
    mounts_that_were_changed_are_found,
    limits_and_devices_that_were_lifted_are_found,
    link_that_nobody_declared_is_found,
);

fn process_with_more_in_the_unit_is_found(lab: &Lab) {
    run(
        lab,
        r#"
        define joined
        soute start joined
        soute audit joined >/dev/null
        # It calls itself something that a terminal would obey.
        sh -c 'printf "\033[2Jx" >/proc/$$/comm; sleep 1000; :' &
        process=$!
        named() { [ "$(cat /proc/$process/comm)" = $'\033[2Jx' ]; }
        soon named
        echo $process >/sys/fs/cgroup$(prop joined ControlGroup)/cgroup.procs
        table=$(fails 7 soute audit joined)
        for what in "namespaces" "capabilities, bounding" "capabilities, in effect" "new privileges" "system calls"; do
            grep -E "^WRONG +$what of $process \(" <<<"$table" >/dev/null || die "$what: $table"
        done
        lacks "$table" $'\033'
        has "$table" '(\u{1b}[2Jx)'
        has "$(soute audit --json joined || true)" '"as-declared": false'
        # The container itself is as it was.
        grep -E "^ok +capabilities, bounding +11: " <<<"$table" >/dev/null
        grep -E "^joined: weaker than its definition says: [0-9]+ WRONG$" <<<"$table" >/dev/null || die "$table"
        pkill -P $process sleep
        wait $process || true
        soute audit joined >/dev/null
        soute stop joined"#,
    );
}

fn process_outside_the_unit_is_found(lab: &Lab) {
    run(
        lab,
        r#"
        define entered
        soute start entered
        nsenter -t $(pid entered) -m -p -n -i -u -C /bin/sleep 1000 &
        entered() { pgrep -P $! -x sleep >/dev/null; }
        soon entered
        process=$(pgrep -P $! -x sleep)
        table=$(fails 7 soute audit entered)
        grep -E "^WRONG +process $process \(.*shares the container's processes" <<<"$table" >/dev/null || die "$table"
        kill $process
        wait $! || true
        soute audit entered >/dev/null
        soute stop entered"#,
    );
}

fn mounts_that_were_changed_are_found(lab: &Lab) {
    run(
        lab,
        r#"
        define changed
        soute start changed
        soute audit changed >/dev/null
        inside() { nsenter -t $(pid changed) -m -p "$@"; }
        inside /bin/mount -o remount,bind,rw /proc/sys
        inside /bin/umount /proc/kallsyms
        inside /bin/mount -t tmpfs none /tmp
        inside /bin/mount -o remount,bind,dev /
        table=$(fails 7 soute audit changed)
        grep -E "^WRONG +/proc/sys +can be written to" <<<"$table" >/dev/null || die "$table"
        grep -E "^WRONG +/proc/kallsyms +what lies there can be read" <<<"$table" >/dev/null || die "$table"
        grep -E "^WRONG +mount /tmp .*the definition does not name it" <<<"$table" >/dev/null || die "$table"
        grep -E "^WRONG +mount / .*expected: nodev" <<<"$table" >/dev/null || die "$table"
        soute stop changed"#,
    );
}

fn limits_and_devices_that_were_lifted_are_found(lab: &Lab) {
    run(
        lab,
        r#"
        define lifted '[limits]' 'memory = "64M"'
        soute start lifted
        soute audit lifted >/dev/null
        systemctl set-property --runtime soute@lifted TasksMax=infinity MemoryMax=128M DeviceAllow="/dev/fuse rw"
        table=$(fails 7 soute audit lifted)
        grep -E "^WRONG +limit of tasks +none; expected: at most 2048" <<<"$table" >/dev/null || die "$table"
        grep -E "^WRONG +limit of memory +134217728 bytes; expected: at most 67108864" <<<"$table" >/dev/null || die "$table"
        grep -E "^WRONG +device policy +/dev/fuse may be opened" <<<"$table" >/dev/null || die "$table"
        # Less than declared is no weakness.
        soute restart lifted
        systemctl set-property --runtime soute@lifted TasksMax=10
        soute audit lifted >/dev/null
        soute stop lifted"#,
    );
}

fn link_that_nobody_declared_is_found(lab: &Lab) {
    run(
        lab,
        r#"
        define wired
        soute start wired
        ip link add audit-out type veth peer name in0 netns $(pid wired)
        table=$(fails 7 soute audit wired)
        grep -E "^WRONG +link in0 +veth, audit-out, in no bridge" <<<"$table" >/dev/null || die "$table"
        ip link delete audit-out
        soute audit wired >/dev/null
        soute stop wired"#,
    );
}
