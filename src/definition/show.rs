//! The merged definition as TOML, each value with the place that it came from.

use std::fmt::Write;

use super::load::Loaded;
use super::source::{Layer, Origin};
use super::tree::{Node, Table, Value};

/// A line of output and where it came from.
struct Line {
    text: String,
    origin: String,
}

impl Loaded {
    /// For `soute show`: reads back as the same definition.
    pub fn show(&self) -> String {
        let mut lines = Vec::new();
        if let Value::Table(table) = &self.tree.value {
            section(table, &[], &mut lines);
        }
        aligned(&lines)
    }
}

fn aligned(lines: &[Line]) -> String {
    let origins = lines.iter().filter(|line| !line.origin.is_empty());
    let width = origins.map(|line| line.text.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
    lines.iter().fold(String::new(), |mut out, line| {
        // Writing to a String cannot fail.
        let _ = match line.origin.is_empty() {
            true => writeln!(out, "{}", line.text),
            false => writeln!(out, "{:width$}  # {}", line.text, line.origin),
        };
        out
    })
}

/// Keys in the order of the layers and their lines, values before tables, as TOML wants it.
fn section(table: &Table, path: &[&str], lines: &mut Vec<Line>) {
    let mut entries: Vec<(&String, &Node)> = table.iter().collect();
    entries.sort_by_key(|(_, node)| {
        let at = if has_sections(node) { first(node) } else { &node.key };
        (at.source.layer, at.source.name.clone(), at.span().start)
    });
    for (key, node) in entries.iter().filter(|(_, node)| !has_sections(node)) {
        lines.push(Line { text: format!("{} = {}", quoted_key(key), inline(node)), origin: place(&node.key) });
    }
    for (key, node) in entries.iter().filter(|(_, node)| has_sections(node)) {
        let inner: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
        let heading = inner.iter().map(|key| quoted_key(key)).collect::<Vec<_>>().join(".");
        match &node.value {
            Value::Table(table) => {
                if table.is_empty() || table.values().any(|node| !has_sections(node)) {
                    head(lines, format!("[{heading}]"));
                }
                section(table, &inner, lines);
            }
            _ => {
                for entry in node.elements() {
                    head(lines, format!("[[{heading}]]"));
                    section(entry.as_table().unwrap_or(&Table::new()), &inner, lines);
                }
            }
        }
    }
}

fn head(lines: &mut Vec<Line>, text: String) {
    if !lines.is_empty() {
        lines.push(Line { text: String::new(), origin: String::new() });
    }
    lines.push(Line { text, origin: String::new() });
}

/// Tables, and lists of nothing but tables.
fn has_sections(node: &Node) -> bool {
    match &node.value {
        Value::Table(_) => true,
        Value::List(list) => !list.is_empty() && list.iter().all(|element| matches!(element.value, Value::Table(_))),
        _ => false,
    }
}

/// The place of what comes first in a table, whose own place may be that of a lower layer.
fn first(node: &Node) -> &Origin {
    let inner = match &node.value {
        Value::Table(table) => table.values().map(first).min_by_key(|at| (at.source.layer, at.span().start)),
        Value::List(list) => list.iter().map(first).min_by_key(|at| (at.source.layer, at.span().start)),
        _ => None,
    };
    inner.unwrap_or(&node.key)
}

fn place(origin: &Origin) -> String {
    let name = super::types::escaped(&origin.source.name);
    match origin.source.layer {
        // Their lines are of a text that nobody sees.
        Layer::Image | Layer::CommandLine => name,
        _ => format!("{name}:{}", origin.line_column().0),
    }
}

fn quoted_key(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if bare { key.to_owned() } else { quoted(key) }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn inline(node: &Node) -> String {
    match &node.value {
        Value::Bool(flag) => flag.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => toml::Value::from(*number).to_string(),
        Value::Text(text) => quoted(text),
        Value::Date(date) => date.clone(),
        Value::List(list) => format!("[{}]", list.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => {
            let entries = table.iter().map(|(key, node)| format!("{} = {}", quoted_key(key), inline(node)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}
