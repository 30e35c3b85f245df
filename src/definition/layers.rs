//! Layers become one table; every value keeps its origin.

use super::fault::Fault;
use super::keys;
use super::source::{Layer, Origin};
use super::tree::{Node, Table, Value};

/// What the layers came to.
#[derive(Debug, Default)]
pub struct Merged {
    /// The values.
    pub tree: Table,
    /// What could not be merged.
    pub faults: Vec<Fault>,
}

impl Merged {
    /// Puts a layer over what there is.
    pub fn add(&mut self, layer: Layer, mut table: Table) {
        if let Some(unset) = table.remove("unset") {
            self.unset(&unset);
        }
        exclude_network(&mut self.tree, &table);
        if table.contains_key("entrypoint")
            && self.tree.get("command").is_some_and(|command| command.origin.source.layer == Layer::Image)
        {
            self.tree.remove("command");
        }
        let mut merger = Merger { layer, faults: &mut self.faults };
        merger.table(&mut self.tree, table, "");
    }

    fn unset(&mut self, paths: &Node) {
        for node in paths.elements() {
            let origin = Some(node.origin.clone());
            let Some(path) = node.as_str() else {
                let fault =
                    Fault::new("unset takes a list of keys", origin).help("such as [\"limits.memory\", \"stop\"]");
                self.faults.push(fault.at("unset"));
                continue;
            };
            match segments(path).filter(|path| super::schema::knows(path)) {
                Some(path) => remove(&mut self.tree, &path),
                None => self.faults.push(Fault::new(format!("unset of an unknown key: {path}"), origin).at("unset")),
            }
        }
    }
}

/// "limits.memory", or with quotes: `labels."example.org/owner"`.
fn segments(path: &str) -> Option<Vec<String>> {
    let text = format!("{path} = 0");
    let mut segments = Vec::new();
    let mut table = toml::de::DeTable::parse(&text).ok()?.into_inner();
    while table.len() == 1 {
        let (key, value) = table.into_iter().next()?;
        segments.push(key.into_inner().into_owned());
        match value.into_inner() {
            toml::de::DeValue::Table(inner) => table = inner,
            _ => return Some(segments),
        }
    }
    None
}

fn remove(table: &mut Table, path: &[String]) {
    match path {
        [] => {}
        [key] => drop(table.remove(key)),
        [key, rest @ ..] => {
            if let Some(Node { value: Value::Table(inner), .. }) = table.get_mut(key) {
                remove(inner, rest);
            }
        }
    }
}

/// The host's network and links of one's own exclude each other.
fn exclude_network(below: &mut Table, above: &Table) {
    let namespace = |table: &Table| table.get("namespaces")?.as_table()?.get("network")?.as_str().map(str::to_owned);
    if namespace(above).is_some_and(|network| network != "private") {
        below.remove("network");
    } else if above.contains_key("network") && namespace(below).is_some_and(|network| network != "private") {
        remove(below, &["namespaces".to_owned(), "network".to_owned()]);
    }
}

struct Merger<'a> {
    layer: Layer,
    faults: &'a mut Vec<Fault>,
}

