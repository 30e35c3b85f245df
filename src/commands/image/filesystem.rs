//! New file systems, by the programs that each has.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::process::{Command, Stdio};

use crate::error::{Context, Error, Result};
use crate::image::raw::superblock::FsType;
use crate::image::tree::access::{MAX_DEPTH, list, open_dir};
use crate::image::tree::usage;

/// Sizes are multiples of it.
pub const UNIT: u64 = 1 << 20;

/// What a tree needs of a file system.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// Bytes of blocks.
    pub bytes: u64,
    /// Names, at most so many inodes.
    pub names: u64,
}

impl Needs {
    /// Of this tree.
    pub fn of(root: BorrowedFd<'_>) -> Result<Self> {
        Ok(Self { bytes: usage::tree(root)?.used, names: count(root, 0).context("cannot read the image")? })
    }

    /// With a quarter more, and what each file system needs for itself.
    pub fn size(self, fs: FsType) -> u64 {
        let content = self.bytes + self.bytes / 4 + self.names * 1024;
        let (least, own) = match fs {
            FsType::Xfs => (320 * UNIT, 64 * UNIT),
            FsType::Btrfs => (128 * UNIT, 64 * UNIT),
            _ => (16 * UNIT, 16 * UNIT),
        };
        (content + own).max(least).next_multiple_of(UNIT)
    }
}

fn count(dir: BorrowedFd<'_>, depth: usize) -> Result<u64> {
    if depth > MAX_DEPTH {
        return Err(Error::failed(format!("deeper than {MAX_DEPTH} directories")));
    }
    let mut names = 0;
    for entry in list(dir)? {
        names += 1;
        if entry.kind == rustix::fs::FileType::Directory {
            names += count(std::os::fd::AsFd::as_fd(&open_dir(dir, &entry.name)?), depth + 1)?;
        }
    }
    Ok(names)
}

/// An empty one in a file of the size that it is to have.
pub fn make(fs: FsType, file: BorrowedFd<'_>, needs: Needs) -> Result<()> {
    let path = path(file);
    // One inode for each 16 KiB, which is the usual, or more where there are more files.
    let size = u64::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or_default();
    let inodes = (needs.names + needs.names / 4 + 1000).max(size / (16 << 10)).to_string();
    match fs {
        FsType::Ext4 => run("mke2fs", "e2fsprogs", &["-q", "-F", "-t", "ext4", "-m", "0", "-N", &inodes, &path]),
        FsType::Xfs => run("mkfs.xfs", "xfsprogs", &["-q", "-f", &path]),
        FsType::Btrfs => run("mkfs.btrfs", "btrfs-progs", &["-q", "-f", &path]),
        FsType::Erofs | FsType::Squashfs => Err(Error::failed("it cannot be made empty")),
    }
}

/// An erofs of a tree. Its inodes have times of their own only in their large form.
pub fn make_read_only(file: BorrowedFd<'_>, tree: BorrowedFd<'_>) -> Result<()> {
    run("mkfs.erofs", "erofs-utils", &["-E", "force-inode-extended", &path(file), &path(tree)])
}

/// A descriptor of ours as others can name it.
fn path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd())
}

fn run(program: &str, package: &str, arguments: &[&str]) -> Result<()> {
    // Root's PATH may lack sbin.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new(program).args(arguments).env("PATH", path).stdin(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::failed(format!("there is no {program}: install Debian's package {package}"))
        }
        _ => error.into(),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::failed(format!("{program}: {}", said.trim().lines().next_back().unwrap_or_default())))
}
