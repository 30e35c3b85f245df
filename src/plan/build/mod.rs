//! Definition and facts become a plan: a pure function, a file for each part of what it makes.

mod environment;
mod health;
mod limits;
pub mod links;
mod mounts;
pub mod publish;
mod seccomp;
mod service;

pub use service::slice;

use super::{
    Disk, DiskKind, DiskMode, Facts, IdRange, ImageReference, Init, Namespaces, Plan, Process, Ready, Reload, Sandbox,
    SecurityLabel, Unit,
};
use crate::definition::model::{self, LogOutput, Namespace, NetworkNamespace, UserNamespace};
use crate::definition::types::ByteSize;
use crate::definition::{Definition, Weakening};
use crate::error::{Error, Exit, Result};

use sha2::{Digest, Sha256};

impl Plan {
    /// What the definition means on this host.
    pub fn build(definition: &Definition, facts: &Facts) -> Result<Self> {
        let sandbox = sandbox(definition, facts)?;
        let publish = publish::publish(definition, &facts.name, facts.ipv6);
        Ok(Self {
            version: super::VERSION,
            name: facts.name.clone(),
            image: ImageReference { name: definition.image.to_string(), digest: facts.image.digest.clone() },
            definition: facts.definition.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            fingerprint: fingerprint(definition, &facts.image_environment),
            labels: definition.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            weakened: weakened(definition, facts),
            ephemeral: false,
            unit: service::unit(definition, facts, &sandbox, &publish)?,
            slice: slice_of(definition, facts),
            disk: disk(definition, facts)?,
            links: links::links(definition, facts),
            publish,
            health: definition.health.as_ref().map(health::health),
            sandbox,
        })
    }
}

/// The slice of the container's group.
fn slice_of(definition: &Definition, facts: &Facts) -> Option<Unit> {
    let (name, group) = (definition.group.as_ref()?, facts.group.as_ref()?);
    Some(slice(name, group, &facts.measure(&facts.layout.groups())))
}

