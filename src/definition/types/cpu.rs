//! CPU time, sets of CPUs, and weights.

use std::collections::BTreeSet;
use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, digits, scalar, scaled};

/// CPU time in hundredths of one CPU: `1.5` is 150.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus(pub u32);

impl Scalar for Cpus {
    const EXPECTED: &'static str = "a number of CPUs such as 1.5";

    fn text(text: &str) -> Result<Self, Refused> {
        match scaled(text, 100).and_then(|hundredths| u32::try_from(hundredths).ok()) {
            Some(0) => Err(Refused::new("a container needs more than 0 CPUs")),
            Some(hundredths) => Ok(Self(hundredths)),
            None => Err(Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED))
                .help("CPUs have at most two decimals")),
        }
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Self::text(&value.to_string())
    }

    fn number(value: f64) -> Result<Self, Refused> {
        // The shortest text that reads back as the same number is what the user wrote.
        Self::text(&value.to_string())
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}"),
        }
    }
}

scalar!(Cpus, { "type": "number", "exclusiveMinimum": 0 });

/// CPUs by number: `"0-1,4"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CpuSet(BTreeSet<u16>);

/// The kernel's largest NR_CPUS.
const MOST_CPUS: u64 = 8192;

impl CpuSet {
    /// The CPUs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied()
    }

    /// AllowedCPUs= on D-Bus: a bit mask, little endian, `[3]` for CPUs 0 and 1.
    pub fn to_mask(&self) -> Vec<u8> {
        let mut mask = vec![0u8; self.0.last().map_or(0, |last| usize::from(*last) / 8 + 1)];
        for cpu in &self.0 {
            mask[usize::from(*cpu) / 8] |= 1 << (cpu % 8);
        }
        mask
    }
}

impl Scalar for CpuSet {
    const EXPECTED: &'static str = "CPU numbers such as \"0-1,4\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let refused = || Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        let cpu = |text: &str| digits(text).filter(|&cpu| cpu < MOST_CPUS).and_then(|cpu| u16::try_from(cpu).ok());
        let mut cpus = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = cpu(first).zip(cpu(last)).ok_or_else(refused)?;
            if first > last {
                return Err(refused().help(format!("write \"{last}-{first}\"")));
            }
            cpus.extend(first..=last);
        }
        Ok(Self(cpus))
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Self::text(&value.to_string())
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.0.iter().copied().peekable();
        let mut comma = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if(|next| *next == last + 1) {
                last = next;
            }
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

scalar!(CpuSet, { "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$" }] });

/// CPUWeight=: 1 to 10000, or only when nothing else wants the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CpuWeight {
    /// SCHED_IDLE for the whole cgroup.
    Idle,
    /// 1 to 10000.
    Weight(u64),
}

/// IOWeight=: 1 to 10000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(pub u64);

impl Scalar for Weight {
    const EXPECTED: &'static str = "a weight from 1 to 10000";

    fn text(text: &str) -> Result<Self, Refused> {
        digits(text)
            .filter(|weight| (1..=10000).contains(weight))
            .map(Self)
            .ok_or_else(|| Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED)))
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Self::text(&value.to_string()).map_err(|_| Refused::new(format!("{value} is not {}", Self::EXPECTED)))
    }
}

impl Scalar for CpuWeight {
    const EXPECTED: &'static str = "a weight from 1 to 10000, or \"idle\"";

    fn text(text: &str) -> Result<Self, Refused> {
        if text == "idle" { Ok(Self::Idle) } else { Weight::text(text).map(|weight| Self::Weight(weight.0)) }
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Weight::integer(value).map(|weight| Self::Weight(weight.0))
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CpuWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("idle"),
            Self::Weight(weight) => weight.fmt(f),
        }
    }
}

scalar!(Weight, { "type": "integer", "minimum": 1, "maximum": 10000 });
scalar!(CpuWeight, { "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 10000 }, { "const": "idle" }] });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundredths_of_a_cpu() {
        for (text, hundredths) in [("1.5", 150), ("2", 200), ("0.25", 25), ("0.01", 1), ("10.1", 1010)] {
            let cpus: Cpus = text.parse().unwrap();
            assert_eq!((cpus.0, &*cpus.to_string()), (hundredths, text));
        }
        assert_eq!(Cpus::number(0.07).unwrap().0, 7);
        for bad in ["0", "0.00", "-1", "1.555", "", ".5", "1.", "nan", "inf", "99999999999"] {
            assert!(bad.parse::<Cpus>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn sets_become_masks() {
        let set: CpuSet = "0-1,9".parse().unwrap();
        assert_eq!(set.to_mask(), [3, 2]);
        assert_eq!("4,0,1,2,9".parse::<CpuSet>().unwrap().to_string(), "0-2,4,9");
        for bad in ["", "-", "1-", "3-1", "0,", "a", "8192", "0 1"] {
            assert!(bad.parse::<CpuSet>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn weights() {
        assert_eq!("idle".parse::<CpuWeight>().unwrap(), CpuWeight::Idle);
        for bad in ["0", "10001", "-1", "Idle"] {
            assert!(bad.parse::<CpuWeight>().is_err(), "{bad:?} was taken");
        }
    }
}
