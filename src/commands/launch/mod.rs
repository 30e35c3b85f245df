//! From a name to a running container: the definition is read and checked, what it requires is started, the plan is made
//! and told to systemd.

pub mod asked;
pub mod ports;
mod progress;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use self::progress::Progress;
use super::cli::targets;
use super::pull;
use super::update::repair;
use crate::definition::Definition;
use crate::definition::load::Loaded;
use crate::definition::model::UserNamespace;
use crate::definition::types::{Dependency, MountSource, Name};
use crate::dhcp;
use crate::error::{Context, Error, Result};
use crate::host::addresses::{self, Addresses};
use crate::host::known::Known;
use crate::host::settled::{Settled, build};
use crate::host::{definitions, facts, missing, resolvers};
use crate::image::disk::{self, Disk, DiskRecord, ids, volume};
use crate::image::lock::Lock;
use crate::names;
use crate::network::{self, Netlink};
use crate::plan::{self, Link, LinkKind, Plan};
use crate::sandbox::cgroup;
use crate::settings::Host;
use crate::systemd::{Manager, Start, Started};

/// Set by the units that start containers.
const LAUNCHER: &str = "SOUTE_LAUNCHER";
/// How long the launcher waits at boot for a bridge that somebody else makes.
const BRIDGE_WAIT: Duration = Duration::from_secs(30);

/// Starts containers, each after those that it requires.
pub struct Launch<'a> {
    host: &'a Host,
    manager: &'a Manager,
    systemd: u32,
    done: RefCell<BTreeSet<Name>>,
    /// Whose disks this process exchanges: it does not wait for itself.
    held: BTreeSet<Name>,
}

impl<'a> Launch<'a> {
    /// On this host, through this manager.
    pub fn new(host: &'a Host, manager: &'a Manager) -> Result<Self> {
        cgroup::begin_to_wait();
        Ok(Self { host, manager, systemd: manager.version()?, done: RefCell::default(), held: BTreeSet::new() })
    }

    /// For who updates these.
    pub fn holding(self, held: BTreeSet<Name>) -> Self {
        Self { held, ..self }
    }

    /// Starts a container and waits until it is ready; one that runs is left as it is.
    pub fn start(&self, name: &Name) -> Result<()> {
        match targets::replicas(self.host, name)? {
            Some(replicas) => replicas.iter().try_for_each(|replica| self.start_one(replica)),
            None => self.start_one(name),
        }
    }

    /// What the launcher does: of a container that is started by who connects, only the ports are opened.
    pub fn start_or_listen(&self, name: &Name) -> Result<()> {
        match self.is_up(name)? || self.only_listens(name).with_context(|| format!("cannot start {name}"))? {
            true => Ok(()),
            false => self.start_one(name),
        }
    }

    fn only_listens(&self, name: &Name) -> Result<bool> {
        let loaded = self.load(name)?;
        let listens = loaded.definition.publish.iter().any(|port| port.activate);
        if listens {
            self.listen(&loaded)?;
        }
        Ok(listens)
    }

    fn listen(&self, loaded: &Loaded) -> Result<()> {
        let name = loaded.name.as_str();
        definitions::check_neighbours(self.host, loaded)?;
        let now = plan::ports(&loaded.definition, name, facts::has_ipv6_loopback(&loaded.definition));
        let state = self.host.layout.state(name);
        ports::close_others(self.manager, &plan::published(&state)?, &now)?;
        let open: Vec<_> = now.iter().filter(|port| port.activate).cloned().collect();
        ports::refuse_taken(self.manager, &open)?;
        {
            let _lock = Lock::name(&self.host.layout, name)?;
            plan::write_published(&state, &now)?;
        }
        ports::keep_open(self.manager, name, &now)
    }

    fn start_one(&self, name: &Name) -> Result<()> {
        if !self.done.borrow_mut().insert(name.clone()) {
            return Ok(());
        }
        if !self.held.contains(name) {
            repair::come_to_rest(self.host, name, || self.is_up(name))?;
        }
        if self.is_up(name)? {
            return Ok(());
        }
        self.start_stopped(name).with_context(|| format!("cannot start {name}"))
    }

