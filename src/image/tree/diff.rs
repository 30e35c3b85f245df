//! What a tree has that another has not: a disk beside its image.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Stat, readlinkat, statat};
use rustix::io::{Errno, pread};
use serde::Serialize;

use crate::error::{Context, Error, Result};
use crate::image::tree::access::{self, MAX_DEPTH, list, open_dir, open_file};
use crate::image::tree::attributes::Attributes;
use crate::image::tree::xattr::{Shift, Target, Xattr};

/// How a path differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is not in the image.
    Added,
    /// Its content, its type, its owner, its mode, its attributes or, of a file, its time.
    Changed,
    /// It is in the image only; what was in it is not told.
    Deleted,
}

impl Change {
    /// As docker and podman have it.
    pub fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Changed => 'C',
            Self::Deleted => 'D',
        }
    }
}

/// Calls `found` for each difference, in the order of the paths. What something is mounted on in `disk` is left out.
pub fn compare(
    image: BorrowedFd<'_>,
    disk: BorrowedFd<'_>,
    how: Compare,
    found: &mut dyn FnMut(Change, &[u8]),
) -> Result<()> {
    let mut walk = Walk { how, found, path: Vec::new(), buffer: Vec::new() };
    let root = walk.root(image, disk);
    root.with_context(|| format!("cannot compare /{}", access::shown(&walk.path)))
}

/// What is known of the two.
#[derive(Debug, Clone, Copy)]
pub struct Compare {
    /// From the ids of the disk to those of the image.
    pub shift: Option<Shift>,
    /// In seconds since 1970: a file whose status has changed before has the image's content.
    pub untouched: i64,
}

struct Walk<'a> {
    how: Compare,
    found: &'a mut dyn FnMut(Change, &[u8]),
    path: Vec<u8>,
    buffer: Vec<u8>,
}

