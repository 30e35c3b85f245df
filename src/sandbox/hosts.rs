//! /etc/hosts of an image that has none: names that every program counts on, written to the container's own disk once.
//!
//! Nothing is mounted for it: that would cost each start, and who is in the container may write its own lines.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, ftruncate, openat2};
use rustix::io::Errno;

use super::root;
use crate::error::Result;
use crate::names::LOCAL;

/// Who writes a file of its own takes this line out.
const OURS: &str = "# Made by soute, as the image has no /etc/hosts; without this line it is left alone.\n";
/// Far above what we have written.
const LARGEST: u64 = 4096;

/// Nothing is entered that is mounted there: such a file, or its directory, is somebody else's.
const OWN: ResolveFlags = ResolveFlags::NO_XDEV.union(ResolveFlags::NO_MAGICLINKS);

/// Writes the file where there is none, or an empty one as is left where one was mounted, or ours with another host name.
/// A disk that cannot be written to does without.
pub fn provide(root: BorrowedFd<'_>, hostname: &str) -> rustix::io::Result<()> {
    let wanted = format!("{OURS}{LOCAL}127.0.1.1\t{hostname}\n");
    match try_to(root, &wanted) {
        Err(Errno::NOENT | Errno::XDEV | Errno::LOOP | Errno::NOTDIR | Errno::ROFS) => Ok(()),
        tried => tried,
    }
}

/// What the image says for itself, where another file is made of it.
pub fn of_image(root: BorrowedFd<'_>, path: &str) -> Result<String> {
    let text = root::read(root, path)?;
    Ok(if text.starts_with(OURS) { String::new() } else { text })
}

fn try_to(root: BorrowedFd<'_>, wanted: &str) -> rustix::io::Result<()> {
    let etc = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let etc = openat2(root, "etc", etc, Mode::empty(), OWN | ResolveFlags::IN_ROOT)?;
    let found = match open(etc.as_fd(), OFlags::RDONLY) {
        Err(Errno::NOENT) => return write(open(etc.as_fd(), OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?, wanted),
        found => found?,
    };
    let stat = fstat(&found)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(());
    }
    let mut text = Vec::new();
    std::fs::File::from(found).take(LARGEST).read_to_end(&mut text).map_err(errno)?;
    let ours = text.is_empty() || text.starts_with(OURS.as_bytes());
    if !ours || text == wanted.as_bytes() {
        return Ok(());
    }
    let file = open(etc.as_fd(), OFlags::WRONLY)?;
    // Between the two nobody else runs on this disk.
    ftruncate(&file, 0)?;
    write(file, wanted)
}

fn open(etc: BorrowedFd<'_>, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let how = OWN | ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o644) } else { Mode::empty() };
    openat2(etc, "hosts", flags, mode, how)
}

fn write(file: OwnedFd, text: &str) -> rustix::io::Result<()> {
    std::fs::File::from(file).write_all(text.as_bytes()).map_err(errno)
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn try_in(root: &Path, hostname: &str) {
        let fd = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        provide(fd.as_fd(), hostname).unwrap();
    }

    fn provided(root: &Path, hostname: &str) -> Option<String> {
        try_in(root, hostname);
        std::fs::read_to_string(root.join("etc/hosts")).ok()
    }

    #[test]
    fn it_is_written_once_and_follows_the_host_name() {
        let root = tempfile::tempdir().unwrap();
        // Without /etc nothing looks for it.
        assert_eq!(provided(root.path(), "web"), None);
        let hosts = root.path().join("etc/hosts");
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let web = provided(root.path(), "web").unwrap();
        assert!(web.ends_with("127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\tweb\n"), "{web}");
        assert_eq!(provided(root.path(), "db").unwrap(), web.replace("web", "db"));
        std::fs::write(&hosts, "").unwrap();
        assert_eq!(provided(root.path(), "web").unwrap(), web);
        std::fs::write(&hosts, "10.0.0.1\tapi\n").unwrap();
        assert_eq!(provided(root.path(), "web").unwrap(), "10.0.0.1\tapi\n");
    }

    #[test]
    fn what_an_image_has_in_its_place_leads_nowhere() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let nothing = |root: &Path| {
            try_in(root, "web");
            assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        };
        symlink(outside.path(), root.path().join("etc")).unwrap();
        nothing(root.path());
        std::fs::remove_file(root.path().join("etc")).unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        symlink(outside.path().join("hosts"), root.path().join("etc/hosts")).unwrap();
        nothing(root.path());
        std::fs::remove_file(root.path().join("etc/hosts")).unwrap();
        std::fs::create_dir(root.path().join("etc/hosts")).unwrap();
        nothing(root.path());
        std::fs::remove_dir(root.path().join("etc/hosts")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.path().join("etc/hosts"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        nothing(root.path());
    }
}
