//! What is said inside the container's network namespace: links up, addresses, routes. Pure: links in, requests out.

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags};
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::link::{message, no_link_local};
use super::shape;
use super::socket::Request;
use crate::definition::types::{Cidr, Network};
use crate::error::{Error, Exit, Result};
use crate::plan::{Dhcp, Link, Route};

/// lo is the first device of every network namespace.
const LOOPBACK: u32 = 1;

/// Everything, in an order that the kernel accepts: an address before the gateway that it makes reachable.
pub fn requests(links: &[(u32, &Link)]) -> Result<Vec<Request>> {
    refuse_two_defaults(links)?;
    let mut requests = vec![raise("lo", LOOPBACK)];
    for &(index, link) in links {
        let told = !link.addresses.is_empty() || link.dhcp == Dhcp::Host;
        if told && link.addresses.iter().all(|cidr| cidr.address.is_ipv4()) {
            requests.push(without_ipv6(&link.name, index));
        }
        requests.extend(link.rate_out.map(|rate| shape::limit(&link.name, index, rate)));
        requests.extend(link.addresses.iter().map(|cidr| address(&link.name, index, cidr)));
        requests.push(raise(&link.name, index));
    }
    for &(index, link) in links {
        routes(link, index, &mut requests)?;
    }
    Ok(requests)
}

/// From the links that there are to others of the same names. Addresses that are new come before old ones go, so that a
/// route which both make reachable is not lost; what the kernel drops with an address all the same is put back at the end.
pub fn transition(old: &[(u32, &Link)], new: &[(u32, &Link)]) -> Result<Vec<Request>> {
    let (before, mut after) = (requests(old)?, requests(new)?);
    for request in &mut after {
        if matches!(request.message, RouteNetlinkMessage::NewAddress(_) | RouteNetlinkMessage::NewRoute(_)) {
            request.tolerated = Some(Errno::EEXIST);
        }
    }
    let gone: Vec<_> =
        before.iter().filter(|old| !after.iter().any(|new| new.message == old.message)).filter_map(undo).collect();
    let (routes, addresses): (Vec<_>, Vec<_>) =
        gone.into_iter().rev().partition(|request| matches!(request.message, RouteNetlinkMessage::DelRoute(_)));
    let again = if addresses.is_empty() { Vec::new() } else { after.clone() };
    let is_lifted = |(index, link): &&(u32, &Link)| {
        let now = new.iter().find(|(other, _)| other == index).is_some_and(|(_, link)| link.rate_out.is_some());
        link.rate_out.is_some() && !now
    };
    let lifted = old.iter().filter(is_lifted).map(|(index, link)| shape::unlimit(&link.name, *index));
    Ok(lifted.chain(routes).chain(after).chain(addresses).chain(again).collect())
}

/// The opposite of adding an address or a route, which is fine where there is none.
fn undo(request: &Request) -> Option<Request> {
    let (message, tolerated) = match &request.message {
        RouteNetlinkMessage::NewAddress(add) => (RouteNetlinkMessage::DelAddress(add.clone()), Errno::EADDRNOTAVAIL),
        RouteNetlinkMessage::NewRoute(add) => (RouteNetlinkMessage::DelRoute(add.clone()), Errno::ESRCH),
        _ => return None,
    };
    let action = request.action.replace("cannot add", "cannot remove");
    Some(Request { action, message, flags: 0, tolerated: Some(tolerated) })
}

/// The largest packet.
pub fn resize(name: &str, index: u32, mtu: u32) -> Request {
    let message = RouteNetlinkMessage::SetLink(message(index, vec![LinkAttribute::Mtu(mtu)]));
    Request { action: format!("cannot set the MTU of {name} to {mtu}"), message, flags: 0, tolerated: None }
}

fn raise(name: &str, index: u32) -> Request {
    let mut up = message(index, Vec::new());
    up.header.flags = LinkFlags::Up;
    up.header.change_mask = LinkFlags::Up;
    let message = RouteNetlinkMessage::SetLink(up);
    Request { action: format!("cannot raise link {name}"), message, flags: 0, tolerated: None }
}

/// The Ethernet address that the link has anyhow.
pub fn announce(link: &Link) -> Request {
    let attributes = vec![LinkAttribute::IfName(link.name.clone()), LinkAttribute::Address(link.mac.to_vec())];
    let message = RouteNetlinkMessage::SetLink(message(0, attributes));
    Request { action: format!("cannot announce the addresses of {}", link.name), message, flags: 0, tolerated: None }
}

/// A link with IPv4 addresses alone stays silent in IPv6: its neighbour discovery would flood every port of the bridge.
fn without_ipv6(name: &str, index: u32) -> Request {
    let message = RouteNetlinkMessage::SetLink(message(index, vec![no_link_local()]));
    Request { action: format!("cannot set up link {name}"), message, flags: 0, tolerated: Some(Errno::EAFNOSUPPORT) }
}

