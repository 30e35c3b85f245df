//! The image, by its name alone or with where it is from.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::definition::types::{ImageDigest, ImageSource, Name, Scalar};

/// The image of a container: a name in the store, and how it gets there.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Its name in the store.
    pub name: Name,
    /// Where `soute pull` fetches it.
    pub source: Option<ImageSource>,
    /// What it has to be.
    pub digest: Option<ImageDigest>,
    /// Whether a start may fetch it.
    pub pull: Pull,
}

/// When an image is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pull {
    /// By `soute pull` alone.
    #[default]
    Never,
    /// Also at a start, where the store has none of that name and digest.
    Missing,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    /// The name in the store.
    name: Name,
    /// Where `soute pull` fetches it: "docker://HOST/NAME:TAG", or "https://HOST/FILE".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<ImageSource>,
    /// What it has to be, "sha256:…"; a start refuses another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<ImageDigest>,
    /// "missing": a start fetches it where the store has none of that name and digest.
    #[serde(default)]
    pull: Pull,
}

impl Image {
    /// The image of this name, however it got into the store.
    pub fn named(name: Name) -> Self {
        Self { name, source: None, digest: None, pull: Pull::Never }
    }

    fn is_plain(&self) -> bool {
        *self == Self::named(self.name.clone())
    }
}

/// Most of soute is interested in the name alone.
impl Deref for Image {
    type Target = Name;
    fn deref(&self) -> &Name {
        &self.name
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl Serialize for Image {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_plain() {
            return self.name.serialize(serializer);
        }
        let Self { name, source, digest, pull } = self.clone();
        Table { name, source, digest, pull }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Image;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name, or a table with one")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Image, E> {
        Name::text(text).map(Image::named).map_err(crate::definition::types::Refused::into_serde)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Image, A::Error> {
        let Table { name, source, digest, pull } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Image { name, source, digest, pull })
    }
}

impl JsonSchema for Image {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Image".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<Name>(), generator.subschema_for::<Table>()] })
    }
}
