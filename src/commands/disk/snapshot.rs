//! `soute disk snapshot`

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;
use rustix::fs::syncfs;

use super::freeze::Frozen;
use crate::commands::must_exist;
use crate::definition::types::Name;
use crate::error::{Context, Error, Exit, Result};
use crate::host::definitions;
use crate::image::copy::CopyMethod;
use crate::image::disk;
use crate::image::disk::snapshot::Making;
use crate::image::lock::Lock;
use crate::image::store::Kind;
use crate::output::{bar, stdout};
use crate::sandbox::exec::Target;
use crate::settings::Host;
use crate::systemd::Manager;

/// Keeps the disk of a container as it is now, under a tag, which is printed.
#[derive(Debug, Args)]
pub struct Snapshot {
    /// The container.
    name: Name,
    /// What to call it; the time, by default.
    tag: Option<Name>,
}

impl Snapshot {
    /// Takes it.
    pub fn run(self, host: &Host) -> Result<ExitCode> {
        let Self { name, tag } = &self;
        let tag = tag.as_ref().map_or_else(now, ToString::to_string);
        let manager = definitions::manager(host)?;
        let (copied, frozen) =
            take(host, manager.as_ref(), name, &tag).with_context(|| format!("cannot take a snapshot of {name}"))?;
        stdout::write(&format!("{tag}\n"))?;
        match frozen {
            Some(frozen) => eprintln!("{name}: {copied}, frozen for {:.1} ms", frozen.as_secs_f64() * 1e3),
            None => eprintln!("{name}: {copied}"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn take(host: &Host, manager: Option<&Manager>, name: &Name, tag: &str) -> Result<(CopyMethod, Option<Duration>)> {
    // Without a disk there is nothing to hold, and a lock would be left for a name that nobody has.
    if disk::open(&host.layout, name)?.is_none() {
        manager.map_or(Ok(()), |manager| must_exist(host, manager, name))?;
        return Err(Error::new(Exit::NotFound, format!("{name} has no disk")));
    }
    let _lock = Lock::try_name(&host.layout, name)?;
    let running = match Target::find(&host.layout, name) {
        Err(error) if error.exit() == Exit::NotRunning => None,
        found => Some(found?),
    };
    let making = Making::begin(&host.layout, name, tag)?;
    let copied = copy_still(&making, name, running.as_ref(), manager)?;
    let microseconds = copied.1.map(|lasted| u64::try_from(lasted.as_micros()).unwrap_or(u64::MAX));
    making.commit(copied.0, microseconds)?;
    Ok(copied)
}

/// Copies while the container stands still, and says for how long it did.
pub fn copy_still(
    making: &Making,
    name: &Name,
    running: Option<&Target>,
    manager: Option<&Manager>,
) -> Result<(CopyMethod, Option<Duration>)> {
    let bar = bar::new(format!("copying the disk of {name}"));
    let mut progress = |done, total| bar::show(&bar, done, total);
    let copied = match (running, manager) {
        (Some(target), Some(manager)) => {
            // What is written now has not to be written while it stands still.
            syncfs(making.disk().dir()).context("cannot write the disk")?;
            let raw = making.disk().info()?.fs.is_some_and(|fs| !fs.is_read_only());
            let raw = (making.kind() == Kind::Raw && raw).then(|| making.disk());
            let frozen = Frozen::freeze(manager, name, target, raw)?;
            let copied = making.copy(&mut progress);
            let lasted = frozen.thaw();
            (copied?, Some(lasted?))
        }
        _ => (making.copy(&mut progress)?, None),
    };
    bar.finish_and_clear();
    Ok(copied)
}

/// 20261122-034300, in UTC, as tags are names.
fn now() -> String {
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    time.trim_end_matches('Z').replace(['-', ':'], "").replace('T', "-")
}
