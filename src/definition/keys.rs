//! What merging has to know of single keys; paths are dotted and without indexes.

use super::tree::{Node, Table};
use super::types::{GuestPath, HostPath, Listen};

/// The keys that tell the entries of an array of tables apart.
pub fn identifying(path: &str) -> Option<&'static [&'static str]> {
    match path {
        "network" => Some(&["name"]),
        "mount" | "device" => Some(&["target"]),
        "publish" => Some(&["listen", "protocol"]),
        "limits.device" => Some(&["path"]),
        _ => None,
    }
}

/// What an entry of an array of tables is recognized by. A link without a name is called after its place in the list.
pub fn identity(path: &str, entry: &Table, index: usize) -> Option<String> {
    let text = |key: &str| entry.get(key).and_then(Node::as_str);
    match path {
        "network" => Some(text("name").map_or_else(|| format!("eth{index}"), str::to_owned)),
        "mount" | "device" => {
            let target = text("target").or_else(|| text("source").filter(|_| path == "device"))?;
            Some(target.parse::<GuestPath>().map_or_else(|_| target.to_owned(), |path| path.to_string()))
        }
        "publish" => {
            let listen = text("listen")?;
            let listen = listen.parse::<Listen>().map_or_else(|_| listen.to_owned(), |listen| listen.to_string());
            Some(format!("{listen}/{}", text("protocol").unwrap_or("tcp")))
        }
        "limits.device" => {
            let device = text("path")?;
            Some(device.parse::<HostPath>().map_or_else(|_| device.to_owned(), |path| path.to_string()))
        }
        _ => None,
    }
}

/// Keys of the lower layers that go when `key` of the table at `path` is set above them to `value`.
pub(super) fn excluded(path: &str, key: &str, value: &Node) -> &'static [&'static str] {
    match (path, key, value.as_str()) {
        ("reload", "signal", _) => &["command"],
        ("reload", "command", _) => &["signal"],
        (path, "file", _) if path.starts_with("credentials.") => &["encrypted", "host"],
        (path, "encrypted", _) if path.starts_with("credentials.") => &["file", "host"],
        (path, "host", _) if path.starts_with("credentials.") => &["file", "encrypted"],
        ("mount", "type", Some("tmpfs")) => &["source", "missing", "ids", "recursive"],
        ("mount", "type", Some("bind")) => &["size", "mode"],
        ("mount", "type", Some("volume")) => &["size", "mode", "missing"],
        _ => &[],
    }
}
