//! Limits that contradict each other, or leave nothing to live on.

use super::{Subject, wrong};
use crate::definition::model::Limits;
use crate::definition::types::{CountOrShare, Limit, SizeOrShare};

pub(super) fn check(s: &mut Subject<'_>) {
    let limits = &s.definition.limits;
    if matches!(limits.memory, SizeOrShare::Size(0) | SizeOrShare::Share(0)) {
        s.say(&["limits", "memory"], wrong("nothing runs without memory"));
    }
    if matches!(limits.memory_high, SizeOrShare::Size(0) | SizeOrShare::Share(0)) {
        s.say(&["limits", "memory-high"], wrong("nothing runs without memory"));
    }
    if matches!(limits.tasks, CountOrShare::Count(0) | CountOrShare::Share(0)) {
        s.say(&["limits", "tasks"], wrong("the payload itself is a task"));
    }
    order(s, limits);
    for (key, value) in [("read-iops", limits.read_iops), ("write-iops", limits.write_iops)] {
        if value == Limit::Value(0) {
            s.say(&["limits", key], wrong("no operation at all would stop every process that reads or writes"));
        }
    }
    devices(s, limits);
}

fn order(s: &mut Subject<'_>, limits: &Limits) {
    let above = |low: SizeOrShare, high: SizeOrShare| match (low, high) {
        (SizeOrShare::Size(low), SizeOrShare::Size(high)) => low > high,
        (SizeOrShare::Share(low), SizeOrShare::Share(high)) => low > high,
        (SizeOrShare::Infinity, SizeOrShare::Size(_) | SizeOrShare::Share(_)) => true,
        _ => false,
    };
    let said = |key: &str| s.says(&["limits", key]);
    let (high, low) = (said("memory-high"), said("memory-low"));
    if high && limits.memory_high != SizeOrShare::Infinity && above(limits.memory_high, limits.memory) {
        let fault = wrong("memory-high above memory does nothing: the container is killed before it is throttled");
        s.say(&["limits", "memory-high"], fault.warning());
    }
    if low && above(limits.memory_low, limits.memory) {
        let fault = wrong("more is protected than the container can have");
        s.say(&["limits", "memory-low"], fault.warning());
    }
}

fn devices(s: &mut Subject<'_>, limits: &Limits) {
    for (index, device) in limits.device.iter().enumerate() {
        let index = index.to_string();
        let none = device.read_bandwidth == Limit::Infinity
            && device.write_bandwidth == Limit::Infinity
            && device.read_iops == Limit::Infinity
            && device.write_iops == Limit::Infinity;
        let path = ["limits", "device", index.as_str()];
        if none
            && !["read-bandwidth", "write-bandwidth", "read-iops", "write-iops"].iter().any(|key| {
                s.says(&["limits", "device", &index, key])
                    || s.refused.contains(&format!("limits.device[{index}].{key}"))
            })
        {
            let fault = wrong("this entry limits nothing");
            s.say(&path, fault.help("add read-bandwidth, write-bandwidth, read-iops or write-iops"));
        }
        if device.path.as_str().contains([' ', '\t', '"', '\'', '\\', '%']) {
            // It is written without quotes: no path of one word, or another path, when it is read again.
            let fault = wrong(
                "a daemon-reload of systemd would lift these limits: no blank, quote, \\ or % is read as it is written",
            );
            s.say(&["limits", "device", &index, "path"], fault.help("name another directory of the same file system"));
        }
        for (key, value) in [("read-iops", device.read_iops), ("write-iops", device.write_iops)] {
            if value == Limit::Value(0) {
                let path = ["limits", "device", index.as_str(), key];
                s.say(&path, wrong("no operation at all would stop every process that reads or writes"));
            }
        }
    }
}
