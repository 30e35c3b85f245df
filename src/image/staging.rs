//! Whole or not at all: what is made lies in a locked `.tmp-…` directory until one rename puts it in its place.

use std::ffi::{CStr, CString};
use std::fs::DirBuilder;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, fchmod, flock, fstat, fsync, mkdirat, openat,
    renameat_with, statat,
};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::error::{Context, Error, Exit, Result};
use crate::image::tree::access::{list, open_dir};
use crate::image::tree::delete;

const TEMPORARY: &str = ".tmp-";
const TRASH: &str = ".trash-";
const KEPT: &str = ".kept-";

/// Opens a directory of the store, made 0700 if it is not there. A link, or someone else's directory, is refused.
pub fn open_private(path: &Path) -> Result<OwnedFd> {
    let open =
        || openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let dir = match open() {
        Err(Errno::NOENT) => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .with_context(|| format!("cannot create {}", path.display()))?;
            open()
        }
        other => other,
    }
    .with_context(|| format!("cannot open {}", path.display()))?;
    secure(dir.as_fd()).with_context(|| format!("cannot use {}", path.display()))?;
    Ok(dir)
}

/// Images hold setuid programs and devices: nobody else may pass through the directories above them.
pub fn secure(dir: BorrowedFd<'_>) -> Result<()> {
    let stat = fstat(dir)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Error::new(Exit::NotPermitted, format!("it belongs to uid {}", stat.st_uid)));
    }
    if stat.st_mode & 0o077 != 0 {
        fchmod(dir, Mode::RWXU)?;
    }
    Ok(())
}

/// A directory in the making. Dropped before its commit, it is removed again.
#[derive(Debug)]
pub struct Staging {
    parent: OwnedFd,
    name: CString,
    dir: OwnedFd,
    committed: bool,
}

impl Staging {
    /// Begins below `parent`. The lock on the new directory says that its maker is alive.
    pub fn begin(parent: BorrowedFd<'_>) -> Result<Self> {
        loop {
            let name = unique(TEMPORARY, "");
            match mkdirat(parent, &*name, Mode::RWXU) {
                Err(Errno::EXIST) => continue,
                other => other.context("cannot begin in the store")?,
            }
            // A sweep between mkdir and flock takes the directory for a leftover; then we begin again.
            let Ok(dir) = open_dir(parent, &name) else { continue };
            if flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok() && is_named(parent, &name, dir.as_fd()) {
                return Ok(Self { parent: parent.try_clone_to_owned()?, name, dir, committed: false });
            }
        }
    }

    /// The directory.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Gives the whole directory its name; the caller has written everything to disk. EEXIST where the name is taken.
    pub fn commit(mut self, name: &CStr) -> rustix::io::Result<OwnedFd> {
        renameat_with(&self.parent, &*self.name, &self.parent, name, RenameFlags::NOREPLACE)?;
        self.committed = true;
        fsync(&self.parent)?;
        self.dir.try_clone().map_err(|_| Errno::MFILE)
    }

    /// Puts the whole directory in the place of another one, which becomes the leftover.
    pub fn commit_over(self, name: &CStr) -> rustix::io::Result<()> {
        renameat_with(&self.parent, &*self.name, &self.parent, name, RenameFlags::EXCHANGE)?;
        fsync(&self.parent)
    }

    /// The same, where something still runs on the other one: that is put aside under a name of its own, which
    /// [`take_aside`] finds. This directory has that name first: killed in between, nothing takes the other one for a
    /// leftover.
    pub fn commit_over_kept(mut self, name: &CStr) -> rustix::io::Result<()> {
        let kept = unique(KEPT, "");
        renameat_with(&self.parent, &*self.name, &self.parent, &*kept, RenameFlags::NOREPLACE)?;
        self.name = kept;
        renameat_with(&self.parent, &*self.name, &self.parent, name, RenameFlags::EXCHANGE)?;
        self.committed = true;
        fsync(&self.parent)
    }

    /// Puts one finished entry in the place of another, which becomes the leftover.
    pub fn exchange(&self, entry: &CStr, target: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
        renameat_with(&self.dir, entry, target, name, RenameFlags::EXCHANGE)
    }

