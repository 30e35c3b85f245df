//! The host at one moment, asked once for all containers that `diff`, `apply` and `verify` look at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::current::Current;
use super::overrides;
use crate::audit::read::ports;
use crate::change::{self, Change, Class, Definitions, HostLinks, Plans};
use crate::commands::cli::targets::{self, Target};
use crate::definition::load::{self, Loaded};
use crate::definition::search::{self, Found};
use crate::definition::types::Name;
use crate::definition::{Definition, check};
use crate::error::{Error, Exit, Result};
use crate::host::known::Known;
use crate::host::{definitions, settled};
use crate::image::disk;
use crate::output::diagnostics;
use crate::plan::{self, Plan};
use crate::settings::Host;
use crate::systemd::Manager;

/// What is asked once.
pub struct Site<'a> {
    host: &'a Host,
    known: Known<'a>,
    systemd: u32,
    /// Those that run.
    up: BTreeSet<String>,
    overrides: overrides::Index,
    links: Option<HostLinks>,
    /// Every definition, where all containers are looked at.
    definitions: OnceLock<BTreeMap<Name, Found>>,
    neighbours: OnceLock<crate::definition::Site>,
}

impl<'a> Site<'a> {
    pub fn new(host: &'a Host, manager: &Manager) -> Result<Self> {
        let is_up = |active: &str| matches!(active, "active" | "reloading" | "refreshing" | "activating");
        let units = manager.list("soute@*.service")?.into_iter().filter(|unit| is_up(&unit.active));
        let name = |unit: &str| Some(unit.strip_prefix("soute@")?.strip_suffix(".service")?.to_owned());
        Ok(Self {
            host,
            known: Known::new(host),
            systemd: manager.version()?,
            up: units.filter_map(|unit| name(&unit.name)).collect(),
            overrides: overrides::Index::of(host),
            // Whoever may not ask does without.
            links: ports().ok(),
            definitions: OnceLock::new(),
            neighbours: OnceLock::new(),
        })
    }

