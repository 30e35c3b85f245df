//! Containers that run, beside their definitions: what `diff`, `apply` and `verify` have in common.

use std::sync::OnceLock;

use super::super::unit;
use super::overrides::{self, Overrides};
use super::parallel;
use super::site::Site;
use crate::change::{self, Change, Class};
use crate::definition::Definition;
use crate::definition::load::Loaded;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::plan::{self, Plan};
use crate::settings::Host;
use crate::systemd::Manager;

/// One container.
pub struct Current {
    pub name: Name,
    /// The snapshot.
    pub runs: Plan,
    /// The definition as it is now, if there still is one.
    pub now: Option<Loaded>,
    /// What it differs in.
    pub changes: Vec<Change>,
    /// Who else has told systemd something.
    pub overrides: Overrides,
    /// None where it is only what everybody may know.
    stamp: Option<plan::Stamp>,
    declared: OnceLock<Definition>,
}

impl Current {
    /// What runs, not yet compared with anything.
    pub fn new(name: Name, runs: Plan, stamp: plan::Stamp, overrides: Overrides) -> Self {
        let (stamp, declared) = (Some(stamp), OnceLock::new());
        Self { name, runs, now: None, changes: Vec::new(), overrides, stamp, declared }
    }

    /// The same for who is not root.
    pub fn for_everybody(host: &Host, name: Name, overrides: Overrides) -> Result<Self> {
        let (runs, declared) = plan::shown(&host.layout, &name)?;
        let declared = declared.map_or_else(OnceLock::new, OnceLock::from);
        Ok(Self { name, runs, now: None, changes: Vec::new(), overrides, stamp: None, declared })
    }

    /// Nothing is left out of it.
    pub fn is_whole(&self) -> bool {
        self.stamp.is_some()
    }

    /// What the container was declared to be when it was started.
    pub fn declared(&self, host: &Host) -> Result<&Definition> {
        if let Some(declared) = self.declared.get() {
            return Ok(declared);
        }
        let older = || Error::failed(format!("{} was started by an older soute: start it again", self.name));
        let declared = plan::declared(&host.layout.state(&self.name))?.ok_or_else(older)?;
        Ok(self.declared.get_or_init(|| declared))
    }

    /// Nobody has started or applied anything since it was looked at. To be asked under the name's lock.
    pub fn is_fresh(&self, host: &Host) -> bool {
        plan::stamp(&host.layout.state(&self.name)).is_ok_and(|stamp| Some(stamp) == self.stamp)
    }

    /// Adds what systemd has otherwise. `all` asks for every property; else only for those that some file overrides.
    pub fn add_drift(list: &mut [Self], manager: &Manager, all: bool) -> Result<()> {
        let names = |current: &Self| {
            let asked = change::asked(&current.runs).into_iter();
            asked.filter(|name| all || current.overrides.contains_key(*name)).map(str::to_owned).collect::<Vec<_>>()
        };
        let asked = list.iter().map(|current| (unit(&current.name), names(current)));
        let asked: Vec<(String, Vec<String>)> = asked.collect();
        if asked.iter().all(|(_, names)| names.is_empty()) {
            return Ok(());
        }
        for (current, values) in list.iter_mut().zip(manager.values(&asked)?) {
            let by = |name: &str| current.overrides.get(name).cloned();
            let drift = change::of_properties(&current.runs, &values, by);
            current.changes.extend(drift);
        }
        Ok(())
    }

    /// Whether a drift goes when the unit is told again: not where a file of the administrator's says so, which counts more.
    pub fn is_ours_to_undo(&self, change: &Change) -> bool {
        let live = change::KEYS.iter().any(|(_, key, _)| *key == change.field);
        let link = change.field.starts_with("network.");
        link || (live && !overrides::lasts(change.from.as_ref()))
    }

    /// The changes of a class.
    pub fn of(&self, class: Class) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| change.class == class)
    }
}

/// Looks at all, and tells of each that cannot be looked at.
pub fn look_at(site: &Site<'_>, manager: &Manager, names: &[Name]) -> (Vec<Current>, Vec<Error>) {
    let (mut list, mut errors) = (Vec::new(), Vec::new());
    let looked = parallel::map(names, |name| site.look(name).with_context(|| format!("cannot compare {name}")));
    for (name, looked) in names.iter().zip(looked) {
        match looked {
            Ok(current) => list.push(current),
            Err(error) => errors.extend(if_it_runs(manager, name, error)),
        }
    }
    (list, errors)
}

/// Why a container could not be looked at; none for one that has ended, or is starting again, meanwhile.
pub fn if_it_runs(manager: &Manager, name: &Name, error: Error) -> Option<Error> {
    let ended = manager.status(&unit(name)).is_ok_and(|status| status.active != "active");
    (!ended).then_some(error)
}

/// The exit status: of the first failure, or whether something differs.
pub fn exit(errors: &[Error], differs: bool) -> u8 {
    let failed = errors.first().map(|error| error.exit() as u8);
    failed.unwrap_or(if differs { Exit::Differs as u8 } else { 0 })
}
