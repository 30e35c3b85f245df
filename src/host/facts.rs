//! Gathers what planning needs to know of the host.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::resolvers;
use crate::definition::check::exposure::BindFacts;
use crate::definition::load::Loaded;
use crate::definition::types::Text;
use crate::definition::{Definition, Group};
use crate::error::{Context, Error, Exit, Result};
use crate::file;
use crate::image::disk::Disk;
use crate::image::store::ImageInfo;
use crate::layout::Layout;
use crate::output::diagnostics;
use crate::plan::{Facts, Measure, environment_file};
use crate::settings::Host;
use crate::systemd::machined_is_installed;

/// What is the same for all containers of a host.
pub struct Machine {
    runner: PathBuf,
    machined: Option<PathBuf>,
    id: String,
    memory: u64,
    tasks: u64,
    timezone: Option<String>,
}

impl Machine {
    /// As it is now.
    pub fn of(host: &Host) -> Result<Self> {
        Ok(Self {
            runner: runner()?,
            machined: (host.machined && machined_is_installed()).then(own_program).transpose()?,
            id: machine_id(host)?,
            memory: memory()?,
            tasks: number(Path::new("/proc/sys/kernel/pid_max"))?,
            timezone: local_timezone(),
        })
    }

    /// For limits of groups.
    pub fn measure(&self, layout: &Layout) -> Measure {
        Measure { memory: self.memory, tasks: self.tasks, disks: layout.disks(), beside: layout.groups() }
    }
}

/// NAME.toml, which relative paths lie beside; of what the command line defines there is none.
pub fn file_of(loaded: &Loaded) -> Option<&PathBuf> {
    let of = loaded.replica.as_ref().map_or(&loaded.name, |replica| &replica.of);
    loaded.files.iter().find(|path| path.file_stem().is_some_and(|stem| *stem == *of.as_str()))
}

/// The facts for a definition whose image is this one, and whose ids, if they have been recorded.
pub fn facts(host: &Host, machine: &Machine, loaded: &Loaded, image: ImageInfo, ids: Option<u32>) -> Result<Facts> {
    let group = loaded.definition.group.as_ref().map(|group| Group::load(&host.layout, group));
    let pair = |(name, value): (&_, &Text)| {
        let name: &crate::definition::types::EnvironmentName = name;
        (name.as_str().to_owned(), value.to_string())
    };
    Ok(Facts {
        name: loaded.name.to_string(),
        replica_of: loaded.replica.as_ref().map(|replica| replica.of.to_string()),
        group: group.transpose().map_err(|faults| diagnostics::refuse(&faults.0))?,
        definition: file_of(loaded).cloned(),
        layout: host.layout.clone(),
        runner: machine.runner.clone(),
        machined: machine.machined.clone(),
        image,
        ids,
        addresses: BTreeMap::new(),
        resolvers: resolvers(host, &loaded.definition),
        machine_id: machine.id.clone(),
        ipv6: has_ipv6_loopback(&loaded.definition),
        memory: machine.memory,
        tasks: machine.tasks,
        timezone: machine.timezone.clone(),
        exposed: loaded.definition.exposed_binds(BindFacts::of),
        image_environment: loaded.image_environment.iter().map(pair).collect(),
        file_environment: environment_files(loaded)?,
    })
}

fn resolvers(host: &Host, definition: &Definition) -> Vec<IpAddr> {
    match resolvers::are_wanted(definition) {
        true => resolvers::of_host(definition, host.layout.root()),
        false => Vec::new(),
    }
}

/// Nobody else asks, so that nothing is read for who publishes nothing.
pub fn has_ipv6_loopback(definition: &Definition) -> bool {
    /// proc_net(5): address, index, prefix, scope, flags, name.
    const LOOPBACK: &str = "00000000000000000000000000000001 ";
    let has = || fs::read_to_string("/proc/net/if_inet6").is_ok_and(|text| text.contains(LOOPBACK));
    !definition.publish.is_empty() && has()
}

/// What a disk says of an image that the store does not have.
pub fn copied(image: &str, disk: Option<&Disk>) -> Result<ImageInfo> {
    match disk {
        Some(disk) if disk.kind()?.is_some() => {
            disk.info().with_context(|| format!("image {image} is gone, and its copy cannot stand in for it"))
        }
        _ => Err(Error::new(Exit::NotFound, format!("no image {image}"))),
    }
}

/// soute-runner lies where `make install` or cargo puts it beside this program.
pub fn runner() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the path of soute")?;
    let directory = own.parent().unwrap_or(Path::new("/"));
    let installed = directory.join("../libexec/soute/soute-runner");
    let candidates = [installed, directory.join("soute-runner")];
    let found = candidates.iter().find_map(|path| path.canonicalize().ok());
    found
        .ok_or_else(|| Error::failed(format!("cannot find soute-runner beside {}: is soute installed?", own.display())))
}

/// This program, for the unit.
fn own_program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find the path of soute")
}

/// /etc/machine-id.
pub fn machine_id(host: &Host) -> Result<String> {
    let of_root = host.layout.root().join("etc/machine-id");
    let read = |path: &Path| fs::read_to_string(path).map(|text| text.trim().to_owned());
    let id = read(&of_root).or_else(|_| read(Path::new("/etc/machine-id"))).context("cannot read /etc/machine-id")?;
    if id.len() == 32 { Ok(id) } else { Err(Error::failed("/etc/machine-id is not set up, see machine-id(5)")) }
}

fn memory() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: Option<u64> = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| Error::failed("/proc/meminfo has no MemTotal"))
}

fn number(path: &Path) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.trim().parse().map_err(Error::failed).with_context(|| format!("cannot read {}", path.display()))
}

fn local_timezone() -> Option<String> {
    let target = fs::read_link("/etc/localtime").ok()?;
    target.to_str()?.split_once("zoneinfo/").map(|(_, zone)| zone.to_owned())
}

fn environment_files(loaded: &Loaded) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for file in loaded.definition.environment_files.iter() {
        let path = file.path.as_path();
        // It may lie where a container writes.
        match file::read_of_host(path, 1 << 20) {
            Ok(text) => all.extend(environment_file::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.optional => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read environment file {}", path.display()));
            }
        }
    }
    Ok(all)
}
