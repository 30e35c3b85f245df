//! Paths of the container, resolved in the container's root and nowhere else.
//!
//! The tree is hostile: every name may be a symbolic link, and another container that shares a volume may swap names while
//! we look. openat2(2) with RESOLVE_IN_ROOT makes the kernel treat the root as "/" for every step.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstatfs, mkdirat, openat, openat2, readlinkat};
use rustix::io::Errno;

use crate::error::{Context, Error, Result};

/// The kernel gives up after as many links in one path (MAXSYMLINKS).
const LINKS: usize = 40;

/// How often a path with ".." in it is tried again. Any rename on the machine makes openat2(2) give up with EAGAIN, and who
/// renames all the time, in another container, must not keep this one from starting.
const TRIES: usize = 10_000;

/// Of proc, sysfs, cgroup2 and cgroup, linux/magic.h.
const PROC: i64 = 0x9fa0;
const KERNELS_OWN: [i64; 4] = [PROC, 0x6265_6572, 0x6367_7270, 0x0027_e0eb];

const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// What a mount point must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// Anything that is not a directory.
    File,
}

impl Kind {
    /// Of what a descriptor shows.
    pub fn of(fd: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        let stat = rustix::fs::fstat(fd)?;
        let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        Ok(if directory { Self::Directory } else { Self::File })
    }
}

/// Opens a path of the container; symbolic links are followed inside it.
pub fn open(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    open_by(root, path, flags, IN_ROOT)
}

/// What a file of the image says, if it is one and of a sensible size.
pub fn read(root: BorrowedFd<'_>, path: &str) -> Result<String> {
    use std::io::Read;
    let Ok(file) = open(root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) else {
        return Ok(String::new());
    };
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    std::fs::File::from(file).take(1 << 20).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" })
}

