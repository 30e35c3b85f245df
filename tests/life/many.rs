//! Many at once, and payloads that are gone before anybody looks.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(no_exit_status_of_two_hundred_is_lost, sixteen_starts_of_one_name_are_one, fifty_start_at_once,);

fn no_exit_status_of_two_hundred_is_lost(lab: &Lab) {
    run(
        lab,
        r#"
        # One image, no copy: what is looked at is the end.
        for n in $(seq 200); do
            define gone$n "command = [\"sh\", \"-c\", \"exit $n\"]" 'restart.policy = "no"' 'disk.mode = "read-only"' 'log.output = "none"'
        done
        # A start whose payload fails at once may say so; its status is recorded all the same.
        for n in $(seq 200); do echo $n; done | xargs -P 4 -I{} sh -c 'soute start gone{} 2>/dev/null; true'
        for n in $(seq 200); do is $n "$(soute wait gone$n)"; done
        soute list --all --json | grep -o '"last[_-]exit": *"exited [0-9]*"' | grep -c . >/tmp/recorded || true
        systemctl reset-failed 'soute@gone*'
        # And recorded beside the disk, when systemd has forgotten.
        for n in 1 77 200; do is $n "$(soute wait gone$n)"; done
        rm /etc/soute/containers/gone*.toml"#,
    );
}

fn sixteen_starts_of_one_name_are_one(lab: &Lab) {
    run(
        lab,
        r#"
        define one
        for n in $(seq 16); do soute start one & starts[$n]=$!; done
        for start in "${starts[@]}"; do wait $start || die "a start failed"; done
        is 1 "$(journalctl --no-pager -o cat -u soute@one | grep -c '^Starting soute@one')"
        is 0 "$(prop one NRestarts)"
        soute stop one"#,
    );
}

fn fifty_start_at_once(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-fifty up type bridge
        for n in $(seq 50); do
            define fifty$n '[[network]]' 'bridge = "br-fifty"' "address = [\"10.50.0.$n/24\"]"
        done
        for n in $(seq 50); do soute start fifty$n & starts[$n]=$!; done
        for start in "${starts[@]}"; do wait $start || die "a start failed"; done
        is 50 "$(soute list | grep -c '^fifty.* running ')"
        is 50 "$(ip -o link show master br-fifty | wc -l)"
        is 50 "$(for n in $(seq 50); do awk '{ print $2 }' /proc/$(pid fifty$n)/uid_map; done | sort -u | wc -l)"
        is 50 "$(grep -c ^fifty /run/soute/instances)"
        soute stop fifty{1..50}
        is 0 "$(grep -c ^fifty /run/soute/instances || true)"
        ip link delete br-fifty
        rm /etc/soute/containers/fifty*.toml"#,
    );
}
