//! A key of a file, by its path with dots, in a document that keeps its comments.

use toml_edit::{DocumentMut, Item, Key, Table, Value};

use crate::definition::keys;
use crate::error::{Error, Exit, Result};

/// Whether a file drops what the files below it say of a key, which its own keys come after.
pub fn unsets(document: &DocumentMut, path: &[String]) -> bool {
    let Some(value) = document.get("unset").and_then(Item::as_value) else { return false };
    let drops = |text: &str| {
        let key = Key::parse(text).unwrap_or_default();
        !key.is_empty() && key.len() <= path.len() && key.iter().zip(path).all(|(key, part)| key.get() == part)
    };
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).any(drops),
        value => value.as_str().is_some_and(drops),
    }
}

/// What a key has; an entry of a list goes by what it is recognized by.
pub fn get<'i>(item: &'i Item, path: &[String], above: &str) -> Option<&'i Item> {
    let [key, rest @ ..] = path else { return Some(item) };
    let inner = joined(above, key);
    let found = item.as_table_like()?.get(key)?;
    match (keys::identifying(&inner), rest) {
        (Some(_), [name, rest @ ..]) => {
            let tables = found.as_array_of_tables()?;
            let index = tables.iter().enumerate().position(|(index, table)| is(&inner, table, index, name))?;
            let table = tables.get(index)?;
            match rest {
                [] => Some(found),
                [key, deeper @ ..] => get(table.get(key)?, deeper, &joined(&inner, key)),
            }
        }
        _ => get(found, rest, &inner),
    }
}

fn is(path: &str, table: &Table, index: usize, name: &str) -> bool {
    let text = |key: &str| table.get(key).and_then(Item::as_str);
    match path {
        "network" => text("name").map_or_else(|| format!("eth{index}") == name, |own| own == name),
        "publish" => text("listen").is_some_and(|own| name.split('/').next() == Some(own)),
        "limits.device" => text("path") == Some(name),
        _ => text("target").or_else(|| text("source")) == Some(name),
    }
}

/// Comments and order stay as they are.
pub fn put(item: &mut Item, path: &[String], above: &str, value: Option<Value>) -> Result<()> {
    let no_table = || Error::new(Exit::Usage, format!("{above} is no table"));
    let [key, rest @ ..] = path else { return Err(no_table()) };
    let inner = joined(above, key);
    let table = item.as_table_like_mut().ok_or_else(no_table)?;
    if rest.is_empty() {
        match (value, table.get_mut(key).and_then(Item::as_value_mut)) {
            (None, _) => drop(table.remove(key)),
            (Some(mut new), Some(old)) => {
                *new.decor_mut() = old.decor().clone();
                *old = new;
            }
            (Some(new), None) => drop(table.insert(key, Item::Value(new))),
        }
        return Ok(());
    }
    if keys::identifying(&inner).is_some() {
        let (name, rest) = (&rest[0], &rest[1..]);
        let none = || Error::new(Exit::Usage, format!("the definition has no {inner}.{name}: write it there"));
        let tables = table.get_mut(key).and_then(Item::as_array_of_tables_mut).ok_or_else(none)?;
        let index =
            tables.iter().enumerate().position(|(index, table)| is(&inner, table, index, name)).ok_or_else(none)?;
        let entry = tables.get_mut(index).ok_or_else(none)?;
        let mut whole = Item::Table(std::mem::take(entry));
        let result = put(&mut whole, rest, &inner, value);
        *entry = whole.into_table().unwrap_or_default();
        return result;
    }
    if table.get(key).is_none() {
        if value.is_none() {
            return Ok(());
        }
        let mut fresh = Table::new();
        fresh.set_implicit(true);
        table.insert(key, Item::Table(fresh));
    }
    let inner_item = table.get_mut(key).ok_or_else(no_table)?;
    put(inner_item, rest, &inner, value)
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
