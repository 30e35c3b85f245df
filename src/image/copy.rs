//! The private copy of an image: a btrfs snapshot, shared extents (reflinks) or plain bytes, whichever can be had.
//!
//! No threads: the runner copies, and it will call clone3 and setns afterwards.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fmt::{self, Display};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, Stat, fstat, linkat, mkdirat, mknodat, readlinkat, statat, symlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::image::tree::access::{self, Listed, MAX_DEPTH, create_file, list, open_dir, open_file};
use crate::image::tree::attributes::{Attributes, Owner};
use crate::image::tree::content::{Copier, can_reflink};
use crate::image::tree::delete::{is_btrfs, is_subvolume};
use crate::image::tree::xattr::{Shift, Target};
use crate::sandbox::raw;

/// linux/limits.h; a longer path could not be the target of a hard link.
pub const PATH_MAX: usize = 4096;

/// How a copy came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyMethod {
    /// A btrfs snapshot of the whole tree.
    Snapshot,
    /// Every file shares its extents with the image's.
    Reflink,
    /// The bytes were copied.
    Plain,
}

impl Display for CopyMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Snapshot => "snapshot",
            Self::Reflink => "reflink",
            Self::Plain => "plain copy",
        })
    }
}

/// Called with the bytes done and, where it is known, the bytes there are.
pub type Progress<'a> = dyn FnMut(u64, Option<u64>) + 'a;

/// How to copy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Other ids, for file systems that cannot be idmapped.
    pub shift: Option<Shift>,
    /// Bytes to come, for progress.
    pub total: Option<u64>,
    /// What is copied has to be on the device before long.
    pub durable: bool,
    /// Neither the source nor the copy will ever be written to: where no extents can be shared, the files are.
    pub frozen: bool,
}

/// Copies the tree `source` to `name` in `parent`, which must not have it yet.
pub fn tree(
    source: BorrowedFd<'_>,
    parent: BorrowedFd<'_>,
    name: &CStr,
    options: Options,
    progress: &mut Progress<'_>,
) -> Result<CopyMethod> {
    if options.shift.is_none() && is_subvolume(source)? {
        // XDEV: the subvolume lies on another btrfs.
        match raw::btrfs_snapshot(parent, name, source) {
            Ok(()) => return Ok(CopyMethod::Snapshot),
            Err(Errno::XDEV | Errno::NOTTY | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error).context("cannot make a snapshot"),
        }
    }
    copy_tree(source, parent, name, options, progress)
}

/// Copies a tree file by file. On btrfs the copy is a subvolume, so that it can be a snapshot's source itself.
pub fn copy_tree(
    source: BorrowedFd<'_>,
    parent: BorrowedFd<'_>,
    name: &CStr,
    options: Options,
    progress: &mut Progress<'_>,
) -> Result<CopyMethod> {
    let target = create_root(parent, name).with_context(|| format!("cannot create {}", name.to_string_lossy()))?;
    fill(source, target.as_fd(), options, progress)
}

/// The same into a directory that is there, and empty.
pub fn fill(
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    options: Options,
    progress: &mut Progress<'_>,
) -> Result<CopyMethod> {
    let stat = fstat(target)?;
    let mut done = 0;
    let mut count = |bytes: u64| {
        done += bytes;
        progress(done, options.total);
    };
    let mut walk = Walk {
        options,
        born: Owner { uid: stat.st_uid, gid: stat.st_gid },
        link: options.frozen && !can_reflink(target),
        copier: Copier::new(options.durable),
        links: HashMap::new(),
        root: target,
        path: Vec::new(),
        buffer: Vec::new(),
        progress: &mut count,
    };
    let result = walk.directory(source, target, 0);
    if let Err(error) = result {
        return Err(error).with_context(|| format!("cannot copy /{}", access::shown(&walk.path)));
    }
    Ok(if walk.copier.copied == 0 && walk.copier.cloned > 0 { CopyMethod::Reflink } else { CopyMethod::Plain })
}

/// Copies the raw image `source` to `name` in `parent`, which must not have it yet.
pub fn raw(
    source: BorrowedFd<'_>,
    parent: BorrowedFd<'_>,
    name: &CStr,
    options: Options,
    progress: &mut Progress<'_>,
) -> Result<CopyMethod> {
    let target = create_file(parent, name, Mode::RUSR | Mode::WUSR)?;
    let mut done = 0;
    let mut copier = Copier::new(options.durable);
    copier.copy(source, &fstat(source)?, target.as_fd(), &mut |bytes| {
        done += bytes;
        progress(done, options.total);
    })?;
    Ok(if copier.cloned > 0 { CopyMethod::Reflink } else { CopyMethod::Plain })
}

/// An empty directory for a tree, 0700 until its attributes are set; a subvolume on btrfs.
pub fn create_root(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let subvolume = is_btrfs(parent)? && raw::btrfs_create_subvolume(parent, name).is_ok();
    if !subvolume {
        mkdirat(parent, name, Mode::RWXU)?;
    }
    let root = open_dir(parent, name)?;
    if subvolume {
        rustix::fs::fchmod(&root, Mode::RWXU)?;
    }
    Ok(root)
}

