//! Names of credentials, as systemd takes them.

use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, scalar};

/// The name of a credential: a file name below /run/credentials, such as "db-password".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialName(String);

impl CredentialName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for CredentialName {
    const EXPECTED: &'static str = "a name of letters, digits, \"-\", \"_\" and \".\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match (1..=255).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(plain) {
            true => Ok(Self(text.to_owned())),
            false => Err(Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED))),
        }
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

scalar!(CredentialName, { "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$" });

#[cfg(test)]
mod tests {
    use super::CredentialName;

    #[test]
    fn what_a_unit_or_a_path_would_read_otherwise_is_refused() {
        assert!("db-password_1.key".parse::<CredentialName>().is_ok());
        for bad in ["", ".", "..", ".x", "a/b", "a:b", "a b", "%n", "a\nb", "é"] {
            assert!(bad.parse::<CredentialName>().is_err(), "{bad:?} was taken");
        }
    }
}
