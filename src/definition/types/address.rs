//! IP addresses: of an interface, of a network, of one host.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use super::escaped;
use super::scalar::{Refused, Scalar, digits, scalar};

/// One address, without a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub IpAddr);

/// The address of an interface with its prefix: `"10.88.0.10/24"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    /// The interface's own address.
    pub address: IpAddr,
    /// Bits of the network.
    pub prefix: u8,
}

/// A network, all host bits zero: `"10.99.0.0/16"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// The first address.
    pub address: IpAddr,
    /// Bits of the network.
    pub prefix: u8,
}

fn parse_address(text: &str) -> Result<IpAddr, Refused> {
    let address = text.parse().map_err(|_| bad_address(text))?;
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            Err(Refused::new(format!("{v6} is an IPv4 address in an IPv6 form"))
                .help(format!("write \"{}\"", v6.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED))))
        }
        _ => Ok(address),
    }
}

fn bad_address(text: &str) -> Refused {
    let refused = Refused::new(format!("\"{}\" is not an IP address", escaped(text)));
    let octets: Vec<_> = text.split('.').map(digits).collect();
    match octets[..] {
        // Some programs read "010" as eight, so Rust reads it as nothing.
        [Some(a @ ..256), Some(b @ ..256), Some(c @ ..256), Some(d @ ..256)] => {
            refused.help(format!("write \"{a}.{b}.{c}.{d}\", without leading zeros"))
        }
        _ => refused,
    }
}

fn parse_with_prefix(text: &str) -> Result<(IpAddr, u8), Refused> {
    let Some((address, prefix)) = text.split_once('/') else {
        let address = parse_address(text)?;
        let usual = if address.is_ipv4() { 24 } else { 64 };
        return Err(
            Refused::new(format!("{address} has no prefix length")).help(format!("write \"{address}/{usual}\""))
        );
    };
    let address = parse_address(address)?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let short = prefix.len() <= 3 && (prefix == "0" || !prefix.starts_with('0'));
    match digits(prefix).filter(|&prefix| short && prefix <= bits) {
        Some(prefix) => Ok((address, u8::try_from(prefix).unwrap_or(u8::MAX))),
        None => Err(Refused::new(format!("\"{}\" is not a prefix length from 0 to {bits}", escaped(prefix)))),
    }
}

/// The first address of the network that `address` is in.
pub(crate) fn network_of(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

fn last_of(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    let IpAddr::V4(v4) = address else { return None };
    let hosts = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    Some(IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() | hosts)))
}

/// Why no interface can have `address`, whatever its network.
pub(crate) fn not_a_host(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.is_loopback() => Some("a loopback address"),
        _ if address.is_multicast() => Some("a multicast address"),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("the broadcast address"),
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some("an address of \"this network\", 0.0.0.0/8"),
        _ => None,
    }
}

impl Cidr {
    /// The network that the interface is in.
    pub fn network(self) -> Network {
        Network { address: network_of(self.address, self.prefix), prefix: self.prefix }
    }

    /// Whether `address` can be reached without a router.
    pub fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && network_of(address, self.prefix) == self.network().address
    }

    /// Why no interface can have it.
    pub(crate) fn why_not(self) -> Option<&'static str> {
        // A network of two addresses or one has neither a network address nor a broadcast address (RFC 3021, RFC 6164).
        let roomy = self.prefix < if self.address.is_ipv4() { 31 } else { 127 };
        match not_a_host(self.address) {
            None if roomy && self.network().address == self.address => Some("the address of the network itself"),
            None if roomy && last_of(self.address, self.prefix) == Some(self.address) => {
                Some("the broadcast address of the network")
            }
            reason => reason,
        }
    }
}

impl Scalar for Address {
    const EXPECTED: &'static str = "an IP address";

    fn text(text: &str) -> Result<Self, Refused> {
        parse_address(text).map(Self)
    }
}

impl Scalar for Cidr {
    const EXPECTED: &'static str = "an address with its prefix such as \"10.88.0.10/24\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let (address, prefix) = parse_with_prefix(text)?;
        let cidr = Self { address, prefix };
        match cidr.why_not() {
            None => Ok(cidr),
            Some(reason) => Err(Refused::new(format!("{cidr} is no address for an interface: it is {reason}"))),
        }
    }
}

impl Scalar for Network {
    const EXPECTED: &'static str = "a network such as \"10.99.0.0/16\"";

    fn text(text: &str) -> Result<Self, Refused> {
        if text == "default" {
            return Err(Refused::new("\"default\" is not a network").help("use gateway, or \"0.0.0.0/0\" or \"::/0\""));
        }
        let (address, prefix) = parse_with_prefix(text)?;
        let first = network_of(address, prefix);
        match first == address {
            true if address.is_multicast() => Err(Refused::new(format!("{address} is a multicast address"))),
            true => Ok(Self { address, prefix }),
            false => Err(Refused::new(format!("{address}/{prefix} is an address in a network, not a network"))
                .help(format!("write \"{first}/{prefix}\""))),
        }
    }
}

impl Deref for Address {
    type Target = IpAddr;
    fn deref(&self) -> &IpAddr {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

scalar!(Address, { "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] });
scalar!(Cidr, { "type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$" });
scalar!(Network, { "type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_needs_an_address_of_its_own() {
        for good in ["10.88.0.10/24", "fd00:88::10/64", "10.0.0.0/31", "10.0.0.1/32", "fd00::/127", "fe80::1/64"] {
            assert_eq!(good.parse::<Cidr>().unwrap().to_string(), good);
        }
        let bad = "10.88.0.0/24 10.88.0.255/24 224.0.0.1/24 ff02::1/64 0.0.0.0/0 ::/0 127.0.0.1/8 ::1/128 0.1.2.3/24 \
                   fd00::/64 ::ffff:10.0.0.1/120 10.88.0.010/24 10.88.0.10 10.88.0.10/33 10.88.0.10/024 10.88.0.10/ \
                   10.88.0.10/-1 10.88.0.10/+8 fd00::1/129 255.255.255.255/32 10.88/24 /24 a/24 10.0.0.1/24/24";
        for bad in bad.split_whitespace() {
            assert!(bad.parse::<Cidr>().is_err(), "{bad:?} was taken");
        }
        assert_eq!(
            "10.88.0.010/24".parse::<Cidr>().unwrap_err().help.unwrap(),
            "write \"10.88.0.10\", without leading zeros"
        );
        assert_eq!("10.88.0.1".parse::<Cidr>().unwrap_err().help.unwrap(), "write \"10.88.0.1/24\"");
    }

    #[test]
    fn a_route_needs_a_network() {
        for good in ["10.99.0.0/16", "0.0.0.0/0", "::/0", "10.1.2.3/32", "fd00::/8"] {
            assert_eq!(good.parse::<Network>().unwrap().to_string(), good);
        }
        assert_eq!("10.99.1.0/16".parse::<Network>().unwrap_err().help.unwrap(), "write \"10.99.0.0/16\"");
        assert!("default".parse::<Network>().is_err());
    }

    #[test]
    fn neighbours_are_told_from_strangers() {
        let cidr: Cidr = "10.88.0.10/24".parse().unwrap();
        assert!(cidr.contains("10.88.0.1".parse().unwrap()));
        assert!(!cidr.contains("10.88.1.1".parse().unwrap()));
        assert!(!cidr.contains("fd00::1".parse().unwrap()));
    }
}
