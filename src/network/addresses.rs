//! Which addresses a link of the host has, and who the host's own router on it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_core::{NLM_F_DUMP, NlasIterator};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc;

use super::socket::{Socket, u32_at};
use crate::definition::types::Cidr;
use crate::error::{Context, Result};

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_PERMANENT: u32 = 0x80;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const NLA_TYPE_MASK: u16 = 0x3fff;
/// TEST-NET-1 and its like of IPv6 (RFC 5737, RFC 3849): nobody has a route to these but the default one.
const NOWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// An address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// With the prefix of its network.
    pub cidr: Cidr,
    /// Nobody who gave it may take it back.
    pub permanent: bool,
}

/// Of the link of this index, but for link-local ones.
pub fn of_link(socket: &mut Socket, index: u32) -> Result<Vec<Found>> {
    let answer = socket.query(RouteNetlinkMessage::GetAddress(AddressMessage::default()), NLM_F_DUMP);
    let answer = answer.context("cannot list addresses")?;
    Ok(answer.iter().filter_map(|payload| parse(payload, index)).collect())
}

/// struct ifaddrmsg and the attributes behind it.
fn parse(payload: &[u8], index: u32) -> Option<Found> {
    if u32_at(payload, 4)? != index {
        return None;
    }
    let (prefix, mut flags) = (*payload.get(1)?, u32::from(*payload.get(2)?));
    let (mut address, mut local) = (None, None);
    for attribute in NlasIterator::new(payload.get(8..)?).map_while(Result::ok) {
        match attribute.kind() & NLA_TYPE_MASK {
            IFA_ADDRESS => address = ip(attribute.value()),
            IFA_LOCAL => local = ip(attribute.value()),
            IFA_FLAGS => flags = u32_at(attribute.value(), 0)?,
            _ => {}
        }
    }
    // With a peer IFA_ADDRESS is the peer's; IPv6 has IFA_LOCAL only then.
    let address = local.or(address)?;
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    (!link_local).then_some(Found { cidr: Cidr { address, prefix }, permanent: flags & IFA_F_PERMANENT != 0 })
}

/// The routers that the host itself sends to through this link, by default.
pub fn routers(socket: &mut Socket, index: u32) -> Vec<IpAddr> {
    NOWHERE.into_iter().filter_map(|nowhere| router(socket, nowhere, index)).collect()
}

/// None where there is no route at all, which the kernel calls an error.
fn router(socket: &mut Socket, to: IpAddr, index: u32) -> Option<IpAddr> {
    let mut message = RouteMessage::default();
    let (family, bits, to) = match to {
        IpAddr::V4(v4) => (AddressFamily::Inet, 32, RouteAddress::Inet(v4)),
        IpAddr::V6(v6) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(v6)),
    };
    message.header.address_family = family;
    message.header.destination_prefix_length = bits;
    message.attributes = vec![RouteAttribute::Destination(to)];
    let answer = socket.query(RouteNetlinkMessage::GetRoute(message), 0).ok()?;
    // struct rtmsg has 12 bytes.
    let attributes = NlasIterator::new(answer.first()?.get(12..)?).map_while(Result::ok);
    let (mut link, mut router) = (None, None);
    for attribute in attributes {
        match attribute.kind() & NLA_TYPE_MASK {
            RTA_OIF => link = u32_at(attribute.value(), 0),
            RTA_GATEWAY => router = ip(attribute.value()),
            _ => {}
        }
    }
    router.filter(|_| link == Some(index))
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// The multicast groups that tell of a change.
pub const EVENTS: i32 = libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
