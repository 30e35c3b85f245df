//! A raw disk as large as its definition says: the file first, then the file system in it, by the kernel, mounted where
//! nobody sees it. The kernel grows ext4, xfs and btrfs in steps that outlast a power cut.

use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Command, Stdio};

use rustix::fs::{fstat, fstatfs, ftruncate};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::exec::Target;
use super::{raw, sources};
use crate::error::{Context, Error, Exit, Result};
use crate::image::disk::{self, Disk};
use crate::image::raw::loopdev;
use crate::image::raw::superblock::FsType;
use crate::image::tree::access::open_dir;
use crate::layout::Layout;

/// Of every file system that grows a multiple of it is taken.
const BLOCK: u64 = 4096;

/// Makes the disk of a container that does not run as large as `size`, unless it is. What was asked for is noted.
pub fn stopped(layout: &Layout, name: &str, fs: FsType, size: u64) -> Result<()> {
    let Some(disk) = wanting(layout, name, size)? else { return Ok(()) };
    grow(disk.raw()?.as_fd(), fs, size).and_then(|()| note(layout, name, disk, size)).with_context(|| action(name))
}

/// The same for one that runs.
pub fn running(layout: &Layout, name: &str, target: &Target, fs: FsType, size: u64) -> Result<()> {
    let Some(disk) = wanting(layout, name, size)? else { return Ok(()) };
    let grown = || -> Result<()> {
        let (root, file) = (target.root()?, disk.raw()?);
        let device = target.root_device(&root).and_then(|number| loopdev::open_of(number, file.as_fd()))?;
        let device = device.ok_or_else(|| Error::failed("the container's root is not its disk"))?;
        stretch(file.as_fd(), size)?;
        raw::loop_set_capacity(device.as_fd()).context("cannot grow the loop device")?;
        fill(root.as_fd(), fs, size).map_err(|errno| refused(fs, errno))
    };
    grown().and_then(|()| note(layout, name, disk, size)).with_context(|| action(name))
}

/// A copy that is not in its place yet, and of which nothing would be lost.
pub fn new_copy(file: BorrowedFd<'_>, fs: FsType, size: u64) -> Result<()> {
    match (grow_mounted(file, fs, size)?, fs) {
        // Without CAP_SYS_RESOURCE, in a container of another kind.
        (Err(Errno::PERM), FsType::Ext4) => by_tools(file),
        (grown, _) => grown.map_err(|errno| refused(fs, errno)),
    }
}

fn action(name: &str) -> String {
    format!("cannot grow the disk of {name}")
}

/// The disk, if it has not been given this size already.
fn wanting(layout: &Layout, name: &str, size: u64) -> Result<Option<Disk>> {
    let disk = disk::open(layout, name)?;
    Ok(disk.filter(|disk| disk.record.size != Some(size) && disk.kind().is_ok_and(|kind| kind.is_some())))
}

fn note(layout: &Layout, name: &str, disk: Disk, size: u64) -> Result<()> {
    let record = disk::DiskRecord { size: Some(size), ..disk.record };
    disk::create_record(layout, name, &record, true).map(drop)
}

fn grow(file: BorrowedFd<'_>, fs: FsType, size: u64) -> Result<()> {
    grow_mounted(file, fs, size)?.map_err(|errno| refused(fs, errno))
}

fn grow_mounted(file: BorrowedFd<'_>, fs: FsType, size: u64) -> Result<rustix::io::Result<()>> {
    if fs.is_read_only() {
        return Err(Error::new(Exit::Invalid, format!("a file system of type {} cannot grow", fs.name())));
    }
    stretch(file, size)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
    let mount = sources::raw_root(&file.try_clone_to_owned()?, fs, false, false, attributes)?;
    let root = open_dir(mount.as_fd(), c".").context("cannot open its root")?;
    Ok(fill(root.as_fd(), fs, size))
}

fn stretch(file: BorrowedFd<'_>, size: u64) -> Result<()> {
    let present = u64::try_from(fstat(file)?.st_size).unwrap_or_default();
    let size = size - size % BLOCK;
    if size < present {
        let text = format!("it has {present} bytes, more than disk.size, and is never made smaller");
        return Err(Error::new(Exit::Invalid, text));
    }
    if size > present { Ok(ftruncate(file, size).context("cannot grow the file")?) } else { Ok(()) }
}

/// Has the kernel grow the file system over all of its device.
fn fill(root: BorrowedFd<'_>, fs: FsType, size: u64) -> rustix::io::Result<()> {
    let blocks = || -> rustix::io::Result<u64> {
        #[allow(clippy::unnecessary_cast, reason = "f_bsize has another type on other architectures")]
        let block = fstatfs(root)?.f_bsize as u64;
        (size - size % BLOCK).checked_div(block).ok_or(Errno::INVAL)
    };
    match fs {
        FsType::Ext4 => raw::ext4_resize(root, blocks()?),
        FsType::Xfs => match raw::xfs_grow(root, blocks()?) {
            // What is left over is too little for an allocation group.
            Err(Errno::INVAL) => Ok(()),
            other => other,
        },
        FsType::Btrfs => raw::btrfs_resize_to_device(root),
        FsType::Erofs | FsType::Squashfs => Err(Errno::ROFS),
    }
}

fn refused(fs: FsType, errno: Errno) -> Error {
    match errno {
        Errno::PERM if fs == FsType::Ext4 => {
            Error::new(Exit::NotPermitted, "growing an ext4 that is in use takes CAP_SYS_RESOURCE")
        }
        errno => Err::<(), _>(errno).context(format!("the kernel cannot grow this {}", fs.name())).unwrap_err(),
    }
}

/// resize2fs wants a file system that has been checked since it was mounted last.
fn by_tools(file: BorrowedFd<'_>) -> Result<()> {
    let run = |program: &str, arguments: &[&str], well: &[i32]| -> Result<()> {
        let file = file.try_clone_to_owned()?;
        // Standard input is what the program gets the file by: no other descriptor of ours is open in it.
        let mut command = Command::new(program);
        command.args(arguments).arg("/proc/self/fd/0").stdin(file).stdout(Stdio::null());
        let output = command.output().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::failed(format!("there is no {program}: install Debian's package e2fsprogs"))
            }
            _ => error.into(),
        })?;
        match output.status.code() {
            Some(code) if well.contains(&code) => Ok(()),
            _ => Err(Error::failed(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))),
        }
    };
    run("e2fsck", &["-f", "-y"], &[0, 1])?;
    run("resize2fs", &[], &[0])
}
