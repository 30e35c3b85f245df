//! `watchdog`: who stops sending WATCHDOG=1 has failed.

use crate::lab::Lab;
use crate::lab::script::{both, import, run};

both!(
    who_stops_sending_is_started_again,
    the_socket_is_systemds_and_reaches_no_further_than_its_unit,
    a_system_that_boots_has_none,
);

/// `watched NAME SCRIPT [LINE…]`: a shell script that may say `say WATCHDOG=1`. What is sent before the sender has gone is
/// sorted out by systemd with a descriptor, which `systemd-notify` waits for.
const WORDS: &str = r#"
    watched() {
        local name=$1 script=$2
        shift 2
        mkdir -p /srv/watched
        printf 'say() { systemd-notify "$@"; }\n%s\n' "$script" >/srv/watched/$name
        define $name 'image = "debian"' 'disk.mode = "read-only"' "command = [\"sh\", \"/srv/$name\"]" "$@" \
            '[[mount]]' 'source = "/srv/watched"' 'target = "/srv"' 'read-only = true'
    }
"#;

fn say(lab: &Lab, script: &str) {
    import(lab, "debian");
    run(lab, &(WORDS.to_owned() + script));
}

fn who_stops_sending_is_started_again(lab: &Lab) {
    say(
        lab,
        r#"
        # It sends until somebody says stop.
        watched dog 'while [ ! -e /dev/shm/stop ]; do say WATCHDOG=1; sleep 0.2; done; exec sleep infinity' 'watchdog = "3s"' 'restart.delay = "100ms"'
        has "$(soute check dog 2>&1)" "warning: every process in the container can send messages to the host's systemd"
        soute start dog
        has "$(marked dog)" weakened
        is 3s "$(prop dog WatchdogUSec)"
        first=$(pid dog)
        sleep 4
        # Twice the time: it lives by what it sends.
        sleep 2
        is "$first" "$(pid dog)"
        is 0 "$(prop dog NRestarts)"
        has "$(fails 1 soute pause dog)" "its watchdog would end it"
        soute exec dog -- touch /dev/shm/stop
        soon runs_again dog "$first"
        soon said dog 'Failed with result .watchdog'
        soute stop dog
        # A policy that does not restart for it.
        watched dog 'exec sleep infinity' 'watchdog = "1s"' 'restart.policy = "no"'
        soute start dog
        soon is_state dog failed
        is watchdog "$(prop dog Result)"
        # Without it the same container lives.
        watched dog 'exec sleep infinity' 'restart.policy = "no"'
        soute start dog
        sleep 2
        is active "$(state dog)"
        soute stop dog
        # Who dies of it under a PID 1 of ours.
        watched dog 'say WATCHDOG=1; exec sleep infinity' 'watchdog = "1s"' 'init = "reaper"' 'restart.policy = "no"'
        soute start dog
        soon is_state dog failed
        is watchdog "$(prop dog Result)"
        soute remove dog"#,
    );
}

fn the_socket_is_systemds_and_reaches_no_further_than_its_unit(lab: &Lab) {
    say(
        lab,
        r#"
        watched speaker 'until [ -e /dev/shm/go ]; do sleep 0.05; done; say --ready --status=here; while :; do say WATCHDOG=1; sleep 0.2; done' \
            'watchdog = "10s"' 'ready = "notify"'
        define listener
        soute start listener
        other=$(pid listener)
        soute start speaker & start=$!
        soon eval '[ "$(state speaker)" = activating ] && [ "$(pid speaker)" != 0 ]'
        # Nothing of ours waits with it.
        soon eval '! pgrep -f "soute-runner start speaker" >/dev/null'
        kill -0 $start
        soute exec speaker -- touch /dev/shm/go
        wait $start
        is here "$(prop speaker StatusText)"
        is 10000000 "$(tr '\0' '\n' </proc/$(pid speaker)/environ | sed -n 's/^WATCHDOG_USEC=//p')"
        main=$(pid speaker)
        tell() { soute exec speaker -- env NOTIFY_SOCKET=/run/host/notify systemd-notify "$@"; }
        tell --status=more
        is more "$(prop speaker StatusText)"
        # Nobody else's process, and nothing to be kept.
        tell "MAINPID=$other" || true
        tell "MAINPID=1" || true
        tell FDSTORE=1 || true
        is $main "$(pid speaker)"
        is 0 "$(prop speaker NFileDescriptorStore)"
        is $other "$(pid listener)"
        is active "$(state listener)"
        lacks "$(soute audit speaker || true)" WRONG
        soute stop speaker listener
        # Never ready is over in time.
        watched speaker 'exec sleep infinity' 'watchdog = "10s"' 'ready = "notify"' 'start-timeout = "1s"' 'restart.policy = "no"' 'stop.timeout = "1s"'
        fails 8 soute start speaker >/dev/null
        is failed "$(state speaker)"
        soute remove speaker listener"#,
    );
}

fn a_system_that_boots_has_none(lab: &Lab) {
    say(
        lab,
        r#"
        define boots 'image = "debian"' 'init = "image"' 'watchdog = "10s"'
        has "$(fails 5 soute check boots)" "sends no WATCHDOG=1"
        define boots 'watchdog = "0s"'
        has "$(fails 5 soute check boots)" "no time at all"
        define boots '[systemd]' 'WatchdogSec = "3s"'
        has "$(fails 5 soute check boots)" "watchdog"
        rm /etc/soute/containers/boots.toml"#,
    );
}
