use super::typing::Typist;
use super::{alone, ends, labs};
use std::time::Duration;

/// Everything by which the kernel tells processes apart, but for their numbers.
const IDENTITY: &str = r#"
    identity() {
        grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/$1/status
        for ns in /proc/$1/ns/*; do echo "${ns##*/} $(readlink $ns)"; done
        grep ^0:: /proc/$1/cgroup
        cat /proc/$1/limits /proc/$1/oom_score_adj /proc/$1/uid_map
        grep ^Umask /proc/$1/status
        readlink /proc/$1/root /proc/$1/cwd
        tr '\0' '\n' </proc/$1/environ | sort
    }
    main=$(systemctl show --value -p MainPID soute@web)
"#;

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn exec_is_what_the_payload_is_word_by_word() {
    let _alone = alone();
    for lab in labs() {
        let ran = lab.script(&format!(
            "{IDENTITY}
             mkfifo /tmp/hold; soute exec -i web -- cat </tmp/hold & exec 9>/tmp/hold
             group=/sys/fs/cgroup$(grep ^0:: /proc/$main/cgroup | cut -c4-)
             until [ $(wc -l <$group/cgroup.procs) = 2 ]; do sleep 0.05; done
             other=$(grep -vx $main $group/cgroup.procs)
             until [ $(cat /proc/$other/comm) = cat ]; do sleep 0.05; done
             identity $main; echo =====; identity $other
             exec 9>&-; wait; rm /tmp/hold"
        ));
        let text = ran.ok();
        let (payload, command) = text.split_once("=====\n").expect("two halves");
        assert_eq!(payload, command);
        for word in ["500                  1000", "\n300\n", "A=1", "NoNewPrivs:\t1"] {
            assert!(payload.contains(word), "{word:?} in {payload}");
        }
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn the_exit_status_is_the_commands_or_podmans() {
    let _alone = alone();
    for lab in labs() {
        ends(lab, "soute exec web -- sh -c 'echo out; echo err >&2; exit 7'", 7, "out\n", "err\n");
        ends(lab, "soute exec web sh -c 'kill -9 $$'", 137, "", "");
        ends(lab, "soute exec web -- nope", 127, "", "soute: cannot execute nope: No such file or directory\n");
        ends(lab, "soute exec web -- /etc", 126, "", "soute: cannot execute /etc: Permission denied\n");
        ends(lab, "soute exec -u nope web -- id", 125, "", "soute: no such user in the container: nope\n");
        ends(lab, "soute exec none -- id", 125, "", "soute: no container is called none\n");
        ends(
            lab,
            "systemctl freeze soute@web; soute exec web -- id 2>&1 | cut -d, -f1; systemctl thaw soute@web",
            0,
            "soute: web is paused\n",
            "",
        );
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn user_directory_and_variables_can_be_others() {
    let _alone = alone();
    for lab in labs() {
        let line = "soute exec -u root -w /tmp -e A=2 -e B=3 web -- sh -c 'id; pwd; echo $A $B $LANG'";
        ends(lab, line, 0, "uid=0(root) gid=0(root) groups=0(root)\n/tmp\n2 3 C\n", "");
        ends(
            lab,
            "soute exec web -- id",
            0,
            "uid=33(www-data) gid=33(www-data) groups=5(tty),33(www-data),50(staff)\n",
            "",
        );
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn nothing_of_the_callers_leaks_in() {
    let _alone = alone();
    for lab in labs() {
        let ran = lab.script(
            "for i in $(seq 10 60); do eval \"exec $i</etc/passwd\"; done
             soute exec web -- ls /proc/self/fd; echo secret | soute exec web -- cat; echo word | soute exec -i web -- cat",
        );
        // 3 is the directory that ls reads.
        assert_eq!(ran.ok(), "0\n1\n2\n3\nword\n");
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn a_commands_own_cgroup_in_a_container_that_boots_goes_with_it() {
    let _alone = alone();
    for lab in labs() {
        ends(lab, "soute exec boots -- cat /proc/self/cgroup | grep -c ^0::/soute-exec-", 0, "1\n", "");
        ends(lab, "find /sys/fs/cgroup -name 'soute-exec-*'", 0, "", "");
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn a_terminal_never_reaches_the_container() {
    let _alone = alone();
    for lab in labs() {
        let mut typist = Typist::start(
            lab,
            "soute exec -i web -- sh -c 'readlink /proc/self/fd/0; readlink /proc/self/fd/2; cat; exit 4'",
        );
        typist.sees("pipe:[");
        typist.sees("pipe:[");
        typist.keys("hello\n\u{4}");
        assert_eq!(typist.ends(), 4);
        assert!(typist.shown.contains("hello\r\nhello\r\n"), "{:?}", typist.shown);
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn a_shell_has_a_terminal_of_the_containers_own() {
    let _alone = alone();
    for lab in labs() {
        let mut typist = Typist::start(lab, "soute shell -u root web");
        typist.sees("# ");
        assert!(!typist.is_cooked());
        typist.keys("tty; stty size; echo $TERM\n");
        typist.sees("/dev/pts/");
        typist.sees("24 80\r\n");
        typist.sees("vt100\r\n");
        typist.resize(50, 120);
        typist.keys("stty size\n");
        typist.sees("50 120\r\n");
        typist.keys("sleep 100\n");
        std::thread::sleep(Duration::from_millis(200));
        typist.keys("\u{3}\u{3}");
        typist.keys("echo $((6 * 7))\n");
        typist.sees("42\r\n");
        typist.keys("exit 9\n");
        assert_eq!(typist.ends(), 9);
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn a_signal_ends_a_session_and_gives_the_terminal_back() {
    let _alone = alone();
    for lab in labs() {
        for (signal, status) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
            let mut typist =
                Typist::start(lab, "echo $$; exec soute exec -it -u root web -- sh -c 'echo up; exec sleep 1234'");
            typist.sees("up\r\n");
            while typist.is_cooked() {
                std::thread::sleep(Duration::from_millis(5));
            }
            lab.ok(&format!("pkill -{signal} -f '^soute exec -it'"));
            assert_eq!(typist.ends(), status);
        }
        // The kernel told them, by SIGHUP, that their terminal is gone.
        lab.wait_for("! pgrep -f '^sleep 1234'", Duration::from_secs(5));
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn everything_that_was_written_is_shown_before_the_end() {
    let _alone = alone();
    for lab in labs() {
        for _ in 0..5 {
            let mut typist = Typist::start(lab, "soute exec -t web -- sh -c 'seq 20000; exit 3'");
            assert_eq!(typist.ends(), 3);
            assert_eq!(typist.shown.lines().count(), 20000);
            assert!(typist.shown.ends_with("\r\n20000\r\n"));
        }
    }
}
