//! What was read, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use rustix::fs::{FileType, Stat, major, minor};

/// The kinds of namespaces, by their names in /proc/PID/ns.
pub const NAMESPACES: [&str; 8] = ["user", "pid", "net", "mnt", "ipc", "uts", "cgroup", "time"];

/// How many mounts of single files are looked at: a container that boots can make a hundred thousand.
pub const LOOKED_AT: usize = 1000;

/// Inode numbers of namespaces, by kind.
pub type Namespaces = BTreeMap<&'static str, u64>;

/// Everything about one running container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// All processes of the unit's cgroup, the main process first.
    pub processes: Vec<Process>,
    /// Processes in its PID namespace that are not in its unit.
    pub strays: Vec<Stray>,
    /// What PID 1 of the host has.
    pub host: Host,
    /// The other containers that run.
    pub neighbours: Vec<Neighbour>,
    /// /proc/PID/mountinfo of the main process.
    pub mounts: Vec<Mount>,
    /// What lies in the container's tree, by path: all of /dev, and what else was asked for.
    pub nodes: BTreeMap<String, NodeKind>,
    /// Which of the paths that were asked for this kernel has.
    pub kernel_paths: BTreeSet<String>,
    /// What the main process has open.
    pub open: Vec<Open>,
    /// The unit's control group.
    pub cgroup: Cgroup,
    /// What systemd says.
    pub unit: Unit,
    /// Interfaces in its network namespace; none if that is the host's.
    pub links: Vec<Link>,
}

/// One process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Process {
    /// Its number on the host.
    pub pid: i32,
    /// Its name, as it calls itself.
    pub command: String,
    /// Its user, as the host counts.
    pub uid: u64,
    /// Its namespaces.
    pub namespaces: Namespaces,
    /// /proc/PID/uid_map: first inside, first outside, count.
    pub uid_map: Vec<[u64; 3]>,
    /// /proc/PID/gid_map.
    pub gid_map: Vec<[u64; 3]>,
    /// Of all its threads together.
    pub capabilities: Capabilities,
    /// Every thread of it has it.
    pub no_new_privileges: bool,
    /// The mode of the thread that has the least, and the number of its filters where the kernel tells.
    pub seccomp: (u32, Option<u32>),
    /// The label of the security module, empty without one.
    pub label: String,
    /// Soft and hard limits by their names in /proc/PID/limits; none is no limit.
    pub limits: BTreeMap<String, (Option<u64>, Option<u64>)>,
}

/// The five sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// What can ever be had.
    pub bounding: u64,
    /// What can be put into effect.
    pub permitted: u64,
    /// What is in effect.
    pub effective: u64,
    /// What survives the execution of a file that asks for it.
    pub inheritable: u64,
    /// What survives any execution.
    pub ambient: u64,
}

/// A process that shares a container's namespaces and not its limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stray {
    /// Its number.
    pub pid: i32,
    /// Its name.
    pub command: String,
    /// Its cgroup.
    pub cgroup: String,
}

/// The host, by its PID 1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Host {
    /// Its namespaces.
    pub namespaces: Namespaces,
    /// What is inherited by everything.
    pub filters: u32,
    /// All that this kernel knows.
    pub capabilities: u64,
    /// Devices of its mounts.
    pub devices: BTreeSet<String>,
    /// Peer groups of its mounts.
    pub peers: BTreeSet<u64>,
}

/// Another container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Neighbour {
    /// Its name.
    pub name: String,
    /// Those of its main process.
    pub namespaces: Namespaces,
    /// Its ids.
    pub uid_map: Vec<[u64; 3]>,
    /// The container whose network it is declared to share.
    pub joins: Option<String>,
    /// That is the container in question.
    pub joins_this: bool,
}

/// A line of mountinfo, see proc_pid_mountinfo(5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mount {
    /// The mount's number.
    pub id: u64,
    /// The number of the mount that it lies on.
    pub parent: u64,
    /// major:minor.
    pub device: String,
    /// What of the file system is seen.
    pub root: String,
    /// Where.
    pub target: String,
    /// "ro", "nosuid"…
    pub options: BTreeSet<String>,
    /// The peer group that it belongs to.
    pub shared: Option<u64>,
    /// The peer group from which it gets what is mounted there.
    pub master: Option<u64>,
    /// The type of the file system.
    pub kind: String,
}

