//! Files of trees that others wrote, opened one name at a time below a directory's descriptor.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, openat, openat2, seek};
use rustix::io::{Errno, Result};

/// Deeper trees are refused at import: with two descriptors a level the walk stays below the usual limit of 1024 files.
pub const MAX_DEPTH: usize = 256;

/// No way out of the directory, by whatever is found there; RESOLVE_NO_XDEV keeps out what is mounted over it.
const INSIDE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Opens a path of a tree without following any symbolic link.
pub fn open_inside(dir: BorrowedFd<'_>, path: &CStr, flags: OFlags) -> Result<OwnedFd> {
    loop {
        match openat2(dir, path, flags | OFlags::CLOEXEC, Mode::empty(), INSIDE) {
            // A rename elsewhere made RESOLVE_BENEATH give up, see openat2(2).
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

/// A directory of a tree, for reading.
pub fn open_dir(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    open_inside(dir, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOATIME)
}

/// A file of a tree, for reading: a FIFO or a device does not make us wait, and no access time is left behind.
pub fn open_file(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    open_inside(dir, name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOATIME)
}

/// How far a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It stays on the tree's own file system.
    Inside,
    /// It sees what is mounted in the tree, as whoever lives in it does.
    Mounts,
}

impl Reach {
    /// Opens a path of a tree without following any symbolic link.
    pub fn open(self, dir: BorrowedFd<'_>, path: &CStr, flags: OFlags) -> Result<OwnedFd> {
        if self == Self::Inside {
            return open_inside(dir, path, flags);
        }
        let how = INSIDE.difference(ResolveFlags::NO_XDEV);
        loop {
            match openat2(dir, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                // What is mounted there belongs to ids that we are not: its access times are not ours to keep.
                Err(Errno::PERM) if flags.contains(OFlags::NOATIME) => {
                    return self.open(dir, path, flags.difference(OFlags::NOATIME));
                }
                other => return other,
            }
        }
    }

    /// A directory of a tree, for reading.
    pub fn open_dir(self, dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
        self.open(dir, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOATIME)
    }

    /// A file of a tree, for reading: a FIFO or a device does not make us wait.
    pub fn open_file(self, dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
        self.open(dir, name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOATIME)
    }
}

/// A new file of ours, not there before.
pub fn create_file(dir: BorrowedFd<'_>, name: &CStr, mode: Mode) -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, mode)
}

/// One entry of a directory; the type is the kernel's hint, `Unknown` where the file system gives none.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: CString,
    /// Its type.
    pub kind: FileType,
    inode: u64,
}

/// All entries of a directory but "." and "..", by inode: that is the order on disk.
pub fn list(dir: impl AsFd) -> Result<Vec<Listed>> {
    // Whoever has listed it before has left it at its end.
    seek(&dir, SeekFrom::Start(0))?;
    let mut buffer = Vec::with_capacity(16 * 1024);
    let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            found.push(Listed { name: entry.file_name().to_owned(), kind: entry.file_type(), inode: entry.ino() });
        }
    }
    found.sort_unstable_by_key(|entry| entry.inode);
    Ok(found)
}

/// The names in a directory of ours that images, disks and volumes can have, sorted; leftovers begin with a dot.
pub fn names(dir: impl AsFd) -> Result<Vec<String>> {
    let names = list(dir)?.into_iter().filter_map(|entry| entry.name.into_string().ok());
    let mut names: Vec<String> = names.filter(|name| crate::image::file_name(name).is_ok()).collect();
    names.sort_unstable();
    Ok(names)
}

/// A name of unknown origin as a message may show it: control characters and what is not UTF-8 escaped.
pub fn shown(name: &[u8]) -> String {
    use std::os::unix::ffi::OsStrExt;
    let quoted = format!("{:?}", std::ffi::OsStr::from_bytes(name));
    quoted[1..quoted.len() - 1].to_owned()
}
