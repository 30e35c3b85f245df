//! What somebody else has changed: systemctl set-property, a drop-in, a link that is gone.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{Change, Class};
use crate::plan::{Plan, Unit, Value};

/// The properties that can be changed while the unit runs: the key that each comes from, and what it is without one.
pub static KEYS: LazyLock<[(&str, &str, Value); 14]> = LazyLock::new(|| {
    // systemd's "not set" of weights, and its infinity.
    let unset = || Value::U64(u64::MAX);
    let none = || Value::DeviceLimits(Vec::new());
    [
        ("Description", "description", Value::Text(String::new())),
        ("MemoryMax", "limits.memory", unset()),
        ("MemoryHigh", "limits.memory-high", unset()),
        ("MemoryLow", "limits.memory-low", Value::U64(0)),
        ("MemorySwapMax", "limits.swap", unset()),
        ("TasksMax", "limits.tasks", unset()),
        ("CPUQuotaPerSecUSec", "limits.cpus", unset()),
        ("AllowedCPUs", "limits.cpu-set", Value::Bytes(Vec::new())),
        ("CPUWeight", "limits.cpu-weight", unset()),
        ("IOWeight", "limits.io-weight", unset()),
        ("IOReadBandwidthMax", "limits.read-bandwidth", none()),
        ("IOWriteBandwidthMax", "limits.write-bandwidth", none()),
        ("IOReadIOPSMax", "limits.read-iops", none()),
        ("IOWriteIOPSMax", "limits.write-iops", none()),
    ]
});

/// The host ends of links by their names, and the bridge that each is a port of.
pub type HostLinks = BTreeMap<String, Option<String>>;

/// Whose value systemd can be asked for, and compared with a plan's.
pub fn asked(plan: &Plan) -> Vec<&str> {
    let others = plan.unit.properties.iter().map(|property| property.name.as_str()).filter(|name| is_comparable(name));
    KEYS.iter().map(|(name, ..)| *name).chain(others).collect()
}

/// Not those that systemd reads back in another form, or adds to by itself.
fn is_comparable(name: &str) -> bool {
    const COMPARABLE: [&str; 22] = [
        "KillMode",
        "KillSignal",
        "Restart",
        "RestartUSec",
        "TimeoutStopUSec",
        "StartLimitIntervalUSec",
        "StartLimitBurst",
        "Slice",
        "CollectMode",
        "Type",
        "NotifyAccess",
        "DevicePolicy",
        "CapabilityBoundingSet",
        "NoNewPrivileges",
        "KeyringMode",
        "SyslogIdentifier",
        "LogRateLimitIntervalUSec",
        "LogRateLimitBurst",
        "LogNamespace",
        "Delegate",
        "OOMScoreAdjust",
        "FileDescriptorStoreMax",
    ];
    COMPARABLE.contains(&name) || name.starts_with("Limit")
}

/// Properties that are not as the plan has them. `found` is what systemd says, `origin` who may have said so.
pub fn of_properties(plan: &Plan, found: &[(String, Value)], origin: impl Fn(&str) -> Option<String>) -> Vec<Change> {
    let drift = |(name, found): &(String, Value)| {
        let known = KEYS.iter().find(|(property, ..)| property == name);
        let wanted = plan.unit.get(name).or(known.map(|(_, _, usual)| usual))?;
        if same(wanted, found) {
            return None;
        }
        Some(Change {
            field: known.map_or_else(|| format!("unit {name}"), |(_, key, _)| (*key).to_owned()),
            class: Class::Drift,
            old: Some(shown(name, wanted)),
            new: Some(shown(name, found)),
            from: origin(name),
        })
    };
    found.iter().filter_map(drift).collect()
}

