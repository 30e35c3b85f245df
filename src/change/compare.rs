//! Definition against definition, field by field; and what only the plans can tell.

use std::collections::BTreeSet;

use super::fields::{Fields, joined, quoted};
use super::{Change, Class};
use crate::definition::Definition;
use crate::plan::{Dhcp, DiskKind, DiskMode, Plan};

/// What was started, and what would be.
#[derive(Debug, Clone, Copy)]
pub struct Definitions<'a> {
    /// As declared at the start.
    pub runs: &'a Definition,
    /// As it is now.
    pub now: &'a Definition,
}

/// What they came to.
#[derive(Debug, Clone, Copy)]
pub struct Plans<'a> {
    /// The snapshot.
    pub runs: &'a Plan,
    /// What a start would make.
    pub now: &'a Plan,
    /// The digests of the image: of what runs, and in the store.
    pub digests: Option<(&'a str, &'a str)>,
}

/// All differences; `origin` tells where a field of the new definition is written.
pub fn compare(definitions: Definitions<'_>, plans: Plans<'_>, origin: impl Fn(&str) -> Option<String>) -> Vec<Change> {
    let mut changes = fields(&Fields::of(definitions.runs), &Fields::of(definitions.now));
    for change in &mut changes {
        change.class = change.class.max(at_least(&change.field, plans));
        if change.class == Class::Recreate && is_copied_anew(plans) {
            change.class = Class::Restart;
        }
        change.from = origin(&change.field);
    }
    changes.extend(environment(plans, &changes));
    changes.extend(new_image(plans, &changes));
    changes
}

fn fields(runs: &Fields, now: &Fields) -> Vec<Change> {
    let mut changes = Vec::new();
    let alone: Vec<String> =
        runs.entries.keys().filter(|key| !now.entries.contains_key(*key)).map(|key| format!("{key}.")).collect();
    let added: Vec<String> =
        now.entries.keys().filter(|key| !runs.entries.contains_key(*key)).map(|key| format!("{key}.")).collect();
    let within = |list: &[String], field: &str| list.iter().any(|entry| field.starts_with(entry.as_str()));
    let mut one = |field: &String, path: &str, old: Option<&String>, new: Option<&String>| {
        if old != new {
            let (old, new) = (old.cloned(), new.cloned());
            changes.push(Change { field: field.clone(), class: Class::of(path), old, new, from: None });
        }
    };
    for (was, is, is_entry) in [(&runs.entries, &now.entries, true), (&runs.leaves, &now.leaves, false)] {
        let all: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        for field in all {
            let (old, new) = (was.get(field), is.get(field));
            let Some(path) = old.or(new).map(|leaf| leaf.path.as_str()) else { continue };
            let skipped = match is_entry {
                // The summary of one that is in both differs where its fields do.
                true => old.is_some() && new.is_some(),
                false => within(&alone, field) || within(&added, field),
            };
            if !skipped {
                one(field, path, old.map(|leaf| &leaf.text), new.map(|leaf| &leaf.text));
            }
        }
    }
    changes.sort_by(|a, b| a.field.cmp(&b.field));
    changes
}

/// What a field's class is at least, by what runs.
fn at_least(field: &str, plans: Plans<'_>) -> Class {
    let Plans { runs, now, .. } = plans;
    let below = |key: &str| field.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    // A limit of writes does not reach a loop device that was opened without direct I/O.
    let unreachable = matches!(runs.disk.kind, DiskKind::Raw { .. }) && now.disk.direct_io && !runs.disk.direct_io;
    let writes = below("limits.write-bandwidth") || below("limits.write-iops");
    // A generated file can be written anew where it is; none appears or goes while the container runs.
    let targets =
        |plan: &Plan| plan.sandbox.files.iter().map(|file| (file.target.clone(), file.kept)).collect::<Vec<_>>();
    let files = below("dns") || below("hosts") || below("network");
    let leased = |plan: &Plan| plan.links.iter().any(|link| link.dhcp != Dhcp::No);
    let network = below("network")
        && (leased(runs) || leased(now) || runs.sandbox.namespaces.network != now.sandbox.namespaces.network);
    if field == "disk.size" {
        return resized(runs, now);
    }
    // The timer is one of the units that are made together with the container's.
    let timer = below("health") && runs.health.is_some() != now.health.is_some();
    match timer || (unreachable && writes) || (files && targets(runs) != targets(now)) || network {
        true => Class::Restart,
        false => Class::Live,
    }
}

/// A disk grows while it is used, and is never made smaller.
fn resized(runs: &Plan, now: &Plan) -> Class {
    match (runs.disk.size, now.disk.size) {
        (Some(old), Some(new)) if new < old => Class::Recreate,
        _ => Class::Live,
    }
}

/// A disk that does not outlast a start needs nobody to take it away.
fn is_copied_anew(plans: Plans<'_>) -> bool {
    plans.runs.disk.mode != DiskMode::Keep && plans.now.disk.mode != DiskMode::Keep
}

/// Variables of the image and of files, which are no fields of the definition.
fn environment(plans: Plans<'_>, changes: &[Change]) -> Vec<Change> {
    let of =
        |plan: &Plan| plan.sandbox.process.environment.iter().cloned().collect::<std::collections::BTreeMap<_, _>>();
    let (runs, now) = (of(plans.runs), of(plans.now));
    let names: BTreeSet<&String> = runs.keys().chain(now.keys()).collect();
    let made = |name: &str| name == "TZ" && has(changes, "timezone");
    let differs = names.into_iter().filter(|name| runs.get(*name) != now.get(*name) && !made(name));
    let change = |name: &String| Change {
        field: joined("environment", &quoted(name)),
        class: Class::Restart,
        old: runs.get(name).map(|value| toml::Value::from(value.as_str()).to_string()),
        new: now.get(name).map(|value| toml::Value::from(value.as_str()).to_string()),
        from: Some("environment-files, or the image".to_owned()),
    };
    differs.map(change).filter(|change| !has(changes, &change.field)).collect()
}

fn has(changes: &[Change], field: &str) -> bool {
    changes.iter().any(|change| change.field == field)
}

/// The image of that name has become another.
fn new_image(plans: Plans<'_>, changes: &[Change]) -> Option<Change> {
    let (old, new) = plans.digests?;
    if old.is_empty() || new.is_empty() || old == new || has(changes, "image") {
        return None;
    }
    Some(Change {
        field: "image".to_owned(),
        class: if is_copied_anew(plans) { Class::Restart } else { Class::Recreate },
        old: Some(format!("{} {old}", plans.runs.image.name)),
        new: Some(format!("{} {new}", plans.runs.image.name)),
        from: Some("the store".to_owned()),
    })
}
