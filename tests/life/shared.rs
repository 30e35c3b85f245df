//! What a container shares with the host when it is told to: processes, root, files.

use crate::lab::Lab;
use crate::lab::script::{both, run};

both!(
    hosts_processes_are_seen_through_a_restricted_proc,
    program_of_exec_cannot_be_written_to_by_the_hosts_root,
    bind_without_access_times,
);

fn hosts_processes_are_seen_through_a_restricted_proc(lab: &Lab) {
    run(
        lab,
        r#"
        define pids 'namespaces.pid = "host"'
        soute start pids
        is systemd "$(soute exec pids -- cat /proc/1/comm)"
        has "$(fails 1 soute exec pids -- sh -c 'echo 1 >/proc/sys/kernel/panic')" "Read-only file system"
        is 0 "$(soute exec pids -- cat /proc/kallsyms | wc -c)"
        soute stop pids"#,
    );
}

fn program_of_exec_cannot_be_written_to_by_the_hosts_root(lab: &Lab) {
    run(
        lab,
        r#"
        cp /usr/local/bin/soute /root/soute-copy
        define rooted 'namespaces.user = "host"'
        soute start rooted
        /root/soute-copy exec rooted -- sleep 3 & command=$!
        sleep 0.5
        exec 9</proc/$command/exe
        wait $command
        # The premise: root can write to the file by its own path, now that nothing executes it.
        true >>/root/soute-copy
        has "$(fails 1 bash -c 'true >>/proc/self/fd/9')" "Read-only file system"
        exec 9<&-
        soute stop rooted"#,
    );
}

fn bind_without_access_times(lab: &Lab) {
    run(
        lab,
        r#"
        mkdir -p /srv/quiet
        define quiet '[[mount]]' 'source = "/srv/quiet"' 'target = "/quiet"' 'options = ["noexec", "noatime"]'
        soute start quiet
        has "$(soute exec quiet -- grep ' /quiet ' /proc/self/mountinfo)" "noexec,noatime"
        soute stop quiet"#,
    );
}
