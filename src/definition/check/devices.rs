//! Device nodes of the host, and what is made empty.

use super::mounts::not_a_place;
use super::{Subject, wrong};

/// What every container has in /dev.
const OWN: [&str; 15] = [
    "null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue", "console", "fd", "stdin",
    "stdout", "stderr",
];
/// Nothing runs without these.
const NEEDED: [&str; 3] = ["/", "/dev", "/proc"];

pub(super) fn check(s: &mut Subject<'_>) {
    for (index, device) in s.definition.device.iter().enumerate() {
        let at = index.to_string();
        let key = if device.target.is_some() { "target" } else { "source" };
        if let Some(fault) = taken(s, device.target()) {
            s.say(&["device", &at, key], fault);
        }
    }
    for (index, path) in s.definition.security.mask.iter().enumerate() {
        if NEEDED.contains(&path.as_str()) {
            let fault = wrong(format!("no program runs with nothing in {path}"));
            s.say(&["security", "mask", &index.to_string()], fault.help("name what is to be hidden below it"));
        }
        if s.definition.security.unmask.iter().any(|unmasked| unmasked.as_str() == path.as_str()) {
            let fault = wrong(format!("{path} is masked and unmasked"));
            let first = s.origin(&["security", "unmask"]);
            s.say(&["security", "mask", &index.to_string()], fault.related(first, "it is unmasked here"));
        }
    }
}

/// Why no node can be at that path.
fn taken(s: &Subject<'_>, target: &str) -> Option<super::Fault> {
    let first = target.strip_prefix("/dev/").and_then(|rest| rest.split('/').next());
    if first.is_some_and(|name| OWN.contains(&name)) || target == "/dev" {
        return Some(wrong(format!("every container has a {target} of its own")));
    }
    if s.definition.mount.iter().any(|mount| mount.target.as_str() == target) {
        return Some(wrong(format!("something else is mounted at {target}")));
    }
    not_a_place(target)
}
