//! Packet rules: nf_tables through nft, or by the kernel's count of changes where there is no nft, and the older tables
//! through the programs that write them out. A table that the kernel has not loaded has no rules, and is not asked for: that
//! would load it.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use serde_json::Value;

use super::{Area, Item, Snapshot};
use crate::error::{Context, Error, Result};
use crate::network::topology::attributes;

/// What counts, or runs out, while packets pass.
const COUNTS: [&str; 5] = ["packets", "bytes", "used", "expires", "last"];

/// The older tables: area, list of those that are loaded, program.
const LEGACY: [(Area, &str, &str); 3] = [
    (Area::Iptables, "/proc/net/ip_tables_names", "iptables-legacy-save"),
    (Area::Ip6tables, "/proc/net/ip6_tables_names", "ip6tables-legacy-save"),
    (Area::Arptables, "/proc/net/arp_tables_names", "arptables-legacy-save"),
];

/// Reads all of them.
pub fn read(snapshot: &mut Snapshot) -> Result<()> {
    nftables(snapshot)?;
    for (area, names, program) in LEGACY {
        let loaded = fs::read_to_string(names).unwrap_or_default();
        let items = if loaded.trim().is_empty() { Some(String::new()) } else { run(program, &[])? };
        store(snapshot, area, program, items.as_deref().map(saved));
    }
    let mut bridges = Some(Vec::new());
    for table in ["filter", "nat", "broute"].into_iter().filter(|table| may_ask(&format!("ebtable_{table}"))) {
        let list = run("ebtables-legacy", &["-t", table, "-L", "--Lx"])?;
        bridges = bridges.zip(list).map(|(all, list)| all.into_iter().chain(saved(&list)).collect());
    }
    // Without its program there can be tables only where somebody else's program made them.
    if bridges.is_some() || Path::new("/sys/module/ebtables").exists() {
        store(snapshot, Area::Ebtables, "ebtables-legacy", bridges);
    }
    Ok(())
}

fn store(snapshot: &mut Snapshot, area: Area, program: &str, items: Option<Vec<Item>>) {
    match items {
        Some(items) => drop(snapshot.areas.insert(area, items)),
        None => snapshot.refuse(area, format!("{program} is not installed")),
    }
}

fn nftables(snapshot: &mut Snapshot) -> Result<()> {
    if !may_ask("nf_tables") {
        snapshot.areas.insert(Area::Nftables, Vec::new());
        return Ok(());
    }
    let items = match run("nft", &["-j", "list", "ruleset"])? {
        Some(text) => ruleset(&text)?,
        // The kernel counts the changes: it can be told that there were some, and not which.
        None => generation()?
            .map(|number| Item { link: None, text: format!("change number {number} (install nft to see it)") })
            .into_iter()
            .collect(),
    };
    snapshot.areas.insert(Area::Nftables, items);
    Ok(())
}

/// How often the rules of nf_tables have been changed in this network namespace, or none without nf_tables.
fn generation() -> Result<Option<u32>> {
    const NFT_MSG_GETGEN: u16 = 10 << 8 | 16;
    const NFTA_GEN_ID: u16 = 1;
    // struct nlmsghdr, NLM_F_REQUEST, and a struct nfgenmsg of no family.
    let mut request = 20_u32.to_ne_bytes().to_vec();
    request.extend(NFT_MSG_GETGEN.to_ne_bytes());
    request.extend([1, 0]);
    request.resize(20, 0);
    let asked = || -> nix::Result<Option<u32>> {
        let raw =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkNetFilter)?;
        send(raw.as_raw_fd(), &request, MsgFlags::empty())?;
        let mut answer = [0; 1024];
        let read = recv(raw.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        let number = attributes(answer[..read].get(20..).unwrap_or_default()).find(|(kind, _)| *kind == NFTA_GEN_ID);
        // An error, as from a kernel without nf_tables, has no such attribute.
        Ok(number.and_then(|(_, value)| value.first_chunk()).map(|value| u32::from_be_bytes(*value)))
    };
    match asked() {
        Err(nix::errno::Errno::EPROTONOSUPPORT) => Ok(None),
        asked => asked.context("cannot ask for the rules of nf_tables"),
    }
}

/// Whether asking this part of the kernel does not load it: it is loaded, or built in, or cannot be loaded.
fn may_ask(module: &str) -> bool {
    let release = nix::sys::utsname::uname().map(|names| names.release().to_string_lossy().into_owned());
    let modules = Path::new("/lib/modules").join(release.unwrap_or_default());
    let built_in = fs::read_to_string(modules.join("modules.builtin")).unwrap_or_default();
    let file = format!("/{module}.ko");
    Path::new("/sys/module").join(module).exists()
        || !modules.exists()
        || built_in.lines().any(|line| line.ends_with(&file))
}

/// What a program prints; none where it is not installed.
fn run(program: &str, arguments: &[&str]) -> Result<Option<String>> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut command = Command::new(program);
    let output = match command.args(arguments).env("PATH", path).env("LC_ALL", "C").stdin(Stdio::null()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        output => output.with_context(|| format!("cannot run {program}"))?,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::failed(format!("{program}: {said}")));
    }
    Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Lines without comments, which have the time, and without the counters of chains: `:INPUT ACCEPT [5:300]`.
fn saved(text: &str) -> Vec<Item> {
    let mut table = "";
    let mut items = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        }
        let line = match (line.starts_with(':'), line.rsplit_once(" [")) {
            (true, Some((chain, _))) => chain,
            _ => line,
        };
        items.push(Item { link: None, text: format!("{table}: {line}") });
    }
    items
}

/// A line for each object, in order. Handles stay: a rule that was taken away and put back has another one.
fn ruleset(text: &str) -> Result<Vec<Item>> {
    let document: Value = serde_json::from_str(text).map_err(Error::failed).context("cannot read what nft says")?;
    let objects = document.get("nftables").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut items = Vec::new();
    for mut object in objects.into_iter().filter(|object| object.get("metainfo").is_none()) {
        uncount(&mut object);
        items.push(Item { link: None, text: object.to_string() });
    }
    Ok(items)
}

fn uncount(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| !(COUNTS.contains(&key.as_str()) && (value.is_number() || value.is_string())));
            map.values_mut().for_each(uncount);
        }
        Value::Array(list) => list.iter_mut().for_each(uncount),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(items: Vec<Item>) -> Vec<String> {
        items.into_iter().map(|item| item.text).collect()
    }

    #[test]
    fn packets_that_pass_are_no_difference() {
        let text = |packets: u32| {
            format!(
                r#"{{"nftables": [{{"metainfo": {{"version": "1.0.6"}}}}, {{"rule": {{"handle": 2, "expr":
                [{{"counter": {{"packets": {packets}, "bytes": 9}}}}, {{"accept": null}}]}}}}]}}"#
            )
        };
        assert_eq!(
            texts(ruleset(&text(1)).unwrap()),
            [r#"{"rule":{"expr":[{"counter":{}},{"accept":null}],"handle":2}}"#]
        );
        assert_eq!(ruleset(&text(1)).unwrap(), ruleset(&text(2)).unwrap());
    }

    #[test]
    fn a_saved_table_has_rules_and_policies() {
        let text =
            "# Generated by iptables-save on Sunday\n*filter\n:INPUT DROP [5:300]\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n";
        assert_eq!(
            texts(saved(text)),
            ["filter: *filter", "filter: :INPUT DROP", "filter: -A INPUT -p tcp -j ACCEPT", "filter: COMMIT"]
        );
    }
}
