//! Snapshots of a disk: further copies of it, kept beside it under tags, and the way back to one.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::SystemTime;

use rustix::fs::{Mode, fsync, mkdirat, syncfs};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Exit, Result};
use crate::image::copy::{self, CopyMethod, Options, Progress};
use crate::image::disk::{self, Disk, DiskRecord};
use crate::image::staging::{Staging, open_private, trash};
use crate::image::store::{Kind, RAW, ROOT};
use crate::image::tree::access::{self, open_dir};
use crate::image::tree::delete;
use crate::image::{file_name, record};
use crate::layout::Layout;

const SNAPSHOTS: &CStr = c"snapshots";
const RECORD: &CStr = c"snapshot.toml";
/// The name of one in the making.
const NEW: &CStr = c"snapshot";

/// snapshot.toml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SnapshotRecord {
    /// When it was taken, RFC 3339.
    pub taken: String,
    /// How the copy was made.
    pub copied: CopyMethod,
    /// Of a container that ran: how long its processes stood still, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<u64>,
    /// What the disk was then.
    pub disk: DiskRecord,
}

/// A snapshot that is there.
#[derive(Debug)]
pub struct Snapshot {
    /// Its tag.
    pub tag: String,
    /// snapshot.toml.
    pub record: SnapshotRecord,
    dir: OwnedFd,
}

impl Snapshot {
    /// Tree or raw.
    pub fn kind(&self) -> Result<Kind> {
        let is_tree = open_dir(self.dir.as_fd(), ROOT).is_ok();
        Ok(if is_tree { Kind::Tree } else { Kind::Raw })
    }

    /// What it is a copy of: a root directory, or a file.
    pub fn content(&self) -> Result<OwnedFd> {
        content(self.dir.as_fd(), self.kind()?)
    }
}

fn content(dir: BorrowedFd<'_>, kind: Kind) -> Result<OwnedFd> {
    match kind {
        Kind::Tree => open_dir(dir, ROOT).context("cannot open the root"),
        Kind::Raw => access::open_file(dir, RAW).context("cannot open the file"),
    }
}

/// A snapshot in the making: nobody sees it before its commit.
#[derive(Debug)]
pub struct Making {
    disk: Disk,
    kind: Kind,
    staging: Staging,
    dir: OwnedFd,
    tag: CString,
}

impl Making {
    /// Begins one of the disk of `name`, whose lock the caller holds.
    pub fn begin(layout: &Layout, name: &str, tag: &str) -> Result<Self> {
        let tag_path = CString::new(file_name(tag)?).map_err(Error::failed)?;
        let none = || Error::new(Exit::NotFound, format!("{name} has no disk of its own"));
        let disk = disk::open(layout, name)?.ok_or_else(none)?;
        let kind = disk.kind()?.ok_or_else(none)?;
        if find(&disk, tag)?.is_some() {
            return Err(Error::failed(format!("there is a snapshot {tag} already")));
        }
        disk::sweep(layout)?;
        let staging = Staging::begin(open_private(&layout.disks())?.as_fd())?;
        mkdirat(staging.dir(), NEW, Mode::RWXU)?;
        let dir = open_dir(staging.dir(), NEW)?;
        Ok(Self { disk, kind, staging, dir, tag: tag_path })
    }

    /// What it is made of.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The disk.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Copies: for as short a time as can be had, as nothing is written through.
    pub fn copy(&self, progress: &mut Progress<'_>) -> Result<CopyMethod> {
        copy_disk(self.disk.dir(), self.kind, self.dir.as_fd(), progress)
    }

    /// What has been copied: a root directory, or a file.
    pub fn content(&self) -> Result<OwnedFd> {
        content(self.dir.as_fd(), self.kind)
    }

    /// Writes it through and gives it its tag.
    pub fn commit(self, copied: CopyMethod, frozen: Option<u64>) -> Result<SnapshotRecord> {
        let snapshot = SnapshotRecord { taken: now(), copied, frozen, disk: self.disk.record.clone() };
        record::write(self.dir.as_fd(), RECORD, &snapshot, true)?;
        syncfs(&self.dir).context("cannot write the snapshot")?;
        match mkdirat(self.disk.dir(), SNAPSHOTS, Mode::RWXU) {
            Err(Errno::EXIST) => {}
            other => other.and_then(|()| fsync(self.disk.dir())).context("cannot make a place for snapshots")?,
        }
        let place = open_dir(self.disk.dir(), SNAPSHOTS).context("cannot open the snapshots")?;
        self.staging.hand_over(NEW, place.as_fd(), &self.tag).context("cannot put the snapshot in place")?;
        fsync(&place)?;
        Ok(snapshot)
    }
}

/// To the microsecond: two may be of one second, and the older one goes first.
fn now() -> String {
    humantime::format_rfc3339_micros(SystemTime::now()).to_string()
}

