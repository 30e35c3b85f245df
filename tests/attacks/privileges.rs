//! What a payload may do, asked of the kernel from both sides.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    attack_07_no_user_has_a_capability_that_nobody_gave,
    attack_07_kernel_paths_are_empty_or_read_only,
    attack_07_masks_are_ours_and_follow_no_link_out,
    attack_07_devices_are_those_of_the_definition,
    attack_45_the_unit_is_rated_within_its_limit,
);

fn attack_07_no_user_has_a_capability_that_nobody_gave(lab: &Lab) {
    run(
        lab,
        r#"
        caps() { awk '/^Cap/ { print $2 }' "$1" | sed 's/^0*\(.\)/\1/' | xargs; }
        # CapInh CapPrm CapEff CapBnd CapAmb, of the payload and of what exec brings in.
        capabilities() {
            is "$2" "$(caps /proc/$(pid $1)/status)"
            is "$2" "$(soute exec $1 -- cat /proc/self/status | caps /dev/stdin)"
        }
        define caps-root
        define caps-user 'user = "www-data"'
        define caps-added 'user = "33"' 'security.capabilities = { add = ["NET_ADMIN"] }'
        define caps-sudo 'user = "www-data"' 'security.no-new-privileges = false'
        soute start caps-{root,user,added,sudo}
        capabilities caps-root "0 800405fb 800405fb 800405fb 0"
        capabilities caps-user "0 0 0 0 0"
        capabilities caps-added "1000 1000 1000 1000 1000"
        capabilities caps-sudo "0 0 0 800405fb 0"
        # The user of exec decides, not that of the payload.
        is "0 0 0 0 0" "$(soute exec -u www-data caps-root -- cat /proc/self/status | caps /dev/stdin)"
        is "0 800405fb 800405fb 800405fb 0" "$(soute exec -u root caps-user -- cat /proc/self/status | caps /dev/stdin)"
        # It is there to be used.
        soute exec caps-added -- ip link set lo mtu 1300
        has "$(fails 2 soute exec caps-user -- ip link set lo mtu 1200)" "not permitted"
        for name in caps-added caps-sudo; do has "$(marked $name)" weakened; done
        for name in caps-root caps-user; do lacks "$(marked $name)" weakened; done
        soute stop caps-{root,user,added,sudo}"#,
    );
}

