//! Routes of one container: each by a router that the link reaches, and each once.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::network::is_neighbour;
use super::{Subject, wrong};
use crate::definition::model::{Network, Route};
use crate::definition::types::{self, Cidr, not_a_host};

/// Those of one link.
pub(super) fn check(s: &mut Subject<'_>, link: &Network, at: &str) {
    for (place, route) in link.routes.iter().enumerate() {
        let place = place.to_string();
        if route.table == Some(0) {
            s.say(&["network", at, "routes", &place, "table"], wrong("routing tables are counted from 1"));
        }
        let Some(via) = route.via else { continue };
        let path = ["network", at, "routes", place.as_str(), "via"];
        if via.is_ipv4() != route.to.address.is_ipv4() {
            s.say(&path, wrong("a route and its router are of one family"));
        } else if let Some(what) = not_a_host(via.0).or_else(|| not_a_router(link, via.0)) {
            s.say(&path, wrong(format!("{via} cannot be a router: it is {what}")));
        } else if link.addresses_known()
            && !s.refused.contains(&format!("network[{at}].address"))
            && !is_neighbour(link, via.0)
        {
            s.say(&path, wrong(format!("{via} is in none of the networks of this link's addresses")));
        }
    }
}

/// What the kernel takes for no router: the link's own addresses, and the first and the last of an IPv4 network of its.
pub(super) fn not_a_router(link: &Network, address: IpAddr) -> Option<&'static str> {
    let own = link.addresses().any(|cidr| cidr.address == address);
    let mut nets = link.addresses().filter(|cidr| address.is_ipv4() && cidr.contains(address));
    let end = nets.find_map(|cidr| Cidr { address, prefix: cidr.prefix }.why_not());
    end.or(own.then_some("the container's own address"))
}

/// By what the kernel tells routes apart: the destination, the metric, the table.
type Key = (types::Network, u32, u32);

/// Of two to one destination the kernel takes the first, whatever link they are on, those by `gateway` among them; and in
/// IPv4 it has one to the network of each address already.
pub(super) fn unique(s: &mut Subject<'_>) {
    let mut seen: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    let path = |index: usize, key: &str, place: usize| {
        ["network", &index.to_string(), key, &place.to_string()].map(str::to_owned).to_vec()
    };
    let links = &s.definition.network;
    for (index, link) in links.iter().enumerate() {
        for (place, address) in link.address.iter().enumerate() {
            let net = address.cidr().filter(|cidr| cidr.address.is_ipv4() && cidr.prefix < 32).map(Cidr::network);
            if let Some(net) = net {
                seen.entry(key(net, None, None)).or_insert(path(index, "address", place));
            }
        }
        for (place, gateway) in link.gateways().enumerate() {
            seen.entry(key(default(gateway), None, None)).or_insert(path(index, "gateway", place));
        }
    }
    for (index, link) in links.iter().enumerate() {
        for (place, route) in link.routes.iter().enumerate() {
            let own = path(index, "routes", place);
            let Route { to, metric, table, .. } = route;
            match seen.get(&key(*to, *metric, *table)) {
                None => drop(seen.insert(key(*to, *metric, *table), own)),
                Some(first) => {
                    let fault = wrong(format!("there are two routes to {to}"));
                    let there = s.origin(&words(first));
                    let fault = fault.related(there, "it is here first").help("they may differ in metric or table");
                    s.say(&[words(&own), vec!["to"]].concat(), fault);
                }
            }
        }
    }
}

fn words(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

fn default(gateway: IpAddr) -> types::Network {
    let address = match gateway {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    types::Network { address, prefix: 0 }
}

/// With what the kernel takes where nothing is said (RT_TABLE_MAIN, IP6_RT_PRIO_USER).
fn key(to: types::Network, metric: Option<u32>, table: Option<u32>) -> Key {
    let usual = if to.address.is_ipv4() { 0 } else { 1024 };
    (to, metric.filter(|metric| *metric != 0).unwrap_or(usual), table.unwrap_or(254))
}
