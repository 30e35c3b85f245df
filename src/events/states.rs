//! What systemd has no signal for: health, what is changed while a container runs, what is frozen, and what was killed for
//! memory. The first two are files beside the snapshot, which are replaced by renaming; of the others the kernel tells through
//! cgroup.events (systemd 252 sends no signal for FreezerState) and memory.events.

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

/// Of a control group.
const FREEZER: &str = "cgroup.events";
const MEMORY: &str = "memory.events";

/// The directories of containers' states.
pub struct States<'a> {
    layout: &'a Layout,
    inotify: OwnedFd,
    watched: HashMap<i32, Watched>,
    known: HashMap<String, Known>,
}

/// A container's directory, or a file of its control group.
enum Watched {
    State(String),
    Freezer(String),
    Memory(String),
}

/// What has come to one.
enum Come {
    File(Vec<u8>),
    Freezer,
    Memory,
}

#[derive(Default)]
struct Known {
    health: Option<Status>,
    plan: Option<Plan>,
    frozen: bool,
    /// How many of its processes the kernel has killed for memory.
    killed: u64,
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
            self.known.insert(name.to_owned(), Known { health, plan, ..Known::default() });
        }
        // Each start makes a control group of its own.
        if self.watch_events(name, FREEZER, Watched::Freezer(name.to_owned())) {
            let frozen = self.is_frozen(name);
            self.known.entry(name.to_owned()).or_default().frozen = frozen;
        }
        if self.watch_events(name, MEMORY, Watched::Memory(name.to_owned())) {
            let killed = self.killed(name);
            self.known.entry(name.to_owned()).or_default().killed = killed;
        }
    }

    /// Whether it is a file that was not watched yet; without the memory controller there is none.
    fn watch_events(&mut self, name: &str, file: &str, watched: Watched) -> bool {
        let Some(events) = self.cgroup(name).map(|cgroup| cgroup.join(file)) else { return false };
        let Ok(watch) = inotify::add_watch(&self.inotify, events, WatchFlags::MODIFY) else { return false };
        self.watched.insert(watch, watched).is_none()
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
                (Some(Watched::State(name)), Some(file)) => {
                    come.push((name.clone(), Come::File(file.to_bytes().to_vec())));
                }
                (Some(Watched::Freezer(name)), _) => come.push((name.clone(), Come::Freezer)),
                (Some(Watched::Memory(name)), _) => come.push((name.clone(), Come::Memory)),
                _ => {}
            }
        }
        let told = |(name, come): (String, Come)| {
            let told = match come {
                Come::Freezer => self.freezer_of(&name, is_up(&name)),
                Come::Memory => self.memory_of(&name),
                Come::File(file) if file == health::FILE.as_bytes() => self.health_of(&name),
                Come::File(file) if file == PLAN.as_bytes() => self.change_of(&name, is_up(&name)),
                Come::File(_) => None,
            };
            Some((name, told?))
        };
        come.into_iter().filter_map(told).collect()
    }

    fn cgroup(&self, name: &str) -> Option<PathBuf> {
        Some(self.known.get(name)?.plan.as_ref()?.cgroup())
    }

    fn is_frozen(&self, name: &str) -> bool {
        self.events(name, FREEZER).lines().any(|line| line == "frozen 1")
    }

    /// In its control group and those below it. The file goes with the group.
    fn killed(&self, name: &str) -> u64 {
        let events = self.events(name, MEMORY);
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok());
        count.unwrap_or_default()
    }

    fn events(&self, name: &str, file: &str) -> String {
        let path = self.cgroup(name).map(|cgroup| cgroup.join(file));
        path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default()
    }

    /// One that is killed while it is frozen is not thawed.
    fn freezer_of(&mut self, name: &str, is_up: bool) -> Option<Told> {
        let frozen = self.is_frozen(name);
        let known = self.known.entry(name.to_owned()).or_default();
        let same = std::mem::replace(&mut known.frozen, frozen) == frozen;
        (is_up && !same).then(|| Told::new(if frozen { Kind::Frozen } else { Kind::Thawed }, ""))
    }

    /// The file says more than that, such as that a limit was met.
    fn memory_of(&mut self, name: &str) -> Option<Told> {
        let killed = self.killed(name);
        let known = self.known.entry(name.to_owned()).or_default();
        let more = killed > known.killed;
        known.killed = known.killed.max(killed);
        more.then(|| Told::new(Kind::OutOfMemory, ""))
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
