//! What a payload tries from inside, by the numbers of the list of attacks.

use crate::lab::Lab;
use crate::lab::probe::{self, Report};
use crate::lab::script::{both, import, run};

both!(
    attack_05_programs_of_the_host_cannot_be_written_to,
    attack_06_no_descriptor_of_the_host_is_left_or_entered,
    attack_07_start_exec_and_restart_have_the_declared_profile,
    attack_08_calls_that_reach_deep_are_refused,
    attack_09_control_groups_of_others_are_out_of_reach,
    attack_28_the_environment_is_what_was_declared,
    attack_29_descriptors_are_not_taken_from_a_payload,
    attack_31_programs_of_images_cannot_be_run_from_the_host,
    attack_42_a_system_may_nest_namespaces_and_a_service_may_not,
);

/// A container of the probe's image that runs; the report that the probe gives by `exec`.
pub fn report(lab: &Lab, name: &str, more: &str) -> Report {
    probe::import(lab);
    lab.define(name, &format!("image = 'probe'\n{more}\ncommand = ['sleep', 'infinity']\n"));
    lab.ok(&format!("soute start {name}"));
    let report = Report::new(&lab.ok(&format!("soute exec {name} -- /probe {}", probe::host(lab).join(" "))));
    lab.ok(&format!("soute remove --force {name}"));
    report
}

