//! The host's neighbours on a link, by the kernel's own tables: asking for one, and what is known of it. Pure: what is asked
//! in, messages out, and payloads in, what they say out.

use std::net::Ipv4Addr;

use netlink_packet_core::{NLM_F_CREATE, NlasIterator};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::socket::{Refusal, Request, Socket, u32_at};

const NDA_LLADDR: u16 = 2;
const NUD_REACHABLE: u16 = 0x02;
/// NUD_NOARP and NUD_PERMANENT: somebody has written it down, and nobody is asked.
const NUD_WRITTEN: u16 = 0x40 | 0x80;

/// What the kernel knows of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Nothing, or nothing that is sure.
    Unknown,
    /// Who has it has just said so.
    Answered([u8; 6]),
    /// The administrator has said who has it.
    Written,
}

/// Looks it up.
pub fn look_up(socket: &mut Socket, index: u32, address: Ipv4Addr) -> Result<Entry, Refusal> {
    match socket.query(RouteNetlinkMessage::GetNeighbour(message(index, address)), 0) {
        Ok(answer) => Ok(answer.first().and_then(|payload| parse(payload)).unwrap_or(Entry::Unknown)),
        Err(Refusal { errno: Errno::ENOENT, .. }) => Ok(Entry::Unknown),
        Err(refusal) => Err(refusal),
    }
}

/// Has the kernel ask the wire, whatever it knew before: an ARP request goes out at once.
pub fn ask(index: u32, address: Ipv4Addr) -> [Request; 2] {
    let mut used = message(index, address);
    used.header.flags = NeighbourFlags::Use;
    let action = format!("cannot ask who has {address}");
    let message = RouteNetlinkMessage::NewNeighbour(used);
    [forget(index, address), Request { action, message, flags: NLM_F_CREATE, tolerated: None }]
}

/// Nothing is known any more.
pub fn forget(index: u32, address: Ipv4Addr) -> Request {
    Request {
        action: format!("cannot forget who has {address}"),
        message: RouteNetlinkMessage::DelNeighbour(message(index, address)),
        flags: 0,
        tolerated: Some(Errno::ENOENT),
    }
}

/// The index of the bridge's port that frames from an Ethernet address have come from, if the bridge has learned it.
pub fn port_of(socket: &mut Socket, bridge: u32, mac: [u8; 6]) -> Option<u32> {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = 0;
    message.header.state = NeighbourState::None;
    message.attributes =
        vec![NeighbourAttribute::LinkLayerAddress(mac.to_vec()), NeighbourAttribute::Controller(bridge)];
    let answer = socket.query(RouteNetlinkMessage::GetNeighbour(message), 0).ok()?;
    u32_at(answer.first()?, 4)
}

fn message(index: u32, address: Ipv4Addr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = index;
    message.header.state = NeighbourState::None;
    message.attributes = vec![NeighbourAttribute::Destination(NeighbourAddress::Inet(address))];
    message
}

/// struct ndmsg and the attributes behind it.
fn parse(payload: &[u8]) -> Option<Entry> {
    let state = u16::from_ne_bytes(payload.get(8..10)?.try_into().ok()?);
    if state & NUD_WRITTEN != 0 {
        return Some(Entry::Written);
    }
    let mut attributes = NlasIterator::new(payload.get(12..)?).map_while(Result::ok);
    let mac = attributes.find(|one| one.kind() == NDA_LLADDR)?.value().try_into().ok()?;
    Some(if state & NUD_REACHABLE != 0 { Entry::Answered(mac) } else { Entry::Unknown })
}
