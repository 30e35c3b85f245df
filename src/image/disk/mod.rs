//! Disks: the private copy of its image that a container runs on, with the record of its ids and its last exit.
//!
//! The record comes before the copy, as the ids in it must be there for whoever allocates next, and containers without
//! a copy (`mode = "read-only"`) have one too.

pub mod addresses;
pub mod commit;
mod destroy;
pub mod ids;
mod last_exit;
mod make;
pub mod snapshot;
pub mod switch;
pub mod volume;

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, fsync, mkdirat, statat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

pub use destroy::{destroy_copy, remove, reset, sweep};
pub use last_exit::{LastExit, read_exit, record_exit};
pub(super) use make::fill;
pub use make::{DiskPlan, Finish, materialize, random};

use crate::error::{Context, Error, Exit, Result};
use crate::image::copy::CopyMethod;
use crate::image::raw::superblock;
use crate::image::staging::{open_private, secure};
use crate::image::store::{Declared, INFO, ImageInfo, Kind, RAW, ROOT, Store};
use crate::image::tree::access::{self, open_dir, open_inside};
use crate::image::{file_name, record};
use crate::layout::Layout;

pub(super) const RECORD: &CStr = c"disk.toml";
/// What image.toml of its image said when the copy was made.
pub(super) const ORIGIN: &CStr = c"origin.toml";

/// disk.toml.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DiskRecord {
    /// The image it is, or will be, a copy of.
    pub image: String,
    /// That image's digest at the time of the copy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// The first of the container's 65536 ids; none with `namespaces.user = "host"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<u32>,
    /// The files carry the container's ids, as their file system cannot be idmapped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shifted: bool,
    /// How the copy was made; none before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied: Option<CopyMethod>,
    /// When the copy was made, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The bytes that a raw disk was grown to, as its definition had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The snapshot that the disk was rolled back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// The directory of one container's disk.
#[derive(Debug)]
pub struct Disk {
    /// disk.toml.
    pub record: DiskRecord,
    dir: OwnedFd,
}

impl Disk {
    /// The directory that holds it.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// What the copy is made of, none before it is made.
    pub fn kind(&self) -> Result<Option<Kind>> {
        for (name, kind) in [(ROOT, Kind::Tree), (RAW, Kind::Raw)] {
            match statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => return Ok(Some(kind)),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error).context("cannot read the disk"),
            }
        }
        Ok(None)
    }

    /// Waits until nobody else makes the copy, and keeps others from it for as long as this is open.
    pub fn lock(&self) -> Result<()> {
        rustix::io::retry_on_intr(|| flock(&self.dir, FlockOperation::LockExclusive)).context("cannot lock the disk")
    }

    /// The root directory of a tree.
    pub fn root(&self) -> Result<OwnedFd> {
        open_dir(self.dir(), ROOT).context("cannot open the disk's root")
    }

    /// The file of a raw disk, for reading and writing.
    pub fn raw(&self) -> Result<OwnedFd> {
        open_inside(self.dir(), RAW, OFlags::RDWR | OFlags::NONBLOCK).context("cannot open the disk's file")
    }

    /// The size of the file of a raw disk; none for a tree, and before there is a copy.
    pub fn bytes(&self) -> Result<Option<u64>> {
        match statat(&self.dir, RAW, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            other => Ok(u64::try_from(other.context("cannot read the disk")?.st_size).ok()),
        }
    }

    /// What the copy says of its image, when that is in the store no more.
    pub fn info(&self) -> Result<ImageInfo> {
        let kind = self.kind()?.ok_or_else(|| Error::failed("there is no copy"))?;
        let fs = match kind {
            Kind::Tree => None,
            Kind::Raw => Some(superblock::of_file(&self.raw()?.into())?.fs),
        };
        if let Some(image) = self.noted_image()? {
            return Ok(ImageInfo { kind, fs, ..image });
        }
        // Of a time when copies did not note it, with what it declares.
        Ok(ImageInfo {
            kind,
            fs,
            origin: format!("a copy of {}", self.record.image),
            digest: self.record.digest.clone(),
            manifest: None,
            pinned: None,
            verified: None,
            created: self.record.created.clone().unwrap_or_default(),
            size: 0,
            declared: Declared::default(),
        })
    }

    /// What its image was when the copy was made, if anybody still knows.
    pub fn image(&self, store: &Store) -> Result<Option<ImageInfo>> {
        let stored = || Some(store.open(&self.record.image).ok()?.info).filter(|info| self.is_of(info));
        Ok(self.noted_image()?.or_else(stored))
    }

    fn noted_image(&self) -> Result<Option<ImageInfo>> {
        match self.own_image()? {
            Some(own) => Ok(Some(own)),
            None => Ok(record::read(self.dir(), ORIGIN)?.filter(|info| self.is_of(info))),
        }
    }

    fn is_of(&self, info: &ImageInfo) -> bool {
        info.digest == self.record.digest
    }

    /// What its image was when an update put the disk aside: by now the store may have another one of that name, or none.
    pub fn own_image(&self) -> Result<Option<ImageInfo>> {
        Ok(record::read(self.dir(), INFO)?.filter(|info| self.is_of(info)))
    }
}

/// The disk of a container, none if it never had a record.
pub fn open(layout: &Layout, name: &str) -> Result<Option<Disk>> {
    let disks = open_private(&layout.disks())?;
    open_in(disks.as_fd(), name)
}

fn open_in(disks: BorrowedFd<'_>, name: &str) -> Result<Option<Disk>> {
    open_at(disks, &path(name)?, name)
}

/// A disk of a container, by the name that its directory has.
pub(super) fn open_at(disks: BorrowedFd<'_>, path: &CStr, name: &str) -> Result<Option<Disk>> {
    let action = || format!("cannot open the disk of {name}");
    let dir = match open_dir(disks, path) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.with_context(action)?,
    };
    secure(dir.as_fd()).with_context(action)?;
    let record = record::read(dir.as_fd(), RECORD).with_context(action)?;
    Ok(record.map(|record| Disk { record, dir }))
}

/// Writes the record of a container, whether its copy exists or not.
pub fn create_record(layout: &Layout, name: &str, record: &DiskRecord, durable: bool) -> Result<Disk> {
    let disks = open_private(&layout.disks())?;
    let path = path(name)?;
    match mkdirat(&disks, &*path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error).with_context(|| format!("cannot create the disk of {name}")),
    }
    let dir = open_dir(disks.as_fd(), &path).with_context(|| format!("cannot open the disk of {name}"))?;
    secure(dir.as_fd()).with_context(|| format!("cannot use the disk of {name}"))?;
    record::write(dir.as_fd(), RECORD, record, durable).with_context(|| format!("disk of {name}"))?;
    if durable {
        fsync(&disks)?;
    }
    Ok(Disk { record: record.clone(), dir })
}

/// All containers that have a disk or a record, sorted by name; one that cannot be read keeps its place.
pub fn names(layout: &Layout) -> Result<Vec<String>> {
    let disks = open_private(&layout.disks())?;
    access::names(&disks).context("cannot read the disks")
}

/// Whether it says what its image was: asked at each start, and hardly ever so.
pub fn has_own_image(layout: &Layout, name: &str) -> bool {
    layout.disks().join(name).join("image.toml").symlink_metadata().is_ok()
}

fn path(name: &str) -> Result<CString> {
    CString::new(file_name(name)?).map_err(|error| Error::new(Exit::Usage, error))
}