    /// What has been asked of the host.
    pub fn known(&self) -> &Known<'a> {
        &self.known
    }

    /// The host's links, for who may ask for them.
    pub fn links(&self) -> Option<&HostLinks> {
        self.links.as_ref()
    }

    /// Those of `targets` that run, all that run if there are none; who does not run is told of.
    pub fn running(&self, manager: &Manager, targets: &[Target]) -> Result<(Vec<Name>, Vec<Error>)> {
        if targets.is_empty() {
            let found = search::all(&self.host.layout)?.found;
            let _ = self.definitions.set(found.into_iter().map(|found| (found.name.clone(), found)).collect());
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
        let mut current = match self.snapshot(name) {
            Err(error) if error.exit() == Exit::NotPermitted => {
                Current::for_everybody(self.host, name.clone(), self.overrides.of_container(name))?
            }
            snapshot => snapshot?,
        };
        self.compare(&mut current)?;
        if let Some(links) = self.links.as_ref().filter(|_| current.runs.sandbox.namespaces.network) {
            let changes = change::of_links(&current.runs, links);
            current.changes.extend(changes);
        }
        Ok(current)
    }

    fn snapshot(&self, name: &Name) -> Result<Current> {
        let state = self.host.layout.state(name);
        // Before it is read: who replaces it meanwhile is noticed.
        let stamp = plan::stamp(&state)?;
        let runs = Plan::read(&state)?;
        Ok(Current::new(name.clone(), runs, stamp, self.overrides.of_container(name)))
    }

    fn compare(&self, current: &mut Current) -> Result<()> {
        let runs = &current.runs;
        // A one-off container never had one.
        if runs.definition.is_empty() {
            return Ok(());
        }
        let Some(found) = self.definition(&current.name)? else {
            current.changes.push(self.gone(&current.name, runs));
            return Ok(());
        };
        let loaded = self.load(&found)?;
        if !current.is_whole() {
            current.changes = for_everybody(runs, current.declared(self.host)?, &loaded);
            current.now = Some(loaded);
            return Ok(());
        }
        let digests = self.digests(&current.name, runs)?;
        let digests = digests.as_ref().map(|(old, new)| (old.as_str(), new.as_str()));
        let same_image = digests.is_none_or(|(old, new)| old == new);
        let same = runs.fingerprint == settled::fingerprint(&loaded)
            && runs.image.name == loaded.definition.image.as_str()
            && loaded.definition.environment_files.is_empty();
        if !(same && same_image) {
            let now = settled::would_be(&self.known, &loaded)?;
            let definitions = Definitions { runs: current.declared(self.host)?, now: &loaded.definition };
            let changes = change::compare(definitions, Plans { runs, now: &now, digests }, |field| {
                change::origin(&loaded.tree, field)
            });
            current.changes = changes;
        }
        current.now = Some(loaded);
        Ok(())
    }

    fn definition(&self, name: &Name) -> Result<Option<Found>> {
        match self.definitions.get() {
            Some(all) => Ok(all.get(name).cloned()),
            None => search::find(&self.host.layout, name),
        }
    }

    fn load(&self, found: &Found) -> Result<Loaded> {
        let declared = |image: &Name| self.known.declared_for(&found.name, image);
        let facts = check::Host { systemd: Some(self.systemd) };
        let loaded = load::load_found(&self.host.layout, found, declared, toml::Table::new(), facts);
        loaded.map_err(|faults| diagnostics::refuse(&faults.0))
    }

    /// The digest of what the disk is a copy of, and that of the image of this name.
    fn digests(&self, name: &Name, runs: &Plan) -> Result<Option<(String, String)>> {
        // A record that cannot be read is of no use here, and told of by whoever starts from it.
        let Ok(Some(image)) = self.known.image(&runs.image.name) else { return Ok(None) };
        let kept = match runs.disk.mode {
            plan::DiskMode::Keep => disk::open(&self.host.layout, name).ok().flatten().map(|disk| disk.record.digest),
            _ => None,
        };
        let kept = kept.filter(|digest| !digest.is_empty()).unwrap_or_else(|| runs.image.digest.clone());
        Ok(Some((kept, image.digest)))
    }

    /// The definition is gone, or is that of others now: it has got replicas, or has them no more. One that says the same may
    /// be it, under another name.
    fn gone(&self, name: &Name, runs: &Plan) -> Change {
        let others = search::all(&self.host.layout).map(|all| all.found).unwrap_or_default();
        let now: Vec<_> = others.iter().filter(|other| other.main.as_os_str() == runs.definition.as_str()).collect();
        let same = |other: &Found| {
            let (_, loaded) = definitions::alone(self.host, other, Some(self.systemd));
            loaded.is_some_and(|loaded| settled::fingerprint(&loaded) == runs.fingerprint)
        };
        let renamed = others.iter().filter(|other| !self.up.contains(other.name.as_str())).find(|other| same(other));
        let from = match (&now[..], renamed) {
            ([], None) => None,
            ([], Some(other)) => Some(format!("{} says the same: {name} was renamed?", other.main.display())),
            ([one], _) => Some(format!("{} makes {} now", runs.definition, one.name)),
            ([first, .., last], _) => Some(format!("{} makes {} to {} now", runs.definition, first.name, last.name)),
        };
        let old = Some(runs.definition.clone());
        Change { field: "definition".to_owned(), class: Class::Drift, old, new: Some("gone".to_owned()), from }
    }

    /// All containers of the host, as their neighbours see them.
    pub fn neighbours(&self) -> Result<&crate::definition::Site> {
        if let Some(neighbours) = self.neighbours.get() {
            return Ok(neighbours);
        }
        let neighbours = crate::definition::Site::survey(&self.host.layout)?;
        Ok(self.neighbours.get_or_init(|| neighbours))
    }
}

/// As far as it can be told by who may not look at images, disks and environment variables.
fn for_everybody(runs: &Plan, declared: &Definition, now: &Loaded) -> Vec<Change> {
    /// What an image may declare.
    const OF_IMAGES: [&str; 5] = ["entrypoint", "command", "user", "working-directory", "stop.signal"];
    let definitions = Definitions { runs: declared, now: &now.definition };
    let plans = Plans { runs, now: runs, digests: None };
    let mut changes = change::compare(definitions, plans, |field| change::origin(&now.tree, field));
    changes.retain(|change| {
        let of_image = change.from.is_none() && OF_IMAGES.contains(&&*change.field);
        !of_image && change.field != "environment" && !change.field.starts_with("environment.")
    });
    changes
}
