//! Links inside, as the kernel has them, against the snapshot.

use std::net::IpAddr;

use super::Change;
use super::drift::{HostLinks, faster};
use super::fields::quoted;
use super::held::drift;
use crate::audit::read::{HostLink, Wire, WireRoute};
use crate::definition::types::{Cidr, Mac, Network};
use crate::plan::{Init, Link, LinkKind, Plan, Route};

/// CAP_NET_ADMIN: who has it may have links, addresses and routes of its own.
const NET_ADMIN: u64 = 1 << 12;
/// RT_TABLE_MAIN
const MAIN: u32 = 254;

/// Of all links. `host` are their other ends.
pub fn of_wires(plan: &Plan, found: &[Wire], host: Option<&HostLinks>) -> Vec<Change> {
    let may_add = plan.sandbox.process.capabilities & NET_ADMIN != 0 || plan.sandbox.init == Init::Image;
    let of = |link: &Link| -> Vec<Change> {
        let end = link.port().and_then(|port| host?.get(&port.host_name));
        let there = found.iter().find(|wire| wire.name == link.name);
        let gone = || vec![("", link.made(), "gone".to_owned())];
        let list = there.map_or_else(gone, |there| differences(link, there, end, may_add));
        let told = |(key, old, new)| drift(format!("network.{}{key}", quoted(&link.name)), old, new);
        list.into_iter().map(told).collect()
    };
    plan.links.iter().flat_map(of).collect()
}

