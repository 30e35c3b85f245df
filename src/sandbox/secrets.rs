//! Credentials: what systemd has loaded for the unit, handed over to the payload's user and to nobody else.
//!
//! systemd shows them in a directory of the host that goes with the unit. The payload gets a copy in a ramfs of its own, which
//! is never swapped out, and read-only once it is written. Nothing of it is in the environment, in the snapshot or on a disk.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, openat};
use rustix::mount::MountAttrFlags;

use super::mounts::{self, NOSUID_NODEV_NOEXEC};
use super::root::{self, Kind};
use super::user::Credentials;
use crate::error::{Context, Error, Result};
use crate::plan::Sandbox;

/// systemd itself takes no more for one unit (CREDENTIALS_TOTAL_SIZE_MAX).
const LARGEST: u64 = 1 << 20;

/// Opens them in the directory that systemd names.
pub fn open(sandbox: &Sandbox) -> Result<Vec<OwnedFd>> {
    if sandbox.credentials.is_empty() {
        return Ok(Vec::new());
    }
    let directory: OsString = std::env::var_os("CREDENTIALS_DIRECTORY")
        .ok_or_else(|| Error::failed("systemd has loaded no credentials for this unit"))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty()).context("cannot open the credentials")?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |name: &String| {
        openat(&directory, name, flags, Mode::empty()).with_context(|| format!("cannot open credential {name}"))
    };
    sandbox.credentials.iter().map(open).collect()
}

/// Mounts a copy in the container, once it is known whose it is to be.
pub fn hand_over(top: BorrowedFd<'_>, sandbox: &Sandbox, files: &[OwnedFd], user: &Credentials) -> Result<()> {
    let Some(target) = sandbox.credentials_directory() else { return Ok(()) };
    let action = || format!("cannot make {target}");
    let ramfs = mounts::filesystem("ramfs", &[("mode", "0700")], NOSUID_NODEV_NOEXEC).with_context(action)?;
    for (name, file) in sandbox.credentials.iter().zip(files) {
        copy(ramfs.as_fd(), name, file, user).with_context(|| format!("cannot hand over credential {name}"))?;
    }
    let finish = || -> Result<()> {
        let directory = openat(&ramfs, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        fchmod(&directory, Mode::from_raw_mode(0o500))?;
        fchown(&directory, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?;
        let read_only = NOSUID_NODEV_NOEXEC | MountAttrFlags::MOUNT_ATTR_RDONLY;
        mounts::restrict(ramfs.as_fd(), read_only, false)?;
        let place = root::mount_point(top, target, Kind::Directory)?;
        Ok(mounts::attach(ramfs.as_fd(), place.as_fd())?)
    };
    finish().with_context(action)
}

fn copy(ramfs: BorrowedFd<'_>, name: &str, file: &OwnedFd, user: &Credentials) -> Result<()> {
    let mut content = Vec::new();
    File::from(file.try_clone()?).take(LARGEST).read_to_end(&mut content)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut copy = File::from(openat(ramfs, name, flags, Mode::from_raw_mode(0o400))?);
    copy.write_all(&content)?;
    Ok(fchown(&copy, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?)
}
