//! What a container may have at most: the defaults that soute promises, and the words of its definition that weaken them.
//!
//! The lists are the audit's own, written down a second time on purpose.

use std::collections::BTreeMap;

use crate::definition::Definition;
use crate::definition::model::{
    self, DiskMode, Init, MountOption, MountType, Namespace, NetworkKind, NetworkNamespace, Seccomp, UserNamespace,
};
use crate::definition::types::{Account, Capability, CountOrShare, DroppedCapability, SizeOrShare};

/// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT, SETFCAP.
pub const CAPABILITIES: u64 = bits(&[0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31]);
/// What a system that boots has besides, within its own user namespace: DAC_READ_SEARCH, LINUX_IMMUTABLE, NET_BROADCAST,
/// NET_ADMIN, NET_RAW, IPC_OWNER, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, SYS_NICE, SYS_RESOURCE, SYS_TTY_CONFIG, MKNOD,
/// LEASE, AUDIT_WRITE.
pub const BOOT_CAPABILITIES: u64 = bits(&[2, 9, 11, 12, 13, 15, 19, 21, 22, 23, 24, 26, 27, 28, 29]);
/// CAP_SYS_ADMIN, with which one can mount.
pub const SYS_ADMIN: u64 = bits(&[21]);

/// Files and directories of the kernel that are to be empty; `cpu*` is each of the CPUs.
pub const MASKED: [&str; 18] = [
    "/proc/acpi",
    "/proc/apm",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    "/sys/devices/system/cpu/cpu*/thermal_throttle",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];

/// What else is to be empty where /sys is that of the host's network, and thus comes with the host's own mounts.
pub const MASKED_OF_HOST: [&str; 4] = ["/sys/fs/bpf", "/sys/fs/pstore", "/sys/kernel/debug", "/sys/kernel/tracing"];

/// What is to be read-only.
pub const READ_ONLY: [&str; 6] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/sys", "/sys/fs/cgroup"];

const fn bits(numbers: &[u32]) -> u64 {
    let (mut mask, mut index) = (0, 0);
    while index < numbers.len() {
        mask |= 1 << numbers[index];
        index += 1;
    }
    mask
}

/// The most that a container may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// It boots: root in it is an administrator of its own system.
    pub boots: bool,
    /// Credentials are declared.
    pub credentials: bool,
    /// Namespaces that are the host's by declaration: their names in /proc, and the words that declare them.
    pub shared: BTreeMap<&'static str, String>,
    /// The container whose network it has by declaration.
    pub joins: Option<String>,
    /// What may be in the bounding set.
    pub capabilities: u64,
    /// What of it is more than a container of its kind has by default.
    pub added: u64,
    /// What the definition adds by name, which another user than root has.
    pub named: u64,
    /// The payload is to be another user than root.
    pub unprivileged: bool,
    /// The words that allow new privileges, empty where init = "image" does so by itself.
    pub new_privileges: Option<String>,
    /// There is a filter of system calls.
    pub filtered: bool,
    /// The words that weaken or lift it.
    pub filter: Option<String>,
    /// The profile of AppArmor or the context of SELinux.
    pub label: Option<String>,
    /// Further paths that are to be empty.
    pub masked: Vec<String>,
    /// Paths of the kernel that are left as they are.
    pub unmasked: Vec<String>,
    /// Devices by their place inside: the node of the host, and what may be done with it.
    pub devices: BTreeMap<String, (String, String)>,
    /// The root is read-only.
    pub read_only: bool,
    /// Declared mounts.
    pub mounts: Vec<Mount>,
    /// Links by name.
    pub links: BTreeMap<String, Place>,
    /// Limits of the unit by the names that systemd has for them; none is no limit, a share of the host's is absent.
    pub limits: BTreeMap<&'static str, Option<u64>>,
    /// Hard limits of processes by their names in /proc/PID/limits, with the words that declare them.
    pub rlimits: BTreeMap<&'static str, (Option<u64>, Option<String>)>,
}

