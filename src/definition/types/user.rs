//! Users and groups of the container, by name or number; resolved in the image, much later.

use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, digits, scalar};

/// A user or a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// A number, taken as it is.
    Id(u32),
    /// A name, to be looked up.
    Name(String),
}

/// Who the payload runs as: `"www-data"`, `"1000"`, `"www-data:www-data"`, `"1000:1000"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserSpec {
    /// The user.
    pub user: Account,
    /// The group, if it is not the user's own.
    pub group: Option<Account>,
}

/// Larger ids have become 0 in other runtimes (CVE-2024-40635); the kernel itself keeps 4294967295 for "none".
const LARGEST_ID: u64 = i32::MAX as u64;

impl Scalar for Account {
    const EXPECTED: &'static str = "a name or a number";

    fn text(text: &str) -> Result<Self, Refused> {
        if let Some(first) = text.bytes().next()
            && first.is_ascii_digit()
        {
            return match digits(text).filter(|&id| id <= LARGEST_ID && (text == "0" || !text.starts_with('0'))) {
                Some(id) => Ok(Self::Id(u32::try_from(id).unwrap_or(u32::MAX))),
                None => Err(Refused::new(format!("\"{}\" is no id from 0 to {LARGEST_ID}", escaped(text)))),
            };
        }
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        // "$" ends the names of machine accounts.
        let body = text.strip_suffix('$').unwrap_or(text);
        match begins && text.len() <= 255 && body.bytes().all(legal) {
            true => Ok(Self::Name(text.to_owned())),
            false => Err(Refused::new(format!("\"{}\" is not the name of a user or group", escaped(text)))),
        }
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Self::text(&value.to_string())
    }
}

impl Scalar for UserSpec {
    const EXPECTED: &'static str = "a user such as \"www-data\", \"1000\" or \"user:group\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        Ok(Self { user: Account::text(user)?, group: group.map(Account::text).transpose()? })
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Self::text(&value.to_string())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for UserSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.user.fmt(f)?;
        self.group.as_ref().map_or(Ok(()), |group| write!(f, ":{group}"))
    }
}

scalar!(Account, { "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "minLength": 1 }] });
scalar!(UserSpec, { "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "minLength": 1 }] });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who() {
        for good in ["root", "0", "1000", "www-data", "1000:1000", "a:0", "_apt:nogroup", "2147483647"] {
            assert_eq!(good.parse::<UserSpec>().unwrap().to_string(), good);
        }
    }

    /// CVE-2026-30892 and CVE-2024-40635: what could not be read ran as root.
    #[test]
    fn what_cannot_be_read_is_never_root() {
        let bad =
            ["", ":", "1000:", ":0", "0x0", "+0", "-1", " 0", "0 ", "00", "4294967295", "4294967296", "2147483648"];
        for bad in bad.into_iter().chain(["18446744073709551616", "1a", "a b", "a:b:c", "a/b", "-a", "ro\not", "٣"]) {
            assert!(bad.parse::<UserSpec>().is_err(), "{bad:?} was taken");
        }
        assert!(UserSpec::integer(-1).is_err());
    }
}
