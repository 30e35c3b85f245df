//! Ethernet addresses.

use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, scalar};

/// A station's address: six bytes, neither all zero nor with the multicast bit, which the kernel refuses too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Scalar for Mac {
    const EXPECTED: &'static str = "a MAC address such as \"02:00:00:00:00:01\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let refused = || Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        let parts: Vec<&str> = text.split(':').collect();
        let mut bytes = [0; 6];
        if parts.len() != bytes.len() {
            return Err(refused());
        }
        for (byte, part) in bytes.iter_mut().zip(parts) {
            let hex = part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = hex.then(|| u8::from_str_radix(part, 16).ok()).flatten().ok_or_else(refused)?;
        }
        match bytes {
            [first, ..] if first & 1 == 1 => Err(Refused::new(format!("{text} has the multicast bit"))
                .help("the first byte must be even; \"02:…\" is a locally administered address")),
            [0, 0, 0, 0, 0, 0] => Err(Refused::new("a MAC address cannot be all zero")),
            _ => Ok(Self(bytes)),
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

scalar!(Mac, { "type": "string", "pattern": "^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$" });

#[cfg(test)]
mod tests {
    use super::Mac;

    #[test]
    fn stations_only() {
        assert_eq!("02:AB:00:00:00:01".parse::<Mac>().unwrap().to_string(), "02:ab:00:00:00:01");
        for bad in
            ["", "01:00:5e:00:00:01", "00:00:00:00:00:00", "2:0:0:0:0:1", "02-00-00-00-00-01", "02:00:00:00:00:+1"]
        {
            assert!(bad.parse::<Mac>().is_err(), "{bad:?} was taken");
        }
    }
}