/// CVE-2019-5736: the program of whoever goes into a container is the host's, and a link of the kernel's leads to it.
fn attack_05_programs_of_the_host_cannot_be_written_to(lab: &Lab) {
    run(
        lab,
        r#"
        # In the lab all of it is read-only anyway: that is not what is to be shown.
        mkdir -p /srv/a05
        exec 9>/run/a05.lock; flock 9
        if [ ! -d /root/writable ]; then cp -a /usr/local/. /root/writable; mount --bind /root/writable /usr/local; fi
        flock -u 9
        # The premise: root of the host can write to them.
        [ -w /usr/local/bin/soute ] && [ -w /usr/local/libexec/soute/soute-runner ]
        sums() { sha256sum /usr/local/bin/soute /usr/local/libexec/soute/*; }
        before=$(sums)
        printf '#!/proc/self/exe\n' >/srv/a05/script
        ln -sf /proc/self/exe /srv/a05/link
        # Opens every program of ours that comes by, and tries to write to it, also when nothing executes it any more.
        cat >/srv/a05/hunter <<'END'
while :; do
    for process in /proc/[0-9]*; do
        case $(readlink $process/exe) in *soute*) ;; *) continue ;; esac
        echo $process >>/tmp/seen
        (true >>$process/exe) 2>/dev/null && echo $process >>/tmp/written
        ( exec 4<$process/exe || exit
          for try in 1 2 3 4 5 6 7 8 9 10; do (true >>/proc/self/fd/4) && echo $process >>/tmp/written; sleep 0.01; done ) 2>/dev/null
    done
    sleep 0.005
done
END
        chmod 755 /srv/a05/script
        for user in auto host; do
            for init in none reaper; do
                name=self-$user-$init
                define $name "namespaces.user = \"$user\"" "init = \"$init\"" '[[mount]]' 'source = "/srv/a05"' 'target = "/a05"'
                soute start $name
                soute exec $name -- sh /a05/hunter >/dev/null 2>&1 & hunter=$!
                for program in /proc/self/exe /a05/link /a05/script true; do
                    for round in 1 2 3; do timeout 20 soute exec $name -- $program version >/dev/null 2>&1 || true; done
                done
                is "" "$(soute exec $name -- cat /tmp/written 2>/dev/null || true)"
                soute stop $name
                wait $hunter || true
                for program in /proc/self/exe /a05/link /a05/script; do
                    define $name "namespaces.user = \"$user\"" "init = \"$init\"" 'restart.policy = "no"' \
                        "command = [\"$program\"]" '[[mount]]' 'source = "/srv/a05"' 'target = "/a05"'
                    timeout 60 soute start $name >/dev/null 2>&1 || true
                done
                soute remove --force $name
            done
        done
        is "$before" "$(sums)""#,
    );
}

/// CVE-2024-21626: a directory of the host that was left open, as working directory.
fn attack_06_no_descriptor_of_the_host_is_left_or_entered(lab: &Lab) {
    probe::import(lab);
    run(
        lab,
        r#"
        mkdir -p /srv/a06
        for n in $(seq 20 70); do eval "exec $n</"; done
        # The premise: such a path leads to the host's root.
        is "$(stat -c %i /)" "$(cd /proc/self/fd/20 && stat -c %i .)"
        ln -sfn /proc/self/fd/20 /srv/a06/link
        define fds 'image = "probe"' '[[mount]]' 'source = "/srv/a06"' 'target = "/a06"'
        soute start fds
        for n in $(seq 3 70); do
            has "$(fails 126 soute exec -w /proc/self/fd/$n fds -- true)" "cannot enter working directory"
        done
        has "$(fails 126 soute exec -w /a06/link fds -- true)" "cannot enter working directory"
        is "descriptors 0" "$(soute exec fds -- /probe --only escapes | grep ^descriptor)"
        for n in 3 5 9 20 33; do
            has "$(fails 126 soute run -w /proc/self/fd/$n probe -- true)" "cannot enter working directory"
        done
        is "descriptors 0" "$(soute run probe -- /probe --only escapes | grep ^descriptor)"
        # Where nobody attends, the runner has systemd's descriptors and its own.
        for n in $(seq 3 40); do
            define fds 'image = "probe"' 'restart.policy = "no"' "working-directory = \"/proc/self/fd/$n\""
            has "$(fails 1 soute restart fds)" "cannot enter working directory"
        done
        define fds 'image = "probe"' 'command = ["/probe", "--only", "escapes", "--output", "/tmp/report", "--hold"]'
        soute start fds
        written() { [ -e /var/lib/soute/disks/fds/root/tmp/report ]; }
        soon written
        is "descriptors 0" "$(grep ^descriptor /var/lib/soute/disks/fds/root/tmp/report)"
        soute remove --force fds"#,
    );
}

fn attack_07_start_exec_and_restart_have_the_declared_profile(lab: &Lab) {
    let report = report(lab, "a07", "");
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
        assert_eq!(report.get(&format!("namespace.{kind}")), "own", "{kind}");
    }
    let wanted = [
        ("status.CapInh", "0000000000000000"),
        ("status.CapPrm", "00000000800405fb"),
        ("status.CapEff", "00000000800405fb"),
        ("status.CapBnd", "00000000800405fb"),
        ("status.CapAmb", "0000000000000000"),
        ("status.NoNewPrivs", "1"),
        ("status.Seccomp", "2"),
        ("status.Groups", "0"),
        ("limit.Max-core-file-size", "0 0 bytes"),
        ("process.securebits", "0"),
        ("proc-is-own", "yes"),
        ("host-processes-seen", "no"),
        ("descriptors", "0"),
        ("sysctl.writable.others", "0"),
    ];
    for (key, value) in wanted {
        assert!(value.starts_with(report.get(key)), "{key} is {}, not {value}", report.get(key));
    }
    assert!(report.get("uid_map").ends_with(" 65536") && report.get("uid_map").starts_with("0 "));
    // Nothing of what tells of the host or its kernel, and none of it writable.
    for path in
        ["kallsyms", "kcore", "keys", "interrupts", "timer_list", "kmsg", "slabinfo", "vmallocinfo", "sched_debug"]
    {
        assert_ne!(report.get(&format!("read./proc/{path}")), "data", "{path}");
    }
    for path in ["/sys/firmware", "/sys/dev/block", "/sys/devices/virtual/powercap", "/proc/acpi", "/proc/scsi"] {
        assert_ne!(report.get(&format!("read.{path}")), "data", "{path}");
    }
    for (key, value) in report.below("write.") {
        assert_ne!(value, "writable", "{key}");
    }
    for (key, value) in report.below("mount.") {
        let (path, words) = (key.trim_start_matches("mount."), value.split_whitespace().nth(1).unwrap_or_default());
        let flags: Vec<_> = words.split(',').collect();
        assert!(flags.contains(&"nodev") || path.starts_with("/dev") || path.starts_with("/proc/"), "{key} {value}");
        assert!(flags.contains(&"nosuid") || path == "/", "{key} {value}");
    }
}

fn attack_08_calls_that_reach_deep_are_refused(lab: &Lab) {
    let report = report(lab, "a08", "");
    let refused = |key: &str| matches!(report.get(key), "EPERM" | "ENOSYS" | "EAFNOSUPPORT" | "EACCES");
    for start in
        ["unshare.", "clone.", "clone3.", "setns.of-pid-1.", "mount-", "fs", "umount.", "pivot_root", "socket.raw."]
    {
        assert!(report.below(start).count() > 0, "{start}");
        for (key, value) in report.below(start) {
            assert!(refused(key), "{key} is not refused, but ends with {value}");
        }
    }
    let kernel = [
        "add_key",
        "add_key.user",
        "request_key",
        "keyctl.join",
        "keyctl.search",
        "io_uring_setup",
        "userfaultfd",
        "userfaultfd.user-mode",
        "perf_event_open",
        "bpf.map",
        "fanotify_init",
        "open_by_handle_at",
        "syslog.size",
        "init_module",
        "delete_module",
        "kexec_load",
        "reboot",
        "swapon",
        "acct",
        "quotactl",
        "iopl",
        "ioperm",
        "settimeofday",
        "adjtimex",
        "sethostname",
        "vhangup",
        "nice",
        "realtime",
        "prctl.ambient",
        "capset.all",
        "capset.sys_admin",
        "raise-limit",
    ];
    for call in kernel {
        assert!(refused(&format!("kernel.{call}")), "{call} ends with {}", report.get(&format!("kernel.{call}")));
    }
    // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, and no other; not by bits that the kernel drops either.
    for family in 0..=46 {
        let key = format!("socket.{family:02}");
        assert_eq!(report.get(&key) == "done", matches!(family, 1 | 2 | 10 | 16), "{key} {}", report.get(&key));
    }
    assert!(refused("socket.high-bits.alg"));
    for request in ["TIOCSTI", "TIOCLINUX"] {
        assert_eq!(report.get(&format!("ioctl.{request}")), "EPERM");
        assert_eq!(report.get(&format!("ioctl.{request}.high-bits")), "EPERM");
    }
    #[cfg(target_arch = "x86_64")]
    for (key, value) in report.below("call-32-bit.").chain(report.below("call-x32.")) {
        let harmless = matches!(key, "call-32-bit.getpid" | "call-32-bit.socket.inet" | "call-32-bit.ptrace");
        assert!(harmless || refused(key), "{key} is not refused, but ends with {value}");
    }
    // The premise: root of the host, with the same program, is refused none of these.
    let outside = lab.ok("for part in namespaces kernel sockets; do /root/probe --only $part; done");
    for line in ["unshare.user done", "clone3.user done", "kernel.keyctl.join done", "kernel.add_key done"] {
        assert!(outside.lines().any(|found| found == line), "{line}:\n{outside}");
    }
    for line in
        ["kernel.io_uring_setup done", "kernel.userfaultfd done", "kernel.perf_event_open done", "socket.17 done"]
    {
        assert!(outside.lines().any(|found| found == line), "{line}:\n{outside}");
    }
}

fn attack_09_control_groups_of_others_are_out_of_reach(lab: &Lab) {
    let service = report(lab, "a09", "");
    for (key, value) in service.below("cgroup.write") {
        assert!(matches!(value, "EACCES" | "EROFS" | "ENOENT" | "EPERM"), "{key} {value}");
    }
    for key in
        ["cgroup.make", "cgroup.mount-2", "cgroup.mount-1.memory", "cgroup.mount-1.rdma", "cgroup.mount-1.name=probe"]
    {
        assert!(matches!(service.get(key), "EPERM" | "EROFS"), "{key} {}", service.get(key));
    }
    // CVE-2022-0492.
    for controller in ["memory", "rdma", "name=probe"] {
        assert_eq!(service.get(&format!("cgroup.release-agent.{controller}")), "EPERM");
    }
    assert_eq!(service.get("cgroup.own-path"), "inside");
    assert_eq!(service.get("cgroup.names-units-of-the-host"), "no");
    // Where the tree is delegated, the group's own limits are still the host's: only what organises it is handed over.
    let system = report(lab, "a09-boots", "init = 'image'\nready = 'exec'\nstop.signal = 'SIGKILL'");
    assert_eq!(system.get("cgroup.make"), "done");
    assert_eq!(system.get("cgroup.write.cgroup.procs"), "writable");
    for file in ["cgroup.freeze", "cgroup.kill", "cgroup.max.depth", "cgroup.max.descendants"] {
        assert_eq!(system.get(&format!("cgroup.write.{file}")), "EACCES", "{file}");
    }
    for (key, value) in system.below("cgroup.write-parent.") {
        assert!(matches!(value, "EACCES" | "EROFS" | "ENOENT"), "{key} {value}");
    }
    // The premise: the file that is refused above is there, and the host's root may write to it.
    lab.ok("test -w /sys/fs/cgroup/soute.slice/cgroup.freeze");
}

fn attack_28_the_environment_is_what_was_declared(lab: &Lab) {
    probe::import(lab);
    run(
        lab,
        r#"
        wanted=$(printf '%s\n' "A 1" "HOME /root" "PATH /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "container soute")
        found() { sed -n 's/^environment\.//p' "$@"; }
        # The premise: what the manager and the caller have, others do inherit.
        systemctl set-environment EVIL_OF_THE_MANAGER=1
        has "$(systemd-run --quiet --pipe --wait env)" EVIL_OF_THE_MANAGER=1
        export EVIL=1 LD_PRELOAD_=/evil.so LISTEN_FDS=1 NOTIFY_SOCKET=/run/none CREDENTIALS_DIRECTORY=/run LD_LIBRARY_PATH=/nowhere
        define env 'image = "probe"' 'environment = { A = "1" }' \
            'command = ["/probe", "--only", "identity", "--output", "/tmp/report", "--hold"]'
        report=/var/lib/soute/disks/env/root/tmp/report
        written() { [ -e $report ]; }
        soute start env
        soon written
        is "$wanted" "$(found $report)"
        is "$wanted" "$(soute exec env -- /probe --only identity | found)"
        is "${wanted#A 1$'\n'}" "$(soute run probe -- /probe --only identity | found)"
        rm $report
        systemctl restart soute@env
        soon written
        is "$wanted" "$(found $report)"
        systemctl unset-environment EVIL_OF_THE_MANAGER
        soute remove --force env"#,
    );
}

fn attack_29_descriptors_are_not_taken_from_a_payload(lab: &Lab) {
    probe::import(lab);
    run(
        lab,
        r#"
        stored() { systemctl show -P NFileDescriptorStore "$1"; }
        # The premise: a manager that takes descriptors gets this one.
        systemd-run --quiet --unit takes -p Type=notify -p FileDescriptorStoreMax=4 /root/probe --hold --notify "FDSTORE=1 READY=1"
        is 1 "$(stored takes)"
        systemctl stop takes
        define hands 'image = "probe"' 'ready = "notify"' \
            'command = ["/probe", "--hold", "--notify", "FDSTORE=1 MAINPID=1 READY=1"]'
        soute start hands
        main=$(pid hands)
        is 1 "$(awk '/^NSpid:/ { print $NF }' /proc/$main/status)"
        is 0 "$(stored soute@hands)"
        is "" "$(pgrep -f 'soute-runner start hands$' || true)"
        soute remove --force hands"#,
    );
}

/// CVE-2021-41091: a set-user-id program in an image is root's, as is everything below the store on the host.
fn attack_31_programs_of_images_cannot_be_run_from_the_host(lab: &Lab) {
    run(
        lab,
        r#"
        define setuid '[[mount]]' 'type = "volume"' 'source = "a31"' 'target = "/volume"'
        soute start setuid
        soute exec setuid -- sh -c 'cp /bin/busybox /owned; chmod 4755 /owned; cp /bin/busybox /volume/owned; chmod 4755 /volume/owned'
        disk=/var/lib/soute/disks/setuid/root volume=$(find /var/lib/soute/volumes/a31 -name owned)
        # The premise: on the host they are root's, and set-user-id.
        is "0 4755" "$(stat -c '%u %a' $disk/owned)"
        is "0 4755" "$(stat -c '%u %a' $volume)"
        other() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
        is 65534 "$(other id -u)"
        for path in $disk/owned $volume /var/lib/soute/images/busybox/root/bin/busybox; do
            has "$(fails 1 other stat $path)" "Permission denied"
            has "$(fails 126 other bash -c "$path true")" "Permission denied"
        done
        main=$(pid setuid)
        for path in /proc/$main/root/owned /proc/$main/cwd; do has "$(fails 1 other stat $path/)" "Permission denied"; done
        soute remove --force setuid"#,
    );
}

fn attack_42_a_system_may_nest_namespaces_and_a_service_may_not(lab: &Lab) {
    import(lab, "debian");
    run(
        lab,
        r#"
        # A user namespace brings root of its own, to whom much more of the kernel listens.
        define nests
        soute start nests
        has "$(fails 1 soute exec nests -- unshare -r true)" "Operation not permitted"
        soute remove --force nests
        # A system's services are confined by such namespaces: they work, and stay inside its own.
        define nests 'image = "debian"' 'init = "image"'
        soute start nests
        soute exec nests -- systemctl is-system-running --wait
        is 0 "$(soute exec nests -- unshare -r id -u)"
        soute exec nests -- systemd-run --quiet --wait -p PrivateUsers=yes -p ProtectSystem=strict -p PrivateTmp=yes \
            -p PrivateDevices=yes -p NoNewPrivileges=yes true
        soute exec nests -- systemd-run --quiet --wait -p DynamicUser=yes -p SystemCallFilter=@system-service true
        soute remove --force nests"#,
    );
}
