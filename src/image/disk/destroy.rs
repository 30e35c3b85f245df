//! Removing copies, disks, and what killed commands have left of either.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use super::{DiskRecord, ORIGIN, create_record, open, open_in, path, switch};
use crate::error::{Context, Result};
use crate::image::staging::{self, open_private, trash};
use crate::image::store::{INFO, RAW, ROOT};
use crate::image::tree::access::{self, open_dir};
use crate::image::tree::delete;
use crate::layout::Layout;

/// Removes the copy and keeps the record: what `mode = "fresh"` does at each start and end.
pub fn destroy_copy(layout: &Layout, name: &str) -> Result<()> {
    let disks = open_private(&layout.disks())?;
    let Some(disk) = open_in(disks.as_fd(), name)? else { return Ok(()) };
    for entry in [ROOT, RAW] {
        match trash(disk.dir(), entry, disks.as_fd()) {
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot remove the disk of {name}")),
            Ok(trash) => delete::remove(disks.as_fd(), &trash)
                .with_context(|| format!("cannot remove all of the disk of {name}"))?,
        }
    }
    Ok(())
}

/// Removes the copy for good, so that the next start makes a new one. The ids and the last exit stay.
pub fn reset(layout: &Layout, name: &str) -> Result<()> {
    destroy_copy(layout, name)?;
    let Some(disk) = open(layout, name)? else { return Ok(()) };
    for file in [INFO, ORIGIN] {
        match unlinkat(&disk.dir, file, AtFlags::empty()) {
            Err(Errno::NOENT) => {}
            other => other.with_context(|| format!("disk of {name}"))?,
        }
    }
    let record = DiskRecord { image: disk.record.image, ids: disk.record.ids, ..DiskRecord::default() };
    create_record(layout, name, &record, true).map(drop)
}

/// Removes disk and record, and those that updates have put beside it; the ids are free again. False if there was none.
pub fn remove(layout: &Layout, name: &str) -> Result<bool> {
    let disks = open_private(&layout.disks())?;
    switch::remove_all(disks.as_fd(), name)?;
    let trash = match trash(disks.as_fd(), &path(name)?, disks.as_fd()) {
        Err(Errno::NOENT) => return Ok(false),
        other => other.with_context(|| format!("cannot remove the disk of {name}"))?,
    };
    delete::remove(disks.as_fd(), &trash).with_context(|| format!("cannot remove all of the disk of {name}"))?;
    Ok(true)
}

/// Removes what killed commands have left, and the disks that others took the place of. Volumes are made beside disks, by
/// imports.
pub fn sweep(layout: &Layout) -> Result<()> {
    let disks = open_private(&layout.disks())?;
    staging::sweep(disks.as_fd())?;
    for name in access::names(&disks).context("cannot read the disks")? {
        if let Ok(disk) = open_dir(disks.as_fd(), &path(&name)?) {
            staging::sweep(disk.as_fd()).with_context(|| format!("disk of {name}"))?;
        }
    }
    match layout.volumes().symlink_metadata() {
        Ok(_) => staging::sweep(open_private(&layout.volumes())?.as_fd()).context("volumes"),
        Err(_) => Ok(()),
    }
}
