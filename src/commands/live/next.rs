//! What a container becomes while it runs: the snapshot with everything live as the definition has it now.

use rustix::fs::OFlags;
use std::os::fd::AsFd;

use super::super::{definitions, settled, unit};
use super::current::Current;
use crate::change::{self, Change, Class};
use crate::definition::Definition;
use crate::definition::load::Loaded;
use crate::dhcp;
use crate::error::{Error, Exit, Result};
use crate::instances;
use crate::logs;
use crate::names;
use crate::network;
use crate::plan::{self, Plan};
use crate::sandbox::exec::Target;
use crate::sandbox::rewrite::rewrite;
use crate::settings::Host;
use crate::systemd::Manager;

/// The next snapshot.
pub struct Next {
    pub plan: Plan,
    definition: Definition,
}

impl Next {
    /// Of what has changed; what runs, where there is no definition any more.
    pub fn of(host: &Host, current: &Current) -> Result<Self> {
        let Some(now) = &current.now else {
            return Ok(Self { plan: current.runs.clone(), definition: current.declared.clone() });
        };
        if current.changes.iter().any(|change| is_network(change) && change.class == Class::Live) {
            definitions::check_neighbours(host, now)?;
        }
        let definition = change::adopt_definition(&current.declared, &now.definition, &current.changes)?;
        let loaded = Loaded { definition: definition.clone(), ..now.clone() };
        let adopted = settled::would_be(host, &loaded)?;
        let mut plan = change::adopt_plan(&current.runs, &adopted);
        if current.changes.iter().all(|change| matches!(change.class, Class::Live | Class::Drift)) {
            // The image that the definition names may have gone on, while the disk stays a copy of its own.
            plan.fingerprint = settled::fingerprint(now);
        }
        Ok(Self { plan, definition })
    }

    /// Does it, the snapshot last: who is killed before has what differs still shown, and done by the next.
    pub fn reach(&self, host: &Host, manager: &Manager, current: &Current) -> Result<()> {
        let undo: Vec<Change> =
            current.of(Class::Drift).filter(|change| current.is_ours_to_undo(change)).cloned().collect();
        let properties = change::properties(&current.runs, &self.plan, &undo);
        let links = self.plan.links != current.runs.links || undo.iter().any(is_network);
        let files = self.plan.sandbox.files != current.runs.sandbox.files;
        // What is leased is neither's, and stays.
        let [from, to] = [&current.runs, &self.plan].map(|plan| dhcp::leased(&host.layout, plan.clone()));
        let target = if links || files { target(host, &current.name)? } else { None };
        if let Some(target) = &target {
            inside(host, target, &from, &to, links)?;
        }
        if !properties.is_empty() {
            manager.set_properties(&unit(&current.name), &properties).inspect_err(|_| {
                // The first error is the one to tell.
                let _ = target.as_ref().map(|target| inside(host, target, &to, &from, links));
            })?;
        }
        self.note(host, current)
    }

    fn note(&self, host: &Host, current: &Current) -> Result<()> {
        let state = host.layout.state(&current.name);
        if self.definition != current.declared {
            plan::declare(&state, &self.definition)?;
        }
        if self.plan != current.runs {
            self.plan.write(&state)?;
            let told = change::told(&current.runs, &self.plan);
            // Done it is, whether the journal hears of it or not.
            let _ = logs::tell(&current.name, &host.layout, "changed", &format!("<5>changed: {told}"));
        }
        if self.plan.links != current.runs.links {
            let addresses = self.plan.addresses();
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
fn inside(host: &Host, target: &Target, from: &Plan, to: &Plan, links: bool) -> Result<()> {
    if links {
        let netns = target.proc("ns/net", OFlags::RDONLY)?;
        network::change(&from.links, &to.links, &netns)?;
    }
    names::change(&host.layout, from, to)?;
    let top = target.proc("root", OFlags::PATH | OFlags::DIRECTORY)?;
    rewrite(top.as_fd(), from, to)
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
