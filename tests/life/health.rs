//! Checks of what containers do: by timers of systemd's, and nothing that stays between two of them.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    a_container_that_fails_its_check_is_started_again,
    ports_are_asked_from_within,
    ready_is_when_the_check_succeeds,
    checks_that_hang_flood_or_fork_are_bounded,
    what_does_not_run_is_not_checked,
    a_check_is_changed_while_the_container_runs,
);

fn a_container_that_fails_its_check_is_started_again(lab: &Lab) {
    run(
        lab,
        r##"
        define ailing 'command = ["sleep", "infinity"]' '[health]' 'command = ["sh", "-c", "echo looking; test -e /well || { echo no /well >&2; exit 3; }"]' \
            'interval = "1s"' 'retries = 2'
        soute start ailing
        soute exec ailing -- touch /well
        health() { soute list --json ailing | sed -n 's/.*"health": "\(.*\)".*/\1/p'; }
        is_health() { [ "$(health)" = "$1" ]; }
        soon is_health healthy
        has "$(marked ailing)" "running, healthy"
        soon said ailing '^healthy$'
        first=$(pid ailing)
        timer() { systemctl is-active soute-health@ailing.timer || true; }
        is active "$(timer)"
        # Between two checks there is nothing of ours.
        gone() { ! pgrep -f 'soute-runner health ailing' >/dev/null; }
        soon gone
        is 1 "$(systemd-cgls --no-pager -u soute@ailing.service | grep -c sleep)"
        soute exec ailing -- rm /well
        soon runs_again ailing "$first"
        soon said ailing 'unhealthy: the command ended with 3: no /well'
        is active "$(timer)"
        # A disk that is kept keeps what was wrong: systemd gives up at the limit of starts.
        define ailing 'command = ["sleep", "infinity"]' 'restart.limit = 2' '[health]' 'command = ["false"]' 'interval = "1s"' 'retries = 1'
        soute restart ailing
        soon is_state ailing failed
        soute stop ailing
        is inactive "$(timer)"
        define ailing 'command = ["sleep", "infinity"]' '[health]' 'command = ["false"]' 'interval = "1s"' 'retries = 1' 'on-failure = "none"'
        soute start ailing
        soon is_health unhealthy
        first=$(pid ailing)
        has "$(soute status ailing)" "Health: unhealthy, "
        is "$first" "$(pid ailing)"
        define ailing 'command = ["sleep", "infinity"]' '[health]' 'command = ["false"]' 'interval = "1s"' 'retries = 1' 'on-failure = "stop"'
        soute restart ailing
        soon is_state ailing inactive
        soute remove ailing
        is inactive "$(timer)""##,
    );
}

fn ports_are_asked_from_within(lab: &Lab) {
    run(
        lab,
        r##"
        define server 'command = ["sh", "-c", "mkdir -p /srv; exec httpd -f -p 8080 -h /srv"]' '[health]' 'http = "http://:8080/page"' 'interval = "1s"' \
            'retries = 1' 'on-failure = "none"'
        define port 'command = ["sh", "-c", "while :; do nc -l -p 7000 </dev/null; done"]' '[health]' 'tcp = 7000' 'interval = "1s"'
        soute start server port
        soon soute exec server -- sh -c 'echo hello >/srv/page'
        soon eval 'has_now "$(marked server)" ", healthy"'
        soon eval 'has_now "$(marked port)" ", healthy"'
        soute exec server -- rm /srv/page
        soon eval 'has_now "$(marked server)" unhealthy'
        has "$(soute status server)" "answered HTTP/1"
        soute exec server -- sh -c 'echo hello >/srv/page'
        soon said server 'healthy again'
        # The host's own ports are others.
        define none 'command = ["sleep", "infinity"]' '[health]' 'tcp = 8080' 'interval = "1s"' 'retries = 1' 'on-failure = "none"'
        soute start none
        soon eval 'has_now "$(marked none)" unhealthy'
        has "$(soute status none)" "port 8080: "
        soute remove --force server port none"##,
    );
}

fn ready_is_when_the_check_succeeds(lab: &Lab) {
    run(
        lab,
        r##"
        define slow 'command = ["sh", "-c", "sleep 2; touch /up; exec sleep infinity"]' 'ready = "healthy"' 'disk.mode = "fresh"' \
            '[health]' 'command = ["test", "-e", "/up"]' 'interval = "1h"'
        define waits 'requires = ["slow"]'
        soute start waits
        soute exec slow -- test -e /up
        is healthy "$(soute list --json slow | sed -n 's/.*"health": "\(.*\)".*/\1/p')"
        [ "$(prop slow ActiveEnterTimestampMonotonic)" -lt "$(prop waits InactiveExitTimestampMonotonic)" ]
        [ $(($(prop slow ActiveEnterTimestampMonotonic) - $(prop slow InactiveExitTimestampMonotonic))) -gt 2000000 ]
        soute stop slow
        define never 'command = ["sleep", "infinity"]' 'ready = "healthy"' 'start-timeout = "2s"' 'restart.policy = "no"' '[health]' 'command = ["false"]'
        fails 8 soute start never >/dev/null
        is failed "$(state never)"
        is "" "$(pgrep -f 'soute-runner start never' || true)"
        soute remove never waits slow"##,
    );
}