/// What a declared link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A veth with its other end in this bridge.
    Port(String),
    /// Of this kind, which leads to a link of the host.
    Child(&'static str),
    /// A network card.
    Device,
}

/// A declared mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub target: String,
    /// What else than the mount itself may lie below: a bind of a whole tree.
    pub recursive: bool,
    /// Options that it must have.
    pub options: Vec<&'static str>,
    /// Words that leave out one that is there by default.
    pub weaker: Option<String>,
}

impl Expected {
    /// Of a definition.
    pub fn of(definition: &Definition) -> Self {
        let boots = definition.init == Init::Image;
        let (capabilities, named, added) = capabilities(definition, boots);
        let new_privileges = match (definition.no_new_privileges(), definition.security.no_new_privileges) {
            (true, _) => None,
            (false, Some(_)) if !boots => Some("security.no-new-privileges = false".to_owned()),
            (false, _) => Some(String::new()),
        };
        let scratch = definition.disk.tmpfs.iter().filter(|_| definition.disk.mode == DiskMode::ReadOnly);
        let scratch = scratch.map(|target| Mount {
            target: target.to_string(),
            recursive: false,
            options: vec!["nosuid", "nodev"],
            weaker: None,
        });
        let declared: Vec<_> = definition.mount.iter().map(mount).collect();
        let is_declared = |target: &str| declared.iter().any(|mount: &Mount| mount.target == target);
        let scratch: Vec<_> = scratch.filter(|mount| !is_declared(&mount.target)).collect();
        Self {
            boots,
            credentials: !definition.credentials.is_empty(),
            shared: shared(&definition.namespaces),
            joins: definition.namespaces.network.container().map(ToString::to_string),
            capabilities,
            named,
            added,
            unprivileged: definition.user.as_ref().is_some_and(|user| !is_root(&user.user)),
            new_privileges,
            filtered: definition.seccomp() != Seccomp::Off,
            filter: filter(definition, boots),
            label: definition
                .security
                .apparmor
                .as_ref()
                .or(definition.security.selinux.as_ref())
                .map(ToString::to_string),
            masked: definition.security.mask.iter().map(ToString::to_string).collect(),
            unmasked: definition.security.unmask.iter().map(ToString::to_string).collect(),
            devices: definition.device.iter().map(device).collect(),
            read_only: definition.disk.mode == DiskMode::ReadOnly,
            mounts: scratch.into_iter().chain(declared).collect(),
            links: links(definition),
            limits: limits(definition),
            rlimits: rlimits(definition),
        }
    }
}

fn shared(own: &model::Namespaces) -> BTreeMap<&'static str, String> {
    let host = |namespace: Namespace| namespace == Namespace::Host;
    let list = [
        ("user", "user", own.user == UserNamespace::Host),
        ("pid", "pid", host(own.pid)),
        ("net", "network", own.network == NetworkNamespace::Host),
        ("ipc", "ipc", host(own.ipc)),
        ("uts", "uts", host(own.uts)),
        ("cgroup", "cgroup", host(own.cgroup)),
        ("time", "time", host(own.time)),
    ];
    let list = list.into_iter().filter(|(_, _, shared)| *shared);
    list.map(|(name, key, _)| (name, format!("namespaces.{key} = \"host\""))).collect()
}

/// What root may have; of it what is added by name, and what of that is more than by default.
fn capabilities(definition: &Definition, boots: bool) -> (u64, u64, u64) {
    let change = &definition.security.capabilities;
    let bit = |capability: Capability| 1 << capability.number();
    let usual = match boots && definition.namespaces.user == UserNamespace::Auto {
        true => CAPABILITIES | BOOT_CAPABILITIES,
        false => CAPABILITIES,
    };
    let dropped = change.drop.iter().fold(0, |all, dropped| {
        all | match dropped {
            DroppedCapability::All => u64::MAX,
            DroppedCapability::One(one) => bit(*one),
        }
    });
    let added = change.add.iter().fold(0, |all, one| all | bit(*one));
    (usual & !dropped | added, added, added & !usual)
}

