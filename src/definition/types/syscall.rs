//! System calls by name.

use crate::definition::suggest::distance;
use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, scalar};
use crate::seccomp::names;

/// The name of a system call of any architecture: `"mbind"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Syscall(&'static str);

impl Syscall {
    /// The name as text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl Scalar for Syscall {
    const EXPECTED: &'static str = "a system call such as \"mbind\"";

    fn text(text: &str) -> Result<Self, Refused> {
        if let Some(known) = names().find(|known| *known == text) {
            return Ok(Self(known));
        }
        let refused = Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        let distances = names().map(|known| (distance(known, text), known));
        Err(match distances.min() {
            Some((distance, near)) if distance <= 2 && text.len() > 3 => {
                refused.help(format!("did you mean \"{near}\"?"))
            }
            _ => refused,
        })
    }
}

impl fmt::Display for Syscall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

scalar!(Syscall, { "type": "string", "pattern": "^[a-z_][a-z0-9_]*$" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_of_the_kernels() {
        assert_eq!("mbind".parse::<Syscall>().unwrap().as_str(), "mbind");
        assert_eq!("key_ctl".parse::<Syscall>().unwrap_err().help.unwrap(), "did you mean \"keyctl\"?");
        for bad in ["", "#", "@mount", "MBIND", "mb", "mbind "] {
            assert!(bad.parse::<Syscall>().is_err(), "{bad:?} was taken");
        }
    }
}
