//! Everything that `list` knows: systemd's units in one call, the snapshots, the definitions, the disks.

pub mod boot;
pub mod sample;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use self::boot::Boot;
use crate::definition::types::Name;
use crate::definition::{Loaded, search};
use crate::error::{Exit, Result};
use crate::health;
use crate::host::{definitions, settled};
use crate::image::disk::{self, LastExit};
use crate::image::store::{Store, Verified};
use crate::instances::{self, Instance, leases};
use crate::names;
use crate::plan::{self, Plan, Publish};
use crate::settings::Host;
use crate::systemd::{Manager, UnitStatus};

/// All containers of a host, sorted by name.
#[derive(Debug)]
pub struct Inventory {
    /// What there is.
    pub entries: Vec<Entry>,
    /// What the instances file said before systemd was asked.
    noted: Vec<Instance>,
}

/// One container.
#[derive(Debug, Default)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The image that it runs, or would.
    pub image: String,
    /// "running", "frozen", "starting", "stopping", "restarting", "failed", "stopped", or "listening" where who connects
    /// starts it.
    pub state: &'static str,
    /// What its check says, if it has one and runs.
    pub health: Option<health::Status>,
    /// The line of the instances file.
    pub instance: Option<Instance>,
    /// Who starts it at boot.
    pub boot: Boot,
    /// Bytes that its cgroup has.
    pub memory: Option<u64>,
    /// Without prefixes.
    pub addresses: Vec<String>,
    /// Published: "8080:80".
    pub ports: Vec<String>,
    /// What runs is not what the definition says now.
    pub changed: bool,
    /// What it lacks of the isolation that containers have by default.
    pub weakened: Vec<String>,
    /// There is a definition, and it has faults.
    pub invalid: bool,
    /// There is a disk and no definition.
    pub orphan: bool,
    /// Of its definition.
    pub labels: BTreeMap<String, String>,
    /// How it ended, if it does not run.
    pub last_exit: Option<String>,
    /// What vouches for the image that has the name of its own, if that came from elsewhere.
    pub verified: Option<Verified>,
}

impl Entry {
    /// It has processes.
    pub fn is_up(&self) -> bool {
        !matches!(self.state, "stopped" | "failed" | "listening")
    }

    /// Somebody can get at it.
    pub fn is_there(&self) -> bool {
        self.is_up() || self.state == "listening"
    }

    /// For how long it has been running.
    pub fn running_time(&self) -> Option<Duration> {
        let started = humantime::parse_rfc3339(&self.instance.as_ref()?.started).ok()?;
        SystemTime::now().duration_since(started).ok()
    }
}

impl Inventory {
    /// Those that run, and with `all` every one that there is.
    pub fn take(host: &Host, manager: &Manager, all: bool) -> Result<Self> {
        let _kept = manager.keep();
        let noted = instances::read(&host.layout);
        let units = Units::of(manager)?;
        let mut names: BTreeSet<String> = units.containers.keys().chain(&units.listening).cloned().collect();
        if all {
            names.extend(search::all(&host.layout)?.found.into_iter().map(|found| found.name.to_string()));
            names.extend(permitted(disk::names(&host.layout).map(Some))?.unwrap_or_default());
        }
        let take = |name: &String| Entry::take(host, manager, name, &units, &noted);
        let mut entries = names.iter().map(take).collect::<Result<Vec<_>>>()?;
        vouch(host, &mut entries);
        Ok(Self { entries, noted })
    }

    /// One container alone.
    pub fn of(host: &Host, manager: &Manager, name: &Name) -> Result<Self> {
        let _kept = manager.keep();
        let units = Units::of(manager)?;
        let noted = instances::read(&host.layout);
        let entry = Entry::take(host, manager, name, &units, &noted)?;
        Ok(Self { entries: vec![entry], noted })
    }

    /// Makes the instances file say what systemd says.
    pub fn write_instances(&self, host: &Host) -> Result<()> {
        let up: Vec<_> = self.entries.iter().filter_map(|entry| entry.instance.clone()).collect();
        instances::update(&host.layout, |list| instances::reconcile(list, &self.noted, up))?;
        names::repair(&host.layout)
    }
}

