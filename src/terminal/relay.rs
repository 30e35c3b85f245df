//! The loop that carries bytes and signals while a program runs elsewhere.

use std::cell::Cell;
use std::ops::ControlFlow::{self, Break};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::flow::Flow;
use super::signals::Signals;
use crate::error::{Context, Result};

/// What goes on between a program and its caller.
#[derive(Debug)]
pub struct Relay {
    /// The streams.
    pub flows: Vec<Flow>,
    /// The caller's signals.
    pub signals: Signals,
}

/// What a relay asks of its program's keeper.
pub trait Session {
    /// The caller got a signal; whether to wait no longer.
    fn signal(&self, signal: Signal) -> ControlFlow<Signal>;
}

/// Whether a signal asks for the end.
pub fn ends(signal: Signal) -> bool {
    matches!(signal, Signal::SIGINT | Signal::SIGTERM | Signal::SIGHUP | Signal::SIGQUIT)
}

impl Relay {
    /// Relays until the program has ended, when `end` becomes readable, and everything that it wrote is written, or until
    /// the session breaks off.
    pub fn run(&mut self, session: &impl Session, end: BorrowedFd<'_>) -> Result<ControlFlow<Signal>> {
        let broken = Cell::new(ControlFlow::Continue(()));
        let mut hear = |signal| {
            if let Break(signal) = session.signal(signal) {
                broken.set(Break(signal));
            }
        };
        while !self.step(Some(end), None, &mut hear)?.ended {
            if broken.get().is_break() {
                return Ok(broken.get());
            }
        }
        self.drain(session)?;
        Ok(ControlFlow::Continue(()))
    }

    /// What the program wrote before its end is all there by now: poll(2) on a terminal waits for the kernel's worker that
    /// carries it. A caller that reads nothing may hold us, but not against a signal.
    fn drain(&mut self, session: &impl Session) -> Result<()> {
        const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.flows.retain(|flow| flow.outward);
        let told = Cell::new(false);
        let mut hear = |signal| {
            let _ = session.signal(signal);
            told.set(told.get() || ends(signal));
        };
        loop {
            let pending = self.flows.iter().any(Flow::is_full);
            let step = self.step(None, (!pending).then_some(&AT_ONCE), &mut hear)?;
            if told.get() || step.flowed == 0 && !pending {
                return Ok(());
            }
        }
    }

    fn step(
        &mut self,
        end: Option<BorrowedFd<'_>>,
        timeout: Option<&Timespec>,
        hear: &mut impl FnMut(Signal),
    ) -> Result<Step> {
        let signals = self.signals.as_fd();
        let mut fds = vec![PollFd::from_borrowed_fd(signals, PollFlags::IN)];
        fds.extend(end.map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN)));
        let first = fds.len();
        let mut flowing = Vec::new();
        for (index, flow) in self.flows.iter().enumerate() {
            if let Some((fd, flags)) = flow.awaits() {
                fds.push(PollFd::from_borrowed_fd(fd, flags));
                flowing.push(index);
            }
        }
        match poll(&mut fds, timeout) {
            Err(Errno::INTR) => return Ok(Step::default()),
            other => other.map(drop).context("cannot wait for the program")?,
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut step = Step { ended: end.is_some() && ready[1], flowed: 0 };
        for (index, _) in flowing.iter().zip(&ready[first..]).filter(|(_, ready)| **ready) {
            self.flows[*index].go_on();
            step.flowed += 1;
        }
        while let Some(signal) = self.signals.next() {
            hear(signal);
        }
        Ok(step)
    }
}

/// What one round has brought.
#[derive(Debug, Default)]
struct Step {
    ended: bool,
    flowed: usize,
}
