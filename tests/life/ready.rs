//! When a container counts as started.

use crate::lab::Lab;
use crate::lab::script::{both, import, run};

both!(
    start_waits_for_ready_and_passes_on_nothing_else_but_status,
    never_ready_is_a_timeout,
    what_cannot_be_executed_fails_the_start,
    start_of_a_running_one_changes_nothing,
);

fn start_waits_for_ready_and_passes_on_nothing_else_but_status(lab: &Lab) {
    import(lab, "debian");
    run(
        lab,
        r#"
        define notifies 'image = "debian"' 'disk.mode = "read-only"' 'ready = "notify"' \
            'command = ["sh", "-c", "systemd-notify --status=warming MAINPID=2 ERRNO=5; until [ -e /dev/shm/go ]; do sleep 0.05; done; systemd-notify --ready; exec sleep infinity"]'
        soute start notifies & start=$!
        warms() { [ "$(prop notifies StatusText)" = warming ]; }
        soon warms
        main=$(pid notifies)
        is activating "$(state notifies)"
        kill -0 $start
        is 1 "$(awk '/^NSpid:/ { print $NF }' /proc/$main/status)"
        is 0 "$(prop notifies StatusErrno)"
        soute exec notifies -- touch /dev/shm/go
        wait $start
        is active "$(state notifies)"
        is $main "$(pid notifies)"
        is $main "$(cat /sys/fs/cgroup$(prop notifies ControlGroup)/cgroup.procs)"
        # With the start the socket has died.
        fails 1 soute exec notifies -- env NOTIFY_SOCKET=/run/host/notify systemd-notify --status=late >/dev/null
        is warming "$(prop notifies StatusText)"
        soute stop notifies"#,
    );
}

fn never_ready_is_a_timeout(lab: &Lab) {
    run(
        lab,
        r#"
        # A start that copies has half a minute.
        define mute 'start-timeout = "300ms"'
        soute start mute
        soute stop mute
        define mute 'ready = "notify"' 'start-timeout = "300ms"' 'restart.policy = "no"'
        has "$(fails 8 soute start mute)" "cannot start mute"
        is timeout "$(prop mute Result)"
        is failed "$(state mute)"
        is "" "$(pgrep -f 'soute-runner start mute$' || true)"
        # Without it the same container starts.
        define mute 'start-timeout = "300ms"'
        soute start mute
        soute stop mute"#,
    );
}

fn what_cannot_be_executed_fails_the_start(lab: &Lab) {
    run(
        lab,
        r#"
        define absent 'command = ["/no/such/program"]' 'restart.policy = "no"'
        has "$(fails 1 soute start absent)" "cannot start absent: cannot execute /no/such/program: No such file or directory"
        is failed "$(state absent)"
        is 203 "$(prop absent ExecMainStatus)"
        has "$(prop absent StatusText)" "cannot execute /no/such/program"
        define absent 'command = ["/etc/passwd"]' 'restart.policy = "no"'
        has "$(fails 1 soute start absent)" "cannot execute /etc/passwd: Permission denied"
        define absent 'user = "nobody-there"' 'restart.policy = "no"'
        has "$(fails 1 soute start absent)" "nobody-there"
        # It leaves its disk, and nothing that is in the way.
        define absent
        soute start absent
        soute stop absent"#,
    );
}

fn start_of_a_running_one_changes_nothing(lab: &Lab) {
    run(
        lab,
        r#"
        define idle
        soute start idle
        main=$(pid idle) snapshot=$(find /run/soute/state/idle -type f -exec sha256sum {} + | sort)
        define idle 'description = "later"'
        soute start idle
        is $main "$(pid idle)"
        is "$snapshot" "$(find /run/soute/state/idle -type f -exec sha256sum {} + | sort)"
        soute stop idle"#,
    );
}