fn open_by(root: BorrowedFd<'_>, path: &str, flags: OFlags, how: ResolveFlags) -> rustix::io::Result<OwnedFd> {
    for _ in 0..TRIES {
        match openat2(root, relative(path), flags | OFlags::CLOEXEC, Mode::empty(), how) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// Opens a file of the container's own proc to be written to, and nothing else that stands at its path: "/proc" is a proc,
/// no link is followed, and nothing that is mounted in it is entered. A write that an image could lead elsewhere has been a
/// way out of other runtimes (CVE-2025-52881).
pub fn open_proc(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd> {
    let proc = api_mount_point(root, "/proc")?;
    if magic(proc.as_fd())? != PROC {
        return Err(Error::failed("/proc in the container is no proc"));
    }
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let path = path.strip_prefix("/proc/").unwrap_or(path);
    Ok(open_by(proc.as_fd(), path, flags, how)?)
}

#[allow(clippy::useless_conversion, reason = "its width differs between architectures")]
fn magic(file: BorrowedFd<'_>) -> rustix::io::Result<i64> {
    Ok(i64::from(fstatfs(file)?.f_type))
}

/// Opens a directory of the root's top level that must not be a link: /dev, /proc and /sys of an image decide where the
/// kernel's own file systems appear.
pub fn api_mount_point(root: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let open = || {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        open_by(root, name, flags, IN_ROOT | ResolveFlags::NO_SYMLINKS)
    };
    let found = match open() {
        Err(Errno::NOENT) => mkdirat(root, relative(name), Mode::from_raw_mode(0o755)).and_then(|()| open()),
        other => other,
    };
    match found {
        Err(Errno::LOOP | Errno::NOTDIR) => Err(Error::failed(format!("{name} of the image is not a directory"))),
        other => other.with_context(|| format!("cannot open {name} of the image")),
    }
}

/// Opens a mount point, making what is missing of it. A link of the image, or of a volume that another container writes
/// to, may lead anywhere inside, but not into the kernel's own file systems: what is mounted over a part of /proc would
/// stand between us and what we write there.
pub fn mount_point(root: BorrowedFd<'_>, path: &str, kind: Kind) -> Result<OwnedFd> {
    let found = match resolve(root, path, kind, LINKS) {
        Err(Errno::ROFS) => {
            let text = format!("the image has no {path} to mount over, and on a read-only disk none can be made");
            return Err(Error::failed(text));
        }
        found => found.with_context(|| format!("cannot make {path} in the container"))?,
    };
    let stat = rustix::fs::fstat(&found).with_context(|| format!("cannot look at {path} in the container"))?;
    let kernels = magic(found.as_fd()).with_context(|| format!("cannot look at {path} in the container"))?;
    if KERNELS_OWN.contains(&kernels) {
        return Err(Error::failed(format!("{path} in the container is a link into /proc or /sys")));
    }
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    match (kind, is_directory) {
        (Kind::Directory, false) => Err(Error::failed(format!("{path} in the container is not a directory"))),
        (Kind::File, true) => Err(Error::failed(format!("{path} in the container is a directory"))),
        _ => Ok(found),
    }
}

fn resolve(root: BorrowedFd<'_>, path: &str, kind: Kind, links: usize) -> rustix::io::Result<OwnedFd> {
    match open(root, path, OFlags::PATH) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let links = links.checked_sub(1).ok_or(Errno::LOOP)?;
    let (parent, name) = split(path).ok_or(Errno::NOENT)?;
    let directory = resolve(root, parent, Kind::Directory, links)?;
    match make(directory.as_fd(), name, kind) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    // In the directory that it was made in, whatever the path leads to by now.
    match open_by(directory.as_fd(), name, OFlags::PATH, IN_ROOT | ResolveFlags::NO_SYMLINKS) {
        Err(Errno::LOOP) => {}
        other => return other,
    }
    // A dangling link, as /etc/resolv.conf of a Debian image: what it names is made, inside.
    match readlinkat(&directory, name, Vec::new()) {
        Ok(target) => {
            let target = target.to_str().map_err(|_| Errno::ILSEQ)?;
            let next = if target.starts_with('/') { target.to_owned() } else { format!("{parent}/{target}") };
            resolve(root, &next, kind, links)
        }
        // It is no link any more: somebody swaps names.
        Err(Errno::INVAL | Errno::NOENT) => resolve(root, path, kind, links),
        Err(errno) => Err(errno),
    }
}

fn make(directory: BorrowedFd<'_>, name: &str, kind: Kind) -> rustix::io::Result<()> {
    match kind {
        Kind::Directory => mkdirat(directory, name, Mode::from_raw_mode(0o755)),
        Kind::File => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(directory, name, flags, Mode::from_raw_mode(0o644)).map(drop)
        }
    }
}

/// "/etc/hosts" as ("/etc", "hosts"); none for the root itself and for paths that end in "..".
fn split(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_end_matches('/');
    let (parent, name) = path.rsplit_once('/')?;
    if matches!(name, "" | "." | "..") { None } else { Some((if parent.is_empty() { "/" } else { parent }, name)) }
}

/// mkdirat(2) knows nothing of RESOLVE_IN_ROOT: for one name, without the slash, it need not.
fn relative(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        rest => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn root() -> (tempfile::TempDir, OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        let fd = rustix::fs::open(dir.path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        (dir, fd)
    }

    #[test]
    fn a_missing_mount_point_is_made_with_its_parents() {
        let (dir, fd) = root();
        mount_point(fd.as_fd(), "/srv/a/b", Kind::Directory).unwrap();
        mount_point(fd.as_fd(), "/srv/f", Kind::File).unwrap();
        assert!(dir.path().join("srv/a/b").is_dir());
        assert!(dir.path().join("srv/f").is_file());
    }

    #[test]
    fn an_absolute_link_stays_inside() {
        let (dir, fd) = root();
        let outside = tempfile::tempdir().unwrap();
        symlink(outside.path(), dir.path().join("etc")).unwrap();
        mount_point(fd.as_fd(), "/etc/resolv.conf", Kind::File).unwrap();
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        let inside = dir.path().join(outside.path().strip_prefix("/").unwrap()).join("resolv.conf");
        assert!(inside.is_file());
    }

    #[test]
    fn a_dangling_relative_link_is_made_good_inside() {
        let (dir, fd) = root();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        symlink("../run/systemd/resolve/stub", dir.path().join("etc/resolv.conf")).unwrap();
        mount_point(fd.as_fd(), "/etc/resolv.conf", Kind::File).unwrap();
        assert!(dir.path().join("run/systemd/resolve/stub").is_file());
    }

    #[test]
    fn a_loop_of_links_ends() {
        let (dir, fd) = root();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert!(mount_point(fd.as_fd(), "/a/x", Kind::File).is_err());
    }

    #[test]
    fn api_mount_points_are_never_links() {
        let (dir, fd) = root();
        symlink("/tmp", dir.path().join("dev")).unwrap();
        std::fs::write(dir.path().join("sys"), "").unwrap();
        let text = |name| api_mount_point(fd.as_fd(), name).unwrap_err().to_string();
        assert_eq!(text("/dev"), "/dev of the image is not a directory");
        assert_eq!(text("/sys"), "/sys of the image is not a directory");
        api_mount_point(fd.as_fd(), "/proc").unwrap();
    }

    #[test]
    fn a_file_is_no_directory() {
        let (dir, fd) = root();
        std::fs::write(dir.path().join("f"), "").unwrap();
        assert!(mount_point(fd.as_fd(), "/f", Kind::Directory).is_err());
        assert!(mount_point(fd.as_fd(), "/f/x", Kind::File).is_err());
        mount_point(fd.as_fd(), "/f", Kind::File).unwrap();
    }

    /// Row 4 of the list of attacks, 2000 times: whoever swaps names has nothing made or opened outside.
    #[test]
    fn names_that_are_swapped_lead_nowhere() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let (dir, fd) = root();
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("vol/a")).unwrap();
        symlink(outside.path(), dir.path().join("vol/b")).unwrap();
        let racing = AtomicBool::new(true);
        let (mut made, mut errors) = (0, std::collections::BTreeMap::new());
        std::thread::scope(|scope| {
            let vol = std::fs::File::open(dir.path().join("vol")).unwrap();
            let racing = &racing;
            scope.spawn(move || {
                while racing.load(Ordering::Relaxed) {
                    rustix::fs::renameat_with(&vol, "a", &vol, "b", rustix::fs::RenameFlags::EXCHANGE).unwrap();
                }
            });
            for round in 0..2000 {
                match mount_point(
                    fd.as_fd(),
                    &(if round % 2 == 0 { "/vol/b".to_owned() } else { format!("/vol/a/{round}/x") }),
                    Kind::Directory,
                ) {
                    Ok(_) => made += 1,
                    Err(error) => {
                        *errors.entry(error.to_string().split(": ").last().unwrap().to_owned()).or_insert(0) += 1
                    }
                }
            }
            racing.store(false, Ordering::Relaxed);
        });
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        assert!(made > 1990, "{made} {errors:?}");
    }
}
