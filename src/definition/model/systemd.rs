//! Directives that have no key of their own.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::definition::types::{Scalar, Text};

/// The value of a directive; which kind it must be, the directive decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum DirectiveValue {
    /// yes or no.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A text, in the form of unit files.
    Text(Text),
    /// A list.
    List(Vec<Text>),
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = DirectiveValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, a whole number, a string or a list of strings")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<DirectiveValue, E> {
        Ok(DirectiveValue::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<DirectiveValue, E> {
        Ok(DirectiveValue::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<DirectiveValue, E> {
        i64::try_from(number).map(DirectiveValue::Int).map_err(|_| E::custom(format_args!("{number} is too large")))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<DirectiveValue, E> {
        Text::text(text).map(DirectiveValue::Text).map_err(|refused| refused.into_serde())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<DirectiveValue, A::Error> {
        let mut list = Vec::new();
        while let Some(text) = elements.next_element()? {
            list.push(text);
        }
        Ok(DirectiveValue::List(list))
    }
}

/// By hand, because an untagged enum forgets why a string was refused.
impl<'de> Deserialize<'de> for DirectiveValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}
