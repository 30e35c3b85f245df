//! The attached side of `soute run`: its streams, its signals, its end.

use std::ops::ControlFlow::{self, Continue};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;

use nix::sys::signal::Signal;
use rustix::stdio::{stdin, stdout};
use rustix::termios::isatty;

use super::traces::remove_disk_at_end;
use crate::commands::exec::set_default;
use crate::commands::launch::Launch;
use crate::error::{Context, Error, Result};
use crate::plan::Plan;
use crate::sandbox::copy::Ahead;
use crate::sandbox::exec::Target;
use crate::settings::Host;
use crate::systemd::Manager;
use crate::terminal::{Flow, RawMode, Relay, Session, Signals, Stdio, Streams, ends, pty, with_terminal};

/// The caller's side of a container that is about to run.
pub struct Attached<'a> {
    host: &'a Host,
    name: String,
    /// Closed when the container has ended.
    end: OwnedFd,
    over: OwnedFd,
    stdio: Stdio,
    flows: Vec<Flow>,
    terminal: Option<Terminal>,
}

struct Terminal {
    master: OwnedFd,
    window: Option<BorrowedFd<'static>>,
    raw: Mutex<Option<RawMode>>,
}

impl<'a> Attached<'a> {
    /// Makes what the container gets in place of the caller's terminal.
    pub fn new(host: &'a Host, name: &str, tty: bool) -> Result<Self> {
        let (end, over) = pipe()?;
        let name = name.to_owned();
        if !tty {
            let Streams { stdio, flows } = Streams::without_terminal(true)?;
            return Ok(Self { host, name, end, over, stdio, flows, terminal: None });
        }
        let pty::Pty { master, slave } = pty::Pty::of_host()?;
        let window = [stdin(), stdout()].into_iter().find(|fd| isatty(fd));
        if let Some(window) = window {
            pty::copy_size(window, &master);
        }
        let flows = with_terminal(&master, true)?;
        let stdio = Stdio([slave.try_clone()?, slave.try_clone()?, slave]);
        let terminal = Some(Terminal { master, window, raw: Mutex::new(None) });
        Ok(Self { host, name, end, over, stdio, flows, terminal })
    }

    /// Starts it, relays until its end, and returns its exit status. `began` is called once systemd has it.
    pub fn run(self, launch: &Launch<'_>, plan: &mut Plan, signals: Signals, began: impl FnOnce()) -> Result<i32> {
        let Self { host, name, end, over, stdio, flows, terminal } = self;
        if let Some(ids) = plan.disk.ids.filter(|_| terminal.is_some()) {
            // Owned by the container's root and its group tty, of ids that it knows, it can be given to the payload's user.
            const TTY: u32 = 5;
            let owner = (rustix::fs::Uid::from_raw(ids.first), rustix::fs::Gid::from_raw(ids.first + TTY));
            let given = rustix::fs::fchown(&stdio.0[0], Some(owner.0), Some(owner.1));
            given.context("cannot give the terminal to the container")?;
        }
        if terminal.is_some() {
            let term = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
            set_default(&mut plan.sandbox.process.environment, "TERM", term);
        }
        let session = Caller { host, name, terminal };
        let plan = &*plan;
        let copy = Ahead::claim(&host.layout, plan)?;
        let (begun, begins) = pipe()?;
        std::thread::scope(|scope| {
            let relaying = scope.spawn(|| {
                // What it writes waits until our terminal is in raw mode, which would else add carriage returns of its own.
                let mut relay = Relay { flows: Vec::new(), signals };
                let _ = relay.run(&session, begun.as_fd())?;
                relay.flows = flows;
                relay.run(&session, end.as_fd())
            });
            if let Some(copy) = copy {
                scope.spawn(|| copy.make());
            }
            let began = || {
                drop(begins);
                began();
                if plan.ephemeral && plan.sandbox.namespaces.pid {
                    // Where it fails, the disk goes with all other traces.
                    scope.spawn(|| remove_disk_at_end(host, &plan.name, end.as_fd()));
                }
            };
            let status = session.see_through(launch, plan, stdio, began);
            // The relay ends only now: all that the container wrote is in its pipes.
            drop(over);
            let relayed = relaying.join().map_err(|_| Error::failed("the relay has failed"));
            session.restore();
            let status = status?;
            let _ = relayed??;
            Ok(status)
        })
    }
}

/// What the relay has to know.
struct Caller<'a> {
    host: &'a Host,
    name: String,
    terminal: Option<Terminal>,
}

impl Caller<'_> {
    fn see_through(&self, launch: &Launch<'_>, plan: &Plan, stdio: Stdio, began: impl FnOnce()) -> Result<i32> {
        const NAMES: [&str; 3] =
            ["StandardInputFileDescriptor", "StandardOutputFileDescriptor", "StandardErrorFileDescriptor"];
        let fds = NAMES.into_iter().zip(stdio.0.iter().map(AsFd::as_fd)).collect();
        let started = launch.begin(plan, fds, true)?;
        // Not earlier: while the image is copied Ctrl-C is for us.
        self.make_raw()?;
        began();
        let ended = started.wait()?.ok_or_else(|| Error::failed("systemd has forgotten how it ended"))?;
        Ok(ended.shell_status())
    }

    fn make_raw(&self) -> Result<()> {
        if let Some(terminal) = &self.terminal
            && isatty(stdin())
        {
            Signals::block_stop()?;
            *lock(&terminal.raw) = Some(RawMode::enter(stdin())?);
        }
        Ok(())
    }

    fn restore(&self) {
        if let Some(terminal) = &self.terminal {
            lock(&terminal.raw).take();
        }
    }

    /// To the payload, or where there is none yet, to the start.
    fn pass_on(&self, signal: Signal) {
        let told = match Target::find(&self.host.layout, &self.name) {
            Ok(target) => target.signal(signal),
            Err(_) if ends(signal) => {
                Manager::connect().and_then(|manager| manager.stop(&crate::commands::unit(&self.name)))
            }
            Err(_) => Ok(()),
        };
        // It may have ended a moment ago, which is what we shall hear next.
        drop(told);
    }
}

impl Session for Caller<'_> {
    fn signal(&self, signal: Signal) -> ControlFlow<Signal> {
        match (signal, &self.terminal) {
            (Signal::SIGWINCH, Some(Terminal { master, window: Some(window), .. })) => pty::copy_size(*window, master),
            (Signal::SIGCONT, Some(Terminal { raw, .. })) => {
                if let Some(raw) = &*lock(raw) {
                    let _ = raw.renew();
                }
            }
            (Signal::SIGWINCH | Signal::SIGCONT, _) => {}
            (signal, _) => self.pass_on(signal),
        }
        Continue(())
    }
}

/// Whose one end becomes readable when the other is dropped.
fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("cannot make a pipe")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
