//! `init = "image"`: the payload is a system of its own, Debian's systemd.

use crate::lab::Lab;
use crate::lab::script::{both, import, run};

both!(system_boots_takes_commands_reboots_and_powers_off);

/// One container and one copy of 140 MB for all of it.
fn system_boots_takes_commands_reboots_and_powers_off(lab: &Lab) {
    import(lab, "debian");
    run(
        lab,
        r#"
        define system 'image = "debian"' 'init = "image"' 'restart.delay = "50ms"'
        soute start system
        main=$(pid system) group=/sys/fs/cgroup$(prop system ControlGroup)
        is systemd "$(cat /proc/$main/comm)"
        is 1 "$(awk '/^NSpid:/ { print $NF }' /proc/$main/status)"
        is running "$(soute exec system -- systemctl is-system-running --wait)"
        is "" "$(soute exec system -- systemctl --failed --no-legend)"
        is soute "$(tr '\0' '\n' </proc/$main/environ | sed -n s/^container=//p)"
        # All that is in the unit's groups is in the container's PID namespace: no process of ours.
        for process in $(find $group -name cgroup.procs -exec cat {} +); do
            is "$(readlink /proc/$main/ns/pid)" "$(readlink /proc/$process/ns/pid)"
        done
        # The group belongs to the container's root, and its systemd has made its own below it.
        read -r _ first _ </proc/$main/uid_map
        is $first "$(stat -c %u $group/cgroup.procs)"
        [ -d $group/init.scope ] && [ -d $group/system.slice ]
        is "" "$(cat $group/cgroup.procs)"
        # exec has a leaf of its own, which goes with it.
        has "$(soute exec system -- cat /proc/self/cgroup)" "0::/soute-exec-"
        is "" "$(find $group -name 'soute-exec-*')"
        is 3 "$(soute exec system -- sh -c 'exit 3' || echo $?)"
        soute exec system -- systemd-run --quiet --wait true

        soute exec system -- systemctl reboot || true
        soon runs_again system $main
        is success "$(prop system Result)"
        is 1 "$(prop system NRestarts)"

        soute exec system -- systemctl poweroff || true
        soon is_state system inactive
        lacks "$(systemctl --failed --plain --no-legend)" soute@system.service

        soute start system
        main=$(pid system)
        is "$((1 << 36))" "$((0x$(awk '/^SigBlk:/ { print $2 }' /proc/$main/status) & 1 << 36))"
        # Only a system that shuts down in order runs this.
        soute exec system -- systemd-run --quiet -p RemainAfterExit=yes -p ExecStop="touch /var/in-order" true
        [ ! -e /var/lib/soute/disks/system/root/var/in-order ]
        within 20000 soute stop system
        [ ! -e /proc/$main ]
        soon said system "^soute@system.service: Deactivated successfully"
        [ ! -e $group ]
        [ -e /var/lib/soute/disks/system/root/var/in-order ]"#,
    );
}
