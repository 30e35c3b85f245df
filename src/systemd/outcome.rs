//! What the end of a start job means, and the words for a failure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::bus::{Bus, UNIT};
use super::ended::Code;
use super::failure::Failure;
use super::journal;
use super::status::snapshot;
use super::watch::Seen;
use crate::definition::types::escaped;
use crate::error::{Error, Exit};

/// Whether a start has succeeded. A job that is "done" alone does not say so: a failed condition ends like that too.
/// With `ends`, a service that was ready and has failed since has started.
pub(super) async fn judge(bus: &Bus, unit: &str, job: &str, seen: &Seen, ends: bool) -> Result<(), Failure> {
    if job == "done" {
        match seen.ended() {
            None if !seen.active.is_empty() => return Ok(()),
            Some(ended) if ended.code != Code::None && (ends || ended.result == "success") => return Ok(()),
            // What was up has had a process.
            Some(ended) if ended.code == Code::None && ended.result == "success" => {
                return Err(Failure::Final(Error::failed(format!("a condition of {unit} does not hold"))));
            }
            None if is_up(bus, unit).await? => return Ok(()),
            _ => {}
        }
    }
    if ends && !seen.text.is_empty() {
        return Err(Failure::Final(explain_briefly(seen)));
    }
    Err(Failure::Final(explain(unit, job, seen, began(bus, unit).await)))
}

async fn is_up(bus: &Bus, unit: &str) -> Result<bool, Failure> {
    let status = snapshot(bus, unit).await?;
    Ok(matches!(status.active.as_str(), "active" | "activating" | "reloading" | "refreshing"))
}

/// When the start of a unit began. One that is gone already has begun and ended just now.
async fn began(bus: &Bus, unit: &str) -> u64 {
    let began = bus.get(unit, UNIT, "InactiveExitTimestamp").await.ok().and_then(|time| u64::try_from(&time).ok());
    let just_now = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.saturating_sub(Duration::from_secs(5)).as_micros()).unwrap_or_default()
    };
    began.filter(|time| *time > 0).unwrap_or_else(just_now)
}

/// Who waits for the end wants to know of the program, and has seen what it wrote.
fn explain_briefly(seen: &Seen) -> Error {
    let exit = match seen.errno {
        0 => Exit::Failed,
        nix::libc::ENOENT => Exit::CommandNotFound,
        _ => Exit::CannotInvoke,
    };
    Error::new(exit, escaped(&seen.text))
}

/// The failure in the service's own words, with the last lines that it logged.
fn explain(unit: &str, job: &str, seen: &Seen, since: u64) -> Error {
    let mut message = String::new();
    if !seen.text.is_empty() {
        message = format!("{}: ", escaped(&seen.text));
    }
    message += &match (job, seen.code) {
        ("dependency", _) => format!("a unit that {unit} requires did not start"),
        ("canceled", _) => format!("the start of {unit} was cancelled"),
        (_, Code::Exited) => format!("{unit} failed: {}, status {}", seen.result, seen.status),
        (_, Code::Killed) => format!("{unit} failed: {}, signal {}", seen.result, seen.status),
        (_, Code::None) if seen.result.is_empty() => format!("{unit} did not start: {job}"),
        (_, Code::None) => format!("{unit} failed: {}", seen.result),
    };
    for line in journal::last_lines(unit, since) {
        message += &format!("\n  {line}");
    }
    let timed_out = seen.result == "timeout" || job == "timeout";
    Error::new(if timed_out { Exit::TimedOut } else { Exit::Failed }, message)
}
