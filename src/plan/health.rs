//! How to tell whether a container does what it is for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Property, Unit, Value};

/// A check, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// From the end of one check to the next.
    pub interval: Duration,
    /// A check that takes longer has failed.
    pub timeout: Duration,
    /// So many failures one after the other, and the container is unhealthy.
    pub retries: u32,
    /// After a start failures do not count for so long.
    pub start_period: Duration,
    /// What happens to a container that is unhealthy.
    pub on_failure: OnFailure,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// A command in the container, which ends with 0.
    Command(Vec<String>),
    /// GET, answered with a status from 200 to 399.
    Http {
        /// An address or a name; empty is loopback.
        host: String,
        /// The port.
        port: u16,
        /// From the first slash.
        path: String,
    },
    /// A port of loopback that takes connections.
    Tcp(u16),
}

/// What happens to a container that is unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// `systemctl restart`.
    Restart,
    /// `systemctl stop`.
    Stop,
    /// Nothing.
    None,
}

/// The timer of a container's check.
pub fn timer(container: &str) -> String {
    format!("soute-health@{container}.timer")
}

impl Health {
    /// The transient timer unit. It does not name the container's unit, which a reference would keep loaded; it is there
    /// because the container's unit wants it, and goes with it.
    pub fn unit(&self, container: &str) -> Unit {
        let text = |name: &str, value: &str| Property::new(name, Value::Text(value.to_owned()));
        let interval = u64::try_from(self.interval.as_micros()).unwrap_or(u64::MAX);
        let properties = vec![
            text("Description", &format!("Time to check container {container}")),
            Property::new("Documentation", Value::Texts(vec!["man:soute(8)".to_owned()])),
            text("CollectMode", "inactive-or-failed"),
            Property::new("StopWhenUnneeded", Value::Bool(true)),
            // From the end of one to the next: checks that take long do not pile up.
            Property::new(
                "TimersMonotonic",
                Value::Timers(vec![("OnActiveSec".to_owned(), interval), ("OnUnitInactiveSec".to_owned(), interval)]),
            ),
            // Within which PID 1 may put the checks of many containers together.
            Property::new("AccuracyUSec", Value::U64((interval / 10).min(1_000_000))),
        ];
        Unit { name: timer(container), properties }
    }
}
