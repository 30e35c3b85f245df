//! Loop devices: a raw disk becomes a block device, which goes with its last user (autoclear).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, major, makedev, minor, mknodat, openat};
use rustix::io::{Errno, pread};

use crate::error::{Context, Error, Result};
use crate::image::raw::superblock::{HEAD, recognize};
use crate::sandbox::raw::{loop_configure, loop_file, loop_flags, loop_get_free};

/// Linux's number for loop devices, Documentation/admin-guide/devices.txt.
const MAJOR: u32 = 7;
/// LO_FLAGS_*, linux/loop.h.
const READ_ONLY: u32 = 1;
const AUTOCLEAR: u32 = 4;
const DIRECT_IO: u32 = 16;
/// How often another process may be faster between "free" and "mine".
const ATTEMPTS: u32 = 64;

/// A file behind a loop device. The device is free again when this, and all mounts of it, are closed.
#[derive(Debug)]
pub struct LoopDevice {
    /// The block device.
    pub device: OwnedFd,
    /// N of /dev/loopN.
    pub number: u32,
    /// Writes go to the disk as the payload makes them. Without it they are written back by a kernel thread, and a write
    /// limit of the container's cgroup passes them by.
    pub direct_io: bool,
}

impl LoopDevice {
    /// Its path, for mount(2) and for messages.
    pub fn path(&self) -> String {
        format!("/dev/loop{}", self.number)
    }
}

/// Attaches a file to a free device.
///
/// The device gets the largest sectors that the file system in it can live with. Direct I/O wants those of the store at
/// least, and a reflinked file on XFS wants whole blocks (statx dio_offset_align, Linux 6.18): with 512 it would be
/// refused. Left to choose, that kernel takes 4096 also for a file system that cannot be mounted on it then.
pub fn attach(file: BorrowedFd<'_>, read_only: bool) -> Result<LoopDevice> {
    let control = openat(CWD, "/dev/loop-control", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .context("cannot open /dev/loop-control: is the loop module loaded?")?;
    let flags = AUTOCLEAR | DIRECT_IO | if read_only { READ_ONLY } else { 0 };
    let sector = sector(file)?;
    for _ in 0..ATTEMPTS {
        let number = loop_get_free(control.as_fd()).context("cannot find a free loop device")?;
        let device = open_device(number, read_only).with_context(|| format!("cannot open /dev/loop{number}"))?;
        match loop_configure(device.as_fd(), file, flags, sector) {
            Ok(()) => {
                let flags = loop_flags(device.as_fd()).context("cannot ask the loop device")?;
                return Ok(LoopDevice { device, number, direct_io: flags & DIRECT_IO != 0 });
            }
            Err(Errno::BUSY | Errno::INTR) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot attach a file to /dev/loop{number}")),
        }
    }
    Err(Error::failed("no loop device stays free for long enough"))
}

/// Opens the device that this file is behind, if `number` is its number.
pub fn open_of(number: u32, file: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
    let device = open_device(number, true).with_context(|| format!("cannot open /dev/loop{number}"))?;
    let (found, inode) = loop_file(device.as_fd()).context("cannot ask the loop device")?;
    let stat = fstat(file)?;
    let (major, minor) = (u64::from(major(stat.st_dev)), u64::from(minor(stat.st_dev)));
    // huge_encode_dev(), linux/kdev_t.h.
    let encoded = (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12);
    #[allow(clippy::unnecessary_cast, reason = "another type on other architectures")]
    let same = (found, inode) == (encoded, stat.st_ino as u64);
    Ok(same.then_some(device))
}

fn sector(file: BorrowedFd<'_>) -> Result<u32> {
    let mut head = vec![0; HEAD];
    let length = pread(file, &mut head[..], 0).context("cannot read the raw disk")?;
    Ok(recognize(&head[..length], u64::MAX).map_or(512, |superblock| superblock.sector))
}

/// Where no devtmpfs makes the node (a container, a lab), we do.
fn open_device(number: u32, read_only: bool) -> Result<OwnedFd> {
    let path = format!("/dev/loop{number}");
    let access = if read_only { OFlags::RDONLY } else { OFlags::RDWR };
    let open = || openat(CWD, &*path, access | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW, Mode::empty());
    let device = match open() {
        Err(Errno::NOENT | Errno::NXIO) => {
            match mknodat(CWD, &*path, FileType::BlockDevice, Mode::RUSR | Mode::WUSR, makedev(MAJOR, number)) {
                Ok(()) | Err(Errno::EXIST) => open(),
                Err(error) => Err(error),
            }
        }
        other => other,
    }?;
    let stat = fstat(&device)?;
    let is_loop = FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice
        && (major(stat.st_rdev), minor(stat.st_rdev)) == (MAJOR, number);
    if is_loop { Ok(device) } else { Err(Error::failed("it is not that loop device")) }
}
