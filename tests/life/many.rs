//! Many at once, and payloads that are gone before anybody looks.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    no_exit_status_of_two_hundred_is_lost,
    attack_14_sixteen_starts_of_one_name_are_one,
    attack_14_fifty_start_at_once,
);

fn no_exit_status_of_two_hundred_is_lost(lab: &Lab) {
    run(
        lab,
        r#"
        for n in $(seq 200); do
            define gone$n "command = [\"sh\", \"-c\", \"exit $n\"]" 'restart.policy = "no"' 'disk.mode = "read-only"' 'log.output = "none"'
        done
        # A start whose payload fails at once may say so; what counts is the record.
        seq 200 | sed s/^/gone/ | xargs -P 4 -n 50 sh -c 'soute start "$@" 2>/dev/null; true' sh
        is "$(seq 200)" "$(soute wait gone{1..200})"
        # And beside the disk, when systemd has forgotten.
        systemctl reset-failed 'soute@gone*'
        is not-found "$(prop gone1 LoadState)"
        is "$(seq 200)" "$(soute wait gone{1..200})"
        rm /etc/soute/containers/gone*.toml"#,
    );
}

fn attack_14_sixteen_starts_of_one_name_are_one(lab: &Lab) {
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

fn attack_14_fifty_start_at_once(lab: &Lab) {
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
