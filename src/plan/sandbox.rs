//! What the runner builds around the payload.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Everything inside the unit but the disk and the wires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Which namespaces are its own.
    pub namespaces: Namespaces,
    /// The container whose network it shares.
    pub joins: Option<String>,
    /// The host name inside.
    pub hostname: String,
    /// The payload.
    pub process: Process,
    /// Who is PID 1.
    pub init: Init,
    /// When a start is over.
    pub ready: Ready,
    /// The payload may speak to systemd itself, and is to send WATCHDOG=1 this often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<Duration>,
    /// Declared mounts, and tmpfs on /tmp and /run where the disk is read-only.
    pub mounts: Vec<Mount>,
    /// Names of credentials, whose content only systemd and the payload have.
    pub credentials: Vec<String>,
    /// Device nodes of the host.
    pub devices: Vec<Device>,
    /// Paths made empty.
    pub masked: Vec<String>,
    /// Paths of the kernel made read-only.
    pub read_only: Vec<String>,
    /// Generated files, bound over those of the image.
    pub files: Vec<FileSource>,
    /// The zone that /etc/localtime becomes a link to.
    pub timezone: Option<String>,
    /// The FIFO of soute-log@.socket, which stands behind /dev/stdout and /dev/stderr: wherever fd 1 and 2 are the
    /// journal's sockets, which cannot be opened by name (ENXIO).
    pub log: Option<PathBuf>,
    /// Names with dots, and values; of the container's own namespaces.
    pub sysctls: Vec<(String, String)>,
    /// The signal that asks the payload to end.
    pub stop_signal: i32,
    /// What `reload` does.
    pub reload: Option<Reload>,
}

impl Sandbox {
    /// Whether the payload has a notify socket.
    pub fn notifies(&self) -> bool {
        self.ready == Ready::Notify || self.watchdog.is_some()
    }

    /// Where the credentials are, if there are any. A system that boots keeps those of its own units in /run/credentials, and
    /// takes ours from where systemd-nspawn has them.
    pub fn credentials_directory(&self) -> Option<&'static str> {
        match (self.credentials.is_empty(), self.init) {
            (true, _) => None,
            (false, Init::Image) => Some("/run/host/credentials"),
            (false, _) => Some("/run/credentials"),
        }
    }
}

/// Which namespaces are the container's own; the mount namespace always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// Own ids.
    pub user: bool,
    /// Own process ids.
    pub pid: bool,
    /// Own interfaces.
    pub network: bool,
    /// Own System V and POSIX queues.
    pub ipc: bool,
    /// Own host name.
    pub uts: bool,
    /// Own view of the control groups.
    pub cgroup: bool,
    /// Own boot clock.
    pub time: bool,
}

/// The payload's process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// The program and its arguments, as execve(2) gets them; the program is looked up in the container's PATH.
    pub argv: Vec<String>,
    /// The whole environment; nothing of the host's is added.
    pub environment: Vec<(String, String)>,
    /// "name", "1000" or "name:group", resolved inside.
    pub user: String,
    /// Supplementary groups, resolved inside.
    pub groups: Vec<String>,
    /// Where it starts.
    pub working_directory: String,
    /// The file mode creation mask.
    pub umask: u32,
    /// What root inside has, one bit a capability.
    pub capabilities: u64,
    /// Of these what the definition asks for by name: a user other than root has them, and no other.
    pub added_capabilities: u64,
    /// PR_SET_NO_NEW_PRIVS.
    pub no_new_privileges: bool,
    /// Which system calls it may make.
    pub seccomp: Seccomp,
    /// What security modules of the kernel confine it to.
    pub labels: Vec<SecurityLabel>,
    /// A pty of the caller's on stdin, stdout and stderr: it becomes the controlling terminal.
    pub terminal: bool,
}

/// The filter that the payload, what `exec` runs, and the reaper are held to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seccomp {
    /// None.
    Off,
    /// That of services, which is part of soute.
    Default,
    /// That of systems which boot, which is too.
    System,
    /// Of this container's own, see [`crate::seccomp`]: code, jt, jf and k of each instruction.
    Own(Vec<(u16, u8, u8, u32)>),
}

