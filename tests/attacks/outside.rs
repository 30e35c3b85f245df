//! Rows 39, 40 and 41: keys, mounts and processes that are others'.

use super::inside::report;
use crate::lab::script::{both, run};
use crate::lab::{Lab, probe};

both!(
    attack_39_keys_of_others_are_not_found,
    attack_40_nothing_of_the_hosts_tree_is_left_or_follows,
    attack_41_no_core_is_dumped_and_nobody_outside_is_traced_or_killed,
);

/// Behind the filter, which refuses all of it: what if a definition opens these calls.
fn attack_39_keys_of_others_are_not_found(lab: &Lab) {
    probe::import(lab);
    run(
        lab,
        r#"
        kept() { echo "/var/lib/soute/disks/keys-$1/root/tmp/keys"; }
        number() { awk -v ring="key.$2" '$1 == ring { print $2 }' "$(kept $1)"; }
        written() { [ -s "$(kept $1)" ]; }
        # finds WHERE KEY: the ways that lead to it there.
        finds() { soute exec keys-$1 -- /probe --find-key "$2" | awk '$2 == "done" { print $1 }' | xargs; }
        for open in 'security.seccomp = "off"' 'security.allow-syscalls = ["add_key", "keyctl", "request_key"]'; do
            for name in a b; do
                define keys-$name 'image = "probe"' "$open" "command = [\"/probe\", \"--put-key\", \"session=session-$name\",
                    \"--put-key\", \"user=user-$name\", \"--output\", \"/tmp/keys\", \"--hold\"]"
            done
            soute start keys-a keys-b
            soon written a
            soon written b
            # The premise: a user's key is found by whoever is that user, and a number is as good as a name.
            is "find.user find.user-session" "$(finds a user-a)"
            has "$(finds a "$(number a user)")" find.describe
            is "" "$(finds b user-a)"
            is "" "$(finds a user-b)"
            is "" "$(finds b "$(number a user)")"
            # A session's is for that session alone, and exec makes one of its own.
            for name in a b; do is "" "$(finds $name session-a)"; done
            is "" "$(finds b "$(number a session)")"
            soute remove --force keys-a keys-b
        done
        # And the caller's own session, who has a key: neither exec nor run brings it along, root of the host or not.
        for user in auto host; do
            define keys-c 'image = "probe"' 'security.seccomp = "off"' "namespaces.user = \"$user\""
            soute start keys-c
            is "find.session find.request" "$(/root/probe --put-key session=of-caller -- /root/probe --find-key of-caller |
                awk '$2 == "done" { print $1 }' | xargs)"
            for way in "exec keys-c --" "run --seccomp off --namespace user=$user probe --"; do
                found=$(/root/probe --put-key session=of-caller -- soute $way /probe --find-key of-caller)
                has "$found" "find.session ENOKEY"
                lacks "$found" done
            done
            soute remove --force keys-c
        done
        # With the filter as it is there is nothing to look with.
        define keys-c 'image = "probe"'
        soute start keys-c
        is 4 "$(soute exec keys-c -- /probe --find-key x | grep -c ' EPERM$')"
        soute remove --force keys-c"#,
    );
}

