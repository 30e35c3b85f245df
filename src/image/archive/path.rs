//! Paths of archives' members: checked as text, then opened below the image's root without following anything.

use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::{Context, Error, Result};
use crate::image::copy::PATH_MAX;
use crate::image::tree::access::{MAX_DEPTH, open_inside, shown};

/// The components of a member's path, joined again: empty for the root itself.
pub fn normalized(path: &[u8]) -> Result<Vec<u8>> {
    if path.is_empty() {
        return Err(Error::failed("it has no name"));
    }
    if path.starts_with(b"/") {
        return Err(Error::failed("its name is an absolute path"));
    }
    let parts: Vec<&[u8]> = path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
    if parts.contains(&&b".."[..]) {
        return Err(Error::failed("its name has \"..\" in it"));
    }
    if parts.len() > MAX_DEPTH {
        return Err(Error::failed(format!("deeper than {MAX_DEPTH} directories")));
    }
    let path = parts.join(&b'/');
    if path.len() >= PATH_MAX { Err(Error::failed(format!("its name has {PATH_MAX} bytes or more"))) } else { Ok(path) }
}

/// Parent and last component, none for the root.
pub fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => Some((&path[..at], &path[at + 1..])),
        None if path.is_empty() => None,
        None => Some((&[], path)),
    }
}

/// A name in a directory, as a path from the root.
pub fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_owned() } else { [parent, name].join(&b'/') }
}

/// Opens a directory to work in.
pub fn open_parent(root: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    open_directory(root, path, OFlags::PATH)
}

/// Opens a directory.
pub fn open_directory(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let path = if path.is_empty() { c".".to_owned() } else { CString::new(path).map_err(|_| Errno::INVAL)? };
    open_inside(root, &path, flags | OFlags::DIRECTORY)
}

/// Why the directory of a member cannot be worked in.
pub fn through(errno: Errno, path: &[u8]) -> Error {
    match errno {
        Errno::LOOP => Error::failed(format!("it lies behind the symbolic link {}", shown(path))),
        Errno::NOTDIR => Error::failed(format!("it lies in {}, which is no directory", shown(path))),
        other => Err::<(), _>(other).with_context(|| format!("cannot open {}", shown(path))).unwrap_err(),
    }
}

/// A name for the kernel.
pub fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| Error::failed("a name has a NUL in it"))
}
