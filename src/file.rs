//! Small files, read and written without trusting what is there in their place.
//!
//! A FIFO does not make us wait, a device is not touched, a link is not followed, a file without end is not read. What is
//! written appears whole, under a name of its own first: a hard link in its place is replaced, never written through.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, renameat, unlinkat};

use crate::image::staging::unique;
use crate::image::tree::access::{create_file, open_inside};

/// More than a number needs.
pub const NUMBER: u64 = 64;

/// The text of a file of ours, at most `most` bytes; none if it is not there. Neither it nor its directory may be a link.
pub fn read(path: &Path, most: u64) -> Result<Option<String>> {
    let open = || -> Result<OwnedFd> {
        let (directory, name) = directory(path)?;
        Ok(open_inside(directory.as_fd(), &name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?)
    };
    match open() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => text(other?, most).map(Some),
    }
}

/// The text of a file of the host's, which may be a link; `NotFound` if it is not there.
pub fn read_of_host(path: &Path, most: u64) -> Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    text(rustix::fs::open(path, flags, Mode::empty())?, most)
}

fn text(file: OwnedFd, most: u64) -> Result<String> {
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::other("it is not a regular file"));
    }
    let mut text = String::with_capacity(room(stat.st_size));
    std::fs::File::from(file).take(most + 1).read_to_string(&mut text)?;
    match text.len() as u64 > most {
        true => Err(Error::other(format!("it is larger than {most} bytes"))),
        false => Ok(text),
    }
}

/// What a file of this size is read into at once, and its end is seen; more than that is grown into.
pub fn room(size: i64) -> usize {
    usize::try_from(size).unwrap_or(0).min(1 << 16) + 1
}

/// Replaces a file of ours, whole or not at all.
pub fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let (directory, name) = directory(path)?;
    let next = unique(".tmp-", "");
    let replace = || -> Result<()> {
        let file = create_file(directory.as_fd(), &next, Mode::from_raw_mode(mode))?;
        std::fs::File::from(file).write_all(content)?;
        Ok(renameat(&directory, &*next, &directory, &*name)?)
    };
    replace().inspect_err(|_| {
        let _ = unlinkat(&directory, &*next, AtFlags::empty());
    })
}

/// Removes a file of ours; `NotFound` if it is not there.
pub fn remove(path: &Path) -> Result<()> {
    let (directory, name) = directory(path)?;
    Ok(unlinkat(&directory, &*name, AtFlags::empty())?)
}

/// The directory that a file of ours lies in, itself and not a link to another, and the file's name in it.
fn directory(path: &Path) -> Result<(OwnedFd, std::ffi::CString)> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::from(ErrorKind::InvalidInput));
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(CWD, directory, flags, Mode::empty())?;
    if fstat(&directory)?.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Error::new(ErrorKind::PermissionDenied, "its directory belongs to another user"));
    }
    Ok((directory, std::ffi::CString::new(name.as_encoded_bytes())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_not_a_small_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        symlink("/etc/passwd", at("link")).unwrap();
        fs::create_dir(at("directory")).unwrap();
        fs::File::create(at("huge")).unwrap().set_len(1 << 40).unwrap();
        for name in ["fifo", "link", "directory", "huge"] {
            assert!(read(&at(name), 100).is_err(), "{name} was read");
        }
        assert!(read_of_host(&at("fifo"), 100).is_err() && read_of_host(Path::new("/dev/zero"), 100).is_err());
        assert_eq!(read(&at("absent"), 100).unwrap(), None);
        fs::write(at("small"), "text").unwrap();
        assert_eq!(read(&at("small"), 4).unwrap().as_deref(), Some("text"));
        assert!(read(&at("small"), 3).is_err());
    }

    #[test]
    fn nothing_is_written_or_removed_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("canary")).unwrap();
        fs::write(at("canary/file"), "canary").unwrap();
        symlink(at("canary"), at("linked")).unwrap();
        assert!(write(&at("linked/file"), b"x", 0o600).is_err());
        assert!(remove(&at("linked/file")).is_err());
        for name in ["soft", "hard"] {
            match name {
                "soft" => symlink(at("canary/file"), at(name)).unwrap(),
                _ => fs::hard_link(at("canary/file"), at(name)).unwrap(),
            }
            write(&at(name), b"ours", 0o600).unwrap();
            assert_eq!(fs::read(at(name)).unwrap(), b"ours");
        }
        assert_eq!(fs::read(at("canary/file")).unwrap(), b"canary");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4, "nothing temporary is left");
    }
}
