//! From a name to a running container: the definition is read and checked, what it requires is started, the plan is made
//! and told to systemd.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::addresses::{self, Addresses};
use super::progress::Progress;
use super::{facts, ports, pull, resolvers, targets};
use crate::definition::load::{self, Failure, Loaded};
use crate::definition::model::{Image, UserNamespace};
use crate::definition::site::Site;
use crate::definition::types::{Dependency, MountSource, Name};
use crate::definition::{Declared, Definition, Fault, Faults};
use crate::dhcp;
use crate::error::{Context, Error, Exit, Result};
use crate::image::disk::{self, Disk, DiskRecord};
use crate::image::lock::Lock;
use crate::image::store::{ImageInfo, Store};
use crate::image::{ids, volume};
use crate::names;
use crate::network::{self, Netlink};
use crate::output::diagnostics;
use crate::plan::{self, Facts, Link, LinkKind, Plan};
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
}

impl<'a> Launch<'a> {
    /// On this host, through this manager.
    pub fn new(host: &'a Host, manager: &'a Manager) -> Result<Self> {
        cgroup::begin_to_wait();
        Ok(Self { host, manager, systemd: manager.version()?, done: RefCell::default() })
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
        check_neighbours(self.host, loaded)?;
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
        if !self.done.borrow_mut().insert(name.clone()) || self.is_up(name)? {
            return Ok(());
        }
        self.start_stopped(name).with_context(|| format!("cannot start {name}"))
    }

    fn start_stopped(&self, name: &Name) -> Result<()> {
        let mut loaded = self.load(name)?;
        if pull::fetch_missing(self.host, &loaded)? {
            loaded = self.load(name)?;
        }
        check_neighbours(self.host, &loaded)?;
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
        let declared = |image: &Name| declared(self.host, image);
        let loaded = load::load(&self.host.layout, name, declared, toml::Table::new(), self.facts());
        loaded.map_err(|failure| match failure {
            Failure::Error(error) => error,
            Failure::Faults(faults) => refuse(&faults.0),
        })
    }

    /// A definition that is no file, held against those that are.
    pub fn load_flags(&self, name: &Name, flags: toml::Table) -> Result<Loaded> {
        load_flags(self.host, name, flags, Some(self.systemd))
    }

    fn facts(&self) -> load::Host {
        load::Host { systemd: Some(self.systemd) }
    }

    /// Makes the plan, and what must be recorded before it can be: the ids, the volumes. What is `durable` outlasts a
    /// power cut.
    pub fn plan(&self, loaded: &Loaded, durable: bool) -> Result<Plan> {
        let settled = Settled::new(self.host, loaded)?;
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
        let plan = build(self.host, loaded, &settled.definition, settled.image, disk.record.ids, addresses)?;
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
        let started = self.manager.start_transient(&plan.unit, Start { fds, beside, progress, ends });
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
        plan.write(&state)
    }

    fn is_up(&self, name: &Name) -> Result<bool> {
        let status = self.manager.status(&super::unit(name))?;
        Ok(matches!(status.active.as_str(), "active" | "reloading") && status.job.as_deref() != Some("stop"))
    }
}

/// Faults between containers that concern this one: an address taken twice, an unknown or circular requirement.
pub fn check_neighbours(host: &Host, loaded: &Loaded) -> Result<()> {
    let outline = loaded.outline();
    if outline.claims.is_empty() && outline.ports.is_empty() && outline.waits_for().next().is_none() {
        // It has nothing that another could take, and a circle would go through it: no need to read a thousand files.
        return Ok(());
    }
    let faults = Site::survey(&host.layout)?.conflicts_of(&loaded.name);
    if faults.fatal() { Err(refuse(&faults.0)) } else { Ok(()) }
}

/// At boot whoever makes what is missing may be slower than we are.
fn is_launcher() -> bool {
    std::env::var_os(LAUNCHER).is_some()
}

/// The launcher, and not the unit by which a connection starts a container.
pub fn may_only_listen() -> bool {
    std::env::var_os(LAUNCHER).is_some_and(|value| value != "activate")
}

/// The plan that a start would make now, with nothing recorded for it.
pub fn preview(host: &Host, loaded: &Loaded) -> Result<Plan> {
    let settled = Settled::new(host, loaded)?;
    settled.tell(loaded);
    settled.build(host, loaded)
}

/// The same for who asks of every container, and is told what differs.
pub fn would_be(host: &Host, loaded: &Loaded) -> Result<Plan> {
    Settled::new(host, loaded)?.build(host, loaded)
}

