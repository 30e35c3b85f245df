//! The probe, a payload that reports what it may do: compiled once, static, and brought into a lab's store.

use super::{Lab, Ran, source};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The program, as every image can run it.
pub fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| PathBuf::from(Ran::of("the probe", &mut compiler()).ok().trim())).clone()
}

fn compiler() -> Command {
    Command::new(source().join("tests/probe/build"))
}

/// The image "probe", which is busybox and the program, and the program as /root/probe; unless another test has.
pub fn import(lab: &Lab) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let there = lab.root().join("root/probe");
    if !there.exists() {
        super::image::in_lab("busybox");
        std::fs::copy(program(), &there).expect("a copy in the lab");
        lab.ok("cp -a /images/busybox /root/probe-image && cp /root/probe /root/probe-image &&
             soute image import probe /root/probe-image && rm -r /root/probe-image");
    }
}

/// The arguments by which it tells the lab's namespaces from others.
pub fn host(lab: &Lab) -> Vec<String> {
    let links = lab.ok("for kind in cgroup ipc mnt net pid time user uts; do readlink /proc/1/ns/$kind; done");
    links.lines().flat_map(|link| ["--host".to_owned(), link.to_owned()]).collect()
}

/// What it found.
#[derive(Clone, PartialEq, Eq)]
pub struct Report(String);

impl Report {
    /// Without what happens to be connected to descriptors 0 to 2.
    pub fn new(text: &str) -> Self {
        assert!(text.ends_with('\n') && text.lines().count() > 500, "no report: {text}");
        Self(text.lines().filter(|line| !line.starts_with("stdio.")).map(|line| line.to_owned() + "\n").collect())
    }

    /// Without the lines of a key that begins like one of these.
    pub fn without(&self, keys: &[&str]) -> Self {
        let kept = self.0.lines().filter(|line| !keys.iter().any(|key| line.starts_with(key)));
        Self(kept.map(|line| line.to_owned() + "\n").collect())
    }

    /// The value of a key, which has to be there.
    #[track_caller]
    pub fn get<'a>(&'a self, key: &'a str) -> &'a str {
        self.all(key).next().unwrap_or_else(|| panic!("no {key} in the report:\n{self}"))
    }

    /// The values of a key.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let value = move |line: &'a str| match line.strip_prefix(key)? {
            "" => Some(""),
            rest => rest.strip_prefix(' '),
        };
        self.0.lines().filter_map(value)
    }

    /// Every key that begins so, with its value.
    pub fn below<'a>(&'a self, start: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let lines = self.0.lines().filter(move |line| line.starts_with(start));
        lines.map(|line| line.split_once(' ').unwrap_or((line, "")))
    }

    /// Panics with all lines that are not the same in both.
    #[track_caller]
    pub fn is(&self, other: &Self, what: &str) {
        let count = |report: &Self| {
            let mut counts = BTreeMap::<String, i32>::new();
            report.0.lines().for_each(|line| *counts.entry(line.to_owned()).or_default() += 1);
            counts
        };
        let (ours, theirs) = (count(self), count(other));
        let lost =
            ours.iter().filter(|(line, count)| theirs.get(*line) != Some(count)).map(|(line, _)| format!("- {line}\n"));
        let new =
            theirs.iter().filter(|(line, count)| ours.get(*line) != Some(count)).map(|(line, _)| format!("+ {line}\n"));
        assert!(self == other, "{what} is not confined as the start is:\n{}", lost.chain(new).collect::<String>());
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
