//! Facts against expectations: pure, and compared with `==` in tests.

mod cgroup;
mod kernel;
mod mounts;
mod namespaces;
mod network;
mod open;
mod processes;
#[cfg(test)]
mod tests;

use super::expect::{Expected, MASKED, MASKED_OF_HOST, READ_ONLY};
use super::facts::Facts;
use super::finding::Finding;

/// The paths that must be looked for before anything can be judged.
pub fn paths(expected: &Expected) -> Vec<String> {
    let kernel = MASKED.into_iter().chain(MASKED_OF_HOST).chain(READ_ONLY).chain(["/proc/sys/net"]);
    kernel.map(str::to_owned).chain(expected.masked.iter().cloned()).collect()
}

/// A finding for everything that was looked at.
pub fn judge(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let mut list = namespaces::judge(facts, expected);
    list.extend(processes::judge(facts, expected));
    list.extend(kernel::judge(facts, expected));
    list.extend(mounts::judge(facts, expected));
    list.extend(open::devices(facts, expected));
    list.extend(cgroup::judge(facts, expected));
    list.extend(network::judge(facts, expected));
    list.extend(open::files(facts));
    list
}
