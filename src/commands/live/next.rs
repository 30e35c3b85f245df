//! What a container becomes while it runs: the snapshot with everything live as the definition has it now.

use rustix::fs::OFlags;
use std::os::fd::AsFd;

use super::current::Current;
use super::site::Site;
use crate::change::{self, Change, Class};
use crate::definition::Definition;
use crate::definition::load::Loaded;
use crate::definition::types::Cidr;
use crate::error::{Error, Exit, Result};
use crate::host::{definitions, settled};
use crate::instances;
use crate::instances::leases;
use crate::logs;
use crate::names;
use crate::network::{self, Asked, PATIENCE};
use crate::plan::{self, DiskKind, Link, Plan, Property};
use crate::sandbox::exec::Target;
use crate::sandbox::grow;
use crate::sandbox::rewrite::rewrite;
use crate::settings::Host;

/// The next snapshot.
pub struct Next {
    pub plan: Plan,
    definition: Definition,
}

impl Next {
    /// Of what has changed; what runs, where there is no definition any more.
    pub fn of(site: &Site<'_>, current: &Current) -> Result<Self> {
        let known = site.known();
        let declared = current.declared(known.host)?;
        let Some(now) = &current.now else {
            return Ok(Self { plan: current.runs.clone(), definition: declared.clone() });
        };
        if current.changes.iter().any(|change| is_network(change) && change.class == Class::Live) {
            definitions::refuse_conflicts(site.neighbours()?, now)?;
        }
        let definition = change::adopt_definition(declared, &now.definition, &current.changes)?;
        let loaded = Loaded { definition: definition.clone(), ..now.clone() };
        let adopted = settled::would_be(known, &loaded)?;
        let mut plan = change::adopt_plan(&current.runs, &adopted);
        if current.changes.iter().all(|change| matches!(change.class, Class::Live | Class::Drift)) {
            // The image that the definition names may have gone on, while the disk stays a copy of its own.
            plan.fingerprint = settled::fingerprint(now);
        }
        Ok(Self { plan, definition })
    }

    /// Does what systemd has no part in. Whatever is not finished then is shown as a difference still, and done by the
    /// next apply: the snapshot comes last.
    pub fn begin(self, host: &Host, current: Current) -> Result<Reach> {
        let undo: Vec<Change> =
            current.of(Class::Drift).filter(|change| current.is_ours_to_undo(change)).cloned().collect();
        let properties = change::properties(&current.runs, &self.plan, &undo);
        let links = self.plan.links != current.runs.links || undo.iter().any(is_network);
        let files = self.plan.sandbox.files != current.runs.sandbox.files;
        let target = if links || files { target(host, &current.name)? } else { None };
        // What is leased is neither's, and stays.
        let leased = |plan: &Plan| leases::leased(&host.layout, plan.clone());
        let again = undo.iter().filter_map(|change| port_of(change, &self.plan)).map(str::to_owned).collect();
        let links = links.then_some(again);
        let inside = target.map(|target| Inside { target, from: leased(&current.runs), to: leased(&self.plan), links });
        if let Some(inside) = &inside {
            refuse_in_use(host, &inside.from, &inside.to)?;
        }
        // What nothing takes back comes first: where it fails, nothing has been done.
        self.grow(host, &current)?;
        if let Some(inside) = &inside {
            inside.change(host, &inside.from, &inside.to)?;
        }
        Ok(Reach { next: self, current, properties, inside })
    }
}

impl Next {
    fn grow(&self, host: &Host, current: &Current) -> Result<()> {
        let (DiskKind::Raw { fs }, Some(size)) = (&self.plan.disk.kind, self.plan.disk.size) else { return Ok(()) };
        if current.runs.disk.size == Some(size) {
            return Ok(());
        }
        // Not a frozen one: its file system may be, and would not return before it is thawed.
        match Target::find(&host.layout, &current.name) {
            Err(error) if error.exit() == Exit::NotRunning => Ok(()),
            target => grow::running(&host.layout, &current.name, &target?, *fs, size),
        }
    }
}

/// A container on its way to the next snapshot.
pub struct Reach {
    next: Next,
    current: Current,
    properties: Vec<Property>,
    inside: Option<Inside>,
}

