//! What a definition gives up of the isolation that a container has without saying anything: one list, of which `check`
//! warns and which `list` shows.

use std::path::PathBuf;

use super::Definition;
use super::model::{Init, Namespace, NetworkNamespace, Seccomp, UserNamespace};
use super::types::{Account, Capability};
use crate::seccomp::{Action, Rules};

/// One of them; an index is that of the list in the definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weakening {
    /// A namespace is the host's: the key in `[namespaces]`.
    HostNamespace(&'static str),
    /// More than a container has by default.
    Capability(usize, Capability),
    /// Every system call, or those that only a system that boots needs.
    Seccomp(Seccomp),
    /// A system call with more arguments, or at all.
    Syscall(usize, String, Action),
    /// Set-user-ID bits work, and it is no system that boots.
    NewPrivileges,
    /// It may speak to PID 1 of the host.
    Watchdog,
    /// A device of the host.
    Device(usize, String),
    /// A path of the kernel that is masked or read-only by default.
    Unmasked(usize, &'static str),
    /// A writable bind that other users of the host can reach, where set-user-ID bits work.
    ExposedBind(usize, PathBuf),
}

impl Definition {
    /// All of them but for binds, of which only the host can tell; see [`exposed_binds`](Self::exposed_binds).
    pub fn weakenings(&self) -> Vec<Weakening> {
        let mut list = self.host_namespaces();
        let usual = self.usual_capabilities();
        let added = self.security.capabilities.add.iter().enumerate();
        let more = added.filter(|(_, added)| !usual.contains(**added) || !self.runs_as_root());
        list.extend(more.map(|(index, added)| Weakening::Capability(index, *added)));
        if self.security.no_new_privileges == Some(false) && self.init != Init::Image {
            list.push(Weakening::NewPrivileges);
        }
        list.extend(self.more_system_calls());
        list.extend(self.watchdog.value().map(|_| Weakening::Watchdog));
        let devices = self.device.iter().enumerate();
        list.extend(devices.map(|(index, device)| Weakening::Device(index, device.source.to_string())));
        let unmasked = self.security.unmask.iter().enumerate();
        list.extend(unmasked.map(|(index, path)| Weakening::Unmasked(index, path.as_str())));
        list
    }

    fn more_system_calls(&self) -> Vec<Weakening> {
        let (profile, boots) = (self.seccomp(), self.init == Init::Image);
        let standard = match profile {
            Seccomp::Off => return vec![Weakening::Seccomp(profile)],
            Seccomp::System => Rules::SYSTEM,
            Seccomp::Default => Rules::DEFAULT,
        };
        let whole = (profile == Seccomp::System && !boots).then_some(Weakening::Seccomp(profile));
        let allowed = self.security.allow_syscalls.iter().enumerate();
        let more = allowed.filter_map(|(index, call)| match standard.action(call.as_str()) {
            Action::Allow => None,
            action => Some(Weakening::Syscall(index, call.to_string(), action)),
        });
        whole.into_iter().chain(more).collect()
    }

    fn host_namespaces(&self) -> Vec<Weakening> {
        let n = &self.namespaces;
        let host = |namespace: Namespace| namespace == Namespace::Host;
        let all = [
            ("network", n.network == NetworkNamespace::Host),
            ("user", n.user == UserNamespace::Host),
            ("pid", host(n.pid)),
            ("ipc", host(n.ipc)),
            ("uts", host(n.uts)),
            ("cgroup", host(n.cgroup)),
            ("time", host(n.time)),
        ];
        all.into_iter().filter(|(_, is_host)| *is_host).map(|(key, _)| Weakening::HostNamespace(key)).collect()
    }

    /// As far as can be told without the image: a name may have the id 0 there, and "root" another.
    pub(crate) fn runs_as_root(&self) -> bool {
        self.user.as_ref().is_none_or(|user| match &user.user {
            Account::Id(id) => *id == 0,
            Account::Name(name) => name == "root",
        })
    }
}

impl Weakening {
    /// The key that says so, step by step.
    pub fn path(&self) -> Vec<String> {
        let index;
        let steps: &[&str] = match self {
            Self::HostNamespace(key) => &["namespaces", key],
            Self::Seccomp(_) => &["security", "seccomp"],
            Self::Syscall(at, ..) => {
                index = at.to_string();
                &["security", "allow-syscalls", &index]
            }
            Self::NewPrivileges => &["security", "no-new-privileges"],
            Self::Watchdog => &["watchdog"],
            Self::Capability(at, _) => {
                index = at.to_string();
                &["security", "capabilities", "add", &index]
            }
            Self::Device(at, _) => {
                index = at.to_string();
                &["device", &index, "source"]
            }
            Self::Unmasked(at, _) => {
                index = at.to_string();
                &["security", "unmask", &index]
            }
            Self::ExposedBind(at, _) => {
                index = at.to_string();
                &["mount", &index, "source"]
            }
        };
        steps.iter().map(|step| (*step).to_owned()).collect()
    }

    /// In the list of `list` and `status`.
    pub fn word(&self) -> String {
        match self {
            Self::HostNamespace(key) => format!("the host's {key} namespace"),
            Self::Capability(_, capability) => format!("{capability} added"),
            Self::Seccomp(Seccomp::Off) => "no seccomp filter".to_owned(),
            Self::Seccomp(_) => "the system calls of a system".to_owned(),
            Self::Syscall(_, call, _) => format!("system call {call}"),
            Self::NewPrivileges => "new privileges allowed".to_owned(),
            Self::Watchdog => "systemd's notify socket".to_owned(),
            Self::Device(_, path) => format!("device {path}"),
            Self::Unmasked(_, path) => format!("{path} unmasked"),
            Self::ExposedBind(_, path) => format!("{} shared with other users", path.display()),
        }
    }

    /// What it means.
    pub fn message(&self) -> String {
        match self {
            Self::HostNamespace(key) => match *key {
                "network" => "the container sees and uses every link and port of the host",
                "user" => "root in the container is root of the host",
                "pid" => "the container sees every process of the host",
                "ipc" => "the container shares memory and semaphores with the host",
                "uts" => "the container shares the host's name",
                "cgroup" => "the container sees the host's cgroup tree",
                _ => "the container shares the host's clocks",
            }
            .to_owned(),
            Self::Capability(_, capability) => format!("{capability} is more than a container has by default"),
            Self::Seccomp(Seccomp::Off) => "the payload can make every system call of the host's kernel".to_owned(),
            Self::Seccomp(_) => {
                "the payload can make namespaces and mounts, which only a system that boots needs".to_owned()
            }
            Self::Syscall(_, call, Action::Refuse(_)) => format!("{call} is refused by default"),
            Self::Syscall(_, call, _) => format!("{call} is let through with every argument"),
            Self::NewPrivileges => "programs with set-user-ID bits can gain privileges".to_owned(),
            Self::Watchdog => {
                "every process in the container can send messages to the host's systemd, about its own unit, as \
                               long as it runs"
                    .to_owned()
            }
            Self::Device(_, path) => format!("the container uses the host's device {path}"),
            Self::Unmasked(_, path) => format!("the container gets at {path} of the kernel"),
            Self::ExposedBind(_, path) => {
                format!("other users of the host can run what the container writes to {}", path.display())
            }
        }
    }

    /// What would do without it.
    pub fn help(&self) -> Option<&'static str> {
        matches!(self, Self::ExposedBind(..))
            .then_some("chmod o-x a directory above it, mount its file system with nosuid, or add read-only = true")
    }
}