    /// The same for directories, by way of a name in `target`, where the other one stays for the next sweep: when an
    /// exchange gives directories other parents, XFS sets their times of change (xfs_cross_rename), and what was copied
    /// with all its times would not be the same any more.
    pub fn exchange_directory(&self, entry: &CStr, target: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
        let beside = unique(TEMPORARY, "");
        // Whoever sweeps meanwhile takes it for somebody's who is alive.
        let locked = open_dir(self.dir(), entry)?;
        flock(&locked, FlockOperation::NonBlockingLockExclusive)?;
        self.hand_over(entry, target, &beside)?;
        renameat_with(target, &*beside, target, name, RenameFlags::EXCHANGE)
    }

    /// Moves one finished entry out to its place.
    pub fn hand_over(&self, entry: &CStr, target: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
        renameat_with(&self.dir, entry, target, name, RenameFlags::NOREPLACE)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.committed {
            // What is left is swept by the next command.
            let _ = delete::remove(self.parent.as_fd(), &self.name);
        }
    }
}

/// Renames `name` of `from` away into `store`, where it counts as gone, and returns what to delete.
pub fn trash(from: BorrowedFd<'_>, name: &CStr, store: BorrowedFd<'_>) -> rustix::io::Result<CString> {
    loop {
        let trash = unique(TRASH, "");
        match renameat_with(from, name, store, &*trash, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            other => return other.map(|()| trash),
        }
    }
}

/// Takes what was put aside out of its place and returns what to delete, but for what is needed still. The caller keeps
/// others from putting anything aside meanwhile.
pub fn take_aside(store: BorrowedFd<'_>, needed: impl Fn(BorrowedFd<'_>) -> bool) -> rustix::io::Result<Vec<CString>> {
    let mut taken = Vec::new();
    for entry in list(store)?.into_iter().filter(|entry| entry.name.to_bytes().starts_with(KEPT.as_bytes())) {
        if !open_dir(store, &entry.name).is_ok_and(|dir| needed(dir.as_fd())) {
            taken.push(trash(store, &entry.name, store)?);
        }
    }
    Ok(taken)
}

/// Removes what commands that were killed have left in a directory of the store. Goes on past failures.
pub fn sweep(store: BorrowedFd<'_>) -> Result<()> {
    let mut failure = None;
    for entry in list(store).context("cannot read the store")? {
        let text = entry.name.to_string_lossy();
        let stale = text.starts_with(TRASH) || (text.starts_with(TEMPORARY) && is_abandoned(store, &entry.name));
        if stale && let Err(error) = delete::remove(store, &entry.name) {
            failure = Some(Err(error).with_context(|| format!("cannot remove leftover {text}")));
        }
    }
    failure.unwrap_or(Ok(()))
}

fn is_abandoned(store: BorrowedFd<'_>, name: &CStr) -> bool {
    match open_dir(store, name) {
        Ok(dir) => {
            flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok()
                && trash(store, name, store).is_ok_and(|trash| delete::remove(store, &trash).is_ok())
        }
        // A temporary file; its writer needs it for microseconds, and a killed one never again.
        Err(_) => writer(name).is_some_and(|writer| test_kill_process(writer) == Err(Errno::SRCH)),
    }
}

/// Who has made a [`unique`] name.
fn writer(name: &CStr) -> Option<Pid> {
    let number = name.to_str().ok()?.strip_prefix(TEMPORARY)?.split('-').next()?;
    Pid::from_raw(number.parse().ok()?)
}

/// Whether a directory is still the one of that name.
pub fn is_named(parent: BorrowedFd<'_>, name: &CStr, dir: BorrowedFd<'_>) -> bool {
    match (statat(parent, name, AtFlags::SYMLINK_NOFOLLOW), fstat(dir)) {
        (Ok(named), Ok(open)) => (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino),
        _ => false,
    }
}

/// A name that no other process has in use: the process, the time and a counter.
pub fn unique(prefix: &str, suffix: &str) -> CString {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    CString::new(format!("{prefix}{}-{time:x}-{count}{suffix}", std::process::id())).unwrap_or_default()
}
