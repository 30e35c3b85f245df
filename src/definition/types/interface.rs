//! Names of network interfaces.

use std::fmt;
use std::ops::Deref;

use super::escaped;
use super::scalar::{Refused, Scalar, scalar};

/// The kernel's rule (dev_valid_name: at most 15 bytes, no "/", ":", blanks, not "." or "..") and systemd's on top of it
/// (no "%", not only digits, not "all" or "default", which are directories of /proc/sys/net).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName(String);

impl InterfaceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// eth0, eth1, …: what the link of that index is called if nobody named it.
    pub fn eth(index: usize) -> Self {
        Self(format!("eth{index}"))
    }
}

fn broken_rule(text: &str) -> Option<&'static str> {
    match text {
        "" => Some("it is empty"),
        "." | ".." | "all" | "default" | "lo" => Some("the name is taken"),
        _ if text.len() > 15 => Some("it is longer than 15 bytes"),
        _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Some("it has more than printable ASCII"),
        _ if text.contains(['/', ':', '%', '"', '\\', '\'']) => Some("it has one of / : % \" ' \\"),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => Some("it is a number"),
        _ => None,
    }
}

impl Scalar for InterfaceName {
    const EXPECTED: &'static str = "the name of a network interface";

    fn text(text: &str) -> Result<Self, Refused> {
        match broken_rule(text) {
            None => Ok(Self(text.to_owned())),
            Some(rule) => Err(Refused::new(format!("\"{}\" is no name for an interface: {rule}", escaped(text)))),
        }
    }
}

impl Deref for InterfaceName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

scalar!(InterfaceName, { "type": "string", "pattern": "^[^/:%\"'\\\\\\s]{1,15}$" });

#[cfg(test)]
mod tests {
    use super::InterfaceName;

    #[test]
    fn the_kernels_rule() {
        for good in ["br0", "eth0.100", "vb-0123456789ab", "a"] {
            assert!(good.parse::<InterfaceName>().is_ok(), "{good:?} was refused");
        }
        for bad in ["", ".", "..", "a/b", "a:b", "a b", "a%d", "0123", "sixteen-bytes-xx", "all", "lo", "é", "a\n"] {
            assert!(bad.parse::<InterfaceName>().is_err(), "{bad:?} was taken");
        }
    }
}
