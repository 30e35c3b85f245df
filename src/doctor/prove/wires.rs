//! Links, addresses, routes, rules and queueing disciplines, by rtnetlink: what soute made is left out.

use std::collections::BTreeMap;

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::tc::TcMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::route_text::{self, Names};
use super::{Area, Item, Snapshot};
use crate::error::{Context, Result};
use crate::network::socket::Socket;
use crate::network::topology::{self, Wire};

/// The links as they are now.
pub fn list() -> Result<Vec<Wire>> {
    topology::wires(&mut Socket::open(0)?)
}

/// Reads all five, and returns the links.
pub fn read(snapshot: &mut Snapshot) -> Result<Vec<Wire>> {
    let mut socket = Socket::open(0)?;
    let wires = topology::wires(&mut socket)?;
    let names: Names = wires.iter().map(|wire| (wire.index, wire.name.clone())).collect();
    let ours: Vec<&str> = wires.iter().filter(|wire| wire.is_ours()).map(|wire| wire.name.as_str()).collect();
    let foreign = |items: Vec<Item>| -> Vec<Item> {
        let is_ours = |item: &Item| item.link.as_ref().is_some_and(|link| ours.contains(&link.as_str()));
        let mut items: Vec<_> = items.into_iter().filter(|item| !is_ours(item)).collect();
        items.sort();
        items
    };
    let mut areas = BTreeMap::new();
    areas.insert(Area::Links, foreign(wires.iter().map(|wire| link(wire, &names)).collect()));
    let addresses = topology::addresses(&mut socket)?;
    let addresses =
        addresses.iter().flat_map(|(index, list)| list.iter().map(|cidr| (names.get(index).cloned(), *cidr)));
    let address = |(link, cidr): (Option<String>, crate::definition::types::Cidr)| Item {
        text: format!("{cidr} on {}", link.as_deref().unwrap_or("?")),
        link,
    };
    areas.insert(Area::Addresses, foreign(addresses.map(address).collect()));
    areas.insert(Area::Routes, foreign(routes(&mut socket, &names)?));
    areas.insert(Area::Rules, foreign(rules(&mut socket)?));
    areas.insert(Area::Queueing, foreign(queueing(&mut socket, &names)?));
    snapshot.areas.extend(areas);
    Ok(wires)
}

/// A bridge without an Ethernet address of its own takes that of a port: it is not compared.
fn link(wire: &Wire, names: &Names) -> Item {
    let mut text = format!("{}: {}", wire.name, wire.kind.as_deref().unwrap_or("hardware"));
    text += &format!(", mtu {}, {}", wire.mtu, if wire.up { "up" } else { "down" });
    if !wire.is_bridge() && !wire.mac.is_empty() {
        text += &format!(", address {}", route_text::hex(&wire.mac, ":"));
    }
    if let Some(master) = wire.master {
        text += &format!(", port of {}", names.get(&master).map_or("?", String::as_str));
    }
    if wire.vlan_filtering {
        text += ", VLAN filtering";
    }
    Item { link: Some(wire.name.clone()), text }
}

const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];

fn routes(socket: &mut Socket, names: &Names) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for family in FAMILIES {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        let answer = socket.query(RouteNetlinkMessage::GetRoute(message), NLM_F_DUMP).context("cannot list routes")?;
        items.extend(answer.iter().filter_map(|payload| route_text::route(payload, names)));
    }
    Ok(items)
}

fn rules(socket: &mut Socket) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for family in FAMILIES {
        let mut message = RuleMessage::default();
        message.header.family = family;
        match socket.query(RouteNetlinkMessage::GetRule(message), NLM_F_DUMP) {
            Ok(answer) => items.extend(answer.iter().filter_map(|payload| route_text::rule(payload))),
            // A kernel without policy routing, or without IPv6, has no rules.
            Err(refusal) if refusal.errno == nix::errno::Errno::EOPNOTSUPP => {}
            Err(refusal) => return Err(refusal).context("cannot list rules of routing"),
        }
    }
    Ok(items)
}

fn queueing(socket: &mut Socket, names: &Names) -> Result<Vec<Item>> {
    let message = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default());
    let answer = socket.query(message, NLM_F_DUMP).context("cannot list queueing disciplines")?;
    Ok(answer.iter().filter_map(|payload| route_text::queueing(payload, names)).collect())
}
