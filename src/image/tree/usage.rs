//! What a tree or a file takes of its file system, and how much of that it shares with no other.

use std::collections::HashMap;
use std::ffi::CStr;
use std::ops::AddAssign;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Stat, fstat, statat};
use rustix::io::Errno;

use crate::error::{Context, Error, Result};
use crate::image::tree::access::{self, MAX_DEPTH, list, open_dir, open_file};
use crate::sandbox::raw;

/// FIEMAP_EXTENT_LAST and FIEMAP_EXTENT_SHARED, linux/fiemap.h.
const LAST: u32 = 0x1;
const SHARED: u32 = 0x2000;

/// Bytes on the file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// All of its blocks, as du(1) counts them.
    pub used: u64,
    /// Those that come free when it goes: in no reflink and no snapshot, and of no file that has a name elsewhere.
    pub exclusive: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.used += other.used;
        self.exclusive += other.exclusive;
    }
}

/// That of an open file.
pub fn file(file: BorrowedFd<'_>) -> Result<Usage> {
    let stat = fstat(file)?;
    let usage = of_file(file, &stat)?;
    // Of two names one is somebody else's.
    Ok(if stat.st_nlink > 1 { Usage { exclusive: 0, ..usage } } else { usage })
}

/// That of a tree, which may change meanwhile: what is gone when it is looked at takes nothing.
pub fn tree(root: BorrowedFd<'_>) -> Result<Usage> {
    let mut walk = Walk::default();
    let walked = walk.directory(root, 0);
    walked.with_context(|| format!("cannot read /{}", access::shown(&walk.path)))?;
    let linked = |linked: &Linked| match linked.seen < linked.names {
        true => Usage { exclusive: 0, ..linked.usage },
        false => linked.usage,
    };
    walk.links.values().map(linked).for_each(|usage| walk.total += usage);
    Ok(walk.total)
}

#[allow(clippy::unnecessary_cast, reason = "another type on other architectures")]
fn blocks(stat: &Stat) -> u64 {
    stat.st_blocks as u64 * 512
}

fn of_file(file: BorrowedFd<'_>, stat: &Stat) -> Result<Usage> {
    let used = blocks(stat);
    if used == 0 {
        return Ok(Usage::default());
    }
    let (mut at, mut own) = (0, 0u64);
    loop {
        let extents = match raw::extents(file, at) {
            // A file system without extents shares none.
            Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::INVAL) => return Ok(Usage { used, exclusive: used }),
            other => other?,
        };
        own += extents.iter().filter(|extent| extent.flags & SHARED == 0).map(|extent| extent.length).sum::<u64>();
        match extents.last() {
            Some(extent) if extent.flags & LAST == 0 && extent.length > 0 => at = extent.logical + extent.length,
            _ => break,
        }
    }
    // Extents of compressed files have the length of what they hold.
    Ok(Usage { used, exclusive: own.min(used) })
}

/// A file with several names.
struct Linked {
    seen: u64,
    names: u64,
    usage: Usage,
}

#[derive(Default)]
struct Walk {
    total: Usage,
    links: HashMap<(u64, u64), Linked>,
    path: Vec<u8>,
}

impl Walk {
    fn directory(&mut self, dir: BorrowedFd<'_>, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::failed(format!("deeper than {MAX_DEPTH} directories")));
        }
        let used = blocks(&fstat(dir)?);
        self.total += Usage { used, exclusive: used };
        for entry in list(dir)? {
            let length = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(entry.name.to_bytes());
            self.entry(dir, &entry.name, depth)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn entry(&mut self, dir: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<()> {
        let Some(stat) = unless_gone(statat(dir, name, AtFlags::SYMLINK_NOFOLLOW))? else { return Ok(()) };
        let used = blocks(&stat);
        let usage = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let child = unless_gone(open_dir(dir, name))?;
                return child.map_or(Ok(()), |child| self.directory(child.as_fd(), depth + 1));
            }
            FileType::RegularFile if used > 0 => match unless_gone(open_file(dir, name))? {
                Some(file) => of_file(file.as_fd(), &stat)?,
                None => return Ok(()),
            },
            _ => Usage { used, exclusive: used },
        };
        #[allow(clippy::unnecessary_cast, reason = "another type on other architectures")]
        let (inode, names) = ((stat.st_dev as u64, stat.st_ino as u64), stat.st_nlink as u64);
        match names {
            0 | 1 => self.total += usage,
            _ => self.links.entry(inode).or_insert(Linked { seen: 0, names, usage }).seen += 1,
        }
        Ok(())
    }
}

/// Removed, replaced by something else, or (XDEV) covered by a mount: it is none of the tree's.
fn unless_gone<T>(result: rustix::io::Result<T>) -> Result<Option<T>> {
    match result {
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::XDEV | Errno::NXIO) => Ok(None),
        other => Ok(Some(other?)),
    }
}
