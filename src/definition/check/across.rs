//! Rules between containers: what only one can have, and what waits for what.

use std::collections::{BTreeMap, BTreeSet};

use super::conflict::Conflict;
use super::ports;
use crate::definition::fault::Fault;
use crate::definition::outline::{Claim, Outline};
use crate::definition::source::Origin;
use crate::definition::suggest;
use crate::definition::types::{Dependency, Name};

/// Every fault between these containers, which are all that there are.
pub fn across(outlines: &[Outline]) -> Vec<Conflict> {
    let mut conflicts = duplicates(outlines);
    conflicts.extend(ports::conflicts(outlines));
    conflicts.extend(unknown(outlines));
    conflicts.extend(cycles(outlines));
    conflicts
}

fn duplicates(outlines: &[Outline]) -> Vec<Conflict> {
    let mut claimed: BTreeMap<&Claim, (&Name, &Origin)> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for outline in outlines {
        for (claim, origin) in &outline.claims {
            match claimed.get(claim) {
                // Twice in one container is a fault of that definition alone.
                Some((name, _)) if *name == &outline.name => {}
                Some((name, first)) => {
                    let message = match claim {
                        Claim::Address(bridge, None, address) => {
                            format!("{name} has the address {address} on {bridge} already")
                        }
                        Claim::Address(bridge, Some(vlan), address) => {
                            format!("{name} has the address {address} in VLAN {vlan} of {bridge} already")
                        }
                        Claim::Mac(bridge, mac) => format!("{name} has the MAC address {mac} on {bridge} already"),
                        Claim::Device(card) => format!("{name} has the network card {card} already"),
                        Claim::Link(link) => format!("{name} has a link that is called {link} on the host already"),
                    };
                    let fault = match *first == origin {
                        // The same line, in two replicas of one definition.
                        true => {
                            Fault::new(message, Some(origin.clone())).help("replicas differ by ${n}, see [variables]")
                        }
                        false => Fault::new(message, Some(origin.clone()))
                            .related(Some((*first).clone()), "it is here first"),
                    };
                    conflicts.push(Conflict { names: [*name, &outline.name].map(Name::clone).into(), fault });
                }
                None => drop(claimed.insert(claim, (&outline.name, origin))),
            }
        }
    }
    conflicts
}

/// `requires` without it cannot start, `wants` goes on, so it is a warning; `after` is only order.
fn unknown(outlines: &[Outline]) -> Vec<Conflict> {
    // A definition with replicas stands for all of them.
    let known: BTreeSet<&Name> =
        outlines.iter().flat_map(|outline| std::iter::once(&outline.name).chain(&outline.replica_of)).collect();
    let mut conflicts = Vec::new();
    for outline in outlines {
        let requires = outline.requires.iter().map(|entry| (entry, false));
        let wants = outline.wants.iter().map(|entry| (entry, true));
        for ((dependency, origin), wanted) in requires.chain(wants) {
            let Dependency::Container(name) = dependency else { continue };
            if known.contains(name) {
                continue;
            }
            let fault = Fault::new(format!("there is no container {name}"), Some(origin.clone()));
            let fault = match suggest::nearest(name, known.iter().map(|name| name.as_str())) {
                Some(near) => fault.help(format!("did you mean \"{near}\"?")),
                None => fault.help("a unit of the host has a dot in its name, such as \"network-online.target\""),
            };
            let fault = if wanted { fault.warning() } else { fault };
            let fault = fault.at(if wanted { "wants" } else { "requires" });
            conflicts.push(Conflict { names: [outline.name.clone()].into(), fault });
        }
    }
    conflicts
}

/// systemd does not fail a cycle of After=: one of the units silently never starts. So all three kinds of waiting count.
fn cycles(outlines: &[Outline]) -> Vec<Conflict> {
    let mut by_name: BTreeMap<&Name, Vec<usize>> = BTreeMap::new();
    for (index, outline) in outlines.iter().enumerate() {
        for name in std::iter::once(&outline.name).chain(&outline.replica_of) {
            by_name.entry(name).or_default().push(index);
        }
    }
    let edges: Vec<Vec<(usize, &Origin)>> = outlines
        .iter()
        .map(|outline| {
            let to = |(name, at)| by_name.get(name).into_iter().flatten().map(move |index| (*index, at));
            outline.waits_for().flat_map(to).collect()
        })
        .collect();
    let mut conflicts = Vec::new();
    let mut done = vec![false; outlines.len()];
    for start in 0..outlines.len() {
        // The way from `start` to here: container, and the next of its edges to follow. A chain may be thousands long.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        let mut on_way = BTreeSet::from([start]);
        while let Some((here, next)) = way.last_mut() {
            let edge = if done[*here] { None } else { edges[*here].get(*next) };
            *next += 1;
            match edge {
                Some((to, _)) if on_way.contains(to) => {
                    let first = way.iter().position(|(index, _)| index == to).unwrap_or(0);
                    conflicts.push(cycle(outlines, &edges, &way[first..]));
                }
                Some((to, _)) if !done[*to] => {
                    on_way.insert(*to);
                    way.push((*to, 0));
                }
                Some(_) => {}
                None => {
                    done[*here] = true;
                    on_way.remove(here);
                    way.pop();
                }
            }
        }
    }
    conflicts
}

