//! What a definition asks for and this host does not have now: no fault of the definition, but its start would fail.

use std::io::ErrorKind;
use std::path::Path;

use super::known::Known;
use super::{facts, resolvers, settled};
use crate::definition::Fault;
use crate::definition::load::Loaded;
use crate::definition::model::{Credential, Init, Network, NetworkKind, Pull};
use crate::definition::source::Origin;
use crate::definition::tree::{Node, Value};
use crate::definition::types::CredentialName;
use crate::dhcp;
use crate::error::{Error, Exit, Result};
use crate::image::disk;
use crate::image::store::Store;
use crate::names;
use crate::network::{Asked, PATIENCE};
use crate::settings::Host;

/// A warning for each thing that is missing. Who has a copy needs no image.
pub fn missing(host: &Host, loaded: &Loaded, has_copy: bool) -> Vec<Fault> {
    let mut faults: Vec<Fault> = image(host, loaded).filter(|_| !has_copy).into_iter().collect();
    // Another root's bridges are another machine's.
    if host.layout.root() == Path::new("/") {
        faults.extend(bridges(loaded));
        faults.extend(name_servers(loaded));
        faults.extend(parents(loaded));
        faults.extend(client(loaded));
        faults.extend(credentials(loaded));
    }
    faults
}

/// Where systemd looks for a credential of the host's, see LoadCredential= in systemd.exec(5).
const STORES: [&str; 5] =
    ["/run/credentials/@system", "/etc/credstore", "/run/credstore", "/usr/local/lib/credstore", "/usr/lib/credstore"];

/// Exit status 1 where a start would fail for what this host does not have: a container that runs is not stopped for it. A
/// network card that is its parent may be away because the container has it.
pub fn refuse_in_vain(host: &Host, loaded: &Loaded) -> Result<()> {
    let here = host.layout.root() == Path::new("/");
    let bridges = if here { bridges(loaded) } else { Vec::new() };
    match (image(host, loaded), bridges.first()) {
        (Some(fault), _) => Err(Error::new(Exit::NotFound, fault.message)),
        (None, Some(fault)) => Err(Error::failed(&fault.message)),
        (None, None) => refuse_without_credentials(host, loaded),
    }
}

/// Exit status 1 where a credential is not there: systemd would say so as "status=243/CREDENTIALS" and no more.
pub fn refuse_without_credentials(host: &Host, loaded: &Loaded) -> Result<()> {
    match credentials(loaded).first().filter(|_| host.layout.root() == Path::new("/")) {
        Some(fault) => Err(Error::failed(&fault.message)),
        None => Ok(()),
    }
}

fn credentials(loaded: &Loaded) -> Vec<Fault> {
    let beside = facts::file_of(loaded).and_then(|file| file.parent()).unwrap_or(Path::new("/"));
    // Who may not look cannot tell.
    let is_absent = |path: &Path| {
        let error = path.metadata().err().map(|error| error.kind());
        matches!(error, Some(ErrorKind::NotFound | ErrorKind::NotADirectory))
    };
    let lacking = |(name, credential): (&CredentialName, &Credential)| {
        let (key, absent) = match credential {
            Credential::File(path) => ("file", Some(path.resolve(beside)).filter(|path| is_absent(path))),
            Credential::Encrypted(path) => ("encrypted", Some(path.resolve(beside)).filter(|path| is_absent(path))),
            Credential::Host(host) if STORES.iter().all(|store| is_absent(&Path::new(store).join(host.as_str()))) => {
                let place = origin(&loaded.tree, &["credentials", name.as_str(), "host"]);
                let message = format!("credential {name}: this host has no credential {host}");
                return Some(warning(message, place, &format!("credentials.{name}.host")));
            }
            Credential::Host(_) => return None,
        };
        let place = origin(&loaded.tree, &["credentials", name.as_str(), key]);
        let message = format!("credential {name}: {} does not exist", absent?.display());
        Some(warning(message, place, &format!("credentials.{name}.{key}")))
    };
    loaded.definition.credentials.iter().filter_map(lacking).collect()
}

/// An address that somebody on the wire has, whom the host asks as it would at a start. Who may not ask, does not.
pub fn in_use(host: &Host, loaded: &Loaded) -> Option<Fault> {
    if host.layout.root() != Path::new("/") || !host.probe_addresses || !rustix::process::geteuid().is_root() {
        return None;
    }
    let links = settled::would_be(&Known::new(host), loaded).ok()?.links;
    let mut asked = Asked::of(&links)?;
    let found = asked.found_within(PATIENCE, |host_name| names::has_ended(&host.layout, host_name));
    drop(asked);
    let found = found?;
    let index = links.iter().position(|link| link.addresses.iter().any(|cidr| cidr.address == found.address))?;
    let place = origin(&loaded.tree, &["network", &index.to_string(), "address"]);
    Some(warning(found.to_string(), place, &format!("network[{index}].address")))
}

