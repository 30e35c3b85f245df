//! What of the caller's stdin, stdout and stderr a program gets as it is, and what through a pipe.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fchmod, fstat, fstatfs};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{stderr, stdin, stdout};

use super::flow::{Flow, own};
use crate::error::{Context, Result};

/// linux/magic.h
const PIPEFS_MAGIC: i64 = 0x5049_5045;

/// stdin, stdout and stderr of a program.
#[derive(Debug)]
pub struct Stdio(pub [OwnedFd; 3]);

/// The three, and what has to be relayed for them.
#[derive(Debug)]
pub struct Streams {
    /// The program's.
    pub stdio: Stdio,
    /// The relay's.
    pub flows: Vec<Flow>,
}

impl Streams {
    /// Without a terminal for the program; without `input` it has nothing to read.
    pub fn without_terminal(input: bool) -> Result<Self> {
        let mut flows = Vec::new();
        let first = match input {
            true => inward(stdin(), &mut flows)?,
            false => null()?,
        };
        let second = outward(stdout(), &mut flows)?;
        let third = outward(stderr(), &mut flows)?;
        Ok(Self { stdio: Stdio([first, second, third]), flows })
    }
}

/// What is relayed between the caller and the master of a program's terminal.
pub fn with_terminal(master: &OwnedFd, input: bool) -> Result<Vec<Flow>> {
    let again = || master.try_clone().context("cannot keep the terminal");
    let mut flows = vec![Flow::out(again()?, own(stdout(), OFlags::WRONLY)?)];
    if input {
        flows.push(Flow::into_terminal(own(stdin(), OFlags::RDONLY)?, again()?));
    }
    Ok(flows)
}

/// Nothing to read, and nowhere to write.
pub fn null() -> Result<OwnedFd> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).context("cannot open /dev/null")
}

fn inward(fd: BorrowedFd<'_>, flows: &mut Vec<Flow>) -> Result<OwnedFd> {
    if is_handed_over(fd)? {
        return Ok(fd.try_clone_to_owned()?);
    }
    let (read, write) = pipe()?;
    nonblocking(&write)?;
    flows.push(Flow::into_pipe(own(fd, OFlags::RDONLY)?, write));
    Ok(read)
}

fn outward(fd: BorrowedFd<'_>, flows: &mut Vec<Flow>) -> Result<OwnedFd> {
    if is_handed_over(fd)? {
        return Ok(fd.try_clone_to_owned()?);
    }
    let (read, write) = pipe()?;
    nonblocking(&read)?;
    flows.push(Flow::out(read, own(fd, OFlags::WRONLY)?));
    Ok(write)
}

/// Pipes, sockets, files and /dev/null. Not terminals, and not directories, through which a program would be outside of
/// its root.
fn is_handed_over(fd: BorrowedFd<'_>) -> Result<bool> {
    let stat = fstat(fd).context("cannot look at stdin, stdout or stderr")?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => {
            open_to_all(fd)?;
            true
        }
        FileType::RegularFile | FileType::Socket => true,
        FileType::CharacterDevice => stat.st_rdev == rustix::fs::makedev(1, 3),
        _ => false,
    })
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    use std::os::fd::AsFd;
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
    open_to_all(write.as_fd())?;
    Ok((read, write))
}

/// A program that opens /dev/stdout by name is another user than the one who made the pipe. Mode bits of a pipe without a
/// name keep nobody out: only who holds it already can open it.
fn open_to_all(fd: BorrowedFd<'_>) -> Result<()> {
    #[allow(clippy::useless_conversion, reason = "its width differs between architectures")]
    if i64::from(fstatfs(fd)?.f_type) == PIPEFS_MAGIC {
        // A caller who is not root and did not make this one keeps it as it is.
        let _ = fchmod(fd, Mode::from_raw_mode(0o666));
    }
    Ok(())
}

fn nonblocking(fd: &OwnedFd) -> Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    rustix::fs::fcntl_setfl(fd, flags | OFlags::NONBLOCK).context("cannot prepare a pipe")
}
