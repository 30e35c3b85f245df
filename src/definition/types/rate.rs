//! Bytes per second with the unit spelled out, and events per time.

use std::fmt;

use super::scalar::{Refused, Scalar, digits, number_and_unit, scalar, scaled};
use super::{Span, escaped};

/// Bytes per second: `"50MB/s"`, `"50MiB/s"`, `"100Mbit/s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub u64);

/// Units in bits, largest first and decimal before binary, so that the first that fits is the one to print.
const UNITS: [(&str, u64); 11] = [
    ("GB/s", 8_000_000_000),
    ("GiB/s", 8 << 30),
    ("MB/s", 8_000_000),
    ("MiB/s", 8 << 20),
    ("kB/s", 8_000),
    ("KiB/s", 8 << 10),
    ("B/s", 8),
    ("Gbit/s", 1_000_000_000),
    ("Mbit/s", 1_000_000),
    ("kbit/s", 1_000),
    ("bit/s", 1),
];

impl Scalar for Rate {
    const EXPECTED: &'static str = "a rate such as \"50MB/s\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let (number, unit) = number_and_unit(text);
        let unit = match unit {
            "KB/s" => "kB/s",
            "Kbit/s" => "kbit/s",
            unit => unit,
        };
        let refused = || Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        let help = |number: &str, letter: &str| format!("spell the unit out, such as \"{number}{letter}B/s\"");
        let Some((_, bits)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            let letter = unit.chars().next().filter(|c| "kKMG".contains(*c)).unwrap_or('M').to_string();
            return Err(refused().help(help(if number.is_empty() { "50" } else { number }, &letter)));
        };
        match scaled(number, *bits) {
            Some(0..=7) => Err(Refused::new("a rate of less than a byte per second would stop everything")),
            Some(bits) => Ok(Self(bits / 8)),
            None => Err(refused()),
        }
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Err(Refused::new(format!("{value} is a number, expected a rate with its unit"))
            .help(format!("write \"{value}B/s\" for bytes per second")))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, bytes) = UNITS[..7]
            .iter()
            .map(|(unit, bits)| (unit, bits / 8))
            .find(|(_, bytes)| self.0.is_multiple_of(*bytes))
            .unwrap_or((&"B/s", 1));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

scalar!(Rate, { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?([kKMG]i?B|B|[kKMG]?bit)/s$" });

/// So many within so long: `"10000/30s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateLimit {
    /// How many.
    pub burst: u32,
    /// Within which time.
    pub interval: Span,
}

impl Scalar for RateLimit {
    const EXPECTED: &'static str = "a rate limit such as \"10000/30s\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let refused = || Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        let (burst, interval) = text.split_once('/').ok_or_else(refused)?;
        let burst = digits(burst).and_then(|burst| u32::try_from(burst).ok()).ok_or_else(refused)?;
        Ok(Self { burst, interval: Span::text(interval)? })
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.burst, self.interval)
    }
}

scalar!(RateLimit, { "type": "string", "pattern": "^[0-9]+/.+$" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_spelled_out() {
        for (text, bytes, shown) in [
            ("50MB/s", 50_000_000, "50MB/s"),
            ("50MiB/s", 50 << 20, "50MiB/s"),
            ("100Mbit/s", 12_500_000, "12500kB/s"),
            ("1.5kB/s", 1500, "1500B/s"),
            ("9bit/s", 1, "1B/s"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.0, &*rate.to_string()), (bytes, shown));
        }
        for bad in ["50M", "50", "50MB", "MB/s", "0B/s", "7bit/s", "-1MB/s", "50mb/s"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad:?} was taken");
        }
        assert_eq!("50M".parse::<Rate>().unwrap_err().help.unwrap(), "spell the unit out, such as \"50MB/s\"");
    }

    #[test]
    fn rate_limits() {
        assert_eq!("10000/30s".parse::<RateLimit>().unwrap().to_string(), "10000/30s");
        for bad in ["10000", "/30s", "1/", "1/30", "-1/30s"] {
            assert!(bad.parse::<RateLimit>().is_err(), "{bad:?} was taken");
        }
    }
}
