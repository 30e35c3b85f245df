//! Links to bridges, and the resolver.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::types::{
    self, Address, Cidr, DnsServer, InterfaceName, LinkAddress, LinkRate, List, Mac, StringList, Vlan,
};

/// One link of the container.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Network {
    /// The bridge that the link is a port of, which kind "bridge" needs; it must exist, unless create is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<InterfaceName>,
    /// A bridge that does not exist is made when the container starts, and stays.
    pub create: bool,
    /// How the link is made.
    pub kind: NetworkKind,
    /// The link of the host that every other kind needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<InterfaceName>,
    /// The name inside; eth0 for the first, eth1 for the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<InterfaceName>,
    /// Addresses with their prefix, such as "10.88.0.10/24", "auto" or "dhcp".
    pub address: List<LinkAddress>,
    /// Default routers, at most one of each family.
    pub gateway: List<Address>,
    /// The Ethernet address inside; a stable hash if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The largest packet; the bridge's if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 68, max = 65535))]
    pub mtu: Option<u32>,
    /// Further routes.
    pub routes: Vec<Route>,
    /// The name of the link's end on the host; vb- and a hash if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<InterfaceName>,
    /// How fast it may be: one rate for both ways, or a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<LinkRate>,
    /// The VLAN of the bridge that frames without a tag belong to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<Vlan>,
    /// Further VLANs of the bridge, whose frames have a tag inside.
    pub tagged: List<Vlan>,
    /// No frame goes to another isolated port of the bridge.
    pub isolated: bool,
    /// The bridge may send a frame back to the link that it came from.
    pub hairpin: bool,
    /// The bridge learns Ethernet addresses from what the container sends; true, but false with spoof-check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning: Option<bool>,
    /// Frames from another Ethernet address than the link's own are dropped.
    pub spoof_check: bool,
}

impl Network {
    /// `name`, or what the link at this index of the list is called.
    pub fn name(&self, index: usize) -> InterfaceName {
        self.name.clone().unwrap_or_else(|| InterfaceName::eth(index))
    }

    /// Whether the bridge has to keep VLANs apart.
    pub fn needs_vlans(&self) -> bool {
        self.vlan.is_some() || !self.tagged.is_empty()
    }

    /// The bridge, or what stands in its place.
    pub fn medium(&self) -> Option<&InterfaceName> {
        self.bridge.as_ref().or(self.parent.as_ref())
    }

    /// The addresses that are written down.
    pub fn addresses(&self) -> impl Iterator<Item = Cidr> + '_ {
        self.address.iter().filter_map(|address| address.cidr())
    }

    /// Whether all of them are.
    pub fn addresses_known(&self) -> bool {
        self.address.iter().all(|address| address.cidr().is_some())
    }

    /// Whether a DHCP server gives it one.
    pub fn asks_dhcp(&self) -> bool {
        self.address.contains(&LinkAddress::Dhcp)
    }

    /// The default routers as plain addresses.
    pub fn gateways(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.gateway.iter().map(|address| address.0)
    }
}

/// How a link is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkKind {
    /// A veth pair, one end a port of the bridge.
    #[default]
    Bridge,
    /// A link of its own on the parent's wire, with an Ethernet address of its own.
    Macvlan,
    /// A link of its own on the parent's wire, with the parent's Ethernet address.
    Ipvlan,
    /// The parent itself, a network card, which the host has not while the container runs.
    Device,
}

impl NetworkKind {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
            Self::Device => "device",
        }
    }
}

/// A route of the container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Route {
    /// The network that it leads to.
    pub to: types::Network,
    /// The router; without one the network is on the link itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<Address>,
    /// The smaller wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// The routing table; main.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub table: Option<u32>,
}

/// /etc/resolv.conf of the container.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Dns {
    /// Name servers, or "host" for those that the host asks. With an empty list the image's file is left alone; without one a
    /// DHCP server may name them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers: Option<List<DnsServer>>,
    /// Domains to search.
    pub search: StringList,
    /// Options of resolv.conf(5).
    pub options: StringList,
}

impl Dns {
    /// Those that are written down.
    pub fn servers(&self) -> &[DnsServer] {
        self.servers.as_deref().map_or(&[], Vec::as_slice)
    }
}