    fn start_stopped(&self, name: &Name) -> Result<()> {
        let mut loaded = self.load(name)?;
        if pull::fetch_missing(self.host, &loaded)? {
            loaded = self.load(name)?;
        }
        definitions::check_neighbours(self.host, &loaded)?;
        // At boot what they are on may come later, and an automatic restart finds them.
        if !is_launcher() {
            missing::refuse_without_credentials(self.host, &loaded)?;
        }
        self.start_required(&loaded)?;
        let plan = self.plan(&loaded, true)?;
        self.run(&plan)
    }

    /// Starts what a container requires, and what it wants.
    pub fn start_required(&self, loaded: &Loaded) -> Result<()> {
        let name = &loaded.name;
        for dependency in containers(&loaded.definition.required()) {
            self.start(dependency)?;
        }
        for dependency in containers(&loaded.definition.wants) {
            if let Err(error) = self.start(dependency) {
                eprintln!("soute: {error}, ignoring: {name} only wants it");
            }
        }
        Ok(())
    }

    /// The definition as it is now; its faults are shown where they are.
    pub fn load(&self, name: &Name) -> Result<Loaded> {
        definitions::load_for(self.host, name, Some(self.systemd))
    }

    /// A definition that is no file, held against those that are.
    pub fn load_flags(&self, name: &Name, flags: toml::Table) -> Result<Loaded> {
        definitions::load_flags(self.host, name, flags, Some(self.systemd))
    }

    /// Makes the plan, and what must be recorded before it can be: the ids, the volumes. What is `durable` outlasts a
    /// power cut.
    pub fn plan(&self, loaded: &Loaded, durable: bool) -> Result<Plan> {
        let known = Known::new(self.host);
        let settled = Settled::new(&known, loaded)?;
        settled.tell(loaded);
        if settled.definition.image.digest.is_some() && !pull::has_copy(self.host, loaded)? {
            pull::refuse_other(&settled.definition.image, &settled.image)?;
        }
        let disk = self.record(&loaded.name, &settled.definition, settled.disk, durable)?;
        for mount in &settled.definition.mount {
            if let Some(MountSource::Volume(volume)) = &mount.source {
                volume::open(&self.host.layout, volume)?;
            }
        }
        if resolvers::are_wanted(&settled.definition)
            && resolvers::of_host(&settled.definition, self.host.layout.root()).is_empty()
        {
            eprintln!("soute: {}: {}", loaded.name, resolvers::UNREACHABLE);
        }
        let addresses = self.addresses(loaded, durable)?;
        let plan = build(&known, loaded, &settled.definition, settled.image, disk.record.ids, addresses)?;
        let _lock = Lock::name(&self.host.layout, &loaded.name)?;
        plan::declare(&self.host.layout.state(&loaded.name), &settled.definition)?;
        Ok(plan)
    }

    fn record(&self, name: &str, definition: &Definition, existing: Option<Disk>, durable: bool) -> Result<Disk> {
        let layout = &self.host.layout;
        let own_ids = definition.namespaces.user == UserNamespace::Auto;
        if let Some(disk) = existing.filter(|disk| disk.record.ids.is_some() || !own_ids) {
            return Ok(disk);
        }
        let record = DiskRecord { image: definition.image.to_string(), ..DiskRecord::default() };
        match own_ids {
            true => ids::assign(layout, self.host.pool, name, record, durable),
            false => disk::create_record(layout, name, &record, durable),
        }
    }

    fn addresses(&self, loaded: &Loaded, durable: bool) -> Result<Addresses> {
        if !addresses::are_wanted(&loaded.definition) {
            return Ok(Addresses::new());
        }
        let wait = is_launcher().then_some(BRIDGE_WAIT);
        if wait.is_some() {
            self.manager.rest();
        }
        addresses::assign(&self.host.layout, loaded, wait, durable)
    }

    /// Tells systemd, and waits for the container to be ready.
    pub fn run(&self, plan: &Plan) -> Result<()> {
        self.begin(plan, Vec::new(), false).map(drop)
    }

