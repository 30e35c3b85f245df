//! What a one-off container leaves outside its unit: disk, snapshot, definition, locks. A detached one is cleaned up after by
//! its unit, as every container is. For an attached one the command that waits for it does that: a process of the unit's
//! own would cost a fork of PID 1's and a way through a cgroup, a tenth of the run. What a killed command has left the
//! next one takes away.

use std::cell::Cell;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, poll};

use crate::definition::types::Name;
use crate::error::{Context, Exit, Result};
use crate::image::disk;
use crate::image::lock::Lock;
use crate::instances;
use crate::names;
use crate::plan::Plan;
use crate::sandbox::clean;
use crate::sandbox::exec::Target;
use crate::settings::Host;
use crate::systemd::Manager;

/// Taken away when this is dropped, unless it was left to the unit.
pub struct Traces<'a> {
    host: &'a Host,
    manager: &'a Manager,
    name: &'a Name,
    /// Once it runs, it is left alone.
    stays: bool,
    unit: Cell<Unit>,
    /// Says that somebody still cares. The kernel lets go of it when we are killed.
    lock: Lock,
}

/// How far the container has come.
#[derive(Clone, Copy)]
enum Unit {
    /// It may run: its end has to be waited for.
    Unknown,
    /// It has ended.
    Over,
    /// It runs on, and cleans up after itself.
    Alone,
}

/// Takes away what killed commands have left of containers that have ended since. What cannot be taken away keeps nobody
/// from what he wants to do.
pub fn sweep(host: &Host, manager: &Manager) {
    let names = match Lock::runs(&host.layout) {
        // Whoever may not change anything may still look.
        Err(error) if error.exit() == Exit::NotPermitted => return,
        names => names,
    };
    let sweep_each = |names: Vec<String>| names.iter().try_for_each(|name| sweep_one(host, manager, name));
    if let Err(error) = names.and_then(sweep_each) {
        eprintln!("soute: {error}, ignoring");
    }
}

fn sweep_one(host: &Host, manager: &Manager, name: &str) -> Result<()> {
    let lock = match Lock::try_run(&host.layout, name) {
        Err(error) if error.exit() == Exit::Busy => return Ok(()),
        lock => lock?,
    };
    if manager.status(&crate::commands::unit(name))?.load != "not-found" {
        return Ok(());
    }
    if is_one_off(host, name)? {
        remove(host, name)?;
    }
    lock.forget_run(&host.layout, name)
}

/// The name may have become another's, whose disk is to stay. Without a snapshot the command was killed before there was a
/// copy.
fn is_one_off(host: &Host, name: &str) -> Result<bool> {
    if let Ok(plan) = Plan::read(&host.layout.state(name)) {
        return Ok(plan.ephemeral);
    }
    let disk = disk::open(&host.layout, name)?;
    Ok(disk.is_none_or(|disk| disk.kind().is_ok_and(|kind| kind.is_none())))
}

fn remove(host: &Host, name: &str) -> Result<()> {
    names::leave(&host.layout, name)?;
    instances::remove(&host.layout, name)?;
    clean::forget(&host.layout, name)
}

/// Removes the disk at the moment when the main process ends, and with it all of the container: systemd, which is told a
/// little later, takes a ms to find the unit ended. `end` is closed when it has.
pub fn remove_disk_at_end(host: &Host, name: &str, end: BorrowedFd<'_>) -> Result<()> {
    let main = Target::main_process(&host.layout, name)?;
    let mut waiting = vec![PollFd::from_borrowed_fd(end, PollFlags::IN)];
    waiting.extend(main.iter().map(|main| PollFd::new(main, PollFlags::IN)));
    if main.is_some() {
        rustix::io::retry_on_intr(|| poll(&mut waiting, None)).context("cannot wait for the end")?;
    }
    disk::remove(&host.layout, name).map(drop)
}

impl<'a> Traces<'a> {
    /// Before the first of them is made. What `stays` goes on without us once it runs.
    pub fn begin(host: &'a Host, manager: &'a Manager, name: &'a Name, stays: bool) -> Result<Self> {
        let lock = Lock::try_run(&host.layout, name)?;
        Ok(Self { host, manager, name, stays, unit: Cell::new(Unit::Unknown), lock })
    }

    /// Its unit runs.
    pub fn began(&self) {
        if self.stays {
            self.unit.set(Unit::Alone);
        }
    }

    /// Its unit has ended.
    pub fn ended(&self) {
        if !self.stays {
            self.unit.set(Unit::Over);
        }
    }

    fn remove(&self) -> Result<()> {
        if matches!(self.unit.get(), Unit::Unknown) {
            self.manager.wait(&crate::commands::unit(self.name))?;
        }
        remove(self.host, self.name)
    }
}

impl Drop for Traces<'_> {
    fn drop(&mut self) {
        let removed = match self.unit.get() {
            Unit::Alone => Ok(()),
            Unit::Unknown | Unit::Over => self.remove(),
        };
        if let Err(error) = removed.and_then(|()| self.lock.forget_run(&self.host.layout, self.name)) {
            eprintln!("soute: {error}, ignoring");
        }
    }
}
