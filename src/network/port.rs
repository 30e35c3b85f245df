//! What a port of a bridge can be told: its VLANs, who it talks to, whose frames it takes. Pure: a port in, requests out.

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::link::{
    AfSpecBridge, BridgeVlanInfo, BridgeVlanInfoFlags, LinkAttribute, LinkMessage, LinkProtoInfoBridge,
};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::link::message;
use super::socket::Request;
use super::{Bridge, shape};
use crate::plan::{Link, Port};

const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_LEARNING: u16 = 8;
const IFLA_BRPORT_ISOLATED: u16 = 33;
/// Linux 5.16; older kernels ignore it without a word.
pub const IFLA_BRPORT_LOCKED: u16 = 39;

/// Does it differ from what every new port is?
pub fn has_options(port: &Port) -> bool {
    has_vlans(port) || !flags(port).is_empty()
}

/// Is it a member of other VLANs than those that the bridge gives each port?
pub fn has_vlans(port: &Port) -> bool {
    port.vlan.is_some() || !port.tagged.is_empty()
}

/// All that the options of a port take, once it is there. Its other end is down still, so that no frame comes before.
pub fn requests(link: &Link, port: &Port, bridge: &Bridge, index: u32) -> Vec<Request> {
    let mut list: Vec<Request> = has_options(port).then(|| set(port, index)).into_iter().collect();
    // What the host's end sends is what comes into the container.
    list.extend(link.rate_in.map(|rate| shape::limit(&port.host_name, index, rate)));
    list.extend(leave_default_vlan(port, bridge, index));
    if !learns(port) {
        // After the VLANs: an entry without one is made in each that the port is a member of.
        list.push(own_address(link, port, index));
    }
    list
}

fn learns(port: &Port) -> bool {
    port.learning && !port.spoof_check
}

fn flags(port: &Port) -> Vec<LinkProtoInfoBridge> {
    let flag = |kind: u16, on: bool| LinkProtoInfoBridge::Other(DefaultNla::new(kind, vec![u8::from(on)]));
    let mut flags = Vec::new();
    flags.extend(port.hairpin.then(|| flag(IFLA_BRPORT_MODE, true)));
    flags.extend(port.isolated.then(|| flag(IFLA_BRPORT_ISOLATED, true)));
    flags.extend((!learns(port)).then(|| flag(IFLA_BRPORT_LEARNING, false)));
    flags.extend(port.spoof_check.then(|| flag(IFLA_BRPORT_LOCKED, true)));
    flags
}

/// Flags and VLANs go together in one message of the bridge's own family.
fn set(port: &Port, index: u32) -> Request {
    let mut attributes = Vec::new();
    let flags = flags(port);
    if !flags.is_empty() {
        attributes.push(LinkAttribute::ProtoInfoBridge(flags));
    }
    if has_vlans(port) {
        let untagged = BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged;
        let tagged = port.tagged.iter().map(|vid| vlan(*vid, BridgeVlanInfoFlags::empty()));
        attributes.push(LinkAttribute::AfSpecBridge(
            port.vlan.map(|vid| vlan(vid, untagged)).into_iter().chain(tagged).collect(),
        ));
    }
    request(port, RouteNetlinkMessage::SetLink(of_bridge(index, attributes)))
}

/// A port of a bridge that filters VLANs is born a member of the bridge's default one, and who names VLANs names all.
fn leave_default_vlan(port: &Port, bridge: &Bridge, index: u32) -> Option<Request> {
    let default = bridge.default_vlan;
    if !has_vlans(port) || default == 0 || port.vlan == Some(default) || port.tagged.contains(&default) {
        return None;
    }
    let vlans = LinkAttribute::AfSpecBridge(vec![vlan(default, BridgeVlanInfoFlags::empty())]);
    Some(request(port, RouteNetlinkMessage::DelLink(of_bridge(index, vec![vlans]))))
}

/// Where a port learns nothing, the bridge is told whose port it is. A sticky entry is not taken over by another port that
/// sends from the same address; and a locked port lets through what comes from an address that has an entry.
fn own_address(link: &Link, port: &Port, index: u32) -> Request {
    let mut entry = NeighbourMessage::default();
    entry.header.family = AddressFamily::Bridge;
    entry.header.ifindex = index;
    // "permanent" would make it an address of the bridge itself.
    entry.header.state = NeighbourState::Noarp;
    entry.header.flags = NeighbourFlags::Controller | NeighbourFlags::Sticky;
    entry.attributes = vec![NeighbourAttribute::LinkLayerAddress(link.mac.to_vec())];
    Request { flags: NLM_F_CREATE | NLM_F_REPLACE, ..request(port, RouteNetlinkMessage::NewNeighbour(entry)) }
}

fn vlan(vid: u16, flags: BridgeVlanInfoFlags) -> AfSpecBridge {
    AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid })
}

fn of_bridge(index: u32, attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = message(index, attributes);
    message.header.interface_family = AddressFamily::Bridge;
    message
}

fn request(port: &Port, message: RouteNetlinkMessage) -> Request {
    let action = format!("cannot set up port {} of bridge {}", port.host_name, port.bridge);
    Request { action, message, flags: 0, tolerated: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(port: Port) -> usize {
        let bridge = Bridge { index: 1, mtu: 1500, up: true, filters_vlans: true, default_vlan: 1 };
        if has_options(&port) { requests(&Link::default(), &port, &bridge, 2).len() } else { 0 }
    }

    #[test]
    fn a_port_is_told_as_little_as_its_options_need() {
        assert_eq!(count(Port::default()), 0);
        assert_eq!(count(Port { isolated: true, hairpin: true, ..Port::default() }), 1);
        assert_eq!(count(Port { vlan: Some(20), tagged: vec![30], isolated: true, ..Port::default() }), 2);
        assert_eq!(count(Port { vlan: Some(1), ..Port::default() }), 1, "the bridge's default VLAN is kept");
        assert_eq!(count(Port { vlan: Some(20), spoof_check: true, ..Port::default() }), 3);
    }
}