impl Walk<'_> {
    fn root(&mut self, image: BorrowedFd<'_>, disk: BorrowedFd<'_>) -> Result<()> {
        let (old, new) = (statat(image, c"", AtFlags::EMPTY_PATH)?, statat(disk, c"", AtFlags::EMPTY_PATH)?);
        if !self.same_attributes((&old, Target::Open(image)), (&new, Target::Open(disk)))? {
            (self.found)(Change::Changed, b"/");
        }
        self.directory(Some(image), disk, 0)
    }

    /// Without an image's directory all of it is new.
    fn directory(&mut self, image: Option<BorrowedFd<'_>>, disk: BorrowedFd<'_>, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::failed(format!("deeper than {MAX_DEPTH} directories")));
        }
        let mut names: BTreeMap<CString, (bool, bool)> = BTreeMap::new();
        for entry in image.map(list).transpose()?.into_iter().flatten() {
            names.entry(entry.name).or_default().0 = true;
        }
        for entry in list(disk)? {
            names.entry(entry.name).or_default().1 = true;
        }
        for (name, there) in names {
            let length = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(name.to_bytes());
            match (there, image) {
                ((true, false), _) => (self.found)(Change::Deleted, &self.path),
                ((true, true), Some(image)) => self.both(image, disk, &name, depth)?,
                _ => self.added(disk, &name, depth)?,
            }
            self.path.truncate(length);
        }
        Ok(())
    }

    fn added(&mut self, disk: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<()> {
        // What runs may take it away again meanwhile.
        let Some(stat) = there(statat(disk, name, AtFlags::SYMLINK_NOFOLLOW))? else { return Ok(()) };
        (self.found)(Change::Added, &self.path);
        self.below(None, disk, name, &stat, depth)
    }

    fn below(
        &mut self,
        image: Option<BorrowedFd<'_>>,
        disk: BorrowedFd<'_>,
        name: &CStr,
        stat: &Stat,
        depth: usize,
    ) -> Result<()> {
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Ok(());
        }
        let Some(disk) = there(open_dir(disk, name))? else { return Ok(()) };
        self.directory(image, disk.as_fd(), depth + 1)
    }

    fn both(&mut self, image: BorrowedFd<'_>, disk: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<()> {
        let old = statat(image, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let Some(new) = there(statat(disk, name, AtFlags::SYMLINK_NOFOLLOW))? else { return Ok(()) };
        let kind = FileType::from_raw_mode(new.st_mode);
        if FileType::from_raw_mode(old.st_mode) != kind {
            (self.found)(Change::Changed, &self.path);
            return self.below(None, disk, name, &new, depth);
        }
        let Some((one, other)) = self.opened(image, disk, name, kind)? else { return Ok(()) };
        let (one_target, other_target) = match (&one, &other) {
            (Some(one), Some(other)) => (Target::Open(one.as_fd()), Target::Open(other.as_fd())),
            _ => (Target::Name(image, name), Target::Name(disk, name)),
        };
        let same = self.same_attributes((&old, one_target), (&new, other_target))?
            && match (kind, &one, &other) {
                (FileType::Directory, ..) => true,
                (FileType::RegularFile, Some(one), Some(other)) => self.same_file(&old, &new, one, other)?,
                (FileType::Symlink, ..) => {
                    old.st_mtime == new.st_mtime
                        && readlinkat(image, name, Vec::new())? == readlinkat(disk, name, Vec::new())?
                }
                _ => old.st_rdev == new.st_rdev,
            };
        if !same {
            (self.found)(Change::Changed, &self.path);
        }
        match one {
            Some(one) if kind == FileType::Directory => self.below(Some(one.as_fd()), disk, name, &new, depth),
            _ => Ok(()),
        }
    }

    /// Both, where they are files or directories; none at all where something is mounted, or has gone.
    #[allow(clippy::type_complexity, reason = "two of a kind")]
    fn opened(
        &self,
        image: BorrowedFd<'_>,
        disk: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
    ) -> Result<Option<(Option<OwnedFd>, Option<OwnedFd>)>> {
        let open = match kind {
            FileType::Directory => open_dir,
            FileType::RegularFile => open_file,
            _ => return Ok(Some((None, None))),
        };
        Ok(there(open(disk, name))?.map(|disk| open(image, name).map(|image| (Some(image), Some(disk)))).transpose()?)
    }

    fn same_attributes(&mut self, old: (&Stat, Target<'_>), new: (&Stat, Target<'_>)) -> Result<bool> {
        let one = Attributes::of(old.0, xattrs(old.1, &mut self.buffer)?);
        let mut other = Attributes::of(new.0, xattrs(new.1, &mut self.buffer)?);
        if let Some(shift) = self.how.shift {
            other = other.shifted(shift)?;
        }
        Ok(one.owner == other.owner && one.mode == other.mode && one.xattrs == other.xattrs)
    }

    fn same_file(&self, old: &Stat, new: &Stat, one: &OwnedFd, other: &OwnedFd) -> Result<bool> {
        let times = (old.st_mtime, old.st_mtime_nsec) == (new.st_mtime, new.st_mtime_nsec);
        if !times || old.st_size != new.st_size {
            return Ok(false);
        }
        // Nobody can set the time of the last change of status.
        #[allow(clippy::unnecessary_cast, reason = "another type on other architectures")]
        let untouched = (new.st_ctime as i64) < self.how.untouched;
        if untouched { Ok(true) } else { same_content(one, other) }
    }
}

/// A policy's labels are the host's, and not of what was changed.
fn xattrs(target: Target<'_>, buffer: &mut Vec<u8>) -> Result<Vec<Xattr>> {
    let mut xattrs = target.read(buffer)?;
    xattrs.retain(|(name, _)| name.to_bytes() != b"security.selinux");
    Ok(xattrs)
}

fn same_content(one: &OwnedFd, other: &OwnedFd) -> Result<bool> {
    let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut at = 0;
    loop {
        let length = pread(one, &mut left[..], at)?;
        let mut filled = 0;
        while filled < length {
            match pread(other, &mut right[filled..length], at + filled as u64)? {
                0 => return Ok(false),
                more => filled += more,
            }
        }
        if left[..length] != right[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
        at += length as u64;
    }
}

/// Removed, replaced by something else, or (XDEV) covered by a mount.
fn there<T>(result: rustix::io::Result<T>) -> Result<Option<T>> {
    match result {
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::XDEV | Errno::NXIO) => Ok(None),
        other => Ok(Some(other?)),
    }
}