/// Says of each what its image's record says; one record is read once.
fn vouch(host: &Host, entries: &mut [Entry]) {
    // Who only asks makes no store.
    let Some(store) = host.layout.images().metadata().ok().and_then(|_| Store::new(&host.layout).ok()) else { return };
    let mut known = BTreeMap::new();
    for entry in entries {
        let record = || store.open(&entry.image).ok()?.info.verified;
        entry.verified = *known.entry(entry.image.clone()).or_insert_with(record);
    }
}

/// What only root may look at, where it may be left out.
pub fn permitted<T>(looked: Result<Option<T>>) -> Result<Option<T>> {
    match looked {
        Err(error) if error.exit() == Exit::NotPermitted && !rustix::process::geteuid().is_root() => Ok(None),
        looked => looked,
    }
}

/// What systemd has of containers.
struct Units {
    /// Their units, by the containers' names.
    containers: BTreeMap<String, UnitStatus>,
    /// Those with a port that is open.
    listening: BTreeSet<String>,
}

impl Units {
    fn of(manager: &Manager) -> Result<Self> {
        let (mut containers, mut listening) = (BTreeMap::new(), BTreeSet::new());
        for unit in manager.list_any(&["soute@*.service", "soute-publish@*.socket"])? {
            let container = unit.name.strip_prefix("soute@").and_then(|name| name.strip_suffix(".service"));
            let port =
                unit.name.strip_prefix("soute-publish@").and_then(|port| Some(port.split_once(':')?.0.to_owned()));
            match (container.map(str::to_owned), port) {
                // A unit that another one merely names is listed as not found.
                (Some(name), _) if unit.load != "not-found" => drop(containers.insert(name, unit)),
                (_, Some(name)) if unit.active == "active" => drop(listening.insert(name)),
                _ => {}
            }
        }
        Ok(Self { containers, listening })
    }
}

impl Entry {
    fn take(host: &Host, manager: &Manager, name: &str, units: &Units, noted: &[Instance]) -> Result<Self> {
        let mut entry = Self { name: name.to_owned(), state: "stopped", ..Self::default() };
        let parsed: Option<Name> = name.parse().ok();
        let found = parsed.as_ref().and_then(|name| search::find(&host.layout, name).ok().flatten());
        entry.orphan = found.is_none();
        entry.boot = Boot::of(host, name);
        match units.containers.get(name) {
            Some(unit) => entry.running(host, manager, unit, noted)?,
            None => entry.stopped(host),
        }
        if !entry.is_up() && units.listening.contains(name) {
            entry.listening(host);
        }
        if found.is_some() {
            entry.defined(host);
        }
        Ok(entry)
    }

    fn running(&mut self, host: &Host, manager: &Manager, unit: &UnitStatus, noted: &[Instance]) -> Result<()> {
        self.state = state(unit);
        let mut cgroup = PathBuf::new();
        if let Ok(plan) = Plan::of(&host.layout, &self.name) {
            cgroup = plan.cgroup();
            self.image = plan.image.name.clone();
            let plan = leases::leased(&host.layout, plan);
            self.addresses = plan.addresses();
            self.ports = plan.publish.iter().map(Publish::shown).collect();
            self.weakened = plan.weakened.clone();
            // A one-off container has no definition, and its disk goes with it.
            self.orphan &= !plan.ephemeral;
            self.labels = plan.labels;
        }
        if !self.is_up() {
            self.last_exit = last_exit(host, &self.name);
            return Ok(());
        }
        self.memory = memory(&cgroup);
        self.health = health::State::read(&host.layout, &self.name).ok().flatten().map(|state| state.status);
        if self.state == "running" && is_frozen(&cgroup) {
            self.state = "frozen";
        }
        let noted = noted.iter().find(|instance| instance.name == self.name && instance.is_up());
        self.instance = match noted {
            Some(instance) => Some(instance.clone()),
            None => self.ask(manager, &unit.name)?,
        };
        Ok(())
    }

