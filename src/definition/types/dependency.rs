//! What a container waits for.

use std::fmt;

use super::scalar::{Refused, Scalar, scalar};
use super::{Name, escaped};

/// Another container, or, with a dot in it, a unit of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// A container of soute.
    Container(Name),
    /// A unit of the host, such as "network-online.target".
    Unit(String),
}

/// Reached when all launchers have ended, or later: a launcher that waited for one of these would wait for itself.
pub const LATE_TARGETS: [&str; 7] = [
    "multi-user.target",
    "graphical.target",
    "default.target",
    "runlevel2.target",
    "runlevel3.target",
    "runlevel4.target",
    "runlevel5.target",
];

const SUFFIXES: [&str; 11] =
    ["service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"];

impl Scalar for Dependency {
    const EXPECTED: &'static str = "a container, or a unit such as \"network-online.target\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let Some((stem, suffix)) = text.rsplit_once('.') else { return Name::text(text).map(Self::Container) };
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b":_.\\@-".contains(&byte);
        let refused = |why: &str| Err(Refused::new(format!("\"{}\" is not a unit: {why}", escaped(text))));
        let of_a_container = ["soute@", "soute-start@", "soute-up@"].iter().find_map(|unit| stem.strip_prefix(unit));
        match of_a_container {
            _ if !SUFFIXES.contains(&suffix) => refused("its name must end in .service, .target, .mount or the like"),
            _ if stem.is_empty() || text.len() > 255 => refused("the name has no stem, or more than 255 bytes"),
            _ if !text.bytes().all(legal) => refused("the name has other characters than A-Z a-z 0-9 : _ . \\ @ -"),
            _ if stem.ends_with('@') => refused("a template needs an instance"),
            // A plain After= from one transient unit to another pins the stopped one, see units/soute-up@.target.
            Some(name) if matches!(suffix, "service" | "target") => {
                Err(Refused::new(format!("\"{text}\" is a container")).help(format!("write \"{name}\"")))
            }
            _ => Ok(Self::Unit(text.to_owned())),
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(name) => name.fmt(f),
            Self::Unit(unit) => f.write_str(unit),
        }
    }
}

scalar!(Dependency, { "type": "string", "minLength": 1, "maxLength": 255 });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_makes_it_a_unit_of_the_host() {
        assert!(matches!("db".parse().unwrap(), Dependency::Container(_)));
        for unit in ["network-online.target", "srv-data.mount", "getty@tty1.service", r"dev-disk\x2dx.device"] {
            assert_eq!(unit.parse::<Dependency>().unwrap(), Dependency::Unit(unit.to_owned()));
        }
        for bad in [
            "",
            ".",
            ".service",
            "a.b",
            "x y.service",
            "a\n.service",
            "x@.service",
            "soute@db.service",
            "DB",
            "soute-start@db.service",
            "soute-up@db.target",
        ] {
            assert!(bad.parse::<Dependency>().is_err(), "{bad:?} was taken");
        }
    }
}