fn checks_that_hang_flood_or_fork_are_bounded(lab: &Lab) {
    run(
        lab,
        r##"
        check() { define bad 'command = ["sleep", "infinity"]' '[health]' "command = [\"sh\", \"-c\", \"$1\"]" 'interval = "1s"' 'timeout = "1s"' 'retries = 1' 'on-failure = "none"'; }
        unhealthy() { [[ $(marked bad) == *unhealthy* ]]; }
        check 'sleep 1000 & sleep 1000'
        soute start bad
        soon unhealthy
        has "$(soute status bad)" "the command timed out"
        # All of its session was killed.
        alone() { [ "$(soute exec bad -- sh -c 'ps | grep -c "sleep 100[0]"' || true)" -le 2 ]; }
        soon alone
        check 'echo last words; yes'
        soute restart bad
        soon unhealthy
        # More than is read of them.
        check 'for n in 1 2 3 4 5 6 7 8; do yes & done; yes'
        soute restart bad
        soon unhealthy
        has "$(soute status bad)" "the command timed out"
        check 'yes | head -c 50000000; echo last words >&2; exit 1'
        soute restart bad
        soon unhealthy
        [ "$(stat -c %s /run/soute/state/bad/health.json)" -lt 1000 ]
        check 'sleep 1000 >/dev/null 2>&1 </dev/null & exit 0'
        soute restart bad
        soon eval 'has_now "$(marked bad)" ", healthy"'
        check "printf '\\\\033[31mred\\\\n'; exit 1"
        soute restart bad
        soon unhealthy
        lacks "$(soute status bad)" $'\033'
        define bad 'command = ["sleep", "infinity"]' '[health]' 'command = ["no-such-program"]' 'interval = "1s"' 'retries = 1' 'on-failure = "none"'
        soute restart bad
        soon unhealthy
        soute remove --force bad"##,
    );
}

fn what_does_not_run_is_not_checked(lab: &Lab) {
    run(
        lab,
        r##"
        define asleep 'command = ["sleep", "infinity"]' '[health]' 'command = ["test", "-e", "/well"]' 'interval = "1s"' 'retries = 1'
        soute start asleep
        soute exec asleep -- touch /well
        soon eval 'has_now "$(marked asleep)" ", healthy"'
        first=$(pid asleep)
        soute pause asleep
        sleep 3
        soute resume asleep
        is "$first" "$(pid asleep)"
        # A crash is systemd's business, and the check goes on after it.
        kill -9 "$first"
        soon runs_again asleep "$first"
        soon eval 'has_now "$(marked asleep)" ", healthy"'
        systemctl restart soute@asleep
        soon eval 'has_now "$(marked asleep)" ", healthy"'
        is active "$(systemctl is-active soute-health@asleep.timer)"
        systemctl daemon-reload
        soute stop asleep
        soon eval '[ "$(systemctl is-active soute-health@asleep.timer)" = inactive ]'
        # Its name is free at once.
        soute start asleep
        soute restart asleep
        soute stop asleep
        soute start asleep
        is active "$(systemctl is-active soute-health@asleep.timer)"
        soute remove --force asleep"##,
    );
}

fn a_check_is_changed_while_the_container_runs(lab: &Lab) {
    run(
        lab,
        r##"
        check() { define patient 'command = ["sleep", "infinity"]' '[health]' 'retries = 1' 'on-failure = "none"' "$@"; }
        check 'command = ["false"]' 'interval = "1s"'
        soute start patient
        soon eval 'has_now "$(marked patient)" unhealthy'
        first=$(pid patient)
        check 'command = ["true"]' 'timeout = "9s"' 'interval = "1s"'
        has "$(fails 7 soute diff patient)" "health.command  live"
        soute apply patient >/dev/null
        is "" "$(soute diff patient)"
        soute verify patient
        soon eval 'has_now "$(marked patient)" ", healthy"'
        # Another kind of check is one too.
        check 'tcp = 9' 'interval = "1s"'
        soute apply patient >/dev/null
        soon eval 'has_now "$(marked patient)" unhealthy'
        is $first "$(pid patient)"
        # An automatic restart has it as well.
        check 'command = ["true"]' 'interval = "1s"'
        soute apply patient >/dev/null
        kill -9 $first
        soon runs_again patient $first
        soon eval 'has_now "$(marked patient)" ", healthy"'
        # How often is the timer's to know, and whether there is one.
        check 'command = ["true"]' 'interval = "2s"'
        has "$(fails 7 soute apply patient)" "health.interval  restart"
        define patient 'command = ["sleep", "infinity"]'
        has "$(fails 7 soute diff patient)" restart
        lacks "$(fails 7 soute diff patient)" live
        soute apply --restart patient >/dev/null
        is inactive "$(systemctl is-active soute-health@patient.timer || true)"
        is "" "$(soute diff patient)"
        soute remove --force patient"##,
    );
}