fn is_root(user: &Account) -> bool {
    match user {
        Account::Id(id) => *id == 0,
        Account::Name(name) => name == "root",
    }
}

fn device(device: &model::Device) -> (String, (String, String)) {
    let source = device.source.to_string();
    let target = device.target.as_ref().map_or_else(|| source.clone(), ToString::to_string);
    (target, (source, device.access.to_string()))
}

fn filter(definition: &Definition, boots: bool) -> Option<String> {
    match definition.seccomp() {
        Seccomp::Off => return Some("security.seccomp = \"off\"".to_owned()),
        Seccomp::System if !boots => return Some("security.seccomp = \"system\"".to_owned()),
        Seccomp::System | Seccomp::Default => {}
    }
    let calls: Vec<_> = definition.security.allow_syscalls.iter().map(|call| format!("\"{call}\"")).collect();
    (!calls.is_empty()).then(|| format!("security.allow-syscalls = [{}]", calls.join(", ")))
}

fn mount(mount: &model::Mount) -> Mount {
    let mut options: Vec<&str> = Vec::new();
    options.extend(mount.read_only.then_some("ro"));
    let named = mount.options.iter().map(|option| match option {
        MountOption::Nosuid => "nosuid",
        MountOption::Nodev => "nodev",
        MountOption::Noexec => "noexec",
        MountOption::Noatime => "noatime",
    });
    options.extend(named);
    let missing: Vec<_> = ["nosuid", "nodev"].into_iter().filter(|option| !options.contains(option)).collect();
    let weaker =
        (!missing.is_empty()).then(|| format!("mount.options of {} without {}", mount.target, missing.join(", ")));
    let recursive = mount.r#type == MountType::Bind && mount.recursive;
    Mount { target: mount.target.to_string(), recursive, options, weaker }
}

fn links(definition: &Definition) -> BTreeMap<String, Place> {
    let link = |(index, network): (usize, &model::Network)| {
        let place = match network.kind {
            NetworkKind::Bridge => Place::Port(network.bridge.as_ref().map(ToString::to_string).unwrap_or_default()),
            NetworkKind::Macvlan | NetworkKind::Ipvlan => Place::Child(network.kind.as_str()),
            NetworkKind::Device => Place::Device,
        };
        (network.name(index).to_string(), place)
    };
    definition.network.iter().enumerate().map(link).collect()
}

fn limits(definition: &Definition) -> BTreeMap<&'static str, Option<u64>> {
    let limits = &definition.limits;
    let size = |size: SizeOrShare| match size {
        SizeOrShare::Size(bytes) => Some(Some(bytes)),
        SizeOrShare::Share(_) => None,
        SizeOrShare::Infinity => Some(None),
    };
    let tasks = match limits.tasks {
        CountOrShare::Count(count) => Some(Some(count)),
        CountOrShare::Share(_) => None,
        CountOrShare::Infinity => Some(None),
    };
    let cpus = limits.cpus.value().map(|cpus| u64::from(cpus.0) * 10_000);
    let list = [
        ("TasksMax", tasks),
        ("MemoryMax", size(limits.memory)),
        ("MemorySwapMax", size(definition.swap())),
        ("CPUQuotaPerSecUSec", Some(cpus)),
    ];
    list.into_iter().filter_map(|(name, limit)| Some((name, limit?))).collect()
}

/// Core dumps are off unless asked for; the other ones are what the definition says.
fn rlimits(definition: &Definition) -> BTreeMap<&'static str, (Option<u64>, Option<String>)> {
    let mut all = BTreeMap::from([("Max core file size", (Some(0), None))]);
    for (name, limit) in &definition.limits.rlimits {
        let shown = match name.as_str() {
            "core" => "Max core file size",
            "nofile" => "Max open files",
            "nproc" => "Max processes",
            "memlock" => "Max locked memory",
            "as" => "Max address space",
            "fsize" => "Max file size",
            _ => continue,
        };
        all.insert(shown, (limit.hard.value(), Some(format!("limits.rlimits.{}", name.as_str()))));
    }
    all
}
