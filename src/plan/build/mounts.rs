//! What is mounted over the root, and the files that are generated for it.

use std::net::IpAddr;
use std::path::Path;

use super::super::{BindIds, Device, Facts, FileSource, Missing, Mount, MountFlags, MountSource};
use crate::definition::Definition;
use crate::definition::model::{
    self, DiskMode, Init, MissingDevice, MissingSource, MountIds, MountOption, MountType, NetworkNamespace,
};
use crate::definition::types::{self, MASKED, READ_ONLY};

/// Declared mounts, and memory where a read-only disk must be writable.
pub fn mounts(definition: &Definition, facts: &Facts) -> Vec<Mount> {
    let beside = facts.definition.as_deref().and_then(Path::parent).unwrap_or(Path::new("/"));
    let declared = definition.mount.iter().map(|mount| declared(mount, beside, facts));
    let scratch = definition.disk.tmpfs.iter().filter(|_| definition.disk.mode == DiskMode::ReadOnly);
    let is_declared = |target: &str| definition.mount.iter().any(|mount| mount.target.as_str() == target);
    let scratch = scratch.filter(|target| !is_declared(target.as_str())).map(|target| tmpfs(target.as_str()));
    scratch.chain(declared).collect()
}

fn tmpfs(target: &str) -> Mount {
    // Every user of a system writes to these two.
    let mode = if matches!(target, "/tmp" | "/var/tmp") { 0o1777 } else { 0o755 };
    let flags = MountFlags { nosuid: true, nodev: true, ..MountFlags::default() };
    Mount { source: MountSource::Tmpfs { size: None, mode }, target: target.to_owned(), flags }
}

fn declared(mount: &model::Mount, beside: &Path, facts: &Facts) -> Mount {
    let source = match (mount.r#type, &mount.source) {
        (MountType::Tmpfs, _) | (_, None) => MountSource::Tmpfs { size: Some(mount.size.0), mode: mount.mode.0 },
        (_, Some(types::MountSource::Volume(name))) => MountSource::Bind {
            path: facts.layout.volumes().join(name),
            missing: Missing::Fail,
            ids: BindIds::Same,
            recursive: false,
        },
        (_, Some(types::MountSource::Path(path))) => MountSource::Bind {
            path: path.resolve(beside),
            missing: match mount.missing {
                MissingSource::Fail => Missing::Fail,
                MissingSource::Skip => Missing::Skip,
                MissingSource::CreateDirectory => Missing::CreateDirectory,
            },
            ids: match mount.ids {
                MountIds::Same => BindIds::Same,
                MountIds::Owner => BindIds::Owner,
                MountIds::None => BindIds::None,
            },
            recursive: mount.recursive,
        },
    };
    Mount { source, target: mount.target.to_string(), flags: flags(mount) }
}

/// Nodes of the host.
pub fn devices(definition: &Definition) -> Vec<Device> {
    let device = |device: &model::Device| Device {
        source: device.source.as_str().into(),
        target: device.target().to_owned(),
        access: device.access.to_string(),
        optional: device.missing == MissingDevice::Skip,
    };
    definition.device.iter().map(device).collect()
}

/// What the host has mounted in its own sysfs, which a container on its network gets as it is.
const SHARED: [&str; 4] = ["/sys/fs/bpf", "/sys/fs/pstore", "/sys/kernel/debug", "/sys/kernel/tracing"];

/// What is made empty: of the kernel what nobody unmasks, and what the definition says.
pub fn masked(definition: &Definition) -> Vec<String> {
    let shared = SHARED.into_iter().filter(|_| definition.namespaces.network != NetworkNamespace::Private);
    let kernel = kept(&MASKED, definition).chain(shared).map(str::to_owned);
    kernel.chain(definition.security.mask.iter().map(ToString::to_string)).collect()
}

/// What of the kernel's is made read-only.
pub fn read_only(definition: &Definition) -> Vec<String> {
    kept(&READ_ONLY, definition).map(str::to_owned).collect()
}

fn kept(paths: &[&'static str], definition: &Definition) -> impl Iterator<Item = &'static str> {
    let unmask = &definition.security.unmask;
    paths.iter().copied().filter(|path| !unmask.iter().any(|unmasked| unmasked.as_str() == *path))
}

fn flags(mount: &model::Mount) -> MountFlags {
    let has = |option| mount.options.contains(&option);
    MountFlags {
        read_only: mount.read_only,
        nosuid: has(MountOption::Nosuid),
        nodev: has(MountOption::Nodev),
        noexec: has(MountOption::Noexec),
        noatime: has(MountOption::Noatime),
    }
}

/// /etc/hosts, /etc/resolv.conf and, for a system that boots, /etc/hostname, from which it would take another name.
pub fn files(definition: &Definition, facts: &Facts) -> Vec<FileSource> {
    let hostname = super::hostname(definition, facts);
    let mut files = Vec::new();
    let bridged = definition.network.iter().any(|network| network.bridge.is_some());
    let covered = is_covered(definition, "/etc/hosts");
    if (bridged && !covered) || !definition.hosts.is_empty() {
        let kept = bridged && !covered;
        let content = hosts(definition, (!kept).then_some(&hostname));
        files.push(FileSource { kept, after_image: true, ..generated("/etc/hosts", content) });
    }
    files.extend(resolver(definition, facts));
    if definition.init == Init::Image {
        files.push(generated("/etc/hostname", format!("{hostname}\n")));
    }
    files
}

fn generated(target: &str, content: String) -> FileSource {
    FileSource { target: target.to_owned(), content, after_image: false, kept: false, leased: false }
}

fn is_covered(definition: &Definition, target: &str) -> bool {
    definition.mount.iter().any(|mount| mount.target.as_str() == target)
}

/// Its own names as well, where they are not among those of all on its bridges.
fn hosts(definition: &Definition, hostname: Option<&String>) -> String {
    let own = definition.network.iter().flat_map(|network| network.addresses());
    let own = own.filter_map(|cidr| Some(format!("{}\t{}\n", cidr.address, hostname?)));
    let named = definition.hosts.iter();
    let named = named.flat_map(|(name, list)| list.iter().map(move |address| format!("{}\t{name}\n", address.0)));
    own.chain(named).collect()
}

/// /etc/resolv.conf, if it is not the image's.
fn resolver(definition: &Definition, facts: &Facts) -> Option<FileSource> {
    const TARGET: &str = "/etc/resolv.conf";
    let dns = &definition.dns;
    let servers: Vec<_> = dns.servers().iter().flat_map(|server| server.addresses(&facts.resolvers)).collect();
    if !servers.is_empty() {
        return Some(generated(TARGET, resolv_conf(&servers, dns)));
    }
    let leased = dns.servers.is_none() && definition.is_leased() && !is_covered(definition, TARGET);
    leased.then(|| FileSource { leased, ..generated(TARGET, LEASED.to_owned() + &resolv_conf(&[], dns)) })
}

/// Who reads it finds out whose words follow.
const LEASED: &str = "# What DHCP servers say, kept up to date by soute:\n";

fn resolv_conf(servers: &[IpAddr], dns: &model::Dns) -> String {
    let servers = servers.iter().map(|server| format!("nameserver {server}\n"));
    let line = |word: &str, list: &[types::Text]| {
        let words: Vec<_> = list.iter().map(|text| text.as_str()).collect();
        (!words.is_empty()).then(|| format!("{word} {}\n", words.join(" ")))
    };
    servers.chain(line("search", &dns.search)).chain(line("options", &dns.options)).collect()
}