    /// The instances file is lost or wrong: systemd knows.
    fn ask(&self, manager: &Manager, unit: &str) -> Result<Option<Instance>> {
        let properties = manager.properties(unit, &["MainPID", "ActiveEnterTimestamp"])?;
        let pid = properties.number("MainPID").and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0);
        let since = properties.number("ActiveEnterTimestamp").filter(|since| *since > 0);
        let (Some(pid), Some(since)) = (pid, since) else { return Ok(None) };
        let started = SystemTime::UNIX_EPOCH + Duration::from_micros(since);
        let started = humantime::format_rfc3339_seconds(started).to_string();
        let (name, image, addresses) = (self.name.clone(), self.image.clone(), self.addresses.clone());
        Ok(Some(Instance { name, image, started, pid, addresses }))
    }

    fn stopped(&mut self, host: &Host) {
        if let Ok(Some(disk)) = disk::open(&host.layout, &self.name) {
            self.image = disk.record.image;
        }
        self.last_exit = last_exit(host, &self.name);
    }

    /// Only its ports are there. One that has failed is tried again by who comes, and says so all the same.
    fn listening(&mut self, host: &Host) {
        if self.state == "stopped" {
            self.state = "listening";
        }
        let published = plan::published(&host.layout.state(&self.name)).unwrap_or_default();
        self.ports = published.iter().filter(|port| port.activate).map(Publish::shown).collect();
    }

    fn defined(&mut self, host: &Host) {
        let Some(loaded) = load_quietly(host, &self.name) else {
            self.changed = self.is_up();
            self.invalid = true;
            return;
        };
        let running = Plan::read(&host.layout.state(&self.name)).ok();
        self.changed = self.is_up() && running.is_some_and(|plan| plan.fingerprint != settled::fingerprint(&loaded));
        if !self.is_up() {
            self.image = loaded.definition.image.to_string();
            let label = |(key, value): (&_, &_)| (ToString::to_string(key), ToString::to_string(value));
            self.labels = loaded.definition.labels.iter().map(|(key, value)| label((key, value))).collect();
        }
    }
}

/// A definition with faults is shown by `check`; here it is only one that has changed.
fn load_quietly(host: &Host, name: &str) -> Option<Loaded> {
    let name: Name = name.parse().ok()?;
    definitions::load_quietly(host, &name, None).ok()
}

fn state(unit: &UnitStatus) -> &'static str {
    match (unit.active.as_str(), unit.sub.as_str()) {
        (_, "auto-restart" | "auto-restart-queued") => "restarting",
        ("active" | "reloading" | "refreshing", _) => "running",
        ("activating", _) => "starting",
        ("deactivating", _) => "stopping",
        ("failed", _) => "failed",
        _ => "stopped",
    }
}

fn memory(cgroup: &Path) -> Option<u64> {
    fs::read_to_string(cgroup.join("memory.current")).ok()?.trim().parse().ok()
}

/// By `soute pause`, or `systemctl freeze`.
pub fn is_frozen(cgroup: &Path) -> bool {
    let events = fs::read_to_string(cgroup.join("cgroup.events"));
    events.is_ok_and(|events| events.lines().any(|line| line == "frozen 1"))
}

/// "exited 1", "killed KILL": as the clean-up has noted it; nothing for one that was stopped, or ended well.
fn last_exit(host: &Host, name: &str) -> Option<String> {
    let exit = disk::read_exit(&host.layout, name).ok()??;
    let well = exit.result == LastExit::STOPPED || (exit.code == "exited" && exit.status == "0");
    (!well).then(|| describe(&exit))
}

/// The same in words, whatever it was.
pub fn describe(exit: &LastExit) -> String {
    let how = match exit.code.as_str() {
        "" => String::new(),
        code => format!("{code} {}", exit.status),
    };
    match exit.result.as_str() {
        "oom-kill" => format!("out of memory, {how}"),
        "timeout" => format!("timed out, {how}"),
        _ if how.is_empty() => exit.result.clone(),
        _ => how,
    }
}
