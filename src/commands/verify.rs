//! `soute verify`

use std::process::ExitCode;

use clap::Args;

use super::live::current::{self, Current};
use super::live::parallel;
use super::live::site::Site;
use super::targets::Target;
use super::{diff, report};
use crate::audit::read;
use crate::change::{self, Change};
use crate::dhcp;
use crate::error::{Context, Error, Exit, Result};
use crate::sandbox::exec;
use crate::settings::Host;
use crate::systemd::Manager;

/// Compares what runs with what is written: systemd, cgroups, links and mounts.
#[derive(Debug, Args)]
pub struct Verify {
    /// Containers, definitions with replicas, groups, or directories that `soute up` was given; all that run.
    #[arg(value_name = "NAME|GROUP|DIR")]
    targets: Vec<Target>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    /// Exit status 7 where something differs.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        if !rustix::process::geteuid().is_root() {
            return Err(Error::new(Exit::NotPermitted, "only root can look into containers"));
        }
        let manager = Manager::connect()?;
        let kept = manager.keep();
        let site = Site::new(host, &manager)?;
        let (names, mut errors) = site.running(&manager, &self.targets)?;
        let (mut list, more) = current::look_at(&site, &manager, &names);
        errors.extend(more);
        Current::add_drift(&mut list, &manager, true)?;
        drop(kept);
        let found = parallel::map(&list, |current| look_inside(host, current));
        for (current, found) in list.iter_mut().zip(found) {
            match found.with_context(|| format!("cannot verify {}", current.name)) {
                Ok(found) => add(current, found),
                Err(error) => errors.extend(current::if_it_runs(&manager, &current.name, error)),
            }
        }
        errors.iter().for_each(report);
        diff::print(&list, self.json)?;
        let differs = list.iter().any(|current| !current.changes.is_empty());
        Ok(ExitCode::from(current::exit(&errors, differs)))
    }
}

/// What the kernel has otherwise. Between two automatic restarts there is nothing.
fn look_inside(host: &Host, current: &Current) -> Result<Vec<Change>> {
    let target = match exec::Target::anyhow(&host.layout, &current.name) {
        Err(error) if error.exit() == Exit::NotRunning => return Ok(Vec::new()),
        target => target?,
    };
    let held = read::held(target.number(), target.cgroup(), current.runs.sandbox.namespaces.network)?;
    Ok(change::of_held(&dhcp::leased(&host.layout, current.runs.clone()), &held))
}

/// What systemd says already, or another file of the kernel's, needs not be said twice.
fn add(current: &mut Current, found: Vec<Change>) {
    for change in found {
        if !current.changes.iter().any(|known| known.field == change.field && known.class == change.class) {
            current.changes.push(change);
        }
    }
}
