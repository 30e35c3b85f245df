//! What works, and makes the container less safe: warnings.

use super::{Subject, find, shown, wrong};
use crate::definition::Weakening;
use crate::definition::fault::Fault;
use crate::definition::model::{Seccomp, UserNamespace};
use crate::definition::tree::Node;
use crate::definition::types::{Capability, DroppedCapability};

pub(super) fn check(s: &mut Subject<'_>) {
    contradictions(s);
    without_filter(s);
    for weakening in s.definition.weakenings() {
        let fault = warning(&weakening, s.root);
        // What was added and dropped is an error already.
        let told = s.faults.iter().any(|other| other.path == fault.path);
        if !told && !s.refused.contains(&fault.path) {
            s.faults.push(fault);
        }
    }
}

/// The warning, at what says so.
pub(super) fn warning(weakening: &Weakening, root: &Node) -> Fault {
    let path = weakening.path();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let origin = (0..=path.len()).rev().find_map(|length| find(root, &path[..length]));
    let fault = wrong(weakening.message()).warning().at(shown(&path));
    let fault = Fault { origin: origin.map(|node| node.origin.clone()), ..fault };
    weakening.help().into_iter().fold(fault, Fault::help)
}

fn contradictions(s: &mut Subject<'_>) {
    let change = &s.definition.security.capabilities;
    let mknod = |capability: Capability| capability.to_string() == "CAP_MKNOD";
    for (index, added) in change.add.iter().enumerate() {
        let path = ["security", "capabilities", "add", &index.to_string()];
        if change.drop.contains(&DroppedCapability::One(*added)) {
            let first = s.origin(&["security", "capabilities", "drop"]);
            s.say(&path, wrong(format!("{added} is added and dropped")).related(first, "it is dropped here"));
        } else if mknod(*added) && s.definition.namespaces.user == UserNamespace::Host {
            // The runner may make every node and open loop devices, and where ids are the host's so could the payload.
            let first = s.origin(&["namespaces", "user"]);
            let fault = wrong("with namespaces.user = \"host\" it could make and open devices of the host");
            s.say(&path, fault.help("use [[device]]").related(first, "its ids are the host's here"));
        }
    }
}

/// Calls that are opened in a filter that there is not.
fn without_filter(s: &mut Subject<'_>) {
    let first = s.definition.security.allow_syscalls.first();
    if let Some(call) = first.filter(|_| s.definition.seccomp() == Seccomp::Off) {
        let off = s.origin(&["security", "seccomp"]);
        let fault = wrong(format!("there is no filter to open for {call}")).related(off, "it is off here");
        s.say(&["security", "allow-syscalls", "0"], fault);
    }
}
