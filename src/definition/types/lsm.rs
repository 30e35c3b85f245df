//! Names that a security module of the kernel gives to what a process may do.

use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, scalar};

/// An AppArmor profile or a SELinux context.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LsmLabel(String);

impl LsmLabel {
    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for LsmLabel {
    const EXPECTED: &'static str = "the name of an AppArmor profile or a SELinux context";

    fn text(text: &str) -> Result<Self, Refused> {
        // It is written to a file of the kernel whole, after a word and a blank.
        let plain = |byte: u8| byte.is_ascii_graphic();
        match text.len() {
            1..=1024 if text.bytes().all(plain) => Ok(Self(text.to_owned())),
            _ => Err(Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED))),
        }
    }
}

impl fmt::Display for LsmLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

scalar!(LsmLabel, { "type": "string", "pattern": "^[!-~]{1,1024}$" });
