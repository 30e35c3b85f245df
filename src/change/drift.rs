//! What somebody else has changed: systemctl set-property, a drop-in, a link that is gone.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{Change, Class};
use crate::audit::read::HostLink;
use crate::definition::types::Rate;
use crate::plan::{Plan, Port, Unit, Value};

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

/// The host ends of links by their names.
pub type HostLinks = BTreeMap<String, HostLink>;

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

/// Links whose host ends are gone, are ports of another bridge, or have been told something else.
pub fn of_links(plan: &Plan, found: &HostLinks) -> Vec<Change> {
    let drift = |link: &str, key: &str, old: String, new: String| Change {
        field: format!("network.{}{key}", super::fields::quoted(link)),
        class: Class::Drift,
        old: Some(old),
        new: Some(new),
        from: None,
    };
    let of = |link: &crate::plan::Link| {
        let Some(port) = link.port() else { return Vec::new() };
        match found.get(&port.host_name) {
            None => vec![drift(&link.name, "", port.bridge.clone(), format!("{} is gone", port.host_name))],
            Some(there) if there.bridge.as_deref() != Some(port.bridge.as_str()) => {
                let bridge = there.bridge.clone().unwrap_or_else(|| "no bridge".to_owned());
                vec![drift(&link.name, ".bridge", port.bridge.clone(), bridge)]
            }
            Some(there) => told_otherwise(port, there)
                .into_iter()
                .chain(faster(".rate", "in", link.rate_in, there.rate))
                .map(|(key, old, new)| drift(&link.name, key, old, new))
                .collect(),
        }
    };
    plan.links.iter().flat_map(of).collect()
}

/// A rate that the kernel does not hold a link to. One that it has and was not asked for is not soute's to judge.
pub fn faster(
    key: &'static str,
    way: &str,
    wanted: Option<u64>,
    found: Option<u64>,
) -> Option<(&'static str, String, String)> {
    let shown = |rate: Option<u64>| rate.map_or_else(|| "infinity".to_owned(), |rate| Rate(rate).to_string());
    let differs = wanted.is_some() && wanted != found;
    differs.then(|| (key, format!("{way} = {}", shown(wanted)), format!("{way} = {}", shown(found))))
}

/// What a port was told, where the kernel has something else.
fn told_otherwise(port: &Port, there: &HostLink) -> Vec<(&'static str, String, String)> {
    // A locked port learns nothing, whatever else was asked for.
    let learning = port.learning && !port.spoof_check;
    let flags = [
        (".isolated", port.isolated, there.isolated),
        (".hairpin", port.hairpin, there.hairpin),
        (".learning", learning, there.learning),
        (".spoof-check", port.spoof_check, there.locked),
    ];
    let flags = flags.into_iter().filter(|(_, old, new)| old != new);
    let mut list: Vec<_> = flags.map(|(key, old, new)| (key, old.to_string(), new.to_string())).collect();
    let Some(vlans) = &there.vlans else { return list };
    let (own, mut others) = match (port.vlan, port.tagged.is_empty()) {
        (None, true) => (Some(vlans.default).filter(|vlan| *vlan != 0), Vec::new()),
        (vlan, _) => (vlan, port.tagged.clone()),
    };
    others.sort_unstable();
    let shown = |vlan: Option<u16>| vlan.map_or_else(|| "none".to_owned(), |vlan| vlan.to_string());
    if own != vlans.own {
        list.push((".vlan", shown(own), shown(vlans.own)));
    }
    if others != vlans.others {
        list.push((".tagged", format!("{others:?}"), format!("{:?}", vlans.others)));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::read::Vlans;

    #[test]
    fn a_port_is_held_against_what_it_was_told() {
        let port = |change: fn(&mut Port)| {
            let mut port = Port::default();
            change(&mut port);
            port
        };
        let there = |own, others: &[u16]| {
            let vlans = Some(Vlans { own, others: others.to_vec(), default: 1 });
            HostLink { learning: true, vlans, ..HostLink::default() }
        };
        let keys = |port: &Port, there: &HostLink| {
            told_otherwise(port, there).into_iter().map(|one| one.0).collect::<Vec<_>>()
        };
        let plain = HostLink { learning: true, ..HostLink::default() };
        assert_eq!(keys(&Port::default(), &plain), [""; 0]);
        assert_eq!(keys(&port(|port| port.isolated = true), &plain), [".isolated"]);
        assert_eq!(keys(&port(|port| port.spoof_check = true), &plain), [".learning", ".spoof-check"]);
        assert_eq!(keys(&Port::default(), &there(Some(1), &[])), [""; 0]);
        assert_eq!(keys(&Port::default(), &there(Some(1), &[20])), [".tagged"]);
        let trunk = port(|port| (port.vlan, port.tagged) = (Some(20), vec![40, 30]));
        assert_eq!(keys(&trunk, &there(Some(20), &[30, 40])), [""; 0]);
        assert_eq!(keys(&trunk, &there(Some(1), &[30])), [".vlan", ".tagged"]);
        // On a bridge that does not keep VLANs apart they mean nothing.
        assert_eq!(keys(&trunk, &plain), [""; 0]);
    }
}
