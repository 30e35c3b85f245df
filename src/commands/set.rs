//! `soute set`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use toml_edit::{DocumentMut, Item, Key, Table, Value};

use super::apply::{How, apply};
use super::definitions;
use super::edit;
use super::replace::Replacement;
use super::targets::Target;
use crate::definition::Faults;
use crate::definition::keys;
use crate::definition::merge::Parsed;
use crate::definition::search::Found;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::image::lock::Lock;
use crate::settings::Host;

/// The drop-in for definitions that are not ours to edit.
const DROP_IN: &str = "zz-set.toml";

/// Changes keys of a definition, and applies them.
#[derive(Debug, Args)]
pub struct Set {
    /// The container.
    name: Name,
    /// Keys with dots, and values as in the definition; quotes around a string may be left out. Without a value the key is
    /// removed.
    #[arg(required = true, value_name = "KEY=VALUE")]
    assignments: Vec<Assignment>,
    #[command(flatten)]
    how: How,
}

/// One key and its value.
#[derive(Debug, Clone)]
struct Assignment {
    path: Vec<String>,
    /// As it is typed.
    text: String,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(typed: &str) -> Result<Self, String> {
        let (key, text) = typed.split_once('=').ok_or("expected KEY=VALUE")?;
        let path = Key::parse(key.trim()).map_err(|_| format!("{key} is no key, such as limits.memory"))?;
        Ok(Self { path: path.iter().map(|key| key.get().to_owned()).collect(), text: text.trim().to_owned() })
    }
}

impl Assignment {
    /// What it may mean: a value of TOML's, else the text itself. A number where a string is wanted is one.
    fn values(&self) -> Vec<Option<Value>> {
        if self.text.is_empty() {
            return vec![None];
        }
        let typed = self.text.parse::<Value>().ok();
        let text = Some(Value::from(self.text.as_str()));
        typed.map(Some).into_iter().chain([text]).collect()
    }
}

