//! Devices, and what the main process holds that is none of the container's.

use std::collections::BTreeSet;

use crate::audit::expect::Expected;
use crate::audit::facts::{Facts, NodeKind, is_below};
use crate::audit::finding::Finding;

/// null, zero, full, random, urandom; tty, and ptmx of its own devpts.
const NODES: [(u32, u32); 7] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)];
/// What the payload writes there goes into the journal.
const LOG: [&str; 2] = ["/dev/stdout", "/dev/stderr"];

/// The nodes that there are, and those that systemd lets it open.
pub fn devices(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let nodes = facts.nodes.iter().filter(|(path, _)| !is_below(path, "/proc") && !is_below(path, "/sys"));
    let devices = nodes.filter(|(_, kind)| matches!(kind, NodeKind::Char(..) | NodeKind::Block(..)));
    let (usual, more): (Vec<_>, Vec<_>) = devices.partition(|(path, kind)| is_usual(path, **kind));
    let names: Vec<_> = usual.iter().map(|(path, _)| path.trim_start_matches("/dev/")).collect();
    let mut list = vec![Finding::ok("devices", names.join(" "))];
    list.extend(more.into_iter().map(|(path, kind)| {
        let what = format!("device {path}");
        match expected.devices.get(path) {
            Some((source, _)) => Finding::weaker(what, describe(*kind), key(source)),
            None => Finding::wrong(what, describe(*kind), "nothing: the definition does not name it"),
        }
    }));
    let mounted: BTreeSet<_> = facts.mounts.iter().map(|mount| mount.target.as_str()).collect();
    let fifos = facts.nodes.iter().filter(|(path, kind)| **kind == NodeKind::Fifo && is_below(path, "/dev"));
    let fifos = fifos.filter(|(path, _)| !LOG.contains(&path.as_str()) && mounted.contains(path.as_str()));
    list.extend(fifos.map(|(path, _)| Finding::wrong(format!("device {path}"), "a FIFO of the host", "nothing")));
    list.extend(policy(facts, expected));
    list
}

fn is_usual(path: &str, kind: NodeKind) -> bool {
    match kind {
        NodeKind::Char(major, minor) if NODES.contains(&(major, minor)) => true,
        // Terminals: those of its own devpts, and the caller's.
        NodeKind::Char(136..=143, _) => is_below(path, "/dev/pts") || path == "/dev/console",
        _ => false,
    }
}

fn policy(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let unit = &facts.unit;
    let mut list = vec![match unit.device_policy.as_str() {
        "closed" | "strict" => Finding::ok("device policy", format!("{}, by systemd", unit.device_policy)),
        other => Finding::wrong("device policy", format!("{other}, by systemd"), "closed"),
    }];
    // Whether a node can be made is for CAP_MKNOD to say, which nobody has on the host; what matters is opening.
    let loops = |device: &str| matches!(device, "/dev/loop-control" | "block-loop");
    let more = unit.device_allow.iter().filter(|(device, access)| access.contains(['r', 'w']) && !loops(device));
    let declared = |device: &str, access: &str| {
        let all = |allowed: &str| access.chars().all(|letter| letter == 'm' || allowed.contains(letter));
        expected.devices.values().any(|(source, allowed)| source == device && all(allowed))
    };
    list.extend(more.map(|(device, access)| {
        let found = format!("{device} may be opened ({access})");
        match declared(device, access) {
            true => Finding::weaker("device policy", found, key(device)),
            false => Finding::wrong("device policy", found, "no more than the usual ones, and those of the definition"),
        }
    }));
    list
}

fn key(source: &str) -> String {
    format!("[[device]] source = \"{source}\"")
}

fn describe(kind: NodeKind) -> String {
    match kind {
        NodeKind::Char(major, minor) => format!("character device {major}:{minor}"),
        NodeKind::Block(major, minor) => format!("block device {major}:{minor}"),
        NodeKind::Fifo => "a FIFO".to_owned(),
        NodeKind::Socket => "a socket".to_owned(),
        NodeKind::Directory => "a directory".to_owned(),
        NodeKind::Empty | NodeKind::Other => "a file".to_owned(),
    }
}

/// Directories and disks of the host in the hands of the main process would be a way out; files are for the reader to judge.
pub fn files(facts: &Facts) -> Vec<Finding> {
    let inside = |mount: u64| facts.mounts.iter().any(|own| own.id == mount);
    // A memfd is a file of nobody's, by whatever mount.
    let is_named = |path: &str| path.starts_with('/') && !path.starts_with("/memfd:");
    let named = facts.open.iter().filter(|open| is_named(&open.path) && !inside(open.mount));
    let harmless = |kind| matches!(kind, NodeKind::Char(major, minor) if NODES.contains(&(major, minor)) || (136..144).contains(&major));
    let outside: Vec<_> = named.filter(|open| !harmless(open.kind) && !is_program(&open.name, &open.path)).collect();
    if outside.is_empty() {
        return vec![Finding::ok("open files", format!("{}, none of the host's", facts.open.len()))];
    }
    let finding = |open: &&crate::audit::facts::Open| {
        let (what, found) =
            (format!("open {}", open.name), format!("{}: {} of the host", open.path, describe(open.kind)));
        match open.kind {
            NodeKind::Directory | NodeKind::Block(..) | NodeKind::Char(..) => {
                Finding::wrong(what, found, "nothing of the host")
            }
            _ => Finding::note(what, found),
        }
    };
    outside.iter().map(finding).collect()
}

/// The reaper is a program of the host's, read-only, which nobody in the container can name.
fn is_program(name: &str, path: &str) -> bool {
    name == "exe" && path.ends_with("/soute-reaper")
}
