//! Signals and exit statuses.

use std::fmt;

use super::escaped;
use super::scalar::{Refused, Scalar, digits, scalar};

/// A signal, by name (`"SIGTERM"`, `"TERM"`, `"SIGRTMIN+3"`) or by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(pub i32);

/// The names of 1 to 31, the same on every architecture that systemd 252 runs on but alpha, mips and sparc.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// What userspace calls SIGRTMIN: the C libraries keep 32 and 33 to themselves.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

impl Signal {
    /// SIGTERM.
    pub const TERM: Self = Self(15);
    /// SIGKILL.
    pub const KILL: Self = Self(9);
    /// SIGRTMIN+3, what systemd as PID 1 takes for "shut down".
    pub const HALT: Self = Self(RTMIN + 3);
}

fn by_name(name: &str) -> Option<i32> {
    let name = name.strip_prefix("SIG").unwrap_or(name);
    let offset = |text: &str| digits(text).and_then(|offset| i32::try_from(offset).ok());
    match name {
        "RTMIN" => return Some(RTMIN),
        "RTMAX" => return Some(RTMAX),
        "POLL" => return by_name("IO"),
        "IOT" => return by_name("ABRT"),
        _ => {}
    }
    if let Some(text) = name.strip_prefix("RTMIN+") {
        return offset(text)?.checked_add(RTMIN).filter(|&signal| signal <= RTMAX);
    }
    if let Some(text) = name.strip_prefix("RTMAX-") {
        return RTMAX.checked_sub(offset(text)?).filter(|&signal| signal >= RTMIN);
    }
    let index = NAMES.iter().position(|known| *known == name)?;
    i32::try_from(index + 1).ok()
}

fn by_number(number: u64) -> Option<i32> {
    i32::try_from(number).ok().filter(|signal| (1..=31).contains(signal) || (RTMIN..=RTMAX).contains(signal))
}

impl Scalar for Signal {
    const EXPECTED: &'static str = "a signal such as \"SIGTERM\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let refused = || Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED));
        match digits(text) {
            Some(number) => by_number(number).map(Self).ok_or_else(refused),
            None => by_name(text).map(Self).ok_or_else(|| match by_name(&text.to_ascii_uppercase()) {
                Some(signal) => refused().help(format!("write \"{}\"", Self(signal))),
                None => refused(),
            }),
        }
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        let signal = u64::try_from(value).ok().and_then(by_number);
        signal.map(Self).ok_or_else(|| Refused::new(format!("{value} is not the number of a signal")))
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            RTMIN => f.write_str("SIGRTMIN"),
            RTMAX => f.write_str("SIGRTMAX"),
            signal if signal > RTMIN => write!(f, "SIGRTMIN+{}", signal - RTMIN),
            signal => match usize::try_from(signal - 1).ok().and_then(|index| NAMES.get(index)) {
                Some(name) => write!(f, "SIG{name}"),
                None => write!(f, "{signal}"),
            },
        }
    }
}

scalar!(Signal, {
    "anyOf": [
        { "type": "integer", "minimum": 1, "maximum": 64 },
        { "type": "string", "pattern": "^((SIG)?[A-Z]+[12]?|(SIG)?RT(MIN\\+|MAX-)[0-9]+|[0-9]+)$" }
    ]
});

/// How a process may end: a status, or a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExitStatus {
    /// exit(2)'s status.
    Code(u8),
    /// Killed by it.
    Signal(Signal),
}

impl Scalar for ExitStatus {
    const EXPECTED: &'static str = "an exit status from 0 to 255, or a signal such as \"SIGTERM\"";

    fn text(text: &str) -> Result<Self, Refused> {
        match digits(text) {
            Some(code) => Self::integer(i64::try_from(code).unwrap_or(i64::MAX)),
            None => Signal::text(text).map(Self::Signal),
        }
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        u8::try_from(value).map(Self::Code).map_err(|_| Refused::new(format!("{value} is not {}", Self::EXPECTED)))
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => code.fmt(f),
            Self::Signal(signal) => signal.fmt(f),
        }
    }
}

scalar!(ExitStatus, { "anyOf": [{ "type": "integer", "minimum": 0, "maximum": 255 }, { "type": "string" }] });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number, shown) in [
            ("SIGTERM", 15, "SIGTERM"),
            ("HUP", 1, "SIGHUP"),
            ("9", 9, "SIGKILL"),
            ("SIGRTMIN+3", 37, "SIGRTMIN+3"),
            ("RTMAX-1", 63, "SIGRTMIN+29"),
            ("SIGSYS", 31, "SIGSYS"),
            ("64", 64, "SIGRTMAX"),
        ] {
            let signal: Signal = text.parse().unwrap();
            assert_eq!((signal.0, &*signal.to_string()), (number, shown));
        }
        for bad in ["", "SIG", "0", "32", "33", "65", "-1", "SIGFOO", "RTMIN+31", "RTMIN+", "RTMAX-31", "SIGTERM "] {
            assert!(bad.parse::<Signal>().is_err(), "{bad:?} was taken");
        }
        assert_eq!("sigterm".parse::<Signal>().unwrap_err().help.unwrap(), "write \"SIGTERM\"");
    }

    #[test]
    fn statuses() {
        assert_eq!("143".parse::<ExitStatus>().unwrap(), ExitStatus::Code(143));
        assert_eq!("SIGTERM".parse::<ExitStatus>().unwrap(), ExitStatus::Signal(Signal::TERM));
        assert!("256".parse::<ExitStatus>().is_err());
    }
}
