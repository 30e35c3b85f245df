//! Named volumes: directories that outlive containers. They begin empty and are never filled from an image.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fchmod, fsync, mkdirat, openat};
use rustix::io::Errno;

use crate::error::{Context, Error, Exit, Result};
use crate::image::file_name;
use crate::image::staging::{open_private, sweep, trash};
use crate::image::tree::{access, delete};
use crate::layout::Layout;

/// Opens a volume, made at its first use. It may be a mount point of the host's.
pub fn open(layout: &Layout, name: &str) -> Result<OwnedFd> {
    let volumes = open_private(&layout.volumes())?;
    let path = CString::new(file_name(name)?).map_err(Error::failed)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let action = || format!("cannot open volume {name}");
    let created = match mkdirat(&volumes, &*path, Mode::RWXU) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(error).with_context(action),
    };
    let volume = openat(&volumes, &*path, flags, Mode::empty()).with_context(action)?;
    if created {
        // Users of the container pass through it; the host's are kept out by its parent.
        fchmod(&volume, Mode::from_raw_mode(0o755)).with_context(action)?;
        fsync(&volumes).with_context(action)?;
    }
    Ok(volume)
}

/// The names of all volumes, sorted.
pub fn names(layout: &Layout) -> Result<Vec<String>> {
    let volumes = open_private(&layout.volumes())?;
    access::names(&volumes).context("cannot read the volumes")
}

/// Removes a volume with all that is in it. `used_by` names the containers that mount it.
pub fn remove(layout: &Layout, name: &str, used_by: &[String]) -> Result<()> {
    if !used_by.is_empty() {
        return Err(Error::new(Exit::Busy, format!("volume {name} is in use by {}", used_by.join(", "))));
    }
    let volumes = open_private(&layout.volumes())?;
    let path = CString::new(file_name(name)?).map_err(Error::failed)?;
    let trash = match trash(volumes.as_fd(), &path, volumes.as_fd()) {
        Err(Errno::NOENT) => return Err(Error::new(Exit::NotFound, format!("no volume {name}"))),
        other => other.with_context(|| format!("cannot remove volume {name}"))?,
    };
    delete::remove(volumes.as_fd(), &trash).with_context(|| format!("cannot remove all of volume {name}"))?;
    sweep(volumes.as_fd())
}
