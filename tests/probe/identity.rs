//! What the kernel tells processes apart by: ids, capabilities, filters, limits, environment.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::sys::{call, name, number};
use crate::{Options, Report};

pub fn report(_: &Options, report: &mut Report) {
    status(report);
    for map in ["uid_map", "gid_map", "setgroups", "timens_offsets", "oom_score_adj", "attr/current", "personality"] {
        report.line(&map.replace('/', "."), words(&format!("/proc/self/{map}")));
    }
    limits(report);
    environment(report);
    process(report);
    keyrings(report);
}

/// A file as one line of words.
pub fn words(path: &str) -> String {
    match fs::read_to_string(path) {
        Ok(text) => text.trim_end_matches('\0').split_whitespace().collect::<Vec<_>>().join(" "),
        Err(error) => name(error.raw_os_error().unwrap_or(0)),
    }
}

fn status(report: &mut Report) {
    const KEYS: [&str; 14] = [
        "Umask",
        "Uid",
        "Gid",
        "Groups",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "SigBlk",
        "SigIgn",
        "CoreDumping",
    ];
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or("-").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for key in KEYS {
        report.line(&format!("status.{key}"), value(key));
    }
}

fn limits(report: &mut Report) {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    for line in text.lines().skip(1) {
        let (what, values) = line.split_at(26.min(line.len()));
        let values: Vec<_> = values.split_whitespace().take(2).collect();
        report.line(&format!("limit.{}", what.trim().replace(' ', "-")), values.join(" "));
    }
}

fn environment(report: &mut Report) {
    // As bytes, and of the kernel: what std makes of it is not what was given.
    let bytes = fs::read("/proc/self/environ").unwrap_or_default();
    let all: BTreeSet<_> = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty()).collect();
    for word in all {
        let word = String::from_utf8_lossy(word);
        let (key, value) = word.split_once('=').unwrap_or((&word, ""));
        report.line(&format!("environment.{key}"), value);
    }
}

fn process(report: &mut Report) {
    const PR_GET_SECUREBITS: usize = 27;
    const PR_GET_DUMPABLE: usize = 3;
    const PR_GET_PDEATHSIG: usize = 2;
    const PR_GET_CHILD_SUBREAPER: usize = 37;
    let value = |result: Result<usize, i32>| result.map_or_else(name, |value| value.to_string());
    let prctl = |option| value(call(number("prctl"), [option, 0, 0, 0, 0]));
    let stored = |option| {
        let mut word = 0_u32;
        call(number("prctl"), [option, std::ptr::from_mut(&mut word) as usize, 0, 0, 0])
            .map_or_else(name, |_| word.to_string())
    };
    report.line("process.securebits", prctl(PR_GET_SECUREBITS));
    report.line("process.dumpable", prctl(PR_GET_DUMPABLE));
    report.line("process.parent-death-signal", stored(PR_GET_PDEATHSIG));
    report.line("process.subreaper", stored(PR_GET_CHILD_SUBREAPER));
    report.line("process.nice", value(call(number("getpriority"), [0, 0])));
    report.line("process.scheduler", value(call(number("sched_getscheduler"), [0])));
    report.line("process.io-priority", value(call(number("ioprio_get"), [1, 0])));
    report.line("process.directory", path("/proc/self/cwd"));
    report.line("process.root", path("/proc/self/root"));
    report.line("process.program", path("/proc/self/exe"));
    report.line("process.hostname", words("/proc/sys/kernel/hostname"));
    let terminal = fs::OpenOptions::new().read(true).open("/dev/tty");
    report.line(
        "process.terminal",
        terminal.map_or_else(|error| name(error.raw_os_error().unwrap_or(0)), |_| "yes".into()),
    );
    for (number, descriptor) in ["in", "out", "error"].into_iter().enumerate() {
        let target = path(format!("/proc/self/fd/{number}"));
        report.line(&format!("stdio.{descriptor}"), target.split(':').next().unwrap_or_default());
    }
}

/// Where a link of the kernel's leads.
pub fn path(link: impl AsRef<Path>) -> String {
    match fs::read_link(link) {
        Ok(path) => path.display().to_string(),
        Err(error) => name(error.raw_os_error().unwrap_or(0)),
    }
}

fn keyrings(report: &mut Report) {
    for (what, id) in [("thread", -1), ("process", -2), ("session", -3), ("user", -4), ("user-session", -5)] {
        let found = call(number("keyctl"), [0, id as usize, 0]);
        report.line(&format!("keyring.{what}"), found.map_or_else(name, |_| "present".into()));
    }
}
