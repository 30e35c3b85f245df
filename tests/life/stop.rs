//! Stop: at once where nobody listens, with the payload's own time where it does, and never longer than allowed.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    payload_that_ignores_the_signal_stops_at_once,
    payload_with_a_handler_has_its_own_time,
    attack_36_a_payload_that_takes_too_long_is_killed,
    blocked_signal_is_waited_for,
    several_stop_at_once_and_again,
    payload_that_is_not_ready_yet_stops_at_once,
    payload_stops_at_once_where_the_snapshot_has_gone,
);

fn payload_stops_at_once_where_the_snapshot_has_gone(lab: &Lab) {
    run(
        lab,
        r#"
        define gone
        soute start gone
        rm -rf /run/soute/state/gone
        within 15000 soute stop gone
        ! systemctl is-active --quiet soute@gone
        soute start gone
        soute stop gone"#,
    );
}

fn payload_that_ignores_the_signal_stops_at_once(lab: &Lab) {
    run(
        lab,
        r#"
        define deaf
        soute start deaf
        is 30s "$(prop deaf TimeoutStopUSec)"
        main=$(pid deaf)
        # The premise: the kernel keeps the signal from a PID 1 without a handler.
        kill -TERM $main
        sleep 0.2
        is $main "$(pid deaf)"
        within 15000 systemctl stop soute@deaf
        [ ! -e /proc/$main ]
        soon said deaf "^soute@deaf.service: Deactivated successfully"
        lacks "$(systemctl --failed --plain --no-legend)" soute@deaf.service"#,
    );
}

fn payload_with_a_handler_has_its_own_time(lab: &Lab) {
    run(
        lab,
        r#"
        define polite 'command = ["sh", "-c", "trap \"echo stopping; sleep 0.7; echo stopped; exit 0\" TERM; echo up; while :; do sleep 9 & wait; done"]'
        soute start polite
        soon said polite '^up$'
        soute stop polite
        soon said polite '^stopping$'
        soon said polite '^stopped$'
        soon said polite "^soute@polite.service: Deactivated successfully"
        define polite 'stop.signal = "SIGINT"' 'command = ["sh", "-c", "trap \"echo by INT; exit 0\" INT; echo up again; while :; do sleep 9 & wait; done"]'
        soute start polite
        soon said polite '^up again$'
        soute stop polite
        soon said polite '^by INT$'"#,
    );
}

fn attack_36_a_payload_that_takes_too_long_is_killed(lab: &Lab) {
    run(
        lab,
        r#"
        define slow 'stop.timeout = "300ms"' 'command = ["sh", "-c", "trap \"echo no\" TERM; echo up; while :; do sleep 9 & wait; done"]'
        soute start slow
        soon said slow '^up$'
        within 15000 systemctl stop soute@slow
        soon said slow '^no$'
        soon said slow "State 'stop-sigterm' timed out. Killing"
        is failed "$(state slow)"
        is timeout "$(prop slow Result)"
        soute start slow
        soute stop slow || true"#,
    );
}

/// As tini, dumb-init and every program with a signalfd do.
fn blocked_signal_is_waited_for(lab: &Lab) {
    run(
        lab,
        r#"
        define waits 'init = "reaper"' 'command = ["sh", "-c", "trap \"sleep 0.3; echo ended; exit 0\" TERM; echo up; while :; do sleep 9 & wait; done"]'
        soute start waits
        soon said waits '^up$'
        # The premise: PID 1 has no handler for SIGTERM.
        is 0 "$((0x$(awk '/^SigCgt:/ { print $2 }' /proc/$(pid waits)/status) & 0x4000))"
        soute stop waits
        soon said waits '^ended$'"#,
    );
}

fn several_stop_at_once_and_again(lab: &Lab) {
    run(
        lab,
        r#"
        define both-a
        define both-b
        soute start both-a both-b
        main=$(pid both-a)
        soute stop both-a both-b & soute stop both-a & systemctl stop soute@both-b & systemctl stop soute-start@both-a
        wait
        soon test ! -e /proc/$main
        soute stop both-a both-b
        has "$(fails 4 soute stop no-such-container)" "no container is called no-such-container""#,
    );
}

fn payload_that_is_not_ready_yet_stops_at_once(lab: &Lab) {
    run(
        lab,
        r#"
        has_payload() { [ "$(cat "/proc/$(pid "$1")/comm")" = sleep ]; }
        define unready 'ready = "notify"'
        soute start unready 2>/root/unready.err & starting=$!
        soon is_state unready activating
        soon has_payload unready
        within 15000 soute stop unready
        if wait $starting; then die "the start has succeeded"; fi
        has "$(cat /root/unready.err)" "was cancelled"
        is inactive "$(prop unready ActiveState)"
        has "$(soute status unready || true)" "Last exit: stopped""#,
    );
}
