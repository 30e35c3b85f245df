//! Limits: a value, a share of the host, or none.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::scalar::{Refused, Scalar, ScalarVisitor, digits, scalar};
use super::{ByteSize, escaped};

/// A limit that `"infinity"` lifts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Limit<T> {
    /// So much and no more.
    Value(T),
    /// No limit.
    #[default]
    Infinity,
}

impl<T> Limit<T> {
    /// The value, if there is a limit.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Infinity => None,
        }
    }
}

impl<T: Scalar> Scalar for Limit<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn text(text: &str) -> Result<Self, Refused> {
        if text == "infinity" { Ok(Self::Infinity) } else { T::text(text).map(Self::Value) }
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        T::integer(value).map(Self::Value)
    }

    fn number(value: f64) -> Result<Self, Refused> {
        T::number(value).map(Self::Value)
    }
}

impl<T: Scalar> FromStr for Limit<T> {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        Self::text(text)
    }
}

impl<T: Display> Display for Limit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::Infinity => f.write_str("infinity"),
        }
    }
}

impl<'de, T: Scalar> Deserialize<'de> for Limit<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor(PhantomData))
    }
}

impl<T: Display> Serialize for Limit<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<T: JsonSchema> JsonSchema for Limit<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Limit_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<T>(), { "const": "infinity" }] })
    }
}

/// A count, as in operations per second.
impl Scalar for u64 {
    const EXPECTED: &'static str = "a whole number or \"infinity\"";

    fn text(text: &str) -> Result<Self, Refused> {
        digits(text).ok_or_else(|| Refused::new(format!("\"{}\" is not {}", escaped(text), Self::EXPECTED)))
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        Self::try_from(value).map_err(|_| Refused::new(format!("a number of things cannot be negative: {value}")))
    }
}

/// Bytes, a share of the host's memory, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SizeOrShare {
    /// Bytes.
    Size(u64),
    /// Percent of the host's, 0 to 100.
    Share(u8),
    /// No limit.
    #[default]
    Infinity,
}

/// A count, a share of the host's, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CountOrShare {
    /// So many.
    Count(u64),
    /// Percent of the host's, 0 to 100.
    Share(u8),
    /// No limit.
    Infinity,
}

fn share(text: &str) -> Option<Result<u8, Refused>> {
    let number = text.strip_suffix('%')?;
    let share = digits(number).filter(|&share| share <= 100).and_then(|share| u8::try_from(share).ok());
    Some(share.ok_or_else(|| Refused::new(format!("\"{}\" is not a share from \"0%\" to \"100%\"", escaped(text)))))
}

impl Scalar for SizeOrShare {
    const EXPECTED: &'static str = "a size such as \"256M\", a share such as \"50%\", or \"infinity\"";

    fn text(text: &str) -> Result<Self, Refused> {
        if let Some(share) = share(text) {
            return share.map(Self::Share);
        }
        if text == "infinity" { Ok(Self::Infinity) } else { ByteSize::text(text).map(|size| Self::Size(size.0)) }
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        ByteSize::integer(value).map(|size| Self::Size(size.0))
    }
}

impl Scalar for CountOrShare {
    const EXPECTED: &'static str = "a number, a share such as \"50%\", or \"infinity\"";

    fn text(text: &str) -> Result<Self, Refused> {
        if let Some(share) = share(text) {
            return share.map(Self::Share);
        }
        if text == "infinity" { Ok(Self::Infinity) } else { u64::text(text).map(Self::Count) }
    }

    fn integer(value: i64) -> Result<Self, Refused> {
        u64::integer(value).map(Self::Count)
    }
}

impl Display for SizeOrShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(bytes) => ByteSize(*bytes).fmt(f),
            Self::Share(percent) => write!(f, "{percent}%"),
            Self::Infinity => f.write_str("infinity"),
        }
    }
}

impl Display for CountOrShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Share(percent) => write!(f, "{percent}%"),
            Self::Infinity => f.write_str("infinity"),
        }
    }
}

scalar!(SizeOrShare, {
    "anyOf": [
        { "type": "integer", "minimum": 0 },
        { "type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?([KMGT](iB)?|B)?|[0-9]{1,2}%|100%|infinity)$" }
    ]
});
scalar!(CountOrShare, {
    "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^([0-9]+|[0-9]{1,2}%|100%|infinity)$" }]
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_infinity() {
        for text in ["50%", "0%", "100%", "infinity", "256M"] {
            assert_eq!(text.parse::<SizeOrShare>().unwrap().to_string(), text);
        }
        for bad in ["101%", "%", "-1%", "1.5%", "Infinity", "256%"] {
            assert!(bad.parse::<SizeOrShare>().is_err(), "{bad:?} was taken");
        }
        assert_eq!("2048".parse::<CountOrShare>().unwrap(), CountOrShare::Count(2048));
        assert_eq!("infinity".parse::<Limit<u64>>().unwrap(), Limit::Infinity);
    }
}
