//! From facts to findings: pure, and compared with `==` in tests.

mod host;
mod network;
mod store;
#[cfg(test)]
mod tests;

use super::facts::Facts;
use super::finding::Finding;

/// A finding for everything that was looked at.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut list = host::judge(facts);
    list.extend(store::judge(&facts.store));
    list.extend(network::judge(facts));
    list.extend(host::many(facts));
    list.push(definitions(facts));
    list
}

fn definitions(facts: &Facts) -> Finding {
    let definitions = &facts.definitions;
    match definitions.faulty.len() {
        0 => Finding::ok("definitions", format!("{} without a fault", definitions.count)),
        _ => Finding::problem(
            "definitions",
            format!("faults in {}", definitions.faulty.join(", ")),
            "soute check shows each",
        ),
    }
}
