//! Namespaces: whose they are, and whether new ones can be had, or others joined.

use std::fs::{self, File};
use std::os::fd::AsRawFd;

use crate::identity::path;
use crate::sys::{Errno, attempt, call, number, try_call};
use crate::{Options, Report};

/// Names in /proc, and the flags of clone(2).
const KINDS: [(&str, usize); 8] = [
    ("cgroup", 0x0200_0000),
    ("ipc", 0x0800_0000),
    ("mnt", 0x0002_0000),
    ("net", 0x4000_0000),
    ("pid", 0x2000_0000),
    ("time", 0x80),
    ("user", 0x1000_0000),
    ("uts", 0x0400_0000),
];
const SIGCHLD: usize = 17;

pub fn report(options: &Options, report: &mut Report) {
    for (kind, _) in KINDS {
        let own = path(format!("/proc/self/ns/{kind}"));
        let host = options.host.contains(&own);
        report.line(&format!("namespace.{kind}"), if host { "host" } else { "own" });
        // PID 1 of the container is in the same, where it may be looked at.
        let first = path(format!("/proc/1/ns/{kind}"));
        let same = if first == own { "same" } else { "another" };
        report.line(&format!("namespace.of-pid-1.{kind}"), if first.contains('[') { same } else { &first });
    }
    for (kind, flag) in KINDS {
        report.line(&format!("unshare.{kind}"), try_call(number("unshare"), [flag]));
    }
    // CLONE_NEWTIME lies in the bits of the signal, and is for clone3(2) and unshare(2) alone.
    for (kind, flag) in KINDS.into_iter().filter(|(kind, _)| *kind != "time") {
        report.line(&format!("clone.{kind}"), try_call(number("clone"), [flag | SIGCHLD, 0, 0, 0, 0]));
    }
    for (kind, flag) in KINDS {
        let arguments: [u64; 11] = [flag as u64, 0, 0, 0, SIGCHLD as u64, 0, 0, 0, 0, 0, 0];
        let outcome = try_call(number("clone3"), [arguments.as_ptr() as usize, size_of_val(&arguments)]);
        report.line(&format!("clone3.{kind}"), outcome);
    }
    for (kind, flag) in KINDS {
        report.line(&format!("setns.of-pid-1.{kind}"), attempt(|| join(&format!("/proc/1/ns/{kind}"), flag)));
    }
    // The user namespace that one is in already is an error of its own.
    let others = KINDS.iter().filter(|(kind, _)| *kind != "user").fold(0, |all, (_, flag)| all | flag);
    let joined = attempt(|| {
        let pidfd = call(number("pidfd_open"), [1, 0])?;
        call(number("setns"), [pidfd, others]).map(drop)
    });
    report.line("setns.pidfd-of-pid-1", joined);
    max(report);
}

fn join(path: &str, flag: usize) -> Result<(), Errno> {
    let file = File::open(path).map_err(|error| error.raw_os_error().unwrap_or(0))?;
    call(number("setns"), [file.as_raw_fd() as usize, flag]).map(drop)
}

/// How many of each kind its own user namespace may make.
fn max(report: &mut Report) {
    for (kind, _) in KINDS {
        let file = format!("/proc/sys/user/max_{kind}_namespaces");
        let value = fs::read_to_string(file).unwrap_or_default();
        report.line(&format!("namespace.at-most.{kind}"), if value.trim() == "0" { "none" } else { "some" });
    }
}
