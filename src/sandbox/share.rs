//! The network of another container, which is entered by a descriptor of its main process and never by a number.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::exec::Target;
use crate::error::{Context, Error, Exit, Result};
use crate::file;
use crate::layout::Layout;

/// After a crash of the other both are started again, each when its time has come.
const TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// The other container's main process, in whose network this process is from now on.
pub struct Shared {
    name: String,
    pidfd: OwnedFd,
}

impl Shared {
    /// Enters the network of `other`, and notes that `name` has.
    pub fn join(layout: &Layout, name: &str, other: &str) -> Result<Self> {
        let enter = || -> Result<OwnedFd> {
            let target = running(layout, other)?;
            let own = netns()?;
            file::write(&notes(layout, other, true)?.join(name), b"", 0o600).context("cannot note who shares it")?;
            setns(&target.pidfd, CloneFlags::CLONE_NEWNET).context("cannot enter its network namespace")?;
            if netns()? == own {
                return Err(Error::new(Exit::Invalid, "it has the host's: write namespaces.network = \"host\""));
            }
            Ok(target.pidfd)
        };
        let pidfd = enter().with_context(|| format!("cannot share the network of {other}"))?;
        Ok(Self { name: other.to_owned(), pidfd })
    }

    /// Fails if the other has ended meanwhile: its network is not the one that it will have next.
    pub fn is_still_its(&self) -> Result<()> {
        let mut ended = [PollFd::from_borrowed_fd(self.pidfd.as_fd(), PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let count = poll(&mut ended, Some(&at_once)).context("cannot look after the other container")?;
        let name = &self.name;
        if count == 0 { Ok(()) } else { Err(Error::failed(format_args!("{name}, whose network it shares, has ended"))) }
    }
}

fn running(layout: &Layout, other: &str) -> Result<Target> {
    let mut tries = 0;
    loop {
        match Target::find(layout, other) {
            Err(error) if error.exit() == Exit::NotRunning && tries < TRIES => std::thread::sleep(PAUSE),
            found => return found,
        }
        tries += 1;
    }
}

fn netns() -> Result<(u64, u64)> {
    let stat = fs::metadata("/proc/self/ns/net").context("cannot look at the network namespace")?;
    Ok((stat.dev(), stat.ino()))
}

fn notes(layout: &Layout, other: &str, make: bool) -> Result<PathBuf> {
    let path = layout.state(other).join("shared-by");
    match fs::create_dir(&path) {
        _ if !make => {}
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(error).context("cannot note who shares it");
        }
        _ => {}
    }
    Ok(path)
}

/// Before a new network takes the place of one that has ended: whoever still shares that one is in a network without
/// links. It is killed, and its restart policy brings it into the new one.
pub fn end_those_left(layout: &Layout, name: &str) -> Result<()> {
    let notes = notes(layout, name, false)?;
    let entries = match fs::read_dir(&notes) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.context("cannot look who shares the network")?,
    };
    for entry in entries.flatten() {
        let sharer = entry.file_name();
        if let Some(Ok(target)) = sharer.to_str().map(|sharer| Target::find(layout, sharer)) {
            // One that has ended by itself is none to be killed.
            let _ = target.signal(Signal::SIGKILL);
        }
        let _ = fs::remove_file(entry.path());
    }
    Ok(())
}
