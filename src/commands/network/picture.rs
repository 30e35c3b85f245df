//! What is drawn: pure, from what was surveyed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::commands::bridge::survey::{End, Survey};
use crate::network::topology::Wire;

/// All bridges, and containers' ports that are in none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Picture {
    /// By name.
    pub bridges: Vec<Bridge>,
    /// Links of the host that containers' links are children of, or that a container has.
    pub parents: Vec<Parent>,
    /// Links of containers whose bridge has gone.
    pub unplugged: Vec<Port>,
}

/// A link of the host that is no bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Parent {
    /// Its name.
    pub name: String,
    /// The host's on it.
    pub addresses: Vec<String>,
    /// By the container's name; what stands for their name on the host is how they are made.
    pub children: Vec<Port>,
}

/// A bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// It is raised.
    pub up: bool,
    /// The host's on it.
    pub addresses: Vec<String>,
    /// By the container's name, then others' by their own.
    pub ports: Vec<Port>,
}

/// A port of a bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Port {
    /// The container whose it is; none for others'.
    pub container: Option<String>,
    /// The link's name in the container.
    pub link: Option<String>,
    /// Its name on the host.
    pub name: String,
    /// "veth", "vlan"…; none for hardware.
    pub kind: Option<String>,
    /// Of the container's link, else of the port.
    pub addresses: Vec<String>,
    /// Something is at its other end.
    pub carrier: bool,
}

impl Picture {
    /// Of this host.
    pub fn of(survey: &Survey) -> Self {
        let bridges = survey.bridges().into_iter().map(|bridge| Bridge {
            name: bridge.name.clone(),
            up: bridge.up,
            addresses: survey.addresses(bridge),
            ports: sorted(survey.ports(bridge).into_iter().map(|port| Port::of(survey, port))),
        });
        let mut parents: BTreeMap<&str, Vec<Port>> = BTreeMap::new();
        for (parent, kind, end) in &survey.children {
            parents.entry(parent).or_default().push(Port::child(kind, end));
        }
        let wire = |name: &str| survey.wires.iter().find(|wire| wire.name == name);
        let parents = parents.into_iter().map(|(name, children)| Parent {
            name: name.to_owned(),
            addresses: wire(name).map(|wire| survey.addresses(wire)).unwrap_or_default(),
            children: sorted(children.into_iter()),
        });
        let loose = survey.wires.iter().filter(|wire| wire.master.is_none() && survey.end(wire).is_some());
        Self {
            bridges: bridges.collect(),
            parents: parents.collect(),
            unplugged: sorted(loose.map(|port| Port::of(survey, port))),
        }
    }

    /// The containers, each with its links: what on the host each leads to, as the graph calls it, and the link.
    pub fn containers(&self) -> BTreeMap<&str, Vec<(Option<String>, &Port)>> {
        let mut all: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        let plugged = self
            .bridges
            .iter()
            .flat_map(|bridge| bridge.ports.iter().map(|port| (Some(format!("bridge {}", bridge.name)), port)));
        let children = self
            .parents
            .iter()
            .flat_map(|parent| parent.children.iter().map(|port| (Some(format!("link {}", parent.name)), port)));
        for (bridge, port) in plugged.chain(children).chain(self.unplugged.iter().map(|port| (None, port))) {
            if let Some(container) = &port.container {
                all.entry(container).or_default().push((bridge, port));
            }
        }
        all
    }
}

fn sorted(ports: impl Iterator<Item = Port>) -> Vec<Port> {
    let mut ports: Vec<_> = ports.collect();
    ports.sort_by_key(|port| (port.container.is_none(), port.clone()));
    ports
}

impl Port {
    fn of(survey: &Survey, wire: &Wire) -> Self {
        let end = survey.end(wire);
        let inside = |end: &End| end.addresses.iter().map(ToString::to_string).collect();
        Self {
            container: end.map(|end| end.container.clone()),
            link: end.map(|end| end.link.clone()),
            name: wire.name.clone(),
            kind: wire.kind.clone(),
            addresses: end.map_or_else(|| survey.addresses(wire), inside),
            carrier: wire.carrier,
        }
    }

    fn child(kind: &str, end: &End) -> Self {
        Self {
            container: Some(end.container.clone()),
            link: Some(end.link.clone()),
            name: kind.to_owned(),
            kind: Some(kind.to_owned()),
            addresses: end.addresses.iter().map(ToString::to_string).collect(),
            carrier: true,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A farm: a proxy on two bridges, a server, a network card, and one that lost its bridge.
    pub fn survey() -> Survey {
        let wire = |index: u32, name: &str, kind: Option<&str>, master: Option<u32>, alias: &str| Wire {
            index,
            name: name.into(),
            kind: kind.map(Into::into),
            up: true,
            carrier: true,
            master,
            alias: alias.into(),
            ..Wire::default()
        };
        let end = |container: &str, link: &str, address: &str| End {
            container: container.into(),
            link: link.into(),
            addresses: vec![address.parse().unwrap()],
        };
        Survey {
            wires: vec![
                wire(1, "lo", None, None, ""),
                wire(2, "eth1", None, Some(4), ""),
                wire(3, "br-farm", Some("bridge"), None, "soute"),
                wire(4, "br-front", Some("bridge"), None, ""),
                wire(5, "vb-2", Some("veth"), Some(3), "soute"),
                wire(6, "vb-1", Some("veth"), Some(3), "soute"),
                wire(7, "vb-0", Some("veth"), Some(4), "soute"),
                wire(8, "vb-9", Some("veth"), None, "soute"),
            ],
            addresses: [(4, vec!["10.89.0.1/24".parse().unwrap()])].into(),
            ends: [
                ("vb-0", end("proxy", "eth0", "10.89.0.10/24")),
                ("vb-1", end("proxy", "eth1", "10.88.0.10/24")),
                ("vb-2", end("web1", "eth0", "10.88.0.11/24")),
                ("vb-9", end("lost", "eth0", "10.90.0.2/24")),
            ]
            .map(|(name, end)| (name.to_owned(), end))
            .into(),
            children: vec![("eth2".to_owned(), "macvlan", end("public", "eth0", "192.0.2.5/24"))],
            named: BTreeMap::new(),
        }
    }

    #[test]
    fn each_port_is_in_its_bridge_or_in_none() {
        let picture = Picture::of(&survey());
        let names = |ports: &[Port]| ports.iter().map(|port| port.name.clone()).collect::<Vec<_>>();
        let bridges: Vec<_> =
            picture.bridges.iter().map(|bridge| (bridge.name.as_str(), names(&bridge.ports))).collect();
        assert_eq!(
            bridges,
            [("br-farm", vec!["vb-1".to_owned(), "vb-2".into()]), ("br-front", vec!["vb-0".to_owned(), "eth1".into()])]
        );
        assert_eq!(names(&picture.unplugged), ["vb-9"]);
        assert_eq!(picture.containers().into_keys().collect::<Vec<_>>(), ["lost", "proxy", "public", "web1"]);
        assert_eq!(picture.containers()["proxy"].len(), 2);
    }
}
