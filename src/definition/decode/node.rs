//! serde reads a tree; every error learns where it happened.

use std::collections::btree_map;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::refusal::{Kind, Refusal, Step};
use crate::definition::tree::{Node, Table, Value};

/// A value of the tree, to be read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub &'a Node);

type Key<'a> = StrDeserializer<'a, Refusal>;

/// Types that are one of several things, each a table with one key; no word alone says what is meant.
const TABLES: [&str; 2] = ["Credential", "Reload"];

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let result = match &self.0.value {
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Date(_) => Err(Refusal::invalid_type(Unexpected::Other("a date"), &visitor)),
            Value::List(elements) => visitor.visit_seq(Elements { elements: elements.iter().enumerate() }),
            Value::Table(table) => visitor.visit_map(Entries { entries: table.iter(), current: None }),
        };
        result.map_err(|refusal| refusal.or_at(&self.0.origin))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    /// serde would read the elements of a list as the fields in their order: `limits = ["1G"]`.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match &self.0.value {
            Value::List(_) => Err(Refusal::invalid_type(Unexpected::Seq, &"a table").or_at(&self.0.origin)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let expected = if TABLES.contains(&name) { "a table" } else { "a string" };
        let result = match &self.0.value {
            Value::Text(_) if TABLES.contains(&name) => Err(Refusal::invalid_type(Unexpected::Str(""), &expected)),
            Value::Text(text) => visitor.visit_enum(IntoDeserializer::<Refusal>::into_deserializer(text.as_str())),
            Value::Table(table) => {
                one_of(table, variants).and_then(|(key, value)| visitor.visit_enum(Tagged { key, value }))
            }
            Value::Bool(flag) => Err(Refusal::invalid_type(Unexpected::Bool(*flag), &expected)),
            Value::Integer(number) => Err(Refusal::invalid_type(Unexpected::Signed(*number), &expected)),
            Value::Float(number) => Err(Refusal::invalid_type(Unexpected::Float(*number), &expected)),
            Value::Date(_) => Err(Refusal::invalid_type(Unexpected::Other("a date"), &expected)),
            Value::List(_) => Err(Refusal::invalid_type(Unexpected::Seq, &expected)),
        };
        result.map_err(|refusal| refusal.or_at(&self.0.origin))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// A table that stands for one of several things has exactly one key.
fn one_of<'a>(table: &'a Table, variants: &'static [&'static str]) -> Result<(&'a str, &'a Node), Refusal> {
    let mut entries = table.iter();
    let unknown = table.iter().find(|(key, _)| !variants.contains(&key.as_str()));
    match (unknown, entries.next(), entries.next()) {
        (Some((key, node)), ..) => {
            Err(Refusal::unknown_field(key, variants).or_at(&node.key).below(Step::Key(key.clone())))
        }
        (_, Some((key, node)), None) => Ok((key, node)),
        (_, None, _) => Err(Refusal::empty(variants)),
        (_, Some(first), Some(second)) => {
            let later = if first.1.key.span().start > second.1.key.span().start { first } else { second };
            let refusal = Refusal::custom(format_args!("{} and {} exclude each other", first.0, second.0));
            Err(refusal.or_at(&later.1.key).below(Step::Key(later.0.clone())))
        }
    }
}

struct Elements<'a> {
    elements: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'a> SeqAccess<'a> for Elements<'a> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let Some((index, node)) = self.elements.next() else { return Ok(None) };
        let element = seed.deserialize(Reader(node));
        element.map(Some).map_err(|refusal| refusal.or_at(&node.origin).below(Step::Index(index)))
    }
}

struct Entries<'a> {
    entries: btree_map::Iter<'a, String, Node>,
    current: Option<(&'a str, &'a Node)>,
}

impl<'a> MapAccess<'a> for Entries<'a> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        self.current = self.entries.next().map(|(key, node)| (key.as_str(), node));
        let Some((key, node)) = self.current else { return Ok(None) };
        let result = seed.deserialize(Key::new(key));
        result.map(Some).map_err(|refusal| {
            let kind = if refusal.kind == Kind::Value { Kind::UnknownKey } else { refusal.kind };
            Refusal { kind, ..refusal }.or_at(&node.key).below(Step::Key(key.to_owned()))
        })
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let (key, node) = self.current.take().ok_or_else(|| Refusal::custom("a value without a key"))?;
        seed.deserialize(Reader(node)).map_err(|refusal| refusal.or_at(&node.origin).below(Step::Key(key.to_owned())))
    }
}

struct Tagged<'a> {
    key: &'a str,
    value: &'a Node,
}

impl<'a> EnumAccess<'a> for Tagged<'a> {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Self), Refusal> {
        let variant = seed.deserialize(Key::new(self.key)).map_err(|refusal| refusal.or_at(&self.value.key))?;
        Ok((variant, self))
    }
}

impl<'a> VariantAccess<'a> for Tagged<'a> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        Err(Refusal::invalid_type(Unexpected::Map, &"a string"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, Refusal> {
        seed.deserialize(Reader(self.value))
            .map_err(|refusal| refusal.or_at(&self.value.origin).below(Step::Key(self.key.to_owned())))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        Reader(self.value).deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'a>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        Reader(self.value).deserialize_any(visitor)
    }
}
