//! Asking the kernel. Everything is reached through a descriptor of /proc/PID, so that a number that has become another
//! process's is noticed; nothing of the container is opened for reading, and no code of it runs.

mod cgroup;
mod held;
mod network;
mod ports;
mod process;
mod shapes;
mod tables;
mod tree;
mod wires;

use std::collections::BTreeSet;

use super::facts::{Facts, Host, Neighbour, Unit};
use crate::error::{Error, Exit, Result};
use crate::systemd::Manager;
pub use cgroup::limits;
pub use held::{Held, held};
pub use ports::{HostLink, Vlans, ports};
use process::Proc;
pub use wires::{Wire, WireRoute};

/// What systemd has of a limit.
const LIMITS: [&str; 4] = ["TasksMax", "MemoryMax", "MemorySwapMax", "CPUQuotaPerSecUSec"];

/// Reads everything about a running container. `paths` are those that somebody will ask for; `cpu*` is each of the CPUs.
pub fn read(manager: &Manager, name: &str, paths: &[String]) -> Result<Facts> {
    let kept = manager.keep();
    let unit = format!("soute@{name}.service");
    let not_running = || Error::new(Exit::NotRunning, format!("{name} is not running"));
    let (main, group) = located(manager, &unit)?.ok_or_else(not_running)?;
    let said = said(manager, &unit)?;
    let neighbours = neighbours(manager, &unit)?;
    drop(kept);
    let proc = Proc::open(main).map_err(|_| not_running())?;
    // Whatever has been read of a number before it was opened may be another process's.
    if !super::facts::is_below(&proc.cgroup()?, &group) {
        return Err(not_running());
    }
    let directory = cgroup::directory(&group)?;
    let processes = process::all(&proc, &directory)?;
    let host = host()?;
    let mounts = tables::mounts(&proc.text("mountinfo")?);
    let tree = tree::Tree::open(&proc, &mounts)?;
    let paths = &each_cpu(paths);
    let net = |namespaces: &super::facts::Namespaces| namespaces.get("net").copied();
    let own_network = processes.first().is_some_and(|main| net(&main.namespaces) != net(&host.namespaces));
    Ok(Facts {
        strays: process::strays(&processes, &host, &group),
        links: if own_network { network::links(&proc)? } else { Vec::new() },
        nodes: tree.nodes(paths),
        kernel_paths: tree.existing(paths),
        open: process::open_files(&proc),
        cgroup: cgroup::read(&directory)?,
        unit: said,
        processes,
        host,
        neighbours,
        mounts,
    })
}

/// The CPUs are those of the host, whatever the container shows.
fn each_cpu(paths: &[String]) -> Vec<String> {
    let entries = std::fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().filter_map(|entry| entry.ok());
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_cpu = |name: &String| name.strip_prefix("cpu").is_some_and(|number| number.parse::<u32>().is_ok());
    let cpus: Vec<String> = names.filter(is_cpu).collect();
    let expand = |path: &String| match path.contains("cpu*") {
        true => cpus.iter().map(|cpu| path.replace("cpu*", cpu)).collect(),
        false => vec![path.clone()],
    };
    paths.iter().flat_map(expand).collect()
}

/// The main process and the cgroup of a unit that is up.
fn located(manager: &Manager, unit: &str) -> Result<Option<(i32, String)>> {
    let properties = manager.properties(unit, &["ActiveState", "MainPID", "ControlGroup"])?;
    let up = matches!(properties.text("ActiveState"), "active" | "reloading");
    let main = properties.number("MainPID").and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0);
    Ok(main.filter(|_| up).map(|main| (main, properties.text("ControlGroup").to_owned())))
}

fn said(manager: &Manager, unit: &str) -> Result<Unit> {
    let names: Vec<_> = ["DevicePolicy", "DeviceAllow"].into_iter().chain(LIMITS).collect();
    let properties = manager.properties(unit, &names)?;
    let limit = |name| Some((name, Some(properties.number(name)?).filter(|limit| *limit != u64::MAX)));
    Ok(Unit {
        device_policy: properties.text("DevicePolicy").to_owned(),
        device_allow: properties.pairs("DeviceAllow"),
        limits: LIMITS.into_iter().filter_map(limit).collect(),
    })
}

/// The other containers; one that ends meanwhile is none.
fn neighbours(manager: &Manager, own: &str) -> Result<Vec<Neighbour>> {
    let mut list = Vec::new();
    for unit in manager.list("soute@*.service")? {
        if unit.name == own || !matches!(unit.active.as_str(), "active" | "reloading") {
            continue;
        }
        let Some((main, _)) = located(manager, &unit.name)? else { continue };
        let read = Proc::open(main).and_then(|proc| Ok((proc.namespaces()?, proc.id_map("uid_map")?)));
        let Ok((namespaces, uid_map)) = read else { continue };
        let name = unit.name.trim_start_matches("soute@").trim_end_matches(".service").to_owned();
        list.push(Neighbour { name, namespaces, uid_map, joins: None, joins_this: false });
    }
    Ok(list)
}

fn host() -> Result<Host> {
    let first = Proc::open(1)?;
    let mounts = tables::mounts(&first.text("mountinfo")?);
    let status = tables::status(&first.text("status")?);
    let last: u32 = tables::number(&std::fs::read_to_string("/proc/sys/kernel/cap_last_cap")?).unwrap_or(63);
    Ok(Host {
        namespaces: first.namespaces()?,
        filters: status.get("Seccomp_filters").and_then(|text| tables::number(text)).unwrap_or(0),
        capabilities: u64::MAX >> 63_u32.saturating_sub(last),
        devices: mounts.iter().map(|mount| mount.device.clone()).collect::<BTreeSet<_>>(),
        peers: mounts.iter().filter_map(|mount| mount.shared).collect(),
    })
}
