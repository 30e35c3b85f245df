//! Jobs on units that are there: stop, restart, reload; and what needs no job: kill, reset-failed, freeze, thaw.

use std::cell::Cell;

use zbus::OwnedObjectPath;

use super::bus::Bus;
use super::ended::Code;
use super::failure::Failure;
use super::manager::Manager;
use super::watch::{Seen, Watch};
use crate::definition::types::escaped;
use crate::error::{Error, Exit, Result};

/// Whom a signal goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// The main process: the payload.
    Main,
    /// Every process of the container.
    All,
}

impl Manager {
    /// Stops a unit and waits for its end.
    pub fn stop(&self, unit: &str) -> Result<()> {
        let tried = Cell::new(false);
        let (result, seen) = self.run(async |bus| match job(bus, "StopUnit", unit).await {
            // The connection broke after the unit was told to stop.
            Err(Failure::NoSuchUnit(_)) if tried.get() => Ok(("done".to_owned(), Seen::default())),
            result => {
                tried.set(true);
                result
            }
        })?;
        judge(unit, &result, &seen)
    }

    /// Stops and starts a unit as systemd has it, or starts it.
    pub fn restart(&self, unit: &str) -> Result<()> {
        self.job("RestartUnit", unit)
    }

    /// Starts a unit that has a unit file, a target or a launcher.
    pub fn start(&self, unit: &str) -> Result<()> {
        self.job("StartUnit", unit)
    }

    /// Runs what ExecReload= says.
    pub fn reload(&self, unit: &str) -> Result<()> {
        self.job("ReloadUnit", unit)
    }

    fn job(&self, method: &str, unit: &str) -> Result<()> {
        let (result, seen) = self.run(async |bus| job(bus, method, unit).await)?;
        judge(unit, &result, &seen)
    }

    /// Sends a signal.
    pub fn kill(&self, unit: &str, whom: Whom, signal: i32) -> Result<()> {
        let whom = match whom {
            Whom::Main => "main",
            Whom::All => "all",
        };
        Ok(self.run(async |bus| bus.manager("KillUnit", &(unit, whom, signal)).await)?)
    }

    /// Forgets a failure; nothing to forget is no error.
    pub fn reset_failed(&self, unit: &str) -> Result<()> {
        Ok(self.run(async |bus| reset_failed(bus, unit).await)?)
    }

    /// Suspends every process of a unit.
    pub fn freeze(&self, unit: &str) -> Result<()> {
        Ok(self.run(async |bus| bus.manager("FreezeUnit", &(unit,)).await)?)
    }

    /// Lets a frozen unit run again.
    pub fn thaw(&self, unit: &str) -> Result<()> {
        Ok(self.run(async |bus| bus.manager("ThawUnit", &(unit,)).await)?)
    }
}

async fn job(bus: &Bus, method: &str, unit: &str) -> Result<(String, Seen), Failure> {
    let mut watch = Watch::new(bus, unit).await?;
    let job: OwnedObjectPath = bus.manager(method, &(unit, "replace")).await?;
    let result = watch.job(&job, &|_| ()).await?;
    Ok((result, watch.seen))
}

fn judge(unit: &str, result: &str, seen: &Seen) -> Result<()> {
    let text = if seen.text.is_empty() { String::new() } else { format!(": {}", escaped(&seen.text)) };
    match result {
        "done" | "skipped" => Ok(()),
        "timeout" => Err(Error::new(Exit::TimedOut, format!("{unit} took too long{text}"))),
        "canceled" => Err(Error::new(Exit::Busy, format!("another command for {unit} came in between"))),
        "dependency" => Err(Error::failed(format!("a unit that {unit} requires did not start"))),
        other if seen.result.is_empty() || seen.result == "success" => {
            Err(Error::failed(format!("{unit}: {other}{text}")))
        }
        // The launcher's is a status of ours.
        _ if unit.starts_with("soute-start@") && seen.code == Code::Exited => {
            Err(Error::new(Exit::of_status(seen.status), format!("{unit} ended with status {}{text}", seen.status)))
        }
        _ => Err(Error::failed(format!("{unit} failed: {}{text}", seen.result))),
    }
}

pub(super) async fn reset_failed(bus: &Bus, unit: &str) -> Result<(), Failure> {
    match bus.manager("ResetFailedUnit", &(unit,)).await {
        Err(Failure::NoSuchUnit(_)) => Ok(()),
        other => other,
    }
}