/// What is another in a later snapshot of a container that has run all the while, in a line; empty where nothing is.
pub fn told(before: &Plan, now: &Plan) -> String {
    let value =
        |(name, _, usual): &(&str, &str, Value)| ((*name).to_owned(), now.unit.get(name).unwrap_or(usual).clone());
    let found: Vec<_> = KEYS.iter().map(value).collect();
    let mut list: Vec<String> = Vec::new();
    for change in of_properties(before, &found, |_| None) {
        let side = |side: Option<String>| side.filter(|text| !text.is_empty()).unwrap_or_else(|| "none".to_owned());
        list.push(format!("{} from {} to {}", change.field, side(change.old), side(change.new)));
    }
    let files = |plan: &Plan| -> BTreeMap<String, String> {
        plan.sandbox.files.iter().map(|file| (file.target.clone(), file.content.clone())).collect()
    };
    let (old, new) = (files(before), files(now));
    list.extend((before.disk.size != now.disk.size).then(|| "disk.size".to_owned()));
    list.extend((before.links != now.links).then(|| "network".to_owned()));
    list.extend(new.into_iter().filter(|(target, content)| old.get(target) != Some(content)).map(|(target, _)| target));
    list.extend((before.health != now.health).then(|| "health".to_owned()));
    list.extend((before.labels != now.labels).then(|| "labels".to_owned()));
    list.join(", ")
}

/// What a group's slice has otherwise than its file says: `apply` tells it, whoever has told it something else.
pub fn of_slice(wanted: &Unit, found: &[(String, Value)], origin: impl Fn(&str) -> Option<String>) -> Vec<Change> {
    let live = |(name, found): &(String, Value)| {
        let (_, key, usual) = KEYS.iter().find(|(property, ..)| property == name)?;
        let wanted = wanted.get(name).unwrap_or(usual);
        (!same(wanted, found)).then(|| Change {
            field: (*key).to_owned(),
            class: Class::Live,
            old: Some(shown(name, found)),
            new: Some(shown(name, wanted)),
            from: origin(key),
        })
    };
    found.iter().filter_map(live).collect()
}

/// systemd pads the mask of CPUs, and forgets the name of a device that it has no limit for.
fn same(wanted: &Value, found: &Value) -> bool {
    let trimmed = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    match (wanted, found) {
        (Value::Bytes(a), Value::Bytes(b)) => a[..trimmed(a)] == b[..trimmed(b)],
        (Value::DeviceLimits(a), Value::DeviceLimits(b)) => {
            let sorted = |list: &[(String, u64)]| list.iter().cloned().collect::<BTreeMap<_, _>>();
            sorted(a) == sorted(b)
        }
        // Seconds of no limit are none, as systemd reads them back.
        (a, b) => a == b,
    }
}

fn shown(name: &str, value: &Value) -> String {
    match value {
        Value::U64(u64::MAX) if name.ends_with("Weight") => "default".to_owned(),
        Value::U64(u64::MAX) => "infinity".to_owned(),
        Value::U64(number) if name == "CPUQuotaPerSecUSec" => format!("{}%", number / 10_000),
        Value::U64(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::I32(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Text(text) => text.clone(),
        Value::Texts(list) => list.join(" "),
        Value::Bytes(mask) => cpus(mask),
        Value::DeviceLimits(list) => {
            let one = |(device, limit): &(String, u64)| format!("{device} {limit}");
            list.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        other => format!("{other:?}"),
    }
}

fn cpus(mask: &[u8]) -> String {
    let set = (0..mask.len() * 8).filter(|bit| mask[bit / 8] & (1 << (bit % 8)) != 0);
    set.map(|bit| bit.to_string()).collect::<Vec<_>>().join(",")
}

/// Links whose host ends are gone, or are ports of another bridge.
pub fn of_links(plan: &Plan, found: &HostLinks) -> Vec<Change> {
    let drift = |link: &crate::plan::Link| {
        let port = link.port()?;
        let (field, new) = match found.get(&port.host_name) {
            None => (String::new(), format!("{} is gone", port.host_name)),
            Some(bridge) if bridge.as_deref() != Some(port.bridge.as_str()) => {
                (".bridge".to_owned(), bridge.clone().unwrap_or_else(|| "no bridge".to_owned()))
            }
            Some(_) => return None,
        };
        Some(Change {
            field: format!("network.{}{field}", super::fields::quoted(&link.name)),
            class: Class::Drift,
            old: Some(port.bridge.clone()),
            new: Some(new),
            from: None,
        })
    };
    plan.links.iter().filter_map(drift).collect()
}
