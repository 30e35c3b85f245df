//! Removing trees that others wrote: of any depth and width, with bounded memory and few descriptors.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, RawDir, SeekFrom, fstat, fstatfs, renameat, seek, unlinkat};
use rustix::io::{Errno, Result};

use crate::image::tree::access::open_dir;
use crate::sandbox::raw;

/// Below this depth a directory is first moved up to the top, so that no tree runs us out of descriptors.
const MAX_DEPTH: usize = 64;
/// BTRFS_SUPER_MAGIC, linux/magic.h.
const BTRFS: u64 = 0x9123_683e;
/// The inode number of every subvolume's root, linux/btrfs_tree.h: BTRFS_FIRST_FREE_OBJECTID.
const SUBVOLUME_ROOT: u64 = 256;

/// Is this directory the root of a btrfs subvolume?
pub fn is_subvolume(dir: BorrowedFd<'_>) -> Result<bool> {
    Ok(fstat(dir)?.st_ino == SUBVOLUME_ROOT && is_btrfs(dir)?)
}

/// Is this file on btrfs?
#[allow(clippy::unnecessary_cast, reason = "f_type has another type on other architectures")]
pub fn is_btrfs(file: BorrowedFd<'_>) -> Result<bool> {
    Ok(fstatfs(file)?.f_type as u64 & 0xffff_ffff == BTRFS)
}

/// Removes `name` of `parent`, whatever it is; that it is gone already is no error.
pub fn remove(parent: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        other => return gone(other),
    }
    let dir = match open_dir(parent, name) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    // ENOTEMPTY: it holds other subvolumes.
    if is_subvolume(dir.as_fd())? && raw::btrfs_destroy_subvolume(parent, name).is_ok() {
        return Ok(());
    }
    let mut moved = 0;
    empty(dir.as_fd(), dir.as_fd(), 1, &mut moved)?;
    gone(unlinkat(parent, name, AtFlags::REMOVEDIR))
}

/// Empties `dir`. What the passes over it leave behind is what was moved up into it meanwhile.
fn empty(top: BorrowedFd<'_>, dir: BorrowedFd<'_>, depth: usize, moved: &mut u64) -> Result<()> {
    let mut buffer = Vec::with_capacity(8 * 1024);
    loop {
        let mut found = false;
        seek(dir, SeekFrom::Start(0))?;
        let mut entries = RawDir::new(dir, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                // Somebody else removes the same leftover, and was faster: a removed directory cannot be read (ENOENT).
                Err(Errno::NOENT) => return Ok(()),
                other => other?,
            };
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            found = true;
            remove_entry(top, dir, entry.file_name(), entry.file_type(), depth, moved)?;
        }
        if !found {
            return Ok(());
        }
    }
}

fn remove_entry(
    top: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    name: &CStr,
    kind: FileType,
    depth: usize,
    moved: &mut u64,
) -> Result<()> {
    if kind != FileType::Directory {
        match unlinkat(dir, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => {}
            other => return gone(other),
        }
    }
    if depth >= MAX_DEPTH {
        *moved += 1;
        let up = CString::new(format!(".soute-deep-{moved}")).map_err(|_| Errno::INVAL)?;
        return match renameat(dir, name, top, &*up) {
            // The tree has a full directory of that name: the next number is tried on the next pass.
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT | Errno::NOTDIR) => Ok(()),
            other => other,
        };
    }
    let child = match open_dir(dir, name) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    empty(top, child.as_fd(), depth + 1, moved)?;
    drop(child);
    gone(unlinkat(dir, name, AtFlags::REMOVEDIR))
}

fn gone(result: Result<()>) -> Result<()> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::image::tree::delete::*;

    #[test]
    fn several_at_once_remove_one_tree() {
        let store = tempfile::tempdir().unwrap();
        let dir = std::fs::File::open(store.path()).unwrap();
        for _ in 0..20 {
            for path in (0..100).map(|n| format!("tree/{}/{}/{n}", n % 7, n % 5)) {
                std::fs::create_dir_all(store.path().join(path)).unwrap();
            }
            std::thread::scope(|scope| {
                let removals: Vec<_> = (0..4).map(|_| scope.spawn(|| remove(dir.as_fd(), c"tree"))).collect();
                removals.into_iter().for_each(|removal| assert_eq!(removal.join().unwrap(), Ok(())));
            });
            assert!(!store.path().join("tree").exists());
        }
    }
}
