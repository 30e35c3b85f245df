//! Containers that are what their definitions say.

use crate::lab::Lab;
use crate::lab::script::{both, import, run};

both!(
    clean_container_is_ok_throughout,
    every_declared_weakness_is_named_by_its_key,
    devices_masks_and_users_are_told,
    every_kind_of_container_is_ok,
    booting_container_is_ok,
    what_cannot_be_audited_has_its_exit_status,
);

/// With a command that `exec` has brought in, and on a bridge.
fn clean_container_is_ok_throughout(lab: &Lab) {
    run(
        lab,
        r#"
        ip link show br-audit >/dev/null 2>&1 || ip link add br-audit up type bridge
        define clean '[[network]]' 'bridge = "br-audit"' 'address = ["10.91.0.2/24"]' \
            '[[mount]]' 'type = "tmpfs"' 'target = "/scratch"' '[[mount]]' 'source = "/etc"' 'target = "/mnt"' 'read-only = true'
        soute start clean
        (soute exec clean -- sleep 1000 </dev/null &>/dev/null &)
        two() { [ "$(wc -l </sys/fs/cgroup$(prop clean ControlGroup)/cgroup.procs)" = 2 ]; }
        soon two
        # It may be on its way in still, with more than it will have.
        table=$(soute audit clean) || die "$? $table"
        is "" "$(grep -E '^(WRONG|weaker) ' <<<"$table" || true)"
        for kind in user pid net mnt ipc uts cgroup time; do
            grep -E "^ok +namespace $kind +its own$" <<<"$table" >/dev/null || die "$kind: $table"
        done
        grep -E "^ok +capabilities, in effect +11: CHOWN " <<<"$table" >/dev/null
        grep -E "^ok +system calls +filtered" <<<"$table" >/dev/null || die "$table"
        grep -E "^ok +other processes +1 with no more " <<<"$table" >/dev/null
        grep -E "^ok +link eth0 +veth, .* a port of br-audit, 10.91.0.2/24" <<<"$table" >/dev/null
        grep -E "^ok +mount /mnt .*\<ro\>" <<<"$table" >/dev/null
        # What this kernel has of them, by its own list.
        for path in acpi kallsyms keys timer_list; do
            [ ! -e /proc/$path ] || grep -E "^ok +made empty .*/proc/$path( |$)" <<<"$table" >/dev/null || die "$path: $table"
        done
        is "clean: as safe as by default" "$(tail -n 1 <<<"$table")"
        json=$(soute audit --json clean)
        has "$json" '"version": 1'
        has "$json" '"as-declared": true'
        lacks "$json" '"wrong"'
        soute stop clean"#,
    );
}

fn every_declared_weakness_is_named_by_its_key(lab: &Lab) {
    run(
        lab,
        r#"
        define loose '[namespaces]' 'network = "host"' 'pid = "host"' 'ipc = "host"' 'uts = "host"' 'cgroup = "host"' \
            'time = "host"' '[security]' 'no-new-privileges = false' 'seccomp = "off"' 'capabilities.add = ["NET_ADMIN"]' \
            '[limits]' 'tasks = "infinity"' 'rlimits.core = "infinity"' \
            '[[mount]]' 'source = "/etc"' 'target = "/mnt"' 'options = []'
        define rooted '[namespaces]' 'user = "host"'
        soute start loose rooted
        table=$(soute audit loose) || die "$? $table"
        is "" "$(grep '^WRONG ' <<<"$table" || true)"
        weaker() { grep -E "^weaker +$1 .*as the definition says: $2" <<<"$table" >/dev/null || die "$1: $table"; }
        for pair in net:network pid:pid ipc:ipc uts:uts cgroup:cgroup time:time; do
            weaker "namespace ${pair%:*}" "namespaces.${pair#*:} = \"host\"$"
        done
        weaker "capabilities, in effect" 'security.capabilities.add = \["NET_ADMIN"\]$'
        weaker "capabilities, bounding" 'security.capabilities.add'
        weaker "new privileges" 'security.no-new-privileges = false$'
        weaker "system calls" 'security.seccomp = "off"$'
        weaker "limit of tasks" 'limits.tasks = "infinity"$'
        weaker "limit of core file size" 'limits.rlimits.core$'
        weaker "mount /mnt" 'mount.options of /mnt without nosuid, nodev$'
        # What runs is held against what was started, whatever the file says by now.
        define loose
        soute audit loose >/dev/null
        table=$(soute audit rooted) || die "$? $table"
        is "" "$(grep '^WRONG ' <<<"$table" || true)"
        weaker "namespace user" 'namespaces.user = "host"$'
        weaker "ids" 'namespaces.user = "host"$'
        has "$(soute audit --json rooted)" '"key": "namespaces.user = \"host\""'
        soute stop loose rooted"#,
    );
}

