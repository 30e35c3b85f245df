//! A merged tree becomes a definition, or all of its faults at once: what is refused is taken out of the tree, and the
//! rest is read again.

mod node;
mod refusal;

use std::collections::BTreeSet;

use serde::Deserialize;

use super::fault::Fault;
use super::model::Definition;
use super::source::{Origin, Source};
use super::suggest;
use super::tree::{Node, Table, Value};
use node::Reader;
pub(crate) use refusal::Step;
use refusal::{Kind, Refusal};

/// More than this, and it is no definition that a person wrote.
const MOST_FAULTS: usize = 100;

/// What could be read.
pub(super) struct Decoded {
    pub definition: Option<Definition>,
    pub faults: Vec<Fault>,
    /// Keys that were refused, so that nobody complains again that they are missing.
    pub refused: BTreeSet<String>,
}

/// Reads the tree; refused values are missing from it afterwards. `refused` are the keys that were taken out before.
pub(super) fn decode(root: &mut Node, mut refused: BTreeSet<String>) -> Decoded {
    let mut faults = Vec::new();
    while faults.len() < MOST_FAULTS {
        let refusal = match Definition::deserialize(Reader(root)) {
            Ok(definition) => return Decoded { definition: Some(definition), faults, refused },
            Err(refusal) => refusal,
        };
        let steps: Vec<Step> = refusal.steps.iter().rev().cloned().collect();
        let missing = if let Kind::Missing(key) = refusal.kind { Some(key) } else { None };
        let path = self::path(&steps);
        // What it had was refused, and said so.
        let emptied = refusal.kind == Kind::Empty && refused.iter().any(|key| key.starts_with(&format!("{path}.")));
        let repaired = match missing {
            Some(key) => add(root, &steps, key, faults.len()),
            None => take_out(root, &steps, faults.len()),
        };
        let known = !refused.insert(match missing {
            Some(key) => joined(&path, key),
            None => path.trim_end_matches(|c: char| c == '[' || c == ']' || c.is_ascii_digit()).to_owned(),
        });
        if !emptied && (missing.is_none() || !known) {
            faults.push(fault(refusal, &steps));
        }
        if !repaired {
            break;
        }
    }
    Decoded { definition: None, faults, refused }
}

fn fault(refusal: Refusal, steps: &[Step]) -> Fault {
    let mut fault = Fault { help: refusal.help, ..Fault::new(refusal.message, refusal.origin) };
    match refusal.kind {
        Kind::UnknownKey if fault.help.is_none() => fault.help = suggest::for_key(&names(steps)),
        Kind::Missing("to") if names(steps).first() == Some(&"publish") => {
            fault = fault.help("add to = PORT, the port inside")
        }
        Kind::Missing("image") => fault = fault.help("add image = \"NAME\", see `soute image list`"),
        Kind::Value if fault.message.starts_with("expected a list, found a table") => {
            fault = fault.help(format!("write [[{}]]", names(steps).join(".")));
        }
        _ => {}
    }
    let path = path(steps);
    match refusal.kind {
        Kind::Missing(key) => fault.at(joined(&path, key)),
        _ => fault.at(path),
    }
}

/// The keys on the way, without indexes.
fn names(steps: &[Step]) -> Vec<&str> {
    steps
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
        .collect()
}

/// `network[0].address[1]`
pub(crate) fn path(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) => joined(&path, key),
        Step::Index(index) => format!("{path}[{index}]"),
    })
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// What stands in for a required value that was refused; no two alike, so that they are no duplicates.
fn placeholder(steps: &[Step], key: &str, number: usize) -> Option<Value> {
    let publish = matches!(steps.first(), Some(Step::Key(table)) if table == "publish");
    match key {
        "to" if publish => Some(Value::Integer(1)),
        "listen" => Some(Value::Text(format!("240.0.0.1:{}", 1 + number))),
        "image" => Some(Value::Text("refused".to_owned())),
        "target" | "path" => Some(Value::Text(format!("/refused/{number}"))),
        "source" => Some(Value::Text(format!("/dev/refused/{number}"))),
        "to" => Some(Value::Text(format!("240.0.0.{}/32", number % 256))),
        _ => None,
    }
}

fn descend<'a>(node: &'a mut Node, steps: &[Step]) -> Option<&'a mut Node> {
    steps.iter().try_fold(node, |node, step| match (&mut node.value, step) {
        (Value::Table(table), Step::Key(key)) => table.get_mut(key),
        (Value::List(list), Step::Index(index)) => list.get_mut(*index),
        _ => None,
    })
}

fn take_out(root: &mut Node, steps: &[Step], number: usize) -> bool {
    let Some((last, above)) = steps.split_last() else { return false };
    let Some(parent) = descend(root, above) else { return false };
    match (&mut parent.value, last) {
        // That of an image is not required.
        (Value::Table(table), Step::Key(key)) if matches!(above, [Step::Key(table)] if table == "image") => {
            table.remove(key).is_some()
        }
        (Value::Table(table), Step::Key(key)) => match (table.get_mut(key), placeholder(steps, key, number)) {
            (Some(node), Some(value)) if node.value != value => {
                node.value = value;
                true
            }
            _ => table.remove(key).is_some(),
        },
        (Value::List(list), Step::Index(index)) if *index < list.len() => {
            list.remove(*index);
            true
        }
        // A list that is written as its only element: the element's own index leads nowhere.
        _ => take_out(root, above, number),
    }
}

fn add(root: &mut Node, steps: &[Step], key: &str, number: usize) -> bool {
    let Some(parent) = descend(root, steps) else { return false };
    let (origin, Value::Table(table)) = (parent.origin.clone(), &mut parent.value) else { return false };
    let name = || (key == "name").then(|| Value::Text("refused".to_owned()));
    let Some(value) = placeholder(steps, key, number).or_else(name) else { return false };
    table.insert(key.to_owned(), Node { value, key: origin.clone(), origin });
    true
}

/// A tree's root, which no text has as such.
pub(super) fn root(tree: Table, main: &std::sync::Arc<Source>) -> Node {
    let origin = Origin::whole(main);
    Node { value: Value::Table(tree), key: origin.clone(), origin }
}
