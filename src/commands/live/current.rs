//! Containers that run, beside their definitions: what `diff`, `apply` and `verify` have in common.

use std::collections::BTreeSet;

use super::super::targets::{self, Target};
use super::super::{definitions, settled, unit};
use super::overrides::{self, Overrides};
use crate::audit::read::ports;
use crate::change::{self, Change, Class, Definitions, HostLinks, Plans};
use crate::definition::load::Loaded;
use crate::definition::types::Name;
use crate::definition::{Definition, search};
use crate::error::{Context, Error, Exit, Result};
use crate::image::disk;
use crate::image::store::Store;
use crate::plan::{self, Plan};
use crate::settings::Host;
use crate::systemd::Manager;

/// The host as it is at one moment, asked once for all containers.
pub struct Site<'a> {
    host: &'a Host,
    systemd: u32,
    /// Those that run.
    up: BTreeSet<String>,
    of_all: Overrides,
    links: Option<HostLinks>,
}

/// One container.
pub struct Current {
    pub name: Name,
    /// The snapshot.
    pub runs: Plan,
    pub declared: Definition,
    /// The definition as it is now, if there still is one.
    pub now: Option<Loaded>,
    /// What it differs in.
    pub changes: Vec<Change>,
    /// Who else has told systemd something.
    pub overrides: Overrides,
}

impl<'a> Site<'a> {
    pub fn new(host: &'a Host, manager: &Manager) -> Result<Self> {
        let is_up = |active: &str| matches!(active, "active" | "reloading" | "refreshing" | "activating");
        let units = manager.list("soute@*.service")?.into_iter().filter(|unit| is_up(&unit.active));
        let name = |unit: &str| Some(unit.strip_prefix("soute@")?.strip_suffix(".service")?.to_owned());
        let up = units.filter_map(|unit| name(&unit.name)).collect();
        // Whoever may not ask does without.
        let links = ports().ok();
        Ok(Self { host, systemd: manager.version()?, up, of_all: overrides::of_all(host), links })
    }

    /// Those of `targets` that run, all that run if there are none; who does not run is told of.
    pub fn running(&self, manager: &Manager, targets: &[Target]) -> Result<(Vec<Name>, Vec<Error>)> {
        if targets.is_empty() {
            return Ok((self.up.iter().filter_map(|name| name.parse().ok()).collect(), Vec::new()));
        }
        let (mut running, mut errors) = (Vec::new(), Vec::new());
        for name in &targets::resolve(self.host, targets)? {
            match self.up.contains(name.as_str()) {
                true => running.push(name.clone()),
                false => match super::super::must_exist(self.host, manager, name) {
                    Ok(()) => eprintln!("soute: {name} does not run: its next start uses its definition"),
                    Err(error) => errors.push(error),
                },
            }
        }
        Ok((running, errors))
    }

    /// What differs by the files, and by the links of the host.
    pub fn look(&self, name: &Name) -> Result<Current> {
        let state = self.host.layout.state(name);
        let runs = Plan::read(&state)?;
        let declared = plan::declared(&state)?
            .ok_or_else(|| Error::failed(format!("{name} was started by an older soute: start it again")))?;
        let (now, mut changes) = self.definition(name, &runs, &declared)?;
        let own_network = runs.sandbox.namespaces.network;
        if let Some(links) = self.links.as_ref().filter(|_| own_network) {
            changes.extend(change::of_links(&runs, links));
        }
        let mut overrides = self.of_all.clone();
        overrides.extend(overrides::of(self.host, name));
        Ok(Current { name: name.clone(), runs, declared, now, changes, overrides })
    }

    fn definition(&self, name: &Name, runs: &Plan, declared: &Definition) -> Result<(Option<Loaded>, Vec<Change>)> {
        // A one-off container never had one.
        if runs.definition.is_empty() {
            return Ok((None, Vec::new()));
        }
        if search::find(&self.host.layout, name)?.is_none() {
            return Ok((None, vec![self.gone(name, runs)]));
        }
        let loaded = self.load(name)?;
        let digests = self.digests(name, runs);
        let digests = digests.as_ref().map(|(old, new)| (old.as_str(), new.as_str()));
        let same_image = digests.is_none_or(|(old, new)| old == new);
        if runs.fingerprint == settled::fingerprint(&loaded)
            && declared.image == loaded.definition.image
            && loaded.definition.environment_files.is_empty()
            && same_image
        {
            return Ok((Some(loaded), Vec::new()));
        }
        let now = settled::would_be(self.host, &loaded)?;
        let definitions = Definitions { runs: declared, now: &loaded.definition };
        let changes = change::compare(definitions, Plans { runs, now: &now, digests }, |field| {
            change::origin(&loaded.tree, field)
        });
        Ok((Some(loaded), changes))
    }

    fn load(&self, name: &Name) -> Result<Loaded> {
        definitions::load_for(self.host, name, Some(self.systemd))
    }

    /// The digest of what the disk is a copy of, and that of the image of this name.
    fn digests(&self, name: &Name, runs: &Plan) -> Option<(String, String)> {
        let kept = disk::open(&self.host.layout, name)
            .ok()?
            .map(|disk| disk.record.digest)
            .filter(|_| runs.disk.mode == plan::DiskMode::Keep);
        let kept = kept.filter(|digest| !digest.is_empty()).unwrap_or_else(|| runs.image.digest.clone());
        let image = Store::new(&self.host.layout).ok()?.open(&runs.image.name).ok()?;
        Some((kept, image.info.digest))
    }

    /// The definition is gone. One that says the same may be it, under another name.
    fn gone(&self, name: &Name, runs: &Plan) -> Change {
        let others = search::all(&self.host.layout).map(|all| all.found).unwrap_or_default();
        let same = |other: &search::Found| {
            let (_, loaded) = definitions::alone(self.host, other, Some(self.systemd));
            loaded.is_some_and(|loaded| settled::fingerprint(&loaded) == runs.fingerprint)
        };
        let renamed = others.iter().filter(|other| !self.up.contains(other.name.as_str())).find(|other| same(other));
        let from = renamed.map(|other| format!("{} says the same: {name} was renamed?", other.main.display()));
        let old = Some(runs.definition.clone());
        Change { field: "definition".to_owned(), class: Class::Drift, old, new: Some("gone".to_owned()), from }
    }
}

impl Current {
    /// Adds what systemd has otherwise. `all` asks for every property; else only for those that some file overrides.
    pub fn add_drift(list: &mut [Self], manager: &Manager, all: bool) -> Result<()> {
        let names = |current: &Self| {
            let asked = change::asked(&current.runs).into_iter();
            asked.filter(|name| all || current.overrides.contains_key(*name)).map(str::to_owned).collect::<Vec<_>>()
        };
        let names: Vec<_> = list.iter().map(names).collect();
        let of = |(current, names): (&Self, &'_ Vec<String>)| (unit(&current.name), names.clone());
        let wanted: Vec<(String, Vec<String>)> =
            list.iter().zip(&names).filter(|(_, names)| !names.is_empty()).map(of).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let asked: Vec<(String, Vec<&str>)> =
            wanted.iter().map(|(unit, names)| (unit.clone(), names.iter().map(String::as_str).collect())).collect();
        let mut found = manager.values(&asked)?.into_iter();
        for (current, _) in list.iter_mut().zip(&names).filter(|(_, names)| !names.is_empty()) {
            let values = found.next().unwrap_or_default();
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
    for name in names {
        match site.look(name).with_context(|| format!("cannot compare {name}")) {
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
