//! What the kernel holds a container to, and has given it: limits, links, routes, mounts. Of many containers in one go.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::path::Path;

use netlink_packet_core::{NLM_F_DUMP, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::RouteMessage;
use nix::sched::{CloneFlags, setns};
use rustix::fs::{Mode, OFlags, openat};

use super::process::Proc;
use super::{cgroup, network, tables};
use crate::audit::facts::Mount;
use crate::error::{Context, Error, Exit, Result};
use crate::network::socket::{Socket, u32_at};

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTN_UNICAST: u8 = 1;

/// One container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Held {
    /// Files of its cgroup, where the controller is there.
    pub limits: BTreeMap<String, String>,
    /// Its links, if its network is its own.
    pub wires: Vec<Wire>,
    /// Its mounts.
    pub mounts: Vec<Mount>,
}

/// An interface inside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wire {
    /// Its name.
    pub name: String,
    /// The largest packet.
    pub mtu: u32,
    /// With prefixes.
    pub addresses: Vec<String>,
    /// "10.0.0.0/8 via 10.0.0.1", "10.0.0.0/8", "default via 10.0.0.1".
    pub routes: Vec<String>,
}

/// Reads it of the main process of a unit, which lies in `group`.
pub fn held(pid: i32, group: &Path, own_network: bool) -> Result<Held> {
    let proc = Proc::open(pid)?;
    // What is read of a number before it was opened may be another process's. A system that boots has groups below its unit's.
    let (own, unit) = (proc.cgroup()?, group.file_name().unwrap_or_default().to_string_lossy());
    if !own.split('/').any(|part| part == unit) {
        return Err(Error::new(Exit::NotRunning, "it does not run any more"));
    }
    let wires = if own_network { wires(&proc)? } else { Vec::new() };
    Ok(Held { limits: cgroup::limits(group), wires, mounts: tables::mounts(&proc.text("mountinfo")?) })
}

/// By a thread that ends in the container's network namespace.
fn wires(proc: &Proc) -> Result<Vec<Wire>> {
    let netns = openat(proc.dir(), "ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .context("cannot open the container's network namespace")?;
    let there = std::thread::spawn(move || inside(netns));
    there.join().map_err(|_| Error::failed("cannot look into the network namespace"))?
}

fn inside(netns: OwnedFd) -> Result<Vec<Wire>> {
    setns(netns, CloneFlags::CLONE_NEWNET).context("cannot look into the container's network namespace")?;
    let mut socket = Socket::open(0)?;
    let mut ask = |message, what: &str| {
        socket.query(message, NLM_F_DUMP).with_context(|| format!("cannot list {what} of the container"))
    };
    let links = ask(RouteNetlinkMessage::GetLink(LinkMessage::default()), "links")?;
    let addresses = ask(RouteNetlinkMessage::GetAddress(AddressMessage::default()), "addresses")?;
    let routes = ask(RouteNetlinkMessage::GetRoute(RouteMessage::default()), "routes")?;
    let mut wires: BTreeMap<u32, Wire> = links.iter().filter_map(|payload| wire(payload)).collect();
    for (index, address) in addresses.iter().filter_map(|payload| network::address(payload)) {
        wires.entry(index).or_default().addresses.push(address);
    }
    for (index, route) in routes.iter().filter_map(|payload| route(payload)) {
        wires.entry(index).or_default().routes.push(route);
    }
    Ok(wires.into_values().collect())
}

fn wire(payload: &[u8]) -> Option<(u32, Wire)> {
    let mut wire = Wire::default();
    for attribute in NlasIterator::new(payload.get(16..)?).map_while(Result::ok) {
        match attribute.kind() {
            IFLA_IFNAME => wire.name = String::from_utf8_lossy(attribute.value()).trim_end_matches('\0').to_owned(),
            IFLA_MTU => wire.mtu = u32_at(attribute.value(), 0)?,
            _ => {}
        }
    }
    Some((u32_at(payload, 4)?, wire))
}

/// struct rtmsg and the attributes behind it.
fn route(payload: &[u8]) -> Option<(u32, String)> {
    let (prefix, kind) = (*payload.get(1)?, *payload.get(7)?);
    let attributes: Vec<_> = NlasIterator::new(payload.get(12..)?).map_while(Result::ok).collect();
    let of = |kind: u16| attributes.iter().find(|one| one.kind() == kind).map(|one| one.value());
    let index = u32_at(of(RTA_OIF)?, 0)?;
    let to = match (prefix, of(RTA_DST)) {
        (0, _) => "default".to_owned(),
        (prefix, bytes) => format!("{}/{prefix}", ip(bytes?)?),
    };
    let via = of(RTA_GATEWAY).and_then(ip).map_or_else(String::new, |via| format!(" via {via}"));
    (kind == RTN_UNICAST).then(|| (index, to + &via))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))).ok()
}