/// Kinds of files, devices with their numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NodeKind {
    /// A character device.
    Char(u32, u32),
    /// A block device.
    Block(u32, u32),
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A directory.
    Directory,
    /// A file with nothing in it.
    Empty,
    /// Anything else.
    #[default]
    Other,
}

impl NodeKind {
    /// What stat(2) says of it.
    pub fn of(stat: &Stat) -> Self {
        let device = (major(stat.st_rdev), minor(stat.st_rdev));
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice => Self::Char(device.0, device.1),
            FileType::BlockDevice => Self::Block(device.0, device.1),
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::RegularFile if stat.st_size == 0 => Self::Empty,
            FileType::Directory => Self::Directory,
            _ => Self::Other,
        }
    }
}

/// A file that the main process holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Open {
    /// "fd 3", "cwd", "root" or "exe".
    pub name: String,
    /// What the kernel calls it.
    pub path: String,
    /// What it is.
    pub kind: NodeKind,
    /// The mount that it was opened through, which need not be one of the container's.
    pub mount: u64,
}

/// The control group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// Limits by file name, where the controller is there.
    pub limits: BTreeMap<String, String>,
    /// Owners by file name, "." for the directory.
    pub owners: BTreeMap<String, u32>,
}

/// What systemd enforces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// DevicePolicy=.
    pub device_policy: String,
    /// DeviceAllow=, device and access.
    pub device_allow: Vec<(String, String)>,
    /// TasksMax= and the like, by name; none is no limit.
    pub limits: BTreeMap<&'static str, Option<u64>>,
}

/// An interface inside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Its name inside.
    pub name: String,
    /// "veth", "bridge"…; none for hardware and lo.
    pub kind: Option<String>,
    /// It leads to another network namespace.
    pub leads_out: bool,
    /// With prefixes.
    pub addresses: Vec<String>,
    /// Its other end, if that is on the host.
    pub host: Option<HostEnd>,
}

/// The end of a veth on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostEnd {
    /// Its name.
    pub name: String,
    /// The bridge that it is a port of.
    pub bridge: Option<String>,
    /// Flags of that port that are set.
    pub flags: Vec<String>,
}

impl Process {
    /// Whether it is root in its user namespace.
    pub fn is_root(&self) -> bool {
        self.uid_map.iter().any(|[inside, outside, count]| *inside == 0 && *count > 0 && *outside == self.uid)
    }

    /// As lines call it.
    pub fn shown(&self) -> String {
        format!("{} ({})", self.pid, self.command)
    }
}

impl Mount {
    /// Whether it has an option.
    pub fn has(&self, option: &str) -> bool {
        self.options.contains(option)
    }
}

impl Facts {
    /// The mount that is seen at a path. As the kernel walks: from the root, of the mounts on the one that was reached the
    /// nearest on the way, so that what a later mount hides is not taken for what is seen.
    pub fn mount_of(&self, path: &str) -> Option<&Mount> {
        let is_root = |mount: &&Mount| mount.target == "/" && !self.mounts.iter().any(|other| other.id == mount.parent);
        let mut reached = self.mounts.iter().find(is_root)?;
        // Each step goes to another mount: there are no more steps than mounts.
        for _ in 0..self.mounts.len() {
            let on_it =
                |mount: &&Mount| mount.parent == reached.id && mount.id != reached.id && is_below(path, &mount.target);
            match self.mounts.iter().filter(on_it).min_by_key(|mount| mount.target.trim_end_matches('/').len()) {
                Some(next) => reached = next,
                None => break,
            }
        }
        Some(reached)
    }

    /// What lies at a path, where that was looked at.
    pub fn node(&self, path: &str) -> Option<NodeKind> {
        self.nodes.get(path).copied()
    }

    /// The main process.
    pub fn main(&self) -> Option<&Process> {
        self.processes.first()
    }
}

/// Whether a path is `top` or lies below it.
pub fn is_below(path: &str, top: &str) -> bool {
    let top = top.trim_end_matches('/');
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
