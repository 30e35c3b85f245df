//! Making the copy: whole beside the others first, then in its place, with the record of what it is.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{OFlags, fsync, syncfs};

use super::{Disk, DiskRecord, ORIGIN, RECORD, open_in};
use crate::error::{Context, Error, Result};
use crate::image::copy::{self, CopyMethod, Options, Progress};
use crate::image::raw::btrfs;
use crate::image::raw::superblock::FsType;
use crate::image::record;
use crate::image::staging::{Staging, open_private};
use crate::image::store::{Image, Kind, RAW, ROOT, Store};
use crate::image::tree::access::open_inside;
use crate::image::tree::xattr::Shift;
use crate::layout::Layout;

/// What copy to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskPlan<'a> {
    /// The container.
    pub name: &'a str,
    /// The image.
    pub image: &'a str,
    /// Add the record's first id to every id, for a file system that cannot be idmapped.
    pub shift: bool,
    /// Write it through to the disk before it counts. A fresh disk need not outlast a crash.
    pub durable: bool,
}

/// What is done to the file of a new copy before it is in its place; it says which size it has then.
pub type Finish<'a> = dyn Fn(BorrowedFd<'_>) -> Result<Option<u64>> + 'a;

/// Makes the copy, unless there is one. A record with the ids must exist.
pub fn materialize(
    layout: &Layout,
    plan: &DiskPlan<'_>,
    finish: &Finish<'_>,
    progress: &mut Progress<'_>,
) -> Result<Disk> {
    let disks = open_private(&layout.disks())?;
    let mut disk = open_in(disks.as_fd(), plan.name)?
        .ok_or_else(|| Error::failed(format!("the disk of {} has no record", plan.name)))?;
    if disk.kind()?.is_some() {
        return Ok(disk);
    }
    let image = Store::new(layout)?.open(plan.image)?;
    image.pin()?;
    let staging = Staging::begin(disks.as_fd())?;
    let record = fill(&image, &staging, disk.record.ids, plan, finish, progress)?;
    if plan.durable {
        syncfs(staging.dir()).context("cannot write the disk")?;
    }
    let entry = if image.info.kind == Kind::Tree { ROOT } else { RAW };
    // The record first: a disk without its origin could not be told from another image's.
    disk.record = record;
    if plan.durable {
        record::write(disk.dir(), ORIGIN, &image.info, false)?;
    }
    record::write(disk.dir(), RECORD, &disk.record, plan.durable)?;
    staging
        .hand_over(entry, disk.dir(), entry)
        .with_context(|| format!("cannot put the disk of {} in place", plan.name))?;
    if plan.durable {
        fsync(disk.dir())?;
    }
    Ok(disk)
}

/// Copies the image into a directory in the making, and says what has been made.
pub(in crate::image) fn fill(
    image: &Image,
    staging: &Staging,
    ids: Option<u32>,
    plan: &DiskPlan<'_>,
    finish: &Finish<'_>,
    progress: &mut Progress<'_>,
) -> Result<DiskRecord> {
    let method =
        copy_image(image, staging, ids, plan, progress).with_context(|| format!("cannot copy image {}", plan.image))?;
    let size = match image.info.kind {
        Kind::Tree => None,
        Kind::Raw => finish(open_inside(staging.dir(), RAW, OFlags::RDWR)?.as_fd())?,
    };
    Ok(DiskRecord {
        image: image.name.clone(),
        digest: image.info.digest.clone(),
        ids,
        shifted: plan.shift,
        copied: Some(method),
        created: Some(record::now()),
        size,
        snapshot: None,
    })
}

fn copy_image(
    image: &Image,
    staging: &Staging,
    ids: Option<u32>,
    plan: &DiskPlan<'_>,
    progress: &mut Progress<'_>,
) -> Result<CopyMethod> {
    let shift = match (plan.shift, ids) {
        (false, _) => None,
        (true, Some(first)) => Some(Shift::To(first)),
        (true, None) => return Err(Error::failed("the record has no ids to shift to")),
    };
    let options = Options { shift, total: Some(image.info.size), durable: plan.durable, frozen: false };
    match image.info.kind {
        Kind::Tree => copy::tree(image.root()?.as_fd(), staging.dir(), ROOT, options, progress),
        Kind::Raw => {
            let method = copy::raw(image.raw()?.as_fd(), staging.dir(), RAW, options, progress)?;
            if image.info.fs == Some(FsType::Btrfs) {
                let file = open_inside(staging.dir(), RAW, OFlags::RDWR)?;
                btrfs::change_fsid(file.as_fd(), random()?).context("cannot give the copy an id of its own")?;
            }
            Ok(method)
        }
    }
}

/// A random (version 4) UUID, RFC 9562.
pub fn random() -> Result<[u8; 16]> {
    let mut uuid = [0; 16];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut uuid)).context("cannot read /dev/urandom")?;
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    Ok(uuid)
}
