//! Groups of the containers that run: their slices as systemd has them, beside their files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::current::Current;
use super::present_use;
use crate::change::{self, Change};
use crate::definition::tree::Node;
use crate::definition::types::Name;
use crate::definition::{Group, group};
use crate::error::{Context, Error, Result};
use crate::host::known::Known;
use crate::output::diagnostics;
use crate::plan::{self, CGROUPS, Measure, Unit, Value};
use crate::settings::Host;
use crate::systemd::Manager;

/// One of them.
pub struct Slice {
    pub group: Name,
    /// As the file has it.
    pub unit: Unit,
    /// What systemd has otherwise.
    pub changes: Vec<Change>,
}

impl Slice {
    /// Its control group.
    pub fn cgroup(&self) -> PathBuf {
        Path::new(CGROUPS).join("soute.slice").join(&self.unit.name)
    }

    /// Has systemd limit it as its file says.
    pub fn reach(&self, manager: &Manager, force: bool) -> Result<()> {
        let changed = |name: &str| {
            let (_, key, usual) = change::KEYS.iter().find(|(property, ..)| *property == name)?;
            let is_changed = self.changes.iter().any(|change| change.field == *key);
            match self.unit.get(name).unwrap_or(usual) {
                Value::U64(limit) => is_changed.then_some(*limit),
                _ => None,
            }
        };
        if !force {
            present_use::judge(&format!("group {}", self.group), &self.cgroup(), changed)?;
        }
        manager.ensure_slice(&self.unit)
    }
}

/// The slices of these containers, and why one could not be compared.
pub fn look_at(known: &Known<'_>, manager: &Manager, list: &[Current]) -> (Vec<Slice>, Vec<Error>) {
    let of = |current: &Current| group::of_slice(&current.runs.slice.as_ref()?.name);
    let groups: BTreeSet<Name> = list.iter().filter_map(of).collect();
    let (mut slices, mut errors) = (Vec::new(), Vec::new());
    for group in groups {
        match look(known, manager, &group).with_context(|| format!("cannot compare group {group}")) {
            Ok(slice) => slices.push(slice),
            Err(error) => errors.push(error),
        }
    }
    (slices, errors)
}

fn look(known: &Known<'_>, manager: &Manager, group: &Name) -> Result<Slice> {
    let (unit, tree) = written(known.host, known.measure()?, group)?;
    let names = change::KEYS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let values = manager.values(&[(unit.name.clone(), names)])?.pop().unwrap_or_default();
    let file = || known.host.layout.groups().join(format!("{group}.toml")).display().to_string();
    let changes = change::of_slice(&unit, &values, |field| change::origin(&tree, field).or_else(|| Some(file())));
    Ok(Slice { group: group.clone(), unit, changes })
}

/// What the file comes to.
fn written(host: &Host, measure: Measure, name: &Name) -> Result<(Unit, Node)> {
    let (group, tree) = Group::read(&host.layout, name).map_err(|faults| diagnostics::refuse(&faults.0))?;
    Ok((plan::slice(name, &group, &measure), tree))
}
