//! Rows 18, 35 and 36: a thousand cycles, boots and shutdowns. Labs of their own, since what is counted is the machine's.

use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::lab::script::{import, run};

/// Loop devices are the whole machine's, and counted in tests/vm.rs.
#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_18_a_soak_leaves_nothing() {
    let lab = Lab::boot(None, &[]);
    // Ids that no other lab has: keys are counted by their owners.
    lab.write("/etc/soute/soute.toml", "id-pool = { first = 1610612736, last = 1619001343 }\n");
    import(&lab, "busybox");
    run(
        &lab,
        &format!(
            r#"
            ip link add br-soak up type bridge
            cycle() {{
                local name=soak-$1
                soute create $name --image busybox --network bridge=br-soak,address=10.18.0.$(($1 % 250 + 2))/24 \
                    --mount type=tmpfs,target=/scratch -- sleep infinity 2>/dev/null
                soute start $name
                is $1 "$(soute exec $name -- sh -c "echo $1 | tee /scratch/file /file")"
                soute stop $name
                soute remove $name
            }}
            links() {{ find /proc/"$1"/fd -mindepth 1 -printf '%l\n' | sed 's/[0-9]\+//g' | sort | uniq -c; }}
            keys() {{ awk -F: '$1 + 0 >= 1610612736 && $1 + 0 < 1619001344' /proc/key-users; }}
            # What a cycle could leave, one a line; numbers that differ from one to the next are left out.
            seen() {{
                echo "descriptors of PID 1"; links 1
                echo "sockets of the journal"; links "$(systemctl show -P MainPID systemd-journald)" | grep socket
                echo "mounts"; awk '{{ print $5 }}' /proc/1/mountinfo | sort
                echo "links"; ip -o link | awk '{{ print $2 }}'
                echo "network namespaces"; readlink /proc/[0-9]*/ns/net 2>/dev/null | sort -u | wc -l
                echo "groups"; find /sys/fs/cgroup -type d | grep soute || true
                echo "keys"; keys
                echo "units"; systemctl list-units --all --plain --no-legend 'soute*' | awk '{{ print $1, $3, $4 }}'
                echo "files"; find /var/lib/soute /run/soute /etc/soute /run/systemd/transient ! -type d -printf '%p %s\n' | sort
                find /var/lib/soute /run/soute /etc/soute -type d | sort
            }}
            # Warm, booted and at rest: the kernel collects keys later than their last user goes.
            cycle 1
            settled() {{
                before=$(seen)
                [ -z "$(keys)" ] && sleep 1 && [ "$(seen)" = "$before" ]
            }}
            soon settled
            # The premise: one that runs is seen in each of these.
            define runs-18 '[[network]]' 'bridge = "br-soak"' 'address = ["10.18.0.1/24"]'
            soute start runs-18
            during=$(seen)
            for what in "groups" "keys" "units" "links" "network namespaces"; do
                part() {{ sed -n "/^$what\$/,/^[a-z ]*\$/p" <<<"$1" | sed 1d; }}
                [ "$(part "$before")" != "$(part "$during")" ] || die "$what are the same while one runs"
            done
            soute remove --force runs-18
            export -f cycle is die
            seq 2 {} | xargs -P 4 -n 1 bash -euc 'cycle "$1"' bash
            as_before() {{ [ "$(seen)" = "$before" ]; }}
            # Connections of whoever asks come and go: once as before is enough.
            for try in $(seq 100); do
                as_before && break
                [ $try != 100 ] || die "$(diff <(echo "$before") <(seen))"
                sleep 0.2
            done"#,
            crate::rounds(20, 1000)
        ),
    );
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_35_containers_that_fail_at_once_let_the_boot_end() {
    let lab = Lab::boot(None, &[]);
    import(&lab, "busybox");
    run(
        &lab,
        r#"
        # Every way to fail at once: ends, is no program, is killed, is never ready.
        for n in 1 2 3 4; do
            define ends-$n 'autostart = true' "command = [\"sh\", \"-c\", \"exit $((n - 1))\"]" 'restart = { policy = "always", delay = "0s" }'
            define absent-$n 'autostart = true' 'command = ["/absent"]' 'restart = { policy = "always", delay = "50ms" }'
        done
        for n in 1 2; do
            define killed-$n 'autostart = true' 'init = "reaper"' 'command = ["sh", "-c", "kill -9 $$$$; kill -9 $$"]' \
                'restart = { policy = "always", delay = "50ms" }'
            define mute-$n 'autostart = true' 'ready = "notify"' 'command = ["true"]' 'restart = { policy = "always", delay = "50ms" }'
        done
        define good 'autostart = true'"#,
    );
    lab.reboot();
    run(
        &lab,
        r#"
        ended() { [ -z "$(systemctl list-jobs --no-legend --plain)" ]; }
        soon ended
        is active "$(systemctl is-active multi-user.target)"
        soon is_state good active
        for name in ends-{1..4} absent-{1..4} killed-{1,2} mute-{1,2}; do
            soon is_state $name failed
            # Five within a minute, of whom a launcher that asks again is none.
            [ "$(prop $name NRestarts)" -le 5 ] || die "$name: $(prop $name NRestarts)"
            is "" "$(pgrep -f "soute-runner start $name\$" || true)"
        done
        soute exec good -- true"#,
    );
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_36_a_shutdown_waits_for_nobody_longer_than_it_may() {
    let lab = Lab::boot(None, &[]);
    import(&lab, "busybox");
    run(
        &lab,
        r#"
        # Whose own time is not heeded lasts till the machine is off.
        mkdir -p /etc/soute
        echo 'stop.timeout = "10min"' >/etc/soute/defaults.toml
        deaf='command = ["sh", "-c", "trap \"\" TERM INT HUP; trap \"echo no\" USR1; echo up; while :; do sleep 9 & wait; done"]'
        for n in 1 2 3; do
            define deaf-$n 'stop.timeout = "1s"' 'autostart = true' 'stop.signal = "SIGUSR1"' "$deaf"
            soute start deaf-$n
            soon said deaf-$n '^up$'
        done
        # One that is only being made ready, and an import that would be done in ten minutes.
        define unready 'ready = "notify"' 'start-timeout = "10min"' 'stop.timeout = "1s"'
        systemd-run --quiet --unit start-36 soute start unready
        soon is_state unready activating
        systemd-run --quiet --unit import-36 -p TimeoutStopSec=5s strace -f -qq -o /dev/null -e trace=renameat2 \
            -e inject=renameat2:delay_enter=600000000 soute image import endless /images/busybox
        importing() { [ -n "$(find /var/lib/soute/images -path '*/.*/bin/busybox')" ]; }
        soon importing
        systemctl is-active --quiet import-36"#,
    );
    let start = Instant::now();
    lab.reboot();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(120), "{took:?}");
    run(
        &lab,
        r#"
        for n in 1 2 3; do
            soon is_state deaf-$n active
            soute stop deaf-$n || true
        done
        # What was being imported is absent, and what it left is gone with the next import. But strace lets go of it when it
        # is told to end, and it may have come to its end before it was told the same: then it is whole.
        importing() { [ -n "$(find /var/lib/soute/images -path '*/.*/bin/busybox')" ]; }
        case $(soute image list) in
            *endless*) soute image verify endless >/dev/null && soute image remove endless ;;
            *) importing ;;
        esac
        soute image import endless /images/busybox
        soute image show endless >/dev/null
        ! importing"#,
    );
}
