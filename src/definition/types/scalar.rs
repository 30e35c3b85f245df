//! How one TOML scalar becomes a typed value, with a refusal that says what to write instead.

use std::fmt;
use std::marker::PhantomData;

use serde::de;

/// Why a value was not taken, and what would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong with the value.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Refused {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Through serde only one string survives; the help follows the first line break, which no message contains.
    pub(crate) fn into_serde<E: de::Error>(self) -> E {
        match self.help {
            Some(help) => E::custom(format_args!("{}\n{help}", self.message)),
            None => E::custom(self.message),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for crate::error::Error {
    fn from(refused: Refused) -> Self {
        Self::new(crate::error::Exit::Usage, refused)
    }
}

/// A type that is written as one scalar.
pub trait Scalar: Sized {
    /// For "expected …": `a size such as "256M"`.
    const EXPECTED: &'static str;

    /// From a string.
    fn text(text: &str) -> Result<Self, Refused>;

    /// From an integer; most types have no meaning for one.
    fn integer(value: i64) -> Result<Self, Refused> {
        Err(Refused::new(format!("{value} is a number, expected {}", Self::EXPECTED)))
    }

    /// From a number with a fraction.
    fn number(value: f64) -> Result<Self, Refused> {
        Err(Refused::new(format!("{value} is a number, expected {}", Self::EXPECTED)))
    }
}

pub(super) struct ScalarVisitor<T>(pub PhantomData<T>);

impl<T: Scalar> de::Visitor<'_> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::text(text).map_err(Refused::into_serde)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
        T::integer(value).map_err(Refused::into_serde)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => Err(E::custom(format_args!("{value} is too large"))),
        }
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<T, E> {
        T::number(value).map_err(Refused::into_serde)
    }
}

/// Derives `FromStr`, `Deserialize`, `Serialize` (as the displayed text) and `JsonSchema` from [`Scalar`] and `Display`.
macro_rules! scalar {
    ($type:ty, $schema:tt) => {
        impl std::str::FromStr for $type {
            type Err = $crate::definition::types::Refused;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                <Self as $crate::definition::types::scalar::Scalar>::text(text)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($crate::definition::types::scalar::ScalarVisitor(std::marker::PhantomData))
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}
pub(super) use scalar;

/// Digits alone: no sign, no blank, no "0x", unlike `str::parse`, which takes "+5".
pub(super) fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// "1.5" times `unit`, exactly: `None` if it is no number, does not fit, or is no whole multiple of one.
pub(super) fn scaled(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.len() > 9 {
        return None;
    }
    let divisor = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = u128::from(digits(fraction)?) * u128::from(unit);
    let total = u128::from(digits(whole)?) * u128::from(unit) + part / divisor;
    (part % divisor == 0).then(|| u64::try_from(total).ok()).flatten()
}

/// "256MB" into "256" and "MB".
pub(super) fn number_and_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}
