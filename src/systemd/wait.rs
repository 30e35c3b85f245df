//! Waiting for the end of a service.

use super::bus::{Bus, SERVICE};
use super::ended::{Code, Ended};
use super::failure::Failure;
use super::manager::Manager;
use super::status::snapshot;
use super::watch::Watch;
use crate::error::Result;

impl Manager {
    /// Waits until a unit is over, restarts by its policy included. None: it was not there (any more), and what is
    /// recorded beside its disk tells how it ended.
    pub fn wait(&self, unit: &str) -> Result<Option<Ended>> {
        self.run(async |bus| {
            let mut watch = Watch::new(bus, unit).await?;
            let status = snapshot(bus, unit).await?;
            if status.is_gone() {
                return Ok(None);
            }
            if status.is_over() {
                return fetch(bus, unit).await;
            }
            until_over(bus, &mut watch, unit, false).await
        })
        .map_err(Into::into)
    }
}

/// Reads signals until the unit is over. A start that fails reads as failed for a moment before its automatic restart,
/// so a unit that is still loaded is asked once more; but not one that starts only `once`.
pub(super) async fn until_over(bus: &Bus, watch: &mut Watch, unit: &str, once: bool) -> Result<Option<Ended>, Failure> {
    loop {
        if let Some(ended) = watch.seen.ended() {
            if once && ended.code != Code::None {
                return Ok(Some(ended));
            }
            let now = snapshot(bus, unit).await?;
            if now.is_gone() || now.is_over() {
                // Without a process, it is another unit of the name that was made and dropped.
                return Ok(Some(ended).filter(|ended| ended.code != Code::None || ended.result != "success"));
            }
            watch.seen.active.clear();
        }
        watch.next().await?;
    }
}

/// The end of a unit that has failed and is still loaded.
async fn fetch(bus: &Bus, unit: &str) -> Result<Option<Ended>, Failure> {
    let number = async |name: &str| -> Result<i32, Failure> {
        Ok(i32::try_from(&bus.get(unit, SERVICE, name).await?).unwrap_or_default())
    };
    let result = bus.get(unit, SERVICE, "Result").await?;
    Ok(Some(Ended {
        result: <&str>::try_from(&result).unwrap_or_default().to_owned(),
        code: Code::from_wait(number("ExecMainCode").await?),
        status: number("ExecMainStatus").await?,
    }))
}