fn attack_40_nothing_of_the_hosts_tree_is_left_or_follows(lab: &Lab) {
    run(
        lab,
        r#"
        mkdir -p /srv/a40
        mount -t tmpfs a40 /srv/a40
        mount --make-shared /srv/a40
        mkdir /srv/a40/{later,inside}
        for init in none reaper; do
            define left-$init "init = \"$init\"" 'security.seccomp = "off"' 'security.capabilities = { add = ["SYS_ADMIN"] }' \
                '[[mount]]' 'source = "/srv/a40"' 'target = "/a40"'
        done
        soute start left-{none,reaper}
        systemd-run --quiet --unit follows-40 -p PrivateMounts=yes sleep infinity
        mount -t tmpfs later /srv/a40/later
        # The premise: other services see what the host mounts.
        has "$(cat /proc/$(systemctl show -P MainPID follows-40)/mountinfo)" " /srv/a40/later "
        systemctl stop follows-40
        for name in left-none left-reaper; do
            main=$(pid $name)
            lacks "$(cat /proc/$main/mountinfo)" /later
            # No mount has peers or a master, none lies on one that is not seen, and none where only the host has a place.
            is "" "$(awk '$7 != "-"' /proc/$main/mountinfo)"
            is 1 "$(awk '{ parent[$1] = $2 } END { for (id in parent) if (!(parent[id] in parent)) n++; print n }' /proc/$main/mountinfo)"
            is "/ /a40 /dev /proc /sys" "$(awk '{ print $5 }' /proc/$main/mountinfo | sed -E 's,^(/(dev|proc|sys|run))/.*,\1,' |
                grep -v -e '^/run' -e '^/etc/' | sort -u | xargs)"
            # Every link of every process leads to the container's own root, which is where a walk up ends.
            is "/" "$(soute exec $name -- sh -c 'for link in /proc/[0-9]*/cwd /proc/[0-9]*/root; do readlink $link; done' | sort -u)"
            root=$(soute exec $name -- stat -c %d:%i /)
            for path in /proc/1/root /proc/1/cwd /proc/1/root/../../.. /..; do
                is "$root" "$(soute exec $name -- stat -L -c %d:%i $path)"
            done
            # What it mounts itself, where it may, is its own.
            soute exec $name -- mount -t tmpfs inside /a40/inside
            lacks "$(cat /proc/1/mountinfo)" /a40/inside
        done
        lacks "$(cat /proc/$(pid left-none)/mountinfo)" later
        soute remove --force left-none left-reaper
        umount /srv/a40/later /srv/a40"#,
    );
}

fn attack_41_no_core_is_dumped_and_nobody_outside_is_traced_or_killed(lab: &Lab) {
    for (name, more) in [("a41", ""), ("a41-host", "namespaces.user = 'host'")] {
        let report = report(lab, name, more);
        assert_eq!(report.get("limit.Max-core-file-size"), "0 0");
        for key in ["hidden-processes.reached", "hidden-processes.opened"] {
            assert_eq!(report.get(key), "0", "{key}, {more}");
        }
        assert_eq!(report.get("host-processes-seen"), "no", "{more}");
        assert!(matches!(report.get("ptrace.unknown"), "ESRCH" | "EPERM"), "{}", report.get("ptrace.unknown"));
    }
    run(
        lab,
        r#"
        # A process of the host, which root of the host may kill: the premise.
        sleep 1000 & outside=$!
        kill -0 $outside
        define kills-41 'namespaces.user = "host"'
        soute start kills-41
        for process in $outside $(pid kills-41); do
            [ $process -gt 20 ]
            has "$(fails 1 soute exec kills-41 -- kill -9 $process)" "No such process"
            is "" "$(soute exec kills-41 -- sh -c "ls -d /proc/$process 2>/dev/null || true")"
        done
        kill $outside
        soute remove --force kills-41
        # The premise: where the limit allows one, the kernel writes it.
        for core in 0 unlimited; do
            [ $core = 0 ] && limit= || limit='limits.rlimits = { core = "infinity" }'
            define cores-41 "$limit" 'restart.policy = "no"' 'init = "reaper"' 'working-directory = "/tmp"' \
                'command = ["sh", "-c", "sh -c '"'kill -SEGV \$\$'"'; echo $? >/tmp/status"]'
            soute start cores-41
            soute wait cores-41 >/dev/null
            is 139 "$(cat /var/lib/soute/disks/cores-41/root/tmp/status)"
            cores=$(find /var/lib/soute/disks/cores-41/root/tmp -name 'core*' | wc -l)
            case $core$(cat /proc/sys/kernel/core_pattern) in
                0*) is 0 $cores ;;
                unlimitedcore*) is 1 $cores ;;
            esac
            soute remove cores-41
        done"#,
    );
}
