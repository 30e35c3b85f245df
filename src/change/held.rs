//! What the kernel has, against the snapshot.

use std::collections::BTreeMap;

use super::drift::{HostLinks, KEYS};
use super::fields::quoted;
use super::{Change, Class, wires};
use crate::audit::facts::Mount;
use crate::audit::read::Held;
use crate::plan::{Missing, MountFlags, MountSource, Plan, Unit, Value};

/// The kernel keeps memory in pages.
const PAGE: u64 = 4096;

/// Everything that is not as it should be. `host` are the other ends of its links.
pub fn of_held(plan: &Plan, held: &Held, host: Option<&HostLinks>) -> Vec<Change> {
    let mut list = of_limits(&plan.unit, &held.limits);
    list.extend(wires::of_wires(plan, &held.wires, host));
    list.extend(mounts(plan, &held.mounts));
    list
}

/// Of a raw disk's file, which is of whole blocks.
pub fn of_size(wanted: u64, found: u64) -> Option<Change> {
    (found < wanted - wanted % PAGE).then(|| drift("disk.size".to_owned(), wanted.to_string(), found.to_string()))
}

pub(super) fn drift(field: String, old: String, new: String) -> Change {
    Change { field, class: Class::Drift, old: Some(old), new: Some(new), from: Some("the kernel".to_owned()) }
}

/// Of a control group: a container's, or a group's.
pub fn of_limits(unit: &Unit, limits: &BTreeMap<String, String>) -> Vec<Change> {
    const FILES: [(&str, &str); 14] = [
        ("MemoryMax", "memory.max"),
        ("MemoryHigh", "memory.high"),
        ("MemoryLow", "memory.low"),
        ("MemorySwapMax", "memory.swap.max"),
        ("TasksMax", "pids.max"),
        ("CPUQuotaPerSecUSec", "cpu.max"),
        ("AllowedCPUs", "cpuset.cpus"),
        ("CPUWeight", "cpu.weight"),
        ("CPUWeight", "cpu.idle"),
        ("IOWeight", "io.weight"),
        ("IOReadBandwidthMax", "io.max"),
        ("IOWriteBandwidthMax", "io.max"),
        ("IOReadIOPSMax", "io.max"),
        ("IOWriteIOPSMax", "io.max"),
    ];
    let mut list: Vec<Change> = Vec::new();
    for (property, file) in FILES {
        let Some((_, key, usual)) = KEYS.iter().find(|(name, ..)| *name == property) else { continue };
        let Some(found) = limits.get(file) else { continue };
        let wanted = unit.get(property).unwrap_or(usual);
        if let Some(expected) = mismatch(file, property, wanted, found) {
            list.push(drift((*key).to_owned(), format!("{file} {expected}"), format!("{file} {found}")));
        }
    }
    list
}

/// What the file should say, where it does not.
fn mismatch(file: &str, property: &str, wanted: &Value, found: &str) -> Option<String> {
    let expected = match (file, wanted) {
        ("cpu.max", Value::U64(u64::MAX)) => "max".to_owned(),
        ("cpu.max", Value::U64(quota)) => {
            let mut fields = found.split_whitespace().map(|field| field.parse::<u64>().ok());
            let (now, period) = (fields.next().flatten(), fields.next().flatten());
            let now = now.zip(period).map(|(now, period)| now.saturating_mul(1_000_000) / period.max(1));
            // The kernel counts whole microseconds of each period.
            return now.is_none_or(|now| now.abs_diff(*quota) > 100).then(|| format!("{quota} of 1000000"));
        }
        ("cpu.weight", Value::U64(0)) => return None,
        ("cpu.weight", Value::U64(u64::MAX)) => "100".to_owned(),
        ("cpu.idle", Value::U64(weight)) => u8::from(*weight == 0).to_string(),
        ("io.weight", Value::U64(u64::MAX)) => "default 100".to_owned(),
        ("io.weight", Value::U64(weight)) => format!("default {weight}"),
        ("cpuset.cpus", Value::Bytes(mask)) => ranges(mask),
        ("io.max", Value::DeviceLimits(limits)) => {
            let word = match property {
                "IOReadBandwidthMax" => "rbps",
                "IOWriteBandwidthMax" => "wbps",
                "IOReadIOPSMax" => "riops",
                _ => "wiops",
            };
            let missing = |limit: u64| !found.split_whitespace().any(|field| field == format!("{word}={limit}"));
            return limits.iter().find(|(_, limit)| missing(*limit)).map(|(_, limit)| format!("{word}={limit}"));
        }
        (_, Value::U64(u64::MAX)) => "max".to_owned(),
        ("pids.max" | "cpu.weight", Value::U64(number)) => number.to_string(),
        (_, Value::U64(bytes)) => (bytes / PAGE * PAGE).to_string(),
        _ => return None,
    };
    let is = |found: &str| found == expected || (file == "cpu.max" && found.starts_with("max"));
    (!is(found) && !found.lines().any(|line| file == "io.weight" && line == expected)).then_some(expected)
}

/// "0-1,4", as the kernel writes a set.
fn ranges(mask: &[u8]) -> String {
    let is_set = |bit: usize| mask.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0);
    let mut list = Vec::new();
    let mut bit = 0;
    while bit < mask.len() * 8 {
        if is_set(bit) {
            let first = bit;
            while is_set(bit + 1) {
                bit += 1;
            }
            list.push(if first == bit { first.to_string() } else { format!("{first}-{bit}") });
        }
        bit += 1;
    }
    list.join(",")
}

fn mounts(plan: &Plan, found: &[Mount]) -> Vec<Change> {
    let optional = |source: &MountSource| matches!(source, MountSource::Bind { missing: Missing::Skip, .. });
    let mut list = Vec::new();
    for mount in &plan.sandbox.mounts {
        // Of several at one place the last is seen.
        let there = found.iter().rfind(|there| there.target == mount.target);
        match there {
            Some(there) => list.extend(flags(&mount.target, mount.flags, there)),
            None if optional(&mount.source) || is_elsewhere(&mount.target, found) => {}
            None => list.push(drift(format!("mount.{}", quoted(&mount.target)), "mounted".into(), "gone".into())),
        }
    }
    list
}

/// Where a link of the image has led the mount to another path, its last name is the same.
fn is_elsewhere(target: &str, found: &[Mount]) -> bool {
    let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
    found.iter().any(|mount| name(&mount.target) == name(target))
}

fn flags(target: &str, wanted: MountFlags, found: &Mount) -> Option<Change> {
    let all = [
        (wanted.read_only, "ro"),
        (wanted.nosuid, "nosuid"),
        (wanted.nodev, "nodev"),
        (wanted.noexec, "noexec"),
        (wanted.noatime, "noatime"),
    ];
    let lost: Vec<&str> = all.iter().filter(|(on, flag)| *on && !found.has(flag)).map(|(_, flag)| *flag).collect();
    let text = |list: &[&str]| list.join(" ");
    (!lost.is_empty()).then(|| drift(format!("mount.{}", quoted(target)), text(&lost), format!("not {}", text(&lost))))
}
