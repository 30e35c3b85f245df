//! What is mounted in it, with which flags, and whether the host's mounts get in.

use std::collections::BTreeSet;

use super::kernel;
use crate::audit::expect::{self, Expected, SYS_ADMIN};
use crate::audit::facts::{Facts, LOOKED_AT, Mount, NodeKind, is_below};
use crate::audit::finding::Finding;

const QUIET: [&str; 3] = ["nosuid", "nodev", "noexec"];

pub fn judge(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let mut list: Vec<_> = facts.mounts.iter().flat_map(|mount| propagation(facts, mount)).collect();
    if list.is_empty() {
        list.push(Finding::ok("mounts of the host", "none comes in, and none goes out"));
    }
    let (mut api, masking) = (0, kernel::masking(facts));
    for mount in &facts.mounts {
        match flags(facts, expected, &masking, mount) {
            Some(finding) => list.push(finding),
            None => api += 1,
        }
    }
    let single = facts.mounts.iter().filter(|mount| mount.root != "/").count();
    if single > LOOKED_AT {
        let found = format!("{single} of parts of file systems, of which {LOOKED_AT} were looked at for devices");
        list.push(Finding::unknown("mounts", found));
    }
    list.push(Finding::ok(
        "mounts of the kernel",
        format!("{api} in /proc, /sys and /dev, with the flags that they should have"),
    ));
    list
}

/// What is shared with a peer group of the host.
fn propagation(facts: &Facts, mount: &Mount) -> Option<Finding> {
    let of_host = |group: Option<u64>| group.is_some_and(|group| facts.host.peers.contains(&group));
    let found = match (of_host(mount.shared), of_host(mount.master)) {
        (true, _) => "what is mounted there appears on the host",
        (_, true) => "what the host mounts there appears in the container",
        _ => return None,
    };
    Some(Finding::wrong(format!("mount {}", mount.target), found, "private"))
}

/// None for what is as it should be, and not worth a line.
fn flags(facts: &Facts, expected: &Expected, masking: &BTreeSet<&str>, mount: &Mount) -> Option<Finding> {
    let what = format!("mount {}", mount.target);
    if mount.target == "/" {
        return Some(root(expected, mount, what));
    }
    let declared = |declared: &&expect::Mount| {
        declared.target == mount.target || declared.recursive && is_below(&mount.target, &declared.target)
    };
    if let Some(declared) = expected.mounts.iter().filter(declared).max_by_key(|declared| declared.target.len()) {
        return Some(match (missing(mount, &declared.options), &declared.weaker) {
            (Some(missing), _) => Finding::wrong(what, shown(mount), missing),
            (None, Some(words)) if !mount.has("nosuid") || !mount.has("nodev") => {
                Finding::weaker(what, shown(mount), words)
            }
            (None, _) => Finding::ok(what, shown(mount)),
        });
    }
    let wanted: &[&str] = match mount.target.as_str() {
        // Covers are judged by what they are.
        _ if mount.has("ro") && masking.contains(mount.device.as_str()) => return None,
        _ if facts.node(&mount.target).is_some_and(|kind| kind != NodeKind::Directory) => return None,
        target if is_below(target, "/proc") => &QUIET,
        "/sys/fs/cgroup" if expected.boots => &QUIET,
        target if is_below(target, "/sys") => &["nosuid", "nodev", "noexec", "ro"],
        "/dev/pts" => &["nosuid", "noexec"],
        "/dev/shm" => &["nosuid", "nodev"],
        target if is_below(target, "/dev") && !is_of_host(facts, mount) => &["nosuid"],
        "/run/host" => &QUIET,
        // Nobody can write to it, and it is never on a disk.
        "/run/credentials" | "/run/host/credentials" if expected.credentials && mount.kind == "ramfs" => {
            &["nosuid", "nodev", "noexec", "ro"]
        }
        _ => return Some(other(facts, expected, mount, what)),
    };
    missing(mount, wanted).map(|missing| Finding::wrong(what, shown(mount), missing))
}

fn root(expected: &Expected, mount: &Mount, what: String) -> Finding {
    let mut wanted = vec!["nodev"];
    // SELinux lets nobody change a context where set-user-ID bits do nothing.
    wanted.extend((expected.new_privileges.is_none() && expected.label.is_none()).then_some("nosuid"));
    wanted.extend(expected.read_only.then_some("ro"));
    match missing(mount, &wanted) {
        Some(missing) => Finding::wrong(what, shown(mount), missing),
        None => Finding::ok(what, shown(mount)),
    }
}

/// What neither soute nor the definition has put there.
fn other(facts: &Facts, expected: &Expected, mount: &Mount, what: String) -> Finding {
    let run = facts.mounts.iter().find(|mount| mount.target == "/run/host");
    // Generated files: /etc/hosts, /etc/resolv.conf, wherever the image's links lead.
    if run.is_some_and(|run| run.device == mount.device) {
        return Finding::ok(what, "a file that soute has written");
    }
    if is_hosts_file(&mount.root) && missing(mount, &["nosuid", "nodev", "noexec", "ro"]).is_none() {
        return Finding::ok(what, "a file that soute keeps up to date, read-only");
    }
    let root = facts.mounts.iter().find(|mount| mount.target == "/");
    if root.is_some_and(|root| root.device == mount.device && is_below(&mount.root, &root.root)) {
        return Finding::ok(what, "a part of its own disk");
    }
    if is_of_host(facts, mount) {
        let found = format!("{} of a file system of the host", mount.root);
        return Finding::wrong(what, found, "a mount that the definition names");
    }
    if matches!(mount.kind.as_str(), "proc" | "sysfs") && missing(mount, &["ro"]).is_some() {
        return Finding::wrong(
            what,
            format!("a second {}, with nothing made empty", mount.kind),
            "only those in /proc and /sys",
        );
    }
    match (expected.boots, expected.capabilities & SYS_ADMIN != 0) {
        (true, _) => Finding::ok(what, format!("{}, its own system's", shown(mount))),
        (_, true) => Finding::note(what, format!("{}, mounted by the container itself", shown(mount))),
        _ => Finding::wrong(what, shown(mount), "nothing: the definition does not name it"),
    }
}

/// Of one container, in the host's /run: the names of others on its bridges.
fn is_hosts_file(root: &str) -> bool {
    let name = root.split_once("/soute/state/").and_then(|(_, rest)| rest.strip_suffix("/hosts"));
    name.is_some_and(|name| !name.contains('/'))
}

fn is_of_host(facts: &Facts, mount: &Mount) -> bool {
    facts.host.devices.contains(&mount.device)
}

fn missing(mount: &Mount, wanted: &[&str]) -> Option<String> {
    let missing: Vec<_> = wanted.iter().filter(|option| !mount.has(option)).copied().collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn shown(mount: &Mount) -> String {
    let options: Vec<_> = mount.options.iter().filter(|option| !option.contains("atime")).map(String::as_str).collect();
    format!("{}, {}", mount.kind, options.join(","))
}
