//! The wires of a container: for most a veth, its host end on a bridge.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::definition::types::{Cidr, Network};

/// One link of the container's network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The interface's name inside.
    pub name: String,
    /// How it is made.
    pub kind: LinkKind,
    /// The Ethernet address inside.
    pub mac: [u8; 6],
    /// That of the bridge or the parent, when absent.
    pub mtu: Option<u32>,
    /// At most so many bytes a second into the container, which only the port of a bridge can be told.
    pub rate_in: Option<u64>,
    /// And out of it.
    pub rate_out: Option<u64>,
    /// Who asks a DHCP server for a further one.
    #[serde(default)]
    pub dhcp: Dhcp,
    /// Addresses inside.
    pub addresses: Vec<Cidr>,
    /// At most one a family.
    pub gateways: Vec<IpAddr>,
    /// Further routes inside.
    pub routes: Vec<Route>,
}

/// Who asks a DHCP server for the IPv4 address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dhcp {
    /// Nobody.
    #[default]
    No,
    /// The runner before the payload runs, and a timer's service later.
    Host,
    /// A client of the image's own, which its init starts.
    Payload,
}

/// How a link is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkKind {
    /// A veth between a bridge of the host and the container.
    Bridge(Port),
    /// A child of a link of the host, with an Ethernet address of its own.
    Macvlan {
        /// The link of the host.
        parent: String,
    },
    /// A child of a link of the host, with its Ethernet address.
    Ipvlan {
        /// The link of the host.
        parent: String,
    },
    /// A network card of the host, which is not there while the container has it.
    Device {
        /// Its name on the host.
        parent: String,
    },
}

impl Default for LinkKind {
    fn default() -> Self {
        Self::Bridge(Port::default())
    }
}

/// The host end of a veth, as a port of its bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The bridge, which must exist, unless it is made.
    pub bridge: String,
    /// The Ethernet address of a bridge that is made where there is none.
    pub create: Option<[u8; 6]>,
    /// The host end: `vb-` and a hash. networkd leaves names with this prefix alone (80-container-vb.network).
    pub host_name: String,
    /// The address of the host end, high (fe:…), so that a bridge never takes it as its own.
    pub host_mac: [u8; 6],
    /// The VLAN of frames without a tag.
    pub vlan: Option<u16>,
    /// The VLANs of frames with one.
    pub tagged: Vec<u16>,
    /// No frame goes to another isolated port.
    pub isolated: bool,
    /// Frames may go back to where they came from.
    pub hairpin: bool,
    /// The bridge learns addresses from what comes out of the container.
    pub learning: bool,
    /// No frame comes out of the container but from its own Ethernet address.
    pub spoof_check: bool,
}

impl Default for Port {
    fn default() -> Self {
        Self {
            bridge: String::new(),
            create: None,
            host_name: String::new(),
            host_mac: [0; 6],
            vlan: None,
            tagged: Vec::new(),
            isolated: false,
            hairpin: false,
            learning: true,
            spoof_check: false,
        }
    }
}

impl Link {
    /// Its IPv4 address is not known yet, and what needs it has to wait.
    pub fn awaits_lease(&self) -> bool {
        self.dhcp == Dhcp::Host && !self.addresses.iter().any(|cidr| cidr.address.is_ipv4())
    }

    /// The port of a bridge that it has, if it is of that kind.
    pub fn port(&self) -> Option<&Port> {
        match &self.kind {
            LinkKind::Bridge(port) => Some(port),
            _ => None,
        }
    }

    /// The name of the host's link that it needs and that is no bridge.
    pub fn parent(&self) -> Option<&str> {
        match &self.kind {
            LinkKind::Bridge(_) => None,
            LinkKind::Macvlan { parent } | LinkKind::Ipvlan { parent } | LinkKind::Device { parent } => Some(parent),
        }
    }

    /// In words: "eth0 on br0 (vb-…)".
    pub fn made(&self) -> String {
        match &self.kind {
            LinkKind::Bridge(port) => format!("{} on {} ({})", self.name, port.bridge, port.host_name),
            LinkKind::Macvlan { parent } => format!("{}, a macvlan of {parent},", self.name),
            LinkKind::Ipvlan { parent } => format!("{}, an ipvlan of {parent},", self.name),
            LinkKind::Device { parent } => format!("{}, the host's {parent},", self.name),
        }
    }
}

/// One route inside a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The destination.
    pub to: Network,
    /// The next hop; on the link when absent.
    pub via: Option<IpAddr>,
    /// The kernel's default when absent.
    pub metric: Option<u32>,
    /// The main table when absent.
    pub table: Option<u32>,
}
