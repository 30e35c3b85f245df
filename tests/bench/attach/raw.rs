//! The same link by the fewest messages that make one: no question, no alias, nothing that makes good what was left over.

use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily as Family, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};
use soute::error::{Context, Error, Result};
use soute::plan::{Link, LinkKind};

/// Host's side first, then `enter`, then the inside.
pub fn attach(link: &Link, bridge: u32, netns: &OwnedFd, enter: fn(&OwnedFd) -> Result<()>) -> Result<()> {
    let LinkKind::Bridge(port) = &link.kind else { return Err(Error::failed("no port")) };
    let mut peer = LinkMessage::default();
    peer.attributes = vec![
        LinkAttribute::IfName(link.name.clone()),
        LinkAttribute::Address(link.mac.to_vec()),
        LinkAttribute::NetNsFd(netns.as_raw_fd()),
    ];
    let mut host = up(0);
    host.attributes = vec![
        LinkAttribute::IfName(port.host_name.clone()),
        LinkAttribute::Address(port.host_mac.to_vec()),
        LinkAttribute::Controller(bridge),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]),
    ];
    say(&open()?, &[RouteNetlinkMessage::NewLink(host)])?;
    enter(netns)?;
    let index = if_nametoindex(link.name.as_str()).context("no link inside")?;
    let mut messages = vec![RouteNetlinkMessage::SetLink(up(1))];
    messages.extend(link.addresses.iter().map(|cidr| {
        let mut add = AddressMessage::default();
        add.header.family = if cidr.address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        add.header.prefix_len = cidr.prefix;
        add.header.index = index;
        add.header.flags = if cidr.address.is_ipv4() { AddressHeaderFlags::empty() } else { AddressHeaderFlags::Nodad };
        add.attributes = vec![AddressAttribute::Local(cidr.address), AddressAttribute::Address(cidr.address)];
        RouteNetlinkMessage::NewAddress(add)
    }));
    messages.push(RouteNetlinkMessage::SetLink(up(index)));
    messages.extend(link.routes.iter().map(|route| {
        let mut add = RouteMessage::default();
        add.header.address_family = AddressFamily::Inet;
        add.header.destination_prefix_length = route.to.prefix;
        (add.header.protocol, add.header.scope, add.header.kind) =
            (RouteProtocol::Static, RouteScope::Universe, RouteType::Unicast);
        add.header.table = 254;
        add.attributes = vec![RouteAttribute::Destination(route.to.address.into())];
        add.attributes.extend(route.via.map(|via| RouteAttribute::Gateway(via.into())));
        RouteNetlinkMessage::NewRoute(add)
    }));
    say(&open()?, &messages)
}

fn up(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message
}

fn open() -> Result<OwnedFd> {
    let fd = socket(Family::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute);
    let fd = fd.context("cannot open a netlink socket")?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0)).context("cannot bind a netlink socket")?;
    Ok(fd)
}

/// All in one call, and as many acknowledgements: struct nlmsghdr, and an error number that is to be 0.
fn say(fd: &OwnedFd, messages: &[RouteNetlinkMessage]) -> Result<()> {
    let mut bytes = Vec::new();
    for message in messages {
        let mut message = NetlinkMessage::from(message.clone());
        let new = !matches!(
            message.payload,
            netlink_packet_core::NetlinkPayload::InnerMessage(RouteNetlinkMessage::SetLink(_))
        );
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK | if new { NLM_F_CREATE | NLM_F_EXCL } else { 0 };
        message.finalize();
        let (start, length) = (bytes.len(), message.buffer_len());
        bytes.resize(start + length.next_multiple_of(4), 0);
        message.serialize(&mut bytes[start..start + length]);
    }
    send(fd.as_raw_fd(), &bytes, MsgFlags::empty()).context("cannot send")?;
    let (mut left, mut buffer) = (messages.len(), vec![0; 8192]);
    while left > 0 {
        let read = recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty()).context("cannot receive")?;
        let mut rest = &buffer[..read];
        while let Some(Ok(length)) = rest.get(..4).map(<[u8; 4]>::try_from) {
            let length = u32::from_ne_bytes(length) as usize;
            if rest.get(16..20) != Some(&[0; 4]) {
                return Err(Error::failed("the kernel has refused"));
            }
            left -= 1;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
    Ok(())
}
