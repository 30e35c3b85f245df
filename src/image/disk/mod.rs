//! Disks: the private copy of its image that a container runs on, with the record of its ids and its last exit.
//!
//! The record comes before the copy, as the ids in it must be there for whoever allocates next, and containers without
//! a copy (`mode = "read-only"`) have one too.

pub mod addresses;
pub mod commit;
pub mod ids;
pub mod snapshot;
pub mod switch;
pub mod volume;

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, fsync, mkdirat, statat, syncfs, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Exit, Result};
use crate::image::copy::{self, CopyMethod, Options, Progress};
use crate::image::raw::superblock::FsType;
use crate::image::raw::{btrfs, superblock};
use crate::image::staging::{self, Staging, open_private, secure, trash};
use crate::image::store::{Declared, INFO, Image, ImageInfo, Kind, RAW, ROOT, Store};
use crate::image::tree::access::{self, open_dir, open_inside};
use crate::image::tree::delete;
use crate::image::tree::xattr::Shift;
use crate::image::{file_name, record};
use crate::layout::Layout;

pub(super) const RECORD: &CStr = c"disk.toml";
const LAST_EXIT: &CStr = c"last-exit.toml";
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

impl LastExit {
    /// The result of an end that was asked for, however the process then ended.
    pub const STOPPED: &str = "stopped";
}

/// last-exit.toml, as systemd told it to ExecStopPost=.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LastExit {
    /// $SERVICE_RESULT: "success", "exit-code", "signal", "oom-kill", …; [`LastExit::STOPPED`] for a stop that went well.
    pub result: String,
    /// $EXIT_CODE: "exited", "killed" or "dumped".
    pub code: String,
    /// $EXIT_STATUS: a number, or a signal's name without SIG.
    pub status: String,
    /// When, RFC 3339.
    pub time: String,
}

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

    /// How the container ended last.
    pub fn last_exit(&self) -> Result<Option<LastExit>> {
        record::read(self.dir(), LAST_EXIT)
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
pub(super) fn fill(
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

/// Notes how a container ended; without a record there is nothing to note it beside.
pub fn record_exit(layout: &Layout, name: &str, exit: &LastExit) -> Result<()> {
    match open(layout, name)? {
        Some(disk) => record::write(disk.dir(), LAST_EXIT, exit, false).with_context(|| format!("disk of {name}")),
        None => Ok(()),
    }
}

/// How a container ended last.
pub fn read_exit(layout: &Layout, name: &str) -> Result<Option<LastExit>> {
    open(layout, name)?.map_or(Ok(None), |disk| disk.last_exit())
}

/// All containers that have a disk or a record, sorted by name; one that cannot be read keeps its place.
pub fn names(layout: &Layout) -> Result<Vec<String>> {
    let disks = open_private(&layout.disks())?;
    access::names(&disks).context("cannot read the disks")
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

/// Whether it says what its image was: asked at each start, and hardly ever so.
pub fn has_own_image(layout: &Layout, name: &str) -> bool {
    layout.disks().join(name).join("image.toml").symlink_metadata().is_ok()
}

fn path(name: &str) -> Result<CString> {
    CString::new(file_name(name)?).map_err(|error| Error::new(Exit::Usage, error))
}
