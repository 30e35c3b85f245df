//! Rules between keys, and between containers. What one value alone can break, its type has refused already.

pub mod across;
pub mod conflict;
mod credentials;
mod devices;
pub mod exposure;
mod image;
mod health;
mod mounts;
mod network;
mod ports;
mod process;
mod publish;
mod replicas;
mod resources;
mod routes;
mod systemd;
mod weakened;

use std::collections::BTreeSet;

use super::fault::Fault;
use super::model::Definition;
use super::source::Origin;
use super::tree::{Node, Value};

/// What only the host knows, and a check needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host {
    /// The version of systemd; without it, directives are not held against it.
    pub systemd: Option<u32>,
}

/// What every rule sees.
struct Subject<'a> {
    definition: &'a Definition,
    root: &'a Node,
    /// Keys that decoding refused: whoever misses them would complain twice.
    refused: &'a BTreeSet<String>,
    faults: Vec<Fault>,
}

/// Every fault and warning of one definition.
pub(super) fn one(
    definition: &Definition,
    root: &Node,
    refused: &BTreeSet<String>,
    image_known: bool,
    host: Host,
) -> Vec<Fault> {
    let mut subject = Subject { definition, root, refused, faults: Vec::new() };
    process::check(&mut subject, image_known);
    image::check(&mut subject);
    replicas::check(&mut subject);
    health::check(&mut subject);
    resources::check(&mut subject);
    network::check(&mut subject);
    publish::check(&mut subject);
    mounts::check(&mut subject);
    devices::check(&mut subject);
    credentials::check(&mut subject);
    systemd::check(&mut subject, host);
    weakened::check(&mut subject);
    subject.faults
}

/// Those of the limits alone.
pub(super) fn limits(definition: &Definition, root: &Node, refused: &BTreeSet<String>) -> Vec<Fault> {
    let mut subject = Subject { definition, root, refused, faults: Vec::new() };
    resources::check(&mut subject);
    subject.faults
}

impl Subject<'_> {
    /// Whether any layer says something for that key.
    fn says(&self, path: &[&str]) -> bool {
        find(self.root, path).is_some()
    }

    /// Where the value is; if nobody wrote it, where what it would be in is.
    fn origin(&self, path: &[&str]) -> Option<Origin> {
        (0..=path.len()).rev().find_map(|length| find(self.root, &path[..length])).map(|node| node.origin.clone())
    }

    /// Puts the fault at the value of that path, unless the value was refused already.
    fn say(&mut self, path: &[&str], fault: Fault) {
        let origin = self.origin(path);
        self.say_at(path, origin, fault);
    }

    /// The same at the key.
    fn say_key(&mut self, path: &[&str], fault: Fault) {
        let origin = find(self.root, path).map(|node| node.key.clone()).or_else(|| self.origin(path));
        self.say_at(path, origin, fault);
    }

    fn say_at(&mut self, path: &[&str], origin: Option<Origin>, mut fault: Fault) {
        let path = shown(path);
        if !self.refused.contains(&path) {
            fault.origin = origin;
            fault.path = path;
            self.faults.push(fault);
        }
    }
}

/// A fault whose place [`Subject::say`] fills in.
fn wrong(message: impl Into<String>) -> Fault {
    Fault::new(message, None)
}

fn find<'a>(root: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(root, |node, step| match &node.value {
        Value::Table(table) => table.get(*step),
        Value::List(list) => list.get(step.parse::<usize>().ok()?),
        // A list that is written as its only element.
        _ if *step == "0" => Some(node),
        _ => None,
    })
}

/// `network[0].address`
fn shown(path: &[&str]) -> String {
    path.iter().fold(String::new(), |shown, step| match step.parse::<usize>() {
        Ok(index) => format!("{shown}[{index}]"),
        Err(_) if shown.is_empty() => (*step).to_owned(),
        Err(_) => format!("{shown}.{step}"),
    })
}
