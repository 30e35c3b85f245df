//! A definition as a flat list of fields, named as its user wrote them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::definition::source::Layer;
use crate::definition::tree::{self, Node};
use crate::definition::{Definition, keys};

/// The values of a definition.
#[derive(Debug, Default)]
pub struct Fields {
    /// By their shown path.
    pub leaves: BTreeMap<String, Leaf>,
    /// Entries of lists that are told apart by a key of theirs: the shown path, and a summary.
    pub entries: BTreeMap<String, Leaf>,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The path without names of entries, by which the class is looked up.
    pub path: String,
    /// As TOML.
    pub text: String,
}

impl Fields {
    /// Of all of it, defaults included.
    pub fn of(definition: &Definition) -> Self {
        let mut fields = Self::default();
        // Only a map with keys that are not strings cannot be written, and there is none.
        let mut value = serde_json::to_value(definition).unwrap_or_default();
        // The first is of all containers of the definition, and the second is in what it replaces.
        for key in ["replicas", "variables"] {
            value.as_object_mut().map(|table| table.remove(key));
        }
        fields.add(&value, "", "");
        fields
    }

    fn add(&mut self, value: &Value, path: &str, shown: &str) {
        match value {
            Value::Object(table) => {
                for (key, value) in table {
                    self.add(value, &joined(path, key), &joined(shown, &quoted(key)));
                }
            }
            Value::Array(list) if keys::identifying(path).is_some() => {
                for (index, entry) in list.iter().enumerate() {
                    let shown = joined(shown, &quoted(&identity(path, entry, index)));
                    self.entries.insert(shown.clone(), Leaf { path: path.to_owned(), text: summary(entry) });
                    self.add(entry, path, &shown);
                }
            }
            Value::Null => {}
            _ => drop(self.leaves.insert(shown.to_owned(), Leaf { path: path.to_owned(), text: inline(value) })),
        }
    }
}

/// What an entry of a list is recognized by, as when layers are merged.
pub fn identity(path: &str, entry: &Value, index: usize) -> String {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    match path {
        "network" => text("name").unwrap_or_else(|| format!("eth{index}")),
        "limits.device" => text("path").unwrap_or_default(),
        "publish" => {
            format!("{}/{}", text("listen").unwrap_or_default(), text("protocol").unwrap_or_else(|| "tcp".to_owned()))
        }
        _ => text("target").or_else(|| text("source")).unwrap_or_default(),
    }
}

/// A path with one more key.
pub fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A key as TOML wants it.
pub fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { key.to_owned() } else { toml::Value::from(key).to_string() }
}

fn summary(entry: &Value) -> String {
    const TELLING: [&str; 9] = [
        "bridge",
        "address",
        "source",
        "type",
        "read-only",
        "read-bandwidth",
        "write-bandwidth",
        "read-iops",
        "write-iops",
    ];
    let empty = |value: &&Value| {
        value.is_null()
            || **value == Value::Bool(false)
            || value.as_str() == Some("infinity")
            || value.as_array().is_some_and(Vec::is_empty)
    };
    let shown = TELLING.iter().filter_map(|key| Some((key, entry.get(key).filter(|value| !empty(value))?)));
    let shown: Vec<_> = shown.map(|(key, value)| format!("{key} = {}", inline(value))).collect();
    format!("{{ {} }}", shown.join(", "))
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => toml::Value::from(text.as_str()).to_string(),
        Value::Array(list) => format!("[{}]", list.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let pairs = table.iter().filter(|(_, value)| !value.is_null());
            let pairs: Vec<_> = pairs.map(|(key, value)| format!("{} = {}", quoted(key), inline(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// The place of a field in a merged tree, as `FILE:LINE`; none for a default.
pub fn origin(root: &Node, field: &str) -> Option<String> {
    let node = find(root, "", "", field)?;
    let source = &node.origin.source;
    Some(match source.layer {
        Layer::Image => source.name.clone(),
        _ => format!("{}:{}", source.name, node.origin.line_column().0),
    })
}

fn find<'n>(node: &'n Node, path: &str, shown: &str, field: &str) -> Option<&'n Node> {
    if shown == field {
        return Some(node);
    }
    let leads = |inner: &str| field.strip_prefix(inner).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    match &node.value {
        tree::Value::Table(table) => table.iter().find_map(|(key, inner)| {
            let shown = joined(shown, &quoted(key));
            if leads(&shown) { find(inner, &joined(path, key), &shown, field) } else { None }
        }),
        tree::Value::List(list) => list.iter().enumerate().find_map(|(index, entry)| {
            let shown = joined(shown, &quoted(&keys::identity(path, entry.as_table()?, index)?));
            if leads(&shown) { find(entry, path, &shown, field) } else { None }
        }),
        _ => None,
    }
}