/// `a → b → a`, with the line of each step.
fn cycle(outlines: &[Outline], edges: &[Vec<(usize, &Origin)>], way: &[(usize, usize)]) -> Conflict {
    let names: Vec<&Name> = way.iter().map(|(index, _)| &outlines[*index].name).collect();
    let steps = way.iter().map(|(index, next)| edges[*index][*next - 1].1);
    let shown = names.iter().chain(names.first()).map(|name| name.as_str()).collect::<Vec<_>>().join(" → ");
    let message = match names[..] {
        [name] => format!("{name} waits for itself"),
        _ => format!("these wait for each other for ever: {shown}"),
    };
    let mut steps = steps.zip(names.iter().skip(1).chain(names.first()));
    let origin = steps.next().map(|(origin, _)| origin.clone());
    let fault = Fault {
        related: steps.map(|(at, to)| (at.clone(), format!("… → {to}"))).collect(),
        ..Fault::new(message, origin)
    };
    Conflict { names: names.into_iter().cloned().collect(), fault: fault.at("requires") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::source::{Layer, Source};
    use crate::definition::{decode, tree};

    fn outline(name: &str, text: &str) -> Outline {
        let source = Source::new(format!("{name}.toml"), text, Layer::Main);
        let table = tree::parse(&source).unwrap();
        Outline::new(name.parse().unwrap(), &decode::root(table, &source))
    }

    fn messages(outlines: &[Outline]) -> Vec<String> {
        across(outlines).into_iter().map(|conflict| conflict.fault.to_string()).collect()
    }

    #[test]
    fn cycles_are_printed_with_the_line_of_each() {
        let outlines = [outline("a", "requires = 'b'"), outline("b", "\nafter = ['c']"), outline("c", "wants = ['a']")];
        let conflicts = across(&outlines);
        let [conflict] = &conflicts[..] else { panic!("{conflicts:?}") };
        assert_eq!(conflict.fault.to_string(), "a.toml:1:12: these wait for each other for ever: a → b → c → a");
        let related: Vec<String> = conflict.fault.related.iter().map(|(at, label)| format!("{at} {label}")).collect();
        assert_eq!(related, ["b.toml:2:10 … → c", "c.toml:1:10 … → a"]);
        assert_eq!(conflict.names.len(), 3);
        assert_eq!(messages(&[outline("a", "after = 'a'")]), ["a.toml:1:9: a waits for itself"]);
    }

    #[test]
    fn diamonds_and_long_chains_are_no_cycles() {
        let diamond = [
            outline("a", "requires = ['b', 'c']"),
            outline("b", "requires = 'd'"),
            outline("c", "requires = 'd'"),
            outline("d", ""),
        ];
        assert_eq!(messages(&diamond), [""; 0]);
        let mut chain: Vec<Outline> =
            (0..1000).map(|n| outline(&format!("c{n}"), &format!("requires = 'c{}'", n + 1))).collect();
        chain.push(outline("c1000", ""));
        assert_eq!(messages(&chain), [""; 0]);
        chain[1000] = outline("c1000", "after = 'c0'");
        assert_eq!(across(&chain).len(), 1);
    }

    #[test]
    fn unknown_containers_are_named_and_units_are_not_ours() {
        let outlines = [outline("web", "requires = ['dv', 'x.target']\nwants = ['cache']"), outline("db", "")];
        let found = messages(&outlines);
        assert_eq!(found, ["web.toml:1:13: there is no container dv", "web.toml:2:10: there is no container cache"]);
    }

    #[test]
    fn one_port_of_the_host_is_one_containers() {
        let publish = |listen: &str| format!("[[publish]]\nlisten = '{listen}'\nto = 80");
        let outlines = [
            outline("a", &publish("8080")),
            outline("b", &publish("10.0.0.1:8080")),
            outline("c", &publish("0.0.0.0:8080")),
            outline("d", &publish("8081")),
            outline("e", &format!("{}\nprotocol = 'udp'", publish("8081"))),
        ];
        let conflicts = across(&outlines);
        let found: Vec<String> = conflicts.iter().map(|conflict| conflict.fault.to_string()).collect();
        assert_eq!(found, ["c.toml:2:10: a has the tcp port 8080 already"]);
        assert_eq!(conflicts[0].names.len(), 2);
    }

    #[test]
    fn one_address_on_a_bridge_is_one_containers() {
        let link = |bridge: &str| {
            format!("[[network]]\nbridge = '{bridge}'\naddress = '10.88.0.10/24'\nmac = '02:00:00:00:00:01'")
        };
        let outlines = [outline("a", &link("br0")), outline("b", &link("br0")), outline("c", &link("br1"))];
        let found = messages(&outlines);
        assert_eq!(
            found,
            [
                "b.toml:3:11: a has the address 10.88.0.10 on br0 already",
                "b.toml:4:7: a has the MAC address 02:00:00:00:00:01 on br0 already",
            ]
        );
    }
}
