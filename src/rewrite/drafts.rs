//! Keys that get other values: in which of a definition's files, and what that file says then.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml_edit::{DocumentMut, Key, Value};

use super::examine;
use super::key::{get, put, unsets};
use super::replace::Replacement;
use crate::definition::Faults;
use crate::definition::merge::Parsed;
use crate::definition::search::Found;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::output::diagnostics;
use crate::settings::Host;

/// The drop-in for definitions that are not ours to edit.
const DROP_IN: &str = "zz-set.toml";

/// One key and its value.
#[derive(Debug, Clone)]
pub struct Assignment {
    path: Vec<String>,
    /// As it is typed.
    text: String,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(typed: &str) -> std::result::Result<Self, String> {
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
        return Err(diagnostics::refuse(&faults.0));
    }
    let changed = drafts.into_iter().find(|draft| draft.changed);
    Ok(changed.map(|draft| (draft.path, draft.document.to_string())))
}

/// Gives keys other values, in files of the definition; one that would have faults is left as it was.
pub fn set(host: &Host, found: &Found, assignments: &[Assignment]) -> Result<()> {
    let mut drafts = read(host, found)?;
    for assignment in assignments {
        assign(host, found, &mut drafts, assignment)?;
    }
    let (replacements, faults) = examine(host, found, &drafts)?;
    if faults.fatal() {
        return Err(diagnostics::refuse(&faults.0));
    }
    for (path, replacement) in replacements {
        replacement.commit()?;
        eprintln!("changed {}", path.display());
    }
    Ok(())
}

/// Lowest first, NAME.toml and its drop-ins. defaults.toml is everybody's.
fn read(host: &Host, found: &Found) -> Result<Vec<Draft>> {
    let parsed = Parsed::read(&host.layout, found).map_err(|faults| diagnostics::refuse(&faults.0))?;
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
    let faults = examine::examine(host, found, &pairs)?;
    Ok((replacements, faults))
}
