//! Keys and values of the format that a later version of soute will know: refused, but not as unknown.

use super::fault::Fault;
use super::tree::{Node, Table, Value};

/// Keys, by their table; paths are without indexes.
const KEYS: [(&str, &[&str]); 1] = [("", &["watchdog"])];

/// Values of keys that are here already.
const VALUES: [(&str, &[&str]); 1] = [("network.address", &["dhcp"])];

fn is_later_key(table: &str, key: &str) -> bool {
    KEYS.iter().any(|(path, keys)| *path == table && keys.contains(&key))
}

fn is_later_value(path: &str, node: &Node) -> bool {
    match (&node.value, path) {
        (Value::Text(text), _) => VALUES.iter().any(|(key, values)| *key == path && values.contains(&text.as_str())),
        _ => false,
    }
}

/// Takes them out of the tree, a fault for each.
pub(super) fn take_out(table: &mut Table) -> Vec<Fault> {
    let mut faults = Vec::new();
    from_table(table, "", "", &mut faults);
    faults
}

/// `path` is without indexes, `shown` with them.
fn from_table(table: &mut Table, path: &str, shown: &str, faults: &mut Vec<Fault>) {
    table.retain(|key, node| {
        let join = |path: &str| if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if is_later_key(path, key) {
            let message = format!("{} is not in this version of soute", join(path));
            faults.push(Fault::new(message, Some(node.key.clone())).at(join(shown)));
            return false;
        }
        from_value(node, &join(path), &join(shown), faults)
    });
}

/// Whether the value stays.
fn from_value(node: &mut Node, path: &str, shown: &str, faults: &mut Vec<Fault>) -> bool {
    if is_later_value(path, node) {
        let message = match &node.value {
            Value::Text(text) => {
                format!("{path} = \"{}\" is not in this version of soute", super::types::escaped(text))
            }
            _ => format!("a table for {path} is not in this version of soute"),
        };
        let fault = Fault::new(message, Some(node.origin.clone())).at(shown);
        faults.push(fault);
        return false;
    }
    match &mut node.value {
        Value::Table(table) => from_table(table, path, shown, faults),
        Value::List(list) => {
            let mut index = 0;
            list.retain_mut(|element| {
                index += 1;
                from_value(element, path, &format!("{shown}[{}]", index - 1), faults)
            });
        }
        _ => {}
    }
    true
}
