//! "./x" means beside the file that it is written in, so it is resolved while that file is still known.

use super::fault::Fault;
use super::tree::{Node, Table, Value};
use super::types::HostPath;

/// Makes every path of the host absolute, or says why it cannot.
pub(super) fn resolve(root: &mut Table) -> Vec<Fault> {
    let mut nodes = Vec::new();
    for (key, node) in root.iter_mut() {
        if key == "environment-files" && node.as_str().is_some() {
            nodes.push(node);
            continue;
        }
        match (key.as_str(), &mut node.value) {
            ("environment-files", Value::List(files)) => nodes.extend(files),
            ("mount", Value::List(mounts)) => nodes.extend(in_entries(mounts, "source")),
            ("limits", Value::Table(limits)) => {
                if let Some(Node { value: Value::List(devices), .. }) = limits.get_mut("device") {
                    nodes.extend(in_entries(devices, "path"));
                }
            }
            _ => {}
        }
    }
    nodes.into_iter().filter_map(absolute).collect()
}

fn in_entries<'a>(entries: &'a mut [Node], key: &'a str) -> impl Iterator<Item = &'a mut Node> {
    entries.iter_mut().filter_map(move |entry| match &mut entry.value {
        Value::Table(table) => table.get_mut(key),
        _ => None,
    })
}

fn absolute(node: &mut Node) -> Option<Fault> {
    let Value::Text(text) = &mut node.value else { return None };
    let (dash, path) = text.strip_prefix('-').map_or(("", text.as_str()), |path| ("-", path));
    if path != "." && !path.starts_with("./") {
        return None;
    }
    // What is wrong otherwise, the type says later.
    let path: HostPath = path.parse().ok()?;
    let Some(directory) = node.origin.source.directory() else {
        return Some(
            Fault::new(format!("{path} is beside no file"), Some(node.origin.clone())).help("write an absolute path"),
        );
    };
    // A file that was named as "web.toml" lies in the current directory.
    let absolute = std::path::absolute(path.resolve(&directory)).unwrap_or_else(|_| path.resolve(&directory));
    *text = format!("{dash}{}", absolute.display());
    None
}