/// A name that a security module knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecurityLabel {
    /// A profile of AppArmor's.
    AppArmor(String),
    /// A context of SELinux's.
    SELinux(String),
}

/// Who is PID 1 in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// The payload itself.
    None,
    /// A tiny process of ours that reaps orphans and passes signals on.
    Reaper,
    /// The image's own init: the container boots.
    Image,
}

/// When a start is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// When execve(2) has succeeded.
    Exec,
    /// When the payload sends READY=1.
    Notify,
    /// When a check has succeeded.
    Healthy,
}

/// What `systemctl reload` does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reload {
    /// A signal to the payload.
    Signal(i32),
    /// A command inside, as `exec` runs one.
    Command(Vec<String>),
}

/// A device node of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The node on the host.
    pub source: PathBuf,
    /// Where, absolute and inside.
    pub target: String,
    /// The letters of DeviceAllow=.
    pub access: String,
    /// Its absence is no failure.
    pub optional: bool,
}

/// One mount in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// Where, absolute and inside.
    pub target: String,
    /// Flags of the mount.
    pub flags: MountFlags,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountSource {
    /// A directory or file of the host, or a named volume's directory.
    Bind {
        /// The path on the host.
        path: PathBuf,
        /// What to do where it is absent.
        missing: Missing,
        /// How its owners appear inside.
        ids: BindIds,
        /// With what is mounted below it.
        recursive: bool,
    },
    /// Memory, gone at stop.
    Tmpfs {
        /// Bytes; the kernel's default (half of memory) when absent.
        size: Option<u64>,
        /// Permission bits of its root.
        mode: u32,
    },
}

/// What to do where a bind's source is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// Refuse to start.
    Fail,
    /// Go on without the mount.
    Skip,
    /// Make a directory, owned by root.
    CreateDirectory,
}

/// How the owners of a bind's files appear inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BindIds {
    /// uid 33 is uid 33: an idmapped mount.
    Same,
    /// Our root is the source's owner.
    Owner,
    /// Not mapped: the files belong to nobody inside.
    None,
}

/// Flags of a mount; propagation is always private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MountFlags {
    /// No writes.
    pub read_only: bool,
    /// Set-user-id bits do nothing.
    pub nosuid: bool,
    /// Device nodes do nothing.
    pub nodev: bool,
    /// Nothing is executed.
    pub noexec: bool,
    /// Access times stay.
    pub noatime: bool,
}

/// A generated file, bound over one of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSource {
    /// Where, absolute and inside.
    pub target: String,
    /// What it holds.
    pub content: String,
    /// It continues what the image's file says.
    pub after_image: bool,
    /// It also says what others are called, which is kept up to date.
    #[serde(default)]
    pub kept: bool,
    /// It goes on with what leases say, see [`crate::instances::leases::with`].
    #[serde(default)]
    pub leased: bool,
}

#[cfg(test)]
impl Sandbox {
    /// The smallest sandbox, for tests of what is done with one.
    pub fn example() -> Self {
        let own = true;
        let namespaces = Namespaces { user: own, pid: own, network: own, ipc: own, uts: own, cgroup: own, time: own };
        let process = Process {
            argv: vec!["/bin/true".into()],
            environment: Vec::new(),
            user: "root".into(),
            groups: Vec::new(),
            working_directory: "/".into(),
            umask: 0o022,
            capabilities: 0,
            added_capabilities: 0,
            no_new_privileges: true,
            seccomp: Seccomp::Default,
            labels: Vec::new(),
            terminal: false,
        };
        Self {
            namespaces,
            joins: None,
            hostname: "example".into(),
            process,
            init: Init::None,
            ready: Ready::Exec,
            watchdog: None,
            mounts: Vec::new(),
            credentials: Vec::new(),
            devices: Vec::new(),
            masked: Vec::new(),
            read_only: Vec::new(),
            files: Vec::new(),
            timezone: None,
            log: None,
            sysctls: Vec::new(),
            stop_signal: 15,
            reload: None,
        }
    }
}
