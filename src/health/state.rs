//! What is known of a container's health, and what one more check makes of it. The judgement is pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::definition::types::escaped;
use crate::error::{Context, Error, Result};
use crate::file;
use crate::layout::Layout;
use crate::plan::Health;

/// Beside the snapshot.
pub const FILE: &str = "health.json";
/// Far above what is written.
const LARGEST: u64 = 1 << 16;
/// Of what a check has said.
const LONGEST: usize = 200;

/// How a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// No check has succeeded yet, and not enough have failed.
    Starting,
    /// The last check that counted has succeeded.
    Healthy,
    /// Too many have failed one after the other.
    Unhealthy,
}

impl Status {
    /// As `list` and `status` show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "unchecked",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The file beside the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// How it is.
    pub status: Status,
    /// Failures one after the other.
    pub failures: u32,
    /// Why the last check failed; empty if it did not.
    pub last: String,
    /// When the container was started, since the host has booted.
    started: Duration,
}

/// What a check has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Nothing,
    Healthy,
    Recovered,
    Unhealthy,
}

impl State {
    /// Of a container that starts.
    pub fn begin(now: Duration) -> Self {
        Self { status: Status::Starting, failures: 0, last: String::new(), started: now }
    }

    /// With one more check.
    pub fn step(&self, health: &Health, result: Result<(), String>, now: Duration) -> (Self, Step) {
        let Err(why) = result else {
            let step = match self.status {
                Status::Starting => Step::Healthy,
                Status::Healthy => Step::Nothing,
                Status::Unhealthy => Step::Recovered,
            };
            return (Self { status: Status::Healthy, failures: 0, last: String::new(), started: self.started }, step);
        };
        let last = escaped(&why.chars().take(LONGEST).collect::<String>());
        let spared = self.status == Status::Starting && now.saturating_sub(self.started) < health.start_period;
        let failures = if spared { 0 } else { self.failures.saturating_add(1) };
        let (status, step) = match failures >= health.retries {
            true if self.status == Status::Unhealthy => (Status::Unhealthy, Step::Nothing),
            true => (Status::Unhealthy, Step::Unhealthy),
            false => (self.status, Step::Nothing),
        };
        (Self { status, failures, last, started: self.started }, step)
    }

    /// None where nothing was ever noted.
    pub fn read(layout: &Layout, name: &str) -> Result<Option<Self>> {
        let action = || format!("cannot read the health of {name}");
        let text = file::read(&layout.state(name).join(FILE), LARGEST).with_context(action)?;
        text.map(|text| serde_json::from_str(&text).map_err(Error::failed).with_context(action)).transpose()
    }

    /// Notes it.
    pub fn write(&self, layout: &Layout, name: &str) -> Result<()> {
        let action = || format!("cannot note the health of {name}");
        let text = serde_json::to_vec(self).map_err(Error::failed).with_context(action)?;
        file::write(&layout.state(name).join(FILE), &text, 0o600).with_context(action)
    }

    /// Nothing is known of a container that is not checked.
    pub fn forget(layout: &Layout, name: &str) -> Result<()> {
        match file::remove(&layout.state(name).join(FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot forget the health of {name}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{OnFailure, Probe};

    const HEALTH: Health = Health {
        probe: Probe::Tcp(80),
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        retries: 2,
        start_period: Duration::from_secs(60),
        on_failure: OnFailure::None,
    };

    #[test]
    fn failures_one_after_the_other_count_and_success_forgives() {
        let mut state = State::begin(Duration::from_secs(1000));
        let mut steps = Vec::new();
        // Minutes after the start, and whether the check succeeds.
        for (minutes, well) in
            [(1, false), (2, true), (3, false), (4, true), (5, false), (6, false), (7, false), (8, true)]
        {
            let now = Duration::from_secs(1000 + 60 * minutes);
            let (next, step) = state.step(&HEALTH, if well { Ok(()) } else { Err("no\x1b".to_owned()) }, now);
            state = next;
            steps.push((step, state.status, state.failures));
        }
        use {Status as S, Step::*};
        let expected = [
            (Nothing, S::Starting, 1),
            (Healthy, S::Healthy, 0),
            (Nothing, S::Healthy, 1),
            (Nothing, S::Healthy, 0),
            (Nothing, S::Healthy, 1),
            (Unhealthy, S::Unhealthy, 2),
            (Nothing, S::Unhealthy, 3),
            (Recovered, S::Healthy, 0),
        ];
        assert_eq!(steps, expected);
    }

    #[test]
    fn failures_in_the_start_period_do_not_count_until_it_was_healthy_once() {
        let state = State::begin(Duration::from_secs(1000));
        let fails = |state: &State, at| state.step(&HEALTH, Err("x".into()), Duration::from_secs(at)).0;
        let spared = fails(&fails(&fails(&state, 1010), 1020), 1059);
        assert_eq!((spared.status, spared.failures, spared.last.as_str()), (Status::Starting, 0, "x"));
        assert_eq!(fails(&fails(&spared, 1060), 1061).status, Status::Unhealthy);
        let healthy = state.step(&HEALTH, Ok(()), Duration::from_secs(1005)).0;
        assert_eq!(fails(&fails(&healthy, 1010), 1020).status, Status::Unhealthy);
    }
}