impl Merger<'_> {
    fn table(&mut self, below: &mut Table, above: Table, path: &str) {
        for (key, node) in &above {
            for excluded in keys::excluded(path, key, node) {
                below.remove(*excluded);
            }
        }
        for (key, node) in above {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.value(below, key, node, &inner);
        }
    }

    fn value(&mut self, below: &mut Table, key: String, node: Node, path: &str) {
        match node.value {
            Value::Table(above) => match below.get_mut(&key) {
                Some(Node { value: Value::Table(table), .. }) => self.table(table, above, path),
                _ => {
                    // The name of an image stands for a table with nothing else in it.
                    let lower = below.remove(&key).filter(|lower| path == "image" && lower.as_str().is_some());
                    let mut table: Table = lower.into_iter().map(|lower| ("name".to_owned(), lower)).collect();
                    self.table(&mut table, above, path);
                    below.insert(key, Node { value: Value::Table(table), ..node });
                }
            },
            Value::List(entries) if keys::identifying(path).is_some() && entries.iter().all(is_table) => {
                let list = below.entry(key).or_insert_with(|| Node { value: Value::List(Vec::new()), ..node });
                if !matches!(&list.value, Value::List(below) if below.iter().all(is_table)) {
                    list.value = Value::List(Vec::new());
                }
                if let Value::List(below) = &mut list.value {
                    self.entries(below, entries, path);
                }
            }
            _ => drop(below.insert(key, node)),
        }
    }

    fn entries(&mut self, below: &mut Vec<Node>, entries: Vec<Node>, path: &str) {
        let identity = |entry: &Node, index| entry.as_table().and_then(|table| keys::identity(path, table, index));
        // The places of the lower entries; what this file adds is looked up too, and then is a fault.
        let mut known: Vec<Option<String>> = below.iter().enumerate().map(|(at, entry)| identity(entry, at)).collect();
        let lower = known.len();
        let mut removed = Vec::new();
        for (index, mut entry) in entries.into_iter().enumerate() {
            let id = identity(&entry, index);
            let Value::Table(table) = &mut entry.value else { continue };
            let remove = table.remove("remove");
            if self.layer == Layer::DropIn && path == "network" && !table.contains_key("name") {
                self.faults.push(unnamed(&entry.origin));
                continue;
            }
            let place = id.as_ref().and_then(|id| known.iter().position(|known| known.as_ref() == Some(id)));
            match (remove.map(|node| (node.value == Value::Bool(true), node)), place) {
                (Some((false, node)), _) if node.value != Value::Bool(false) => {
                    self.faults
                        .push(Fault::new("remove is true or false", Some(node.origin)).at(format!("{path}.remove")));
                }
                (Some((true, _)), Some(place)) if place < lower => removed.push(place),
                (Some((true, node)), _) => self.faults.push(nothing_to_remove(&node.key, path)),
                // It is kept, so that its other faults are seen too; two links of one name the check finds.
                (_, Some(place)) if place >= lower => {
                    if path != "network" {
                        self.faults.push(twice(&entry, &below[place], path));
                    }
                    below.push(entry);
                    known.push(None);
                }
                (_, Some(place)) => self.entry(&mut below[place], entry, path),
                (_, None) => {
                    let mut fresh = Node { value: Value::Table(Table::new()), ..entry.clone() };
                    self.entry(&mut fresh, entry, path);
                    below.push(fresh);
                    known.push(id);
                }
            }
        }
        let mut place = 0;
        below.retain(|_| {
            place += 1;
            !removed.contains(&(place - 1))
        });
    }

    fn entry(&mut self, below: &mut Node, above: Node, path: &str) {
        if let (Value::Table(below), Value::Table(above)) = (&mut below.value, above.value) {
            self.table(below, above, path);
        }
    }
}

fn is_table(node: &Node) -> bool {
    matches!(node.value, Value::Table(_))
}

fn unnamed(origin: &Origin) -> Fault {
    Fault::new("a [[network]] in a drop-in must name its link", Some(origin.clone()))
        .help("add name = \"eth0\", or the name of a new link")
        .at("network")
}

fn nothing_to_remove(origin: &Origin, path: &str) -> Fault {
    Fault::new(format!("there is no such [[{path}]] in the layers below"), Some(origin.clone())).at(path).warning()
}

fn twice(entry: &Node, first: &Node, path: &str) -> Fault {
    let keys = keys::identifying(path).unwrap_or_default().join(" and ");
    let origin = entry.as_table().and_then(|table| table.get(keys.as_str())).map_or(&entry.origin, |key| &key.origin);
    Fault::new(format!("two [[{path}]] of one {keys} in one file"), Some(origin.clone()))
        .related(Some(first.origin.clone()), "the first is here")
        .at(path)
}
