//! Sizes in bytes, with binary units as systemd and podman read them.

use std::fmt;

use super::scalar::{Refused, Scalar, number_and_unit, scalar, scaled};

/// A number of bytes: `"256M"` is 256 MiB, an integer is bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 4] = [("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];

impl Scalar for ByteSize {
    const EXPECTED: &'static str = "a size such as \"256M\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let (number, unit) = number_and_unit(text);
        let letter = unit.strip_suffix("iB").unwrap_or(unit);
        let factor = match letter {
            "" if unit.is_empty() => 1,
            "B" => 1,
            _ => match UNITS.iter().find(|(name, _)| *name == letter) {
                Some((_, factor)) => *factor,
                None => return Err(unknown_unit(text, number, unit)),
            },
        };
        scaled(number, factor)
            .map(Self)
            .ok_or_else(|| Refused::new(format!("\"{}\" is not {}", super::escaped(text), Self::EXPECTED)))
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        u64::try_from(value).map(Self).map_err(|_| Refused::new(format!("a size cannot be negative: {value}")))
    }
}

fn unknown_unit(text: &str, number: &str, unit: &str) -> Refused {
    let text = super::escaped(text);
    let first: String = unit.chars().take(1).flat_map(char::to_uppercase).collect();
    let known = UNITS.iter().any(|(name, _)| *name == first) && !number.is_empty();
    match unit.to_ascii_uppercase().as_str() {
        "KB" | "MB" | "GB" | "TB" => Refused::new(format!("\"{text}\" could mean powers of 1000 or of 1024"))
            .help(format!("write \"{number}{first}\" for {number} {first}iB")),
        _ if known => Refused::new(format!("\"{text}\" is not a size")).help(format!("write \"{number}{first}\"")),
        _ => Refused::new(format!("\"{text}\" is not a size")).help("units are K, M, G and T, such as \"256M\""),
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

scalar!(ByteSize, {
    "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?([KMGT](iB)?|B)?$" }]
});

#[cfg(test)]
mod tests {
    use super::ByteSize;

    #[test]
    fn binary_units_and_back() {
        for (text, bytes, shown) in [
            ("256M", 256 << 20, "256M"),
            ("1.5G", 3 << 29, "1536M"),
            ("64KiB", 65536, "64K"),
            ("100", 100, "100"),
            ("0", 0, "0"),
            ("512B", 512, "512"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.0, &*size.to_string()), (bytes, shown));
        }
        for bad in ["", "M", "-1", "+1", "1 M", "0.0001K", "99999999T", "1e3", "1.2.3M", "18446744073709551616"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn ambiguous_units_are_refused_with_what_to_write() {
        for (text, help) in [("256MB", "write \"256M\" for 256 MiB"), ("2g", "write \"2G\"")] {
            assert_eq!(text.parse::<ByteSize>().unwrap_err().help.unwrap(), help);
        }
    }
}
