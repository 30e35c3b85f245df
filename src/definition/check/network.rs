//! Links, addresses and routes of one container.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Subject, find, routes, wrong};
use crate::definition::model::{Init, Network, NetworkKind, NetworkNamespace};
use crate::definition::types::{Cidr, LinkAddress, not_a_host};

pub(super) fn check(s: &mut Subject<'_>) {
    let links = &s.definition.network;
    if s.definition.namespaces.network != NetworkNamespace::Private && !links.is_empty() {
        let network = &s.definition.namespaces.network;
        let whose = network.container().map_or("the host".to_owned(), ToString::to_string);
        let fault = wrong(format!("namespaces.network = \"{network}\" has the links of {whose}, and no [[network]]"));
        let first = s.origin(&["namespaces", "network"]);
        s.say(&["network"], fault.related(first, format!("the network of {whose} is asked for here")));
        return;
    }
    unique(s);
    overlaps(s);
    let mut routers: BTreeMap<bool, usize> = BTreeMap::new();
    for (index, link) in links.iter().enumerate() {
        let at = index.to_string();
        medium(s, link, &at);
        gateways(s, link, &at, &mut routers);
        routes::check(s, link, &at);
        vlans(s, link, &at);
        leased(s, link, &at);
        if link.kind != NetworkKind::Bridge && link.rate.is_some_and(|rate| rate.r#in.value().is_some()) {
            let fault = wrong("only a port of a bridge can hold back what comes in").help("write { out = \"…\" }");
            s.say(&["network", &at, "rate"], fault);
        }
        let least = if link.addresses().any(|cidr| cidr.address.is_ipv6()) { 1280 } else { 68 };
        if link.mtu.is_some_and(|mtu| !(least..=65535).contains(&mtu)) {
            let fault = wrong(format!("an mtu is from {least} to 65535"));
            s.say(&["network", &at, "mtu"], if least > 68 { fault.help("IPv6 needs at least 1280") } else { fault });
        }
    }
    routes::unique(s);
    resolver(s);
}

