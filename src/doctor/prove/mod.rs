//! The proof that a command leaves the host's packet rules, routes and sysctls as they were: all of them are read before
//! and after it, and compared. Links that soute made are no difference, and nothing else is let pass.
//!
//! What is read must not change by being read: a table that the kernel has not loaded is not asked for, because the
//! question would load it.

pub mod compare;
mod firewall;
mod route_text;
mod sysctls;
mod wires;

use std::collections::BTreeMap;

use serde::Serialize;

pub use compare::{Change, Difference, compare};

use crate::error::Result;

/// The parts of a host that are compared, in the order in which differences are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    /// nf_tables.
    Nftables,
    /// The older tables of each family.
    Iptables,
    /// As before.
    Ip6tables,
    /// As before.
    Arptables,
    /// As before.
    Ebtables,
    /// Links: kind, MTU, the bridge that one is a port of.
    Links,
    /// Addresses of links.
    Addresses,
    /// Routes of all tables.
    Routes,
    /// Policy routing.
    Rules,
    /// Queueing disciplines.
    Queueing,
    /// /proc/sys.
    Sysctls,
}

impl Area {
    /// As the output calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
            Self::Ip6tables => "ip6tables",
            Self::Arptables => "arptables",
            Self::Ebtables => "ebtables",
            Self::Links => "links",
            Self::Addresses => "addresses",
            Self::Routes => "routes",
            Self::Rules => "rules",
            Self::Queueing => "queueing",
            Self::Sysctls => "sysctls",
        }
    }

    /// Whether what comes first matters.
    fn is_ordered(self) -> bool {
        matches!(self, Self::Nftables | Self::Iptables | Self::Ip6tables | Self::Arptables | Self::Ebtables)
    }
}

/// One thing that can differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The link that it belongs to, and goes with.
    pub link: Option<String>,
    /// All of it.
    pub text: String,
}

/// The host at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What is compared; an area that could not be read is not there.
    pub areas: BTreeMap<Area, Vec<Item>>,
    /// What could not be read, and why.
    pub unread: BTreeMap<Area, String>,
    /// Links that soute made: they may come and go.
    pub ours: Vec<String>,
}

/// The packet rules alone.
pub fn packet_rules() -> Result<BTreeMap<Area, Vec<Item>>> {
    let mut snapshot = Snapshot::default();
    firewall::read(&mut snapshot)?;
    Ok(snapshot.areas)
}

impl Snapshot {
    /// Reads the host.
    pub fn take() -> Result<Self> {
        let mut snapshot = Self::default();
        firewall::read(&mut snapshot)?;
        let before = wires::read(&mut snapshot)?;
        let own = |read: &[crate::network::topology::Wire]| -> Vec<String> {
            read.iter().filter(|wire| wire.is_ours()).map(|wire| wire.name.clone()).collect()
        };
        snapshot.ours = own(&before);
        let sysctls = sysctls::read(std::path::Path::new("/proc/sys"))?;
        // A container that starts meanwhile has its links in one of the two lists.
        let after = own(&wires::list()?);
        let is_ours =
            |item: &Item| item.link.as_ref().is_some_and(|link| snapshot.ours.contains(link) || after.contains(link));
        snapshot.areas.insert(Area::Sysctls, sysctls.into_iter().filter(|item| !is_ours(item)).collect());
        Ok(snapshot)
    }

    fn refuse(&mut self, area: Area, why: impl Into<String>) {
        self.unread.insert(area, why.into());
    }
}