fn devices_masks_and_users_are_told(lab: &Lab) {
    run(
        lab,
        r#"
        define tools '[security]' 'unmask = ["/proc/kallsyms", "/proc/sys"]' 'mask = ["/etc", "/nowhere"]' \
            '[[device]]' 'source = "/dev/fuse"' 'target = "/dev/fuse0"'
        define other 'user = "1000"' '[security]' 'capabilities.add = ["NET_ADMIN"]'
        define plain 'user = "1000"'
        soute start tools other plain
        table=$(soute audit tools) || die "$? $table"
        line() { grep -E "^$1" <<<"$table" >/dev/null || die "no $1: $table"; }
        line 'weaker +/proc/kallsyms .*security.unmask = \["/proc/kallsyms"\]$'
        line 'weaker +/proc/sys .*security.unmask = \["/proc/sys"\]$'
        line 'ok +made empty +/etc .*/proc/keys'
        line 'note +/nowhere '
        line 'weaker +device /dev/fuse0 +character device 10:229.*\[\[device\]\] source = "/dev/fuse"$'
        line 'weaker +device policy +/dev/fuse may be opened \(rw\)'
        table=$(soute audit other) || die "$? $table"
        line 'weaker +capabilities, in effect +1: NET_ADMIN, as'
        line 'weaker +capabilities, ambient +1: NET_ADMIN, as'
        # Another user has nothing to begin with, and a root that exec brings in what root has.
        (soute exec --user root plain -- sleep 1000 </dev/null &>/dev/null &)
        two() { [ "$(wc -l </sys/fs/cgroup$(prop plain ControlGroup)/cgroup.procs)" = 2 ]; }
        soon two
        table=$(soute audit plain) || die "$? $table"
        line 'ok +capabilities, bounding +none$'
        line 'ok +capabilities, in effect +none$'
        is "plain: as safe as by default" "$(tail -n 1 <<<"$table")"
        soute stop tools other plain"#,
    );
}

/// What soute itself puts into containers is nobody's weakness.
fn every_kind_of_container_is_ok(lab: &Lab) {
    run(
        lab,
        r#"
        mkdir -p /srv/shared
        mountpoint -q /srv/shared || { mount -t tmpfs none /srv/shared; mount --make-shared /srv/shared; }
        define reaped 'init = "reaper"' 'hostname = "other"' 'timezone = "UTC"' '[dns]' 'servers = ["192.0.2.1"]' \
            '[hosts]' '"a.example" = "192.0.2.2"'
        define sealed '[disk]' 'mode = "read-only"'
        define bound '[[mount]]' 'type = "volume"' 'source = "kept"' 'target = "/kept"' \
            '[[mount]]' 'source = "/srv/shared"' 'target = "/shared"' '[[mount]]' 'type = "tmpfs"' 'target = "/dev/shm"'
        define quiet '[log]' 'output = "none"'
        soute start reaped sealed bound quiet
        soute run -d --name single busybox -- sleep 1000
        soute run --network host --name attached busybox -- sleep 1000 </dev/null &>/dev/null &
        soon is_state attached active
        # It has no definition anywhere: what it was declared to be is known all the same.
        grep -E '^weaker +namespace net .*namespaces.network = "host"$' <<<"$(soute audit attached)" >/dev/null
        soute stop attached
        for name in reaped sealed bound quiet single; do
            table=$(soute audit $name) || die "$? $table"
            is "" "$(grep -E '^(WRONG|weaker) ' <<<"$table" || true)"
        done
        # What is mounted on the host now is not seen inside.
        mkdir -p /srv/shared/later && mount -t tmpfs none /srv/shared/later
        soute audit bound >/dev/null
        umount /srv/shared/later /srv/shared
        soute stop reaped sealed bound quiet single"#,
    );
}

fn booting_container_is_ok(lab: &Lab) {
    import(lab, "debian");
    run(
        lab,
        r#"
        define booted 'image = "debian"' 'init = "image"'
        soute start booted
        table=$(soute audit booted) || die "$? $table"
        is "" "$(grep -E '^(WRONG|weaker) ' <<<"$table" || true)"
        grep -E "^ok +control group +its own to divide" <<<"$table" >/dev/null || die "$table"
        grep -E "^ok +capabilities, bounding +26: " <<<"$table" >/dev/null || die "$table"
        soute stop booted"#,
    );
}

fn what_cannot_be_audited_has_its_exit_status(lab: &Lab) {
    run(
        lab,
        r#"
        define still
        has "$(fails 3 soute audit still)" "still is not running"
        has "$(fails 4 soute audit nobody)" "no container is called nobody"
        define alone
        soute start alone
        # All are tried.
        said=$(fails 4 soute audit nobody alone)
        has "$said" "alone: as safe as by default"
        has "$(fails 9 setpriv --reuid 65534 --regid 65534 --clear-groups soute audit alone)" "only root"
        soute stop alone"#,
    );
}
