//! The side of `exec` that goes into the container: the joiner, and the command that it leaves there.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::libc;
use nix::sched::{CloneFlags, setns};
use rustix::fs::{FileType, Mode, OFlags};

use super::channel::{Channel, Message};
use super::exec::{Streams, Target};
use super::raw::{self, Cloned};
use super::user::{self, Credentials};
use super::{execute, label, root};
use crate::error::{Context, Result};
use crate::plan::{IdRange, Namespaces, Plan, Process};
use crate::terminal::{Stdio, null, pty};

/// Enters the container and makes the command there, the caller's child; ends itself.
pub fn join(target: &Target, plan: &Plan, process: &Process, streams: Streams, channel: &Channel) -> ! {
    let message = match prepare(target, plan, process, &streams) {
        Err(error) => Message::Failed(error.to_string()),
        Ok(proc) => match raw::clone3(libc::CLONE_PARENT as u64, None) {
            Err(errno) => Message::Failed(format!("cannot start the command: {errno}")),
            Ok(Cloned::Parent(pid)) => Message::Started(pid.as_raw_nonzero().get()),
            Ok(Cloned::Child) => become_command(plan, process, proc, &streams, channel),
        },
    };
    let _ = channel.say(&message);
    std::process::exit(0)
}

/// What comes back is the host's proc, for who has to write to it.
fn prepare(target: &Target, plan: &Plan, process: &Process, streams: &Streams) -> Result<Option<OwnedFd>> {
    // Before anything of the container can see this process, it has nothing of the caller's terminal left.
    match streams {
        Streams::Inherited => {}
        Streams::Given(stdio) => put_in_place(stdio)?,
        Streams::Terminal(_) => put_in_place(&Stdio([null()?, null()?, null()?]))?,
    }
    take_limits(target)?;
    let proc = label::open_proc(&process.labels)?;
    let own = plan.sandbox.namespaces;
    // The network of another container is none of the host's either.
    enter(target, Namespaces { network: own.network || plan.sandbox.joins.is_some(), ..own })?;
    Ok(proc)
}

fn put_in_place(Stdio([first, second, third]): &Stdio) -> Result<()> {
    rustix::stdio::dup2_stdin(first)
        .and_then(|()| rustix::stdio::dup2_stdout(second))
        .and_then(|()| rustix::stdio::dup2_stderr(third))
        .context("cannot put stdin, stdout and stderr in place")
}

/// systemd has set the payload's, and the caller has those of a login. Where the caller may not raise one, as far as it is.
fn take_limits(target: &Target) -> Result<()> {
    /// RLIM_NLIMITS, asm-generic/resource.h.
    const COUNT: u32 = 16;
    for resource in 0..COUNT {
        let (soft, hard) = raw::limits_of(target.pid, resource).context("cannot read the payload's limits")?;
        let (_, most) = raw::limits_of(rustix::process::getpid(), resource)?;
        raw::set_limits(resource, (soft, hard))
            .or_else(|_| raw::set_limits(resource, (soft.min(most), hard.min(most))))
            .context("cannot take over the payload's limits")?;
    }
    let path = |pid: &str| format!("/proc/{pid}/oom_score_adj");
    let score = std::fs::read(path(&target.pid.to_string())).context("cannot read the payload's OOM score")?;
    let _ = std::fs::write(path("self"), score);
    raw::take_priorities(target.pid).context("cannot take over the payload's priorities")
}

fn enter(target: &Target, own: Namespaces) -> Result<()> {
    // Of the namespaces that are the host's there is nothing to join, and for the user namespace it is an error.
    let flags = [
        (own.user, CloneFlags::CLONE_NEWUSER),
        (own.pid, CloneFlags::CLONE_NEWPID),
        (own.network, CloneFlags::CLONE_NEWNET),
        (own.ipc, CloneFlags::CLONE_NEWIPC),
        (own.uts, CloneFlags::CLONE_NEWUTS),
        (own.cgroup, CloneFlags::CLONE_NEWCGROUP),
        (own.time, CloneFlags::from_bits_retain(0x80)),
        (true, CloneFlags::CLONE_NEWNS),
    ];
    let flags = flags.into_iter().filter(|(own, _)| *own).fold(CloneFlags::empty(), |all, (_, flag)| all | flag);
    // Nobody in there may look into this process: it still has the host's memory.
    nix::sys::prctl::set_dumpable(false).context("cannot hide from the container")?;
    setns(&target.pidfd, flags).context("cannot enter the container")
}

fn become_command(plan: &Plan, process: &Process, proc: Option<OwnedFd>, streams: &Streams, channel: &Channel) -> ! {
    let labelled = label::apply(&process.labels, proc);
    let error = match labelled.and_then(|()| attempt(plan, process, streams, channel)) {
        Err(error) => error,
        Ok(never) => match never {},
    };
    let _ = channel.say(&Message::CannotExecute(error.exit(), error.to_string()));
    std::process::exit(error.exit() as i32)
}

fn attempt(plan: &Plan, process: &Process, streams: &Streams, channel: &Channel) -> Result<Infallible> {
    if plan.sandbox.namespaces.user {
        super::inside::become_root_inside()?;
    }
    rustix::process::setsid().context("cannot start a session")?;
    raw::join_new_session_keyring().context("cannot make a session keyring")?;
    let top = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .context("cannot open the root")?;
    let limit = if plan.sandbox.namespaces.user { IdRange::COUNT } else { u32::MAX };
    let credentials = user::resolve(top.as_fd(), process, limit)?;
    if let Streams::Terminal(size) = streams {
        let master = take_terminal(top.as_fd(), *size)?;
        channel.hand(master.as_fd())?;
    }
    let mut process = process.clone();
    if process.argv.is_empty() {
        process.argv = vec![shell(top.as_fd(), &credentials)];
    }
    drop(top);
    execute::execute(&process, &credentials)
}

/// Opens a terminal for the command; execute() makes it the controlling one.
fn take_terminal(top: BorrowedFd<'_>, size: Option<rustix::termios::Winsize>) -> Result<OwnedFd> {
    let terminal = pty::Pty::of_container(top)?;
    if let Some(size) = size {
        pty::set_size(&terminal.master, size);
    }
    let [first, second] = [terminal.slave.try_clone()?, terminal.slave.try_clone()?];
    put_in_place(&Stdio([first, second, terminal.slave]))?;
    Ok(terminal.master)
}

/// The shell that passwd names, if it is one and is there; else bash, else sh.
fn shell(top: BorrowedFd<'_>, credentials: &Credentials) -> String {
    let there = |path: &&str| {
        let stat = root::open(top, path, OFlags::PATH).and_then(rustix::fs::fstat);
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    };
    let own = credentials.shell.as_deref().filter(|path| path.starts_with('/') && !refuses(path));
    own.into_iter().chain(["/bin/bash"]).find(there).unwrap_or("/bin/sh").to_owned()
}

/// What system accounts have in place of a shell.
fn refuses(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("nologin" | "false" | "true" | "sync"))
}
