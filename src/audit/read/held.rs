//! What the kernel holds a container to, and has given it: limits, links, routes, mounts. Of many containers in one go.

use std::collections::BTreeMap;
use std::path::Path;

use super::process::Proc;
use super::wires::{Wire, wires};
use super::{cgroup, tables};
use crate::audit::facts::Mount;
use crate::error::{Error, Exit, Result};

/// One container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Held {
    /// Files of its cgroup, where the controller is there.
    pub limits: BTreeMap<String, String>,
    /// Its links, if its network is its own.
    pub wires: Vec<Wire>,
    /// Its mounts.
    pub mounts: Vec<Mount>,
}

/// Reads it of the main process of a unit, which lies in `group`.
pub fn held(pid: i32, group: &Path, own_network: bool) -> Result<Held> {
    let proc = Proc::open(pid)?;
    // What is read of a number before it was opened may be another process's. A system that boots has groups below its unit's.
    let (own, unit) = (proc.cgroup()?, group.file_name().unwrap_or_default().to_string_lossy());
    if !own.split('/').any(|part| part == unit) {
        return Err(Error::new(Exit::NotRunning, "it does not run any more"));
    }
    let wires = if own_network { wires(&proc)? } else { Vec::new() };
    Ok(Held { limits: cgroup::limits(group), wires, mounts: tables::mounts(&proc.text("mountinfo")?) })
}
