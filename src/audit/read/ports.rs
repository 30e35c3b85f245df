//! Ports of bridges as the kernel has them: flags, VLANs.

use std::collections::BTreeMap;

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::shapes;
use crate::error::{Context, Result};
use crate::network::socket::{Socket, u32_at};
use crate::network::topology::attributes;

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_QDISC: u16 = 6;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BR_VLAN_DEFAULT_PVID: u16 = 39;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_LEARNING: u16 = 8;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_BRPORT_LOCKED: u16 = 39;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BRIDGE_VLAN_INFO_PVID: u16 = 2;

/// A link of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostLink {
    /// The largest packet.
    pub mtu: u32,
    /// At most so many bytes a second are sent on it.
    pub rate: Option<u64>,
    /// The bridge that it is a port of.
    pub bridge: Option<String>,
    /// Frames may go back to where they came from.
    pub hairpin: bool,
    /// The bridge learns addresses from it.
    pub learning: bool,
    /// No frame goes to another isolated port.
    pub isolated: bool,
    /// It takes frames from known addresses alone.
    pub locked: bool,
    /// Of a port: its VLANs, if the bridge keeps them apart.
    pub vlans: Option<Vlans>,
    /// Of a bridge: the VLAN that ports are born in, if it keeps them apart.
    pub default_vlan: Option<u16>,
}

/// The VLANs of a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vlans {
    /// That of frames without a tag.
    pub own: Option<u16>,
    /// The others, in order.
    pub others: Vec<u16>,
    /// That of ports which are told nothing.
    pub default: u16,
}

/// All of this network namespace.
pub fn ports() -> Result<BTreeMap<String, HostLink>> {
    let mut socket = Socket::open(0)?;
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
    let answer = socket.query(RouteNetlinkMessage::GetLink(message), NLM_F_DUMP).context("cannot list links")?;
    let mut links: BTreeMap<u32, Named> = answer.iter().filter_map(|payload| link(payload)).collect();
    if links.values().any(|named| named.link.default_vlan.is_some()) {
        let mut message = LinkMessage::default();
        message.header.interface_family = AddressFamily::Bridge;
        message.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::Brvlan])];
        let answer = socket.query(RouteNetlinkMessage::GetLink(message), NLM_F_DUMP).context("cannot list VLANs")?;
        for (index, mut vlans) in answer.iter().filter_map(|payload| vlans(payload)) {
            let default = links.get(&index).and_then(|port| links.get(&port.master?)?.link.default_vlan);
            if let (Some(port), Some(default)) = (links.get_mut(&index), default) {
                vlans.default = default;
                port.link.vlans = Some(vlans);
            }
        }
    }
    if links.values().any(|named| named.shaped) {
        let rates = shapes::rates(&mut socket)?;
        for (index, named) in &mut links {
            named.link.rate = rates.get(index).copied();
        }
    }
    let names: BTreeMap<u32, String> = links.iter().map(|(index, named)| (*index, named.name.clone())).collect();
    let with_bridge = |named: Named| {
        let bridge = named.master.and_then(|index| names.get(&index).cloned());
        (named.name, HostLink { bridge, ..named.link })
    };
    Ok(links.into_values().map(with_bridge).collect())
}

#[derive(Default)]
struct Named {
    name: String,
    master: Option<u32>,
    shaped: bool,
    link: HostLink,
}

/// struct ifinfomsg and the attributes behind it.
fn link(payload: &[u8]) -> Option<(u32, Named)> {
    let mut named = Named::default();
    for (kind, value) in attributes(payload.get(16..)?) {
        match kind {
            IFLA_IFNAME => named.name = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
            IFLA_MASTER => named.master = u32_at(value, 0),
            IFLA_MTU => named.link.mtu = u32_at(value, 0)?,
            IFLA_QDISC => named.shaped = value.starts_with(shapes::KIND),
            IFLA_LINKINFO => attributes(value).for_each(|(kind, value)| info(&mut named.link, kind, value)),
            _ => {}
        }
    }
    Some((u32_at(payload, 4)?, named))
}

fn info(link: &mut HostLink, kind: u16, value: &[u8]) {
    let of = |wanted: u16| attributes(value).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let is_set = |wanted: u16| of(wanted).is_some_and(|value| value.first() == Some(&1));
    match kind {
        // A bond's ports have other attributes by these numbers; they are no ports of ours.
        IFLA_INFO_SLAVE_DATA => {
            link.hairpin = is_set(IFLA_BRPORT_MODE);
            link.learning = is_set(IFLA_BRPORT_LEARNING);
            link.isolated = is_set(IFLA_BRPORT_ISOLATED);
            link.locked = is_set(IFLA_BRPORT_LOCKED);
        }
        IFLA_INFO_DATA if is_set(IFLA_BR_VLAN_FILTERING) => {
            let default = of(IFLA_BR_VLAN_DEFAULT_PVID).and_then(|value| value.try_into().ok());
            link.default_vlan = default.map(u16::from_ne_bytes);
        }
        _ => {}
    }
}

/// The VLANs of a port, each struct bridge_vlan_info.
fn vlans(payload: &[u8]) -> Option<(u32, Vlans)> {
    let mut vlans = Vlans::default();
    let spec = attributes(payload.get(16..)?).find(|(kind, _)| *kind == IFLA_AF_SPEC)?.1;
    for (_, value) in attributes(spec).filter(|(kind, _)| *kind == IFLA_BRIDGE_VLAN_INFO) {
        let [a, b, c, d] = value.try_into().ok()?;
        let (flags, vid) = (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]));
        match flags & BRIDGE_VLAN_INFO_PVID {
            0 => vlans.others.push(vid),
            _ => vlans.own = Some(vid),
        }
    }
    vlans.others.sort_unstable();
    Some((u32_at(payload, 4)?, vlans))
}
