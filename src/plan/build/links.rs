//! The wires: names and addresses that stay the same over restarts, and differ between hosts.

use sha2::{Digest, Sha256};

use super::super::{Dhcp, Facts, Link, LinkKind, Port, Route};
use crate::definition::Definition;
use crate::definition::model::{Init, Network, NetworkKind};
use crate::definition::types::Cidr;

/// One link for each `[[network]]`, in order.
pub fn links(definition: &Definition, facts: &Facts) -> Vec<Link> {
    definition
        .network
        .iter()
        .enumerate()
        .map(|(index, network)| Link { dhcp: dhcp(network, definition), ..link(network, index, facts) })
        .collect()
}

fn dhcp(network: &Network, definition: &Definition) -> Dhcp {
    match (network.asks_dhcp(), definition.init) {
        (false, _) => Dhcp::No,
        (true, Init::Image) => Dhcp::Payload,
        (true, _) => Dhcp::Host,
    }
}

fn link(network: &Network, index: usize, facts: &Facts) -> Link {
    let name = network.name(index).to_string();
    let hash = digest(facts, &name);
    let [a, b, c, d, e, ..] = hash;
    let parent = || network.parent.as_ref().map(ToString::to_string).unwrap_or_default();
    let kind = match network.kind {
        NetworkKind::Bridge => LinkKind::Bridge(port(network, hash, facts)),
        NetworkKind::Macvlan => LinkKind::Macvlan { parent: parent() },
        NetworkKind::Ipvlan => LinkKind::Ipvlan { parent: parent() },
        NetworkKind::Device => LinkKind::Device { parent: parent() },
    };
    Link {
        kind,
        // Locally administered, not multicast.
        mac: network.mac.map_or([0x02, a, b, c, d, e], |mac| mac.0),
        mtu: network.mtu,
        rate_in: network.rate.and_then(|rate| rate.r#in.value()).map(|rate| rate.0),
        rate_out: network.rate.and_then(|rate| rate.out.value()).map(|rate| rate.0),
        dhcp: Dhcp::No,
        addresses: network.addresses().chain(given(facts, &name)).collect(),
        gateways: network.gateways().collect(),
        routes: network.routes.iter().map(route).collect(),
        name,
    }
}

fn port(network: &Network, hash: [u8; 32], facts: &Facts) -> Port {
    let [a, b, c, d, e, f, ..] = hash;
    let host_name = network.host_name.as_ref().map(ToString::to_string);
    let bridge = network.bridge.as_ref().map(ToString::to_string).unwrap_or_default();
    Port {
        create: network.create.then(|| bridge_mac(&facts.machine_id, &bridge)),
        bridge,
        // 15 bytes, the longest that the kernel takes.
        host_name: host_name.unwrap_or_else(|| format!("vb-{a:02x}{b:02x}{c:02x}{d:02x}{e:02x}{f:02x}")),
        host_mac: [0xfe, a, b, c, d, e],
        vlan: network.vlan.map(|vlan| vlan.0),
        tagged: network.tagged.iter().map(|vlan| vlan.0).collect(),
        isolated: network.isolated,
        hairpin: network.hairpin,
        learning: network.learning.unwrap_or(true),
        spoof_check: network.spoof_check,
    }
}

fn route(route: &crate::definition::model::Route) -> Route {
    Route { to: route.to, via: route.via.map(|via| via.0), metric: route.metric, table: route.table }
}

/// The Ethernet address of a bridge that soute makes: the same whoever makes it, and another one on each host.
pub fn bridge_mac(machine_id: &str, bridge: &str) -> [u8; 6] {
    let hash: [u8; 32] = Sha256::digest(format!("soute\0{machine_id}\0bridge\0{bridge}")).into();
    let [a, b, c, d, e, ..] = hash;
    [0x02, a, b, c, d, e]
}

/// What it was given for "auto".
fn given<'a>(facts: &'a Facts, name: &str) -> impl Iterator<Item = Cidr> + 'a {
    facts.addresses.get(name).into_iter().flatten().copied()
}

/// The hash of host, container and purpose.
pub fn digest(facts: &Facts, purpose: &str) -> [u8; 32] {
    let text = format!("soute\0{}\0{}\0{purpose}", facts.machine_id, facts.name);
    Sha256::digest(text).into()
}
