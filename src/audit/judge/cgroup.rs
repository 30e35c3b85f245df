//! Limits, and that the container cannot change them.

use crate::audit::expect::Expected;
use crate::audit::facts::Facts;
use crate::audit::finding::Finding;

/// A limit as systemd calls it, its file, and the key that declares it.
const LIMITS: [(&str, &str, &str, &str); 4] = [
    ("TasksMax", "pids.max", "limit of tasks", "limits.tasks"),
    ("MemoryMax", "memory.max", "limit of memory", "limits.memory"),
    ("MemorySwapMax", "memory.swap.max", "limit of swap", "limits.swap"),
    ("CPUQuotaPerSecUSec", "cpu.max", "limit of CPU time", "limits.cpus"),
];
/// What a container has of tasks by default.
const TASKS: u64 = 2048;

pub fn judge(facts: &Facts, expected: &Expected) -> Vec<Finding> {
    let mut list: Vec<_> = LIMITS.iter().map(|limit| one(facts, expected, limit)).collect();
    list.push(owners(facts, expected));
    list
}

fn one(facts: &Facts, expected: &Expected, (name, file, what, key): &(&'static str, &str, &str, &str)) -> Finding {
    let kernel = facts.cgroup.limits.get(*file).map(|text| number(text));
    let systemd = facts.unit.limits.get(name).copied();
    let shown = |limit: Option<u64>| limit.map_or_else(|| "none".to_owned(), |limit| unit_of(name, limit));
    let Some(wanted) = expected.limits.get(name).copied() else {
        let found = kernel.or(systemd).map_or_else(|| "not known".to_owned(), shown);
        return Finding::ok(*what, format!("{found}, a share of the host's"));
    };
    let exceeds = |found: Option<u64>| wanted.is_some_and(|wanted| found.is_none_or(|found| found > wanted));
    match (kernel, systemd) {
        (Some(found), _) | (None, Some(found)) if exceeds(found) => {
            Finding::wrong(*what, shown(found), format!("at most {}", shown(wanted)))
        }
        (None, _) if wanted.is_some() => Finding::unknown(
            *what,
            format!("{} by systemd, but the kernel has no {file} here", shown(systemd.flatten())),
        ),
        (found, _) => {
            let found = found.unwrap_or_default();
            match *name == "TasksMax" && found.is_none_or(|found| found > TASKS) {
                true => Finding::weaker(
                    *what,
                    shown(found),
                    format!("{key} = {}", wanted.map_or("\"infinity\"".to_owned(), |n| n.to_string())),
                ),
                false => Finding::ok(*what, shown(found)),
            }
        }
    }
}

/// "max", "2048", or for cpu.max "50000 100000": microseconds of each period, here those of a second.
fn number(text: &str) -> Option<u64> {
    let mut fields = text.split_whitespace();
    let first: u64 = fields.next()?.parse().ok()?;
    match fields.next().and_then(|period| period.parse::<u64>().ok()) {
        Some(period @ 1..) => Some(first.saturating_mul(1_000_000) / period),
        _ => Some(first),
    }
}

fn unit_of(name: &str, limit: u64) -> String {
    match name {
        "TasksMax" => limit.to_string(),
        "CPUQuotaPerSecUSec" => format!("{}% of a CPU", limit / 10_000),
        _ => format!("{limit} bytes"),
    }
}

/// The files that hold the container are root's; of a group that is delegated those are the container's that make groups
/// below it.
fn owners(facts: &Facts, expected: &Expected) -> Finding {
    let delegable = |file: &str| matches!(file, "." | "cgroup.procs" | "cgroup.threads" | "cgroup.subtree_control");
    let owned = facts.cgroup.owners.iter().filter(|(_, owner)| **owner != 0).map(|(file, _)| file.as_str());
    let (delegated, more): (Vec<_>, Vec<_>) = owned.partition(|file| expected.boots && delegable(file));
    match (more.is_empty(), delegated.is_empty()) {
        (false, _) => Finding::wrong("control group", format!("its own: {}", more.join(" ")), "root's"),
        (true, false) => Finding::ok("control group", "its own to divide, and not to widen"),
        (true, true) => Finding::ok("control group", "root's"),
    }
}