    /// The same with descriptors for the unit; with `ends`, for a caller who waits for the end.
    pub fn begin<'s>(&'s self, plan: &Plan, fds: Vec<(&str, BorrowedFd<'_>)>, ends: bool) -> Result<Started<'s>> {
        if let Some((other, address)) = names::holder(&self.host.layout, plan) {
            return Err(Error::failed(format!("{other}, which runs, has the address {address} on the same bridge")));
        }
        self.wait_for_bridges(plan)?;
        ports::close_others(self.manager, &plan::published(&self.host.layout.state(&plan.name))?, &plan.publish)?;
        if !plan.publish.is_empty() {
            ports::refuse_taken(self.manager, &plan.publish)?;
        }
        let anew = Plan::read(&self.host.layout.state(&plan.name)).is_ok_and(|before| before != *plan);
        self.snapshot(plan)?;
        ports::keep_open(self.manager, &plan.name, &plan.publish)?;
        if let Some(slice) = &plan.slice {
            self.manager.ensure_slice(slice)?;
        }
        let mut shown = Progress::default();
        let mut show = |text: &str| shown.show(text);
        let progress = Some(&mut show as &mut dyn FnMut(&str));
        let timer = plan.health.iter().map(|health| health.unit(&plan.name));
        let sockets = plan.publish.iter().filter(|port| !port.activate).map(|port| port.unit(&plan.name));
        let leases = dhcp::is_asked(plan).then(|| plan::lease::unit(&plan.name));
        let beside = sockets.chain(timer).chain(leases).collect();
        let started = self.manager.start_transient(&plan.unit, Start { fds, beside, progress, anew, ends });
        shown.clear();
        // Whoever took a port since says more than that a socket unit has failed.
        started.or_else(|error| ports::refuse_taken(self.manager, &plan.publish).and(Err(error)))
    }

    /// By hand a missing bridge is an error at once; at boot whoever makes it may be slower than we are.
    fn wait_for_bridges(&self, plan: &Plan) -> Result<()> {
        if plan.links.is_empty() {
            return Ok(());
        }
        let launcher = is_launcher();
        if launcher {
            self.manager.rest();
        }
        let mut netlink = Netlink::open()?;
        for port in plan.links.iter().filter_map(Link::port) {
            let bridge = match (port.create, launcher) {
                // The runner makes a missing one, as it does at an automatic restart.
                (Some(_), _) => match netlink.find_bridge(&port.bridge)? {
                    Some(bridge) => bridge,
                    None => continue,
                },
                (None, true) => network::wait_for_bridge(&port.bridge, BRIDGE_WAIT)?,
                (None, false) => netlink.bridge(&port.bridge)?,
            };
            network::suits(&bridge, port)?;
        }
        // A card that is still on its way back from an earlier run is waited for by the runner.
        let needed = |link: &&Link| !matches!(link.kind, LinkKind::Device { .. });
        for parent in plan.links.iter().filter(needed).filter_map(Link::parent) {
            match launcher {
                true => network::wait_for_parent(parent, BRIDGE_WAIT)?,
                false => netlink.parent(parent)?,
            };
        }
        Ok(())
    }

    /// The lock is not held across the start: of two that write the same snapshot, one wins the unit and both are right.
    pub fn snapshot(&self, plan: &Plan) -> Result<()> {
        let _lock = Lock::name(&self.host.layout, &plan.name)?;
        let state = self.host.layout.state(&plan.name);
        plan::write_published(&state, &plan.publish)?;
        plan.write(&state)?;
        plan::show(&self.host.layout, plan)
    }

    fn is_up(&self, name: &Name) -> Result<bool> {
        let status = self.manager.status(&crate::commands::unit(name))?;
        Ok(matches!(status.active.as_str(), "active" | "reloading") && status.job.as_deref() != Some("stop"))
    }
}

/// At boot whoever makes what is missing may be slower than we are.
fn is_launcher() -> bool {
    std::env::var_os(LAUNCHER).is_some()
}

/// The launcher, and not the unit by which a connection starts a container.
pub fn may_only_listen() -> bool {
    std::env::var_os(LAUNCHER).is_some_and(|value| value != "activate")
}

fn containers(list: &[Dependency]) -> impl Iterator<Item = &Name> {
    list.iter().filter_map(|dependency| match dependency {
        Dependency::Container(name) => Some(name),
        Dependency::Unit(_) => None,
    })
}
