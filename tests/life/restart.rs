//! What happens when a payload ends by itself, or is made to.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    crash_restarts_and_the_limit_ends_it,
    kill_from_outside_restarts_or_reads_killed,
    success_is_an_end_not_a_failure,
    policies_do_as_systemd_has_them,
    attack_17_restarts_never_lose_a_name,
    restart_by_soute_takes_the_definition_as_it_is_now,
    a_start_does_not_wait_for_the_restart_of_what_was_started_before,
    a_start_does_not_join_the_restart_of_what_was_started_before,
    what_could_not_come_back_is_not_stopped_for_a_restart,
);

fn crash_restarts_and_the_limit_ends_it(lab: &Lab) {
    run(
        lab,
        r#"
        define again 'command = ["sh", "-c", "sleep 0.2; exit 3"]' '[restart]' 'delay = "50ms"' 'limit = 3' 'interval = "1min"'
        soute start again
        restarted() { [ "$(prop again NRestarts)" -ge 1 ]; }
        soon restarted
        soon is_state again failed
        is exit-code "$(prop again Result)"
        is 3 "$(prop again ExecMainStatus)"
        soon said again "Start request repeated too quickly"
        is 3 "$(journalctl --no-pager -o cat -u soute@again | grep -c 'Main process exited, code=exited, status=3')"
        has "$(systemctl --failed --plain --no-legend)" soute@again.service
        # Neither the failure nor the limit is in the way of who asks for it.
        soute start again
        is_state again active
        soute stop again"#,
    );
}

fn kill_from_outside_restarts_or_reads_killed(lab: &Lab) {
    run(
        lab,
        r#"
        define killed 'restart.delay = "50ms"'
        soute start killed
        before=$(pid killed)
        kill -9 $before
        soon runs_again killed $before
        is 1 "$(prop killed NRestarts)"
        soute stop killed
        lacks "$(marked killed)" KILL
        define killed 'restart.policy = "no"'
        soute start killed
        kill -9 $(pid killed)
        soon is_state killed inactive
        has "$(marked killed)" "stopped, killed KILL"
        is 137 "$(soute wait killed)""#,
    );
}

fn success_is_an_end_not_a_failure(lab: &Lab) {
    run(
        lab,
        r#"
        define well 'command = ["sh", "-c", "sleep 0.1; exit 0"]'
        soute start well
        is 0 "$(soute wait well)"
        soon is_state well inactive
        lacks "$(systemctl --failed --plain --no-legend)" soute@well.service
        is 0 "$(journalctl --no-pager -o cat -u soute@well | grep -c 'restart job' || true)"
        define well 'command = ["sh", "-c", "sleep 0.1; exit 143"]' 'restart.success-status = [143]'
        soute start well
        is 143 "$(soute wait well)"
        soon is_state well inactive
        is 0 "$(journalctl --no-pager -o cat -u soute@well | grep -c 'restart job' || true)""#,
    );
}

fn policies_do_as_systemd_has_them(lab: &Lab) {
    run(
        lab,
        r#"
        # NAME POLICY STATUS: what a payload that ends with STATUS does under POLICY.
        try() {
            define $1 "command = [\"sh\", \"-c\", \"sleep 0.1; exit $3\"]" "restart = { policy = \"$2\", delay = \"50ms\", limit = 2 }"
            soute start $1
        }
        try policy-a always 0; try policy-b on-success 0; try policy-c on-success 1
        try policy-d on-failure 0; try policy-e on-abnormal 1; try policy-f on-abort 1; try policy-g no 1
        ended() { is_state $1 inactive || is_state $1 failed; }
        for name in policy-{a..g}; do soon ended $name; done
        runs() { journalctl --no-pager -o cat -u soute@$1 | grep -c "^Started soute@$1"; }
        is "2 2 1 1 1 1 1" "$(for name in policy-{a..g}; do runs $name; done | xargs)""#,
    );
}

/// The veth of a killed holder is taken down in the background, and its name is needed at once.
fn attack_17_restarts_never_lose_a_name(lab: &Lab) {
    run(
        lab,
        r#"
        ip link add br-again up type bridge
        define wired '[restart]' 'delay = "0s"' 'limit = 0' '[[network]]' 'bridge = "br-again"' 'address = ["10.77.0.2/24"]'
        soute start wired
        for n in $(seq 20); do
            before=$(pid wired)
            kill -9 $before
            soon runs_again wired $before
        done
        is 20 "$(prop wired NRestarts)"
        is 1 "$(ip -o link show master br-again | wc -l)"
        soute stop wired
        soon test -z "$(ip -o link show master br-again)"
        ip link delete br-again"#,
    );
}

