//! Who answers a container's questions for names.

use std::fmt;
use std::net::IpAddr;

use super::Address;
use super::scalar::{Refused, Scalar, scalar};

/// One element of `dns.servers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DnsServer {
    /// This one.
    Address(Address),
    /// Those that the host asks.
    Host,
}

impl DnsServer {
    /// The servers that it stands for.
    pub fn addresses(self, of_host: &[IpAddr]) -> Vec<IpAddr> {
        match self {
            Self::Address(address) => vec![address.0],
            Self::Host => of_host.to_vec(),
        }
    }
}

impl Scalar for DnsServer {
    const EXPECTED: &'static str = "an IP address, or \"host\"";

    fn text(text: &str) -> Result<Self, Refused> {
        match text {
            "host" => Ok(Self::Host),
            _ => Address::text(text).map(Self::Address),
        }
    }
}

impl fmt::Display for DnsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Host => f.write_str("host"),
        }
    }
}

scalar!(DnsServer, { "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }, { "enum": ["host"] }] });
