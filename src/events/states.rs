//! What systemd has no signal for: health, what is changed while a container runs, and what is frozen. The first two are files
//! beside the snapshot, which are replaced by renaming; of the last the kernel tells through cgroup.events (systemd 252 sends
//! no signal for FreezerState).

use std::collections::HashMap;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use super::{Kind, Told};
use crate::change;
use crate::error::{Context, Result};
use crate::health::{self, State, Status};
use crate::layout::Layout;
use crate::plan::{PLAN, Plan};

/// The directories of containers' states.
pub struct States<'a> {
    layout: &'a Layout,
    inotify: OwnedFd,
    watched: HashMap<i32, Watched>,
    known: HashMap<String, Known>,
}

/// A container's directory, or its control group.
enum Watched {
    State(String),
    Cgroup(String),
}

#[derive(Default)]
struct Known {
    health: Option<Status>,
    plan: Option<Plan>,
    frozen: bool,
}

impl<'a> States<'a> {
    /// Of none yet.
    pub fn new(layout: &'a Layout) -> Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).context("cannot watch files")?;
        Ok(Self { layout, inotify, watched: HashMap::new(), known: HashMap::new() })
    }

    /// For who waits for it to be readable.
    pub fn fd(&self) -> Result<OwnedFd> {
        self.inotify.try_clone().context("cannot watch files")
    }

    /// Watches one more; nothing where there is none, or where we may not look.
    pub fn watch(&mut self, name: &str) {
        let flags = WatchFlags::MOVED_TO | WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW;
        let Ok(watch) = inotify::add_watch(&self.inotify, self.layout.state(name), flags) else { return };
        if self.watched.insert(watch, Watched::State(name.to_owned())).is_none() {
            let (health, plan) = (self.health(name).map(|state| state.status), self.plan(name));
            self.known.insert(name.to_owned(), Known { health, plan, frozen: false });
        }
        // Each start makes a control group of its own.
        let Some(events) = self.cgroup(name).map(|cgroup| cgroup.join("cgroup.events")) else { return };
        let Ok(watch) = inotify::add_watch(&self.inotify, events, WatchFlags::MODIFY) else { return };
        if self.watched.insert(watch, Watched::Cgroup(name.to_owned())).is_none() {
            let frozen = self.is_frozen(name);
            self.known.entry(name.to_owned()).or_default().frozen = frozen;
        }
    }

    /// What has come since.
    pub fn read(&mut self, is_up: impl Fn(&str) -> bool) -> Vec<(String, Told)> {
        let mut come = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            if event.events().contains(ReadFlags::IGNORED) {
                self.watched.remove(&event.wd());
                continue;
            }
            match (self.watched.get(&event.wd()), event.file_name()) {
                (Some(Watched::State(name)), Some(file)) => come.push((name.clone(), file.to_bytes().to_vec())),
                (Some(Watched::Cgroup(name)), _) => come.push((name.clone(), Vec::new())),
                _ => {}
            }
        }
        let told = |(name, file): (String, Vec<u8>)| {
            let told = match &*file {
                [] => self.freezer_of(&name, is_up(&name)),
                file if file == health::FILE.as_bytes() => self.health_of(&name),
                file if file == PLAN.as_bytes() => self.change_of(&name, is_up(&name)),
                _ => None,
            };
            Some((name, told?))
        };
        come.into_iter().filter_map(told).collect()
    }

    fn cgroup(&self, name: &str) -> Option<PathBuf> {
        Some(self.known.get(name)?.plan.as_ref()?.cgroup())
    }

    fn is_frozen(&self, name: &str) -> bool {
        let events = self.cgroup(name).and_then(|cgroup| fs::read_to_string(cgroup.join("cgroup.events")).ok());
        events.is_some_and(|events| events.lines().any(|line| line == "frozen 1"))
    }

    /// One that is killed while it is frozen is not thawed.
    fn freezer_of(&mut self, name: &str, is_up: bool) -> Option<Told> {
        let frozen = self.is_frozen(name);
        let known = self.known.entry(name.to_owned()).or_default();
        let same = std::mem::replace(&mut known.frozen, frozen) == frozen;
        (is_up && !same).then(|| Told::new(if frozen { Kind::Frozen } else { Kind::Thawed }, ""))
    }

    fn health(&self, name: &str) -> Option<State> {
        State::read(self.layout, name).ok().flatten()
    }

    fn plan(&self, name: &str) -> Option<Plan> {
        Plan::read(&self.layout.state(name)).ok()
    }

    fn health_of(&mut self, name: &str) -> Option<Told> {
        let state = self.health(name)?;
        let known = self.known.entry(name.to_owned()).or_default();
        let same = known.health.replace(state.status) == Some(state.status);
        match state.status {
            _ if same => None,
            Status::Starting => None,
            Status::Healthy => Some(Told::new(Kind::Healthy, "")),
            Status::Unhealthy => Some(Told::new(Kind::Unhealthy, state.last)),
        }
    }

    /// The snapshot of a container that does not run is written for its next start.
    fn change_of(&mut self, name: &str, is_up: bool) -> Option<Told> {
        let now = self.plan(name)?;
        let known = self.known.entry(name.to_owned()).or_default();
        let before = known.plan.replace(now.clone())?;
        let detail = change::told(&before, &now);
        (is_up && !detail.is_empty()).then(|| Told::new(Kind::Changed, detail))
    }
}
