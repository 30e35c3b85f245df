//! Asks the host. What cannot be read is none, and nothing is written, loaded or mounted anywhere.

mod kernel;
pub mod networkd;
mod store;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::facts::{Cgroups, Definitions, Facts, Systemd};
use super::prove::{self, Area};
use crate::error::Result;
use crate::settings::Host;
use crate::systemd::Manager;

/// Numbers of /proc/sys that are judged.
const SYSCTLS: [&str; 19] = [
    "fs/inotify/max_user_instances",
    "fs/inotify/max_user_watches",
    "kernel/apparmor_restrict_unprivileged_userns",
    "kernel/keys/root_maxkeys",
    "kernel/pid_max",
    "kernel/unprivileged_userns_clone",
    "net/bridge/bridge-nf-call-arptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/bridge/bridge-nf-call-iptables",
    "net/ipv4/ip_forward",
    "net/ipv4/neigh/default/gc_thresh3",
    "net/ipv6/neigh/default/gc_thresh3",
    "user/max_cgroup_namespaces",
    "user/max_ipc_namespaces",
    "user/max_mnt_namespaces",
    "user/max_net_namespaces",
    "user/max_pid_namespaces",
    "user/max_user_namespaces",
    "user/max_uts_namespaces",
];

/// Services that filter packets.
const FIREWALLS: [&str; 5] = ["firewalld", "ufw", "docker", "shorewall", "ferm"];

/// Where systemd and distributions have programs.
const PROGRAM_DIRECTORIES: [&str; 6] =
    ["/usr/lib/systemd", "/lib/systemd", "/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin"];

/// Everything but the definitions, which their own check judges.
pub fn read(host: &Host, definitions: Definitions) -> Result<Facts> {
    let networkd_runs = Manager::connect().and_then(|manager| active(&manager, "systemd-networkd")).unwrap_or(false);
    Ok(Facts {
        kernel: kernel::read(),
        sysctls: sysctls(),
        cgroups: cgroups(),
        systemd: systemd(),
        store: store::read(&host.layout),
        forward_drops: forward_drops()?,
        networkd: networkd::read(host.layout.root(), networkd_runs),
        definitions,
    })
}

fn sysctls() -> BTreeMap<String, u64> {
    let number = |path: &&str| {
        let text = fs::read_to_string(Path::new("/proc/sys").join(path)).ok()?;
        Some(((*path).to_owned(), text.trim().parse().ok()?))
    };
    SYSCTLS.iter().filter_map(number).collect()
}

fn cgroups() -> Cgroups {
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    Cgroups {
        favors_changes: mounts.lines().any(favors_changes),
        unified: controllers.is_ok(),
        controllers: controllers.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
    }
}

/// "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,favordynmods 0 0"
fn favors_changes(mount: &str) -> bool {
    let mut words = mount.split(' ').skip(2);
    words.next() == Some("cgroup2")
        && words.next().is_some_and(|options| options.split(',').any(|o| o == "favordynmods"))
}

fn systemd() -> Systemd {
    let missing =
        |program: &&&str| !PROGRAM_DIRECTORIES.iter().any(|directory| Path::new(directory).join(program).exists());
    let programs = ["systemd-machined", "gpgv"];
    let missing_programs = programs.iter().filter(missing).copied().collect();
    let asked = || -> Result<(u32, Vec<String>)> {
        let manager = Manager::connect()?;
        let version = manager.version()?;
        let runs = |name: &&&str| active(&manager, name).unwrap_or(false);
        Ok((version, FIREWALLS.iter().filter(runs).map(|name| (*name).to_owned()).collect()))
    };
    match asked() {
        Ok((version, firewalls)) => Systemd { version: Some(Ok(version)), firewalls, missing_programs },
        Err(error) => Systemd { version: Some(Err(error.to_string())), firewalls: Vec::new(), missing_programs },
    }
}

fn active(manager: &Manager, service: &str) -> Result<bool> {
    Ok(manager.status(&format!("{service}.service"))?.active == "active")
}

/// Chains at the hook for what is forwarded whose policy is to drop.
fn forward_drops() -> Result<Vec<String>> {
    let rules = prove::packet_rules()?;
    let items = |area| rules.get(&area).into_iter().flatten();
    let mut list: Vec<String> = items(Area::Nftables).filter_map(|item| nft_forward_drop(&item.text)).collect();
    for area in [Area::Iptables, Area::Ip6tables] {
        if items(area).any(|item| item.text == "filter: :FORWARD DROP") {
            list.push(format!("{} FORWARD", area.word()));
        }
    }
    Ok(list)
}

fn nft_forward_drop(object: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(object).ok()?;
    let chain = object.get("chain")?;
    let text = |key: &str| chain.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let drops = text("hook") == "forward" && text("policy") == "drop";
    drops.then(|| format!("nftables {} {} {}", text("family"), text("table"), text("name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_that_drops_what_is_forwarded_is_named() {
        let chain = |hook: &str, policy: &str| {
            format!(
                r#"{{"chain": {{"family": "ip", "table": "filter", "name": "FORWARD", "hook": "{hook}", "policy": "{policy}"}}}}"#
            )
        };
        assert_eq!(nft_forward_drop(&chain("forward", "drop")).as_deref(), Some("nftables ip filter FORWARD"));
        assert_eq!(nft_forward_drop(&chain("forward", "accept")), None);
        assert_eq!(nft_forward_drop(&chain("input", "drop")), None);
        assert_eq!(nft_forward_drop(r#"{"table": {"name": "filter"}}"#), None);
    }
}
