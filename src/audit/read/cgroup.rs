//! The unit's control group: who is in it, what it limits, and whose its files are.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::tables;
use crate::audit::facts::Cgroup;
use crate::error::{Context, Error, Result};

/// What holds the container, and is therefore never to be its own.
const LIMITS: [&str; 11] = [
    "pids.max",
    "memory.max",
    "memory.high",
    "memory.low",
    "memory.swap.max",
    "cpu.max",
    "cpu.weight",
    "cpu.idle",
    "cpuset.cpus",
    "io.max",
    "io.weight",
];
/// What is its own where it is delegated.
const CONTROL: [&str; 3] = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];

/// Where the group is: cgroup2 may be mounted anywhere.
pub fn directory(group: &str) -> Result<PathBuf> {
    let mounts = tables::mounts(&fs::read_to_string("/proc/self/mountinfo").context("cannot read mountinfo")?);
    let tops = mounts.iter().filter(|mount| mount.kind == "cgroup2");
    let mut places = tops.map(|top| PathBuf::from(format!("{}{group}", top.target)));
    places
        .find(|place| place.join("cgroup.procs").exists())
        .ok_or_else(|| Error::failed(format!("cannot find cgroup {group}")))
}

/// All processes in it and below.
pub fn processes(directory: &Path) -> Result<Vec<i32>> {
    let mut pids = Vec::new();
    let mut groups = vec![directory.to_owned()];
    while let Some(group) = groups.pop() {
        // A group that a booted system has taken away in the meantime holds nobody.
        let text = match fs::read_to_string(group.join("cgroup.procs")) {
            Err(_) if group != directory => continue,
            text => text.context("cannot list the processes of the unit")?,
        };
        pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        let below = fs::read_dir(&group).into_iter().flatten().filter_map(Result::ok);
        groups
            .extend(below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()));
    }
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

/// The files that limit it, as far as their controllers are there.
pub fn limits(directory: &Path) -> BTreeMap<String, String> {
    let limit = |file: &str| Some((file.to_owned(), fs::read_to_string(directory.join(file)).ok()?.trim().to_owned()));
    LIMITS.into_iter().filter_map(limit).collect()
}

/// Limits and owners.
pub fn read(directory: &Path) -> Result<Cgroup> {
    let owner = |file: &str| Some((file.to_owned(), fs::metadata(directory.join(file)).ok()?.uid()));
    let files = ["."].into_iter().chain(CONTROL).chain(LIMITS);
    Ok(Cgroup { limits: limits(directory), owners: files.filter_map(owner).collect() })
}
