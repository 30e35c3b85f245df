//! How fast a link may be, each way.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Limit, Rate};

/// `"100Mbit/s"` for both ways, or `{ in = "…", out = "…" }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LinkRate {
    /// Into the container.
    pub r#in: Limit<Rate>,
    /// Out of it.
    pub out: Limit<Rate>,
}

/// What the table is read as.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
struct BothWays {
    /// Into the container.
    r#in: Limit<Rate>,
    /// Out of it.
    out: Limit<Rate>,
}

struct LinkRateVisitor;

impl<'de> Visitor<'de> for LinkRateVisitor {
    type Value = LinkRate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate such as \"100Mbit/s\", or a table with in and out")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<LinkRate, E> {
        let both: StrDeserializer<'_, E> = text.into_deserializer();
        let rate = Limit::deserialize(both)?;
        Ok(LinkRate { r#in: rate, out: rate })
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<LinkRate, A::Error> {
        let BothWays { r#in, out } = BothWays::deserialize(MapAccessDeserializer::new(table))?;
        Ok(LinkRate { r#in, out })
    }
}

impl<'de> Deserialize<'de> for LinkRate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LinkRateVisitor)
    }
}

impl JsonSchema for LinkRate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LinkRate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (one, both) = (generator.subschema_for::<Limit<Rate>>(), BothWays::json_schema(generator));
        json_schema!({ "anyOf": [one, both] })
    }
}
