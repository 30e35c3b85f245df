//! Keys of the format that a later version of soute will know: refused, but not as unknown.

use super::fault::Fault;
use super::tree::{Node, Table, Value};

/// Keys, by their table; paths are without indexes.
const KEYS: [(&str, &[&str]); 1] = [("", &["watchdog"])];

fn is_later_key(table: &str, key: &str) -> bool {
    KEYS.iter().any(|(path, keys)| *path == table && keys.contains(&key))
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
        from_value(node, &join(path), &join(shown), faults);
        true
    });
}

fn from_value(node: &mut Node, path: &str, shown: &str, faults: &mut Vec<Fault>) {
    match &mut node.value {
        Value::Table(table) => from_table(table, path, shown, faults),
        Value::List(list) => {
            for (index, element) in list.iter_mut().enumerate() {
                from_value(element, path, &format!("{shown}[{index}]"), faults);
            }
        }
        _ => {}
    }
}
