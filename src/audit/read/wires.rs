//! Interfaces of a container with their addresses, routes and rates, by netlink in its network namespace. A thread of ours
//! goes there and ends there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::RouteMessage;
use nix::sched::{CloneFlags, setns};
use rustix::fs::{Mode, OFlags, openat};

use super::network::address;
use super::process::Proc;
use super::shapes;
use crate::error::{Context, Error, Result};
use crate::network::socket::{Socket, u32_at};
use crate::network::topology::attributes;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_QDISC: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_F_PERMANENT: u32 = 0x80;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_TABLE: u16 = 15;
const RTN_UNICAST: u8 = 1;
/// What `ip route add` says who gives a route, and what soute says: people, and no program that learns.
const BY_HAND: [u8; 2] = [3, 4];

/// An interface inside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wire {
    /// Its name.
    pub name: String,
    /// It is raised.
    pub up: bool,
    /// The Ethernet address.
    pub mac: Vec<u8>,
    /// The largest packet.
    pub mtu: u32,
    /// At most so many bytes a second out of it.
    pub rate: Option<u64>,
    /// With prefixes.
    pub addresses: Vec<String>,
    /// Those of them that are there for a time, as routers announce them.
    pub passing: Vec<String>,
    /// Of all tables.
    pub routes: Vec<WireRoute>,
}

/// A route to one next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireRoute {
    /// "10.0.0.0/8", "default".
    pub to: String,
    /// The next hop; none for a network on the link.
    pub via: Option<IpAddr>,
    /// Its metric.
    pub metric: u32,
    /// Its table.
    pub table: u32,
    /// Somebody has added it; neither the kernel nor what listens to routers.
    pub by_hand: bool,
}

/// Those of a process's network.
pub fn wires(proc: &Proc) -> Result<Vec<Wire>> {
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
    let found: Vec<_> = links.iter().filter_map(|payload| wire(payload)).collect();
    let shaped = found.iter().any(|(_, shaped, _)| *shaped);
    let rates = if shaped { shapes::rates(&mut socket)? } else { BTreeMap::new() };
    let with_rate = |(index, _, wire): (u32, bool, Wire)| (index, Wire { rate: rates.get(&index).copied(), ..wire });
    let mut wires: BTreeMap<u32, Wire> = found.into_iter().map(with_rate).collect();
    for (payload, (index, address)) in addresses.iter().filter_map(|payload| Some((payload, address(payload)?))) {
        let wire = wires.entry(index).or_default();
        wire.passing.extend(is_passing(payload).then(|| address.clone()));
        wire.addresses.push(address);
    }
    for (index, route) in routes.iter().filter_map(|payload| route(payload)) {
        wires.entry(index).or_default().routes.push(route);
    }
    Ok(wires.into_values().collect())
}

/// struct ifinfomsg and the attributes behind it; with the index, and whether its rate is limited.
fn wire(payload: &[u8]) -> Option<(u32, bool, Wire)> {
    let mut wire = Wire { up: u32_at(payload, 8)? & 1 != 0, ..Wire::default() };
    let mut shaped = false;
    for (kind, value) in attributes(payload.get(16..)?) {
        match kind {
            IFLA_IFNAME => wire.name = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
            IFLA_ADDRESS => wire.mac = value.to_vec(),
            IFLA_MTU => wire.mtu = u32_at(value, 0)?,
            IFLA_QDISC => shaped = value.starts_with(shapes::KIND),
            _ => {}
        }
    }
    Some((u32_at(payload, 4)?, shaped, wire))
}

/// struct ifaddrmsg has room for eight of the flags.
fn is_passing(payload: &[u8]) -> bool {
    let all = attributes(payload.get(8..).unwrap_or_default()).find(|(kind, _)| *kind == IFA_FLAGS);
    let flags = all.and_then(|(_, value)| u32_at(value, 0)).or(payload.get(2).copied().map(u32::from));
    flags.is_some_and(|flags| flags & IFA_F_PERMANENT == 0)
}

/// struct rtmsg and the attributes behind it.
fn route(payload: &[u8]) -> Option<(u32, WireRoute)> {
    let (prefix, protocol, kind) = (*payload.get(1)?, *payload.get(5)?, *payload.get(7)?);
    let of = |wanted: u16| attributes(payload.get(12..)?).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let number = |wanted: u16| of(wanted).and_then(|value| u32_at(value, 0));
    let to = match (prefix, of(RTA_DST)) {
        (0, _) => "default".to_owned(),
        (prefix, bytes) => format!("{}/{prefix}", ip(bytes?)?),
    };
    let route = WireRoute {
        to,
        via: of(RTA_GATEWAY).and_then(ip),
        metric: number(RTA_PRIORITY).unwrap_or(0),
        table: number(RTA_TABLE)?,
        by_hand: BY_HAND.contains(&protocol),
    };
    (kind == RTN_UNICAST).then_some((number(RTA_OIF)?, route))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))).ok()
}