/// The key, what should be, and what is.
type Difference = (&'static str, String, String);

fn differences(link: &Link, found: &Wire, end: Option<&HostLink>, may_add: bool) -> Vec<Difference> {
    let mut list = Vec::new();
    if !found.up {
        list.push(("", "up".to_owned(), "down".to_owned()));
    }
    list.extend(addresses(link, found, may_add));
    // With a link that is down the kernel takes its routes.
    if found.up {
        list.extend(routes(link, found, may_add));
    }
    // A veth is born with one MTU for both ends, if it is not told another.
    let mtu = link.mtu.or(end.map(|end| end.mtu)).filter(|mtu| *mtu != found.mtu);
    list.extend(mtu.map(|mtu| (".mtu", mtu.to_string(), found.mtu.to_string())));
    let has_mac = matches!(link.kind, LinkKind::Bridge(_) | LinkKind::Macvlan { .. });
    if let (true, Ok(mac)) = (has_mac, <[u8; 6]>::try_from(&*found.mac)) {
        list.extend((mac != link.mac).then(|| (".mac", Mac(link.mac).to_string(), Mac(mac).to_string())));
    }
    list.extend(faster(".rate", "out", link.rate_out, found.rate));
    list
}

fn addresses(link: &Link, found: &Wire, may_add: bool) -> Option<Difference> {
    let wanted: Vec<String> = link.addresses.iter().map(|cidr| format!("{}/{}", cidr.address, cidr.prefix)).collect();
    // Each link that speaks IPv6 has one of fe80::/10, by itself, and those that routers tell of.
    let own = |one: &String| one.starts_with("fe80:") || found.passing.contains(one);
    let there = found.addresses.iter().filter(|one| !own(one) || wanted.contains(one));
    let there: Vec<String> = there.cloned().collect();
    let missing = wanted.iter().any(|one| !there.contains(one));
    let extra = !may_add && there.iter().any(|one| !wanted.contains(one));
    (missing || extra).then(|| (".address", wanted.join(" "), there.join(" ")))
}

/// Those that are missing, and those that nobody has asked for.
fn routes(link: &Link, found: &Wire, may_add: bool) -> Vec<Difference> {
    let gateways: Vec<Route> = link.gateways.iter().copied().map(default).collect();
    let own: Vec<Route> = link.addresses.iter().filter_map(on_link).collect();
    let all = || own.iter().chain(&gateways).chain(&link.routes);
    let known = |there: &WireRoute| all().any(|route| is(route, there)) || is_router(link, there);
    let extra = found.routes.iter().filter(|there| there.by_hand && !may_add && !known(there));
    let extra: Vec<String> = extra.map(|there| text(&there.to, there.via)).collect();
    let lost = |routes: &[Route]| -> String {
        let lost = routes.iter().filter(|route| !found.routes.iter().any(|there| is(route, there)));
        lost.map(shown).collect::<Vec<_>>().join(", ")
    };
    let list = [
        (".address", lost(&own), String::new()),
        (".gateway", lost(&gateways), String::new()),
        (".routes", lost(&link.routes), extra.join(", ")),
    ];
    let differ = list.into_iter().filter(|(_, lost, extra)| !lost.is_empty() || !extra.is_empty());
    differ.map(|(key, lost, extra)| (key, lost, if extra.is_empty() { "gone".to_owned() } else { extra })).collect()
}

fn default(gateway: IpAddr) -> Route {
    Route { to: Network { address: gateway, prefix: 0 }, via: Some(gateway), metric: None, table: None }
}

/// The gateway of an address without a network is told to be on the link.
fn is_router(link: &Link, there: &WireRoute) -> bool {
    let host = |gateway: &IpAddr| format!("{gateway}/{}", if gateway.is_ipv4() { 32 } else { 128 });
    there.via.is_none() && link.gateways.iter().any(|gateway| host(gateway) == there.to)
}

/// What the kernel makes of an address: the network that it is in.
fn on_link(cidr: &Cidr) -> Option<Route> {
    let full = if cidr.address.is_ipv4() { 32 } else { 128 };
    let own = (1..full).contains(&cidr.prefix);
    own.then(|| Route { to: cidr.network(), via: None, metric: None, table: None })
}

/// Where no metric is named the kernel has its own, of which there is one a family.
fn is(route: &Route, there: &WireRoute) -> bool {
    there.to == to(route)
        && there.via == route.via
        && there.table == route.table.unwrap_or(MAIN)
        && route.metric.is_none_or(|metric| there.metric == metric)
}

fn to(route: &Route) -> String {
    match route.to.prefix {
        0 => "default".to_owned(),
        prefix => format!("{}/{prefix}", route.to.address),
    }
}

fn shown(route: &Route) -> String {
    let metric = route.metric.map_or_else(String::new, |metric| format!(" metric {metric}"));
    let table = route.table.map_or_else(String::new, |table| format!(" table {table}"));
    text(&to(route), route.via) + &metric + &table
}

fn text(to: &str, via: Option<IpAddr>) -> String {
    to.to_owned() + &via.map_or_else(String::new, |via| format!(" via {via}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link {
            name: "eth0".into(),
            mac: [2, 0, 0, 0, 0, 1],
            rate_out: Some(1 << 20),
            addresses: vec!["10.5.0.2/24".parse().unwrap(), "fd00::2/128".parse().unwrap()],
            gateways: vec!["10.5.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
            routes: vec![Route {
                to: "10.9.0.0/16".parse().unwrap(),
                via: Some("10.5.0.9".parse().unwrap()),
                metric: Some(100),
                table: Some(7),
            }],
            ..Link::default()
        }
    }

    fn route(to: &str, via: &str) -> WireRoute {
        WireRoute { to: to.to_owned(), via: via.parse().ok(), metric: 0, table: MAIN, by_hand: !via.is_empty() }
    }

    fn wire() -> Wire {
        Wire {
            name: "eth0".into(),
            up: true,
            mac: vec![2, 0, 0, 0, 0, 1],
            mtu: 1500,
            rate: Some(1 << 20),
            addresses: ["10.5.0.2/24", "fd00::2/128", "fe80::1/64", "fd00::99/64"].map(str::to_owned).to_vec(),
            passing: vec!["fd00::99/64".to_owned()],
            routes: vec![
                route("10.5.0.0/24", ""),
                route("default", "10.5.0.1"),
                WireRoute { by_hand: true, ..route("fd00::1/128", "") },
                WireRoute { metric: 1024, ..route("default", "fd00::1") },
                WireRoute { metric: 100, table: 7, ..route("10.9.0.0/16", "10.5.0.9") },
                route("fe80::/64", ""),
            ],
        }
    }

    /// What is found of a link that somebody has changed, as `key: wanted -> found`.
    fn found(change: impl FnOnce(&mut Wire)) -> Vec<String> {
        let mut wire = wire();
        change(&mut wire);
        let end = HostLink { mtu: 1500, ..HostLink::default() };
        let list = differences(&link(), &wire, Some(&end), false);
        list.into_iter().map(|(key, old, new)| format!("{key}: {old} -> {new}")).collect()
    }

    #[test]
    fn what_is_as_it_was_told_is_no_drift() {
        assert_eq!(found(|_| ()), [""; 0]);
    }

    #[test]
    fn what_somebody_has_changed_inside_is_told() {
        assert_eq!(found(|wire| wire.up = false), [": up -> down"]);
        assert_eq!(found(|wire| wire.mtu = 1400), [".mtu: 1500 -> 1400"]);
        assert_eq!(found(|wire| wire.mac[5] = 2), [".mac: 02:00:00:00:00:01 -> 02:00:00:00:00:02"]);
        assert_eq!(found(|wire| wire.rate = None), [".rate: out = 1MiB/s -> out = infinity"]);
        assert_eq!(found(|wire| wire.rate = Some(1000)), [".rate: out = 1MiB/s -> out = 1kB/s"]);
        let less = |wire: &mut Wire| drop(wire.addresses.remove(0));
        assert_eq!(found(less), [".address: 10.5.0.2/24 fd00::2/128 -> fd00::2/128"]);
        let without = |at: usize| found(|wire| drop(wire.routes.remove(at)));
        assert_eq!(without(0), [".address: 10.5.0.0/24 -> gone"]);
        assert_eq!(without(1), [".gateway: default via 10.5.0.1 -> gone"]);
        assert_eq!(without(3), [".gateway: default via fd00::1 -> gone"]);
        let lost = ".routes: 10.9.0.0/16 via 10.5.0.9 metric 100 table 7 -> gone";
        assert_eq!(without(4), [lost]);
        assert_eq!(found(|wire| wire.routes[4].metric = 101), [lost.replace("gone", "10.9.0.0/16 via 10.5.0.9")]);
        assert_eq!(
            found(|wire| wire.routes[1].table = 8),
            [".gateway: default via 10.5.0.1 -> gone", ".routes:  -> default via 10.5.0.1"]
        );
        // The kernel and routers add what they like, people do not.
        let add = |by_hand| found(|wire| wire.routes.push(WireRoute { by_hand, ..route("10.7.0.0/16", "10.5.0.3") }));
        assert_eq!(add(false), [""; 0]);
        assert_eq!(add(true), [".routes:  -> 10.7.0.0/16 via 10.5.0.3"]);
    }

    #[test]
    fn who_may_add_addresses_and_routes_has_added_them() {
        let mut more = wire();
        more.addresses.push("10.7.0.1/24".to_owned());
        more.routes.push(route("10.7.0.0/16", "10.5.0.3"));
        assert_eq!(differences(&link(), &more, None, true), []);
        assert_eq!(differences(&link(), &more, None, false).len(), 2);
    }
}
