//! Control groups: the kernel's wait before a process moves into one, and the unit's own, handed to a container that boots.
//!
//! cgroupfs cannot be idmapped, so the files that delegation is about change their owner (cgroups(7), "Cgroups v2
//! delegation"): the one exception to "never chown".

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use crate::error::{Context, Error, Result};
use crate::plan::IdRange;

/// Where cgroup2 is on every systemd host of today; on one with the hybrid hierarchy it lies a level deeper.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// Those of /sys/kernel/cgroup/delegate that an init writes to.
const DELEGATED: [&str; 3] = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];
/// Where the runner waits: an inner node with a process in it cannot enable controllers for its children (EBUSY).
const LEAF: &str = "soute-runner";

/// The directory of a cgroup path as /proc/PID/cgroup has it.
pub fn directory(path: &str) -> Result<PathBuf> {
    let candidates = MOUNTS.iter().map(|mount| PathBuf::from(format!("{mount}{path}")));
    let mut existing = candidates.filter(|directory| directory.join("cgroup.procs").exists());
    existing.next().ok_or_else(|| Error::failed(format!("cannot find cgroup {path}: is cgroup v2 mounted?")))
}

/// Takes the kernel's lock around moves between control groups, by moving this process to where it is. Whoever takes it
/// first after a pause waits for an RCU grace period, 10 ms and more (percpu_down_write() of the kernel). That would be
/// systemd, when it puts the runner into its group; so the wait begins now, beside all that comes before.
pub fn begin_to_wait() {
    std::thread::spawn(|| -> Option<()> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        fs::write(directory(own).ok()?.join("cgroup.procs"), "0").ok()
    });
}

/// Gives our own unit's cgroup to the container's root, and steps aside. The payload is in it already.
pub fn hand_over(ids: Option<IdRange>) -> Result<()> {
    let groups = fs::read_to_string("/proc/self/cgroup").context("cannot read /proc/self/cgroup")?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let unit = directory(path.ok_or_else(|| Error::failed("this process is in no cgroup"))?)?;
    let leaf = unit.join(LEAF);
    let step_aside = || -> std::io::Result<()> {
        match fs::create_dir(&leaf) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        fs::write(leaf.join("cgroup.procs"), "0")
    };
    step_aside().with_context(|| format!("cannot enter {}", leaf.display()))?;
    let Some(IdRange { first }) = ids else { return Ok(()) };
    let files = DELEGATED.iter().map(|file| unit.join(file));
    for path in std::iter::once(unit.clone()).chain(files) {
        chown(&path, Some(first), Some(first)).with_context(|| format!("cannot delegate {}", path.display()))?;
    }
    Ok(())
}
