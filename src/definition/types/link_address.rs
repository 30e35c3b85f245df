//! What a link is told about its addresses: one, or who gives it one.

use std::fmt;

use super::Cidr;
use super::scalar::{Refused, Scalar, scalar};

/// One element of `address`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkAddress {
    /// This one.
    Static(Cidr),
    /// The lowest free one of each family, of the networks that the bridge is in.
    Auto,
    /// The one that a DHCP server gives.
    Dhcp,
}

impl LinkAddress {
    /// The address, if it is written down.
    pub fn cidr(self) -> Option<Cidr> {
        match self {
            Self::Static(cidr) => Some(cidr),
            Self::Auto | Self::Dhcp => None,
        }
    }
}

impl Scalar for LinkAddress {
    const EXPECTED: &'static str = "an address with its prefix such as \"10.88.0.10/24\", \"auto\" or \"dhcp\"";

    fn text(text: &str) -> Result<Self, Refused> {
        match text {
            "auto" => Ok(Self::Auto),
            "dhcp" => Ok(Self::Dhcp),
            _ => Cidr::text(text).map(Self::Static),
        }
    }
}

impl fmt::Display for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(cidr) => cidr.fmt(f),
            Self::Auto => f.write_str("auto"),
            Self::Dhcp => f.write_str("dhcp"),
        }
    }
}

scalar!(LinkAddress, { "anyOf": [
    { "type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$" },
    { "type": "string", "enum": ["auto", "dhcp"] },
] });
