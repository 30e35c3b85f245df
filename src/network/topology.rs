//! Every link of the host with what it is a port of, and every address: for those who look and do not touch.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};

use super::link::ALIAS;
use super::socket::{Socket, u32_at};
use crate::definition::types::Cidr;
use crate::error::{Context, Result};

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_CARRIER: u16 = 33;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_F_TEMPORARY: u8 = 0x01;
const NLA_TYPE_MASK: u16 = 0x3fff;

/// A link as the host sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wire {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// "veth", "bridge"…; none for hardware and lo.
    pub kind: Option<String>,
    /// It is raised.
    pub up: bool,
    /// Something is at its other end.
    pub carrier: bool,
    /// The largest packet.
    pub mtu: u32,
    /// Its Ethernet address.
    pub mac: Vec<u8>,
    /// What who made it called it.
    pub alias: String,
    /// The bridge, bond or team that it is a port of.
    pub master: Option<u32>,
    /// The link at its other end, or below it.
    pub other: Option<u32>,
    /// That one is in another network namespace.
    pub leads_out: bool,
    /// A bridge that keeps VLANs apart.
    pub vlan_filtering: bool,
}

impl Wire {
    /// Whether soute made it, whatever it is.
    pub fn is_ours(&self) -> bool {
        self.alias == ALIAS
    }

    /// Whether it is a bridge.
    pub fn is_bridge(&self) -> bool {
        self.kind.as_deref() == Some("bridge")
    }

    /// struct ifinfomsg and the attributes behind it.
    fn parse(payload: &[u8]) -> Option<Self> {
        let mut wire = Self { index: u32_at(payload, 4)?, up: u32_at(payload, 8)? & 1 != 0, ..Self::default() };
        for (kind, value) in attributes(payload.get(16..)?) {
            match kind {
                IFLA_ADDRESS => wire.mac = value.to_vec(),
                IFLA_IFNAME => wire.name = text(value),
                IFLA_MTU => wire.mtu = u32_at(value, 0)?,
                IFLA_LINK => wire.other = u32_at(value, 0).filter(|other| *other != 0),
                IFLA_MASTER => wire.master = u32_at(value, 0),
                IFLA_LINKINFO => wire.read_info(value),
                IFLA_IFALIAS => wire.alias = text(value),
                IFLA_CARRIER => wire.carrier = value.first() == Some(&1),
                IFLA_LINK_NETNSID => wire.leads_out = true,
                _ => {}
            }
        }
        Some(wire)
    }

    fn read_info(&mut self, info: &[u8]) {
        for (kind, value) in attributes(info) {
            match kind {
                IFLA_INFO_KIND => self.kind = Some(text(value)),
                IFLA_INFO_DATA if self.is_bridge() => {
                    let filtering = attributes(value).find(|(kind, _)| *kind == IFLA_BR_VLAN_FILTERING);
                    self.vlan_filtering = filtering.is_some_and(|(_, value)| value.first() == Some(&1));
                }
                _ => {}
            }
        }
    }
}

/// Attributes as they lie in a message, without the two flags of their types.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?) & NLA_TYPE_MASK;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

/// Every link of the network namespace.
pub fn wires(socket: &mut Socket) -> Result<Vec<Wire>> {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
    let answer = socket.query(RouteNetlinkMessage::GetLink(message), NLM_F_DUMP).context("cannot list links")?;
    Ok(answer.iter().filter_map(|payload| Wire::parse(payload)).collect())
}

/// Its addresses, by the index of the link. Those that the kernel makes for privacy and changes by itself are left out.
pub fn addresses(socket: &mut Socket) -> Result<BTreeMap<u32, Vec<Cidr>>> {
    let message = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let answer = socket.query(message, NLM_F_DUMP).context("cannot list addresses")?;
    let mut all: BTreeMap<u32, Vec<Cidr>> = BTreeMap::new();
    for (index, cidr) in answer.iter().filter_map(|payload| address(payload)) {
        all.entry(index).or_default().push(cidr);
    }
    Ok(all)
}

/// struct ifaddrmsg and the attributes behind it.
fn address(payload: &[u8]) -> Option<(u32, Cidr)> {
    let (is_v6, prefix, flags) = (*payload.first()? == 10, *payload.get(1)?, *payload.get(2)?);
    if is_v6 && flags & IFA_F_TEMPORARY != 0 {
        return None;
    }
    let of = |wanted: u16| attributes(payload.get(8..)?).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    // On a link between two, IFA_ADDRESS is the other's.
    let address = ip(of(IFA_LOCAL).or(of(IFA_ADDRESS))?)?;
    Some((u32_at(payload, 4)?, Cidr { address, prefix }))
}

/// An address of either family, as the kernel has it.
pub fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))).ok()
}
