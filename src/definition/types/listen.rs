//! Ports, and where on the host one is published.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::escaped;
use super::scalar::{Refused, Scalar, digits, scalar};

/// A port of TCP or UDP, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(pub u16);

/// Where a port of the host is opened: "8080" on loopback alone, "0.0.0.0:8080", `[::]:8080`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listen {
    /// None is loopback, of both families.
    pub address: Option<IpAddr>,
    /// The port of the host.
    pub port: Port,
}

impl Listen {
    /// Every address that it stands for.
    pub fn addresses(self) -> Vec<IpAddr> {
        let loopback = || vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        self.address.map_or_else(loopback, |address| vec![address])
    }

    /// Whether both would bind one port of one address. `[::]` takes every address of both families.
    pub fn overlaps(self, other: Self) -> bool {
        let every = IpAddr::from(Ipv6Addr::UNSPECIFIED);
        let covers =
            |wide: IpAddr, one: IpAddr| wide == every || wide == one || (wide.is_unspecified() && one.is_ipv4());
        let meet = |a: IpAddr, b: IpAddr| covers(a, b) || covers(b, a);
        self.port == other.port && self.addresses().iter().any(|a| other.addresses().iter().any(|b| meet(*a, *b)))
    }
}

impl Scalar for Port {
    const EXPECTED: &'static str = "a port from 1 to 65535";

    fn text(text: &str) -> Result<Self, Refused> {
        let refused = || Refused::new(format!("\"{}\" is no port", escaped(text)));
        match digits(text).filter(|_| !text.starts_with('0')).and_then(|number| u16::try_from(number).ok()) {
            Some(port) => Ok(Self(port)),
            None => Err(refused().help("ports are the numbers from 1 to 65535")),
        }
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Self::text(&value.to_string())
    }
}

impl Scalar for Listen {
    const EXPECTED: &'static str = "a port and where it is opened, such as \"8080\" or \"0.0.0.0:8080\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let Some((address, port)) = text.rsplit_once(':') else {
            return Ok(Self { address: None, port: Port::text(text)? });
        };
        let refused = |why: &str| Refused::new(format!("\"{}\" is nowhere to listen: {why}", escaped(text)));
        let inner = address.strip_prefix('[').and_then(|address| address.strip_suffix(']'));
        let parsed: Option<IpAddr> = match inner {
            Some(inner) => inner.parse().ok().map(Ipv6Addr::into),
            None => address.parse().ok().map(Ipv4Addr::into),
        };
        let Some(address) = parsed else {
            let help = match address.parse::<Ipv6Addr>().or_else(|_| text.parse()) {
                Ok(_) => "write \"[ADDRESS]:PORT\" for IPv6",
                Err(_) => {
                    "write \"8080\" for loopback alone, \"0.0.0.0:8080\" for every IPv4 address, \"[::]:8080\" for all"
                }
            };
            return Err(refused("it has no address of the host").help(help));
        };
        let port = Port::text(port)?;
        match address {
            IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => Err(refused("write the IPv4 address itself")),
            address if address.is_multicast() => Err(refused("the address is a group's")),
            IpAddr::V4(v4) if v4.is_broadcast() => Err(refused("the address is everybody's")),
            address => Ok(Self { address: Some(address), port }),
        }
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Err(Refused::new(format!("{value} is a number, expected {}", Self::EXPECTED))
            .help(format!("write \"{value}\"")))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            None => self.port.fmt(f),
            Some(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
        }
    }
}

scalar!(Port, { "type": "integer", "minimum": 1, "maximum": 65535 });
scalar!(Listen, { "type": "string", "pattern": "^([0-9.]+:|\\[[0-9a-fA-F:.]+\\]:)?[1-9][0-9]{0,4}$" });

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Listen {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_is_what_is_shown() {
        for good in ["8080", "1", "65535", "0.0.0.0:8080", "10.1.2.3:80", "[::]:8080", "[fd00::1]:80", "127.0.0.2:53"] {
            assert_eq!(listen(good).to_string(), good);
        }
        assert_eq!(listen("[fd00:0::1]:80").to_string(), "[fd00::1]:80");
        let bad = "0 65536 080 +80 -1 a :80 host:80 *:80 10.1:80 [10.0.0.1]:80 ::1:80 fd00::1 [::1] 224.0.0.1:80 \
                   [ff02::1]:80 255.255.255.255:80 [::ffff:10.0.0.1]:80 10.0.0.1: 1.2.3.4:0 80:80 [fe80::1%eth0]:80";
        for bad in bad.split_whitespace() {
            assert!(bad.parse::<Listen>().is_err(), "{bad:?} was taken");
        }
        assert_eq!("fd00::1".parse::<Listen>().unwrap_err().help.unwrap(), "write \"[ADDRESS]:PORT\" for IPv6");
    }

    #[test]
    fn one_port_of_one_address_is_for_one() {
        let overlap = |a: &str, b: &str| listen(a).overlaps(listen(b)) && listen(b).overlaps(listen(a));
        for (a, b) in [
            ("80", "80"),
            ("80", "127.0.0.1:80"),
            ("80", "[::1]:80"),
            ("80", "0.0.0.0:80"),
            ("80", "[::]:80"),
            ("0.0.0.0:80", "[::]:80"),
            ("10.0.0.1:80", "[::]:80"),
            ("10.0.0.1:80", "0.0.0.0:80"),
        ] {
            assert!(overlap(a, b), "{a} and {b}");
        }
        for (a, b) in
            [("80", "81"), ("80", "10.0.0.1:80"), ("0.0.0.0:80", "[fd00::1]:80"), ("[::1]:80", "127.0.0.1:80")]
        {
            assert!(!overlap(a, b), "{a} and {b}");
        }
    }
}