impl Set {
    /// A definition that would have faults is left as it was.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        {
            let _lock = Lock::name(&host.layout, &self.name)?;
            let found = definitions::find(host, &self.name)?;
            edit_files(host, &found, &self.assignments).with_context(|| format!("cannot set {}", self.name))?;
        }
        match definitions::manager(host)? {
            Some(manager) => apply(host, &manager, &[Target::Name(self.name)], self.how, false),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

/// A file of the definition, as it will be.
struct Draft {
    path: PathBuf,
    document: DocumentMut,
    editable: bool,
    changed: bool,
}

/// The file that would name another image, and its text then; none where the definition names that already.
pub fn with_image(host: &Host, found: &Found, image: &Name) -> Result<Option<(PathBuf, String)>> {
    let mut drafts = read(host, found)?;
    let assignment = Assignment { path: vec!["image".to_owned()], text: image.to_string() };
    let decides = drafts.iter().rev().find_map(|draft| draft.document.get("image"));
    let named = decides.and_then(|item| item.as_str().or_else(|| item.get("name")?.as_str()));
    if named == Some(image) {
        return Ok(None);
    }
    assign(host, found, &mut drafts, &assignment)?;
    let (_, faults) = examine(host, found, &drafts)?;
    if faults.fatal() {
        return Err(definitions::refuse(&faults.0));
    }
    let changed = drafts.into_iter().find(|draft| draft.changed);
    Ok(changed.map(|draft| (draft.path, draft.document.to_string())))
}

fn edit_files(host: &Host, found: &Found, assignments: &[Assignment]) -> Result<()> {
    let mut drafts = read(host, found)?;
    for assignment in assignments {
        assign(host, found, &mut drafts, assignment)?;
    }
    let (replacements, faults) = examine(host, found, &drafts)?;
    if faults.fatal() {
        return Err(definitions::refuse(&faults.0));
    }
    for (path, replacement) in replacements {
        replacement.commit()?;
        eprintln!("changed {}", path.display());
    }
    Ok(())
}

/// Lowest first, NAME.toml and its drop-ins. defaults.toml is everybody's.
fn read(host: &Host, found: &Found) -> Result<Vec<Draft>> {
    let parsed = Parsed::read(&host.layout, found).map_err(|faults| definitions::refuse(&faults.0))?;
    let own = host.layout.own_definitions();
    let runtime = host.layout.runtime_definitions();
    let draft = |path: &PathBuf| {
        let text = String::from_utf8_lossy(&definitions::read(path)?).into_owned();
        let document = text.parse().map_err(Error::failed);
        let document = document.with_context(|| format!("cannot read {}", path.display()))?;
        let editable = (path.starts_with(&own) || path.starts_with(&runtime)) && definitions::is_ours(host, path);
        Ok(Draft { path: path.clone(), document, editable, changed: false })
    };
    parsed.files.iter().filter(|path| **path != host.layout.defaults()).map(draft).collect()
}

/// Into the file that decides, if it is ours; else into a drop-in that counts over all others.
fn assign(host: &Host, found: &Found, drafts: &mut Vec<Draft>, assignment: &Assignment) -> Result<()> {
    let says = |draft: &Draft| {
        get(draft.document.as_item(), &assignment.path, "").is_some() || unsets(&draft.document, &assignment.path)
    };
    let main = drafts.iter().position(|draft| draft.path == found.main).unwrap_or(0);
    let index = match drafts.iter().rposition(says) {
        Some(index) if drafts[index].editable => index,
        None if drafts.get(main).is_some_and(|draft| draft.editable) => main,
        _ => drop_in(host, found, drafts)?,
    };
    let before = drafts[index].document.clone();
    let values = assignment.values();
    for (at, value) in values.iter().enumerate() {
        let draft = &mut drafts[index];
        draft.document = before.clone();
        put(draft.document.as_item_mut(), &assignment.path, "", value.clone())?;
        draft.changed = true;
        let last = at + 1 == values.len();
        if last || !examine(host, found, drafts)?.1.fatal() {
            break;
        }
    }
    Ok(())
}

/// Whether a file drops what the files below it say of a key, which its own keys come after.
fn unsets(document: &DocumentMut, path: &[String]) -> bool {
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

fn drop_in(host: &Host, found: &Found, drafts: &mut Vec<Draft>) -> Result<usize> {
    let path = host.layout.own_definitions().join(format!("{}.toml.d", found.name)).join(DROP_IN);
    if let Some(index) = drafts.iter().position(|draft| draft.path == path) {
        return Ok(index);
    }
    if let Some(last) = drafts.last().filter(|last| last.path.file_name() > path.file_name() && last.path != found.main)
    {
        let text = format!("{} says otherwise, and no drop-in of ours comes after it", last.path.display());
        return Err(Error::new(Exit::Failed, text));
    }
    drafts.push(Draft { path, document: DocumentMut::new(), editable: true, changed: true });
    Ok(drafts.len() - 1)
}

/// All faults of the definition with the drafts in the places of their files, and the drafts on the disk.
fn examine(host: &Host, found: &Found, drafts: &[Draft]) -> Result<(Vec<(PathBuf, Replacement)>, Faults)> {
    let changed = drafts.iter().filter(|draft| draft.changed);
    let begin = |draft: &Draft| Ok((draft.path.clone(), Replacement::begin(&draft.path, &draft.document.to_string())?));
    let replacements: Vec<(PathBuf, Replacement)> = changed.map(begin).collect::<Result<_>>()?;
    let pairs: Vec<(&Path, &Path)> =
        replacements.iter().map(|(path, replacement)| (path.as_path(), replacement.path())).collect();
    let faults = edit::examine(host, found, &pairs)?;
    Ok((replacements, faults))
}

/// What a key has; an entry of a list goes by what it is recognized by.
fn get<'i>(item: &'i Item, path: &[String], above: &str) -> Option<&'i Item> {
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
fn put(item: &mut Item, path: &[String], above: &str, value: Option<Value>) -> Result<()> {
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
