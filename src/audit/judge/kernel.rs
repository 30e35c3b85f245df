//! The kernel's own files: what is to be empty is, and what is to be read-only.

use crate::audit::expect::{Expected, MASKED, READ_ONLY};
use crate::audit::facts::{Facts, NodeKind};
use crate::audit::finding::Finding;

pub fn judge(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let mut list = masks(facts, expected);
    list.extend(read_only(facts, expected));
    list
}

fn masks(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let there: Vec<_> = MASKED.into_iter().filter(|path| facts.kernel_paths.contains(*path)).collect();
    let (empty, seen): (Vec<_>, Vec<_>) = there.into_iter().partition(|path| is_empty(facts, path));
    let mut list = vec![Finding::ok("made empty", if empty.is_empty() { "none".to_owned() } else { empty.join(" ") })];
    let shown = "the kernel's own can be read";
    list.extend(seen.into_iter().map(|path| match unmasked(expected, path) {
        Some(key) => Finding::weaker(path, shown, key),
        None => Finding::wrong(path, shown, "made empty"),
    }));
    list
}

/// The words that leave a path as the kernel shows it.
fn unmasked(expected: &Expected, path: &str) -> Option<String> {
    expected.unmasked.iter().any(|unmasked| unmasked == path).then(|| format!("security.unmask = [\"{path}\"]"))
}

/// A file or directory that is none of the kernel's and cannot be written to; what is in it nobody but us has made.
fn is_empty(facts: &Facts, path: &str) -> bool {
    let cover = facts.mount_of(path).filter(|mount| mount.target == path && !is_kernels(&mount.kind));
    let plain = matches!(facts.node(path), None | Some(NodeKind::Directory | NodeKind::Other));
    plain && cover.is_some_and(|mount| mount.has("ro"))
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
    list.extend(bad.into_iter().map(|path| match unmasked(expected, path) {
        Some(key) => Finding::weaker(path, "can be written to", key),
        None => Finding::wrong(path, "can be written to", "read-only"),
    }));
    let net = facts.mount_of("/proc/sys/net").filter(|mount| mount.target == "/proc/sys/net" && !mount.has("ro"));
    if net.is_some() && facts.kernel_paths.contains("/proc/sys/net") {
        list.push(match expected.shared.contains_key("net") {
            true => Finding::wrong("/proc/sys/net", "the host's can be written to", "read-only"),
            false => Finding::ok("/proc/sys/net", "its own network's can be written to"),
        });
    }
    list
}
