//! Locks between commands: flock, so that the kernel lets go of them with the process.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::file_name;
use crate::error::{Context, Error, Exit, Result};
use crate::layout::{Layout, make_private};

/// A lock that is held until it is dropped. Order: a name, then the ids, then the store.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock of one container's name.
    pub fn name(layout: &Layout, name: &str) -> Result<Self> {
        take(layout, file_name(name)?, FlockOperation::LockExclusive)
    }

    /// Takes the lock of one container's name, or fails as busy.
    pub fn try_name(layout: &Layout, name: &str) -> Result<Self> {
        take(layout, file_name(name)?, FlockOperation::NonBlockingLockExclusive)
    }

    /// Removes the lock of a name that is gone, unless somebody holds it.
    pub fn forget(layout: &Layout, name: &str) -> Result<()> {
        match Self::try_name(layout, name) {
            Err(error) if error.exit() == Exit::Busy => Ok(()),
            Err(error) => Err(error),
            Ok(_held) => std::fs::remove_file(layout.locks().join(name)).context("cannot remove a lock"),
        }
    }

    /// Takes the lock of who waits for a one-off container, and takes its traces away; fails as busy where somebody has it.
    pub fn try_run(layout: &Layout, name: &str) -> Result<Self> {
        take(layout, &run_name(file_name(name)?), FlockOperation::NonBlockingLockExclusive)
    }

    /// The names that such locks are there for.
    pub fn runs(layout: &Layout) -> Result<Vec<String>> {
        let found = match std::fs::read_dir(layout.locks()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            found => found.context("cannot list the locks")?,
        };
        let name = |entry: std::fs::DirEntry| Some(entry.file_name().to_str()?.strip_prefix(RUN)?.to_owned());
        Ok(found.filter_map(|entry| name(entry.ok()?)).collect())
    }

    /// Removes it, while it is held.
    pub fn forget_run(&self, layout: &Layout, name: &str) -> Result<()> {
        std::fs::remove_file(layout.locks().join(run_name(name))).context("cannot remove a lock")
    }

    /// Takes the lock of who updates a container or rolls it back, which is there as long as it is held, or fails as busy.
    pub fn update(layout: &Layout, name: &str) -> Result<UpdateLock> {
        let file = update_name(file_name(name)?);
        match take(layout, &file, FlockOperation::NonBlockingLockExclusive) {
            Err(error) if error.exit() == Exit::Busy => {
                Err(Error::new(Exit::Busy, format!("{name} is being updated by another command")))
            }
            other => Ok(UpdateLock(OwnFile { path: layout.locks().join(file), _lock: other? })),
        }
    }

    /// Whether there is such a lock, held or left behind.
    pub fn has_update(layout: &Layout, name: &str) -> bool {
        layout.locks().join(update_name(name)).symlink_metadata().is_ok()
    }

    /// Takes the lock of an image's name, which is there as long as it is held, or fails as busy.
    pub fn image(layout: &Layout, name: &str) -> Result<ImageLock> {
        let file = format!(".image-{}", file_name(name)?);
        match take(layout, &file, FlockOperation::NonBlockingLockExclusive) {
            Err(error) if error.exit() == Exit::Busy => {
                Err(Error::new(Exit::Busy, format!("image {name} is in use by another command")))
            }
            other => Ok(ImageLock(OwnFile { path: layout.locks().join(file), _lock: other? })),
        }
    }

    /// Waits for the lock of the id ranges. The leading dot keeps it apart from a container called "ids".
    pub fn ids(layout: &Layout) -> Result<Self> {
        take(layout, ".ids", FlockOperation::LockExclusive)
    }

    /// Waits for the lock of the instances file.
    pub fn instances(layout: &Layout) -> Result<Self> {
        take(layout, ".instances", FlockOperation::LockExclusive)
    }

    /// Waits for the lock of the addresses that containers are given.
    pub fn addresses(layout: &Layout) -> Result<Self> {
        take(layout, ".addresses", FlockOperation::LockExclusive)
    }

    /// Waits for the lock of the names that containers know each other by.
    pub fn names(layout: &Layout) -> Result<Self> {
        take(layout, ".names", FlockOperation::LockExclusive)
    }

    /// Waits for the lock of the store: renames in it, never a copy.
    pub fn store(layout: &Layout) -> Result<Self> {
        take(layout, ".store", FlockOperation::LockExclusive)
    }
}

/// The lock of an image's name: whoever makes, replaces, renames or removes it. Who only reads it pins it instead.
#[derive(Debug)]
pub struct ImageLock(#[expect(dead_code, reason = "held")] OwnFile);

/// The lock of an update. Starts of others wait for it.
#[derive(Debug)]
pub struct UpdateLock(#[expect(dead_code, reason = "held")] OwnFile);

/// A lock whose file goes with it.
#[derive(Debug)]
struct OwnFile {
    path: PathBuf,
    _lock: Lock,
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        // While it is held: another one may be there as soon as it is not.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The leading dot keeps it apart from a container.
const RUN: &str = ".run-";

fn update_name(name: &str) -> String {
    format!(".update-{name}")
}

fn run_name(name: &str) -> String {
    format!("{RUN}{name}")
}

fn take(layout: &Layout, name: &str, operation: FlockOperation) -> Result<Lock> {
    let dir = layout.locks();
    let path = dir.join(name);
    make_private(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let action = || format!("cannot open lock {}", path.display());
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags.bits().cast_signed());
    let file = options.open(&path).with_context(action)?;
    if !file.metadata().with_context(action)?.is_file() {
        return Err(Error::failed("it is not a regular file")).with_context(action);
    }
    loop {
        match flock(file.as_fd(), operation) {
            // Its holder may have removed it: what we have locked then is nobody's lock any more.
            Ok(()) if rustix::fs::fstat(&file)?.st_nlink == 0 => return take(layout, name, operation),
            Ok(()) => return Ok(Lock { _file: file }),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(Error::new(Exit::Busy, format!("{name} is in use by another command")));
            }
            Err(error) => return Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }
}
