//! Groups: containers that share limits, those of /etc/soute/groups/GROUP.toml.

use super::fault::{Fault, Faults};
use super::model::{Definition, Limits};
use super::read::read;
use super::source::{Layer, Origin, Source};
use super::tree::{self, Node, Value};
use super::types::{CountOrShare, Name, SizeOrShare};
use super::{check, decode, suggest};
use crate::layout::Layout;

/// What a group's file can say.
const KEYS: [&str; 3] = ["schema", "description", "limits"];

/// A group as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// A line about it.
    pub description: Option<String>,
    /// Of all its containers together.
    pub limits: Limits,
}

impl Group {
    /// Reads the file; a group without one has no limits.
    pub fn load(layout: &Layout, name: &Name) -> Result<Self, Faults> {
        Self::read(layout, name).map(|(group, _)| group)
    }

    /// The same, with where each value comes from.
    pub fn read(layout: &Layout, name: &Name) -> Result<(Self, Node), Faults> {
        let path = layout.groups().join(format!("{name}.toml"));
        let source = match path.symlink_metadata() {
            Ok(_) => read(&path, Layer::Main, false).map_err(|fault| Faults(vec![fault]))?,
            Err(_) => None,
        };
        let source = source.unwrap_or_else(|| Source::new(path.to_string_lossy(), "", Layer::Main));
        let mut table = tree::parse(&source).map_err(Faults)?;
        let mut faults: Vec<Fault> = table.iter().filter_map(|(key, node)| foreign(key, node)).collect();
        table.retain(|key, _| KEYS.contains(&key.as_str()));
        // A definition of which nothing but the limits is looked at: they are read and checked as a container's are.
        table.insert("image".to_owned(), text("group", &Origin::whole(&source)));
        let mut root = decode::root(table, &source);
        let decoded = decode::decode(&mut root, std::collections::BTreeSet::new());
        faults.extend(decoded.faults);
        if let Some(definition) = &decoded.definition {
            faults.extend(check::limits(definition, &root, &decoded.refused));
            faults.extend(of_processes(&root));
        }
        match decoded.definition {
            Some(Definition { description, mut limits, .. }) if !Faults(faults.clone()).fatal() => {
                // What one container has by default is no limit of many.
                if !says(&root, "tasks") {
                    limits.tasks = CountOrShare::Infinity;
                }
                limits.swap.get_or_insert(SizeOrShare::Infinity);
                Ok((Self { description: description.map(|text| text.to_string()), limits }, root))
            }
            _ => Err(Faults(faults)),
        }
    }
}

fn says(root: &Node, key: &str) -> bool {
    root.as_table().and_then(|table| table.get("limits")?.as_table()?.get(key)).is_some()
}

fn text(text: &str, origin: &Origin) -> Node {
    Node { value: Value::Text(text.to_owned()), origin: origin.clone(), key: origin.clone() }
}

fn foreign(key: &str, node: &Node) -> Option<Fault> {
    if KEYS.contains(&key) {
        return None;
    }
    let fault = Fault::new(format!("a group has no {}", super::types::escaped(key)), Some(node.key.clone())).at(key);
    Some(match suggest::nearest(key, KEYS) {
        Some(near) => fault.help(format!("did you mean \"{near}\"?")),
        None => fault.help("it has a description and [limits]; the rest is each container's own"),
    })
}

/// rlimits are of processes, and a slice has none.
fn of_processes(root: &Node) -> Option<Fault> {
    let node = root.as_table()?.get("limits")?.as_table()?.get("rlimits")?;
    let fault = Fault::new("a group has no rlimits: they are of processes, not of a slice", Some(node.key.clone()));
    Some(fault.at("limits.rlimits"))
}

/// The unit of a group: below soute.slice. A "-" in its name would be a level of the tree, so it is escaped as
/// systemd-escape(1) does.
pub fn slice(group: &str) -> String {
    format!("soute-{}.slice", group.replace('-', "\\x2d"))
}

/// The group of a slice; none for a slice that is no group's.
pub fn of_slice(unit: &str) -> Option<Name> {
    unit.strip_prefix("soute-")?.strip_suffix(".slice")?.replace("\\x2d", "-").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::types::{Cpus, Limit};

    fn group(text: &str) -> Result<Group, Vec<String>> {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        std::fs::create_dir_all(layout.groups()).unwrap();
        std::fs::write(layout.groups().join("my-shop.toml"), text).unwrap();
        Group::load(&layout, &"my-shop".parse().unwrap())
            .map_err(|faults| faults.0.iter().map(|fault| fault.message.clone()).collect())
    }

    #[test]
    fn limits_are_read_as_a_containers_are() {
        let shop = group("description = 'The shop'\n[limits]\nmemory = '1G'\ncpus = 1.5\n").unwrap();
        assert_eq!(shop.description.as_deref(), Some("The shop"));
        assert_eq!(shop.limits.memory, SizeOrShare::Size(1 << 30));
        assert_eq!(shop.limits.cpus, Limit::Value(Cpus(150)));
        let none = Limits { tasks: CountOrShare::Infinity, swap: Some(SizeOrShare::Infinity), ..Limits::default() };
        assert_eq!(group("").unwrap().limits, none);
    }

    #[test]
    fn what_is_a_containers_own_is_refused() {
        assert_eq!(group("image = 'a'").unwrap_err(), ["a group has no image"]);
        assert_eq!(group("limit = 3").unwrap_err(), ["a group has no limit"]);
        assert_eq!(group("[limits]\nmemory = 0").unwrap_err(), ["nothing runs without memory"]);
        assert!(group("[limits]\nrlimits = { core = 0 }").unwrap_err()[0].contains("no rlimits"));
        assert_eq!(group("[limits]\nmemory = '1MB'").unwrap_err().len(), 1);
    }

    #[test]
    fn a_dash_makes_no_level() {
        assert_eq!(
            (slice("shop"), slice("my-shop")),
            ("soute-shop.slice".to_owned(), "soute-my\\x2dshop.slice".to_owned())
        );
        for name in ["shop", "my-shop"] {
            assert_eq!(of_slice(&slice(name)).as_deref(), Some(name));
        }
        assert_eq!(of_slice("soute.slice"), None);
    }
}
