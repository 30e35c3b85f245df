//! Names of containers, images and volumes.

use std::fmt;
use std::ops::Deref;

use super::scalar::{Refused, Scalar, scalar};

/// `[a-z0-9][a-z0-9-]{0,39}`, no "--", no final "-", not "all" or "default". So short and plain that it is a unit's
/// instance, a file name and a host name without any escaping, which could make two names collide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

const LONGEST: usize = 40;

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn broken_rule(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    match bytes {
        [] => Some("a name cannot be empty"),
        _ if bytes.len() > LONGEST => Some("a name has at most 40 characters"),
        _ if !bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) => {
            Some("a name has only a-z, 0-9 and \"-\"")
        }
        [b'-', ..] | [.., b'-'] => Some("a name neither begins nor ends with \"-\""),
        _ if text.contains("--") => Some("a name has no \"--\""),
        b"all" | b"default" => Some("\"all\" and \"default\" are not names"),
        _ => None,
    }
}

impl Scalar for Name {
    const EXPECTED: &'static str = "a name";

    fn text(text: &str) -> Result<Self, Refused> {
        match broken_rule(text) {
            None => Ok(Self(text.to_owned())),
            Some(rule) => {
                let shown: String = super::escaped(text).chars().take(60).collect();
                Err(Refused::new(format!("bad name \"{shown}\": {rule}")))
            }
        }
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<std::path::Path> for Name {
    fn as_ref(&self) -> &std::path::Path {
        self.0.as_ref()
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

scalar!(Name, { "type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 40 });

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn the_rule_holds_at_its_edges() {
        for good in ["a", "0", "web-1", "a1-b2-c3", &"x".repeat(40)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        let bad = ["", ".", "..", "a/b", "-x", "x-", "a--b", "Web", "ä", "all", "default", "a b", "a\n", "a.service"];
        for bad in bad.into_iter().chain([&*"x".repeat(41)]) {
            assert!(bad.parse::<Name>().is_err(), "{bad:?} was taken");
        }
    }
}
