//! Detached mounts: made as descriptors, put in their place with move_mount(2). Nothing is ever mounted in the host's mount
//! namespace, where each entry costs every process that copies it (systemd's own parsing first of all).

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use super::raw;
use crate::error::{Context, Error, Result};
use crate::plan::MountFlags;

/// Set-user-id and device nodes do nothing: what a file system of ours has at least.
pub const NOSUID_NODEV: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);
/// Nor is anything executed.
pub const NOSUID_NODEV_NOEXEC: MountAttrFlags = NOSUID_NODEV.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// A new file system: `filesystem("tmpfs", &[("mode", "0755")], …)`; an option with an empty value is a flag.
pub fn filesystem(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).with_context(|| match kind {
        "ext4" | "xfs" | "btrfs" | "erofs" | "squashfs" => {
            format!("the kernel has no {kind}, is its module installed?")
        }
        _ => format!("cannot open file system {kind}"),
    })?;
    for (key, value) in options {
        let set = match *value {
            "" => fsconfig_set_flag(context.as_fd(), *key),
            value => fsconfig_set_string(context.as_fd(), *key, value),
        };
        set.map_err(|errno| explained(&context, errno))
            .with_context(|| format!("cannot set {key}={value} for {kind}"))?;
    }
    fsconfig_create(context.as_fd())
        .map_err(|errno| explained(&context, errno))
        .with_context(|| format!("cannot make file system {kind}"))?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .with_context(|| format!("cannot mount file system {kind}"))
}

/// A detached copy of what is at `path` below `dir`.
pub fn copy_tree(dir: BorrowedFd<'_>, path: &str, recursive: bool) -> rustix::io::Result<OwnedFd> {
    let recursive = if recursive { OpenTreeFlags::AT_RECURSIVE } else { OpenTreeFlags::empty() };
    let here = if path.is_empty() { OpenTreeFlags::AT_EMPTY_PATH } else { OpenTreeFlags::empty() };
    open_tree(dir, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | recursive | here)
}

/// The same for a path of the host.
pub fn copy_host_tree(path: &str, recursive: bool) -> rustix::io::Result<OwnedFd> {
    copy_tree(CWD, path, recursive)
}

/// Puts a detached mount in its place.
pub fn attach(mount: BorrowedFd<'_>, place: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", place, "", flags)
}

/// Attaches what is only there to be copied from, as nothing can be copied from a detached mount before Linux 6.15. The
/// place is the host's /etc in the container's mount namespace, which nobody reads there and which goes with the old root.
pub fn set_aside(mount: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let place = rustix::fs::open("/etc", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    attach(mount, place.as_fd())
}

/// Adds attributes to a mount; with `recursive` to all below it, and stops propagation either way.
pub fn restrict(mount: BorrowedFd<'_>, attributes: MountAttrFlags, recursive: bool) -> rustix::io::Result<()> {
    let private = u64::from(MountPropagationFlags::PRIVATE.bits());
    raw::mount_setattr(mount, attributes.bits().into(), private, None, recursive)
}

/// Shows the files of a mount under the ids of a user namespace.
pub fn map_ids(mount: BorrowedFd<'_>, userns: BorrowedFd<'_>, recursive: bool) -> rustix::io::Result<()> {
    let idmap = MountAttrFlags::MOUNT_ATTR_IDMAP.bits().into();
    raw::mount_setattr(mount, idmap, 0, Some(userns), recursive)
}

/// The attributes that a definition asks for.
pub fn attributes(flags: MountFlags) -> MountAttrFlags {
    let mut attributes = MountAttrFlags::empty();
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, flags.read_only);
    attributes.set(MountAttrFlags::MOUNT_ATTR_NOSUID, flags.nosuid);
    attributes.set(MountAttrFlags::MOUNT_ATTR_NODEV, flags.nodev);
    attributes.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, flags.noexec);
    attributes.set(MountAttrFlags::MOUNT_ATTR_NOATIME, flags.noatime);
    attributes
}

/// The kernel's own words on a failed fsconfig(2): it leaves them on the descriptor, see fsopen(2).
fn explained(context: &OwnedFd, errno: Errno) -> Error {
    let mut words = [0; 512];
    let mut said = Vec::new();
    while let Ok(length @ 1..) = rustix::io::read(context, &mut words) {
        let line = String::from_utf8_lossy(&words[..length]).into_owned();
        said.push(line.trim_start_matches(['e', 'w', 'i']).trim().to_owned());
    }
    match (said.is_empty(), errno) {
        (false, _) => Error::failed(said.join("; ")),
        // EFSCORRUPTED and EFSBADCRC, as file systems call them.
        (true, Errno::UCLEAN | Errno::BADMSG) => Error::failed("the file system is damaged"),
        (true, errno) => errno.into(),
    }
}

/// An option's value as fsconfig(2) takes it.
pub fn option_text(path: &std::path::Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| Error::failed(format!("{} is not UTF-8", path.display())))?;
    CString::new(text).map(|_| text.to_owned()).map_err(|_| Error::failed("a path holds a zero byte"))
}
