//! `soute restart`

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;

use super::cli::targets;
use super::launch::{Launch, asked};
use super::{each, stop, unit};
use crate::definition::Outline;
use crate::definition::site::Site;
use crate::definition::types::{Dependency, Name};
use crate::error::{Context, Error, Exit, Result};
use crate::host::{definitions, missing};
use crate::image::disk;
use crate::plan::Plan;
use crate::settings::Host;
use crate::systemd::Manager;

/// Stops containers and starts them as their definitions are now, and with them those that were stopped for it.
#[derive(Debug, Args)]
pub struct Restart {
    /// The containers; one that does not run is started.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<Name>,
}

impl Restart {
    /// `systemctl restart` would start what the snapshot says.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        if asked::is_how() {
            return each(&targets::containers(host, &self.names)?, |name| by_systemd(host, &manager, name));
        }
        let _kept = manager.keep();
        let launch = Launch::new(host, &manager)?;
        each(&targets::containers(host, &self.names)?, |name| {
            super::must_exist(host, &manager, name)?;
            again(host, &manager, &launch, name, false)
        })
    }
}

/// The same by two requests of who is not root.
fn by_systemd(host: &Host, manager: &Manager, name: &Name) -> Result<()> {
    let stopped_with_it = running_dependents(host, manager, name)?;
    asked::stop(host, manager, name)?;
    [name].into_iter().chain(&stopped_with_it).try_for_each(|one| asked::start(host, manager, one))
}

/// Stops and starts one, and what is stopped with it; `anew` on a new disk.
pub fn again(host: &Host, manager: &Manager, launch: &Launch<'_>, name: &Name, anew: bool) -> Result<()> {
    // A definition with faults, one that others stand against, or that this host lacks something for, must not cost the
    // running container.
    let could = launch.load(name).and_then(|loaded| {
        definitions::check_neighbours(host, &loaded)?;
        missing::refuse_in_vain(host, &loaded)?;
        refuse_one_off(host, name)
    });
    could.with_context(|| format!("cannot restart {name}"))?;
    let stopped_with_it = running_dependents(host, manager, name)?;
    // systemd would stop them too, but one after the other: the last ones would still count as running.
    for stopped in stopped_with_it.iter().chain([name]) {
        // Who comes meanwhile waits.
        stop::for_now(host, manager, stopped).with_context(|| format!("cannot stop {stopped}"))?;
    }
    if anew {
        disk::remove(&host.layout, name)?;
    }
    launch.start(name)?;
    stopped_with_it.iter().try_for_each(|dependent| launch.start(dependent))
}

/// It takes all that there is of it along when it ends.
pub fn refuse_one_off(host: &Host, name: &Name) -> Result<()> {
    match Plan::read(&host.layout.state(name)) {
        Ok(plan) if plan.ephemeral => {
            let why =
                "it is a one-off container, of which a stop leaves nothing (soute run --keep makes one that stays)";
            Err(Error::new(Exit::Invalid, why))
        }
        _ => Ok(()),
    }
}

/// Running containers that require this one, directly or through others: systemd stops them with it.
pub fn running_dependents(host: &Host, manager: &Manager, name: &Name) -> Result<Vec<Name>> {
    let outlines = Site::survey(&host.layout)?.outlines;
    let mut found = BTreeSet::from([name.clone()]);
    let requires = |outline: &Outline, found: &BTreeSet<Name>| {
        outline.requires.iter().any(|(dependency, _)| match dependency {
            Dependency::Container(required) => found.contains(required),
            Dependency::Unit(_) => false,
        })
    };
    loop {
        let more: Vec<_> =
            outlines.iter().filter(|outline| !found.contains(&outline.name) && requires(outline, &found)).collect();
        if more.is_empty() {
            break;
        }
        found.extend(more.into_iter().map(|outline| outline.name.clone()));
    }
    found.remove(name);
    let mut running = Vec::new();
    for dependent in found {
        if manager.status(&unit(&dependent))?.active == "active" {
            running.push(dependent);
        }
    }
    Ok(running)
}
