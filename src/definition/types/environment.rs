//! The payload's environment.

use std::fmt;

use super::scalar::{Refused, Scalar, scalar};
use super::{HostPath, escaped};

/// The name of a variable: letters, digits, "_", and "." and "-", which shells do not take but some programs ask for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentName(String);

/// These tell a program how systemd started it; another value makes it talk to what is not there.
const OURS: [&str; 7] = [
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "CREDENTIALS_DIRECTORY",
];

impl EnvironmentName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for EnvironmentName {
    const EXPECTED: &'static str = "the name of an environment variable";

    fn text(text: &str) -> Result<Self, Refused> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        match begins && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
            true if OURS.contains(&text) => Err(Refused::new(format!("{text} is set by what starts the payload"))),
            true => Ok(Self(text.to_owned())),
            false => Err(Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED))
                .help("names have letters, digits, \"_\", \".\" and \"-\" and begin with a letter or \"_\"")),
        }
    }
}

impl std::borrow::Borrow<str> for EnvironmentName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

scalar!(EnvironmentName, { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.-]*$" });

/// A file of `KEY=value` lines; with a leading "-" it may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EnvironmentFile {
    /// Where it is.
    pub path: HostPath,
    /// Whether it may be missing.
    pub optional: bool,
}

impl Scalar for EnvironmentFile {
    const EXPECTED: &'static str = HostPath::EXPECTED;

    fn text(text: &str) -> Result<Self, Refused> {
        let path = text.strip_prefix('-');
        Ok(Self { path: HostPath::text(path.unwrap_or(text))?, optional: path.is_some() })
    }
}

impl fmt::Display for EnvironmentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.optional { "-" } else { "" }, self.path)
    }
}

scalar!(EnvironmentFile, { "type": "string", "pattern": "^-?(/|\\./)" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables() {
        for good in ["LANG", "_x", "a1"] {
            assert!(good.parse::<EnvironmentName>().is_ok());
        }
        for bad in ["", "1a", "A=B", "A B", "-A", "A\n", "NOTIFY_SOCKET", "é"] {
            assert!(bad.parse::<EnvironmentName>().is_err(), "{bad:?} was taken");
        }
        let file: EnvironmentFile = "-/etc/default/web".parse().unwrap();
        assert_eq!((file.path.as_str(), file.optional), ("/etc/default/web", true));
    }
}
