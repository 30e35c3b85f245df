//! One container as its user defined it. The documentation of each field is its description in the JSON Schema; where
//! a default depends on another key, the field is an `Option` and a method of the same name answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::types::{
    Account, Address, CapabilitySet, CredentialName, Dependency, EnvironmentFile, EnvironmentName, GuestPath, Hostname,
    Limit, List, Mode, Name, Signal, SizeOrShare, Span, StringList, SysctlName, Text, Timezone, UnitText, UserSpec,
    VariableName,
};

mod credential;
mod device;
mod image;
mod health;
mod isolation;
mod lifecycle;
mod limits;
mod mount;
mod network;
mod publish;
mod systemd;

pub use credential::Credential;
pub use device::{Device, MissingDevice};
pub use health::{Health, OnFailure};
pub use image::{Image, Pull};
pub use isolation::{CapabilityChange, Namespace, Namespaces, NetworkNamespace, Seccomp, Security, UserNamespace};
pub use lifecycle::{Init, Log, LogOutput, Ready, Reload, Restart, RestartPolicy, Stop};
pub use limits::{DeviceLimit, Limits};
pub use mount::{Disk, DiskMode, MissingSource, Mount, MountIds, MountOption, MountType};
pub use network::{Dns, Network, NetworkKind, Route};
pub use publish::{Protocol, Publish};
pub use systemd::DirectiveValue;

/// A container of soute: /etc/soute/containers/NAME.toml, see soute.toml(5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "soute container, schema 1")]
pub struct Definition {
    /// The version of this format.
    #[serde(default = "newest")]
    #[schemars(range(min = 1, max = 1))]
    pub schema: u32,
    /// A line about the container; its name if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<UnitText>,
    /// Words of your own, shown in --json and by list --label, never interpreted.
    #[serde(default)]
    pub labels: BTreeMap<Text, Text>,

    /// The image in the store that the container's disk is a copy of: its name, or a table with where it is from.
    pub image: Image,
    /// The program and its first arguments, before `command`; the image's. Setting it drops the image's command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<StringList>,
    /// The arguments, or the program and its arguments where there is no entrypoint. No shell, no expansion; looked up
    /// in the container's PATH; the image's if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<Text>>,
    /// Environment variables, over those of the files, over those of the image.
    #[serde(default)]
    pub environment: BTreeMap<EnvironmentName, Text>,
    /// Files of KEY=value lines, read when the container starts. With a leading "-" the file may be missing.
    #[serde(default)]
    pub environment_files: List<EnvironmentFile>,
    /// Who the payload runs as: "name", "1000" or "name:group", resolved inside; the image's, else root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserSpec>,
    /// Supplementary groups, resolved inside.
    #[serde(default)]
    pub groups: List<Account>,
    /// Where the payload starts; the image's, else "/".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<GuestPath>,
    /// The file mode creation mask, an octal string.
    #[serde(default = "usual_umask")]
    pub umask: Mode,
    /// The host name inside; the container's name if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Hostname>,
    /// "local" or a zone such as "Europe/Paris": sets TZ and /etc/localtime; if not given, the image's are left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<Timezone>,
    /// What is PID 1: "none" is the payload itself, "reaper" a tiny init before it, "image" the image's own init.
    #[serde(default)]
    pub init: Init,
    /// When the container counts as started: "exec" once the program runs, "notify" once it sends READY=1, "healthy" once its check
    /// has succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// Time to be ready, after the copy of the image, which has as long as it takes.
    #[serde(default = "usual_start_timeout")]
    pub start_timeout: Limit<Span>,
    /// The program sends WATCHDOG=1 this often, or has failed.
    #[serde(default, skip_serializing_if = "is_unlimited")]
    pub watchdog: Limit<Span>,

    /// Start at boot.
    #[serde(default)]
    pub autostart: bool,
    /// Started before this one, which cannot start without them and is stopped with them. Anything with a dot is a unit
    /// of the host.
    #[serde(default)]
    pub requires: List<Dependency>,
    /// Started before this one, which goes on without them.
    #[serde(default)]
    pub wants: List<Dependency>,
    /// Only order: if they start at all, they start before this one.
    #[serde(default)]
    pub after: List<Dependency>,

    /// The group whose limits it shares, those of /etc/soute/groups/GROUP.toml: it runs in soute-GROUP.slice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Name>,
    /// How many containers this definition makes: NAME-1, NAME-2 and so on. Without the key one, NAME.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<u32>,
    /// Only if there is this table, ${name} in a string is the value of that name, and $${ the two characters. Built in are
    /// name, n (the number of a replica) and host.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<VariableName, Text>,

