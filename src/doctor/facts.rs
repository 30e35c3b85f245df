//! What was read of the host, as plain data. None is what could not be read.

use std::collections::BTreeMap;

/// Everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The kernel.
    pub kernel: Kernel,
    /// Sysctls by their paths below /proc/sys, where they are there and a number.
    pub sysctls: BTreeMap<String, u64>,
    /// The control groups.
    pub cgroups: Cgroups,
    /// systemd, and what belongs to it.
    pub systemd: Systemd,
    /// The file system that the store is, or will be, on.
    pub store: Store,
    /// Who drops what the host forwards: the chains.
    pub forward_drops: Vec<String>,
    /// What networkd is configured to do with our ports.
    pub networkd: Networkd,
    /// Definitions.
    pub definitions: Definitions,
}

/// The kernel.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kernel {
    /// As uname(1) has it.
    pub release: String,
    /// Its options that matter, where its configuration can be read: "y", "m", "m, not installed" or "n".
    pub options: BTreeMap<&'static str, String>,
    /// System calls that fail, and how.
    pub failing_calls: BTreeMap<&'static str, String>,
    /// /proc/sys/kernel/seccomp/actions_avail.
    pub seccomp: Option<String>,
}

/// The control groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cgroups {
    /// /sys/fs/cgroup is a cgroup2 file system.
    pub unified: bool,
    /// The controllers that the root has.
    pub controllers: Vec<String>,
    /// It is mounted with favordynmods.
    pub favors_changes: bool,
}

/// systemd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Systemd {
    /// Its version, or why it cannot be asked.
    pub version: Option<Result<u32, String>>,
    /// Services that filter packets, and run.
    pub firewalls: Vec<String>,
    /// Programs that features need, and that are not there.
    pub missing_programs: Vec<&'static str>,
}

/// The store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Store {
    /// Its path.
    pub path: String,
    /// The nearest directory on the way to it that exists.
    pub exists: bool,
    /// The type of its file system.
    pub kind: String,
    /// noexec, nosuid and ro, where set.
    pub options: Vec<&'static str>,
    /// Bytes: free, and in all.
    pub space: (u64, u64),
    /// Files: free, and in all; 0 in all where the file system makes them as needed.
    pub inodes: (u64, u64),
    /// It shares blocks between files.
    pub reflink: Option<bool>,
    /// An idmapped mount of it can be made, or why not.
    pub idmapped: Option<Result<(), String>>,
    /// Directories that others than root can look into, or that are another's.
    pub open: Vec<String>,
}

/// networkd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networkd {
    /// It runs.
    pub runs: bool,
    /// The .network file that a port of ours is configured by, and whether that is systemd's own for such links.
    pub takes_ports: Option<(String, bool)>,
}

/// Definitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definitions {
    /// How many there are.
    pub count: u64,
    /// Those that cannot be started, by name.
    pub faulty: Vec<String>,
}
