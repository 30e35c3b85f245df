//! What hides parts of the kernel's file systems, and of the image: empty things of ours, and read-only views.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Dir, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::mounts::{self, NOSUID_NODEV_NOEXEC};
use super::root::{self, Kind};
use crate::error::{Context, Error, Result};

const READ_ONLY: MountAttrFlags = NOSUID_NODEV_NOEXEC.union(MountAttrFlags::MOUNT_ATTR_RDONLY);
/// Every machine has it, and no other has what it lacks.
const FIRST_CPU: &str = "/sys/devices/system/cpu/cpu0/thermal_throttle";

/// An empty file and an empty directory, in a file system of our own that nobody else has ever seen: a node of the image,
/// such as its /dev/null, could be anything (CVE-2025-31133).
#[derive(Debug)]
pub struct Empty(OwnedFd);

impl Empty {
    /// Makes both, in the container's mount namespace.
    pub fn new() -> Result<Self> {
        let tmpfs = mounts::filesystem("tmpfs", &[("mode", "0555"), ("size", "4k")], NOSUID_NODEV_NOEXEC)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&tmpfs, "file", flags, Mode::from_raw_mode(0o444)).context("cannot make an empty file")?;
        mkdirat(&tmpfs, "directory", Mode::from_raw_mode(0o555)).context("cannot make an empty directory")?;
        mounts::restrict(tmpfs.as_fd(), READ_ONLY, false).context("cannot make them read-only")?;
        mounts::set_aside(tmpfs.as_fd()).context("cannot keep them")?;
        Ok(Self(tmpfs))
    }

    /// Covers a path of the container. Links are followed inside it; not every kernel, nor image, has every path.
    pub fn mask(&self, root: BorrowedFd<'_>, path: &str) -> Result<()> {
        let place = match root::open(root, path, OFlags::PATH) {
            Ok(place) => place,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        let name = match Kind::of(place.as_fd())? {
            Kind::File => "file",
            Kind::Directory => "directory",
        };
        let cover = mounts::copy_tree(self.0.as_fd(), name, false)?;
        Ok(mounts::attach(cover.as_fd(), place.as_fd())?)
    }

    /// Which CPUs there are says only the kernel, and few machines have these directories at all.
    pub fn mask_thermal_throttle(&self, root: BorrowedFd<'_>) -> Result<()> {
        match root::open(root, FIRST_CPU, OFlags::PATH) {
            Ok(_) => {}
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
        let cpus = "/sys/devices/system/cpu";
        for entry in Dir::new(root::open(root, cpus, OFlags::RDONLY | OFlags::DIRECTORY)?)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy();
            if name.strip_prefix("cpu").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) {
                self.mask(root, &format!("{cpus}/{name}/thermal_throttle"))?;
            }
        }
        Ok(())
    }
}

/// Makes a path of the container read-only, but for what is below `except`.
pub fn read_only(root: BorrowedFd<'_>, path: &str, except: Option<&str>) -> Result<()> {
    let Some(again) = copy(root, path)? else { return Ok(()) };
    let kept = except.map(|path| Ok::<_, Error>((path, copy(root, path)?))).transpose()?;
    mounts::restrict(again.as_fd(), READ_ONLY, true)?;
    cover(root, again.as_fd(), path)?;
    if let Some((path, Some(mount))) = kept {
        cover(root, mount.as_fd(), path)?;
    }
    Ok(())
}

/// A detached copy of a place inside, with what the host has mounted below it; none where this kernel has no such file.
fn copy(root: BorrowedFd<'_>, path: &str) -> Result<Option<OwnedFd>> {
    match root::open(root, path, OFlags::PATH) {
        Ok(place) => Ok(Some(mounts::copy_tree(place.as_fd(), "", true)?)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn cover(root: BorrowedFd<'_>, mount: BorrowedFd<'_>, path: &str) -> Result<()> {
    let place = root::open(root, path, OFlags::PATH)?;
    Ok(mounts::attach(mount, place.as_fd())?)
}

/// The host's node of that name, for a container's /dev. Read-only keeps its mode and owner from the host's root in there,
/// and does not keep anybody from writing to the device, see sb_permission() of the kernel.
pub fn standard_node(name: &str) -> Result<OwnedFd> {
    let action = || format!("cannot open /dev/{name} of the host");
    let node = mounts::copy_tree(CWD, &format!("/dev/{name}"), false).with_context(action)?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_RDONLY;
    mounts::restrict(node.as_fd(), attributes, false).with_context(action)?;
    Ok(node)
}