/// The message that adds an address.
pub fn address(name: &str, index: u32, cidr: &Cidr) -> Request {
    let mut add = AddressMessage::default();
    add.header.family = family(cidr.address);
    add.header.prefix_len = cidr.prefix;
    add.header.index = index;
    add.attributes = vec![AddressAttribute::Local(cidr.address), AddressAttribute::Address(cidr.address)];
    match cidr.address {
        IpAddr::V4(ip) if cidr.prefix <= 30 => add.attributes.push(AddressAttribute::Broadcast(broadcast(ip, cidr))),
        IpAddr::V4(_) => {}
        // Without duplicate address detection: it would hold the address back for a second or two.
        IpAddr::V6(_) => add.header.flags = AddressHeaderFlags::Nodad,
    }
    Request {
        action: format!("cannot add address {}/{} to {name}", cidr.address, cidr.prefix),
        message: RouteNetlinkMessage::NewAddress(add),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        tolerated: None,
    }
}

fn broadcast(ip: Ipv4Addr, cidr: &Cidr) -> Ipv4Addr {
    Ipv4Addr::from_bits(ip.to_bits() | u32::MAX.checked_shr(cidr.prefix.into()).unwrap_or(0))
}

/// Routes that need no gateway, what makes the gateways reachable, the gateways, and what goes through a gateway.
fn routes(link: &Link, index: u32, requests: &mut Vec<Request>) -> Result<()> {
    // What needs an address that is leased comes with the lease.
    let now = |ip: IpAddr| ip.is_ipv6() || !link.awaits_lease();
    let routes = link.routes.iter().filter(|route| now(route.to.address));
    let (through, direct): (Vec<&Route>, Vec<&Route>) = routes.partition(|route| route.via.is_some());
    for route in direct {
        requests.push(add_route(link, index, route)?);
    }
    for gateway in link.gateways.iter().copied().filter(|ip| now(*ip)) {
        if !reaches(link, gateway) {
            let to = Network { address: gateway, prefix: full(gateway) };
            if !link.addresses.iter().any(|cidr| same_family(cidr.address, gateway) && cidr.prefix == to.prefix) {
                return Err(Error::new(
                    Exit::Invalid,
                    format_args!(
                        "gateway {gateway} is not on link {}: none of its addresses is in one net with it",
                        link.name
                    ),
                ));
            }
            // A host address (/32) has no net: the gateway is told to be on the link.
            requests.push(add_route(link, index, &Route { to, via: None, metric: None, table: None })?);
        }
        let any = match gateway {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0; 16]),
        };
        let to = Network { address: any, prefix: 0 };
        requests.push(add_route(link, index, &Route { to, via: Some(gateway), metric: None, table: None })?);
    }
    for route in through {
        requests.push(add_route(link, index, route)?);
    }
    Ok(())
}

