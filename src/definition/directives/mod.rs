//! Directives of `[systemd]`: which there are, what property each becomes, and why the others are refused.

mod refused;
mod table;

use super::model::DirectiveValue;
use super::suggest;
use super::types::{ByteSize, Limit, Refused, Scalar, SizeOrShare, Span, Text, Weight, refuse_in_unit};

/// What a value means, which decides its form on D-Bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// b
    Bool,
    /// i
    Int,
    /// u
    Unsigned,
    /// t, a plain number
    Count,
    /// t, bytes
    Size,
    /// t, microseconds
    Time,
    /// t, nanoseconds
    Nanoseconds,
    /// t, 1 to 10000
    Weight,
    /// u, a share of 2^32 - 1
    Share,
    /// i, a syslog level by name
    Level,
    /// i, a syslog facility by name
    Facility,
    /// i, a CPU scheduler by name
    CpuPolicy,
    /// i, an I/O class by name
    IoClass,
    /// i, a NUMA policy by name
    NumaPolicy,
    /// s
    Text,
    /// as
    List,
}

/// A directive that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Directive {
    /// What StartTransientUnit calls it: RestartUSec for RestartSec=.
    pub property: &'static str,
    /// What its value means.
    pub kind: Kind,
    /// The version of systemd that brought it; 0 is 252 or older.
    pub since: u32,
}

/// A value in the type that D-Bus wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyValue {
    /// b
    Bool(bool),
    /// i
    I32(i32),
    /// u
    U32(u32),
    /// t
    U64(u64),
    /// s
    Text(String),
    /// as
    Texts(Vec<String>),
}

/// The directive of that name, if it may be used.
pub fn lookup(name: &str) -> Option<Directive> {
    let row = table::TABLE.iter().find(|row| row.0 == name)?;
    Some(Directive { property: row.1, kind: row.2, since: row.3 })
}

/// The names of all that may be used.
pub fn names() -> impl Iterator<Item = &'static str> {
    table::TABLE.iter().map(|row| row.0)
}

/// The directive that becomes this property, with its name in unit files.
pub fn of_property(property: &str) -> Option<(&'static str, Directive)> {
    lookup_property(property).and_then(|name| Some((name, lookup(name)?)))
}

/// Why `name` may not be used; says what to use.
pub(super) fn refusal(name: &str) -> Refused {
    let refused = || Refused::new(format!("{name}= cannot be set here"));
    if let Some((key, _)) = refused::KEYS.iter().find(|(_, directives)| directives.contains(&name)) {
        return Refused::new(format!("{name}= has a key of its own")).help(format!("use {key}"));
    }
    if let Some(group) = refused::GROUPS.iter().find(|group| group.directives.contains(&name)) {
        return refused().help(group.why);
    }
    if name.starts_with("Condition") || name.starts_with("Assert") {
        return refused().help("use a drop-in in /etc/systemd/system/soute@NAME.service.d/");
    }
    let keys = refused::KEYS.iter().flat_map(|(_, directives)| directives.iter().copied());
    let known = table::TABLE.iter().map(|row| row.0).chain(keys);
    let shown = super::types::escaped(name);
    match (lookup_property(name), suggest::nearest(name, known)) {
        (Some(directive), _) => Refused::new(format!("\"{shown}\" is a name on D-Bus, not in unit files"))
            .help(format!("write {directive}")),
        (None, Some(near)) => {
            Refused::new(format!("unknown directive \"{shown}\"")).help(format!("did you mean \"{near}\"?"))
        }
        (None, None) => Refused::new(format!("unknown directive \"{shown}\""))
            .help("what soute does not know can be in /etc/systemd/system/soute@NAME.service.d/"),
    }
}

fn lookup_property(name: &str) -> Option<&'static str> {
    table::TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
}

const LEVELS: [(&str, i32); 8] =
    [("emerg", 0), ("alert", 1), ("crit", 2), ("err", 3), ("warning", 4), ("notice", 5), ("info", 6), ("debug", 7)];
const FACILITIES: [(&str, i32); 20] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];
const CPU_POLICIES: [(&str, i32); 5] = [("other", 0), ("fifo", 1), ("rr", 2), ("batch", 3), ("idle", 5)];
const IO_CLASSES: [(&str, i32); 4] = [("none", 0), ("realtime", 1), ("best-effort", 2), ("idle", 3)];
const NUMA_POLICIES: [(&str, i32); 5] =
    [("default", 0), ("preferred", 1), ("bind", 2), ("interleave", 3), ("local", 4)];