struct Walk<'a> {
    options: Options,
    /// The owner that a file of ours has by being made.
    born: Owner,
    /// Files become further names of the source's: their content cannot be shared in another way.
    link: bool,
    copier: Copier,
    /// Where the first name of a file with several lies, below the target's root.
    links: HashMap<(u64, u64), CString>,
    root: BorrowedFd<'a>,
    /// The path at hand, without its leading "/"; after a failure, what failed.
    path: Vec<u8>,
    buffer: Vec<u8>,
    progress: &'a mut dyn FnMut(u64),
}

impl Walk<'_> {
    /// Fills `to` from `from`. Its own attributes come last: a default ACL would be inherited by what is made in it, and
    /// each name made in it changes its times.
    fn directory(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::failed(format!("deeper than {MAX_DEPTH} directories")));
        }
        for entry in list(from)? {
            let length = self.path.len();
            if length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(entry.name.to_bytes());
            if self.path.len() >= PATH_MAX {
                return Err(Error::failed(format!("the path has {PATH_MAX} bytes or more")));
            }
            self.entry(from, to, &entry, depth)?;
            self.path.truncate(length);
        }
        let attributes = self.attributes(&fstat(from)?, Target::Open(from))?;
        Ok(attributes.apply(Target::Open(to), false, self.born)?)
    }

    fn entry(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, entry: &Listed, depth: usize) -> Result<()> {
        match entry.kind {
            FileType::RegularFile => self.file(from, to, &entry.name),
            FileType::Directory => self.subdirectory(from, to, &entry.name, depth),
            FileType::Unknown => {
                let stat = statat(from, &*entry.name, AtFlags::SYMLINK_NOFOLLOW)?;
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::RegularFile => self.file(from, to, &entry.name),
                    FileType::Directory => self.subdirectory(from, to, &entry.name, depth),
                    _ => self.special(from, to, &entry.name),
                }
            }
            _ => self.special(from, to, &entry.name),
        }
    }

    fn subdirectory(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<()> {
        mkdirat(to, name, Mode::RWXU)?;
        let target = open_dir(to, name)?;
        match open_dir(from, name) {
            Ok(source) => self.directory(source.as_fd(), target.as_fd(), depth + 1),
            // Something is mounted there: the copy stays on one file system and has an empty directory.
            Err(Errno::XDEV) => {
                let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
                Ok(Attributes::of(&stat, Vec::new()).apply(Target::Open(target.as_fd()), false, self.born)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn file(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        if self.link {
            return Ok(linkat(from, name, to, name, AtFlags::empty())?);
        }
        let source = open_file(from, name)?;
        let stat = fstat(&source)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::failed("changed while it was read"));
        }
        if self.linked(&stat, to, name)? {
            return Ok(());
        }
        let attributes = self.attributes(&stat, Target::Open(source.as_fd()))?;
        let target = create_file(to, name, attributes.creation_mode())?;
        self.copier.copy(source.as_fd(), &stat, target.as_fd(), self.progress)?;
        Ok(attributes.complete(target.as_fd())?)
    }

    /// Symbolic links, devices, sockets and FIFOs: what is never opened.
    fn special(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        if self.link {
            return Ok(linkat(from, name, to, name, AtFlags::empty())?);
        }
        let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if self.linked(&stat, to, name)? {
            return Ok(());
        }
        let kind = FileType::from_raw_mode(stat.st_mode);
        match kind {
            FileType::Symlink => symlinkat(&*readlinkat(from, name, Vec::new())?, to, name)?,
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Socket | FileType::Fifo => {
                mknodat(to, name, kind, Mode::RUSR | Mode::WUSR, stat.st_rdev)?;
            }
            _ => return Err(Error::failed("changed while it was read")),
        }
        let attributes = self.attributes(&stat, Target::Name(from, name))?;
        Ok(attributes.apply(Target::Name(to, name), kind == FileType::Symlink, self.born)?)
    }

    /// Makes a further name of a file that has been copied already.
    fn linked(&mut self, stat: &Stat, to: BorrowedFd<'_>, name: &CStr) -> Result<bool> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        #[allow(clippy::unnecessary_cast, reason = "another type on other architectures")]
        let inode = (stat.st_dev as u64, stat.st_ino as u64);
        if let Some(first) = self.links.get(&inode) {
            linkat(self.root, &**first, to, name, AtFlags::empty())?;
            return Ok(true);
        }
        self.links.insert(inode, CString::new(self.path.clone()).map_err(|_| Errno::INVAL)?);
        Ok(false)
    }

    fn attributes(&mut self, stat: &Stat, target: Target<'_>) -> Result<Attributes> {
        let attributes = Attributes::of(stat, target.read(&mut self.buffer)?);
        Ok(match self.options.shift {
            Some(shift) => attributes.shifted(shift)?,
            None => attributes,
        })
    }
}