fn copy_disk(from: BorrowedFd<'_>, kind: Kind, to: BorrowedFd<'_>, progress: &mut Progress<'_>) -> Result<CopyMethod> {
    let (source, options) = (content(from, kind)?, Options::default());
    match kind {
        Kind::Tree => copy::tree(source.as_fd(), to, ROOT, options, progress),
        Kind::Raw => copy::raw(source.as_fd(), to, RAW, options, progress),
    }
}

/// All of a disk, the oldest first.
pub fn list(disk: &Disk) -> Result<Vec<Snapshot>> {
    let place = match open_dir(disk.dir(), SNAPSHOTS) {
        Err(Errno::NOENT) => return Ok(Vec::new()),
        other => other.context("cannot open the snapshots")?,
    };
    let tags = access::names(&place).context("cannot read the snapshots")?;
    let open = |tag: String| {
        let found = find(disk, &tag)?;
        found.ok_or_else(|| Error::failed(format!("the snapshot {tag} has no record")))
    };
    let mut all: Vec<_> = tags.into_iter().map(open).collect::<Result<_>>()?;
    all.sort_by(|one, other| (&one.record.taken, &one.tag).cmp(&(&other.record.taken, &other.tag)));
    Ok(all)
}

/// One of a disk.
pub fn find(disk: &Disk, tag: &str) -> Result<Option<Snapshot>> {
    let path = CString::new(format!("snapshots/{}", file_name(tag)?)).map_err(Error::failed)?;
    let dir = match open_dir(disk.dir(), &path) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.with_context(|| format!("cannot open the snapshot {tag}"))?,
    };
    let record = record::read(dir.as_fd(), RECORD).with_context(|| format!("snapshot {tag}"))?;
    Ok(record.map(|record| Snapshot { tag: tag.to_owned(), record, dir }))
}

/// Removes one. The caller holds the lock of the container.
pub fn remove(layout: &Layout, disk: &Disk, tag: &str) -> Result<()> {
    let disks = open_private(&layout.disks())?;
    let action = || format!("cannot remove the snapshot {tag}");
    let tag_path = CString::new(file_name(tag)?).map_err(Error::failed)?;
    let missing = || Error::new(Exit::NotFound, "there is none of that name");
    let place = match open_dir(disk.dir(), SNAPSHOTS) {
        Err(Errno::NOENT) => return Err(missing()).with_context(action),
        other => other.with_context(action)?,
    };
    match trash(place.as_fd(), &tag_path, disks.as_fd()) {
        Err(Errno::NOENT) => Err(missing()).with_context(action),
        other => {
            let trash = other.with_context(action)?;
            // A subvolume in it goes at once, and not file by file.
            if let Ok(dir) = open_dir(disks.as_fd(), &trash) {
                delete::remove(dir.as_fd(), ROOT).with_context(action)?;
            }
            delete::remove(disks.as_fd(), &trash).with_context(action)
        }
    }
}

/// Puts a copy of a snapshot in the place of the disk, which is there until that is done. The caller holds the lock of the
/// container, which does not run.
pub fn rollback(layout: &Layout, name: &str, tag: &str, progress: &mut Progress<'_>) -> Result<CopyMethod> {
    let disks = open_private(&layout.disks())?;
    let none = |what: String| Error::new(Exit::NotFound, what);
    let disk = disk::open(layout, name)?.ok_or_else(|| none(format!("{name} has no disk")))?;
    let snapshot = find(&disk, tag)?.ok_or_else(|| none(format!("there is no snapshot {tag}")))?;
    let kind = snapshot.kind()?;
    if disk.kind()?.is_some_and(|present| present != kind) {
        return Err(Error::failed(
            "the snapshot is of another kind than the disk, a tree or a raw file: soute disk reset removes the disk",
        ));
    }
    disk::sweep(layout)?;
    let staging = Staging::begin(disks.as_fd())?;
    let copied = copy_disk(snapshot.dir.as_fd(), kind, staging.dir(), progress)?;
    syncfs(staging.dir()).context("cannot write the disk")?;
    let entry = if kind == Kind::Tree { ROOT } else { RAW };
    let of = snapshot.record.disk;
    let record = DiskRecord { ids: disk.record.ids, copied: Some(copied), snapshot: Some(tag.to_owned()), ..of };
    // The record first: of a disk that is said to have come from a snapshot less is taken for granted.
    disk::create_record(layout, name, &record, true)?;
    let put = match disk.kind()? {
        Some(Kind::Tree) => staging.exchange_directory(entry, disk.dir(), entry),
        Some(Kind::Raw) => staging.exchange(entry, disk.dir(), entry),
        None => staging.hand_over(entry, disk.dir(), entry),
    };
    put.context("cannot put the disk in place")?;
    fsync(disk.dir())?;
    disk::sweep(layout)?;
    Ok(copied)
}
