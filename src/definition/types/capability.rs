//! Capabilities.

use crate::definition::suggest::distance;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::escaped;
use super::scalar::{Refused, Scalar, scalar};

/// In the kernel's order: the index is the number (linux/capability.h, 41 since Linux 5.9).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// Docker's fourteen less MKNOD, NET_RAW and AUDIT_WRITE.
const BASE: [&str; 11] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// What a system that boots needs besides: what systemd-nspawn grants, less what concerns the audit of the host.
const BOOT: [&str; 15] = [
    "AUDIT_WRITE",
    "DAC_READ_SEARCH",
    "IPC_OWNER",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BROADCAST",
    "NET_RAW",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_PTRACE",
    "SYS_RESOURCE",
    "SYS_TTY_CONFIG",
];

/// One capability: `"NET_ADMIN"` or `"CAP_NET_ADMIN"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(u8);

impl Capability {
    /// Its bit.
    pub fn number(self) -> u8 {
        self.0
    }

    /// All that this soute knows.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).take(NAMES.len()).map(Self)
    }

    fn find(text: &str) -> Option<Self> {
        let name = text.strip_prefix("CAP_").unwrap_or(text);
        Self::all().find(|capability| NAMES[usize::from(capability.0)] == name)
    }
}

impl Scalar for Capability {
    const EXPECTED: &'static str = "a capability such as \"NET_ADMIN\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let refused = || Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        Self::find(text).ok_or_else(|| {
            let upper = text.to_ascii_uppercase();
            let near = Self::find(&upper).or_else(|| {
                let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
                Self::all().find(|known| distance(NAMES[usize::from(known.0)], name) <= 2)
            });
            match near {
                _ if upper == "ALL" => refused().help("name the ones that are needed: there is no \"privileged\""),
                Some(near) => refused().help(format!("did you mean \"{}\"?", NAMES[usize::from(near.0)])),
                None => refused(),
            }
        })
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAP_{}", NAMES[usize::from(self.0)])
    }
}

scalar!(Capability, { "type": "string", "pattern": "^(CAP_)?[A-Z_]+$" });

/// What may be dropped: one, or every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DroppedCapability {
    /// `"ALL"`.
    All,
    /// This one.
    One(Capability),
}

impl Scalar for DroppedCapability {
    const EXPECTED: &'static str = "a capability such as \"CHOWN\", or \"ALL\"";

    fn text(text: &str) -> Result<Self, Refused> {
        if text == "ALL" { Ok(Self::All) } else { Capability::text(text).map(Self::One) }
    }
}

impl fmt::Display for DroppedCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("ALL"),
            Self::One(capability) => capability.fmt(f),
        }
    }
}

scalar!(DroppedCapability, { "type": "string", "pattern": "^((CAP_)?[A-Z_]+|ALL)$" });

/// A set of capabilities.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CapabilitySet(BTreeSet<Capability>);

impl CapabilitySet {
    /// What a container has if it does not say otherwise.
    pub fn base() -> Self {
        Self(BASE.iter().filter_map(|name| Capability::find(name)).collect())
    }

    /// What a system that boots in ids of its own has if it does not say otherwise.
    pub fn of_a_system() -> Self {
        let mut set = Self::base();
        set.0.extend(BOOT.iter().filter_map(|name| Capability::find(name)));
        set
    }

    /// This set less `drop`, and then `add`, so that `drop = ["ALL"]` leaves exactly `add`.
    pub fn changed(mut self, add: &[Capability], drop: &[DroppedCapability]) -> Self {
        let dropped = |capability: &Capability| {
            drop.iter()
                .any(|drop| matches!(drop, DroppedCapability::All) || *drop == DroppedCapability::One(*capability))
        };
        self.0.retain(|capability| !dropped(capability));
        self.0.extend(add);
        self
    }

    /// Whether it is among them.
    pub fn contains(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }

    /// The members, ascending by number.
    pub fn iter(&self) -> impl Iterator<Item = Capability> + '_ {
        self.0.iter().copied()
    }

    /// The kernel's bit mask.
    pub fn mask(&self) -> u64 {
        self.0.iter().fold(0, |mask, capability| mask | 1 << capability.0)
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        for (name, number) in [("CHOWN", 0), ("CAP_NET_ADMIN", 12), ("SYS_ADMIN", 21), ("CAP_CHECKPOINT_RESTORE", 40)] {
            assert_eq!(name.parse::<Capability>().unwrap().number(), number);
        }
        assert_eq!(CapabilitySet::base().mask(), 0x8004_05fb);
        assert_eq!("net_admin".parse::<Capability>().unwrap_err().help.unwrap(), "did you mean \"NET_ADMIN\"?");
        assert_eq!("NET_ADMN".parse::<Capability>().unwrap_err().help.unwrap(), "did you mean \"NET_ADMIN\"?");
        assert!("ALL".parse::<Capability>().is_err());
    }

    #[test]
    fn drop_comes_before_add() {
        let chown: Capability = "CHOWN".parse().unwrap();
        let changed = |add: &[Capability], drop: &[DroppedCapability]| CapabilitySet::base().changed(add, drop).mask();
        assert_eq!(changed(&[chown], &[DroppedCapability::All]), 1);
        assert_eq!(changed(&[], &[DroppedCapability::One(chown)]), 0x8004_05fa);
        assert_eq!(CapabilitySet::of_a_system().mask().count_ones(), 26);
    }
}