    /// The container's own copy of the image.
    #[serde(default)]
    pub disk: Disk,
    /// What the container may use at most.
    #[serde(default)]
    pub limits: Limits,
    /// The links: eth0, eth1, … in this order. With none there is only lo.
    #[serde(default)]
    pub network: Vec<Network>,
    /// What the container has of its own. Weakening one is shown by list and check.
    #[serde(default)]
    pub namespaces: Namespaces,
    /// /etc/resolv.conf.
    #[serde(default)]
    pub dns: Dns,
    /// Lines of /etc/hosts: a name and its address or addresses.
    #[serde(default)]
    pub hosts: BTreeMap<Hostname, List<Address>>,
    /// Kernel parameters of the container's own namespaces.
    #[serde(default)]
    pub sysctl: BTreeMap<SysctlName, Text>,
    /// Ports of the host that lead into the container.
    #[serde(default)]
    pub publish: Vec<Publish>,
    /// What else is mounted, by depth of the path.
    #[serde(default)]
    pub mount: Vec<Mount>,
    /// Secrets, by their names: files in /run/credentials that the payload's user alone can read, never in the environment.
    #[serde(default)]
    pub credentials: BTreeMap<CredentialName, Credential>,
    /// Device nodes of the host that the payload may use.
    #[serde(default)]
    pub device: Vec<Device>,
    /// How to tell whether it does what it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// What happens when the payload ends.
    #[serde(default)]
    pub restart: Restart,
    /// How the payload is asked to end.
    #[serde(default)]
    pub stop: Stop,
    /// What `systemctl reload` does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reload>,
    /// Where standard output and standard error go.
    #[serde(default)]
    pub log: Log,
    /// What the payload may do. Safe without this table.
    #[serde(default)]
    pub security: Security,
    /// Further directives of the unit, by their names in unit files.
    #[serde(default)]
    pub systemd: BTreeMap<String, DirectiveValue>,
}

fn newest() -> u32 {
    super::SCHEMA
}

fn usual_umask() -> Mode {
    Mode(0o022)
}

/// What a container that was started before there was the key has, too.
fn is_unlimited(limit: &Limit<Span>) -> bool {
    limit.value().is_none()
}

fn usual_start_timeout() -> Limit<Span> {
    Limit::Value(Span::seconds(90))
}

impl Definition {
    /// `requires`, and whose network it shares.
    pub fn required(&self) -> Vec<Dependency> {
        let other = self.namespaces.network.container().map(|name| Dependency::Container(name.clone()));
        let other = other.filter(|other| !self.requires.contains(other));
        self.requires.iter().cloned().chain(other).collect()
    }

    /// A container of that image with every key at its default.
    pub fn new(image: Name) -> Self {
        Self {
            schema: newest(),
            description: None,
            labels: BTreeMap::new(),
            image: Image::named(image),
            entrypoint: None,
            command: None,
            environment: BTreeMap::new(),
            environment_files: List::default(),
            user: None,
            groups: List::default(),
            working_directory: None,
            umask: usual_umask(),
            hostname: None,
            timezone: None,
            init: Init::default(),
            ready: None,
            start_timeout: usual_start_timeout(),
            watchdog: Limit::Infinity,
            autostart: false,
            requires: List::default(),
            wants: List::default(),
            after: List::default(),
            group: None,
            replicas: None,
            variables: BTreeMap::new(),
            disk: Disk::default(),
            limits: Limits::default(),
            network: Vec::new(),
            namespaces: Namespaces::default(),
            dns: Dns::default(),
            hosts: BTreeMap::new(),
            sysctl: BTreeMap::new(),
            publish: Vec::new(),
            mount: Vec::new(),
            credentials: BTreeMap::new(),
            device: Vec::new(),
            health: None,
            restart: Restart::default(),
            stop: Stop::default(),
            reload: None,
            log: Log::default(),
            security: Security::default(),
            systemd: BTreeMap::new(),
        }
    }

    /// `ready`; a system that boots says itself when it is up.
    pub fn ready(&self) -> Ready {
        self.ready.unwrap_or(if self.init == Init::Image { Ready::Notify } else { Ready::Exec })
    }

    /// `stop.signal`; systemd as PID 1 shuts down at SIGRTMIN+3 and re-executes itself at SIGTERM.
    pub fn stop_signal(&self) -> Signal {
        self.stop.signal.unwrap_or(if self.init == Init::Image { Signal::HALT } else { Signal::TERM })
    }

    /// `stop.timeout`; the services of a system that boots get longer.
    pub fn stop_timeout(&self) -> Limit<Span> {
        let seconds = if self.init == Init::Image { 90 } else { 30 };
        self.stop.timeout.unwrap_or(Limit::Value(Span::seconds(seconds)))
    }

    /// `security.no-new-privileges`; sudo and su of a system that boots need them.
    pub fn no_new_privileges(&self) -> bool {
        self.security.no_new_privileges.unwrap_or(self.init != Init::Image)
    }

    /// `security.seccomp`; a system that boots makes namespaces and mounts for its services.
    pub fn seccomp(&self) -> Seccomp {
        let usual = if self.init == Init::Image { Seccomp::System } else { Seccomp::Default };
        self.security.seccomp.unwrap_or(usual)
    }

    /// What root in the container has if `security.capabilities` says nothing.
    pub fn usual_capabilities(&self) -> CapabilitySet {
        // Beyond the eleven they mean something only within ids of its own.
        match self.init == Init::Image && self.namespaces.user == UserNamespace::Auto {
            true => CapabilitySet::of_a_system(),
            false => CapabilitySet::base(),
        }
    }

    /// What root in the container has.
    pub fn capabilities(&self) -> CapabilitySet {
        let change = &self.security.capabilities;
        self.usual_capabilities().changed(&change.add, &change.drop)
    }

    /// Whether the host asks a DHCP server for addresses of its.
    pub fn is_leased(&self) -> bool {
        self.init != Init::Image && self.network.iter().any(Network::asks_dhcp)
    }

    /// `limits.swap`; as much as memory, so that "256M" is not a hog with gigabytes of swap.
    pub fn swap(&self) -> SizeOrShare {
        self.limits.swap.unwrap_or(self.limits.memory)
    }
}
