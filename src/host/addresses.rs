//! `address = "auto"`: gives links their addresses before the plan is made, as it gives a container its ids.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::definition::Definition;
use crate::definition::load::Loaded;
use crate::definition::model::Network;
use crate::definition::outline::Claim;
use crate::definition::site::Site;
use crate::definition::types::{Cidr, LinkAddress};
use crate::error::{Error, Result};
use crate::image::disk::addresses::{self, Given, Record};
use crate::image::lock::Lock;
use crate::layout::Layout;
use crate::names;
use crate::network::{self, Netlink};

/// What links were given, by their names.
pub type Addresses = BTreeMap<String, Vec<Cidr>>;

/// What was given already, and is so for as long as the bridge is in these networks.
pub fn given(layout: &Layout, name: &str, definition: &Definition) -> Result<Addresses> {
    let record = if are_wanted(definition) { addresses::read(layout, name)? } else { Record::new() };
    Ok(record.into_iter().map(|(link, given)| (link, given.addresses)).collect())
}

/// Does any link ask for one?
pub fn are_wanted(definition: &Definition) -> bool {
    wanted(definition).next().is_some()
}

/// Gives every link that asks for it the lowest free address of each family, or the one that it has. By hand a bridge
/// without a network is an error at once, at boot it is waited for.
pub fn assign(layout: &Layout, loaded: &Loaded, wait: Option<Duration>, durable: bool) -> Result<Addresses> {
    let links: Vec<_> = wanted(&loaded.definition).collect();
    let before = addresses::read(layout, &loaded.name)?;
    let mut networks = Vec::new();
    for (link, bridge) in &links {
        let families = before.get(link).map(families).unwrap_or_default();
        networks.push(match wait {
            Some(wait) => network::wait_for_networks(bridge, &families, wait)?,
            None => Netlink::open()?.networks(bridge)?,
        });
    }
    let site = Site::survey(layout)?.with(loaded.outline());
    let _lock = Lock::addresses(layout)?;
    let before = addresses::read(layout, &loaded.name)?;
    let mut after = before.clone();
    for ((link, bridge), networks) in links.iter().zip(&networks) {
        let others = Others { layout, name: &loaded.name, bridge, site: &site, networks };
        after.insert(link.clone(), others.choose(link, before.get(link))?);
    }
    if after != before {
        addresses::write(layout, &loaded.name, &after, durable)?;
    }
    let in_use = |(link, _): &(String, String)| (link.clone(), after.get(link).map(|given| given.addresses.clone()));
    Ok(links.iter().map(in_use).filter_map(|(link, addresses)| Some((link, addresses?))).collect())
}

/// Links that ask for addresses, with their bridges.
fn wanted(definition: &Definition) -> impl Iterator<Item = (String, String)> {
    let link = |(index, link): (usize, &Network)| {
        let asks = link.address.contains(&LinkAddress::Auto);
        Some((link.name(index).to_string(), link.bridge.as_ref().filter(|_| asks)?.to_string()))
    };
    definition.network.iter().enumerate().filter_map(link)
}

fn families(given: &Given) -> Vec<bool> {
    given.addresses.iter().map(|cidr| cidr.address.is_ipv4()).collect()
}

/// Who else has addresses on a bridge.
struct Others<'a> {
    layout: &'a Layout,
    name: &'a str,
    bridge: &'a str,
    site: &'a Site,
    networks: &'a network::Networks,
}

impl Others<'_> {
    fn choose(&self, link: &str, before: Option<&Given>) -> Result<Given> {
        let before = before.filter(|given| given.bridge == self.bridge);
        let old = before.map(|given| given.addresses.clone()).unwrap_or_default();
        let mut all_taken = None;
        let mut addresses = Vec::new();
        for is_ipv4 in [true, false] {
            let old = old.iter().find(|cidr| cidr.address.is_ipv4() == is_ipv4);
            let networks: Vec<_> = self.networks.own.iter().filter(|own| own.address.is_ipv4() == is_ipv4).collect();
            if let Some(kept) = old.and_then(|old| self.kept(*old, &networks)) {
                addresses.push(kept);
                continue;
            }
            if networks.is_empty() {
                if let Some(old) = old {
                    eprintln!(
                        "soute: {link} of {} loses {old}: {} is in no such network any more",
                        self.name, self.bridge
                    );
                }
                continue;
            }
            let taken = match &all_taken {
                Some(taken) => taken,
                None => all_taken.insert(self.taken()?),
            };
            let new = self.lowest(&networks, taken)?;
            if let Some(old) = old {
                eprintln!(
                    "soute: {link} of {} has the address {new} now, no longer {old}, which is another's or in no network of {}",
                    self.name, self.bridge
                );
            }
            addresses.push(new);
        }
        match addresses.is_empty() {
            false => Ok(Given { bridge: self.bridge.to_owned(), addresses }),
            true => Err(no_network(self.bridge)),
        }
    }

    /// What it has, as long as it is in a network of the bridge and no definition gives it to somebody else.
    fn kept(&self, old: Cidr, networks: &[&Cidr]) -> Option<Cidr> {
        let network = networks.iter().find(|own| own.contains(old.address))?;
        let claimed = |(claim, _): &(Claim, _)| matches!(claim, Claim::Address(bridge, _, address) if bridge == self.bridge && address.0 == old.address);
        let is_anothers = self.site.outlines.iter().flat_map(|outline| &outline.claims).any(claimed);
        let is_hosts = self.networks.own.iter().any(|own| own.address == old.address);
        (!is_anothers && !is_hosts).then_some(Cidr { address: old.address, prefix: network.prefix })
    }

    /// Of the bridge, of other containers whether they run or not, and whatever a definition mentions.
    fn taken(&self) -> Result<BTreeSet<IpAddr>> {
        let mut taken = addresses::given_to_others(self.layout, self.name, self.bridge)?;
        taken.extend(
            names::addresses_of_others(self.layout, self.name, self.bridge).into_iter().map(|(_, address)| address),
        );
        taken.extend(self.networks.own.iter().map(|own| own.address));
        taken.extend(&self.networks.routers);
        taken.extend(self.site.outlines.iter().flat_map(|outline| &outline.mentioned));
        Ok(taken)
    }

    fn lowest(&self, networks: &[&Cidr], taken: &BTreeSet<IpAddr>) -> Result<Cidr> {
        let free = |own: &&Cidr| {
            let address = addresses::lowest_free(own.network(), taken)?;
            Some(Cidr { address, prefix: own.prefix })
        };
        networks.iter().find_map(free).ok_or_else(|| {
            let networks: Vec<_> = networks.iter().map(|own| own.network().to_string()).collect();
            Error::failed(format!(
                "every address of {} on bridge {} is taken: `soute remove` frees those of containers that are not needed any more",
                networks.join(" and "),
                self.bridge
            ))
        })
    }
}

fn no_network(bridge: &str) -> Error {
    Error::failed(format!(
        "address = \"auto\": bridge {bridge} has no address of its own, so that it is in no network (an address that it \
         was given for a time, as by DHCP, does not count)"
    ))
}
