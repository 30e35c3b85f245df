//! The wires of a container: one veth each, its host end on a bridge.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::definition::types::{Cidr, Network};

/// One veth between a bridge of the host and the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The bridge, which must exist.
    pub bridge: String,
    /// The interface's name inside.
    pub name: String,
    /// The host end: `vb-` and a hash. networkd leaves names with this prefix alone (80-container-vb.network).
    pub host_name: String,
    /// The address inside.
    pub mac: [u8; 6],
    /// The address of the host end, high (fe:…), so that a bridge never takes it as its own.
    pub host_mac: [u8; 6],
    /// The bridge's, when absent.
    pub mtu: Option<u32>,
    /// Addresses inside.
    pub addresses: Vec<Cidr>,
    /// At most one a family.
    pub gateways: Vec<IpAddr>,
    /// Further routes inside.
    pub routes: Vec<Route>,
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
