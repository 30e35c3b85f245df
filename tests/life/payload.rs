//! What a payload is to the host: systemd's own child, alone, and shut in.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    payload_is_the_only_process,
    namespaces_ids_and_privileges_are_its_own,
    dev_has_its_nodes_and_no_more,
    root_is_idmapped_and_no_mount_is_seen_outside,
    reaper_reaps_is_small_and_ends_as_its_payload,
    read_only_disk_without_a_place_for_a_file_says_so,
);

fn read_only_disk_without_a_place_for_a_file_says_so(lab: &Lab) {
    run(
        lab,
        r#"
        define bare 'restart.policy = "no"' 'disk.mode = "read-only"' 'dns.servers = ["10.1.1.1"]'
        has "$(fails 1 soute start bare)" "the image has no /etc/resolv.conf to mount over, and on a read-only disk none can be made""#,
    );
}

fn payload_is_the_only_process(lab: &Lab) {
    run(
        lab,
        r#"
        define alone
        soute start alone
        main=$(pid alone)
        is "sleep infinity " "$(tr '\0' ' ' </proc/$main/cmdline)"
        is "$main" "$(cat /sys/fs/cgroup$(prop alone ControlGroup)/cgroup.procs)"
        is 1 "$(awk '/^PPid:/ { print $2 }' /proc/$main/status)"
        is 1 "$(awk '/^NSpid:/ { print $NF }' /proc/$main/status)"
        has "$(systemd-cgls --no-pager -u soute@alone.service)" "$main sleep infinity"
        # Runners of other tests come and go; ours is not among them.
        is "" "$(pgrep -f 'soute-runner (start|clean|stop|log) alone$' || true)"
        soute stop alone
        [ ! -e /proc/$main ]"#,
    );
}

fn namespaces_ids_and_privileges_are_its_own(lab: &Lab) {
    run(
        lab,
        r#"
        define shut
        soute start shut
        main=$(pid shut)
        for kind in user pid mnt net uts ipc cgroup time; do
            host=$(readlink /proc/1/ns/$kind) own=$(readlink /proc/$main/ns/$kind)
            has "$own" "$kind:["
            [ "$host" != "$own" ] || die "$kind is the host's"
        done
        read -r inside first count </proc/$main/uid_map
        is "0 65536" "$inside $count"
        [ $first -ge 524288 ] && [ $((first % 65536)) = 0 ]
        is "$(cat /proc/$main/uid_map)" "$(cat /proc/$main/gid_map)"
        status() { awk -v key="$1:" '$1 == key { print $2 }' /proc/$main/status; }
        is $first "$(status Uid)"
        is 0000000000000000 "$(status CapInh)"
        is 0000000000000000 "$(status CapAmb)"
        # CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT, SETFCAP.
        is 00000000800405fb "$(status CapBnd)"
        is 00000000800405fb "$(status CapEff)"
        is 1 "$(status NoNewPrivs)"
        # What exec brings in has the same.
        is "00000000800405fb 1" "$(soute exec shut -- awk '/CapBnd|NoNewPrivs/ { print $2 }' /proc/self/status | xargs)"
        soute restart shut
        read -r _ again _ </proc/$(pid shut)/uid_map
        is $first $again
        soute stop shut"#,
    );
}

fn dev_has_its_nodes_and_no_more(lab: &Lab) {
    run(
        lab,
        r#"
        define nodes
        soute start nodes
        # Six of the host's, and the container's own ptmx.
        is "full null random tty urandom zero" "$(soute exec nodes -- find /dev -xdev -type c | sed s,/dev/,, | sort | xargs)"
        is "pts/ptmx" "$(soute exec nodes -- readlink /dev/ptmx)"
        is 0 "$(soute exec nodes -- find /dev -type b | wc -l)"
        soute exec nodes -- sh -c 'echo x >/dev/null && [ "$(head -c 8 /dev/zero | wc -c)" = 8 ] && touch /dev/shm/a'
        has "$(fails 1 soute exec nodes -- mknod /dev/sda b 8 0)" "not permitted"
        has "$(fails 1 soute exec nodes -- mknod /made c 1 3)" "not permitted"
        soute stop nodes"#,
    );
}

fn root_is_idmapped_and_no_mount_is_seen_outside(lab: &Lab) {
    run(
        lab,
        r#"
        # What systemd itself mounts for a service of another test comes and goes.
        mounts() { awk '{ $1 = $2 = ""; print }' /proc/1/mountinfo | grep -v credentials; }
        before=$(mounts)
        for n in 1 2 3 4 5; do define mounted$n '[[mount]]' 'type = "tmpfs"' 'target = "/scratch"'; done
        soute start mounted{1..5}
        is "$before" "$(mounts)"
        for n in 1 2 3 4 5; do
            grep -q " /scratch " /proc/$(pid mounted$n)/mountinfo
            soute exec mounted$n -- touch /made /scratch/made
            # Written by the container's root, another id on the host; on the disk it is root's.
            is 0:0 "$(stat -c %u:%g /var/lib/soute/disks/mounted$n/root/made)"
            is 0:0 "$(soute exec mounted$n -- stat -c %u:%g /made)"
        done
        soute stop mounted{1..5}
        is "$before" "$(mounts)""#,
    );
}

fn reaper_reaps_is_small_and_ends_as_its_payload(lab: &Lab) {
    run(
        lab,
        r#"
        define reaped 'init = "reaper"' 'restart.policy = "no"' \
            'command = ["sh", "-c", "(sleep 0.2 &); trap \"exit 5\" TERM; echo up; while :; do sleep 9 & wait; done"]'
        soute start reaped
        soon said reaped '^up$'
        main=$(pid reaped)
        is 1 "$(awk '/^NSpid:/ { print $NF }' /proc/$main/status)"
        [ "$(awk '/^Pss:/ { print $2 }' /proc/$main/smaps_rollup)" -lt 200 ]
        [ "$(wc -l </sys/fs/cgroup$(prop reaped ControlGroup)/cgroup.procs)" -gt 2 ]
        children() { cat /proc/$main/task/$main/children; }
        # The orphan becomes the reaper's child, and then it is gone; the payload stays.
        orphan_is_gone() { [ "$(children | wc -w)" = 1 ]; }
        soon orphan_is_gone
        systemctl kill --kill-who=main -s TERM soute@reaped
        soon is_state reaped failed
        has "$(marked reaped)" "exited 5"
        soute stop reaped"#,
    );
}
