//! The two disks of a container that is updated: the one that it runs on, and the one beside it, made for the update or kept
//! from before it.
//!
//! ```text
//! disks/web             what web runs on
//! disks/.next-web       the other one, while they change places
//! disks/.previous-web   the other one, when they have: what web ran on before its last update
//! ```
//! They change places in one rename. A mark (switch.toml) lies in that which is meant to come into use, until it is known to
//! work: by where it lies whoever comes after somebody who was killed can tell how far that one was.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, RenameFlags, fsync, renameat_with, statat, syncfs, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::image::copy::Progress;
use crate::image::disk::{self, Disk, DiskPlan, DiskRecord, Finish, ORIGIN, RECORD};
use crate::image::staging::{Staging, open_private, trash};
use crate::image::store::{INFO, Store};
use crate::image::tree::delete;
use crate::image::{file_name, record};
use crate::layout::Layout;

const NEXT: &str = ".next-";
const PREVIOUS: &str = ".previous-";
const MARK: &CStr = c"switch.toml";
const SIDE: &CStr = c"definition.toml";
/// What is the container's and neither disk's: it goes to the one in use.
const OF_CONTAINER: [&CStr; 3] = [c"snapshots", c"addresses.toml", c"last-exit.toml"];

/// What two disks change places for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A new one was made.
    Update,
    /// The one that was kept comes back.
    Rollback,
}

#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    purpose: Purpose,
}

/// The file of a definition that names the image, as it is while one of the disks is in use; none where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// definition.toml, beside each of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Side {
    /// When it was put aside, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<DefinitionFile>,
}

/// A disk that is kept.
#[derive(Debug)]
pub struct Kept {
    /// The disk.
    pub disk: Disk,
    /// Since when, RFC 3339.
    pub since: Option<String>,
}

impl Kept {
    /// The image that it is a copy of.
    pub fn image(&self) -> &str {
        &self.disk.record.image
    }

    /// Where that of a container lies.
    pub fn path(layout: &Layout, name: &str) -> PathBuf {
        layout.disks().join(format!("{PREVIOUS}{name}"))
    }
}

/// A switch that nobody has finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// What it is for.
    pub purpose: Purpose,
    /// The disks had changed places.
    pub switched: bool,
}

/// Both disks of a container.
#[derive(Debug)]
pub struct Pair<'a> {
    layout: &'a Layout,
    name: &'a str,
    disks: OwnedFd,
    own: CString,
    next: CString,
    previous: CString,
}

impl<'a> Pair<'a> {
    /// Whether they are there or not.
    pub fn of(layout: &'a Layout, name: &'a str) -> Result<Self> {
        let own = file_name(name)?;
        let path = |prefix: &str| CString::new(format!("{prefix}{own}")).map_err(Error::failed);
        let disks = open_private(&layout.disks())?;
        Ok(Self { layout, name, disks, own: path("")?, next: path(NEXT)?, previous: path(PREVIOUS)? })
    }

    /// The one that is in use.
    pub fn in_use(&self) -> Result<Option<Disk>> {
        self.open(&self.own)
    }

    /// The one from before the last update.
    pub fn kept(&self) -> Result<Option<Kept>> {
        let Some(disk) = self.open(&self.previous)? else { return Ok(None) };
        let since = side(&disk)?.since;
        Ok(Some(Kept { disk, since }))
    }

    /// How far a switch is that goes on, or was cut off.
    pub fn cut(&self) -> Result<Option<Cut>> {
        let Some(next) = self.open(&self.next)? else { return Ok(None) };
        let mark = |disk: &Disk| record::read::<Mark>(disk.dir(), MARK);
        if let Some(Mark { purpose }) = mark(&next)? {
            return Ok(Some(Cut { purpose, switched: false }));
        }
        let mark = self.in_use()?.as_ref().map(mark).transpose()?.flatten();
        Ok(Some(Cut { purpose: mark.map_or(Purpose::Update, |mark| mark.purpose), switched: true }))
    }

