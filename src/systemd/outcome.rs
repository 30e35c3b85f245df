//! What the end of a start job means, and the words for a failure.

use super::bus::{Bus, UNIT};
use super::failure::Failure;
use super::journal;
use super::status::snapshot;
use super::wait::Code;
use super::watch::Seen;
use crate::error::{Error, Exit};

/// Whether a start has succeeded. A job that is "done" alone does not say so: a failed condition ends like that too.
/// With `ends`, a service that was ready and has failed since has started.
pub(super) async fn judge(bus: &Bus, unit: &str, job: &str, seen: &Seen, ends: bool) -> Result<(), Failure> {
    if job == "done" {
        match seen.ended() {
            None if !seen.active.is_empty() => return Ok(()),
            // It was there and has ended already; a failed condition, in contrast, comes without any process.
            Some(ended) if ended.code != Code::None && (ends || ended.result == "success") => return Ok(()),
            _ => {}
        }
        let status = snapshot(bus, unit).await?;
        if matches!(status.active.as_str(), "active" | "activating" | "reloading" | "refreshing") {
            return Ok(());
        }
        if !status.is_gone() && !condition_held(bus, unit).await? {
            return Err(Failure::Final(Error::failed(format!("a condition of {unit} does not hold"))));
        }
    }
    Err(Failure::Final(explain(bus, unit, job, seen).await))
}

async fn condition_held(bus: &Bus, unit: &str) -> Result<bool, Failure> {
    Ok(bool::try_from(&bus.get(unit, UNIT, "ConditionResult").await?).unwrap_or(true))
}

/// The failure in the service's own words, with the last lines that it logged.
async fn explain(bus: &Bus, unit: &str, job: &str, seen: &Seen) -> Error {
    let mut message = String::new();
    if !seen.text.is_empty() {
        message = format!("{}: ", journal::printable(&seen.text));
    }
    message += &match (job, seen.code) {
        ("dependency", _) => format!("a unit that {unit} requires did not start"),
        ("canceled", _) => format!("the start of {unit} was cancelled"),
        (_, Code::Exited) => format!("{unit} failed: {}, status {}", seen.result, seen.status),
        (_, Code::Killed) => format!("{unit} failed: {}, signal {}", seen.result, seen.status),
        (_, Code::None) if seen.result.is_empty() => format!("{unit} did not start: {job}"),
        (_, Code::None) => format!("{unit} failed: {}", seen.result),
    };
    // A unit that is gone already took its InvocationID with it.
    let invocation = match bus.get(unit, UNIT, "InvocationID").await {
        Ok(id) => Vec::<u8>::try_from(id).unwrap_or_default(),
        Err(_) => vec![],
    };
    for line in journal::last_lines(unit, &invocation) {
        message += &format!("\n  {line}");
    }
    let timed_out = seen.result == "timeout" || job == "timeout";
    Error::new(if timed_out { Exit::TimedOut } else { Exit::Failed }, message)
}
