//! Numbers of VLANs.

use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, digits, scalar};

/// IEEE 802.1Q: 12 bits, of which 0 is no VLAN and 4095 is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vlan(pub u16);

impl Scalar for Vlan {
    const EXPECTED: &'static str = "the number of a VLAN, from 1 to 4094";

    fn text(text: &str) -> Result<Self, Refused> {
        let number = digits(text).filter(|number| (1..=4094).contains(number));
        let number = number.and_then(|number| u16::try_from(number).ok());
        number.map(Self).ok_or_else(|| Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED)))
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Self::text(&value.to_string()).map_err(|_| Refused::new(format!("{value} is not {}", Self::EXPECTED)))
    }
}

impl fmt::Display for Vlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

scalar!(Vlan, { "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 4094 }, { "type": "string", "pattern": "^[0-9]{1,4}$" }] });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_none_nor_the_reserved_one() {
        assert_eq!("4094".parse::<Vlan>(), Ok(Vlan(4094)));
        for bad in ["0", "4095", "65556", "-1", "", "a"] {
            assert!(bad.parse::<Vlan>().is_err(), "{bad:?} was taken");
        }
    }
}
