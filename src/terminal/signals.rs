//! Signals to the caller, taken as data: nothing interrupts, nothing ends us with a terminal in raw mode.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::error::{Context, Result};

/// What a caller may mean for the program. SIGTSTP and its like are the caller's own job control.
const PASSED_ON: [Signal; 6] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];

/// Blocked signals, readable.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks them in this thread and those that it will start. Programs that we start have none blocked.
    pub fn block() -> Result<Self> {
        let mut set: SigSet = PASSED_ON.into_iter().collect();
        set.add(Signal::SIGWINCH);
        set.add(Signal::SIGCONT);
        set.thread_block().context("cannot block the signals")?;
        SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map(Self)
            .context("cannot read signals")
    }

    /// With the terminal in raw mode we must not be stopped either: its Ctrl-Z is the program's.
    pub fn block_stop() -> Result<()> {
        SigSet::from(Signal::SIGTSTP).thread_block().context("cannot block the signals")
    }

    /// The next one, if there is one.
    pub fn next(&self) -> Option<Signal> {
        let info = self.0.read_signal().ok().flatten()?;
        i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok())
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
