use super::lab::Lab;
use super::typing::Typist;
use super::{alone, ends, labs};
use std::time::Duration;

/// What one-off containers could leave behind.
#[track_caller]
fn nothing_is_left(lab: &Lab) {
    let left = "ls -d /run/soute/state/busybox-* /run/soute/lock/busybox-* /run/soute/lock/.run-* /run/soute/containers/* \
                    /var/lib/soute/disks/busybox-* /run/soute/log/busybox-* 2>/dev/null; grep ^busybox- /run/soute/instances; \
                systemctl list-units --all --plain --no-legend 'soute*@busybox-*'; ip -brief link | grep ^vb-; true";
    ends(lab, left, 0, "", "");
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn streams_and_statuses_are_the_payloads() {
    let _alone = alone();
    for lab in labs() {
        ends(lab, "echo in | soute run busybox -- sh -c 'cat; echo err >&2; exit 7'", 7, "in\n", "err\n");
        ends(lab, "soute run busybox sh -c 'kill -9 $$'", 137, "", "");
        // A program that opens its stdout by name, as nginx does, also where the caller's pipe is another user's.
        ends(lab, "soute run -u www-data busybox -- sh -c 'echo named >/dev/stdout' | cat", 0, "named\n", "");
        ends(
            lab,
            "soute run -e A=b -w /tmp --hostname h --memory 64M busybox -- sh -c 'echo $A; pwd; hostname'",
            0,
            "b\n/tmp\nh\n",
            "",
        );
        nothing_is_left(lab);
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn our_own_failures_have_podmans_statuses_and_leave_nothing() {
    let _alone = alone();
    for lab in labs() {
        let fails = |words: &str, status: i32, end: &str| {
            let ran = lab.run(&format!("soute run {words}"));
            assert_eq!((ran.status, ran.stdout.as_str()), (status, ""), "{ran}");
            assert!(ran.stderr.ends_with(end) && ran.stderr.contains("soute: "), "{ran}");
        };
        fails("busybox -- nope", 127, ": cannot execute nope: No such file or directory\n");
        fails("busybox -- /etc/passwd", 126, ": cannot execute /etc/passwd: Permission denied\n");
        fails("-u nope busybox -- id", 125, ": no such user in the container: nope\n");
        fails("none -- id", 125, "no image none\n");
        fails("--network bridge=br9 busybox -- id", 125, ": bridge br9 does not exist\n");
        fails("--memory lots busybox -- id", 125, "its definition has 1 fault\n");
        fails("--name web busybox -- id", 125, "a container is called web already\n");
        fails("--restart always busybox -- id", 125, "--restart is for what stays: add --keep\n");
        fails("-d busybox -- nope", 127, ": cannot execute nope: No such file or directory\n");
        nothing_is_left(lab);
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn no_exit_status_of_250_is_lost() {
    let _alone = alone();
    for lab in labs() {
        let ran = lab.script(
            "for i in $(seq 125); do
                 soute run busybox -- true || echo \"$i: $?\"
                 status=0; soute run busybox -- sh -c \"exit $i\" || status=$?
                 [ $status = $i ] || echo \"$i: $status\"
             done
             # Nobody but the payload is there to wait until systemd has heard that it is ready.
             for i in $(seq 40); do
                 status=0; soute run --init none busybox -- sh -c \"exit $i\" || status=$?
                 [ $status = $i ] || echo \"none, $i: $status\"
             done",
        );
        assert_eq!(ran.ok(), "");
        nothing_is_left(lab);
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn signals_are_the_payloads() {
    let _alone = alone();
    for lab in labs() {
        for (signal, status) in [("INT", 130), ("TERM", 143), ("USR1", 5)] {
            let ran = lab.script(&format!(
                ": >/tmp/out; soute run busybox -- sh -c 'trap \"exit 5\" USR1; echo up; while :; do sleep 0.1; done' >/tmp/out & pid=$!
                 until grep -q up /tmp/out; do sleep 0.05; done
                 kill -{signal} $pid; status=0; wait $pid || status=$?; echo $status"
            ));
            assert_eq!(ran.ok(), format!("{status}\n"));
        }
        nothing_is_left(lab);
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn a_terminal_is_the_payloads_and_is_given_back() {
    let _alone = alone();
    for lab in labs() {
        let mut typist = Typist::start(lab, "soute run -t -u www-data busybox -- sh");
        typist.sees("$ ");
        typist.keys("stty size; echo $TERM; id -u; echo named >/dev/stderr\n");
        typist.sees("24 80\r\n");
        typist.sees("vt100\r\n");
        typist.sees("33\r\n");
        typist.sees("named\r\n");
        typist.resize(33, 99);
        typist.keys("stty size\n");
        typist.sees("33 99\r\n");
        typist.keys("sleep 100\n");
        std::thread::sleep(Duration::from_millis(200));
        typist.keys("\u{3}\u{3}");
        typist.keys("echo $((6 * 7)); exit 9\n");
        typist.sees("42\r\n");
        assert_eq!(typist.ends(), 9);
        let mut typist = Typist::start(lab, "soute run -t busybox -- sleep 100");
        while typist.is_cooked() {
            std::thread::sleep(Duration::from_millis(5));
        }
        typist.keys("\u{3}\u{3}\u{3}");
        assert_eq!(typist.ends(), 130);
        nothing_is_left(lab);
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn detached_ones_print_their_names_and_go_when_they_are_stopped() {
    let _alone = alone();
    for lab in labs() {
        let name = lab.ok("soute run -d busybox").trim().to_owned();
        assert!(name.starts_with("busybox-"), "{name}");
        lab.ok(&format!("soute exec {name} true && test -f /run/soute/containers/{name}.toml"));
        lab.ok(&format!("soute stop {name}"));
        ends(lab, &format!("soute exec {name} true"), 125, "", &format!("soute: no container is called {name}\n"));
        nothing_is_left(lab);
        lab.ok("soute run --keep --name kept busybox -- sh -c 'echo data >/root/file'");
        ends(lab, "cat /var/lib/soute/disks/kept/root/root/file; soute remove kept", 0, "data\n", "");
        nothing_is_left(lab);
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn what_a_killed_command_leaves_goes_with_the_next() {
    let _alone = alone();
    for lab in labs() {
        let killed = lab.ok(
            "mkfifo /run/in
             soute run --name busybox-killed busybox -- sh -c 'echo up; exec sleep 1000' </run/in >/run/up 2>/dev/null & pid=$!
             exec 9>/run/in
             until grep -q up /run/up; do sleep 0.05; done
             kill -9 $pid; wait $pid
             exec 9>&-; rm /run/in /run/up
             soute exec busybox-killed echo it goes on",
        );
        assert_eq!(killed, "it goes on\n");
        // It is not taken for one that has gone.
        ends(lab, "soute run busybox -- echo another", 0, "another\n", "");
        lab.ok("soute exec busybox-killed true && soute stop busybox-killed");
        ends(lab, "ls -d /var/lib/soute/disks/busybox-*", 0, "/var/lib/soute/disks/busybox-killed\n", "");
        ends(lab, "soute run busybox -- echo another", 0, "another\n", "");
        nothing_is_left(lab);
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn a_name_that_a_killed_command_had_may_become_another_containers() {
    let _alone = alone();
    for lab in labs() {
        lab.ok("(soute run --name busybox-name busybox -- sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >/run/pid)
                until soute exec busybox-name true 2>/dev/null; do sleep 0.05; done
                kill -9 $(cat /run/pid); soute stop busybox-name");
        // Its lock is there, and nobody has it.
        lab.ok("test -e /run/soute/lock/.run-busybox-name");
        lab.ok(
            "soute remove busybox-name
                soute create busybox-name --image busybox -- sleep 1000
                soute start busybox-name; soute exec busybox-name -- sh -c 'echo data >/kept'; soute stop busybox-name",
        );
        lab.ok("soute list; soute run busybox -- true; test ! -e /run/soute/lock/.run-busybox-name");
        ends(lab, "cat /var/lib/soute/disks/busybox-name/root/kept; soute remove busybox-name", 0, "data\n", "");
        nothing_is_left(lab);
    }
}

#[test]
#[ignore = "rung 2: nested systemd, 252 and 257"]
fn create_writes_a_definition_once() {
    let _alone = alone();
    for lab in labs() {
        lab.ok("soute create made --image busybox --cpus 1.5 --mount type=tmpfs,target=/x -- sleep 1000");
        let text = lab.ok("cat /etc/soute/containers/made.toml");
        let written = "image = \"busybox\"\ncommand = [\"sleep\", \"1000\"]\n\n[limits]\ncpus = 1.5\n\n[[mount]]\ntype = \"tmpfs\"\ntarget = \"/x\"\n";
        assert!(text.ends_with(written), "{text}");
        lab.ok("soute start made && soute remove --force made");
        ends(
            lab,
            "soute create web --image busybox",
            1,
            "",
            "soute: cannot create web: /etc/soute/containers/web.toml is there already\n",
        );
        ends(lab, "soute create made --image none", 4, "", "soute: cannot create made: no image none\n");
        assert_eq!(lab.run("soute create made --image busybox --cpus many").status, 5);
        ends(lab, "ls -A /etc/soute/containers | grep made", 1, "", "");
    }
}
