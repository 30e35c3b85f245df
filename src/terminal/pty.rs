//! Pseudo-terminals, of the host's devpts and of a container's.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags, fstat, fstatfs};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcgetwinsize, tcsetwinsize};

use crate::error::{Context, Error, Result};
use crate::sandbox::root;

/// linux/magic.h
const DEVPTS_SUPER_MAGIC: i64 = 0x1cd1;

/// Both ends of a pseudo-terminal.
#[derive(Debug)]
pub struct Pty {
    /// The caller's end.
    pub master: OwnedFd,
    /// The program's end.
    pub slave: OwnedFd,
}

impl Pty {
    /// One of the host's devpts: for a container that is only about to have its own.
    pub fn of_host() -> Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).context("cannot open a terminal")?;
        Self::of(master)
    }

    /// One of the container's own devpts, opened from inside of it. Whatever the container has put at that path, it is a
    /// devpts multiplexer, or refused.
    pub fn of_container(root: BorrowedFd<'_>) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
        let master = root::open(root, "/dev/pts/ptmx", flags).context("cannot open /dev/pts/ptmx in the container")?;
        if !is_ptmx(&master)? {
            return Err(Error::failed("/dev/pts/ptmx in the container is no terminal multiplexer"));
        }
        Self::of(master)
    }

    fn of(master: OwnedFd) -> Result<Self> {
        unlockpt(&master).context("cannot unlock the terminal")?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        // By the master, never by a name, which leads to whatever is mounted there.
        let slave = ioctl_tiocgptpeer(&master, flags).context("cannot open the terminal")?;
        // Ours alone: a program that does not read must not hold the relay.
        rustix::fs::fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK).context("cannot prepare the terminal")?;
        Ok(Self { master, slave })
    }
}

fn is_ptmx(fd: &OwnedFd) -> Result<bool> {
    let stat = fstat(fd)?;
    let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let character = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    #[allow(clippy::useless_conversion, reason = "its width differs between architectures")]
    let magic = i64::from(fstatfs(fd)?.f_type);
    Ok(character && device == (5, 2) && magic == DEVPTS_SUPER_MAGIC)
}

/// Makes `to` as large as `from`, the caller's window; without one it is left alone.
pub fn copy_size(from: BorrowedFd<'_>, to: impl AsFd) {
    if let Some(size) = size(from) {
        set_size(to, size);
    }
}

/// The size of a window.
pub fn size(terminal: BorrowedFd<'_>) -> Option<Winsize> {
    tcgetwinsize(terminal).ok()
}

/// What is not a terminal any more needs no size.
pub fn set_size(terminal: impl AsFd, size: Winsize) {
    let _ = tcsetwinsize(terminal, size);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::Mode;

    #[test]
    fn what_one_end_types_the_other_reads() {
        let pty = Pty::of_host().unwrap();
        rustix::io::write(&pty.master, b"hello\n").unwrap();
        let mut line = [0; 16];
        let length = rustix::io::read(&pty.slave, &mut line).unwrap();
        assert_eq!(&line[..length], b"hello\n");
    }

    #[test]
    fn nothing_but_a_multiplexer_is_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("dev/pts")).unwrap();
        let root = rustix::fs::open(dir.path(), OFlags::PATH, Mode::empty()).unwrap();
        nix::unistd::mkfifo(&dir.path().join("dev/pts/ptmx"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = Pty::of_container(root.as_fd()).unwrap_err();
        assert_eq!(error.to_string(), "/dev/pts/ptmx in the container is no terminal multiplexer");
        let host = rustix::fs::open("/", OFlags::PATH, Mode::empty()).unwrap();
        assert!(is_ptmx(&root::open(host.as_fd(), "/dev/pts/ptmx", OFlags::PATH).unwrap()).unwrap());
    }
}
