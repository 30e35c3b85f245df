//! Whether a container that was just started works: it is ready within a limit, healthy where it can tell, and does not end
//! soon after.

use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::commands::unit;
use crate::definition::types::{Name, escaped};
use crate::error::{Context, Error, Exit, Result};
use crate::health::{State, Status};
use crate::host::facts;
use crate::image::disk::{self, LastExit};
use crate::inventory;
use crate::plan::Plan;
use crate::sandbox::exec::Target;
use crate::settings::Host;
use crate::systemd::Manager;

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// To be ready, and healthy.
    pub timeout: Duration,
    /// Not to end afterwards.
    pub settle: Duration,
}

/// What has become of it.
pub enum Verdict {
    /// It works, and says so itself.
    Healthy,
    /// It is ready and stays so.
    Ready,
    /// Somebody has stopped it, which says nothing of it.
    Stopped,
    /// Why it does not work.
    Fails(Error),
}

/// How often it is asked whether it is healthy, where it is not asked more often later.
const ASKED: Duration = Duration::from_secs(1);

/// Starts it by `start` and watches.
pub fn prove(host: &Host, manager: &Manager, name: &Name, terms: Terms, start: impl FnOnce() -> Result<()>) -> Verdict {
    let until = Instant::now() + terms.timeout;
    let watched = within(name, terms.timeout, start).and_then(|()| Watch { host, manager, name }.run(until, terms));
    watched.unwrap_or_else(Verdict::Fails)
}

/// Watches one that has been started.
pub fn watch(host: &Host, manager: &Manager, name: &Name, terms: Terms) -> Result<Verdict> {
    Watch { host, manager, name }.run(Instant::now() + terms.timeout, terms)
}

/// A start that takes longer is stopped.
fn within(name: &Name, limit: Duration, start: impl FnOnce() -> Result<()>) -> Result<()> {
    let (done, alive) = pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
    let (started, late) = std::thread::scope(|scope| {
        let clock = scope.spawn(|| stop_late(name, &done, limit));
        let started = start();
        drop(alive);
        (started, clock.join().unwrap_or(false))
    });
    match late {
        true => Err(too_late("ready", limit, "")),
        false => started,
    }
}

fn stop_late(name: &Name, done: &OwnedFd, limit: Duration) -> bool {
    let timeout = Timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: limit.subsec_nanos().into() };
    let mut waiting = [PollFd::from_borrowed_fd(done.as_fd(), PollFlags::IN)];
    let late = rustix::io::retry_on_intr(|| poll(&mut waiting, Some(&timeout))).is_ok_and(|found| found == 0);
    if late {
        // What cannot be stopped is waited for until systemd gives it up.
        let _ = Manager::connect().and_then(|manager| manager.stop(&unit(name)));
    }
    late
}

fn too_late(what: &str, limit: Duration, why: &str) -> Error {
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    Error::new(Exit::TimedOut, format!("it is not {what} within {}{why}", humantime::format_duration(limit)))
}

struct Watch<'a> {
    host: &'a Host,
    manager: &'a Manager,
    name: &'a Name,
}

impl Watch<'_> {
    fn run(&self, until: Instant, terms: Terms) -> Result<Verdict> {
        let main = match Target::anyhow(&self.host.layout, self.name) {
            Err(error) if error.exit() == Exit::NotRunning => return self.ended(0),
            main => main?,
        };
        // Asked once we hold a process: the one that was started, or one after it.
        if self.manager.properties(&unit(self.name), &["NRestarts"])?.number("NRestarts").is_some_and(|count| count > 0)
        {
            return self.ended(main.number());
        }
        let plan = Plan::read(&self.host.layout.state(self.name))?;
        let healthy = match &plan.health {
            None => Verdict::Ready,
            Some(health) => {
                let pause = health.interval.min(ASKED);
                while let Some(why) = self.is_not_healthy()? {
                    if self.is_unhealthy()?.is_some() || main.has_ended() {
                        return self.ended(main.number());
                    }
                    if Instant::now() >= until {
                        return Err(too_late("healthy", terms.timeout, &why));
                    }
                    main.ends_within(pause);
                }
                Verdict::Healthy
            }
        };
        let until = Instant::now() + terms.settle;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if main.ends_within(left.min(ASKED)) || self.is_unhealthy()?.is_some() {
                return self.ended(main.number());
            }
            if left.is_zero() {
                return Ok(healthy);
            }
        }
    }

    /// Why it is not healthy now. A program of its own asks: where root of the container is root of the host, what asks is
    /// executed anew from a file that nobody can write to.
    fn is_not_healthy(&self) -> Result<Option<String>> {
        let mut command = Command::new(facts::runner()?);
        command.arg("--root").arg(self.host.layout.root()).args(["probe", self.name.as_str()]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let output = command.output().context("cannot check it")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let why = escaped(said.trim().trim_start_matches("soute-runner: "));
        Ok((!output.status.success()).then_some(why))
    }

    fn is_unhealthy(&self) -> Result<Option<String>> {
        let state = State::read(&self.host.layout, self.name)?;
        Ok(state.filter(|state| state.status == Status::Unhealthy).map(|state| state.last))
    }

    /// How the process of that number came to its end, once systemd has seen to all of it.
    fn ended(&self, number: i32) -> Result<Verdict> {
        if let Some(why) = self.is_unhealthy()? {
            return Err(Error::failed(format!("it is unhealthy: {why}")));
        }
        let until = Instant::now() + Duration::from_secs(120);
        let status = loop {
            let status = self.manager.status(&unit(self.name))?;
            let main = match status.load.as_str() {
                "not-found" => None,
                _ => self.manager.properties(&unit(self.name), &["MainPID"])?.number("MainPID"),
            };
            let gone = main.is_none_or(|main| main != u64::try_from(number).unwrap_or(0) || main == 0);
            if (gone && status.active != "deactivating") || Instant::now() > until {
                break status;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let exit = disk::read_exit(&self.host.layout, self.name)?;
        let over = matches!(status.active.as_str(), "inactive" | "failed") && status.job.is_none();
        match exit {
            Some(exit) if exit.result == LastExit::STOPPED && over => Ok(Verdict::Stopped),
            Some(exit) => Err(Error::failed(format!("it has ended: {}", inventory::describe(&exit)))),
            None => Err(Error::failed("it has ended")),
        }
    }
}
