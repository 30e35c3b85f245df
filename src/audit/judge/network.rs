//! Links: those of the definition, each where it is said to lead.

use crate::audit::expect::{Expected, Place};
use crate::audit::facts::{Facts, Link};
use crate::audit::finding::Finding;

pub fn judge(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    if let Some(other) = &expected.joins {
        return facts
            .links
            .iter()
            .map(|link| Finding::ok(format!("link {} of {other}", link.name), shown(link)))
            .collect();
    }
    let mut list: Vec<_> = facts.links.iter().map(|link| judge_link(expected, link)).collect();
    let own = facts.main().is_some_and(|main| main.namespaces.get("net") != facts.host.namespaces.get("net"));
    let missing = expected.links.keys().filter(|name| own && !facts.links.iter().any(|link| link.name == **name));
    list.extend(missing.map(|name| Finding::note(format!("link {name}"), "is not there any more")));
    list
}

fn judge_link(expected: &Expected, link: &Link) -> Finding {
    let what = format!("link {}", link.name);
    let bridge = match expected.links.get(&link.name) {
        Some(Place::Port(bridge)) => bridge,
        Some(Place::Child(kind)) if link.kind.as_deref() == Some(*kind) => return Finding::ok(what, shown(link)),
        Some(Place::Child(kind)) => return Finding::wrong(what, shown(link), format!("of kind {kind}")),
        Some(Place::Device) => return Finding::ok(what, shown(link)),
        None if link.name == "lo" => return Finding::ok(what, link.addresses.join(" ")),
        None if link.leads_out => {
            return Finding::wrong(what, shown(link), "nothing: the definition does not name it");
        }
        None => return Finding::note(what, format!("{}, leads nowhere", shown(link))),
    };
    match &link.host {
        Some(end) if end.bridge.as_ref() == Some(bridge) => Finding::ok(what, shown(link)),
        Some(_) => Finding::wrong(what, shown(link), format!("a port of {bridge}")),
        None => Finding::note(what, format!("{}, with no other end on the host", shown(link))),
    }
}

fn shown(link: &Link) -> String {
    let mut parts = vec![link.kind.clone().unwrap_or_else(|| "a network card".to_owned())];
    if let Some(end) = &link.host {
        let bridge =
            end.bridge.as_deref().map_or_else(|| ", in no bridge".to_owned(), |bridge| format!(", a port of {bridge}"));
        parts.push(format!("{}{bridge}", end.name));
        parts.extend(end.flags.iter().cloned());
    }
    parts.extend(link.addresses.iter().cloned());
    parts.join(", ")
}
