//! What a container has of its own, and what it may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::definition::types::NetworkNamespace;
use crate::definition::types::{Capability, DroppedCapability, GuestPath, List, LsmLabel, MaskedPath, Syscall};

/// What the container has of its own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Namespaces {
    /// Its own network, the host's, or that of another container; only with its own there are links.
    pub network: NetworkNamespace,
    /// Its own range of 65536 ids, recorded and never shared, or the host's ids.
    pub user: UserNamespace,
    /// Processes.
    pub pid: Namespace,
    /// System V IPC and POSIX message queues.
    pub ipc: Namespace,
    /// Host name.
    pub uts: Namespace,
    /// The view of the cgroup tree.
    pub cgroup: Namespace,
    /// The monotonic clock and the boot clock.
    pub time: Namespace,
}

/// A namespace of its own, or the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// Its own.
    #[default]
    Private,
    /// The host's.
    Host,
}

/// Whose user ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UserNamespace {
    /// Its own range of 65536.
    #[default]
    Auto,
    /// The host's: root inside is root outside.
    Host,
}

/// What the payload may do.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Security {
    /// No program can gain privileges by being executed; true, but false for init = "image".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_new_privileges: Option<bool>,
    /// Changes to the eleven capabilities of root.
    pub capabilities: CapabilityChange,
    /// Which system calls the payload may make; "default", but "system" for init = "image".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp>,
    /// Calls that are open beside those, with any arguments.
    pub allow_syscalls: List<Syscall>,
    /// Files and directories made empty, besides those of the kernel that always are.
    pub mask: List<GuestPath>,
    /// Paths of the kernel that are left as they are, of those that are made empty or read-only.
    pub unmask: List<MaskedPath>,
    /// An AppArmor profile of the host that the payload runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<LsmLabel>,
    /// A SELinux context that the payload runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selinux: Option<LsmLabel>,
}

/// A profile: which system calls a payload may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Seccomp {
    /// Those that a service needs.
    Default,
    /// Those that a system needs which boots: namespaces and mounts of its own too.
    System,
    /// Every one.
    Off,
}

/// Changes to the capabilities of root in the container.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CapabilityChange {
    /// Given, after those of `drop` were taken.
    pub add: List<Capability>,
    /// Taken; "ALL" takes every one.
    pub drop: List<DroppedCapability>,
}
