//! `soute verify`

use std::process::ExitCode;

use clap::Args;

use super::cli::targets::Target;
use super::live::current::{self, Current};
use super::live::site::Site;
use super::live::{parallel, slices};
use super::{diff, report};
use crate::audit::read;
use crate::change::{self, Change};
use crate::error::{Context, Error, Exit, Result};
use crate::image::disk;
use crate::instances::leases;
use crate::sandbox::exec;
use crate::settings::Host;
use crate::systemd::Manager;

/// Compares what runs with what is written: systemd, cgroups, links with their ports, addresses and routes, and mounts.
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
        let (mut slices, more) = slices::look_at(site.known(), &manager, &list);
        errors.extend(more);
        drop(kept);
        let found = parallel::map(&list, |current| look_inside(host, &site, current));
        for (current, found) in list.iter_mut().zip(found) {
            match found.with_context(|| format!("cannot verify {}", current.name)) {
                Ok(found) => add(&mut current.changes, found),
                Err(error) => errors.extend(current::if_it_runs(&manager, &current.name, error)),
            }
        }
        for slice in &mut slices {
            let limits = read::limits(&slice.cgroup());
            add(&mut slice.changes, change::of_limits(&slice.unit, &limits));
        }
        errors.iter().for_each(report);
        diff::print(&list, &slices, self.json)?;
        Ok(ExitCode::from(current::exit(&errors, diff::differs(&list, &slices))))
    }
}

/// What the kernel has otherwise. Between two automatic restarts there is nothing.
fn look_inside(host: &Host, site: &Site<'_>, current: &Current) -> Result<Vec<Change>> {
    let target = match exec::Target::anyhow(&host.layout, &current.name) {
        Err(error) if error.exit() == Exit::NotRunning => return Ok(Vec::new()),
        target => target?,
    };
    let held = read::held(target.number(), target.cgroup(), current.runs.sandbox.namespaces.network)?;
    let mut found = change::of_held(&leases::leased(&host.layout, current.runs.clone()), &held, site.links());
    if let Some(size) = current.runs.disk.size
        && let Some(disk) = disk::open(&host.layout, &current.name)?
        && let Some(bytes) = disk.bytes()?
    {
        found.extend(change::of_size(size, bytes));
    }
    Ok(found)
}

/// What systemd says already, or another file of the kernel's, needs not be said twice.
fn add(known: &mut Vec<Change>, found: Vec<Change>) {
    for change in found {
        if !known.iter().any(|known| known.field == change.field && known.class == change.class) {
            known.push(change);
        }
    }
}
