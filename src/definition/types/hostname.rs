//! Host names and time zones.

use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, scalar};

/// A host name: labels of letters, digits and "-", at most the kernel's 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hostname(String);

impl Hostname {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether it is the name of a domain, without the last dot.
pub(crate) fn is_domain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !label.is_empty()
        && label.len() <= 63
        && label.bytes().all(legal)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl Scalar for Hostname {
    const EXPECTED: &'static str = "a host name";

    fn text(text: &str) -> Result<Self, Refused> {
        match text.len() <= 64 && text.split('.').all(is_label) {
            true => Ok(Self(text.to_owned())),
            false => Err(Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED))
                .help("host names have letters, digits, \"-\" and \".\" and at most 64 bytes")),
        }
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

scalar!(Hostname, { "type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$" });

/// A time zone: the host's, or one of the zone database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Timezone {
    /// As the host's /etc/localtime.
    Local,
    /// Such as "Europe/Paris".
    Zone(String),
}

impl Scalar for Timezone {
    const EXPECTED: &'static str = "\"local\" or a zone such as \"Europe/Paris\"";

    fn text(text: &str) -> Result<Self, Refused> {
        // It becomes a path below /usr/share/zoneinfo: no part of it may be "..", none empty.
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte);
        let part = |part: &str| !part.is_empty() && part.bytes().all(legal);
        match text {
            "local" => Ok(Self::Local),
            _ if text.len() <= 64 && text.split('/').all(part) => Ok(Self::Zone(text.to_owned())),
            _ => Err(Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED))),
        }
    }
}

impl fmt::Display for Timezone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Zone(zone) => f.write_str(zone),
        }
    }
}

scalar!(Timezone, { "type": "string", "pattern": "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_a_path_cannot_leave_it() {
        for bad in ["", "..", "../etc/shadow", "/etc/passwd", "a//b", "a b", "a\n"] {
            assert!(bad.parse::<Timezone>().is_err(), "{bad:?} was taken");
            assert!(bad.parse::<Hostname>().is_err(), "{bad:?} was taken");
        }
        assert_eq!("Etc/GMT+1".parse::<Timezone>().unwrap().to_string(), "Etc/GMT+1");
        assert!("web.example.org".parse::<Hostname>().is_ok());
        assert!("x".repeat(65).parse::<Hostname>().is_err());
        assert!("-x".parse::<Hostname>().is_err());
    }
}