fn attack_07_kernel_paths_are_empty_or_read_only(lab: &Lab) {
    run(
        lab,
        r#"
        define masks
        define nets 'security.capabilities = { add = ["NET_ADMIN"] }'
        define unmasks 'security.unmask = ["/proc/kallsyms", "/proc/sys"]'
        soute start masks nets unmasks
        # The premise: the kernel has something there.
        [ -s /proc/interrupts ] || [ "$(wc -c </proc/interrupts)" -gt 0 ]
        seen=0
        for path in acpi apm asound interrupts kallsyms kcore keys latency_stats sched_debug scsi sysrq-trigger timer_list \
            timer_stats; do
            soute exec masks -- [ -e /proc/$path ] || continue
            is "" "$(soute exec masks -- find /proc/$path -type f -exec head -c 16 {} +)"
            is /proc/$path "$(soute exec masks -- find /proc/$path)"
            # Not even root inside can put something there.
            fails 1 soute exec masks -- sh -c "echo x >/proc/$path || touch /proc/$path/x || exit 1" >/dev/null
            seen=$((seen + 1))
        done
        [ $seen -ge 4 ] || die "only $seen of them are there"
        for path in dev/block devices/virtual/powercap firmware fs/selinux; do
            soute exec masks -- [ -e /sys/$path ] || continue
            is "" "$(soute exec masks -- ls -A /sys/$path)"
        done
        for path in /proc/bus /proc/fs /proc/irq /proc/sys /sys /sys/fs/cgroup; do
            soute exec masks -- [ -e $path ] || continue
            has "$(soute exec masks -- grep " $path " /proc/self/mountinfo)" " ro,nosuid,nodev,noexec"
        done
        has "$(fails 1 soute exec masks -- sh -c 'echo x >/proc/sys/kernel/domainname')" "Read-only"
        has "$(fails 1 soute exec masks -- mkdir /sys/fs/cgroup/mine)" "Read-only"
        # Of its own network, with the capability that the kernel asks for, and nobody else's.
        soute exec nets -- sh -c 'echo 77 >/proc/sys/net/core/somaxconn'
        is 77 "$(soute exec nets -- cat /proc/sys/net/core/somaxconn)"
        is "$(cat /proc/sys/net/core/somaxconn)" "$(soute exec unmasks -- cat /proc/sys/net/core/somaxconn)"

        # What was unmasked is there, and both verbs say so.
        [ "$(soute exec unmasks -- head -c 16 /proc/kallsyms | wc -c)" = 16 ]
        lacks "$(soute exec unmasks -- cat /proc/self/mountinfo)" " /proc/sys "
        has "$(soute list --all --json)" '"/proc/kallsyms unmasked"'
        has "$(soute check unmasks 2>&1)" "the container gets at /proc/kallsyms of the kernel"
        # No mount of ours lets a set-user-ID bit or a device through where neither is needed.
        for target in $(soute exec masks -- awk '$5 ~ "^/(proc|sys|run|dev/shm|dev/mqueue)" && !/nosuid,nodev/ { print $5 }' \
            /proc/self/mountinfo); do
            case $target in /dev/*) ;; *) die "$target is not nosuid, nodev" ;; esac
        done
        is "" "$(soute exec masks -- awk '!/nosuid/ { print $5 }' /proc/self/mountinfo)"
        soute stop masks nets unmasks"#,
    );
}

fn attack_07_masks_are_ours_and_follow_no_link_out(lab: &Lab) {
    run(
        lab,
        r#"
        define linked 'restart.policy = "no"' \
            'security.mask = ["/etc/secret", "/link/canary", "/private", "/absent/x", "/up/etc/canary"]'
        soute start linked
        soute stop linked
        disk=/var/lib/soute/disks/linked/root
        echo host >/etc/canary
        # An image with links out of it, and a /dev of its own that would be taken for the kernel's.
        ln -s /etc $disk/link
        ln -s ../../../../../.. $disk/up
        mkdir $disk/private
        echo secret | tee $disk/etc/secret $disk/etc/canary $disk/private/file >/dev/null
        mkdir -p $disk/dev
        ln -sfn /proc/sys/kernel/core_pattern $disk/dev/null
        soute start linked
        for path in /etc/secret /etc/canary; do
            is "" "$(soute exec linked -- cat $path)"
            fails 1 soute exec linked -- sh -c "echo x >$path" >/dev/null
            # Not the node of any device.
            is "regular empty file 444" "$(soute exec linked -- stat -c '%F %a' $path)"
        done
        is "" "$(soute exec linked -- ls -A /private)"
        is host "$(cat /etc/canary)"
        # A mask of a file of the kernel is of one file system, which only this container has.
        device=$(soute exec linked -- awk '$5 == "/etc/secret" { print $3 }' /proc/self/mountinfo)
        is "$device" "$(soute exec linked -- awk '$5 == "/proc/kallsyms" { print $3 }' /proc/self/mountinfo)"
        lacks "$(cat /proc/1/mountinfo)" " $device "
        soute stop linked"#,
    );
}

fn attack_07_devices_are_those_of_the_definition(lab: &Lab) {
    run(
        lab,
        r#"
        # The number of /dev/loop-control, which no container has by default and nobody needs a capability to open.
        mknod -m 640 /dev/lab-loop c 10 237
        chgrp 50 /dev/lab-loop
        device() { printf '%s\n' '[[device]]' 'source = "/dev/lab-loop"' "$@"; }
        define dev-rw "$(device)"
        define dev-r "$(device 'target = "/dev/lab/loop"' 'access = "r"')"
        define dev-user 'user = "www-data"' 'groups = ["staff"]' "$(device 'access = "r"' 'target = "/srv/loop"')"
        define dev-none
        define dev-absent '[[device]]' 'source = "/dev/absent"' 'missing = "skip"'
        define dev-fails 'restart.policy = "no"' '[[device]]' 'source = "/dev/absent"'
        define dev-file 'restart.policy = "no"' '[[device]]' 'source = "/dev/lab-file"'
        touch /dev/lab-file
        soute start dev-{rw,r,user,none,absent}
        opens() { soute exec $1 -- sh -c ": $2"; }
        opens dev-rw "</dev/lab-loop"
        opens dev-rw ">>/dev/lab-loop"
        # What the mode allows, the unit may not.
        soute exec dev-r -- chmod 666 /dev/lab/loop
        opens dev-r "</dev/lab/loop"
        has "$(fails 1 opens dev-r ">>/dev/lab/loop")" "not permitted"
        # The same numbers as on the host, and a change stays inside.
        is "0:50 640 a:ed" "$(soute exec dev-rw -- stat -c '%u:%g %a %t:%T' /dev/lab-loop)"
        is 640 "$(stat -c %a /dev/lab-loop)"
        opens dev-user "</srv/loop"
        has "$(fails 1 opens dev-user ">>/srv/loop")" "ermission denied"
        [ ! -e /var/lib/soute/disks/dev-none/root/dev/lab-loop ]
        has "$(fails 1 soute exec dev-none -- mknod /loop c 10 237)" "not permitted"
        soute exec dev-absent -- [ ! -e /dev/absent ]
        has "$(fails 1 soute start dev-fails)" "cannot give /dev/absent to the container: No such file"
        has "$(fails 1 soute start dev-file)" "it is not a device node"
        has "$(soute unit dev-r)" "DeviceAllow=/dev/lab-loop r"
        has "$(marked dev-rw)" weakened
        lacks "$(marked dev-none)" weakened
        has "$(soute check dev-rw 2>&1)" "the container uses the host's device /dev/lab-loop"
        soute stop dev-{rw,r,user,none,absent}
        rm /dev/lab-loop /dev/lab-file"#,
    );
}

/// What systemd's own rating says of the unit: it sees nothing of what the runner does inside. Every further restriction of
/// systemd's is a mount namespace or a filter compiled at each start, or would keep the runner from its work.
fn attack_45_the_unit_is_rated_within_its_limit(lab: &Lab) {
    run(
        lab,
        r#"
        define rated
        soute start rated
        level=$(systemd-analyze security --no-pager soute@rated | tee /dev/stderr | sed -n 's/.*Overall exposure level[^:]*: \([0-9]*\)\.\([0-9]\).*/\1\2/p')
        [ "$level" -gt 10 ] && [ "$level" -le 89 ] || die "it is $level tenths"
        # The premise: less than that is worse.
        systemd-run --quiet --unit bare sleep infinity
        bare=$(systemd-analyze security --no-pager bare | sed -n 's/.*Overall exposure level[^:]*: \([0-9]*\)\.\([0-9]\).*/\1\2/p')
        systemctl stop bare
        [ "$level" -lt "$bare" ] || die "$level, and $bare for a service of nothing"
        soute stop rated"#,
    );
}
