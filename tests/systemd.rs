//! The systemd module against real ones, 252 and 257: each test runs itself again inside both labs.

mod lab;

use std::io::Read;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lab::in_labs;
use soute::error::Exit;
use soute::plan::{Exec, Property, Unit, Value};
use soute::systemd::{Code, Manager, Start, Whom};

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// A service that runs a line of shell.
fn shell(name: &str, line: &str, more: &[(&str, Value)]) -> Unit {
    let argv = ["/bin/sh", "-c", line].map(str::to_owned).into();
    let mut properties = vec![Property::new("ExecStart", Value::Exec(vec![Exec { argv, ignore_failure: false }]))];
    properties.extend(more.iter().map(|(name, value)| Property::new(name, value.clone())));
    Unit { name: format!("{name}.service"), properties }
}

/// Ready when it says so, as containers are.
fn notify(name: &str, line: &str, more: &[(&str, Value)]) -> Unit {
    let more: Vec<_> =
        [("Type", text("notify")), ("NotifyAccess", text("all"))].into_iter().chain(more.iter().cloned()).collect();
    shell(name, line, &more)
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn no_exit_status_is_lost() {
    in_labs("no_exit_status_is_lost", || {
        let manager = &Manager::connect().expect("systemd");
        for round in 0..250 {
            let unit = shell("brief", &format!("exit {}", round % 5), &[("CollectMode", text("inactive-or-failed"))]);
            let start = Start { ends: true, ..Start::default() };
            let ended = manager.start_transient(&unit, start).unwrap().wait().unwrap().expect("an end");
            assert_eq!((ended.code, ended.status), (Code::Exited, round % 5), "round {round}");
            assert_eq!(ended.result, if round % 5 == 0 { "success" } else { "exit-code" });
        }
        let unit = shell("killed", "kill -9 $$$$", &[("CollectMode", text("inactive-or-failed"))]);
        let start = Start { ends: true, ..Start::default() };
        let ended = manager.start_transient(&unit, start).unwrap().wait().unwrap().expect("an end");
        assert_eq!((ended.code, ended.status, ended.shell_status()), (Code::Killed, 9, 137));
    });
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn of_sixteen_starts_one_wins_and_all_succeed() {
    in_labs("of_sixteen_starts_one_wins_and_all_succeed", || {
        let manager = &Manager::connect().expect("systemd");
        for round in 0..5 {
            let unit = notify(&format!("many{round}"), "sleep 0.2; systemd-notify --ready; exec sleep 1000", &[]);
            let joined = Mutex::new(vec![]);
            std::thread::scope(|scope| {
                for _ in 0..16 {
                    scope.spawn(|| {
                        let start = manager.start_transient(&unit, Start::default()).map(|started| started.joined);
                        joined.lock().unwrap().push(start.unwrap());
                    });
                }
            });
            assert_eq!(joined.lock().unwrap().iter().filter(|joined| !**joined).count(), 1);
            assert_eq!(manager.status(&unit.name).unwrap().active, "active");
            manager.stop(&unit.name).unwrap();
        }
    });
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn a_failed_start_says_why_and_may_be_tried_again() {
    in_labs("a_failed_start_says_why_and_may_be_tried_again", || {
        let manager = &Manager::connect().expect("systemd");
        let fails = |unit: &Unit| manager.start_transient(unit, Start::default()).err().expect("a failure");
        let line = "systemd-notify --status='no such bridge'; echo the last words >&2; exit 7";
        for _ in 0..2 {
            let error = fails(&notify("sad", line, &[]));
            assert_eq!(error.to_string(), "no such bridge: sad.service failed: exit-code, status 7\n  the last words");
            assert_eq!(error.exit(), Exit::Failed);
            assert_eq!(manager.status("sad.service").unwrap().active, "failed");
        }
        manager
            .start_transient(&notify("sad", "systemd-notify --ready; exec sleep 1000", &[]), Start::default())
            .unwrap();
        manager.stop("sad.service").unwrap();

        let error = fails(&notify("slow", "exec sleep 1000", &[("TimeoutStartUSec", Value::U64(200_000))]));
        assert_eq!(error.exit(), Exit::TimedOut);
        let error = fails(&shell("wrong", "true", &[("MemoryMux", Value::U64(1))]));
        assert_eq!(error.to_string(), "Cannot set property MemoryMux, or unknown property");
        // "done" says the job of a unit whose condition fails, too; only a drop-in can bring one.
        std::fs::create_dir_all("/run/systemd/system/never.service.d").unwrap();
        std::fs::write("/run/systemd/system/never.service.d/c.conf", "[Unit]\nConditionPathExists=/nowhere\n").unwrap();
        assert_eq!(fails(&shell("never", "true", &[])).to_string(), "a condition of never.service does not hold");
    });
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn a_stopped_unit_that_others_name_can_be_created_again() {
    in_labs("a_stopped_unit_that_others_name_can_be_created_again", || {
        let manager = &Manager::connect().expect("systemd");
        let after = Value::Texts(vec!["pinned.service".to_owned()]);
        manager.start_transient(&shell("pins", "exec sleep 1000", &[("After", after)]), Start::default()).unwrap();
        for description in ["first", "second"] {
            let more = [("Description", text(description))];
            manager.start_transient(&shell("pinned", "exec sleep 1000", &more), Start::default()).unwrap();
            assert_eq!(manager.status("pinned.service").unwrap().description, description);
            manager.stop("pinned.service").unwrap();
        }
        manager.stop("pins.service").unwrap();

        std::fs::write("/run/systemd/system/filed.service", "[Service]\nExecStart=/bin/sleep 1000\n").unwrap();
        let error = manager.start_transient(&shell("filed", "true", &[]), Start::default()).err().expect("a unit file");
        assert_eq!(
            error.to_string(),
            "the unit file /run/systemd/system/filed.service has the name filed.service: remove it, and run systemctl \
             daemon-reload"
        );
    });
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn attack_16_starts_survive_a_manager_that_executes_itself_anew() {
    in_labs("attack_16_starts_survive_a_manager_that_executes_itself_anew", || {
        let manager = &Manager::connect().expect("systemd");
        let start = Instant::now();
        let mut again = Command::new("sh")
            .args(["-c", "for i in 1 2 3 4; do systemctl daemon-reexec; sleep 0.3; done"])
            .spawn()
            .unwrap();
        let mut count = 0;
        while again.try_wait().unwrap().is_none() || count < 20 {
            let unit = notify("steady", "systemd-notify --ready && exec sleep 1000", &[]);
            assert!(!manager.start_transient(&unit, Start::default()).unwrap().joined, "start {count}");
            manager.stop(&unit.name).unwrap();
            count += 1;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{count} starts");
    });
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn units_are_listed_signalled_restarted_and_waited_for() {
    in_labs("units_are_listed_signalled_restarted_and_waited_for", || {
        let manager = &Manager::connect().expect("systemd");
        for name in ["few@b", "few@a"] {
            manager.start_transient(&shell(name, "exec sleep 1000", &[]), Start::default()).unwrap();
        }
        let mut names: Vec<_> = manager.list("few@*.service").unwrap().into_iter().map(|unit| unit.name).collect();
        names.sort();
        assert_eq!(names, ["few@a.service", "few@b.service"]);

        let main_pid =
            || manager.properties("few@a.service", &["MainPID", "Result", "InvocationID", "NoSuch"]).unwrap();
        let before = main_pid();
        assert_eq!(
            (before.text("Result"), before.id("InvocationID").len(), before.text("NoSuch")),
            ("success", 32, "")
        );
        manager.restart("few@a.service").unwrap();
        assert_ne!(main_pid().number("MainPID"), before.number("MainPID"));

        let ended = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| manager.wait("few@a.service").unwrap());
            std::thread::sleep(Duration::from_millis(200));
            manager.kill("few@a.service", Whom::Main, 15).unwrap();
            waiting.join().unwrap()
        });
        assert_eq!(ended.map(|ended| (ended.code, ended.status)), Some((Code::Killed, 15)));
        manager.stop("few@b.service").unwrap();
        assert_eq!(manager.list("few@*.service").unwrap(), []);
        assert_eq!(manager.wait("few@b.service").unwrap(), None);
        for error in [manager.stop("few@b.service"), manager.kill("few@b.service", Whom::All, 9)] {
            assert_eq!(error.unwrap_err().exit(), Exit::NotRunning);
        }
    });
}

#[test]
#[ignore = "rung 2: nested systemd"]
fn descriptors_are_passed_and_progress_is_told() {
    in_labs("descriptors_are_passed_and_progress_is_told", || {
        let manager = &Manager::connect().expect("systemd");
        let (mut reader, writer) = std::io::pipe().unwrap();
        let line = "for i in 1 2 3; do systemd-notify --status=\"$i of 3\"; sleep 0.1; done; systemd-notify --ready; echo hello";
        let mut told = vec![];
        let start = Start {
            beside: Vec::new(),
            fds: vec![("StandardOutputFileDescriptor", writer.as_fd())],
            progress: Some(&mut |text: &str| told.push(text.to_owned())),
            anew: false,
            ends: true,
        };
        let started = manager.start_transient(&notify("talks", line, &[]), start).unwrap();
        assert_eq!(started.wait().unwrap().map(|ended| ended.status), Some(0));
        drop(writer);
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello\n");
        assert_eq!(told, ["1 of 3", "2 of 3", "3 of 3"]);
    });
}

/// PID 1 holds its signals back from everybody while one connection is not read.
#[test]
#[ignore = "rung 2: nested systemd"]
fn no_connection_is_left_unread() {
    in_labs("no_connection_is_left_unread", || {
        let manager = &Manager::connect().expect("systemd");
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let before = open();
        manager.start_transient(&shell("open", "exec sleep 1000", &[]), Start::default()).unwrap();
        manager.stop("open.service").unwrap();
        manager.version().unwrap();
        assert_eq!(open(), before);
        let kept = manager.keep();
        manager.version().unwrap();
        manager.version().unwrap();
        assert_eq!(open(), before + 1);
        manager.rest();
        assert_eq!(open(), before);
        manager.version().unwrap();
        drop(kept);
        assert_eq!(open(), before);
    });
}