fn restart_by_soute_takes_the_definition_as_it_is_now(lab: &Lab) {
    run(
        lab,
        r#"
        define edited 'environment = { VERSION = "one" }'
        version() { tr '\0' '\n' </proc/$(pid edited)/environ | sed -n s/^VERSION=//p; }
        soute start edited
        lacks "$(marked edited)" changed
        define edited 'environment = { VERSION = "two" }'
        has "$(marked edited)" "running, changed"
        has "$(soute status edited)" changed
        # systemd starts what it was told; soute tells it anew.
        systemctl restart soute@edited
        is one "$(version)"
        has "$(marked edited)" changed
        soute restart edited
        is two "$(version)"
        lacks "$(marked edited)" changed
        # A definition with faults does not cost the container that runs.
        define edited 'environmnet = { VERSION = "three" }'
        before=$(pid edited)
        has "$(fails 5 soute restart edited)" environmnet
        is $before "$(pid edited)"
        has "$(marked edited)" "running, changed, invalid"
        soute stop edited
        has "$(marked edited)" ", invalid"
        has "$(soute list --all --json)" '"invalid": true'"#,
    );
}

fn a_start_does_not_wait_for_the_restart_of_what_was_started_before(lab: &Lab) {
    run(
        lab,
        r#"
        define mended 'command = ["no-such-program"]' 'limits.tasks = 11' 'restart.delay = "1h"'
        fails 1 soute start mended >/dev/null
        has "$(marked mended)" restarting
        define mended 'limits.tasks = 22' 'restart.delay = "1h"'
        soute start mended
        is "active 22" "$(state mended) $(prop mended TasksMax)"
        is "" "$(soute verify mended)"
        # By the launcher too, and what waits is stopped by its own name.
        define mended 'command = ["no-such-program"]' 'restart.delay = "1h"'
        fails 1 soute restart mended >/dev/null
        define mended
        systemctl start soute-start@mended
        is active "$(state mended)"
        soute stop mended"#,
    );
}

fn a_start_does_not_join_the_restart_of_what_was_started_before(lab: &Lab) {
    run(
        lab,
        r#"
        # Fails at its first start, and is never ready at those that follow.
        define met 'ready = "notify"' 'restart.delay = "50ms"' \
            'command = ["sh", "-c", "[ -e /again ] || { touch /again; exit 3; }; sleep infinity"]'
        fails 1 soute start met >/dev/null
        at_work() { [ "$(systemctl show -p SubState -p NRestarts soute@met | sort | xargs)" = "NRestarts=1 SubState=start" ]; }
        soon at_work
        define met 'limits.tasks = 22'
        within 20000 soute start met
        is "active 22 0" "$(state met) $(prop met TasksMax) $(prop met NRestarts)"
        is "" "$(soute verify met)"
        soute remove --force met"#,
    );
}

fn what_could_not_come_back_is_not_stopped_for_a_restart(lab: &Lab) {
    run(
        lab,
        r#"
        file=/etc/soute/containers/lost.toml
        define lost
        soute start lost
        rm $file
        main=$(pid lost)
        has "$(fails 4 soute restart lost)" "the definition of lost is gone: $file"
        fails 4 soute set lost limits.tasks=5 >/dev/null
        fails 4 soute update lost >/dev/null
        has "$(soute status lost)" "Definition: gone: $file"
        is "$main" "$(pid lost)"
        # systemd starts what ran.
        systemctl restart soute@lost
        is_state lost active
        soute stop lost
        has "$(fails 4 soute start lost)" "cannot start lost: the definition of lost is gone: $file"
        soute remove lost
        has "$(fails 4 soute start lost)" "no container is called lost"
        # What a stop would leave nothing of is not restarted.
        soute run -d --name passing busybox -- sleep infinity
        main=$(pid passing)
        has "$(fails 5 soute restart passing)" "it is a one-off container"
        has "$(fails 5 soute update passing)" "it is a one-off container"
        is "$main" "$(pid passing)"
        soute remove --force passing
        # Nor what would not come back on this host.
        define lost
        soute start lost
        main=$(pid lost)
        define lost '[[network]]' 'bridge = "br-absent"'
        has "$(fails 1 soute restart lost)" "bridge br-absent does not exist"
        fails 1 soute apply lost --restart >/dev/null
        has "$(soute check lost 2>&1)" "bridge br-absent does not exist"
        is "$main" "$(pid lost)"
        soute remove --force lost
        # One that became several is not renamed.
        define lost 'replicas = 2'
        soute start lost
        define lost
        has "$(fails 7 soute diff lost-1)" "$file makes lost now"
        define lost 'replicas = 3'
        soute stop lost-1
        soute remove --force lost"#,
    );
}
