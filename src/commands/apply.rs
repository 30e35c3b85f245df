//! `soute apply`

use std::process::ExitCode;

use clap::Args;

use super::cli::targets::Target;
use super::launch::Launch;
use super::live::current::{self, Current};
use super::live::next::{Next, Reach};
use super::live::site::Site;
use super::live::{present_use, slices};
use super::{diff, report, restart, unit};
use crate::change::Class;
use crate::definition::types::Name;
use crate::error::{Context, Error, Result};
use crate::image::lock::Lock;
use crate::settings::Host;
use crate::systemd::Manager;

/// Containers whose locks are held at the same time.
const BATCH: usize = 64;

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

/// The plan first, then some containers after the other.
pub fn apply(host: &Host, manager: &Manager, targets: &[Target], how: How, dry_run: bool) -> Result<ExitCode> {
    let kept = manager.keep();
    let site = Site::new(host, manager)?;
    let (names, mut errors) = site.running(manager, targets)?;
    let (mut list, more) = current::look_at(&site, manager, &names);
    errors.extend(more);
    Current::add_drift(&mut list, manager, false)?;
    let (mut slices, more) = slices::look_at(site.known(), manager, &list);
    errors.extend(more);
    errors.iter().for_each(report);
    list.retain(|current| !current.changes.is_empty());
    slices.retain(|slice| !slice.changes.is_empty());
    diff::print(&list, &slices, false)?;
    if dry_run {
        return Ok(ExitCode::from(current::exit(&errors, diff::differs(&list, &slices))));
    }
    let mut done = Done { how, ..Done::default() };
    for slice in &slices {
        if let Err(error) =
            slice.reach(manager, how.force).with_context(|| format!("cannot apply group {}", slice.group))
        {
            done.failed(error);
        }
    }
    let mut list = list.into_iter().peekable();
    while let Some(first) = list.next() {
        let lock = Lock::name(&host.layout, &first.name);
        let mut batch = vec![(first, lock)];
        // Who waits for a lock holds none, so that no two wait for each other.
        while let Some(next) = list.peek().filter(|_| batch.len() < BATCH)
            && let Ok(lock) = Lock::try_name(&host.layout, &next.name)
        {
            batch.extend(list.next().map(|next| (next, Ok(lock))));
        }
        all_of(host, manager, &site, batch, &mut done);
    }
    drop(kept);
    for name in std::mem::take(&mut done.again) {
        match start_again(host, manager, &name, how).with_context(|| format!("cannot apply {name}")) {
            Ok(other) => done.differs |= other,
            Err(error) => done.failed(error),
        }
    }
    errors.append(&mut done.errors);
    Ok(ExitCode::from(current::exit(&errors, done.differs)))
}

/// What has come of it.
#[derive(Default)]
struct Done {
    how: How,
    /// Something is not as it is written yet.
    differs: bool,
    /// Those to start again.
    again: Vec<Name>,
    errors: Vec<Error>,
}

impl Done {
    fn failed(&mut self, error: Error) {
        report(&error);
        self.errors.push(error);
    }

    fn is_reached(&mut self, current: &Current) {
        let restart = current.of(Class::Restart).chain(current.of(Class::Recreate)).next().is_some();
        self.differs |= restart && !self.how.restart;
        self.again.extend((restart && self.how.restart).then(|| current.name.clone()));
        for change in current.of(Class::Drift).filter(|change| !current.is_ours_to_undo(change)) {
            self.differs = true;
            let name = &current.name;
            match &change.from {
                Some(from) if change.field != "definition" => {
                    eprintln!("soute: {name}: {from} sets {}, and stays: it is the administrator's", change.field);
                }
                _ => eprintln!("soute: {name}: its {} is {}", change.field, change.new.as_deref().unwrap_or("gone")),
            }
        }
    }
}

/// All that is live, or nothing, of each. systemd works on one while the next is sent.
fn all_of(host: &Host, manager: &Manager, site: &Site<'_>, batch: Vec<(Current, Result<Lock>)>, done: &mut Done) {
    let mut begun = Vec::new();
    for (current, lock) in batch {
        let name = current.name.clone();
        let reach = lock.and_then(|lock| begin(host, manager, site, current, done.how).map(|reach| (reach, lock)));
        match reach.with_context(|| format!("cannot apply {name}")) {
            Ok(reach) => begun.push(reach),
            Err(error) => done.failed(error),
        }
    }
    let asked: Vec<_> = begun.iter().map(|(reach, _)| (unit(reach.name()), reach.properties())).collect();
    let told = manager.set_properties(&asked);
    for ((reach, _lock), told) in begun.iter().zip(told) {
        match reach.finish(host, told).with_context(|| format!("cannot apply {}", reach.name())) {
            Ok(()) => done.is_reached(reach.current()),
            Err(error) => done.failed(error),
        }
    }
}

/// It is looked at again under the lock where another apply has been faster.
fn begin(host: &Host, manager: &Manager, site: &Site<'_>, current: Current, how: How) -> Result<Reach> {
    let mut current = current;
    if !current.is_fresh(host) {
        current = site.look(&current.name)?;
        Current::add_drift(std::slice::from_mut(&mut current), manager, false)?;
    }
    let next = Next::of(site, &current)?;
    if !how.force {
        present_use::refuse(host, &current, &next.plan)?;
    }
    next.begin(host, current)
}

/// Whether something differs still.
fn start_again(host: &Host, manager: &Manager, name: &Name, how: How) -> Result<bool> {
    let current = Site::new(host, manager)?.look(name)?;
    let anew = how.recreate && current.of(Class::Recreate).next().is_some();
    restart::again(host, manager, &Launch::new(host, manager)?, name, anew)?;
    Ok(!Site::new(host, manager)?.look(name)?.changes.is_empty())
}