/// Of everything that a container is made from, but for files that the definition only names; how many others there are,
/// and what is replaced already, it is not made from.
pub fn fingerprint(definition: &Definition, image_environment: &[(String, String)]) -> String {
    let definition = Definition { replicas: None, variables: Default::default(), ..definition.clone() };
    // Only a map with keys that are not strings cannot be written, and there is none.
    let text = serde_json::to_string(&(definition, image_environment)).unwrap_or_default();
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn disk(definition: &Definition, facts: &Facts) -> Result<Disk> {
    let mode = match definition.disk.mode {
        model::DiskMode::Keep => DiskMode::Keep,
        model::DiskMode::Fresh => DiskMode::Fresh,
        model::DiskMode::ReadOnly => DiskMode::ReadOnly,
    };
    let kind = facts.image.fs.map_or(DiskKind::Tree, |fs| DiskKind::Raw { fs });
    let limits = &definition.limits;
    let direct_io = limits.write_bandwidth.value().is_some() || limits.write_iops.value().is_some();
    let own_ids = definition.namespaces.user == UserNamespace::Auto;
    let ids = facts.ids.filter(|_| own_ids).map(|first| IdRange { first });
    let size = definition.disk.size.map(|size| size.0);
    match (size, &kind) {
        (Some(_), DiskKind::Tree) => Err(Error::new(Exit::Invalid, tree_without_size(&definition.image))),
        (Some(size), DiskKind::Raw { fs }) if fs.is_read_only() => {
            Err(Error::new(Exit::Invalid, format!("disk.size is {}, and {} cannot grow", ByteSize(size), fs.name())))
        }
        (Some(size), _) if size < facts.image.size => {
            let (size, image) = (ByteSize(size), ByteSize(facts.image.size));
            let text = format!("disk.size is {size}, less than the {image} of image {}", definition.image);
            Err(Error::new(Exit::Invalid, text))
        }
        _ => Ok(Disk { mode, kind, ids, direct_io, size }),
    }
}

fn tree_without_size(image: &str) -> String {
    format!("disk.size is for raw disks for now, and image {image} is a directory tree (soute image convert --to raw)")
}

fn sandbox(definition: &Definition, facts: &Facts) -> Result<Sandbox> {
    let init = match definition.init {
        model::Init::None => Init::None,
        model::Init::Reaper => Init::Reaper,
        model::Init::Image => Init::Image,
    };
    let ready = match definition.ready() {
        model::Ready::Exec => Ready::Exec,
        model::Ready::Notify => Ready::Notify,
        model::Ready::Healthy => Ready::Healthy,
    };
    let log = definition.log.output == LogOutput::Journal;
    Ok(Sandbox {
        namespaces: namespaces(&definition.namespaces),
        joins: definition.namespaces.network.container().map(ToString::to_string),
        hostname: hostname(definition, facts),
        process: process(definition, facts)?,
        init,
        ready,
        watchdog: definition.watchdog.value().map(|span| span.0),
        mounts: mounts::mounts(definition, facts),
        credentials: definition.credentials.keys().map(ToString::to_string).collect(),
        devices: mounts::devices(definition),
        masked: mounts::masked(definition),
        read_only: mounts::read_only(definition),
        files: mounts::files(definition, facts),
        timezone: environment::timezone(definition, facts),
        log: log.then(|| facts.layout.logs().join(&facts.name)),
        sysctls: sysctls(definition),
        stop_signal: definition.stop_signal().0,
        reload: definition.reload.as_ref().map(|reload| match reload {
            model::Reload::Signal(signal) => Reload::Signal(signal.0),
            model::Reload::Command(argv) => Reload::Command(argv.iter().map(ToString::to_string).collect()),
        }),
    })
}

fn hostname(definition: &Definition, facts: &Facts) -> String {
    definition.hostname.as_ref().map_or_else(|| facts.name.clone(), ToString::to_string)
}

fn namespaces(namespaces: &model::Namespaces) -> Namespaces {
    let own = |namespace: Namespace| namespace == Namespace::Private;
    Namespaces {
        user: namespaces.user == UserNamespace::Auto,
        pid: own(namespaces.pid),
        network: namespaces.network == NetworkNamespace::Private,
        ipc: own(namespaces.ipc),
        uts: own(namespaces.uts),
        cgroup: own(namespaces.cgroup),
        time: own(namespaces.time),
    }
}

fn process(definition: &Definition, facts: &Facts) -> Result<Process> {
    let text = |value: Option<String>, usual: &str| value.unwrap_or_else(|| usual.to_owned());
    Ok(Process {
        argv: argv(definition, facts)?,
        environment: environment::environment(definition, facts),
        user: text(definition.user.as_ref().map(ToString::to_string), "root"),
        groups: definition.groups.iter().map(ToString::to_string).collect(),
        working_directory: text(definition.working_directory.as_ref().map(ToString::to_string), "/"),
        umask: definition.umask.0,
        capabilities: definition.capabilities().mask(),
        added_capabilities: definition.security.capabilities.add.iter().fold(0, |mask, one| mask | 1 << one.number()),
        no_new_privileges: definition.no_new_privileges(),
        seccomp: seccomp::seccomp(definition),
        labels: labels(&definition.security),
        terminal: false,
    })
}

fn labels(security: &model::Security) -> Vec<SecurityLabel> {
    let apparmor = security.apparmor.iter().map(|profile| SecurityLabel::AppArmor(profile.to_string()));
    apparmor.chain(security.selinux.iter().map(|context| SecurityLabel::SELinux(context.to_string()))).collect()
}

/// argv = entrypoint + command; those of the image are the definition's lowest layer.
fn argv(definition: &Definition, facts: &Facts) -> Result<Vec<String>> {
    let entrypoint = definition.entrypoint.iter().flat_map(|list| list.iter());
    let command = definition.command.iter().flatten();
    let argv: Vec<_> = entrypoint.chain(command).map(ToString::to_string).collect();
    match (argv.is_empty(), definition.init) {
        (false, _) => Ok(argv),
        (true, model::Init::Image) => Ok(vec!["/sbin/init".to_owned()]),
        (true, _) => Err(Error::new(
            Exit::Invalid,
            format!("{} has no command, and neither has image {}", facts.name, definition.image),
        )),
    }
}

fn weakened(definition: &Definition, facts: &Facts) -> Vec<String> {
    definition.weakenings().iter().chain(&facts.exposed).map(Weakening::word).collect()
}

fn sysctls(definition: &Definition) -> Vec<(String, String)> {
    let mut list = Vec::new();
    if definition.namespaces.network == NetworkNamespace::Private {
        // So that user = "www-data" can serve port 80 and ping, with no capability.
        list.push(("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned()));
        list.push(("net.ipv4.ping_group_range".to_owned(), "0 65535".to_owned()));
    }
    list.extend(of_links(definition));
    let own = definition.sysctl.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    list.extend(own);
    list
}

/// So that neighbours learn at once whose an address is now, and that no router adds to addresses which are given.
fn of_links(definition: &Definition) -> Vec<(String, String)> {
    let set = |name: String, value: &str| (name, value.to_owned());
    let links = definition.network.iter().enumerate();
    let v6: Vec<_> = links.filter(|(_, link)| link.addresses().any(|cidr| cidr.address.is_ipv6())).collect();
    let mut list = Vec::new();
    if definition.network.iter().any(|link| link.asks_dhcp() || link.addresses().any(|cidr| cidr.address.is_ipv4())) {
        list.push(set("net.ipv4.conf.all.arp_notify".to_owned(), "1"));
    }
    list.extend((!v6.is_empty()).then(|| set("net.ipv6.conf.all.ndisc_notify".to_owned(), "1")));
    // A dot in the name of a link is written as a slash.
    let name = |index: usize, link: &model::Network| link.name(index).replace('.', "/");
    list.extend(v6.iter().map(|(at, link)| set(format!("net.ipv6.conf.{}.accept_ra", name(*at, link)), "0")));
    list
}

#[cfg(test)]
mod tests;
