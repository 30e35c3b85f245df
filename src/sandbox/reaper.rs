//! `init = "reaper"`: a PID 1 that reaps orphans, passes signals on and ends as the payload does. The one process of ours
//! that may live in a container, and only where it was asked for.

use nix::errno::Errno;
use nix::libc::SIGCHLD;
use nix::sys::signal::SigSet;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use super::channel::Channel;
use super::raw::{self, Cloned};
use crate::error::{Context, Result};

/// Who a process is after the split.
#[derive(Debug)]
pub enum Role {
    /// The one that becomes the payload.
    Payload,
    /// PID 1, whose payload this is.
    Reaper(Pid),
}

/// From its first moment on, so that none is lost: the kernel drops what a PID 1 neither blocks nor handles. The payload's
/// mask is emptied before execve.
pub fn hold_signals() -> Result<()> {
    SigSet::all().thread_block().context("cannot block the signals")
}

/// Makes the payload's process.
pub fn split() -> Result<Role> {
    Ok(match raw::clone3(0, None).context("cannot start the payload")? {
        Cloned::Child => {
            // Only who leads a session can have a controlling terminal.
            rustix::process::setsid().context("cannot start a session")?;
            Role::Payload
        }
        Cloned::Parent(pid) => Role::Reaper(Pid::from_raw(pid.as_raw_nonzero().get())),
    })
}

/// Waits for signals: SIGCHLD is ours, every other one is the payload's. Where there is a runner to outlive, it is waited for.
pub fn serve(payload: Pid, runner: Option<Channel>) -> ! {
    // Of all that root may do in here a reaper needs to signal a payload of another user, no more.
    let kill = CapabilitySet::KILL;
    let _ = set_capabilities(
        None,
        CapabilitySets { effective: kill, permitted: kill, inheritable: CapabilitySet::empty() },
    );
    loop {
        match raw::wait_for_signal() {
            SIGCHLD => reap(payload, runner.as_ref()),
            signal => raw::kill(payload, signal),
        }
    }
}

fn reap(payload: Pid, runner: Option<&Channel>) {
    let end = |status| -> ! {
        let _ = runner.map(Channel::hear);
        std::process::exit(status)
    };
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid == payload => end(status),
            // The kernel lets no signal of its own end PID 1, so the shell's convention has to say it.
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == payload => end(128 + signal as i32),
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
            Ok(_) | Err(_) => {}
        }
    }
}
