//! `[[device]]`: nodes of the host's devices, made for the container.
//!
//! A bind of the host's own node would show it as nobody's, since devtmpfs cannot be idmapped, and where ids are the host's
//! the payload could change its mode for everybody. So the node is a new one, of the same device, in a file system that only
//! the container has. What can be done with it the unit's DeviceAllow= says, whatever the node's mode.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid, chmodat, chownat, mknodat, openat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::mounts;
use crate::error::{Context, Error, Result};
use crate::plan::{Device, IdRange};

/// Who owns what has no owner inside.
const NOBODY: u32 = 65534;

/// The nodes of a container, by their places among its devices.
#[derive(Debug)]
pub struct Nodes {
    /// A detached mount of a file system that holds nothing else; none where there is no device.
    tmpfs: Option<OwnedFd>,
}

impl Nodes {
    /// Makes them, on the host's side.
    pub fn make(devices: &[Device], ids: Option<IdRange>) -> Result<Self> {
        if devices.is_empty() {
            return Ok(Self { tmpfs: None });
        }
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let tmpfs = mounts::filesystem("tmpfs", &[("mode", "0755"), ("size", "4k")], attributes)?;
        for (index, device) in devices.iter().enumerate() {
            let action = || format!("cannot give {} to the container", device.source.display());
            if let Some(stat) = look(device).with_context(action)? {
                node(&tmpfs, &index.to_string(), &stat, ids).with_context(action)?;
            }
        }
        Ok(Self { tmpfs: Some(tmpfs) })
    }

    /// On the container's side, before the first is copied.
    pub fn set_aside(&self) -> Result<()> {
        self.tmpfs.as_ref().map_or(Ok(()), |tmpfs| mounts::set_aside(tmpfs.as_fd())).context("cannot keep the devices")
    }

    /// A detached mount of one; none where there is no such device and that is no failure.
    pub fn copy(&self, index: usize) -> Result<Option<OwnedFd>> {
        let Some(tmpfs) = &self.tmpfs else { return Ok(None) };
        match mounts::copy_tree(tmpfs.as_fd(), &index.to_string(), false) {
            Err(Errno::NOENT) => Ok(None),
            found => Ok(Some(found?)),
        }
    }
}

fn look(device: &Device) -> Result<Option<Stat>> {
    let found = match openat(CWD, &device.source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) if device.optional => return Ok(None),
        found => found?,
    };
    let stat = rustix::fs::fstat(&found)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice | FileType::BlockDevice => Ok(Some(stat)),
        _ => Err(Error::failed("it is not a device node")),
    }
}

fn node(tmpfs: &OwnedFd, name: &str, host: &Stat, ids: Option<IdRange>) -> rustix::io::Result<()> {
    let kind = FileType::from_raw_mode(host.st_mode);
    mknodat(tmpfs, name, kind, Mode::empty(), host.st_rdev)?;
    // The same numbers inside as on the host.
    let inside = |id: u32| match ids {
        Some(range) => range.first + if id < IdRange::COUNT { id } else { NOBODY },
        None => id,
    };
    let (owner, group) = (Uid::from_raw(inside(host.st_uid)), Gid::from_raw(inside(host.st_gid)));
    chownat(tmpfs, name, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
    // Not at once: the umask would have its say.
    chmodat(tmpfs, name, Mode::from_raw_mode(host.st_mode & 0o777), AtFlags::empty())
}
