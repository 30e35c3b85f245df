//! Addresses that containers were given: the lowest free ones of the networks that their bridges are in, kept for as long as
//! their disks, as their ids are.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::definition::types::{Cidr, Network};
use crate::error::{Context, Result};
use crate::image::{disk, record};
use crate::layout::Layout;

const RECORD: &CStr = c"addresses.toml";
/// More than there can be ports on a bridge, many times over.
const TRIES: u128 = 1 << 20;

/// addresses.toml: what each link was given.
pub type Record = BTreeMap<String, Given>;

/// What one link was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// On which bridge.
    pub bridge: String,
    /// At most one of each family.
    pub addresses: Vec<Cidr>,
}

/// What a container was given; nothing if it never was.
pub fn read(layout: &Layout, name: &str) -> Result<Record> {
    let Some(disk) = disk::open(layout, name)? else { return Ok(Record::new()) };
    let record = record::read(disk.dir(), RECORD).with_context(|| format!("disk of {name}"))?;
    Ok(record.unwrap_or_default())
}

/// Notes it beside the disk, which has to be there.
pub fn write(layout: &Layout, name: &str, record: &Record, durable: bool) -> Result<()> {
    let Some(disk) = disk::open(layout, name)? else { return Ok(()) };
    record::write(disk.dir(), RECORD, record, durable).with_context(|| format!("disk of {name}"))
}

/// What all others were given on a bridge. One that cannot be read is an error: it could be given twice.
pub fn given_to_others(layout: &Layout, name: &str, bridge: &str) -> Result<BTreeSet<IpAddr>> {
    let mut taken = BTreeSet::new();
    for other in disk::names(layout)?.iter().filter(|other| *other != name) {
        let record = read(layout, other).context("cannot tell which addresses are free")?;
        let there = record.values().filter(|given| given.bridge == bridge);
        taken.extend(there.flat_map(|given| &given.addresses).map(|cidr| cidr.address));
    }
    Ok(taken)
}

/// The lowest address of a network that is nobody's.
pub fn lowest_free(network: Network, taken: &BTreeSet<IpAddr>) -> Option<IpAddr> {
    let bits: u8 = if network.address.is_ipv4() { 32 } else { 128 };
    let size = 1u128.checked_shl(u32::from(bits - network.prefix)).unwrap_or(u128::MAX);
    // Two addresses, or one, are all for hosts (RFC 3021, RFC 6164); else the first is the network's own, or that of any of
    // its routers (RFC 4291), and the last one of IPv4 is for all.
    let (first, end) = match (size, network.address) {
        (..=2, _) => (0, size),
        (_, IpAddr::V4(_)) => (1, size - 1),
        (_, IpAddr::V6(_)) => (1, size),
    };
    (first..end.min(TRIES)).map(|offset| nth(network.address, offset)).find(|address| !taken.contains(address))
}

fn nth(first: IpAddr, offset: u128) -> IpAddr {
    match first {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() + u32::try_from(offset).unwrap_or(u32::MAX)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() + offset).into()),
    }
}

#[cfg(test)]
mod tests {
    use crate::image::disk::addresses::*;

    fn free(network: &str, taken: &[&str]) -> Option<String> {
        let taken = taken.iter().map(|address| address.parse().unwrap()).collect();
        lowest_free(network.parse().unwrap(), &taken).map(|address| address.to_string())
    }

    #[test]
    fn the_lowest_that_nobody_has() {
        assert_eq!(free("10.88.0.0/24", &[]).unwrap(), "10.88.0.1");
        assert_eq!(free("10.88.0.0/24", &["10.88.0.1", "10.88.0.3"]).unwrap(), "10.88.0.2");
        assert_eq!(free("fd00:88::/64", &["fd00:88::1"]).unwrap(), "fd00:88::2");
        assert_eq!(free("10.0.0.0/31", &["10.0.0.0"]).unwrap(), "10.0.0.1");
        assert_eq!(free("10.0.0.1/32", &["10.0.0.1"]), None);
        assert_eq!(free("0.0.0.0/0", &[]).unwrap(), "0.0.0.1");
        assert_eq!(free("::/0", &[]).unwrap(), "::1");
    }

    #[test]
    fn neither_network_nor_broadcast_and_then_nothing() {
        assert_eq!(free("10.88.0.0/30", &["10.88.0.1"]).unwrap(), "10.88.0.2");
        assert_eq!(free("10.88.0.0/30", &["10.88.0.1", "10.88.0.2"]), None);
        assert_eq!(free("fd00::/126", &["fd00::1", "fd00::2"]).unwrap(), "fd00::3");
        assert_eq!(free("fd00::/126", &["fd00::1", "fd00::2", "fd00::3"]), None);
    }
}
