//! A container that stands still while its disk is copied, and runs again whatever becomes of us.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, pipe_with};

use crate::commands::unit;
use crate::error::{Context, Error, Result};
use crate::image::disk::Disk;
use crate::image::raw::loopdev;
use crate::plan::{Exec, Property, Unit, Value};
use crate::sandbox::exec::Target;
use crate::sandbox::raw;
use crate::systemd::{Manager, Start};

/// Frozen processes, and with a raw disk a frozen file system.
pub struct Frozen<'a> {
    manager: &'a Manager,
    unit: String,
    filesystem: Option<OwnedFd>,
    since: Instant,
    guard: Guard<'a>,
}

/// A unit of systemd's that waits for the end of a pipe, which comes with our end, however that comes. Then it thaws.
struct Guard<'a> {
    manager: &'a Manager,
    unit: String,
    /// Closed when this process is gone.
    alive: Option<OwnedFd>,
}

impl<'a> Frozen<'a> {
    /// Freezes a running container; with the disk of it, where that has a file system of its own, that too.
    pub fn freeze(manager: &'a Manager, name: &str, target: &Target, raw_disk: Option<&Disk>) -> Result<Self> {
        let filesystem = raw_disk.map(|disk| own_filesystem(target, disk)).transpose()?;
        let unit = unit(name);
        let guard = Guard::begin(manager, name, target)?;
        // From here on the guard thaws where we do not.
        let frozen = Self { manager, unit, filesystem: None, since: Instant::now(), guard };
        manager.freeze(&frozen.unit).with_context(|| format!("cannot freeze {name}"))?;
        let Some(filesystem) = filesystem else { return Ok(frozen) };
        raw::freeze(filesystem.as_fd()).context("cannot freeze the file system of the disk")?;
        Ok(Self { filesystem: Some(filesystem), ..frozen })
    }

    /// Lets it run, and says for how long it has not.
    pub fn thaw(mut self) -> Result<Duration> {
        if let Some(filesystem) = self.filesystem.take() {
            raw::thaw(filesystem.as_fd()).context("cannot thaw the file system of the disk")?;
        }
        self.manager.thaw(&self.unit).context("cannot thaw the container")?;
        let frozen = self.since.elapsed();
        self.guard.end()?;
        Ok(frozen)
    }
}

impl<'a> Guard<'a> {
    fn begin(manager: &'a Manager, name: &str, target: &Target) -> Result<Self> {
        let (end, alive) = pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
        let script = |line: String| {
            Value::Exec(vec![Exec { argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), line], ignore_failure: true }])
        };
        // The file system first: what is thawed before it would wait in the kernel where nothing can be killed.
        let thaw = format!("fsfreeze --unfreeze /proc/{}/root; systemctl thaw {}", target.pid(), unit(name));
        let text = |text: &str| Value::Text(text.to_owned());
        let unit = Unit {
            name: format!("soute-thaw-{name}.service"),
            properties: vec![
                Property::new("Description", Value::Text(format!("End of the snapshot of container {name}"))),
                Property::new("Type", text("exec")),
                Property::new("CollectMode", text("inactive-or-failed")),
                Property::new("StandardOutput", text("null")),
                Property::new("StandardError", text("null")),
                Property::new("ExecStart", script("read line".to_owned())),
                Property::new("ExecStopPost", script(thaw)),
            ],
        };
        let fds = vec![("StandardInputFileDescriptor", end.as_fd())];
        let started = manager.start_transient(&unit, Start { fds, ..Start::default() });
        drop(started.context("cannot start what thaws the container")?);
        Ok(Self { manager, unit: unit.name, alive: Some(alive) })
    }

    /// Waits for its end, too: later it might thaw what somebody else has frozen.
    fn end(&mut self) -> Result<()> {
        drop(self.alive.take());
        match self.manager.stop(&self.unit) {
            Err(error) if error.exit() == crate::error::Exit::NotRunning => Ok(()),
            stopped => stopped,
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.alive.is_some()
            && let Err(error) = self.end()
        {
            eprintln!("soute: {error}, ignoring");
        }
    }
}

/// The root of the raw disk of a container, as it is mounted in there. Which device that is the kernel says, and which file
/// lies behind it: nothing else is ever frozen.
fn own_filesystem(target: &Target, disk: &Disk) -> Result<OwnedFd> {
    let root = target.root()?;
    match loopdev::open_of(target.root_device(&root)?, disk.raw()?.as_fd())? {
        Some(_) => Ok(root),
        None => Err(Error::failed("the container's root is not its disk")),
    }
}