impl Reach {
    /// The container.
    pub fn name(&self) -> &str {
        &self.current.name
    }

    /// What it was.
    pub fn current(&self) -> &Current {
        &self.current
    }

    /// What systemd is to be told.
    pub fn properties(&self) -> &[Property] {
        &self.properties
    }

    /// With what systemd has said to it: the snapshot, or everything as it was.
    pub fn finish(&self, host: &Host, told: Result<()>) -> Result<()> {
        told.inspect_err(|_| {
            // The first error is the one to tell.
            let _ = self.inside.as_ref().map(|inside| inside.change(host, &inside.to, &inside.from));
        })?;
        let (next, current) = (&self.next, &self.current);
        let state = host.layout.state(&current.name);
        let declares = next.definition != *current.declared(host)?;
        if declares {
            plan::declare(&state, &next.definition)?;
        }
        if next.plan != current.runs {
            next.plan.write(&state)?;
            let told = change::told(&current.runs, &next.plan);
            // Done it is, whether the journal hears of it or not.
            let _ = logs::tell(&current.name, &host.layout, "changed", &format!("<5>changed: {told}"));
        }
        if declares || next.plan != current.runs {
            plan::show_next(&host.layout, &next.plan)?;
        }
        if next.plan.links != current.runs.links {
            let addresses = next.plan.addresses();
            instances::update(&host.layout, |list| {
                for instance in list.iter_mut().filter(|instance| instance.name == *current.name) {
                    instance.addresses.clone_from(&addresses);
                }
            })?;
        }
        Ok(())
    }
}

/// Wires, names and files.
struct Inside {
    target: Target,
    from: Plan,
    to: Plan,
    /// Where links change: those whose ports are plugged anew.
    links: Option<Vec<String>>,
}

impl Inside {
    fn change(&self, host: &Host, from: &Plan, to: &Plan) -> Result<()> {
        if let Some(again) = &self.links {
            let netns = self.target.proc("ns/net", OFlags::RDONLY)?;
            network::change(&from.links, &to.links, again, &netns)?;
        }
        names::change(&host.layout, from, to)?;
        let top = self.target.proc("root", OFlags::PATH | OFlags::DIRECTORY)?;
        rewrite(top.as_fd(), from, to)
    }
}

/// The link whose port somebody has told something else.
fn port_of<'p>(change: &Change, plan: &'p Plan) -> Option<&'p str> {
    const KEYS: [&str; 6] = ["isolated", "hairpin", "learning", "spoof-check", "vlan", "tagged"];
    let (link, key) = change.field.strip_prefix("network.")?.rsplit_once('.')?;
    let link = link.trim_matches('"');
    plan.links.iter().map(|one| one.name.as_str()).find(|name| *name == link && KEYS.contains(&key))
}

/// As a start does, of the addresses that are new.
fn refuse_in_use(host: &Host, from: &Plan, to: &Plan) -> Result<()> {
    let bridge = |link: &Link| link.port().map(|port| (port.bridge.clone(), port.vlan));
    let new = |link: &Link| {
        let before = from.links.iter().find(|other| other.name == link.name && bridge(other) == bridge(link));
        let is_new = |cidr: &Cidr| before.is_none_or(|before| !before.addresses.contains(cidr));
        Link { addresses: link.addresses.iter().copied().filter(is_new).collect(), ..link.clone() }
    };
    let links: Vec<Link> = to.links.iter().map(new).collect();
    let Some(mut asked) = host.probe_addresses.then(|| Asked::of(&links)).flatten() else { return Ok(()) };
    let found = asked.found_within(PATIENCE, |host_name| names::has_ended(&host.layout, host_name));
    found.map_or(Ok(()), |found| Err(found.into()))
}

fn is_network(change: &Change) -> bool {
    change.field.starts_with("network.")
}

/// None between two automatic restarts: the next one uses the snapshot.
fn target(host: &Host, name: &str) -> Result<Option<Target>> {
    match Target::anyhow(&host.layout, name) {
        Err(error) if error.exit() == Exit::NotRunning => Ok(None),
        Err(error) => Err(Error::failed(error)),
        Ok(target) => Ok(Some(target)),
    }
}
