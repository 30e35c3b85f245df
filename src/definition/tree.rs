//! TOML values that know where they were written.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use super::source::{Origin, Source};

/// A table; keys in the order of the alphabet, their origins know the order of the text.
pub type Table = BTreeMap<String, Node>;

/// A value and its two origins.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where the value is written.
    pub origin: Origin,
    /// Where its key is written; for an element of a list the element.
    pub key: Origin,
}

/// What TOML knows.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// true, false
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A string.
    Text(String),
    /// A date or a time, which no key of ours takes.
    Date(String),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

impl Node {
    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The table, if it is one.
    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The elements of a list, or the value itself, which may stand for a list of one.
    pub fn elements(&self) -> &[Node] {
        match &self.value {
            Value::List(elements) => elements,
            _ => std::slice::from_ref(self),
        }
    }
}

/// Every syntax error of the text, or its table.
pub fn parse(source: &Arc<Source>) -> Result<Table, Vec<Fault>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    if !errors.is_empty() {
        return Err(syntax_faults(source, &errors));
    }
    let mut faults = Vec::new();
    let table = from_table(source, table.into_inner(), &mut faults);
    if faults.is_empty() { Ok(table) } else { Err(faults) }
}

/// The first of each line: what follows it there follows from it.
fn syntax_faults(source: &Arc<Source>, errors: &[toml::de::Error]) -> Vec<Fault> {
    let mut faults: Vec<Fault> = errors.iter().map(|error| syntax_fault(source, error)).collect();
    let line = |fault: &Fault| fault.origin.as_ref().map(|origin| origin.line_column().0);
    faults.sort_by_key(|fault| fault.origin.as_ref().map(|origin| origin.span().start));
    faults.dedup_by_key(|fault| line(fault));
    faults
}

fn syntax_fault(source: &Arc<Source>, error: &toml::de::Error) -> Fault {
    let span = error.span().unwrap_or(0..0);
    let origin = Some(Origin::new(source, span.clone()));
    let before = source.text.get(..span.start).unwrap_or_default().trim_end_matches([' ', '\t']);
    let rest = source.text.get(span.start..).unwrap_or_default();
    let word = rest.split(['\n', '#', ',', ']', '}', '"']).next().unwrap_or_default().trim_end();
    let is_word = !error.message().starts_with("duplicate key");
    match is_word && word.starts_with(char::is_alphabetic) && before.ends_with(['=', '[', ',']) && !word.contains('=') {
        true => Fault::new("a string needs quotes", origin).help(format!("write \"{word}\"")),
        false => Fault::new(error.message().trim_end_matches(", expected nothing"), origin),
    }
}

fn from_table(source: &Arc<Source>, table: DeTable<'_>, faults: &mut Vec<Fault>) -> Table {
    let entries = table.into_iter().map(|(key, value)| {
        let mut node = from_value(source, value, faults);
        node.key = Origin::new(source, key.span());
        (key.into_inner().into_owned(), node)
    });
    entries.collect()
}

fn from_value(source: &Arc<Source>, value: Spanned<DeValue<'_>>, faults: &mut Vec<Fault>) -> Node {
    let origin = Origin::new(source, value.span());
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Boolean(flag) => Value::Bool(flag),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => {
                faults.push(Fault::new("the number is too large", Some(origin.clone())));
                Value::Integer(0)
            }
        },
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(elements) => {
            Value::List(elements.into_iter().map(|element| from_value(source, element, faults)).collect())
        }
        DeValue::Table(table) => Value::Table(from_table(source, table, faults)),
    };
    Node { value, key: origin.clone(), origin }
}
