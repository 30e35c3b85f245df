//! Time spans as systemd.time(7) spells them, less what is ambiguous.

use std::fmt;
use std::time::Duration;

use super::escaped;
use super::scalar::{Refused, Scalar, number_and_unit, scalar, scaled};

/// A time span: `"1min 30s"`, `"500ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub Duration);

const SPELLINGS: [(&[&str], u64); 7] = [
    (&["w", "week", "weeks"], 604_800_000_000),
    (&["d", "day", "days"], 86_400_000_000),
    (&["h", "hr", "hour", "hours"], 3_600_000_000),
    (&["min", "m", "minute", "minutes"], 60_000_000),
    (&["s", "sec", "second", "seconds"], 1_000_000),
    (&["ms", "msec"], 1_000),
    (&["us", "usec", "µs", "μs"], 1),
];

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Microseconds, what D-Bus carries.
    pub fn micros(self) -> u64 {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX)
    }
}

impl Scalar for Span {
    const EXPECTED: &'static str = "a time such as \"1min 30s\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let refused = || Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        let mut rest = text.trim_matches(' ');
        let mut total = 0u64;
        if rest.is_empty() {
            return Err(refused());
        }
        while !rest.is_empty() {
            let (number, tail) = number_and_unit(rest);
            let tail = tail.trim_start_matches(' ');
            let end = tail.find(|c: char| c == ' ' || c.is_ascii_digit()).unwrap_or(tail.len());
            let micros = scaled(number, unit(number, &tail[..end])?).ok_or_else(refused)?;
            // u64::MAX means infinity on D-Bus.
            total = total.checked_add(micros).filter(|&total| total < u64::MAX).ok_or_else(refused)?;
            rest = tail[end..].trim_start_matches(' ');
        }
        Ok(Self(Duration::from_micros(total)))
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Err(Refused::new(format!("{value} is a number, expected a time with its unit"))
            .help(format!("write \"{value}s\" for seconds")))
    }

    fn number(value: f64) -> Result<Self, Refused> {
        Err(Refused::new(format!("{value} is a number, expected a time with its unit"))
            .help(format!("write \"{value}s\" for seconds")))
    }
}

fn unit(number: &str, unit: &str) -> Result<u64, Refused> {
    if let Some((_, micros)) = SPELLINGS.iter().find(|(names, _)| names.contains(&unit)) {
        return Ok(*micros);
    }
    let unit = escaped(unit);
    Err(match &*unit {
        "" => Refused::new(format!("\"{number}\" is a time without a unit")).help(format!("write \"{number}s\"")),
        "M" | "month" | "months" | "y" | "year" | "years" => {
            Refused::new(format!("a \"{unit}\" has no fixed length")).help("write days, such as \"30d\"")
        }
        _ => Refused::new(format!("\"{unit}\" is not a unit of time")).help("units are us, ms, s, min, h, d and w"),
    })
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.micros();
        if rest == 0 {
            return f.write_str("0s");
        }
        let mut space = "";
        for (names, micros) in SPELLINGS {
            if rest >= micros {
                write!(f, "{space}{}{}", rest / micros, names[0])?;
                rest %= micros;
                space = " ";
            }
        }
        Ok(())
    }
}

scalar!(Span, { "type": "string", "pattern": "^( *[0-9]+(\\.[0-9]+)? *[a-zµμ]+)+ *$" });

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn systemds_spellings() {
        for (text, micros, shown) in [
            ("1min 30s", 90_000_000, "1min 30s"),
            ("90s", 90_000_000, "1min 30s"),
            ("1h30min", 5_400_000_000, "1h 30min"),
            ("1.5s", 1_500_000, "1s 500ms"),
            ("2 weeks", 1_209_600_000_000, "2w"),
            ("500us", 500, "500us"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.micros(), &*span.to_string()), (micros, shown));
        }
    }

    #[test]
    fn what_is_ambiguous_is_refused_with_what_to_write() {
        for (text, help) in [("30", "write \"30s\""), ("1month", "write days, such as \"30d\"")] {
            assert_eq!(text.parse::<Span>().unwrap_err().help.unwrap(), help);
        }
        for bad in ["", " ", "s", "-1s", "+1s", "1s 2", "1M", "1y", "1x", "999999999999w", "1e3s", "infinity"] {
            assert!(bad.parse::<Span>().is_err(), "{bad:?} was taken");
        }
    }
}
