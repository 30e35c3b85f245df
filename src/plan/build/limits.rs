//! Limits: every one is a property of the unit's cgroup, which is the payload's own.

use std::path::Path;

use super::super::{Facts, Measure, Property, Value};
use crate::definition::Definition;
use crate::definition::model::{DeviceLimit, Limits};
use crate::definition::types::{CountOrShare, CpuWeight, Limit, Rate, Rlimit, SizeOrShare};

const INFINITY: u64 = u64::MAX;
/// CPUWeight= and IOWeight= where nobody asked for another.
const USUAL_WEIGHT: u64 = 100;

/// What takes back the limits that a control group may have from before, in systemd's own encoding.
pub fn not_set() -> [Property; 8] {
    let none = |name| Property::new(name, Value::U64(INFINITY));
    let no_device = |name| Property::new(name, Value::DeviceLimits(Vec::new()));
    [
        none("CPUQuotaPerSecUSec"),
        none("CPUWeight"),
        none("IOWeight"),
        Property::new("AllowedCPUs", Value::Bytes(Vec::new())),
        no_device("IOReadBandwidthMax"),
        no_device("IOWriteBandwidthMax"),
        no_device("IOReadIOPSMax"),
        no_device("IOWriteIOPSMax"),
    ]
}

/// The properties of all limits.
pub fn limits(definition: &Definition, facts: &Facts) -> Vec<Property> {
    let beside = facts.definition.as_deref().and_then(Path::parent).unwrap_or(Path::new("/"));
    let mut list = of_cgroup(&definition.limits, definition.swap(), &facts.measure(beside));
    list.extend(rlimits(definition));
    list
}

/// Those of a control group, whoever is in it.
pub fn of_cgroup(limits: &Limits, swap: SizeOrShare, measure: &Measure) -> Vec<Property> {
    let size = |size: SizeOrShare| match size {
        SizeOrShare::Size(bytes) => bytes,
        SizeOrShare::Share(percent) => measure.memory / 100 * u64::from(percent),
        SizeOrShare::Infinity => INFINITY,
    };
    // An absolute number: systemd 252 reads a written TasksMaxScale of 50% back as 5.0%.
    let tasks = match limits.tasks {
        CountOrShare::Count(count) => count,
        CountOrShare::Share(percent) => measure.tasks * u64::from(percent) / 100,
        CountOrShare::Infinity => INFINITY,
    };
    // Accounting is what `list` and `status` show, also without a limit.
    let mut list: Vec<_> = ["CPU", "Memory", "IO", "Tasks"]
        .map(|what| Property::new(&format!("{what}Accounting"), Value::Bool(true)))
        .into();
    let mut set = |name: &str, value: Value| list.push(Property::new(name, value));
    set("MemoryMax", Value::U64(size(limits.memory)));
    set("MemoryHigh", Value::U64(size(limits.memory_high)));
    set("MemoryLow", Value::U64(size(limits.memory_low)));
    set("MemorySwapMax", Value::U64(size(swap)));
    set("TasksMax", Value::U64(tasks));
    if let Limit::Value(cpus) = limits.cpus {
        // Hundredths of a CPU, as microseconds a second.
        set("CPUQuotaPerSecUSec", Value::U64(u64::from(cpus.0) * 10_000));
    }
    if let Some(cpus) = &limits.cpu_set {
        set("AllowedCPUs", Value::Bytes(cpus.to_mask()));
    }
    match limits.cpu_weight {
        // systemd's own encoding of CPUWeight=idle.
        CpuWeight::Idle => set("CPUWeight", Value::U64(0)),
        CpuWeight::Weight(USUAL_WEIGHT) => {}
        CpuWeight::Weight(weight) => set("CPUWeight", Value::U64(weight)),
    }
    if limits.io_weight.0 != USUAL_WEIGHT {
        set("IOWeight", Value::U64(limits.io_weight.0));
    }
    list.extend(devices(limits, measure));
    list
}

fn devices(limits: &Limits, measure: &Measure) -> Vec<Property> {
    // systemd looks up the block device under any path, see systemd.resource-control(5).
    let pick = |rate: Limit<Rate>| rate.value().map(|rate| rate.0);
    let of_disk = |value: Option<u64>| value.map(|value| (measure.disks.display().to_string(), value));
    let of_others = |pick: &dyn Fn(&DeviceLimit) -> Option<u64>| -> Vec<(String, u64)> {
        let path = |device: &DeviceLimit| device.path.resolve(&measure.beside).display().to_string();
        limits.device.iter().filter_map(|device| Some((path(device), pick(device)?))).collect()
    };
    let rows = [
        ("IOReadBandwidthMax", of_disk(pick(limits.read_bandwidth)), of_others(&|d| pick(d.read_bandwidth))),
        ("IOWriteBandwidthMax", of_disk(pick(limits.write_bandwidth)), of_others(&|d| pick(d.write_bandwidth))),
        ("IOReadIOPSMax", of_disk(limits.read_iops.value()), of_others(&|d| d.read_iops.value())),
        ("IOWriteIOPSMax", of_disk(limits.write_iops.value()), of_others(&|d| d.write_iops.value())),
    ];
    let rows = rows.into_iter().map(|(name, disk, others)| (name, disk.into_iter().chain(others).collect::<Vec<_>>()));
    rows.filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| Property::new(name, Value::DeviceLimits(list)))
        .collect()
}

/// Core dumps are off unless asked for: a dump holds what the process knows, and the host's handler reads it.
fn rlimits(definition: &Definition) -> Vec<Property> {
    let none = Rlimit { soft: Limit::Value(0), hard: Limit::Value(0) };
    let mut all: std::collections::BTreeMap<_, _> = [("LimitCORE".to_owned(), none)].into();
    all.extend(definition.limits.rlimits.iter().map(|(name, limit)| (name.directive(), *limit)));
    let value = |limit: Limit<u64>| Value::U64(limit.value().unwrap_or(INFINITY));
    all.into_iter()
        .flat_map(|(name, limit)| {
            let soft = Property::new(&format!("{name}Soft"), value(limit.soft));
            [Property::new(&name, value(limit.hard)), soft]
        })
        .collect()
}
