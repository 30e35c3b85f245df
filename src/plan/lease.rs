//! The timer that keeps the leases of a container.

use super::{Property, Unit, Value};

/// How often it is looked whether a lease has to be renewed.
pub const PERIOD: u64 = 60;

/// Its name.
pub fn timer(container: &str) -> String {
    format!("soute-dhcp@{container}.timer")
}

/// The transient unit, which like that of health checks never names the container's.
pub fn unit(container: &str) -> Unit {
    let text = |name: &str, value: &str| Property::new(name, Value::Text(value.to_owned()));
    let period = ["OnActiveSec", "OnUnitInactiveSec"].map(|kind| (kind.to_owned(), PERIOD * 1_000_000));
    let properties = vec![
        text("Description", &format!("Time to renew the leases of container {container}")),
        Property::new("Documentation", Value::Texts(vec!["man:soute.toml(5)".to_owned()])),
        text("CollectMode", "inactive-or-failed"),
        Property::new("StopWhenUnneeded", Value::Bool(true)),
        Property::new("TimersMonotonic", Value::Timers(period.to_vec())),
        // Within which PID 1 may put those of many containers together.
        Property::new("AccuracyUSec", Value::U64(5_000_000)),
    ];
    Unit { name: timer(container), properties }
}
