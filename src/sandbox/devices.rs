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

/// A detached mount for each; none where there is no such node and that is no failure.
pub fn nodes(devices: &[Device], ids: Option<IdRange>) -> Result<Vec<Option<OwnedFd>>> {
    if devices.is_empty() {
        return Ok(Vec::new());
    }
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let tmpfs = mounts::filesystem("tmpfs", &[("mode", "0755"), ("size", "4k")], attributes)?;
    let node = |(index, device): (usize, &Device)| {
        let action = || format!("cannot give {} to the container", device.source.display());
        let Some(stat) = look(device).with_context(action)? else { return Ok(None) };
        let name = index.to_string();
        make(&tmpfs, &name, &stat, ids).with_context(action)?;
        mounts::copy_tree(tmpfs.as_fd(), &name, false).map(Some).with_context(action)
    };
    devices.iter().enumerate().map(node).collect()
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

fn make(tmpfs: &OwnedFd, name: &str, host: &Stat, ids: Option<IdRange>) -> rustix::io::Result<()> {
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
