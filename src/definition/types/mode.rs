//! File modes.

use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, scalar};

/// Permission bits, written as an octal string: `"0022"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mode(pub u32);

impl Scalar for Mode {
    const EXPECTED: &'static str = "an octal string such as \"0022\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let octal = (1..=4).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'7'));
        octal
            .then(|| u32::from_str_radix(text, 8).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED)))
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Err(Refused::new(format!("{value} is a number, expected {}", Self::EXPECTED))
            .help("put quotes around the octal digits"))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

scalar!(Mode, { "type": "string", "pattern": "^[0-7]{1,4}$" });
