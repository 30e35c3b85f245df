//! What of the kernel's file systems a container does not see, or not as the host does.

use crate::definition::suggest::distance;
use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, scalar};

/// A directory of each CPU; which there are only the kernel knows.
pub const THERMAL_THROTTLE: &str = "/sys/devices/system/cpu/cpu*/thermal_throttle";

/// Made empty: everything that any of Docker, Podman, nspawn and LXC masks.
pub const MASKED: [&str; 18] = [
    "/proc/acpi",
    "/proc/apm",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    THERMAL_THROTTLE,
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];

/// Made read-only: what all of them do. /proc/sys/net stays writable where it is of the container's own network.
pub const READ_ONLY: [&str; 4] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"];

/// One of [`MASKED`] or [`READ_ONLY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaskedPath(&'static str);

impl MaskedPath {
    /// The path as text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl Scalar for MaskedPath {
    const EXPECTED: &'static str = "a path that is masked or read-only by default, such as \"/proc/kcore\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let known = || MASKED.into_iter().chain(READ_ONLY);
        known().find(|path| *path == text).map(Self).ok_or_else(|| {
            let refused = Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
            let near = known().find(|path| distance(path, text) <= 2);
            let above = known().find(|path| text.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
            match near.or(above) {
                Some(path) => refused.help(format!("did you mean \"{path}\"?")),
                None => refused,
            }
        })
    }
}

impl fmt::Display for MaskedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

scalar!(MaskedPath, { "type": "string", "pattern": "^/(proc|sys)/" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_masked_can_be_unmasked() {
        assert_eq!("/proc/kcore".parse::<MaskedPath>().unwrap().as_str(), "/proc/kcore");
        assert_eq!("/proc/sys".parse::<MaskedPath>().unwrap().as_str(), "/proc/sys");
        assert_eq!("/proc/kcor".parse::<MaskedPath>().unwrap_err().help.unwrap(), "did you mean \"/proc/kcore\"?");
        assert_eq!("/proc/sys/vm".parse::<MaskedPath>().unwrap_err().help.unwrap(), "did you mean \"/proc/sys\"?");
        for bad in ["", "/", "ALL", "/proc/*", "/proc/kcore/"] {
            assert!(bad.parse::<MaskedPath>().is_err(), "{bad:?} was taken");
        }
    }
}
