//! The bridges of this host, what is in each, and who needs each: gathered once for the verbs that show them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::persist;
use crate::commands::image::users;
use crate::definition::outline::Outline;
use crate::definition::search;
use crate::definition::types::Cidr;
use crate::error::Result;
use crate::instances::leases;
use crate::layout::Layout;
use crate::network::socket::Socket;
use crate::network::topology::{self, Wire};
use crate::plan::{Link, LinkKind, MAIN_PID, Plan};

/// What there is.
#[derive(Debug, Default)]
pub struct Survey {
    /// Every link of the host.
    pub wires: Vec<Wire>,
    /// Their addresses.
    pub addresses: BTreeMap<u32, Vec<Cidr>>,
    /// What was started, by the name of the link's host end: the container, and which of its links.
    pub ends: BTreeMap<String, End>,
    /// Links of running containers that need no bridge but another link of the host: that, and how it is used.
    pub children: Vec<(String, &'static str, End)>,
    /// The containers whose definitions name a bridge, by the bridge.
    pub named: BTreeMap<String, BTreeSet<String>>,
}

/// A link of a container that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The container.
    pub container: String,
    /// The link inside.
    pub link: String,
    /// Its addresses.
    pub addresses: Vec<Cidr>,
}

impl Survey {
    /// Asks the kernel, and reads definitions and snapshots. What cannot be read names nothing.
    pub fn take(layout: &Layout) -> Result<Self> {
        let mut socket = Socket::open(0)?;
        let wires = topology::wires(&mut socket)?;
        let addresses = topology::addresses(&mut socket)?;
        let plans: Vec<_> = users::snapshots(layout)?.into_iter().map(|plan| leases::leased(layout, plan)).collect();
        let ends = plans.iter().flat_map(ends).collect();
        // The kernel tells of these only inside the container, and a snapshot outlasts what it started.
        let runs = |plan: &&Plan| layout.state(&plan.name).join(MAIN_PID).exists();
        let children = plans.iter().filter(runs).flat_map(children).collect();
        let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for found in search::all(layout)?.found {
            for bridge in Outline::read(layout, &found).map(|outline| outline.bridges).unwrap_or_default() {
                named.entry(bridge).or_default().insert(found.name.to_string());
            }
        }
        Ok(Self { wires, addresses, ends, children, named })
    }

    /// The bridges, by name.
    pub fn bridges(&self) -> Vec<&Wire> {
        let mut bridges: Vec<_> = self.wires.iter().filter(|wire| wire.is_bridge()).collect();
        bridges.sort_by(|one, other| one.name.cmp(&other.name));
        bridges
    }

    /// What is a port of it.
    pub fn ports(&self, bridge: &Wire) -> Vec<&Wire> {
        let mut ports: Vec<_> = self.wires.iter().filter(|wire| wire.master == Some(bridge.index)).collect();
        ports.sort_by(|one, other| one.name.cmp(&other.name));
        ports
    }

    /// The container whose port that is. Others can have a link of that name while it does not run.
    pub fn end(&self, port: &Wire) -> Option<&End> {
        self.ends.get(&port.name).filter(|_| port.is_ours())
    }

    /// The containers that name it, or are in it.
    pub fn users(&self, bridge: &Wire) -> BTreeSet<String> {
        let plugged = self.ports(bridge).into_iter().filter_map(|port| Some(self.end(port)?.container.clone()));
        plugged.chain(self.named.get(&bridge.name).into_iter().flatten().cloned()).collect()
    }

    /// Its addresses.
    pub fn addresses(&self, wire: &Wire) -> Vec<String> {
        self.addresses.get(&wire.index).into_iter().flatten().map(ToString::to_string).collect()
    }
}

fn ends(plan: &Plan) -> Vec<(String, End)> {
    let ports = plan.links.iter().filter_map(|link| Some((link.port()?.host_name.clone(), End::of(plan, link))));
    ports.collect()
}

fn children(plan: &Plan) -> Vec<(String, &'static str, End)> {
    let child = |link: &Link| {
        let (parent, kind) = match &link.kind {
            LinkKind::Bridge(_) => return None,
            LinkKind::Macvlan { parent } => (parent, "macvlan"),
            LinkKind::Ipvlan { parent } => (parent, "ipvlan"),
            LinkKind::Device { parent } => (parent, "device"),
        };
        Some((parent.clone(), kind, End::of(plan, link)))
    };
    plan.links.iter().filter_map(child).collect()
}

impl End {
    fn of(plan: &Plan, link: &Link) -> Self {
        Self { container: plan.name.clone(), link: link.name.clone(), addresses: link.addresses.clone() }
    }
}

/// Who made a bridge, as far as can be told.
pub fn maker(layout: &Layout, bridge: &Wire) -> &'static str {
    let networkd = std::fs::read_to_string(Path::new("/run/systemd/netif/links").join(bridge.index.to_string()));
    let managed = networkd.is_ok_and(|text| text.lines().any(|line| line.starts_with("NETWORK_FILE=")));
    match (is_ours(layout, bridge), persist::is_written(layout, &bridge.name), managed) {
        (true, true, _) => "soute (persistent)",
        (true, false, _) => "soute",
        (false, _, true) => "networkd",
        (false, _, false) => "",
    }
}

/// Whether soute made it, or networkd by the files that soute wrote.
pub fn is_ours(layout: &Layout, bridge: &Wire) -> bool {
    bridge.is_ours() || persist::is_written(layout, &bridge.name)
}
