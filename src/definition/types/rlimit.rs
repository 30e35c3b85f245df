//! Resource limits of processes, setrlimit(2).

use crate::definition::suggest::distance;
use std::fmt;

use super::scalar::{Refused, Scalar, scalar};
use super::{ByteSize, Limit, escaped};

/// systemd's Limit*= names, in small letters.
const NAMES: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// The name of a resource: `"core"` for LimitCORE=.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RlimitName(&'static str);

impl RlimitName {
    /// As in the definition: "nofile".
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// As in a unit: "LimitNOFILE".
    pub fn directive(self) -> String {
        format!("Limit{}", self.0.to_ascii_uppercase())
    }
}

impl Scalar for RlimitName {
    const EXPECTED: &'static str = "the name of a resource such as \"nofile\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let bare = text.to_ascii_lowercase();
        let bare = bare.strip_prefix("rlimit_").or_else(|| bare.strip_prefix("limit")).unwrap_or(&bare);
        match NAMES.iter().find(|name| **name == text) {
            Some(name) => Ok(Self(name)),
            None => {
                let refused = Refused::new(format!("\"{}\" is not the name of a resource limit", escaped(text)));
                let near = NAMES.iter().find(|name| distance(name, bare) <= 1);
                Err(match near {
                    Some(near) => refused.help(format!("did you mean \"{near}\"?")),
                    None => refused.help(format!("the names are {}", NAMES.join(", "))),
                })
            }
        }
    }
}

impl fmt::Display for RlimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

scalar!(RlimitName, {
    "enum": ["as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
             "rtprio", "rttime", "sigpending", "stack"]
});

/// A soft and a hard limit: `1024`, `"64M"`, `"1024:4096"`, `"infinity"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rlimit {
    /// What applies.
    pub soft: Limit<u64>,
    /// What the process may raise it to.
    pub hard: Limit<u64>,
}

fn half(text: &str) -> Result<Limit<u64>, Refused> {
    Ok(match Limit::<ByteSize>::text(text)? {
        Limit::Value(size) => Limit::Value(size.0),
        Limit::Infinity => Limit::Infinity,
    })
}

impl Scalar for Rlimit {
    const EXPECTED: &'static str = "a limit such as 1024, \"64M\", \"soft:hard\" or \"infinity\"";

    fn text(text: &str) -> Result<Self, Refused> {
        let (soft, hard) = text.split_once(':').unwrap_or((text, text));
        let (soft, hard) = (half(soft)?, half(hard)?);
        match soft.value().unwrap_or(u64::MAX) > hard.value().unwrap_or(u64::MAX) {
            true => Err(Refused::new(format!("the soft limit {soft} is above the hard limit {hard}"))),
            false => Ok(Self { soft, hard }),
        }
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        let value = Limit::Value(u64::integer(value)?);
        Ok(Self { soft: value, hard: value })
    }
}

impl fmt::Display for Rlimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.soft.fmt(f)?;
        if self.soft == self.hard { Ok(()) } else { write!(f, ":{}", self.hard) }
    }
}

scalar!(Rlimit, { "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string" }] });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_and_hard() {
        for text in ["0", "1024", "1024:4096", "infinity", "1024:infinity"] {
            assert_eq!(text.parse::<Rlimit>().unwrap().to_string(), text);
        }
        assert_eq!("64K".parse::<Rlimit>().unwrap().soft, Limit::Value(65536));
        for bad in ["", ":", "1:", "2:1", "infinity:1", "-1", "1:2:3"] {
            assert!(bad.parse::<Rlimit>().is_err(), "{bad:?} was taken");
        }
        assert_eq!("RLIMIT_NOFILE".parse::<RlimitName>().unwrap_err().help.unwrap(), "did you mean \"nofile\"?");
        assert_eq!("nofile".parse::<RlimitName>().unwrap().directive(), "LimitNOFILE");
    }
}
