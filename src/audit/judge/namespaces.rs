//! Namespaces and ids: its own, and nobody else's.

use crate::audit::expect::Expected;
use crate::audit::facts::{Facts, NAMESPACES, Neighbour, Process};
use crate::audit::finding::Finding;

/// Ids of the host itself: its accounts, and its people.
const HOSTS: u64 = 65_536;
const COUNT: u64 = 65_536;

pub fn judge(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let Some(main) = facts.main() else { return Vec::new() };
    let mut list: Vec<_> = NAMESPACES.into_iter().map(|kind| namespace(facts, expected, main, kind)).collect();
    list.push(ids(facts, expected, main));
    list.extend(facts.processes.iter().skip(1).flat_map(|process| foreign(facts, expected, main, process)));
    list.extend(facts.strays.iter().map(|stray| {
        let found = format!("shares the container's processes from {}", stray.cgroup);
        Finding::wrong(
            format!("process {} ({})", stray.pid, stray.command),
            found,
            "a place in the unit, whose limits it has",
        )
    }));
    list
}

fn namespace(facts: &Facts, expected: &Expected, main: &Process, kind: &'static str) -> Finding {
    let what = format!("namespace {kind}");
    let Some(own) = main.namespaces.get(kind) else { return Finding::note(what, "this kernel has none") };
    if facts.host.namespaces.get(kind) == Some(own) {
        return match expected.shared.get(kind) {
            Some(words) => Finding::weaker(what, "the host's", words),
            None => Finding::wrong(what, "the host's", "its own"),
        };
    }
    let mut others = facts.neighbours.iter().filter(|other| other.namespaces.get(kind) == Some(own));
    let joined = |other: &&Neighbour| {
        // Two that share a third one's share each other's.
        let both = expected.joins.is_some() && expected.joins == other.joins;
        kind == "net" && (both || other.joins_this || expected.joins.as_ref() == Some(&other.name))
    };
    match others.find(|other| !joined(other)) {
        None if kind == "net" && expected.joins.is_some() => {
            let other = expected.joins.as_deref().unwrap_or_default();
            Finding::weaker(what, format!("that of {other}"), format!("namespaces.network = \"container:{other}\""))
        }
        Some(other) => Finding::wrong(what, format!("that of {} too", other.name), "its own"),
        None => Finding::ok(what, "its own"),
    }
}

fn ids(facts: &Facts, expected: &Expected, main: &Process) -> Finding {
    let shown = |map: &[[u64; 3]]| {
        let extents: Vec<_> =
            map.iter().map(|[inside, outside, count]| format!("{inside} is {outside}, {count} ids")).collect();
        if extents.is_empty() { "none".to_owned() } else { extents.join("; ") }
    };
    let found = match main.uid_map == main.gid_map {
        true => shown(&main.uid_map),
        false => format!("users: {}; groups: {}", shown(&main.uid_map), shown(&main.gid_map)),
    };
    if let Some(words) = expected.shared.get("user") {
        return Finding::weaker("ids", found, words);
    }
    let range = |map: &[[u64; 3]]| matches!(map, [[0, first, COUNT]] if *first >= HOSTS);
    if !range(&main.uid_map) || !range(&main.gid_map) || main.uid_map != main.gid_map {
        return Finding::wrong("ids", found, format!("one range of {COUNT} that is none of the host's"));
    }
    match facts.neighbours.iter().find(|other| overlap(&main.uid_map, other)) {
        Some(other) => Finding::wrong("ids", format!("{found}: {} has some of them", other.name), "ids of its own"),
        None => Finding::ok("ids", found),
    }
}

/// A neighbour with the host's ids has declared so, and its own audit says it.
fn overlap(own: &[[u64; 3]], other: &Neighbour) -> bool {
    let meets = |[_, one, many]: &[u64; 3], [_, other, more]: &[u64; 3]| {
        *one < other.saturating_add(*more) && *other < one.saturating_add(*many)
    };
    let is_hosts = |map: &[[u64; 3]]| map.iter().any(|[_, first, count]| *first < HOSTS && *count > 0);
    !is_hosts(&other.uid_map) && own.iter().any(|one| other.uid_map.iter().any(|other| meets(one, other)))
}

/// A process in the unit that is not where the main process is. Below it, in namespaces that the container has made of its
/// own, it may be.
fn foreign(facts: &Facts, expected: &Expected, main: &Process, process: &Process) -> Vec<Finding> {
    let of_host: Vec<_> = NAMESPACES
        .into_iter()
        .filter(|kind| !expected.shared.contains_key(kind))
        .filter(|kind| facts.host.namespaces.contains_key(kind))
        .filter(|kind| facts.host.namespaces.get(kind) == process.namespaces.get(kind))
        .filter(|kind| main.namespaces.get(kind) != process.namespaces.get(kind))
        .collect();
    let mut list = Vec::new();
    if !of_host.is_empty() {
        let found = format!("those of the host: {}", of_host.join(", "));
        list.push(Finding::wrong(format!("namespaces of {}", process.shown()), found, "those of the container"));
    }
    let within = |[_, first, count]: &[u64; 3]| {
        let end = first.saturating_add(*count);
        main.uid_map.iter().any(|[_, outer, most]| first >= outer && end <= outer.saturating_add(*most))
    };
    if of_host.is_empty() && !process.uid_map.iter().all(within) {
        list.push(Finding::wrong(format!("ids of {}", process.shown()), "more than the container's", "some of them"));
    }
    list
}
