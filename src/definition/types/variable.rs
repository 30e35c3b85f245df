//! Variables of a definition.

use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, scalar};

/// The name of a variable: what `${name}` names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariableName(String);

impl VariableName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for VariableName {
    const EXPECTED: &'static str = "the name of a variable";

    fn text(text: &str) -> Result<Self, Refused> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        match begins
            && text.len() <= 64
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        {
            true => Ok(Self(text.to_owned())),
            false => Err(Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED)).help(
                "names have letters, digits, \"_\" and \"-\", begin with a letter or \"_\", and have at most 64 bytes",
            )),
        }
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

scalar!(VariableName, { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,63}$" });
