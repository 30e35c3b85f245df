//! The kernel's own files: what is to be empty is, and what is to be read-only.

use std::collections::BTreeSet;

use crate::audit::expect::{Expected, MASKED, MASKED_OF_HOST, READ_ONLY};
use crate::audit::facts::{Facts, NodeKind};
use crate::audit::finding::Finding;

pub fn judge(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let mut list = masks(facts, expected);
    list.extend(read_only(facts, expected));
    list
}

fn masks(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let of_host = |path: &str| expected.shared.contains_key("net") && MASKED_OF_HOST.contains(&path);
    let there = facts.kernel_paths.iter().map(String::as_str);
    let there =
        there.filter(|path| pattern(path).is_some() || of_host(path) || expected.masked.iter().any(|own| own == path));
    let (empty, seen): (Vec<_>, Vec<_>) = there.partition(|path| is_empty(facts, path));
    let mut list = vec![Finding::ok("made empty", if empty.is_empty() { "none".to_owned() } else { empty.join(" ") })];
    list.extend(seen.into_iter().map(|path| match pattern(path).and_then(|pattern| unmasked(expected, pattern)) {
        Some(words) => Finding::weaker(path, "the kernel's own can be read", words),
        None => Finding::wrong(path, "what lies there can be read", "made empty"),
    }));
    let gone = expected.masked.iter().filter(|path| !facts.kernel_paths.contains(*path));
    list.extend(gone.map(|path| Finding::note(path, "to be empty, and not there, or behind a link")));
    list
}

/// The entry of the list that a path is one of.
fn pattern(path: &str) -> Option<&'static str> {
    let matches = |pattern: &&&str| match pattern.split_once('*') {
        Some((before, after)) => {
            let between = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            between.is_some_and(|between| !between.contains('/'))
        }
        None => path == **pattern,
    };
    MASKED.iter().find(matches).copied()
}

fn unmasked(expected: &Expected, path: &str) -> Option<String> {
    expected.unmasked.iter().any(|own| own == path).then(|| format!("security.unmask = [\"{path}\"]"))
}

/// /dev/null or an empty file over a file, an empty directory over a directory, and nobody can fill it.
fn is_empty(facts: &Facts, path: &str) -> bool {
    let Some(mount) = facts.mount_of(path).filter(|mount| mount.target == path) else { return false };
    match facts.node(path) {
        Some(NodeKind::Char(1, 3)) => true,
        Some(NodeKind::Directory | NodeKind::Empty) => mount.kind == "tmpfs" && mount.has("ro"),
        _ => false,
    }
}

/// The devices of the file systems, empty and nobody's to fill, that hide paths of the kernel: what else they hide is hidden
/// as well.
pub fn masking(facts: &Facts) -> BTreeSet<&str> {
    let masked = facts.kernel_paths.iter().filter(|path| pattern(path).is_some() && is_empty(facts, path));
    let mounts =
        masked.filter_map(|path| facts.mount_of(path)).filter(|mount| mount.kind == "tmpfs" && mount.has("ro"));
    mounts.map(|mount| mount.device.as_str()).collect()
}

fn read_only(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let delegated = |path: &str| expected.boots && path == "/sys/fs/cgroup";
    let there = READ_ONLY.into_iter().filter(|path| facts.kernel_paths.contains(*path));
    let (good, bad): (Vec<_>, Vec<_>) = there
        .filter(|path| !delegated(path))
        .partition(|path| facts.mount_of(path).is_some_and(|mount| mount.has("ro")));
    let mut list = vec![Finding::ok("read-only", good.join(" "))];
    list.extend(bad.into_iter().map(|path| match unmasked(expected, path) {
        Some(words) => Finding::weaker(path, "can be written to", words),
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
