//! The link messages: asking what a link is, and making a veth whose ends are born where they belong.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::NlasIterator;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags,
    LinkInfo, LinkMessage,
};
use nix::errno::Errno;

use super::Bridge;
use super::socket::{Refusal, Request, Socket, u32_at};
use crate::error::{Context, Error, Exit, Result};
use crate::plan::{Link, Port};

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_PERM_ADDRESS: u16 = 54;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
/// BR_STATE_DISABLED is 0.
const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BR_VLAN_DEFAULT_PVID: u16 = 39;
const NLA_TYPE_MASK: u16 = 0x3fff;
/// IFNAMSIZ less the final NUL.
const NAME_LENGTH: usize = 15;
/// What `ip link` shows as alias of our veths. nspawn and networkd call theirs vb-… too.
pub const ALIAS: &str = "soute";

/// What is asked of a link. netlink-packet-route's own parser refuses a link over any attribute that it finds malformed,
/// which newer kernels' often are to it; these are all that matters here.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub index: u32,
    pub name: String,
    pub up: bool,
    pub mtu: u32,
    pub mac: Vec<u8>,
    /// The address that a card was made with; `mac` where it does not tell.
    pub hardware: Vec<u8>,
    pub alias: String,
    /// The index of the bridge that it is a port of.
    pub master: Option<u32>,
    /// "veth", "bridge"…; none for hardware and for lo.
    pub kind: Option<String>,
    /// Of a bridge: whether it filters VLANs, and the one that its ports are born in.
    pub filters_vlans: bool,
    pub default_vlan: u16,
    /// Of a port: it takes frames from addresses alone that are known to be there.
    pub locked: bool,
    /// Of a port: nothing passes through it.
    pub disabled: bool,
}

impl Found {
    /// Reads struct ifinfomsg and the attributes behind it.
    fn parse(payload: &[u8]) -> Option<Self> {
        let mut found = Self { index: u32_at(payload, 4)?, up: u32_at(payload, 8)? & 1 != 0, ..Self::default() };
        let text = |value: &[u8]| String::from_utf8_lossy(value).trim_end_matches('\0').to_owned();
        for attribute in NlasIterator::new(payload.get(16..)?).map_while(Result::ok) {
            let value = attribute.value();
            match attribute.kind() & NLA_TYPE_MASK {
                IFLA_IFNAME => found.name = text(value),
                IFLA_IFALIAS => found.alias = text(value),
                IFLA_ADDRESS => found.mac = value.to_vec(),
                IFLA_MASTER => found.master = u32_at(value, 0),
                IFLA_PERM_ADDRESS => found.hardware = value.to_vec(),
                IFLA_MTU => found.mtu = u32_at(value, 0)?,
                IFLA_LINKINFO => found.parse_info(value),
                _ => {}
            }
        }
        if found.hardware.is_empty() {
            found.hardware.clone_from(&found.mac);
        }
        Some(found)
    }

    /// IFLA_LINKINFO: the kind comes before what belongs to it.
    fn parse_info(&mut self, value: &[u8]) {
        for info in NlasIterator::new(value).map_while(Result::ok) {
            let inner = |kind: u16| {
                let mut all = NlasIterator::new(info.value()).map_while(Result::ok);
                all.find(|one| one.kind() & NLA_TYPE_MASK == kind).map(|one| one.value().to_vec())
            };
            let is_set = |kind: u16| inner(kind).is_some_and(|value| value.first() == Some(&1));
            match info.kind() & NLA_TYPE_MASK {
                IFLA_INFO_KIND => {
                    self.kind = Some(String::from_utf8_lossy(info.value()).trim_end_matches('\0').to_owned());
                }
                IFLA_INFO_DATA if self.kind.as_deref() == Some("bridge") => {
                    self.filters_vlans = is_set(IFLA_BR_VLAN_FILTERING);
                    let default = inner(IFLA_BR_VLAN_DEFAULT_PVID).and_then(|value| value.try_into().ok());
                    self.default_vlan = default.map_or(0, u16::from_ne_bytes);
                }
                IFLA_INFO_SLAVE_DATA => {
                    self.locked = is_set(super::port::IFLA_BRPORT_LOCKED);
                    self.disabled = inner(IFLA_BRPORT_STATE).is_some_and(|value| value.first() == Some(&0));
                }
                _ => {}
            }
        }
    }

    /// One end of a pair, whoever made it.
    pub fn is_veth(&self) -> bool {
        self.kind.as_deref() == Some("veth")
    }