    /// Makes a disk of another image, or of what its image is now, beside the one in use. Without `copies` there is only a
    /// record, as with containers that keep no disk.
    pub fn make(
        &self,
        plan: &DiskPlan<'_>,
        copies: bool,
        finish: &Finish<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<DiskRecord> {
        let ids = self.in_use()?.and_then(|disk| disk.record.ids);
        let image = Store::new(self.layout)?.open(plan.image)?;
        image.pin()?;
        disk::sweep(self.layout)?;
        let staging = Staging::begin(self.disks.as_fd())?;
        let record = match copies {
            true => disk::fill(&image, &staging, ids, plan, finish, progress)?,
            false => DiskRecord { image: image.name.clone(), ids, ..DiskRecord::default() },
        };
        record::write(staging.dir(), RECORD, &record, false)?;
        record::write(staging.dir(), ORIGIN, &image.info, false)?;
        record::write(staging.dir(), MARK, &Mark { purpose: Purpose::Update }, false)?;
        syncfs(staging.dir()).context("cannot write the disk")?;
        let path = &self.next;
        staging.commit(path).with_context(|| format!("cannot put the new disk of {} in place", self.name))?;
        Ok(record)
    }

    /// Takes the kept disk, to bring it back.
    pub fn take_kept(&self) -> Result<()> {
        let kept = self.open(&self.previous)?.ok_or_else(|| Error::failed("there is no kept disk"))?;
        record::write(kept.dir(), MARK, &Mark { purpose: Purpose::Rollback }, true)?;
        self.rename(&self.previous, &self.next)
    }

    /// Notes what the definition is while each of them is in use, and what the image of the one in use was.
    pub fn note(&self, in_use: Option<DefinitionFile>, next: Option<DefinitionFile>) -> Result<()> {
        let since = Some(record::now());
        let own = self.in_use()?.ok_or_else(|| Error::failed("there is no disk"))?;
        record::write(own.dir(), SIDE, &Side { since, file: in_use }, true)?;
        if let Some(info) = own.image(&Store::new(self.layout)?)? {
            record::write(own.dir(), INFO, &info, true)?;
        }
        let other = self.open(&self.next)?.ok_or_else(|| Error::failed("there is no other disk"))?;
        record::write(other.dir(), SIDE, &Side { since: None, file: next }, true)
    }

    /// What the two are noted to have: the one in use, the other.
    pub fn noted(&self) -> Result<[Option<DefinitionFile>; 2]> {
        let file = |disk: Option<Disk>| disk.as_ref().map(side).transpose().map(|side| side.and_then(|side| side.file));
        let other = match self.open(&self.next)? {
            Some(next) => Some(next),
            None => self.open(&self.previous)?,
        };
        Ok([file(self.in_use()?)?, file(other)?])
    }

    /// The one becomes the other. The caller holds the container's lock, and it does not run.
    pub fn switch(&self) -> Result<()> {
        renameat_with(&self.disks, &*self.own, &self.disks, &*self.next, RenameFlags::EXCHANGE)
            .with_context(|| format!("cannot put the other disk of {} in place", self.name))?;
        fsync(&self.disks)?;
        self.carry_over()
    }

    /// Brings what is the container's to the disk in use.
    pub fn carry_over(&self) -> Result<()> {
        let (Some(own), Some(next)) = (self.in_use()?, self.open(&self.next)?) else { return Ok(()) };
        for entry in OF_CONTAINER {
            match renameat_with(next.dir(), entry, own.dir(), entry, RenameFlags::empty()) {
                Err(Errno::NOENT) => {}
                other => other.with_context(|| format!("cannot bring {} along", entry.to_string_lossy()))?,
            }
        }
        fsync(own.dir())?;
        Ok(())
    }

    /// The disk in use works: the other one is kept, and one that was kept before goes.
    pub fn settle(&self) -> Result<()> {
        if let Some(own) = self.in_use()? {
            unmark(&own)?;
        }
        self.prune()?;
        self.rename(&self.next, &self.previous)
    }

    /// The other disk is not to come into use: a new one goes, a kept one is kept.
    pub fn give_up(&self) -> Result<()> {
        match self.cut()? {
            Some(Cut { purpose: Purpose::Update, switched: false }) => self.remove(&self.next),
            Some(Cut { purpose: Purpose::Rollback, switched: false }) => {
                self.rename(&self.next, &self.previous)?;
                self.open(&self.previous)?.map_or(Ok(()), |disk| unmark(&disk))
            }
            // It is in use already.
            Some(Cut { switched: true, .. }) | None => Ok(()),
        }
    }

    /// Removes the kept disk.
    pub fn prune(&self) -> Result<()> {
        self.remove(&self.previous)
    }

    fn open(&self, path: &CStr) -> Result<Option<Disk>> {
        disk::open_at(self.disks.as_fd(), path, self.name)
    }

    fn rename(&self, from: &CStr, to: &CStr) -> Result<()> {
        let rename = renameat_with(&self.disks, from, &self.disks, to, RenameFlags::NOREPLACE);
        rename.with_context(|| format!("cannot rename a disk of {}", self.name))?;
        Ok(fsync(&self.disks)?)
    }

    fn remove(&self, path: &CStr) -> Result<()> {
        remove(self.disks.as_fd(), path).with_context(|| format!("cannot remove a disk of {}", self.name))
    }
}

fn side(disk: &Disk) -> Result<Side> {
    Ok(record::read(disk.dir(), SIDE)?.unwrap_or_default())
}

fn unmark(disk: &Disk) -> Result<()> {
    match unlinkat(disk.dir(), MARK, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => other.and_then(|()| fsync(disk.dir())).context("cannot unmark a disk"),
    }
}

fn remove(disks: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    match trash(disks, path, disks) {
        Err(Errno::NOENT) => Ok(()),
        other => {
            let trash = other?;
            fsync(disks)?;
            Ok(delete::remove(disks, &trash)?)
        }
    }
}

/// Removes what lies beside the disk of a container.
pub fn remove_all(disks: BorrowedFd<'_>, name: &str) -> Result<()> {
    for prefix in [NEXT, PREVIOUS] {
        let path = CString::new(format!("{prefix}{}", file_name(name)?)).map_err(Error::failed)?;
        // Most have none.
        if statat(disks, &*path, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            remove(disks, &path).with_context(|| format!("cannot remove a disk of {name}"))?;
        }
    }
    Ok(())
}

/// Whether a switch goes on, or was cut off: asked at each start.
pub fn is_under_way(layout: &Layout, name: &str) -> bool {
    layout.disks().join(format!("{NEXT}{name}")).symlink_metadata().is_ok()
}

/// The kept disk of a container, for who only looks.
pub fn kept(layout: &Layout, name: &str) -> Result<Option<Kept>> {
    match Kept::path(layout, name).symlink_metadata() {
        Ok(_) => Pair::of(layout, name)?.kept(),
        Err(_) => Ok(None),
    }
}
