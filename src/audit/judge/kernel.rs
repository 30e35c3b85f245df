//! The kernel's own files: what is to be empty is, and what is to be read-only.

use crate::audit::expect::{Expected, MASKED, READ_ONLY};
use crate::audit::facts::{Facts, NodeKind};
use crate::audit::finding::Finding;

pub fn judge(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let mut list = masks(facts);
    list.extend(read_only(facts, expected));
    list
}

fn masks(facts: &Facts) -> Vec<Finding> {
    let there: Vec<_> = MASKED.into_iter().filter(|path| facts.kernel_paths.contains(*path)).collect();
    let (empty, seen): (Vec<_>, Vec<_>) = there.into_iter().partition(|path| is_empty(facts, path));
    let mut list = vec![Finding::ok("made empty", if empty.is_empty() { "none".to_owned() } else { empty.join(" ") })];
    list.extend(seen.into_iter().map(|path| Finding::wrong(path, "the kernel's own can be read", "made empty")));
    list
}

/// /dev/null over a file, an empty file system of its own over a directory.
fn is_empty(facts: &Facts, path: &str) -> bool {
    let covered = facts.mount_of(path).is_some_and(|mount| mount.target == path && !is_kernels(&mount.kind));
    match facts.node(path) {
        Some(NodeKind::Char(1, 3)) => true,
        Some(NodeKind::Directory) => covered && facts.mount_of(path).is_some_and(|mount| mount.has("ro")),
        _ => false,
    }
}

fn is_kernels(kind: &str) -> bool {
    matches!(kind, "proc" | "sysfs")
}

fn read_only(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let delegated = |path: &str| expected.boots && path == "/sys/fs/cgroup";
    let there = READ_ONLY.into_iter().filter(|path| facts.kernel_paths.contains(*path));
    let (good, bad): (Vec<_>, Vec<_>) = there
        .filter(|path| !delegated(path))
        .partition(|path| facts.mount_of(path).is_some_and(|mount| mount.has("ro")));
    let mut list = vec![Finding::ok("read-only", good.join(" "))];
    list.extend(bad.into_iter().map(|path| Finding::wrong(path, "can be written to", "read-only")));
    let net = facts.mount_of("/proc/sys/net").filter(|mount| mount.target == "/proc/sys/net" && !mount.has("ro"));
    if net.is_some() && facts.kernel_paths.contains("/proc/sys/net") {
        list.push(match expected.shared.contains_key("net") {
            true => Finding::wrong("/proc/sys/net", "the host's can be written to", "read-only"),
            false => Finding::ok("/proc/sys/net", "its own network's can be written to"),
        });
    }
    list
}