/// Names, addresses, MACs and host ends: each once in a container.
fn unique(s: &mut Subject<'_>) {
    let mut seen: BTreeMap<(&'static str, String), Vec<String>> = BTreeMap::new();
    for (index, link) in s.definition.network.iter().enumerate() {
        let at = index.to_string();
        let mut values = vec![("name", vec![], link.name(index).to_string())];
        values.extend(link.mac.map(|mac| ("mac", vec![], mac.to_string())));
        let card = link.parent.as_ref().filter(|_| link.kind == NetworkKind::Device);
        values.extend(card.map(|parent| ("parent", vec![], parent.to_string())));
        values.extend(link.host_name.as_ref().map(|name| ("host-name", vec![], name.to_string())));
        for (place, address) in link.address.iter().enumerate() {
            // Twice "auto" in one link is too many, once in each of two is not.
            let value = address.cidr().map_or_else(|| format!("{address} of {at}"), |cidr| cidr.address.to_string());
            values.push(("address", vec![place.to_string()], value));
        }
        for (key, rest, value) in values {
            let path: Vec<String> = ["network", &at, key].map(str::to_owned).into_iter().chain(rest).collect();
            let path_ref: Vec<&str> = path.iter().map(String::as_str).collect();
            match seen.get(&(key, value.clone())) {
                Some(first) => {
                    let first: Vec<&str> = first.iter().map(String::as_str).collect();
                    let fault = wrong(format!("the {key} {value} is used twice"));
                    s.say(&path_ref, fault.related(s.origin(&first), "it is here first"));
                }
                None => drop(seen.insert((key, value), path)),
            }
        }
    }
}

/// Of two links into one network the kernel sends everything out of one.
fn overlaps(s: &mut Subject<'_>) {
    let links = &s.definition.network;
    let nets = |link: &Network| -> Vec<Cidr> {
        let full = |cidr: &Cidr| cidr.prefix == if cidr.address.is_ipv4() { 32 } else { 128 };
        link.addresses().filter(|cidr| !full(cidr)).collect()
    };
    for (index, link) in links.iter().enumerate() {
        for (before, other) in links[..index].iter().enumerate() {
            let meet = |a: &Cidr, b: &Cidr| a.contains(b.network().address) || b.contains(a.network().address);
            let own = nets(link);
            let Some(net) = own.iter().find(|cidr| nets(other).iter().any(|one| meet(cidr, one))) else { continue };
            let message = format!(
                "{} is the network of {} too: the kernel answers by one of them",
                net.network(),
                other.name(before)
            );
            let first = s.origin(&["network", &before.to_string(), "address"]);
            s.say(
                &["network", &index.to_string(), "address"],
                wrong(message).warning().related(first, "it is here first"),
            );
        }
    }
}

/// Each kind with what it needs, and with nothing that it cannot have.
fn medium(s: &mut Subject<'_>, link: &Network, at: &str) {
    let kind = link.kind.as_str();
    if link.kind == NetworkKind::Bridge && link.bridge.is_none() {
        let fault = wrong("a link needs a bridge").help("add bridge = \"br0\"; see `ip link show type bridge`");
        s.say(&["network", at, "bridge"], fault);
    } else if link.kind != NetworkKind::Bridge && link.parent.is_none() {
        let fault =
            wrong(format!("kind \"{kind}\" needs a link of the host")).help("add parent = \"eth0\"; see `ip link`");
        s.say(&["network", at, "parent"], fault);
    }
    const PORT: [&str; 9] =
        ["bridge", "create", "host-name", "vlan", "tagged", "isolated", "hairpin", "learning", "spoof-check"];
    let refused: Vec<(&str, &str)> = match link.kind {
        NetworkKind::Bridge => vec![("parent", "a port of a bridge has no parent")],
        _ => PORT.map(|key| (key, "only a port of a bridge has this")).to_vec(),
    };
    let more: &[(&str, &str)] = match link.kind {
        NetworkKind::Bridge | NetworkKind::Macvlan => &[],
        NetworkKind::Ipvlan => &[("mac", "an ipvlan has its parent's")],
        NetworkKind::Device => &[
            ("mac", "a network card keeps its own: see MACAddress= in systemd.link(5)"),
            ("mtu", "a network card keeps its own: see MTUBytes= in systemd.link(5)"),
        ],
    };
    if link.kind != NetworkKind::Bridge && link.address.contains(&LinkAddress::Auto) {
        let fault = wrong("only a bridge has networks that \"auto\" can choose from").help("write the address");
        s.say(&["network", at, "address"], fault);
    }
    if link.create && link.address.contains(&LinkAddress::Auto) {
        let fault = wrong("a bridge that is made at a start has no network that \"auto\" can choose from").warning();
        s.say(&["network", at, "create"], fault.help("make it before: `soute bridge create NAME --address …`"));
    }
    for (key, why) in refused.iter().chain(more) {
        if find(s.root, &["network", at, key]).is_some() {
            let kind_at = s.origin(&["network", at, "kind"]);
            s.say(&["network", at, key], wrong(*why).related(kind_at, format!("it is of kind \"{kind}\"")));
        }
    }
}

/// A leased address is the link's only one of IPv4, and has an Ethernet address of its own.
fn leased(s: &mut Subject<'_>, link: &Network, at: &str) {
    if !link.asks_dhcp() {
        return;
    }
    let path = ["network", at, "address"];
    if link.kind == NetworkKind::Ipvlan {
        s.say(&path, wrong("an ipvlan has its parent's Ethernet address, by which a DHCP server knows the parent"));
    }
    let other =
        |address: &LinkAddress| *address == LinkAddress::Auto || address.cidr().is_some_and(|it| it.address.is_ipv4());
    if link.address.iter().any(other) {
        s.say(&path, wrong("\"dhcp\" is a link's only IPv4 address"));
    }
    let routed = link.gateways().any(|ip| ip.is_ipv4()) || link.routes.iter().any(|route| route.to.address.is_ipv4());
    if s.definition.init == Init::Image && routed {
        s.say(&path, wrong("with init = \"image\" its own DHCP client sets the IPv4 routes"));
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// Whether the link can send to `address` without a router: it is in one of its networks, or a route says so.
pub(super) fn is_neighbour(link: &Network, address: IpAddr) -> bool {
    let mut direct = link.routes.iter().filter(|route| route.via.is_none());
    is_link_local(address)
        || link.addresses().any(|cidr| cidr.contains(address))
        || direct.any(|route| Cidr { address: route.to.address, prefix: route.to.prefix }.contains(address))
}

/// An address without a network, /32 or /128: its gateway is told to be on the link.
fn is_alone(link: &Network, gateway: IpAddr) -> bool {
    let full = if gateway.is_ipv4() { 32 } else { 128 };
    link.addresses().any(|cidr| cidr.address.is_ipv4() == gateway.is_ipv4() && cidr.prefix == full)
}

fn gateways(s: &mut Subject<'_>, link: &Network, at: &str, routers: &mut BTreeMap<bool, usize>) {
    for (place, gateway) in link.gateways().enumerate() {
        let place = place.to_string();
        let path = ["network", at, "gateway", place.as_str()];
        let family = if gateway.is_ipv4() { "IPv4" } else { "IPv6" };
        let count = routers.entry(gateway.is_ipv4()).or_default();
        *count += 1;
        // The address list may be short of what was refused in it.
        let addresses_known = link.addresses_known() && !s.refused.contains(&format!("network[{at}].address"));
        if *count > 1 {
            let fault = wrong(format!("a container has at most one {family} gateway"));
            s.say(&path, fault.help("use routes for other networks"));
        } else if let Some(what) = not_a_host(gateway) {
            s.say(&path, wrong(format!("{gateway} cannot be a gateway: it is {what}")));
        } else if let Some(what) = routes::not_a_router(link, gateway) {
            s.say(&path, wrong(format!("{gateway} cannot be a gateway: it is {what}")));
        } else if link.addresses().any(|cidr| cidr.address == gateway) {
            s.say(&path, wrong(format!("{gateway} is the container's own address")));
        } else if addresses_known && !is_neighbour(link, gateway) && !is_alone(link, gateway) {
            let fault = wrong(format!("{gateway} is in none of the networks of this link's addresses"));
            s.say(&path, fault.related(s.origin(&["network", at, "address"]), "the addresses are here"));
        }
    }
}

/// Each VLAN once, and nothing learned where only one address may speak.
fn vlans(s: &mut Subject<'_>, link: &Network, at: &str) {
    for (place, vlan) in link.tagged.iter().enumerate() {
        let path = ["network", at, "tagged", &place.to_string()];
        if link.vlan == Some(*vlan) {
            let first = s.origin(&["network", at, "vlan"]);
            s.say(&path, wrong(format!("frames of VLAN {vlan} have no tag")).related(first, "it is here"));
        } else if link.tagged[..place].contains(vlan) {
            s.say(&path, wrong(format!("VLAN {vlan} is there twice")));
        }
    }
    if link.spoof_check && link.learning == Some(true) {
        let first = s.origin(&["network", at, "spoof-check"]);
        let fault = wrong("where addresses are checked, none are learned").related(first, "they are checked here");
        s.say(&["network", at, "learning"], fault);
    }
}

fn resolver(s: &mut Subject<'_>) {
    let dns = &s.definition.dns;
    if dns.servers().len() > 3 {
        let fault = wrong("resolv.conf(5) has three servers, further ones are never asked").warning();
        s.say(&["dns", "servers"], fault);
    }
    for (key, list) in [("search", &dns.search), ("options", &dns.options)] {
        for (index, word) in list.iter().enumerate() {
            if word.is_empty() || word.contains(char::is_whitespace) {
                let fault = wrong("each is one word").help("write a list: [\"one\", \"two\"]");
                s.say(&["dns", key, &index.to_string()], fault);
            }
        }
    }
    let leased = dns.servers.is_none() && s.definition.is_leased();
    let silent = dns.servers().is_empty() && !leased && (!dns.search.is_empty() || !dns.options.is_empty());
    if silent && find(s.root, &["dns"]).is_some() && !s.refused.contains("dns.servers") {
        let fault = wrong("without servers the image's resolv.conf is left alone").help("add servers").warning();
        s.say(&["dns"], fault);
    }
}
