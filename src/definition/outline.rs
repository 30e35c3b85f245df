//! What others have to know of a container, read from the merged tree without decoding it: order and boot, addresses.
//! Values that are not understood are left out; decoding reports them.

use std::net::IpAddr;

use super::decode;
use super::merge::Parsed;
use super::model::Protocol;
use super::search::{Found, Replica};
use super::source::Origin;
use super::tree::{Node, Value};
use super::types::{Address, Cidr, Dependency, Listen, Name, NetworkNamespace, Scalar, Vlan};
use crate::layout::Layout;

/// A container as its neighbours and the boot see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    /// The container.
    pub name: Name,
    /// The definition that it is one of several containers of.
    pub replica_of: Option<Name>,
    /// The group that it is in.
    pub group: Option<Name>,
    /// Whether it starts at boot.
    pub autostart: bool,
    /// `requires`, with the place of each.
    pub requires: Vec<(Dependency, Origin)>,
    /// `wants`.
    pub wants: Vec<(Dependency, Origin)>,
    /// `after`.
    pub after: Vec<(Dependency, Origin)>,
    /// The bridges that it names.
    pub bridges: Vec<String>,
    /// Ports of the host that lead into it.
    pub ports: Vec<(Published, Origin)>,
    /// What must be unlike any other container's.
    pub claims: Vec<(Claim, Origin)>,
    /// Addresses that it mentions in any way.
    pub mentioned: Vec<IpAddr>,
}

/// A port of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Where.
    pub listen: Listen,
    /// Of which transport.
    pub protocol: Protocol,
}

/// Something that only one container can have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// An address on a bridge, or in one VLAN of it. 1 is that of ports which name none.
    Address(String, Option<Vlan>, Address),
    /// A MAC address on a bridge.
    Mac(String, super::types::Mac),
    /// The name of a link on the host.
    Link(String),
    /// A network card of the host.
    Device(String),
}

impl Outline {
    /// From the root of a merged tree.
    pub fn new(name: Name, root: &Node) -> Self {
        let get = |key: &str| root.as_table().and_then(|table| table.get(key));
        let mut outline = Self {
            name,
            replica_of: None,
            group: get("group").and_then(|node| node.as_str()?.parse().ok()),
            autostart: get("autostart").is_some_and(|node| node.value == Value::Bool(true)),
            requires: understood(get("requires")),
            wants: understood(get("wants")),
            after: understood(get("after")),
            bridges: Vec::new(),
            ports: Vec::new(),
            claims: Vec::new(),
            mentioned: Vec::new(),
        };
        for key in ["network", "hosts", "dns"] {
            get(key).into_iter().for_each(|node| mentioned(node, &mut outline.mentioned));
        }
        let network = get("namespaces").and_then(Node::as_table).and_then(|table| table.get("network"));
        for (network, origin) in understood::<NetworkNamespace>(network) {
            let other = network.container().map(|other| Dependency::Container(other.clone()));
            let known = |other: &Dependency| outline.requires.iter().any(|(required, _)| required == other);
            let other = other.filter(|other| !known(other));
            outline.requires.extend(other.map(|other| (other, origin)));
        }
        for link in get("network").map(Node::elements).unwrap_or_default() {
            outline.claim(link);
        }
        outline.ports.extend(get("publish").map(Node::elements).unwrap_or_default().iter().filter_map(published));
        outline
    }

    /// Of a container that could not be read.
    pub fn unread(name: Name) -> Self {
        Self {
            name,
            replica_of: None,
            group: None,
            autostart: false,
            requires: vec![],
            wants: vec![],
            after: vec![],
            bridges: vec![],
            ports: vec![],
            claims: vec![],
            mentioned: vec![],
        }
    }

    /// As one of several containers.
    pub fn with_replica(self, replica: Option<&Replica>) -> Self {
        Self { replica_of: replica.map(|replica| replica.of.clone()), ..self }
    }

    /// Of one container's files; none for what cannot be read, whose own start tells why.
    pub fn read(layout: &Layout, found: &Found) -> Option<Self> {
        let parsed = Parsed::read(layout, found).ok()?;
        let main = parsed.main.clone();
        let outline = Self::new(found.name.clone(), &decode::root(parsed.merge(None).ok()?.tree, &main));
        Some(outline.with_replica(found.replica.as_ref()))
    }

    fn claim(&mut self, link: &Node) {
        let get = |key: &str| link.as_table().and_then(|table| table.get(key));
        self.bridges.extend(get("bridge").and_then(Node::as_str).map(str::to_owned));
        let Some(bridge) = get("bridge").or(get("parent")).and_then(Node::as_str) else { return };
        if let (Some("device"), Some(parent)) = (get("kind").and_then(Node::as_str), get("parent")) {
            self.claims.push((Claim::Device(bridge.to_owned()), parent.origin.clone()));
        }
        let vlan = get("vlan").and_then(vlan).filter(|vlan| vlan.0 != 1);
        for (cidr, origin) in understood::<Cidr>(get("address")) {
            self.claims.push((Claim::Address(bridge.to_owned(), vlan, Address(cidr.address)), origin));
        }
        for (mac, origin) in understood(get("mac")) {
            self.claims.push((Claim::Mac(bridge.to_owned(), mac), origin));
        }
        if let Some(node) = get("host-name")
            && let Some(link) = node.as_str()
        {
            self.claims.push((Claim::Link(link.to_owned()), node.origin.clone()));
        }
    }

    /// Every container that this one waits for, and where it says so.
    pub fn waits_for(&self) -> impl Iterator<Item = (&Name, &Origin)> {
        self.requires.iter().chain(&self.wants).chain(&self.after).filter_map(|(dependency, origin)| match dependency {
            Dependency::Container(name) => Some((name, origin)),
            Dependency::Unit(_) => None,
        })
    }
}

/// Every address below a node, with a prefix or without.
fn mentioned(node: &Node, list: &mut Vec<IpAddr>) {
    match &node.value {
        Value::Text(text) => list.extend(text.split('/').next().and_then(|text| text.parse::<IpAddr>().ok())),
        Value::List(nodes) => nodes.iter().for_each(|node| mentioned(node, list)),
        Value::Table(table) => table.values().for_each(|node| mentioned(node, list)),
        _ => {}
    }
}

fn vlan(node: &Node) -> Option<Vlan> {
    match &node.value {
        Value::Integer(number) => Vlan::integer(*number).ok(),
        _ => Vlan::text(node.as_str()?).ok(),
    }
}

fn published(entry: &Node) -> Option<(Published, Origin)> {
    let node = entry.as_table()?.get("listen")?;
    let protocol = match entry.as_table()?.get("protocol").and_then(Node::as_str) {
        None | Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        Some(_) => return None,
    };
    Some((Published { listen: node.as_str()?.parse().ok()?, protocol }, node.origin.clone()))
}

fn understood<T: Scalar>(node: Option<&Node>) -> Vec<(T, Origin)> {
    let elements = node.map(Node::elements).unwrap_or_default();
    elements.iter().filter_map(|node| Some((T::text(node.as_str()?).ok()?, node.origin.clone()))).collect()
}