fn build(
    host: &Host,
    loaded: &Loaded,
    definition: &Definition,
    image: ImageInfo,
    ids: Option<u32>,
    addresses: Addresses,
) -> Result<Plan> {
    let facts = Facts { addresses, ..facts::facts(host, loaded, image, ids)? };
    let mut plan = Plan::build(definition, &facts)?;
    plan.fingerprint = fingerprint(loaded);
    Ok(plan)
}

/// A definition on the image that it will really run: a disk that is kept stays a copy of its own.
struct Settled {
    definition: Definition,
    image: ImageInfo,
    disk: Option<Disk>,
}

impl Settled {
    fn new(host: &Host, loaded: &Loaded) -> Result<Self> {
        let name = loaded.name.as_str();
        let disk = disk::open(&host.layout, name)?;
        let mut definition = loaded.definition.clone();
        if let Some(image) = kept_image(disk.as_ref(), definition.image.as_str())? {
            definition.image = Image::named(image);
        }
        let image = facts::image(host, definition.image.as_str(), disk.as_ref())?;
        Ok(Self { definition, image, disk })
    }

    /// Says so where the definition has gone on to another image.
    fn tell(&self, loaded: &Loaded) {
        let (name, kept, wanted) = (&loaded.name, &self.definition.image, &loaded.definition.image);
        if kept != wanted {
            eprintln!(
                "soute: {name} keeps its disk, a copy of image {kept}; `soute remove --keep-definition {name}` lets it \
                 start on image {wanted}"
            );
        }
    }

    fn build(self, host: &Host, loaded: &Loaded) -> Result<Plan> {
        let addresses = addresses::given(&host.layout, &loaded.name, &self.definition)?;
        build(host, loaded, &self.definition, self.image, self.disk.and_then(|disk| disk.record.ids), addresses)
    }
}

/// A definition that is no file, checked like one.
pub fn load_flags(host: &Host, name: &Name, flags: toml::Table, systemd: Option<u32>) -> Result<Loaded> {
    let loaded = load::load_flags(&host.layout, name, |image| declared(host, image), flags, load::Host { systemd });
    let loaded = loaded.map_err(|faults| refuse(&faults.0))?;
    let conflicts = Site::survey(&host.layout)?.with(loaded.outline()).conflicts_of(name);
    if conflicts.fatal() { Err(refuse(&conflicts.0)) } else { Ok(loaded) }
}

/// The hash of a definition as it is, whatever disk it finds.
pub fn fingerprint(loaded: &Loaded) -> String {
    let environment = loaded.image_environment.iter();
    let environment: Vec<_> = environment.map(|(name, value)| (name.as_str().to_owned(), value.to_string())).collect();
    plan::fingerprint(&loaded.definition, &environment)
}

fn containers(list: &[Dependency]) -> impl Iterator<Item = &Name> {
    list.iter().filter_map(|dependency| match dependency {
        Dependency::Container(name) => Some(name),
        Dependency::Unit(_) => None,
    })
}

/// What an image declares, as the lowest layer of a definition.
pub fn declared(host: &Host, image: &Name) -> Option<Declared> {
    // Who only asks makes no store.
    host.layout.images().metadata().ok()?;
    let info = Store::new(&host.layout).ok()?.open(image).ok()?.info;
    let declared = info.declared;
    Some(Declared {
        image: image.to_string(),
        entrypoint: declared.entrypoint,
        command: declared.command,
        environment: declared.environment.into_iter().collect(),
        user: declared.user,
        working_directory: declared.working_directory,
        stop_signal: declared.stop_signal,
    })
}

/// Shows faults where they are written; what comes back sums them up.
pub fn refuse(faults: &[Fault]) -> Error {
    eprint!("{}", diagnostics::render(faults, std::io::stderr().is_terminal()));
    let errors = Faults(faults.to_vec()).errors().count();
    let plural = if errors == 1 { "" } else { "s" };
    Error::new(Exit::Invalid, format!("its definition has {errors} fault{plural}"))
}

/// The image of a disk that is kept, where the definition has gone on to another one.
fn kept_image(disk: Option<&Disk>, wanted: &str) -> Result<Option<Name>> {
    let Some(disk) = disk else { return Ok(None) };
    let changed = disk.record.image != wanted && disk.kind()?.is_some();
    Ok(changed.then(|| disk.record.image.parse().ok()).flatten())
}
