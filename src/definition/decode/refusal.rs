//! Why a value was not taken, and how to get to it: collected while serde unwinds.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use crate::definition::source::Origin;
use crate::definition::suggest;

/// One step from the root to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// What kind of fault it is, for those that need more than a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Value,
    UnknownKey,
    Missing(&'static str),
    /// A table that has none of the keys of which it needs one.
    Empty,
}

/// An error of serde with its place.
#[derive(Debug)]
pub(super) struct Refusal {
    pub kind: Kind,
    pub message: String,
    pub help: Option<String>,
    pub origin: Option<Origin>,
    /// From the value up to the root, so to be read backwards.
    pub steps: Vec<Step>,
}

impl Refusal {
    fn new(message: String) -> Self {
        Self { kind: Kind::Value, message, help: None, origin: None, steps: Vec::new() }
    }

    pub fn empty(variants: &[&str]) -> Self {
        Self { kind: Kind::Empty, ..Self::new(format!("it needs one of {}", variants.join(", "))) }
    }

    /// The innermost place wins.
    pub fn or_at(mut self, origin: &Origin) -> Self {
        self.origin.get_or_insert_with(|| origin.clone());
        self
    }

    pub fn below(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: Display>(message: T) -> Self {
        // Refused::into_serde puts the help after a line break.
        let text = message.to_string();
        match text.split_once('\n') {
            Some((message, help)) => Self { help: Some(help.to_owned()), ..Self::new(message.to_owned()) },
            None => Self::new(text),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = plain(&expected.to_string());
        let help = match found {
            Unexpected::Str(text @ ("true" | "false")) if expected.contains("boolean") => {
                Some(format!("write {text} without quotes"))
            }
            Unexpected::Str("yes" | "on") if expected.contains("boolean") => Some("write true".to_owned()),
            Unexpected::Str("no" | "off") if expected.contains("boolean") => Some("write false".to_owned()),
            Unexpected::Str(text) if expected.contains("number") && text.parse::<i64>().is_ok() => {
                Some(format!("write {text} without quotes"))
            }
            Unexpected::Bool(flag) if expected.contains("string") => Some(format!("write \"{flag}\"")),
            Unexpected::Str(text) if expected == "a list" => {
                Some(format!("write [\"{}\"]", crate::definition::types::escaped(text)))
            }
            _ => None,
        };
        Self { help, ..Self::new(format!("expected {expected}, found {}", kind(found))) }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", plain(&expected.to_string()), kind(found)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let shown = crate::definition::types::escaped(variant);
        let help = match suggest::nearest(variant, expected.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("it is one of {}", suggest::listed(expected)),
        };
        Self { help: Some(help), ..Self::new(format!("unknown value \"{shown}\"")) }
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        let shown = crate::definition::types::escaped(field);
        Self { kind: Kind::UnknownKey, ..Self::new(format!("unknown key \"{shown}\"")) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { kind: Kind::Missing(field), ..Self::new(format!("{field} is missing")) }
    }
}

/// serde's words for the programmer, in the user's.
fn plain(expected: &str) -> String {
    match expected {
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        "u32" => "a whole number from 0 to 4294967295".to_owned(),
        _ if expected.starts_with("struct ") => "a table".to_owned(),
        _ if expected.starts_with("enum ") => "one of its values".to_owned(),
        _ => expected.to_owned(),
    }
}

fn kind(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(flag) => format!("{flag}"),
        Unexpected::Signed(number) => format!("{number}"),
        Unexpected::Unsigned(number) => format!("{number}"),
        Unexpected::Float(number) => format!("{number}"),
        Unexpected::Str(_) => "a string".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map | Unexpected::StructVariant | Unexpected::NewtypeVariant => "a table".to_owned(),
        other => other.to_string(),
    }
}