    /// The host end of a veth that soute made.
    pub fn is_ours(&self) -> bool {
        self.is_veth() && self.alias == ALIAS
    }

    /// The words for what it is.
    pub fn what(&self) -> String {
        match &self.kind {
            Some(kind) => format!("a link of kind {kind}"),
            None if self.name == "lo" => "the loopback link".to_owned(),
            None => "a network card".to_owned(),
        }
    }
}

/// The link of that name, or none.
pub fn find(socket: &mut Socket, name: &str) -> Result<Option<Found>> {
    if name.is_empty() || name.len() > NAME_LENGTH {
        return Ok(None);
    }
    let attributes =
        vec![LinkAttribute::IfName(name.to_owned()), LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
    match socket.query(RouteNetlinkMessage::GetLink(message(0, attributes)), 0) {
        Ok(answer) => Ok(answer.first().and_then(|payload| Found::parse(payload))),
        Err(Refusal { errno: Errno::ENODEV, .. }) => Ok(None),
        Err(refusal) => Err(refusal).with_context(|| format!("cannot look up link {name}")),
    }
}

/// Every link of this network namespace.
pub fn list(socket: &mut Socket) -> Result<Vec<Found>> {
    let attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
    let answer = socket.query(RouteNetlinkMessage::GetLink(message(0, attributes)), NLM_F_DUMP);
    Ok(answer.context("cannot list links")?.iter().filter_map(|payload| Found::parse(payload)).collect())
}

/// The message that makes the pair: the host end up and in the bridge, its peer inside `netns`. Moving a device between
/// namespaces instead costs 20 ms. The peer is not raised here: it would be opened before the two are joined (ENOTCONN).
pub fn create(link: &Link, port: &Port, bridge: &Bridge, netns: BorrowedFd<'_>) -> Result<Request> {
    for name in [&port.host_name, &link.name] {
        if name.is_empty() || name.len() > NAME_LENGTH {
            return Err(Error::new(Exit::Invalid, format_args!("link name {name:?} is not of 1 to 15 bytes")));
        }
    }
    let mtu = link.mtu.unwrap_or(bridge.mtu);
    let peer = message(
        0,
        vec![
            LinkAttribute::IfName(link.name.clone()),
            LinkAttribute::Address(link.mac.to_vec()),
            LinkAttribute::Mtu(mtu),
            LinkAttribute::NetNsFd(netns.as_raw_fd()),
        ],
    );
    let mut host = message(
        0,
        vec![
            LinkAttribute::IfName(port.host_name.clone()),
            LinkAttribute::Address(port.host_mac.to_vec()),
            // A bridge takes the smallest MTU of its ports as its own: a small one inside must not shrink it for all.
            LinkAttribute::Mtu(mtu.max(bridge.mtu)),
            LinkAttribute::Controller(bridge.index),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ],
    );
    host.header.flags = LinkFlags::Up;
    host.header.change_mask = LinkFlags::Up;
    Ok(Request {
        action: format!("cannot create link {} on bridge {}", port.host_name, port.bridge),
        message: RouteNetlinkMessage::NewLink(host),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        tolerated: None,
    })
}

/// What a new link cannot be given at its birth: the alias, and no IPv6 link-local address on the host end, whose
/// multicast goes to every port (1000 ports: 4 s instead of 1). It has no carrier yet, so no such address is there. In one
/// message, as each waits for the lock that all who make links wait for; a kernel without IPv6 refuses it before it does
/// anything, and takes the alias alone.
pub fn dress(host_name: &str) -> [Request; 2] {
    let set = |attributes: Vec<_>| {
        let attributes = [LinkAttribute::IfName(host_name.to_owned())].into_iter().chain(attributes).collect();
        let message = RouteNetlinkMessage::SetLink(message(0, attributes));
        Request { action: format!("cannot set up link {host_name}"), message, flags: 0, tolerated: None }
    };
    let alias = || LinkAttribute::IfAlias(ALIAS.to_owned());
    [set(vec![alias(), no_link_local()]), set(vec![alias()])]
}

/// The message that removes a link.
pub fn delete(index: u32, name: &str) -> Request {
    Request {
        action: format!("cannot remove link {name}"),
        message: RouteNetlinkMessage::DelLink(message(index, Vec::new())),
        flags: 0,
        // It went with the last process of its namespace in the meantime.
        tolerated: Some(Errno::ENODEV),
    }
}

/// IPv6 stays usable, but the kernel makes no fe80:: address.
pub fn no_link_local() -> LinkAttribute {
    LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)])])
}

/// A link message about `index` (0: the name says which).
pub fn message(index: u32, attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = attributes;
    message
}