fn add_route(link: &Link, index: u32, route: &Route) -> Result<Request> {
    let to = match route.to.prefix {
        0 => "default route".to_owned(),
        prefix => format!("route {}/{prefix}", route.to.address),
    };
    let action = match route.via {
        Some(via) => format!("cannot add {to} via {via}"),
        None => format!("cannot add {to} on {}", link.name),
    };
    if route.via.is_some_and(|via| !same_family(via, route.to.address)) {
        return Err(Error::new(Exit::Invalid, format_args!("{action}: one is IPv4 and the other IPv6")));
    }
    let table = route.table.unwrap_or(RouteHeader::RT_TABLE_MAIN.into());
    let mut add = RouteMessage::default();
    add.header.address_family = family(route.to.address);
    add.header.destination_prefix_length = route.to.prefix;
    add.header.table = u8::try_from(table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    add.header.protocol = RouteProtocol::Static;
    add.header.kind = RouteType::Unicast;
    add.header.scope = if route.via.is_some() { RouteScope::Universe } else { RouteScope::Link };
    add.attributes = vec![RouteAttribute::Oif(index), RouteAttribute::Table(table)];
    if route.to.prefix > 0 {
        add.attributes.push(RouteAttribute::Destination(route.to.address.into()));
    }
    add.attributes.extend(route.via.map(|via| RouteAttribute::Gateway(via.into())));
    add.attributes.extend(route.metric.map(RouteAttribute::Priority));
    let message = RouteNetlinkMessage::NewRoute(add);
    Ok(Request { action, message, flags: NLM_F_CREATE | NLM_F_EXCL, tolerated: None })
}

/// The kernel would say no more than "File exists" to the second default route.
fn refuse_two_defaults(links: &[(u32, &Link)]) -> Result<()> {
    for (family, is_v4) in [("IPv4", true), ("IPv6", false)] {
        let with: Vec<_> = links
            .iter()
            .map(|(_, link)| link)
            .filter(|link| link.gateways.iter().any(|ip| ip.is_ipv4() == is_v4))
            .collect();
        if let [first, second, ..] = with[..] {
            return Err(Error::new(
                Exit::Invalid,
                format_args!(
                    "links {} and {} both have an {family} gateway: make one of them a route with a metric",
                    first.name, second.name
                ),
            ));
        }
    }
    Ok(())
}

/// Does an address, a route or, for fe80::, the link itself make `ip` a neighbour?
fn reaches(link: &Link, ip: IpAddr) -> bool {
    let mut direct = link.routes.iter().filter(|route| route.via.is_none()).map(|route| route.to);
    let mut nets = link.addresses.iter().map(|cidr| Network { address: cidr.address, prefix: cidr.prefix });
    let link_local = matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
    link_local
        || direct.any(|net| contains(net, ip))
        || nets.any(|net| (net.address != ip || net.prefix < full(ip)) && contains(net, ip))
}

fn contains(net: Network, ip: IpAddr) -> bool {
    let shift = full(ip).saturating_sub(net.prefix).into();
    match (net.address, ip) {
        (IpAddr::V4(net), IpAddr::V4(ip)) => (net.to_bits() ^ ip.to_bits()).checked_shr(shift).unwrap_or(0) == 0,
        (IpAddr::V6(net), IpAddr::V6(ip)) => (net.to_bits() ^ ip.to_bits()).checked_shr(shift).unwrap_or(0) == 0,
        _ => false,
    }
}

fn same_family(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}

/// The prefix length of a single address.
fn full(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(addresses: &[(&str, u8)], gateways: &[&str]) -> Link {
        Link {
            name: "eth0".into(),
            addresses: addresses.iter().map(|(ip, prefix)| cidr(ip, *prefix)).collect(),
            gateways: gateways.iter().map(|ip| ip.parse().unwrap()).collect(),
            ..Link::default()
        }
    }

    fn cidr(ip: &str, prefix: u8) -> Cidr {
        Cidr { address: ip.parse().unwrap(), prefix }
    }

    fn actions(link: Link) -> Vec<String> {
        requests(&[(2, &link)]).unwrap().into_iter().map(|r| r.action.replace("cannot ", "")).collect()
    }

    #[test]
    fn a_gateway_comes_after_its_address() {
        assert_eq!(
            actions(link(&[("10.88.0.10", 24), ("fd00::10", 64)], &["10.88.0.1", "fd00::1"])),
            [
                "raise link lo",
                "add address 10.88.0.10/24 to eth0",
                "add address fd00::10/64 to eth0",
                "raise link eth0",
                "add default route via 10.88.0.1",
                "add default route via fd00::1",
            ]
        );
    }

    #[test]
    fn a_host_address_tells_where_its_gateway_is() {
        let actions = actions(link(&[("10.88.0.10", 32)], &["10.0.0.1"]));
        assert_eq!(actions[4..], ["add route 10.0.0.1/32 on eth0", "add default route via 10.0.0.1"]);
    }

    #[test]
    fn a_direct_route_makes_a_gateway_reachable() {
        let mut link = link(&[("10.88.0.10", 24)], &["10.9.0.1"]);
        let to = "10.9.0.0/24".parse().unwrap();
        link.routes = vec![Route { to, via: None, metric: None, table: None }];
        assert_eq!(actions(link)[4..], ["add route 10.9.0.0/24 on eth0", "add default route via 10.9.0.1"]);
    }

    #[test]
    fn a_gateway_elsewhere_is_refused() {
        let error = requests(&[(2, &link(&[("10.88.0.10", 24)], &["10.89.0.1"]))]).unwrap_err();
        assert!(error.to_string().starts_with("gateway 10.89.0.1 is not on link eth0"), "{error}");
        assert!(requests(&[(2, &link(&[("10.88.0.10", 24)], &["fd00::1"]))]).is_err());
        assert!(requests(&[(2, &link(&[("fd00::2", 64)], &["fe80::1"]))]).is_ok());
    }

    #[test]
    fn two_defaults_are_refused_with_both_links() {
        let (first, mut second) = (link(&[("10.1.0.2", 24)], &["10.1.0.1"]), link(&[("10.2.0.2", 24)], &["10.2.0.1"]));
        second.name = "eth1".into();
        let error = requests(&[(2, &first), (3, &second)]).unwrap_err();
        assert!(error.to_string().starts_with("links eth0 and eth1 both have an IPv4 gateway"), "{error}");
    }

    #[test]
    fn broadcasts_and_nets() {
        let of = |ip, prefix| broadcast(ip, &Cidr { address: ip.into(), prefix });
        assert_eq!(of(Ipv4Addr::new(10, 88, 3, 10), 16), Ipv4Addr::new(10, 88, 255, 255));
        assert_eq!(of(Ipv4Addr::new(10, 88, 3, 10), 0), Ipv4Addr::BROADCAST);
        assert!(contains("0.0.0.0/0".parse().unwrap(), "9.9.9.9".parse().unwrap()));
        assert!(!contains("10.0.0.0/31".parse().unwrap(), "10.0.0.2".parse().unwrap()));
    }
}
