//! Files of a running container, seen as it sees them: a process of ours in its user namespace, as its root. It
//! runs no program and loads nothing of the container's, and it may do no more there than the container itself.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, setns};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};

use super::exec::Target;
use super::inside::become_root_inside;
use super::raw::{self, Cloned};
use crate::error::{Context, Error, Exit, Result};

/// A visitor that is at work.
#[derive(Debug)]
pub struct Visitor {
    pid: Pid,
    words: OwnedFd,
}

/// Sends a visitor. `own_user` says that the container has ids of its own. `others` are the caller's descriptors that the
/// visitor must not hold, or none of the two would ever hear of the other's end. The caller has one thread.
pub fn send(
    target: &Target,
    own_user: bool,
    others: Vec<OwnedFd>,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<Vec<Vec<u8>>>,
) -> Result<(Visitor, Vec<OwnedFd>)> {
    let (words, tell) = pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
    match raw::fork().context("cannot make a process")? {
        Cloned::Parent(pid) => Ok((Visitor { pid: Pid::from_raw(pid.as_raw_nonzero().get()), words }, others)),
        Cloned::Child => {
            drop((words, others));
            let result = enter(target, own_user).and_then(|root| work(root.as_fd()));
            let _ = File::from(tell).write_all(&encoded(result));
            std::process::exit(0)
        }
    }
}

fn enter(target: &Target, own_user: bool) -> Result<OwnedFd> {
    // Nobody in there may look into this process: it still has the host's memory.
    nix::sys::prctl::set_dumpable(false).context("cannot hide from the container")?;
    let root = root_of(target)?;
    if own_user {
        setns(&target.pidfd, CloneFlags::CLONE_NEWUSER).context("cannot enter the container")?;
        become_root_inside()?;
    }
    // After the ids have changed, which takes it back.
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).context("cannot follow the command")?;
    rustix::process::umask(Mode::empty());
    Ok(root)
}

/// By the pidfd: what is entered is what was found to be the container's, or nothing. And left again, as its /proc does not
/// know us, which we need to reach attributes of links.
fn root_of(target: &Target) -> Result<OwnedFd> {
    let own = File::open("/proc/self/ns/mnt").context("cannot open the own mount namespace")?;
    setns(&target.pidfd, CloneFlags::CLONE_NEWNS).context("cannot enter the container")?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open("/", flags, Mode::empty()).context("cannot open the container's root")?;
    setns(own, CloneFlags::CLONE_NEWNS).context("cannot leave the container")?;
    Ok(root)
}

/// A byte for success, or for the exit status; then paths that end with a NUL, or words.
fn encoded(result: Result<Vec<Vec<u8>>>) -> Vec<u8> {
    match result {
        Ok(paths) => paths.into_iter().fold(vec![0], |mut all, path| {
            all.extend(path);
            all.push(0);
            all
        }),
        Err(error) => [&[error.exit() as u8], error.to_string().as_bytes()].concat(),
    }
}

impl Visitor {
    /// What it has done.
    pub fn wait(self) -> Result<Vec<Vec<u8>>> {
        const MAX: u64 = 64 << 20;
        let mut words = Vec::new();
        let heard = File::from(self.words).take(MAX).read_to_end(&mut words);
        let _ = waitpid(self.pid, None);
        heard.context("cannot hear from the container's side")?;
        match words.split_first() {
            None => Err(Error::new(Exit::NotRunning, "the container has ended")),
            Some((0, paths)) => {
                Ok(paths.split_inclusive(|&b| b == 0).map(|path| path[..path.len() - 1].to_vec()).collect())
            }
            Some((&exit, text)) => {
                let exit = if exit == Exit::NotPermitted as u8 { Exit::NotPermitted } else { Exit::Failed };
                Err(Error::new(exit, String::from_utf8_lossy(text)))
            }
        }
    }
}
