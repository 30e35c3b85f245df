//! `soute apply`

use std::process::ExitCode;

use clap::Args;

use super::launch::Launch;
use super::live::current::{self, Current, Site};
use super::live::next::Next;
use super::live::present_use;
use super::targets::Target;
use super::{diff, report, restart};
use crate::change::Class;
use crate::definition::types::Name;
use crate::error::{Context, Result};
use crate::image::lock::Lock;
use crate::settings::Host;
use crate::systemd::Manager;

/// Makes what runs what the definitions say.
#[derive(Debug, Args)]
pub struct Apply {
    /// Containers, definitions with replicas, groups, or directories that `soute up` was given; all that run.
    #[arg(value_name = "NAME|GROUP|DIR")]
    targets: Vec<Target>,
    /// Only show what would be done.
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    how: How,
}

/// How far it goes.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct How {
    /// Restart those that need it.
    #[arg(long)]
    restart: bool,
    /// Also remove and make anew the disks of those that need that: what is on them is lost.
    #[arg(long, requires = "restart")]
    recreate: bool,
    /// Also set a limit that is below what the container uses.
    #[arg(long)]
    force: bool,
}

impl Apply {
    /// Exit status 7 where something still differs afterwards.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let manager = Manager::connect()?;
        apply(host, &manager, &self.targets, self.how, self.dry_run)
    }
}

/// The plan first, then one container after the other.
pub fn apply(host: &Host, manager: &Manager, targets: &[Target], how: How, dry_run: bool) -> Result<ExitCode> {
    let kept = manager.keep();
    let site = Site::new(host, manager)?;
    let (names, mut errors) = site.running(manager, targets)?;
    let (mut list, more) = current::look_at(&site, manager, &names);
    errors.extend(more);
    Current::add_drift(&mut list, manager, false)?;
    errors.iter().for_each(report);
    list.retain(|current| !current.changes.is_empty());
    diff::print(&list, false)?;
    if dry_run {
        return Ok(ExitCode::from(current::exit(&errors, !list.is_empty())));
    }
    let mut differs = false;
    let mut again = Vec::new();
    for current in list {
        let name = current.name;
        match one(host, manager, &site, &name, how).with_context(|| format!("cannot apply {name}")) {
            Ok(Left { restart, other }) => {
                differs |= other || (restart && !how.restart);
                again.extend((restart && how.restart).then_some(name));
            }
            Err(error) => {
                report(&error);
                errors.push(error);
            }
        }
    }
    drop(kept);
    for name in again {
        match start_again(host, manager, &name, how).with_context(|| format!("cannot apply {name}")) {
            Ok(other) => differs |= other,
            Err(error) => {
                report(&error);
                errors.push(error);
            }
        }
    }
    Ok(ExitCode::from(current::exit(&errors, differs)))
}

/// What is not done yet.
struct Left {
    /// It takes a restart, or a new disk.
    restart: bool,
    /// What nothing of ours can do.
    other: bool,
}

/// All that is live, or nothing. It is looked at again under the lock: another apply may have been faster.
fn one(host: &Host, manager: &Manager, site: &Site<'_>, name: &Name, how: How) -> Result<Left> {
    let _lock = Lock::name(&host.layout, name)?;
    let mut current = site.look(name)?;
    Current::add_drift(std::slice::from_mut(&mut current), manager, false)?;
    let restart = current.of(Class::Restart).chain(current.of(Class::Recreate)).next().is_some();
    let next = Next::of(host, &current)?;
    if !how.force {
        present_use::refuse(host, &current, &next.plan)?;
    }
    next.reach(host, manager, &current)?;
    let mut other = false;
    for change in current.of(Class::Drift).filter(|change| !current.is_ours_to_undo(change)) {
        other = true;
        match &change.from {
            Some(from) if change.field != "definition" => {
                eprintln!("soute: {name}: {from} sets {}, and stays: it is the administrator's", change.field);
            }
            _ => eprintln!("soute: {name}: its {} is {}", change.field, change.new.as_deref().unwrap_or("gone")),
        }
    }
    Ok(Left { restart, other })
}

/// Whether something differs still.
fn start_again(host: &Host, manager: &Manager, name: &Name, how: How) -> Result<bool> {
    let current = Site::new(host, manager)?.look(name)?;
    let anew = how.recreate && current.of(Class::Recreate).next().is_some();
    restart::again(host, manager, &Launch::new(host, manager)?, name, anew)?;
    Ok(!Site::new(host, manager)?.look(name)?.changes.is_empty())
}
