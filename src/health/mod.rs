//! Whether containers do what they are for: a check that systemd's timer starts, and what follows from how it ends.
//!
//! `soute-health@NAME.service` runs [`main`] and is gone: nothing of it stays between two checks. The state is a file beside
//! the snapshot.

mod probe;
mod state;
mod tcp;

use std::process::Command;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub use state::{FILE, State, Status};

use crate::error::{Context, Error, Exit, Result};
use crate::layout::Layout;
use crate::logs;
use crate::plan::{Health, OnFailure, Plan};
use crate::sandbox::exec::Target;
use state::Step;

/// One check of a container that runs; none of one that does not, or is paused.
pub fn main(name: &str, layout: &Layout) -> Result<()> {
    let plan = Plan::read(&layout.state(name))?;
    let Some(health) = &plan.health else { return Ok(()) };
    let Some(result) = check(layout, &plan, health)? else { return Ok(()) };
    let before = State::read(layout, name)?.unwrap_or_else(|| State::begin(now()));
    let (after, step) = before.step(health, result, now());
    after.write(layout, name)?;
    match step {
        Step::Nothing => Ok(()),
        Step::Recovered => logs::tell(name, layout, "healthy", "<5>healthy again"),
        Step::Healthy => logs::tell(name, layout, "healthy", "<5>healthy"),
        Step::Unhealthy => {
            logs::tell(name, layout, "unhealthy", &format!("<4>unhealthy: {}", after.last))?;
            act(name, health.on_failure)
        }
    }
}

/// The state of a container that starts.
pub fn begin(layout: &Layout, plan: &Plan) -> Result<()> {
    match &plan.health {
        Some(_) => State::begin(now()).write(layout, &plan.name),
        None => State::forget(layout, &plan.name),
    }
}

/// Whether a container that starts is healthy yet; in that case it is noted.
pub fn is_reached(layout: &Layout, plan: &Plan) -> Result<bool> {
    let Some(health) = &plan.health else { return Ok(true) };
    let reached = matches!(check(layout, plan, health)?, Some(Ok(())));
    if reached {
        note_healthy(layout, plan, health)?;
    }
    Ok(reached)
}

/// A check for who waits: a failure is told and does not count.
pub fn ask(name: &str, layout: &Layout) -> Result<()> {
    let plan = Plan::read(&layout.state(name))?;
    let Some(health) = &plan.health else { return Ok(()) };
    match check(layout, &plan, health)? {
        Some(Ok(())) => note_healthy(layout, &plan, health),
        Some(Err(why)) => Err(Error::failed(why)),
        None => Err(Error::new(Exit::NotRunning, format!("{name} is not running"))),
    }
}

fn note_healthy(layout: &Layout, plan: &Plan, health: &Health) -> Result<()> {
    let begun = State::read(layout, &plan.name)?.unwrap_or_else(|| State::begin(now()));
    begun.step(health, Ok(()), now()).0.write(layout, &plan.name)
}

/// Why it failed, if it did; none if there was nothing to check.
fn check(layout: &Layout, plan: &Plan, health: &Health) -> Result<Option<Result<(), String>>> {
    let target = match Target::find(layout, &plan.name) {
        Err(error) if matches!(error.exit(), Exit::NotRunning | Exit::Busy) => return Ok(None),
        target => target?,
    };
    let result = probe::probe(&target, plan, health);
    // A check of a container that has ended meanwhile says nothing of it.
    match (&result, target.has_ended()) {
        (Err(_), true) => Ok(None),
        _ => Ok(Some(result)),
    }
}

/// What was started is started again, as a restart by systemd does: the definition of today is for `soute restart`. Whoever
/// stops it at this moment, an update that goes back among them, wins: it does not come up again after that.
fn act(name: &str, on_failure: OnFailure) -> Result<()> {
    let verb = match on_failure {
        OnFailure::Restart => "try-restart",
        OnFailure::Stop => "stop",
        OnFailure::None => return Ok(()),
    };
    let unit = format!("soute@{name}.service");
    let done = Command::new("systemctl").args(["--no-block", verb, &unit]).status();
    match done.with_context(|| format!("cannot {verb} {name}"))? {
        status if status.success() => Ok(()),
        status => Err(Error::failed(format!("cannot {verb} {name}: systemctl: {status}"))),
    }
}

/// Since the host has booted, sleep included.
fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}