impl Directive {
    /// The value as this directive's property takes it.
    pub fn value(self, value: &DirectiveValue) -> Result<PropertyValue, Refused> {
        use DirectiveValue as Given;
        self.refuse_out_of_range(value)?;
        match (self.kind, value) {
            (Kind::Bool, Given::Bool(flag)) => Ok(PropertyValue::Bool(*flag)),
            (Kind::Int, Given::Int(number)) => integer(*number).map(PropertyValue::I32),
            (Kind::Unsigned, Given::Int(number)) => integer(*number).map(PropertyValue::U32),
            (Kind::Count, Given::Int(number)) => integer(*number).map(PropertyValue::U64),
            (Kind::Weight, Given::Int(number)) => Weight::integer(*number).map(|weight| PropertyValue::U64(weight.0)),
            (Kind::Size, Given::Int(number)) => ByteSize::integer(*number).map(|size| PropertyValue::U64(size.0)),
            (Kind::Size, Given::Text(text)) => Limit::<ByteSize>::text(text)
                .map(|limit| PropertyValue::U64(limit.value().map_or(u64::MAX, |size| size.0))),
            (Kind::Time, Given::Text(text)) => {
                Limit::<Span>::text(text).map(|limit| PropertyValue::U64(limit.value().map_or(u64::MAX, Span::micros)))
            }
            (Kind::Nanoseconds, Given::Text(text)) => {
                Span::text(text).map(|span| PropertyValue::U64(span.micros().saturating_mul(1000)))
            }
            (Kind::Share, Given::Text(text)) => share(text).map(PropertyValue::U32),
            (Kind::Level, Given::Text(text)) => named(text, &LEVELS),
            (Kind::Facility, Given::Text(text)) => named(text, &FACILITIES),
            (Kind::CpuPolicy, Given::Text(text)) => named(text, &CPU_POLICIES),
            (Kind::IoClass, Given::Text(text)) => named(text, &IO_CLASSES),
            (Kind::NumaPolicy, Given::Text(text)) => named(text, &NUMA_POLICIES),
            (Kind::Text, Given::Text(text)) => one_line(text).map(PropertyValue::Text),
            (Kind::List, Given::Text(text)) => Ok(PropertyValue::Texts(vec![self.word(text)?])),
            (Kind::List, Given::List(list)) => {
                list.iter().map(|text| self.word(text)).collect::<Result<_, _>>().map(PropertyValue::Texts)
            }
            _ => Err(Refused::new(format!("expected {}", self.kind.expected()))),
        }
    }

    /// What systemd would say only at the start, and not where it is written.
    fn refuse_out_of_range(self, value: &DirectiveValue) -> Result<(), Refused> {
        let range = table::RANGES.iter().find(|range| range.0 == self.property);
        let words = table::WORDS.iter().find(|words| words.0 == self.property);
        match (value, range, words) {
            (DirectiveValue::Int(number), Some((_, least, most)), _) if !(least..=most).contains(&number) => {
                Err(Refused::new(format!("{number} is out of range")).help(format!("it is from {least} to {most}")))
            }
            (DirectiveValue::Text(text), _, Some((_, words))) if !words.contains(&text.as_str()) => {
                Err(unknown(text, words))
            }
            _ => Ok(()),
        }
    }

    /// An element of a list. systemd writes it into the transient file as it is, and reads it again at a daemon-reload: by
    /// then a blank divides it, a quote takes the rest of the line, and in URIs and paths a specifier is expanded.
    fn word(self, text: &Text) -> Result<String, Refused> {
        let expanded = matches!(self.property, "Documentation" | "RequiresMountsFor" | "WantsMountsFor");
        let lost = |c: char| c.is_whitespace() || matches!(c, '"' | '\'') || (expanded && matches!(c, '\\' | '%'));
        match text.chars().find(|c| lost(*c)) {
            Some(c) => Err(Refused::new(format!("'{c}' in it would not last: a daemon-reload of systemd changes it"))
                .help("use a drop-in in /etc/systemd/system/soute@NAME.service.d/")),
            None => one_line(text),
        }
    }
}

