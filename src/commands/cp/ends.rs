//! What each side does: one packs, the other unpacks, where cp and podman would.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::Errno;

use super::side::Root;
use crate::error::{Context, Error, Exit, Result};
use crate::image::archive::pack::{View, pack_as};
use crate::image::archive::receive::{Place, Policy, receive};
use crate::image::archive::{Archive, End, MAX_TRAILER};
use crate::image::tree::access::shown;
use crate::image::tree::xattr::Shift;
use crate::sandbox::root;

/// A path to copy from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a>(&'a str);

impl<'a> Source<'a> {
    /// As it was typed.
    pub fn of(path: &'a str) -> Result<Self> {
        if path.is_empty() { Err(Error::new(Exit::Usage, "which path in the container?")) } else { Ok(Self(path)) }
    }

    /// What is in the directory, without it.
    pub fn contents(self) -> bool {
        self.base().is_none()
    }

    /// The name that its copy gets in a directory; none where it has none.
    pub fn base(self) -> Option<&'a str> {
        let last = self.0.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if self.0.ends_with("/.") || matches!(last, "" | "." | "..") { None } else { Some(last) }
    }
}

/// Packs it, under `name`.
pub fn send(root: &Root, source: Source<'_>, name: &str, out: File) -> Result<Vec<Vec<u8>>> {
    let dir = root.dir.as_fd();
    let found = root::open(dir, source.0, OFlags::PATH)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let (file, name) = match FileType::from_raw_mode(fstat(&found)?.st_mode) {
        FileType::Directory => (root::open(found.as_fd(), ".", OFlags::RDONLY | OFlags::DIRECTORY)?, name),
        FileType::RegularFile => (
            root::open(dir, source.0, OFlags::RDONLY | flags)?,
            match name {
                "." => "file",
                name => name,
            },
        ),
        _ => return Err(Error::failed("it is neither a file nor a directory")),
    };
    let name = if name == "." { ".".to_owned() } else { format!("./{name}") };
    let mut out = std::io::BufWriter::with_capacity(256 << 10, out);
    let view = View { reach: root.reach, shift: root.shift.map(Shift::From), layer: false };
    let left_out = pack_as(name.as_bytes(), file.as_fd(), view, &mut out, &mut |_| ())?;
    std::io::Write::flush(&mut out)?;
    Ok(left_out)
}

/// Where a copy is wanted.
pub struct Wanted<'a> {
    /// The path.
    pub target: &'a str,
    /// The name of its source.
    pub base: Option<&'a str>,
    /// Only what is in the source.
    pub contents: bool,
}

/// Unpacks it.
pub fn accept(root: &Root, wanted: &Wanted<'_>, policy: Policy, reader: impl Read) -> Result<Vec<Vec<u8>>> {
    let mut archive = Archive::new(reader, End::Zeros);
    let left_out = receive(&mut archive, policy, |directory| place(root, wanted, directory))?;
    archive.finish(MAX_TRAILER)?;
    Ok(left_out)
}

fn open_directory(root: &Root, path: &str) -> Result<OwnedFd> {
    let dir = root::open(root.dir.as_fd(), path, OFlags::RDONLY | OFlags::DIRECTORY);
    dir.with_context(|| format!("cannot open directory {}", shown(path.as_bytes())))
}

/// Where what is copied goes, as cp and podman have it.
fn place(root: &Root, wanted: &Wanted<'_>, directory: bool) -> Result<Place> {
    let &Wanted { target, base, contents } = wanted;
    if base.is_none() && !directory {
        // An archive of many.
        return Ok(Place { dir: open_directory(root, target)?, name: None });
    }
    let name = |name: &str| Some(name.as_bytes().to_owned());
    let found = root::open(root.dir.as_fd(), target, OFlags::PATH);
    match found.map(|found| fstat(found).map(|stat| FileType::from_raw_mode(stat.st_mode))) {
        Ok(stat) if stat? == FileType::Directory => {
            let dir = open_directory(root, target)?;
            Ok(Place { dir, name: base.filter(|_| !(directory && contents)).and_then(name) })
        }
        Ok(_) | Err(Errno::NOTDIR) if directory || target.ends_with('/') => {
            Err(Error::failed(format!("{} is no directory", shown(target.as_bytes()))))
        }
        Err(Errno::NOENT) if !directory && target.ends_with('/') => {
            Err(Error::failed(format!("there is no directory {}", shown(target.as_bytes()))))
        }
        Ok(_) | Err(Errno::NOENT) => {
            let path = target.trim_end_matches("/.").trim_end_matches('/');
            let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
            if matches!(last, "" | "." | "..") {
                return Err(Error::failed(format!("there is no directory {}", shown(target.as_bytes()))));
            }
            let parent = if parent.is_empty() { "/" } else { parent };
            Ok(Place { dir: open_directory(root, parent)?, name: name(last) })
        }
        Err(error) => Err(error).with_context(|| format!("cannot open {}", shown(target.as_bytes()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_copy_is_the_last_of_the_path() {
        let base = |path| Source(path).base();
        assert_eq!((base("/etc/nginx"), base("/etc/nginx/"), base("x")), (Some("nginx"), Some("nginx"), Some("x")));
        assert_eq!((base("/etc/."), base("/"), base("/a/.."), base(".")), (None, None, None, None));
    }
}