fn image(host: &Host, loaded: &Loaded) -> Option<Fault> {
    let image = &loaded.definition.image;
    // Who may not look into the store cannot tell.
    let absent = match host.layout.images().metadata() {
        Ok(_) => Store::new(&host.layout).ok()?.open(image).is_err_and(|error| error.exit() == Exit::NotFound),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    let kept = || {
        host.layout.disks().metadata().ok()?;
        disk::open(&host.layout, &loaded.name).ok()??.kind().ok()?
    };
    if !absent || kept().is_some() {
        return None;
    }
    if image.pull == Pull::Missing {
        return None;
    }
    let fault = warning(format!("image {image} is not in the store"), origin(&loaded.tree, &["image"]), "image");
    Some(fault.help(match image.source {
        Some(_) => format!("soute pull {}", loaded.name),
        None => format!("soute image import {image} PATH"),
    }))
}

fn bridges(loaded: &Loaded) -> Vec<Fault> {
    let links = loaded.definition.network.iter().enumerate();
    let missing = links.filter_map(|(index, link)| {
        let bridge = link.bridge.as_ref()?;
        let device = Path::new("/sys/class/net").join(bridge.as_str());
        let message = match (device.exists(), device.join("bridge").exists()) {
            (_, true) if link.needs_vlans() && !filters_vlans(&device) => {
                format!("bridge {bridge} does not keep VLANs apart (vlan_filtering)")
            }
            (_, true) => return None,
            (true, false) => format!("{bridge} is not a bridge"),
            (false, false) if link.create => return None,
            (false, false) => format!("bridge {bridge} does not exist"),
        };
        let place = origin(&loaded.tree, &["network", &index.to_string(), "bridge"]);
        Some(warning(message, place, &format!("network[{index}].bridge")))
    });
    missing.collect()
}

fn name_servers(loaded: &Loaded) -> Option<Fault> {
    let definition = &loaded.definition;
    let lacks = resolvers::are_wanted(definition) && resolvers::of_host(definition, Path::new("/")).is_empty();
    let fault = warning(resolvers::UNREACHABLE.to_owned(), origin(&loaded.tree, &["dns", "servers"]), "dns.servers");
    lacks.then(|| fault.help("name a server, or let the host's listen on the bridge"))
}

fn parents(loaded: &Loaded) -> Vec<Fault> {
    let links = loaded.definition.network.iter().enumerate();
    let missing = links.filter_map(|(index, link)| {
        let parent = link.parent.as_ref()?;
        let device = Path::new("/sys/class/net").join(parent.as_str());
        // What is no hardware has no device behind it.
        let (there, hardware) = (device.exists(), device.join("device").exists());
        let message = match link.kind {
            _ if !there => format!("link {parent} does not exist"),
            NetworkKind::Device if !hardware => {
                format!("{parent} is no network card: the kernel destroys it when the container ends")
            }
            _ => return None,
        };
        let place = origin(&loaded.tree, &["network", &index.to_string(), "parent"]);
        Some(warning(message, place, &format!("network[{index}].parent")))
    });
    missing.collect()
}

fn client(loaded: &Loaded) -> Option<Fault> {
    let asks = |link: &Network| link.asks_dhcp() && loaded.definition.init != Init::Image;
    let index = loaded.definition.network.iter().position(asks).filter(|_| !dhcp::is_installed())?;
    let place = origin(&loaded.tree, &["network", &index.to_string(), "address"]);
    let fault = warning("udhcpc is not installed".to_owned(), place, &format!("network[{index}].address"));
    Some(fault.help(format!("install the package {}", dhcp::PACKAGE)))
}

fn filters_vlans(bridge: &Path) -> bool {
    std::fs::read_to_string(bridge.join("bridge/vlan_filtering")).is_ok_and(|text| text.trim() == "1")
}

fn warning(message: String, origin: Option<Origin>, key: &str) -> Fault {
    Fault::new(message, origin).warning().at(key)
}

fn origin(root: &Node, path: &[&str]) -> Option<Origin> {
    let node = path.iter().try_fold(root, |node, step| match &node.value {
        Value::Table(table) => table.get(*step),
        Value::List(list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    });
    node.map(|node| node.origin.clone())
}