fn one_line(text: &Text) -> Result<String, Refused> {
    refuse_in_unit(text).map(|()| text.to_string())
}

fn integer<T: TryFrom<i64>>(number: i64) -> Result<T, Refused> {
    T::try_from(number).map_err(|_| Refused::new(format!("{number} is out of range")))
}

fn named(text: &str, names: &[(&str, i32)]) -> Result<PropertyValue, Refused> {
    names.iter().find(|(name, _)| *name == text).map(|(_, number)| PropertyValue::I32(*number)).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        unknown(text, &names)
    })
}

fn unknown(text: &str, names: &[&str]) -> Refused {
    Refused::new(format!("unknown value \"{}\"", super::types::escaped(text)))
        .help(format!("it is one of {}", suggest::listed(names)))
}

/// systemd's UINT32_SCALE_FROM_PERCENT.
fn share(text: &str) -> Result<u32, Refused> {
    match SizeOrShare::text(text) {
        Ok(SizeOrShare::Share(percent)) => Ok((u64::from(percent) * u64::from(u32::MAX)).div_ceil(100) as u32),
        _ => Err(Refused::new("expected a share such as \"60%\"")),
    }
}

impl Kind {
    /// What a unit file calls this number, where D-Bus has numbers for words.
    pub fn word(self, number: i32) -> Option<&'static str> {
        let names: &[(&str, i32)] = match self {
            Self::Level => &LEVELS,
            Self::Facility => &FACILITIES,
            Self::CpuPolicy => &CPU_POLICIES,
            Self::IoClass => &IO_CLASSES,
            Self::NumaPolicy => &NUMA_POLICIES,
            _ => return None,
        };
        names.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int | Self::Unsigned | Self::Count => "a whole number",
            Self::Weight => Weight::EXPECTED,
            Self::Size => ByteSize::EXPECTED,
            Self::Time | Self::Nanoseconds => Span::EXPECTED,
            Self::Share => "a share such as \"60%\"",
            Self::Text | Self::Level | Self::Facility | Self::CpuPolicy | Self::IoClass | Self::NumaPolicy => {
                "a string"
            }
            Self::List => "a list of strings",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_properties_with_their_types() {
        let text = |text: &str| DirectiveValue::Text(text.parse().unwrap());
        for (name, given, property, value) in [
            ("OOMScoreAdjust", DirectiveValue::Int(-500), "OOMScoreAdjust", PropertyValue::I32(-500)),
            ("RuntimeMaxSec", text("1h"), "RuntimeMaxUSec", PropertyValue::U64(3_600_000_000)),
            ("MemoryMin", text("64M"), "MemoryMin", PropertyValue::U64(64 << 20)),
            ("OnFailure", text("mail@%n.service"), "OnFailure", PropertyValue::Texts(vec!["mail@%n.service".into()])),
            ("LogLevelMax", text("info"), "LogLevelMax", PropertyValue::I32(6)),
            (
                "ManagedOOMMemoryPressureLimit",
                text("100%"),
                "ManagedOOMMemoryPressureLimit",
                PropertyValue::U32(u32::MAX),
            ),
        ] {
            let directive = lookup(name).unwrap();
            assert_eq!((directive.property, directive.value(&given).unwrap()), (property, value));
        }
        assert!(lookup("OOMScoreAdjust").unwrap().value(&text("-500")).is_err());
        assert_eq!(lookup("RestartSteps").unwrap().since, 254);
    }

    #[test]
    fn what_has_a_range_or_words_of_its_own_may_be_used() {
        let ranges = table::RANGES.iter().map(|range| (range.0, Kind::Int));
        let words = table::WORDS.iter().map(|words| (words.0, Kind::Text));
        for (property, kind) in ranges.chain(words) {
            assert_eq!(of_property(property).map(|(_, directive)| directive.kind), Some(kind), "{property}");
        }
    }

    #[test]
    fn nothing_is_both_allowed_and_refused() {
        let keys = refused::KEYS.iter().flat_map(|(_, names)| names.iter());
        let groups = refused::GROUPS.iter().flat_map(|group| group.directives.iter());
        for name in keys.chain(groups) {
            assert_eq!(lookup(name), None, "{name}");
        }
    }
}
