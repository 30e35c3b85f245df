//! The transient unit, property by property, in the types that D-Bus wants.

use serde::{Deserialize, Serialize};

/// A unit as StartTransientUnit gets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// `soute@web.service`.
    pub name: String,
    /// In the order in which `soute unit` prints them.
    pub properties: Vec<Property>,
}

/// One property of a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Property {
    /// The D-Bus name: `MemoryMax`, `RestartUSec`.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// A value with its D-Bus signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// b
    Bool(bool),
    /// i
    I32(i32),
    /// u
    U32(u32),
    /// t
    U64(u64),
    /// s
    Text(String),
    /// as
    Texts(Vec<String>),
    /// ay
    Bytes(Vec<u8>),
    /// a(sasb): never the Ex form, which systemd 252 writes in a way that it cannot read again.
    Exec(Vec<Exec>),
    /// (aiai)
    ExitStatuses(ExitStatuses),
    /// a(st): device and limit.
    DeviceLimits(Vec<(String, u64)>),
    /// a(ss): "Stream" or "Datagram", and the address.
    Listen(Vec<(String, String)>),
    /// a(st): when a timer elapses, and after how many microseconds.
    Timers(Vec<(String, u64)>),
    /// a(ss): device and access.
    DeviceAllow(Vec<(String, String)>),
    /// a(ss): name and place of each credential.
    Credentials(Vec<(String, String)>),
}

/// One command of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// The arguments, the program's absolute path first.
    pub argv: Vec<String>,
    /// A failure does not matter (a "-" in the unit file).
    pub ignore_failure: bool,
}

/// Exit codes and signals that count as something else than they look.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExitStatuses {
    /// Exit codes.
    pub codes: Vec<i32>,
    /// Signals.
    pub signals: Vec<i32>,
}

impl Unit {
    /// The value of a property, if it is set.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.properties.iter().find(|property| property.name == name).map(|property| &property.value)
    }
}

impl Property {
    /// A property of that D-Bus name.
    pub fn new(name: &str, value: Value) -> Self {
        Self { name: name.to_owned(), value }
    }
}
